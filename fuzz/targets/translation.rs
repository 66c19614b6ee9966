//! Messages between the eras: whatever is sent on is one message, and its answer goes to the request that was made.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::translation(data));
