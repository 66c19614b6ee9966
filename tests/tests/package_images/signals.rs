//! A signal ends a command at once, whatever it waits for, and nothing is left of what it began.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::mpsc,
    thread,
};

use crate::{BARE, Index, base, folder, host, machine};

/// A registry that takes connections and says nothing.
struct Silent(TcpListener);

impl Silent {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn image(&self) -> String {
        format!("{}/team/image", self.0.local_addr().unwrap())
    }

    /// Ends a command by a signal once it has asked, which it must do before it ends by itself.
    fn ended(&self, mut command: Child, signal: &str) -> (ExitStatus, String) {
        let (asks, first) = mpsc::channel();
        let ends = asks.clone();
        let listener = self.0.try_clone().unwrap();
        // Nobody listens any more when the command has ended before.
        thread::spawn(move || drop(asks.send(Some(listener.accept()))));
        let mut stderr = command.stderr.take().unwrap();
        let said = thread::spawn(move || {
            let mut said = String::new();
            let read = stderr.read_to_string(&mut said);
            drop(ends.send(None));
            read.map(|_| said).unwrap()
        });
        let asking = first.recv().unwrap();
        assert!(
            asking.is_some(),
            "it asked for nothing: {}",
            said.join().unwrap()
        );
        let (_asking, _) = asking.unwrap().unwrap();
        send(&command, signal);
        (command.wait().unwrap(), said.join().unwrap())
    }
}

fn send(command: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args(["-s", signal, &command.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

fn interrupt(command: &mut Child, signal: &str) -> (ExitStatus, String) {
    send(command, signal);
    let ended = command.wait().unwrap();
    let mut said = String::new();
    let mut stderr = command.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (ended, said)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Node.js' own, whoever runs it.
    names.filter(|name| name != "node-compile-cache").collect()
}

#[test]
fn a_signal_ends_what_waits_for_a_registry() {
    let index = Index::start(&[]);
    let folder = folder();
    let bases = base(folder.path(), "base.tar", "usr/bin/node", host());
    let silent = Silent::start();
    let image = silent.image();
    let at = tempfile::TempDir::with_prefix("mcpt-interrupted-").unwrap();
    let temporary = at.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let save = at.path().join("x.tar");
    let save = save.to_str().unwrap();
    let npm = "npm:mcpt-test-server@1.0.0";
    let address = format!("mcpb:http://{image}.mcpb");
    let fetch = [
        "image", "build", npm, "--base", &image, "--save", save, BARE,
    ];
    let push = [
        "image", "build", npm, "--base", &bases, "--push", &image, BARE,
    ];
    let python = "pypi:mcpt-test-server==1.0";
    let prepare = [
        "image", "build", python, "--base", &image, "--save", save, BARE,
    ];
    let deploy = [
        "-b", "docker", "deploy", npm, "--base", &bases, "--build", &image,
    ];
    let bundle = ["deploy", &address];
    for (arguments, signal) in [
        (&fetch[..], "INT"),
        (&push, "TERM"),
        (&prepare, "TERM"),
        (&deploy, "INT"),
        (&bundle, "INT"),
    ] {
        let machine = machine(&index).env("TMPDIR", temporary.to_str().unwrap());
        let command = machine.mcpt.spawn(arguments);
        let (ended, said) = silent.ended(command, signal);
        assert_eq!(ended.code(), Some(130), "{arguments:?}: {ended}\n{said}");
        assert!(said.contains("error: interrupted"), "{said}");
        assert_eq!(names(&temporary), [""; 0], "{arguments:?}");
        assert_eq!(names(at.path()), ["tmp"], "{arguments:?}");
    }
}

/// A pipe that nobody reads.
#[test]
fn a_signal_ends_what_waits_for_a_reader() {
    let index = Index::start(&[]);
    let folder = folder();
    let base = base(folder.path(), "base.tar", "usr/bin/node", host());
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let machine = machine(&index);
    let source = "npm:mcpt-test-server@1.0.0";
    let pipe = pipe.to_str().unwrap();
    let build = [
        "image", "build", source, "--base", &base, "--save", pipe, BARE,
    ];
    let mut command = machine.mcpt.spawn(&build);
    let mut said = String::new();
    let mut byte = [0];
    let stderr = command.stderr.as_mut().unwrap();
    while !said.contains("writing ") {
        stderr.read_exact(&mut byte).unwrap();
        said.push(char::from(byte[0]));
    }
    let (ended, said) = interrupt(&mut command, "TERM");
    assert_eq!(ended.code(), Some(130), "{ended}\n{said}");
}
