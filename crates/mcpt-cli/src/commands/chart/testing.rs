//! `mcpt chart test RELEASE`: runs the tests of a release.

use std::time::Duration;

use clap::Args;
use helm_install::action::{ActionError, Chosen, Conduct};

use super::{
    failed, is_release_name,
    printed::{self, Extra},
    session::{Teller, connect, refused},
};
use crate::{args::Global, duration, ending::Ending, output, runtime};

/// Arguments of `mcpt chart test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The release
    release: String,
    /// Print the logs of the tests' pods
    #[arg(long)]
    logs: bool,
    /// Only these tests, as name=test; with ! before it, all but these (several, also with commas between)
    #[arg(long, value_name = "TESTS", value_delimiter = ',')]
    filter: Vec<String>,
    /// How long each test may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Test {
    /// Runs them.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        if !is_release_name(&self.release) {
            let what = format!("releaseTest: Release name is invalid: {}", self.release);
            return Err(failed(what).into());
        }
        let conduct = Conduct {
            timeout: self.timeout,
            ..Conduct::default()
        };
        let chosen = self.chosen();
        let teller = Teller::new(global);
        runtime::run(async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let tested = Box::pin(action.test(&chosen)).await;
            let tested = tested.map_err(|error| refused(&error))?;
            let told = async {
                let extra = Extra {
                    hide_notes: true,
                    ..Extra::default()
                };
                printed::release(global, &tested.release, extra)?;
                if !self.logs {
                    return Ok(Vec::new());
                }
                let (text, errors) = action.logs_of_tests(&tested).await;
                output::text(&format!("\n{text}"))?;
                Ok(errors)
            };
            let told: Result<Vec<ActionError>, Ending> = told.await;
            // What the tests leave is tidied up, whatever became of telling about them.
            let tidied = action.tidy_tests(&tested).await;
            let unread = told?;
            let mut errors: Vec<String> = Vec::new();
            errors.extend(tested.outcome.err().map(|error| error.to_string()));
            errors.extend(unread.iter().map(ToString::to_string));
            if errors.is_empty() {
                errors.extend(tidied.err().map(|error| error.to_string()));
            }
            if errors.is_empty() {
                Ok(())
            } else {
                Err(failed(errors.join("\n")).into())
            }
        })
    }

    fn chosen(&self) -> Chosen {
        let mut chosen = Chosen::default();
        for filter in &self.filter {
            if let Some(name) = filter.strip_prefix("name=") {
                chosen.only.push(name.to_owned());
            } else if let Some(rest) = filter.strip_prefix('!') {
                let rest = rest.strip_prefix(' ').unwrap_or(rest);
                let name = rest.strip_prefix("name=");
                chosen.except.extend(name.map(str::to_owned));
            }
        }
        chosen
    }
}
