use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What stands on a screen after these writes.
fn shown(writes: &[&[u8]], colors: bool) -> String {
    let written = Written::default();
    let mut screen = Screen::new(Box::new(written.clone()), colors);
    for bytes in writes {
        screen.write_all(bytes).unwrap();
    }
    screen.flush().unwrap();
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn escape_sequences_do_nothing() {
    for (text, plain) in [
        ("\u{1b}[31ma\u{1b}]0;owned\u{7}b", "ab"),
        ("a\u{1b}]52;c;aGk=\u{1b}\\b", "ab"),
        ("a\u{1b}]8;;https://x\u{7}link\u{1b}]8;;\u{1b}\\", "alink"),
        ("a\u{9b}2Jb\u{9d}0;x\u{9c}c", "abc"),
        ("a\u{1b}[2J\u{1b}(B\u{8}\r\u{0}\u{7f}\u{85}b", "ab"),
        ("a\u{202e}b", "a\\u{202e}b"),
        ("a\u{1b}", "a"),
        ("a\u{1b}[31", "a"),
        ("\ta é 日本", "\ta é 日本"),
    ] {
        assert_eq!(clean(text, false), plain, "{text:?}");
    }
}

#[test]
fn colours_stay_where_they_are_wanted_and_end_with_the_line() {
    assert_eq!(
        clean("\u{1b}[1;31mred\u{1b}[2K", true),
        "\u{1b}[1;31mred\u{1b}[0m"
    );
    assert_eq!(
        clean("\u{1b}[38:5:1mred", true),
        "\u{1b}[38:5:1mred\u{1b}[0m"
    );
    assert_eq!(clean("\u{1b}[>4;2mred", true), "red", "that is no colour");
}

#[test]
fn no_line_is_a_command_to_a_ci_system() {
    let lines =
        "::set-output name=a::b\n  ::error::x\na ##[error]x\n##vso[task.setvariable]x\na::b\n";
    let quiet =
        ": :set-output name=a::b\n  : :error::x\na # #[error]x\n# #vso[task.setvariable]x\na::b\n";
    assert_eq!(shown(&[lines.as_bytes()], false), quiet);
    // Nor is one that becomes it by what is left out of it, or that comes in pieces.
    assert_eq!(
        shown(&[b"\x1b[0m:\x00:warning::x\n"], false),
        ": :warning::x\n"
    );
    assert_eq!(
        shown(&[b":", b":war", b"ning::x\n#", b"#[a]\n"], false),
        ": :warning::x\n# #[a]\n"
    );
    assert_eq!(shown(&[b"no end"], false), "no end");
}

#[test]
fn json_says_the_same_after_all() {
    let value =
        serde_json::json!({ "a": "\u{9b}2J\u{202e}\u{7f}##[error]x ##vso[y] ###[z]", "b": "::x" });
    let json = escape_json(&value.to_string());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        value
    );
    assert_eq!(shown(&[json.as_bytes(), b"\n"], true), json.clone() + "\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_but_text_reaches_the_terminal(text in ".{0,20}(\u{1b}|\u{9b}|\u{9d}|\r|\u{202e}|##|:|\\[|31m|\n|.){0,40}", colors: bool) {
        let shown = shown(&[text.as_bytes()], colors);
        let mut rest = &*shown;
        while let Some(at) = rest.find('\u{1b}') {
            prop_assert!(colors);
            let sequence = rest[at + 1..].strip_prefix('[').unwrap();
            let end = sequence.find('m').unwrap();
            prop_assert!(sequence[..end].chars().all(|letter| letter.is_ascii_digit() || ";:".contains(letter)));
            rest = &sequence[end..];
        }
        let bad = |letter: char| letter.is_control() && !"\n\t\u{1b}".contains(letter)
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        prop_assert!(!shown.contains(bad), "{:?}", shown);
        prop_assert!(shown.lines().all(|line| !line.trim_start().starts_with("::")), "{:?}", shown);
        prop_assert!(!shown.contains("##[") && !shown.contains("##vso["), "{:?}", shown);
        prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn json_is_never_changed_on_the_way(text in ".{0,20}(\u{1b}|\u{9b}|##|\\[|vso|\u{202e}|.){0,20}") {
        let json = escape_json(&serde_json::Value::from(text.as_str()).to_string());
        prop_assert_eq!(shown(&[json.as_bytes(), b"\n"], false), json.clone() + "\n");
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
