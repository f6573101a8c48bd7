//! Lists of systems, and work that is done for whichever of them is named.

use crate::System;

/// Work that is done for one system or another.
pub trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn on<S: System>(self) -> Self::Output;
}

/// A list of systems, as a type: commands and tests are written once for every list. [`systems!`](crate::systems!)
/// makes one.
pub trait Systems: 'static {
    /// What the systems are called, in order.
    const NAMES: &'static [&'static str];

    /// Does a piece of work for the system of a name; `None` if the list has no such system.
    fn with<W: Work>(name: &str, work: W) -> Option<W::Output>;
}

/// A single system is a list, too.
impl<S: System> Systems for S {
    const NAMES: &'static [&'static str] = &[S::NAME];

    fn with<W: Work>(name: &str, work: W) -> Option<W::Output> {
        (name == S::NAME).then(|| work.on::<S>())
    }
}

/// Makes a list of systems: `systems! { pub Mine: FailoverSystem, TallySystem }` is a type `Mine` that implements
/// [`Systems`](crate::systems::Systems).
#[macro_export]
macro_rules! systems {
    ($(#[$about:meta])* $public:vis $list:ident: $($system:ty),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        $public enum $list {}

        impl $crate::systems::Systems for $list {
            const NAMES: &'static [&'static str] = &[$(<$system as $crate::System>::NAME),+];

            fn with<W: $crate::systems::Work>(name: &str, work: W) -> ::core::option::Option<W::Output> {
                match name {
                    $(name if name == <$system as $crate::System>::NAME => {
                        ::core::option::Option::Some(work.on::<$system>())
                    })+
                    _ => ::core::option::Option::None,
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::BuiltIn;
    use crate::systems::journal::JournalSystem;

    struct Name;

    impl Work for Name {
        type Output = &'static str;

        fn on<S: System>(self) -> &'static str {
            S::NAME
        }
    }

    #[test]
    fn every_name_of_a_list_leads_to_its_system() {
        for name in BuiltIn::NAMES {
            assert_eq!(BuiltIn::with(name, Name), Some(*name));
        }
        assert_eq!(BuiltIn::with("telepathy", Name), None);
        assert_eq!(<JournalSystem as Systems>::NAMES, ["journal"]);
        assert_eq!(JournalSystem::with("journal", Name), Some("journal"));
        assert_eq!(JournalSystem::with("failover", Name), None);
    }
}
