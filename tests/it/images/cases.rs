//! What reports of users told of, in small: on Docker and natively.

use crate::base::load;
use crate::native::native;
use crate::support::container::Container;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::tree::Tree;

const PINO: &str = include_str!("../../../testdata/starts/pino-lock.yaml");

/// A server of fastify, whose logger is told of a package that only developers get.
fn logs(transport: &str) -> Tree {
    let server = format!(
        "import fastify from 'fastify';
const app = fastify({{ logger: {{ transport: {transport} }} }});
app.get('/', async () => ({{ ok: true }}));
app.listen({{ port: 3000, host: '0.0.0.0' }});
"
    );
    Tree::new(&[
        (
            "package.json",
            r#"{"name": "mix", "private": true, "packageManager": "pnpm@10.34.8"}"#,
        ),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("pnpm-lock.yaml", PINO),
        (
            "apps/pino/package.json",
            r#"{"name": "pino-app", "type": "module", "scripts": {"start": "node server.js"},
                "dependencies": {"pino": "^9.5.0", "fastify": "^5.0.0"}, "devDependencies": {"pino-pretty": "^13.0.0"}}"#,
        ),
        ("apps/pino/server.js", &server),
    ])
}

const TOLD: [&str; 3] = [
    "warning: apps/pino/server.js names `pino-pretty` for a library to load, and the image does not have it: it is a dev dependency in apps/pino/package.json",
    "apps/pino/server.js loads `pino-pretty`, which is not in the image",
    "It is a dev dependency in apps/pino/package.json: what runs needs it among `dependencies`.",
];

#[test]
fn a_dev_dependency_that_a_logger_is_told_of_is_judged_as_an_import() {
    let test = "a_dev_dependency_that_a_logger_is_told_of_is_judged_as_an_import";
    one_daemon(test, |daemon| {
        let tree = logs("{ target: 'pino-pretty' }");
        let tag = daemon.tag("pino");
        let arguments = [
            "apps/pino",
            "--progress",
            "plain",
            "--no-trial",
            "-t",
            &tag.name,
        ];
        let said = daemon
            .slimbuild(tree.root(), &arguments)
            .refusal(tree.root());
        for told in TOLD {
            assert!(said.contains(told), "{said}");
        }
        let only_there =
            "process.env.NODE_ENV === 'production' ? undefined : { target: 'pino-pretty' }";
        let tree = logs(only_there);
        let made = daemon.slimbuild(tree.root(), &["apps/pino", "-q", "-t", &tag.name]);
        assert!(!made.stderr.contains("pino-pretty"), "{}", made.stderr);
        made.bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), r#"{"ok":true}"#);
    });
}

#[test]
fn natively_such_a_dependency_is_judged_as_an_import_too() {
    let test = "natively_such_a_dependency_is_judged_as_an_import_too";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = logs("{ targets: [{ target: 'pino-pretty' }] }");
    let arguments = [
        "apps/pino",
        "--progress",
        "plain",
        "--no-trial",
        "-o",
        "image.tar",
    ];
    let said = native(tree.root(), &arguments).refusal(tree.root());
    for told in TOLD {
        assert!(said.contains(told), "{said}");
    }
    assert!(!tree.root().join("image.tar").exists());
}

/// A server that makes a directory beside its code, and a file in one of its sources', as Nest does
/// with a schema.
fn writes() -> Tree {
    Tree::new(&[
        (
            "package.json",
            r#"{"name": "w", "private": true, "packageManager": "pnpm@10.34.8"}"#,
        ),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "type": "module", "scripts": {"build": "mkdir -p dist && cp src/index.ts dist/index.js", "start": "node dist/index.js"}}"#,
        ),
        (
            "apps/api/src/index.ts",
            "import { mkdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
const start = async () => {
  await mkdir(join(process.cwd(), 'src'), { recursive: true });
  await writeFile(join(process.cwd(), 'src/schema.gql'), 'type Query { cat: String }');
  mkdirSync(join(process.cwd(), 'uploads'), { recursive: true });
  createServer((_, response) => response.end('written')).listen(3000);
};
start().catch((error) => { console.error(error); process.exit(1); });
",
        ),
    ])
}

/// The directories that are named one after the other, each by a refusal.
const NAMED: [(&str, &str); 2] = [("[]", "\"src\""), ("[\"src\"]", "\"uploads\"")];

#[test]
fn directories_that_an_app_writes_to_are_named_and_can_be_given() {
    let test = "directories_that_an_app_writes_to_are_named_and_can_be_given";
    one_daemon(test, |daemon| {
        let tree = writes();
        let tag = daemon.tag("writes");
        let make = |writable: &str| {
            tree.write(
                "apps/api/slimbuild.json",
                &format!("{{\"writable\": {writable}}}"),
            );
            daemon.slimbuild(tree.root(), &["apps/api", "-q", "-t", &tag.name])
        };
        for (given, named) in NAMED {
            let said = make(given).refusal(tree.root());
            assert!(said.contains(&format!("\"writable\": [{named}]")), "{said}");
        }
        make("[\"src\", \"uploads\"]").bytes();
        let container = Container::start_writable(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), "written");
    });
}

#[test]
fn natively_they_are_named_and_can_be_given_too() {
    let test = "natively_they_are_named_and_can_be_given_too";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = writes();
    let name = "slimbuild-it/writes:native";
    let make = |writable: &str| {
        tree.write(
            "apps/api/slimbuild.json",
            &format!("{{\"writable\": {writable}}}"),
        );
        native(
            tree.root(),
            &["apps/api", "-q", "-t", name, "-o", "image.tar"],
        )
    };
    for (given, named) in NAMED {
        let said = make(given).refusal(tree.root());
        assert!(said.contains(&format!("\"writable\": [{named}]")), "{said}");
    }
    make("[\"src\", \"uploads\"]").bytes();
    one_daemon(test, |daemon| {
        load(daemon, &tree.root().join("image.tar"));
        let container = Container::start_writable(daemon, name, 3000);
        assert_eq!(container.get(3000, "/"), "written");
        drop(container);
        daemon.remove(name);
    });
}
