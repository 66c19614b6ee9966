//! Repository tasks, one file each: `cargo xtask --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod cache;
mod charts;
mod ci;
mod clients;
mod cluster;
mod command;
mod conformance;
mod dist;
mod engines;
mod fuzz;
mod go_tools;
mod goldens;
mod image;
mod lock;
mod packages;
mod publishable;
mod python_sdk;
mod report;
mod survive;
mod test;
mod tidy;
mod tools;
mod wheels;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Repository tasks",
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All tests in one go, and one line for each part that this machine cannot do
    Test(test::Arguments),
    /// Everything that must hold before a change lands, but the tests
    Ci,
    /// The rules of this repository that a compiler does not check
    Tidy,
    /// Figures, always against a rival or a floor in the same run
    #[command(subcommand)]
    Bench(bench::Benchmark),
    /// A real multi-node Kubernetes in network namespaces of its own
    #[command(subcommand)]
    Cluster(cluster::Action),
    /// A real Docker and a real Podman of the tests' own
    #[command(subcommand)]
    Engines(engines::Action),
    /// Which calls and sessions are lost while something happens to what serves them
    Survive(Box<survive::Arguments>),
    /// Make the binary that releases and images are made of: small, fast and static
    Dist(dist::Arguments),
    /// Make OCI archives of mcpt and of the test servers, without a registry
    Image(image::Arguments),
    /// Compare our engine with the real Helm over folders of charts
    Charts(charts::Arguments),
    /// Run fuzz targets (all when none is named), from the inputs that were kept
    Fuzz(fuzz::Arguments),
    /// Write anew what the real Helm prints for the feature charts, or compare it
    Goldens(goldens::Arguments),
    /// Make pinned programs (all when none is named) and print their paths
    Tools(tools::Arguments),
    /// The official conformance suite of MCP, through the gateway and the bridge
    Conformance(conformance::Arguments),
    /// Clients that others wrote, at one address with servers that others wrote
    Clients(clients::Arguments),
    /// A client of the suite, through a gateway
    #[command(hide = true)]
    ConformanceClient(conformance::Through),
    /// Print the Debian packages that a task needs
    Packages(packages::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(arguments) => test::run(&arguments),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Bench(benchmark) => bench::run(&benchmark),
        Task::Cluster(action) => cluster::run(action),
        Task::Engines(action) => engines::run(action),
        Task::Survive(arguments) => survive::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Image(arguments) => image::run(&arguments),
        Task::Charts(arguments) => charts::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Goldens(arguments) => goldens::run(&arguments),
        Task::Tools(arguments) => tools::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::Clients(arguments) => clients::run(&arguments),
        Task::ConformanceClient(through) => conformance::run_client(&through),
        Task::Packages(arguments) => packages::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        report::progress(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
