//! The workspaces in `examples/`: each is built and booted as its README says.

use crate::support::container::Container;
use crate::support::daemon::{Daemon, Tag, one_daemon};
use crate::support::tree::{Tree, repository};

/// A copy of an example.
fn example(name: &str) -> Tree {
    Tree::copy_of(&repository().join("examples").join(name))
}

/// The image of an app.
fn built<'d>(daemon: &'d Daemon, tree: &Tree, app: &str, more: &[&str]) -> Tag<'d> {
    let tag = daemon.tag("example");
    let arguments = [app, "--progress", "plain", "-t", &tag.name];
    let outcome = daemon.slimbuild(tree.root(), &[&arguments, more].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    // A copy begins without a warning.
    assert!(!outcome.stderr.contains("warning: "), "{}", outcome.stderr);
    tag
}

#[test]
fn nest_with_prisma_answers_from_its_database() {
    one_daemon("nest_with_prisma_answers_from_its_database", |daemon| {
        let tree = example("nest-prisma");
        // As the README says: tests reach npm, and not every server.
        let engine = "PRISMA_SCHEMA_ENGINE_BINARY=/bin/true";
        let tag = built(daemon, &tree, "apps/api", &["--build-arg", engine]);
        let container = Container::start_writable(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/health"), r#"{"status":"ok"}"#);
        let readme = tree.read("README.md");
        let expected = readme.lines().find(|line| line.starts_with("[{")).unwrap();
        assert_eq!(container.get(3000, "/products"), expected);
        assert_eq!(container.stop(), 0);
    });
}

#[test]
fn next_shows_what_its_api_answers() {
    one_daemon("next_shows_what_its_api_answers", |daemon| {
        let tree = example("next-api");
        let (api, web) = (
            built(daemon, &tree, "apps/api", &[]),
            built(daemon, &tree, "apps/web", &[]),
        );
        let api = Container::start(daemon, &api.name, 3001);
        assert_eq!(api.get(3001, "/health"), r#"{"status":"ok"}"#);
        let place = format!("API_URL=http://{}:3001", api.own_address());
        let alone = Container::start(daemon, &web.name, 3000);
        let page = alone.get(3000, "/");
        assert!(page.contains("The API does not answer."), "{page}");
        let web = Container::start_with(daemon, &web.name, 3000, &[&place]);
        let page = web.get(3000, "/");
        assert!(page.contains("coffee: 6.90 €"), "{page}");
        assert_eq!((api.stop(), web.stop()), (0, 0));
    });
}

#[test]
fn a_site_answers_and_a_worker_works() {
    one_daemon("a_site_answers_and_a_worker_works", |daemon| {
        let tree = example("site-worker");
        let site = built(daemon, &tree, "apps/site", &[]);
        let site = Container::start(daemon, &site.name, 8080);
        let page = site.get(8080, "/");
        let script = page.split("src=\"").nth(1).expect(&page);
        let (script, _) = script.split_once('"').unwrap();
        assert!(site.get(8080, script).contains("our shop"));
        let worker = built(daemon, &tree, "apps/worker", &[]);
        let worker = Container::start(daemon, &worker.name, 1);
        assert_eq!(worker.said("sold for 4.50 €"), 0);
    });
}

#[test]
fn the_list_of_apps_is_what_each_readme_builds() {
    let all = fs_err::read_dir(repository().join("examples")).unwrap();
    let mut names: Vec<String> = all
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["nest-prisma", "next-api", "site-worker"]);
    let page = crate::docs::read("docs/src/how-to/examples.md".as_ref());
    for name in names {
        assert!(page.contains(&format!("`examples/{name}`")), "{name}");
    }
}
