//! What a server wrote to a volume that is to be kept: it outlives updates, rollbacks and deletions, and the next server of
//! that name has it again; until somebody says that it is to go.

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl};

const CLAIM: &str = "persistentvolumeclaim/filesystem-workspace";

struct Place {
    namespace: TestNamespace,
    mcpt: Mcpt,
}

impl Place {
    fn new(word: &str) -> Self {
        let namespace = TestNamespace::new(word);
        let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
        Self { namespace, mcpt }
    }

    /// Deploys the file server of others on a volume, with settings more.
    fn deploy(&self, settings: &[&str]) {
        let volume = [
            "deploy",
            "filesystem",
            "--replicas",
            "1",
            "--set",
            "persistence.enabled=true",
        ];
        let _ = self.mcpt.run(&[&volume[..], settings].concat()).ok();
    }

    fn write(&self, text: &str) {
        let content = format!("content={text}");
        let file = ["--arg", "path=/workspace/kept.txt", "--arg", &content];
        let call = ["call", "filesystem", "write_file"];
        let _ = self.mcpt.run(&[&call[..], &file].concat()).ok();
    }

    fn assert_reads(&self, text: &str) {
        let file = [
            "call",
            "filesystem",
            "read_text_file",
            "--arg",
            "path=/workspace/kept.txt",
        ];
        let read = self.mcpt.run(&file).ok().stdout;
        assert!(read.contains(text), "{read}");
    }

    /// Whether the record of its release says that it is being installed.
    fn is_pending(&self) -> bool {
        let records = ["get", "secrets", "-n", self.namespace.name(), "-o", "name"];
        let pending = "--selector=owner=helm,status=pending-install";
        !kubectl(&[&records[..], &[pending]].concat()).is_empty()
    }

    fn has_claim(&self) -> bool {
        self.namespace.objects().contains(CLAIM)
    }
}

const KEPT: [&str; 2] = ["--set", "persistence.keep=true"];

#[test]
fn data_outlives_updates_rollbacks_and_deletions() {
    let place = Place::new("volume");
    let before = place.namespace.objects();
    place.deploy(&KEPT);
    place.write("precious");
    let claim = place.namespace.get(CLAIM);

    place.deploy(&[&KEPT[..], &["--set", "podAnnotations.update=second"]].concat());
    place.assert_reads("precious");
    let _ = place.mcpt.run(&["rollback", "filesystem"]).ok();
    place.assert_reads("precious");

    let deleted = place.mcpt.run(&["delete", "filesystem"]).ok();
    assert!(
        deleted
            .stdout
            .contains("kept persistentvolumeclaim \"filesystem-workspace\"")
            && deleted.stdout.contains("--purge-data"),
        "{}",
        deleted.stdout
    );
    let mut with_claim = before.clone();
    with_claim.insert(CLAIM.to_owned());
    assert_eq!(place.namespace.objects(), with_claim);
    let _ = place.mcpt.run(&["gc"]).ok();
    assert!(place.has_claim(), "gc removes no volumes");

    place.deploy(&KEPT);
    place.assert_reads("precious");
    let again = place.namespace.get(CLAIM);
    assert_eq!(claim["metadata"]["uid"], again["metadata"]["uid"]);

    // Helm keeps it as mcpt does, and what either left the other finds.
    Helm::V4.run(&place.namespace, &["uninstall", "filesystem", "--wait"]);
    place.deploy(&KEPT);
    place.assert_reads("precious");

    let purged = place.mcpt.json(&["delete", "filesystem", "--purge-data"]);
    assert!(purged.get("kept").is_none(), "{purged}");
    assert_eq!(place.namespace.objects(), before);
}

#[test]
fn kept_data_goes_on_demand_also_after_its_server() {
    let place = Place::new("purge");
    // Another's claim, by the name of a server that never was.
    place.namespace.apply(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: other-workspace, labels: {mcpt.io/server: filesystem}},
          spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}",
    );
    let before = place.namespace.objects();
    place.deploy(&KEPT);
    let kept = place.mcpt.json(&["delete", "filesystem"]);
    assert_eq!(
        kept["kept"][0],
        "persistentvolumeclaim \"filesystem-workspace\""
    );
    let _ = place
        .mcpt
        .run(&["delete", "filesystem", "--purge-data"])
        .ok();
    assert_eq!(place.namespace.objects(), before);
    let _ = place
        .mcpt
        .run(&["delete", "filesystem", "--purge-data"])
        .exits(3);
}

/// A deployment that takes a kept claim over and is then undone, by itself or by `gc`, must not take the data with it, even
/// when it would not have kept it.
#[test]
fn undoing_a_deployment_leaves_the_data_of_an_earlier_server() {
    let place = Place::new("undone");
    place.deploy(&KEPT);
    place.write("precious");
    let _ = place.mcpt.run(&["delete", "filesystem"]).ok();

    let volume = [
        "deploy",
        "filesystem",
        "--replicas",
        "1",
        "--set",
        "persistence.enabled=true",
    ];
    let broken = [&volume[..], &["--image", "localhost/no-such-image:1"]].concat();
    let _ = place
        .mcpt
        .run(&[&broken[..], &["--atomic"]].concat())
        .exits(1);
    assert!(place.has_claim(), "after --atomic");

    place.mcpt.kill_at(&broken, "pods ready");
    let _ = place.mcpt.run(&["gc"]).ok();
    assert!(place.has_claim(), "after gc");
    let _ = place.mcpt.run(&["status", "filesystem"]).exits(3);

    place.deploy(&KEPT);
    place.assert_reads("precious");
}

/// Without a policy a claim is a part of the server, as with Helm.
#[test]
fn a_volume_that_is_not_kept_goes_with_its_server() {
    let place = Place::new("unkept");
    let before = place.namespace.objects();
    place.deploy(&[]);
    assert!(place.has_claim());
    let deleted = place.mcpt.run(&["delete", "filesystem"]).ok();
    assert!(!deleted.stdout.contains("kept"), "{}", deleted.stdout);
    assert_eq!(place.namespace.objects(), before);
}

/// A first deployment whose command was killed may serve by now, and have data.
#[test]
fn gc_takes_neither_a_server_that_serves_nor_its_data() {
    let place = Place::new("gc-serves");
    let before = place.namespace.objects();
    let volume = [
        "deploy",
        "filesystem",
        "--replicas",
        "1",
        "--set",
        "persistence.enabled=true",
    ];
    // By then it is nearly done: another one, where it was done before it could be killed.
    let pending = (0..10).any(|_| {
        place.mcpt.kill_at(&volume, "asking the server");
        let pending = place.is_pending();
        if !pending {
            let purge = ["delete", "filesystem", "--purge-data"];
            let _ = place.mcpt.run(&purge).ok();
        }
        pending
    });
    assert!(pending, "every deploy was done too soon");
    place.write("precious");
    let told = place.mcpt.json(&["gc", "--dry-run"]);
    let reason = "revision 1 was left pending-install by a command that died, and pods of it are ready: marked as failed";
    assert_eq!(told[0]["reason"], reason, "{told}");
    assert_eq!(place.mcpt.json(&["gc"]), told);
    place.assert_reads("precious");
    let _ = place.mcpt.run(&volume).ok();
    place.assert_reads("precious");
    let _ = place.mcpt.run(&["delete", "filesystem"]).ok();
    assert_eq!(place.namespace.objects(), before);

    let broken = [&volume[..], &["--image", "localhost/no-such-image:1"]].concat();
    place.mcpt.kill_at(&broken, "waiting for the pods");
    let _ = place.mcpt.run(&["gc"]).ok();
    let _ = place.mcpt.run(&["status", "filesystem"]).exits(3);
    assert!(
        place.has_claim(),
        "a volume stays until somebody asks for its end"
    );
    let purged = place.mcpt.run(&["delete", "filesystem", "--purge-data"]);
    let _ = purged.ok();
    assert_eq!(place.namespace.objects(), before);
}
