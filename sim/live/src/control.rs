//! The control line: a socket in the state directory. One line of words in, one line of JSON back when it is done.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::LiveError;
use crate::options::STATE;

/// What the socket is called.
const SOCKET: &str = "control.sock";

/// The longest path that a socket can have on every system (macOS: 104 bytes with the NUL at the end).
const SOCKET_PATH_MAX: usize = 103;

/// What wakes the driver before something is due.
#[derive(Debug)]
pub(crate) enum Wake {
    /// Something below a folder may have changed.
    Changed,
    /// Somebody asks for something, and waits for the answer.
    Asked(Vec<String>, Sender<Value>),
    /// The process is asked to end.
    End,
}

/// The listening end. The socket goes with it, when all that was asked is answered.
#[derive(Debug)]
pub(crate) struct Control {
    socket: PathBuf,
    /// How many have asked and were not answered yet.
    open: Arc<AtomicUsize>,
}

/// How long answers may take to leave at the end.
const LEAVE: Duration = Duration::from_secs(2);

impl Control {
    /// Listens, and hands what is asked to the driver.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub(crate) fn open(state: &Path, driver: &Sender<Wake>) -> Result<Self, LiveError> {
        let path = state.join(SOCKET);
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(LiveError::new(format!(
                "{}: a socket's path has at most {SOCKET_PATH_MAX} bytes; give --state a shorter one",
                path.display()
            )));
        }
        // The lock of the state directory is ours, so whoever made this one is gone.
        drop(fs::remove_file(&path));
        let listener =
            UnixListener::bind(&path).map_err(|error| LiveError::io(&path, "cannot be made", &error))?;
        let open = Arc::new(AtomicUsize::new(0));
        let (driver, asked) = (driver.clone(), Arc::clone(&open));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (driver, asked) = (driver.clone(), Arc::clone(&asked));
                thread::spawn(move || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    // Who asked may be gone before it is answered.
                    drop(serve(&stream, &driver));
                    asked.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Ok(Self { socket: path, open })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.socket));
        let began = Instant::now();
        while self.open.load(Ordering::SeqCst) > 0 && began.elapsed() < LEAVE {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn serve(stream: &UnixStream, driver: &Sender<Wake>) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let words: Vec<String> = serde_json::from_str(&line).unwrap_or_default();
    let (sender, answer) = channel();
    let gone = || json!({ "ok": false, "error": "it has ended" });
    let answer = match driver.send(Wake::Asked(words, sender)) {
        Ok(()) => answer.recv().unwrap_or_else(|_| gone()),
        Err(_) => gone(),
    };
    writeln!(&mut &*stream, "{answer}")
}

/// Asks a running `live` for something, and waits until it is done. `dir` is its state directory, or one of its folders.
/// Returns its answer: an object of which `ok` says whether it was done, and `error` why not.
///
/// # Errors
/// Where none runs there.
pub fn ask(dir: &Path, words: &[String]) -> Result<Value, LiveError> {
    let above = dir.canonicalize().ok().and_then(|dir| Some(dir.parent()?.join(STATE)));
    let places = [Some(dir.to_owned()), Some(dir.join(STATE)), above];
    let socket = places.into_iter().flatten().map(|place| place.join(SOCKET)).find(|socket| socket.exists());
    let none = || {
        LiveError::new(format!(
            "{}: no `live` runs there; name its --state directory, or where it has none, one of its folders",
            dir.display()
        ))
    };
    let socket = socket.ok_or_else(none)?;
    let mut stream = UnixStream::connect(&socket).map_err(|_| none())?;
    let broken = |error: io::Error| LiveError::io(&socket, "did not answer", &error);
    let line = serde_json::to_string(words).expect("a list of words");
    writeln!(stream, "{line}").map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(broken)?;
    serde_json::from_str(&answer)
        .map_err(|_| LiveError::new(format!("{}: it ended before it had done that", dir.display())))
}
