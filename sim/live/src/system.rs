//! The system whose replicas are people and programs: its protocol does what it is told, and nothing by itself.

use std::fmt;

use cloudchamber_core::{Content, Cx, Design, FsOp, Input, Mono, Never, Path, Protocol};
use cloudchamber_folder::checks::{Checker, Checks, Findings, Kind, Violation};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Setup, World};
use cloudchamber_folder::{NoService, ReplicaId, System, Variant};
use cloudchamber_host::record::Written;
use serde::{Deserialize, Serialize};

/// Whatever works in a replica's directory, as far as the world has to know of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Hand;

/// What was seen to be done in a real directory.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// A file was made or changed.
    Save {
        /// Which.
        path: Path,
        /// What it holds.
        content: Bytes,
    },
    /// A file was removed.
    Remove {
        /// Which.
        path: Path,
    },
}

impl Protocol for Hand {
    type Config = ();
    type Command = Command;
    type Event = Never;
    type Call = Never;
    type Reply = Never;

    fn open(_: &(), _: &mut Cx<'_, Self>) -> Self {
        Self
    }

    fn step(&mut self, _: &(), input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Command(Command::Save { path, content }) => {
                cx.op(FsOp::Replace { path, content: content.0 });
            }
            Input::Command(Command::Remove { path }) => cx.op(FsOp::Remove { path }),
            // Whoever did it sees for themselves what came of it.
            Input::Applied | Input::Changed | Input::Failed { .. } | Input::Reply(_) | Input::Timer => {}
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        None
    }
}

/// The bytes of a file, written as text where they are text, and in hexadecimal digits otherwise.
#[derive(Clone, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Bytes(pub Content);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Bytes> for Written {
    fn from(bytes: Bytes) -> Self {
        Self::of(bytes.0.bytes())
    }
}

impl TryFrom<Written> for Bytes {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.bytes().map(|bytes| Self(Content::new(bytes)))
    }
}

const GOES_ON: &str = "every_change_goes_on_under_its_name";
const IS_WHOLE: &str = "what_arrives_is_whole";

/// Tells what the clients did to files that their owners did not ask for. All of it is what such clients do, so nothing of
/// it is a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LiveChecks;

impl Checks<LiveSystem> for LiveChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: GOES_ON,
            kind: Kind::Counted,
            about: "No file is changed at two places apart from each other, so that one change takes another name, or none.",
        },
        Checker {
            name: IS_WHOLE,
            kind: Kind::Counted,
            about: "A version becomes visible as a whole, and not in part, empty, or after a gap.",
        },
    ];

    fn after(
        &mut self,
        _: &Setup<LiveSystem>,
        world: &World<LiveSystem>,
        choice: &ChoiceOf<LiveSystem>,
        effects: &Effects<Hand>,
        findings: &mut Findings,
    ) {
        findings.count("versions", effects.committed.len() as u64);
        findings.count("conflicts", effects.conflicts.len() as u64);
        for conflict in &effects.conflicts {
            findings.violated(GOES_ON, || Violation {
                checker: GOES_ON.into(),
                at_ms: world.now(),
                replicas: vec![conflict.winner, conflict.loser],
                expected: "who changes a file has seen the last change of it".into(),
                seen: conflict.to_string(),
            });
        }
        let arrives_broken = matches!(choice, Choice::Download { arrival, .. } if *arrival != Arrival::Whole);
        findings.count("broken arrivals", u64::from(arrives_broken));
        if let Choice::Download { replica, path, arrival, .. } = choice
            && arrives_broken
        {
            findings.violated(IS_WHOLE, || Violation {
                checker: IS_WHOLE.into(),
                at_ms: world.now(),
                replicas: vec![*replica],
                expected: "a version becomes visible as a whole".into(),
                seen: format!("{} reached {replica} as {arrival:?}", path.name()),
            });
        }
    }

    fn calm(&mut self, _: &Setup<LiveSystem>, _: &World<LiveSystem>) {}

    fn end(&self, _: &Setup<LiveSystem>, _: &World<LiveSystem>, _: &mut Findings) {}
}

/// Real directories as replicas.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LiveSystem;

/// The `[settings]` of a scenario: there are none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

impl System for LiveSystem {
    const NAME: &'static str = "live";
    const DESIGNS: &'static [Variant] = &[Variant::plain(Design::Published)];
    type Protocol = Hand;
    type Service = NoService;
    type Checks = LiveChecks;
    type Settings = Settings;

    fn settings(_: Variant) -> Settings {
        Settings {}
    }

    fn variant(_: &Settings) -> Variant {
        Self::DESIGNS[0]
    }

    fn config(_: &Scenario<Self>, _: ReplicaId) -> Result<(), String> {
        Ok(())
    }

    fn checks(_: &Scenario<Self>, _: &Setup<Self>) -> LiveChecks {
        LiveChecks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_text() {
        for bytes in [&b"7\n"[..], b"", b"\xff\x00\x7f", "\u{e9}".as_bytes()] {
            let bytes = Bytes(Content::new(bytes));
            let text = serde_json::to_string(&bytes).unwrap();
            assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap(), bytes, "{text}");
        }
        for bad in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, r#"{"hex":"\u00e9"}"#, r#"{"text":1}"#] {
            assert!(serde_json::from_str::<Bytes>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_text_is_written_as_text() {
        let text =
            serde_json::to_string(&Command::Save { path: Path::shared("a"), content: Bytes("7\n".into()) });
        assert_eq!(text.unwrap(), r#"{"save":{"path":"shared:a","content":{"text":"7\n"}}}"#);
    }
}
