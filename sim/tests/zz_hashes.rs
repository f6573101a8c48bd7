#![allow(missing_docs, clippy::all)]
use cloudchamber_folder::System;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::journal::JournalSystem;
use cloudchamber_sim::{Swarm, swarm};
fn go<S: System>(settings: &str, what: &str, seeds: u64) {
    let settings: S::Settings = serde_json::from_str(settings).unwrap();
    for profile in ["icloud", "dropbox", "gdrive", "onedrive", "syncthing", "git", "perfect"] {
        let swarm_ = Swarm::<S> { settings: settings.clone(), profile: profile.into(), switches: Default::default(), seeds: 0..seeds, jobs: 1, keep_going: true, recheck_every: 0 };
        let h = swarm(&swarm_, &|_| {});
        println!("HASH {what} {profile} {:016x} {}", h.hash, h.choices);
    }
}
#[test]
fn hashes() {
    let n: u64 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    go::<FailoverSystem>(r#"{"design":"published"}"#, "published", 2 * n);
    go::<FailoverSystem>(r#"{"design":"hardened"}"#, "available", n);
    go::<FailoverSystem>(r#"{"design":"hardened","policy":"majority"}"#, "majority", n);
    go::<JournalSystem>(r#"{"design":"published"}"#, "jpub", n / 2);
    go::<JournalSystem>(r#"{"design":"hardened"}"#, "jhard", n / 2);
}
