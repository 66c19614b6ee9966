//! What is ours on an engine, as its list of containers says: [`Unit`]s, and the [`Group`] of them that is a server.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ContainerSummary;
use mcpt_core::ServerName;

use crate::{
    holder,
    lock::Intent,
    marks::{self, Role, Stage},
};

/// A container of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) server: ServerName,
    pub(crate) role: Role,
    pub(crate) labels: HashMap<String, String>,
    /// State in the engine's word: `running`, `exited`, `restarting`, …
    pub(crate) state: String,
    /// The same in a sentence: `Up 2 hours (healthy)`.
    pub(crate) status: String,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) image: String,
    /// Published ports: in the container, and on this machine.
    pub(crate) ports: Vec<(u16, u16)>,
}

impl Unit {
    /// Reads one; `None` for what is not ours: a label alone, or a name alone, makes nothing so.
    pub(crate) fn read(container: &ContainerSummary) -> Option<Self> {
        let labels = container.labels.clone()?;
        let server = ServerName::new(labels.get(marks::SERVER)?.clone()).ok()?;
        let names = container.names.iter().flatten();
        let (name, role) = names
            .map(|name| name.trim_start_matches('/'))
            .find_map(|name| Some((name.to_owned(), Role::read(name, &server)?)))?;
        if labels.get(marks::ROLE).map(String::as_str) != Some(role.label()) {
            return None;
        }
        let ports = container.ports.iter().flatten();
        Some(Self {
            id: container.id.clone()?,
            name,
            server,
            role,
            labels,
            state: container
                .state
                .map(|state| state.to_string())
                .unwrap_or_default(),
            status: container.status.clone().unwrap_or_default(),
            created: container.created.unwrap_or_default(),
            image: container.image.clone().unwrap_or_default(),
            ports: ports
                .filter_map(|port| Some((port.private_port, port.public_port?)))
                .collect(),
        })
    }

    /// What a label says.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Whether its program runs, and its image's own check, if it has one, does not say otherwise.
    pub(crate) fn is_ready(&self) -> bool {
        self.runs() && !self.status.contains("unhealthy")
    }

    /// Whether its program runs.
    pub(crate) fn runs(&self) -> bool {
        self.state == "running"
    }

    /// The port of this machine by which the server's own port is reached.
    pub(crate) fn published(&self) -> Option<u16> {
        let own: u16 = self.label(marks::PORT)?.parse().ok()?;
        let found = self.ports.iter().find(|(inner, _)| *inner == own)?;
        Some(found.1)
    }

    /// The number of the start that the replica is of, from 0.
    pub(crate) fn start(&self) -> u32 {
        let start = self.label(marks::START).and_then(|text| text.parse().ok());
        start.unwrap_or_default()
    }

    /// What the replicas that were tried together with this one have in common; versions before did not say it.
    pub(crate) fn attempt(&self) -> Option<&str> {
        self.label(marks::ATTEMPT)
    }

    /// The number of the replica, from 1.
    pub(crate) fn number(&self) -> u32 {
        match self.role {
            Role::Replica { number, .. } => number,
            Role::Front | Role::Installer | Role::Lock | Role::DeadLock => 0,
        }
    }
}

/// All containers of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: ServerName,
    pub(crate) front: Option<Unit>,
    pub(crate) lock: Option<Unit>,
    /// The lock of a command that died, which was taken out of the way of the next.
    pub(crate) dead_lock: Option<Unit>,
    /// What installs its package, while a command waits for it.
    pub(crate) installer: Option<Unit>,
    /// Replicas that passed their trial, by revision, each by number.
    pub(crate) revisions: BTreeMap<u32, Vec<Unit>>,
    /// Replicas that did not, or not yet.
    pub(crate) trial: Vec<Unit>,
    /// Replicas that a command ends, or ended and did not live to remove.
    pub(crate) ending: Vec<Unit>,
}

impl Group {
    /// A server of which nothing is there.
    pub(crate) fn empty(name: ServerName) -> Self {
        Self {
            name,
            front: None,
            lock: None,
            dead_lock: None,
            installer: None,
            revisions: BTreeMap::new(),
            trial: Vec::new(),
            ending: Vec::new(),
        }
    }

    /// The revision that counts, and its replicas.
    pub(crate) fn current(&self) -> Option<(u32, &[Unit])> {
        let (revision, units) = self.revisions.last_key_value()?;
        Some((*revision, units))
    }

    /// Replicas of the revisions before the current one.
    pub(crate) fn earlier(&self) -> impl Iterator<Item = (u32, &[Unit])> {
        let current = self.current().map(|(revision, _)| revision);
        self.revisions
            .iter()
            .filter(move |(revision, _)| Some(**revision) != current)
            .map(|(revision, units)| (*revision, units.as_slice()))
    }

    /// The number of the next revision. One that was tried and failed counts too: its number was shown.
    pub(crate) fn next_revision(&self) -> u32 {
        let tried = self.trial.iter().filter_map(|unit| match unit.role {
            Role::Replica { revision, .. } => Some(revision),
            _ => None,
        });
        let newest = self.revisions.keys().copied().chain(tried).max();
        newest.unwrap_or(0) + 1
    }

    /// All replicas there are.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Unit> {
        let counted = self.revisions.values().flatten();
        counted.chain(&self.trial).chain(&self.ending)
    }

    /// Replicas on trial of which another one of the same attempt counts: all of them had passed, and their command died while it
    /// said so. And the others on trial.
    pub(crate) fn passed(&self) -> (Vec<&Unit>, Vec<&Unit>) {
        let counts = |attempt: &str| {
            let mut counted = self.revisions.values().flatten();
            counted.any(|unit| unit.attempt() == Some(attempt))
        };
        let trial = self.trial.iter();
        trial.partition(|unit| unit.attempt().is_some_and(counts))
    }

    /// All containers there are but locks.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Unit> {
        self.replicas().chain(&self.front)
    }

    /// All containers there are, those that last no longer than a command, too.
    pub(crate) fn everything(&self) -> impl Iterator<Item = &Unit> {
        let locks = self.lock.iter().chain(&self.dead_lock);
        self.all().chain(&self.installer).chain(locks)
    }

    /// Whether a server is there, or what is left of one.
    pub(crate) fn is_there(&self) -> bool {
        self.all().next().is_some()
    }

    /// Whether a command has a lock on it to take away what others have left.
    pub(crate) fn is_being_cleaned(&self) -> bool {
        let lock = self.lock.as_ref();
        self.is_being_changed() && lock.is_some_and(|lock| Intent::of(lock) == Intent::Clean)
    }

    /// Whether a command changes it right now, as far as that can be told.
    pub(crate) fn is_being_changed(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| {
            let holder = lock.label(marks::HOLDER);
            holder.is_some_and(|holder| !holder::is_dead(holder, lock.created))
        })
    }
}

/// Sorts containers by server; by name.
pub(crate) fn groups(units: Vec<Unit>) -> Vec<Group> {
    let mut groups: BTreeMap<ServerName, Group> = BTreeMap::new();
    for unit in units {
        let group = groups
            .entry(unit.server.clone())
            .or_insert_with(|| Group::empty(unit.server.clone()));
        match unit.role {
            Role::Front => group.front = Some(unit),
            Role::Installer => group.installer = Some(unit),
            Role::Lock => group.lock = Some(unit),
            Role::DeadLock => group.dead_lock = Some(unit),
            Role::Replica {
                revision, stage, ..
            } => match stage {
                Stage::Trial => group.trial.push(unit),
                Stage::Passed => group.revisions.entry(revision).or_default().push(unit),
                Stage::Ending => group.ending.push(unit),
            },
        }
    }
    for group in groups.values_mut() {
        group.trial.sort_by_key(Unit::number);
        group.ending.sort_by_key(Unit::number);
        for units in group.revisions.values_mut() {
            units.sort_by_key(Unit::number);
        }
    }
    groups.into_values().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use bollard::models::ContainerSummaryStateEnum;

    use super::*;

    pub(crate) fn container(server: &str, name: &str, role: &str) -> ContainerSummary {
        ContainerSummary {
            id: Some(format!("id-{name}")),
            names: Some(vec![format!("/{name}")]),
            labels: Some(HashMap::from([
                (marks::SERVER.to_owned(), server.to_owned()),
                (marks::ROLE.to_owned(), role.to_owned()),
            ])),
            state: Some(ContainerSummaryStateEnum::RUNNING),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn look_alikes_are_not_ours() {
        for (name, role, ours) in [
            ("mcpt-a.r1.1", "replica", true),
            ("mcpt-a", "front", true),
            ("mcpt-a", "replica", false),
            ("mcpt-b.r1.1", "replica", false),
            ("a", "replica", false),
            ("mcpt-a.r1.1-old", "replica", false),
        ] {
            let read = Unit::read(&container("a", name, role));
            assert_eq!(read.is_some(), ours, "{name} {role}");
        }
        let mut bare = container("a", "mcpt-a.r1.1", "replica");
        bare.labels = None;
        assert_eq!(Unit::read(&bare), None, "a name alone");
    }

    #[test]
    fn the_newest_revision_that_passed_counts() {
        let containers = [
            container("a", "mcpt-a.r2.2", "replica"),
            container("a", "mcpt-a.r1.1", "replica"),
            container("a", "mcpt-a.r2.1", "replica"),
            container("a", "mcpt-a.r2.3.ending", "replica"),
            container("a", "mcpt-a.r3.1.trial", "replica"),
            container("b", "mcpt-b", "front"),
        ];
        let groups = groups(containers.iter().filter_map(Unit::read).collect());
        let (revision, units) = groups[0].current().unwrap();
        let names: Vec<_> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!((revision, names), (2, vec!["mcpt-a.r2.1", "mcpt-a.r2.2"]));
        assert_eq!(groups[0].next_revision(), 4);
        assert_eq!(groups[0].earlier().count(), 1);
        assert!(groups[1].current().is_none() && groups[1].is_there());
    }

    #[test]
    fn replicas_that_passed_together_are_known_by_one_of_them() {
        let of_attempt = |name: &str, attempt: Option<&str>| {
            let mut replica = container("a", name, "replica");
            let labels = replica.labels.get_or_insert_default();
            labels.extend(attempt.map(|word| (marks::ATTEMPT.to_owned(), word.to_owned())));
            Unit::read(&replica).unwrap()
        };
        let units = vec![
            of_attempt("mcpt-a.r1.1", None),
            of_attempt("mcpt-a.r2.1", Some("7")),
            of_attempt("mcpt-a.r2.2.trial", Some("7")),
            of_attempt("mcpt-a.r2.3.trial", Some("8")),
            of_attempt("mcpt-a.r2.4.trial", None),
        ];
        let group = &groups(units)[0];
        let (passed, others) = group.passed();
        let names = |units: Vec<&Unit>| -> Vec<String> {
            units.into_iter().map(|unit| unit.name.clone()).collect()
        };
        assert_eq!(names(passed), ["mcpt-a.r2.2.trial"]);
        assert_eq!(names(others), ["mcpt-a.r2.3.trial", "mcpt-a.r2.4.trial"]);
    }
}
