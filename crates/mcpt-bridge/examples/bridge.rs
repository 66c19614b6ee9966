//! The bridge as a program of its own, for the tests: `bridge COMMAND…` listens on a free port of loopback, which its log
//! on standard output names, and drains at SIGTERM.

use std::env;

use mcpt_bridge::BridgeConfig;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stdout)
        .with_ansi(false)
        .init();
    let listen = "127.0.0.1:0".parse()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let config = BridgeConfig::new(listen, env::args_os().skip(1).collect());
    mcpt_bridge::run(config, async move {
        terminate.recv().await;
    })
    .await?;
    Ok(())
}
