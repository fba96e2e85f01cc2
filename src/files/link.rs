//! Checks where a symlink leads.
//!
//! Input: a symlink's path and target. Output: the target's text, if it stays in the workspace. The
//! target is resolved lexically, so the answer does not depend on which files exist.

use std::path::Path;

use crate::model::path::RepoPath;

use super::FilesError;

/// The target as a context records it.
pub(super) fn checked(link: &RepoPath, target: &Path) -> Result<String, FilesError> {
    let Some(text) = target.to_str() else {
        let target = target.to_string_lossy().into_owned();
        return Err(FilesError::TargetNotUtf8 {
            link: link.clone(),
            target,
        });
    };
    let text = if cfg!(windows) {
        text.replace('\\', "/")
    } else {
        text.to_owned()
    };
    if text.starts_with('/') || target.has_root() || target.is_absolute() {
        return Err(FilesError::AbsoluteTarget {
            link: link.clone(),
            target: text,
        });
    }
    let mut depth = link.parts().count() - 1;
    for part in text.split('/') {
        depth = match part {
            "" | "." => depth,
            ".." if depth == 0 => {
                return Err(FilesError::TargetOutside {
                    link: link.clone(),
                    target: text,
                });
            }
            ".." => depth - 1,
            _ => depth + 1,
        };
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(link: &str, target: &str) -> Result<String, String> {
        checked(&RepoPath::new(link).unwrap(), Path::new(target)).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_targets_in_the_workspace_as_written() {
        for (link, target) in [
            ("a", "b"),
            ("a", "."),
            ("a/b", ".."),
            ("a/b", "../c"),
            ("a/b/c", "./../../d/"),
            ("a", "b/../c"),
            ("a", "..b"),
        ] {
            assert_eq!(check(link, target).as_deref(), Ok(target), "{link}");
        }
    }

    #[test]
    fn refuses_the_others() {
        assert_eq!(
            check("a/b", "/etc").unwrap_err(),
            "the symlink `a/b` has the absolute target `/etc`"
        );
        for (link, target) in [
            ("a", ".."),
            ("a", "../a"),
            ("a/b", "../../a"),
            ("a/b", "c/../../../d"),
        ] {
            assert_eq!(
                check(link, target).unwrap_err(),
                format!("the symlink `{link}` leaves the workspace: its target is `{target}`")
            );
        }
    }
}
