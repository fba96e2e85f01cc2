//! The real pnpm installs the pruned parts of real workspaces.
//!
//! The build tree and the runtime tree of each app are installed frozen, once with the manifests of
//! `slimbuild prune` and once with those of an image's install (for the small apps, only the
//! runtime tree). Node and pnpm are those that slimbuild would choose, unless a row names another
//! pnpm. Scripts stay off (they need sources, and would download browsers); otherwise the installs
//! are complete: every package is downloaded, checked and linked.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use slimbuild::internals::{MemberId, PruneOptions, RepoPath, Scope, Workspace, toolchain};

use super::{corpus, found, run};
use crate::support::pnpm::{Pnpm, home, reachable};
use crate::support::pruned::{skeletons, write};

/// A row: the workspace, the app's directory, another pnpm than the workspace's.
type App = (&'static str, &'static str, Option<&'static str>);

/// One small closure for each major of pnpm, including the lockfile formats 5.4, 6.0 and 9.0.
const QUICK: [App; 6] = [
    ("create-t3-turbo@v5.4", "packages/db", None),
    ("create-t3-turbo@v6.0", "tooling/prettier", None),
    ("turborepo-2", "packages/utils", None),
    ("plane", "packages/tailwind-config", None),
    ("openstatus", "packages/error", None),
    ("openstatus", "packages/error", Some("12.21.0")),
];

/// Large apps of nearly every workspace of the corpus.
const ALL: [App; 33] = [
    ("vuejs-core@v5.3", "packages/sfc-playground", None),
    ("create-t3-turbo@v5.4", "apps/nextjs", None),
    ("shadcn-ui@v5.4", "templates/next-template", None),
    ("trpc@v5.4", "examples/lambda-api-gateway", None),
    ("logto@v5.4", "packages/core", None),
    ("create-t3-turbo@v6.0", "apps/nextjs", None),
    ("acme-corp", "packages/stripe", None),
    ("shadcn-ui@v6.1", "apps/www", None),
    ("trpc@v6.0", "examples/next-prisma-websockets-starter", None),
    ("ember-mobile-menu@injected-old", "ember-mobile-menu", None),
    ("turborepo-2", "apps/web", None),
    ("fullstack-turborepo-example", "apps/web-api", None),
    ("refactor-web37-cloud-canvas", "apps/client", None),
    ("refactor-web37-cloud-canvas", "apps/server", None),
    (
        "refactor-web37-cloud-canvas",
        "apps/client",
        Some("12.21.0"),
    ),
    ("next-nest-monorepo", "apps/api", None),
    ("turbo-pnpm-monorepo", "apps/api", None),
    ("monorepo-next-nest", "apps/api", None),
    ("monorepo-starter-svelte-hono", "apps/api/auth", None),
    ("express-next-turborepo-boilerplate", "apps/api", None),
    ("game-watch", "server", None),
    ("create-t3-turbo", "apps/nextjs", None),
    ("plane", "apps/live", None),
    ("vite", "packages/plugin-legacy", None),
    ("trigger.dev", "apps/supervisor", None),
    ("trpc", "examples/next-prisma-websockets-starter", None),
    ("shadcn-ui", "apps/v4", None),
    ("vuejs-core", "packages-private/sfc-playground", None),
    (
        "vuejs-core",
        "packages-private/sfc-playground",
        Some("12.21.0"),
    ),
    ("sveltejs-kit", "packages/adapter-cloudflare", None),
    ("openstatus", "apps/server", None),
    ("karakeep", "tooling/github", None),
    ("pnpm", "pnpm/npm/pnpm", None),
];

/// Installs that fail, as `workspace app` or `workspace app --prod`, with the reason. For each, the
/// test also checks whether pnpm refuses the untouched workspace with the same error: then
/// slimbuild cannot fix it.
const KNOWN_FAILURES: [(&str, &str); 12] = [
    ("shadcn-ui@v6.1 apps/www", FORMAT_6_1),
    ("shadcn-ui@v6.1 apps/www --prod", FORMAT_6_1),
    (
        "fullstack-turborepo-example apps/web-api",
        "npm has no `@kaitakabe0301/eslint-plugin-react-memo` 1.0.2",
    ),
    (
        "sveltejs-kit packages/adapter-cloudflare",
        "npm has no `@sveltejs/eslint-config` 10.0.3",
    ),
    ("karakeep tooling/github", PATCHES),
    ("karakeep tooling/github --prod", PATCHES),
    ("trigger.dev apps/supervisor", PATCHES),
    ("trigger.dev apps/supervisor --prod", PATCHES),
    ("vite packages/plugin-legacy", PATCHES),
    ("vite packages/plugin-legacy --prod", PATCHES),
    ("pnpm pnpm/npm/pnpm", PNPMFILE),
    ("pnpm pnpm/npm/pnpm --prod", PNPMFILE),
];

const FORMAT_6_1: &str = "pnpm 8.5.1 is pinned, and lockfile format 6.1 is 8.6's";
const PATCHES: &str = "the corpus has placeholders for patches, and other hashes with them";
const PNPMFILE: &str = "the corpus has a placeholder for the pnpmfile, which does not run";

/// Installs that need another host than npm's, and fail without it.
const OTHER_HOSTS: [(&str, &str); 2] = [
    // pnpm 11 looks up how old packages are.
    ("openstatus apps/server", "npm.jsr.io"),
    // A dependency that is a repository.
    (
        "ember-mobile-menu@injected-old ember-mobile-menu",
        "codeload.github.com",
    ),
];

#[test]
fn six_pnpms_install_small_apps() {
    let ready = reachable().and_then(|()| corpus());
    let Some(corpus) = found("six_pnpms_install_small_apps", ready) else {
        return;
    };
    check(&corpus, &QUICK);
}

#[test]
#[ignore = "downloads many packages: just test-pnpm"]
fn six_pnpms_install_large_apps() {
    let ready = reachable().and_then(|()| corpus());
    let Some(corpus) = found("six_pnpms_install_large_apps", ready) else {
        return;
    };
    let workspaces: BTreeSet<&str> = ALL.iter().map(|(workspace, ..)| *workspace).collect();
    assert!(ALL.len() >= 25 && workspaces.len() >= 20);
    check(&corpus, &ALL);
}

/// Installs all of them. Reports unexpected failures and unexpected successes.
fn check(corpus: &Path, apps: &[App]) {
    let only = std::env::var_os("SLIMBUILD_WORKSPACE");
    fs_err::create_dir_all(home()).unwrap();
    let mut majors = BTreeSet::new();
    let mut problems = Vec::new();
    for of_one in apps.chunk_by(|one, next| one.0 == next.0) {
        if only.as_ref().is_some_and(|only| *only != *of_one[0].0) {
            continue;
        }
        // The store is removed with the workspace, or it would grow to many gigabytes.
        let large = (apps.len() > QUICK.len()).then(|| tempfile::tempdir_in(home()).unwrap());
        let store = large
            .as_ref()
            .map_or_else(|| home().join("store"), |dir| dir.path().to_owned());
        for app in of_one {
            let version = pnpm_of(corpus, app);
            majors.extend(version.split('.').next().map(str::to_owned));
            for scope in [Scope::Build, Scope::Production] {
                let flag = if scope == Scope::Production {
                    " --prod"
                } else {
                    ""
                };
                let label = format!("{} {}{flag}", app.0, app.1);
                let start = Instant::now();
                let result = install(corpus, app, scope, &store);
                let known = known(&label);
                let seconds = start.elapsed().as_secs();
                match &result {
                    Ok(()) => eprintln!("{label}, pnpm {version}: passes, {seconds} s"),
                    Err(words) => eprintln!("{label}, pnpm {version}: fails, {seconds} s: {words}"),
                }
                match (result, known) {
                    (Ok(()), None) => {}
                    (Err(problem), Some(_)) => {
                        if let Err(doubt) = untouched(corpus, app, scope, &store, &problem) {
                            problems.push(format!("{label}: {doubt}"));
                        }
                    }
                    (Err(problem), None) => problems.push(format!("{label}: {problem}")),
                    (Ok(()), Some(reason)) => problems.push(format!(
                        "{label} passes though {reason}: take it off the list"
                    )),
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(only.is_some() || majors.len() == 6, "{majors:?}");
}

/// Why this install is known to fail, if it is.
fn known(label: &str) -> Option<String> {
    let find = |list: &[(&str, &str)]| {
        let entry = list.iter().find(|(known, _)| *known == label);
        entry.map(|(_, what)| (*what).to_owned())
    };
    let host = find(&OTHER_HOSTS).filter(|host| (host.as_str(), 443).to_socket_addrs().is_err());
    let reason = host.map(|host| format!("{host} is out of reach"));
    reason.or_else(|| find(&KNOWN_FAILURES))
}

fn load(corpus: &Path, (workspace, app, _): &App) -> (Workspace, MemberId) {
    let workspace = Workspace::load(&corpus.join(workspace)).unwrap();
    let app = workspace.member_in(&RepoPath::new(app).unwrap()).unwrap();
    (workspace, app)
}

fn pnpm_of(corpus: &Path, app: &App) -> String {
    match app.2 {
        Some(version) => version.to_owned(),
        None => toolchain::pnpm(&load(corpus, app).0).unwrap().value,
    }
}

fn pnpm(workspace: &Workspace, app: MemberId, row: &App) -> Result<Pnpm, String> {
    let (node, pnpm) = toolchain::decide(workspace, &workspace.members[app], None)
        .map_err(|error| error.to_string())?;
    Pnpm::new(&node.value, row.2.unwrap_or(&pnpm.value))
}

/// Whether pnpm refuses the workspace without slimbuild for the same reason.
fn untouched(
    corpus: &Path,
    row: &App,
    scope: Scope,
    store: &Path,
    problem: &str,
) -> Result<(), String> {
    let (workspace, app) = load(corpus, row);
    let out = tempfile::tempdir_in(store.parent().unwrap()).unwrap();
    let whole = out.path().join("whole");
    let mut copy = Command::new("cp");
    run(copy.arg("-r").arg(&workspace.root).arg(&whole))?;
    let Err(other) = pnpm(&workspace, app, row)?.install(&whole, scope, store) else {
        return Err(format!(
            "pnpm takes the untouched workspace, but not what is pruned: {problem}"
        ));
    };
    if codes(&other) == codes(problem) {
        return Ok(());
    }
    Err(format!(
        "pnpm refuses the untouched workspace in other words: {other}\n---\n{problem}"
    ))
}

/// pnpm's codes in its words.
fn codes(words: &str) -> BTreeSet<&str> {
    let letter =
        |letter: char| letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit();
    words
        .match_indices("ERR_PNPM_")
        .map(|(at, _)| {
            words[at..]
                .split(|other| !letter(other))
                .next()
                .unwrap_or_default()
        })
        .collect()
}

/// Prunes and installs, with either kind of manifests.
fn install(corpus: &Path, row: &App, scope: Scope, store: &Path) -> Result<(), String> {
    let (workspace, app) = load(corpus, row);
    let out = tempfile::tempdir_in(store.parent().unwrap()).unwrap();
    let out = out.path().join("out");
    let options = PruneOptions {
        scope,
        ..PruneOptions::default()
    };
    write(&workspace, &[app], &options, &out)?;
    let pnpm = pnpm(&workspace, app, row)?;
    let json = out.join("json");
    pnpm.install(&json, scope, store)
        .map_err(|words| format!("manifests as pruned: {words}"))?;
    if scope == Scope::Build && QUICK.contains(row) {
        // The runtime tree's install is cheap; the others are not.
        return Ok(());
    }
    // Everything pruned for a build belongs to it, including what tasks name.
    let pruned = Workspace::load(&json).map_err(|error| error.to_string())?;
    let apps: Vec<_> = match scope {
        Scope::Build => pruned.members.ids().collect(),
        Scope::Production => vec![pruned.member_in(&workspace.members[app].dir).unwrap()],
    };
    skeletons(&pruned, &apps, scope, &out)?;
    pnpm.install(&json, scope, store)
        .map_err(|words| format!("skeletons of manifests: {words}"))
}
