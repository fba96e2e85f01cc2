use super::prune::{ABANDONED_AFTER, TREES_KEPT, UNUSED_FOR};
use super::*;
use std::time::Duration;

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("a/b")).unwrap();
    (directory, cache)
}

fn kept(cache: &Cache, bytes: &[u8]) -> Digest {
    let mut incoming = cache.begin().unwrap();
    incoming.write_all(bytes).unwrap();
    let digest = Digest::of(bytes);
    incoming.keep(&digest).unwrap();
    digest
}

#[test]
fn what_is_kept_is_found() {
    let (_directory, cache) = cache();
    let digest = kept(&cache, b"layer");
    assert!(cache.blob(&digest, 5).is_some());
    assert!(cache.verified(&digest).is_some());
    cache.write_note("layers", &digest, &[1, 2]);
    assert_eq!(cache.note("layers", &digest), Some([1, 2]));
    assert_eq!(cache.note::<String>("layers", &digest), None);
    assert_eq!(cache.note::<[u8; 2]>("bases", &digest), None);
}

#[test]
fn what_is_damaged_is_thrown_away() {
    let (_directory, cache) = cache();
    let digest = kept(&cache, b"layer");
    fs_err::write(cache.path(&digest), b"short").unwrap();
    assert!(cache.blob(&digest, 5).is_some(), "the size is right");
    assert!(cache.verified(&digest).is_none());
    assert!(!cache.path(&digest).exists());
    kept(&cache, b"layer");
    fs_err::write(cache.path(&digest), b"lay").unwrap();
    assert!(cache.blob(&digest, 5).is_none());
    assert!(!cache.path(&digest).exists());
}

/// The files of blobs, notes and trees, and those that are being written.
fn files(cache: &Cache) -> Vec<String> {
    let all = walkdir::WalkDir::new(&cache.root).into_iter().flatten();
    let all = all.filter(|entry| !entry.file_type().is_dir());
    let names = all.map(|entry| {
        entry
            .path()
            .strip_prefix(&cache.root)
            .unwrap()
            .display()
            .to_string()
    });
    let is_own = |name: &String| name.ends_with("lock") || name == "CACHEDIR.TAG";
    names.filter(|name| !is_own(name)).collect()
}

fn limit(cache: &Cache, bytes: u64) -> Pruned {
    cache.prune(Which::Limit(Some(bytes)))
}

/// As if it had been used so long ago.
fn aged(path: &Path, age: Duration) {
    let times = FileTimes::new().set_modified(SystemTime::now() - age);
    File::open(path)
        .unwrap()
        .into_file()
        .set_times(times)
        .unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn what_is_not_kept_leaves_nothing() {
    let (_directory, cache) = cache();
    let mut incoming = cache.begin().unwrap();
    incoming.write_all(b"half").unwrap();
    drop(incoming);
    assert_eq!(files(&cache), [""; 0]);
    // Nor does a run.
    let root = cache.root.clone();
    drop(cache);
    assert_eq!(fs_err::read_dir(root.join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_is_unused_goes() {
    let (_directory, cache) = cache();
    let digest = kept(&cache, b"layer");
    let abandoned = cache.root.join("tmp/blob-x");
    fs_err::write(&abandoned, "half").unwrap();
    let at = |age| {
        cache.prune_at(Which::Limit(None), SystemTime::now() + age);
    };
    at(Duration::ZERO);
    assert!(cache.path(&digest).exists() && abandoned.exists());
    at(ABANDONED_AFTER * 2);
    assert!(cache.path(&digest).exists() && !abandoned.exists());
    at(UNUSED_FOR * 2);
    assert!(!cache.path(&digest).exists());
}

#[test]
fn trees_are_whole_or_not_there() {
    let (_directory, cache) = cache();
    let key = Digest::of(b"tree");
    let tree = |text: &str| {
        let tree = cache.begin_tree().unwrap();
        fs_err::write(tree.path().join("a"), text).unwrap();
        tree
    };
    drop(tree("not kept"));
    assert_eq!(cache.tree(&key), None);
    let path = cache.keep_tree(tree("first"), &key).unwrap();
    assert_eq!(cache.keep_tree(tree("second"), &key).unwrap(), path);
    assert_eq!(fs_err::read_to_string(path.join("a")).unwrap(), "first");
    assert_eq!(cache.tree(&key).as_ref(), Some(&path));
    cache.prune_at(Which::Limit(None), SystemTime::now() + TREES_KEPT * 2);
    assert!(!path.exists());
    cache.keep_tree(tree("third"), &key).unwrap();
    cache.remove_tree(&key);
    assert_eq!(cache.tree(&key), None);
    assert_eq!(
        fs_err::read_dir(cache.run.lease.path()).unwrap().count(),
        1,
        "its lock"
    );
}

#[test]
fn what_is_to_be_made_anew_is_not_remembered() {
    let (_directory, cache) = cache();
    let digest = kept(&cache, b"layer");
    cache.write_note("layers", &digest, &1);
    let forgetful = cache.clone().forgetful();
    assert_eq!(forgetful.note::<u8>("layers", &digest), None);
    assert!(forgetful.blob(&digest, 5).is_some());
    forgetful.write_note("layers", &digest, &2);
    assert_eq!(cache.note("layers", &digest), Some(2));
    let read = |path: &std::path::Path| fs_err::read_to_string(path.join("a")).unwrap();
    let mut paths = Vec::new();
    for text in ["first", "second"] {
        let tree = forgetful.begin_tree().unwrap();
        fs_err::write(tree.path().join("a"), text).unwrap();
        paths.push(forgetful.keep_tree(tree, &digest).unwrap());
        assert_eq!(read(&paths[paths.len() - 1]), text);
    }
    assert_eq!(forgetful.tree(&digest), None);
    // Who uses the first one still can.
    assert_eq!(read(&paths[0]), "first");
    assert_eq!(cache.tree(&digest).as_ref(), Some(&paths[0]));
}

#[test]
fn lies_where_caches_lie() {
    let directory = |xdg, home| Cache::directory(xdg, home).map(|path| path.display().to_string());
    assert_eq!(
        directory(Some("/x"), Some("/h")).as_deref(),
        Some("/x/slimbuild")
    );
    assert_eq!(
        directory(None, Some("/h")).as_deref(),
        Some("/h/.cache/slimbuild")
    );
    assert_eq!(directory(Some("relative"), None), None);
}

#[test]
fn the_least_recently_used_goes_first() {
    let (_directory, cache) = cache();
    let all: Vec<Digest> = (0u8..4).map(|at| kept(&cache, &[at; 1000])).collect();
    for (digest, days) in all.iter().zip([3, 1, 4, 2]) {
        aged(&cache.path(digest), DAY * days);
    }
    let there = || -> Vec<bool> {
        all.iter()
            .map(|digest| cache.path(digest).exists())
            .collect()
    };
    assert_eq!(
        limit(&cache, 4000),
        Pruned {
            left: 4000,
            ..Pruned::default()
        }
    );
    let pruned = limit(&cache, 2500);
    assert_eq!((pruned.count, pruned.bytes, pruned.left), (2, 2000, 2000));
    assert_eq!(there(), [false, true, false, true]);
    // To be looked up is to be used.
    assert!(cache.blob(&all[3], 1000).is_some());
    limit(&cache, 1000);
    assert_eq!(there(), [false, false, false, true]);
    limit(&cache, 0);
    assert_eq!(files(&cache), [""; 0]);
}

#[test]
fn what_another_run_uses_stays() {
    let (_directory, cache) = cache();
    let (old, used) = (kept(&cache, &[1; 1000]), kept(&cache, &[2; 1000]));
    for digest in [&old, &used] {
        aged(&cache.path(digest), DAY);
    }
    fs_err::create_dir(cache.store()).unwrap();
    fs_err::write(cache.store().join("x"), [0; 9000]).unwrap();
    let other = Cache::open(&cache.root).unwrap();
    assert!(other.blob(&used, 1000).is_some());
    for which in [
        Which::Limit(Some(0)),
        Which::Older(Duration::ZERO),
        Which::All,
    ] {
        let pruned = cache.prune(which);
        assert_eq!(pruned.running, 1, "{which:?}");
        assert!(!cache.path(&old).exists() && cache.path(&used).exists());
        assert!(cache.store().exists());
    }
    drop(other);
    assert_eq!(cache.prune(Which::All).running, 0);
    assert_eq!(files(&cache), [""; 0]);
}

#[test]
fn a_store_that_is_too_large_goes_whole_and_pushes_nothing_out() {
    let (_directory, cache) = cache();
    let blob = kept(&cache, &[1; 1000]);
    aged(&cache.path(&blob), DAY);
    let store = cache.store();
    fs_err::create_dir_all(store.join("v10/files")).unwrap();
    fs_err::write(store.join("v10/files/x"), vec![7; 100_000]).unwrap();
    limit(&cache, 1_000_000);
    assert!(store.exists());
    limit(&cache, 50_000);
    assert!(!store.exists() && cache.path(&blob).exists());
}

#[test]
fn what_a_killed_run_left_goes_with_the_next() {
    let (_directory, cache) = cache();
    let left = cache.root.join("tmp/run-killed");
    fs_err::create_dir(&left).unwrap();
    fs_err::write(left.join("lock"), "").unwrap();
    fs_err::write(left.join("blob-x"), "half").unwrap();
    let living = Cache::open(&cache.root).unwrap();
    let incoming = living.begin().unwrap();
    cache.tidy(None);
    assert!(!left.exists() && incoming.path().exists());
}

#[test]
fn what_is_no_file_is_made_again() {
    use std::os::unix::fs::symlink;
    let (directory, cache) = cache();
    let outside = directory.path().join("outside");
    let digest = Digest::of(b"layer");
    fs_err::write(&outside, b"layer").unwrap();
    let damages: [&dyn Fn(&Path); 3] = [
        &|path| symlink(&outside, path).unwrap(),
        &|path| {
            fs_err::create_dir_all(path.join("x")).unwrap();
            fs_err::write(path.join("x/y"), "").unwrap();
        },
        &|path| {
            // The name of a socket must be short.
            let socket = directory.path().join("s");
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            fs_err::rename(socket, path).unwrap();
        },
    ];
    for damage in damages {
        damage(&cache.path(&digest));
        assert_eq!(cache.blob(&digest, 5), None);
        damage(&cache.path(&digest));
        assert_eq!(cache.verified(&digest), None);
        damage(&cache.path(&digest));
        kept(&cache, b"layer");
        assert!(cache.path(&digest).symlink_metadata().unwrap().is_file());
        cache.remove(&digest);

        cache.write_note("layers", &digest, &1);
        fs_err::remove_file(cache.note_path("layers", &digest)).unwrap();
        damage(&cache.note_path("layers", &digest));
        assert_eq!(cache.note::<u8>("layers", &digest), None);
        damage(&cache.note_path("layers", &digest));
        cache.write_note("layers", &digest, &2);
        assert_eq!(cache.note("layers", &digest), Some(2));
    }
    symlink(
        directory.path(),
        cache.root.join("trees").join(digest.hex()),
    )
    .unwrap();
    assert_eq!(cache.tree(&digest), None);
    symlink(
        directory.path(),
        cache.root.join("trees").join(digest.hex()),
    )
    .unwrap();
    cache
        .keep_tree(cache.begin_tree().unwrap(), &digest)
        .unwrap();
    assert!(cache.tree(&digest).is_some());
    fs_err::write(cache.note_path("layers", &digest), "{\"half").unwrap();
    assert_eq!(cache.note::<u8>("layers", &digest), None);
    fs_err::remove_dir_all(cache.root.join("notes")).unwrap();
    fs_err::write(cache.root.join("notes"), "").unwrap();
    let again = Cache::open(&cache.root).unwrap();
    again.write_note("layers", &digest, &3);
    assert_eq!(again.note("layers", &digest), Some(3));
    assert_eq!(fs_err::read(outside).unwrap(), b"layer");
}

#[test]
fn a_cache_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a/b");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    drop(Cache::open(&root).unwrap());
    assert_eq!(mode(&root), 0o700);
    let set = |mode| fs_err::set_permissions(&root, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o775);
    drop(Cache::open(&root).unwrap());
    assert_eq!(mode(&root), 0o700);
    set(0o777);
    let error = Cache::open(&root).unwrap_err();
    assert!(matches!(error, CacheError::Open(_)), "{error}");
    assert!(error.hint().unwrap().contains("rm -r"));
}

#[test]
fn what_cannot_be_written_is_known() {
    let (_directory, cache) = cache();
    assert_eq!(cache.trouble(), None);
    fs_err::remove_dir_all(cache.run.lease.path()).unwrap();
    cache.write_note("layers", &Digest::of(b"x"), &1);
    assert!(cache.trouble().is_some());
    assert!(cache.begin().is_err() && cache.begin_tree().is_err());
    let private = Cache::private().unwrap();
    let root = private.root.clone();
    kept(&private, b"layer");
    drop(private);
    assert!(!root.exists());
}

#[test]
fn runs_at_once_do_not_disturb_each_other() {
    let (_directory, cache) = cache();
    let root = cache.root.clone();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let mut count = 0;
            while !is_over() {
                count += limit(&Cache::open(&root).unwrap(), 500).count;
            }
            count
        });
        let runs: Vec<_> = (0..4u8)
            .map(|_| {
                let root = &root;
                scope.spawn(move || {
                    for at in 0..60u8 {
                        let cache = Cache::open(root).unwrap();
                        let digest = Digest::of(&[at % 10; 300]);
                        let key = Digest::of(&[at % 7]);
                        if cache.blob(&digest, 300).is_none() {
                            kept(&cache, &[at % 10; 300]);
                        }
                        let tree = cache.tree(&key).unwrap_or_else(|| {
                            let tree = cache.begin_tree().unwrap();
                            fs_err::write(tree.path().join("a"), "a").unwrap();
                            cache.keep_tree(tree, &key).unwrap()
                        });
                        cache.write_note("layers", &digest, &at);
                        std::thread::sleep(Duration::from_millis(2));
                        // What it has looked up or made is there until it ends.
                        assert_eq!(fs_err::read(cache.path(&digest)).unwrap(), [at % 10; 300]);
                        assert_eq!(fs_err::read(tree.join("a")).unwrap(), b"a");
                        assert!(cache.note::<u8>("layers", &digest).is_some());
                        assert_eq!(cache.trouble(), None);
                    }
                })
            })
            .collect();
        let ended = runs.into_iter().map(std::thread::ScopedJoinHandle::join);
        let ended: Vec<_> = ended.collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        pruning.join().unwrap();
        ended.into_iter().for_each(Result::unwrap);
    });
    limit(&cache, 0);
    assert_eq!(files(&cache), [""; 0]);
}
