//! A machine with its journals and files in memory, fed by hand.

#![allow(dead_code, reason = "each test file uses what it needs")]

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::protocol::{Joining, Journal, Settings, Told, Viewing, own_path};
use cloudchamber_core::journal::schema::{Field, Kind, Log};
use cloudchamber_core::journal::uphold::UPHOLD_MS;
use cloudchamber_core::{Draw, Driver, FsMut as _, FsOp, Input, MemoryFs, Mono, Now, Root, WallMs};

/// A machine, its files and how often its driver was fed.
pub(crate) struct Machine {
    pub(crate) settings: Settings,
    pub(crate) files: MemoryFs,
    pub(crate) driver: Driver<Journal>,
    pub(crate) told: Vec<Told>,
    pub(crate) time: u64,
}

pub(crate) fn at(time: u64) -> Now {
    Now { mono: Mono(time), wall: WallMs(1_767_137_342_000 + i64::try_from(time).unwrap()) }
}

pub(crate) fn settings(design: Design, name: &str) -> Settings {
    let joining = Joining::Under(name.to_owned());
    Settings { design, joining, scan_ms: 10_000, uphold_ms: UPHOLD_MS, viewing: Viewing::Within, place: None }
}

impl Machine {
    pub(crate) fn start(design: Design, name: &str, files: MemoryFs) -> Self {
        Self::open(settings(design, name), files)
    }

    pub(crate) fn open(settings: Settings, files: MemoryFs) -> Self {
        let mut told = Vec::new();
        let driver = Driver::open(&settings, at(0), Draw::Seed(1), &files, &mut told);
        let mut machine = Self { settings, files, driver, told, time: 0 };
        machine.work();
        machine
    }

    /// Applies everything that is pending, and looks where that is due.
    pub(crate) fn work(&mut self) {
        self.apply();
        while !self.driver.protocol().is_idle()
            && self.driver.protocol().can_write()
            && self.driver.wake_at().is_some_and(|at| at <= Mono(self.time + 1))
        {
            self.feed(Input::Timer);
            self.apply();
        }
    }

    pub(crate) fn apply(&mut self) {
        while let Some(op) = self.driver.pending_op().cloned() {
            self.time += 1;
            let result = self.files.apply(&op);
            let now = at(self.time);
            self.driver.applied(
                &self.settings,
                result,
                now,
                Draw::Seed(self.time),
                &self.files,
                &mut self.told,
            );
        }
    }

    pub(crate) fn feed(&mut self, input: Input<Journal>) {
        self.time += 1;
        let now = at(self.time);
        self.driver.feed(&self.settings, input, now, Draw::Seed(self.time), &self.files, &mut self.told);
    }

    pub(crate) fn say(&mut self, id: &str, body: &str) {
        let event = Event::new(Kind::Message).with_text(Field::Id, id).with_text(Field::Body, body);
        self.feed(Input::Command(event.into()));
    }

    pub(crate) fn edit(&mut self, id: &str, body: &str) {
        let event = Event::new(Kind::MessageUpdate).with_text(Field::Id, id).with_text(Field::Body, body);
        self.feed(Input::Command(event.into()));
    }

    /// Dies in the middle of the next append to the shared file, and starts again.
    pub(crate) fn die_in_append(mut self) -> Self {
        let own = own_path(&self.settings, Log::Messages);
        while let Some(op) = self.driver.pending_op().cloned() {
            if let FsOp::Append { path, bytes } = &op
                && *path == own
            {
                let bytes = bytes.prefix(bytes.len() / 2);
                self.files.apply(&FsOp::Append { path: own, bytes }).unwrap();
                break;
            }
            let result = self.files.apply(&op);
            let now = at(self.time);
            self.driver.applied(&self.settings, result, now, Draw::Seed(0), &self.files, &mut self.told);
        }
        let told = std::mem::take(&mut self.told);
        let mut again = Self::open(self.settings, self.files);
        again.told.splice(0..0, told);
        again
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        let json = self.driver.protocol().json(&self.settings);
        json["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["body"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.told.iter().filter(|told| matches!(told, Told::Acknowledged { .. })).count()
    }
}

/// Copies every shared file from one machine to another, as a sync client that has all the time in the world.
pub(crate) fn copy(from: &Machine, to: &mut Machine) {
    let own = own_path(&to.settings, Log::Messages).parent().unwrap();
    for (path, content) in &from.files.files {
        if path.root() == Root::Shared && path.below(&own).is_none() {
            to.files.files.insert(path.clone(), content.clone());
        }
    }
    to.feed(Input::Changed);
    to.work();
}
