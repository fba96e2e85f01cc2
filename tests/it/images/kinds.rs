//! Apps of other kinds than a server of one's own: a Next.js app, a static site.

use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon};
use crate::support::tree::{Tree, shop};

#[test]
fn the_storefront_boots_read_only_and_answers() {
    each_daemon("the_storefront_boots_read_only_and_answers", |daemon| {
        let tag = daemon.tag("web");
        daemon
            .slimbuild(&shop(), &["apps/web", "-q", "-t", &tag.name])
            .bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/api/health"), r#"{"status":"ok"}"#);
        let page = container.get(3000, "/");
        let script = page
            .split('"')
            .find(|word| word.starts_with("/_next/static/") && word.ends_with(".js"));
        container.get(
            3000,
            script.unwrap_or_else(|| panic!("no script in {page}")),
        );
        assert!(container.get(3000, "/robots.txt").contains("User-agent"));
        assert_eq!(
            daemon.image(&tag.name).config.unwrap().user.as_deref(),
            Some("65532:65532")
        );
        let links = dangling(&container);
        assert!(links.is_empty(), "links that lead nowhere: {links:?}");
        assert_eq!(container.stop(), 0, "signals reach the program");
    });
}

#[test]
fn the_site_boots_read_only_and_answers() {
    each_daemon("the_site_boots_read_only_and_answers", |daemon| {
        let tag = daemon.tag("site");
        daemon
            .slimbuild(&shop(), &["apps/site", "-q", "-t", &tag.name])
            .bytes();
        assert_site(daemon, &tag.name);
    });
}

/// The shop's site in an image: it is up, not root, and browsers keep what they may.
pub(crate) fn assert_site(daemon: &Daemon, image: &str) {
    let container = Container::start(daemon, image, 8080);
    assert_eq!(container.get(8080, "/healthz"), "ok\n");
    let (head, page) = container.answer(8080, "/", "identity");
    assert!(head.contains("Cache-Control: no-cache"), "{head}");
    let script = page
        .split('"')
        .find(|word| word.starts_with("/assets/"))
        .unwrap();
    let (head, _) = container.answer(8080, script, "gzip");
    assert!(head.contains("max-age=31536000, immutable"), "{head}");
    assert!(head.contains("Content-Encoding: gzip"), "{head}");
    for gone in ["/assets/index-AAAAAAA1.js", "/no/such/page"] {
        let (head, _) = container.answer(8080, gone, "gzip");
        assert!(head.contains(" 404 "), "{gone}: {head}");
    }
    let config = daemon.image(image).config.unwrap();
    assert_eq!(config.user.as_deref(), Some("101:101"));
    assert_eq!(container.stop(), 0, "signals reach the program");
}

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

/// Links below `/app` whose target is not in the image.
fn dangling(container: &Container<'_>) -> Vec<String> {
    let files = container.files();
    let exists = |path: &str| {
        files
            .iter()
            .any(|entry| entry.path == path || entry.path.starts_with(&format!("{path}/")))
    };
    files
        .iter()
        .filter(|entry| entry.path.starts_with("app/"))
        .filter_map(|entry| Some((entry, entry.link.as_ref()?)))
        .filter(|(entry, target)| {
            let mut parts: Vec<&str> = entry.path.split('/').collect();
            parts.pop();
            for part in target.split('/') {
                match part {
                    ".." => drop(parts.pop()),
                    "." | "" => {}
                    name => parts.push(name),
                }
            }
            !exists(&parts.join("/"))
        })
        .map(|(entry, target)| format!("{} -> {target}", entry.path))
        .collect()
}
