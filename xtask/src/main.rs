//! Repository tasks, one file each: `cargo xtask --help`.

fn main() {}
