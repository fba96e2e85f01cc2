//! A line to a daemon that can be cut: a socket that passes on all that comes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

/// A socket beside the daemon's own.
pub(crate) struct Line {
    /// As `DOCKER_HOST` has it.
    pub(crate) address: String,
    /// Both ends of all connections.
    ends: Arc<Mutex<Vec<UnixStream>>>,
    directory: TempDir,
}

impl Line {
    /// Listens, and passes on to the daemon's socket; `None` where it has no socket.
    pub(crate) fn to(daemon: &str) -> Option<Self> {
        Self::passing(daemon, |_| Ok(()))
    }

    /// Listens as a BuildKit does that has no Docker API: each connection leads to the daemon's own
    /// BuildKit.
    pub(crate) fn to_buildkit(daemon: &str) -> Option<Self> {
        Self::passing(daemon, upgrade)
    }

    fn passing(daemon: &str, begin: fn(&mut UnixStream) -> io::Result<()>) -> Option<Self> {
        let target = PathBuf::from(daemon.strip_prefix("unix://")?);
        let directory = crate::support::temporary();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&ends);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                // Nobody waits for the thread: it ends with the process.
                let (Ok(near), Ok(mut far)) = (near, UnixStream::connect(&target)) else {
                    return;
                };
                if begin(&mut far).is_err() {
                    return;
                }
                let pair = || [near.try_clone().unwrap(), far.try_clone().unwrap()];
                all.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(pair());
                let ([near, far], [back_near, back_far]) = (pair(), pair());
                std::thread::spawn(move || pass(near, far));
                std::thread::spawn(move || pass(back_far, back_near));
            }
        });
        Some(Self {
            address: format!("unix://{}", socket.display()),
            ends,
            directory,
        })
    }

    /// Cuts all connections, and takes no new ones.
    pub(crate) fn cut(&self) {
        fs_err::remove_file(self.directory.path().join("docker.sock")).unwrap();
        self.interrupt();
    }

    /// Cuts all connections.
    pub(crate) fn interrupt(&self) {
        for end in self
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            // It may be closed already.
            drop(end.shutdown(Shutdown::Both));
        }
    }
}

/// Asks a daemon for its BuildKit, and reads the answer to the end of its head.
fn upgrade(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(
        b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "no BuildKit answers");
    Ok(())
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    // Either end may go at any time.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
