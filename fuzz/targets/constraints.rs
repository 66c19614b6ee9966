//! Versions and constraints: a version that is read compares as equal to itself and reads the same when written.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::constraints(data));
