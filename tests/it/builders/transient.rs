//! What may pass is tried again: a builder that comes up late, and a connection that breaks.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use slimbuild::Env;

use super::app;
use crate::support::daemon::{Daemon, every_daemon, newest_daemon, skipped};
use crate::support::line::Line;
use crate::support::program::slimbuild_with;
use crate::support::tree::Tree;
use crate::support::unique;

/// A port where nothing listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Passes on what comes to the port to the socket, from a while later on.
fn listen_late(port: u16, socket: String) {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(1500));
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        for near in listener.incoming() {
            let near: TcpStream = near.unwrap();
            let far = UnixStream::connect(&socket).unwrap();
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to).map(drop));
            let (mut from, mut to) = (far, near);
            thread::spawn(move || io::copy(&mut from, &mut to).map(drop));
        }
    });
}

/// As GitLab's docker-in-docker, which starts beside the job.
#[test]
fn a_daemon_that_comes_up_late_is_waited_for() {
    let test = "a_daemon_that_comes_up_late_is_waited_for";
    every_daemon(test, |daemon| {
        let Some(socket) = daemon.address.strip_prefix("unix://") else {
            return skipped("the daemon has no socket", test);
        };
        let port = free_port();
        listen_late(port, socket.to_owned());
        let address = format!("tcp://127.0.0.1:{port}");
        let env: Env = [("DOCKER_HOST", &*address)].into_iter().collect();
        let tag = daemon.tag("late");
        let arguments = ["apps/api", "--progress", "plain", "-t", &tag.name];
        let outcome = slimbuild_with(app().root(), &arguments, &env);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let said = format!(
            "warning: cannot reach a Docker daemon at `{address}` (DOCKER_HOST): Connection refused (os error 111); trying again in 1 s (1 of 3)\n"
        );
        assert!(outcome.stderr.starts_with(&said), "{}", outcome.stderr);
    });
}

/// An app whose build says that it is at work and takes a while.
fn slow() -> Tree {
    let tree = app();
    let script = format!(
        "console.log('at work {}');
setTimeout(() => {{
  const fs = require('node:fs');
  fs.mkdirSync('dist', {{ recursive: true }});
  fs.writeFileSync('dist/main.js', `require('node:http').createServer((_, answer) => answer.end('up')).listen(3000)`);
}}, 6000);
",
        unique()
    );
    tree.write("apps/api/build.js", &script);
    tree
}

/// Builds, and cuts all connections once in the middle of the app's build.
fn interrupted(daemon: &Daemon, line: &Line, arguments: &[&str]) -> (i32, String) {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let tree = slow();
    let mut child = Command::new(crate::support::program::PROGRAM)
        .args(["apps/api", "--progress", "plain"])
        .args(arguments)
        .current_dir(tree.root())
        .env("DOCKER_HOST", &line.address)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut is_cut = false;
    for text in BufReader::new(child.stderr.take().unwrap()).lines() {
        let text = text.unwrap();
        if !is_cut && text.contains("at work ") && !text.contains("console") {
            line.interrupt();
            is_cut = true;
        }
        said.push_str(&text);
        said.push('\n');
    }
    assert!(is_cut, "engine {}: {said}", daemon.name);
    (child.wait().unwrap().code().unwrap(), said)
}

#[test]
fn a_connection_that_breaks_once_is_made_again() {
    let test = "a_connection_that_breaks_once_is_made_again";
    every_daemon(test, |daemon| {
        let Some(line) = Line::to(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tag = daemon.tag("broken-once");
        let (code, said) = interrupted(daemon, &line, &["-t", &tag.name]);
        assert_eq!(code, 0, "{said}");
        let warnings: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("trying again"))
            .collect();
        let [warning] = warnings[..] else {
            panic!("{said}")
        };
        assert!(
            warning.starts_with("warning: lost the connection to the Docker daemon at"),
            "{warning}"
        );
        assert!(
            warning.ends_with("; trying again in 1 s (1 of 3)"),
            "{warning}"
        );
        assert!(!daemon.image(&tag.name).id.unwrap().is_empty());
    });
    newest_daemon(test, |daemon| {
        let Some(line) = Line::to_buildkit(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let own = crate::support::temporary();
        let file = own.path().join("x.tar");
        let arguments = ["--builder", &line.address, "-o", file.to_str().unwrap()];
        let (code, said) = interrupted(daemon, &line, &arguments);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("; trying again in 1 s (1 of 3)"), "{said}");
        assert!(file.exists());
    });
}
