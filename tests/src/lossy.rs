//! A way to the API server that can be cut: every connection at once, as when a load balancer is replaced.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use serde_json::json;

use crate::cluster::kubectl;

/// Forwards connections on a port of this machine to the API server of `KUBECONFIG`.
#[derive(Debug)]
pub struct LossyWay {
    port: u16,
    way: Arc<Mutex<Way>>,
}

/// What is behind the port. Under one lock, so that no connection comes between a block and the cut that goes with it.
#[derive(Debug, Default)]
struct Way {
    blocked: bool,
    /// Both ends of each connection.
    open: Vec<TcpStream>,
}

impl Way {
    fn cut(&mut self) -> usize {
        let count = self.open.len() / 2;
        for stream in self.open.drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
        count
    }

    /// Forwards both ways, unless it is blocked.
    fn forward(&mut self, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        if self.blocked {
            return Ok(());
        }
        self.open.extend([client.try_clone()?, server.try_clone()?]);
        for (from, to) in [(client, server), (server, client)] {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            thread::spawn(move || {
                drop(io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Write));
            });
        }
        Ok(())
    }
}

impl LossyWay {
    /// Opens it.
    ///
    /// # Panics
    /// When the kubeconfig names no server.
    pub fn open() -> Self {
        Self::to(server())
    }

    /// Opens one to `server`, a host and its port.
    fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let way = Arc::<Mutex<Way>>::default();
        let behind = Arc::clone(&way);
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let pair = client.and_then(|client| Ok((client, TcpStream::connect(&server)?)));
                let Ok((client, server)) = pair else { continue };
                let mut way = behind.lock().unwrap_or_else(PoisonError::into_inner);
                // A connection that broke meanwhile is the client's to make anew.
                drop(way.forward(&client, &server));
            }
        });
        Self { port, way }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Breaks all connections that are open now, and says how many there were; new ones work.
    pub fn cut(&self) -> usize {
        self.way().cut()
    }

    /// Breaks all connections, and each new one at once until it is unblocked.
    pub fn block(&self) {
        let mut way = self.way();
        way.blocked = true;
        way.cut();
    }

    /// Lets new connections through again.
    pub fn unblock(&self) {
        self.way().blocked = false;
    }

    /// Writes a kubeconfig that leads over it, and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn kubeconfig(&self, folder: &Path) -> String {
        let view = [
            "config",
            "view",
            "--raw",
            "--flatten",
            "--minify",
            "-o",
            "json",
        ];
        let mut config: serde_json::Value =
            serde_json::from_str(&kubectl(&view)).expect("a kubeconfig");
        let cluster = &mut config["clusters"][0]["cluster"];
        cluster["server"] = json!(format!("https://127.0.0.1:{}", self.port));
        cluster["tls-server-name"] = json!("kubernetes.default.svc");
        let path = folder.join("lossy.kubeconfig");
        std::fs::write(&path, config.to_string()).expect("writing a kubeconfig");
        path.to_str().expect("UTF-8").to_owned()
    }
}

/// Address of the API server.
fn server() -> String {
    let url = kubectl(&[
        "config",
        "view",
        "--minify",
        "-o",
        "jsonpath={.clusters[0].cluster.server}",
    ]);
    let address = url.trim().trim_start_matches("https://");
    if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:443")
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, time::Duration};

    use super::*;

    /// Connections are made all the time while the way is blocked and opened again.
    #[test]
    fn nothing_stays_open_when_it_is_blocked() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let way = LossyWay::to(server.local_addr().expect("its address").to_string());
        // A server that keeps connections open for as long as its clients do, and is silent.
        thread::spawn(move || {
            for stream in server.incoming() {
                let mut stream = stream.expect("a connection");
                thread::spawn(move || drop(io::copy(&mut stream, &mut io::sink())));
            }
        });
        let address = ("127.0.0.1", way.port);
        for _ in 0..200 {
            let clients = [(); 4].map(|()| TcpStream::connect(address).expect("a connection"));
            way.block();
            for mut client in clients {
                let patience = Some(Duration::from_secs(10));
                client.set_read_timeout(patience).expect("a time limit");
                // Cut, or refused as one that came too late.
                match client.read(&mut [0]) {
                    Ok(read) => assert_eq!(read, 0),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                }
            }
            way.unblock();
        }
    }
}
