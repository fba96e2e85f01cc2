//! A small HTTP server for tests that can misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server answers a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Sends the file.
    File(Vec<u8>),
    /// Sends this many bytes of the file, then closes the connection.
    Cut(Vec<u8>, usize),
    /// Answers with a status this many times, then sends the file.
    Status(u16, usize, Vec<u8>),
}

/// A server of files by path. It counts requests.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) files: Arc<Mutex<BTreeMap<String, Answer>>>,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server on a free port. It ends with the process.
    pub(crate) fn start(files: BTreeMap<String, Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            files: Arc::new(Mutex::new(files)),
            asked: Arc::default(),
        };
        let (files, asked) = (server.files.clone(), server.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &files, &asked);
            }
        });
        server
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn serve(
    mut stream: &TcpStream,
    files: &Mutex<BTreeMap<String, Answer>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    asked.lock().unwrap().push(path.clone());
    let mut files = files.lock().unwrap();
    let (status, bytes, sent) = match files.get_mut(&path) {
        Some(Answer::File(bytes) | Answer::Status(_, 0, bytes)) => {
            (200, bytes.clone(), bytes.len())
        }
        Some(Answer::Cut(bytes, sent)) => (200, bytes.clone(), *sent),
        Some(Answer::Status(status, times, _)) => {
            *times -= 1;
            (*status, Vec::new(), 0)
        }
        None => (404, Vec::new(), 0),
    };
    let length = bytes.len();
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    // The client may have closed the connection.
    drop(stream.write_all(head.as_bytes()));
    drop(stream.write_all(&bytes[..sent]));
}
