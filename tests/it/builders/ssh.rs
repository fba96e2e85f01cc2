//! Docker daemons over ssh: a real `ssh` goes to a real sshd on this machine, which runs Docker's
//! `docker system dial-stdio`.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use slimbuild::Env;

use super::agent::run;
use super::{SECRETS, app};
use crate::support::container::Container;
use crate::support::daemon::{every_daemon, one_daemon, skipped};
use crate::support::program::PROGRAM;

const SSHD: &str = "/usr/sbin/sshd";

/// A server for ssh that knows one key.
struct Server {
    port: u16,
    directory: tempfile::TempDir,
    program: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

impl Server {
    fn start(test: &str) -> Option<Self> {
        for (program, there) in [
            ("sshd", Path::new(SSHD).exists()),
            ("ssh", Command::new("ssh").arg("-V").output().is_ok()),
            ("docker", Command::new("docker").arg("-v").output().is_ok()),
        ] {
            if !there {
                skipped(&format!("there is no {program}"), test);
                return None;
            }
        }
        let directory = crate::support::temporary();
        let at = |name: &str| directory.path().join(name).display().to_string();
        for key in ["host", "user", "stranger"] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-f", &at(key)];
            run(Command::new("ssh-keygen").args(words));
        }
        fs_err::copy(at("user.pub"), at("known")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let path = Env::of_process().get("PATH").unwrap().to_owned();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nSetEnv PATH={path}\n",
            at("host"),
            at("known"),
        );
        fs_err::write(at("sshd_config"), configuration).unwrap();
        // Where sshd puts its unprivileged part.
        fs_err::create_dir_all("/run/sshd").unwrap();
        let program = Command::new(SSHD)
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            port,
            directory,
            program,
        };
        server.configure("user");
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("sshd does not listen");
    }

    /// A first `ssh` in the path, which is the real one with a configuration of its own: ssh looks
    /// for its files in the real home only.
    fn configure(&self, key: &str) {
        let at = |name: &str| self.directory.path().join(name);
        let configuration = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\nBatchMode yes\nStrictHostKeyChecking accept-new\nUserKnownHostsFile {}\n",
            at(key).display(),
            at("known_hosts").display(),
        );
        fs_err::write(at("ssh_config"), configuration).unwrap();
        fs_err::create_dir_all(at("bin")).unwrap();
        let real = Command::new("sh").args(["-c", "command -v ssh"]).output();
        let real = String::from_utf8(real.unwrap().stdout).unwrap();
        let script = format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            real.trim(),
            at("ssh_config").display()
        );
        fs_err::write(at("bin/ssh"), script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(at("bin/ssh"), executable).unwrap();
    }

    fn address(&self, socket: &str) -> String {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout);
        format!(
            "ssh://{}@127.0.0.1:{}{socket}",
            user.unwrap().trim(),
            self.port
        )
    }

    fn slimbuild(&self, root: &Path, words: &[&str], env: &[(&str, &str)]) -> Output {
        let path = Env::of_process().get("PATH").unwrap().to_owned();
        let bin = self.directory.path().join("bin");
        Command::new(PROGRAM)
            .args(words)
            .current_dir(root)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env_remove("DOCKER_HOST")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_daemon_is_reached_over_ssh() {
    let test = "every_daemon_is_reached_over_ssh";
    let Some(server) = Server::start(test) else {
        return;
    };
    every_daemon(test, |daemon| {
        let Some(socket) = daemon.address.strip_prefix("unix://") else {
            return skipped("the daemon has no socket", test);
        };
        let tree = app();
        let tag = daemon.tag("ssh");
        let words = [
            "apps/api",
            "-t",
            &tag.name,
            "--smoke=/",
            "--progress",
            "plain",
        ];
        let words = [&words[..], &SECRETS].concat();
        let address = server.address(socket);
        let built = server.slimbuild(tree.root(), &words, &[("DOCKER_HOST", &address)]);
        assert!(built.status.success(), "{}", said(&built));
        assert_eq!(
            String::from_utf8_lossy(&built.stdout),
            format!("{}\n", tag.name)
        );
        let container = Container::start(daemon, &tag.name, 3000);
        assert!(container.get(3000, "/").ends_with(" known"));
    });
    // A context of Docker's own, and a key that the server does not know.
    one_daemon(test, |daemon| {
        let Some(socket) = daemon.address.strip_prefix("unix://") else {
            return skipped("the daemon has no socket", test);
        };
        let address = server.address(socket);
        let store = crate::support::temporary();
        let configuration = store.path().to_str().unwrap();
        let mut docker = Command::new("docker");
        docker.args(["--config", configuration, "context", "create", "away"]);
        run(docker.args(["--docker", &format!("host={address}")]));
        let tree = app();
        let tag = daemon.tag("ssh");
        let words = [&["apps/api", "-q", "-t", &tag.name][..], &SECRETS].concat();
        let env = [("DOCKER_CONFIG", configuration), ("DOCKER_CONTEXT", "away")];
        let built = server.slimbuild(tree.root(), &words, &env);
        assert!(built.status.success(), "{}", said(&built));

        server.configure("stranger");
        let refused = server.slimbuild(tree.root(), &words, &env);
        assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
        for part in [
            &*format!("error: cannot reach a Docker daemon at `{address}` (context `away`)"),
            "Permission denied (publickey",
            " version` has to work here first.",
        ] {
            assert!(said(&refused).contains(part), "{}", said(&refused));
        }
    });
}
