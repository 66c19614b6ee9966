//! Templates: each parses or is refused, and what parses is executed within its bounds.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::templates(data));
