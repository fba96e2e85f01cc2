//! Golden files: what the program must print, to the byte.

use similar::TextDiff;
use slimbuild::Env;

use super::tree::repository;

/// Compares a text with the file at `testdata/golden/PATH`, or writes the file where `SLIMBUILD_ACCEPT=1` is set.
pub(crate) fn assert_golden(path: &str, actual: &str) {
    let path = format!("testdata/golden/{path}");
    let file = repository().join(&path);
    if Env::of_process().get("SLIMBUILD_ACCEPT") == Some("1") {
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, actual).unwrap();
        return;
    }
    let expected = fs_err::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{error}; `just accept` writes it"));
    assert!(
        expected == actual,
        "{path} differs; `just accept` takes the new text over\n{}",
        difference(&path, &expected, "now", actual)
    );
}

/// Two texts side by side, as git shows them.
pub(crate) fn difference(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(old_name, new_name)
        .to_string()
}

/// Compares two texts, and shows where they differ.
pub(crate) fn assert_same(what: &str, expected: &str, actual: &str) {
    assert!(
        expected == actual,
        "{what}\n{}",
        difference("expected", expected, "actual", actual)
    );
}
