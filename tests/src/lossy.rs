//! A way to the API server that can be cut: every connection at once, as when a load balancer is replaced.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use serde_json::json;

use crate::cluster::kubectl;

/// Forwards connections on a port of this machine to the API server of `KUBECONFIG`.
#[derive(Debug)]
pub struct LossyWay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    blocked: Arc<AtomicBool>,
}

impl LossyWay {
    /// Opens it.
    ///
    /// # Panics
    /// When the kubeconfig names no server.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let server = server();
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let known = Arc::clone(&open);
        let blocked = Arc::<AtomicBool>::default();
        let refuses = Arc::clone(&blocked);
        // Ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                if refuses.load(Relaxed) {
                    continue;
                }
                let pair = client.and_then(|client| Ok((client, TcpStream::connect(&server)?)));
                let Ok((client, server)) = pair else { continue };
                // A connection that broke meanwhile is the client's to make anew.
                drop(forward(&known, &client, &server));
            }
        });
        Self {
            port,
            open,
            blocked,
        }
    }

    /// Breaks all connections that are open now; new ones work.
    ///
    /// # Panics
    /// Never: whatever was forwarded is still known.
    pub fn cut(&self) -> usize {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.len() / 2;
        for stream in open.drain(..) {
            // It may have ended by itself.
            drop(stream.shutdown(Shutdown::Both));
        }
        count
    }

    /// Breaks all connections, and each new one at once until it is unblocked.
    pub fn block(&self) {
        self.blocked.store(true, Relaxed);
        self.cut();
    }

    /// Lets new connections through again.
    pub fn unblock(&self) {
        self.blocked.store(false, Relaxed);
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

fn forward(
    known: &Mutex<Vec<TcpStream>>,
    client: &TcpStream,
    server: &TcpStream,
) -> io::Result<()> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.extend([client.try_clone()?, server.try_clone()?]);
    for (from, to) in [(client, server), (server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
    }
    Ok(())
}
