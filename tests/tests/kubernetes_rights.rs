//! `mcpt rbac`: an account with exactly the printed roles looks, calls, runs commands and deploys, and without one of the verbs
//! whose lack every such command meets something fails and names what is missing.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use mcpt_tests::{Mcpt, TestNamespace, eventually, kubectl, kubectl_json, kubectl_with_input};
use serde_json::{Value, json};

/// Long enough for the API server to heed a role on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The account that has the role, in a namespace.
struct Account<'a> {
    namespace: &'a TestNamespace,
    name: &'static str,
    mcpt: Mcpt,
}

impl<'a> Account<'a> {
    fn new(namespace: &'a TestNamespace, name: &'static str) -> Self {
        let binding = json!({
            "apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                    "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace.name()}],
                },
            ],
        });
        namespace.apply(&binding.to_string());
        let token = kubectl(&["create", "token", "-n", namespace.name(), name]);
        let mut config = kubectl_json(&["config", "view", "--raw", "--minify", "--flatten"]);
        config["users"][0]["user"] = json!({"token": token.trim()});
        let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
        let file = mcpt.file("kubeconfig", &config.to_string());
        let mcpt = mcpt.env("KUBECONFIG", file);
        Self {
            namespace,
            name,
            mcpt,
        }
    }

    /// What `mcpt rbac` prints for these uses, under the account's name.
    fn printed(&self, words: &[&str]) -> Value {
        let rbac = ["rbac", "--name", self.name];
        self.mcpt.json(&[&rbac[..], words].concat())[0].take()
    }

    /// Gives it a role, and waits until the API server heeds all of it, and nothing else.
    fn may(&self, role: &Value) {
        self.namespace.apply(&role.to_string());
        let account = format!(
            "--as=system:serviceaccount:{}:{}",
            self.namespace.name(),
            self.name
        );
        let wanted = verbs(role);
        eventually(PATIENCE, || {
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                "spec": {"namespace": self.namespace.name()},
            });
            let create = [
                "create",
                "--validate=false",
                "-f",
                "-",
                "-o",
                "json",
                &account,
            ];
            let told = kubectl_with_input(&create, &review.to_string());
            let told: Value = serde_json::from_str(&told).expect("a review");
            let rules = told["status"]["resourceRules"].as_array().expect("rules");
            let mut has: Vec<_> = rules.iter().flat_map(rule).collect();
            // What every account may.
            has.retain(|(group, _, _)| {
                ![
                    "authorization.k8s.io",
                    "authentication.k8s.io",
                    "certificates.k8s.io",
                ]
                .contains(&group.as_str())
            });
            has.sort();
            has.dedup();
            if has == wanted {
                Ok(())
            } else {
                Err(format!("it may {has:?} instead of {wanted:?}"))
            }
        });
    }

    /// The first of these that fails: what it says.
    fn fails(&self, steps: &[&[&str]]) -> Option<String> {
        steps.iter().find_map(|step| {
            let outcome = self.mcpt.run(step);
            let failed = outcome.code != Some(0) || outcome.stderr.contains("has no right to");
            failed.then(|| format!("mcpt {}: {}", step.join(" "), outcome.stderr))
        })
    }
}

/// API group, resource and verb.
type Verb = (String, String, String);

/// All that a role gives.
fn verbs(role: &Value) -> Vec<Verb> {
    let rules = role["rules"].as_array().expect("rules");
    let mut all: Vec<_> = rules.iter().flat_map(rule).collect();
    all.sort();
    all
}

fn rule(rule: &Value) -> Vec<Verb> {
    let texts = |key: &str| -> Vec<String> {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        list.iter()
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    };
    let mut all = Vec::new();
    for group in texts("apiGroups") {
        for resource in texts("resources") {
            for verb in texts("verbs") {
                all.push((group.clone(), resource.clone(), verb));
            }
        }
    }
    all
}

/// The role without one of its verbs.
fn without(role: &Value, taken: &Verb) -> Value {
    let mut role = role.clone();
    for rule in role["rules"].as_array_mut().expect("rules") {
        if rule["apiGroups"][0] == *taken.0 && rule["resources"][0] == *taken.1 {
            let verbs = rule["verbs"].as_array_mut().expect("verbs");
            verbs.retain(|verb| *verb != *taken.2);
        }
    }
    let rules = role["rules"].as_array_mut().expect("rules");
    rules.retain(|rule| rule["verbs"] != json!([]));
    role
}

/// With the role all steps succeed; without any one of these verbs of it a step fails or warns, and names it. `after` undoes what a
/// step that failed has left.
fn is_least(
    account: &Account<'_>,
    uses: &[&str],
    steps: &[&[&str]],
    taken: impl Fn(&Verb) -> bool,
    after: impl Fn(),
) {
    let role = account.printed(uses);
    account.may(&role);
    assert_eq!(account.fails(steps), None, "{role}");
    for verb in verbs(&role).iter().filter(|verb| taken(verb)) {
        account.may(&without(&role, verb));
        let said = account.fails(steps);
        let named = said
            .as_ref()
            .is_some_and(|said| said.contains(&format!("{} {}", verb.2, verb.1)));
        assert!(named, "without {verb:?}: {said:?}");
        after();
    }
}

fn admin(namespace: &TestNamespace) -> Mcpt {
    Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()])
}

/// Of the verbs those are taken away whose lack every command meets.
#[test]
fn looks_and_calls_take_no_more_than_is_printed() {
    let namespace = TestNamespace::new("rights");
    let deploy = ["deploy", "demo", "--set", "drainSeconds=0"];
    let _ = admin(&namespace).run(&deploy).ok();
    let account = Account::new(&namespace, "caller");
    let steps: [&[&str]; 2] = [
        &["call", "demo", "echo", "--arg", "message=x"],
        &["exec", "demo", "--", "/mcpt", "version"],
    ];
    let found = |(_, resource, _): &Verb| ["deployments", "pods"].contains(&resource.as_str());
    is_least(&account, &["call", "exec"], &steps, found, || ());
    let account = Account::new(&namespace, "viewer");
    let steps: [&[&str]; 6] = [
        &["list"],
        &["status", "demo"],
        &["history", "demo"],
        &["values", "demo", "--origin"],
        &["events", "demo"],
        &["logs", "demo"],
    ];
    let found = |(_, resource, _): &Verb| ["secrets", "pods/log"].contains(&resource.as_str());
    is_least(&account, &["view"], &steps, found, || ());
}

#[test]
fn deploys_take_no_more_than_is_printed() {
    let namespace = TestNamespace::new("deployrights");
    let account = Account::new(&namespace, "deployer");
    let steps: [&[&str]; 2] = [
        &["deploy", "demo", "--set", "drainSeconds=0", "-c", "token=x"],
        &["delete", "demo"],
    ];
    let admin = admin(&namespace);
    let at_once = |(_, resource, verb): &Verb| verb == "create" && resource == "deployments";
    is_least(&account, &["deploy"], &steps, at_once, || {
        drop(admin.run(&["delete", "demo"]));
    });
}

/// A server whose record is gone is found and removed; by an administrator it would not be while other namespaces have a server
/// of that name, which are seen then.
#[test]
fn cleaning_up_takes_no_more_than_is_printed() {
    let namespace = TestNamespace::new("cleanrights");
    let account = Account::new(&namespace, "cleaner");
    let role = account.printed(&["gc"]);
    account.may(&role);
    let before = namespace.objects();
    let _ = admin(&namespace)
        .run(&["deploy", "demo", "--replicas", "0"])
        .ok();
    let records = ["secret", "--selector=owner=helm,name=demo"];
    kubectl(&[&["delete", "-n", namespace.name()], &records[..]].concat());

    let gc: &[&[&str]] = &[&["gc"]];
    let list: Verb = ["batch", "jobs", "list"].map(str::to_owned).into();
    account.may(&without(&role, &list));
    let said = account.fails(gc).expect("a failure");
    assert!(said.contains("no right to list jobs.batch"), "{said}");
    account.may(&role);
    assert_eq!(account.fails(gc), None, "{role}");
    eventually(PATIENCE, || {
        let left = namespace.objects();
        let gone = left.is_subset(&before);
        gone.then_some(()).ok_or_else(|| format!("{left:?}"))
    });
}
