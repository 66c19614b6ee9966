//! What a container starts: the program of a plan or of its image, behind a bridge and what fills in arguments.

use mcpt_core::{Arg, Plan, Transport, before_server, reference};

use super::{BRIDGE_FOLDER, BRIDGE_PORT};
use crate::{image::Facts, own_image};

/// Program with its leading words, and arguments. `own` is whether the image says which program. Where arguments refer to variables
/// all words do, but the program. Where an image says none, that is the first argument, as an engine takes it; then no secret may be
/// in it.
pub(super) fn words(plan: &Plan, facts: &Facts, own: bool) -> (Vec<String>, Vec<String>) {
    let folder = |index: usize| {
        let mount = plan.mounts.get(index);
        mount.map_or_else(String::new, |mount| mount.container.clone())
    };
    if plan.has_secret_arguments() {
        let stdio = plan.transport == Transport::Stdio;
        let mut command = if own {
            facts.program(stdio)
        } else {
            plan.container_command.clone()
        };
        for word in command.iter_mut().skip(1) {
            *word = reference(word);
        }
        let mut args = plan.args.as_slice();
        if own && command.is_empty() {
            match args.split_first() {
                Some((Arg::Text(program), rest)) => {
                    command.push(program.clone());
                    args = rest;
                }
                Some((Arg::Mount(index), rest)) => {
                    command.push(folder(*index));
                    args = rest;
                }
                Some((Arg::Secret(_), _)) | None => {}
            }
        }
        let args = args.iter().map(|arg| arg.reference(folder));
        return (command, args.collect());
    }
    let args = plan.args.iter().map(|arg| match arg {
        Arg::Text(text) => text.clone(),
        Arg::Mount(index) => folder(*index),
        Arg::Secret(_) => arg.reference(folder),
    });
    if own {
        (facts.words(args.collect()), Vec::new())
    } else {
        (plan.container_command.clone(), args.collect())
    }
}

/// The binary in a container.
pub(super) fn binary() -> String {
    format!("/{BRIDGE_FOLDER}{}", own_image::PROGRAM)
}

pub(super) fn entrypoint(plan: &Plan, command: Vec<String>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    if plan.transport == Transport::Stdio {
        words.push(binary());
        let listen = format!("0.0.0.0:{BRIDGE_PORT}");
        words.extend(before_server::bridge(&listen).map(str::to_owned));
    }
    if plan.has_secret_arguments() {
        words.push(binary());
        words.extend(before_server::FILL.map(str::to_owned));
    }
    words.extend(command);
    (!words.is_empty()).then_some(words)
}
