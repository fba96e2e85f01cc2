//! Invalid workspaces, and workspaces with broken files.

use insta::assert_snapshot;

use super::refusal;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

#[test]
fn no_workspace() {
    let tree = Tree::new(&[("package.json", "{}")]);
    assert_snapshot!(slimbuild(tree.root(), &["apps/server"]).refusal(tree.root()), @"
    exit code 1
    error: there is no `pnpm-workspace.yaml` in `$ROOT` or above it

    hint: run slimbuild inside a pnpm workspace or a package with a `pnpm-lock.yaml`, or name one with `-C DIR`; a repository becomes a workspace by a `pnpm-workspace.yaml` with `packages: ['apps/*', 'packages/*']`
    ");
}

#[test]
fn no_directory() {
    let tree = Tree::new(&[]);
    let outcome = slimbuild(tree.root(), &["-C", "nowhere", "apps/server"]);
    assert_snapshot!(outcome.refusal(tree.root()), @"
    exit code 1
    error: cannot enter `$ROOT/nowhere`
      caused by: failed to canonicalize path `$ROOT/nowhere`: No such file or directory (os error 2)

    hint: `-C DIR` takes a directory that is there, relative to the one that you are in
    ");
}

#[test]
fn no_lockfile() {
    assert_snapshot!(refusal("apps/server", |tree| tree.remove("pnpm-lock.yaml")), @"
    exit code 1
    error: there is no `pnpm-lock.yaml` beside `pnpm-workspace.yaml`

    hint: run `pnpm install` and commit the lockfile
    ");
}

#[test]
fn broken_workspace_file() {
    let with = |text: &str| {
        refusal("apps/server", |tree| {
            tree.write("pnpm-workspace.yaml", text);
        })
    };
    assert_snapshot!(with("packages:\n  - 'apps/*\n  - 'packages/*'\n"), @"
    exit code 1
    error: cannot read `pnpm-workspace.yaml`, line 3, column 3: invalid indentation in multiline quoted scalar

    hint: mend `pnpm-workspace.yaml`; slimbuild changes no file of the workspace
    ");
    assert_snapshot!(with("packages:\n  - apps/*\n\tbad: tab\n"), @"
    exit code 1
    error: cannot read `pnpm-workspace.yaml`, line 2, column 5: while scanning a plain scalar, found a tab

    hint: mend `pnpm-workspace.yaml`; slimbuild changes no file of the workspace
    ");
    assert_snapshot!(with("packages: apps/*\n"), @"
    exit code 1
    error: cannot read `pnpm-workspace.yaml`, line 1, column 11: expected sequence start

    hint: mend `pnpm-workspace.yaml`; slimbuild changes no file of the workspace
    ");
    assert_snapshot!(with("packages:\n  - 'apps/{server'\n"), @"
    exit code 1
    error: `pnpm-workspace.yaml`: `apps/{server` is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    ");
}

#[test]
fn a_workspace_without_members() {
    let with = |text: &str| {
        refusal("apps/server", |tree| {
            tree.write("pnpm-workspace.yaml", text);
        })
    };
    assert_snapshot!(with(""), @"
    exit code 1
    error: `apps/server` is no package of this workspace: `packages` in pnpm-workspace.yaml does not name it

    hint: add `apps/server` to `packages` in pnpm-workspace.yaml, and run `pnpm install`
    ");
    assert_snapshot!(with("packages: []\n"), @"
    exit code 1
    error: `apps/server` is no package of this workspace: `packages` in pnpm-workspace.yaml does not name it

    hint: add `apps/server` to `packages` in pnpm-workspace.yaml, and run `pnpm install`
    ");
}

#[test]
fn broken_manifests() {
    let comma = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "\"private\": true,",
            "\"private\": true",
        );
    };
    assert_snapshot!(refusal("apps/server", comma), @"
    exit code 1
    error: cannot read `apps/server/package.json`, line 5, column 3: expected `,` or `}`

    hint: mend `apps/server/package.json`; slimbuild changes no file of the workspace
    ");
    let number = |tree: &Tree| tree.replace("packages/catalog/package.json", "\"^4.6.7\"", "4");
    assert_snapshot!(refusal("apps/server", number), @"
    exit code 1
    error: `packages/catalog/package.json`: `dependencies.zod` is not a text
    ");
    let list = |tree: &Tree| tree.write("package.json", "[]\n");
    assert_snapshot!(refusal("apps/server", list), @"
    exit code 1
    error: `package.json`: expected an object
    ");
    let empty = |tree: &Tree| tree.write("apps/server/package.json", "");
    assert_snapshot!(refusal("apps/server", empty), @"
    exit code 1
    error: cannot read `apps/server/package.json`, line 1, column 0: EOF while parsing a value

    hint: mend `apps/server/package.json`; slimbuild changes no file of the workspace
    ");
}

#[test]
fn broken_turbo_files() {
    let colon = |tree: &Tree| tree.replace("turbo.json", "\"lint\": {},", "\"lint\" {},");
    assert_snapshot!(refusal("apps/server", colon), @"
    exit code 1
    error: cannot read `turbo.json`, line 14, column 12: Expected colon after the string or word in object property

    hint: mend `turbo.json`; slimbuild changes no file of the workspace
    ");
    let open = |tree: &Tree| tree.write("apps/server/turbo.json", "{\n  \"extends\": [\"//\"],\n");
    assert_snapshot!(refusal("apps/server", open), @"
    exit code 1
    error: cannot read `apps/server/turbo.json`, line 3, column 1: Unterminated object

    hint: mend `apps/server/turbo.json`; slimbuild changes no file of the workspace
    ");
    let list = |tree: &Tree| tree.write("turbo.json", "{\"tasks\": []}");
    assert_snapshot!(refusal("apps/server", list), @"
    exit code 1
    error: `turbo.json`: `tasks` is not an object
    ");
}

#[test]
fn not_pnpm() {
    let yarn = |tree: &Tree| tree.replace("package.json", "pnpm@10.34.8", "yarn@4.9.1");
    assert_snapshot!(refusal("apps/server", yarn), @"
    exit code 1
    error: `package.json` names `yarn@4.9.1` as the package manager: slimbuild builds pnpm workspaces
    ");
}

#[test]
fn impossible_versions() {
    let words = |tree: &Tree| tree.write(".nvmrc", "the newest\n");
    assert_snapshot!(refusal("apps/server", words), @"
    exit code 1
    error: `.nvmrc` asks for node `the newest`, which is no version

    hint: mend it, or choose with `--node VERSION`
    ");
    let old = |tree: &Tree| tree.write(".nvmrc", "<16\n");
    assert_snapshot!(refusal("apps/server", old), @"
    exit code 1
    error: `.nvmrc` asks for node `<16`, which none of the lines 24, 22, 20, 18 fits

    hint: mend it, or choose with `--node VERSION`
    ");
    let misfit = |tree: &Tree| {
        tree.write(".nvmrc", "20\n");
        tree.replace("package.json", "pnpm@10.34.8", "pnpm@11.3.0");
    };
    assert_snapshot!(refusal("apps/server", misfit), @"
    exit code 1
    error: pnpm 11.3.0 needs node 22.13 or newer, and node 20 was chosen (`20` in .nvmrc)

    hint: write `22` there, or choose with `--node 22`
    ");
    let mute = |tree: &Tree| {
        tree.write(".nvmrc", "20\n");
        tree.replace("package.json", "pnpm@10.34.8", "pnpm@8.2.0");
    };
    assert_snapshot!(refusal("apps/server", mute), @"
    exit code 1
    error: pnpm 8.2.0 downloads nothing on node 20 and newer, and node 20 was chosen (`20` in .nvmrc)

    hint: name pnpm 8.15.9 in `packageManager`, or choose an older node with `--node 18`
    ");
}

#[test]
fn files_that_settings_name_and_that_are_not_there() {
    let patch = |tree: &Tree| {
        tree.append(
            "pnpm-workspace.yaml",
            "patchedDependencies:\n  fastify: patches/fastify.patch\n",
        );
    };
    assert_snapshot!(refusal("apps/server", patch), @"
    exit code 1
    error: `pnpm-lock.yaml` does not match the setting `patchedDependencies` of `pnpm-workspace.yaml`: the patch of `fastify` is not recorded

    hint: a frozen install stops there with ERR_PNPM_LOCKFILE_CONFIG_MISMATCH: run `pnpm install` and commit the lockfile
    ");
}
