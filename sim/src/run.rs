//! One run: a scenario in virtual time.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloudchamber_core::Draw;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::trace::{COMMIT, End, Outcome, Trace, Watched};
use cloudchamber_folder::world::{Choice, ChoiceOf, Part};
use cloudchamber_folder::{ReplicaId, System};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::time::{Instant, Sleep, TimeHandle, sleep};

use crate::lab::{Lab, Next};
use crate::plan::{Deed, plan};

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
    on_a_thread(scenario, traced, None)
}

/// As [`run`], with somebody who looks at the world after every choice: for measurements that no checker makes.
/// Looking changes nothing, so the run is the same as without.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn watch<S: System>(
    scenario: &Scenario<S>,
    watcher: impl FnMut(&Watched<S>, &ChoiceOf<S>) + Send + 'static,
) -> Outcome {
    on_a_thread(scenario, false, Some(Box::new(watcher))).outcome
}

/// Who looks at the world after every choice.
pub(crate) type Watcher<S> = Box<dyn FnMut(&Watched<S>, &ChoiceOf<S>) + Send>;

fn on_a_thread<S: System>(scenario: &Scenario<S>, traced: bool, watcher: Option<Watcher<S>>) -> Run<S> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let run = thread.spawn_scoped(scope, || run_here(scenario, traced, watcher));
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

fn run_here<S: System>(scenario: &Scenario<S>, traced: bool, watcher: Option<Watcher<S>>) -> Run<S> {
    let runtime = Runtime::with_seed_and_config(scenario.seed, madsim::Config::default());
    let shared = Shared(Arc::new(Mutex::new(Lab::new(scenario, traced, watcher))));
    let end_ms = runtime.block_on(direct(scenario, shared.clone()));
    drop(runtime);
    let lab = Arc::into_inner(shared.0).expect("every task of the run is gone with its runtime");
    let mut lab = lab.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    lab.watched.advance(end_ms);
    let choices = lab.trace.take();
    let outcome = lab.watched.finish();
    let trace = choices.map(|choices| Trace {
        scenario: scenario.clone(),
        commit: COMMIT.into(),
        choices,
        end: End {
            calm_ms: (scenario.settle_ms > 0).then_some(scenario.run_ms),
            at_ms: outcome.at_ms,
            hash: format!("{:016x}", outcome.hash),
            violations: outcome.findings.violations.clone(),
        },
    });
    Run { outcome, trace }
}

/// The lab and the moment the run began, for every task of the run.
struct Shared<S: System>(Arc<Mutex<Lab<S>>>);

impl<S: System> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: System> Shared<S> {
    fn lab(&self) -> MutexGuard<'_, Lab<S>> {
        self.0.lock().expect("no task of this one thread panicked while it held the lab")
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

/// Carries out the plan: starts and kills nodes, does what people do, ends the run. Returns when that was, ms.
async fn direct<S: System>(scenario: &Scenario<S>, shared: Shared<S>) -> u64 {
    let handle = Handle::current();
    let time = Time::start();
    let courier = handle.create_node().name("courier").build();
    drop(courier.spawn(carry(shared.clone(), time.clone())));
    let mut nodes: Vec<Option<NodeHandle>> = scenario.replica.iter().map(|_| None).collect();
    for (ms, deed) in plan(scenario) {
        time.until(ms).await;
        let now = time.now();
        match deed {
            Deed::Take(choice) => {
                shared.lab().take(now, choice);
            }
            Deed::Open(id) => open(&handle, &shared, &time, id, &mut nodes),
            Deed::Crash(id, doom) => {
                shared.lab().doom(now, id, doom);
            }
            Deed::Awake(id, awake) => {
                let choice = match awake {
                    true => Choice::Wake { replica: id },
                    false => Choice::Sleep { replica: id },
                };
                if shared.lab().take(now, choice)
                    && let Some(node) = &nodes[id.index()]
                {
                    if awake { handle.resume(node.id()) } else { handle.pause(node.id()) }
                }
            }
            Deed::Calm => calm(scenario, &handle, &shared, &time, &mut nodes),
        }
    }
    settle(scenario, &shared, &time).await;
    let end_ms = time.now();
    // A node that is not killed keeps its tasks, and they the run, for ever.
    for node in nodes.into_iter().flatten().chain([courier]) {
        handle.kill(node.id());
    }
    sleep(Duration::from_millis(1)).await;
    end_ms
}

/// Into how many parts the time to settle is divided; the checkers are asked at the end of each.
const SETTLE_PARTS: u64 = 32;

/// After how many times in a row that nothing was left to be desired a run ends before its time.
const SETTLED_TIMES: u64 = 3;

/// Lets the run go on to its end, or, once faults have stopped, until everything that is due in the end has come
/// and lasted for a good part of the time that it may take: at most times nothing else would happen.
async fn settle<S: System>(scenario: &Scenario<S>, shared: &Shared<S>, time: &Time) {
    let end_ms = scenario.run_ms + scenario.settle_ms;
    let part_ms = scenario.settle_ms.div_ceil(SETTLE_PARTS);
    let mut times = 0;
    while scenario.settle_ms > 0 && times < SETTLED_TIMES && time.now() < end_ms {
        time.until(end_ms.min(time.now() + part_ms)).await;
        times = if shared.lab().watched.is_settled(time.now()) { times + 1 } else { 0 };
    }
    if times < SETTLED_TIMES {
        time.until(end_ms).await;
    }
}

/// Starts a replica's process in a node of its own, unless it is up.
fn open<S: System>(
    handle: &Handle,
    shared: &Shared<S>,
    time: &Time,
    id: ReplicaId,
    nodes: &mut [Option<NodeHandle>],
) {
    shared.lab().spare(id);
    if shared.lab().watched.world.replica(id).process().is_some() {
        return;
    }
    match &nodes[id.index()] {
        Some(node) => {
            // Restarting alone would leave what the last life spawned.
            handle.kill(node.id());
            handle.restart(node.id());
        }
        None => {
            let (shared, time) = (shared.clone(), time.clone());
            let init = move || live(shared.clone(), time.clone(), id);
            nodes[id.index()] = Some(handle.create_node().name(id.to_string()).init(init).build());
        }
    }
}

fn calm<S: System>(
    scenario: &Scenario<S>,
    handle: &Handle,
    shared: &Shared<S>,
    time: &Time,
    nodes: &mut [Option<NodeHandle>],
) {
    let now = time.now();
    let gone = &scenario.faults.gone_for_good;
    for id in ReplicaId::all(nodes.len()) {
        shared.lab().spare(id);
        if gone.contains(&id) {
            shared.lab().take(now, Choice::Crash { replica: id, torn_percent: 0, loss: Default::default() });
            continue;
        }
        if shared.lab().take(now, Choice::Wake { replica: id })
            && let Some(node) = &nodes[id.index()]
        {
            handle.resume(node.id());
        }
    }
    shared.lab().calm(now, gone);
    for id in ReplicaId::all(nodes.len()).filter(|id| !gone.contains(id)) {
        open(handle, shared, time, id, nodes);
    }
}

/// The sync clients: moves what is due when it is due.
async fn carry<S: System>(shared: Shared<S>, time: Time) {
    let bell = Arc::clone(&shared.lab().courier_bell);
    loop {
        let due = {
            let mut lab = shared.lab();
            lab.movements(time.now());
            lab.courier_due()
        };
        wait(&bell, &time, due).await;
    }
}

/// The life of one replica's process: the one driver loop.
async fn live<S: System>(shared: Shared<S>, time: Time, id: ReplicaId) {
    let bell = shared.lab().bell(id);
    shared.lab().take(time.now(), Choice::Open { replica: id, draw: Draw::default() });
    loop {
        let next = shared.lab().next(time.now(), id);
        match next {
            None => return,
            Some(Next::Op { after_ms, half_ms }) => {
                time.until(time.now() + after_ms).await;
                if let Some(half_ms) = half_ms {
                    shared.lab().apply(time.now(), id, Part::Begin);
                    time.until(time.now() + half_ms).await;
                }
                if shared.lab().watched.world.replica(id).process().is_none() {
                    return;
                }
                shared.lab().apply(time.now(), id, Part::Whole);
            }
            Some(Next::Call { after_ms }) => {
                time.until(time.now() + after_ms).await;
                if !shared.lab().take(time.now(), Choice::Serve { replica: id }) {
                    // The network went away meanwhile; its return rings the bell.
                    wait(&bell, &time, None).await;
                }
            }
            Some(Next::Reply) => {
                shared.lab().take(time.now(), Choice::Reply { replica: id, draw: Draw::default() });
            }
            Some(Next::Wait { until_ms }) => {
                wait(&bell, &time, until_ms).await;
                let mut lab = shared.lab();
                let now = time.now();
                if lab.timer_due(id).is_some_and(|due| due <= now) {
                    lab.take(now, Choice::Timer { replica: id, draw: Draw::default() });
                }
            }
        }
    }
}

/// Waits for the bell or the time, whichever comes first.
async fn wait(bell: &tokio::sync::Notify, time: &Time, until_ms: Option<u64>) {
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
