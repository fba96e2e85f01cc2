use std::path::Path;

use super::output::{OutputError, write};
use super::*;
use crate::model::member::MemberId;
use crate::plan::Content;
use crate::show::report;
use crate::testing::{at, tree, workspace};

fn shop() -> Workspace {
    Workspace::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop")).unwrap()
}

fn pruned(workspace: &Workspace, apps: &[&str], scope: Scope) -> Result<Pruned, PlanError> {
    let apps: Vec<MemberId> = apps.iter().map(|dir| at(workspace, dir)).collect();
    let options = PruneOptions {
        scope,
        ..PruneOptions::default()
    };
    Pruned::new(workspace, &apps, &options)
}

/// The paths of all entries, a line each.
fn paths(pruned: &Pruned) -> String {
    let paths: Vec<String> = pruned.entries.iter().map(PrunedFile::full_path).collect();
    paths.join("\n")
}

/// The text of an entry that was made.
fn text<'p>(pruned: &'p Pruned, path: &str) -> &'p str {
    let mut entries = pruned.entries.iter();
    let entry = entries.find(|entry| entry.full_path() == path);
    match &entry
        .unwrap_or_else(|| panic!("no `{path}` in {}", paths(pruned)))
        .content
    {
        Content::Made { text, .. } => text,
        Content::Packed { .. } | Content::Source { .. } => panic!("`{path}` is a source"),
    }
}

/// Writes into a new directory and reads `json/` as a workspace.
fn again(pruned: &Pruned, root: &Path) -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    write(pruned, root, &dir.path().join("out"), &|| false).unwrap();
    let json = fs_err::canonicalize(dir.path().join("out/json")).unwrap();
    let workspace = Workspace::load(&json).unwrap();
    (dir, workspace)
}

#[test]
fn the_shops_server() {
    let pruned = pruned(&shop(), &["apps/server"], Scope::Build).unwrap();
    insta::assert_snapshot!(paths(&pruned), @"
    full/.gitignore
    full/.npmrc
    full/apps/server/README.md
    full/apps/server/package.json
    full/apps/server/public/index.html
    full/apps/server/schema/order.schema.json
    full/apps/server/scripts/generate.mjs
    full/apps/server/src/app.ts
    full/apps/server/src/main.ts
    full/apps/server/src/orders.ts
    full/apps/server/src/schema.ts
    full/apps/server/test/orders.test.ts
    full/apps/server/tsconfig.build.json
    full/apps/server/tsconfig.json
    full/apps/server/turbo.json
    full/package.json
    full/packages/catalog/package.json
    full/packages/catalog/src/index.ts
    full/packages/catalog/tsconfig.json
    full/packages/events/package.json
    full/packages/events/src/index.d.ts
    full/packages/events/src/index.js
    full/packages/tsconfig/base.json
    full/packages/tsconfig/library.json
    full/packages/tsconfig/nextjs.json
    full/packages/tsconfig/package.json
    full/packages/tsconfig/react.json
    full/pnpm-workspace.yaml
    full/tsconfig.base.json
    full/turbo.json
    json/.npmrc
    json/apps/server/package.json
    json/package.json
    json/packages/catalog/package.json
    json/packages/events/package.json
    json/packages/tsconfig/package.json
    json/pnpm-lock.yaml
    json/pnpm-workspace.yaml
    pnpm-lock.yaml
    pnpm-workspace.yaml
    ");
    insta::assert_snapshot!(report::pruned(&pruned, Path::new("out")), @"
    kept 4 of 9 workspace packages, 234 of 342 from registries
      apps/server        the app
      packages/catalog   `dependencies` of apps/server
      packages/events    `dependencies` of apps/server
      packages/tsconfig  `devDependencies` of apps/server
    written to out
      json/    69.47 kB in 8 files    manifests and lockfile, for the install
      full/    11.81 kB in 30 files   sources, for the build
    ");
    insta::assert_snapshot!(text(&pruned, "pnpm-workspace.yaml"), @"
    packages:
      - 'apps/server'
      - 'packages/catalog'
      - 'packages/events'
      - 'packages/tsconfig'

    # pnpm 10 runs no dependency's install script unless it is listed here.
    onlyBuiltDependencies:
      - esbuild # for vite and tsx
    ");
    let root = |file: &str| fs_err::read_to_string(shop().root.join(file)).unwrap();
    assert_eq!(text(&pruned, "json/package.json"), root("package.json"));
    assert_eq!(text(&pruned, "full/turbo.json"), root("turbo.json"));
    assert_eq!(
        text(&pruned, "json/pnpm-lock.yaml"),
        text(&pruned, "pnpm-lock.yaml")
    );
}

#[test]
fn production_leaves_no_dev_dependency() {
    let pruned = pruned(&shop(), &["apps/server"], Scope::Production).unwrap();
    insta::assert_snapshot!(text(&pruned, "json/apps/server/package.json"), @r#"
    {
      "name": "@shop/server",
      "version": "1.0.0",
      "private": true,
      "type": "module",
      "scripts": {
        "build": "node scripts/generate.mjs && tsc -p tsconfig.build.json",
        "dev": "node scripts/generate.mjs && tsx watch src/main.ts",
        "lint": "eslint .",
        "start": "node dist/main.js",
        "test": "vitest run"
      },
      "dependencies": {
        "@shop/catalog": "workspace:*",
        "@shop/events": "workspace:*",
        "ajv": "^8.20.0",
        "fastify": "^5.12.8"
      }
    }
    "#);
    assert_eq!(
        text(&pruned, "json/apps/server/package.json"),
        text(&pruned, "full/apps/server/package.json")
    );
    let lockfile = text(&pruned, "json/pnpm-lock.yaml");
    assert!(!lockfile.contains("devDependencies"), "{lockfile}");
    assert!(lockfile.contains("\n  .: {}\n"), "{lockfile}");
}

#[test]
fn several_apps_get_the_union() {
    let shop = shop();
    let members = |apps: &[&str]| -> BTreeSet<String> {
        let pruned = pruned(&shop, apps, Scope::Build).unwrap();
        pruned
            .members
            .iter()
            .map(|member| member.dir.to_string())
            .collect()
    };
    let both = members(&["apps/worker", "apps/server"]);
    assert_eq!(
        both,
        &members(&["apps/server"]) | &members(&["apps/worker"])
    );
    assert!(both.contains("apps/worker") && both.contains("packages/tsconfig"));
}

/// What was pruned is a workspace in step with its lockfile, from which the same prune takes
/// nothing more.
#[test]
fn pruning_twice_is_pruning_once() {
    let shop = shop();
    for app in ["apps/server", "apps/web", "apps/site", "apps/worker"] {
        for scope in [Scope::Build, Scope::Production] {
            let once = pruned(&shop, &[app], scope).unwrap();
            let (_dir, workspace) = again(&once, &shop.root);
            let twice = pruned(&workspace, &[app], scope).unwrap();
            for entry in twice.entries.iter().filter(|entry| entry.place == JSON) {
                let path = entry.full_path();
                assert_eq!(text(&twice, &path), text(&once, &path), "{app}");
            }
        }
    }
}

/// pnpm stops at an override that refers to a dependency which the root does not have.
#[test]
fn overrides_refer_to_nothing_that_is_gone() {
    let (_dir, workspace) = workspace(&[
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\noverrides:\n  tool: ^1.0.0\n\nimporters:\n\n  .:\n    devDependencies:\n      tool:\n        \
             specifier: ^1.0.0\n        version: link:packages/tool\n",
        ),
        (
            "pnpm-workspace.yaml",
            "packages: ['apps/*', 'packages/*']\noverrides:\n  tool: $tool\n",
        ),
        ("package.json", r#"{"devDependencies": {"tool": "^1.0.0"}}"#),
        ("apps/a/package.json", r#"{"name": "a"}"#),
        ("packages/tool/package.json", r#"{"name": "tool"}"#),
    ]);
    let overrides = |scope| {
        let pruned = pruned(&workspace, &["apps/a"], scope).unwrap();
        let settings = text(&pruned, "json/pnpm-workspace.yaml");
        settings.lines().last().unwrap().trim().to_owned()
    };
    assert_eq!(overrides(Scope::Build), "tool: $tool");
    assert_eq!(overrides(Scope::Production), "tool: '^1.0.0'");
}

#[test]
fn a_lockfile_that_is_behind_is_refused() {
    let (_dir, workspace) = workspace(&[
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n",
        ),
        ("package.json", r#"{"devDependencies": {"turbo": "2"}}"#),
        ("apps/a/package.json", r#"{"name": "a"}"#),
    ]);
    for scope in [Scope::Build, Scope::Production] {
        let error = pruned(&workspace, &["apps/a"], scope).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`pnpm-lock.yaml` is older than `package.json`: `turbo` of its `devDependencies` is not recorded"
        );
    }
}

/// A workspace with what a plain prune stumbles over: secrets, patches, a binary that is built, a
/// package that is copied, tasks of others.
fn thorny() -> (tempfile::TempDir, Workspace) {
    let lockfile = "\
lockfileVersion: '9.0'

importers:

  apps/a:
    dependencies:
      copied:
        specifier: workspace:*
        version: file:packages/copied

packages:

  copied@file:packages/copied:
    resolution: {directory: packages/copied, type: directory}

snapshots:

  copied@file:packages/copied: {}
";
    workspace(&[
        ("pnpm-lock.yaml", lockfile),
        (".npmrc", "node-linker=isolated\n//r/:_authToken=s3cret\n"),
        (".pnpmfile.cjs", "module.exports = {}"),
        ("patches/x.patch", "+"),
        (
            "package.json",
            r#"{"pnpm": {"patchedDependencies": {"x@1.0.0": "patches/x.patch"}}}"#,
        ),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"dependsOn": ["^build", "gone#build"]}, "gone#build": {}}}"#,
        ),
        (
            "apps/a/package.json",
            r#"{"name": "a", "dependencies": {"copied": "workspace:*"}, "bin": "dist/cli.js", "scripts": {"postinstall": "x"}}"#,
        ),
        (
            "apps/a/turbo.json",
            r#"{"extends": ["//"], "tasks": {"dev": {"with": ["gone#dev", "copied#dev"]}}}"#,
        ),
        ("apps/a/src/main.ts", "1"),
        ("packages/copied/package.json", r#"{"name": "copied"}"#),
        ("packages/copied/index.js", "1"),
        ("packages/gone/package.json", r#"{"name": "gone-too"}"#),
    ])
}

#[test]
fn what_an_install_reads_comes_along() {
    let (_dir, workspace) = thorny();
    let pruned = pruned(&workspace, &["apps/a"], Scope::Build).unwrap();
    insta::assert_snapshot!(paths(&pruned), @"
    full/.npmrc
    full/.pnpmfile.cjs
    full/apps/a/package.json
    full/apps/a/src/main.ts
    full/apps/a/turbo.json
    full/package.json
    full/packages/copied/index.js
    full/packages/copied/package.json
    full/patches/x.patch
    full/pnpm-workspace.yaml
    full/turbo.json
    json/.npmrc
    json/.pnpmfile.cjs
    json/apps/a/dist/cli.js
    json/apps/a/package.json
    json/package.json
    json/packages/copied/index.js
    json/packages/copied/package.json
    json/patches/x.patch
    json/pnpm-lock.yaml
    json/pnpm-workspace.yaml
    pnpm-lock.yaml
    pnpm-workspace.yaml
    ");
    assert_eq!(
        text(&pruned, "json/apps/a/dist/cli.js"),
        "#!/usr/bin/env node\n"
    );
    assert_eq!(text(&pruned, "full/.npmrc"), "node-linker=isolated\n");
    insta::assert_snapshot!(text(&pruned, "full/turbo.json"), @r#"{"tasks": {"build": {"dependsOn": ["^build"]}}}"#);
    insta::assert_snapshot!(text(&pruned, "full/apps/a/turbo.json"), @r#"{"extends": ["//"], "tasks": {"dev": {"with": [ "copied#dev"]}}}"#);
    insta::assert_snapshot!(pruned.warnings.join("\n"), @"
    pnpm runs the `postinstall` script in apps/a/package.json when it installs, before the package's files are copied: pass it `--ignore-scripts`, or guard the script
    `//r/:_authToken` of .npmrc stays behind: it is a credential
    ");
}

#[test]
fn an_earlier_output_is_replaced_whole() {
    let shop = shop();
    let server = pruned(&shop, &["apps/server"], Scope::Build).unwrap();
    let worker = pruned(&shop, &["apps/worker"], Scope::Build).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/out");
    write(&server, &shop.root, &out, &|| false).unwrap();
    write(&worker, &shop.root, &out, &|| false).unwrap();
    let mut found: Vec<String> = walkdir::WalkDir::new(&out)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            entry
                .path()
                .strip_prefix(&out)
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    found.sort();
    assert_eq!(found.join("\n"), paths(&worker));
    let beside = fs_err::read_dir(out.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "something is left beside the output");
}

#[test]
fn nothing_else_is_replaced() {
    let shop = shop();
    let pruned = pruned(&shop, &["apps/worker"], Scope::Build).unwrap();
    let mine = tree(&[
        ("file", "mine"),
        ("dir/json/package.json", "{}"),
        ("dir/notes", "mine"),
    ]);
    let refused = |name: &str| match write(&pruned, &shop.root, &mine.path().join(name), &|| false)
    {
        Ok(()) => "written".to_owned(),
        Err(error) => error
            .to_string()
            .replace(&*mine.path().to_string_lossy(), "…"),
    };
    assert_eq!(refused("file"), "cannot write `…/file`: it is a file");
    assert_eq!(
        refused("dir"),
        "`…/dir` is not empty, and no output of an earlier `slimbuild prune`"
    );
    #[cfg(unix)]
    {
        fs_err::create_dir(mine.path().join("empty")).unwrap();
        fs_err::os::unix::fs::symlink("empty", mine.path().join("link")).unwrap();
        assert_eq!(refused("link"), "cannot write `…/link`: it is a symlink");
    }
    assert_eq!(refused("empty"), "written");
    assert_eq!(
        refused("empty"),
        "written",
        "the second time over the first"
    );
    // A note of one's own in the output makes it one's own.
    fs_err::write(mine.path().join("empty/notes"), "mine").unwrap();
    assert!(refused("empty").contains("is not empty"));
    assert!(mine.path().join("empty/notes").is_file());
}

#[test]
fn who_is_interrupted_leaves_nothing() {
    let shop = shop();
    let pruned = pruned(&shop, &["apps/worker"], Scope::Build).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let stop = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 5;
    let error = write(&pruned, &shop.root, &dir.path().join("out"), &stop).unwrap_err();
    assert!(matches!(error, OutputError::Interrupted), "{error}");
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn no_symlink_leads_a_file_out() {
    let (dir, workspace) = thorny();
    let elsewhere = tempfile::tempdir().unwrap();
    // The binary's directory is a link among the files that pnpm copies.
    fs_err::os::unix::fs::symlink("../../apps", dir.path().join("packages/copied/dist")).unwrap();
    let mut pruned = pruned(&workspace, &["apps/a"], Scope::Build).unwrap();
    let path = RepoPath::new("packages/copied/dist/evil.js").unwrap();
    let evil = PrunedFile::made(JSON, path, "1".to_owned(), "");
    pruned.entries.push(evil);
    let error = write(
        &pruned,
        &workspace.root,
        &elsewhere.path().join("out"),
        &|| false,
    );
    assert!(error.is_err(), "the link cannot be made over a directory");
    assert_eq!(fs_err::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// What a plan knows of an app (what loads its TypeScript, what its `slimbuild.json` wants) counts
/// wherever its closures are shown.
#[test]
fn plan_prune_why_and_graph_agree() {
    let lockfile = "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    devDependencies:\n      esbuild-register:\n        specifier: ^3.0.0\n        version: 3.6.0\n\n  apps/a:\n    devDependencies:\n      tsx:\n        specifier: ^4.0.0\n        version: 4.20.0\n      vitest:\n        specifier: ^3.0.0\n        version: 3.0.0\n\n  apps/b:\n    devDependencies:\n      vitest:\n        specifier: ^3.0.0\n        version: 3.0.0\n\npackages:\n\n  esbuild-register@3.6.0:\n    resolution: {integrity: sha512-x}\n\n  tsx@4.20.0:\n    resolution: {integrity: sha512-x}\n\n  vitest@3.0.0:\n    resolution: {integrity: sha512-x}\n\nsnapshots:\n\n  esbuild-register@3.6.0: {}\n\n  tsx@4.20.0: {}\n\n  vitest@3.0.0: {}\n";
    let (_dir, workspace) = workspace(&[
        ("pnpm-lock.yaml", lockfile),
        (
            "package.json",
            r#"{"packageManager": "pnpm@10.34.8", "devDependencies": {"esbuild-register": "^3.0.0"}}"#,
        ),
        (
            "apps/a/package.json",
            r#"{"name": "a", "scripts": {"start": "tsx src/main.ts", "ship": "true"}, "devDependencies": {"tsx": "^4.0.0", "vitest": "^3.0.0"}}"#,
        ),
        ("apps/a/src/main.ts", ""),
        ("apps/a/notes.psd", ""),
        (
            "apps/a/slimbuild.json",
            r#"{"exclude": ["**/*.psd"], "include": ["../../shared/**"], "tasks": ["ship"]}"#,
        ),
        ("shared/a.txt", ""),
        (
            "apps/b/package.json",
            r#"{"name": "b", "scripts": {"start": "node -r esbuild-register src/main.ts"}, "devDependencies": {"vitest": "^3.0.0"}}"#,
        ),
        ("apps/b/src/main.ts", ""),
    ]);
    let production = pruned(&workspace, &["apps/a"], Scope::Production).unwrap();
    let lockfile = text(&production, "pnpm-lock.yaml");
    assert!(lockfile.contains("  tsx@4.20.0: {}") && !lockfile.contains("vitest"));
    assert!(text(&production, "json/apps/a/package.json").contains("tsx"));
    assert!(!text(&production, "json/apps/a/package.json").contains("vitest\": \"^3"));
    let paths = paths(&production);
    assert!(
        paths.contains("full/shared/a.txt") && !paths.contains("notes.psd"),
        "{paths}"
    );

    let both = pruned(&workspace, &["apps/a", "apps/b"], Scope::Production).unwrap();
    assert!(text(&both, "pnpm-lock.yaml").contains("  esbuild-register@3.6.0: {}"));

    for (app, package) in [("apps/a", "tsx"), ("apps/b", "esbuild-register")] {
        let position = at(&workspace, app);
        let options = crate::plan::config::load(&workspace, position).unwrap();
        let plan = crate::plan::Plan::new(&workspace, position, &options).unwrap();
        let runtime = plan.runtime.unwrap();
        assert!(
            runtime.named.iter().any(|one| one.ends_with(package)),
            "{:?}",
            runtime.named
        );
        let why = crate::ask::why::Why::new(&workspace, position, package).unwrap();
        assert!(why.packages[0].runtime.is_some(), "{}", report::why(&why));
        let overview = crate::ask::overview::Overview::new(&workspace, Some(position)).unwrap();
        let shown: Vec<&str> = overview
            .members
            .iter()
            .filter(|member| member.role.as_ref().is_some_and(|role| role.runtime))
            .map(|member| member.dir.as_str())
            .collect();
        let planned: Vec<&str> = runtime
            .members
            .iter()
            .map(|member| member.dir.as_str())
            .collect();
        assert_eq!(shown, planned);
    }
}

#[test]
fn a_flat_output_is_one_workspace() {
    let shop = shop();
    let app = [at(&shop, "apps/server")];
    let flat = PruneOptions {
        shape: Shape::Flat,
        ..PruneOptions::default()
    };
    let flat = Pruned::new(&shop, &app, &flat).unwrap();
    let split = pruned(&shop, &["apps/server"], Scope::Build).unwrap();
    let without_place: BTreeSet<String> = split
        .entries
        .iter()
        .map(|entry| entry.path.to_string())
        .collect();
    let found: Vec<String> = flat.entries.iter().map(PrunedFile::full_path).collect();
    assert_eq!(found, without_place.into_iter().collect::<Vec<_>>());
    let dir = tempfile::tempdir().unwrap();
    write(&flat, &shop.root, &dir.path().join("out"), &|| false).unwrap();
    let out = fs_err::canonicalize(dir.path().join("out")).unwrap();
    let again = Workspace::load(&out).unwrap();
    let app = at(&again, "apps/server");
    Pruned::new(&again, &[app], &PruneOptions::default()).unwrap();
    let full = write(&flat, &shop.root, &dir.path().join("out"), &|| false);
    assert!(matches!(full, Err(OutputError::NotEmpty(_))));
}

#[test]
fn what_git_ignores_is_kept_where_that_is_asked_for() {
    let (_dir, workspace) = workspace(&[
        ("package.json", "{}"),
        ("pnpm-workspace.yaml", "packages: [a]\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  a: {}\n",
        ),
        (".gitignore", "gen\nnode_modules\n.env\n"),
        ("a/package.json", r#"{"name": "a"}"#),
        ("a/.gitignore", "*.out\n"),
        ("a/gen/x.ts", ""),
        ("a/b.out", ""),
        ("a/.env", "SECRET=x"),
        ("a/node_modules/c/index.js", ""),
    ]);
    let app = [at(&workspace, "a")];
    let found = |ignored| {
        let options = PruneOptions {
            ignored,
            ..PruneOptions::default()
        };
        let pruned = Pruned::new(&workspace, &app, &options).unwrap();
        let all = pruned.entries.iter().map(PrunedFile::full_path);
        all.filter(|path| path.starts_with("full/a/"))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(false), ["full/a/.gitignore", "full/a/package.json"]);
    assert_eq!(
        found(true),
        [
            "full/a/.gitignore",
            "full/a/b.out",
            "full/a/gen/x.ts",
            "full/a/package.json"
        ]
    );
}
