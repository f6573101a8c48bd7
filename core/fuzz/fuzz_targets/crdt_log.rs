//! See [`cloudchamber_fuzz::crdt_log`].

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cloudchamber_fuzz::crdt_log(bytes));
