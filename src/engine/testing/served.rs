//! Daemons that misbehave: one that is scripted, and a real one behind a line that can be cut.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use crate::engine::host::{self, Host};

/// A socket that a thread serves until the test ends.
pub(in crate::engine) struct Served {
    directory: TempDir,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

impl Served {
    fn start(serve: impl Fn(UnixStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(directory.path())).unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let (serve, open) = (Arc::new(serve), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let serve = serve.clone();
                // A client that hangs up is what many a test is about.
                std::thread::spawn(move || serve(stream).ok());
            }
        });
        Self {
            directory,
            connections,
        }
    }

    /// A line to the real daemon behind `target`.
    pub(in crate::engine) fn line_to(target: &Path) -> Self {
        let target = target.to_owned();
        Self::start(move |near| {
            let far = UnixStream::connect(&target)?;
            let (mut near_out, mut far_in) = (near.try_clone()?, far.try_clone()?);
            std::thread::spawn(move || {
                io::copy(&mut far_in, &mut near_out).ok();
                near_out.shutdown(Shutdown::Write).ok();
            });
            let (mut near, mut far) = (near, far);
            let copied = io::copy(&mut near, &mut far);
            far.shutdown(Shutdown::Write)?;
            copied.map(|_| ())
        })
    }

    /// A daemon that calls itself what `version` says, and answers what is asked at `path` once it has
    /// the whole request.
    pub(in crate::engine) fn scripted(
        version: &'static str,
        path: &'static str,
        status: &'static str,
        answer: &'static str,
    ) -> Self {
        Self::start(move |mut stream| {
            let head = read_until(&mut stream, b"\r\n\r\n")?;
            let (status, body) = if head.starts_with(b"GET /version") {
                ("200 OK", version)
            } else if contains(&head, format!(" {path}").as_bytes()) {
                let in_chunks = contains(&head.to_ascii_lowercase(), b"transfer-encoding: chunked");
                if in_chunks && !head.ends_with(b"0\r\n\r\n") {
                    read_until(&mut stream, b"\r\n0\r\n\r\n")?;
                }
                (status, answer)
            } else {
                ("404 Not Found", "{}")
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            )?;
            // The end of the last line comes alone.
            let (lines, end) = match body.strip_suffix("\r\n") {
                Some(lines) => (lines, "\r\n"),
                None => (body, ""),
            };
            stream.write_all(lines.as_bytes())?;
            std::thread::sleep(std::time::Duration::from_millis(100));
            stream.write_all(end.as_bytes())
        })
    }

    pub(in crate::engine) fn host(&self) -> Host {
        let address = format!("unix://{}", socket(self.directory.path()).display());
        host::resolve(&crate::system::env::Env::default(), Some(&address)).unwrap()
    }

    /// Ends all connections and takes no more.
    pub(in crate::engine) fn cut(&self) {
        // It may be cut already.
        drop(fs_err::remove_file(socket(self.directory.path())));
        for stream in self.connections.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("docker.sock")
}

/// Reads until what was read ends with `end`, and keeps no more than the last read's worth of it.
fn read_until(stream: &mut UnixStream, end: &[u8]) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = Vec::new();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if kept.len() > buffer.len() {
            kept.drain(..kept.len() - end.len());
        }
        kept.extend_from_slice(&buffer[..count]);
        if kept.ends_with(end) || (end == b"\r\n\r\n" && contains(&kept, end)) {
            return Ok(kept);
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
