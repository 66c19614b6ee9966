//! The bridge as a program of its own, for the tests: `bridge COMMAND…` listens on a free port of loopback, which its log
//! on standard output names, and drains at SIGTERM. `bridge keep …` is its keeper.

use std::{env, error::Error, ffi::OsString, process::ExitCode};

use mcpt_bridge::BridgeConfig;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    if let Some((first, told)) = words.split_first()
        && first == "keep"
    {
        return Ok(process_tree::keep(
            &["/proc/self/exe", "keep"].map(Into::into),
            told,
        )?);
    }
    serve(words)?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn serve(command: Vec<OsString>) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stdout)
        .with_ansi(false)
        .init();
    let listen = "127.0.0.1:0".parse()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut config = BridgeConfig::new(listen, command);
    config.keeper = vec![env::current_exe()?.into(), "keep".into()];
    mcpt_bridge::run(config, async move {
        terminate.recv().await;
    })
    .await?;
    Ok(())
}
