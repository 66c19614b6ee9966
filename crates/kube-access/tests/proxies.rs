//! The way through a proxy that a kubeconfig names: the proxy is asked, and what is behind it answers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use kube_access::{ClusterTarget, ConnectOptions};

/// Serves each connection by itself, as long as the test runs; tells where.
fn serve(each: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let each = Arc::new(each);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            // Clients leave when they have what they want.
            thread::spawn(move || each(stream).ok());
        }
    });
    address
}

/// Lines up to an empty one; the first.
fn head(stream: &TcpStream) -> io::Result<String> {
    // One byte at a time: what follows is somebody else's.
    let mut reader = BufReader::with_capacity(1, stream.try_clone()?);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(first)
}

/// An API server that tells its version.
fn api_server() -> SocketAddr {
    serve(|mut stream| {
        head(&stream)?;
        let version = r#"{"major":"1","minor":"37","gitVersion":"v1.37.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{version}",
            version.len()
        )
    })
}

/// A proxy for both CONNECT and SOCKS 5, and the number of connections that it made.
fn proxy() -> (SocketAddr, Arc<AtomicUsize>) {
    let used = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&used);
    let address = serve(move |mut client| {
        let mut first = [0];
        client.peek(&mut first)?;
        let to = if first[0] == 5 {
            let mut greeting = [0; 2];
            client.read_exact(&mut greeting)?;
            client.read_exact(&mut vec![0; greeting[1].into()])?;
            client.write_all(&[5, 0])?;
            // Version, command, reserved, kind 1, IPv4 address, port.
            let mut request = [0; 10];
            client.read_exact(&mut request)?;
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
            let [.., a, b, c, d, high, low] = request;
            format!("{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([high, low]))
        } else {
            let asked = head(&client)?;
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            asked.split(' ').nth(1).unwrap_or_default().to_owned()
        };
        let mut server = TcpStream::connect(to)?;
        count.fetch_add(1, Ordering::SeqCst);
        let (mut from, mut back) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            io::copy(&mut from, &mut server)?;
            server.shutdown(Shutdown::Write)
        });
        io::copy(&mut back, &mut client)?;
        client.shutdown(Shutdown::Write)
    });
    (address, used)
}

#[tokio::test]
async fn a_proxy_of_the_kubeconfig_is_gone_through() {
    let (server, (proxy, used)) = (api_server(), proxy());
    let folder = tempfile::tempdir().unwrap();
    for (named, goes_through) in [
        (format!("http://{proxy}"), true),
        (proxy.to_string(), true),
        (format!("socks5://{proxy}"), true),
        (format!("socks5h://{proxy}"), true),
        (String::new(), false),
    ] {
        let file = folder.path().join("config");
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'http://{server}', proxy-url: '{named}'}}}}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let options = ConnectOptions {
            kubeconfig: Some(file),
            ..ConnectOptions::default()
        };
        let target = ClusterTarget::find(&options).await.unwrap();
        assert_eq!(target.address.contains("through the proxy"), goes_through);
        let cluster = target.connect("default").await.unwrap();
        assert_eq!(cluster.version.git, "v1.37.2", "{named}");
        assert_eq!(used.swap(0, Ordering::SeqCst) > 0, goes_through, "{named}");
    }
}

/// Who cannot be reached is told, and what stands between.
#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let text = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1', proxy-url: 'http://u:secret@127.0.0.1:{port}'}}}}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let options = ConnectOptions {
        kubeconfig: Some(file),
        ..ConnectOptions::default()
    };
    let target = ClusterTarget::find(&options).await.unwrap();
    let error = target.connect("default").await.unwrap_err().to_string();
    let named = format!("(through the proxy http://127.0.0.1:{port}) cannot be reached");
    assert!(error.contains(&named), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
