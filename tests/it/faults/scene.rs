//! Runs the real program, signals it in the middle, and checks that it left nothing behind.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use fs_err::File;
use rustix::process::{Pid, Signal, kill_process};
use slimbuild::Env;
use walkdir::WalkDir;

use crate::support::tree::Tree;
use crate::support::unique;

/// How long a run may take to the point where it is signalled.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long it may take to end.
pub(super) const BOUND: Duration = Duration::from_secs(10);

/// A workspace, and directories that only one run uses.
pub(super) struct Scene {
    pub(super) tree: Tree,
    own: tempfile::TempDir,
    /// A user name that marks the run: slimbuild passes it on to steps, so all processes of the run
    /// have it.
    pub(super) mark: String,
    before: Vec<PathBuf>,
}

impl Scene {
    /// `write` makes the workspace. It gets the path of a file that a step can write as a sign.
    pub(super) fn new(tree: Tree, write: impl FnOnce(&Tree, &Path)) -> Self {
        let own = crate::support::temporary();
        fs_err::create_dir(own.path().join("tmp")).unwrap();
        write(&tree, &own.path().join("sign"));
        let before = files(tree.root());
        let mark = format!("slimbuild-test-{}", unique());
        Self {
            tree,
            own,
            mark,
            before,
        }
    }

    /// A path outside the workspace.
    pub(super) fn own(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    /// Where the run's temporary files go.
    pub(super) fn tmp(&self) -> PathBuf {
        self.own("tmp")
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Running {
        let env = Env::of_process();
        let names = [
            "PATH",
            "HOME",
            "HTTPS_PROXY",
            "https_proxy",
            "NO_PROXY",
            "no_proxy",
            "DOCKER_HOST",
        ];
        let set = names.iter().filter_map(|name| Some((name, env.get(name)?)));
        // A test run in the background or under nohup ignores signals, and so would its children.
        let mut child = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM"])
            .arg(env!("CARGO_BIN_EXE_slimbuild"))
            .args(arguments)
            .current_dir(self.tree.root())
            .env_clear()
            .envs(set)
            .env("TMPDIR", self.tmp())
            .env("USER", &self.mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Running {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Whether a step has given its sign.
    pub(super) fn is_signed(&self) -> bool {
        self.own("sign").exists()
    }

    /// Nothing is left: no process, no file.
    pub(super) fn assert_left_nothing(&self, what: &str) {
        assert_eq!(self.processes(), [""; 0], "{what}");
        assert_eq!(names(&self.tmp()), [""; 0], "{what}");
        assert_eq!(files(self.tree.root()), self.before, "{what}");
        assert_eq!(abandoned(), [""; 0], "{what}");
    }

    /// The command lines of processes of the run.
    pub(super) fn processes(&self) -> Vec<String> {
        let set = format!("={}\0", self.mark);
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/proc").unwrap().flatten() {
            let environ = fs_err::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environ).contains(&set) {
                let words = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
                found.push(String::from_utf8_lossy(&words).replace('\0', " "));
            }
        }
        found
    }
}

/// Abandoned work directories in memory, of any process.
fn abandoned() -> Vec<String> {
    let is_abandoned = |name: &String| {
        let lock = Path::new("/dev/shm").join(name).join("lock");
        name.starts_with("slimbuild-work-")
            && File::open(lock).is_ok_and(|lock| lock.into_file().try_lock().is_ok())
    };
    let began = Instant::now();
    loop {
        let found = names(Path::new("/dev/shm"));
        let found: Vec<String> = found.into_iter().filter(is_abandoned).collect();
        // A directory that was just created has no lock yet.
        if found.is_empty() || began.elapsed() > Duration::from_secs(2) {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    walk.map(|entry| entry.unwrap().into_path()).collect()
}

/// A run of slimbuild.
pub(super) struct Running {
    pub(super) child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Running {
    /// Waits until a condition holds.
    pub(super) fn until(mut self, is_so: impl Fn(&[String]) -> bool) -> Self {
        let began = Instant::now();
        loop {
            self.said.extend(self.lines.try_iter());
            if is_so(&self.said) {
                return self;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(100));
                self.said.extend(self.lines.try_iter());
                panic!("{status} too early:\n{}", self.said.join("\n"));
            }
            assert!(began.elapsed() < PATIENCE, "{}", self.said.join("\n"));
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal this many times, and waits for the end. Returns the exit code and the time
    /// that it took.
    pub(super) fn signal(mut self, signal: Signal, times: u32) -> (Option<i32>, Duration, String) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        let began = Instant::now();
        for _ in 0..times {
            // It may have ended already.
            let _gone = kill_process(id, signal);
            thread::sleep(Duration::from_millis(200));
        }
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end:\n{}",
                self.said.join("\n")
            );
            thread::sleep(Duration::from_millis(5));
        };
        let took = began.elapsed();
        thread::sleep(Duration::from_millis(50));
        self.said.extend(self.lines.try_iter());
        // As in a shell: a process that a signal ended has no code of its own.
        let code = status.code().or_else(|| Some(128 + status.signal()?));
        (code, took, self.said.join("\n"))
    }

    /// Waits for its own end.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        thread::sleep(Duration::from_millis(50));
        self.said.extend(self.lines.try_iter());
        (status.code(), self.said.join("\n"))
    }
}

/// A server that accepts connections and never answers.
pub(super) struct Silence {
    pub(super) address: String,
    heard: Receiver<()>,
}

impl Silence {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut kept = Vec::new();
            for connection in listener.incoming() {
                kept.push(connection);
                let _deaf = sender.send(());
            }
        });
        Self { address, heard }
    }

    pub(super) fn was_asked(&self) -> bool {
        self.heard.try_recv().is_ok()
    }
}

/// The mode of a file, without its kind.
pub(super) fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).unwrap().mode() & 0o7777
}
