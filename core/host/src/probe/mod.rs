//! A ping for synced folders: what a real client does, measured between two or more machines.
//!
//! A probe runs on each of them, in a folder that the client copies. They find each other through the folder, write and
//! watch by one plan, tell each other what they saw, and each puts the reports of all together: the delays of each way,
//! in which order and by which steps files arrive, what is seen meanwhile, and what is left where two write at once.
//! Everything that is judged is judged from reports (`results`, `conflict`, `profile`), apart from whoever writes and
//! looks (`session`, `phases`, `watch`).

mod clock;
mod conflict;
mod content;
mod phases;
mod place;
mod profile;
mod results;
mod session;
mod stats;
mod table;
mod watch;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::system::uname;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::utc;
use clock::{Known, Steady};
use phases::Draws;
use place::Place;
use session::{Fixed, Session, Stopped};
use wire::Hello;

/// What is known of the clocks of the machines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clocks {
    /// They are one where both probes run on one machine, and otherwise nothing is known.
    Auto,
    /// Nothing is known: only echoes tell.
    Echo,
    /// They agree within so many milliseconds.
    WithinMs(u32),
}

/// What to measure, and where.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The folder that a client copies.
    pub folder: PathBuf,
    /// What this probe is called.
    pub name: String,
    /// The other probes. If none is named, the first that is seen is the only one.
    pub with: Vec<String>,
    /// How often each thing is measured.
    pub rounds: u32,
    /// No phase begins after so many minutes.
    pub minutes_max: u32,
    /// How long nothing may be seen of another probe, in seconds.
    pub patience_s: u32,
    /// The length of the largest file, in bytes.
    pub largest_bytes: u64,
    /// The client and its version, such as `Syncthing 1.19.2`.
    pub client: String,
    /// The name of the profile that is nearest. `None` if the client's name says it.
    pub like: Option<String>,
    /// What is known of the clocks.
    pub clocks: Clocks,
    /// Whether there may be something else in the folder.
    pub is_beside: bool,
    /// What the profile is called.
    pub profile_name: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was measured.
    Measured {
        /// For people, line by line.
        table: Vec<String>,
        /// For programs.
        json: Value,
        /// The profile's text.
        profile: String,
        /// Files that were left where they are, since they are not this probe's.
        left: Vec<PathBuf>,
    },
    /// It was not: why, and the way out.
    Stopped(String),
}

/// Measures a client, together with the probes on other machines.
///
/// # Errors
/// Where something that was asked for makes no sense, or a file cannot be written.
pub fn probe(
    asked: &Asked,
    tell: &dyn Fn(&str),
    is_asked_to_end: &dyn Fn() -> bool,
) -> anyhow::Result<Outcome> {
    session::check_name(&asked.name)?;
    for name in &asked.with {
        session::check_name(name)?;
        anyhow::ensure!(
            *name != asked.name,
            "--with names the other probes: leave out {name}, which is this one"
        );
    }
    let near = profile::near(asked.like.as_deref(), &asked.client)?;
    let folder = crate::local::real(&asked.folder)?;
    let clock = Steady::start();
    let known = match asked.clocks {
        Clocks::Auto => None,
        Clocks::Echo => Some(Known::Nothing),
        Clocks::WithinMs(ms) => Some(Known::WithinUs(i64::from(ms) * 1_000)),
    };
    let place = Place::make(&folder, &asked.name, asked.is_beside)?;
    let mut draws = Draws(seed());
    loop {
        let fixed = Fixed {
            name: &asked.name,
            with: &asked.with,
            hello: hello(asked, &folder, clock.now_us()),
            known,
            patience_us: i64::from(asked.patience_s) * 1_000_000,
            end_us: clock.now_us() + i64::from(asked.minutes_max) * 60_000_000,
            clock,
            is_asked_to_end,
            tell,
        };
        let run = format!("{:08x}", seed() & 0xffff_ffff);
        let mut session = Session::begin(&fixed, place.clone(), run)?;
        let result = measure(&mut session, &mut draws);
        match result {
            Ok(results) => {
                let left = part(&mut session)?;
                return measured(asked, &session, &results, near, left);
            }
            Err(Stopped::Anew(peer)) => tell(&format!("{peer} has begun anew: so does this one")),
            Err(Stopped::Failed(error)) => {
                // What this run wrote is its own, however it ends.
                let _ = place.remove(&session.run);
                return Err(error);
            }
            Err(stopped) => {
                let _ = place.remove(&session.run);
                return Ok(Outcome::Stopped(why(&stopped, asked)));
            }
        }
    }
}

fn measure(session: &mut Session<'_>, draws: &mut Draws) -> session::Step<results::Results> {
    (session.fixed.tell)(&format!(
        "{} is here and waits for {}",
        session.fixed.name,
        if session.fixed.with.is_empty() {
            "another probe".to_owned()
        } else {
            session.fixed.with.join(", ")
        }
    ));
    session.meet()?;
    (session.fixed.tell)(&format!(
        "all have met; a file takes up to {} ms here",
        session.plan.typical_us / 1_000
    ));
    phases::run(session, draws)?;
    let reports = phases::reports(session)?;
    session.reports.clone_from(&reports);
    let me = session.fixed.name;
    let known = |one: &str, other: &str| match (one == me, other == me) {
        (true, _) => session.known(other),
        (_, true) => session.known(one),
        // Of two others: as far as it is known from here.
        _ if session.known(one) == Known::Same && session.known(other) == Known::Same => Known::Same,
        _ => session.fixed.known.unwrap_or(Known::Nothing),
    };
    Ok(results::results(&reports, &known))
}

/// All say that they have everything; then each removes what it wrote.
fn part(session: &mut Session<'_>) -> anyhow::Result<Vec<PathBuf>> {
    (session.fixed.tell)("everything is measured: what was written is removed");
    let said = session.say("bye", &Value::Null);
    // Whoever has removed its files has said so before, even if that is not seen any more.
    let is_gone = |session: &Session<'_>, peer: &String| {
        session.watch.message(peer, "bye").is_some()
            || !session.place.root.join(peer).join(wire::file_name("report")).exists()
    };
    if said.is_ok() {
        let late_us = session.plan.late_us();
        let waited = session
            .wait(Some(late_us), &|session| session.watch.peers.keys().all(|peer| is_gone(session, peer)));
        if !matches!(waited, Ok(true)) {
            (session.fixed.tell)("not everybody has said goodbye; it was waited long enough");
        }
        // The last word has to arrive before it is removed.
        let now_us = session.now_us();
        let _ = session.until(now_us + session.plan.typical_us * 2);
    }
    session.place.remove(&session.run).context("what was written cannot be removed")
}

fn measured(
    asked: &Asked,
    session: &Session<'_>,
    results: &results::Results,
    near: &str,
    left: Vec<PathBuf>,
) -> anyhow::Result<Outcome> {
    let date = utc(session.now_us() / 1_000);
    let day = date.get(..10).unwrap_or_default();
    let origin = format!("{}, cloudchamber-agent probe {day}", asked.client);
    let systems: Vec<&str> = session.hellos.values().map(|hello| &*hello.system).collect();
    let about = format!(
        "{}, measured on {day} between {} probes: {} and {}",
        asked.client,
        session.hellos.len() + 1,
        session.fixed.hello.system,
        systems.join(", ")
    );
    let text = profile::profile(results, &asked.profile_name, &about, &origin, near)?;
    let json = json!({
        "client": asked.client,
        "date": date,
        "name": asked.name,
        "system": session.fixed.hello.system,
        "peers": session.hellos,
        "plan": session.plan,
        "has_notices": session.watch.has_notices(),
        "results": results,
        // Every version that was written and every look that showed a new one, by the clock of whoever says so.
        "reports": session.reports,
        "left": left.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
    });
    Ok(Outcome::Measured { table: table::table(results), json, profile: text, left })
}

/// Why nothing was measured, and the way out.
fn why(stopped: &Stopped, asked: &Asked) -> String {
    let folder = asked.folder.display();
    match stopped {
        Stopped::Unseen(peer) if peer.is_empty() => format!(
            "{folder}: no other probe was seen for {} s: start one in the same folder on another machine, see that the client \
             runs on both, or wait longer with --patience",
            asked.patience_s
        ),
        Stopped::Unseen(peer) => format!(
            "{folder}: nothing was seen of {peer} for {} s: see that its probe and the client run, or wait longer with \
             --patience; then start all probes again",
            asked.patience_s
        ),
        Stopped::Lost => format!(
            "{folder}: what this probe wrote is not there any more: see whether the folder is mounted and who removed it, then \
             start all probes again"
        ),
        _ => format!("{folder}: it was asked to end, and has removed what it wrote"),
    }
}

fn seed() -> u64 {
    match crate::clock::draw() {
        cloudchamber_core::Draw::Seed(seed) => seed,
        #[allow(unreachable_patterns, reason = "a draw may come to have other forms")]
        _ => u64::from(std::process::id()),
    }
}

fn hello(asked: &Asked, folder: &Path, started_us: i64) -> Hello {
    let system = uname();
    let system = format!("{} {}", system.sysname().to_string_lossy(), system.machine().to_string_lossy());
    // Linux has a number of each start of the machine; elsewhere it is not known who shares a clock.
    let machine = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Hello {
        started_us,
        client: asked.client.clone(),
        system,
        machine: machine.trim().to_owned(),
        folder: xxh3_64(folder.as_os_str().as_encoded_bytes()),
        rounds: asked.rounds,
        largest_bytes: asked.largest_bytes,
    }
}
