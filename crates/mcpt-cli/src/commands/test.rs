//! `mcpt test NAME`: speaks MCP to a server over the way that `call` takes, and tells each step.

use std::time::{Duration, Instant};

use clap::Args;
use mcpt_client::{ClientError, Offer};
use mcpt_core::{Failure, ServerName};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, runtime,
    speak::Speaker,
    table::{Table, terminal_width},
    user_config::UserConfig,
};

/// Arguments of `mcpt test`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is asked changes nothing: the hand-shake, the lists of what the server says that it offers, and a ping (in protocol \
        2026-07-28 server/discover). No tool is called. It ends with 1 when the server answers a step wrongly, and with 4 or 6 when it does not answer.

Examples:
  mcpt test demo
  mcpt -b kubernetes test demo -o json"
)]
pub(crate) struct Test {
    /// Name of the server
    name: ServerName,
    /// How long to wait for each answer
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    timeout: Duration,
}

/// One step. Its JSON is a contract of `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    /// The method that was called; `connect` for the hand-shake.
    #[serde(rename = "step")]
    asked: &'static str,
    passed: bool,
    milliseconds: u64,
    /// What came of it, in words.
    detail: String,
}

impl Test {
    /// Tests it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let (steps, failure) = runtime::run(async {
            let began = Instant::now();
            let speaker = Speaker::reach(global, &config, &self.name, self.timeout).await?;
            let identity = speaker.client.server();
            let software = [identity.name, identity.version];
            let software: Vec<String> = software.into_iter().flatten().collect();
            let mut steps = vec![Step {
                asked: "connect",
                passed: true,
                milliseconds: milliseconds(began),
                detail: format!(
                    "protocol {}, {}",
                    identity.protocol_version,
                    software.join(" ")
                ),
            }];
            let failure = self.ask(&speaker, &mut steps).await;
            speaker.client.close().await;
            Ok((steps, failure))
        })?;
        match global.output {
            Format::Json => output::json(&steps)?,
            Format::Yaml => output::yaml(&steps)?,
            Format::Name => output::lines(steps.iter().map(|step| step.asked))?,
            Format::Table => output::text(&table(&steps).text(terminal_width()))?,
            Format::Wide => output::text(&table(&steps).text(None))?,
        }
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Takes the steps one after the other; gives the first failure.
    async fn ask(&self, speaker: &Speaker, steps: &mut Vec<Step>) -> Option<Failure> {
        let client = &speaker.client;
        let mut failure = None;
        for offer in [Offer::Tools, Offer::Prompts, Offer::Resources] {
            if !client.offers(offer) {
                continue;
            }
            let began = Instant::now();
            let listed = client.list(offer, self.timeout).await;
            let listed = listed.map(|entries| format!("{} of them", entries.len()));
            self.note(steps, &mut failure, offer.method(), began, listed);
        }
        let began = Instant::now();
        let answered = client.ping(self.timeout).await;
        let method = answered.as_ref().map_or("ping", |method| *method);
        let answered = answered.map(|_| "it answers".to_owned());
        self.note(steps, &mut failure, method, began, answered);
        failure
    }

    fn note(
        &self,
        steps: &mut Vec<Step>,
        failure: &mut Option<Failure>,
        step: &'static str,
        began: Instant,
        outcome: Result<String, ClientError>,
    ) {
        let milliseconds = milliseconds(began);
        let passed = outcome.is_ok();
        let detail = outcome.unwrap_or_else(|error| {
            let detail = error.to_string();
            failure.get_or_insert_with(|| {
                error.into_failure(format!("{} does not answer {step} as it should", self.name))
            });
            detail
        });
        steps.push(Step {
            asked: step,
            passed,
            milliseconds,
            detail,
        });
    }
}

fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn table(steps: &[Step]) -> Table {
    let mut table = Table::new(&["STEP", "PASSED", "TIME", "DETAIL"]);
    for step in steps {
        table.row([
            step.asked.to_owned(),
            if step.passed { "yes" } else { "no" }.to_owned(),
            format!("{}ms", step.milliseconds),
            step.detail.clone(),
        ]);
    }
    table
}
