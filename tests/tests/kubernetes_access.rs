//! Ways into a cluster that kubectl takes: forms of kubeconfigs, and proxies. What kubectl does with the same file is the answer,
//! on the real API server.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    cell::Cell,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mcpt_tests::{Mcpt, eventually, kubectl_json};
use serde_json::{Value, json};

/// The test cluster's kubeconfig, with everything in it.
fn view() -> Value {
    kubectl_json(&["config", "view", "--raw", "--minify", "--flatten"])
}

/// Whether kubectl gets an answer by a `KUBECONFIG`, with other variables besides.
fn kubectl_may(list: &str, variables: &[(&str, &str)]) -> bool {
    let program = std::env::var_os("MCPT_KUBECTL").unwrap_or_else(|| "kubectl".into());
    let output = Command::new(program)
        .args([
            "get",
            "deployments",
            "-n",
            "default",
            "--request-timeout=20s",
        ])
        .envs(variables.iter().copied())
        .env("KUBECONFIG", list)
        .output();
    output.expect("running kubectl").status.success()
}

/// Whether mcpt does.
fn mcpt_may(list: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let mut mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", "default"]);
    for (name, value) in variables {
        mcpt = mcpt.env(name, *value);
    }
    let outcome = mcpt.env("KUBECONFIG", list).run(&["list"]);
    (outcome.code == Some(0), outcome.stderr)
}

/// Changes a part of the kubeconfig: `clusters/0/cluster`, `users/0/user`, or the whole with an empty path.
fn with(path: &str, change: &Value) -> Value {
    changed(view(), path, change)
}

fn changed(mut config: Value, path: &str, change: &Value) -> Value {
    let part = config.pointer_mut(path).and_then(Value::as_object_mut);
    let part = part.expect("the part");
    for (key, value) in change.as_object().expect("a change") {
        part.insert(key.clone(), value.clone());
    }
    config
}

#[test]
fn forms_of_kubeconfigs_are_read_as_kubectl_reads_them() {
    let mcpt = Mcpt::default();
    let (cluster, user) = ("/clusters/0/cluster", "/users/0/user");
    let good = view();
    let ca = good.pointer("/clusters/0/cluster/certificate-authority-data");
    let ca = ca.and_then(Value::as_str).expect("an authority").to_owned();
    let (first, second) = ca.split_at(64);
    let bare = good.pointer("/clusters/0/cluster/server");
    let bare = bare.and_then(Value::as_str).expect("an address");
    let bare = bare.trim_start_matches("https://").to_owned();
    let newline = mcpt.file("newline", "not-a-real-token\n");
    let printed = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "x\n"}}"#;
    let plugin = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "printf", "args": ["%s", printed],
        "interactiveMode": "Never",
    }});
    let unset = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nusers: null\n";
    let unset = mcpt.file("unset.yaml", unset);
    for (name, config) in [
        ("as it is", good.clone()),
        ("no scheme", with(cluster, &json!({"server": bare}))),
        (
            "base64 on several lines",
            with(
                cluster,
                &json!({"certificate-authority-data": format!("{first}\n{second}\n")}),
            ),
        ),
        (
            "empty texts",
            with(
                cluster,
                &json!({"certificate-authority": "", "proxy-url": "", "tls-server-name": ""}),
            ),
        ),
        (
            "empty credentials",
            with(
                user,
                &json!({"token": "", "tokenFile": "", "username": "", "password": "", "as": ""}),
            ),
        ),
        (
            "no current context",
            with("", &json!({"current-context": ""})),
        ),
        ("no server", with(cluster, &json!({"server": ""}))),
        (
            "authority that is none",
            with(cluster, &json!({"certificate-authority-data": "eA=="})),
        ),
        (
            "a token with the end of a line",
            with(
                "",
                &json!({"users": [{"name": good["users"][0]["name"], "user": {"token": "x\n"}}]}),
            ),
        ),
        (
            "a credential plugin's token with the end of a line",
            with(
                "",
                &json!({"users": [{"name": good["users"][0]["name"], "user": plugin}]}),
            ),
        ),
        (
            "a token's file that ends with a line, and is refused",
            with(
                "",
                &json!({"users": [{"name": good["users"][0]["name"], "user": {"tokenFile": newline}}]}),
            ),
        ),
    ] {
        let file = mcpt.file("config", &config.to_string());
        for list in [
            file.clone(),
            format!("{unset}:{file}"),
            format!("/nowhere:{file}"),
        ] {
            let (ours, told) = mcpt_may(&list, &[]);
            assert_eq!(ours, kubectl_may(&list, &[]), "{name}: {list}: {told}");
            assert!(!told.contains("panicked"), "{name}: {told}");
        }
    }
}

/// The API server behind a certificate of our choice, which lets everybody in as the user of the kubeconfig.
struct Front {
    process: Child,
    port: String,
}

impl Front {
    fn start(mcpt: &Mcpt, certificate: &str, key: &str) -> Self {
        let good = view();
        let decoded = |place: &str| {
            let text = good.pointer(place).and_then(Value::as_str);
            let bytes = STANDARD.decode(text.expect("a certificate for the user"));
            String::from_utf8(bytes.expect("base64")).expect("PEM")
        };
        let user = decoded("/users/0/user/client-certificate-data");
        let user_key = decoded("/users/0/user/client-key-data");
        let server = good["clusters"][0]["cluster"]["server"].as_str();
        let server = server.expect("an address").trim_start_matches("https://");
        let (host, port) = server.rsplit_once(':').expect("a port");
        let process = Command::new("python3")
            .args(["-c", include_str!("../clients/tls_front.py")])
            .args([certificate, key, host, port])
            .args([
                mcpt.file("user.pem", &user),
                mcpt.file("user.key", &user_key),
            ])
            .stdout(Stdio::piped())
            .spawn();
        let mut process = process.expect("running python3");
        let mut port = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut port).expect("a port");
        Self {
            process,
            port: port.trim().to_owned(),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A certificate that openssl makes of these options, and its key.
fn certificate(mcpt: &Mcpt, name: &str, options: &[&str]) -> (String, String) {
    let (certificate, key) = (
        mcpt.file(&format!("{name}.pem"), ""),
        mcpt.file(&format!("{name}.key"), ""),
    );
    let output = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj".split(' '))
        .args([
            &format!("/CN={name}"),
            "-out",
            &certificate,
            "-keyout",
            &key,
        ])
        .args(options)
        .output();
    let output = output.expect("running openssl");
    assert!(output.status.success(), "{output:?}");
    (certificate, key)
}

#[test]
fn certificates_of_servers_are_judged_as_kubectl_judges_them() {
    let mcpt = Mcpt::default();
    let here = ["-addext", "subjectAltName=IP:127.0.0.1"];
    let elsewhere = ["-addext", "subjectAltName=DNS:elsewhere"];
    let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let own = certificate(&mcpt, "own", &here);
    let leaf = certificate(&mcpt, "leaf", &[leaf, here].concat());
    let elsewhere = certificate(&mcpt, "elsewhere", &elsewhere);
    let text = |path: &str| fs::read_to_string(path).expect("a certificate");
    let both = mcpt.file("both.pem", &(text(&leaf.0) + &text(&own.0)));
    for (name, shown, trusted, more) in [
        ("an authority that shows itself", &own, &own.0, json!({})),
        ("one of several", &own, &both, json!({})),
        ("no authority, but trusted", &leaf, &leaf.0, json!({})),
        ("somebody else's", &own, &leaf.0, json!({})),
        ("another authority's", &leaf, &own.0, json!({})),
        ("for another name", &elsewhere, &elsewhere.0, json!({})),
        (
            "for a name that is asked for",
            &elsewhere,
            &elsewhere.0,
            json!({"tls-server-name": "elsewhere"}),
        ),
    ] {
        let front = Front::start(&mcpt, &shown.0, &shown.1);
        let server = format!("https://127.0.0.1:{}", front.port);
        let mut config = view();
        let cluster = config.pointer_mut("/clusters/0/cluster");
        *cluster.expect("the cluster") =
            json!({"server": server, "certificate-authority": trusted});
        let config = changed(config, "/clusters/0/cluster", &more);
        let config = mcpt.file("front", &config.to_string());
        let (ours, told) = mcpt_may(&config, &[]);
        assert_eq!(ours, kubectl_may(&config, &[]), "{name}: {told}");
    }
}

/// A proxy as people run them, tinyproxy or microsocks, and what it logs of its connections.
struct Proxy {
    process: Child,
    address: String,
    log: PathBuf,
    /// What a line of the log has for each connection that was made.
    mark: &'static str,
    seen: Cell<usize>,
}

impl Proxy {
    /// Starts it where nobody else listens: ports can only be named to these programs.
    fn start(mark: &'static str, log: &str, command: impl Fn(u16) -> Command) -> Self {
        eventually(Duration::from_secs(30), || {
            let free = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
            let address = free.local_addr().map_err(|error| error.to_string())?;
            drop(free);
            let output = File::create(log).map_err(|error| error.to_string())?;
            let copy = output.try_clone().map_err(|error| error.to_string())?;
            let mut command = command(address.port());
            let command = command.stdout(copy).stderr(output);
            let mut process = command.spawn().map_err(|error| error.to_string())?;
            eventually(Duration::from_secs(30), || {
                if let Ok(Some(status)) = process.try_wait() {
                    return Ok(Err(format!("{command:?} ended: {status}")));
                }
                let connected = TcpStream::connect(address);
                connected.map(|_| Ok(())).map_err(|error| error.to_string())
            })?;
            Ok(Self {
                process,
                address: address.to_string(),
                log: log.into(),
                mark,
                seen: Cell::new(0),
            })
        })
    }

    fn http(mcpt: &Mcpt, name: &str, more: &str) -> Self {
        let log = mcpt.file(&format!("{name}.log"), "");
        let command = |port: u16| {
            let text =
                format!("Port {port}\nListen 127.0.0.1\nLogLevel Connect\nMaxClients 50\n{more}\n");
            let mut command = Command::new("tinyproxy");
            command.args(["-d", "-c", &mcpt.file(&format!("{name}.conf"), &text)]);
            command
        };
        Self::start("Request (file descriptor", &log, command)
    }

    fn socks(mcpt: &Mcpt) -> Self {
        let log = mcpt.file("socks.log", "");
        Self::start("connected to ", &log, |port| {
            let mut command = Command::new("microsocks");
            command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
            command
        })
    }

    /// Whether it made a connection since this was asked the last time.
    fn used(&self) -> bool {
        let log = fs::read_to_string(&self.log).expect("the proxy's log");
        let now = log.lines().filter(|line| line.contains(self.mark)).count();
        self.seen.replace(now) < now
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has told by then.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn proxies_are_used_as_kubectl_uses_them() {
    let mcpt = Mcpt::default();
    let proxy = Proxy::http(&mcpt, "open", "");
    let guarded = Proxy::http(&mcpt, "guarded", "BasicAuth somebody secret");
    let socks = Proxy::socks(&mcpt);
    let used = || [&proxy, &guarded, &socks].map(Proxy::used);
    let good = view();
    let server = good["clusters"][0]["cluster"]["server"].as_str();
    let host = server.expect("an address").trim_start_matches("https://");
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let plain = mcpt.file("plain", &good.to_string());
    let named = |name: &str, url: &str| {
        let config = with("/clusters/0/cluster", &json!({"proxy-url": url}));
        mcpt.file(name, &config.to_string())
    };
    let bare = proxy.address.as_str();
    let url = &format!("http://{bare}");
    let socks_url = &format!("socks5://{}", socks.address);
    let unknown = &format!("http://{}", guarded.address);
    let known = &format!("http://somebody:secret@{}", guarded.address);
    let http = named("http", url);
    let socks5 = named("socks5", socks_url);
    let login = named("login", known);
    let stranger = named("stranger", unknown);
    let some = |name, value| vec![("HTTPS_PROXY", url.as_str()), (name, value)];
    for (config, variables) in [
        (&plain, vec![]),
        (&http, vec![]),
        (&socks5, vec![]),
        (&login, vec![]),
        (&stranger, vec![]),
        // What the kubeconfig names is used whatever the environment says.
        (&http, vec![("NO_PROXY", "*")]),
        (&plain, vec![("HTTPS_PROXY", url)]),
        (&plain, vec![("https_proxy", url)]),
        (&plain, vec![("HTTPS_PROXY", bare)]),
        (&plain, vec![("HTTPS_PROXY", socks_url)]),
        (&plain, vec![("HTTPS_PROXY", known)]),
        (&plain, vec![("HTTPS_PROXY", unknown)]),
        (&plain, some("NO_PROXY", "*")),
        (&plain, some("NO_PROXY", host)),
        (&plain, some("no_proxy", "other,")),
        (&plain, some("NO_PROXY", "127.0.0.1")),
        (&plain, vec![("HTTP_PROXY", url)]),
    ] {
        let theirs = (kubectl_may(config, &variables), used());
        let (may, told) = mcpt_may(config, &variables);
        assert_eq!((may, used()), theirs, "{config} {variables:?}: {told}");
        assert!(!told.contains("secret"), "{told}");
    }
    let (may, told) = mcpt_may(&plain, &[("HTTPS_PROXY", "http://127.0.0.1:9")]);
    let theirs = kubectl_may(&plain, &[("HTTPS_PROXY", "http://127.0.0.1:9")]);
    assert_eq!(may, theirs, "{told}");
    assert!(
        may || told.contains("through the proxy http://127.0.0.1:9"),
        "{told}"
    );
}
