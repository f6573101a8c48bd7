//! Blocks that several protocols are built from.
//!
//! Each block stands on the ports alone, knows no protocol, and says at the top of its file what it guarantees
//! after a crash and to other replicas. A design that reproduces somebody else's program uses a block only where
//! that program behaves like it.
//!
//! | block | answers |
//! |---|---|
//! | [`memory`] | How does a test or an example run without a disk? |
//! | [`names`] | Is this file or directory a conflict copy, and of what? |

pub mod memory;
pub mod names;
