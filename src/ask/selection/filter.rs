//! A filter as turbo and pnpm write it: `...^@shop/catalog`, `./apps/*`, `!web`.

use super::SelectionError;

/// A filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter<'t> {
    /// As it was written.
    pub(super) text: &'t str,
    /// Whether it leaves out.
    pub(super) excludes: bool,
    pub(super) pattern: Pattern<'t>,
    pub(super) around: Around,
}

/// What a filter names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pattern<'t> {
    Names(&'t str),
    Directories(&'t str),
}

/// Which members belong to those that are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) itself: bool,
    /// Those that depend on them.
    pub(super) users: bool,
    /// Those that they depend on.
    pub(super) needs: bool,
}

impl Around {
    /// Those that depend on them alone.
    pub(super) const USERS: Self = Self {
        itself: false,
        users: true,
        needs: false,
    };
}

impl<'t> Filter<'t> {
    /// Parses a filter.
    pub(super) fn parse(text: &'t str) -> Result<Self, SelectionError> {
        let (excludes, mut rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut around = Around {
            itself: true,
            users: false,
            needs: false,
        };
        if let Some(inner) = rest.strip_prefix("...") {
            around.users = true;
            rest = inner;
            if let Some(inner) = rest.strip_prefix('^') {
                around.itself = false;
                rest = inner;
            }
        }
        if let Some(inner) = rest.strip_suffix("...") {
            around.needs = true;
            rest = inner;
            if let Some(inner) = rest.strip_suffix('^') {
                around.itself = false;
                rest = inner;
            }
        }
        if rest.ends_with(']') && rest.contains('[') {
            return Err(SelectionError::Changes(text.to_owned()));
        }
        let braces = rest
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let pattern = match braces {
            Some(inner) => Pattern::Directories(inner),
            None if rest.starts_with('.') => Pattern::Directories(rest),
            None => Pattern::Names(rest),
        };
        let (Pattern::Names(named) | Pattern::Directories(named)) = pattern;
        if named.is_empty() {
            return Err(SelectionError::Empty(text.to_owned()));
        }
        Ok(Self {
            text,
            excludes,
            pattern,
            around,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_as_turbo_reads_them() {
        let around = |itself, users, needs| Around {
            itself,
            users,
            needs,
        };
        for (text, excludes, pattern, expected) in [
            (
                "web",
                false,
                Pattern::Names("web"),
                around(true, false, false),
            ),
            (
                "!@a/b",
                true,
                Pattern::Names("@a/b"),
                around(true, false, false),
            ),
            (
                "./apps/*",
                false,
                Pattern::Directories("./apps/*"),
                around(true, false, false),
            ),
            (
                "{apps/*}",
                false,
                Pattern::Directories("apps/*"),
                around(true, false, false),
            ),
            (
                "...lib",
                false,
                Pattern::Names("lib"),
                around(true, true, false),
            ),
            (
                "...^lib",
                false,
                Pattern::Names("lib"),
                around(false, true, false),
            ),
            (
                "web...",
                false,
                Pattern::Names("web"),
                around(true, false, true),
            ),
            (
                "web^...",
                false,
                Pattern::Names("web"),
                around(false, false, true),
            ),
            (
                "...{libs/*}...",
                false,
                Pattern::Directories("libs/*"),
                around(true, true, true),
            ),
            (
                "!...^lib",
                true,
                Pattern::Names("lib"),
                around(false, true, false),
            ),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.excludes, excludes, "{text}");
            assert_eq!(filter.pattern, pattern, "{text}");
            assert_eq!(filter.around, expected, "{text}");
        }
    }

    #[test]
    fn what_selects_changes_or_nothing_is_refused() {
        for text in [
            "[main]",
            "...[HEAD^1]",
            "web[main]",
            "{apps/*}[main...HEAD]",
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert!(matches!(error, SelectionError::Changes(_)), "{text}");
        }
        for text in ["", "!", "...", "...^", "{}"] {
            let error = Filter::parse(text).unwrap_err();
            assert!(matches!(error, SelectionError::Empty(_)), "{text}");
        }
    }
}
