//! How helm tells of a release: after an installation or an upgrade, and as its status.

use std::fmt::Write as _;

use helm_install::action::{Rendering, hidden_secrets};
use helm_release::{HookEvent, Release};

use super::releases::{for_people, go_json, last_deployed, time};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// What is printed besides the release itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extra<'a> {
    /// Leaves the notes out.
    pub(super) hide_notes: bool,
    /// The objects as they are shown, with the hooks, when nothing was made.
    pub(super) manifest: Option<&'a str>,
    /// A line before it all, for people.
    pub(super) before: &'a str,
    /// The live objects as tables, for people.
    pub(super) resources: &'a str,
}

/// Prints a release.
pub(super) fn release(global: &Global, release: &Release, extra: Extra<'_>) -> Result<(), Ending> {
    match global.output {
        Format::Json => go_json(release),
        Format::Yaml => output::yaml(release),
        Format::Name => output::line(&release.name),
        Format::Table | Format::Wide => output::text(&text(release, extra)),
    }
}

fn text(release: &Release, extra: Extra<'_>) -> String {
    let mut all = format!("{}NAME: {}\n", extra.before, release.name);
    if let Some(time) = last_deployed(release) {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "LAST DEPLOYED: {}", for_people(Some(&time)));
    }
    let _ = write!(
        all,
        "NAMESPACE: {}\nSTATUS: {}\nREVISION: {}\nDESCRIPTION: {}\n",
        release.namespace, release.info.status, release.version, release.info.description
    );
    all.push_str(extra.resources);
    all.push_str(&tests(release));
    if let Some(manifest) = extra.manifest {
        let _ = write!(all, "HOOKS:\n{}MANIFEST:\n{manifest}\n", hooks(release));
    }
    if !extra.hide_notes && !release.info.notes.is_empty() {
        let _ = write!(all, "NOTES:\n{}\n", release.info.notes.trim());
    }
    all
}

/// The hooks as helm prints them.
pub(super) fn hooks(release: &Release) -> String {
    release.hooks.iter().fold(String::new(), |mut all, hook| {
        // Writing to a string cannot fail.
        let _ = write!(all, "---\n# Source: {}\n{}\n", hook.path, hook.manifest);
        all
    })
}

/// How the tests ended last.
pub(super) fn tests(release: &Release) -> String {
    let tests = release
        .hooks
        .iter()
        .filter(|hook| hook.events.contains(&HookEvent::Test));
    let mut all = String::new();
    let mut has_tests = false;
    for hook in tests {
        has_tests = true;
        let at = |text: &Option<String>| text.as_deref().and_then(time);
        let run = &hook.last_run;
        // What never ran has no times.
        let Some(started) = at(&run.started_at) else {
            continue;
        };
        let phase = serde_json::to_value(run.phase).unwrap_or_default();
        let _ = write!(
            all,
            "TEST SUITE:     {}\nLast Started:   {}\nLast Completed: {}\nPhase:          {}\n",
            hook.name,
            for_people(Some(&started)),
            for_people(at(&run.completed_at).as_ref()),
            phase.as_str().unwrap_or_default()
        );
    }
    if has_tests {
        all
    } else {
        "TEST SUITE: None\n".to_owned()
    }
}

/// The objects of a rendering as they are shown.
pub(super) fn manifest(rendering: &Rendering, hide_secrets: bool) -> String {
    if hide_secrets {
        hidden_secrets(&rendering.manifests)
    } else {
        rendering.manifest.clone()
    }
}
