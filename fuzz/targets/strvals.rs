//! The grammar of `--set` and its kin.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::strvals(data));
