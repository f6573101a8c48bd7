//! What may be wrong with journals.

use crate::kit::problem;

/// One thing that is wrong with a journal, and where.
pub type Problem = problem::Problem<ProblemKind>;

crate::problem_kinds! {
    /// A kind of problem.
    pub enum ProblemKind {
        /// A record's clock is over a day ahead of this machine's.
        ClockAhead "clock-ahead" "set the clock of the machine that wrote it, or this one's; until it has written again the record counts as later than all others";
        /// A copy that a sync client made because two versions met. Its records are merged.
        ConflictCopy "conflict-copy" "nothing: its records are merged, and some may stand nowhere else, so leave it where it is";
        /// A value nested deeper than 127 levels.
        DeepNesting "deep-nesting" "the line is ignored; its writer is faulty";
        /// Two machines chose one id, and one of them has not given it up yet.
        ContestedId "contested-id" "the machine that lost it goes on under another id when it appends or watches next";
        /// Two records from different machines name their subjects alike.
        DuplicateGuid "duplicate-guid" "both are kept; refer to one of them as guid@machine";
        /// A line differs from what its successor or an earlier reading says it was.
        EditedLine "edited-line" "restore the file from a machine that still has it";
        /// A file of 4 GiB or more.
        FileTooLarge "file-too-large" "move the file away and start a new machine id";
        /// A directory among the machines whose name is no machine id.
        ForeignDirectory "foreign-directory" "if a machine wrote it, give it that machine's id as its name again; otherwise it disturbs nobody";
        /// Two records in one line: the newline between them is missing.
        GluedLine "glued-line" "nothing: the record after the break was read";
        /// Records of a journal that are in no file of the folder any more, and that this machine has kept.
        KeptRecords "kept-records" "nothing: they are shown from what this machine keeps, and their own machine writes them again when it runs";
        /// A line of 10 MiB or more.
        LineTooLong "line-too-long" "the line is ignored; its writer is faulty";
        /// A complete last record without its newline.
        MissingNewline "missing-newline" "nothing: the next append adds it";
        /// A record that does not say what it is about.
        NoSubject "no-subject" "the line is ignored; its writer is faulty";
        /// A line that is not a JSON object with a `type`.
        NotARecord "not-a-record" "the line is ignored; remove it by hand if it disturbs";
        /// The name is here and the bytes are not.
        NotLocal "not-local" "have the sync client download the file, then try again";
        /// A line that is not UTF-8.
        NotUtf8 "not-utf8" "the line is ignored; its writer or its disk is faulty";
        /// Zero bytes, as a crash leaves them.
        NulBlock "nul-block" "restore the file from another machine: records may be missing here";
        /// A line is missing between two others.
        RemovedLine "removed-line" "restore the file from a machine that still has it";
        /// An older version of a file came back, and its machine went on from there.
        RestoredFile "restored-file" "nothing: what it had before is shown by the machines that read it; if two installations write it, give one of them a new id";
        /// A sequence number is missing.
        SequenceGap "sequence-gap" "wait for the rest to arrive, or restore the file from a machine that has it";
        /// Two different records of one machine have the same sequence number.
        SequenceReuse "sequence-reuse" "two installations share a machine id or a copied local directory: give one of them a new id";
        /// A file is shorter than it is known to have been.
        ShortenedFile "shortened-file" "wait for the rest to arrive; an own file is repaired by the next append";
        /// The last line is cut.
        TornTail "torn-tail" "nothing: the next append of its machine repairs it";
        /// A file beside a journal that is called like a copy of it, and not as a sync client calls one.
        UnknownCopy "unknown-copy" "if it holds records of the journal, name it as sync clients do, such as `messages (1).jsonl`; otherwise move it away";
        /// The system refused to read it.
        Unreadable "unreadable" "check the permissions, then try again";
        /// A field is not of the kind its record wants.
        WrongField "wrong-field" "the line is ignored; its writer is faulty";
    }
}
