use super::*;
use crate::testing::tree;

fn read(tree: &Tree, size: u64) -> Result<String, String> {
    let path = RepoPath::new("file").unwrap();
    let mut text = String::new();
    Planned::open(tree, &path, size)
        .and_then(|mut file| file.read_to_string(&mut text))
        .map(|_| text)
        .map_err(|error| error.to_string())
}

#[test]
fn a_file_is_sent_only_as_it_was_planned() {
    let dir = tree(&[("in/file", "12345"), ("secret", "abcde")]);
    let tree = Tree::open(&dir.path().join("in")).unwrap();
    let changed = "`file` changed while slimbuild worked: run it again";
    assert_eq!(read(&tree, 5).as_deref(), Ok("12345"));
    assert_eq!(read(&tree, 4).unwrap_err(), changed);
    assert_eq!(read(&tree, 6).unwrap_err(), changed);
    let path = RepoPath::new("file").unwrap();
    let mut opened = Planned::open(&tree, &path, 5).unwrap();
    fs_err::write(dir.path().join("in/file"), "1").unwrap();
    let shrunk = opened.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(shrunk.to_string(), changed);
}

#[test]
#[cfg(unix)]
fn a_file_that_became_a_link_after_the_plan_brings_nothing_from_outside() {
    let dir = tree(&[
        ("in/file", "12345"),
        ("in/d/file", "12345"),
        ("secret", "abcde"),
    ]);
    let tree = Tree::open(&dir.path().join("in")).unwrap();
    fs_err::remove_file(dir.path().join("in/file")).unwrap();
    fs_err::os::unix::fs::symlink("../secret", dir.path().join("in/file")).unwrap();
    let refused = read(&tree, 5).unwrap_err();
    assert!(
        refused.contains("the symlink `file` leaves the workspace"),
        "{refused}"
    );
}
