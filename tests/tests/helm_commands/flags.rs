//! The guide's table of flags is true, and lacks none that the real helm's help has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use mcpt_tests::beside_helm::{helm, mcpt};

/// A flag of helm's.
#[derive(Debug)]
struct Flag {
    short: Option<String>,
    long: String,
    /// What its value is, if it needs one.
    value: Option<String>,
}

impl Flag {
    /// It with a value, if it needs one.
    fn used(&self) -> String {
        let long = &self.long;
        let Some(kind) = &self.value else {
            return long.clone();
        };
        let value = match (long.as_str(), kind.as_str()) {
            ("--cascade", _) => "orphan",
            ("--server-side", _) => "true",
            (_, "duration") => "1s",
            (_, "int" | "uint" | "float32") => "1",
            (_, "format") => "json",
            (_, "stringToString") => "a=b",
            _ => "x",
        };
        format!("{long}={value}")
    }
}

/// What the help of one of helm's commands says.
#[derive(Debug, Default)]
struct Help {
    commands: Vec<String>,
    flags: Vec<Flag>,
}

fn help(command: &str, folder: &Path) -> Help {
    let arguments: Vec<&str> = command.split(' ').filter(|word| !word.is_empty()).collect();
    let output = helm(&[&arguments[..], &["--help"]].concat(), folder);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut help = Help::default();
    let mut section = "";
    for line in text.lines() {
        if !line.starts_with(' ') {
            section = line;
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match (section, words.as_slice()) {
            ("Available Commands:", [name, ..]) => help.commands.push((*name).to_owned()),
            ("Flags:", words) => help.flags.extend(flag(line, words)),
            _ => {}
        }
    }
    help
}

/// `  -s, --long type   what it does`; a value that may be left out stands in brackets.
fn flag(line: &str, words: &[&str]) -> Option<Flag> {
    let at = words.iter().position(|word| word.starts_with("--"))?;
    let short = (at == 1).then(|| words[0].trim_end_matches(',').to_owned());
    let after = line.split_once(words[at])?.1;
    let kind = after.split("  ").next().unwrap_or_default().trim();
    let needs_value = !kind.is_empty() && !kind.contains('[');
    let long = words[at];
    (long != "--help").then(|| Flag {
        short,
        long: long.to_owned(),
        value: needs_value.then(|| kind.to_owned()),
    })
}

/// The flags that the guide says are not taken, by command; a command that is not there has none.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/charts.md");
    let text = fs::read_to_string(path).unwrap();
    let quoted = |cell: &str| -> Vec<String> {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "a row of three cells: {line}");
        let (commands, not) = (cells[1], cells[2]);
        let lacks = (not != "the command").then(|| quoted(not).into_iter().collect());
        let commands = if commands == "every command" {
            vec![String::new()]
        } else {
            quoted(commands)
        };
        all.extend(commands.into_iter().map(|command| (command, lacks.clone())));
    }
    all
}

/// Whether `mcpt chart` takes these flags with a command.
fn takes(command: &str, flags: &[String], folder: &Path) -> Result<(), String> {
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.extend(flags.iter().map(String::as_str));
    arguments.push("--help");
    let output = mcpt(&arguments, folder);
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn check(command: &str, flags: &[Flag], lacks: &BTreeSet<String>, folder: &Path) {
    // Those of every command are looked at where all of them mean something.
    let of = if command.is_empty() {
        "template"
    } else {
        command
    };
    let names: BTreeSet<&String> = flags.iter().map(|flag| &flag.long).collect();
    for lacking in lacks {
        assert!(names.contains(lacking), "{command}: helm has no {lacking}");
    }
    let (lacking, taken): (Vec<&Flag>, Vec<&Flag>) =
        flags.iter().partition(|flag| lacks.contains(&flag.long));
    // Another name of one of them, which may be said once here.
    let long = taken.iter().filter(|flag| flag.long != "--colour");
    let long: Vec<String> = long.map(|flag| flag.used()).collect();
    // With a value a letter takes what follows.
    let letters = taken.iter().filter(|flag| flag.value.is_none());
    let letters: Vec<String> = letters.filter_map(|flag| flag.short.clone()).collect();
    for all in [long, letters] {
        let taken = takes(of, &all, folder);
        let said = taken.err().unwrap_or_default();
        assert_eq!(said, "", "{command}: the guide says that this is taken");
    }
    for flag in lacking {
        let said = takes(of, &[flag.used()], folder).unwrap_err();
        assert!(said.contains("unexpected argument"), "{command}: {said}");
    }
}

#[test]
fn the_guide_says_for_each_flag_of_helm_whether_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut table = table();
    let mut open = vec![String::new()];
    while let Some(command) = open.pop() {
        let help = help(&command, folder);
        let below = |name: &String| format!("{command} {name}").trim().to_owned();
        if command.is_empty() || !help.commands.is_empty() {
            let known = |name: &String| name != "help";
            if !command.is_empty() && table.get(&command) == Some(&None) {
                table.remove(&command);
                continue;
            }
            open.extend(help.commands.iter().filter(|n| known(n)).map(below));
            if !command.is_empty() {
                continue;
            }
        }
        match table.remove(&command) {
            None => panic!("the guide has no row for {command}"),
            Some(None) => {
                let arguments: Vec<&str> = command.split(' ').collect();
                let said = mcpt(&[&arguments[..], &["--help"]].concat(), folder);
                assert!(!said.status.success(), "{command} is there");
            }
            Some(Some(lacks)) => check(&command, &help.flags, &lacks, folder),
        }
    }
    table.remove("diff");
    assert!(table.is_empty(), "helm has none of {:?}", table.keys());
}
