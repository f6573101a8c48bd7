//! Failover on a real folder: a command runs on exactly one of several machines.
//!
//! [`Agent`] drives the hardened [`Failover`](cloudchamber_core::failover::Failover) of the core over a real
//! directory. The command is, in the protocol's words, an update that is being handled: it is handed out with the term
//! of a lease, a hand-over waits until it has ended, and the next machine gets the next number.
//!
//! It is run by a [`guard`], a process of its own, which knows when the lease ends and ends the command before that,
//! also when the agent hangs, is stopped or has died. [`asks`] is how people reach the agent of their machine,
//! [`settings`] what it can be told, [`client`] what that means for a client that was measured.
//!
//! Deliberately absent: any decision on who is active. That is the core's.

pub mod asks;
pub mod client;
pub mod guard;
pub mod settings;

mod agent;
mod signals;

pub use agent::{Agent, Ended, Told};
