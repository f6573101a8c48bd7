//! Problems: what is wrong with a file, named so that a person finds the place and knows what to do.
//!
//! Bad bytes from a folder are data, never errors: a reader takes what is sound and tells the rest as problems.
//! Each system has its own kinds ([`problem_kinds!`](crate::problem_kinds) makes them); the place and the text are
//! the same everywhere.

use std::fmt;
use std::sync::Arc;

/// A kind of problem of one system.
pub trait Kind: Copy + fmt::Debug + Eq + Ord {
    /// The name, as reports and JSON print it: lower case with hyphens.
    fn name(self) -> &'static str;

    /// What a person can do about it.
    fn advice(self) -> &'static str;
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Problem<K> {
    /// The file or directory, relative to the folder.
    pub file: Arc<str>,
    /// The line, counted from 1; 0 if it is about the whole file.
    pub line: u32,
    /// What is wrong.
    pub kind: K,
    /// What was found, in a few words.
    pub detail: String,
}

impl<K> Problem<K> {
    /// A problem of a whole file.
    pub fn of(file: impl Into<Arc<str>>, kind: K, detail: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, kind, detail: detail.into() }
    }
}

impl<K: Kind> fmt::Display for Problem<K> {
    /// `file:line: kind: detail`; line and detail only if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.kind.name())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// Makes a system's kinds of problems: an enum with a name and an advice for each.
///
/// ```
/// cloudchamber_core::problem_kinds! {
///     /// What is wrong with a diary.
///     pub enum DiaryProblem {
///         /// A page is gone.
///         MissingPage "missing-page" "look under the bed";
///     }
/// }
/// assert_eq!(DiaryProblem::MissingPage.name(), "missing-page");
/// assert_eq!(DiaryProblem::ALL.len(), 1);
/// ```
#[macro_export]
macro_rules! problem_kinds {
    (
        $(#[$about:meta])*
        $vis:vis enum $kind:ident { $($(#[$doc:meta])* $variant:ident $name:literal $advice:literal;)* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        $vis enum $kind {
            $($(#[$doc])* $variant,)*
        }

        impl $kind {
            /// Every kind.
            $vis const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, as reports print it.
            #[must_use]
            $vis const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What a person can do about it.
            #[must_use]
            $vis const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }
        }

        impl $crate::kit::problem::Kind for $kind {
            fn name(self) -> &'static str {
                self.name()
            }

            fn advice(self) -> &'static str {
                self.advice()
            }
        }

        impl ::std::fmt::Display for $kind {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::problem_kinds! {
        /// For this test.
        enum Wrong {
            /// One.
            Torn "torn" "wait";
            /// Two.
            Gone "gone" "restore it";
        }
    }

    #[test]
    fn a_problem_says_where_and_what() {
        let whole = Problem::of("a/b.txt", Wrong::Gone, "");
        assert_eq!(whole.to_string(), "a/b.txt: gone");
        let line = Problem { line: 7, detail: "9 bytes".to_owned(), kind: Wrong::Torn, ..whole };
        assert_eq!(line.to_string(), "a/b.txt:7: torn: 9 bytes");
        assert_eq!(
            Wrong::ALL.iter().map(|kind| Kind::advice(*kind)).collect::<Vec<_>>(),
            ["wait", "restore it"]
        );
    }
}
