//! See [`cloudchamber_fuzz::deletion_log`].

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cloudchamber_fuzz::deletion_log(bytes));
