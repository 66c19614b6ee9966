//! Charts in archives: what is loaded has no path that leads out, and stays within its bounds.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::archives(data));
