//! Text from strangers: names, versions, scripts, directories. It must mean only itself, or be
//! refused with one sentence.

use crate::support::container::Container;
use crate::support::daemon::one_daemon;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// A workspace of one app in this directory.
fn workspace(root: &str, dir: &str, app: &str) -> Tree {
    let key = serde_json::Value::from(format!("apps/{dir}")).to_string();
    let lockfile = format!("lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  {key}: {{}}\n");
    Tree::new(&[
        ("package.json", root),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("pnpm-lock.yaml", &lockfile),
        (&format!("apps/{dir}/package.json"), app),
        (
            &format!("apps/{dir}/main.js"),
            "console.log(process.cwd())\n",
        ),
    ])
}

const ROOT: &str = r#"{"name": "root", "private": true, "packageManager": "pnpm@10.34.8"}"#;

#[test]
fn no_line_break_of_a_manifest_becomes_an_instruction() {
    for (root, app) in [
        (
            ROOT,
            r#"{"name": "a\nRUN echo INJECTED\n#", "scripts": {"start": "node main.js"}}"#,
        ),
        (
            ROOT,
            r#"{"name": "a", "engines": {"node": ">=20\nRUN echo INJECTED\n#"}, "scripts": {"start": "node main.js"}}"#,
        ),
        (
            ROOT,
            r#"{"name": "a", "scripts": {"start": "A='x\nRUN echo INJECTED\n#' node main.js"}}"#,
        ),
        (
            r#"{"name": "root", "packageManager": "pnpm@10.34.8\nRUN echo INJECTED\n#"}"#,
            r#"{"name": "a", "scripts": {"start": "node main.js"}}"#,
        ),
        (
            ROOT,
            r#"{"name": "\u001b[31ma\u001b]0;owned\u0007", "scripts": {"start": "node main.js \u001b[2J"}}"#,
        ),
    ] {
        let tree = workspace(root, "a", app);
        for verb in ["dockerfile", "plan"] {
            let outcome = slimbuild(tree.root(), &[verb, "apps/a"]);
            let text = String::from_utf8(outcome.stdout).unwrap();
            for text in [&text, &outcome.stderr] {
                let mut lines = text.lines();
                let injected = lines.any(|line| line.starts_with("RUN echo INJECTED"));
                assert!(!injected, "{text}");
                assert!(!text.contains('\u{1b}'), "{text}");
            }
        }
        let all = slimbuild(tree.root(), &["ls"]);
        let text = String::from_utf8(all.stdout).unwrap() + &all.stderr;
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn an_environment_that_no_dockerfile_can_express_is_refused() {
    let tree = workspace(
        ROOT,
        "a",
        r#"{"name": "a", "scripts": {"start": "node main.js"}}"#,
    );
    tree.write("apps/a/slimbuild.json", r#"{"env": {"KEY": "one\ntwo"}}"#);
    let told = slimbuild(tree.root(), &["dockerfile", "apps/a"]).refusal(tree.root());
    let sentence =
        r#"`env.KEY` must be a text, a number or a truth value, in one line, and is `"one\ntwo"`"#;
    assert!(told.contains(sentence), "{told}");
}

#[test]
fn a_message_tells_a_ci_system_nothing() {
    let tree = workspace(
        ROOT,
        "a",
        r#"{"name": "a", "scripts": {"start": "node main.js"}}"#,
    );
    let outcome = slimbuild(
        tree.root(),
        &["plan", "a\n::set-output name=a::b ##[error]"],
    );
    assert!(
        !outcome.stderr.lines().any(|line| line.starts_with("::")),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains("##["), "{}", outcome.stderr);
}

#[test]
fn directories_with_any_name_are_built() {
    one_daemon("directories_with_any_name_are_built", |daemon| {
        let app = r#"{"name": "app", "scripts": {"build": "node -e \"require('fs').cpSync('main.js', 'dist/main.js')\"", "start": "node dist/main.js"}}"#;
        for dir in ["a\"b", "a'b c", "$HOME", "[a]", "-rf", "#x", "ä ö", "a*b?"] {
            let tree = workspace(ROOT, dir, app);
            let tag = daemon.tag("hostile");
            let named = format!("apps/{dir}");
            daemon
                .slimbuild(tree.root(), &[&named, "-q", "-t", &tag.name])
                .bytes();
            let said = Container::output(daemon, &tag.name, &["dist/main.js"]);
            assert_eq!(said.trim(), format!("/app/apps/{dir}"));
        }
    });
}
