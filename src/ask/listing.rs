//! Lists the apps of a workspace: the kind of each, what it needs, and what prevents its build.
//!
//! Input: the workspace. Output: a [`Listing`]. The lockfiles are parsed once. An app that cannot
//! be planned does not stop the others.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::detect::{AppKind, Delivery, Detected, Start, script, start};
use crate::files::ignore::Rules;
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
use crate::workspace::{Member, Workspace, WorkspaceError};

/// The apps of a workspace.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Sorted by directory.
    pub apps: Vec<Listed>,
}

/// An app.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Its directory.
    pub dir: RepoPath,
    /// The package's name.
    pub name: String,
    /// Its kind and needs, or what prevents a plan.
    #[serde(flatten)]
    pub state: State,
}

/// Whether an app can be planned.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum State {
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
pub struct Size {
    /// Packages of the workspace, without the root project.
    pub members: usize,
    /// Packages from registries.
    pub packages: usize,
}

impl Listing {
    /// Looks at every member that may be an app.
    pub fn new(workspace: &Workspace) -> Result<Self, PlanError> {
        let survey = Survey::new(workspace)?;
        let rules = Rules::load(&workspace.root, &[], &[])?;
        let used: BTreeSet<usize> = (1..workspace.members.len())
            .flat_map(|at| survey.graph.dependencies(at))
            .map(|(to, _)| to)
            .collect();
        let may_be_one: Vec<usize> = (1..workspace.members.len())
            .filter(|&at| {
                let by_place = workspace.is_app_by_place(at);
                by_place || (!used.contains(&at) && starts(&workspace.members[at]))
            })
            .collect();
        // Each app has its own closures.
        let listed = threads::map(&may_be_one, 1, |&at| listed(&survey, &rules, at));
        let root = root(workspace);
        let apps = root.into_iter().chain(listed.into_iter().flatten());
        Ok(Self {
            apps: apps.collect(),
        })
    }
}

/// Programs that run other packages of the workspace, or that are not node apps.
const RUNNERS: [&str; 6] = ["turbo", "nx", "lerna", "docker", "docker-compose", "podman"];

/// The root if it looks like an app. It is listed with the reason why it cannot be built yet.
fn root(workspace: &Workspace) -> Option<Listed> {
    let member = workspace.root_member();
    let is_own = |command: &script::Command| {
        let paths = command.words.iter().filter(|word| word.contains('/'));
        let mut paths = paths.filter_map(|path| RepoPath::new(path).ok());
        !command.is_elsewhere()
            && !RUNNERS.contains(&command.program())
            && paths.all(|path| workspace.enclosing(&path) == 0)
    };
    let runs = |name: &&str| {
        let commands = script::commands(&member.manifest, name);
        !commands.is_empty() && commands.iter().all(is_own)
    };
    // If there are other packages, a build at the root may be a build of all of them.
    let alone = workspace.members.len() == 1;
    let builds = alone && member.manifest.script(BUILD).is_some();
    let error = WorkspaceError::RootIsNoApp {
        members: Vec::new(),
    };
    (builds || start::START_SCRIPTS.iter().any(runs)).then(|| Listed {
        dir: member.dir.clone(),
        name: member.label(),
        state: State::Stuck {
            problem: error.to_string(),
            hint: error.hint(),
        },
    })
}

/// Whether a package has a way to start.
fn starts(member: &Member) -> bool {
    let script = |name: &&str| member.manifest.script(name).is_some();
    start::START_SCRIPTS.iter().any(script)
}

/// The entry of a member that may be an app; `None` for a library.
fn listed(survey: &Survey<'_>, rules: &Rules, at: usize) -> Option<Listed> {
    let by_place = survey.workspace.is_app_by_place(at);
    let state = match look(survey, rules, at) {
        Ok(ready) if by_place || !matches!(ready.detected.kind, AppKind::StaticSite) => {
            State::Ready(ready)
        }
        Err(error) if by_place => State::Stuck {
            problem: error.to_string(),
            hint: error.hint(),
        },
        // Outside of directories for apps, a package that merely has a script is a library.
        _ => return None,
    };
    let member = &survey.workspace.members[at];
    Some(Listed {
        dir: member.dir.clone(),
        name: member.label(),
        state,
    })
}

/// What a plan would find out first.
fn look(survey: &Survey<'_>, rules: &Rules, app: usize) -> Result<Ready, PlanError> {
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
        members: closure.members.keys().filter(|at| **at != 0).count(),
        packages: closure.package_count(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Listing, State};

    /// The list's entry for a root with these scripts.
    fn root(scripts: &str, extra: &[(&str, &str)]) -> Option<String> {
        let manifest = format!(r#"{{"name":"acme","scripts":{scripts}}}"#);
        let mut all = vec![("package.json", manifest.as_str())];
        all.extend(extra);
        let (_dir, workspace) = crate::testing::workspace(&all);
        let listing = Listing::new(&workspace).unwrap();
        let found = listing.apps.into_iter().find(|app| app.dir.is_root())?;
        match found.state {
            State::Stuck { problem, hint } => Some(format!("{problem}; {}", hint.unwrap())),
            State::Ready(_) => None,
        }
    }

    #[test]
    fn a_root_that_starts_something_is_listed_with_what_is_in_the_way() {
        let library = [("packages/core/package.json", r#"{"name":"core"}"#)];
        let says = "the workspace's root cannot be an app yet; move the app into a package of its own, such as `apps/web`";
        for scripts in [
            r#"{"start":"node dist/index.js"}"#,
            r#"{"start:prod":"next start"}"#,
        ] {
            assert_eq!(root(scripts, &library).as_deref(), Some(says), "{scripts}");
        }
        for scripts in [
            "{}",
            r#"{"build":"tsc -b"}"#,
            r#"{"start":"turbo run start"}"#,
            r#"{"start":"pnpm --filter core start"}"#,
            r#"{"start":"pnpm -r start"}"#,
            r#"{"start":"node packages/core/index.js"}"#,
            r#"{"start":"docker compose up"}"#,
        ] {
            assert_eq!(root(scripts, &library), None, "{scripts}");
        }
        assert_eq!(
            root(r#"{"build":"vite build"}"#, &[]).as_deref(),
            Some(says)
        );
    }
}
