//! `slimbuild promote`: more tags for what a registry has.

use std::fmt::Write as _;

use super::Scene;
use crate::many::without_docker;
use crate::support::program::{Outcome, slimbuild_with};

impl Scene {
    fn promote(&self, words: &str) -> Outcome {
        let words: Vec<&str> = ["promote"].into_iter().chain(words.split(' ')).collect();
        slimbuild_with(self.tree.root(), &words, &without_docker())
    }

    /// The digest under a name of the registry.
    fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.direct);
        let types = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let output = std::process::Command::new("curl")
            .args(["-sfI", "-H", types, &url])
            .output()
            .unwrap();
        let head = String::from_utf8(output.stdout).unwrap();
        let line = head.lines().find_map(|line| {
            let line = line.to_lowercase();
            line.strip_prefix("docker-content-digest: ")
                .map(str::to_owned)
        });
        line.filter(|_| output.status.success())
    }
}

#[test]
fn images_get_more_tags_where_they_are() {
    let Some(scene) = Scene::new(&["a", "b"], "images_get_more_tags_where_they_are") else {
        return;
    };
    let (_, document, _) = scene.states(&["--all", "--no-verify", "-t", "{image}:main"]);
    let digest = |app: &str| {
        let digest = &document[format!("apps/{app}")]["containerimage.digest"];
        digest.as_str().unwrap().to_owned()
    };
    let of = |app: &str| format!("{}/{app}", scene.path);
    let line = |app: &str| format!("{}/{app}@{}\n", scene.home(), digest(app));

    // One, under two tags; all; from an earlier digest.
    let outcome = scene.promote("apps/a --from main --to 1.2 --to latest");
    assert_eq!(outcome.text(), line("a"));
    for tag in ["1.2", "latest"] {
        assert_eq!(scene.digest(&of("a"), tag), Some(digest("a")));
    }
    let outcome = scene.promote("--all --from main --to production");
    assert_eq!(outcome.text(), line("a") + &line("b"));
    assert_eq!(scene.digest(&of("b"), "production"), Some(digest("b")));
    let outcome = scene.promote(&format!("apps/b --from {} --to rollback", digest("b")));
    assert_eq!(outcome.text(), line("b"));

    // To another repository of the registry, which takes the layers over.
    let outcome = scene.promote(&format!(
        "--all --from main --to {}/live/{{app}}:1",
        scene.home()
    ));
    let live = |app: &str| format!("{}/live/{app}@{}\n", scene.home(), digest(app));
    assert_eq!(outcome.text(), live("a") + &live("b"));
    assert_eq!(
        scene.digest(&format!("{}/live/b", scene.path), "1"),
        Some(digest("b"))
    );

    // An index, with the images in it.
    let index = format!("{}/a:index", scene.home());
    let words = ["index", "-q", &index, &format!("{}/a:main", scene.home())];
    let joined = slimbuild_with(scene.tree.root(), &words, &without_docker()).text();
    let joined = joined.trim_end().rsplit('@').next().unwrap().to_owned();
    let outcome = scene.promote(&format!(
        "apps/a --from index --to index-2 --to {}/many/a:1",
        scene.home()
    ));
    let expected = format!("{0}/a@{joined}\n{0}/many/a@{joined}\n", scene.home());
    assert_eq!(outcome.text(), expected);
    assert_eq!(
        scene.digest(&format!("{}/many/a", scene.path), "1"),
        Some(joined)
    );
}

#[test]
fn nothing_is_promoted_if_a_source_is_missing() {
    let test = "nothing_is_promoted_if_a_source_is_missing";
    let Some(scene) = Scene::new(&["a", "b", "c"], test) else {
        return;
    };
    scene.states(&["apps/b*", "--no-verify", "-t", "{image}:main"]);
    let outcome = scene.promote("--all --from main --to production");
    let refusal = outcome.refusal(scene.tree.root());
    let refusal = refusal.replace(&scene.home(), "HOME");
    insta::assert_snapshot!(refusal, @"
    exit code 4
    error: there is no `HOME/a:main`, `HOME/c:main` in its registry

    hint: look at the name and its tag
    ");
    assert_eq!(
        scene.digest(&format!("{}/b", scene.path), "production"),
        None
    );
}

#[test]
fn what_cannot_be_promoted_is_refused() {
    let tree = crate::support::tree::Tree::shop();
    let digest = format!("sha256:{}", "0a".repeat(32));
    let mut text = String::new();
    for line in [
        "promote apps/server --from main --to production",
        "promote apps/server --to production",
        "promote apps/server --from main --to a/b/c:1 --image other.example.com/{app}",
        "promote --all --from DIGEST --to production --image shop.example.com/{app}",
        "promote --all --from main --to production --image shop.example.com/server",
        "promote apps/server --from main --to DIGEST --image shop.example.com/{app}",
        "promote apps/server --from main --to {hash} --image shop.example.com/{app}",
        "promote apps/server --from main --to not/a:tag:x --image shop.example.com/{app}",
        "promote apps/server --from main --to {nope} --image shop.example.com/{app}",
        "promote apps/serve --from main --to x --image shop.example.com/{app}",
    ] {
        let line = line.replace("DIGEST", &digest);
        let words: Vec<&str> = line.split(' ').collect();
        let outcome = slimbuild_with(tree.root(), &words, &without_docker());
        let refusal = outcome.refusal(tree.root());
        let _ = write!(text, "$ slimbuild {line}\n{refusal}\n");
    }
    crate::support::golden::assert_golden("unchanged/promote-refused.txt", &text);
}
