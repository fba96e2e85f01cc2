//! Lists the apps of a workspace: the kind of each, what it needs, and what prevents its build.
//!
//! Input: the workspace. Output: a [`Listing`]. The lockfiles are parsed once. An app that cannot
//! be planned does not stop the others.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::detect::{
    AppKind, Delivery, DetectError, Detected, Start, builds_an_app, script, start,
};
use crate::files::ignore::Rules;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::survey::Survey;
use crate::needs::tasks::BUILD;
use crate::plan::PlanError;
use crate::plan::config;
use crate::plan::inputs;
use crate::plan::study::Study;
use crate::system::threads;
use crate::workspace::toolchain;
use crate::workspace::{Member, Workspace};

/// The apps of a workspace.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listing {
    /// Sorted by directory.
    pub apps: Vec<Listed>,
}

/// An app.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listed {
    /// Its directory.
    pub dir: RepoPath,
    /// The package's name.
    pub name: String,
    /// Its kind and needs, or what prevents a plan.
    #[serde(flatten)]
    pub state: AppState,
}

/// Whether an app can be planned.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AppState {
    /// It can be planned.
    Ready(Ready),
    /// The user must decide or fix something first.
    Stuck {
        /// What is wrong.
        problem: String,
        /// What the user can do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

/// The facts about an app that can be planned.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ready {
    #[serde(flatten)]
    pub detected: Detected,
    /// What its image runs or serves.
    pub runs: String,
    /// The size of its build closure.
    pub build: Size,
    /// The size of its runtime closure; `None` if the build's output needs nothing else.
    pub runtime: Option<Size>,
}

/// How large a closure is.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Size {
    /// Packages of the workspace, without the root project.
    pub members: usize,
    /// Packages from registries.
    pub packages: usize,
}

impl Listing {
    /// Looks at every member that may be an app.
    pub fn new(workspace: &Workspace) -> Result<Self, PlanError> {
        Self::of(&Survey::new(workspace)?)
    }

    /// The same, where the lockfiles are parsed already.
    pub fn of(survey: &Survey<'_>) -> Result<Self, PlanError> {
        let workspace = survey.workspace;
        let rules = Rules::load(&workspace.root, &[], &[])?;
        let root = Some(MemberId::ROOT).filter(|_| root_may_be_an_app(workspace));
        let others = others(survey, root.is_some());
        let may_be_one: Vec<MemberId> = root.into_iter().chain(others).collect();
        // Each app has its own closures.
        let listed = threads::map(&may_be_one, 1, |&at| listed(survey, &rules, at));
        Ok(Self {
            apps: listed.into_iter().flatten().collect(),
        })
    }
}

/// The members that may be apps, without the root.
fn others(survey: &Survey<'_>, with_root: bool) -> Vec<MemberId> {
    let workspace = survey.workspace;
    let used: BTreeSet<MemberId> = (workspace.members.ids())
        .filter(|at| with_root || !at.is_root())
        .flat_map(|at| survey.graph.dependencies(at))
        .map(|(to, _)| to)
        .collect();
    let may_be_one = |at: &MemberId| {
        let member = &workspace.members[*at];
        let by_place = workspace.is_app_by_place(*at);
        by_place || (!used.contains(at) && (starts(member) || is_built_to_be_served(member)))
    };
    (workspace.members.package_ids())
        .filter(may_be_one)
        .collect()
}

/// Programs that run something that is not a node app.
const RUNNERS: [&str; 3] = ["docker", "docker-compose", "podman"];

/// Whether the root may be an app: it is the only package, or its scripts start or build something
/// of its own. A root that only builds and starts its packages (`turbo run build`) is not an app.
pub fn root_may_be_an_app(workspace: &Workspace) -> bool {
    workspace.members.is_alone() || root_starts(workspace) || root_builds(workspace)
}

/// Whether the root may be an app, and no other package may.
pub fn root_is_the_only_app(workspace: &Workspace) -> Result<bool, PlanError> {
    if workspace.members.is_alone() {
        return Ok(true);
    }
    Ok(root_may_be_an_app(workspace) && others(&Survey::new(workspace)?, true).is_empty())
}

/// Whether a script starts something of the root's own.
fn root_starts(workspace: &Workspace) -> bool {
    let runs = |name: &&str| {
        let commands = script::commands(&workspace.root_member().manifest, name);
        !commands.is_empty() && commands.iter().all(|command| is_own(workspace, command))
    };
    start::START_SCRIPTS.iter().any(runs)
}

/// Whether the `build` script also builds a site or a framework's server at the root.
fn root_builds(workspace: &Workspace) -> bool {
    let commands = script::commands(&workspace.root_member().manifest, BUILD);
    commands
        .iter()
        .any(|command| is_own(workspace, command) && builds_an_app(command))
}

/// Whether a command of the root's is about no other package.
fn is_own(workspace: &Workspace, command: &script::Command) -> bool {
    let paths = command.words.iter().filter(|word| word.contains('/'));
    let mut paths = paths.filter_map(|path| RepoPath::new(path).ok());
    !command.conducts()
        && !RUNNERS.contains(&command.program())
        && paths.all(|path| workspace.enclosing(&path).is_root())
}

/// Whether a package has a way to start.
fn starts(member: &Member) -> bool {
    let script = |name: &&str| member.manifest.script(name).is_some();
    start::START_SCRIPTS.iter().any(script)
}

/// Whether a package's build is that of a framework, and other packages cannot import the result:
/// a site or a server, such as `website/` or `docs/`.
fn is_built_to_be_served(member: &Member) -> bool {
    let commands = script::commands(&member.manifest, BUILD);
    commands.iter().any(builds_an_app)
        && (ENTRIES.iter()).all(|field| member.manifest.get(field).is_none())
}

/// Whether a framework was found, and what it makes is for the user to say.
fn is_undecided(error: &PlanError) -> bool {
    matches!(
        error,
        PlanError::Detect(DetectError::Undecided { .. } | DetectError::TwoKinds { .. })
    )
}

/// The fields of a manifest that give other packages something to import or to run.
const ENTRIES: [&str; 4] = ["main", "module", "exports", "bin"];

/// The entry of a member that may be an app; `None` for a library.
fn listed(survey: &Survey<'_>, rules: &Rules, at: MemberId) -> Option<Listed> {
    let workspace = survey.workspace;
    let by_place = if at.is_root() {
        workspace.members.is_alone() || root_starts(workspace)
    } else {
        workspace.is_app_by_place(at)
    };
    // At the root, a site is what its build is for.
    let may_be_a_site = by_place || at.is_root() || is_built_to_be_served(&workspace.members[at]);
    let state = match look(survey, rules, at) {
        Ok(ready) if may_be_a_site || !matches!(ready.detected.kind, AppKind::StaticSite) => {
            AppState::Ready(ready)
        }
        Err(error) if by_place || (may_be_a_site && is_undecided(&error)) => AppState::Stuck {
            problem: error.to_string(),
            hint: error.hint(),
        },
        // Outside of directories for apps, a package that merely has a script is a library.
        _ => return None,
    };
    let member = &workspace.members[at];
    Some(Listed {
        dir: member.dir.clone(),
        name: member.label(),
        state,
    })
}

/// What a plan would find out first.
fn look(survey: &Survey<'_>, rules: &Rules, app: MemberId) -> Result<Ready, PlanError> {
    let workspace = survey.workspace;
    let member = &workspace.members[app];
    let options = config::load(workspace, app)?;
    let (node, _) = toolchain::decide(workspace, member, options.node())?;
    let walk = inputs::walk(workspace, app, rules)?;
    let own = inputs::relative(&walk.files, &member.dir);
    let study = Study::new(survey, app, &options)?;
    let detection = study.detection(&own, &node.value)?;
    let build = study.build()?;
    let runtime = study.runtime(&detection.delivery)?.as_ref().map(size);
    let runs = match &detection.delivery {
        Delivery::Site(site) => format!("nginx serves {}", site.dir),
        delivery => delivery.start().map(Start::command).unwrap_or_default(),
    };
    Ok(Ready {
        detected: detection.detected,
        runs,
        build: size(&build),
        runtime,
    })
}

fn size(closure: &Closure<'_, '_>) -> Size {
    Size {
        members: closure.packages().count(),
        packages: closure.package_count(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AppState, Listing, root_is_the_only_app};

    /// The list's entry for a root with these scripts.
    fn root(scripts: &str, extra: &[(&str, &str)]) -> (Option<String>, bool) {
        let manifest = format!(
            r#"{{"name":"acme","scripts":{scripts},"devDependencies":{{"vite":"7.0.0"}}}}"#
        );
        let mut all = vec![
            ("package.json", manifest.as_str()),
            ("index.js", ""),
            ("index.html", ""),
        ];
        all.extend(extra);
        let (_dir, workspace) = crate::testing::workspace(&all);
        let listing = Listing::new(&workspace).unwrap();
        let found = listing.apps.into_iter().find(|app| app.dir.is_root());
        let says = found.map(|found| match found.state {
            AppState::Stuck { problem, .. } => problem,
            AppState::Ready(ready) => ready.runs,
        });
        (says, root_is_the_only_app(&workspace).unwrap())
    }

    const LIBRARY: (&str, &str) = ("packages/core/package.json", r#"{"name":"core"}"#);

    #[test]
    fn a_root_that_starts_or_builds_something_is_listed() {
        for (scripts, says) in [
            (r#"{"start":"node index.js"}"#, "node index.js"),
            (
                r#"{"start":"bun run server.ts"}"#,
                "cannot start `.` as it says: the `start` script runs `bun run server.ts`, and the image has no `bun`",
            ),
            (
                r#"{"build":"turbo run build && vite build"}"#,
                "nginx serves dist",
            ),
        ] {
            let says = Some(says.to_owned());
            assert_eq!(root(scripts, &[LIBRARY]), (says, true), "{scripts}");
        }
        let app = ("apps/a/package.json", r#"{"name":"a"}"#);
        let (says, only) = root(r#"{"start":"node index.js"}"#, &[app]);
        assert_eq!((says.as_deref(), only), (Some("node index.js"), false));
    }

    #[test]
    fn a_site_is_listed_wherever_it_lies() {
        let manifest = |name: &str, more: &str| {
            format!(
                r#"{{"name":"{name}","scripts":{{"build":"vite build"}},"devDependencies":{{"vite":"7.0.0"}}{more}}}"#
            )
        };
        let (website, library, used) = (
            manifest("website", ""),
            manifest("core", r#","exports":"./dist/core.js""#),
            manifest("embedded", ""),
        );
        let kit = r#"{"name":"docs","scripts":{"build":"vite build"},"devDependencies":{"@sveltejs/kit":"2.0.0"}}"#;
        let user = r#"{"name":"user","dependencies":{"embedded":"workspace:*"}}"#;
        let lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  packages/user:\n    dependencies:\n      embedded:\n        specifier: workspace:*\n        version: link:../embedded\n";
        let (_dir, workspace) = crate::testing::workspace(&[
            ("pnpm-workspace.yaml", "packages: [website, 'packages/*']\n"),
            ("pnpm-lock.yaml", lockfile),
            ("website/package.json", &website),
            ("website/index.html", ""),
            ("packages/docs/package.json", kit),
            (
                "packages/docs/svelte.config.js",
                "import adapter from '@sveltejs/adapter-vercel';",
            ),
            ("packages/core/package.json", &library),
            ("packages/core/index.html", ""),
            ("packages/embedded/package.json", &used),
            ("packages/embedded/index.html", ""),
            ("packages/user/package.json", user),
        ]);
        let listed = Listing::new(&workspace).unwrap().apps;
        let dirs: Vec<String> = listed.iter().map(|app| app.dir.to_string()).collect();
        assert_eq!(dirs, ["packages/docs", "website"]);
        assert!(matches!(listed[0].state, AppState::Stuck { .. }));
    }

    #[test]
    fn a_root_that_conducts_its_packages_is_no_app() {
        for scripts in [
            "{}",
            r#"{"build":"tsc -b"}"#,
            r#"{"build":"turbo run build","start":"turbo run start","dev":"turbo dev"}"#,
            r#"{"build":"pnpm exec turbo run build","start":"npx turbo start"}"#,
            r#"{"start":"pnpm --filter core start"}"#,
            r#"{"start":"pnpm -r start"}"#,
            r#"{"start":"node packages/core/index.js"}"#,
            r#"{"start":"docker compose up"}"#,
        ] {
            assert_eq!(root(scripts, &[LIBRARY]), (None, false), "{scripts}");
        }
    }

    #[test]
    fn the_only_package_is_listed_whatever_it_has() {
        for (scripts, says) in [
            (r#"{"build":"vite build"}"#, "nginx serves dist"),
            ("{}", "node index.js"),
        ] {
            assert_eq!(
                root(scripts, &[]),
                (Some(says.to_owned()), true),
                "{scripts}"
            );
        }
    }
}
