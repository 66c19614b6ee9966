//! `mcpt exec` as a user meets it, the same on every backend that has containers.

use std::{
    io::{BufReader, Read as _, Write as _},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::Mcpt;

/// Reads all of its input, writes to both outputs, bytes that are no text too, and ends with a code of its own.
const READS_AND_WRITES: &str = "import sys, os
given = sys.stdin.buffer.read()
sys.stdout.buffer.write(given + bytes([0, 255]) + sys.argv[1].encode())
sys.stderr.write('to the other one')
sys.exit(7)";

/// Until all is said and done at a terminal. Longer than the command there waits for anything.
const PATIENCE: Duration = Duration::from_mins(3);

/// Waits until its terminal is as large as the one that it was started at, then asks for a line and ends by Ctrl-C. When
/// nothing comes of that, it ends by itself.
const AT_A_TERMINAL: &str = "import os, signal, time
signal.alarm(120)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
end = time.monotonic() + 60
while (size := tuple(os.get_terminal_size())) != (97, 33):
    if time.monotonic() > end:
        raise SystemExit('its size is ' + repr(size))
    signal.sigtimedwait([signal.SIGWINCH], 1)
print('as large', os.isatty(0), os.isatty(1))
line = input('? ')
try:
    print('said ' + line, flush=True)
    while True: signal.pause()
except KeyboardInterrupt:
    raise SystemExit(5)";

/// Runs commands beside a server in whose container Python is.
///
/// # Panics
/// When one of them does not do what it should.
pub fn commands_run_beside(mcpt: &Mcpt, server: &str) {
    let python = ["--", "/usr/bin/python3", "-c"];
    let script = [READS_AND_WRITES, "an argument; $HOME"];
    let exec = ["exec", server, "-i"];
    let mut child = mcpt
        .command(&[&exec[..], &python, &script].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting mcpt");
    // More than any buffer on the way.
    let given: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let mut input = child.stdin.take().expect("stdin");
    let sent = given.clone();
    let writer = thread::spawn(move || input.write_all(&sent));
    let output = child.wait_with_output().expect("its end");
    writer.join().expect("a thread").expect("writing all of it");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(said.ends_with("to the other one"), "{said}");
    let expected = [&given[..], &[0, 255], b"an argument; $HOME"].concat();
    assert!(output.stdout == expected, "{} bytes", output.stdout.len());

    // Without -i there is no input.
    let none = ["exec", server];
    let outcome = mcpt.run(
        &[
            &none[..],
            &python,
            &["import sys; print(repr(sys.stdin.read()))"],
        ]
        .concat(),
    );
    assert_eq!(outcome.ok().stdout, "''\n");

    at_a_terminal(mcpt, server);

    let tty = ["exec", server, "-it"];
    let _ = mcpt
        .run(&[&tty[..], &python, &["pass"]].concat())
        .exits(2)
        .says(&["standard input is no terminal"]);
    let instances = mcpt.json(&["status", server])["replicas"].take();
    let instance = instances[0]["name"].as_str().expect("an instance");
    let named = ["exec", server, "--instance", instance];
    let _ = mcpt.run(&[&named[..], &python, &["pass"]].concat()).ok();
    let named = ["exec", server, "--instance", "nobody"];
    let _ = mcpt
        .run(&[&named[..], &python, &["pass"]].concat())
        .exits(3)
        .says(&["nobody"]);
    let absent = mcpt.run(&["exec", server, "--", "/no/such/program"]);
    assert!(absent.code != Some(0), "{absent:?}");
    assert!(
        format!("{}{}", absent.stdout, absent.stderr).contains("/no/such/program"),
        "{absent:?}"
    );
}

/// The same at a terminal, which `script` makes.
fn at_a_terminal(mcpt: &Mcpt, server: &str) {
    let exec = ["exec", server, "-it", "--", "/usr/bin/python3", "-c"];
    let exec = mcpt.command(&[&exec[..], &[AT_A_TERMINAL]].concat());
    let mut line = String::from("stty rows 33 cols 97; exec");
    for word in std::iter::once(exec.get_program()).chain(exec.get_args()) {
        let word = word.to_str().expect("UTF-8").replace('\'', "'\\''");
        line.extend([" '", word.as_str(), "'"]);
    }
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in exec.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starting script, of util-linux");
    let mut keys = child.stdin.take().expect("stdin");
    keys.write_all(b"hello\r").expect("pressing keys");
    let output = child.stdout.take().expect("stdout");
    let (reader, bytes) = mpsc::channel();
    let reading = thread::spawn(move || {
        for byte in BufReader::new(output).bytes() {
            if reader.send(byte.expect("reading what is shown")).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + PATIENCE;
    let (mut shown, mut interrupted) = (Vec::new(), false);
    loop {
        match bytes.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(byte) => shown.push(byte),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().expect("ending it");
                let _ended = child.wait();
                panic!("it does not end: {}", String::from_utf8_lossy(&shown));
            }
        }
        if !interrupted && String::from_utf8_lossy(&shown).contains("said hello") {
            // The command's, and none of mcpt's.
            interrupted = true;
            let _gone = keys.write_all(b"\x03");
        }
    }
    reading.join().expect("reading what is shown");
    let ended = child.wait().expect("its end");
    drop(keys);
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("as large True True"), "{shown}");
    assert!(shown.contains("said hello"), "{shown}");
    assert_eq!(ended.code(), Some(5), "{shown}");
}
