//! A line to a registry that answers late, and notes how requests follow each other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An answered request.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// `GET /v2/x/manifests/1`
    pub(crate) request: String,
    begin: Instant,
    end: Instant,
}

#[derive(Default)]
struct Shared {
    /// In milliseconds.
    delay: AtomicU64,
    /// Whether questions for keys get no answer.
    hangs: AtomicBool,
    answered: Mutex<Vec<Answered>>,
}

/// A line to a registry, on a port of its own.
pub(crate) struct Late {
    /// `127.0.0.1:40000`
    pub(crate) address: String,
    shared: Arc<Shared>,
}

impl Late {
    pub(crate) fn to(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (shared, registry) = (Arc::new(Shared::default()), registry.to_owned());
        let all = Arc::clone(&shared);
        // Nobody waits for the threads: they end with the process.
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (shared, far) = (Arc::clone(&all), TcpStream::connect(&registry).unwrap());
                std::thread::spawn(move || pass(&near, &far, &shared));
            }
        });
        Self { address, shared }
    }

    /// From now on, each answer comes so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.shared.delay.store(delay, Ordering::SeqCst);
    }

    /// From now on, whether an image of a key is there is not answered.
    pub(crate) fn hang(&self) {
        self.shared.hangs.store(true, Ordering::SeqCst);
    }

    /// What was answered since the last time.
    pub(crate) fn answered(&self) -> Vec<Answered> {
        std::mem::take(&mut self.shared.answered.lock().unwrap())
    }
}

/// How many requests waited for one another: the most of them of which each began after the last was
/// answered.
pub(crate) fn rounds(answered: &[Answered]) -> usize {
    let mut answered = answered.to_vec();
    answered.sort_by_key(|one| one.end);
    let (mut rounds, mut last) = (0, None);
    for one in answered {
        if last.is_none_or(|last| one.begin >= last) {
            rounds += 1;
            last = Some(one.end);
        }
    }
    rounds
}

/// The request that waits for its answer.
type Open = Mutex<Option<(String, Instant)>>;

fn pass(near: &TcpStream, far: &TcpStream, shared: &Shared) {
    let open = Open::default();
    std::thread::scope(|scope| {
        scope.spawn(|| requests(near, far, shared, &open));
        answers(far, near, shared, &open);
    });
}

fn requests(mut near: &TcpStream, mut far: &TcpStream, shared: &Shared, open: &Open) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = near.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..read.min(1000)]).into_owned();
        let line = text.lines().next().unwrap_or_default();
        if let Some(request) = line.strip_suffix(" HTTP/1.1") {
            let is_question =
                request.starts_with("GET ") && request.contains("/manifests/slimbuild-");
            if is_question && shared.hangs.load(Ordering::SeqCst) {
                continue;
            }
            *open.lock().unwrap() = Some((request.to_owned(), Instant::now()));
        }
        if far.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    drop(far.shutdown(Shutdown::Write));
}

fn answers(mut far: &TcpStream, mut near: &TcpStream, shared: &Shared, open: &Open) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = far.read(&mut bytes) {
        let request = open.lock().unwrap().take();
        if let Some((request, begin)) = request {
            let delay = shared.delay.load(Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(delay));
            let end = Instant::now();
            let one = Answered {
                request,
                begin,
                end,
            };
            shared.answered.lock().unwrap().push(one);
        }
        if near.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    drop(near.shutdown(Shutdown::Both));
}
