//! Heads of requests towards the gateway and the bridge: who may ask, of which era it is, where a redirect leads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::heads(data));
