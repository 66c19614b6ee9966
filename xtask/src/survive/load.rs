//! All clients together: so many calls a second, until they are stopped.

use std::{
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{sync::watch, task::JoinSet};

use super::{
    client::{Call, Client, Manner, Schedule},
    exchange::Target,
    mcp::{self, Way},
};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Amount {
    /// Sessions, over all URLs
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(crate) sessions: usize,
    /// Clients without sessions (2026-07-28), over all URLs; every second one makes a new connection for each call
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) stateless: usize,
    /// Calls of all clients together; half of them without sessions
    #[arg(long, default_value_t = 50.0, value_name = "N", value_parser = positive)]
    pub(crate) calls_per_second: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("not a number above 0".to_owned()),
    }
}

/// Clients in a thread of their own, until they are stopped.
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    calls: mpsc::Receiver<Call>,
}

/// Asks each endpoint for its tools.
pub(crate) fn ways(targets: &[Target], counter: &str, echo: &str) -> anyhow::Result<Vec<Arc<Way>>> {
    runtime()?.block_on(async {
        let mut ways = Vec::with_capacity(targets.len());
        for target in targets {
            let tools = mcp::tools(target, counter, echo).await?;
            let target = target.clone();
            ways.push(Arc::new(Way { target, tools }));
        }
        Ok(ways)
    })
}

impl Load {
    /// Lets clients of these endpoints begin.
    pub(crate) fn start(ways: &[Arc<Way>], amount: &Amount) -> anyhow::Result<Self> {
        crate::bench::allow_many_files()?;
        let (stop, stopped) = watch::channel(false);
        let (ledger, calls) = mpsc::channel();
        let clients = clients(ways, amount, &ledger);
        let runtime = runtime()?;
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for (client, schedule) in clients {
                    tasks.spawn(client.run(schedule, stopped.clone()));
                }
                tasks.join_all().await;
            });
        });
        Ok(Self {
            stop,
            thread,
            calls,
        })
    }

    /// Lets the clients finish their last calls, and gives what became of all.
    pub(crate) fn finish(self) -> anyhow::Result<Vec<Call>> {
        self.stop.send_replace(true);
        let ended = self.thread.join();
        ended.ok().context("a client failed")?;
        Ok(self.calls.into_iter().collect())
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().context("a runtime")
}

/// The clients with their times: each kind calls half of all, its clients one after the other.
fn clients(
    ways: &[Arc<Way>],
    amount: &Amount,
    ledger: &mpsc::Sender<Call>,
) -> Vec<(Client, Schedule)> {
    let begin = Instant::now();
    let kinds = usize::from(amount.sessions > 0) + usize::from(amount.stateless > 0);
    let between = Duration::from_secs_f64(kinds as f64 / amount.calls_per_second);
    let schedule = |number: usize, of: usize| Schedule {
        first: begin + between * number as u32,
        pause: between * of as u32,
    };
    let way = |number: usize| Arc::clone(&ways[number % ways.len()]);
    let run = std::process::id();
    let with_sessions = (0..amount.sessions).map(|number| {
        let name = format!("{run}-s{number}");
        let client = Client::new(name, way(number), Manner::Session, ledger.clone());
        (client, schedule(number, amount.sessions))
    });
    let stateless = (0..amount.stateless).map(|number| {
        let name = format!("{run}-e{number}");
        // Both manners at every endpoint.
        let manner = [Manner::Kept, Manner::Fresh][number / ways.len() % 2];
        let client = Client::new(name, way(number), manner, ledger.clone());
        (client, schedule(number, amount.stateless))
    });
    with_sessions.chain(stateless).collect()
}
