//! An agent as a service of its user: what systemd, launchd and Windows' task scheduler want to read.

use std::path::{Path, PathBuf};

/// Who starts it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manager {
    /// macOS.
    Launchd,
    /// Linux: a unit of the user.
    Systemd,
    /// Windows: a task that runs when the user logs on.
    Task,
}

impl Manager {
    /// The one of this machine.
    pub const HERE: Self = if cfg!(target_vendor = "apple") {
        Self::Launchd
    } else if cfg!(windows) {
        Self::Task
    } else {
        Self::Systemd
    };
}

/// A service: what it is called, and what it runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Its name, of letters, digits and `-`.
    pub name: String,
    /// What it is for, in a line.
    pub about: String,
    /// The program, by its whole path, and its arguments.
    pub line: Vec<String>,
    /// In which directory it runs.
    pub directory: String,
    /// How long it may take to end once it was asked to, s.
    pub stop_s: u64,
}

impl Service {
    /// The text that a manager reads.
    #[must_use]
    pub fn text(&self, manager: Manager) -> String {
        match manager {
            Manager::Launchd => self.launchd(),
            Manager::Systemd => self.systemd(),
            Manager::Task => self.task(),
        }
    }

    /// Where a manager looks for it, below the user's home; `None` if it is handed to a command instead.
    #[must_use]
    pub fn file(&self, manager: Manager, home: &Path) -> Option<PathBuf> {
        let name = &self.name;
        match manager {
            Manager::Launchd => Some(home.join("Library/LaunchAgents").join(format!("{name}.plist"))),
            Manager::Systemd => Some(home.join(".config/systemd/user").join(format!("{name}.service"))),
            Manager::Task => None,
        }
    }

    /// The commands that start a service whose file is in its place, and those that end and remove it, each with its
    /// arguments.
    #[must_use]
    pub fn commands(&self, manager: Manager, file: &str) -> [Vec<Vec<String>>; 2] {
        let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let name = &*self.name;
        match manager {
            Manager::Launchd => [
                vec![words(&["launchctl", "load", "-w", file])],
                vec![words(&["launchctl", "unload", "-w", file]), words(&["rm", file])],
            ],
            Manager::Systemd => [
                vec![
                    words(&["systemctl", "--user", "daemon-reload"]),
                    words(&["systemctl", "--user", "enable", "--now", name]),
                ],
                vec![words(&["systemctl", "--user", "disable", "--now", name]), words(&["rm", file])],
            ],
            Manager::Task => [
                vec![words(&["schtasks", "/create", "/tn", name, "/xml", file])],
                vec![words(&["schtasks", "/delete", "/tn", name])],
            ],
        }
    }

    fn systemd(&self) -> String {
        let Self { about, directory, stop_s, .. } = self;
        let line = self.line.iter().map(|word| systemd_word(word)).collect::<Vec<_>>().join(" ");
        let directory = directory.replace('%', "%%");
        let about = about.replace('%', "%%");
        // The agent ends its command itself, so it alone is asked to.
        format!(
            "[Unit]\nDescription={about}\n\n[Service]\nExecStart={line}\nWorkingDirectory={directory}\nRestart=on-failure\n\
             RestartSec=10\nKillMode=mixed\nTimeoutStopSec={stop_s}\n\n[Install]\nWantedBy=default.target\n"
        )
    }

    fn launchd(&self) -> String {
        let words: String =
            self.line.iter().map(|word| format!("    <string>{}</string>\n", xml(word))).collect();
        let (name, directory, stop_s) = (xml(&self.name), xml(&self.directory), self.stop_s);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n  \
             <key>Label</key>\n  <string>{name}</string>\n  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n  \
             <key>WorkingDirectory</key>\n  <string>{directory}</string>\n  <key>RunAtLoad</key>\n  <true/>\n  \
             <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>\n  \
             <key>ExitTimeOut</key>\n  <integer>{stop_s}</integer>\n  <key>StandardErrorPath</key>\n  \
             <string>/tmp/{name}.log</string>\n</dict>\n</plist>\n"
        )
    }

    fn task(&self) -> String {
        let (program, arguments) = self.line.split_first().expect("a service runs a program");
        let arguments = arguments.iter().map(|word| windows_word(word)).collect::<Vec<_>>().join(" ");
        let (about, program, directory) = (xml(&self.about), xml(program), xml(&self.directory));
        let arguments = xml(&arguments);
        format!(
            "<?xml version=\"1.0\"?>\n<Task version=\"1.2\" \
             xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n  <RegistrationInfo>\n    \
             <Description>{about}</Description>\n  </RegistrationInfo>\n  <Triggers>\n    <LogonTrigger/>\n  </Triggers>\n  \
             <Settings>\n    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n    \
             <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n    \
             <RestartOnFailure>\n      <Interval>PT1M</Interval>\n      <Count>999</Count>\n    </RestartOnFailure>\n  \
             </Settings>\n  <Actions>\n    <Exec>\n      <Command>{program}</Command>\n      \
             <Arguments>{arguments}</Arguments>\n      <WorkingDirectory>{directory}</WorkingDirectory>\n    </Exec>\n  \
             </Actions>\n</Task>\n"
        )
    }
}

/// A word of a command line in a unit, as systemd.service(5) reads it.
fn systemd_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@,#".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A word of a command line as Windows' programs read it.
fn windows_word(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    let mut slashes = 0;
    for c in word.chars() {
        // Backslashes count double where a quote follows.
        if c == '"' {
            quoted.push_str(&"\\".repeat(slashes + 1));
        }
        slashes = if c == '\\' { slashes + 1 } else { 0 };
        quoted.push(c);
    }
    quoted + &"\\".repeat(slashes) + "\""
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let line =
            ["/opt/a b/agent", "run", "--folder", "/sync/50% & <more>", "--", "sh", "-c", "echo \"$HOME\""];
        Service {
            name: "cloudchamber-team".into(),
            about: "a command on one of the machines of /sync/50%".into(),
            line: line.map(str::to_owned).to_vec(),
            directory: "/home/me".into(),
            stop_s: 95,
        }
    }

    #[test]
    fn a_unit_quotes_what_systemd_would_read_otherwise() {
        let text = service().text(Manager::Systemd);
        let line =
            r#"ExecStart="/opt/a b/agent" run --folder "/sync/50%% & <more>" -- sh -c "echo \"$$HOME\"""#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\nKillMode=mixed\nTimeoutStopSec=95\n"), "{text}");
        assert!(text.contains("machines of /sync/50%%\n"), "{text}");
    }

    #[test]
    fn a_plist_and_a_task_are_xml() {
        let plist = service().text(Manager::Launchd);
        assert!(plist.contains("<string>/sync/50% &amp; &lt;more&gt;</string>"), "{plist}");
        assert!(plist.contains("<string>echo &quot;$HOME&quot;</string>"), "{plist}");
        let task = service().text(Manager::Task);
        assert!(task.contains("<Command>/opt/a b/agent</Command>"), "{task}");
        assert!(task.contains(r"-c &quot;echo \&quot;$HOME\&quot;&quot;</Arguments>"), "{task}");
        assert_eq!(windows_word(r"C:\a b\"), r#""C:\a b\\""#);
    }

    #[test]
    fn files_are_where_the_managers_look() {
        let home = Path::new("/home/me");
        let file = |manager| service().file(manager, home).map(|file| file.display().to_string());
        assert_eq!(
            file(Manager::Systemd).as_deref(),
            Some("/home/me/.config/systemd/user/cloudchamber-team.service")
        );
        assert_eq!(
            file(Manager::Launchd).as_deref(),
            Some("/home/me/Library/LaunchAgents/cloudchamber-team.plist")
        );
        assert_eq!(file(Manager::Task), None);
        let [start, end] = service().commands(Manager::Systemd, "x");
        assert_eq!((start.len(), end.len()), (2, 2));
    }
}
