//! What can be wrong with the files of a storage directory.

use crate::kit::problem;

/// One thing that is wrong, and where.
pub type Problem = problem::Problem<ProblemKind>;

crate::problem_kinds! {
    /// What is wrong with a file of a storage directory.
    pub enum ProblemKind {
        /// The directory holds the logs of two notes.
        TwoNotes "two-notes" "their ids may differ in case only: copy the text of one of them to a new note";
        /// A conflict copy: what it holds counts.
        ConflictCopy "conflict-copy" "nothing: what it holds counts; it may be deleted once its original is whole";
        /// A file has bytes that are no record.
        Damaged "damaged" "restore the file from a machine that still has it; what can be read counts";
        /// Lines with bytes that are no text, as a crash leaves them.
        NulBytes "nul-bytes" "nothing: they do not count";
        /// A file that is not of this system, or of a version that is not known.
        Foreign "foreign" "move it away if nobody needs it there; it is not read";
        /// A line that is none of this log.
        ForeignLine "foreign-line" "correct the line if a person wrote it; it does not count, or only in part";
        /// Ids of two notes differ in case only.
        CaseClash "case-clash" "on macOS and Windows they are one directory: copy the text of one of them to a new note";
        /// The file's bytes are not on this machine.
        NotLocal "not-local" "have it downloaded";
        /// The file is longer than is read.
        TooLong "too-long" "move it away and restore it from a machine that has it whole";
        /// The file cannot be read.
        Unreadable "unreadable" "check the permissions, then try again";
        /// A record is well framed, and what it holds cannot be applied.
        BadRecord "bad-record" "the record is passed over: restore the file from a machine that still has it";
        /// A number is missing.
        SequenceGap "sequence-gap" "wait for the rest to arrive, or restore the file from a machine that has it";
        /// The folder has less of a log than was read of it, or nothing.
        KeptRecords "kept-records" "nothing: what was read counts, and is written again where its owner does not do so";
        /// Two different records of one instance and note have one number.
        SequenceReuse "sequence-reuse" "two installations share an identity: both records count; give one of them a new local directory";
        /// One Yjs client wrote two different things at one place.
        ClientReuse "client-reuse" "one of the two is shown: look at both and write again what is missing";
        /// A snapshot that is cut, or whose end has not come.
        BadSnapshot "bad-snapshot" "wait for the rest to arrive; it is not used until then";
        /// A snapshot that was not finished.
        UnfinishedSnapshot "unfinished-snapshot" "wait for the rest to arrive; it is not used until then";
        /// The end of a file has not come.
        Torn "torn" "wait for the rest to arrive; an own file is repaired before it is written again";
        /// What is shown lacks something that waits for records which are not here.
        Waits "waits" "wait for the rest to arrive";
    }
}
