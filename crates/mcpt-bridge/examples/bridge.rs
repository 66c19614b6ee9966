//! The bridge as a program of its own: `bridge ADDRESS COMMAND…`, until SIGTERM.

use std::{env, ffi::OsString};

use mcpt_bridge::BridgeConfig;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = env::args_os().skip(1);
    let listen = arguments
        .next()
        .and_then(|a| a.into_string().ok())
        .ok_or("ADDRESS COMMAND…")?
        .parse()?;
    let command: Vec<OsString> = arguments.collect();
    let mut terminate = signal(SignalKind::terminate())?;
    mcpt_bridge::run(BridgeConfig::new(listen, command), async move {
        terminate.recv().await;
    })
    .await?;
    Ok(())
}
