//! Labels and names of what is ours on an engine.
//!
//! A label never changes once a container is there, a name can. So labels say what a container is and its name says whether
//! it counts: `mcpt-demo.r3.1.trial` is tried, `mcpt-demo.r3.1` is the server, or was if there is a later revision, and
//! `mcpt-demo.r3.1.ending` is about to end. No name of a server has a dot, so none of these names is that of another server's.

use mcpt_core::ServerName;
pub(crate) use mcpt_core::marks::{
    PATH_ANNOTATION as PATH, SERVER_LABEL as SERVER, SESSIONS_ANNOTATION as SESSIONS,
    SOURCE_ANNOTATION as SOURCE, TEMPLATE_LABEL as TEMPLATE, TRANSPORT_ANNOTATION as TRANSPORT,
};

/// Label that says what a container is for.
pub(crate) const ROLE: &str = "mcpt.io/role";
/// Label with the number of the revision.
pub(crate) const REVISION: &str = "mcpt.io/revision";
/// Label with the number of the replica, from 1.
pub(crate) const REPLICA: &str = "mcpt.io/replica";
/// Label of a replica that was started anew as it is: the number of that start; without it, it is the first.
pub(crate) const START: &str = "mcpt.io/start";
/// Label of a replica that is the same for all that were tried together.
pub(crate) const ATTEMPT: &str = "mcpt.io/attempt";
/// Label with a digest of the configuration, by which an equal one is known.
pub(crate) const DIGEST: &str = "mcpt.io/config-digest";
/// Label with the port that the server listens on in its container.
pub(crate) const PORT: &str = "mcpt.io/port";
/// Label with the port of this machine that the front has.
pub(crate) const PUBLISHED: &str = "mcpt.io/published-port";
/// Label with the names of the environment variables that the plan sets, secret ones marked by a `!`.
pub(crate) const ENV: &str = "mcpt.io/env";
/// Label with what was deployed, without secrets, as JSON.
pub(crate) const PLAN: &str = "mcpt.io/plan";
/// Label with the version of the template.
pub(crate) const TEMPLATE_VERSION: &str = "mcpt.io/template-version";
/// Label with the version of mcpt that made it.
pub(crate) const VERSION: &str = "mcpt.io/version";
/// Label that says how a revision came to be.
pub(crate) const DESCRIPTION: &str = "mcpt.io/description";
/// Label of a lock that says which command has it.
pub(crate) const HOLDER: &str = "mcpt.io/holder";

/// Label of a lock that says what the command has it for.
pub(crate) const INTENT: &str = "mcpt.io/intent";

/// Label of a volume with the digest of the package in it.
pub(crate) const PACKAGE: &str = "mcpt.io/package";

/// Whether a replica counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not yet: it is tried.
    Trial,
    /// It has passed.
    Passed,
    /// No more: a command ends it.
    Ending,
}

impl Stage {
    const ALL: [Self; 3] = [Self::Trial, Self::Passed, Self::Ending];

    /// The end of its replica's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Trial => ".trial",
            Self::Passed => "",
            Self::Ending => ".ending",
        }
    }
}

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has the port of clients.
    Front,
    /// It is an instance of the server.
    Replica {
        revision: u32,
        number: u32,
        stage: Stage,
    },
    /// It installs the server's package.
    Installer,
    /// It never runs; whoever made it may change the server.
    Lock,
    /// What was the lock of a command that died, until what it began is settled.
    DeadLock,
}

impl Role {
    /// The text of its label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Replica { .. } => "replica",
            Self::Installer => "installer",
            Self::Lock | Self::DeadLock => "lock",
        }
    }

    /// The container's name.
    pub(crate) fn name(self, server: &ServerName) -> String {
        match self {
            Self::Front => front(server),
            Self::Installer => format!("mcpt-{server}.installer"),
            Self::Lock => format!("mcpt-{server}.lock"),
            Self::DeadLock => format!("mcpt-{server}.lock.dead"),
            Self::Replica {
                revision,
                number,
                stage,
            } => format!("mcpt-{server}.r{revision}.{number}{}", stage.suffix()),
        }
    }

    /// What a container of that name is to a server; `None` for what is not ours.
    pub(crate) fn read(name: &str, server: &ServerName) -> Option<Self> {
        let rest = name.strip_prefix("mcpt-")?.strip_prefix(server.as_str())?;
        match rest {
            "" => return Some(Self::Front),
            ".installer" => return Some(Self::Installer),
            ".lock" => return Some(Self::Lock),
            ".lock.dead" => return Some(Self::DeadLock),
            _ => {}
        }
        let rest = rest.strip_prefix(".r")?;
        let (revision, rest) = rest.split_once('.')?;
        let suffix = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = rest.strip_suffix(suffix)?;
        let role = Self::Replica {
            revision: revision.parse().ok()?,
            number: number.parse().ok()?,
            stage: Stage::ALL
                .into_iter()
                .find(|stage| stage.suffix() == suffix)?,
        };
        // `+1` and `01` are numbers, too.
        (role.name(server) == name).then_some(role)
    }
}

/// The name of the front, and of the network.
pub(crate) fn front(server: &ServerName) -> String {
    format!("mcpt-{server}")
}

/// The name of a replica in the server's network, which stays when the container is renamed.
pub(crate) fn alias(revision: u32, number: u32) -> String {
    format!("r{revision}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written() {
        let server = ServerName::new("a").unwrap();
        let replica = |stage| Role::Replica {
            revision: 12,
            number: 3,
            stage,
        };
        let alone = [Role::Front, Role::Installer, Role::Lock, Role::DeadLock];
        for role in alone.into_iter().chain(Stage::ALL.map(replica)) {
            assert_eq!(Role::read(&role.name(&server), &server), Some(role));
        }
        for other in [
            "a",
            "mcpt-ab",
            "mcpt-a-lock",
            "mcpt-a.lock.dead2",
            "mcpt-a.r1",
            "mcpt-a.r01.1",
            "mcpt-a.r+1.1",
            "mcpt-a.r1.1.other",
            "mcpt-a.r1.1.trial.trial",
            "mcpt-a.r1.1.trial.ending",
            "mcpt-a.r1.1.ending2",
            "mcpt-a.r1..ending",
            "mcpt-a.r1.",
            "mcpt-a.backup",
        ] {
            assert_eq!(Role::read(other, &server), None, "{other}");
        }
    }
}
