//! Where the gateway tells about itself, and where it does not.

use crate::{harness::gateway, wire::Wire};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_see_no_more_than_how_it_is() {
    let gateway = gateway();
    gateway.endpoints(&[]);
    gateway.shows("condition=\"ready\"} 0").await;
    for (path, clients, admin) in [
        ("/healthz", 200, 200),
        ("/readyz", 200, 200),
        ("/metrics", 404, 200),
        ("/api/v1/servers", 404, 200),
        ("/api/v1/endpoints", 404, 200),
        ("/api/v1/session", 404, 400),
        ("/api/v1/sessions", 404, 200),
        ("/api/v1/rounds/0123456789abcdef0123456789abcdef", 404, 200),
        ("/api/v1/rounds/0123", 404, 404),
        ("/mcp/demo", 503, 404),
    ] {
        let told = gateway.exchange("GET", path, &[], "").await;
        assert_eq!(told.status, clients, "{path}: {told:?}");
        let mut wire = Wire::open(gateway.admin).await.unwrap();
        let told = wire.exchange("GET", path, &[], "").await.unwrap();
        assert_eq!(told.status, admin, "{path}: {told:?}");
    }
    for (headers, status) in [
        (("Origin", "https://evil.example.com"), 403),
        (("Origin", "http://localhost:1"), 200),
    ] {
        let mut wire = Wire::open(gateway.admin).await.unwrap();
        let told = wire
            .exchange("GET", "/metrics", &[headers], "")
            .await
            .unwrap();
        assert_eq!(told.status, status, "{headers:?}: {told:?}");
    }
    let mut wire = Wire::open(gateway.admin).await.unwrap();
    assert_eq!(
        wire.exchange("POST", "/metrics", &[], "")
            .await
            .unwrap()
            .status,
        405
    );
}
