//! Images that lie, and words that name nothing.

use insta::assert_snapshot;

use super::layout::server;
use crate::support::program::{Outcome, slimbuild, slimbuild_with};
use crate::support::tree::Tree;

fn size(tree: &Tree, word: &str) -> Outcome {
    slimbuild(tree.root(), &["size", word])
}

#[test]
fn what_names_no_image_is_refused() {
    let tree = Tree::new(&[("server.tar", "no tar"), ("empty/oci-layout", "{}")]);
    assert_snapshot!(size(&tree, "No Image").refusal(tree.root()), @"
    exit code 2
    error: `No Image` names no image: `No Image` is not an image name: names are lower case letters and digits, parted by `/`, or by one `.`, `_`, `__` or any number of `-`

    hint: an image is `NAME:TAG`, a file such as `server.oci.tar`, or `oci:DIR`
    ");
    assert_snapshot!(size(&tree, "nowhere.tar").refusal(tree.root()), @"
    exit code 2
    error: there is no image in the file `nowhere.tar`

    hint: a file is written by `slimbuild APP --output FILE.tar` or `docker save`, and is not compressed
    ");
    assert_snapshot!(size(&tree, "oci:nowhere").refusal(tree.root()), @"
    exit code 1
    error: cannot read `oci:$ROOT/nowhere`
      caused by: failed to query resolved metadata `$ROOT/nowhere/index.json`: No such file or directory (os error 2)

    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
    assert_snapshot!(size(&tree, "server.tar").refusal(tree.root()), @"
    exit code 1
    error: cannot read `docker-archive:$ROOT/server.tar`
      caused by: failed to read entire block

    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
    assert_snapshot!(size(&tree, "empty").refusal(tree.root()), @"
    exit code 1
    error: cannot read `oci:$ROOT/empty`
      caused by: failed to query resolved metadata `$ROOT/empty/index.json`: No such file or directory (os error 2)

    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
    let image = slimbuild(tree.root(), &["size", "server:1", "--image", "server:2"]);
    assert_snapshot!(image.refusal(tree.root()), @"
    exit code 2
    error: `--image` names the image of an app, and `server:1` is none
    ");
}

#[test]
fn an_app_without_an_image_is_told() {
    let tree = Tree::shop();
    let env = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let line = ["size", "apps/server"];
    let told = slimbuild_with(tree.root(), &line, &env.into_iter().collect());
    assert_snapshot!(told.refusal(tree.root()), @"
    exit code 2
    error: there is no image of apps/server: no daemon has `server:latest`, and there is no `server.oci.tar`

    hint: build it with `slimbuild apps/server`, or name the image: `slimbuild size apps/server --image IMAGE`
    ");
    let line = ["diff", "apps/server", "apps/web", "--app", "nothing"];
    let told = slimbuild_with(tree.root(), &line, &env.into_iter().collect());
    assert_snapshot!(told.refusal(tree.root()), @"
    exit code 2
    error: `--app nothing` is no app of this workspace
    ");
}

#[test]
fn layers_that_are_not_those_of_the_configuration_are_refused() {
    let tree = Tree::new(&[]);
    let (mut image, directory) = (server(), tree.root().join("image"));
    image.layers.truncate(1);
    image.layout(&directory);
    let blobs = directory.join("blobs/sha256");
    let largest = fs_err::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let largest = largest
        .max_by_key(|path| fs_err::metadata(path).unwrap().len())
        .unwrap();
    let whole = fs_err::read(&largest).unwrap();
    // Another layer under the name of this one, half of it, and none.
    let mut other = server();
    other.layers.remove(0);
    other.layers.truncate(1);
    other.layout(&tree.root().join("other"));
    let others = fs_err::read_dir(tree.root().join("other/blobs/sha256")).unwrap();
    let others = others.map(|entry| entry.unwrap().path());
    let others = others
        .max_by_key(|path| fs_err::metadata(path).unwrap().len())
        .unwrap();
    fs_err::copy(others, &largest).unwrap();
    let told = size(&tree, "oci:image").refusal(tree.root());
    assert!(
        told.contains("does not hold what its configuration says"),
        "{told}"
    );
    fs_err::write(&largest, &whole[..whole.len() / 2]).unwrap();
    let told = size(&tree, "oci:image").refusal(tree.root());
    assert!(told.contains("is not a valid tar"), "{told}");
    fs_err::remove_file(&largest).unwrap();
    let told = size(&tree, "oci:image").refusal(tree.root());
    assert!(told.contains("cannot read `oci:"), "{told}");
}

#[test]
fn names_in_an_image_cannot_act_on_the_terminal() {
    let tree = Tree::new(&[]);
    let mut image = server();
    let evil = "app/node_modules/evil\u{1b}[2J\u{7}/index.js".to_owned();
    image.layers[1].push((evil, vec![b'x'; 1_000_000]));
    image.config["Env"] = serde_json::json!(["A=\u{1b}]0;x\u{7}"]);
    image.layout(&tree.root().join("image"));
    server().layout(&tree.root().join("old"));
    for line in [
        &["size", "oci:image"][..],
        &["size", "oci:image", "--json"],
        &["diff", "oci:old", "oci:image"],
        &["diff", "oci:old", "oci:image", "--markdown"],
        &["diff", "oci:old", "oci:image", "--json"],
    ] {
        let text = slimbuild(tree.root(), line).text();
        assert!(text.contains("evil"), "{text}");
        let acts = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.contains(acts), "{line:?}: {text:?}");
    }
}
