//! Configuration that is read when the app starts: which files, by what the app loads and runs.
//!
//! Input: how the app starts, and the packages with configuration that its sources load. Output:
//! files of the workspace, and the dev dependencies that a `tsconfig.json` extends.

use std::collections::BTreeSet;

use super::{holder, insert, known, packages};
use crate::detect::start::Start;
use crate::detect::tsc::extended;
use crate::files::tree::Limit;
use crate::model::member::MemberId;
use crate::model::module;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::tsconfig::Tsconfig;

/// A package, and the names of its configuration in the app's directory. The first file that exists
/// is the one that the package reads.
type Reader = (&'static str, &'static [&'static str]);

/// Packages that read their configuration when code loads them.
const MODULES: [Reader; 2] = [
    ("@swc-node/register", &[".swcrc"]),
    ("@swc/register", &[".swcrc"]),
];

/// Packages that read their configuration when the start command runs them.
const PROGRAMS: [Reader; 4] = [
    (
        "drizzle-kit",
        &[
            "drizzle.config.ts",
            "drizzle.config.js",
            "drizzle.config.json",
        ],
    ),
    ("next", &["next.config.ts", "next.config.mts"]),
    (
        "prisma",
        &[
            "prisma.config.ts",
            "prisma.config.mts",
            "prisma.config.cts",
            "prisma.config.js",
            "prisma.config.mjs",
            "prisma.config.cjs",
            ".config/prisma.ts",
            ".config/prisma.js",
        ],
    ),
    (
        "vite",
        &[
            "vite.config.ts",
            "vite.config.mts",
            "vite.config.js",
            "vite.config.mjs",
        ],
    ),
];

/// Packages that find modules by `tsconfig.json` but load no TypeScript.
const ALIASES: [&str; 1] = ["tsconfig-paths"];

/// Packages that the app can load and that read configuration then. Only for these are the app's
/// sources worth reading.
pub fn readers(workspace: &Workspace, app: MemberId) -> Vec<&'static str> {
    let modules = MODULES.into_iter().map(|(name, _)| name);
    let all = modules.chain(ALIASES);
    all.filter(|name| holder(workspace, app, name).is_some())
        .collect()
}

/// What is read at start besides the code.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Files of the workspace, such as the app's `tsconfig.json` and those that it extends.
    pub files: BTreeSet<RepoPath>,
    /// Dev dependencies that a `tsconfig.json` extends, by member.
    pub packages: BTreeSet<(MemberId, String)>,
}

/// The configuration that a start reads. `loaded` are those of [`readers`] that the app's sources
/// load.
pub fn configuration(
    workspace: &Workspace,
    app: MemberId,
    start: &Start,
    loaded: &BTreeSet<String>,
) -> Configuration {
    let mut found = Configuration::default();
    let home = &workspace.members[app].dir;
    let mut all = packages(start);
    all.extend(loaded.iter().cloned());
    let configured = MODULES.iter().chain(&PROGRAMS);
    for (_, names) in configured.filter(|(name, _)| all.contains(*name)) {
        let mut places = names.iter().filter_map(|name| home.join(name).ok());
        found
            .files
            .extend(places.find(|place| workspace.tree.is_file(place).unwrap_or_default()));
    }
    let by_tsconfig = |name: &String| known(name).is_some() || ALIASES.contains(&name.as_str());
    if !all.iter().any(by_tsconfig) {
        return found;
    }
    let named = ["TSX_TSCONFIG_PATH", "TS_NODE_PROJECT"]
        .iter()
        .find_map(|name| start.env.get(*name));
    let own = named.map_or("tsconfig.json", String::as_str);
    let mut queue: Vec<RepoPath> = home.join(own).into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(path) = queue.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let Ok(text) = workspace.tree.read_text(&path, Limit::Settings) else {
            continue;
        };
        found.files.insert(path.clone());
        let Ok(config) = Tsconfig::parse(path.as_str(), &text) else {
            continue;
        };
        let owner = workspace.enclosing(&path);
        let dir = path.parent().unwrap_or_default();
        for base in &config.extends {
            queue.extend(extended(workspace, &dir, base).ok().flatten());
            if !base.starts_with(['.', '/']) {
                let (package, _) = module::split(base);
                if let Some(at) = holder(workspace, owner, package) {
                    insert(workspace, app, (at, package), &mut found.packages);
                }
            }
        }
    }
    found
}
