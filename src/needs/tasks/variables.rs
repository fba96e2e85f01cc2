//! Variables of tasks: which names a task may see, and which a framework adds, as in turbo.
//!
//! Only names are handled here. Values are known only to the engine.

use std::collections::BTreeSet;

use super::{Because, TaskNode};
use crate::files::glob::is_of;
use crate::model::member::MemberId;
use crate::workspace::Workspace;

/// A framework, recognised by all or one of these dependencies, and the variables that it builds
/// into its code.
struct Framework {
    packages: &'static [&'static str],
    all: bool,
    variables: &'static [&'static str],
    /// The variables of the framework that it is based on.
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

/// turbo's table; the first match counts.
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
/// The variables that turbo always passes to tasks, as far as they can matter in an image's build.
const ALWAYS: [&str; 4] = ["CI", "TZ", "LANG", "NODE_OPTIONS"];

/// The same for variables that matter only to an app: turbo's cache key ignores them, a step's does
/// not.
const ALWAYS_TO_THE_APP: [&str; 5] = ["VERCEL", "VERCEL_*", "NEXT_*", "GITHUB_*", "RUNNER_*"];

/// Build arguments that BuildKit provides without an `ARG`, and keeps out of its cache keys unless
/// there is one.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Prefixes of names whose values are sent to browsers.
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

/// The variables of a task that become build arguments: those declared by name, and those of
/// `given` that match a pattern or the package's framework. If no file declares variables strictly,
/// the app's build gets all given ones.
pub(super) fn arguments(
    workspace: &Workspace,
    node: &TaskNode,
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

/// The variables that the package's framework reads.
fn inferred(workspace: &Workspace, at: MemberId) -> impl Iterator<Item = &'static str> {
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

/// Whether BuildKit passes the variable to every step anyway.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
}

/// Whether the name looks like a secret's. A variable that a framework sends to browsers never
/// does.
pub fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    !PUBLIC.iter().any(|start| name.starts_with(start))
        && name.split('_').any(|word| SECRET.contains(&word))
}

/// Whether a Dockerfile and a shell accept a variable of this name.
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
