//! Parses selectors and specifiers.

/// The package that a selector picks: `bar` of `foo@1>bar@^2`.
pub(super) fn selected_name(selector: &str) -> &str {
    name_and_range(parent_and_target(selector).1).0
}

/// The two parts of a selector. A `>` separates parent and child unless a space, `|` or `@` precedes
/// it: then it belongs to a range, as in `bar@>=1` (pnpm's
/// [`parseOverrides`](https://github.com/pnpm/pnpm/blob/main/config/parse-overrides/src/index.ts)).
pub(super) fn parent_and_target(selector: &str) -> (Option<&str>, &str) {
    let bytes = selector.as_bytes();
    let delimiter =
        (1..bytes.len()).find(|&at| bytes[at] == b'>' && !b" |@".contains(&bytes[at - 1]));
    match delimiter {
        Some(at) => (Some(&selector[..at]), &selector[at + 1..]),
        None => (None, selector),
    }
}

/// The name and the range of one part of a selector.
pub(super) fn name_and_range(part: &str) -> (&str, Option<&str>) {
    let part = part.trim();
    let at = part.get(1..).and_then(|rest| rest.find('@'));
    match at {
        Some(at) => (&part[..=at], Some(&part[at + 2..])),
        None => (part, None),
    }
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
