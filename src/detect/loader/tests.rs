use super::*;
use crate::detect::{Delivery, detect};
use crate::lockfile::Lockfiles;
use crate::testing::{at, workspace};

const FILES: [(&str, &str); 5] = [
    ("apps/a/src/main.ts", ""),
    (
        "apps/a/tsconfig.json",
        r#"{"extends": ["@w/config/node.json", "../../tsconfig.base.json"]}"#,
    ),
    ("packages/config/package.json", r#"{"name": "@w/config"}"#),
    ("packages/config/node.json", "{}"),
    (
        "tsconfig.base.json",
        r#"{"extends": "@tsconfig/node22/tsconfig.json"}"#,
    ),
];

/// How an app starts, with its warnings and variables, and what this needs.
fn start_of(node: &str, manifest: &str, more: &[(&str, &str)]) -> (String, String) {
    let mut files = FILES.to_vec();
    files.push(("apps/a/package.json", manifest));
    files.push((
        "package.json",
        r#"{"devDependencies": {"@tsconfig/node22": "1", "esbuild-register": "3", "esbuild": "1"}}"#,
    ));
    files.extend(more);
    let (_dir, workspace) = workspace(&files);
    let own = files
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("apps/a/"));
    let own = own.map(str::to_owned).collect();
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let app = at(&workspace, "apps/a");
    let subject = Subject {
        workspace: &workspace,
        lockfiles: &lockfiles,
        app,
        files: &own,
        entry: None,
        tasks: None,
        node,
        rules: None,
    };
    let detection = match detect(&subject, None) {
        Ok(detection) => detection,
        Err(error) => return (error.to_string(), String::new()),
    };
    let Delivery::Modules(start) = detection.delivery else {
        return ("no modules".to_owned(), String::new());
    };
    let env = start
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value} "));
    let warnings = start.warnings.iter().map(|text| format!("; {text}"));
    let shown = env.chain([start.command()]).chain(warnings).collect();
    let mut needed: Vec<String> = needs(&workspace, app, &start, &BTreeSet::new())
        .iter()
        .map(|(at, package)| format!("{}: {package}", workspace.members[*at].dir))
        .collect();
    let files = configuration(&workspace, app, &start, &BTreeSet::new()).files;
    needed.extend(files.iter().map(ToString::to_string));
    (shown, needed.join(", "))
}

const CONFIGURATION: &str = "apps/a/tsconfig.json, packages/config/node.json, tsconfig.base.json";

#[test]
fn tsx_is_node_with_its_loader() {
    let manifest = |start: &str| {
        format!(
            r#"{{"scripts": {{"start": "{start}"}}, "devDependencies": {{"tsx": "4", "@w/config": "1"}}}}"#
        )
    };
    let warning = "the `start` script starts TypeScript through tsx at run time: compile it in a `build` script and start the output \
         (until then the image keeps `tsx`, a dev dependency)";
    let needed = format!(".: @tsconfig/node22, apps/a: @w/config, apps/a: tsx, {CONFIGURATION}");
    for (script, started) in [
        (
            "tsx src/main.ts",
            "TSX_DISABLE_CACHE=1 node --import tsx src/main.ts",
        ),
        (
            "tsx --no-warnings ./src/main --port 1",
            "TSX_DISABLE_CACHE=1 node --no-warnings --import tsx src/main.ts --port 1",
        ),
        (
            "node --import tsx src/main.ts",
            "TSX_DISABLE_CACHE=1 node --import tsx src/main.ts",
        ),
        (
            "node -r tsx/cjs src/main",
            "TSX_DISABLE_CACHE=1 node -r tsx/cjs src/main.ts",
        ),
        (
            "tsx --tsconfig=tsconfig.json src/main.ts",
            "TSX_DISABLE_CACHE=1 TSX_TSCONFIG_PATH=tsconfig.json node --import tsx src/main.ts",
        ),
    ] {
        let (shown, named) = start_of("22", &manifest(script), &[]);
        assert_eq!(shown, format!("{started}; {warning}"), "{script}");
        assert_eq!(named, needed, "{script}");
    }
    let (shown, _) = start_of("22", &manifest("tsx watch src/main.ts"), &[]);
    let once = "TSX_DISABLE_CACHE=1 node --import tsx src/main.ts; the `start` script starts `src/main.ts` for those who work on it";
    assert!(shown.starts_with(once), "{shown}");
}

#[test]
fn tsx_itself_starts_where_node_cannot_load_it() {
    let manifest = r#"{"scripts": {"start": "tsx src/main.ts"}, "devDependencies": {"tsx": "4"}}"#;
    let (shown, needed) = start_of("20.5.1", manifest, &[]);
    assert!(
        shown.starts_with("TSX_DISABLE_CACHE=1 node node_modules/.bin/tsx src/main.ts; "),
        "{shown}"
    );
    assert!(needed.contains("apps/a: tsx"), "{needed}");
    let lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  apps/a:\n    devDependencies:\n      tsx:\n        specifier: '3'\n        version: 3.14.0\n";
    let (shown, _) = start_of("22", manifest, &[("pnpm-lock.yaml", lockfile)]);
    assert!(
        shown.starts_with("TSX_DISABLE_CACHE=1 node node_modules/.bin/tsx src/main.ts; "),
        "{shown}"
    );
}

#[test]
fn ts_node_and_others() {
    let manifest = r#"{"scripts": {"start": "ts-node -T -P tsconfig.json -r dotenv/config src/main.ts"},
        "devDependencies": {"ts-node": "10", "typescript": "5"}, "dependencies": {"dotenv": "1"}}"#;
    let (shown, needed) = start_of("22", manifest, &[]);
    assert_eq!(
        shown,
        "TS_NODE_PROJECT=tsconfig.json TS_NODE_TRANSPILE_ONLY=true node -r ts-node/register -r dotenv/config src/main.ts; \
         the `start` script starts TypeScript through ts-node at run time: compile it in a `build` script and start the output \
         (until then the image keeps `ts-node`, a dev dependency)"
    );
    let compilers = "apps/a: ts-node, apps/a: typescript";
    assert!(needed.contains(compilers), "{needed}");
    // The root project's are found from the app too.
    let manifest = r#"{"scripts": {"start": "node -r esbuild-register src/main.ts"}}"#;
    let (_, needed) = start_of("22", manifest, &[]);
    assert!(
        needed.starts_with(".: @tsconfig/node22, .: esbuild, .: esbuild-register, "),
        "{needed}"
    );
    // A loader in production needs its configuration alone.
    let manifest = r#"{"scripts": {"start": "tsx src/main.ts"}, "dependencies": {"tsx": "4", "@w/config": "1"}}"#;
    let (shown, needed) = start_of("22", manifest, &[]);
    assert!(shown.ends_with("start the output"), "{shown}");
    assert_eq!(needed, format!(".: @tsconfig/node22, {CONFIGURATION}"));
}

#[test]
fn loaders_of_require_are_told_from_others() {
    for (args, hooks) in [
        (&["-r", "ts-node/register"][..], true),
        (&["--require=tsx/cjs"], true),
        (&["--import", "tsx"], false),
        (&["-r", "dotenv/config"], false),
    ] {
        let start = Start {
            entry: "src/main.ts".to_owned(),
            node_args: args.iter().map(|&arg| arg.to_owned()).collect(),
            args: Vec::new(),
            env: std::collections::BTreeMap::new(),
            built: false,
            loads: None,
            command: false,
            shell: None,
            reason: String::new(),
            warnings: Vec::new(),
        };
        assert_eq!(hooks_require(&start), hooks, "{args:?}");
    }
}

#[test]
fn what_the_build_writes_comes_before_a_loader_for_developers() {
    let manifest = r#"{"main": "dist/main.js", "scripts": {"build": "tsup", "start": "tsx src/main.ts"}, "devDependencies": {"tsx": "4"}}"#;
    let (shown, needed) = start_of("22", manifest, &[]);
    assert_eq!(
        shown,
        "node dist/main.js; the `start` script starts `src/main.ts` through tsx, a dev dependency: the build's `dist/main.js` is taken"
    );
    assert_eq!(needed, "");
    let manifest = manifest.replace("tsup", "tsc --noEmit");
    let (shown, _) = start_of("22", &manifest, &[]);
    assert!(
        shown.starts_with("TSX_DISABLE_CACHE=1 node --import tsx src/main.ts"),
        "{shown}"
    );
}

#[test]
fn other_modules_that_are_loaded_first() {
    let manifest = r#"{"scripts": {"start": "node -r dotenv/config index.js"}, "devDependencies": {"dotenv": "1"}}"#;
    let (shown, needed) = start_of("22", manifest, &[("apps/a/index.js", "")]);
    assert_eq!(
        shown,
        "node -r dotenv/config index.js; the `start` script loads `dotenv/config`, a dev dependency, which the image keeps for it: move `dotenv` to `dependencies`"
    );
    assert_eq!(needed, "apps/a: dotenv");
}

/// The configuration that an app's start reads.
fn read_at_start(script: &str, loaded: &str, files: &[&str]) -> Vec<String> {
    let manifest = format!(
        r#"{{"scripts": {{"start": "{script}"}}, "dependencies": {{"tsconfig-paths": "1", "prisma": "1", "drizzle-kit": "1", "@swc-node/register": "1"}}}}"#
    );
    let mut all = FILES.to_vec();
    all.push(("apps/a/package.json", manifest.as_str()));
    all.push(("apps/a/index.js", ""));
    all.extend(files.iter().map(|file| (*file, "")));
    let (_dir, workspace) = workspace(&all);
    let own = all
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("apps/a/"));
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let app = at(&workspace, "apps/a");
    let subject = Subject {
        workspace: &workspace,
        lockfiles: &lockfiles,
        app,
        files: &own.map(str::to_owned).collect(),
        entry: None,
        tasks: None,
        node: "24",
        rules: None,
    };
    let detection = detect(&subject, None).unwrap();
    let start = detection.delivery.start().unwrap();
    let loaded = loaded.split_whitespace().map(str::to_owned).collect();
    let found = configuration(&workspace, app, start, &loaded).files;
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn configuration_comes_along_by_what_reads_it() {
    let chain = [
        "apps/a/tsconfig.json",
        "packages/config/node.json",
        "tsconfig.base.json",
    ];
    for (script, loaded, files, expected) in [
        (
            "node index.js",
            "",
            &["apps/a/prisma.config.ts", "apps/a/.swcrc"][..],
            &[][..],
        ),
        ("node -r tsconfig-paths/register index.js", "", &[], &chain),
        ("node index.js", "express tsconfig-paths", &[], &chain),
        (
            "prisma migrate deploy && node index.js",
            "",
            &["apps/a/prisma.config.ts"],
            &["apps/a/prisma.config.ts"],
        ),
        (
            "drizzle-kit migrate && node index.js",
            "",
            &["apps/a/drizzle.config.ts", "apps/a/drizzle.config.json"],
            &["apps/a/drizzle.config.ts"],
        ),
        (
            "node index.js",
            "@swc/register",
            &["apps/a/.swcrc"],
            &["apps/a/.swcrc", chain[0], chain[1], chain[2]],
        ),
    ] {
        assert_eq!(
            read_at_start(script, loaded, files),
            expected,
            "{script} {loaded}"
        );
    }
}
