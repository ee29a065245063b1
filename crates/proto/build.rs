//! Compiles the `.proto` files of `proto/` without protoc: the messages, the encoded descriptors,
//! and the table of sub-message fields for `src/nesting.rs`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use protox::prost_reflect::prost_types::FileDescriptorSet;

#[path = "build/field_table.rs"]
mod field_table;

const PROTO_DIR: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_DIR}");
    println!("cargo::rerun-if-changed=build");
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([PROTO_DIR])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new(PROTO_DIR))?)?;
    fs::write(out_dir.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    let mut descriptors = compiler.file_descriptor_set();
    descriptors.file.retain(|file| !file.package().starts_with("google."));
    fs::write(out_dir.join("field_table.rs"), field_table::render(&descriptors))?;
    rename_url_fields(&mut descriptors);
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .enable_type_names()
        .compile_fds(descriptors)?;
    Ok(())
}

/// Every `.proto` file below the folder.
fn proto_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Gives `peerURLs` and `clientURLs` the Rust names `peer_urls` and `client_urls`; left alone they
/// would become `peer_ur_ls`. Names are not on the wire.
fn rename_url_fields(descriptors: &mut FileDescriptorSet) {
    let messages = descriptors.file.iter_mut().flat_map(|file| &mut file.message_type);
    for field in messages.flat_map(|message| &mut message.field) {
        if let Some(stem) = field.name().strip_suffix("URLs") {
            field.name = Some(format!("{stem}_urls"));
        }
    }
}
