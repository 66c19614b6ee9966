//! Session ids: nothing but what was sealed can be opened, and it comes out as it went in.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::tickets(data));
