//! Variables of tasks: which names a task may see, and what frameworks add to them, as turbo does it.
//!
//! Names only. What a variable holds is nobody's business before the engine's.

use std::collections::BTreeSet;

use super::{Because, Node};
use crate::files::glob::is_of;
use crate::workspace::Workspace;

/// A framework by what a package that uses it depends on, all or one of them, and the variables that it builds into its code.
struct Framework {
    packages: &'static [&'static str],
    all: bool,
    variables: &'static [&'static str],
    /// Those of the framework that it is made on.
    below: &'static [&'static str],
}

const fn framework(
    packages: &'static [&'static str],
    variables: &'static [&'static str],
) -> Framework {
    Framework {
        packages,
        all: false,
        variables,
        below: &[],
    }
}

/// turbo's table; the first that fits counts.
const FRAMEWORKS: [Framework; 15] = [
    framework(&["astro"], &["PUBLIC_*"]),
    framework(&["blitz"], &["NEXT_PUBLIC_*"]),
    framework(&["react-scripts", "react-dev-utils"], &["REACT_APP_*"]),
    framework(&["expo"], &["EXPO_PUBLIC_*"]),
    framework(&["gatsby"], &["GATSBY_*"]),
    framework(&["next"], &["NEXT_PUBLIC_*", "VERCEL_DEPLOYMENT_ID"]),
    framework(
        &["nitropack", "nitropack-nightly", "nitro", "nitro-nightly"],
        NITRO,
    ),
    Framework {
        packages: &["nuxt", "nuxt-edge", "nuxt3", "nuxt3-edge"],
        all: false,
        variables: &["NUXT_*", "LAUNCH_EDITOR"],
        below: NITRO,
    },
    framework(&["@redwoodjs/core"], &["REDWOOD_ENV_*"]),
    framework(
        &[
            "@remix-run/dev",
            "@remix-run/react",
            "@remix-run/serve",
            "@react-router/dev",
        ],
        &["REMIX_*"],
    ),
    framework(&["@sanity/cli"], &["SANITY_STUDIO_*"]),
    Framework {
        packages: &["solid-js", "solid-start"],
        all: true,
        variables: &["VITE_*"],
        below: &[],
    },
    framework(&["@sveltejs/kit"], &["VITE_*", "PUBLIC_*"]),
    framework(&["vite"], &["VITE_*"]),
    framework(&["@vue/cli-service"], &["VUE_APP_*", "LAUNCH_EDITOR"]),
];

const NITRO: &[&str] = &[
    "NITRO_*",
    "SERVER_*",
    "AWS_APP_ID",
    "INPUT_AZURE_STATIC_WEB_APPS_API_TOKEN",
    "CLEAVR",
    "CF_PAGES",
    "FIREBASE_APP_HOSTING",
    "NETLIFY",
    "STORMKIT",
    "NOW_BUILDER",
    "ZEABUR",
    "RENDER",
];
/// What turbo hands to every task without being told, as far as it can matter to any of them in an image's build.
const ALWAYS: [&str; 4] = ["CI", "TZ", "LANG", "NODE_OPTIONS"];

/// The same, of what can matter to an app alone: turbo's cache does not know of these, a step's does.
const ALWAYS_TO_THE_APP: [&str; 5] = ["VERCEL", "VERCEL_*", "NEXT_*", "GITHUB_*", "RUNNER_*"];

/// Build arguments that BuildKit knows without an `ARG`, and keeps out of its cache keys as long as there is none.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Beginnings of names whose values end up in what a browser gets.
const PUBLIC: [&str; 8] = [
    "NEXT_PUBLIC_",
    "NUXT_PUBLIC_",
    "EXPO_PUBLIC_",
    "PUBLIC_",
    "VITE_",
    "REACT_APP_",
    "GATSBY_",
    "VUE_APP_",
];

/// Words in the names of secrets.
const SECRET: [&str; 12] = [
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PAT",
    "DSN",
];

/// The variables of a task that become build arguments: those that are declared by name, and those of `given` that a pattern or the package's
/// framework lets in. Where no file declares variables strictly, all that are given go to the build of the app.
pub(super) fn arguments(
    workspace: &Workspace,
    node: &Node,
    given: &BTreeSet<String>,
    all: bool,
) -> Vec<String> {
    let turbo = workspace.turbo.as_ref();
    let global = turbo.into_iter().flat_map(|turbo| &turbo.global_env);
    let declared: Vec<&str> = global
        .chain(&node.definition.env)
        .chain(&node.definition.pass_through_env)
        .map(String::as_str)
        .collect();
    let (excluded, included): (Vec<&str>, Vec<&str>) =
        declared.into_iter().partition(|name| name.starts_with('!'));
    let excluded = |name: &str| excluded.iter().any(|pattern| is_of(&pattern[1..], name));
    let inferred: Vec<&str> = inferred(workspace, node.member).collect();
    let to_the_app: &[&str] = if node.because == Because::App {
        &ALWAYS_TO_THE_APP
    } else {
        &[]
    };
    let patterns = || {
        included
            .iter()
            .chain(&inferred)
            .chain(&ALWAYS)
            .chain(to_the_app)
    };
    let named = included.iter().copied().filter(|name| is_name(name));
    let matched = given
        .iter()
        .map(String::as_str)
        .filter(|name| is_name(name) && (all || patterns().any(|pattern| is_of(pattern, name))));
    let names: BTreeSet<&str> = named
        .chain(matched)
        .filter(|name| !excluded(name) && !is_proxy(name))
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

/// What the framework of a package reads.
fn inferred(workspace: &Workspace, at: usize) -> impl Iterator<Item = &'static str> {
    let manifest = &workspace.members[at].manifest;
    let uses = |framework: &&Framework| {
        let mut packages = framework.packages.iter();
        if framework.all {
            packages.all(|name| manifest.depends_on(name))
        } else {
            packages.any(|name| manifest.depends_on(name))
        }
    };
    let framework = FRAMEWORKS.iter().find(uses);
    framework
        .into_iter()
        .flat_map(|framework| framework.variables.iter().chain(framework.below))
        .copied()
}

/// Whether BuildKit hands the variable to every step by itself.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
}

/// Whether the name is one that secrets have. What a framework sends to browsers is none, whatever it is called.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    !PUBLIC.iter().any(|start| name.starts_with(start))
        && name.split('_').any(|word| SECRET.contains(&word))
}

/// Whether a Dockerfile and a shell can have a variable of this name.
fn is_name(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(legal)
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "NPM_TOKEN",
            "AUTH_SECRET",
            "database_password",
            "API_KEY",
            "SENTRY_DSN",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in [
            "NODE_ENV",
            "MONKEY_COUNT",
            "NEXT_PUBLIC_POSTHOG_KEY",
            "VITE_SENTRY_DSN",
            "KEYBOARD",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn patterns() {
        assert!(is_of("A_*", "A_B") && is_of("*", "X") && is_of("A*B*", "AxBy") && is_of("A", "A"));
        assert!(!is_of("A_*", "B_A_C") && !is_of("A", "AB") && !is_of("A[B]*", "AB"));
    }
}
