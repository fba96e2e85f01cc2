use super::*;
use crate::detect::exports::uses_sources;
use crate::lockfile::Lockfiles;
use crate::testing::{at, workspace};

/// The start command of an app, or the error, in one line.
fn start_of(manifest: &str, files: &[&str]) -> String {
    let placed: Vec<String> = files.iter().map(|path| format!("apps/a/{path}")).collect();
    let config = r#"{"compilerOptions": {"outDir": "dist"}}"#;
    let text = |path: &str| {
        if path.ends_with("tsconfig.json") {
            config
        } else {
            ""
        }
    };
    let mut all: Vec<(&str, &str)> = placed
        .iter()
        .map(|path| (path.as_str(), text(path)))
        .collect();
    all.push(("apps/a/package.json", manifest));
    let (_dir, workspace) = workspace(&all);
    let files = files.iter().map(|&path| path.to_owned()).collect();
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let subject = Subject {
        workspace: &workspace,
        lockfiles: &lockfiles,
        app: at(&workspace, "apps/a"),
        files: &files,
        entry: None,
        tasks: None,
        node: "24",
        rules: None,
    };
    match start(&subject) {
        Ok(start) => {
            let words: Vec<String> = start
                .node_args
                .iter()
                .chain([&start.entry])
                .chain(&start.args)
                .cloned()
                .collect();
            let made = if start.built { "built" } else { "source" };
            let warnings = start.warnings.iter().map(|warning| format!("; {warning}"));
            format!(
                "{} ({made}, {}){}",
                words.join(" "),
                start.reason,
                warnings.collect::<String>()
            )
        }
        Err(error) => error.to_string(),
    }
}

const TSC: [&str; 2] = ["tsconfig.json", "src/main.ts"];

#[test]
fn from_scripts() {
    let manifest = r#"{"scripts": {"build": "tsc", "start": "nest start", "start:prod": "cross-env NODE_ENV=production node --enable-source-maps -r x dist/main --port 1"}}"#;
    assert_eq!(
        start_of(manifest, &TSC),
        "--enable-source-maps -r x dist/main.js --port 1 (built, the `start:prod` script)"
    );
    let manifest = r#"{"scripts": {"start": "node ."}, "main": "./src/main.js"}"#;
    assert_eq!(
        start_of(manifest, &["src/main.js"]),
        "src/main.js (source, the `start` script)"
    );
    let manifest = r#"{"scripts": {"build": "tsup", "start": "node dist/server"}}"#;
    assert_eq!(
        start_of(manifest, &["src/server.ts"]),
        "dist/server.js (built, the `start` script)"
    );
}

#[test]
fn from_main_bin_and_convention() {
    assert_eq!(
        start_of(r#"{"main": "server.js"}"#, &["server.js"]),
        "server.js (source, `main` in package.json)"
    );
    assert_eq!(
        start_of(r#"{"bin": {"x": "./cli.js"}}"#, &["cli.js"]),
        "cli.js (source, `bin` in package.json)"
    );
    assert_eq!(
        start_of("{}", &["index.js"]),
        "index.js (source, convention: nothing names another file)"
    );
    let error = start_of(r#"{"scripts": {"build": "tsup"}}"#, &["src/x.ts"]);
    assert_eq!(
        error,
        "cannot tell how `apps/a` starts: no script starts node with a file, and there is no `main`, `bin` or `index.js`"
    );
}

#[test]
fn a_file_that_the_build_does_not_write_is_not_started() {
    let files = ["tsconfig.json", "src/main.ts", "vitest.config.ts"];
    let manifest =
        r#"{"scripts": {"build": "nest build", "start": "nest start", "prod": "node dist/main"}}"#;
    assert_eq!(
        start_of(manifest, &files),
        "dist/src/main.js (built, the `start` script (`nest start`)); the `prod` script starts `dist/main`, \
             which the build does not write: `dist/src/main.js` is taken"
    );
    let manifest = r#"{"scripts": {"build": "tsc", "start": "node dist/main"}}"#;
    assert_eq!(
        start_of(manifest, &files),
        "dist/src/main.js (built, the `start` script); the `start` script starts `dist/main`, \
             which the build does not write: it writes `dist/src/main.js`"
    );
    let manifest = r#"{"scripts": {"start": "node dist/main.js"}}"#;
    assert_eq!(
        start_of(manifest, &[]),
        "`apps/a/package.json` has no `build` script, and `dist/main.js` (the `start` script) is not there without one"
    );
}

#[test]
fn what_developers_start_says_more_than_a_main_that_is_nowhere() {
    let files = ["tsconfig.json", "server.ts", "routes/index.ts"];
    let manifest = r#"{"main": "index.js", "scripts": {"build": "tsc", "dev": "tsx watch server.ts"}, "devDependencies": {"tsx": "^4.0.0"}}"#;
    assert_eq!(
        start_of(manifest, &files),
        "dist/server.js (built, the `dev` script); `main` in package.json starts `index.js`, which the build does \
             not write: `dist/server.js` is taken, whose source the `dev` script starts (`--entry` names another)"
    );
    // The compiler only puts it elsewhere.
    let files = ["tsconfig.json", "src/index.ts", "src/server.ts"];
    let manifest = r#"{"main": "index.js", "scripts": {"build": "tsc", "dev": "tsx src/server.ts"}, "devDependencies": {"tsx": "^4.0.0"}}"#;
    assert_eq!(
        start_of(manifest, &files),
        "dist/index.js (built, `main` in package.json); `main` in package.json starts `index.js`, which the build does \
             not write: it writes `dist/index.js`"
    );
}

#[test]
fn a_source_that_is_named_gives_way_to_what_the_build_makes_of_it() {
    let manifest = r#"{"main": "./src/main.ts", "scripts": {"build": "tsc"}}"#;
    let made = start_of(manifest, &["tsconfig.json", "src/main.ts", "src/a.ts"]);
    assert!(made.starts_with("dist/main.js (built, "), "{made}");
    assert!(made.contains("names `src/main.ts`, a source"), "{made}");
}

#[test]
fn what_the_image_does_not_do_is_said() {
    let manifest = r#"{"scripts": {"start": "dotenvx run -- node --env-file=.env index.js"}}"#;
    assert_eq!(
        start_of(manifest, &["index.js"]),
        "index.js (source, the `start` script); the `start` script gets variables by `dotenvx`, which the image does not run: \
             set them when the container starts; the `start` script reads `.env`, an env file that the image does not hold, and is started without `--env-file`: \
             set its variables when the container starts"
    );
}

#[test]
fn entry_points_tell_whether_sources_are_used() {
    let uses = |manifest: &str, files: &[&str]| {
        let (_dir, workspace) = workspace(&[("packages/p/package.json", manifest)]);
        let files = files.iter().map(|&path| path.to_owned()).collect();
        uses_sources(&workspace, at(&workspace, "packages/p"), &files)
    };
    assert!(uses(
        r#"{"exports": {".": {"types": "./src/x.ts", "default": "./src/index.ts"}}}"#,
        &["src/index.ts"]
    ));
    assert!(!uses(
        r#"{"exports": {".": {"types": "./src/index.ts", "default": "./dist/index.js"}}}"#,
        &["src/index.ts"]
    ));
    assert!(uses(r#"{"exports": {"./*": "./src/*.ts"}}"#, &["src/a.ts"]));
    assert!(uses("{}", &["index.js"]));
}
