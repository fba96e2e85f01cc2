//! The root as an app: what builds it.

use crate::model::member::MemberId;
use crate::plan::config::{Given, GivenBy};
use crate::plan::{Plan, PlanOptions};
use crate::testing::workspace;

/// The manifest of a root that depends on `lib`, if there is one.
fn root(scripts: &str, with_lib: bool) -> String {
    let lib = if with_lib {
        r#", "dependencies": {"lib": "workspace:*"}"#
    } else {
        ""
    };
    format!(
        r#"{{"name": "acme", "packageManager": "pnpm@10.34.9", "scripts": {{{scripts}}}{lib}}}"#
    )
}

/// The plan of the root with these scripts and this turbo.json, and a library beside it or none.
fn plan(scripts: &str, turbo: &str, with_lib: bool, options: &PlanOptions) -> Result<Plan, String> {
    let manifest = root(scripts, with_lib);
    let lockfile = if with_lib {
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      lib:\n        specifier: workspace:*\n        \
         version: link:packages/lib\n\n  packages/lib: {}\n"
    } else {
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n"
    };
    let mut files = vec![
        ("package.json", manifest.as_str()),
        ("pnpm-lock.yaml", lockfile),
        ("server.js", ""),
        ("turbo.json", turbo),
    ];
    let lib = r#"{"name": "lib", "scripts": {"build": "tsc", "prepare": "husky"}}"#;
    if with_lib {
        files.push(("packages/lib/package.json", lib));
        files.push(("packages/lib/index.ts", ""));
    }
    let (_dir, workspace) = workspace(&files);
    Plan::new(&workspace, MemberId::ROOT, options).map_err(|error| error.to_string())
}

/// The steps of a plan, and the scripts of the root that do not run.
fn steps(scripts: &str, turbo: &str, with_lib: bool) -> String {
    let plan = match plan(scripts, turbo, with_lib, &PlanOptions::default()) {
        Ok(plan) => plan,
        Err(error) => return error,
    };
    let step = |step: &crate::plan::BuildStep| {
        let tasks: Vec<&str> = step.tasks.iter().map(|task| &*task.script).collect();
        format!("{}: {}", step.dir, tasks.join(", "))
    };
    let left_out = plan.recipe().unwrap().left_out.iter();
    let left_out = left_out.filter(|script| script.dir.is_root());
    let left_out = left_out.map(|one| format!("not {}: {}", one.script, one.reason));
    let steps: Vec<String> = plan.steps().iter().map(step).chain(left_out).collect();
    steps.join(" | ")
}

const START: &str = r#""start": "node server.js""#;

#[test]
fn the_packages_of_a_root_are_built_before_it() {
    let turbo = r#"{"tasks": {"build": {"dependsOn": ["^build", "codegen"]}, "codegen": {}}}"#;
    let build = |build: &str| format!(r#"{START}, "build": "{build}""#);
    for (scripts, expected) in [
        (build("tsc"), "packages/lib: build | .: build"),
        (
            build("turbo run build && tsc"),
            "packages/lib: build | .: build",
        ),
        (
            format!(r#"{START}, "build": "tsc", "postinstall": "node make.js""#),
            "packages/lib: build | .: postinstall, build",
        ),
        (START.to_owned(), "packages/lib: build"),
    ] {
        // What turbo.json says of `build` holds for packages.
        for turbo in ["{}", turbo] {
            assert_eq!(steps(&scripts, turbo, true), expected, "{scripts}");
        }
    }
}

#[test]
fn a_script_that_has_packages_built_is_left_out() {
    let turbo = r#"{"tasks": {"build": {"dependsOn": ["^build"]}}}"#;
    for build in [
        "turbo run build",
        "pnpm exec turbo build --filter=lib",
        "pnpm -r build",
        "pnpm --filter './packages/*' build",
        "nx run-many -t build",
    ] {
        let scripts = format!(r#"{START}, "build": "{build}""#);
        assert_eq!(
            steps(&scripts, turbo, true),
            "packages/lib: build | not build: it builds packages, which have steps of their own",
            "{build}"
        );
    }
}

#[test]
fn tasks_of_the_root_have_names_of_their_own() {
    let scripts = format!(r#"{START}, "build": "tsc", "gen": "node gen.js""#);
    let turbo = r#"{"tasks": {"build": {}, "//#build": {"dependsOn": ["^build", "//#gen"]}, "//#gen": {}}}"#;
    assert_eq!(
        steps(&scripts, turbo, true),
        "packages/lib: build | .: gen, build"
    );
    // Those of the only package need none.
    let turbo = r#"{"tasks": {"build": {"dependsOn": ["gen"]}, "gen": {}}}"#;
    assert_eq!(steps(&scripts, turbo, false), ".: gen, build");
    assert_eq!(
        steps(&scripts, turbo, true),
        "packages/lib: build | .: build"
    );
}

#[test]
fn the_build_of_a_root_that_turbo_does_not_know_gets_every_argument() {
    let flag = || Given {
        value: Some("1".to_owned()),
        source: GivenBy::Flag("--build-arg"),
    };
    let options = PlanOptions {
        build_args: [("MINE".to_owned(), flag())].into(),
        ..PlanOptions::default()
    };
    let scripts = format!(r#"{START}, "build": "tsc""#);
    let args = |turbo: &str| {
        let plan = plan(&scripts, turbo, true, &options).unwrap();
        plan.steps().last().unwrap().tasks[0].args.clone()
    };
    assert_eq!(args(r#"{"tasks": {"build": {}}}"#), ["MINE"]);
    assert!(args(r#"{"tasks": {"build": {}, "//#build": {}}}"#).is_empty());
}
