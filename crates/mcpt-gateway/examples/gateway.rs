//! The gateway as a program of its own, without the rest of mcpt: `gateway ADDRESS NAME=URL…`, until Ctrl-C.

use mcpt_core::Namespace;
use mcpt_gateway::{Gateway, GatewayConfig, StaticServer, StaticServers};
use mcpt_routing::SessionKeys;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned())
        .parse()?;
    let servers = arguments
        .map(|text| text.parse())
        .collect::<Result<Vec<StaticServer>, _>>()?;
    let namespace = Namespace::new("mcp-servers")?;
    let mut config = GatewayConfig::new(listen, namespace.clone(), SessionKeys::random()?);
    config
        .sources
        .push(Box::new(StaticServers::new(&servers, &namespace)));
    let gateway = Gateway::bind(config)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(gateway.serve(async {
            // Without a signal handler Ctrl-C ends the process by itself.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }))?;
    Ok(())
}
