//! The demo server as a program of its own: `demo ADDRESS`, until Ctrl-C.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned())
        .parse()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(mcpt_demo::run(listen, async {
            let _ = tokio::signal::ctrl_c().await;
        }))?;
    Ok(())
}
