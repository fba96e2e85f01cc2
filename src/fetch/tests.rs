use super::testing::{Answer, Server};
use super::*;

fn net() -> Net<'static> {
    Net::new(&Proxies::default(), &|_| {}).unwrap()
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
    let net = Net::new(&proxies, &|_| {}).unwrap();
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
    let net = Net::new(&Proxies::default(), &begins).unwrap();
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
