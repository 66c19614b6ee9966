//! What servers behind a gateway want to see of it: tokens, certificates, a query; and how it knows them.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use mcpt_core::Namespace;
use mcpt_gateway::{DescribedServers, GatewayConfig, StaticServers};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    harness::{PATIENCE, Tellable, call, demo, gateway_like},
    wire::Answer,
};

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate of that name, and its key.
pub(crate) fn signed(by: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.signed_by(&key, by).unwrap(), key)
}

/// A demo server called `inside.example` that speaks TLS, to those alone who have a certificate of that authority; what it
/// was sent.
async fn behind_tls(by: &Authority) -> (SocketAddr, Arc<Mutex<String>>) {
    let (certificate, key) = signed(by, "inside.example");
    let mut roots = RootCertStore::empty();
    roots.add(by.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = demo("d").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<String>>::default();
    let noted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
            tokio::spawn(async move {
                let Ok(client) = acceptor.accept(client).await else {
                    return;
                };
                let server = TcpStream::connect(server).await.unwrap();
                let (mut from_client, mut to_client) = tokio::io::split(client);
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    // The demo server knows itself by its address alone.
                    let local = format!("host: {server}\r\n", server = address_of(&to_server));
                    let told = text.replace("host: inside.example\r\n", &local);
                    noted.lock().unwrap().push_str(&text);
                    if to_server.write_all(told.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, seen)
}

fn address_of(stream: &tokio::net::tcp::OwnedWriteHalf) -> SocketAddr {
    stream.peer_addr().unwrap()
}

fn write(folder: &Path, file: &str, text: &str) {
    std::fs::write(folder.join("new"), text).unwrap();
    std::fs::rename(folder.join("new"), folder.join(file)).unwrap();
}

/// A gateway with the servers that a text describes.
async fn described(folder: &Path, text: &str) -> Tellable {
    write(folder, "servers.yaml", text);
    let described = DescribedServers::read(&folder.join("servers.yaml")).unwrap();
    let namespace = Namespace::new("ns").unwrap();
    let servers = StaticServers::new(&described.servers, &namespace);
    let change = |config: &mut GatewayConfig| config.sources = vec![Box::new(servers)];
    let gateway = gateway_like(change);
    gateway.shows("condition=\"ready\"} 1").await;
    gateway
}

async fn whoami(gateway: &Tellable) -> Answer {
    let session = gateway.open().await;
    gateway.call(&session, "whoami").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_by_https_sees_who_calls_and_is_known_by_its_own_authority() {
    let (known, other) = (authority(), authority());
    let (server, seen) = behind_tls(&known).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (certificate, key) = signed(&known, "gateway.example");
    write(folder, "ca.pem", &known.pem());
    write(folder, "other.pem", &other.pem());
    write(folder, "cert.pem", &certificate.pem());
    write(folder, "key.pem", &key.serialize_pem());
    let foreign = signed(&other, "gateway.example");
    write(folder, "foreign.pem", &foreign.0.pem());
    write(folder, "foreign-key.pem", &foreign.1.serialize_pem());
    write(folder, "token", "t0k3n\n");
    let text = |ca: &str, identity: &str, name: &str| {
        format!(
            "servers:\n- name: demo\n  urls: ['https://{server}/mcp?key=in-the-query']\n  headers:\n  \
             - {{name: Authorization, prefix: 'Bearer ', file: token}}\n  \
             - {{name: X-Tenant, value: acme}}\n  \
             tls: {{ca: {ca}, {identity}, serverName: {name}}}\n"
        )
    };
    let own = "cert: cert.pem, key: key.pem";
    for (ca, identity, name, why) in [
        ("other.pem", own, "inside.example", "not trusted"),
        ("ca.pem", own, "elsewhere.example", "not trusted"),
        (
            "ca.pem",
            "cert: foreign.pem, key: foreign-key.pem",
            "inside.example",
            "the server",
        ),
    ] {
        let gateway = described(folder, &text(ca, identity, name)).await;
        let answer = gateway.post(&[], &call("whoami")).await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        assert!(answer.text.contains(why), "{}", answer.text);
        assert!(!answer.text.contains("in-the-query"), "{}", answer.text);
    }
    let gateway = described(folder, &text("ca.pem", own, "inside.example")).await;
    // What a client says of the same name gives way.
    let mine = [("Authorization", "Bearer of-the-client")];
    let refused = gateway.post(&mine, &call("whoami")).await;
    assert_ne!(refused.status, 502, "{}", refused.text);
    let answer = whoami(&gateway).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    {
        let seen = seen.lock().unwrap().to_ascii_lowercase();
        assert!(
            seen.contains("post /mcp?key=in-the-query http/1.1"),
            "{seen}"
        );
        assert!(seen.contains("authorization: bearer t0k3n"), "{seen}");
        assert!(seen.contains("x-tenant: acme"), "{seen}");
        assert!(!seen.contains("of-the-client"), "{seen}");
    }
    for page in ["/api/v1/endpoints", "/api/v1/servers", "/metrics"] {
        let mut wire = crate::wire::Wire::open(gateway.admin).await.unwrap();
        let text = wire.exchange("GET", page, &[], "").await.unwrap().text;
        assert!(!text.contains("in-the-query"), "{text}");
    }
    // A token that was exchanged is shown from then on, and a slip of the pen changes nothing.
    write(folder, "token", "n3xt");
    let exchanged = async {
        loop {
            assert_eq!(whoami(&gateway).await.status, 200);
            if seen.lock().unwrap().contains("Bearer n3xt") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, exchanged).await.unwrap();
    write(folder, "token", " ");
    assert_eq!(whoami(&gateway).await.status, 200);
}
