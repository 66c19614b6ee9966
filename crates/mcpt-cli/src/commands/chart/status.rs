//! `mcpt chart status RELEASE`: how a release is.

use clap::Args;

use helm_install::action::Conduct;
use serde_json::json;

use super::{
    printed::{self, Extra},
    releases::revision,
    resources,
    session::{Teller, connect, refused},
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    runtime,
};

/// Arguments of `mcpt chart status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The release
    release: String,
    /// Which revision [default: the last]
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    revision: u32,
}

impl Status {
    /// Prints it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let mut release = revision(global, &self.release, self.revision)?.release;
        // As helm.
        release.chart = None;
        let tables = matches!(global.output, Format::Table | Format::Wide);
        let (conduct, teller) = (Conduct::default(), Teller::new(global));
        let live = runtime::run(async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let live = action.resources(&release, tables).await;
            live.map_err(|error| refused(&error))
        })?;
        let text = resources::text(&live);
        if !tables && !live.is_empty() {
            let other = &mut release.info.other;
            other.insert("resources".to_owned(), json!(live));
        }
        let extra = Extra {
            resources: &text,
            ..Extra::default()
        };
        printed::release(global, &release, extra)
    }
}
