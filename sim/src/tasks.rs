//! The reference: the same run with a task for each actor, under madsim.
//!
//! Each actor of the stage is a task, the courier and each replica on a node of their own, which is killed and
//! restarted, paused and resumed with the replica. The runtime decides who wakes when; a task acts only when it is its
//! actor's [turn](Stage::turn), and otherwise wakes whose turn it is. So what happens is what happens where the stage
//! just [advances](Stage::advance), or the two do not agree on what a scenario means.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::stage::{Actor, Signal, Stage};
use cloudchamber_folder::trace::Outcome;
use cloudchamber_folder::{ReplicaId, System};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::{Instant, Sleep, TimeHandle, sleep};
use tokio::sync::Notify;

use crate::run::Named;

/// Runs a checked scenario under madsim, on a thread of its own: the standard library seeds its hash maps once a
/// thread, and the runtime's other leftovers would make a second run on one thread another run.
///
/// # Panics
/// Where the run panicked, with the seed that did it.
#[must_use]
pub fn reference<S: System>(scenario: &Scenario<S>) -> Outcome {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let run = thread.spawn_scoped(scope, || run_here(scenario)).expect("a thread can be started");
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn run_here<S: System>(scenario: &Scenario<S>) -> Outcome {
    let _named = Named(scenario);
    let runtime = Runtime::with_seed_and_config(scenario.seed, madsim::Config::default());
    let shared = Shared::new(Stage::new(scenario), scenario.replica.len());
    runtime.block_on(direct(shared.clone()));
    drop(runtime);
    let play = Arc::into_inner(shared.play).expect("every task of the run is gone with its runtime");
    play.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).stage.finish()
}

/// The stage, shared by the tasks of its actors, and a bell for each of them. Every access is one short critical
/// section of one thread.
struct Shared<S: System> {
    play: Arc<Mutex<Play<S>>>,
    bells: Arc<Bells>,
}

struct Play<S: System> {
    stage: Stage<S>,
    /// Who was due when it was another one's turn.
    passed_over: BTreeSet<Actor>,
}

/// Rung for an actor that is due earlier than when it began to rest, or whose turn it is.
struct Bells {
    director: Notify,
    courier: Notify,
    replicas: Vec<Notify>,
}

impl<S: System> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { play: Arc::clone(&self.play), bells: Arc::clone(&self.bells) }
    }
}

/// What a task finds when it asks for its turn.
enum Turn {
    /// Its actor did what was next for it.
    Acted,
    /// Its actor is due at this time; `None` if its bell will be rung before.
    Rests(Option<u64>),
}

impl<S: System> Shared<S> {
    fn new(stage: Stage<S>, replicas: usize) -> Self {
        let bells = Bells {
            director: Notify::new(),
            courier: Notify::new(),
            replicas: (0..replicas).map(|_| Notify::new()).collect(),
        };
        let play = Play { stage, passed_over: BTreeSet::new() };
        Self { play: Arc::new(Mutex::new(play)), bells: Arc::new(bells) }
    }

    fn lock(&self) -> MutexGuard<'_, Play<S>> {
        self.play.lock().expect("no task of this one thread panicked while it held the stage")
    }

    /// Lets an actor act if it is its turn, and rings for whose turn it is, and for those who are due earlier by what it
    /// did. What concerns nodes is left to `nodes`.
    fn turn(&self, actor: Actor, now: u64, nodes: &mut dyn FnMut(Signal)) -> Turn {
        let mut guard = self.lock();
        let Play { stage, passed_over } = &mut *guard;
        match stage.turn(now) {
            Some((at, first)) if first == actor => {
                stage.act(actor, at, &mut |_, _| {});
                for signal in stage.signals() {
                    match signal {
                        Signal::Due(actor) => self.bells.ring(actor),
                        other => nodes(other),
                    }
                }
                match stage.turn(now) {
                    Some((_, next)) => self.bells.ring(next),
                    // What was done may have left the others with something to do later, or with nothing.
                    None => std::mem::take(passed_over).into_iter().for_each(|actor| self.bells.ring(actor)),
                }
                Turn::Acted
            }
            Some((_, first)) => {
                self.bells.ring(first);
                passed_over.insert(actor);
                Turn::Rests(None)
            }
            None => Turn::Rests(stage.rest(actor)),
        }
    }
}

impl Bells {
    fn ring(&self, actor: Actor) {
        self.of(actor).notify_one();
    }

    fn of(&self, actor: Actor) -> &Notify {
        match actor {
            Actor::Director => &self.director,
            Actor::Courier => &self.courier,
            Actor::Replica(id) => &self.replicas[id.index()],
        }
    }
}

/// Virtual time in whole milliseconds since the run began. It asks the runtime's own clock: the standard
/// library's way there leads through a system call that the runtime intercepts.
#[derive(Clone)]
struct Time {
    handle: TimeHandle,
    origin: Instant,
}

impl Time {
    fn start() -> Self {
        let handle = TimeHandle::current();
        let origin = handle.now_instant() - handle.elapsed();
        Self { handle, origin }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.handle.elapsed().as_millis()).expect("a run is shorter than 500 million years")
    }

    fn sleep_until(&self, ms: u64) -> Sleep {
        self.handle.sleep_until(self.origin + Duration::from_millis(ms))
    }
}

/// Plays the director, and keeps a node for each replica, which is killed and restarted, paused and resumed with it.
async fn direct<S: System>(shared: Shared<S>) {
    let handle = Handle::current();
    let time = Time::start();
    let courier = handle.create_node().name("courier").build();
    drop(courier.spawn(play(shared.clone(), time.clone(), Actor::Courier)));
    let mut nodes: Vec<Option<NodeHandle>> = shared.bells.replicas.iter().map(|_| None).collect();
    while shared.lock().stage.ended().is_none() {
        let turn = shared.turn(Actor::Director, time.now(), &mut |signal| match signal {
            Signal::Due(_) => {}
            Signal::Opened(id) => match &nodes[id.index()] {
                Some(node) => {
                    // Restarting alone would leave what the last life spawned.
                    handle.kill(node.id());
                    handle.restart(node.id());
                }
                None => nodes[id.index()] = Some(node_of(&handle, &shared, &time, id)),
            },
            Signal::Slept(id) => {
                if let Some(node) = &nodes[id.index()] {
                    handle.pause(node.id());
                }
            }
            Signal::Woke(id) => {
                if let Some(node) = &nodes[id.index()] {
                    handle.resume(node.id());
                    shared.bells.ring(Actor::Replica(id));
                }
            }
        });
        if let Turn::Rests(due) = turn {
            wait(&shared.bells.director, &time, due).await;
        }
    }
    // A node that is not killed keeps its tasks, and they the run, for ever.
    for node in nodes.into_iter().flatten().chain([courier]) {
        handle.kill(node.id());
    }
    sleep(Duration::from_millis(1)).await;
}

/// A node that plays a replica as soon as it is made, and again whenever it is restarted.
fn node_of<S: System>(handle: &Handle, shared: &Shared<S>, time: &Time, id: ReplicaId) -> NodeHandle {
    let (shared, time) = (shared.clone(), time.clone());
    let init = move || play(shared.clone(), time.clone(), Actor::Replica(id));
    handle.create_node().name(id.to_string()).init(init).build()
}

/// Plays the courier, or one life of a replica.
async fn play<S: System>(shared: Shared<S>, time: Time, actor: Actor) {
    loop {
        match shared.turn(actor, time.now(), &mut |_| {}) {
            Turn::Rests(due) => wait(shared.bells.of(actor), &time, due).await,
            Turn::Acted => {
                if let Actor::Replica(id) = actor
                    && shared.lock().stage.is_down(id)
                {
                    return;
                }
            }
        }
    }
}

/// Waits for the bell or the time, whichever comes first.
async fn wait(bell: &Notify, time: &Time, until_ms: Option<u64>) {
    match until_ms {
        None => bell.notified().await,
        Some(ms) => {
            tokio::select! {
                biased;
                () = bell.notified() => {}
                () = time.sleep_until(ms) => {}
            }
        }
    }
}
