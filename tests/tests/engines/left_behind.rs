//! What commands that died have left, made by hand here: each kind of it, whenever exactly they died.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use mcpt_tests::{engine, engine_command, eventually, inspect};

use crate::{cleaning, echo, gc, mcpt, name, objects};

/// A lock on a server whose holder is dead, held for this.
fn dead_lock(server: &str, intent: &str) {
    let mut holder = Command::new("true").spawn().unwrap();
    holder.wait().unwrap();
    lock(server, intent, &format!("{}/1", holder.id()));
}

/// A lock on a server that a process holds for this: its number, and when it started.
fn lock(server: &str, intent: &str, process: &str) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let namespace: String = namespace
        .to_str()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let holder = format!("{}/{namespace}/{process}", boot.trim());
    let labels = [
        format!("mcpt.io/server={server}"),
        "mcpt.io/role=lock".to_owned(),
        format!("mcpt.io/holder={holder}"),
        format!("mcpt.io/intent={intent}"),
    ];
    let lock = format!("mcpt-{server}.lock");
    let mut words = vec!["create", "--name", &lock];
    for label in &labels {
        words.extend(["--label", label]);
    }
    words.push("localhost/mcpt:0.1.0");
    engine(&name(), &words);
}

/// This process, as a lock says it.
fn this_process() -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let start = fields.split_whitespace().nth(19).unwrap();
    format!("{}/{start}", std::process::id())
}

fn id(container: &str) -> String {
    inspect(&name(), container)["Id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The engine goes on with the end of a front that looks as if it ran, for somebody who is dead.
#[test]
fn a_deletion_that_a_dead_command_began_is_finished_first() {
    let mcpt = mcpt();
    let deploy = ["deploy", "demo", "--name", "doomed", "-c", "greeting=One"];
    let _ = mcpt.run(&deploy).ok();
    let before = id("mcpt-doomed");
    dead_lock("doomed", "delete");
    // By its id: the name is soon another one's.
    let mut stop = engine_command(&name(), &["stop", "--time", "20", &before])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = mcpt.run(&deploy).ok();
    assert_eq!(echo(&mcpt, "doomed"), "One you");
    // By now the engine has done what it was asked for.
    let _ = stop.wait().unwrap();
    assert_eq!(echo(&mcpt, "doomed"), "One you");
    assert_ne!(id("mcpt-doomed"), before);

    // The one who took the lock from the dead died in turn, before or after it had one.
    for successor in [None, Some("change"), Some("clean")] {
        let _ = mcpt.run(&deploy).ok();
        let before = id("mcpt-doomed");
        {
            let _alone = cleaning();
            dead_lock("doomed", "delete");
            let (lock, dead) = ("mcpt-doomed.lock", "mcpt-doomed.lock.dead");
            engine(&name(), &["rename", lock, dead]);
            if let Some(intent) = successor {
                dead_lock("doomed", intent);
            }
        }
        let _ = mcpt.run(&deploy).ok();
        assert_ne!(id("mcpt-doomed"), before, "{successor:?}");
        assert_eq!(echo(&mcpt, "doomed"), "One you");
        assert!(!objects("doomed").iter().any(|name| name.contains("lock")));
    }
    {
        let _alone = cleaning();
        dead_lock("doomed", "delete");
        let scale = ["scale", "doomed", "--replicas", "2"];
        let refused = mcpt.run(&scale).exits(3);
        let _ = refused.says(&["a deletion of it that was cut off has been finished now"]);
    }
    let _ = mcpt.run(&deploy).ok();

    dead_lock("doomed", "delete");
    gc(&mcpt);
    gone("doomed");
    let _ = mcpt.run(&["status", "doomed"]).exits(3);
    // Of one that was all but gone nothing but the lock is there. Another test may clean up, too.
    dead_lock("doomed", "delete");
    let _ = mcpt.run(&["delete", "doomed"]);
    gone("doomed");
}

/// Who cleans up makes no command fail: it is waited for.
#[test]
fn a_command_waits_for_one_that_cleans_up() {
    let mcpt = mcpt();
    let deploy = ["deploy", "demo", "--name", "tidied", "-c", "greeting=One"];
    lock("tidied", "clean", &this_process());
    let mut command = mcpt.spawn(&deploy);
    let mut told = BufReader::new(command.stderr.take().unwrap()).lines();
    assert!(told.any(|line| {
        line.unwrap()
            .contains("waiting for a command that cleans up")
    }));
    engine(&name(), &["rm", "mcpt-tidied.lock"]);
    let rest: Vec<_> = told.map(Result::unwrap).collect();
    assert!(command.wait().unwrap().success(), "{rest:#?}");
    assert_eq!(echo(&mcpt, "tidied"), "One you");

    lock("tidied", "change", &this_process());
    let refused = mcpt.run(&["restart", "tidied"]).exits(1);
    let _ = refused.says(&["another operation on tidied is in progress"]);
    engine(&name(), &["rm", "mcpt-tidied.lock"]);
    let _ = mcpt.run(&["delete", "tidied"]).ok();
    assert_eq!(objects("tidied"), [""; 0]);
}

/// Waits until nothing is there: another test may be the one that cleans up.
fn gone(server: &str) {
    eventually(Duration::from_mins(1), || match objects(server) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });
}

/// A replica that was to end counts no more, and one of several that had passed together is the server's.
#[test]
fn replicas_count_by_their_names() {
    let mcpt = mcpt();
    let deploy = ["deploy", "demo", "--name", "half", "--replicas", "3"];
    let _ = mcpt.run(&deploy).ok();
    let [first, second] = ["mcpt-half.r1.1", "mcpt-half.r1.2"].map(id);
    // Nobody else finishes it before it was looked at.
    let alone = cleaning();
    engine(
        &name(),
        &["rename", "mcpt-half.r1.2", "mcpt-half.r1.2.trial"],
    );
    engine(
        &name(),
        &["rename", "mcpt-half.r1.3", "mcpt-half.r1.3.ending"],
    );
    let status = mcpt.json(&["status", "half"]);
    assert_eq!(status["desired"], 1, "{status}");
    drop(alone);
    let _ = mcpt.run(&["scale", "half", "--replicas", "2"]).ok();
    assert_eq!(
        objects("half"),
        [
            "container mcpt-half",
            "container mcpt-half.r1.1",
            "container mcpt-half.r1.2",
            "network mcpt-half"
        ]
    );
    assert_eq!(
        ["mcpt-half.r1.1", "mcpt-half.r1.2"].map(id),
        [first, second]
    );
    let _ = mcpt.run(&["delete", "half"]).ok();
    assert_eq!(objects("half"), [""; 0]);
}
