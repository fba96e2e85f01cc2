//! Compares the plan with turbo's: `turbo run build --filter=APP --dry=json`, on the sample
//! workspace and on real ones.
//!
//! turbo comes from npm: 2.11, and 1.13 for workspaces whose turbo.json has `pipeline`. If turbo or
//! the corpus is missing, the test says so, and fails with `SLIMBUILD_NO_SKIPS=1`.

mod images;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use slimbuild::internals::{Because, Graph, Lockfiles, Tasks, Workspace};

use crate::corpus::{corpus, found, run};
use crate::support::daemon::too_slow;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// A `file:` tarball with a member's name, which turbo takes for the member. pnpm unpacks the
/// tarball.
const A_TARBALL: &str = " → fake-data-pkg#";

/// turbo's own program, by its version.
fn turbo(version: &str) -> Result<PathBuf, String> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("turbo-{version}"));
    let _alone = INSTALLING.lock();
    if !target.is_dir() {
        let part = target.with_extension("part");
        fs_err::create_dir_all(&part).unwrap();
        fs_err::write(part.join("package.json"), "{}").unwrap();
        let mut npm = Command::new("npm");
        let flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        run(npm
            .arg("install")
            .args(flags)
            .arg(&part)
            .arg(format!("turbo@{version}")))?;
        fs_err::rename(part, &target).unwrap();
    }
    // The package of this platform; the one called turbo is a script that starts node.
    let modules = target.join("node_modules");
    let walk = walkdir::WalkDir::new(&modules)
        .into_iter()
        .filter_map(Result::ok);
    walk.map(walkdir::DirEntry::into_path)
        .find(|path| path.ends_with("bin/turbo") && !path.starts_with(modules.join("turbo")))
        .ok_or_else(|| format!("no turbo in {}", modules.display()))
}

/// A task as turbo sees it.
#[derive(Debug, PartialEq)]
struct Task {
    runs: bool,
    needs: BTreeSet<String>,
    with: Vec<String>,
    /// `dependsOn`, `env` and `passThroughEnv`, evaluated.
    definition: [BTreeSet<String>; 3],
    persistent: bool,
}

type Dry = BTreeMap<String, Task>;

/// A dry run of all apps or of one; turbo's error if it refuses.
fn dry(turbo: &Path, root: &Path, app: Option<&str>) -> Result<Dry, String> {
    let mut command = Command::new(turbo);
    command
        .args(["run", "build", "--dry=json"])
        .current_dir(root);
    command.envs([
        ("TURBO_TELEMETRY_DISABLED", "1"),
        ("DO_NOT_TRACK", "1"),
        ("TURBO_NO_UPDATE_NOTIFIER", "1"),
    ]);
    command.args(app.map(|app| format!("--filter={app}")));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let json: Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
    let list = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let task = |task: &Value| {
        let definition = &task["resolvedTaskDefinition"];
        let parts = ["dependsOn", "env", "passThroughEnv"];
        let one = Task {
            runs: !["<NONEXISTENT>", "<OPT OUT>"].contains(&task["command"].as_str().unwrap()),
            needs: list(&task["dependencies"]).into_iter().collect(),
            with: list(&task["with"]),
            definition: parts.map(|part| list(&definition[part]).into_iter().collect()),
            persistent: definition["persistent"] == true,
        };
        (task["taskId"].as_str().unwrap().to_owned(), one)
    };
    Ok(json["tasks"].as_array().unwrap().iter().map(task).collect())
}

/// The part of a dry run that an app's build needs.
fn part<'d>(dry: &'d Dry, app: &str) -> BTreeMap<&'d str, &'d Task> {
    let mut found = BTreeMap::new();
    let mut open = vec![format!("{app}#build")];
    while let Some(id) = open.pop() {
        let Some((id, task)) = dry.get_key_value(&id) else {
            continue;
        };
        if found.insert(id.as_str(), task).is_none() {
            let package = id.split('#').next().unwrap();
            let full = |with: &String| {
                if with.contains('#') {
                    with.clone()
                } else {
                    format!("{package}#{with}")
                }
            };
            open.extend(task.needs.iter().cloned().chain(task.with.iter().map(full)));
        }
    }
    found
}

/// The transitive prerequisites of a task.
fn before<'d>(dry: &BTreeMap<&'d str, &'d Task>, id: &'d str) -> BTreeSet<&'d str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![id]);
    while let Some(task) = open.pop().and_then(|id| dry.get(id)) {
        open.extend(
            task.needs
                .iter()
                .map(String::as_str)
                .filter(|need| found.insert(*need)),
        );
    }
    found
}

/// Compares an order (with what requested each task) with turbo's. Every task of turbo must be in
/// it, after its prerequisites. Other tasks must be requested by nothing in turbo.json, or come
/// over an edge that turbo does not see.
fn compare(dry: &BTreeMap<&str, &Task>, order: &[(String, Because)]) -> Result<(), String> {
    let place: BTreeMap<&str, usize> = order
        .iter()
        .enumerate()
        .map(|(at, (id, _))| (id.as_str(), at))
        .collect();
    for (id, task) in dry.iter().filter(|(_, task)| task.runs) {
        let Some(at) = place.get(id) else {
            if task.persistent {
                continue;
            }
            return Err(format!("{id} does not run"));
        };
        for need in before(dry, id) {
            if dry[need].runs && place.get(need).is_none_or(|need| need > at) {
                return Err(format!("{id} runs before {need}"));
            }
        }
    }
    for (id, because) in order {
        match because {
            _ if dry.get(id.as_str()).is_some_and(|task| task.runs) => {}
            Because::Dependency { .. } => {}
            Because::Asked { by, .. } if !dry.contains_key(by.as_str()) => {}
            Because::Asked { entry, .. } if entry.starts_with('^') => {}
            other => return Err(format!("{id} runs, and turbo does not run it: {other:?}")),
        }
    }
    Ok(())
}

/// The order that is planned for the app at this position.
fn planned(workspace: &Workspace, tasks: &Tasks) -> Result<Vec<(String, Because)>, String> {
    let runs = tasks.runs(workspace).map_err(|error| error.to_string())?;
    let all = runs.all.iter().flat_map(|run| &run.tasks);
    Ok(all
        .map(|&task| (tasks.id(workspace, task), tasks.nodes[task].because.clone()))
        .collect())
}

/// Compares the apps of a workspace. Returns their number, and the edges that turbo does not see.
fn check(turbo: &Path, root: &Path) -> Result<(usize, BTreeSet<String>), String> {
    let workspace = Workspace::load(root).map_err(|error| error.to_string())?;
    let lockfile = Lockfiles::parse(&workspace.lockfiles).map_err(|error| error.to_string())?;
    let graph = Graph::new(&workspace, &lockfile);
    let whole = dry(turbo, root, None)?;
    let (mut apps, mut unseen) = (Vec::new(), BTreeSet::new());
    for at in workspace.members.package_ids() {
        let Some(name) = workspace.members[at].manifest.name() else {
            continue;
        };
        let dry = part(&whole, name);
        if dry.is_empty() {
            continue;
        }
        let fail = |error: String| format!("{name}: {error}");
        let tasks = Tasks::new(&workspace, &graph, &[at]);
        compare(&dry, &planned(&workspace, &tasks).map_err(fail)?).map_err(fail)?;
        let asked = tasks.asked(&workspace);
        for (id, theirs) in &dry {
            let Some(ours) = asked.get(*id) else {
                // What only such an edge leads to.
                continue;
            };
            for need in theirs.needs.difference(ours) {
                let edge = format!("{id} → {need}");
                if !edge.contains(A_TARBALL) {
                    return Err(fail(format!("it lacks {edge}")));
                }
            }
            unseen.extend(
                ours.difference(&theirs.needs)
                    .map(|need| format!("{id} → {need}")),
            );
        }
        for (node, task) in tasks.nodes.iter().enumerate() {
            if let Some(theirs) = dry.get(tasks.id(&workspace, node).as_str()) {
                let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
                let definition = &task.definition;
                let ours = [
                    set(&definition.depends_on),
                    set(&definition.env),
                    set(&definition.pass_through_env),
                ];
                if ours != theirs.definition {
                    return Err(fail(format!("{ours:?} is {:?}", theirs.definition)));
                }
            }
        }
        apps.push((dry.len(), name));
    }
    // That the part of a dry run of all is the dry run of one, seen on the largest one.
    apps.sort_unstable();
    for (_, name) in apps.iter().rev().take(1) {
        let one = dry(turbo, root, Some(name))?;
        let one: BTreeMap<&str, &Task> = one.iter().map(|(id, task)| (id.as_str(), task)).collect();
        assert_eq!(one, part(&whole, name), "{name}");
    }
    Ok((apps.len(), unseen))
}

#[test]
fn the_sample_is_built_in_turbos_order() {
    let Some(turbo) = found("the_sample_is_built_in_turbos_order", turbo("2.11")) else {
        return;
    };
    // turbo writes beside what it reads.
    let shop = Tree::shop();
    let (apps, unseen) = check(&turbo, shop.root()).unwrap();
    assert!(apps >= 4 && unseen.is_empty(), "{unseen:?}");
    for app in ["@shop/server", "@shop/worker", "@shop/web", "@shop/site"] {
        let plan: Value =
            serde_json::from_str(&slimbuild(shop.root(), &["plan", app, "--json"]).text()).unwrap();
        let steps = plan["steps"].as_array().unwrap().iter();
        let tasks = steps.flat_map(|step| {
            let tasks = step["tasks"].as_array().unwrap().iter();
            tasks.map(|task| {
                format!(
                    "{}#{}",
                    step["name"].as_str().unwrap(),
                    task["script"].as_str().unwrap()
                )
            })
        });
        let order: Vec<(String, Because)> = tasks.map(|id| (id, Because::App)).collect();
        let dry = dry(&turbo, shop.root(), Some(app)).unwrap();
        assert_eq!(compare(&part(&dry, app), &order), Ok(()), "{app}");
    }
}

#[test]
fn real_workspaces_are_built_in_turbos_order() {
    if too_slow("real_workspaces_are_built_in_turbos_order") {
        return;
    }
    let all = corpus().and_then(|corpus| Ok((corpus, turbo("2.11")?, turbo("1.13")?)));
    let Some((corpus, two, one)) = found("real_workspaces_are_built_in_turbos_order", all) else {
        return;
    };
    let mut roots: Vec<PathBuf> = fs_err::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    roots.sort();
    let (mut apps, mut problems, mut unseen) = (0, Vec::new(), Vec::new());
    for root in roots {
        let Ok(text) = fs_err::read_to_string(root.join("turbo.json")) else {
            continue;
        };
        let turbo = if text.contains("\"pipeline\"") {
            &one
        } else {
            &two
        };
        let name = root.file_name().unwrap().to_string_lossy().into_owned();
        match check(turbo, &root) {
            Ok((count, edges)) => {
                apps += count;
                unseen.extend(edges.into_iter().map(|edge| format!("{name}: {edge}")));
            }
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(apps >= 900, "{apps}");
    // pnpm linked what the manifests call `npm:@trpc/…@…`; a task that turbo does not order would be built with whatever lies there.
    unseen.retain(|edge| !edge.starts_with("trpc@v6.0: examples-"));
    assert_eq!(unseen, [""; 0]);
}
