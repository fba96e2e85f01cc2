//! Apps that a dependency's program starts.

use crate::support::container::Container;
use crate::support::daemon::each_daemon;
use crate::support::tree::Tree;

/// A workspace of one app that a dependency's program starts.
const PROGRAM: [(&str, &str); 5] = [
    (
        "package.json",
        r#"{"private": true, "packageManager": "pnpm@10.34.8"}"#,
    ),
    ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
    (
        "pnpm-lock.yaml",
        "lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .: {}

  apps/api:
    dependencies:
      srvx:
        specifier: 0.11.4
        version: 0.11.4

packages:

  srvx@0.11.4:
    resolution: {integrity: sha512-m/2p87bqWZ94xpRN06qNBwh0xq/D0dXajnvPDSHFqrTogxuTWYNP1UHz6Cf+oY7D+NPLY35TJAp4ESIKn0WArQ==}
    engines: {node: '>=20.16.0'}
    hasBin: true

snapshots:

  srvx@0.11.4: {}
",
    ),
    (
        "apps/api/package.json",
        r#"{"name": "api", "scripts": {"start": "srvx serve --prod --entry server.mjs"}, "dependencies": {"srvx": "0.11.4"}}"#,
    ),
    (
        "apps/api/server.mjs",
        "export default { fetch: () => new Response('started by a program') };\n",
    ),
];

#[test]
fn the_program_of_a_dependency_starts_without_a_shell() {
    let name = "the_program_of_a_dependency_starts_without_a_shell";
    each_daemon(name, |daemon| {
        let tag = daemon.tag("program");
        let tree = Tree::new(&PROGRAM);
        daemon
            .slimbuild(tree.root(), &["apps/api", "-q", "-t", &tag.name])
            .bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        let (head, body) = container.answer(3000, "/", "identity");
        assert!(head.contains(" 200 "), "{head}");
        assert_eq!(body, "started by a program");
        assert_eq!(container.stop(), 0, "signals reach the program");
    });
}
