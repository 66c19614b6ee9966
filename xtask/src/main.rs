//! Repository tasks, one file each: `cargo xtask --help`.

use clap::{Parser, Subcommand};

mod cache;
mod cluster;
mod command;
mod go_tools;
mod image;
mod lock;
mod packages;
mod report;

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
    /// A real multi-node Kubernetes in network namespaces of its own
    #[command(subcommand)]
    Cluster(cluster::Action),
    /// Make OCI archives of mcpt and of the test servers, without a registry
    Image(image::Arguments),
    /// Build pinned Go tools (all when none is named) and print their paths
    Tools(go_tools::Arguments),
    /// Print the Debian packages that a task needs
    Packages(packages::Arguments),
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    match Arguments::parse().task {
        Task::Cluster(action) => cluster::run(action),
        Task::Image(arguments) => image::run(&arguments),
        Task::Tools(arguments) => go_tools::run(&arguments),
        Task::Packages(arguments) => packages::run(&arguments),
    }
}
