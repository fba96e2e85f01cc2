//! Files of other places in the workspace that an app reads when it runs, in images that boot.

use serde_json::json;
use slimbuild::internals::Scope;

use crate::base::load;
use crate::images::json_of;
use crate::native::native;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, one_daemon, skipped};
use crate::support::pnpm::{Pnpm, home, reachable};
use crate::support::tree::Tree;

const LOCKFILE: &str = "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      is-number:
        specifier: 6.0.0
        version: 6.0.0

  apps/api:
    dependencies:
      lib:
        specifier: workspace:*
        version: link:../../packages/lib
    devDependencies:
      proto:
        specifier: workspace:*
        version: link:../../packages/proto

  apps/web: {}

  packages/lib: {}

  packages/proto: {}

packages:

  is-number@6.0.0:
    resolution: {integrity: sha512-Wu1VHeILBK8KAWJUAiSZQX94GmOE45Rg6/538fKwiloUu21KncEkYGPqob2oSZ5mUT73vLGrHQjKw3KMPwfDzg==}
    engines: {node: '>=0.10.0'}

snapshots:

  is-number@6.0.0: {}
";

/// Answers with what it reads: what a sibling's build wrote, a file of a dev dependency, what a preload of the root made of a dependency of the
/// root's, a package of sources, a directory that it writes to, and a file that only a link of its own leads to.
const MAIN: &str = r"
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import isNumber from 'is-number';
import { typed } from 'lib';

const read = (path) => readFileSync(path, 'utf8').trim();
const answer = () => JSON.stringify({
  web: read(join(import.meta.dirname, '../../web/dist/index.html')),
  proto: read(join(import.meta.dirname, '..', '..', '..', 'packages', 'proto', 'x.proto')),
  preload: globalThis.preloaded,
  root: isNumber(1),
  typed,
  linked: read(join(import.meta.dirname, 'shared.txt')),
  env: process.env.NODE_ENV,
});
createServer((_, response) => response.end(answer())).listen(3000);
";

fn workspace() -> Tree {
    let tree = Tree::new(&[
        (
            "package.json",
            r#"{"name": "r", "private": true, "packageManager": "pnpm@10.34.8", "dependencies": {"is-number": "6.0.0"}}"#,
        ),
        (
            "pnpm-workspace.yaml",
            "packages: ['apps/*', 'packages/*']\n",
        ),
        ("pnpm-lock.yaml", LOCKFILE),
        (".gitignore", "node_modules\ndist\n"),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"outputs": ["dist/**"]}, "api#build": {"dependsOn": ["web#build"], "outputs": ["dist/**"]}}}"#,
        ),
        (
            "instrument.cjs",
            "globalThis.preloaded = require('is-number')('7');\n",
        ),
        ("shared/note.txt", "shared\n"),
        (
            "apps/api/package.json",
            r#"{"name": "api", "type": "module", "scripts": {"start": "node -r ../../instrument.cjs src/main.js"},
                "dependencies": {"lib": "workspace:*"}, "devDependencies": {"proto": "workspace:*"}}"#,
        ),
        ("apps/api/src/main.js", MAIN),
        (
            "apps/web/package.json",
            r#"{"name": "web", "scripts": {"build": "mkdir -p dist && echo page > dist/index.html"}}"#,
        ),
        (
            "packages/lib/package.json",
            r#"{"name": "lib", "type": "module", "exports": "./src/index.ts"}"#,
        ),
        (
            "packages/lib/src/index.ts",
            "export const typed: string = 'typed';\n",
        ),
        ("packages/proto/package.json", r#"{"name": "proto"}"#),
        ("packages/proto/x.proto", "syntax = \"proto3\";\n"),
    ]);
    let link = tree.root().join("apps/api/src/shared.txt");
    fs_err::os::unix::fs::symlink("../../../shared/note.txt", link).unwrap();
    tree
}

/// Its build is declared by turbo.json alone, so the app has a script too.
fn built() -> Tree {
    let tree = workspace();
    tree.replace(
        "apps/api/package.json",
        r#""scripts": {"#,
        r#""scripts": {"build": "echo nothing", "#,
    );
    tree
}

fn assert_answers(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 3000);
    let expected = json!({
        "web": "page", "proto": "syntax = \"proto3\";", "preload": true, "root": true, "typed": "typed", "linked": "shared",
        "env": "production",
    });
    assert_eq!(json_of(&container.get(3000, "/")), expected);
}

#[test]
fn what_lies_beside_the_app_is_in_the_image() {
    one_daemon("what_lies_beside_the_app_is_in_the_image", |daemon| {
        let tree = built();
        // What is computed is seen by nobody, and named in `include`.
        tree.replace(
            "apps/api/src/main.js",
            "'../../web/dist/index.html'",
            "['..', '..', 'web', 'dist', 'index.html'].join('/')",
        );
        tree.write(
            "apps/api/slimbuild.json",
            r#"{"include": ["../web/dist/index.html"]}"#,
        );
        let tag = daemon.tag("beside");
        let arguments = ["apps/api", "-q", "--node", "24", "-t", &tag.name];
        daemon.slimbuild(tree.root(), &arguments).bytes();
        assert_answers(daemon, &tag.name);
    });
}

#[test]
fn what_lies_beside_the_app_is_in_an_image_of_a_built_workspace() {
    let test = "what_lies_beside_the_app_is_in_an_image_of_a_built_workspace";
    one_daemon(test, |daemon| {
        if let Err(why) = reachable() {
            return skipped(&why, test);
        }
        let tree = built();
        let pnpm = Pnpm::new("22", "10.34.8").unwrap();
        let store = home().join("store");
        pnpm.install(tree.root(), Scope::Build, &store).unwrap();
        pnpm.run(tree.root(), &["-r", "run", "build"]);
        let tag = daemon.tag("beside-built");
        let arguments = [
            "apps/api",
            "-q",
            "--prebuilt",
            "--node",
            "24",
            "-t",
            &tag.name,
        ];
        daemon.slimbuild(tree.root(), &arguments).bytes();
        assert_answers(daemon, &tag.name);
    });
}

#[test]
fn what_lies_beside_the_app_is_in_an_image_made_natively() {
    let test = "what_lies_beside_the_app_is_in_an_image_made_natively";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = built();
    let name = "slimbuild-it/beside:native";
    let arguments = [
        "apps/api",
        "-q",
        "--node",
        "24",
        "-t",
        name,
        "-o",
        "image.tar",
    ];
    native(tree.root(), &arguments).bytes();
    each_daemon(test, |daemon| {
        load(daemon, &tree.root().join("image.tar"));
        assert_answers(daemon, name);
        daemon.remove(name);
    });
}
