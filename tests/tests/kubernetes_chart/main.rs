//! `mcpt chart install`, `upgrade`, `rollback` and `uninstall` on the real cluster: interrupted at a step, and beside one another
//! and helm.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod charts;
mod interrupted;
mod tools;
