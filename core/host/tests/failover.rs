//! A command that runs on one of several machines, with real agents, guards and processes over a real folder.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, PipeWriter};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{FAST, agent, json, said};

mod support;

/// What each machine runs: it says who it is and in which term, again and again.
const CHATTER: &str = "while :; do echo $0 $CLOUDCHAMBER_TERM; sleep 0.02; done";

/// Machines that share a folder, and all that their commands say, in one order.
struct Machines {
    dir: tempfile::TempDir,
    pipe: PipeWriter,
    lines: Receiver<String>,
    heard: Vec<(String, u64)>,
    agents: Vec<(String, Child)>,
}

impl Machines {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("shared")).unwrap();
        std::fs::write(dir.path().join("fast.toml"), FAST).unwrap();
        let (reader, pipe) = std::io::pipe().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { dir, pipe, lines, heard: Vec::new(), agents: Vec::new() }
    }

    fn shared(&self) -> PathBuf {
        self.dir.path().join("shared")
    }

    /// The agent's command line for one machine.
    fn command(&self, what: &str, name: &str) -> Command {
        let mut command = agent();
        command.arg(what).arg("--folder").arg(self.shared()).args(["--name", name]);
        command.arg("--local").arg(self.dir.path().join(name));
        command
    }

    fn start(&mut self, name: &str, more: &[String], script: &str) {
        let mut command = self.command("run", name);
        command.arg("--settings").arg(self.dir.path().join("fast.toml")).args(more);
        command.args(["--", "sh", "-c", script, name]);
        let errors = std::fs::File::create(self.dir.path().join(format!("{name}.err"))).unwrap();
        let child = command.stdout(self.pipe.try_clone().unwrap()).stderr(errors).spawn().unwrap();
        self.agents.push((name.to_owned(), child));
    }

    fn ask(&self, what: &str, name: &str, args: &[&str]) -> Output {
        self.command(what, name).args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// The id by which people name a machine's replica.
    fn id(&self, name: &str) -> String {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{name}@{host}:{}", self.shared().canonicalize().unwrap().display())
    }

    fn signal(&self, name: &str, signal: Signal) {
        let (_, child) = self.agents.iter().find(|(known, _)| known == name).unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    fn wait_for_end(&mut self, name: &str) -> Option<i32> {
        let at = self.agents.iter().position(|(known, _)| known == name).unwrap();
        self.agents.remove(at).1.wait().unwrap().code()
    }

    /// What the next command says that somebody's does; who says it.
    fn next(&mut self) -> &str {
        let line = self.lines.recv_timeout(Duration::from_secs(120));
        let line = line.unwrap_or_else(|_| panic!("nobody's command runs\n{}", self.errors()));
        let (name, term) = line.split_once(' ').unwrap();
        self.heard.push((name.to_owned(), term.parse().unwrap()));
        &self.heard.last().unwrap().0
    }

    /// Waits until the command of one of these runs, and listens on whether any other still does; which.
    fn until(&mut self, names: &[&str]) -> String {
        for _ in 0..20_000 {
            let name = self.next().to_owned();
            if names.contains(&&*name) {
                for _ in 0..25 {
                    self.next();
                }
                return name;
            }
        }
        panic!("{names:?} never run\n{}", self.errors());
    }

    fn errors(&self) -> String {
        let text = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path()).ok();
        let files = self.dir.path().read_dir().unwrap().map(Result::unwrap);
        let errors = files.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "err"));
        errors.filter_map(text).collect()
    }

    /// Waits until one of the agents has said this.
    fn wait_for_words(&self, words: &str) {
        for _ in 0..1_200 {
            if self.errors().contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nobody said `{words}`\n{}", self.errors());
    }

    /// That no two commands ran at a time, and that each run was in a later term than the one before.
    fn one_at_a_time(&self) {
        let mut runs = self.heard.clone();
        runs.dedup();
        let terms: Vec<_> = runs.iter().map(|(_, term)| *term).collect();
        assert!(terms.is_sorted_by(|one, next| one < next), "{runs:?}\n{}", self.errors());
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for (_, child) in &mut self.agents {
            // Its guard ends the command when it is gone.
            child.kill().unwrap_or_default();
            let _ = child.wait();
        }
    }
}

#[test]
fn one_command_at_a_time_whatever_befalls_the_agents() {
    let mut machines = Machines::new();
    for name in ["a", "b", "c"] {
        machines.start(name, &[], CHATTER);
    }
    let others = |of: &str| -> Vec<_> { ["a", "b", "c"].into_iter().filter(|name| *name != of).collect() };
    // The agent hangs: its guard ends the command before anybody else begins.
    let first = machines.until(&["a", "b", "c"]);
    machines.signal(&first, Signal::STOP);
    let second = machines.until(&others(&first));
    machines.signal(&first, Signal::CONT);
    // A person chooses.
    let target = machines.id(&first);
    while machines.heard.last().unwrap().0 != first {
        // A busy machine may be taken for a silent one; then it is asked for again.
        let answer = machines.ask("activate", &first, &[&target]);
        assert!(matches!(answer.status.code(), Some(0 | 1)), "{answer:?}");
        for _ in 0..400 {
            if machines.next() == first {
                break;
            }
        }
    }
    // The agent dies.
    machines.signal(&first, Signal::KILL);
    assert_eq!(machines.wait_for_end(&first), None);
    let third = machines.until(&others(&first));
    // It is asked to end, and tells the others.
    machines.signal(&third, Signal::TERM);
    assert_eq!(machines.wait_for_end(&third), Some(0));
    let rest: BTreeSet<_> = others(&first).into_iter().filter(|name| *name != third).collect();
    let last = machines.until(&Vec::from_iter(rest.clone()));
    assert_eq!(BTreeSet::from([&*last]), rest);
    machines.one_at_a_time();
    assert!(machines.heard.iter().any(|(name, _)| *name == second));
    let status = json(&machines.ask("status", &last, &["--json"]));
    assert_eq!(status["active"], machines.id(&last));
    assert_eq!(status["devices"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_majority_of_voters_lets_one_run_at_a_time() {
    let mut machines = Machines::new();
    let voters: Vec<_> =
        ["a", "b", "c"].iter().flat_map(|name| ["--voter".into(), machines.id(name)]).collect();
    let more: Vec<_> = ["--policy".into(), "majority".into()].into_iter().chain(voters).collect();
    for name in ["a", "b", "c"] {
        machines.start(name, &more, CHATTER);
    }
    let first = machines.until(&["a", "b", "c"]);
    machines.signal(&first, Signal::KILL);
    machines.wait_for_end(&first);
    let others: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| *name != first).collect();
    machines.until(&others);
    machines.one_at_a_time();
}

#[test]
fn a_command_that_ends_by_itself_takes_its_agent_along_and_another_takes_over() {
    let mut machines = Machines::new();
    machines.start("a", &[], "echo $0 $CLOUDCHAMBER_TERM; exit 7");
    assert_eq!(machines.next(), "a");
    assert_eq!(machines.wait_for_end("a"), Some(7));
    machines.start("b", &[], CHATTER);
    assert_eq!(machines.until(&["b"]), "b");
    machines.one_at_a_time();
}

#[test]
fn a_command_that_will_not_end_is_killed_and_so_is_what_it_started() {
    let mut machines = Machines::new();
    let stubborn = format!("trap '' TERM; sh -c '{CHATTER}' $0 & {CHATTER}");
    machines.start("a", &["--grace".into(), "0".into()], &stubborn);
    machines.until(&["a"]);
    machines.signal("a", Signal::TERM);
    assert_eq!(machines.wait_for_end("a"), Some(0));
    machines.start("b", &[], CHATTER);
    machines.until(&["b"]);
    machines.one_at_a_time();
    assert!(machines.errors().contains("the command was ended (exit status 137)"), "{}", machines.errors());
}

/// A folder that its client, a person or a mount took away is waited for, and not made anew: beside an empty one that only
/// this machine has, it would lead alone.
#[test]
fn a_shared_folder_that_is_gone_is_waited_for_and_not_made_anew() {
    let mut machines = Machines::new();
    machines.start("a", &[], CHATTER);
    machines.until(&["a"]);
    let away = machines.dir.path().join("away");
    std::fs::rename(machines.shared(), &away).unwrap();
    machines.wait_for_words("the shared folder cannot be used");
    assert!(!machines.shared().exists());
    std::fs::rename(&away, machines.shared()).unwrap();
    machines.wait_for_words("the shared folder is back");
    machines.until(&["a"]);
    machines.one_at_a_time();
    std::fs::rename(machines.shared(), &away).unwrap();
    machines.signal("a", Signal::TERM);
    assert_eq!(machines.wait_for_end("a"), Some(0));
    assert!(!machines.shared().exists());
}

/// A machine that boots starts its agent before the folder is mounted: what lies there is the empty directory below.
#[test]
fn an_agent_that_starts_before_its_folder_is_mounted_waits_for_it_or_for_a_word() {
    let mut machines = Machines::new();
    machines.start("a", &[], CHATTER);
    machines.until(&["a"]);
    machines.signal("a", Signal::TERM);
    assert_eq!(machines.wait_for_end("a"), Some(0));
    let away = machines.dir.path().join("away");
    let unmount = |machines: &Machines| {
        std::fs::rename(machines.shared(), &away).unwrap();
        std::fs::create_dir(machines.shared()).unwrap();
    };
    unmount(&machines);
    machines.start("a", &[], CHATTER);
    machines.wait_for_words("the shared folder cannot be used");
    assert_eq!(machines.shared().read_dir().unwrap().count(), 0, "nothing is written below the mount");
    std::fs::remove_dir(machines.shared()).unwrap();
    std::fs::rename(&away, machines.shared()).unwrap();
    machines.wait_for_words("the shared folder is back");
    machines.until(&["a"]);
    machines.one_at_a_time();
    machines.signal("a", Signal::TERM);
    assert_eq!(machines.wait_for_end("a"), Some(0));
    // Emptied on purpose: only a person can know.
    unmount(&machines);
    machines.start("a", &[], CHATTER);
    machines.wait_for_words("the shared folder cannot be used");
    let accepted = machines.ask("accept", "a", &[]);
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    machines.until(&["a"]);
}

/// Nobody removes another's files by itself; a person may, of one that does not live.
#[test]
fn a_replica_that_will_not_come_back_is_removed_when_somebody_asks() {
    let mut machines = Machines::new();
    machines.start("a", &[], CHATTER);
    machines.until(&["a"]);
    machines.start("b", &[], CHATTER);
    let files = |machines: &Machines| machines.shared().join("devices").read_dir().unwrap().count();
    for _ in 0..1_200 {
        if files(&machines) == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    machines.signal("b", Signal::TERM);
    assert_eq!(machines.wait_for_end("b"), Some(0));
    let unknown = machines.ask("remove", "a", &["nobody@nowhere:/x"]);
    assert_eq!(unknown.status.code(), Some(1));
    let id = machines.id("b");
    let asked = machines.ask("remove", "a", &[&id]);
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    machines.wait_for_words("as asked");
    assert_eq!(files(&machines), 1);
    machines.until(&["a"]);
}

#[test]
fn wrong_usage_says_what_and_where_in_one_line() {
    let mut machines = Machines::new();
    let empty = machines.ask("status", "a", &[]);
    assert!(empty.status.success());
    assert!(
        String::from_utf8_lossy(&empty.stdout).starts_with("no replica has run in this folder"),
        "{empty:?}"
    );
    let refused = |output: &Output, code: i32, with: &str| {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = said(output);
        assert!(text.lines().count() == 1 && text.contains(with), "{text}");
    };
    refused(&machines.ask("run", "a", &["--", "/no/such/program"]), 2, "there is no such program");
    refused(&machines.ask("run", "a", &["--policy", "majority", "--", "true"]), 2, "has 0 voters");
    refused(&machines.ask("activate", "a", &["b"]), 2, "no agent runs here");
    machines.start("a", &[], CHATTER);
    machines.until(&["a"]);
    refused(&machines.ask("run", "a", &["--", "true"]), 2, "another agent runs with this local directory");
    refused(&machines.ask("activate", "a", &["nobody"]), 1, "no device file names it");
    refused(&machines.ask("voters", "a", &["add", "nobody"]), 1, "refused: ");
}
