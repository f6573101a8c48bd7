//! Tests of several replicas together.
//!
//! - [`world`]: replicas over maps with delays, crashes, sleeps and clocks that are off,
//! - `duty`: what a leader owes, `storm`: what holds under drawn schedules, `shift`: what a model checker relies on,
//! - `deferred`: votes that are given before a promise is over,
//! - `folder`: a folder in which something is wrong, `settings`: replicas that were given different ones.

mod deferred;
mod duty;
mod folder;
mod settings;
mod shift;
mod storm;
mod world;
