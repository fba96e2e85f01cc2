//! The switches of `settings` in a lockfile.

use super::{Check, Config, LockfileError, Reading, known, mismatch, workspace_file};

/// Name, name in `.npmrc` (pnpm up to 10), default, and what no record means.
type Rule = (&'static str, &'static str, &'static str, Unrecorded);

/// The meaning of a switch that a lockfile does not record.
#[derive(Clone, Copy)]
enum Unrecorded {
    /// Its default.
    Default,
    /// It is not compared.
    Anything,
    /// pnpm would record it.
    Wrong,
}

/// Compares the switches that this version of pnpm compares.
pub(super) fn check(check: &Check<'_, '_, '_>) -> Result<(), LockfileError> {
    let settings = check.recorded("settings");
    let recorded = |name: &str| settings.as_ref()?.get(name).and_then(known);
    for (setting, npmrc, default, unrecorded) in rules(check.config) {
        let name = setting.trim_start_matches("settings.");
        let was = match (recorded(name), unrecorded) {
            (Some(was), _) => was,
            (None, Unrecorded::Default) => default.to_owned(),
            (None, Unrecorded::Anything) => continue,
            (None, Unrecorded::Wrong) => "nothing".to_owned(),
        };
        let set = check.config.switch(name, npmrc);
        let home = if check.config.major >= 10 {
            workspace_file::FILE
        } else {
            ".npmrc"
        };
        let (is, file) = match set {
            Some(Reading { value: None, .. }) => continue,
            Some(Reading {
                value: Some(is),
                file,
            }) => (is, file),
            None => (default.to_owned(), home),
        };
        if was != is {
            let problem = format!("it records `{was}`, now it is `{is}`");
            return Err(mismatch(setting, file, problem));
        }
    }
    Ok(())
}

/// The switches that this version compares.
fn rules(config: &Config<'_>) -> Vec<Rule> {
    use Unrecorded::{Anything, Default, Wrong};
    let Config { major, minor, .. } = *config;
    let peers = if major >= 8 { "true" } else { "false" };
    let mut rules = vec![(
        "settings.autoInstallPeers",
        "auto-install-peers",
        peers,
        Anything,
    )];
    let mut add = |since: (u64, u64), setting, npmrc, default, unrecorded| {
        if (major, minor) >= since {
            rules.push((setting, npmrc, default, unrecorded));
        }
    };
    add(
        (10, 34),
        "settings.dedupePeers",
        "dedupe-peers",
        "false",
        Default,
    );
    add(
        (12, 0),
        "settings.addMissingPeerTypes",
        "",
        "false",
        Default,
    );
    add(
        (12, 0),
        "settings.projectScopedOptionalPeers",
        "",
        "false",
        Default,
    );
    add(
        (0, 0),
        "settings.excludeLinksFromLockfile",
        "exclude-links-from-lockfile",
        "false",
        Anything,
    );
    add(
        (9, 15),
        "settings.peersSuffixMaxLength",
        "peers-suffix-max-length",
        "1000",
        Default,
    );
    add(
        (10, 0),
        "settings.injectWorkspacePackages",
        "inject-workspace-packages",
        "false",
        Default,
    );
    if config.records_resolution() {
        add((12, 0), "settings.autoDedupe", "", "false", Wrong);
        add((12, 0), "settings.dedupeInjectedDeps", "", "true", Wrong);
        add((12, 0), "settings.dedupePeerDependents", "", "true", Wrong);
        add(
            (12, 0),
            "settings.linkWorkspacePackages",
            "",
            "false",
            Wrong,
        );
    }
    rules
}
