//! The process backend: servers as supervised local processes.
