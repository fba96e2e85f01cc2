//! Each case was given to turbo 2.11 too; `tests/it/turbo.rs` compares on real workspaces.

use super::*;
use crate::lockfile::Lockfiles;
use crate::needs::graph::Graph;
use crate::testing::{at, workspace};

/// A package: its directory below the root is `apps/NAME` for `a`, `packages/NAME` for others.
struct Package {
    name: &'static str,
    scripts: &'static str,
    /// `b`, `b?` for a dev dependency, or `b^` for a peer that the lockfile records.
    needs: &'static str,
    turbo: &'static str,
}

const fn package(
    name: &'static str,
    scripts: &'static str,
    needs: &'static str,
    turbo: &'static str,
) -> Package {
    Package {
        name,
        scripts,
        needs,
        turbo,
    }
}

fn dir(name: &str) -> String {
    let top = if name == "a" { "apps" } else { "packages" };
    format!("{top}/{name}")
}

fn manifest(name: &str, scripts: &str, needs: &str) -> String {
    let peers = needs
        .split_whitespace()
        .filter_map(|need| need.strip_suffix('^'));
    let peers: Vec<String> = peers.map(|peer| format!("\"{peer}\": \"*\"")).collect();
    let scripts: Vec<String> = scripts
        .split_whitespace()
        .map(|script| format!("\"{script}\": \"x\""))
        .collect();
    format!(
        "{{\"name\": \"{name}\", \"scripts\": {{{}}}, \"peerDependencies\": {{{}}}}}",
        scripts.join(", "),
        peers.join(", ")
    )
}

/// Makes a workspace whose root has `root` as scripts and `turbo` as turbo.json, and calls `then`
/// with what its app `a` needs.
fn with<T>(
    root: &str,
    turbo: &str,
    packages: &[Package],
    then: impl Fn(&Workspace, &Graph, Tasks) -> T,
) -> T {
    let mut files = vec![("package.json".to_owned(), manifest("root", root, ""))];
    if !turbo.is_empty() {
        files.push(("turbo.json".to_owned(), turbo.to_owned()));
    }
    let mut lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n".to_owned();
    for one in packages {
        files.push((
            format!("{}/package.json", dir(one.name)),
            manifest(one.name, one.scripts, one.needs),
        ));
        if !one.turbo.is_empty() {
            files.push((
                format!("{}/turbo.json", dir(one.name)),
                one.turbo.to_owned(),
            ));
        }
        let value = if one.needs.is_empty() { " {}" } else { "" };
        lockfile.push_str(&["\n  ", &dir(one.name), ":", value, "\n"].concat());
        for (key, dev) in [("dependencies", false), ("devDependencies", true)] {
            let needs = one
                .needs
                .split_whitespace()
                .filter(|need| need.ends_with('?') == dev);
            let needs = needs.map(|need| need.trim_end_matches(['?', '^']));
            let entry = |need| {
                format!(
                    "      {need}:\n        specifier: workspace:*\n        version: link:../../{}\n",
                    dir(need)
                )
            };
            let entries: String = needs.map(entry).collect();
            if !entries.is_empty() {
                lockfile.push_str(&["    ", key, ":\n", &entries].concat());
            }
        }
    }
    files.push(("pnpm-lock.yaml".to_owned(), lockfile));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let (_dir, workspace) = workspace(&files);
    let lockfile = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let graph = Graph::new(&workspace, &lockfile);
    let tasks = Tasks::new(&workspace, &graph, &[at(&workspace, "apps/a")]);
    then(&workspace, &graph, tasks)
}

/// The runs: `b: build | a: codegen, build`, with `!` behind what turbo would not run; or the
/// error.
fn runs(root: &str, turbo: &str, packages: &[Package]) -> String {
    with(root, turbo, packages, |workspace, _, tasks| {
        let runs = match tasks.runs(workspace) {
            Ok(runs) => runs,
            Err(error) => return error.to_string(),
        };
        let run = |run: &TaskRun| {
            let name = |&task: &usize| {
                let node = &tasks.nodes[task];
                let own = matches!(node.because, Because::Dependency { .. });
                format!("{}{}", node.name, if own { "!" } else { "" })
            };
            let names: Vec<String> = run.tasks.iter().map(name).collect();
            format!(
                "{}: {}",
                workspace.members[run.member].label(),
                names.join(", ")
            )
        };
        runs.all.iter().map(run).collect::<Vec<_>>().join(" | ")
    })
}

const A: Package = package("a", "build", "b", "");
const B: Package = package("b", "build", "", "");

#[test]
fn libraries_are_built_first() {
    let usual = r#"{"tasks": {"build": {"dependsOn": ["^build"]}}}"#;
    assert_eq!(runs("", usual, &[A, B]), "b: build | a: build");
    // Over a package without a script, and over a dev dependency.
    let packages = [
        package("a", "build", "m", ""),
        package("m", "", "b?", ""),
        B,
    ];
    assert_eq!(runs("", usual, &packages), "b: build | a: build");
    for forgotten in [
        "",
        r#"{"tasks": {"build": {}}}"#,
        r#"{"tasks": {"lint": {}}}"#,
        r#"{"tasks": {"a#build": {}}}"#,
    ] {
        assert_eq!(
            runs("", forgotten, &packages),
            "b: build! | a: build",
            "{forgotten}"
        );
    }
    // Nothing to build for the app itself, but for what it is made of.
    assert_eq!(runs("", "", &[package("a", "", "b", ""), B]), "b: build!");
}

#[test]
fn tasks_of_the_same_package_and_of_others() {
    let turbo = r#"{"tasks": {
        "build": {"dependsOn": ["^build", "codegen", "none"]}, "codegen": {"dependsOn": ["schema#emit"]}, "none": {}, "emit": {}, "test": {}
    }}"#;
    let packages = [
        package("a", "build codegen test", "b", ""),
        package("b", "build codegen", "", ""),
        package("schema", "emit build", "", ""),
    ];
    assert_eq!(
        runs("", turbo, &packages),
        "schema: emit | b: codegen, build | a: codegen, build"
    );
}

#[test]
fn a_package_is_interrupted_where_it_must_be() {
    let turbo = r#"{"tasks": {
        "a#build": {"dependsOn": ["codegen"]}, "codegen": {"dependsOn": ["b#build"]}, "b#build": {"dependsOn": ["a#types"]}, "types": {}
    }}"#;
    let packages = [package("a", "build codegen types", "b", ""), B];
    assert_eq!(
        runs("", turbo, &packages),
        "a: types | b: build | a: codegen, build"
    );
    with("", turbo, &packages, |workspace, _, tasks| {
        let runs = tasks.runs(workspace).unwrap();
        let numbers = |set| runs.sets.numbers(set);
        assert_eq!(numbers(runs.all[2].needs), [0, 1]);
        assert_eq!(
            numbers(runs.all[1].members),
            [at(workspace, "apps/a").position()]
        );
    });
    // One that need not be is not, though it could begin at once.
    let turbo = r#"{"tasks": {"a#build": {"dependsOn": ["codegen", "c#emit"]}, "codegen": {}, "emit": {}}}"#;
    let packages = [
        package("a", "build codegen", "", ""),
        package("c", "emit", "", ""),
    ];
    assert_eq!(runs("", turbo, &packages), "c: emit | a: codegen, build");
}

#[test]
fn tasks_of_the_root() {
    let turbo = r#"{"tasks": {
        "build": {"dependsOn": ["^build", "//#gen"]}, "//#gen": {"dependsOn": ["pre", "b#emit"]}, "//#pre": {}, "emit": {}
    }}"#;
    let packages = [
        package("a", "build", "", ""),
        package("b", "emit build", "", ""),
    ];
    assert_eq!(
        runs("gen pre build", turbo, &packages),
        "b: emit | root: pre, gen | a: build"
    );
    assert_eq!(
        runs(
            "gen",
            r#"{"tasks": {"build": {"dependsOn": ["//#gen"]}, "gen": {}}}"#,
            &packages
        ),
        "`dependsOn` of `a#build` asks for `//#gen`, which no turbo.json defines"
    );
}

#[test]
fn what_turbo_refuses() {
    let refused = |turbo: &str| runs("", turbo, &[package("a", "build nope dev x", "b", ""), B]);
    let unknown = "asks for `a#nope`, which no turbo.json defines";
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["nope"]}}}"#),
        format!("`dependsOn` of `a#build` {unknown}")
    );
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["^nope"]}}}"#),
        "`dependsOn` of `a#build` asks for `b#nope`, which no turbo.json defines"
    );
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["zz#build"]}}}"#),
        "`dependsOn` of `a#build` asks for `zz#build`, and there is no package of that name"
    );
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["dev"]}, "dev": {"persistent": true}}}"#),
        "`dependsOn` of `a#build` waits for `a#dev`, which is persistent: it never ends"
    );
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["x"]}, "x": {"dependsOn": ["build"]}}}"#),
        "tasks wait for each other: a#build → a#x → a#build"
    );
    assert_eq!(
        refused(r#"{"tasks": {"build": {"dependsOn": ["build"]}}}"#),
        "tasks wait for each other: a#build → a#build"
    );
    let of_package = |turbo| {
        runs(
            "",
            r#"{"tasks": {"build": {}}}"#,
            &[package("a", "build", "", turbo), B],
        )
    };
    assert_eq!(
        of_package(r#"{"tasks": {}}"#),
        "`apps/a/turbo.json` does not begin with the root's: `\"extends\": [\"//\"]`"
    );
    assert_eq!(
        of_package(r#"{"extends": ["//", "b"]}"#),
        "`apps/a/turbo.json` extends `b`, which has no turbo.json"
    );
    assert_eq!(
        of_package(r#"{"extends": ["//", "a"]}"#),
        "turbo.json files extend each other: a → a"
    );
    // A dependency without a script is no matter.
    assert_eq!(
        runs(
            "",
            r#"{"tasks": {"build": {"dependsOn": ["dev"]}, "dev": {"persistent": true}}}"#,
            &[A, B]
        ),
        "b: build! | a: build"
    );
}

#[test]
fn circles_that_nobody_asked_for_are_opened() {
    let usual = r#"{"tasks": {"build": {"dependsOn": ["^build"]}}}"#;
    let packages = [
        package("a", "build", "b", ""),
        package("b", "build", "a?", ""),
    ];
    assert_eq!(runs("", usual, &packages), "b: build | a: build");
    assert_eq!(runs("", "", &packages), "b: build! | a: build");
    let of_code = [
        package("a", "build", "b", ""),
        package("b", "build", "a", ""),
    ];
    assert_eq!(
        runs("", usual, &of_code),
        "tasks wait for each other: a#build → b#build → a#build"
    );
    // A peer is no edge of turbo's.
    let of_peer = [
        package("a", "build", "b", ""),
        package("b", "build", "c", ""),
        package("c", "build", "b^", ""),
    ];
    assert_eq!(runs("", usual, &of_peer), "c: build | b: build | a: build");
    assert_eq!(runs("", "", &of_peer), "c: build! | b: build! | a: build");
    // It is built before whom it serves all the same, where that closes no circle.
    let of_peer = [package("a", "build", "b^", ""), B];
    assert_eq!(runs("", usual, &of_peer), "b: build! | a: build");
    // Nothing waits where nothing runs.
    let idle = [
        package("a", "build", "b", ""),
        package("b", "", "c", ""),
        package("c", "", "b", ""),
    ];
    assert_eq!(runs("", usual, &idle), "a: build");
    assert_eq!(runs("", "", &idle), "a: build");
    let named = r#"{"tasks": {"build": {}}}"#;
    let both = [
        package("a", "build", "b", ""),
        package("b", "build", "c", ""),
        package("c", "build", "b", ""),
    ];
    assert_eq!(runs("", named, &both), "b: build! | c: build! | a: build");
    // What turbo.json says counts more than what a manifest does.
    let turned =
        r#"{"tasks": {"a#build": {}, "b#build": {"dependsOn": ["a#types"]}, "types": {}}}"#;
    assert_eq!(
        runs("", turned, &[package("a", "build types", "b", ""), B]),
        "a: types | b: build! | a: build"
    );
}

#[test]
fn a_package_may_take_a_task_away() {
    let usual = r#"{"tasks": {"build": {"dependsOn": ["^build"]}}}"#;
    let away = r#"{"extends": ["//"], "tasks": {"build": {"extends": false}}}"#;
    let packages = [
        A,
        package("b", "build", "c", away),
        package("c", "build", "", ""),
    ];
    assert_eq!(runs("", usual, &packages), "a: build");
    let alone = r#"{"extends": ["//"], "tasks": {"build": {"extends": false, "outputs": []}}}"#;
    let packages = [
        A,
        package("b", "build", "c", alone),
        package("c", "build", "", ""),
    ];
    assert_eq!(
        runs("", usual, &packages),
        "c: build! | b: build | a: build"
    );
}

#[test]
fn tasks_beside_others() {
    let turbo = r#"{"tasks": {"build": {"with": ["b#side", "b#serve"]}, "side": {}, "serve": {"persistent": true}}}"#;
    let packages = [
        package("a", "build", "", ""),
        package("b", "side serve build", "", ""),
    ];
    assert_eq!(runs("", turbo, &packages), "b: side | a: build");
    with("", turbo, &packages, |workspace, graph, tasks| {
        assert_eq!(
            tasks.warnings,
            ["`b#serve` does not run beside `a#build`: it is persistent, and a build ends"]
        );
        let apps = [at(workspace, "apps/a")];
        let needed = Tasks::new(workspace, graph, &apps).needed(workspace, graph, &apps);
        assert_eq!(needed.members.len(), 2);
    });
}

/// `env` and `dependsOn` of `a#build`, as turbo prints them.
fn evaluated(turbo: &str, packages: &[Package]) -> (String, String) {
    with("", turbo, packages, |_, _, tasks| {
        let mut env = tasks.nodes[0].definition.env.clone();
        env.sort();
        (
            env.join(" "),
            tasks.nodes[0].definition.depends_on.join(" "),
        )
    })
}

#[test]
fn definitions_are_merged_as_turbo_merges_them() {
    let root =
        r#"{"tasks": {"build": {"env": ["R"], "dependsOn": ["r"]}, "r": {}, "a#other": {}}}"#;
    let extends = |bases: &'static str| bases;
    let own = |turbo| package("a", "build", "", turbo);
    let adds = r#"{"extends": ["//"], "tasks": {"build": {"env": ["$TURBO_EXTENDS$", "A"], "dependsOn": ["$TURBO_EXTENDS$", "^r"]}}}"#;
    assert_eq!(
        evaluated(root, &[own(adds)]),
        ("A R".to_owned(), "r ^r".to_owned())
    );
    let replaces = r#"{"extends": ["//"], "tasks": {"build": {"env": []}}}"#;
    assert_eq!(
        evaluated(root, &[own(replaces)]),
        (String::new(), "r".to_owned())
    );
    let named = r#"{"tasks": {"build": {"env": ["R"], "dependsOn": ["r"]}, "r": {}, "a#build": {"env": ["Q"]}}}"#;
    assert_eq!(
        evaluated(named, &[own("")]),
        ("Q".to_owned(), String::new())
    );
    assert_eq!(
        evaluated(named, &[own(adds)]),
        ("A Q".to_owned(), "^r".to_owned())
    );
    // Others' files, in turbo's own order.
    let base = |name, bases, env| {
        let text = format!(r#"{{"extends": {bases}, "tasks": {{"build": {{"env": {env}}}}}}}"#);
        package(name, "", "", Box::leak(text.into_boxed_str()))
    };
    let chain = [
        base(
            "a",
            extends(r#"["//", "b"]"#),
            r#"["$TURBO_EXTENDS$", "A"]"#,
        ),
        base("b", r#"["//", "c"]"#, r#"["$TURBO_EXTENDS$", "B"]"#),
        base("c", r#"["//"]"#, r#"["$TURBO_EXTENDS$", "C"]"#),
    ];
    assert_eq!(evaluated(root, &chain).0, "A B C R");
    let mut wide = chain;
    wide[0].turbo =
        r#"{"extends": ["//", "c", "b"], "tasks": {"build": {"env": ["$TURBO_EXTENDS$", "A"]}}}"#;
    wide[1].turbo = r#"{"extends": ["//", "c"], "tasks": {"build": {"env": ["B"]}}}"#;
    assert_eq!(evaluated(root, &wide).0, "A B");
}

#[test]
fn members_that_only_turbo_json_names_are_needed() {
    let turbo = r#"{"tasks": {"build": {"dependsOn": ["^build", "schema#emit"]}, "emit": {}}}"#;
    let packages = [
        package("a", "build", "", r#"{"extends": ["//", "far"]}"#),
        package("schema", "emit", "deep", ""),
        package("deep", "", "", ""),
        package("far", "", "", r#"{"extends": ["//"]}"#),
        package("other", "build", "", ""),
    ];
    with("", turbo, &packages, |workspace, graph, _| {
        let apps = [at(workspace, "apps/a")];
        let needed = Tasks::new(workspace, graph, &apps).needed(workspace, graph, &apps);
        let positions = ["apps/a", "packages/deep", "packages/far", "packages/schema"]
            .map(|dir| at(workspace, dir));
        assert_eq!(needed.members, positions);
        let named = [
            (at(workspace, "packages/schema"), "schema#emit"),
            (at(workspace, "packages/far"), "far"),
        ];
        assert_eq!(
            needed.named,
            named
                .map(|(at, name)| (at, name.to_owned()))
                .into_iter()
                .collect()
        );
    });
}

#[test]
fn scripts_that_make_a_member() {
    let turbo = r#"{"tasks": {"build": {"dependsOn": ["^build", "codegen", "loop"]}, "loop": {"dependsOn": ["build"]}, "codegen": {}}}"#;
    let packages = [
        package("a", "build codegen dev", "", ""),
        package("b", "dev", "", ""),
    ];
    with("", turbo, &packages, |workspace, _, _| {
        let scripts = |dir: &str| scripts(workspace, at(workspace, dir)).join(" ");
        assert_eq!(scripts("apps/a"), "codegen build");
        assert_eq!(scripts("packages/b"), "");
    });
}

#[test]
fn variables_become_arguments_of_the_tasks_that_declare_them() {
    let given = [
        "A_1",
        "NEXT_PUBLIC_X",
        "NEXT_PUBLIC_NOT",
        "NODE_OPTIONS",
        "OTHER",
        "HTTPS_PROXY",
    ]
    .map(str::to_owned)
    .into();
    let arguments = |turbo: &str, dependencies: &str| {
        let manifest = format!(
            r#"{{"name": "a", "scripts": {{"build": "x", "codegen": "x"}}, "dependencies": {{{dependencies}}}}}"#
        );
        let (_dir, workspace) =
            workspace(&[("turbo.json", turbo), ("apps/a/package.json", &manifest)]);
        let graph = Graph::new(&workspace, &Lockfiles::parse(&workspace.lockfiles).unwrap());
        let tasks = Tasks::new(&workspace, &graph, &[at(&workspace, "apps/a")]);
        let of = |task: usize| {
            format!(
                "{}: {}",
                tasks.nodes[task].name,
                tasks.arguments(&workspace, task, &given).join(" ")
            )
        };
        (0..tasks.nodes.len())
            .map(of)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    let turbo = r#"{"globalEnv": ["G"], "globalPassThroughEnv": ["P", "not a name"], "tasks": {
        "build": {"env": ["A_*", "B", "!NEXT_PUBLIC_NOT"], "dependsOn": ["codegen"]}, "codegen": {"passThroughEnv": ["C", "https_proxy"]}
    }}"#;
    assert_eq!(
        arguments(turbo, ""),
        "build: A_1 B G NEXT_PUBLIC_X NODE_OPTIONS P | codegen: C G NODE_OPTIONS P"
    );
    assert_eq!(
        arguments(turbo, r#""next": "15""#),
        "build: A_1 B G NEXT_PUBLIC_X NODE_OPTIONS P | codegen: C G NEXT_PUBLIC_NOT NEXT_PUBLIC_X NODE_OPTIONS P"
    );
    // turbo 1, and `envMode: loose`: a task sees everything.
    let loose = turbo.replacen('{', r#"{"envMode": "loose", "#, 1);
    assert_eq!(
        arguments(&loose, ""),
        "build: A_1 B G NEXT_PUBLIC_X NODE_OPTIONS OTHER P | codegen: C G NODE_OPTIONS P"
    );
}
