//! Globs of `.Files.Glob`: each ends, and finds no file that is not there.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpt_properties::globs(data));
