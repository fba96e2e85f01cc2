//! What overrides make of a project's own dependencies.
//!
//! Mirrors pnpm's
//! [`createVersionsOverrider`](https://github.com/pnpm/pnpm/blob/main/hooks/read-package-hook/src/createVersionsOverrider.ts).
//! Whether a range of a selector applies is not decided: then both values are allowed.

use super::specifier::{name_and_range, parent_and_target};

/// The overrides that a lockfile records.
#[derive(Debug)]
pub(super) struct Overrides(Vec<Override>);

#[derive(Debug)]
struct Override {
    parent: Option<String>,
    name: String,
    /// Whether it applies to every version.
    certain: bool,
    value: String,
}

impl Overrides {
    /// From pairs of a selector and its value.
    pub(super) fn new(recorded: impl IntoIterator<Item = (String, String)>) -> Self {
        let parse = |(selector, value): (String, String)| {
            let (parent, target) = parent_and_target(&selector);
            let parent = parent.map(name_and_range);
            let (name, range) = name_and_range(target);
            Override {
                parent: parent.map(|(name, _)| name.to_owned()),
                name: name.to_owned(),
                certain: range.is_none() && parent.is_none_or(|(_, range)| range.is_none()),
                value,
            }
        };
        Self(recorded.into_iter().map(parse).collect())
    }

    /// Those of this dependency in a project with this name.
    fn of(&self, project: Option<&str>, name: &str) -> impl Iterator<Item = &Override> {
        self.0.iter().filter(move |one| {
            one.name == name && (one.parent.is_none() || one.parent.as_deref() == project)
        })
    }

    /// Whether an override may change this dependency at all.
    pub(super) fn may_change(&self, project: Option<&str>, name: &str) -> bool {
        self.of(project, name).next().is_some()
    }

    /// Whether an override may remove this dependency.
    pub(super) fn may_remove(&self, project: Option<&str>, name: &str) -> bool {
        self.of(project, name).any(|one| one.value == "-")
    }

    /// Whether this specifier may be what overrides make of this dependency.
    pub(super) fn may_give(&self, project: Option<&str>, name: &str, specifier: &str) -> bool {
        // A path of an override is seen from the root, and recorded as seen from the project.
        let local = |value: &str| value.starts_with("link:") || value.starts_with("file:");
        self.of(project, name)
            .any(|one| one.value == specifier || local(&one.value))
    }

    /// Whether an override certainly replaces the manifest's specifier.
    pub(super) fn replace(&self, project: Option<&str>, name: &str) -> bool {
        self.of(project, name).any(|one| one.certain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_for_some_projects_or_all() {
        let overrides = [
            ("a", "2"),
            ("@x/p>b", "3"),
            ("p@1>c@^2", "-"),
            ("d", "link:./d"),
        ];
        let overrides =
            Overrides::new(overrides.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(overrides.may_give(None, "a", "2") && overrides.replace(Some("q"), "a"));
        assert!(!overrides.may_give(Some("q"), "a", "1"));
        assert!(!overrides.may_change(Some("q"), "b") && overrides.replace(Some("@x/p"), "b"));
        assert!(overrides.may_remove(Some("p"), "c") && !overrides.replace(Some("p"), "c"));
        assert!(!overrides.may_remove(None, "c") && !overrides.may_remove(None, "a"));
        assert!(overrides.may_give(Some("q"), "d", "link:../../d"));
    }
}
