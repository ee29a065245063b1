//! The program `etcd` over a disk that fails when a file tells it to: for tests of what the server
//! does then. `OXETCD_FAULT` names that file; see [`faulty`].

mod faulty;

use std::process::ExitCode;
use std::sync::Arc;

use faulty::FaultyDisk;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let Some(control) = std::env::var_os("OXETCD_FAULT") else {
        eprintln!("OXETCD_FAULT does not name the file that orders a fault");
        return ExitCode::FAILURE;
    };
    etcd::main(Arc::new(FaultyDisk::new(control.into())))
}
