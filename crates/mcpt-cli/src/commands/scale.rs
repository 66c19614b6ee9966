//! `mcpt scale NAME`: how many instances run, by number or by load.

use clap::{Args, value_parser};
use mcpt_core::{Autoscaling, Capability, Failure, FailureKind, Scale as To, ServerName};

use crate::{
    args::Global, changed, ending::Ending, place, progress, runtime, user_config::UserConfig,
    waiting::Changing,
};

/// Arguments of `mcpt scale`.
#[derive(Debug, Args)]
#[command(
    after_help = "Later deploys keep what was said here, unless they name a number themselves.

Examples:
  mcpt -b kubernetes scale demo --replicas 3
  mcpt -b kubernetes scale demo --min 1 --max 5 --cpu 70
  mcpt -b kubernetes scale demo --min 2 --max 10 --sessions 50
  mcpt -b kubernetes scale demo --replicas 0"
)]
pub(crate) struct Scale {
    /// Name of the server
    name: ServerName,
    /// Number of instances; ends autoscaling. 0 stops the server and keeps everything else
    #[arg(
        long,
        value_name = "N",
        required_unless_present_any = ["min", "max"],
        conflicts_with_all = ["min", "max", "cpu", "sessions"]
    )]
    replicas: Option<u32>,
    /// Least number of instances, when it follows the load
    #[arg(long, value_name = "N", requires = "max", value_parser = value_parser!(u32).range(1..))]
    min: Option<u32>,
    /// Greatest number of instances
    #[arg(long, value_name = "N", requires = "min", value_parser = value_parser!(u32).range(1..))]
    max: Option<u32>,
    /// Average CPU use to aim at, in percent of what an instance requests [default: as it is, else 80]
    #[arg(long, value_name = "PERCENT", requires = "max", value_parser = value_parser!(u32).range(1..))]
    cpu: Option<u32>,
    /// Sessions of an instance to aim at; the gateway counts them, if it was installed with --metrics-api [default: as it is]
    #[arg(long, value_name = "N", requires = "max", value_parser = value_parser!(u32).range(1..))]
    sessions: Option<u32>,
    #[command(flatten)]
    changing: Changing,
}

impl Scale {
    /// Scales.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let scale = self.scale()?;
        let server = runtime::run(async {
            let progress = progress::display(global);
            let what = format!("cannot scale {}", self.name);
            let needed = match scale {
                To::To(_) => Capability::Instances,
                To::Auto(_) => Capability::Autoscaling,
            };
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let options = self.changing.options();
            Ok(backend
                .scale(&self.name, &scale, &options, progress.as_ref())
                .await?)
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        changed::show(global, &server)
    }

    fn scale(&self) -> Result<To, Failure> {
        let wrong = |why: String| {
            Failure::new(FailureKind::Usage, format!("cannot scale {}", self.name)).because(why)
        };
        match (self.replicas, self.min, self.max) {
            (Some(number), ..) => Ok(To::To(number)),
            (None, Some(min), Some(max)) if min > max => {
                Err(wrong(format!("--min {min} is greater than --max {max}")))
            }
            (None, Some(min), Some(max)) => Ok(To::Auto(Autoscaling {
                min,
                max,
                cpu: self.cpu,
                sessions: self.sessions,
            })),
            _ => Err(wrong("neither --replicas nor --min and --max".to_owned())),
        }
    }
}
