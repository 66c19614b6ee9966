//! A keeper ends after all that its program has started, whatever that did to get away.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use process_tree::{Keeper, cannot_start};

const SOON: Duration = Duration::from_secs(30);
/// Starts one process that clears its environment and makes a session of its own, and one that also ignores SIGTERM; says
/// their ids; then does as it is told.
const SERVER: &str = r#"
env -i setsid sleep 1000 < /dev/null > /dev/null 2>&1 &
one=$!
setsid sh -c 'trap "" TERM HUP INT; env -i setsid sleep 1000 & wait' < /dev/null > /dev/null 2>&1 &
echo $one $!
"#;

fn keeper(grace: Duration, script: &str) -> Child {
    start(grace, &["sh", "-c", script])
}

fn start(grace: Duration, command: &[&str]) -> Child {
    let test = env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/keep");
    let told = Keeper {
        parent: Pid::this(),
        grace,
        command: command.iter().map(Into::into).collect(),
    };
    Command::new(program)
        .args(told.words())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The first line that the program says.
fn said(keeper: &mut Child) -> String {
    let mut line = String::new();
    let mut output = BufReader::new(keeper.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Processes whose session is one of these, in words.
fn in_sessions(ids: &str) -> usize {
    let ids: Vec<&str> = ids.split(' ').collect();
    let stats = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("stat")).ok());
    stats
        .filter(|stat| {
            let (_, rest) = stat.rsplit_once(')').unwrap();
            let session = rest.split_whitespace().nth(3).unwrap();
            ids.contains(&session)
        })
        .count()
}

/// Waits for what nobody announces here: the end of processes that are nobody's children.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !reached() {
        assert!(begin.elapsed() < SOON, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_got_away_ends_with_the_program() {
    let mut keeper = keeper(Duration::ZERO, &format!("{SERVER} read end; exit 7"));
    let sessions = said(&mut keeper);
    until("both are there", || in_sessions(&sessions) >= 2);
    drop(keeper.stdin.take());
    assert_eq!(keeper.wait().unwrap().code(), Some(7));
    assert_eq!(in_sessions(&sessions), 0);
}

#[test]
fn what_got_away_ends_with_whoever_wanted_the_program() {
    // The shell in between is the parent; it is killed without a word.
    let test = env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/keep");
    let mut parent = Command::new("sh")
        .args(["-c", r#""$1" keeper $$ 0 sh -c "$2" & wait"#, "sh"])
        .arg(program)
        .arg(format!(
            "{SERVER} trap '' TERM HUP; while true; do sleep 1000; done"
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sessions = said(&mut parent);
    until("both are there", || in_sessions(&sessions) >= 2);
    parent.kill().unwrap();
    parent.wait().unwrap();
    until("all are gone", || in_sessions(&sessions) == 0);
}

#[test]
fn a_hangup_kills_all_at_once() {
    let script = format!("{SERVER} trap '' TERM; while true; do sleep 1000; done");
    let mut keeper = keeper(Duration::from_secs(1000), &script);
    let sessions = said(&mut keeper);
    kill(pid(&keeper), Signal::SIGHUP).unwrap();
    assert_eq!(keeper.wait().unwrap().signal(), Some(9));
    assert_eq!(in_sessions(&sessions), 0);
}

#[test]
fn the_program_is_asked_to_end_and_its_group_has_its_grace() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("told");
    // The program ends at once; what it left in its group takes its time and ends by itself.
    let script = format!(
        "trap 'exit 0' TERM
         sh -c 'trap \"sleep 0.2; echo told > {}; exit\" TERM; echo; while true; do sleep 0.1; done' &
         while true; do sleep 0.1; done",
        told.display()
    );
    let mut keeper = keeper(SOON, &script);
    said(&mut keeper);
    kill(pid(&keeper), Signal::SIGTERM).unwrap();
    assert!(keeper.wait().unwrap().success());
    assert!(told.exists());
}

#[test]
fn a_keeper_ends_as_its_program_did() {
    for (script, code, signal) in [
        ("exit 0", Some(0), None),
        ("exit 200", Some(200), None),
        ("kill -9 $$", None, Some(9)),
        ("kill -TERM $$", None, Some(15)),
    ] {
        let status = keeper(Duration::ZERO, script).wait().unwrap();
        assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
    }
}

#[test]
fn what_cannot_be_started_is_told_from_what_fails() {
    for (command, number) in [
        (&["/no/such/program"][..], Some(2)),
        (&["/dev/null"], Some(13)),
        (&["sh", "-c", "exit 125"], None),
        (&["sh", "-c", "echo cannot >&2; exit 127"], None),
    ] {
        let mut keeper = start(Duration::ZERO, command);
        let mut text = String::new();
        keeper
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let status = keeper.wait().unwrap();
        let last = text.lines().last().unwrap_or_default();
        let error = cannot_start(status, last).and_then(|error| error.raw_os_error());
        assert_eq!(error, number, "{command:?} {text}");
    }
}

#[test]
fn signals_are_not_blocked_in_the_program() {
    let script = "trap 'echo caught; exit' TERM; kill -TERM $$; echo blocked";
    let mut keeper = keeper(Duration::ZERO, script);
    assert_eq!(said(&mut keeper), "caught");
    assert!(keeper.wait().unwrap().success());
}
