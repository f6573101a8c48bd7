//! Two real Syncthing instances on this machine alone, with a folder each that they copy to each other.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::files;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

struct Instance {
    home: PathBuf,
    child: Child,
    id: String,
    key: String,
    gui: u16,
    sync: u16,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A port that nobody has at this moment.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What stands in the first element of this name.
fn inside<'a>(xml: &'a str, tag: &str) -> &'a str {
    let start = xml.find(&format!("<{tag}")).unwrap_or_else(|| panic!("the configuration has no {tag}"));
    let from = start + xml[start..].find('>').unwrap() + 1;
    let to = from + xml[from..].find(&format!("</{tag}>")).unwrap();
    &xml[from..to]
}

/// A configuration that asks nobody beyond this machine for anything.
fn alone(xml: &str, gui: u16, sync: u16) -> String {
    let gui_address = inside(inside(xml, "gui"), "address");
    let mut xml = xml.replace(gui_address, &format!("127.0.0.1:{gui}"));
    let listen = format!("tcp://127.0.0.1:{sync}");
    let settings = [
        ("listenAddress", &*listen),
        ("globalAnnounceEnabled", "false"),
        ("localAnnounceEnabled", "false"),
        ("relaysEnabled", "false"),
        ("natEnabled", "false"),
        ("crashReportingEnabled", "false"),
        ("startBrowser", "false"),
        ("announceLANAddresses", "false"),
        ("globalAnnounceServer", ""),
        ("stunServer", ""),
        ("releasesURL", ""),
        ("urURL", ""),
        ("crashReportingURL", ""),
        ("urAccepted", "-1"),
        ("urSeen", "3"),
        ("autoUpgradeIntervalH", "0"),
        ("stunKeepaliveStartS", "0"),
        ("reconnectionIntervalS", "5"),
        ("restartOnWakeup", "false"),
    ];
    for (tag, value) in settings {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        if let Some(from) = xml.find(&open).map(|at| at + open.len()) {
            let to = from + xml[from..].find(&close).unwrap();
            xml.replace_range(from..to, value);
        }
    }
    xml
}

impl Instance {
    /// Makes one and starts it; `None` if Syncthing is not installed.
    fn start(home: &Path) -> Option<Self> {
        let mut command = Command::new("syncthing");
        command.arg("generate").arg(format!("--home={}", home.display())).arg("--no-default-folder");
        let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        assert!(made.success(), "syncthing generate: {made}");
        let file = home.join("config.xml");
        let xml = std::fs::read_to_string(&file).unwrap();
        let (gui, sync) = (port(), port());
        let device = &xml[xml.find("<device id=\"").unwrap() + "<device id=\"".len()..];
        let id = device[..device.find('"').unwrap()].to_owned();
        let key = inside(&xml, "apikey").to_owned();
        std::fs::write(&file, alone(&xml, gui, sync)).unwrap();
        let child = Self::spawn(home);
        let instance = Self { home: home.to_owned(), child, id, key, gui, sync };
        instance.wait_until("it answers", |one| one.ask("GET", "/rest/system/ping", None).is_some());
        Some(instance)
    }

    fn spawn(home: &Path) -> Child {
        let mut command = Command::new("syncthing");
        command
            .arg("serve")
            .arg(format!("--home={}", home.display()))
            .args([
                "--no-browser",
                "--no-restart",
                "--no-upgrade",
                "--no-default-folder",
                "--skip-port-probing",
            ])
            .env("HOME", home)
            .env("STMONITORED", "yes")
            .env("STNOUPGRADE", "1")
            .env("STHASHING", "standard");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Ends it and starts it again.
    fn restart(&mut self) {
        self.ask("POST", "/rest/system/shutdown", None);
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.home);
        self.wait_until("it answers", |one| one.ask("GET", "/rest/system/ping", None).is_some());
    }

    /// Asks its interface; `None` if it does not answer, or does not do it.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.gui)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = body.filter(|body| !body.is_null()).map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nX-API-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let is_done = head.split(' ').nth(1) == Some("200");
        is_done.then(|| serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn tell(&self, method: &str, path: &str, body: &Value) {
        assert!(self.ask(method, path, Some(body)).is_some(), "{method} {path} {body}: it does not do that");
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < PATIENCE, "Syncthing took longer than {PATIENCE:?} until {what}");
            std::thread::sleep(POLL);
        }
    }

    fn is_settled(&self, other: &Self) -> bool {
        let status = self.ask("GET", "/rest/db/status?folder=d", None).unwrap_or_default();
        let path = format!("/rest/db/completion?folder=d&device={}", other.id);
        let completion = self.ask("GET", &path, None).unwrap_or_default();
        status["state"] == "idle" && status["needTotalItems"] == 0 && completion["completion"] == 100
    }
}

/// Two instances that copy a folder to each other.
pub(crate) struct Pair {
    a: Instance,
    b: Instance,
    /// The folder of each.
    pub(crate) folders: [PathBuf; 2],
}

impl Pair {
    /// Starts two instances, whose homes and folders lie in a directory. `None`, and a line that says so, if Syncthing is not
    /// installed.
    pub(crate) fn start(dir: &Path) -> Option<Self> {
        let started = Instance::start(&dir.join("home-a")).zip(Instance::start(&dir.join("home-b")));
        let Some((a, b)) = started else {
            #[expect(clippy::print_stderr, reason = "a test that looked at nothing says so")]
            {
                eprintln!(
                    "skipped: syncthing is not installed (apt-get install syncthing), so nothing was tried with it"
                );
            }
            return None;
        };
        let folders = ["a", "b"].map(|name| dir.join("sync").join(name));
        folders.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        // The one that is dialled first; if both dial at once, the connection can hang.
        let devices = [
            ("dynamic".to_owned(), &b, &a, &folders[1]),
            (format!("tcp://127.0.0.1:{}", b.sync), &a, &b, &folders[0]),
        ];
        for (address, own, other, folder) in devices {
            let device = json!({ "deviceID": other.id, "name": "other", "addresses": [address] });
            own.tell("PUT", &format!("/rest/config/devices/{}", other.id), &device);
            let folder = json!({
                "id": "d", "path": folder, "type": "sendreceive", "fsWatcherEnabled": true, "fsWatcherDelayS": 1,
                "devices": [{ "deviceID": a.id }, { "deviceID": b.id }],
            });
            own.tell("PUT", "/rest/config/folders/d", &folder);
        }
        let pair = Self { a, b, folders };
        pair.wait_for_connection();
        Some(pair)
    }

    fn wait_for_connection(&self) {
        self.a.wait_until("the two are connected", |a| {
            let connections = a.ask("GET", "/rest/system/connections", None).unwrap_or_default();
            connections["connections"][&self.b.id]["connected"] == true
        });
    }

    /// Nothing travels between the two any more.
    pub(crate) fn part(&self) {
        for (own, other) in [(&self.a, &self.b), (&self.b, &self.a)] {
            own.tell("POST", &format!("/rest/system/pause?device={}", other.id), &Value::Null);
        }
    }

    /// They go on.
    pub(crate) fn join(&self) {
        for (own, other) in [(&self.b, &self.a), (&self.a, &self.b)] {
            own.tell("POST", &format!("/rest/system/resume?device={}", other.id), &Value::Null);
        }
        self.wait_for_connection();
    }

    /// Waits until both folders hold the same files, and neither has anything to do.
    pub(crate) fn settle(&self) {
        for one in [&self.a, &self.b] {
            one.tell("POST", "/rest/db/scan?folder=d", &Value::Null);
        }
        self.a.wait_until("both folders are the same", |a| {
            // Files go and come while this looks.
            let looked = || {
                let all = self.folders.each_ref().map(|folder| files(folder));
                all.map(|mut files| {
                    files.retain(|name, _| !name.starts_with(".stfolder"));
                    files
                })
            };
            a.is_settled(&self.b) && self.b.is_settled(a) && {
                let [one, other] = looked();
                one == other
            }
        });
    }

    /// Ends both instances and starts them again.
    pub(crate) fn restart(&mut self) {
        self.a.restart();
        self.b.restart();
        self.wait_for_connection();
    }
}
