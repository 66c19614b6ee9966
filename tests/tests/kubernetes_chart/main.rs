//! `mcpt chart install`, `upgrade`, `rollback`, `uninstall`, `status`, `test` and `diff` on the real cluster: beside helm, the same
//! output, exit codes, objects and records, whichever of mcpt, helm 3 and helm 4 did the step before; interrupted at a step, and
//! ended by a signal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beside;
mod charts;
mod diff;
mod interrupted;
mod matrix;
mod scripts;
mod signals;
mod tools;
mod unserved;
