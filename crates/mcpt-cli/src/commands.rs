//! The commands, one file each: arguments and what they do.

pub(crate) mod bridge;
pub(crate) mod call;
pub(crate) mod catalog;
pub(crate) mod chart;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod fill;
pub(crate) mod front;
pub(crate) mod gateway;
pub(crate) mod gc;
pub(crate) mod history;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod install;
pub(crate) mod install_package;
pub(crate) mod keep;
pub(crate) mod list;
mod listen;
pub(crate) mod logs;
pub(crate) mod outdated;
pub(crate) mod port_forward;
pub(crate) mod probe;
pub(crate) mod rbac;
pub(crate) mod registry;
pub(crate) mod remote;
pub(crate) mod restart;
pub(crate) mod rollback;
pub(crate) mod scale;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod supervise;
pub(crate) mod template;
pub(crate) mod test;
pub(crate) mod tools;
pub(crate) mod top;
pub(crate) mod values;
mod version;

use mcpt_catalog::Catalog;

use crate::{
    args::{Command, Global},
    ending::Ending,
    log,
    user_config::UserConfig,
};

/// Runs a command to its end.
pub(crate) fn run(command: Command, global: &Global) -> Result<(), Ending> {
    if !matches!(
        command,
        Command::Bridge(_)
            | Command::Demo(_)
            | Command::Front(_)
            | Command::Remote(_)
            | Command::Gateway(_)
    ) {
        log::start_for_command(global.verbose);
    }
    match command {
        Command::Deploy(deploy) => deploy.run(global),
        Command::List(list) => list.run(global),
        Command::Outdated(outdated) => outdated.run(global),
        Command::Status(status) => status.run(global),
        Command::Scale(scale) => scale.run(global),
        Command::History(history) => history.run(global),
        Command::Diff(diff) => diff.run(global),
        Command::Values(values) => values.run(global),
        Command::Test(test) => test.run(global),
        Command::Top(top) => top.run(global),
        Command::PortForward(forward) => forward.run(global),
        Command::Exec(exec) => exec.run(global),
        Command::Rollback(rollback) => rollback.run(global),
        Command::Move(moving) => moving.run(global),
        Command::Restart(restart) => restart.run(global),
        Command::Logs(logs) => logs.run(global),
        Command::Events(events) => events.run(global),
        Command::Delete(delete) => delete.run(global),
        Command::Gc(gc) => gc.run(global),
        Command::Tools(tools) => tools.run(global),
        Command::Call(call) => call.run(global),
        Command::Rbac(rbac) => rbac.run(global),
        Command::Search(search) => search.run(global),
        Command::Catalog(catalog) => catalog.run(global),
        Command::Template(template) => template.run(global),
        Command::Registry(registry) => registry.run(global),
        Command::Image(image) => image.run(global),
        Command::Import(import) => import.run(global),
        Command::Chart(chart) => chart.run(global),
        Command::Bridge(bridge) => bridge.run(global),
        Command::Gateway(gateway) => gateway.run(global),
        Command::Completion(completion) => completion.run(global),
        Command::Version => version::run(global),
        Command::Demo(demo) => demo.run(global),
        Command::Front(front) => front.run(global),
        Command::Remote(remote) => remote.run(global),
        Command::Probe(probe) => probe.run(),
        Command::Supervise(supervise) => supervise.run(),
        Command::Keep(keep) => keep.run().map(drop),
        Command::Fill(fill) => fill.run().map(drop),
        Command::Install(install) => install.run(),
        Command::InstallPackage(install) => install.run(global),
    }
}

/// The built-in templates and those of the user's folders.
fn templates(config: &UserConfig) -> Catalog {
    Catalog::new(config.templates.iter().cloned())
}
