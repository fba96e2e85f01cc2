//! Parses selectors and specifiers.

/// The package that a selector picks: `bar` of `foo@1>bar@^2`. A `>` separates parent and child
/// unless a space, `|` or `@` precedes it: then it belongs to a range, as in `bar@>=1` (pnpm's
/// [`parseOverrides`](https://github.com/pnpm/pnpm/blob/main/config/parse-overrides/src/index.ts)).
pub(super) fn selected_name(selector: &str) -> &str {
    let bytes = selector.as_bytes();
    let delimiter =
        (1..bytes.len()).find(|&at| bytes[at] == b'>' && !b" |@".contains(&bytes[at - 1]));
    let target = delimiter.map_or(selector, |at| &selector[at + 1..]).trim();
    let end = target
        .get(1..)
        .and_then(|rest| rest.find('@'))
        .map_or(target.len(), |at| at + 1);
    &target[..end]
}

/// Whether two specifiers may mean the same git repository: pnpm 11 and later normalise them.
pub(super) fn same_repository(left: &str, right: &str) -> bool {
    let git = |text: &str| {
        let host = [
            "git+",
            "git:",
            "git@",
            "github:",
            "gitlab:",
            "bitbucket:",
            "gist:",
            "ssh:",
            "http:",
            "https:",
        ];
        let short = text.split('#').next().unwrap_or_default();
        host.iter().any(|prefix| text.starts_with(prefix))
            || (short.matches('/').count() == 1 && !short.contains([':', '@', ' ']))
    };
    git(left) && git(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_name_the_package_that_changes() {
        for (selector, name) in [
            ("a@1>@s/q@^2", "@s/q"),
            ("z@1", "z"),
            ("defu@>=6 <6.1.5", "defu"),
            ("a@1 || >=2>b@<=3", "b"),
            ("@s/z", "@s/z"),
            ("z@", "z"),
        ] {
            assert_eq!(selected_name(selector), name);
        }
    }

    #[test]
    fn git_repositories_in_any_form() {
        assert!(same_repository(
            "github:o/r#abc",
            "git+https://github.com/o/r.git#abc"
        ));
        assert!(same_repository("o/r", "github:o/r"));
        assert!(!same_repository("^1.0.0", "^1.0.1"));
        assert!(!same_repository("npm:@s/a@1", "npm:@s/a@2"));
        assert!(!same_repository("@s/a@1", "o/r"));
    }
}
