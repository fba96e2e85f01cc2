use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};

use super::testing::{Answer, Server};
use super::*;

const NOBODY: Listener<'static> = Listener {
    begins: &|_| {},
    stop: &|| false,
};

fn net() -> Net<'static> {
    Net::new(&Proxies::default(), Patience::default(), NOBODY).unwrap()
}

fn server(answer: Answer) -> Server {
    Server::start([("/file".to_owned(), answer)].into())
}

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    (directory, cache)
}

#[test]
fn what_the_cache_has_is_not_asked_for() {
    let (_directory, cache) = cache();
    let server = server(Answer::File(b"abc".to_vec()));
    let (url, digest) = (format!("{}/file", server.url), Digest::of(b"abc"));
    for requests in [1, 1] {
        let path = net().file(&url, &digest, &cache).unwrap();
        assert_eq!(fs_err::read(path).unwrap(), b"abc");
        assert_eq!(server.requests(), requests);
    }
    fs_err::write(cache.path(&digest), b"abd").unwrap();
    net().file(&url, &digest, &cache).unwrap();
    assert_eq!(server.requests(), 2, "a damaged one is fetched again");
}

#[test]
fn something_else_is_refused_and_not_kept() {
    let (_directory, cache) = cache();
    let server = server(Answer::File(b"evil".to_vec()));
    let digest = Digest::of(b"abc");
    let error = net().file(&format!("{}/file", server.url), &digest, &cache);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("is not what it should be: expected sha256:ba7816bf"),
        "{error}"
    );
    assert!(cache.verified(&digest).is_none());
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_server_that_ends_in_the_middle_is_asked_three_times() {
    let (_directory, cache) = cache();
    let server = server(Answer::Cut(vec![7; 100_000], 50_000));
    let digest = Digest::of(&vec![7; 100_000]);
    let error = net()
        .file(&format!("{}/file", server.url), &digest, &cache)
        .unwrap_err();
    assert!(matches!(error, FetchError::Unreached { .. }), "{error}");
    assert_eq!(server.requests(), 3);
    assert!(cache.verified(&digest).is_none());
}

#[test]
fn a_busy_server_is_asked_again_and_one_that_has_nothing_is_not() {
    let (_directory, cache) = cache();
    let digest = Digest::of(b"abc");
    for status in [503, 429] {
        cache.remove(&digest);
        let server = server(Answer::Status(status, 1, b"abc".to_vec()));
        net()
            .file(&format!("{}/file", server.url), &digest, &cache)
            .unwrap();
        assert_eq!(server.requests(), 2);
    }
    let server = server(Answer::File(Vec::new()));
    let error = net()
        .bytes(&format!("{}/other", server.url), "*/*")
        .unwrap_err();
    assert!(error.is_missing());
    let address = server.url;
    assert_eq!(
        error.to_string(),
        format!("cannot download `{address}/other`: the server answers 404 Not Found")
    );
}

#[test]
fn a_proxy_is_used_unless_a_host_is_left_out() {
    let server = server(Answer::File(b"abc".to_vec()));
    server.files.lock().unwrap().insert(
        "http://mirror.invalid/file".to_owned(),
        Answer::File(b"by proxy".to_vec()),
    );
    let proxies = Proxies {
        http: Some(server.url.clone()),
        https: None,
        none: Some("127.0.0.1".to_owned()),
    };
    let net = Net::new(&proxies, Patience::default(), NOBODY).unwrap();
    assert_eq!(
        net.bytes("http://mirror.invalid/file", "*/*").unwrap(),
        b"by proxy"
    );
    assert_eq!(
        net.bytes(&format!("{}/file", server.url), "*/*").unwrap(),
        b"abc"
    );
}

#[test]
fn what_begins_is_told() {
    let (_directory, cache) = cache();
    let server = server(Answer::File(b"abc".to_vec()));
    let told = std::cell::RefCell::new(Vec::new());
    let begins = |url: &str| told.borrow_mut().push(url.to_owned());
    let to = Listener {
        begins: &begins,
        ..NOBODY
    };
    let net = Net::new(&Proxies::default(), Patience::default(), to).unwrap();
    let url = server.url.replace("://", "://me:secret@") + "/file";
    for _ in 0..2 {
        net.file(&url, &Digest::of(b"abc"), &cache).unwrap();
    }
    assert_eq!(told.take(), [server.url + "/file"]);
}

#[test]
fn credentials_are_not_shown() {
    assert_eq!(shown("https://me:secret@host/a@b"), "https://host/a@b");
    assert_eq!(shown("http://host/a@b"), "http://host/a@b");
}

/// Limits for tests.
const SHORT_LIMITS: Patience = Patience {
    answer: Duration::from_millis(300),
    silence: Duration::from_millis(300),
    window: Duration::from_millis(500),
    least: 1000,
    pauses: [Duration::from_millis(10); 2],
};

/// A server that does this with each connection, after it has read the request.
fn misbehaving(act: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                act(stream);
            });
        }
    });
    format!("http://{address}/file")
}

fn say(mut stream: &TcpStream, text: &str) {
    // The client may be gone.
    drop(stream.write_all(text.as_bytes()));
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";

/// How a download ends, which must be soon, in words.
fn failure(url: &str) -> String {
    let (_directory, cache) = cache();
    let net = Net::new(&Proxies::default(), SHORT_LIMITS, NOBODY).unwrap();
    let digest = Digest::of(b"abc");
    let began = Instant::now();
    let error = net.file(url, &digest, &cache).unwrap_err();
    let again = net.bytes(url, "*/*").unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{error}");
    assert!(cache.verified(&digest).is_none());
    assert_eq!(again.to_string(), error.to_string());
    assert!(error.hint().is_some());
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), format!("cannot download `{url}`"));
    source
}

#[test]
fn a_silent_server_is_given_up() {
    let nothing = |stream: TcpStream| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    };
    let url = misbehaving(nothing);
    assert_eq!(failure(&url), "no answer came within 0.3 s");
    let in_the_middle = |stream: TcpStream| {
        say(&stream, HEAD);
        say(&stream, "some bytes");
        thread::sleep(Duration::from_secs(20));
    };
    let url = misbehaving(in_the_middle);
    assert_eq!(failure(&url), "nothing moved for 0.3 s");
}

#[test]
fn a_server_that_drips_is_given_up() {
    let in_the_body = |stream: TcpStream| {
        say(&stream, HEAD);
        for _ in 0..200 {
            say(&stream, "x");
            thread::sleep(Duration::from_millis(50));
        }
    };
    let words = failure(&misbehaving(in_the_body));
    assert!(
        words.starts_with("only ") && words.ends_with(" bytes moved in 0.5 s"),
        "{words}"
    );
    let in_the_head = |stream: TcpStream| {
        say(&stream, "HTTP/1.1 200 OK\r\nX: ");
        for _ in 0..200 {
            say(&stream, "x");
            thread::sleep(Duration::from_millis(50));
        }
    };
    let url = misbehaving(in_the_head);
    assert_eq!(failure(&url), "no answer came within 0.3 s");
}

#[test]
fn redirects_end_and_never_lead_to_files() {
    let to_itself = |stream: TcpStream| {
        say(
            &stream,
            "HTTP/1.1 302 x\r\nLocation: /file\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let url = misbehaving(to_itself);
    assert_eq!(
        failure(&url),
        "it is redirected more than 10 times, and there is no end"
    );
    let to_a_file = |stream: TcpStream| {
        say(
            &stream,
            "HTTP/1.1 302 x\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let url = misbehaving(to_a_file);
    assert_eq!(
        failure(&url),
        "it is redirected to what is no address of the web"
    );
}

#[test]
fn a_connection_that_comes_to_nothing_is_given_up() {
    // An address of documentation: packets get lost, or there is no way to it at all.
    failure("http://192.0.2.1:9/file");
}

#[test]
fn whoever_wants_to_stop_does_not_wait_for_a_server() {
    let (_directory, cache) = cache();
    let silent = |stream: TcpStream| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    };
    let in_the_middle = |stream: TcpStream| {
        say(&stream, HEAD);
        thread::sleep(Duration::from_secs(20));
    };
    let busy = |stream: TcpStream| say(&stream, "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n");
    for act in [silent as fn(TcpStream), in_the_middle, busy] {
        let began = Instant::now();
        let to = Listener {
            begins: &|_| {},
            stop: &|| began.elapsed() > Duration::from_millis(200),
        };
        let patience = Patience {
            pauses: [Duration::from_secs(20); 2],
            ..Patience::default()
        };
        let net = Net::new(&Proxies::default(), patience, to).unwrap();
        let error = net.file(&misbehaving(act), &Digest::of(b"abc"), &cache);
        assert!(error.unwrap_err().is_interrupt());
        drop(net);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn an_exact_version_is_asked_for_once_and_a_range_once_a_day() {
    let (_directory, cache) = cache();
    let packument = br#"{"versions": {"22.1.0": {"dist": {"integrity": "sha512-x"}}}}"#;
    let server = Server::start([("/node".to_owned(), Answer::File(packument.to_vec()))].into());
    let ask = |wanted: &str, fresh: bool| {
        let found = npm::published("node", wanted, &server.url, fresh, &net(), &cache).unwrap();
        assert_eq!(found.version, "22.1.0");
        server.requests()
    };
    assert_eq!([ask("22.1.0", false), ask("22.1.0", false)], [1, 1]);
    assert_eq!(ask("22.1.0", true), 1, "it is what it was");
    assert_eq!([ask("22", false), ask("22", false)], [2, 2]);
    assert_eq!(ask("22", true), 3);
}
