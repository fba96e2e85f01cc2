//! The names that never enter a context, whatever any other rule says.
//!
//! Goes in: a file's or directory's name. Comes out: the rule that bars it. Nothing here can be configured: secrets do not belong in an
//! image, and what the machine installed or cached is wrong inside of one.

/// The rule that bars a name, if there is one. Kinds do not matter: a directory called `.env` is barred too.
pub(super) fn barred(name: &str) -> Option<&'static str> {
    match name {
        "node_modules" => Some("node_modules"),
        ".git" => Some(".git"),
        ".turbo" => Some(".turbo"),
        ".pnpm-store" => Some(".pnpm-store"),
        ".DS_Store" => Some(".DS_Store"),
        "Thumbs.db" => Some("Thumbs.db"),
        _ if is_env(name) => Some(".env*"),
        // it may hold tokens; what an install needs of the root's file, the plan writes anew
        _ if name.eq_ignore_ascii_case(".npmrc") => Some(".npmrc"),
        // where other programs keep passwords and tokens
        ".netrc" | "_netrc" => Some(".netrc"),
        ".yarnrc" | ".yarnrc.yml" => Some(".yarnrc"),
        ".git-credentials" => Some(".git-credentials"),
        // with a stale one, tsc believes that it has nothing to emit
        _ if name.ends_with(".tsbuildinfo") => Some("*.tsbuildinfo"),
        // an image that slimbuild wrote here does not belong into the next one
        _ if name.ends_with(".oci.tar") => Some("*.oci.tar"),
        _ => None,
    }
}

/// `.env` or `.envrc` as a whole word: `.env.local`, `.env-cmdrc` and `.env~` are, `.envoy` and `.environment` are not. The harmless
/// `.env.example` is barred too: one rule without exceptions can be trusted. Case is ignored because macOS and Windows ignore it, so
/// that `.ENV` works as a secrets file there.
fn is_env(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix(".env") else {
        return false;
    };
    let rest = rest.strip_prefix("rc").unwrap_or(rest);
    !rest.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::barred;

    #[test]
    fn bars_secrets_and_leftovers() {
        for name in [
            ".env",
            ".env.local",
            ".env.example",
            ".env-cmdrc",
            ".env~",
            ".env_prod",
            ".envrc",
            ".envrc.local",
            ".ENV",
            ".Env.Local",
            ".npmrc",
            ".NPMRC",
            ".netrc",
            "_netrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".git-credentials",
            "node_modules",
            ".git",
            ".turbo",
            ".pnpm-store",
            ".DS_Store",
            "Thumbs.db",
            "tsconfig.tsbuildinfo",
            ".tsbuildinfo",
            "server.oci.tar",
        ] {
            assert!(barred(name).is_some(), "{name}");
        }
    }

    #[test]
    fn bars_nothing_else() {
        for name in [
            ".envoy",
            ".environment",
            ".env2json",
            "env",
            "x.env",
            ".envrcs",
            ".gitignore",
            ".gitkeep",
            ".npmignore",
            "node_modules2",
            "turbo.json",
        ] {
            assert_eq!(barred(name), None, "{name}");
        }
    }
}
