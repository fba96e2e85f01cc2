use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    AtomicFile::begin(path)?.write(|out| out.write_all(text.as_bytes()))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs_err::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What a plain create gives here.
fn created(directory: &Path) -> u32 {
    fs_err::write(directory.join("plain"), "").unwrap();
    let mode = mode(&directory.join("plain"));
    fs_err::remove_file(directory.join("plain")).unwrap();
    mode
}

#[test]
fn a_link_in_the_place_of_an_unfinished_file_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs_err::write(&victim, "mine").unwrap();
    let target = directory.path().join("ctx.tar");
    fs_err::os::unix::fs::symlink(&victim, directory.path().join(".ctx.tar.part")).unwrap();
    put(&target, "new").unwrap();
    assert_eq!(fs_err::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(fs_err::read_to_string(&target).unwrap(), "new");
    assert!(!target.is_symlink());
}

#[test]
fn a_target_that_is_a_link_is_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    fs_err::write(&victim, "mine").unwrap();
    for to in ["victim", "missing", ".", "/dev/null"] {
        let link = directory.path().join("server.oci.tar");
        fs_err::os::unix::fs::symlink(to, &link).unwrap();
        let error = put(&link, "new").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("server.oci.tar`: it is a symlink"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("symlink"));
        let error = AtomicDirectory::begin(&link).unwrap_err();
        assert!(error.to_string().ends_with("it is a symlink"), "{error}");
        // A slash behind the name changes nothing.
        let slash = PathBuf::from(format!("{}/", link.display()));
        assert!(put(&slash, "new").is_err() && AtomicDirectory::begin(&slash).is_err());
        fs_err::remove_file(link).unwrap();
    }
    assert_eq!(fs_err::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(
        names(directory.path()),
        BTreeSet::from(["victim".to_owned()])
    );
}

#[test]
fn a_name_that_nobody_typed_stays_inside_of_the_workspace() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs_err::create_dir_all(root.join("apps/a")).unwrap();
    fs_err::create_dir(directory.path().join("home")).unwrap();
    fs_err::os::unix::fs::symlink("../../home", root.join("apps/b")).unwrap();
    fs_err::os::unix::fs::symlink("a", root.join("apps/c")).unwrap();
    let begin = |path: &str| AtomicFile::begin_inside(&root, &root.join(path));
    assert!(begin("apps/a/slimbuild.json").is_ok());
    assert!(begin("apps/c/slimbuild.json").is_ok());
    let error = begin("apps/b/slimbuild.json").unwrap_err();
    assert!(matches!(error, WriteError::LeadsOut { .. }), "{error}");
    assert_eq!(names(&directory.path().join("home")), BTreeSet::new());
}

#[test]
fn a_file_has_the_permissions_that_plain_writing_gives() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("ctx.tar");
    put(&target, "one").unwrap();
    assert_eq!(mode(&target), created(directory.path()));
    fs_err::set_permissions(&target, std::fs::Permissions::from_mode(0o600)).unwrap();
    put(&target, "two").unwrap();
    assert_eq!(mode(&target), 0o600, "as with a shell");
    assert_eq!(fs_err::read_to_string(&target).unwrap(), "two");
}

#[test]
fn many_that_write_one_file_at_once_all_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("same.tar");
    let begin = std::sync::Barrier::new(12);
    std::thread::scope(|scope| {
        for number in 0..12 {
            let (target, begin) = (&target, &begin);
            scope.spawn(move || {
                let file = AtomicFile::begin(target).unwrap();
                begin.wait();
                let text = format!("{number:03}").repeat(100_000);
                file.write(|out| out.write_all(text.as_bytes())).unwrap();
            });
        }
    });
    let text = fs_err::read_to_string(&target).unwrap();
    assert_eq!(text.len(), 300_000);
    assert_eq!(text, text[..3].repeat(100_000), "one of them, whole");
    assert_eq!(names(directory.path()).len(), 1);
}

#[test]
fn a_device_and_a_pipe_are_written_to_and_stay() {
    put(Path::new("/dev/null"), "gone").unwrap();
    let error = put(Path::new("/dev/full"), "gone").unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs_err::read_to_string(pipe).unwrap()
    });
    put(&pipe, "through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert_eq!(names(directory.path()), BTreeSet::from(["pipe".to_owned()]));
    for device in ["/dev/null", "/dev/full"] {
        use std::os::unix::fs::FileTypeExt;
        assert!(
            fs_err::metadata(device)
                .unwrap()
                .file_type()
                .is_char_device()
        );
    }
}

#[test]
fn an_open_file_is_appended_to_by_its_number() {
    use std::os::fd::AsRawFd;
    let directory = tempfile::tempdir().unwrap();
    let mut file = fs_err::File::create(directory.path().join("log")).unwrap();
    file.write_all(b"before ").unwrap();
    let number = file.as_raw_fd();
    put(Path::new(&format!("/proc/self/fd/{number}")), "after").unwrap();
    let text = fs_err::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(text, "before after");
    assert!(put(Path::new("/proc/self/fd/987654"), "").is_err());
}

#[test]
fn what_cannot_be_written_is_said_when_it_begins() {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("file"), "").unwrap();
    fs_err::create_dir(directory.path().join("dir")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket"));
    let said = |path: &str| {
        let error = AtomicFile::begin(&directory.path().join(path)).unwrap_err();
        let text = error.to_string();
        text.replace(&*directory.path().to_string_lossy(), "…")
    };
    assert_eq!(
        said("nowhere/a.tar"),
        "cannot write `…/nowhere/a.tar`: there is no directory `…/nowhere`"
    );
    assert_eq!(
        said("file/a.tar"),
        "cannot write `…/file/a.tar`: there is no directory `…/file`"
    );
    assert_eq!(said("dir"), "cannot write `…/dir`: it is a directory");
    assert_eq!(said("socket"), "cannot write `…/socket`: it is a socket");
    drop(socket);
    let error = AtomicFile::begin(&directory.path().join("a.tar"))
        .unwrap()
        .needs(u64::MAX)
        .unwrap_err();
    assert!(matches!(error, WriteError::NoRoom { .. }), "{error}");
    assert!(AtomicFile::begin(Path::new("/proc/a.tar")).is_err());
    assert_eq!(names(directory.path()).len(), 3, "nothing is left behind");
}

#[test]
fn a_failure_leaves_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a.tar");
    put(&target, "old").unwrap();
    let failed = AtomicFile::begin(&target).unwrap().write(|out| {
        out.write_all(b"new")?;
        Err(io::ErrorKind::Interrupted.into())
    });
    assert!(failed.is_err());
    assert_eq!(fs_err::read_to_string(&target).unwrap(), "old");
    let whole = AtomicDirectory::begin(&directory.path().join("dir")).unwrap();
    fs_err::write(whole.part().join("half"), "").unwrap();
    drop(whole);
    assert_eq!(
        names(directory.path()),
        BTreeSet::from(["a.tar".to_owned()])
    );
}

#[test]
fn a_directory_takes_its_name_whole() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("out");
    for text in ["one", "two"] {
        let whole = AtomicDirectory::begin(&target).unwrap();
        fs_err::write(whole.part().join(text), text).unwrap();
        whole.finish().unwrap();
        assert_eq!(names(&target), BTreeSet::from([text.to_owned()]));
        fs_err::set_permissions(&target, std::fs::Permissions::from_mode(0o750)).unwrap();
    }
    assert_eq!(mode(&target), 0o750);
    assert_eq!(names(directory.path()), BTreeSet::from(["out".to_owned()]));
}
