//! `cargo run --release -p cloudchamber-model --example states -- FILE [STATES_MAX] [THREADS]`: what a model file of
//! failover says, and what it costs.
#![allow(
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool that reads files and prints figures"
)]

use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_model::{ModelSpec, check};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let file = std::path::Path::new(&args[1]);
    let states_max = args.get(2).and_then(|text| text.parse().ok()).filter(|most| *most > 0);
    let threads = args.get(3).map_or(1, |text| text.parse().unwrap());
    let spec = ModelSpec::<FailoverSystem>::parse(file, &std::fs::read_to_string(file).unwrap())
        .unwrap_or_else(|error| panic!("{error}"));
    let checked = check(spec, threads, states_max);
    for line in checked.story() {
        println!("  {line}");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!(
        "{} unique, {} generated, depth {}, complete {}, {:.2} s, {} states/s, {} bytes/unique, {:?}",
        checked.unique_states,
        checked.generated_states,
        checked.depth,
        checked.complete,
        checked.elapsed.as_secs_f64(),
        checked.states_per_s(),
        peak * 1024 / checked.unique_states.max(1),
        checked.judge(),
    );
}
