//! What stands before the words of a server's own command, when mcpt starts it: the bridge, which serves a stdio server over
//! HTTP, and what fills in the secrets that its arguments refer to. The first word, mcpt's binary, is the caller's.

/// What makes mcpt fill in the arguments after it ([`crate::filled`]) and become the program that they name.
pub const FILL: [&str; 2] = ["fill", "--"];

/// What makes mcpt serve the stdio server after it at `listen`, `IP:PORT`.
pub fn bridge(listen: &str) -> [&str; 4] {
    ["bridge", "--listen", listen, "--"]
}
