use super::*;

fn of(syntax: Syntax) -> String {
    syntax.0
}

#[test]
fn words_of_a_shell() {
    for (text, quoted) in [
        ("packages/a", "packages/a"),
        ("it's $HOME", r"'it'\''s $HOME'"),
        ("", "''"),
        ("a`b`", "'a`b`'"),
        ("#x", "'#x'"),
        ("<<EOF", "'<<EOF'"),
        ("a\\", r"'a\'"),
        ("a\u{2028}b", "'a\u{2028}b'"),
    ] {
        assert_eq!(quote(text).unwrap(), quoted);
    }
    assert_eq!(path("-rf").unwrap(), "./-rf");
    assert_eq!(path("a-rf").unwrap(), "a-rf");
    assert!(script("--help").is_err() && script("build").is_ok());
}

#[test]
fn what_cannot_be_said_is_refused_in_one_line() {
    for (text, said) in [
        (
            "a\nRUN b",
            "`a\\nRUN b` has a line break, which a Dockerfile cannot express",
        ),
        (
            "a\r",
            "`a\\r` has a line break, which a Dockerfile cannot express",
        ),
        (
            "\0",
            "`\\0` has a control character, which a Dockerfile cannot express",
        ),
        (
            "\u{85}",
            "`\\u{85}` has a control character, which a Dockerfile cannot express",
        ),
        (
            "\u{7f}",
            "`\\u{7f}` has a control character, which a Dockerfile cannot express",
        ),
    ] {
        assert_eq!(quote(text).unwrap_err().to_string(), said);
    }
    assert!(name("node:22-slim@sha256:ab").is_ok());
    assert!(name("a b").is_err() && name("--platform=x").is_err() && name("").is_err());
}

#[test]
fn arguments_of_copies() {
    for (words, copied) in [
        (&["src/a/", "a/"][..], "src/a/ a/"),
        (&["src/ä/", "ä/"], "src/ä/ ä/"),
        (&["src/a b/", "a b/"], r#"["src/a b/", "a b/"]"#),
        (&["src/[a]/", "[a]/"], r#"["src/[[]a]/", "[a]/"]"#),
        (&["src/$HOME/", "$HOME/"], r#"["src/\\$HOME/", "\\$HOME/"]"#),
        (&["src/a\"b/", "a'b/"], r#"["src/a\\\"b/", "a\\'b/"]"#),
        (&["src/a\\b/", "a\\b/"], r#"["src/a\\\\b/", "a\\\\b/"]"#),
        (&["src/a\\b*/", "./"], r#"["src/a[\\\\\\\\]b[*]/", "./"]"#),
    ] {
        assert_eq!(of(copy(words)), copied);
    }
}

#[test]
fn comments_stay_on_their_line() {
    assert_eq!(comment("a\nRUN b\r#\u{2028}"), r"a\nRUN b\r#\u{2028}");
    assert_eq!(comment("\u{202e}x \u{85}é"), r"\u{202e}x \u{85}é");
}

#[test]
fn words_of_nginx() {
    assert_eq!(nginx("/200.html").unwrap(), "/200.html");
    assert_eq!(nginx("/a b;}").unwrap(), "\"/a b;}\"");
    assert_eq!(nginx("/a\"\\").unwrap(), r#""/a\"\\""#);
    assert!(nginx("$uri").is_err() && nginx("a\nb").is_err());
    assert_eq!(regex("_next/a.b+\"\\"), r"_next/a\.b\+\x22\x5c");
}
