//! What the agent can be told: a client, a policy, and single constants from a file.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use cloudchamber_core::failover::{Config, Hardened, Identity, Policy, kept_place};
use cloudchamber_core::kit::identity::Place;
use cloudchamber_core::kit::overlay::Overlay;

use super::client::Client;
use super::guard::KILL_BEFORE_MS;
use crate::{OsFs, clock, local, place};

/// The constants for a client and a policy, and in their place those that a TOML file gives, by the names of
/// [`Hardened`]'s fields.
///
/// # Errors
/// If the file cannot be read, names something unknown, or gives a value of the wrong kind; as [`Client::constants`].
pub fn hardened(client: &Client, policy: Policy, file: Option<&Path>) -> anyhow::Result<Hardened> {
    let constants = Hardened { asleep: clock::ASLEEP, ..client.constants(policy)? };
    let Some(file) = file else { return Ok(constants) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{}: give a TOML file that can be read", file.display()))?;
    // Some editors put a mark in front that means nothing.
    let text = text.trim_start_matches('\u{feff}');
    let given: Overlay = toml::from_str(text).with_context(|| file.display().to_string())?;
    given.over(&constants).with_context(|| file.display().to_string())
}

/// The config of this machine's replica.
///
/// # Errors
/// The first relation between the constants that does not hold.
pub fn config(identity: Identity, hardened: Hardened, local: &Path) -> anyhow::Result<Config> {
    let (process_id, act_margin_ms) = (std::process::id(), hardened.act_margin_ms);
    let local_number = place::number(local);
    let config =
        Config { process_id, local_number, hardened, ..Config::hardened(identity, Policy::Available) };
    config.check()?;
    if act_margin_ms <= KILL_BEFORE_MS {
        bail!(
            "act_margin_ms is {act_margin_ms} ms and has to be over {KILL_BEFORE_MS} ms: that long before the end of a \
             lease the command is killed, and it is asked to end before; raise it"
        );
    }
    Ok(config)
}

/// Who this machine's replica of a folder is: whoever its local directory says, if that was not copied. Also the id that
/// it would have as a new one, if that is another because the computer or the folder has got another name.
///
/// # Errors
/// Where the folder is not there, or its path is no text.
pub fn identity(
    name: Option<String>,
    folder: &Path,
    local: &Path,
) -> anyhow::Result<(Identity, Option<Arc<str>>)> {
    let directory = local::real(folder)?;
    let directory = directory
        .to_str()
        .with_context(|| format!("{}: its path is not UTF-8", folder.display()))?
        .to_owned();
    let here = Place { host: place::host(), directory, number: place::number(local) };
    let named = |place: Place| Identity { name: name.clone(), host: place.host, directory: place.directory };
    let kept = kept_place(&OsFs::new(local, local))
        .with_context(|| {
            format!(
                "{}: it says who this replica is, and cannot be read now; try again",
                local.join("identity.json").display()
            )
        })?
        .filter(|kept| kept.is(&here));
    let (now, kept) = (named(here.clone()), named(kept.unwrap_or(here)));
    let other = (now != kept).then(|| now.device_id());
    Ok((kept, other))
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::failover::Provider;

    use super::*;

    #[test]
    fn a_file_changes_single_constants_and_says_what_it_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        let with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            hardened(&"syncthing".parse().unwrap(), Policy::Available, Some(&file))
        };
        let changed = with("propagation_ms = 900\nbeat = { base_ms = 400, jitter_ms = 100 }\n").unwrap();
        let marked = with("\u{feff}propagation_ms = 900\r\nbeat = { base_ms = 400, jitter_ms = 100 }\r\n");
        assert_eq!(marked.unwrap(), changed);
        assert_eq!((changed.propagation_ms, changed.beat.base_ms), (900, 400));
        assert_eq!(changed.look_ms, Hardened::at(Provider::Syncthing, Policy::Available).look_ms);
        assert_eq!(
            with("propagation-ms = 900\nbeat = { base-ms = 400, jitter-ms = 100 }\n").unwrap(),
            changed
        );
        let refused = |text: &str| format!("{:#}", with(text).unwrap_err());
        let unknown = refused("propagaton_ms = 900\n");
        assert!(
            unknown.contains("`propagaton_ms` is no key here: there are act_margin_ms, asleep, beat, "),
            "{unknown}"
        );
        let kind = refused("propagation_ms = 'long'\n");
        assert!(kind.contains("settings.toml: `propagation_ms` has a value of the wrong kind: "), "{kind}");
    }

    #[test]
    fn a_broken_relation_is_refused_with_its_values() {
        let identity = Identity { name: None, host: "h".into(), directory: "/x".into() };
        let majority = Hardened::at(Provider::Syncthing, Policy::Majority);
        let local = Path::new("/nowhere");
        let refused = |hardened| config(identity.clone(), hardened, local).unwrap_err().to_string();
        let voters = refused(majority);
        assert!(voters.starts_with("the policy majority has 0 voters"), "{voters}");
        let available = Hardened::at(Provider::Syncthing, Policy::Available);
        let margin = refused(Hardened { act_margin_ms: 500, ..available });
        assert!(margin.starts_with("act_margin_ms is 500 ms and has to be over 500 ms"), "{margin}");
    }

    #[test]
    fn a_replica_keeps_its_name_when_the_folder_is_moved_and_a_copy_does_not_take_it() {
        let dir = tempfile::tempdir().unwrap();
        let [folder, moved, local, copy] =
            ["folder", "moved", "local", "copy"].map(|name| dir.path().join(name));
        for made in [&folder, &local, &copy] {
            std::fs::create_dir(made).unwrap();
        }
        let (first, other) = identity(None, &folder, &local).unwrap();
        assert_eq!(other, None);
        let number = place::number(&local).unwrap();
        let kept = serde_json::json!({
            "random": "#0000002a", "host": first.host, "directory": first.directory, "number": number, "lives": 1,
        });
        for place in [&local, &copy] {
            std::fs::write(place.join("identity.json"), kept.to_string()).unwrap();
        }
        std::fs::rename(&folder, &moved).unwrap();
        let (again, other) = identity(None, &moved, &local).unwrap();
        assert_eq!(again, first);
        assert!(other.unwrap().ends_with("moved"));
        let (copied, _) = identity(None, &moved, &copy).unwrap();
        assert!(copied.directory.ends_with("moved"), "{copied:?}");
    }
}
