//! A builder's image that is larger than its budget.

use super::{Lab, SECRETS, app};
use crate::support::daemon::newest_daemon;
use crate::support::program::slimbuild;
use crate::support::unique;

#[test]
fn a_builder_pushes_no_tag_above_the_budget() {
    let test = "a_builder_pushes_no_tag_above_the_budget";
    let Some(lab) = Lab::new(test) else { return };
    newest_daemon(test, |_| {
        let tree = app();
        let name = format!("{}/slimbuild-it/budget-{}:1", lab.open, unique());
        let allow = |budget: &str| {
            tree.write("slimbuild.json", &format!(r#"{{ "budget": "{budget}" }}"#));
        };
        let build = |more: &[&str]| {
            let words = ["apps/api", "--no-trial", "-t", &name];
            lab.build(&tree, &[&words[..], more, &SECRETS].concat())
        };
        let is_pushed = || slimbuild(tree.root(), &["size", &format!("docker://{name}")]).code == 0;
        allow("1 MB");
        let over = build(&["--push"]);
        assert_eq!(over.code, 5, "{}", over.stderr);
        assert!(!is_pushed(), "{}", over.stderr);
        // The hint names what is there.
        let (_, rest) = over.stderr.split_once("`slimbuild size ").unwrap();
        let image = rest.split('`').next().unwrap();
        slimbuild(tree.root(), &["size", image]).bytes();
        // A file is there before it can be measured.
        let file = build(&["-o", "image.tar"]);
        assert_eq!(file.code, 5, "{}", file.stderr);
        allow("2 GB");
        for more in [
            &["--push", "--provenance=mode=min"][..],
            &["--push", "-o", "image.tar"],
        ] {
            let words = [more, &["--metadata-file", "m.json"]].concat();
            let built = build(&words);
            assert_eq!(built.code, 0, "{}", built.stderr);
            assert!(!built.stderr.contains("lost its cache"), "{}", built.stderr);
            let metadata: serde_json::Value = serde_json::from_str(&tree.read("m.json")).unwrap();
            let digest = metadata["containerimage.digest"].as_str().unwrap();
            let by_digest = format!("docker://{}@{digest}", name.rsplit_once(':').unwrap().0);
            let looked = |image: &str| {
                let text = slimbuild(tree.root(), &["size", image, "--json"]).text();
                serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].clone()
            };
            assert_eq!(looked(&by_digest), looked(&format!("docker://{name}")));
        }
    });
}
