//! One run: a scenario in virtual time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloudchamber_folder::scenario::{At, Scenario};
use cloudchamber_folder::stage::{Actor, Signal, Stage};
use cloudchamber_folder::trace::{Outcome, Trace, Watched};
use cloudchamber_folder::world::ChoiceOf;
use cloudchamber_folder::{ReplicaId, System};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::{Instant, Sleep, TimeHandle, sleep};
use tokio::sync::Notify;

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Run<S: System> {
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, where that was asked for.
    pub trace: Option<Trace<S>>,
}

/// Runs a checked scenario on a thread of its own: the standard library seeds its hash maps once a thread, and
/// the runtime's other leftovers would make a second run on one thread another run.
///
/// # Panics
/// Where the run panicked, with the seed that did it.
#[must_use]
pub fn run<S: System>(scenario: &Scenario<S>, traced: bool) -> Run<S> {
    if !traced {
        let outcome = on_a_thread(scenario, Box::new(|_, _| {}));
        return Run { outcome, trace: None };
    }
    let choices = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&choices);
    let outcome = watch(scenario, move |watched, choice| {
        let at = At { ms: watched.world.now(), choice: choice.clone() };
        taken.lock().expect("nobody else has it while the run goes on").push(at);
    });
    let choices = std::mem::take(&mut *choices.lock().expect("the run did not panic"));
    let trace = Trace::recorded(scenario, choices, &outcome);
    Run { outcome, trace: Some(trace) }
}

/// As [`run`], with a watcher that looks at the world after every choice: for measurements that no checker makes.
/// Looking changes nothing, so the run is the same as without.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn watch<S: System>(
    scenario: &Scenario<S>,
    watcher: impl FnMut(&Watched<S>, &ChoiceOf<S>) + Send + 'static,
) -> Outcome {
    on_a_thread(scenario, Box::new(watcher))
}

fn on_a_thread<S: System>(scenario: &Scenario<S>, watcher: Looks<S>) -> Outcome {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let run = thread.spawn_scoped(scope, || run_here(scenario, watcher));
        let run = run.expect("a thread can be started");
        run.join().unwrap_or_else(|panic| {
            #[allow(clippy::print_stderr, reason = "beside the panic's own message, which has no seed")]
            {
                eprintln!("seed {} panicked in a run of `{}`", scenario.seed, S::NAME);
            }
            std::panic::resume_unwind(panic)
        })
    })
}

fn run_here<S: System>(scenario: &Scenario<S>, watcher: Looks<S>) -> Outcome {
    let runtime = Runtime::with_seed_and_config(scenario.seed, madsim::Config::default());
    let shared = Shared::new(Stage::new(scenario), scenario.replica.len(), watcher);
    runtime.block_on(direct(shared.clone()));
    drop(runtime);
    let stage = Arc::into_inner(shared.stage).expect("every task of the run is gone with its runtime");
    let (stage, _) = stage.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    stage.finish()
}

/// Somebody who looks at the world after every choice.
type Looks<S> = Box<dyn FnMut(&Watched<S>, &ChoiceOf<S>) + Send>;

/// The stage, shared by the tasks of its actors, and a bell for each of them. Every access is one short critical
/// section of one thread.
struct Shared<S: System> {
    stage: Arc<Mutex<(Stage<S>, Looks<S>)>>,
    bells: Arc<Bells>,
}

/// Rung for an actor that is due earlier than when it began to rest.
struct Bells {
    courier: Notify,
    replicas: Vec<Notify>,
}

impl<S: System> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { stage: Arc::clone(&self.stage), bells: Arc::clone(&self.bells) }
    }
}

impl<S: System> Shared<S> {
    fn new(stage: Stage<S>, replicas: usize, watcher: Looks<S>) -> Self {
        let bells =
            Bells { courier: Notify::new(), replicas: (0..replicas).map(|_| Notify::new()).collect() };
        Self { stage: Arc::new(Mutex::new((stage, watcher))), bells: Arc::new(bells) }
    }

    fn lock(&self) -> MutexGuard<'_, (Stage<S>, Looks<S>)> {
        self.stage.lock().expect("no task of this one thread panicked while it held the stage")
    }

    /// When an actor is due, and whether it hears its bell before.
    fn rest(&self, actor: Actor) -> (Option<u64>, bool) {
        let stage = &mut self.lock().0;
        (stage.rest(actor), stage.hears(actor))
    }

    /// Lets an actor act, and rings for those who are due earlier by it. What concerns nodes is left to `nodes`.
    fn act(&self, actor: Actor, now: u64, nodes: &mut dyn FnMut(Signal)) {
        let mut guard = self.lock();
        let (stage, watcher) = &mut *guard;
        stage.act(actor, now, watcher);
        for signal in stage.signals() {
            match signal {
                Signal::Due(actor) => self.bells.of(actor).notify_one(),
                other => nodes(other),
            }
        }
    }
}

impl Bells {
    fn of(&self, actor: Actor) -> &Notify {
        match actor {
            Actor::Courier => &self.courier,
            Actor::Replica(id) => &self.replicas[id.index()],
            Actor::Director => unreachable!("the director acts at the times of its plan alone"),
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

    async fn until(&self, ms: u64) {
        if self.now() < ms {
            self.sleep_until(ms).await;
        }
    }
}

/// Plays the director, and keeps a node for each replica, which is killed and restarted, paused and resumed with it.
async fn direct<S: System>(shared: Shared<S>) {
    let handle = Handle::current();
    let time = Time::start();
    let courier = handle.create_node().name("courier").build();
    drop(courier.spawn(play(shared.clone(), time.clone(), Actor::Courier)));
    let mut nodes: Vec<Option<NodeHandle>> = shared.bells.replicas.iter().map(|_| None).collect();
    while let (Some(due), _) = shared.rest(Actor::Director) {
        time.until(due).await;
        shared.act(Actor::Director, time.now(), &mut |signal| match signal {
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
                }
            }
        });
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
        let (due, hears) = shared.rest(actor);
        match due {
            Some(due) if due <= time.now() => {}
            Some(due) if !hears => {
                time.until(due).await;
                continue;
            }
            due => {
                wait(shared.bells.of(actor), &time, due).await;
                continue;
            }
        }
        shared.act(actor, time.now(), &mut |_| {});
        if let Actor::Replica(id) = actor
            && shared.lock().0.is_down(id)
        {
            return;
        }
    }
}

/// Waits for the bell or the time, whichever comes first.
async fn wait(bell: &Notify, time: &Time, until_ms: Option<u64>) {
    match until_ms {
        None => bell.notified().await,
        Some(ms) if ms <= time.now() => {}
        Some(ms) => {
            tokio::select! {
                biased;
                () = bell.notified() => {}
                () = time.sleep_until(ms) => {}
            }
        }
    }
}
