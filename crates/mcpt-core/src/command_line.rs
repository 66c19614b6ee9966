//! Commands of mcpt as hints print them.

/// A command of mcpt that acts on what is in a namespace of the cluster, or without one on this machine's processes: whoever copies
/// it from a hint must not hit a server of the same name elsewhere. `words` are command and arguments: `delete demo`.
#[must_use]
pub fn command_line(namespace: Option<&str>, words: &str) -> String {
    match namespace {
        Some(namespace) => format!("mcpt -b kubernetes -n {namespace} {words}"),
        None => format!("mcpt {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_where() {
        assert_eq!(
            command_line(Some("team"), "delete demo"),
            "mcpt -b kubernetes -n team delete demo"
        );
        assert_eq!(command_line(None, "delete demo"), "mcpt delete demo");
    }
}
