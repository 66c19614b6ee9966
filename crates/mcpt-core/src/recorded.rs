//! [`RecordedPlan`]: what was deployed, as a backend writes it down beside what it made of it, so that the same server can be
//! deployed elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Arg, Image, Mount, Package, Plan, Resources, Secret, ServerName, Sessions, TemplateId,
    Transport,
};

/// A [`Plan`] without the values of its secrets, which are where the server has them, and without what is of one place alone: what
/// installers are told, and how many instances there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedPlan {
    name: ServerName,
    template: TemplateId,
    template_version: String,
    transport: Transport,
    /// Its lock may have been left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    package: Option<Package>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    container_command: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    local_command: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<Arg>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    /// Names of the secret variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount>,
    #[serde(default)]
    resources: Resources,
    sessions: Sessions,
}

impl RecordedPlan {
    /// What is written down of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        // A package is run in another image, by another command, wherever it is.
        let of_package = plan.package.is_some();
        Self {
            name: plan.name.clone(),
            template: plan.template.clone(),
            template_version: plan.template_version.clone(),
            transport: plan.transport.clone(),
            package: plan.package.clone(),
            image: plan.image.clone().filter(|_| !of_package),
            container_command: if of_package {
                Vec::new()
            } else {
                plan.container_command.clone()
            },
            local_command: plan.local_command.clone(),
            args: plan.args.clone(),
            env: plan.env.clone(),
            secrets: plan.secrets.keys().cloned().collect(),
            mounts: plan.mounts.clone(),
            resources: plan.resources.clone(),
            sessions: plan.sessions,
        }
    }

    /// The same without the lock of its package, which is long: where there is no room for it.
    #[must_use]
    pub fn without_lock(mut self) -> Self {
        if let Some(package) = &mut self.package {
            package.lock.clear();
        }
        self
    }

    /// Names of the variables that are secret.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Folders that the server works on.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The plan, with these secrets and so many instances. A package whose lock was left out is not in it: it is given back beside
    /// it, to be resolved to the same version again.
    #[must_use]
    pub fn plan(
        self,
        secrets: BTreeMap<String, Secret>,
        replicas: Option<u32>,
    ) -> (Plan, Option<Package>) {
        let (package, to_resolve) = match self.package {
            Some(package) if package.lock.is_empty() => (None, Some(package)),
            package => (package, None),
        };
        let plan = Plan {
            name: self.name,
            template: self.template,
            template_version: self.template_version,
            transport: self.transport,
            package,
            package_settings: BTreeMap::new(),
            image: self.image,
            container_command: self.container_command,
            local_command: self.local_command,
            args: self.args,
            env: self.env,
            secrets,
            mounts: self.mounts,
            replicas,
            resources: self.resources,
            sessions: self.sessions,
        };
        (plan, to_resolve)
    }
}

/// A server as it was deployed.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// What was written down.
    pub recorded: RecordedPlan,
    /// The values of its secrets.
    pub secrets: BTreeMap<String, Secret>,
    /// How many instances there are.
    pub replicas: u32,
}

/// Whether it is the same server, secrets included, however many instances there are. Packages are the same by name, version
/// and program: each backend resolves them for itself, by other words and to another lock.
impl PartialEq for Recalled {
    fn eq(&self, other: &Self) -> bool {
        let exposed = |secrets: &BTreeMap<String, Secret>| -> Vec<(String, String)> {
            let each = secrets.iter();
            each.map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect()
        };
        let mut recorded = self.recorded.clone();
        let same_package = match (&mut recorded.package, &other.recorded.package) {
            (Some(one), Some(another)) => {
                let same = one.ecosystem == another.ecosystem
                    && one.name == another.name
                    && one.version == another.version
                    && one.entry_point == another.entry_point;
                one.clone_from(another);
                same
            }
            (one, another) => one.is_none() && another.is_none(),
        };
        same_package
            && recorded == other.recorded
            && exposed(&self.secrets) == exposed(&other.secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ecosystem, EntryPoint};

    fn plan() -> Plan {
        Plan {
            name: ServerName::new("demo").unwrap(),
            template: TemplateId::new("demo").unwrap(),
            template_version: "1".to_owned(),
            transport: Transport::Http {
                port: 80,
                path: "/mcp".to_owned(),
                port_env: None,
            },
            package: None,
            package_settings: BTreeMap::from([("npmrc".to_owned(), Secret::new("hunter1"))]),
            image: Some(Image::parse("demo:1").unwrap()),
            container_command: vec!["/demo".to_owned()],
            local_command: vec!["demo".to_owned()],
            args: vec![Arg::Text("a".to_owned()), Arg::Mount(0)],
            env: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            secrets: BTreeMap::from([("TOKEN".to_owned(), Secret::new("hunter2"))]),
            mounts: vec![Mount {
                setting: "dir".to_owned(),
                host: Some("/data".into()),
                container: "/data".to_owned(),
                read_only: true,
            }],
            replicas: Some(3),
            resources: Resources::default(),
            sessions: Sessions::Stateless,
        }
    }

    #[test]
    fn a_plan_comes_back_as_it_was_with_its_secrets_from_elsewhere() {
        let plan = plan();
        let text = serde_json::to_string(&RecordedPlan::of(&plan)).unwrap();
        assert!(text.contains("TOKEN") && !text.contains("hunter"), "{text}");
        let recorded: RecordedPlan = serde_json::from_str(&text).unwrap();
        assert_eq!(recorded, RecordedPlan::of(&plan));
        let (mut back, package) = recorded.plan(plan.secrets.clone(), plan.replicas);
        assert!(package.is_none());
        // That is of one place.
        back.package_settings.clone_from(&plan.package_settings);
        assert_eq!(format!("{back:?}"), format!("{plan:?}"));
    }

    #[test]
    fn a_package_without_its_lock_is_to_be_resolved_again() {
        let mut plan = plan();
        plan.package = Some(Package {
            ecosystem: Ecosystem::Npm,
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            requested: "npm:x".to_owned(),
            entry_point: EntryPoint::Program("x".to_owned()),
            python: None,
            packages: 1,
            install_scripts: Vec::new(),
            lock: BTreeMap::from([("package-lock.json".to_owned(), "{}".to_owned())]),
        });
        let recorded = RecordedPlan::of(&plan);
        let (whole, again) = recorded.clone().plan(BTreeMap::new(), None);
        assert!(whole.package == plan.package && again.is_none());
        assert!(whole.image.is_none() && whole.container_command.is_empty());
        let (without, again) = recorded.without_lock().plan(BTreeMap::new(), None);
        assert!(without.package.is_none());
        assert_eq!(again.unwrap().source(), "npm:x@1.0.0");
    }

    #[test]
    fn packages_are_the_same_however_they_were_asked_for() {
        let recalled = |requested: &str, version: &str, program: &str, lock: bool| {
            let mut plan = plan();
            plan.package = Some(Package {
                ecosystem: Ecosystem::Npm,
                name: "x".to_owned(),
                version: version.to_owned(),
                requested: requested.to_owned(),
                entry_point: EntryPoint::Program(program.to_owned()),
                python: None,
                packages: if lock { 3 } else { 2 },
                install_scripts: Vec::new(),
                lock: lock
                    .then(|| ("package-lock.json".to_owned(), "{}".to_owned()))
                    .into_iter()
                    .collect(),
            });
            Recalled {
                recorded: RecordedPlan::of(&plan),
                secrets: BTreeMap::new(),
                replicas: 1,
            }
        };
        let here = recalled("npm:x", "1.0.0", "x", true);
        assert!(here == recalled("npm:x@1.0.0", "1.0.0", "x", false));
        assert!(here != recalled("npm:x", "1.0.1", "x", true));
        assert!(here != recalled("npm:x", "1.0.0", "y", true));
        let mut without = here.clone();
        without.recorded.package = None;
        assert!(here != without);
        assert!(without != here);
    }

    #[test]
    fn servers_are_the_same_with_the_same_secrets() {
        let plan = plan();
        let recalled = |secret: &str, replicas| Recalled {
            recorded: RecordedPlan::of(&plan),
            secrets: BTreeMap::from([("TOKEN".to_owned(), Secret::new(secret))]),
            replicas,
        };
        assert!(recalled("a", 1) == recalled("a", 2));
        assert!(recalled("a", 1) != recalled("b", 1));
    }
}
