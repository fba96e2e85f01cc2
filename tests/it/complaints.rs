//! Complaints of other tools' users that the plan alone shows to be impossible here.
//! `tests/README.md` lists the test for each complaint.

use std::collections::BTreeSet;

use walkdir::WalkDir;

use crate::support::archive::context_files;
use crate::support::golden::assert_same;
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, repository};

const APPS: [&str; 4] = ["apps/server", "apps/site", "apps/web", "apps/worker"];

/// A stage of a Dockerfile, without its comments.
struct Stage {
    name: String,
    from: String,
    text: String,
}

fn dockerfile(tree: &Tree, app: &str, more: &[&str]) -> String {
    slimbuild(tree.root(), &[&["dockerfile", app], more].concat()).text()
}

fn stages(dockerfile: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in dockerfile.lines().filter(|line| !line.starts_with('#')) {
        if let Some(words) = line.strip_prefix("FROM ") {
            let (from, name) = words.split_once(" AS ").unwrap();
            stages.push(Stage {
                name: name.to_owned(),
                from: from.to_owned(),
                text: String::new(),
            });
        } else if let Some(stage) = stages.last_mut() {
            stage.text += line;
            stage.text.push('\n');
        }
    }
    stages
}

/// The stages that a stage is based on, itself first, down to one that starts from an image.
fn lineage<'s>(stages: &'s [Stage], name: &str) -> Vec<&'s Stage> {
    let find = |name: &str| stages.iter().find(|stage| stage.name == name);
    std::iter::successors(find(name), |stage| find(&stage.from)).collect()
}

#[test]
fn pnpm_asks_nothing_and_installs_only_when_it_is_told_to() {
    let tree = Tree::shop();
    for app in APPS {
        let dockerfile = dockerfile(&tree, app, &[]);
        let stages = stages(&dockerfile);
        let base = stages[0]
            .text
            .split_once("RUN ")
            .expect("pnpm is installed")
            .0;
        assert!(base.contains("CI=true"), "{base}");
        for setting in [
            "pnpm_config_verify_deps_before_run=false",
            "pnpm_config_pm_on_fail=ignore",
            "pnpm_config_enable_global_virtual_store=false",
        ] {
            assert!(base.contains(setting), "{base}");
        }
        let with_pnpm = stages.iter().filter(|stage| {
            stage.text.contains("pnpm install") || stage.text.contains("pnpm --dir")
        });
        let mut count = 0;
        for stage in with_pnpm {
            let first = lineage(&stages, &stage.name).pop().unwrap();
            assert_eq!(first.name, "base", "{app}: {}", stage.name);
            count += 1;
        }
        assert!(count > 0, "{app}");
        // Its record of verified packages is kept beside its store.
        let installs = stages
            .iter()
            .filter(|stage| stage.text.contains("pnpm install"));
        for stage in installs {
            let mount = "--mount=type=cache,id=slimbuild-pnpm-cache,target=/root/.cache/pnpm";
            assert!(stage.text.contains(mount), "{app}: {}", stage.name);
        }
    }
}

#[test]
fn the_exact_pnpm_comes_in_a_layer_of_its_own_and_not_into_the_image() {
    let tree = Tree::shop();
    tree.replace(
        "package.json",
        "pnpm@10.34.8",
        "pnpm@10.34.8+sha512.0123abcd",
    );
    for app in APPS {
        for more in [&[][..], &["--node", "25", "--build-base", "node:25-slim"]] {
            let dockerfile = dockerfile(&tree, app, more);
            assert!(!dockerfile.contains("corepack"), "{dockerfile}");
            let stages = stages(&dockerfile);
            let install =
                "RUN npm install --global --no-audit --no-fund --no-update-notifier pnpm@10.34.8\n";
            let base = &stages[0].text;
            assert!(base.contains(install), "{base}");
            // Nothing of the workspace comes before it, so that only another version runs it again.
            assert!(!base.contains("COPY"), "{base}");
            for stage in lineage(&stages, "runtime") {
                assert!(!stage.text.contains("pnpm"), "{app}: {}", stage.text);
            }
        }
    }
}

#[test]
fn approved_builds_and_policies_of_installs_arrive_as_they_are_written() {
    let settings = "
# Who may build, and whom to trust.
allowBuilds:
  esbuild: true
  'sharp@0.34.0 || 0.34.1': false
strictDepBuilds: true
minimumReleaseAge: 1440
minimumReleaseAgeExclude: ['@shop/*']
trustPolicy: no-downgrade
trustLockfile: true
";
    let manifest =
        r#""pnpm": {"onlyBuiltDependencies": ["esbuild"], "neverBuiltDependencies": ["fsevents"]}"#;
    let tree = Tree::shop();
    let file = "pnpm-workspace.yaml";
    let only = "onlyBuiltDependencies:\n  - esbuild # for vite and tsx\n";
    assert!(tree.read(file).ends_with(only));
    tree.append(file, settings);
    tree.replace(
        "package.json",
        "\"private\": true,",
        &format!("\"private\": true, {manifest},"),
    );
    for app in APPS {
        let files = context_files(tree.root(), app, &[]);
        let mut installs = 0;
        for place in ["build", "prod"] {
            let Some(entry) = files.get(&format!("{place}/{file}")) else {
                continue;
            };
            let end = format!("{only}{settings}");
            assert!(
                entry.text().ends_with(&end),
                "{app}, {place}: {}",
                entry.text()
            );
            let manifest_of = |text: &str| -> serde_json::Value {
                serde_json::from_str::<serde_json::Value>(text).unwrap()["pnpm"].clone()
            };
            let there = manifest_of(files[&format!("{place}/package.json")].text());
            assert_eq!(there, manifest_of(&tree.read("package.json")), "{app}");
            installs += 1;
        }
        assert!(installs > 0, "{app}");
    }
}

#[test]
fn the_image_is_copied_together_and_nothing_is_deleted_in_it() {
    let tree = Tree::shop();
    for app in APPS {
        let dockerfile = dockerfile(&tree, app, &[]);
        for forbidden in ["pnpm deploy", "pnpm prune", "--prod", "--production"] {
            assert!(!dockerfile.contains(forbidden), "{app}: {forbidden}");
        }
        let stages = stages(&dockerfile);
        let image = lineage(&stages, "runtime");
        assert_eq!(image.len(), 2, "the base image's layers, and ours");
        for stage in image {
            assert!(!stage.text.contains("RUN"), "{app}: {}", stage.text);
        }
    }
}

/// Code compiled for one libc does not run on another.
#[test]
fn modules_are_installed_on_the_libc_that_they_run_on() {
    let tree = Tree::shop();
    for more in [
        &[][..],
        &["--node", "20"],
        &["--node", "23"],
        &["--node", "22.11.0"],
    ] {
        for app in ["apps/server", "apps/web", "apps/worker"] {
            let dockerfile = dockerfile(&tree, app, more);
            let stages = stages(&dockerfile);
            assert!(stages[0].from.ends_with("-slim"), "{}", stages[0].from);
            let runtime = &lineage(&stages, "runtime").pop().unwrap().from;
            assert!(runtime.contains("-debian12:"), "{app}: {runtime}");
        }
    }
}

#[test]
fn next_makes_a_standalone_server_of_the_whole_workspace_whoever_asked_for_it() {
    let tree = Tree::shop();
    let expected = dockerfile(&tree, "apps/web", &[]);
    let server = "apps/web/.next/standalone/apps/web/server.js";
    assert!(
        expected.contains(&format!("{{ test -f {server} ||")),
        "a server elsewhere stops the build"
    );
    assert!(expected.contains("ENV NEXT_PRIVATE_OUTPUT_TRACE_ROOT=/app\n"));
    let config = "apps/web/next.config.mjs";
    tree.write(
        config,
        "export default { transpilePackages: ['@shop/ui'] };\n",
    );
    let silent = dockerfile(&tree, "apps/web", &[]);
    assert_same("an app that asks for nothing", &expected, &silent);
    tree.write(config, "export default { distDir: 'out/server' };\n");
    let elsewhere = dockerfile(&tree, "apps/web", &[]);
    let moved = expected.replace(".next", "out/server");
    // Names of caches may stay.
    let moved = moved.replace("*/out/server/cache", "*/.next/cache");
    assert_same("another directory of output", &moved, &elsewhere);
}

/// The table of complaints is complete, and every name in both tables that looks like a test's is
/// one.
#[test]
fn the_tables_name_tests_that_are_there() {
    let complaints = fs_err::read_to_string(repository().join("tests/README.md")).unwrap();
    let rows: Vec<u32> = complaints
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(rows, (38..=54).collect::<Vec<_>>());
    assert_tests_are_there(&complaints, 15);
    let threats = fs_err::read_to_string(repository().join("SECURITY.md")).unwrap();
    assert_tests_are_there(&threats, 30);
}

fn assert_tests_are_there(table: &str, at_least: usize) {
    let sources = ["src", "tests"].map(|dir| WalkDir::new(repository().join(dir)));
    let sources = sources.into_iter().flatten().map(Result::unwrap);
    let sources = sources.filter(|entry| entry.path().extension().is_some_and(|ext| ext == "rs"));
    let texts: Vec<String> = sources
        .map(|entry| fs_err::read_to_string(entry.path()).unwrap())
        .collect();
    let quoted = table.split('`').skip(1).step_by(2);
    let names: BTreeSet<&str> = quoted
        .filter(|word| word.matches('_').count() > 1 && !word.contains(['.', '/', ' ']))
        .collect();
    assert!(names.len() > at_least, "{names:?}");
    for name in names {
        let start = format!("fn {name}(");
        let is_test = |text: &String| {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let mut pairs = lines.windows(2);
            pairs.any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&start))
        };
        assert!(texts.iter().any(is_test), "{name}");
    }
}
