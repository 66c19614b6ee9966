//! Requests over HTTP and HTTPS to servers that behave as real ones may: redirects, silence, certificates.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oci_registry::{Access, Credentials, Descriptor, Error, Http, Reference, Registry, Tls};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use server::{Server, moved, ok};

fn user() -> Access {
    Access {
        username: "u".to_owned(),
        password: Some("w".to_owned().into()),
        ..Access::default()
    }
}

#[test]
fn connections_are_used_again() {
    let server = Server::start(None, Box::new(|path| Some(ok(path))));
    let http = Http::default();
    for path in ["/a", "/b", "/c"] {
        let found = http.clone().get(&server.url(path), "", &Access::default());
        assert_eq!(found.unwrap(), path.as_bytes());
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// A user and a password follow a redirect to the same server, and to no other, be it only another port.
#[test]
fn credentials_do_not_follow_to_another_server() {
    let other = Server::start(None, Box::new(|_| Some(ok("theirs"))));
    let there = other.url("/there");
    let server = Server::start(
        None,
        Box::new(move |path| {
            Some(match path {
                "/away" => moved(&there),
                "/near" => moved("/here"),
                _ => ok("ours"),
            })
        }),
    );
    let http = Http::default();
    let near = http.get(&server.url("/near"), &server.url("/"), &user());
    assert_eq!(near.unwrap(), b"ours");
    assert_eq!(server.saw("authorization: Basic dTp3"), [true, true]);
    let away = http.get(&server.url("/away"), &server.url("/"), &user());
    assert_eq!(away.unwrap(), b"theirs");
    assert_eq!(other.saw("authorization"), [false]);
}

#[test]
fn redirects_have_an_end() {
    let server = Server::start(None, Box::new(|_| Some(moved("/again"))));
    let error = Http::default().get(&server.url("/"), "", &Access::default());
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("more than 10 redirects"), "{error}");
}

#[test]
fn silence_ends_in_time() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart";
    let server = Server::start(
        None,
        Box::new(move |path| (path == "/part").then(|| part.to_owned())),
    );
    let http = Http::new(Duration::from_millis(300));
    for path in ["/nothing", "/part"] {
        let error = http.get(&server.url(path), "", &Access::default());
        let error = error.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{path}: {error}");
    }
}

#[test]
fn other_answers_are_named() {
    let server = Server::start(
        None,
        Box::new(|path| {
            Some(match path {
                "/none" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                _ => "SSH-2.0-none\r\n\r\n".to_owned(),
            })
        }),
    );
    let get = |path: &str| Http::default().get(&server.url(path), "", &Access::default());
    let none = get("/none").unwrap_err();
    assert!(matches!(none, Error::Status { status: 404, .. }), "{none}");
    let other = get("/other").unwrap_err();
    assert!(matches!(other, Error::Unreachable { .. }), "{other}");
}

/// An authority, a server's certificate and a client's, as files; and the server's side of them.
fn certificates(folder: &Path) -> [Arc<ServerConfig>; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for (name, host, usage) in [
        ("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let signed = params.signed_by(&key, &issuer).unwrap();
        fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.build().unwrap();
    [None, Some(verifier)].map(|verifier| {
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = match verifier {
            None => config.with_no_client_auth(),
            Some(verifier) => config.with_client_cert_verifier(verifier),
        };
        let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        Arc::new(config.with_single_cert(chain, key).unwrap())
    })
}

#[test]
fn certificates_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let [anybody, known] = certificates(folder.path());
    let plain = Server::start(None, Box::new(|_| Some(ok("plain"))));
    let down = plain.url("/");
    let start = |config| {
        let down = down.clone();
        let answer = move |path: &str| {
            Some(match path {
                "/down" => moved(&down),
                _ => ok("safe"),
            })
        };
        Server::start(Some(config), Box::new(answer))
    };
    let (anybody, known) = (start(anybody), start(known));
    let file = |name: &str| Some(folder.path().join(name));
    let trusting = Tls {
        ca_file: file("ca.pem"),
        ..Tls::default()
    };
    let careless = Tls {
        insecure_skip_tls_verify: true,
        ..Tls::default()
    };
    let named = Tls {
        cert_file: file("client.pem"),
        key_file: file("client.key"),
        ..trusting.clone()
    };
    let http = Http::default();
    let get = |server: &Server, path: &str, tls: &Tls| {
        let access = Access {
            tls: tls.clone(),
            ..Access::default()
        };
        http.get(&format!("https://{}{path}", server.address), "", &access)
    };
    for (server, tls, is_let_in) in [
        (&anybody, &Tls::default(), false),
        (&anybody, &trusting, true),
        (&anybody, &careless, true),
        (&known, &trusting, false),
        (&known, &named, true),
        (&plain, &careless, false),
    ] {
        let found = get(server, "/", tls);
        assert_eq!(found.is_ok(), is_let_in, "{tls:?}: {found:?}");
    }
    // Nobody is led out of what is safe.
    let error = get(&anybody, "/down", &trusting).unwrap_err().to_string();
    assert!(error.ends_with("which is not HTTPS"), "{error}");
    assert!(plain.saw("GET").is_empty());
    for wrong in [
        Tls {
            ca_file: file("client.key"),
            ..Tls::default()
        },
        Tls {
            cert_file: file("client.pem"),
            key_file: file("none"),
            ..Tls::default()
        },
    ] {
        let error = get(&anybody, "/", &wrong).unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error}");
    }
}

/// Where a server leads to lets in whoever knows the address.
#[test]
fn signatures_of_addresses_are_in_no_error() {
    let other = Server::start(
        None,
        Box::new(|path| {
            let status = if path.starts_with("/short") {
                "200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nshort"
            } else {
                "403 Forbidden\r\nContent-Length: 0\r\n\r\n"
            };
            Some(format!("HTTP/1.1 {status}"))
        }),
    );
    let there = other.url("");
    let server = Server::start(
        None,
        Box::new(move |path| Some(moved(&format!("{there}{path}?X-Signature=hunter2")))),
    );
    for path in ["/refused", "/short"] {
        let error =
            Http::new(Duration::from_secs(1)).get(&server.url(path), "", &Access::default());
        let error = error.unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let seen = other.saw("X-Signature=hunter2");
    assert!(seen.iter().all(|seen| *seen), "{seen:?}");
}

/// Where a registry leads to likewise: the place of an upload, the next page of a list, the server of tokens.
#[test]
fn what_a_registry_puts_behind_addresses_is_in_no_error() {
    let with = |status: &str, header: &str| {
        format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let server = Server::start(
        None,
        Box::new(move |path| {
            let secret = "X-Signature=hunter2";
            Some(if path.contains(secret) {
                with("403 Forbidden", "X: x")
            } else if path.ends_with("/uploads/") {
                with("202 Accepted", &format!("Location: /place?{secret}"))
            } else if path.ends_with("/a/tags/list") {
                let next = format!("Link: </v2/a/tags/list?{secret}>; rel=\"next\"");
                format!("HTTP/1.1 200 OK\r\n{next}\r\nContent-Length: 11\r\n\r\n{{\"tags\":[]}}")
            } else {
                let realm = format!("ftp://x/?{secret}");
                let wanted = format!("WWW-Authenticate: Bearer realm=\"{realm}\"");
                with("401 Unauthorized", &wanted)
            })
        }),
    );
    let nowhere = Path::new("/nonexistent");
    let logins = Credentials {
        helm: nowhere.join("helm"),
        docker: nowhere.join("docker"),
    };
    let registry = Registry::new(&Http::default(), &Access::default(), true, &logins);
    let reference = |name: &str| Reference::parse(&format!("{}/{name}", server.address)).unwrap();
    let blob = Descriptor::of("x", b"y");
    let errors = [
        registry.upload(&reference("a:1"), &blob, b"y").unwrap_err(),
        registry.tags(&reference("a:1")).unwrap_err(),
        registry.tags(&reference("b:1")).unwrap_err(),
    ];
    for error in errors {
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let seen = server.saw("X-Signature=hunter2");
    assert_eq!(seen.iter().filter(|seen| **seen).count(), 2);
}

/// What a registry says is read as far as it may be long: manifests, errors and tokens in memory, blobs into files.
#[test]
fn no_answer_is_longer_than_it_may_be() {
    let blob = b"layer".repeat(3);
    let descriptor = Descriptor::of("x", &blob);
    let (digest, longer) = (
        descriptor.digest.clone(),
        Descriptor {
            size: 14,
            ..descriptor.clone()
        },
    );
    let text = String::from_utf8(blob.clone()).unwrap();
    let server = Server::start(
        None,
        Box::new(move |path| {
            Some(if path.ends_with(&digest) {
                ok(&text)
            } else if path.ends_with("/error") {
                let text = "x".repeat(1 << 20);
                format!(
                    "HTTP/1.1 500 Error\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                )
            } else {
                ok(&"x".repeat(5 << 20))
            })
        }),
    );
    let nowhere = Path::new("/nonexistent");
    let logins = Credentials {
        helm: nowhere.join("helm"),
        docker: nowhere.join("docker"),
    };
    let registry = Registry::new(&Http::default(), &Access::default(), true, &logins);
    let reference = Reference::parse(&format!("{}/a:1", server.address)).unwrap();
    let mut written = Vec::new();
    registry
        .download(&reference, &descriptor, &mut written)
        .unwrap();
    assert_eq!(written, blob);
    let error = registry.download(&reference, &longer, &mut Vec::new());
    let error = error.unwrap_err();
    assert!(matches!(error, Error::TooLarge { most: 14, .. }), "{error}");
    let other = Descriptor {
        digest: oci_registry::digest(b"other"),
        size: 6 << 20,
        ..descriptor
    };
    let error = registry.download(&reference, &other, &mut Vec::new());
    assert!(matches!(error, Err(Error::OtherDigest { .. })), "{error:?}");
    let error = registry.manifest(&reference, "large", &["x"], None);
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
    let error = registry.manifest(&reference, "error", &["x"], None);
    assert!(
        matches!(error, Err(Error::Answer { status: 500, .. })),
        "{error:?}"
    );
}
