//! Directories of a test, and a run beside it.

#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cloudchamber_live::{End, FILE_BYTES_MAX, LiveError, Options, ask, run};
use tempfile::TempDir;

/// How long something may take on a machine that does other work.
const MOST: Duration = Duration::from_secs(120);

/// Directories A, B, C and so on.
pub(crate) struct Folders {
    dir: TempDir,
    count: usize,
}

impl Folders {
    pub(crate) fn new(count: usize) -> Self {
        let folders = Self { dir: tempfile::tempdir().unwrap(), count };
        (0..count).for_each(|n| fs::create_dir(folders.dir(n)).unwrap());
        folders
    }

    pub(crate) fn dir(&self, n: usize) -> PathBuf {
        self.dir.path().join(["A", "B", "C", "D"][n])
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn options(&self, profile: &str) -> Options {
        Options {
            profile: profile.into(),
            seed: 7,
            hazards: true,
            folders: (0..self.count).map(|n| self.dir(n)).collect(),
            state: Some(self.state()),
            speed: 1,
            adopt: false,
            file_bytes_max: FILE_BYTES_MAX,
            script: vec![],
            until_quiet: false,
            for_time: Some(2 * MOST),
            program: vec![],
            output_is_taken: false,
        }
    }

    pub(crate) fn write(&self, n: usize, name: &str, text: &str) {
        let path = self.dir(n).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a file holds; `None` if there is none.
    pub(crate) fn read(&self, n: usize, name: &str) -> Option<String> {
        fs::read_to_string(self.dir(n).join(name)).ok()
    }

    pub(crate) fn names(&self, n: usize) -> Vec<String> {
        let entries = fs::read_dir(self.dir(n)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A run on a thread of its own.
pub(crate) struct Running {
    state: PathBuf,
    told: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<Result<End, LiveError>>,
}

impl Running {
    /// Starts a run, and waits until it listens.
    pub(crate) fn start(options: Options) -> Self {
        let state = options.state.clone().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let thread = std::thread::spawn(move || {
            run(&options, &mut |line| heard.lock().unwrap().push(line.to_owned()))
        });
        let running = Self { state, told, thread };
        running.wait("it listens", || ask(&running.state, &["list".into()]).is_ok());
        running
    }

    pub(crate) fn ask(&self, words: &str) -> serde_json::Value {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        ask(&self.state, &words).unwrap()
    }

    /// Whether it told something with these words.
    pub(crate) fn told(&self, words: &str) -> bool {
        self.told.lock().unwrap().iter().any(|line| line.contains(words))
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, what: &str, is: impl Fn() -> bool) {
        let began = Instant::now();
        while !is() {
            assert!(!self.thread.is_finished(), "{what}: the run has ended: {:?}", self.told.lock().unwrap());
            assert!(began.elapsed() < MOST, "not yet: {what}; told: {:?}", self.told.lock().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn end(self) -> End {
        assert_eq!(self.ask("end")["ok"], true);
        self.thread.join().unwrap().unwrap()
    }
}
