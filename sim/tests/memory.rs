//! Runs leave nothing behind. Alone in its process, so that nothing else moves the figure.
#![cfg(target_os = "linux")]

use cloudchamber_folder::systems::failover::{FailoverSystem, Settings};
use cloudchamber_sim::{Swarm, swarm};

/// Resident memory in pages (proc(5), statm, second figure).
fn resident() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the system tells its figures in files")]
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has this file");
    let pages = text.split(' ').nth(1).expect("the second figure");
    pages.parse().expect("a number of pages")
}

fn run_some(seeds: std::ops::Range<u64>) {
    let some = Swarm::<FailoverSystem> {
        settings: Settings::default(),
        profile: "icloud".into(),
        switches: Default::default(),
        jobs: 1,
        keep_going: true,
        recheck_every: 0,
        shape: Default::default(),
        seeds,
    };
    let wanted = some.seeds.end - some.seeds.start;
    assert_eq!(swarm(&some, &|_| {}).runs, wanted);
}

#[test]
fn runs_leave_no_memory_behind() {
    const SOME: u64 = 50;
    // The first runs build the profile's tables and fill the allocator's reserves.
    run_some(0..SOME);
    let after_n = resident();
    run_some(0..4 * SOME);
    let after_4n = resident();
    let grown = after_4n.saturating_sub(after_n);
    // In pages of 4 KiB: 16 MiB is far below what the worlds of so many runs would take if they stayed (each is
    // about a quarter of one), and above what reserves vary by.
    assert!(grown < 4_096, "{after_n} pages after {SOME} runs, {after_4n} after {} more", 4 * SOME);
}
