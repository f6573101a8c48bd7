//! What somebody asks for while a run goes on.

use std::sync::mpsc::Sender;
use std::time::Instant;

use cloudchamber_core::{Path, Root};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::world::{Choice, Presence};
use serde_json::{Value, json};

use super::Live;
use super::hands::Change;
use crate::action::{Action, path_of, replica_of};
use crate::error::LiveError;
use crate::state::Line;

/// What came of it: what there is to say, or why not.
type Done = Result<Value, String>;

impl Live<'_> {
    /// Does what is asked, and answers when it is done.
    pub(super) fn answer(
        &mut self,
        words: &[String],
        answer: Sender<Value>,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), LiveError> {
        let done = match Action::of_words(words) {
            Ok(action) => {
                let done = self.act(&action, tell)?;
                if action == Action::Quiet && done.is_ok() {
                    self.waiting.push(answer);
                    return Ok(());
                }
                done
            }
            Err(why) => Err(why),
        };
        // Who asked may have gone.
        drop(answer.send(done.unwrap_or_else(|why| json!({ "ok": false, "error": why }))));
        Ok(())
    }

    /// Does what the script says for this time.
    pub(super) fn run_script(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let now = self.clock.now();
        while self.script.front().is_some_and(|timed| timed.ms <= now) {
            let Some(timed) = self.script.pop_front() else { break };
            if let Err(why) = self.act(&timed.action, tell)? {
                tell(&format!("at {} ms of the script: {why}", timed.ms));
            }
        }
        Ok(())
    }

    /// Does one thing. What it changes in the directories is done when it returns.
    fn act(&mut self, action: &Action, tell: &mut dyn FnMut(&str)) -> Result<Done, LiveError> {
        // What programs did until now was done before.
        self.look(tell)?;
        let done = match self.carry_out(action, tell)? {
            Ok(done) => done,
            Err(why) => return Ok(Err(why)),
        };
        self.settle(tell)?;
        let mut said = json!({ "ok": true, "at_ms": self.world().now() });
        if let (Some(said), Ok(Value::Object(asked))) = (said.as_object_mut(), serde_json::to_value(action)) {
            said.extend(
                asked.into_iter().map(|(key, value)| (if key == "do" { "did".into() } else { key }, value)),
            );
            if let Value::Object(more) = done {
                said.extend(more);
            }
        }
        Ok(Ok(said))
    }

    fn carry_out(&mut self, action: &Action, tell: &mut dyn FnMut(&str)) -> Result<Done, LiveError> {
        let (replica, path) = match self.resolve(action) {
            Ok(meant) => meant,
            Err(why) => return Ok(Err(why)),
        };
        let already = |what: &str| format!("{replica} is {what} already");
        Ok(match action {
            Action::Online { .. } => {
                self.try_order(Choice::Network { replica, online: true }, || already("online"))?
            }
            Action::Offline { .. } => {
                self.try_order(Choice::Network { replica, online: false }, || already("offline"))?
            }
            Action::Sleep { .. } => self.try_order(Choice::Sleep { replica }, || already("asleep"))?,
            Action::Wake { .. } => self.try_order(Choice::Wake { replica }, || already("awake"))?,
            Action::Forget { .. } => self
                .try_order(Choice::ResetIndex { replica }, || format!("{replica}'s client is not at work"))?,
            Action::Keep { .. } => {
                self.try_order(Choice::Keep { replica }, || format!("{replica}'s folder is away"))?
            }
            Action::Restore { path: asked, .. } => {
                let restore = Choice::Restore { replica, path: asked.as_ref().map(|_| path), sent: true };
                self.try_order(restore, || {
                    format!("{replica} has nothing kept aside that differs, or its client is not at work; `keep` comes first")
                })?
            }
            Action::Evict { .. } => {
                let evict = Choice::Evict { replica, path: path.clone() };
                let profile = &self.options.profile;
                self.try_order(evict, || {
                    format!(
                        "{} cannot be evicted at {replica}: it is not there, has not gone up as it is, or `{profile}` evicts nothing",
                        path.name()
                    )
                })?
            }
            Action::Fetch { .. } => {
                let fetch = Choice::Fetch { replica, path: path.clone() };
                self.try_order(fetch, || {
                    format!("{} is not evicted at {replica}, or its client is not at work", path.name())
                })?
            }
            Action::Arrive { arrival, .. } => {
                let arrive = Choice::Download { replica, path: path.clone(), back: 0, arrival: *arrival };
                self.try_order(arrive, || {
                    format!(
                        "no version of {} is on its way to {replica}, or it was changed there",
                        path.name()
                    )
                })?
            }
            Action::Conflict { .. } => self.wish(replica, path)?,
            Action::Lose { .. } => self.lose(replica, &path)?,
            Action::Older { .. } => self.older(replica, &path)?,
            Action::End => {
                self.ends = true;
                Ok(json!({}))
            }
            Action::List => Ok(self.list()),
            Action::Quiet => {
                self.reset(tell)?;
                let ms = self.before_due();
                self.note_advance()?;
                self.state.note(&Line::Soothe { ms })?;
                self.soothe(ms);
                Ok(json!({}))
            }
            Action::Reset => {
                self.reset(tell)?;
                Ok(json!({}))
            }
        })
    }

    fn try_order(
        &mut self,
        choice: cloudchamber_folder::world::ChoiceOf<crate::system::LiveSystem>,
        why: impl FnOnce() -> String,
    ) -> Result<Done, LiveError> {
        Ok(if self.order(choice)? { Ok(json!({})) } else { Err(why()) })
    }

    /// The replica and the file that are meant; the first replica and no file where none is asked for.
    fn resolve(&self, action: &Action) -> Result<(ReplicaId, Path), String> {
        let (replica, path) = match action {
            Action::Arrive { replica, path, .. }
            | Action::Conflict { replica, path }
            | Action::Evict { replica, path }
            | Action::Fetch { replica, path }
            | Action::Lose { replica, path }
            | Action::Older { replica, path }
            | Action::Restore { replica, path: Some(path) } => (Some(replica), Some(path)),
            Action::Forget { replica }
            | Action::Keep { replica }
            | Action::Offline { replica }
            | Action::Online { replica }
            | Action::Restore { replica, path: None }
            | Action::Sleep { replica }
            | Action::Wake { replica } => (Some(replica), None),
            Action::End | Action::List | Action::Quiet | Action::Reset => (None, None),
        };
        let replica = replica.map_or(Ok(ReplicaId(0)), |name| self.replica(name))?;
        Ok((replica, path.map_or(Ok(Path::shared("")), |path| path_of(path))?))
    }

    /// The replica of a letter, or of a directory's name.
    fn replica(&self, name: &str) -> Result<ReplicaId, String> {
        let called: Vec<_> = self.replicas().map(|id| (id, self.name(id).to_owned())).collect();
        replica_of(name, &called)
    }

    /// Lets a client stand still until a file was changed there and elsewhere.
    fn wish(&mut self, replica: ReplicaId, path: Path) -> Result<Done, LiveError> {
        let done = self.try_order(Choice::Network { replica, online: false }, || {
            format!("{replica} is offline already")
        })?;
        if done.is_ok() {
            self.wishes.push((replica, path));
        }
        Ok(done)
    }

    /// Takes a file away, for which its client tells all that it was removed.
    fn lose(&mut self, replica: ReplicaId, path: &Path) -> Result<Done, LiveError> {
        let is_there =
            self.world().replica(replica).disk().slot(path).is_some_and(|slot| slot.body.is_some());
        if !is_there {
            return Ok(Err(format!("{replica} has no {}", path.name())));
        }
        self.save(replica, path, None)
    }

    /// Puts the version before the newest in its place.
    fn older(&mut self, replica: ReplicaId, path: &Path) -> Result<Done, LiveError> {
        let older = self.world().cloud().file(path).and_then(|file| file.version(1)?.content.clone());
        match older {
            Some(older) => self.save(replica, path, Some(older)),
            None => Ok(Err(format!("{} has no version before its newest", path.name()))),
        }
    }

    fn save(
        &mut self,
        replica: ReplicaId,
        path: &Path,
        content: Option<cloudchamber_core::Content>,
    ) -> Result<Done, LiveError> {
        self.moved = Instant::now();
        let taken = self.change(replica, path, &Change { content, modified_ns: crate::real::now_ns() })?;
        self.tally.moved.insert(replica);
        Ok(if taken {
            Ok(json!({}))
        } else {
            Err(format!("{replica} sleeps, or a directory is called {}", path.name()))
        })
    }

    /// Ends whatever was done to machines and files.
    fn reset(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        self.wishes.clear();
        for replica in self.replicas() {
            let machine = *self.world().replica(replica).machine();
            if !machine.awake {
                self.order(Choice::Wake { replica })?;
                self.settle(tell)?;
            }
            if !machine.online {
                self.order(Choice::Network { replica, online: true })?;
                self.settle(tell)?;
            }
            let slots = self.world().replica(replica).disk().slots();
            let elsewhere = slots.filter(|(path, slot)| {
                path.root() == Root::Shared
                    && slot.body.as_ref().is_some_and(|body| body.presence != Presence::Here)
            });
            let elsewhere: Vec<Path> = elsewhere.map(|(path, _)| path.clone()).collect();
            for path in elsewhere {
                self.order(Choice::Fetch { replica, path })?;
                self.settle(tell)?;
            }
        }
        Ok(())
    }

    /// How all stand.
    fn list(&self) -> Value {
        let world = self.world();
        let each = world.replicas().map(|(id, replica)| {
            let waits = self.wishes.iter().filter(|(of, _)| *of == id).map(|(_, path)| path.name());
            json!({
                "replica": id,
                "folder": self.folders[id.index()].dir,
                "online": replica.machine().online,
                "awake": replica.machine().awake,
                "in_step": world.is_in_step(id),
                "unsent": replica.disk().slots().filter(|(_, slot)| slot.dirty).count(),
                "waits_for_a_conflict_in": waits.collect::<Vec<_>>(),
            })
        });
        json!({ "replicas": each.collect::<Vec<_>>() })
    }
}
