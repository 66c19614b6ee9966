//! What clap has to say: help and version on standard output, faults as every other failure.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::error::ErrorKind;
use mcpt_core::{Failure, FailureKind};

use crate::{args::Format, output, report};

/// Says it and gives the exit code of the process.
pub(crate) fn exit(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe leaves nobody to tell.
            drop(error.print());
            ExitCode::SUCCESS
        }
        // `mcpt`, `mcpt template`: a question, not a fault.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let help = error.render();
            let styled = io::stdout().is_terminal()
                && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            let help = if styled {
                help.ansi().to_string()
            } else {
                help.to_string()
            };
            report::exit(output::exact(&help), Format::Table)
        }
        _ if wants_json(env::args_os()) => report::exit(
            Err(failure(&error.render().to_string()).into()),
            Format::Json,
        ),
        _ => {
            drop(error.print());
            ExitCode::from(2)
        }
    }
}

/// Whether a command line that cannot be understood asks for JSON.
fn wants_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let mut arguments = arguments.into_iter().take_while(|word| word != "--");
    let mut json = false;
    while let Some(word) = arguments.next() {
        let format = match word.to_str() {
            Some("-o" | "--output") => arguments.next(),
            Some(word) => word
                .strip_prefix("--output=")
                .or_else(|| word.strip_prefix("-o="))
                .or_else(|| word.strip_prefix("-o"))
                .map(OsString::from),
            None => None,
        };
        if let Some(format) = format {
            json = format == OsStr::new("json");
        }
    }
    json
}

/// What clap prints, in the parts of a failure: its message, the lines below it, its tips. The usage, which follows, is
/// for people.
fn failure(text: &str) -> Failure {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let told = text.split("\nUsage: ").next().unwrap_or(text);
    let told = told.split("\nFor more information").next().unwrap_or(told);
    let mut lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or_default().trim_end_matches(':');
    let mut failure = Failure::new(FailureKind::Usage, what);
    let mut tips = Vec::new();
    for line in lines {
        match line.strip_prefix("tip: ") {
            Some(tip) => tips.push(tip),
            None => failure.why.push(line.to_owned()),
        }
    }
    failure.hint = Some(tips.join("; ")).filter(|tips| !tips.is_empty());
    failure
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn failure_of(arguments: &[&str]) -> Failure {
        let error = Cli::try_parse_from(arguments).unwrap_err();
        failure(&error.render().to_string())
    }

    #[test]
    fn faults_in_parts() {
        let missing = failure_of(&["mcpt", "call"]);
        assert_eq!(missing.kind, FailureKind::Usage);
        assert_eq!(
            missing.what,
            "the following required arguments were not provided"
        );
        assert_eq!(missing.why, ["<NAME>", "<TOOL>"]);
        assert_eq!(missing.hint, None);

        let unknown = failure_of(&["mcpt", "deploy", "demo", "--replica", "2"]);
        assert_eq!(unknown.what, "unexpected argument '--replica' found");
        assert!(
            unknown.hint.as_ref().unwrap().contains("--replicas"),
            "{unknown:?}"
        );

        let invalid = failure_of(&["mcpt", "list", "-o", "mainframe"]);
        assert!(invalid.what.contains("mainframe"), "{invalid:?}");
    }

    #[test]
    fn the_form_of_the_report() {
        for (words, expected) in [
            (&["mcpt", "-o", "json", "x"][..], true),
            (&["mcpt", "x", "-ojson"], true),
            (&["mcpt", "-o=json"], true),
            (&["mcpt", "--output", "json"], true),
            (&["mcpt", "--output=json"], true),
            (&["mcpt", "-o", "json", "-o", "yaml"], false),
            (&["mcpt", "-o"], false),
            (&["mcpt", "bridge", "--", "-o", "json"], false),
            (&["mcpt"], false),
        ] {
            assert_eq!(
                wants_json(words.iter().map(OsString::from)),
                expected,
                "{words:?}"
            );
        }
    }
}
