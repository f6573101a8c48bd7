//! The cloud folder in virtual time.
//!
//! `cloudchamber-folder` says what may happen to a folder that sync clients copy; this package says when. The
//! [`courier`] plans every movement of the clients from a provider's profile and a seed.

pub mod courier;
