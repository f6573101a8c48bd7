//! What a person sees of the agent beside its work: its name, its files for shells, manuals and services, a file of
//! options, and who is said to be dead, gone or active.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{FAST, agent, json, ok, said};

mod support;

fn call(args: &[&str]) -> Output {
    agent().args(args).output().unwrap()
}

/// A directory with a shared folder and a file of options for a replica in it.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::create_dir(path("shared")).unwrap();
    std::fs::write(path("fast.toml"), FAST).unwrap();
    let text = format!(
        "folder = '{}'\nlocal = '{}'\nname = 'desk'\nsettings = '{}'\ncommand = ['sleep', '600']\n",
        path("shared"),
        path("local"),
        path("fast.toml")
    );
    std::fs::write(path("agent.toml"), text).unwrap();
    dir
}

/// A command with the options of that file.
fn with_file(dir: &Path, args: &[&str]) -> Command {
    let mut command = agent();
    command.args(args).arg("--config").arg(dir.join("agent.toml")).env("HOME", dir).stdin(Stdio::null());
    command
}

/// Asks for the status until something is so of it.
#[track_caller]
fn status_until(dir: &Path, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
    let began = Instant::now();
    loop {
        let status = json(&with_file(dir, &["status", "--json"]).output().unwrap());
        if is_so(&status) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never {what}: {status:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn it_goes_by_its_own_name() {
    assert!(ok(&call(&["--version"])).starts_with("cloudchamber-agent "));
    assert!(ok(&call(&["completions", "bash"])).contains("cloudchamber-agent"));
    assert!(ok(&call(&["man"])).contains(".TH cloudchamber-agent 1"));
    let dir = tempfile::tempdir().unwrap();
    ok(&call(&["man", "--dir", &dir.path().display().to_string()]));
    let page = std::fs::read_to_string(dir.path().join("cloudchamber-agent-run.1")).unwrap();
    assert!(page.contains("CLOUDCHAMBER_TERM") && !dir.path().join("cloudchamber-agent-guard.1").exists());
}

#[test]
fn an_agent_whose_process_is_killed_is_dead_at_once_and_one_that_leaves_is_not_active() {
    let dir = place();
    let dir = dir.path();
    let run = || with_file(dir, &["run"]).stderr(Stdio::piped()).spawn().unwrap();
    let is_active = |status: &serde_json::Value| status["devices"][0]["health"] == "active";
    let killed = run();
    status_until(dir, "active", is_active);
    kill_process(Pid::from_child(&killed), Signal::KILL).unwrap();
    killed.wait_with_output().unwrap();
    let status = json(&with_file(dir, &["status", "--json"]).output().unwrap());
    assert_eq!(
        (&status["devices"][0]["health"], &status["active"]),
        (&"dead".into(), &serde_json::Value::Null)
    );

    let leaves = run();
    status_until(dir, "active again", is_active);
    let asked = ok(&with_file(dir, &["leave"]).output().unwrap());
    assert!(asked.starts_with("the agent ends its command"), "{asked}");
    let output = leaves.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let status = json(&with_file(dir, &["status", "--json"]).output().unwrap());
    assert!(!is_active(&status) && status["active"].is_null(), "{status:#}");
    let shown = ok(&with_file(dir, &["status"]).output().unwrap());
    assert!(!shown.contains("thread") && !shown.contains("problem"), "{shown}");

    // Each line of a log has its time, and none stands there twice.
    let log = String::from_utf8(output.stderr).unwrap();
    let texts: Vec<_> = log
        .lines()
        .map(|line| {
            let (time, text) = line.split_once(' ').unwrap();
            assert!(time.len() == 20 && time.ends_with('Z'), "{line}");
            text
        })
        .collect();
    assert!(texts.iter().any(|text| text.contains("the command runs as process")), "{log}");
    assert!(texts.iter().enumerate().all(|(at, text)| !texts[..at].contains(text)), "{log}");
}

#[test]
fn a_service_names_whole_paths_and_replaces_nobody_elses_file() {
    let dir = place();
    let dir = dir.path();
    let shared = dir.join("shared").canonicalize().unwrap();
    let unit = ok(&with_file(dir, &["service", "--manager", "systemd"]).output().unwrap());
    let line = unit.lines().find(|line| line.starts_with("ExecStart=/")).unwrap();
    assert!(line.contains(&format!(" run --config {}", dir.join("agent.toml").display())), "{line}");
    assert!(line.contains(&format!(" --folder {} ", shared.display())), "{line}");
    assert!(line.contains(" -- /") && line.ends_with("/sleep 600"), "{line}");
    for (manager, words) in [("launchd", "<key>ProgramArguments</key>"), ("task", "<LogonTrigger/>")] {
        let text = ok(&with_file(dir, &["service", "--manager", manager]).output().unwrap());
        assert!(text.contains(words) && text.contains("shared"), "{text}");
    }
    if !cfg!(target_os = "linux") {
        return;
    }
    let file = dir.join(".config/systemd/user/cloudchamber-shared-desk.service");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[Service]\nExecStart=/bin/mine\n").unwrap();
    // Nothing is called `systemctl` where this looks for it.
    let install = || {
        let mut command = with_file(dir, &["service", "--install"]);
        command.env("PATH", dir).arg("--").arg("/bin/sh");
        command.output().unwrap()
    };
    let refused = install();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(said(&refused).contains("another program's file is there"), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
    let uncalled = install();
    assert!(said(&uncalled).contains("`systemctl --user daemon-reload` cannot be called"), "{uncalled:?}");
    assert!(std::fs::read_to_string(&file).unwrap().contains("\nKillMode=mixed\n"));
}

#[test]
fn a_file_of_options_says_where_it_is_wrong() {
    let dir = place();
    let dir = dir.path();
    let file = dir.join("agent.toml");
    std::fs::write(&file, "folder = '/x'\nfoldr = '/y'\n").unwrap();
    let refused = with_file(dir, &["status"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let text = said(&refused);
    assert!(text.contains("agent.toml:2: `foldr` is no option: there are command, "), "{text}");
    assert!(text.contains(" folder, ") && !text.contains("warn-ms"), "{text}");
}
