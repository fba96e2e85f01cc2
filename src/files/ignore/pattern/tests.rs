use super::*;

fn matches(pattern: &str, path: &str) -> bool {
    Pattern::compile(&clean(pattern)).unwrap().matches(path)
}

/// The ground that moby's own `patternmatcher_test.go` covers. Parents are not looked at here.
#[test]
fn matches_as_moby() {
    for (pattern, yes, no) in [
        ("file", &["file"][..], &["files", "a/file", "file/a"][..]),
        ("a/b", &["a/b"], &["ab", "a", "x/a/b"]),
        ("*", &["a", ".a", "é"], &["a/b"]),
        ("*.go", &["x.go", ".go"], &["a/x.go", "xgo", "x.gob"]),
        ("a*b/c", &["ab/c", "axb/c"], &["a/b/c", "ab/cc"]),
        ("a*b*c", &["abc", "axbxc", "abbcc"], &["ab", "ab/c", "abcd"]),
        ("*/*/x", &["a/b/x"], &["a/x", "a/b/c/x"]),
        ("?", &["a", "é"], &["", "ab", "/"]),
        ("a?c", &["abc"], &["a/c", "ac"]),
        ("**", &["a", "a/b", "a/b/c"], &[]),
        ("**/", &["a", "a/b"], &[]),
        ("**/a", &["a", "x/a", "x/y/a"], &["xa", "a/x"]),
        ("**a", &["a", "xa", "x/a", "x/ya"], &["a/x"]),
        ("**.js", &["a.js", "a/b.js"], &["a.jsx"]),
        ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
        ("a**", &["a", "ab", "a/b", "ab/c"], &["b"]),
        ("**/a/**", &["a/b", "x/a/b"], &["a", "x/a"]),
        ("**/**", &["a", "a/b"], &[]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]),
        ("a**/*b", &["ab", "axb", "a/b", "a/x/yb"], &["a/b/c"]),
        ("**/*.md", &["a.md", "x/a.md"], &["amd"]),
        ("**/a*/**/b", &["a/b", "x/ay/z/b", "a/x/y/b"], &["x/b"]),
        ("***/a", &["x/a", "x/y/a"], &["a", "xa"]),
        ("[a-c]", &["a", "b"], &["d", "ab", "-"]),
        ("[^a-c]x", &["dx", "/x"], &["ax"]),
        ("[!a]", &["!", "a"], &["b"]),
        ("[a^]", &["a", "^"], &["b"]),
        ("[a\\]\\-]", &["a", "]", "-"], &["b", "\\"]),
        ("[[]a]", &["[a]"], &["a"]),
        ("[é-ü]", &["ö"], &["e"]),
        // Go's check of the syntax stops at the second star, and its regular expressions are more
        // lenient
        ("**/*[-_]test*", &["a-test.ts", "x/a_test"], &["atest"]),
        ("a*[]x]", &["a]", "abx"], &["ab"]),
        ("a*[x-]", &["a-", "ax"], &["ab"]),
        ("\\*", &["*"], &["a", "\\*"]),
        ("a\\?b", &["a?b"], &["axb"]),
        ("\\[a\\]", &["[a]"], &["a"]),
        ("\\\\", &["\\"], &["\\\\"]),
        ("a]*", &["a]", "a]b"], &["a"]),
        // what is special in a regular expression, but not in a pattern
        ("a.b*", &["a.b", "a.bc"], &["axb"]),
        ("(a)+$?", &["(a)+$x"], &["a", "aa"]),
        ("{a,b}*", &["{a,b}", "{a,b}c"], &["a", "b"]),
        ("^a", &["^a"], &["a"]),
        // moby lets this one through to its regular expression
        ("^a*", &["a", "ab"], &["^a"]),
        ("a^*", &[], &["a", "a^", "a^b"]),
        ("a|b", &["a|b"], &["a", "b"]),
    ] {
        for path in yes {
            assert!(matches(pattern, path), "`{pattern}` should match `{path}`");
        }
        for path in no {
            assert!(
                !matches(pattern, path),
                "`{pattern}` should not match `{path}`"
            );
        }
    }
}

#[test]
fn refuses_malformed_patterns() {
    for (pattern, problem) in [
        ("[", Malformed::UnclosedClass),
        ("[a", Malformed::UnclosedClass),
        ("[a-", Malformed::UnclosedClass),
        ("[]", Malformed::BadClass),
        ("[^]", Malformed::BadClass),
        ("[-a]", Malformed::BadClass),
        ("**/[-a]", Malformed::BadClass),
        (".*[-a]", Malformed::BadClass),
        ("a*[z-a]", Malformed::BadClass),
        ("a*[]", Malformed::UnclosedClass),
        ("[a-]", Malformed::BadClass),
        ("[z-a]", Malformed::BadClass),
        ("a\\", Malformed::TrailingEscape),
        ("[\\", Malformed::TrailingEscape),
        ("apps\\web", Malformed::UnclearEscape('w')),
        ("\\é", Malformed::UnclearEscape('é')),
        ("[*]", Malformed::UnclearClass("*")),
        ("[a?]", Malformed::UnclearClass("?")),
        ("[[:alpha:]]", Malformed::UnclearClass("[:")),
        ("a|b*", Malformed::Misread("|")),
        ("*a{2}", Malformed::Misread("{…}")),
    ] {
        assert_eq!(Pattern::compile(pattern), Err(problem), "{pattern}");
    }
}

#[test]
fn knows_where_a_match_may_lie() {
    for (pattern, dir, expected) in [
        ("a/b/c", "a", true),
        ("a/b/c", "a/b", true),
        ("a/b/c", "a/b/c", false),
        ("a/b/c", "a/bb", false),
        ("a/b*", "a", true),
        ("a/b*", "a/bb", true),
        ("a/b*", "a/c", false),
        ("a/b*", "aa", false),
        ("a/**", "a/x", true),
        ("**/a", "x", true),
        ("*/a", "x", true),
        ("[a]/b", "x", true),
    ] {
        assert_eq!(
            Pattern::compile(pattern).unwrap().may_match_below(dir),
            expected,
            "{pattern} {dir}"
        );
    }
}

#[test]
fn cleans_as_go() {
    for (text, cleaned) in [
        ("", "."),
        (".", "."),
        ("a/", "a"),
        ("./a//b/.", "a/b"),
        ("a/../b", "b"),
        ("..", ".."),
        ("../../a", "../../a"),
        ("a/../..", ".."),
        ("/", "/"),
        ("/..", "/"),
        ("/../a", "/a"),
    ] {
        assert_eq!(clean(text), cleaned, "{text}");
    }
}

#[test]
fn takes_no_longer_than_the_path_and_the_pattern_are_long() {
    let path = "a".repeat(10_000);
    assert!(!matches("**/*a*a*a*a*a*a*a*a*b", &path));
    assert!(!matches("**/*a*a*a*a*a*a*a*a*?/", &format!("{path}/b")));
}
