//! Who is meant: mentions, the names machines had before, and when a name needs its machine.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Names that machines had, and what they are called now; nothing for a machine that is retired.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Aliases(BTreeMap<String, Option<String>>);

/// How far aliases are followed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Following {
    /// One step, as upstream does: a name that was changed twice leads to a machine that is gone.
    OneStep,
    /// To the end; names that lead back to themselves all mean the first of them in alphabetical order.
    ToTheEnd,
}

impl Aliases {
    /// The aliases of a `fray-config.json`: an empty name is as good as none.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        Self(names.into_iter().map(|(old, new)| (old, new.filter(|new| !new.is_empty()))).collect())
    }

    /// The aliases, by the old name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(old, new)| (old.as_str(), new.as_deref()))
    }

    /// What a name was changed to: nothing where it was not, nothing within where the machine is retired.
    #[must_use]
    pub fn get(&self, old: &str) -> Option<Option<&str>> {
        self.0.get(old).map(Option::as_deref)
    }

    /// Both sets of aliases; where they disagree, the greater name wins, and any name wins over retirement.
    ///
    /// So copies of the configuration that were written on two machines can be united in any order.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (old, new) in &other.0 {
            let kept = self.0.entry(old.clone()).or_insert_with(|| new.clone());
            if *new > *kept {
                kept.clone_from(new);
            }
        }
        self
    }

    /// What all aliases together say: these, and those that each machine gave, with the id it gave them under.
    ///
    /// A name that was given twice leads where its machine's own choice leads, or else to the greater name. The other
    /// new name leads there too, unless it is an alias or a machine of its own: whoever had heard of that one only has
    /// written to it. The order in which the aliases are given changes nothing.
    #[must_use]
    pub fn agreed(self, given: &[(String, Self)], is_machine: impl Fn(&str) -> bool) -> Self {
        let united = given.iter().fold(self.clone(), |all, (_, names)| all.union(names));
        let own = |old: &str| given.iter().find(|(by, _)| by == old).and_then(|(_, names)| names.get(old));
        let mut agreed = Self::default();
        for (old, greatest) in &united.0 {
            let new = own(old).map_or_else(|| greatest.clone(), |new| new.map(ToOwned::to_owned));
            agreed.0.insert(old.clone(), new);
        }
        let mut outdone = Self::default();
        for (old, new) in
            [&self].into_iter().chain(given.iter().map(|(_, names)| names)).flat_map(|all| &all.0)
        {
            let Some(new) = new else { continue };
            let leads = agreed.0.get(old).cloned().flatten();
            if leads.as_ref() != Some(new) && !united.0.contains_key(new) && !is_machine(new) {
                outdone = outdone.union(&Self([(new.clone(), leads)].into()));
            }
        }
        agreed.0.extend(outdone.0);
        agreed
    }

    /// Whether the machine is retired.
    #[must_use]
    pub fn is_retired(&self, machine: &str) -> bool {
        matches!(self.0.get(machine), Some(None))
    }

    /// What a machine is called now. A retired one keeps its name.
    #[must_use]
    pub fn resolve<'a>(&'a self, machine: &'a str, following: Following) -> &'a str {
        let mut at = machine;
        let mut seen = BTreeSet::new();
        while let Some(Some(next)) = self.0.get(at) {
            if following == Following::OneStep {
                return next;
            }
            if !seen.insert(at) {
                // `at` is on a cycle: go round it once more for its first name.
                let mut first = at;
                let mut on = next.as_str();
                while on != at {
                    first = first.min(on);
                    on = self.0[on].as_deref().expect("every name on a cycle leads to another");
                }
                return first;
            }
            at = next;
        }
        at
    }
}

/// Which machines a mention means.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Every machine that runs the agent.
    All,
    /// One machine.
    Machine(String),
}

/// A mention as it is stored: `@agent@machine` or `@agent@all`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mention {
    /// The agent, with its variant: `opus`, `opus.frontend`.
    pub agent: String,
    /// Where it is meant.
    pub scope: Scope,
}

impl Mention {
    /// Reads a mention as a person or a program wrote it, with or without the leading `@`, on machine `here`.
    ///
    /// Without a machine it means this one. With three parts (`agent@channel@machine`) the last is the machine.
    #[must_use]
    pub fn parse(text: &str, here: &str, aliases: &Aliases, following: Following) -> Option<Self> {
        let mut parts = text.strip_prefix('@').unwrap_or(text).split('@');
        let agent = parts.next().filter(|agent| !agent.is_empty())?;
        let scope = match parts.next_back() {
            None => Scope::Machine(here.to_owned()),
            Some("") => return None,
            Some("all") => Scope::All,
            Some(machine) => Scope::Machine(aliases.resolve(machine, following).to_owned()),
        };
        Some(Self { agent: agent.to_owned(), scope })
    }

    /// Every mention in a text, in order, each once.
    #[must_use]
    pub fn all_in(body: &str, here: &str, aliases: &Aliases, following: Following) -> Vec<Self> {
        let mut found = Vec::new();
        for (at, _) in body.match_indices('@') {
            // An address in the middle of a word is none: mail addresses, and the second `@` of a mention.
            if body[..at]
                .chars()
                .next_back()
                .is_some_and(|before| before.is_alphanumeric() || "@.-_".contains(before))
            {
                continue;
            }
            let named = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
            let text =
                body[at..].split(|c| !named(c)).next().unwrap_or_default().trim_end_matches(['.', '-', '@']);
            if let Some(mention) = Self::parse(text, here, aliases, following)
                && !found.contains(&mention)
            {
                found.push(mention);
            }
        }
        found
    }

    /// The mention as it is stored, without the leading `@`.
    #[must_use]
    pub fn stored(&self) -> String {
        match &self.scope {
            Scope::All => format!("{}@all", self.agent),
            Scope::Machine(machine) => format!("{}@{machine}", self.agent),
        }
    }

    /// Whether machine `here` is to process it. A machine that is retired processes nothing.
    #[must_use]
    pub fn is_for(&self, here: &str, aliases: &Aliases, following: Following) -> bool {
        match &self.scope {
            Scope::All => true,
            Scope::Machine(machine) if aliases.is_retired(machine) => false,
            // Upstream compares with the name as it stands in the machine's own file, renamed or not.
            Scope::Machine(machine) if following == Following::OneStep => {
                aliases.resolve(machine, following) == here
            }
            Scope::Machine(machine) => {
                aliases.resolve(machine, following) == aliases.resolve(here, following)
            }
        }
    }
}

/// The machines each agent has written from, as far as they are known; the basis of the display rule.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Origins(BTreeMap<String, BTreeSet<String>>);

impl Origins {
    /// Notes that the agent has written from the machine.
    pub fn add(&mut self, agent: &str, machine: &str) {
        if !machine.is_empty() {
            self.0.entry(agent.to_owned()).or_default().insert(machine.to_owned());
        }
    }

    /// The agent as a reader sees it: with its machine only where the agent has written from several.
    #[must_use]
    pub fn displayed(&self, agent: &str, machine: &str) -> String {
        let several = self.0.get(agent).is_some_and(|machines| machines.len() > 1);
        if several && !machine.is_empty() { format!("@{agent}@{machine}") } else { format!("@{agent}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(names: &[(&str, &str)]) -> Aliases {
        Aliases::new(names.iter().map(|&(old, new)| (old.to_owned(), Some(new.to_owned()))))
    }

    #[test]
    fn chains_are_followed_to_the_end_and_cycles_end() {
        let aliases = aliases(&[("a", "b"), ("b", "c"), ("x", "y"), ("y", "x"), ("w", "y"), ("gone", "")]);
        assert_eq!(aliases.resolve("a", Following::OneStep), "b");
        assert_eq!(aliases.resolve("a", Following::ToTheEnd), "c");
        for name in ["x", "y", "w"] {
            assert_eq!(aliases.resolve(name, Following::ToTheEnd), "x", "{name}");
        }
        assert_eq!(aliases.resolve("gone", Following::ToTheEnd), "gone");
        assert!(aliases.is_retired("gone") && !aliases.is_retired("a"));
    }

    #[test]
    fn one_machine_or_every_machine_processes_a_mention() {
        let aliases = aliases(&[("old", "laptop"), ("gone", "")]);
        let processed = |text: &str, on: &str| {
            Mention::parse(text, "laptop", &aliases, Following::ToTheEnd).unwrap().is_for(
                on,
                &aliases,
                Following::ToTheEnd,
            )
        };
        for (text, laptop, server) in [
            ("@opus", true, false),
            ("@opus@server", false, true),
            ("@opus@all", true, true),
            ("@opus@old", true, false),
            ("@opus@gone", false, false),
            ("@opus.frontend@fray@laptop", true, false),
        ] {
            assert_eq!((processed(text, "laptop"), processed(text, "server")), (laptop, server), "{text}");
        }
        assert_eq!(Mention::parse("@", "laptop", &aliases, Following::ToTheEnd), None);
        assert_eq!(Mention::parse("@opus@", "laptop", &aliases, Following::ToTheEnd), None);
    }

    #[test]
    fn mentions_are_found_in_text_and_mail_addresses_are_not() {
        let found = Mention::all_in(
            "@opus see a@b.org, (@dev@server) and @opus@all; @opus again, @pm.",
            "laptop",
            &Aliases::default(),
            Following::ToTheEnd,
        );
        let stored: Vec<_> = found.iter().map(Mention::stored).collect();
        assert_eq!(stored, ["opus@laptop", "dev@server", "opus@all", "pm@laptop"]);
    }

    #[test]
    fn a_machine_is_displayed_only_where_it_tells_something() {
        let mut origins = Origins::default();
        origins.add("opus", "laptop");
        origins.add("opus", "");
        assert_eq!(origins.displayed("opus", "laptop"), "@opus");
        origins.add("opus", "server");
        assert_eq!(origins.displayed("opus", "laptop"), "@opus@laptop");
        assert_eq!(origins.displayed("dev", "laptop"), "@dev");
    }

    #[test]
    fn a_name_that_was_given_twice_leads_where_its_machine_went_and_both_new_ones_do() {
        let given = |by: &str, names: &[(&str, &str)]| (by.to_owned(), aliases(names));
        let all = [given("a", &[("c", "zed")]), given("b", &[("c", "yak")]), given("c", &[("c", "cat")])];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let given = order.map(|at| all[at].clone());
            let of = |count: usize, name: &str, machine: &str| {
                let names = Aliases::default().agreed(&given[..count], |id| id == machine);
                names.resolve(name, Following::ToTheEnd).to_owned()
            };
            for name in ["c", "cat", "yak", "zed"] {
                assert_eq!(of(3, name, "cat"), "cat", "{name}: {order:?}");
            }
            // A machine that is called so is nobody's other name.
            assert_eq!(of(3, "zed", "zed"), "zed");
        }
        // Nobody's own choice: the greater one.
        for name in ["c", "yak", "zed"] {
            let names = Aliases::default().agreed(&all[..2], |_| false);
            assert_eq!(names.resolve(name, Following::ToTheEnd), "zed", "{name}");
        }
        // Retired by one and renamed by another, it has a name; its own word stands.
        let names = aliases(&[("c", "")]).agreed(&all[..1], |_| false);
        assert_eq!(names.get("c"), Some(Some("zed")));
        let names =
            Aliases::default().agreed(&[given("a", &[("c", "zed")]), given("c", &[("c", "")])], |_| false);
        assert!(names.is_retired("c") && names.get("zed") == Some(None));
    }

    #[test]
    fn aliases_unite_in_any_order() {
        let (one, other) = (aliases(&[("a", "b"), ("c", "")]), aliases(&[("a", "d"), ("c", "e")]));
        assert_eq!(one.clone().union(&other), other.clone().union(&one));
        assert_eq!(one.union(&other), aliases(&[("a", "d"), ("c", "e")]));
    }
}
