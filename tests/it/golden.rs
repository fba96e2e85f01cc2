//! The generated files of the sample workspace, byte by byte; and that they depend on nothing but
//! the tree.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use walkdir::WalkDir;

use crate::support::archive::{context, entries, listing};
use crate::support::golden::{assert_golden, assert_same};
use crate::support::program::slimbuild;
use crate::support::tree::{Order, Tree, shop};

/// The apps that can be built, with the names of their golden directories.
const APPS: [(&str, &str); 4] = [
    ("apps/server", "server"),
    ("apps/site", "site"),
    ("apps/web", "web"),
    ("apps/worker", "worker"),
];

fn dockerfile(root: &Path, app: &str) -> String {
    slimbuild(root, &["dockerfile", app]).text()
}

fn plan(root: &Path, app: &str) -> String {
    slimbuild(root, &["plan", app, "--json"]).text()
}

#[test]
fn the_shop_is_planned_as_written_down() {
    for (app, name) in APPS {
        let file = |file: &str| format!("shop/{name}/{file}");
        assert_golden(&file("Dockerfile"), &dockerfile(&shop(), app));
        assert_golden(&file("plan.json"), &plan(&shop(), app));
        let native = slimbuild(&shop(), &["plan", app, "--json", "--engine", "native"]);
        assert_golden(&file("plan.native.json"), &native.text());
        assert_golden(&file("context.txt"), &listing(&context(&shop(), app, &[])));
    }
}

#[test]
fn all_ways_to_the_dockerfile_give_the_same_bytes() {
    for (app, _) in APPS {
        let expected = dockerfile(&shop(), app);
        let dry = slimbuild(&shop(), &[app, "--dry-run"]);
        assert!(dry.stderr.contains("nothing was built"), "{}", dry.stderr);
        assert_same("--dry-run", &expected, &dry.text());
        let quiet = slimbuild(&shop(), &["build", app, "--dry-run", "-q"]).text();
        assert_same("-q --dry-run", &expected, &quiet);
        let archive = entries(&context(&shop(), app, &[]));
        assert_eq!(archive[0].path, "Dockerfile");
        assert_same("in the context", &expected, archive[0].text());
    }
}

#[test]
fn without_docker_there_is_a_plan_in_the_place_of_the_dockerfile() {
    let native = ["--engine", "native"];
    for (app, _) in APPS {
        let plan = slimbuild(&shop(), &[&["plan", app], &native[..]].concat()).text();
        assert!(plan.contains("builds in  this machine"), "{plan}");
        let dry = slimbuild(&shop(), &[&[app, "--dry-run", "-q"], &native[..]].concat()).text();
        assert_same("--dry-run", &plan, &dry);
    }
    for verb in [&["dockerfile"][..], &["context", "-o", "-"]] {
        let arguments = [verb, &["apps/server"], &native].concat();
        let refusal = slimbuild(&shop(), &arguments).refusal(&shop());
        let problem = "error: `--engine native` makes images without a Dockerfile";
        assert!(refusal.contains(problem), "{refusal}");
    }
}

#[test]
fn the_app_can_be_named_in_every_way() {
    let expected = plan(&shop(), "apps/server");
    for (directory, app) in [
        ("", "./apps/server/"),
        ("", "@shop/server"),
        ("apps/server", "."),
        ("apps/server/src", "."),
        ("packages/catalog", "../../apps/server"),
        ("packages/catalog", "apps/server"),
    ] {
        let named = plan(&shop().join(directory), app);
        assert_same(&format!("`{app}` in {directory}"), &expected, &named);
    }
    let inside = slimbuild(&shop().join("apps/server"), &["plan", "--json"]).text();
    assert_same("no name inside of the app", &expected, &inside);
    let elsewhere = slimbuild(
        Path::new("/"),
        &[
            "-C",
            shop().to_str().unwrap(),
            "plan",
            "apps/server",
            "--json",
        ],
    );
    assert_same("-C", &expected, &elsewhere.text());
}

#[test]
fn two_runs_and_another_checkout_give_the_same_bytes() {
    let copy = Tree::shop_in(Order::Backwards);
    make_foreign(copy.root());
    for (app, _) in APPS {
        for root in [&shop(), copy.root()] {
            let name = root.display().to_string();
            assert_same(&name, &dockerfile(&shop(), app), &dockerfile(root, app));
            assert_same(&name, &plan(&shop(), app), &plan(root, app));
            let (here, there) = (context(&shop(), app, &[]), context(root, app, &[]));
            assert_same(&name, &listing(&here), &listing(&there));
            assert!(here == there, "headers differ in {name}");
            assert!(!plan(root, app).contains(&name), "the plan holds {name}");
        }
    }
}

/// Gives the tree other times and the modes of a clone with the umask 077.
fn make_foreign(root: &Path) {
    for (at, entry) in WalkDir::new(root).into_iter().enumerate() {
        let entry = entry.unwrap();
        let mode = if entry.file_type().is_dir() {
            0o700
        } else {
            [0o600, 0o640, 0o664][at % 3]
        };
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(entry.path(), permissions).unwrap();
        if entry.file_type().is_file() {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + at as u64);
            let file = fs_err::OpenOptions::new()
                .write(true)
                .open(entry.path())
                .unwrap();
            file.into_parts().0.set_modified(time).unwrap();
        }
    }
}

#[test]
fn any_executable_bit_is_the_same_executable_bit() {
    let archives = [0o700, 0o744, 0o755, 0o775, 0o777].map(|mode| {
        let tree = Tree::shop();
        tree.write("apps/worker/bin/run.sh", "#!/bin/sh\n");
        let script = tree.root().join("apps/worker/bin/run.sh");
        fs_err::set_permissions(script, std::fs::Permissions::from_mode(mode)).unwrap();
        context(tree.root(), "apps/worker", &[])
    });
    assert!(archives.iter().all(|archive| *archive == archives[0]));
    let script = entries(&archives[0])
        .into_iter()
        .find(|entry| entry.path.ends_with("run.sh"));
    assert_eq!(script.unwrap().mode, 0o755);
}

#[test]
fn what_installs_and_builds_leave_behind_changes_nothing() {
    let tree = Tree::shop();
    for path in [
        "node_modules/.modules.yaml",
        "node_modules/.pnpm/lock.yaml",
        "apps/server/node_modules/ajv/package.json",
        "apps/server/dist/main.js",
        "apps/server/.turbo/turbo-build.log",
        "apps/server/tsconfig.tsbuildinfo",
        "packages/catalog/dist/index.js",
        "packages/catalog/node_modules/zod/index.js",
        ".turbo/cache/x.tar.zst",
        ".git/HEAD",
        "apps/server/.DS_Store",
        ".env",
        "apps/server/.env.local",
    ] {
        tree.write(path, "left behind");
    }
    for (app, _) in APPS {
        assert_same(app, &plan(&shop(), app), &plan(tree.root(), app));
        assert!(
            context(&shop(), app, &[]) == context(tree.root(), app, &[]),
            "{app}"
        );
    }
}
