use super::*;

fn matches(line: &str, path: &str) -> bool {
    Pattern::parse(line.as_bytes()).is_some_and(|pattern| pattern.matches(path, false))
}

#[test]
fn as_git_compares() {
    for (line, path, expected) in [
        ("a", "d/a", true),
        ("/a", "d/a", false),
        ("d/a", "d/a", true),
        ("d/a", "x/d/a", false),
        ("*.log", "d/x.log", true),
        ("d/*", "d/x/y", false),
        ("d/**", "d/x/y", true),
        ("d/**", "d", false),
        ("**/a", "a", true),
        ("**/a", "d/d/a", true),
        ("d/**/a", "d/a", true),
        ("d/**/a", "d/x/y/a", true),
        ("d/**/a", "dx/a", false),
        ("***/?", "a/b", true),
        ("a/****", "a/b/c", true),
        ("a***b", "a/b", false),
        ("x/a***b", "x/aab", true),
        ("x/a***b", "x/a/b", false),
        ("a/", "a", false),
        // two stars behind a name with no slash between them are as good as those behind a slash
        ("a**/b", "ab", true),
        ("a**/b", "ax/b", true),
        ("a**/b", "ax/y/b", true),
        ("?**/b", "ax/y/b", false),
        // a byte
        ("?", "é", false),
        ("??", "é", true),
        // classes
        ("[ab]", "b", true),
        ("[!a]", "b", true),
        ("[^a]", "a", false),
        ("d[!a]a", "d/a", false),
        ("x/d[!a]a", "x/d/a", false),
        ("[]a]", "]", true),
        ("[!]a]", "]", false),
        ("[a-c]", "b", true),
        ("[a-]", "-", true),
        ("[\\]]", "]", true),
        ("[a\\-c]", "b", false),
        ("[a-\\c]", "b", true),
        ("[[:alpha:]-z]", "-", true),
        ("[[:alpha:]]", "b", true),
        ("[[:digit:]b]", "b", true),
        ("[![:upper:]]", "B", false),
        ("[[:nonsense:]b]", "b", false),
        ("[[:b]", ":", true),
        ("[ab", "a", false),
        ("[ab", "[ab", false),
        ("[a/b]", "a", true),
        // what is no wildcard to git
        ("{a,b}", "a", false),
        ("{a,b}", "{a,b}", true),
        ("\\*", "*", true),
        ("\\*", "a", false),
        ("\\!a", "!a", true),
        ("#a", "#a", false),
        ("\\#a", "#a", true),
        ("a\\", "a\\", false),
        // blanks
        ("a ", "a", true),
        ("a\\ ", "a ", true),
        ("a\\  ", "a ", true),
        ("a\t", "a", false),
        (" ", " ", false),
        ("!", "!", false),
        ("/", "a", false),
    ] {
        assert_eq!(matches(line, path), expected, "{line} {path}");
    }
}

#[test]
fn no_pattern_takes_forever() {
    let line = "*a".repeat(40) + "/" + &"**/a*".repeat(20) + "b";
    let path = "a".repeat(400) + &"/a".repeat(400);
    assert!(!matches(&line, &path));
}
