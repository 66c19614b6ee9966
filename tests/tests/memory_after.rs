//! What an attack took is given back when it has ended: the resident memory of the real process.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use mcpt_tests::{BareHttp, mcpt_binary};

const MIB: usize = 1024 * 1024;
/// Bodies at once, and how large each is: ten times of what may be held.
const BODIES: usize = 40;
const LENGTH: usize = 15 * MIB;
/// Limit on whatever must happen: a test that hits it has failed.
const SOON: Duration = Duration::from_mins(3);

/// Resident memory of a process, in bytes.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.expect("its memory").trim().trim_end_matches(" kB");
    number.parse::<usize>().expect("a number") * 1024
}

/// Waits until the resident memory is as it should be.
fn until(process: u32, what: &str, reached: impl Fn(usize) -> bool) {
    let begin = Instant::now();
    while !reached(resident(process)) {
        let now = resident(process) / MIB;
        assert!(
            begin.elapsed() < SOON,
            "never {what}: {now} MiB are resident"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// A request that brings so much of a body that is longer by one.
fn unfinished(address: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        length + 1
    );
    let sent = stream.write_all(head.as_bytes());
    // It may be refused before all is sent.
    drop(sent.and_then(|()| stream.write_all(&vec![b' '; length])));
    stream
}

#[test]
fn a_bridge_gives_back_what_large_bodies_took() {
    let mut bridge =
        BareHttp::start_with(&mut Command::new(mcpt_binary()), "bridge", &["--", "cat"]);
    let address = bridge.url().replace("http://", "").replace("/mcp", "");
    // One whole exchange, so that what every request needs is there.
    let mut small = unfinished(&address, 8);
    small.write_all(b" ").expect("the end of the body");
    let answered = small.read(&mut [0; 1]).expect("an answer");
    assert_eq!(answered, 1);
    let idle = resident(bridge.id());

    let attack: Vec<_> = thread::scope(|scope| {
        let each = || scope.spawn(|| unfinished(&address, LENGTH));
        let all: Vec<_> = (0..BODIES).map(|_| each()).collect();
        all.into_iter()
            .map(|one| one.join().unwrap_or_else(|_| panic!("a client")))
            .collect()
    });
    until(bridge.id(), "much", |now| now > idle + 24 * MIB);
    drop(attack);
    until(bridge.id(), "within a fifth of idle", |now| {
        now <= idle + idle / 5
    });
    assert!(
        Command::new("kill")
            .arg(bridge.id().to_string())
            .status()
            .is_ok_and(|s| s.success())
    );
    assert_eq!(bridge.end(), Some(0));
}
