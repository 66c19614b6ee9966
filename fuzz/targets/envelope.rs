//! The JSON-RPC envelope: what is read is what was sent, byte for byte.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::envelope(data));
