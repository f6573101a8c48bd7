//! The `cloudchamber` command, for the built-in systems.

use std::process::ExitCode;

use cloudchamber_folder::systems::BuiltIn;

/// Runs and models make and drop small values all the time; the system's own allocator takes a good part of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cloudchamber::main_called::<BuiltIn>("cargo run --release --bin cloudchamber --")
}
