//! Who this replica is, kept in the folder that never leaves the machine.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::constants::Policy;
use super::places::Place as FilePlace;
use super::promise::Promise;
use super::record::{Found, Lapsed, Life, Record, Role, Said};
use super::votes;
use super::{Context, Replica};
use crate::failover::records::{Malformed, ProblemKind};
use crate::failover::{Config, Event};
use crate::kit::identity::Place;
use crate::{Content, Fs, FsError, FsOp, Path};

/// The part of an id that no other replica shares, where it was drawn, and how often the process was started with it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Installation {
    /// The random part of the id.
    pub(super) random: String,
    /// Where it was drawn: a copy of the local directory elsewhere draws its own.
    #[serde(flatten)]
    pub(super) place: Place,
    /// How often the process was started.
    pub(super) lives: u64,
    /// Whether one of these lives has written into the folder.
    #[serde(default)]
    pub(super) wrote_here: bool,
}

/// The file that holds it.
pub(super) fn path() -> Path {
    Path::local("identity.json")
}

impl Installation {
    /// A new one, before its first life.
    pub(super) fn draw(config: &Config, cx: &mut Context<'_>) -> Self {
        let random = format!("{:08x}", cx.rng().bits() & 0xffff_ffff);
        Self { random, place: config.place(), lives: 0, wrote_here: false }
    }

    /// The one that is kept, or a new one; and whether it is new.
    pub(super) fn read_or_draw(config: &Config, cx: &mut Context<'_>) -> (Self, bool) {
        let path = path();
        // Nobody asks while it cannot be read.
        if let Ok(content) = cx.read(&path) {
            match serde_json::from_slice::<Self>(content.bytes()) {
                Ok(kept) if kept.place.is(&config.place()) => return (kept, false),
                Ok(_) => {}
                Err(_) => {
                    cx.event(Event::ProblemFound { path, kind: ProblemKind::Corrupt(Malformed::NotJson) });
                }
            }
        }
        (Self::draw(config, cx), true)
    }

    /// The op that keeps it.
    pub(super) fn write(&self) -> FsOp {
        let bytes = serde_json::to_vec_pretty(self).expect("it has text keys and plain values");
        FsOp::Replace { path: path(), content: Content::new(bytes) }
    }
}

/// The place that the identity in a local directory was drawn for; `None` if there is none.
///
/// # Errors
/// If it is there and cannot be read.
pub fn kept_place(fs: &dyn Fs) -> Result<Option<Place>, FsError> {
    match fs.read(&path(), 0) {
        Ok(content) => {
            Ok(serde_json::from_slice::<Installation>(content.bytes()).ok().map(|kept| kept.place))
        }
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The number that tells two copies of one life apart.
fn nonce(cx: &mut Context<'_>) -> u32 {
    u32::try_from(cx.rng().bits() & 0xffff_ffff).expect("32 bits")
}

impl Replica {
    /// Takes up where an earlier life of the same identity ended.
    pub(super) fn resume(&mut self, kept: &Installation, fresh: bool, config: &Config, cx: &mut Context<'_>) {
        self.own.said.voters = votes::first_voters(&config.hardened);
        let mut lives = kept.lives;
        self.own.wrote_here = kept.wrote_here;
        if let Some(before) = self.said_before(cx).filter(|_| !fresh) {
            lives = lives.max(before.life.number);
            self.own.wrote_here = true;
            let own = &mut self.own.said;
            own.term = before.term;
            own.acked = before.acked;
            own.obeyed = before.obeyed;
            own.vote = before.vote.clone();
            own.deferred = before.deferred.clone();
            if matches!(before.role, Role::Active | Role::Released) {
                // Its successors are asked to take over, in the order that all have seen.
                own.lead = before.lead.clone();
                if let Some(lead) = &mut own.lead
                    && config.hardened.policy == Policy::Available
                    && before.role == Role::Active
                {
                    lead.lapsed = Some(Lapsed { life: before.life, beat: before.beat });
                }
                own.role = Role::Released;
            }
            self.own.adopt_voters(before.voters.as_ref());
        }
        self.own.said.life = Life { number: lives + 1, nonce: nonce(cx) };
        self.read_log(cx);
        self.keep_identity(config, cx);
    }

    /// The newest that its files hold of an earlier life; `None` if they hold none.
    fn said_before(&self, cx: &Context<'_>) -> Option<Arc<Said>> {
        let said = |place: &FilePlace| match &*cx.read(&place.path).ok()?.parsed(Record::parse) {
            Found::Record(record, _) => Some(Arc::clone(&record.coordination)),
            _ => None,
        };
        let places = self.outbox.places().iter();
        let own = places.filter_map(said).filter(|said| said.id == self.own.said.id);
        own.max_by_key(|said| said.age())
    }

    /// Writes down who it is, and in which life.
    pub(super) fn keep_identity(&mut self, config: &Config, cx: &mut Context<'_>) {
        let said = &self.own.said;
        let installation = Installation {
            random: said.id.rsplit_once('#').map_or("", |(_, random)| random).into(),
            place: config.place(),
            lives: said.life.number,
            wrote_here: self.own.wrote_here,
        };
        cx.op(installation.write());
        self.outbox.note_aside(path());
    }

    /// A file of its own is in the folder: written down once, so that the next life knows the folder by its files.
    pub(super) fn note_written_here(&mut self, config: &Config, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.own.wrote_here, true) {
            self.keep_identity(config, cx);
        }
    }

    /// A person says that the folder was emptied on purpose: as it is now, it is the one to work in.
    pub(super) fn accept_folder(&mut self, cx: &mut Context<'_>) {
        if self.away.is_some() && cx.list(&Path::shared("")).is_ok() {
            self.looked.forget();
            self.own.wrote_here = false;
            self.outbox.forget_written();
        }
    }

    /// Becomes somebody else, because a copy of this identity lives.
    pub(super) fn take_new_identity(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let drawn = Installation::draw(config, cx);
        let life = Life { number: 1, nonce: nonce(cx) };
        let id = format!("{}#{}", self.own.name, drawn.random);
        let old = std::mem::replace(&mut self.own.said, Said::new(id.into(), life));
        self.own.said.acked = old.acked;
        self.own.said.obeyed = old.obeyed;
        self.own.said.voters = old.voters;
        self.own.said.rules = old.rules;
        self.lease.forget_beats();
        self.promise = Promise::new(now, &config.hardened);
        self.outbox.rename(&self.own.said.id, &config.hardened, now);
        self.take_role(Role::Standby, now);
        self.keep_identity(config, cx);
    }
}
