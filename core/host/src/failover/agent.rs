//! The driver of one replica over a real folder, and of the command that it runs while it is active.

use std::collections::VecDeque;
use std::io;
use std::path::Path as OsPath;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use cloudchamber_core::failover::{Call, Command, Config, Event, Failover, Reply, Update};
use cloudchamber_core::{Input, Mono};

use super::asks::{self, Answer};
use super::guard::{Charge, Guard, Said};
use super::signals;
use crate::runner::{Advance, Runner};
use crate::{Lock, OsFs, clock};

/// How long it sleeps at most, in ms, so that it soon notices that the machine was asleep.
const NAP_MS: u64 = 250;

/// How much longer than promised a guard may take to end a command, in ms, before both are ended for it.
const GUARD_LATE_MS: u64 = 2_000;

/// How much longer than its file has to rest a replica waits until the others can be told that it leaves, in ms.
const LEAVE_LATE_MS: u64 = 5_000;

/// What the agent tells the program that started it.
#[derive(Debug)]
pub enum Told<'a> {
    /// What the protocol says, and its term.
    Event(&'a Event, u64),
    /// The command runs.
    Started {
        /// As this process.
        process: u32,
        /// In this term.
        term: u64,
    },
    /// The command has ended.
    Ended {
        /// Its exit status, as shells tell it.
        code: u8,
        /// Whether it was asked to end.
        asked: bool,
    },
    /// It is about to leave, as soon as the others can be told, in ms at the latest.
    Leaving(u64),
    /// It leaves without the others having been told.
    Untold,
}

/// How the agent ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// The command ended by itself, with this exit status.
    Command(u8),
    /// The command could not be started.
    Unstarted(String),
}

enum Message {
    /// The operating system asks it to end.
    Signal,
    /// What a guard says, by its number; `None` if it is gone.
    Guard(u64, Option<Said>),
}

/// A command that runs, or is about to.
struct Work {
    guard: Guard,
    /// The number of the guard.
    number: u64,
    /// The number of this run among all of all machines.
    run: i64,
    /// Since when it is to end.
    stopping: Option<Mono>,
}

/// A replica that is about to end.
struct Leaving {
    because: Ended,
    /// Until when it waits for the others to be told, once it has asked for that.
    until: Option<Mono>,
    /// Whether its file says so.
    told: bool,
}

/// One replica of a real folder.
pub struct Agent<'a> {
    charge: Charge,
    runner: Runner<Failover>,
    tell: &'a mut dyn FnMut(Told<'_>),
    inbox: Receiver<Message>,
    sender: Sender<Message>,
    /// Messages that came while it waited for one.
    put_off: VecDeque<Message>,
    work: Option<Work>,
    guards: u64,
    /// A run that has ended and that the protocol has not been told of.
    over: Option<i64>,
    leaving: Option<Leaving>,
}

impl<'a> Agent<'a> {
    /// Starts a replica, as the one process that holds the lock of the local directory. The config has been checked.
    ///
    /// # Errors
    /// Where signals cannot be heard.
    pub fn open(
        config: Config,
        charge: Charge,
        folder: &OsPath,
        lock: Lock,
        tell: &'a mut dyn FnMut(Told<'_>),
    ) -> io::Result<Self> {
        asks::forget(&charge.local);
        let fs = OsFs::new(folder, &charge.local);
        let runner = Runner::open(config, fs, lock, &mut |protocol: &Failover, event| {
            tell(Told::Event(event, protocol.term()));
        });
        let (sender, inbox) = channel();
        let ends = sender.clone();
        signals::heed(move || ends.send(Message::Signal).is_ok())?;
        Ok(Self {
            charge,
            runner,
            tell,
            inbox,
            sender,
            put_off: VecDeque::new(),
            work: None,
            guards: 0,
            over: None,
            leaving: None,
        })
    }

    /// The replica's id, which no other shares.
    #[must_use]
    pub fn id(&self) -> Arc<str> {
        self.runner.protocol().id().cloned().unwrap_or_else(|| self.runner.config().identity.device_id())
    }

    /// Goes on until it is asked to end, or the command ends by itself.
    ///
    /// # Errors
    /// Where no process can be started or waited for.
    pub fn run(mut self) -> io::Result<Ended> {
        loop {
            self.settle()?;
            if let Some(ended) = self.leave()? {
                return Ok(ended);
            }
            for (name, asked) in asks::take(&self.charge.local) {
                self.serve(&name, asked)?;
            }
            self.wait()?;
        }
    }

    /// Applies what is pending and answers what is called, until nothing is left to do at this moment.
    fn settle(&mut self) -> io::Result<()> {
        loop {
            self.mind_work()?;
            if self.runner.pending_op().is_none()
                && let Some(run) = self.over.take()
            {
                self.feed(Input::Reply(Reply::Handled { id: run }));
                continue;
            }
            let Self { runner, tell, leaving, .. } = self;
            match runner.advance(&mut |protocol, event| hear(*tell, leaving, protocol, event)) {
                // The protocol knows what came of it, and says so.
                Advance::Op(_) => {}
                Advance::Call(call) => self.answer(call),
                Advance::Idle => return Ok(()),
            }
        }
    }

    /// Sees that the command ends where it has to, before anything else is written, and goes on where it may.
    fn mind_work(&mut self) -> io::Result<()> {
        let protocol = self.runner.protocol();
        let (until, handing_over) = (protocol.active_until(clock::now()), protocol.is_handing_over());
        let leaving = self.leaving.is_some();
        let Some(work) = &mut self.work else { return Ok(()) };
        match until {
            Some(until) => work.guard.prolong(until),
            None => return self.end_work(),
        }
        if (handing_over || leaving) && work.stopping.is_none() {
            work.guard.stop();
            work.stopping = Some(clock::now().mono);
        }
        Ok(())
    }

    /// Ends the command now, and waits until it has ended.
    fn end_work(&mut self) -> io::Result<()> {
        if let Some(work) = &mut self.work {
            work.guard.stop();
            work.stopping.get_or_insert(clock::now().mono);
        }
        while self.work.is_some() {
            match self.inbox.recv_timeout(Duration::from_millis(NAP_MS)) {
                Ok(message @ Message::Guard(..)) => self.attend(message)?,
                Ok(message) => self.put_off.push_back(message),
                Err(_) => self.end_late_guard()?,
            }
        }
        Ok(())
    }

    /// Ends a guard that does not end its command in time.
    fn end_late_guard(&mut self) -> io::Result<()> {
        let patience_ms = self.charge.grace_ms + GUARD_LATE_MS;
        let late =
            |work: &mut Work| work.stopping.is_some_and(|since| clock::now().mono >= since.plus(patience_ms));
        let Some(work) = self.work.take_if(late) else { return Ok(()) };
        self.over = Some(work.run);
        work.guard.kill()?;
        (self.tell)(Told::Ended { code: 137, asked: true });
        Ok(())
    }

    fn attend(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Signal if self.leaving.is_some() => {
                // Twice means at once: the others will notice.
                self.end_work()?;
                self.leaving.iter_mut().for_each(|leaving| leaving.told = true);
            }
            Message::Signal => self.leave_because(Ended::Asked),
            Message::Guard(number, said) => {
                if let Some(work) = self.work.take_if(|work| work.number == number) {
                    self.heard(work, said)?;
                }
            }
        }
        Ok(())
    }

    /// What a guard that is still minded says.
    fn heard(&mut self, mut work: Work, said: Option<Said>) -> io::Result<()> {
        let run = work.run;
        match said {
            Some(Said::Started(process)) => {
                work.guard.started(process);
                self.work = Some(work);
                let term = self.runner.protocol().term();
                (self.tell)(Told::Started { process, term });
                return Ok(());
            }
            Some(Said::Failed(why)) => {
                work.guard.wait()?;
                self.leave_because(Ended::Unstarted(why));
            }
            Some(Said::Ended { code, asked }) => {
                work.guard.wait()?;
                (self.tell)(Told::Ended { code, asked });
                if !asked {
                    self.leave_because(Ended::Command(code));
                }
            }
            // Somebody has killed the guard: the command must not outlive it.
            None => {
                work.guard.kill()?;
                (self.tell)(Told::Ended { code: 137, asked: false });
                self.leave_because(Ended::Command(137));
            }
        }
        self.over = Some(run);
        Ok(())
    }

    fn answer(&mut self, call: Call) {
        let reply = match call {
            Call::GetUpdates { offset, .. } if self.leaving.is_none() => {
                // The command's next run is the one update that ever waits.
                Reply::Updates(Arc::new([Update { id: offset, sent: clock::now().wall }]))
            }
            Call::GetUpdates { .. } => Reply::Updates(Arc::new([])),
            Call::Handle { update, term } => return self.start(update.id, term),
            // Nobody is asked to remove a device here, so no process is to be ended.
            Call::Kill { .. } => Reply::Killed { found: false },
        };
        self.feed(Input::Reply(reply));
    }

    fn start(&mut self, run: i64, term: u64) {
        self.guards += 1;
        let (number, sender) = (self.guards, self.sender.clone());
        let said = move |said| {
            // Nobody listens any more where the agent is about to end.
            let _ = sender.send(Message::Guard(number, said));
        };
        match Guard::start(&self.charge, term, &self.id(), said) {
            Ok(guard) => self.work = Some(Work { guard, number, run, stopping: None }),
            Err(error) => {
                self.over = Some(run);
                self.leave_because(Ended::Unstarted(error.to_string()));
            }
        }
    }

    fn serve(&mut self, name: &str, asked: Result<Command, String>) -> io::Result<()> {
        let answer = match asked {
            // As a signal: the command first, then the others are told.
            Ok(Command::Leave) => {
                self.leave_because(Ended::Asked);
                Answer::Written
            }
            Ok(command) => {
                if command == Command::Accept {
                    self.runner.fs().accept_folder();
                }
                Answer::of(&self.feed(Input::Command(command)))
            }
            Err(because) => Answer::Refused { because },
        };
        // The one that asked is told that there was no answer.
        asks::answer(&self.charge.local, name, &answer).unwrap_or_default();
        self.settle()
    }

    fn leave_because(&mut self, because: Ended) {
        self.leaving.get_or_insert(Leaving { because, until: None, told: false });
    }

    /// Tells the others that it leaves, once the command has ended; how it ended when that is done.
    fn leave(&mut self) -> io::Result<Option<Ended>> {
        let Some(leaving) = &mut self.leaving else { return Ok(None) };
        if self.work.is_some() || self.over.is_some() {
            return Ok(None);
        }
        if leaving.told {
            return Ok(Some(leaving.because.clone()));
        }
        match leaving.until {
            None => {
                let wait_ms = self.runner.config().hardened.rest_ms + LEAVE_LATE_MS;
                leaving.until = Some(clock::now().mono.plus(wait_ms));
                (self.tell)(Told::Leaving(wait_ms));
                self.feed(Input::Command(Command::Leave));
                self.settle()?;
                Ok(self
                    .leaving
                    .as_ref()
                    .filter(|leaving| leaving.told)
                    .map(|leaving| leaving.because.clone()))
            }
            Some(until) if clock::now().mono >= until => {
                let because = leaving.because.clone();
                (self.tell)(Told::Untold);
                Ok(Some(because))
            }
            Some(_) => Ok(None),
        }
    }

    /// Waits for the next message or the timer.
    fn wait(&mut self) -> io::Result<()> {
        let nap = self.runner.nap(Duration::from_millis(NAP_MS));
        let message = match self.put_off.pop_front() {
            Some(message) => Ok(message),
            None => self.inbox.recv_timeout(nap),
        };
        match message {
            Ok(message) => return self.attend(message),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.end_late_guard()?,
        }
        let Self { runner, tell, leaving, .. } = self;
        runner.tick(&mut |protocol, event| hear(*tell, leaving, protocol, event));
        Ok(())
    }

    /// Feeds the protocol, and tells what it says.
    fn feed(&mut self, input: Input<Failover>) -> Vec<Event> {
        let mut events = Vec::new();
        let Self { runner, tell, leaving, .. } = self;
        runner.feed(input, &mut |protocol, event| {
            hear(*tell, leaving, protocol, event);
            events.push(event.clone());
        });
        events
    }
}

/// Tells what the protocol says, and takes note that the others have been told of a leave.
fn hear(tell: &mut dyn FnMut(Told<'_>), leaving: &mut Option<Leaving>, protocol: &Failover, event: &Event) {
    if let (Event::HeartbeatWritten { .. }, Some(leaving)) = (event, leaving) {
        leaving.told |= leaving.until.is_some();
    }
    tell(Told::Event(event, protocol.term()));
}
