//! What the agent can be told: a provider, a policy, and single constants from a file.

use std::path::Path;

use anyhow::{Context, bail};
use cloudchamber_core::failover::{Config, Hardened, Identity, Policy, Provider};
use cloudchamber_core::kit::overlay::Overlay;

use super::guard::KILL_BEFORE_MS;
use crate::local;

/// The constants for a provider and a policy, and in their place those that a TOML file gives, by the names of
/// [`Hardened`]'s fields.
///
/// # Errors
/// If the file cannot be read, names something unknown, or gives a value of the wrong kind.
pub fn hardened(provider: Provider, policy: Policy, file: Option<&Path>) -> anyhow::Result<Hardened> {
    let constants = Hardened::at(provider, policy);
    let Some(file) = file else { return Ok(constants) };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{}: give a TOML file that can be read", file.display()))?;
    let given: Overlay = toml::from_str(&text).with_context(|| file.display().to_string())?;
    given.over(&constants).with_context(|| file.display().to_string())
}

/// The config of this machine's replica.
///
/// # Errors
/// The first relation between the constants that does not hold.
pub fn config(identity: Identity, hardened: Hardened) -> anyhow::Result<Config> {
    let (process_id, act_margin_ms) = (std::process::id(), hardened.act_margin_ms);
    let config = Config { process_id, hardened, ..Config::hardened(identity, Policy::Available) };
    config.check()?;
    if act_margin_ms <= KILL_BEFORE_MS {
        bail!(
            "act_margin_ms is {act_margin_ms} ms and has to be over {KILL_BEFORE_MS} ms: that long before the end of a \
             lease the command is killed, and it is asked to end before; raise it"
        );
    }
    Ok(config)
}

/// Who this machine's replica of a folder is.
///
/// # Errors
/// Where the folder is not there, or its path is no text.
pub fn identity(name: Option<String>, folder: &Path) -> anyhow::Result<Identity> {
    let directory = local::real(folder)?;
    let directory = directory
        .to_str()
        .with_context(|| format!("{}: its path is not UTF-8", folder.display()))?
        .to_owned();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Identity { name, host, directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_single_constants_and_says_what_it_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("settings.toml");
        let with = |text: &str| {
            std::fs::write(&file, text).unwrap();
            hardened(Provider::Syncthing, Policy::Available, Some(&file))
        };
        let changed = with("propagation_ms = 900\nbeat = { base_ms = 400, jitter_ms = 100 }\n").unwrap();
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
        let refused = |hardened| config(identity.clone(), hardened).unwrap_err().to_string();
        let voters = refused(majority);
        assert!(voters.starts_with("the policy majority has 0 voters"), "{voters}");
        let available = Hardened::at(Provider::Syncthing, Policy::Available);
        let margin = refused(Hardened { act_margin_ms: 500, ..available });
        assert!(margin.starts_with("act_margin_ms is 500 ms and has to be over 500 ms"), "{margin}");
    }
}
