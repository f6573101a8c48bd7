//! The `cloudchamber` command, for the built-in systems.

use std::process::ExitCode;

use cloudchamber_folder::systems::BuiltIn;

fn main() -> ExitCode {
    cloudchamber::main_called::<BuiltIn>("cargo run --release --bin cloudchamber --")
}
