//! `.helmignore`: each file of rules is read or refused, and each answer comes soon.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::ignore(data));
