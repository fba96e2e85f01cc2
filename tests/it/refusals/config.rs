//! `slimbuild.json`: what is wrong with it, to the line and column, and what is taken over from it.

use insta::assert_snapshot;

use super::refusal;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// What `slimbuild plan apps/server` says to a configuration beside the app.
fn beside(text: &str) -> String {
    refusal("apps/server", |tree| {
        tree.write("apps/server/slimbuild.json", text);
    })
}

#[test]
fn keys_that_do_not_exist() {
    assert_snapshot!(beside("{\n  // the port\n  \"prot\": 3000\n}\n"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 3, column 3: there is no key `prot`

    hint: did you mean `port`?
    "#);
    assert_snapshot!(beside("{\"healthcheck\": {\"intervall\": \"5s\"}}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 18: there is no key `healthcheck.intervall`

    hint: did you mean `interval`?
    "#);
    assert_snapshot!(beside("{\"zzzzzz\": 1}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 2: there is no key `zzzzzz`

    hint: there are: kind, node, base, buildBase, registryMirror, insecureRegistries, entry, start, port, env, healthcheck, include, exclude, publicEnvFiles, writable, wholeModules, strip, systemPackages, tasks, lifecycle, buildArgs, secrets, labels, ociLabels, registry, image, tags, budget, licenses, template
    "#);
    assert_snapshot!(beside("{\"apps\": {}}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 2: there is no key `apps`

    hint: there are: kind, node, base, buildBase, registryMirror, insecureRegistries, entry, start, port, env, healthcheck, include, exclude, publicEnvFiles, writable, wholeModules, strip, systemPackages, tasks, lifecycle, buildArgs, secrets, labels, ociLabels, registry, image, tags, budget, licenses, template
    "#);
    let root = |tree: &Tree| {
        tree.write(
            "slimbuild.json",
            "{\n  \"apps\": {\n    \"apps/sever\": {\"port\": 1}\n  }\n}\n",
        );
    };
    assert_snapshot!(refusal("apps/server", root), @r#"
    exit code 1
    error: `slimbuild.json`, line 3, column 5: there is no app `apps/sever` in this workspace

    hint: did you mean `apps/server`?
    "#);
    let nested = |tree: &Tree| {
        tree.write(
            "slimbuild.json",
            "{\"apps\": {\"@shop/worker\": {\"prot\": 1}}}",
        );
    };
    assert_snapshot!(refusal("apps/server", nested), @r#"
    exit code 1
    error: `slimbuild.json`, line 1, column 28: there is no key `apps["@shop/worker"].prot`

    hint: did you mean `port`?
    "#);
    let all = |tree: &Tree| tree.write("slimbuild.json", "{\"tags\": [\"x\"]}");
    assert_snapshot!(refusal("apps/server", all), @r#"
    exit code 1
    error: `slimbuild.json`, line 1, column 2: `tags` cannot be the same for all apps

    hint: write `{app}` in each name, or the names beside the app
    "#);
}

#[test]
fn values_that_cannot_be() {
    assert_snapshot!(beside("{\"port\": \"3000\"}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 10: `port` must be a port, from 1 to 65535, and is `"3000"`
    "#);
    assert_snapshot!(beside("{\"kind\": \"nodejs\"}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 10: `kind` must be one of "node", "next", "static-site", "server-rendering", and is `"nodejs"`
    "#);
    assert_snapshot!(beside("{\"start\": \"pnpm start\"}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 11: `start` starts `pnpm`, which is no file of the app

    hint: an image starts node alone, without a shell or a package manager: name node's arguments, as in "dist/main.js"
    "#);
    assert_snapshot!(beside("{\"start\": \"prisma migrate deploy && node dist/main.js\"}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 11: `start` is one command: no shell reads it

    hint: name what node starts; what has to run before belongs in the `build` script
    "#);
    assert_snapshot!(beside("{\"secrets\": [\"NPM_TOKEN=abc\"]}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 13: `secrets`: `NPM_TOKEN=abc` is no name of a variable

    hint: secrets are named here; their values come from the environment, or from --secret
    "#);
    assert_snapshot!(beside("{\"lifecycle\": {\"@shop/catalog#prepare\": false}}"), @r#"
    exit code 1
    error: `lifecycle["@shop/catalog#prepare"]` in apps/server/slimbuild.json: there is no lifecycle script `@shop/catalog#prepare`

    hint: no package that the app needs has any
    "#);
    assert_snapshot!(beside("{\"include\": [\"../../../x\"]}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json`, line 1, column 14: `include`: `../../../x` leads out of the workspace

    hint: globs are relative to the directory of `apps/server/slimbuild.json`
    "#);
    assert_snapshot!(beside("{\"port\": }"), @r#"
    exit code 1
    error: cannot read `apps/server/slimbuild.json`, line 1, column 10: Unexpected close brace

    hint: mend `apps/server/slimbuild.json`; slimbuild changes no file of the workspace
    "#);
    assert_snapshot!(beside("{\"node\": \"latests\"}"), @r#"
    exit code 1
    error: `apps/server/slimbuild.json` asks for node `latests`, which is no version

    hint: mend it, or choose with `--node VERSION`
    "#);
}

#[test]
fn values_that_do_not_fit_the_app() {
    assert_snapshot!(beside("{\"healthcheck\": \"/health\"}"), @r#"
    exit code 1
    error: `healthcheck` in apps/server/slimbuild.json: nothing says on which port the app listens

    hint: add `"port": 3000`
    "#);
    assert_snapshot!(beside("{\"tasks\": [\"bild\"]}"), @r#"
    exit code 1
    error: `tasks` in apps/server/slimbuild.json: apps/server/package.json has no script `bild`

    hint: name scripts of that file, as in `["build"]`
    "#);
    assert_snapshot!(beside("{\"template\": \"mine.j2\"}"), @r#"
    exit code 1
    error: `template` in apps/server/slimbuild.json names `apps/server/mine.j2`, which is not there

    hint: `slimbuild dockerfile --template > apps/server/mine.j2` writes slimbuild's own to start with; without the key, slimbuild uses it
    "#);
    assert_snapshot!(beside("{\"base\": \"gcr.io/distroless/nodejs22-debian12\", \"systemPackages\": {\"runtime\": [\"ffmpeg\"]}}"), @r#"
    exit code 1
    error: `systemPackages.runtime` in apps/server/slimbuild.json: `gcr.io/distroless/nodejs22-debian12:latest` has no package manager

    hint: name a base that has one (`slim`), or leave `base` out and slimbuild takes one
    "#);
}

#[test]
fn templates() {
    let with = |template: &str| {
        refusal("apps/server", |tree| {
            tree.write("apps/server/slimbuild.json", "{\"template\": \"image.j2\"}");
            tree.write("apps/server/image.j2", template);
        })
    };
    assert_snapshot!(with("{% extends \"Dockerfile.j2\" %}\n{% block runtim %}{% endblock %}\n"), @r#"
    exit code 1
    error: `apps/server/image.j2`, line 2: `Dockerfile.j2` has no block `runtim`

    hint: there are: head, base, deps, modules, sources, builds, runtime, runtime_base, site, runtime_env, runtime_files, proof, start, metadata
    "#);
    assert_snapshot!(with("{% extends \"Dockerfile.j2\" %}\n{% block start %}\n{{ super() }}\nLABEL node={{ plan.nod.value }}\n{% endblock %}\n"), @r#"
    exit code 1
    error: `apps/server/image.j2`, line 4: `plan.nod` is undefined

    hint: all that a template can use is in `plan`, as `slimbuild plan APP --json` prints it, and in the template that `slimbuild dockerfile --template` prints
    "#);
    assert_snapshot!(with("FROM x\n{% if %}\n"), @r#"
    exit code 1
    error: `apps/server/image.j2`, line 2: unexpected end of block
    "#);
    assert_snapshot!(with("{% extends \"Dockerfil.j2\" %}\n"), @r#"
    exit code 1
    error: `apps/server/image.j2`, line 1: template "Dockerfil.j2" does not exist

    hint: `{% extends "Dockerfile.j2" %}` is the one template that can be named
    "#);
}

#[test]
fn init_replaces_nothing() {
    let tree = Tree::shop();
    tree.write("apps/server/slimbuild.json", "{}");
    let again = slimbuild(tree.root(), &["init", "apps/server"]);
    assert_snapshot!(again.refusal(tree.root()), @r#"
    exit code 2
    error: `apps/server/slimbuild.json` is there already

    hint: `--force` replaces it
    "#);
    slimbuild(tree.root(), &["init", "apps/server", "--force"]).text();
    assert!(
        tree.read("apps/server/slimbuild.json")
            .contains("// \"kind\": \"node\",")
    );
}
