//! `snapshot save`.

use client::grpc::etcdserverpb::maintenance_client::MaintenanceClient;
use client::{Client, Safety};
use proto::etcdserverpb::{SnapshotRequest, SnapshotResponse};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tonic::Streaming;

use super::signal;
use crate::cli::Spec;
use crate::context::{Context, write_out};
use crate::failure::{Failure, INTERRUPTED};

/// How many bytes of hash follow the database.
const HASH_BYTES: usize = 32;

/// The database's length is a multiple of this, so that a missing hash shows.
const SECTOR_BYTES: usize = 512;

/// What the commands take.
pub fn spec() -> Spec {
    Spec {
        name: "snapshot",
        summary: "Saves a member's database",
        commands: vec![Spec {
            name: "save",
            arguments: "<filename>",
            summary: "Writes a member's database to a file",
            details: "Writes a member's database to a file. The file appears when all of it is \
                      there, checked and on disk.",
            ..Spec::default()
        }],
        ..Spec::default()
    }
}

/// Runs it. Without `--command-timeout` it may take as long as it takes.
///
/// # Errors
/// Wrong arguments; what the server answers; a stream that ends early or does not match its hash;
/// what the system says about the file. No file is left behind.
pub async fn run(context: &Context) -> Result<(), Failure> {
    if context.count() != 1 {
        return Err(Failure::arguments("snapshot save expects one argument <filename>"));
    }
    let endpoints = &context.globals.endpoints;
    if endpoints.len() != 1 {
        let message = format!(
            "snapshot must be requested to one selected node, not multiple [{}]",
            endpoints.join(" ")
        );
        return Err(Failure::new(INTERRUPTED, message));
    }
    let shown = context.positional(0);
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&shown));
    let client = context.client().await?;
    let work = save(&client, &path);
    let saved = async {
        if context.globals.command_timeout_given {
            let limit = context.globals.command_timeout;
            let late = |_| Failure::new(INTERRUPTED, client::Error::Deadline);
            tokio::time::timeout(limit, work).await.map_err(late)?
        } else {
            work.await
        }
    };
    let version = tokio::select! {
        version = saved => version?,
        code = signal::ended() => return Err(Failure::silent(code?)),
    };
    write_out(&[b"Snapshot saved at ", &shown[..], b"\n"].concat())?;
    if !version.is_empty() {
        write_out(format!("Server version {version}\n").as_bytes())?;
    }
    Ok(())
}

/// Saves a snapshot; gives the server's version, which servers before 3.6 don't tell.
async fn save(client: &Client, path: &Path) -> Result<String, Failure> {
    let part = Part::create(path)?;
    let open = |channel| async move {
        MaintenanceClient::new(channel)
            .max_decoding_message_size(usize::MAX)
            .snapshot(SnapshotRequest {})
            .await
    };
    let pieces = client.call(Safety::Read, open).await;
    let pieces = pieces.map_err(|error| Failure::new(INTERRUPTED, error))?;
    let (part, version) = receive(pieces, part).await?;
    part.finish(path)?;
    Ok(version)
}

async fn receive(
    mut pieces: Streaming<SnapshotResponse>,
    mut part: Part,
) -> Result<(Part, String), Failure> {
    let mut version = String::new();
    loop {
        let piece = pieces.message().await.map_err(|status| {
            let error = client::Error::from(status);
            Failure::new(INTERRUPTED, format_args!("could not write snapshot: {error}"))
        })?;
        let Some(piece) = piece else { break };
        if !piece.version.is_empty() {
            version = piece.version;
        }
        part.write(&piece.blob).map_err(|error| {
            Failure::new(INTERRUPTED, format_args!("could not write snapshot: {error}"))
        })?;
    }
    Ok((part, version))
}

/// A file that is being written beside its final place. Removed when this goes before it is whole.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    hash: Sha256,
    /// The last bytes received: the hash, once everything is there. They are in the file, but not
    /// in `hash`.
    tail: Vec<u8>,
    length: usize,
    renamed: bool,
}

impl Part {
    fn create(target: &Path) -> Result<Self, Failure> {
        let mut path = target.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(|error| {
            let shown = path.display();
            let message = format!("could not open {shown} (open {shown}: {})", reason(&error));
            Failure::new(INTERRUPTED, message)
        })?;
        let hash = Sha256::new();
        Ok(Self { path, file, hash, tail: Vec::new(), length: 0, renamed: false })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len();
        self.tail.extend_from_slice(bytes);
        let sure = self.tail.len().saturating_sub(HASH_BYTES);
        self.hash.update(&self.tail[..sure]);
        self.tail.drain(..sure);
        Ok(())
    }

    /// Checks the hash, syncs, and puts the file in its place.
    fn finish(mut self, target: &Path) -> Result<(), Failure> {
        let failed = |message: String| Failure::new(INTERRUPTED, message);
        if self.length % SECTOR_BYTES != HASH_BYTES {
            let length = self.length;
            return Err(failed(format!("sha256 checksum not found [bytes: {length}]")));
        }
        if self.hash.clone().finalize()[..] != self.tail[..] {
            return Err(failed("sha256 checksum does not match what was received".to_owned()));
        }
        self.file
            .sync_all()
            .map_err(|error| failed(format!("could not fsync snapshot: {error}")))?;
        std::fs::rename(&self.path, target).map_err(|error| {
            let (from, to) = (self.path.display(), target.display());
            failed(format!("could not rename {from} to {to} ({error})"))
        })?;
        self.renamed = true;
        // The name is on disk once its folder is.
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")));
        folder
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(format!("could not fsync the folder: {error}")))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing more can be done about a file that can't be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The system's word as Go writes it: `no such file or directory`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("snapshot-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn stream(database: &[u8]) -> Vec<u8> {
        [database, &Sha256::digest(database)[..]].concat()
    }

    #[test]
    fn a_whole_stream_becomes_a_file_in_pieces_of_any_size() {
        let folder = folder("whole");
        let bytes = stream(&[7; 1024]);
        for size in [1, 31, 32, 33, 1000, 4096] {
            let target = folder.join(size.to_string());
            let mut part = Part::create(&target).unwrap();
            bytes.chunks(size).for_each(|piece| part.write(piece).unwrap());
            part.finish(&target).unwrap();
            assert_eq!(std::fs::read(&target).unwrap(), bytes);
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 6);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn nothing_is_left_of_a_stream_that_is_damaged_or_cut() {
        let folder = folder("damaged");
        let target = folder.join("db");
        let mut damaged = stream(&[7; 1024]);
        damaged[100] ^= 1;
        for (bytes, expected) in [
            (damaged, "sha256 checksum does not match what was received"),
            (stream(&[7; 1024])[..1024].to_vec(), "sha256 checksum not found [bytes: 1024]"),
            (Vec::new(), "sha256 checksum not found [bytes: 0]"),
        ] {
            let mut part = Part::create(&target).unwrap();
            part.write(&bytes).unwrap();
            assert_eq!(part.finish(&target).unwrap_err().message(), expected);
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
