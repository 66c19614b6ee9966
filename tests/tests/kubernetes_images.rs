//! mcpt's own image in a registry that the nodes of the real cluster pull from: the way of a new user as the README has it, and a
//! registry that wants a login.
//!
//! The registry is a pod. To the nodes and to this test it is the same `localhost:PORT`: a port of every node, forwarded here.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use mcpt_tests::{Mcpt, TestNamespace, kubectl, mcpt_binary};

/// The user `u` with the password `w`.
const USERS: &str = "u:$2a$04$5Hs8WteNf7pY3cSL/JTJxua8BlCuvyNR8tzzxsWg5PR/9XjYGLyQO";

/// A registry in a namespace, for as long as it is held.
struct Registry {
    forward: Child,
    port: u64,
}

impl Registry {
    fn start(namespace: &TestNamespace, access: &str) -> Self {
        namespace.apply(&format!(
            r#"
apiVersion: v1
kind: ConfigMap
metadata: {{name: registry}}
data:
  users: '{USERS}'
  config.yaml: |
    version: 0.1
    log: {{level: warn}}
    storage: {{filesystem: {{rootdirectory: /content}}}}
    http: {{addr: ":5000", secret: none}}
    {access}
---
apiVersion: v1
kind: Service
metadata: {{name: registry}}
spec:
  type: NodePort
  selector: {{app: registry}}
  ports: [{{port: 5000}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: registry}}
spec:
  selector: {{matchLabels: {{app: registry}}}}
  template:
    metadata: {{labels: {{app: registry}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: registry
          image: localhost/registry:1
          imagePullPolicy: IfNotPresent
          args: [serve, /config/config.yaml]
          env: [{{name: OTEL_TRACES_EXPORTER, value: none}}]
          readinessProbe: {{tcpSocket: {{port: 5000}}, periodSeconds: 1}}
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
          volumeMounts: [{{name: config, mountPath: /config}}, {{name: content, mountPath: /content}}]
      volumes: [{{name: config, configMap: {{name: registry}}}}, {{name: content, emptyDir: {{}}}}]
"#
        ));
        namespace.rolled_out("registry");
        let service = namespace.get("service/registry");
        let port = service["spec"]["ports"][0]["nodePort"]
            .as_u64()
            .expect("a port of the nodes");
        let program = std::env::var_os("MCPT_KUBECTL").unwrap_or_else(|| "kubectl".into());
        let mut forward = Command::new(program)
            .args(["port-forward", "-n", namespace.name(), "service/registry"])
            .arg(format!("{port}:5000"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the forwarded port").unwrap();
        assert!(first.starts_with("Forwarding"), "{first}");
        // What it still says must go somewhere.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { forward, port }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.forward.kill());
        drop(self.forward.wait());
    }
}

/// The commands of the README's blocks with this word after `sh`.
fn commands(need: &str) -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let mut lines = text.lines();
    let mut found = Vec::new();
    while lines.any(|line| line == format!("```sh {need}")) {
        let block = lines.by_ref().take_while(|line| *line != "```");
        found.extend(block.map(str::to_owned));
    }
    found
}

/// The image of each container of a server's pods, with those before them.
fn images(namespace: &str, selector: &str) -> Vec<String> {
    let path =
        "jsonpath={.items[*].spec.initContainers[*].image} {.items[*].spec.containers[*].image}";
    let text = kubectl(&["get", "pods", "-n", namespace, "-l", selector, "-o", path]);
    let mut images: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    images.sort();
    images.dedup();
    images
}

#[test]
fn a_new_user_is_three_commands_from_the_first_deploy() {
    let namespace = TestNamespace::new("first");
    let registry = Registry::start(&namespace, "");
    let place = format!("localhost:{}/team/mcpt", registry.port);
    let [build, push] = commands("registry").try_into().unwrap();
    let deploy = commands("kubernetes").remove(0);
    assert!(
        ![&build, &push, &deploy]
            .iter()
            .any(|command| command.contains("xtask"))
    );
    // The first has made the binary that this test is given.
    assert!(
        build.contains("crt-static") && build.contains("cargo install"),
        "{build}"
    );

    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let binary = mcpt_binary();
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    for command in [&push, &deploy] {
        let command = command
            .replace("registry.example/team/mcpt", &place)
            .replace("mcp-servers", namespace.name());
        let mut child = Command::new("sh")
            .arg("-eu")
            .env("PATH", &path)
            .env("XDG_CONFIG_HOME", mcpt.home().join("config"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(command.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{command}");
    }
    let called = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=ahoy"])
        .ok();
    assert!(called.stdout.contains("ahoy"), "{}", called.stdout);
    let found = images(namespace.name(), "app.kubernetes.io/instance=demo");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("{place}:")) && found[0].contains("@sha256:"));

    drop(
        mcpt.run(&["gateway", "install", "--open", "--replicas", "1"])
            .ok(),
    );
    assert_eq!(
        images(namespace.name(), "app.kubernetes.io/name=mcpt-gateway"),
        found
    );
    drop(mcpt.run(&["gateway", "uninstall"]).ok());
    drop(mcpt.run(&["delete", "demo"]).ok());
}

#[test]
fn a_registry_with_a_login_is_pulled_from_with_a_secret() {
    let namespace = TestNamespace::new("login");
    let users = "auth: {htpasswd: {realm: images, path: /config/users}}";
    let registry = Registry::start(&namespace, users);
    let host = format!("localhost:{}", registry.port);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let docker = mcpt.home().join("docker");
    std::fs::create_dir(&docker).unwrap();
    let login = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"dTp3\"}}}}}}");
    std::fs::write(docker.join("config.json"), login).unwrap();
    let mcpt = mcpt.env("DOCKER_CONFIG", docker.to_str().unwrap());
    drop(mcpt.run(&["image", "push", &format!("{host}/mcpt")]).ok());

    let deploy = ["deploy", "demo", "--atomic", "--timeout", "4m"];
    let refused = mcpt.run(&deploy).exits(1);
    drop(refused.says(&["cannot be pulled", "--image-pull-secret"]));
    kubectl(&[
        "create",
        "secret",
        "docker-registry",
        "ours",
        "-n",
        namespace.name(),
        "--docker-username=u",
        "--docker-password=w",
        &format!("--docker-server={host}"),
    ]);
    let deploy = [&deploy[..], &["--image-pull-secret", "ours"]].concat();
    drop(mcpt.run(&deploy).ok());
    let called = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=ahoy"])
        .ok();
    assert!(called.stdout.contains("ahoy"), "{}", called.stdout);
    drop(mcpt.run(&["delete", "demo"]).ok());
}
