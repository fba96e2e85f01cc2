//! Tasks: which scripts run for the app's build, in which package, by `turbo.json` where there is one.
//!
//! Goes in: the workspace and the app. Comes out: for each member the scripts to run, in order. Between packages, scripts run in dependency
//! order even where `turbo.json` forgets `^build`: a library that is not built cannot be used.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::manifest::turbo::Task;
use crate::workspace::Workspace;

/// The task that makes an app or a library.
pub const BUILD: &str = "build";

/// The members that builds need.
#[derive(Debug, Default)]
pub struct Needed {
    /// All of them, by position, without the root project.
    pub members: Vec<usize>,
    /// Those that `turbo.json` names and no manifest mentions, with the name: `pkg#task`.
    pub named: BTreeMap<usize, String>,
}

/// All that the builds of `apps` need: what they reach over any kind of dependency, what `turbo.json` names for any of these, and so on.
pub fn needed(workspace: &Workspace, graph: &Graph, apps: &[usize]) -> Needed {
    let mut needed = Needed::default();
    loop {
        let starts = apps.iter().copied().chain(needed.named.keys().copied());
        needed.members = graph.reachable(starts);
        let more = named_packages(workspace, &needed.members);
        if more.is_empty() {
            return needed;
        }
        needed.named.extend(more);
    }
}

/// Members that `turbo.json` names for the build of one of `members`, beyond these: `pkg#task`, and packages whose `turbo.json` another
/// `extends`, without which turbo stops.
fn named_packages(workspace: &Workspace, members: &[usize]) -> BTreeMap<usize, String> {
    let mut named = BTreeMap::new();
    // `members` is in order.
    let known = |at: &usize| members.binary_search(at).is_ok();
    let asked = asked_by_name(workspace);
    for &at in members {
        for base in lineage(workspace, at) {
            if !known(&base) {
                named.insert(base, workspace.members[base].label());
            }
        }
        for task in scripts_of(workspace, at, &asked)
            .iter()
            .map(String::as_str)
            .chain([BUILD])
        {
            for need in needs(workspace, at, task) {
                let Some((package, _)) = need.split_once('#') else {
                    continue;
                };
                let position = workspace.named(package);
                if let Some(position) = position.filter(|position| !known(position)) {
                    named.insert(position, need);
                }
            }
        }
    }
    named
}

/// The scripts that make this member, in order: what `build` depends on in the same package, then `build`.
pub fn scripts(workspace: &Workspace, at: usize) -> Vec<String> {
    scripts_of(workspace, at, &asked_by_name(workspace))
}

/// Tasks that builds ask for by name, by package: `task` for `package` where one has `package#task`.
type AskedByName = BTreeMap<String, Vec<String>>;

fn asked_by_name(workspace: &Workspace) -> AskedByName {
    let mut asked = AskedByName::new();
    for at in 1..workspace.members.len() {
        for need in needs(workspace, at, BUILD) {
            if let Some((package, task)) = need.split_once('#') {
                let tasks = asked.entry(package.to_owned()).or_default();
                if !tasks.iter().any(|known| known == task) {
                    tasks.push(task.to_owned());
                }
            }
        }
    }
    asked
}

fn scripts_of(workspace: &Workspace, at: usize, asked: &AskedByName) -> Vec<String> {
    let mut order = Vec::new();
    visit(workspace, at, BUILD, &mut Vec::new(), &mut order);
    let name = workspace.members[at].manifest.name().unwrap_or_default();
    for task in asked.get(name).into_iter().flatten() {
        visit(workspace, at, task, &mut Vec::new(), &mut order);
    }
    order
}

fn visit(
    workspace: &Workspace,
    at: usize,
    task: &str,
    path: &mut Vec<String>,
    order: &mut Vec<String>,
) {
    if path.iter().any(|seen| seen == task) || order.iter().any(|seen| seen == task) {
        return;
    }
    path.push(task.to_owned());
    for need in needs(workspace, at, task) {
        if !need.starts_with('^') && !need.contains('#') {
            visit(workspace, at, &need, path, order);
        }
    }
    path.pop();
    if workspace.members[at].manifest.script(task).is_some() {
        order.push(task.to_owned());
    }
}

/// `dependsOn` of a task, from the most specific definition that has one: the package's own `turbo.json`, those that it extends, `pkg#task`,
/// `task`.
fn needs(workspace: &Workspace, at: usize, task: &str) -> Vec<String> {
    let definitions = definitions(workspace, at, task);
    let needs = definitions
        .iter()
        .find_map(|one| one.depends_on.clone())
        .unwrap_or_default();
    // turbo 1 wrote environment variables as `$NAME` into the same list.
    needs
        .into_iter()
        .filter(|need| !need.starts_with('$'))
        .collect()
}

/// `inputs` of these members' tasks, likewise.
pub fn inputs(workspace: &Workspace, members: impl IntoIterator<Item = usize>) -> Vec<String> {
    let asked = asked_by_name(workspace);
    let of = |at: usize| {
        let tasks = scripts_of(workspace, at, &asked).into_iter();
        tasks.filter_map(move |task| {
            definitions(workspace, at, &task)
                .iter()
                .find_map(|one| one.inputs.clone())
        })
    };
    members.into_iter().flat_map(of).flatten().collect()
}

/// The members whose `turbo.json` defines this one's tasks, the one that has the last word first: its own, and those that it extends.
fn lineage(workspace: &Workspace, at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut next = vec![at];
    while let Some(at) = next.pop() {
        if found.contains(&at) {
            continue;
        }
        found.push(at);
        let turbo = workspace.members[at].turbo.as_ref();
        let extends = turbo.into_iter().flat_map(|turbo| &turbo.extends);
        // The last of a list wins, and is the first to leave the stack.
        next.extend(extends.filter_map(|name| workspace.named(name)));
    }
    found
}

fn definitions<'w>(workspace: &'w Workspace, at: usize, task: &str) -> Vec<&'w Task> {
    let member = &workspace.members[at];
    let own = lineage(workspace, at)
        .into_iter()
        .filter_map(|at| workspace.members[at].turbo.as_ref()?.tasks.get(task));
    let named = format!("{}#{task}", member.manifest.name().unwrap_or_default());
    let root = |name: &str| {
        workspace
            .turbo
            .as_ref()
            .and_then(|turbo| turbo.tasks.get(name))
    };
    own.chain(root(&named)).chain(root(task)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile::Lockfiles;
    use crate::testing::{at, workspace};

    #[test]
    fn what_a_turbo_json_extends_is_needed_and_counts() {
        let (_dir, workspace) = workspace(&[
            (
                "turbo.json",
                r#"{"tasks": {"build": {"dependsOn": ["root"]}}}"#,
            ),
            (
                "apps/a/package.json",
                r#"{"name": "a", "scripts": {"build": "x", "root": "x", "near": "x", "far": "x"}}"#,
            ),
            (
                "apps/a/turbo.json",
                r#"{"extends": ["//", "far", "near"], "tasks": {"build": {}}}"#,
            ),
            ("packages/far/package.json", r#"{"name": "far"}"#),
            (
                "packages/far/turbo.json",
                r#"{"extends": ["//", "near"], "tasks": {"build": {"dependsOn": ["far"]}}}"#,
            ),
            ("packages/near/package.json", r#"{"name": "near"}"#),
            (
                "packages/near/turbo.json",
                r#"{"extends": ["//", "near"], "tasks": {"build": {"dependsOn": ["near"]}}}"#,
            ),
        ]);
        let app = at(&workspace, "apps/a");
        assert_eq!(scripts(&workspace, app).join(" "), "near build");
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let needed = needed(&workspace, &Graph::new(&workspace, &lockfiles), &[app]);
        let (far, near) = (
            at(&workspace, "packages/far"),
            at(&workspace, "packages/near"),
        );
        assert_eq!(needed.members, [app, far, near]);
    }

    #[test]
    fn scripts_in_turbos_order() {
        let (_dir, workspace) = workspace(&[
            (
                "turbo.json",
                r#"{"tasks": {
                    "build": {"dependsOn": ["^build", "codegen", "$OLD_STYLE", "loop"], "inputs": ["$TURBO_ROOT$/a.json"]},
                    "loop": {"dependsOn": ["build"]},
                    "codegen": {"dependsOn": ["schema#emit"]},
                    "own#build": {"dependsOn": []}
                }}"#,
            ),
            (
                "apps/a/package.json",
                r#"{"name": "a", "scripts": {"build": "tsc", "codegen": "gen", "dev": "x"}}"#,
            ),
            (
                "packages/none/package.json",
                r#"{"name": "none", "scripts": {"dev": "x"}}"#,
            ),
            (
                "packages/own/package.json",
                r#"{"name": "own", "scripts": {"build": "tsc", "codegen": "gen"}}"#,
            ),
            (
                "packages/pre/package.json",
                r#"{"name": "pre", "scripts": {"build": "tsc", "prepare-it": "x"}}"#,
            ),
            (
                "packages/pre/turbo.json",
                r#"{"extends": ["//"], "tasks": {"build": {"dependsOn": ["prepare-it"]}}}"#,
            ),
            (
                "packages/schema/package.json",
                r#"{"name": "schema", "scripts": {"emit": "x"}}"#,
            ),
        ]);
        let scripts = |dir: &str| scripts(&workspace, at(&workspace, dir)).join(" ");
        assert_eq!(scripts("apps/a"), "codegen build");
        assert_eq!(scripts("packages/none"), "");
        assert_eq!(scripts("packages/own"), "build");
        assert_eq!(scripts("packages/pre"), "prepare-it build");
        assert_eq!(
            inputs(&workspace, [at(&workspace, "apps/a")]),
            ["$TURBO_ROOT$/a.json"]
        );
        let app = at(&workspace, "apps/a");
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let needed = needed(&workspace, &Graph::new(&workspace, &lockfiles), &[app]);
        let schema = at(&workspace, "packages/schema");
        assert_eq!(needed.members, [app, schema]);
        assert_eq!(
            needed.named,
            BTreeMap::from([(schema, "schema#emit".to_owned())])
        );
    }
}
