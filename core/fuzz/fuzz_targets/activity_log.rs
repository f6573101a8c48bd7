//! See [`cloudchamber_fuzz::activity_log`].

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cloudchamber_fuzz::activity_log(bytes));
