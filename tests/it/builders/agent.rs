//! `--ssh`: steps of a build ask the user's ssh agent. The agent is a real one.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use slimbuild::Env;

use super::{Lab, SECRETS, app};
use crate::support::daemon::{every_daemon, newest_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::{Tree, shop};
use crate::support::unique;

/// An agent with one key.
struct Agent {
    socket: PathBuf,
    /// The key's comment.
    key: String,
    program: Child,
    _directory: tempfile::TempDir,
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

impl Agent {
    fn start(test: &str) -> Option<Self> {
        let directory = crate::support::temporary();
        let socket = directory.path().join("agent.sock");
        let program = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(program) = program else {
            skipped("there is no ssh-agent", test);
            return None;
        };
        let key = format!("key-{}", unique());
        let agent = Self {
            socket,
            key,
            program,
            _directory: directory,
        };
        for _ in 0..100 {
            if agent.socket.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let file = agent.socket.with_file_name("key");
        let words = ["-q", "-t", "ed25519", "-N", "", "-C", &agent.key, "-f"];
        run(Command::new("ssh-keygen").args(words).arg(&file));
        let mut add = Command::new("ssh-add");
        run(add.arg("-q").arg(&file).env("SSH_AUTH_SOCK", &agent.socket));
        Some(agent)
    }

    fn flag(&self) -> String {
        format!("default={}", self.socket.display())
    }
}

pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The build asks the agent for the keys that it has (message 11 of its protocol), and says their
/// comments.
fn asks(tree: &Tree) {
    let build = tree.read("apps/api/build.js");
    let asks = "const agent = require('node:net').connect(process.env.SSH_AUTH_SOCK);
let answer = Buffer.alloc(0);
agent.on('data', (data) => {
  answer = Buffer.concat([answer, data]);
  if (answer.length < 4 || answer.length < 4 + answer.readUInt32BE(0)) return;
  const size = answer.readUInt32BE(9);
  const comment = answer.subarray(13 + size + 4, 13 + size + 4 + answer.readUInt32BE(13 + size));
  console.log(`the agent has ${answer.readUInt32BE(5)} key: ${comment}`);
  agent.end();
});
agent.write(Buffer.from([0, 0, 0, 1, 11]));
";
    tree.write("apps/api/build.js", &format!("{build}{asks}"));
}

fn assert_asked(agent: &Agent, stderr: &str) {
    let line = format!("the agent has 1 key: {}", agent.key);
    assert!(stderr.contains(&line), "{stderr}");
}

#[test]
fn a_step_asks_the_ssh_agent() {
    let test = "a_step_asks_the_ssh_agent";
    let Some(agent) = Agent::start(test) else {
        return;
    };
    let flag = agent.flag();
    every_daemon(test, |daemon| {
        let tree = app();
        asks(&tree);
        let tag = daemon.tag("agent");
        let words = ["apps/api", "-t", &tag.name, "--progress", "plain"];
        let words = [&words[..], &SECRETS].concat();
        // The agent of the environment is the usual one.
        let env: Env = [
            ("DOCKER_HOST", &*daemon.address),
            ("SSH_AUTH_SOCK", agent.socket.to_str().unwrap()),
        ]
        .into_iter()
        .collect();
        let words = [&words[..], &["--ssh", "default"]].concat();
        let built = slimbuild_with(tree.root(), &words, &env);
        assert_eq!(built.code, 0, "{}", built.stderr);
        assert_asked(&agent, &built.stderr);
    });
    newest_daemon(test, |_| {
        let Some(lab) = Lab::new(test) else { return };
        let tree = app();
        asks(&tree);
        let words = ["apps/api", "-o", "x.tar", "--ssh", &flag];
        let words = [&words[..], &["--progress", "plain"], &SECRETS].concat();
        let built = lab.build(&tree, &words);
        assert_eq!(built.code, 0, "{}", built.stderr);
        assert_asked(&agent, &built.stderr);
    });
    match reachable() {
        Err(why) => skipped(&why, test),
        Ok(()) => native(&agent),
    }
}

fn native(agent: &Agent) {
    let tree = app();
    asks(&tree);
    let flag = agent.flag();
    let words = ["apps/api", "--engine", "native", "-o", "x.tar"];
    let own = ["--ssh", &flag, "--progress", "plain"];
    let words = [&words[..], &own, &SECRETS].concat();
    let built = slimbuild_with(tree.root(), &words, &Env::of_process());
    assert_eq!(built.code, 0, "{}", built.stderr);
    assert_asked(agent, &built.stderr);
}

#[test]
fn a_missing_agent_is_said_before_the_build() {
    let refused = |words: &[&str]| {
        let words = [&["apps/server"][..], words].concat();
        slimbuild(&shop(), &words).refusal(Path::new("/nowhere"))
    };
    assert_snapshot!(refused(&["--ssh", "default"]), @"
    exit code 2
    error: `--ssh default` wants an ssh agent, and SSH_AUTH_SOCK names none

    hint: start one and give it your key: `eval $(ssh-agent)`, then `ssh-add`
    ");
    for (flag, why) in [
        (
            "work=/nowhere/agent.sock",
            "agent.sock` is no socket of an ssh agent",
        ),
        (
            "default=",
            "write `default` for the agent of SSH_AUTH_SOCK, or `ID=SOCKET`",
        ),
    ] {
        let refused = refused(&["--ssh", flag]);
        assert!(refused.contains(why), "{refused}");
    }
}
