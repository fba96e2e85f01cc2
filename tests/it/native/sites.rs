//! Static sites that are made without a daemon: nginx comes from Debian's packages, and what a browser gets is what it gets of Docker's image.

use std::process::Command;

use serde_json::Value;
use slimbuild::internals::Scope;

use super::native;
use crate::base::load;
use crate::engines::assert_site;
use crate::images::contents::Contents;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, skipped};
use crate::support::pnpm::{Pnpm, home, reachable};
use crate::support::tree::Tree;
use crate::support::unique;

/// What is told of an image of the shop's site that is given to a daemon.
fn loaded(tree: &Tree, daemon: &Daemon, name: &str) -> Value {
    let arguments = [
        "apps/site",
        "--prebuilt",
        "-q",
        "--load",
        "--host",
        &daemon.address,
        "-t",
        name,
        "--metadata-file",
        "m.json",
    ];
    let printed = native(tree.root(), &arguments).text();
    assert_eq!(printed, format!("{name}\n"));
    serde_json::from_str(&tree.read("m.json")).unwrap()
}

/// What is served, and by what configuration.
fn served(contents: &Contents) -> Vec<&str> {
    contents
        .paths()
        .filter(|path| path.starts_with("app/"))
        .collect()
}

#[test]
fn a_site_is_served_as_by_docker_s_image() {
    let test = "a_site_is_served_as_by_docker_s_image";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = Tree::shop();
    let arguments = ["apps/site", "-q", "-o", "docker=site.tar", "-t", "site:it"];
    assert_eq!(native(tree.root(), &arguments).text(), "site.tar\n");
    read_by_other_tools(&tree, test);

    let pnpm = Pnpm::new("22", "10.34.8").unwrap();
    let store = home().join("store");
    pnpm.install(tree.root(), Scope::Build, &store).unwrap();
    pnpm.run(tree.root(), &["--filter=@shop/site...", "run", "build"]);
    each_daemon(test, |daemon| {
        let tag = daemon.tag("native-site");
        let first = loaded(&tree, daemon, &tag.name);
        assert_site(daemon, &tag.name);
        let container = Container::start(daemon, &tag.name, 8080);
        let (head, _) = container.answer(8080, "/", "identity");
        // All files have one time, which tells no version of a page from another.
        assert!(
            !head.contains("ETag:") && !head.contains("Last-Modified:"),
            "{head}"
        );
        drop(container);
        let id = daemon.image(&tag.name).id.unwrap();
        assert_eq!(first["containerimage.config.digest"], id);
        // Again, nothing is sent but what says that it is there.
        let again = loaded(&tree, daemon, &tag.name);
        assert_eq!(again["slimbuild.loaded"]["layers"], 0);

        // Built here, in an archive that knows no OCI.
        load(daemon, &tree.root().join("site.tar"));
        let taken = Contents::of(daemon, &tag.name);
        let built = Contents::of(daemon, "site:it");
        assert_eq!(served(&built), served(&taken));
        assert_eq!(daemon.image("site:it").id.unwrap(), id);
        daemon.remove("site:it");

        let docker = daemon.tag("docker-site");
        daemon
            .slimbuild(tree.root(), &["apps/site", "-q", "-t", &docker.name])
            .bytes();
        let docker = Contents::of(daemon, &docker.name);
        assert_eq!(served(&docker), served(&taken));

        // A line of the site changes: one layer is sent.
        let line = format!("<!-- {} -->", unique());
        tree.append("apps/site/dist/index.html", &line);
        let changed = loaded(&tree, daemon, &tag.name);
        assert_eq!(changed["slimbuild.loaded"]["layers"], 1);
        tree.replace("apps/site/dist/index.html", &line, "");
        daemon.remove(&id);
    });
}

fn read_by_other_tools(tree: &Tree, test: &str) {
    let inspected = Command::new("skopeo")
        .args(["inspect", "--config", "docker-archive:site.tar"])
        .current_dir(tree.root())
        .output();
    let Ok(inspected) = inspected else {
        return skipped("no skopeo", test);
    };
    let words = String::from_utf8_lossy(&inspected.stderr);
    assert!(inspected.status.success(), "{words}");
    let config: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(config["config"]["User"], "101:101");
    assert_eq!(config["config"]["StopSignal"], "SIGQUIT");
}

#[test]
fn a_page_that_loads_what_is_not_there_is_found() {
    let test = "a_page_that_loads_what_is_not_there_is_found";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = Tree::shop();
    let page = r#"<script type="module" src="/assets/main-1234567A.js"></script>"#;
    tree.write("apps/site/dist/index.html", page);
    let outcome = native(tree.root(), &["apps/site", "-q", "--prebuilt"]);
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("`/assets/main-1234567A.js`"),
        "{}",
        outcome.stderr
    );
    assert!(!tree.root().join("site.oci.tar").exists());
}
