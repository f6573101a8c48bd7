//! What may be wrong with a delta folder.

use crate::kit::problem;

/// One thing that is wrong with a file, and where.
pub type Problem = problem::Problem<ProblemKind>;

crate::problem_kinds! {
    /// A kind of problem.
    pub enum ProblemKind {
        /// A stamp so far ahead that this replica's clock does not follow it.
        ClockAhead "clock-ahead" "set the clock of the machine that wrote it, or this one's";
        /// A copy that a sync client made because two versions met. What it says is merged.
        ConflictCopy "conflict-copy" "what it says is merged; remove the copy when every replica has synced";
        /// A file that is about another entity than its name says.
        ForeignName "foreign-name" "what it says is merged under the id inside it; move it away if it is nobody's";
        /// A file that is longer than is read.
        FileTooLarge "file-too-large" "move it away; if it holds an entity, split its largest field";
        /// A file of a later version of the format.
        LaterFormat "later-format" "update this program";
        /// A file that its owner did not write so: torn, empty, NUL bytes, changed by hand, or not JSON.
        NotSound "not-sound" "wait for the rest to arrive; its owner writes it anew when it syncs";
        /// The name is here and the bytes are not.
        NotLocal "not-local" "have the sync client download the file, then sync again";
        /// A file of no kind that is known here.
        UnknownFile "unknown-file" "move it out of the folder, if it disturbs";
        /// The system refused to read it.
        Unreadable "unreadable" "check the permissions, then sync again";
    }
}
