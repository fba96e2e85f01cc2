//! Finds credentials in what installs read: a password in the address of a dependency is sent with
//! manifests and lockfiles.

use std::collections::BTreeMap;

use super::{Content, ContextEntry, Place, Plan};
use crate::system::credential::{self, Credential};

/// The context's texts that come from the workspace, by path.
fn texts(context: &[ContextEntry]) -> BTreeMap<&str, &str> {
    let mut texts = BTreeMap::new();
    for entry in context {
        let Content::Made { text, .. } = &entry.content else {
            continue;
        };
        if matches!(entry.place, Place::Build | Place::Prod) {
            texts.entry(entry.path.as_str()).or_insert(text.as_str());
        }
    }
    texts
}

/// Names the files that contain credentials, but not the credentials.
pub(super) fn warnings(context: &[ContextEntry]) -> Vec<String> {
    let warning = |(path, text): (&str, &str)| {
        let found = credential::find(text)?;
        Some(format!(
            "{path} holds {}: the build gets it, and its cache keeps it. Take it out of there; what an install needs of it, an .npmrc hands over (`//HOST/:_authToken=${{TOKEN}}`, with `--secret id=TOKEN`)",
            found.what
        ))
    };
    texts(context).into_iter().filter_map(warning).collect()
}

impl Plan {
    /// Credentials in manifests and lockfiles, which a step may print.
    pub fn exposed(&self) -> impl Iterator<Item = Credential<'_>> {
        texts(self.context())
            .into_values()
            .flat_map(credential::all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::path::RepoPath;

    #[test]
    fn a_file_with_a_credential_is_named_once() {
        let made = |place, path: &str, text: &str| {
            ContextEntry::made(place, RepoPath::new(path).unwrap(), text.to_owned(), "")
        };
        let text = r#"{"dependencies": {"a": "git+https://user:hunter2@host/a.git"}}"#;
        let context = [
            made(Place::Build, "apps/a/package.json", text),
            made(Place::Prod, "apps/a/package.json", text),
            made(Place::Build, "package.json", "{}"),
        ];
        let warnings = warnings(&context);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("apps/a/package.json holds a password in an address: "));
        assert!(!warnings[0].contains("hunter2"));
    }
}
