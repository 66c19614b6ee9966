//! The reader of event streams: pieces do not matter, no event is larger than allowed, and what is written is read.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::events(data));
