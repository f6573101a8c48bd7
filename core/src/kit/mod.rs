//! Blocks that several protocols are built from.
//!
//! Each block stands on the ports alone, knows no protocol, and says at the top of its file what it guarantees
//! after a crash and to other replicas. A design that reproduces somebody else's program uses a block only where
//! that program behaves like it.
//!
//! | block | answers |
//! |---|---|
//! | [`claims`] | Who holds a name that two may have chosen? |
//! | [`clients`] | Did a sync client put this here, and is it finished? |
//! | [`condition`] | Are these bytes whole, or what a crash or a half copy left? |
//! | [`copies`] | Which directories did a client make of this one? |
//! | [`guard`] | Does a folder lack so much of what it held that nothing should be written into it? |
//! | [`hlc`] | Which of two events comes later, if wall clocks disagree? |
//! | [`identity`] | Is this local directory the original, or a copy of it? |
//! | [`json`] | Is this the value that somebody wrote, to the last digit? |
//! | [`log`] | Which records stand in a file that somebody else's client copies while it grows? |
//! | [`memo`] | What need not be found out again? |
//! | [`memory`] | How does a test or an example run without a disk? |
//! | [`names`] | Is this file or directory a conflict copy, and of what? |
//! | [`overlay`] | How is a configuration changed by a table in a file? |
//! | [`own_file`] | Did its owner write these bytes, whole, and are they its newest? |
//! | [`portable`] | Can every file system and provider carry this name? |
//! | [`problem`] | How is a person told what is wrong with a file? |
//! | [`stub`] | Is this file here, or only a promise of one? |
//! | [`text`] | What in a text file means nothing, because some program put it there? |
//! | [`watermark`] | Which of a machine's numbers are here, and which are missing? |

pub mod claims;
pub mod clients;
pub mod condition;
pub mod copies;
pub mod guard;
pub mod hlc;
pub mod identity;
pub mod json;
pub mod log;
pub mod memo;
pub mod memory;
pub mod names;
pub mod overlay;
pub mod own_file;
pub mod portable;
pub mod problem;
pub mod stub;
pub mod text;
pub mod watermark;
