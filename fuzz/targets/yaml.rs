//! YAML: what is read can be written, and reads the same again.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::yaml(data));
