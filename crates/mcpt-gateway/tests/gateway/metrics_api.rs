//! What autoscalers of a cluster are told of sessions.

use std::{fs, sync::Arc};

use mcpt_gateway::MetricsApi;
use mcpt_routing::Conditions;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    behind::{Authority, authority, signed},
    harness::{Tellable, demo, gateway_like},
};

/// A gateway with the API, known by an authority.
fn told_by(authority: &Authority) -> Tellable {
    let (certificate, key) = signed(authority, "gateway.example");
    let folder = tempfile::tempdir().unwrap();
    let [cert, key_file] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    fs::write(&cert, certificate.pem()).unwrap();
    fs::write(&key_file, key.serialize_pem()).unwrap();
    // The files are read at the start alone.
    gateway_like(|config| {
        config.metrics_api = Some(MetricsApi {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate: cert,
            key: key_file,
        });
    })
}

async fn get(gateway: &Tellable, authority: &Authority, path: &str) -> (u16, Value) {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(gateway.metrics_api.unwrap())
        .await
        .unwrap();
    let name = "gateway.example".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: gateway.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // It may end without a word of TLS.
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autoscalers_are_told_how_many_sessions_a_server_has() {
    let authority = authority();
    let gateway = told_by(&authority);
    let at = async |path: &str| {
        let path = format!("/apis/external.metrics.k8s.io/v1beta1{path}");
        get(&gateway, &authority, &path).await
    };
    // Before it knows its servers a number would be wrong.
    assert_eq!(at("").await.0, 503);
    gateway.endpoints(&[
        ("a", demo("a").await, Conditions::READY),
        ("b", demo("b").await, Conditions::READY),
    ]);
    gateway.shows("condition=\"ready\"} 2").await;
    for _ in 0..3 {
        gateway.open().await;
    }
    let (status, resources) = at("").await;
    assert_eq!(status, 200);
    assert_eq!(resources["resources"][0]["name"], "mcp_sessions");
    for (query, values) in [
        ("", json!(["3"])),
        ("?labelSelector=mcpt.io%2Fserver%3Ddemo", json!(["3"])),
        ("?labelSelector=mcpt.io%2Fserver%3Dother", json!([])),
    ] {
        let (status, list) = at(&format!("/namespaces/ns/mcp_sessions{query}")).await;
        assert_eq!(
            (status, &list["kind"]),
            (200, &json!("ExternalMetricValueList"))
        );
        let items = list["items"].as_array().unwrap().iter();
        let told: Vec<_> = items.map(|item| item["value"].clone()).collect();
        assert_eq!(json!(told), values, "{query}: {list}");
    }
    let (_, elsewhere) = at("/namespaces/other/mcp_sessions").await;
    assert_eq!(elsewhere["items"], json!([]));
    for (path, status) in [
        ("/namespaces/ns/mcp_sessions?labelSelector=a%3E1", 400),
        ("/namespaces/ns/mcp_calls", 404),
        ("/namespaces/ns", 404),
    ] {
        let (got, told) = at(path).await;
        assert_eq!((got, &told["kind"]), (status, &json!("Status")), "{path}");
    }
}
