//! What an install needs besides manifests: scripts that run once the sources are there, packages
//! that pnpm copies, binaries that are built later.

use crate::support::container::Container;
use crate::support::daemon::each_daemon;
use crate::support::tree::Tree;

/// A library that `prepare` builds; one whose `postinstall` generates code into modules and for
/// which the root generates sources; one that is copied and has a build; and a program that the
/// app's build uses and that starts a second app.
const WORKSPACE: [(&str, &str); 18] = [
    (
        "package.json",
        r#"{"private": true, "packageManager": "pnpm@10.34.8", "scripts": {
            "preinstall": "npx only-allow yarn", "prepare": "husky", "postinstall": "pnpm -r run codegen"}}"#,
    ),
    (
        "pnpm-workspace.yaml",
        "packages: ['apps/*', 'packages/*']\ndedupeInjectedDeps: false\n",
    ),
    ("pnpm-lock.yaml", LOCKFILE),
    (".gitignore", "dist\ngenerated\nnode_modules\n"),
    (
        "apps/api/package.json",
        r#"{"name": "@ws/api", "type": "module", "scripts": {"build": "my-cli dist/greeting.txt && cp server.src.mjs dist/server.mjs", "start": "node dist/server.mjs"},
            "dependencies": {"@ws/lib": "workspace:*", "@ws/db": "workspace:*", "@ws/copied": "workspace:*", "ms": "2.1.3"},
            "devDependencies": {"@ws/tool": "workspace:*"}, "dependenciesMeta": {"@ws/copied": {"injected": true}}}"#,
    ),
    (
        "apps/api/server.src.mjs",
        "import http from 'node:http';\nimport fs from 'node:fs';\nimport { lib } from '@ws/lib';\nimport { db, client } from '@ws/db';\n\
         import { copied } from '@ws/copied';\nconst greeting = fs.readFileSync(new URL('./greeting.txt', import.meta.url), 'utf8');\n\
         http.createServer((_, response) => response.end([lib, db, client, copied, greeting].join('; '))).listen(3000);\n",
    ),
    (
        "apps/tool/package.json",
        r#"{"name": "@ws/started", "scripts": {"start": "my-cli serve"}, "dependencies": {"@ws/tool": "workspace:*"}}"#,
    ),
    (
        "packages/lib/package.json",
        r#"{"name": "@ws/lib", "type": "module", "main": "dist/index.js", "scripts": {"prepare": "node build.mjs"}}"#,
    ),
    (
        "packages/lib/build.mjs",
        "import fs from 'node:fs'; fs.mkdirSync('dist'); fs.writeFileSync('dist/index.js', 'export const lib = \"built by prepare\"');\n",
    ),
    (
        "packages/db/package.json",
        r#"{"name": "@ws/db", "type": "module", "main": "index.js", "dependencies": {"ms": "2.1.3"},
            "scripts": {"postinstall": "node gen.mjs", "codegen": "node codegen.mjs"}}"#,
    ),
    (
        "packages/db/gen.mjs",
        "import fs from 'node:fs'; fs.writeFileSync('node_modules/ms/client.js', 'module.exports = \"generated into modules\"');\n",
    ),
    (
        "packages/db/codegen.mjs",
        "import fs from 'node:fs'; fs.mkdirSync('generated'); fs.writeFileSync('generated/db.js', 'export const db = \"written by the root\"');\n",
    ),
    (
        "packages/db/index.js",
        "import { createRequire } from 'node:module';\nexport { db } from './generated/db.js';\n\
         export const client = createRequire(import.meta.url)('ms/client.js');\n",
    ),
    (
        "packages/copied/package.json",
        r#"{"name": "@ws/copied", "type": "module", "main": "dist/index.js", "files": ["dist"], "scripts": {"build": "node build.mjs"}}"#,
    ),
    (
        "packages/copied/build.mjs",
        "import fs from 'node:fs'; fs.mkdirSync('dist'); fs.writeFileSync('dist/index.js', 'export const copied = \"built and copied\"');\n",
    ),
    (
        "packages/tool/package.json",
        r#"{"name": "@ws/tool", "type": "module", "bin": {"my-cli": "./dist/cli.js"}, "scripts": {"build": "node build.mjs"}}"#,
    ),
    (
        "packages/tool/build.mjs",
        "import fs from 'node:fs'; fs.mkdirSync('dist', { recursive: true }); fs.copyFileSync('cli.src.mjs', 'dist/cli.js');\n",
    ),
    (
        "packages/tool/cli.src.mjs",
        "#!/usr/bin/env node\nimport fs from 'node:fs'; import http from 'node:http'; import path from 'node:path';\nconst [, , word] = process.argv;\n\
         if (word === 'serve') http.createServer((_, response) => response.end('started by a program')).listen(3000);\n\
         else { fs.mkdirSync(path.dirname(word), { recursive: true }); fs.writeFileSync(word, 'made by a program'); }\n",
    ),
];

const LOCKFILE: &str = "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .: {}

  apps/api:
    dependencies:
      '@ws/copied':
        specifier: workspace:*
        version: file:packages/copied
      '@ws/db':
        specifier: workspace:*
        version: link:../../packages/db
      '@ws/lib':
        specifier: workspace:*
        version: link:../../packages/lib
      ms:
        specifier: 2.1.3
        version: 2.1.3
    devDependencies:
      '@ws/tool':
        specifier: workspace:*
        version: link:../../packages/tool
    dependenciesMeta:
      '@ws/copied':
        injected: true

  apps/tool:
    dependencies:
      '@ws/tool':
        specifier: workspace:*
        version: link:../../packages/tool

  packages/copied: {}

  packages/db:
    dependencies:
      ms:
        specifier: 2.1.3
        version: 2.1.3

  packages/lib: {}

  packages/tool: {}

packages:

  '@ws/copied@file:packages/copied':
    resolution: {directory: packages/copied, type: directory}

  ms@2.1.3:
    resolution: {integrity: sha512-6FlzubTLZG3J2a/NVCAleEhjzq5oxgHyaCU9yYXvcLsvoVaHJq/s5xXI6/XXP6tz7R9xAOtHnSO/tXtF3WRTlA==}

snapshots:

  '@ws/copied@file:packages/copied': {}

  ms@2.1.3: {}
";

#[test]
fn scripts_of_an_install_and_copied_packages_arrive() {
    each_daemon(
        "scripts_of_an_install_and_copied_packages_arrive",
        |daemon| {
            let tree = Tree::new(&WORKSPACE);
            let tag = daemon.tag("installs");
            daemon
                .slimbuild(tree.root(), &["apps/api", "-q", "-t", &tag.name])
                .bytes();
            let container = Container::start(daemon, &tag.name, 3000);
            assert_eq!(
                container.get(3000, "/"),
                "built by prepare; written by the root; generated into modules; built and copied; made by a program"
            );
        },
    );
}

#[test]
fn a_program_of_a_member_starts_an_app() {
    each_daemon("a_program_of_a_member_starts_an_app", |daemon| {
        let tree = Tree::new(&WORKSPACE);
        tree.write("slimbuild.json", r#"{"lifecycle": false}"#);
        let tag = daemon.tag("program-of-a-member");
        daemon
            .slimbuild(tree.root(), &["apps/tool", "-q", "-t", &tag.name])
            .bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), "started by a program");
    });
}
