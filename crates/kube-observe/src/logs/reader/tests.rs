//! Runs that end while their logs cannot be read.

use std::sync::{Arc, Mutex};

use kube_access::{ErrorKind, scripted};
use serde_json::{Value, json};

use super::{super::container::tests::pod, *};

/// One answer: the log, or the pod.
type Answer = (&'static str, String);

fn log(lines: &[(u32, &str)]) -> Answer {
    let lines = lines
        .iter()
        .map(|(time, text)| format!("2026-01-01T00:00:{time:02}.000000001Z {text}"));
    ("log", lines.collect())
}

fn state(state: Value, restarts: u32) -> Answer {
    let pod = serde_json::to_string(&pod(state, restarts)).unwrap();
    ("pod", pod)
}

fn runs(restarts: u32) -> Answer {
    state(json!({"running": {}}), restarts)
}

fn silence() -> Answer {
    ("never", String::new())
}

/// What a reader of the first run tells, and which logs it asks for, when the API server answers like this.
async fn read(answers: Vec<Answer>) -> (Vec<String>, Vec<String>) {
    let (lines, asked) = attempt(Some(9), true, answers).await;
    let lines = lines.into_iter().map(Result::unwrap).collect();
    (lines, asked)
}

async fn attempt(
    tail: Option<u32>,
    follow: bool,
    answers: Vec<Answer>,
) -> (Vec<Result<String, LogError>>, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let mut answers = answers.into_iter();
    let cluster = scripted::cluster(move |request, _| {
        let (kind, text) = answers.next().unwrap_or_else(|| panic!("{request}"));
        let query = request.split_once("/log?").map(|(_, query)| query);
        assert_eq!(
            query.is_some(),
            kind == "log" || kind == "never",
            "{request}"
        );
        seen.lock().unwrap().extend(query.map(str::to_owned));
        match kind {
            "never" => scripted::NEVER,
            "down" => scripted::refusal(503, "ServiceUnavailable"),
            _ => (200, text),
        }
    });
    let (lines, mut told) = mpsc::channel(100);
    let (_newer, newer) = watch::channel(());
    let (ended, _) = oneshot::channel();
    let reader = Reader {
        cluster,
        lines,
        pod: "p".to_owned(),
        container: "server".to_owned(),
        run: Run {
            pod: "u".to_owned(),
            restarts: 0,
        },
        options: LogOptions {
            since: None,
            follow,
            tail,
            previous: false,
        },
        before: None,
        newer,
        ended,
        opened: false,
        begun: Instant::now(),
    };
    let hour = Duration::from_hours(1);
    let ended = tokio::time::timeout(hour, reader.run()).await;
    ended.expect("the reader hangs");
    let mut lines = Vec::new();
    while let Some(line) = told.recv().await {
        lines.push(line.map(|line| line.text));
    }
    let asked = asked.lock().unwrap().clone();
    (lines, asked)
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_run_is_read_after_a_restart() {
    let (lines, asked) = read(vec![
        // The last line was cut.
        log(&[(1, "a\n"), (2, "b\n"), (3, "c")]),
        runs(0),
        runs(1),
        log(&[(2, "b\n"), (3, "c c\n"), (4, "d")]),
        runs(1),
    ])
    .await;
    assert_eq!(lines, ["a", "b", "c c", "d"]);
    assert!(
        asked[0].contains("follow=true") && asked[0].contains("tailLines=9"),
        "{asked:?}"
    );
    assert!(!asked[0].contains("previous=true"), "{asked:?}");
    let rest = &asked[1];
    assert!(
        rest.contains("previous=true") && rest.contains("sinceTime=2026-01-01T00"),
        "{rest}"
    );
    assert!(
        !rest.contains("follow=true") && !rest.contains("tailLines"),
        "{rest}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_run_is_read_after_its_end() {
    let ended = || state(json!({"terminated": {"exitCode": 1}}), 0);
    let (lines, asked) = read(vec![
        log(&[(1, "a\n")]),
        runs(0),
        ended(),
        log(&[(1, "a\n"), (2, "b")]),
        ended(),
    ])
    .await;
    assert_eq!(lines, ["a", "b"]);
    assert!(
        !asked[1].contains("follow=true") && !asked[1].contains("previous=true"),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_is_followed_on() {
    let (lines, asked) = read(vec![
        log(&[(1, "a\n")]),
        runs(0),
        runs(0),
        log(&[(1, "a\n"), (1, "b\n")]),
        runs(0),
        state(json!({"waiting": {}}), 1),
    ])
    .await;
    assert_eq!(lines, ["a", "b"]);
    assert!(asked[1].contains("follow=true"), "{asked:?}");
}

/// The first break is one as any other.
#[tokio::test(start_paused = true)]
async fn what_breaks_after_it_was_opened_is_opened_again() {
    let (lines, _) = read(vec![
        log(&[(1, "lost\n")]),
        ("down", String::new()),
        ("down", String::new()),
        runs(0),
        log(&[(1, "a\n")]),
        runs(0),
        state(json!({"waiting": {}}), 1),
    ])
    .await;
    assert_eq!(lines, ["a"]);
}

/// Of a quiet server as of a connection that is lost nothing is heard: neither a line, nor that the log was opened.
#[tokio::test(start_paused = true)]
async fn what_is_silent_is_opened_again_and_tells_each_line_once() {
    let then_silence = |mut log: Answer| {
        log.1.push(scripted::SILENCE);
        log
    };
    let (lines, asked) = read(vec![
        silence(),
        runs(0),
        then_silence(log(&[(1, "a\n"), (2, "b\n"), (2, "c")])),
        runs(0),
        runs(0),
        then_silence(log(&[(2, "b\n"), (2, "c\n")])),
        runs(0),
        runs(0),
        silence(),
        state(json!({"waiting": {}}), 1),
    ])
    .await;
    assert_eq!(lines, ["a", "b", "c"]);
    let tailed: Vec<bool> = asked.iter().map(|q| q.contains("tailLines=9")).collect();
    assert_eq!(tailed, [true, true, false, false], "{asked:?}");
}

/// Only those from before the command are not wanted.
#[tokio::test(start_paused = true)]
async fn no_line_is_lost_where_only_new_ones_are_wanted() {
    let (lines, asked) = attempt(
        Some(0),
        true,
        vec![
            silence(),
            runs(0),
            log(&[(1, "a\n")]),
            runs(0),
            state(json!({"waiting": {}}), 1),
        ],
    )
    .await;
    assert!(
        matches!(lines.as_slice(), [Ok(line)] if line == "a"),
        "{lines:?}"
    );
    assert!(asked[0].contains("tailLines=0"), "{asked:?}");
    assert!(
        asked[1].contains("sinceSeconds=122") && !asked[1].contains("tailLines"),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_read_once_is_not_waited_for_for_ever() {
    let mut cut = log(&[(1, "a\n")]);
    cut.1.push(scripted::SILENCE);
    for (answer, told) in [(silence(), 0), (cut, 1)] {
        let (mut lines, _) = attempt(None, false, vec![answer]).await;
        let Err(LogError::Pod { source, .. }) = lines.pop().unwrap() else {
            panic!("no error");
        };
        assert_eq!(source.explain().kind, ErrorKind::Unreachable);
        assert_eq!(lines.len(), told);
    }
}

/// It was restarted between the look at the pod and the opening of its log, twice.
#[tokio::test(start_paused = true)]
async fn lines_of_the_next_run_are_not_told_as_those_of_this_one() {
    let (lines, _) = read(vec![
        log(&[(3, "of the second run\n")]),
        runs(1),
        runs(1),
        log(&[(3, "of the second run\n")]),
        runs(2),
        runs(2),
        log(&[(3, "of the second run, which nobody reads\n")]),
        runs(2),
    ])
    .await;
    assert_eq!(lines, ["of the second run, which nobody reads"]);
}

#[test]
fn what_may_pass() {
    for (code, expected) in [
        (400, false),
        (403, false),
        (404, false),
        (429, true),
        (500, true),
        (503, true),
    ] {
        let status = kube::core::Status {
            code,
            ..kube::core::Status::default()
        };
        let error = Error::Api(status.boxed());
        assert_eq!(passes(&error), expected, "{code}");
    }
    let lost = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert!(passes(&Error::Service(Box::new(lost))));
}
