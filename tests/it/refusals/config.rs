//! `slimbuild.json`: what is wrong with it, to the line and column, and what is taken over from it.

use insta::assert_snapshot;

use super::refusal;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// What `slimbuild plan apps/server` says to a configuration beside the app.
fn beside(text: &str) -> String {
    refusal("apps/server", |tree| {
        tree.write("apps/server/slimbuild.json", text)
    })
}

#[test]
fn keys_that_do_not_exist() {
    assert_snapshot!(beside("{\n  // the port\n  \"prot\": 3000\n}\n"), @"");
    assert_snapshot!(beside("{\"healthcheck\": {\"intervall\": \"5s\"}}"), @"");
    assert_snapshot!(beside("{\"zzzzzz\": 1}"), @"");
    assert_snapshot!(beside("{\"apps\": {}}"), @"");
    let root = |tree: &Tree| {
        tree.write(
            "slimbuild.json",
            "{\n  \"apps\": {\n    \"apps/sever\": {\"port\": 1}\n  }\n}\n",
        )
    };
    assert_snapshot!(refusal("apps/server", root), @"");
    let nested = |tree: &Tree| {
        tree.write(
            "slimbuild.json",
            "{\"apps\": {\"@shop/worker\": {\"prot\": 1}}}",
        )
    };
    assert_snapshot!(refusal("apps/server", nested), @"");
    let all = |tree: &Tree| tree.write("slimbuild.json", "{\"tags\": [\"x\"]}");
    assert_snapshot!(refusal("apps/server", all), @"");
}

#[test]
fn values_that_cannot_be() {
    assert_snapshot!(beside("{\"port\": \"3000\"}"), @"");
    assert_snapshot!(beside("{\"kind\": \"nodejs\"}"), @"");
    assert_snapshot!(beside("{\"start\": \"pnpm start\"}"), @"");
    assert_snapshot!(beside("{\"start\": \"prisma migrate deploy && node dist/main.js\"}"), @"");
    assert_snapshot!(beside("{\"secrets\": [\"NPM_TOKEN\"]}"), @"");
    assert_snapshot!(beside("{\"include\": [\"../../../x\"]}"), @"");
    assert_snapshot!(beside("{\"port\": }"), @"");
    assert_snapshot!(beside("{\"node\": \"latests\"}"), @"");
}

#[test]
fn values_that_do_not_fit_the_app() {
    assert_snapshot!(beside("{\"healthcheck\": \"/health\"}"), @"");
    assert_snapshot!(beside("{\"tasks\": [\"bild\"]}"), @"");
    assert_snapshot!(beside("{\"template\": \"mine.j2\"}"), @"");
    assert_snapshot!(beside("{\"base\": \"gcr.io/distroless/nodejs22-debian12\", \"systemPackages\": {\"runtime\": [\"ffmpeg\"]}}"), @"");
}

#[test]
fn templates() {
    let with = |template: &str| {
        refusal("apps/server", |tree| {
            tree.write("apps/server/slimbuild.json", "{\"template\": \"image.j2\"}");
            tree.write("apps/server/image.j2", template);
        })
    };
    assert_snapshot!(with("{% extends \"Dockerfile.j2\" %}\n{% block runtim %}{% endblock %}\n"), @"");
    assert_snapshot!(with("{% extends \"Dockerfile.j2\" %}\n{% block start %}\n{{ super() }}\nLABEL node={{ plan.nod.value }}\n{% endblock %}\n"), @"");
    assert_snapshot!(with("FROM x\n{% if %}\n"), @"");
    assert_snapshot!(with("{% extends \"Dockerfil.j2\" %}\n"), @"");
}

#[test]
fn init_replaces_nothing() {
    let tree = Tree::shop();
    tree.write("apps/server/slimbuild.json", "{}");
    let again = slimbuild(tree.root(), &["init", "apps/server"]);
    assert_snapshot!(again.refusal(tree.root()), @"");
    slimbuild(tree.root(), &["init", "apps/server", "--force"]).text();
    assert!(
        tree.read("apps/server/slimbuild.json")
            .contains("// \"kind\": \"node\",")
    );
}
