//! Lockfiles that are broken, too old, or of another format.

use insta::assert_snapshot;

use super::refusal;
use crate::fixtures::fixture;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

const LOCKFILE: &str = "pnpm-lock.yaml";

#[test]
fn dangling_references() {
    let snapshot = |tree: &Tree| tree.replace(LOCKFILE, "\n  nanoid@5.1.16: {}\n", "\n");
    assert_snapshot!(refusal("apps/server", snapshot), @"
    exit code 1
    error: `pnpm-lock.yaml`: `nanoid` in `packages/events` needs `nanoid@5.1.16`, which the file does not hold

    hint: the lockfile is damaged, often by a merge: run `pnpm install --fix-lockfile` and commit the result
    ");
    let importer = |tree: &Tree| {
        tree.replace_after(
            LOCKFILE,
            "\n  packages/catalog:\n",
            "version: 4.6.7",
            "version: 4.6.8",
        );
    };
    assert_snapshot!(refusal("apps/server", importer), @"
    exit code 1
    error: `pnpm-lock.yaml`: `zod` in `packages/catalog` needs `zod@4.6.8`, which the file does not hold

    hint: the lockfile is damaged, often by a merge: run `pnpm install --fix-lockfile` and commit the result
    ");
}

#[test]
fn a_merge_conflict() {
    let conflict = |tree: &Tree| {
        let text = "<<<<<<< HEAD\n  apps/server:\n=======\n  apps/srv:\n>>>>>>> other\n";
        tree.replace(LOCKFILE, "\n  apps/server:\n", &format!("\n{text}"));
    };
    assert_snapshot!(refusal("apps/server", conflict), @"
    exit code 1
    error: `pnpm-lock.yaml`, line 24: there is a merge conflict in the file

    hint: run `pnpm install`, which resolves conflicts in its lockfile, and commit the result
    ");
}

#[test]
fn older_than_a_manifest() {
    let specifier = |tree: &Tree| tree.replace("apps/server/package.json", "^5.12.8", "^5.13.0");
    assert_snapshot!(refusal("apps/server", specifier), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `apps/server/package.json`: it records `fastify` as `^5.12.8`, the manifest asks for `^5.13.0`

    hint: run `pnpm install` and commit the lockfile
    ");
    let added = |tree: &Tree| {
        tree.replace(
            "packages/catalog/package.json",
            "\"zod\":",
            "\"yaml\": \"^2.8.1\",\n    \"zod\":",
        );
    };
    assert_snapshot!(refusal("apps/server", added), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `packages/catalog/package.json`: `yaml` of its `dependencies` is not recorded

    hint: run `pnpm install` and commit the lockfile
    ");
    let dev = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "\"tsx\":",
            "\"prettier\": \"^3.6.2\",\n    \"tsx\":",
        );
    };
    assert_snapshot!(refusal("apps/server", dev), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `apps/server/package.json`: `prettier` of its `devDependencies` is not recorded

    hint: run `pnpm install` and commit the lockfile
    ");
    let removed = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "    \"ajv\": \"^8.20.0\",\n",
            "",
        );
    };
    assert_snapshot!(refusal("apps/server", removed), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `apps/server/package.json`: it records `ajv`, which the manifest does not have

    hint: run `pnpm install` and commit the lockfile
    ");
    let root = |tree: &Tree| {
        tree.replace(
            "package.json",
            "\"turbo\": \"^2.11.11\"",
            "\"turbo\": \"^2.12.0\"",
        );
    };
    assert_snapshot!(refusal("apps/server", root), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `package.json`: it records `turbo` as `^2.11.11`, the manifest asks for `^2.12.0`

    hint: run `pnpm install` and commit the lockfile
    ");
    let moved = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "    \"ajv\": \"^8.20.0\",\n",
            "",
        );
        tree.replace(
            "apps/server/package.json",
            "    \"tsx\":",
            "    \"ajv\": \"^8.20.0\",\n    \"tsx\":",
        );
    };
    assert_snapshot!(refusal("apps/server", moved), @"
    exit code 1
    error: `pnpm-lock.yaml` is older than `apps/server/package.json`: it records `ajv` in `dependencies`, the manifest has it in `devDependencies`

    hint: run `pnpm install` and commit the lockfile
    ");
}

#[test]
fn other_apps_may_be_ahead_of_the_lockfile() {
    let tree = Tree::shop();
    tree.replace(
        "apps/web/package.json",
        "\"next\": \"^15.5.29\"",
        "\"next\": \"^16.0.0\"",
    );
    slimbuild(tree.root(), &["plan", "apps/server"]).bytes();
}

#[test]
fn a_package_that_the_lockfile_does_not_know() {
    let fresh = |tree: &Tree| {
        tree.write("apps/fresh/index.js", "");
        tree.write(
            "apps/fresh/package.json",
            "{\"name\": \"fresh\", \"dependencies\": {\"zod\": \"^4.6.7\"}}",
        );
    };
    assert_snapshot!(refusal("apps/fresh", fresh), @"
    exit code 1
    error: `pnpm-lock.yaml` does not know `apps/fresh`: the package was added after the last install

    hint: run `pnpm install` and commit the lockfile
    ");
    let library = |tree: &Tree| {
        tree.write(
            "packages/fresh/package.json",
            "{\"name\": \"@shop/fresh\", \"dependencies\": {\"zod\": \"^4.6.7\"}}",
        );
        tree.replace(
            "apps/worker/package.json",
            "\"croner\":",
            "\"@shop/fresh\": \"workspace:*\",\n    \"croner\":",
        );
        tree.replace_after(
            LOCKFILE,
            "\n  apps/worker:\n",
            "      croner:\n",
            "      '@shop/fresh':\n        specifier: workspace:*\n        version: link:../../packages/fresh\n      croner:\n",
        );
    };
    assert_snapshot!(refusal("apps/worker", library), @"
    exit code 1
    error: `pnpm-lock.yaml` does not know `packages/fresh`: the package was added after the last install

    hint: run `pnpm install` and commit the lockfile
    ");
}

#[test]
fn other_formats() {
    let format = |version: &str| {
        refusal("apps/server", |tree| {
            tree.replace(LOCKFILE, "lockfileVersion: '9.0'", version);
        })
    };
    assert_snapshot!(format("lockfileVersion: 4"), @"
    exit code 1
    error: `pnpm-lock.yaml` has format 4: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0

    hint: `pnpm install --lockfile-only` with pnpm 9 or later writes format 9.0
    ");
    assert_snapshot!(format("lockfileVersion: '7.0'"), @"
    exit code 1
    error: `pnpm-lock.yaml` has format 7.0: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0

    hint: `pnpm install --lockfile-only` with pnpm 9 or later writes format 9.0
    ");
    assert_snapshot!(format("lockfileVersion: '12.0'"), @"
    exit code 1
    error: `pnpm-lock.yaml` has format 12.0: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0

    hint: `pnpm install --lockfile-only` with pnpm 9 or later writes format 9.0
    ");
    assert_snapshot!(format("# nothing"), @"
    exit code 1
    error: cannot read `pnpm-lock.yaml`, line 1: `# nothing` is not the start of a key as pnpm writes it

    hint: slimbuild reads the layout that pnpm writes: if a formatter changed the file, restore it with `pnpm install --lockfile-only` and exclude it from formatting
    ");
}

#[test]
fn not_what_pnpm_writes() {
    let text = |text: &str| refusal("apps/server", |tree| tree.write(LOCKFILE, text));
    assert_snapshot!(text(""), @"
    exit code 1
    error: `pnpm-lock.yaml` has no `lockfileVersion`

    hint: make a lockfile with `pnpm install`
    ");
    assert_snapshot!(text("{}\n"), @"
    exit code 1
    error: `pnpm-lock.yaml` has no `lockfileVersion`

    hint: make a lockfile with `pnpm install`
    ");
    assert_snapshot!(text("lockfileVersion: '9.0'\n"), @"
    exit code 1
    error: `pnpm-lock.yaml` does not know `.`: the package was added after the last install

    hint: run `pnpm install` and commit the lockfile
    ");
    assert_snapshot!(text("lockfileVersion: '9.0'\nimporters: {apps/server: {}}\n"), @"
    exit code 1
    error: cannot read `pnpm-lock.yaml`, line 2: `importers` is not written as a block, one entry below another

    hint: slimbuild reads the layout that pnpm writes: if a formatter changed the file, restore it with `pnpm install --lockfile-only` and exclude it from formatting
    ");
    let cut = |tree: &Tree| {
        let text = tree.read(LOCKFILE);
        tree.write(LOCKFILE, &text[..=text.find("\nsnapshots:\n").unwrap()]);
    };
    assert_snapshot!(refusal("apps/server", cut), @"
    exit code 1
    error: `pnpm-lock.yaml`: `ajv` in `apps/server` needs `ajv@8.20.0`, which the file does not hold

    hint: the lockfile is damaged, often by a merge: run `pnpm install --fix-lockfile` and commit the result
    ");
}

/// What a workspace is refused for in which each project has a lockfile.
fn refusal_of_own(edit: impl FnOnce(&Tree)) -> String {
    let tree = fixture("per-project-lockfiles");
    edit(&tree);
    let out = tree.root().join("out");
    let arguments = ["prune", "apps/a", "--out", out.to_str().unwrap()];
    slimbuild(tree.root(), &arguments).refusal(tree.root())
}

#[test]
fn lockfiles_of_single_projects() {
    let missing = |tree: &Tree| tree.remove("packages/lib/pnpm-lock.yaml");
    assert_snapshot!(refusal_of_own(missing), @"
    exit code 1
    error: there is no `packages/lib/pnpm-lock.yaml`, and `sharedWorkspaceLockfile` is off: each package has its own

    hint: run `pnpm install` and commit the lockfile
    ");
    let older = |tree: &Tree| tree.replace("packages/lib/package.json", "7.0.0", "^7.0.0");
    assert_snapshot!(refusal_of_own(older), @"
    exit code 1
    error: `packages/lib/pnpm-lock.yaml` is older than `packages/lib/package.json`: it records `is-number` as `7.0.0`, the manifest asks for `^7.0.0`

    hint: run `pnpm install` and commit the lockfile
    ");
    let outside = |tree: &Tree| {
        let lockfile = "apps/a/pnpm-lock.yaml";
        tree.replace(lockfile, "link:../../packages", "link:../../../packages");
    };
    assert_snapshot!(refusal_of_own(outside), @"
    exit code 1
    error: `apps/a/pnpm-lock.yaml`: `lib` in `.` needs `link:../../../packages/lib`, which lies outside of the workspace

    hint: a Docker build sees the workspace only: move the package into it, or publish it to a registry
    ");
    let unsaid = |tree: &Tree| {
        tree.remove(".npmrc");
        tree.remove(LOCKFILE);
    };
    assert_snapshot!(refusal_of_own(unsaid), @"
    exit code 1
    error: there is no `pnpm-lock.yaml` beside `pnpm-workspace.yaml`, but one in `apps/a`

    hint: where each package has its own, say so: `sharedWorkspaceLockfile: false` in pnpm-workspace.yaml, before pnpm 10 `shared-workspace-lockfile=false` in .npmrc
    ");
}
