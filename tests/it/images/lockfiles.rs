//! A workspace in which each project has its own lockfile and modules.

use crate::fixtures::fixture;
use crate::support::container::Container;
use crate::support::daemon::one_daemon;
use crate::support::tree::Tree;

use super::contents::Contents;

/// Writes the program, and generates code inside of a module that runs and of one that only builds use.
const BUILD: &str = "
const fs = require('fs');
fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/main.js', 'dist/main.js');
for (const name of ['is-odd', 'is-even']) fs.writeFileSync(`node_modules/${name}/generated.js`, 'module.exports = 7;');
";

/// Uses linked, copied and registry packages, in the versions of each project's own lockfile.
const MAIN: &str = "
const names = ['is-odd/generated.js', 'lib', 'inj', 'x2', 'x3'];
console.log(require('is-odd')(3), ...names.map((name) => require(name)));
";

fn workspace() -> Tree {
    let tree = fixture("per-project-lockfiles-with-settings");
    tree.replace(
        "apps/a/package.json",
        "\"version\": \"1.0.0\",",
        "\"version\": \"1.0.0\", \"main\": \"dist/main.js\", \"scripts\": {\"build\": \"node build.js\"},",
    );
    tree.write("apps/a/build.js", BUILD);
    tree.write("apps/a/src/main.js", MAIN);
    let version = "module.exports = require('is-number/package.json').version;\n";
    tree.write("packages/lib/index.js", version);
    let both =
        "module.exports = [require('is-number/package.json').version, require('lib')].join('+');\n";
    tree.write("packages/inj/index.js", both);
    tree.write("vendor/x/index.js", "module.exports = 'x';\n");
    tree
}

#[test]
fn an_app_boots_whose_packages_have_lockfiles_of_their_own() {
    let test = "an_app_boots_whose_packages_have_lockfiles_of_their_own";
    one_daemon(test, |daemon| {
        let tag = daemon.tag("lockfiles");
        let arguments = ["apps/a", "-q", "--node", "22", "-t", &tag.name];
        daemon.slimbuild(workspace().root(), &arguments).bytes();
        let output = Container::output(daemon, &tag.name, &["dist/main.js"]);
        assert_eq!(output, "true 7 7.0.0 6.0.0+7.0.0 x x\n");

        let contents = Contents::of(daemon, &tag.name);
        let paths: Vec<&str> = contents.paths().collect();
        let has = |part: &str| paths.iter().any(|path| path.contains(part));
        assert!(
            has("app/apps/a/node_modules/.pnpm/is-odd@3.0.1"),
            "{paths:#?}"
        );
        for part in [
            "is-even",
            "is-plain-obj",
            "pnpm-lock.yaml",
            ".modules.yaml",
            ".pnpm/lock.yaml",
        ] {
            assert!(!has(part), "{part} in {paths:#?}");
        }
    });
}
