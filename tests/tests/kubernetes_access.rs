//! Ways into a cluster that kubectl takes: forms of kubeconfigs, and proxies. What kubectl does with the same file is the answer,
//! on the real API server.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use mcpt_tests::{Mcpt, kubectl};
use serde_json::{Value, json};

/// The test cluster's kubeconfig, with everything in it.
fn view() -> Value {
    let view = kubectl(&[
        "config",
        "view",
        "--raw",
        "--minify",
        "--flatten",
        "-o",
        "json",
    ]);
    serde_json::from_str(&view).expect("a kubeconfig")
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
    let mut config = view();
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

/// A proxy that counts the connections that go through it: HTTP's CONNECT, or SOCKS 5 without a password.
struct Proxy {
    address: SocketAddr,
    used: Arc<AtomicUsize>,
}

impl Proxy {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let used = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&used);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::spawn(move || {
                    // Clients leave when they have what they want.
                    let _ended = relay(client, &count);
                });
            }
        });
        Self { address, used }
    }

    fn used(&self) -> usize {
        self.used.swap(0, Ordering::SeqCst)
    }
}

/// Reads where to, connects, and copies both ways.
fn relay(mut client: TcpStream, used: &AtomicUsize) -> io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    let to = if first[0] == 5 {
        let mut greeting = [0; 2];
        client.read_exact(&mut greeting)?;
        client.read_exact(&mut vec![0; greeting[1].into()])?;
        client.write_all(&[5, 0])?;
        let mut request = [0; 4];
        client.read_exact(&mut request)?;
        let host = if request[3] == 1 {
            let mut address = [0; 4];
            client.read_exact(&mut address)?;
            std::net::Ipv4Addr::from(address).to_string()
        } else {
            let mut length = [0];
            client.read_exact(&mut length)?;
            let mut name = vec![0; length[0].into()];
            client.read_exact(&mut name)?;
            String::from_utf8_lossy(&name).into_owned()
        };
        let mut port = [0; 2];
        client.read_exact(&mut port)?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
        format!("{host}:{}", u16::from_be_bytes(port))
    } else {
        let mut reader = BufReader::with_capacity(1, client.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let to = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        to
    };
    let mut server = TcpStream::connect(to)?;
    used.fetch_add(1, Ordering::SeqCst);
    let (mut from, mut back) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        let copied = io::copy(&mut from, &mut server);
        // The other end may be gone already.
        let _ended = server.shutdown(Shutdown::Write);
        copied
    });
    io::copy(&mut back, &mut client)?;
    let _ended = client.shutdown(Shutdown::Write);
    up.join().expect("copying").map(drop)
}

#[test]
fn proxies_are_used_as_kubectl_uses_them() {
    let mcpt = Mcpt::default();
    let proxy = Proxy::open();
    let at = proxy.address;
    let good = view();
    let server = good["clusters"][0]["cluster"]["server"].as_str();
    let host = server.expect("an address").trim_start_matches("https://");
    let host = host
        .rsplit_once(':')
        .map_or(host, |(host, _)| host)
        .to_owned();
    let plain = mcpt.file("plain", &good.to_string());
    let named = |url: &str| {
        let config = with("/clusters/0/cluster", &json!({"proxy-url": url}));
        mcpt.file(&format!("{}.config", url.len()), &config.to_string())
    };
    let http = named(&format!("http://{at}"));
    let socks = named(&format!("socks5://{at}"));
    let url = format!("http://{at}");
    let bare = at.to_string();
    let socks_url = format!("socks5://{at}");
    for (config, variables) in [
        (&plain, vec![]),
        (&http, vec![]),
        (&socks, vec![]),
        // What the kubeconfig names is used whatever the environment says.
        (&http, vec![("NO_PROXY", "*")]),
        (&plain, vec![("HTTPS_PROXY", url.as_str())]),
        (&plain, vec![("https_proxy", url.as_str())]),
        (&plain, vec![("HTTPS_PROXY", bare.as_str())]),
        (&plain, vec![("HTTPS_PROXY", socks_url.as_str())]),
        (
            &plain,
            vec![("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "*")],
        ),
        (
            &plain,
            vec![("HTTPS_PROXY", url.as_str()), ("NO_PROXY", host.as_str())],
        ),
        (
            &plain,
            vec![("HTTPS_PROXY", url.as_str()), ("no_proxy", "other,")],
        ),
        (
            &plain,
            vec![("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "127.0.0.1")],
        ),
        (&plain, vec![("HTTP_PROXY", url.as_str())]),
    ] {
        let theirs = (kubectl_may(config, &variables), proxy.used() > 0);
        let (may, told) = mcpt_may(config, &variables);
        assert_eq!(
            (may, proxy.used() > 0),
            theirs,
            "{config} {variables:?}: {told}"
        );
    }
    let (may, told) = mcpt_may(&plain, &[("HTTPS_PROXY", "http://127.0.0.1:9")]);
    let theirs = kubectl_may(&plain, &[("HTTPS_PROXY", "http://127.0.0.1:9")]);
    assert_eq!(may, theirs, "{told}");
    assert!(
        may || told.contains("through the proxy http://127.0.0.1:9"),
        "{told}"
    );
}
