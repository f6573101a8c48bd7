//! What the command says on a terminal: how wide, how long, and with which verdict.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

#[allow(dead_code, reason = "other tests need the rest of it")]
mod common;

use common::{call, code, json, out, refused, whole, workspace};

#[test]
fn every_page_of_the_documentation_is_in_the_book() {
    let docs = workspace().join("docs");
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    let pages =
        std::fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = pages.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect();
    pages.sort();
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let mut linked: Vec<_> = links.map(str::to_owned).collect();
    linked.sort();
    assert_eq!(linked, pages);
    // The book holds what lies in its directory, and nothing else.
    for page in pages {
        let text = std::fs::read_to_string(docs.join(&page)).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.starts_with("https://")) {
            assert!(!link.starts_with("..") && docs.join(link).exists(), "{page}: {link} is not in the book");
        }
    }
}

#[test]
fn every_line_fits_a_hundred_columns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let calls: [&[&str]; 5] = [
        &["check", "--quick", "--seeds", "2", "--system", "delta", "--out", path],
        &[
            "swarm",
            "--system",
            "failover",
            "--design",
            "published",
            "--profile",
            "icloud",
            "--seeds",
            "0..20",
        ],
        &[
            "swarm",
            "--system",
            "failover",
            "--policy",
            "available",
            "--profile",
            "syncthing",
            "--seeds",
            "0..20",
        ],
        &["model", "check", "failover", "--bounds", "scenarios/models/published-first-claim.toml"],
        &["model", "check", "journal", "--design", "published", "--quick"],
    ];
    for call_of in calls {
        let said = out(&call(call_of));
        assert!(said.lines().count() > 4, "{call_of:?}: {said}");
        for line in said.lines() {
            assert!(line.chars().count() <= 100, "{call_of:?}: {} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn what_a_policy_concedes_has_one_verdict() {
    let arguments = ["swarm", "--system", "failover", "--policy", "available", "--profile", "syncthing"];
    let arguments = [&arguments[..], &["--seeds", "0..12"]].concat();
    let output = call(&arguments);
    let said = out(&output);
    assert_eq!(code(&output), 0, "{said}");
    assert!(said.starts_with("ok  ") && said.contains("ran 12 of the 12 seeds 0..12, 0 failed"), "{said}");
    assert!(whole(&said).contains("conceded by this policy, fails nothing"), "{said}");
    let quiet = out(&call(&[&arguments[..], &["--quiet"]].concat()));
    assert!(quiet.lines().last().unwrap().trim_start().starts_with(|c: char| c.is_alphanumeric()), "{quiet}");
    assert!(quiet.lines().count() < said.lines().count(), "{quiet}");
}

#[test]
fn a_swarm_runs_for_as_long_as_it_is_told() {
    let arguments =
        ["swarm", "--system", "failover", "--design", "published", "--profile", "perfect", "--json"];
    let report = json(&call(&[&arguments[..], &["--for", "1s", "--seeds", "5..6", "--jobs", "2"]].concat()));
    let seeds = &report["seeds"];
    assert_eq!(seeds["from"], 5);
    assert_eq!(seeds["to"].as_u64().unwrap() - 5, seeds["run"].as_u64().unwrap());
    assert!(seeds["run"].as_u64().unwrap() >= 16, "{seeds}");
    refused(&[&arguments[..], &["--for", "soon"]].concat(), "such as 90s, 10m or 2h");
}

#[test]
fn the_version_names_the_command_and_the_commit() {
    let said = out(&call(&["--version"]));
    assert!(said.starts_with("cloudchamber ") && said.contains("(commit "), "{said}");
}
