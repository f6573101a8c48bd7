//! The process that runs the command, and ends it before the lease does.
//!
//! Agent and guard talk over a pair of sockets, the guard's standard input, in lines of JSON. The agent says how long
//! the lease lasts, as often as that changes; the end of the stream means that it has died. Instants are of the clock
//! that all processes of a machine share ([`clock::now`]).
//!
//! The command has a process group of its own, and whatever it leaves behind in it is ended too. A guard waits for the
//! command of the one before: both hold one lock.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use cloudchamber_core::{Mono, Now};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};

use super::signals;
use crate::{Lock, clock};

/// How long before the end of the lease the command is killed, in ms: a margin for a busy machine.
pub const KILL_BEFORE_MS: u64 = 500;

/// How long the guard sleeps at most, in ms. Sleeps do not count the time in which the machine was asleep, so this is
/// how long after waking a command can go on whose lease ended meanwhile.
const NAP_MS: u64 = 100;

/// What a guard is to run, and how it ends it.
#[derive(Clone, Debug)]
pub struct Charge {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// The directory that never leaves this machine.
    pub local: PathBuf,
    /// How long the command has between being asked to end and being killed, in ms, where the lease allows it.
    pub grace_ms: u64,
    /// How long before the end of the lease it is asked to end, in ms.
    pub warn_ms: u64,
}

/// What the agent tells its guard.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The lease lasts until then.
    Until(u64),
    /// End the command.
    Stop,
}

/// What a guard tells its agent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// The command runs, as this process.
    Started(u32),
    /// It cannot be started.
    Failed(String),
    /// It has ended, or was not started any more.
    Ended {
        /// Its exit status; 128 and more for a signal, as shells tell it.
        code: u8,
        /// Whether it was asked to end.
        asked: bool,
    },
}

enum Message {
    Order(Order),
    /// The command's process has ended and can be reaped.
    Exited,
}

/// What the guard's process does: runs the command of `charge` until it ends or has to.
///
/// # Errors
/// Where standard input is not the agent's socket.
pub fn serve(charge: &Charge) -> io::Result<()> {
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Not a socket, or not a connected one: somebody has called the guard by hand.
    channel.peer_addr()?;
    let (sender, messages) = mpsc::channel();
    listen(channel.try_clone()?, sender.clone());
    // A request to end the guard means the command.
    let ends = sender.clone();
    signals::heed(move || ends.send(Message::Order(Order::Stop)).is_ok())?;
    let mut watch = Watch { charge, messages, until: Mono(0), kill_at: None };
    let said = watch.run(&channel, sender);
    tell(&channel, &said);
    Ok(())
}

fn tell<T: Serialize>(mut channel: &UnixStream, what: &T) -> bool {
    let line = serde_json::to_string(what).expect("plain values serialise");
    writeln!(channel, "{line}").is_ok()
}

/// Hands on the agent's orders. Where it has died, the command is to end.
fn listen(channel: UnixStream, sender: Sender<Message>) {
    std::thread::spawn(move || {
        for line in BufReader::new(channel).lines().map_while(Result::ok) {
            if let Ok(order) = serde_json::from_str(&line)
                && sender.send(Message::Order(order)).is_err()
            {
                return;
            }
        }
        // Nobody waits any more where the guard is about to end.
        let _ = sender.send(Message::Order(Order::Stop));
    });
}

/// One command on its way to its end.
struct Watch<'a> {
    charge: &'a Charge,
    messages: Receiver<Message>,
    /// When the lease ends.
    until: Mono,
    /// When the command is killed, once it was asked to end.
    kill_at: Option<Mono>,
}

impl Watch<'_> {
    fn run(&mut self, channel: &UnixStream, sender: Sender<Message>) -> Said {
        const UNSTARTED: Said = Said::Ended { code: 0, asked: true };
        // The first order says how long the lease is.
        let Ok(Message::Order(Order::Until(until))) = self.messages.recv() else { return UNSTARTED };
        self.until = Mono(until);
        let Some(_lock) = self.wait_for_the_one_before() else { return UNSTARTED };
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => return Said::Failed(error.to_string()),
        };
        let group = Pid::from_child(&child);
        tell(channel, &Said::Started(child.id()));
        std::thread::spawn(move || {
            // Looks without reaping: until the group was ended, its number is nobody else's.
            let look = || waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while look().is_err_and(|error| error == rustix::io::Errno::INTR) {}
            let _ = sender.send(Message::Exited);
        });
        self.watch(group);
        signal(group, Signal::KILL);
        let code = child.wait().map_or(1, code);
        Said::Ended { code, asked: self.kill_at.is_some() }
    }

    /// Waits until the command has ended, and ends it where that is due.
    fn watch(&mut self, group: Pid) {
        let charge = self.charge;
        loop {
            let Now { mono: now, .. } = clock::now();
            let last = Mono(self.until.0.saturating_sub(KILL_BEFORE_MS));
            if self.kill_at.is_none() && now >= Mono(self.until.0.saturating_sub(charge.warn_ms)) {
                self.ask_to_end(group, now);
            }
            // A lease that was cut short counts for a command that is ending, a longer one does not.
            if self.kill_at.is_some_and(|at| now >= at.min(last)) {
                signal(group, Signal::KILL);
            }
            match self.next() {
                Some(Message::Exited) => return,
                Some(Message::Order(Order::Stop)) if self.kill_at.is_none() => {
                    self.ask_to_end(group, clock::now().mono);
                }
                _ => {}
            }
        }
    }

    fn ask_to_end(&mut self, group: Pid, now: Mono) {
        signal(group, Signal::TERM);
        self.kill_at = Some(now.plus(self.charge.grace_ms));
    }

    /// Waits a little for the next message, and takes note of the lease.
    fn next(&mut self) -> Option<Message> {
        let message = match self.messages.recv_timeout(Duration::from_millis(NAP_MS)) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            // The thread that hears signals lives as long as the guard, so this does not happen.
            Err(RecvTimeoutError::Disconnected) => Some(Message::Order(Order::Stop)),
        };
        if let Some(Message::Order(Order::Until(until))) = message {
            self.until = Mono(until);
        }
        message
    }

    /// Takes the lock that the guard before holds until its command has ended. `None` if the lease is over first.
    fn wait_for_the_one_before(&mut self) -> Option<Lock> {
        loop {
            let expired = clock::now().mono >= Mono(self.until.0.saturating_sub(self.charge.warn_ms));
            if expired {
                return None;
            }
            if let Ok(Some(lock)) = Lock::attempt(&self.charge.local.join("command")) {
                return Some(lock);
            }
            if let Some(Message::Order(Order::Stop)) = self.next() {
                return None;
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let (program, args) = self.charge.command.split_first().expect("a command has a program");
        Command::new(program).args(args).stdin(Stdio::null()).process_group(0).spawn()
    }
}

/// Sends a signal to a group of processes. One that has ended needs none.
fn signal(group: Pid, signal: Signal) {
    kill_process_group(group, signal).unwrap_or_default();
}

fn code(status: ExitStatus) -> u8 {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The agent's end: a guard that runs.
#[derive(Debug)]
pub struct Guard {
    process: Child,
    channel: UnixStream,
    /// The command's process.
    command: Option<u32>,
    until: Option<Mono>,
}

impl Guard {
    /// Starts a guard with a command of the given term; what it says goes to `said`, nothing when it is gone.
    ///
    /// # Errors
    /// Where no process can be started.
    pub fn start(
        charge: &Charge,
        term: u64,
        replica: &str,
        said: impl Fn(Option<Said>) + Send + 'static,
    ) -> io::Result<Self> {
        let (channel, theirs) = UnixStream::pair()?;
        let process = Command::new(own_program()?)
            .arg0("cloudchamber-agent")
            .arg("guard")
            .arg("--local")
            .arg(&charge.local)
            .args([
                "--grace-ms",
                &charge.grace_ms.to_string(),
                "--warn-ms",
                &charge.warn_ms.to_string(),
                "--",
            ])
            .args(&charge.command)
            .env("CLOUDCHAMBER_TERM", term.to_string())
            .env("CLOUDCHAMBER_REPLICA", replica)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // What a terminal sends to the agent is for the agent to act on.
            .process_group(0)
            .spawn()?;
        let lines = BufReader::new(channel.try_clone()?).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Ok(what) = serde_json::from_str(&line) {
                    said(Some(what));
                }
            }
            said(None);
        });
        Ok(Self { process, channel, command: None, until: None })
    }

    /// Says until when the lease lasts, where that is news.
    pub fn prolong(&mut self, until: Mono) {
        if self.until != Some(until) {
            self.until = Some(until);
            // One that is gone has been heard of, or will be.
            tell(&self.channel, &Order::Until(until.0));
        }
    }

    /// Asks it to end the command.
    pub fn stop(&self) {
        tell(&self.channel, &Order::Stop);
    }

    /// Takes note of the command's process.
    pub fn started(&mut self, command: u32) {
        self.command = Some(command);
    }

    /// Ends guard and command at once, where they have not ended.
    ///
    /// # Errors
    /// As [`Guard::wait`].
    pub fn kill(mut self) -> io::Result<()> {
        self.process.kill()?;
        let group = self.command.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            signal(group, Signal::KILL);
        }
        self.wait()
    }

    /// Waits for a guard that has said its last word.
    ///
    /// # Errors
    /// Where the system does not know its process.
    pub fn wait(mut self) -> io::Result<()> {
        self.process.wait().map(drop)
    }
}

/// This very program, also where its file has been replaced since it started.
fn own_program() -> io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}
