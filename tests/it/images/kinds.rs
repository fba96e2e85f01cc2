//! Apps of other kinds than a server of one's own: a Next.js app, a static site.

use crate::support::container::Container;
use crate::support::daemon::each_daemon;
use crate::support::tree::shop;

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
        let container = Container::start(daemon, &tag.name, 8080);
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
        assert_eq!(
            daemon.image(&tag.name).config.unwrap().user.as_deref(),
            Some("101:101")
        );
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
