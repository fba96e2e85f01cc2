//! Files of modules that are not needed at run time: exactly these are left out.

use std::process::Command;

use super::contents::Contents;
use crate::base::load;
use crate::native::native;
use crate::support::container::Container;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::tree::{Tree, repository, shop};

/// Runs the program on a tree, and returns the remaining files of its modules.
fn left(test: &str, files: &[(&str, &str)], more: &[&str]) -> Option<String> {
    let tree = Tree::new(files);
    let program = repository().join("templates/trim.mjs");
    let modules: &[&str] = match more {
        [first, ..] if first.starts_with("--outputs") => &[],
        _ => &["node_modules"],
    };
    let node = Command::new("node")
        .arg(program)
        .args(more)
        .args(modules)
        .current_dir(tree.root())
        .output();
    let Ok(node) = node else {
        skipped("no node", test);
        return None;
    };
    assert!(
        node.status.success(),
        "{}",
        String::from_utf8_lossy(&node.stderr)
    );
    // `Tree::files` skips `node_modules`, as git does.
    let walk = walkdir::WalkDir::new(tree.root()).sort_by_file_name();
    let files = walk.into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let files = files.map(|entry| {
        let path = entry.path().strip_prefix(tree.root()).unwrap();
        path.to_str().unwrap().replace("node_modules/", "")
    });
    Some(files.collect::<Vec<_>>().join("\n"))
}

#[test]
fn of_what_was_compiled_the_binary_stays() {
    let files = [
        ("node_modules/a/package.json", "{}"),
        ("node_modules/a/build/Release/a.node", ""),
        ("node_modules/a/build/Release/obj.target/a.node", ""),
        ("node_modules/a/build/Release/obj.target/a/src/a.o", ""),
        ("node_modules/a/build/Release/obj/gen/a.c", ""),
        ("node_modules/a/build/Release/.deps/a.d", ""),
        ("node_modules/a/lib/obj/mesh.js", ""),
    ];
    let test = "of_what_was_compiled_the_binary_stays";
    if let Some(text) = left(test, &files, &[]) {
        insta::assert_snapshot!(text, @r"
        a/build/Release/a.node
        a/lib/obj/mesh.js
        a/package.json
        ");
    }
}

#[test]
fn what_a_manifest_names_stays() {
    let files = [
        (
            "node_modules/.pnpm/a@1/node_modules/a/package.json",
            r#"{"name": "a", "main": "index.js", "types": "index.d.ts", "bin": "docs/cli.js"}"#,
        ),
        ("node_modules/.pnpm/a@1/node_modules/a/index.js", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/index.js.map", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/index.d.ts", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/README.md", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/LICENSE.md", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/prompt.md", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/test/a.js", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/docs/cli.js", ""),
        ("node_modules/.pnpm/a@1/node_modules/a/lib/test/a.js", ""),
        (
            "node_modules/@b/c/package.json",
            r#"{"name": "@b/c", "exports": {".": {"types": "./x.d.ts", "default": "./x.js"}, "./raw": "./raw.d.ts", "./maps/*": "./maps/*.map"}}"#,
        ),
        ("node_modules/@b/c/x.js", "require('./test/helper')"),
        ("node_modules/@b/c/x.d.ts", ""),
        ("node_modules/@b/c/raw.d.ts", ""),
        ("node_modules/@b/c/maps/world.js.map", ""),
        ("node_modules/@b/c/test/helper.js", ""),
        ("node_modules/@b/c/node_modules/d/package.json", "{}"),
        ("node_modules/@b/c/node_modules/d/d.d.cts", ""),
    ];
    let test = "what_a_manifest_names_stays";
    let Some(text) = left(test, &files, &[]) else {
        return;
    };
    insta::assert_snapshot!(text, @"
    .pnpm/a@1/a/LICENSE.md
    .pnpm/a@1/a/docs/cli.js
    .pnpm/a@1/a/index.js
    .pnpm/a@1/a/lib/test/a.js
    .pnpm/a@1/a/package.json
    .pnpm/a@1/a/prompt.md
    @b/c/maps/world.js.map
    @b/c/d/package.json
    @b/c/package.json
    @b/c/raw.d.ts
    @b/c/test/helper.js
    @b/c/x.js
    ");
    let text = left(test, &files, &["--keep-maps"]).unwrap_or_default();
    assert!(text.contains("index.js.map"), "{text}");
}

#[test]
fn compilers_of_queries_for_other_databases_go() {
    let files = [
        (
            "node_modules/@prisma/client/package.json",
            r#"{"name": "@prisma/client", "exports": {"./runtime/*": "./runtime/*"}}"#,
        ),
        ("node_modules/@prisma/client/runtime/client.js", ""),
        (
            "node_modules/@prisma/client/runtime/query_compiler_fast_bg.mysql.js",
            "",
        ),
        (
            "node_modules/@prisma/client/runtime/query_compiler_fast_bg.sqlite.wasm-base64.mjs",
            "",
        ),
        (
            "node_modules/@prisma/client/runtime/query_engine_bg.postgresql.wasm",
            "",
        ),
    ];
    let test = "compilers_of_queries_for_other_databases_go";
    let Some(text) = left(test, &files, &["--databases=sqlite,postgresql"]) else {
        return;
    };
    insta::assert_snapshot!(text, @"
    @prisma/client/package.json
    @prisma/client/runtime/client.js
    @prisma/client/runtime/query_compiler_fast_bg.sqlite.wasm-base64.mjs
    @prisma/client/runtime/query_engine_bg.postgresql.wasm
    ");
    let all = left(test, &files, &[]).unwrap_or_default();
    assert_eq!(all.lines().count(), 5, "{all}");
}

#[test]
fn a_compiler_among_the_modules_keeps_declarations() {
    let files = [
        (
            "node_modules/typescript/package.json",
            r#"{"name": "typescript"}"#,
        ),
        ("node_modules/typescript/lib/lib.d.ts", ""),
        ("node_modules/a/package.json", r#"{"name": "a"}"#),
        ("node_modules/a/a.d.ts", ""),
        ("node_modules/a/CHANGELOG.md", ""),
    ];
    let test = "a_compiler_among_the_modules_keeps_declarations";
    if let Some(text) = left(test, &files, &[]) {
        assert_eq!(
            text,
            "a/a.d.ts\na/package.json\ntypescript/lib/lib.d.ts\ntypescript/package.json"
        );
    }
}

/// A compiler's output for a workspace package, as a build passes it on.
#[test]
fn outputs_lose_declarations_and_maps_that_lead_nowhere() {
    let manifest = r#"{"name": "a", "main": "dist/a.js", "types": "dist/a.d.ts", "exports": {"./raw": "./dist/raw.d.ts"}}"#;
    let files = [
        ("a/package.json", manifest),
        ("out/a/dist/a.js", "//# sourceMappingURL=a.js.map"),
        ("out/a/dist/a.js.map", r#"{"sources": ["../src/a.ts"]}"#),
        ("out/a/dist/a.d.ts", ""),
        ("out/a/dist/a.d.ts.map", ""),
        ("out/a/dist/raw.d.ts", ""),
        ("out/a/dist/app.js.map", r#"{"sourcesContent": ["x"]}"#),
        ("out/b/b.d.ts", ""),
    ];
    let test = "outputs_lose_declarations_and_maps_that_lead_nowhere";
    let of_a = |files: &[(&str, &str)], more: &[&str]| {
        let arguments = [&["--outputs=out", "a"], more].concat();
        let text = left(test, files, &arguments)?;
        let kept = text.lines().filter_map(|path| path.strip_prefix("out/"));
        Some(kept.collect::<Vec<_>>().join(" "))
    };
    let Some(text) = of_a(&files, &[]) else {
        return;
    };
    insta::assert_snapshot!(text, @"a/dist/a.js a/dist/app.js.map a/dist/raw.d.ts b/b.d.ts");
    let text = of_a(&files, &["--keep-maps"]).unwrap_or_default();
    assert!(text.contains("a/dist/a.js.map"), "{text}");
    let reader = ("out/a/dist/types.js", "serve(`${dir}/a.d.ts`)");
    let text = of_a(&[&files[..], &[reader]].concat(), &[]).unwrap_or_default();
    assert!(text.contains("a/dist/a.d.ts.map"), "{text}");
}

#[test]
fn what_svelte_kit_leaves_for_its_adapter_goes() {
    let files = [
        ("web/package.json", "{}"),
        // Sources lie beside outputs where nothing is copied.
        (
            "out/web/tsconfig.json",
            r#"{"extends": "./.svelte-kit/tsconfig.json"}"#,
        ),
        ("out/web/.svelte-kit/output/server/index.js", ""),
        ("out/web/build/handler.js", ""),
        ("out/web/build/index.js", ""),
    ];
    let test = "what_svelte_kit_leaves_for_its_adapter_goes";
    let of_web = |files: &[(&str, &str)]| {
        let text = left(test, files, &["--outputs=out", "web"])?;
        let kept = text
            .lines()
            .filter_map(|path| path.strip_prefix("out/web/"));
        Some(kept.collect::<Vec<_>>().join(" "))
    };
    let Some(text) = of_web(&files) else { return };
    assert_eq!(text, "build/handler.js build/index.js tsconfig.json");
    // Without an adapter's server it is all that there is, and code may read it.
    let text = of_web(&files[..3]).unwrap_or_default();
    assert_eq!(text, ".svelte-kit/output/server/index.js tsconfig.json");
    let reader = ("out/web/build/own.js", "read('.svelte-kit/output/x')");
    let text = of_web(&[&files[..], &[reader]].concat()).unwrap_or_default();
    assert!(text.starts_with(".svelte-kit/output"), "{text}");
}

#[test]
fn names_of_packages_and_directories_may_look_like_files() {
    let tree = Tree::new(&[
        ("package.json", r#"{"name": "app", "main": "src/index.js"}"#),
        ("packages.txt", "node_modules/big.js"),
        ("src/index.js", "import 'big.js';"),
        ("src/types.d.ts", ""),
        ("node_modules/big.js/package.json", r#"{"name": "big.js"}"#),
        ("node_modules/big.js/README.md", ""),
        ("node_modules/big.js/docs/a.md", ""),
        ("node_modules/big.js/lib.mjs/index.mjs", ""),
    ]);
    for link in ["src/chart.js", "node_modules/big.js/own.js"] {
        let up = if link.starts_with("src") { "../" } else { "" };
        let to = format!("{up}node_modules/big.js/lib.mjs");
        std::os::unix::fs::symlink(to, tree.root().join(link)).unwrap();
    }
    let packages = fs_err::File::open(tree.root().join("packages.txt")).unwrap();
    let node = Command::new("node")
        .arg(repository().join("templates/trim.mjs"))
        .args(["--list", "--outputs=.", "."])
        .current_dir(tree.root())
        .stdin(packages.into_file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&node.stderr);
    assert!(node.status.success(), "{said}");
    let listed = String::from_utf8_lossy(&node.stdout).replace('\0', " ");
    let expected = "src/types.d.ts node_modules/big.js/README.md node_modules/big.js/docs/a.md";
    assert_eq!(listed, expected);
}

#[test]
fn spare_files_are_left_out_unless_they_are_wanted() {
    one_daemon(
        "spare_files_are_left_out_unless_they_are_wanted",
        |daemon| {
            let spare = |more: &[&str]| {
                let tag = daemon.tag("spare");
                let arguments = [&["apps/server", "-q", "-t", &tag.name], more].concat();
                daemon.slimbuild(&shop(), &arguments).bytes();
                let contents = Contents::of(daemon, &tag.name);
                let modules = contents.modules();
                let of = |end: &str| modules.iter().filter(|path| path.ends_with(end)).count();
                (of(".d.ts"), of("README.md"), of("LICENSE"))
            };
            let (declarations, readmes, licences) = spare(&[]);
            assert_eq!((declarations, readmes), (0, 0));
            let whole = spare(&["--whole-modules"]);
            assert!(whole.0 > 100 && whole.1 > 20, "{whole:?}");
            assert_eq!(licences, whole.2);
        },
    );
}

/// An app whose lockfile has a package's machine code for eight machines, and TypeScript as an
/// optional peer.
#[test]
fn twins_for_other_machines_and_peers_of_development_are_left_out() {
    let test = "twins_for_other_machines_and_peers_of_development_are_left_out";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    one_daemon(test, |daemon| {
        let tree = Tree::copy_of(&repository().join("testdata/twins"));
        let tag = daemon.tag("twins");
        let line = ["apps/api", "-q", "-t", &tag.name];
        let of = |more: &[&str]| {
            daemon
                .slimbuild(tree.root(), &[&line, more].concat())
                .bytes();
            let said = Container::output(daemon, &tag.name, &[]);
            assert_eq!(said, "907060870 function\n", "{more:?}");
            let contents = Contents::of(daemon, &tag.name);
            let machine_code = contents.paths().filter(|path| path.ends_with(".node"));
            let names: Vec<String> = machine_code
                .filter_map(|path| Some(path.rsplit_once('/')?.1.to_owned()))
                .collect();
            let typescript = contents.paths().any(|path| path.contains("/typescript/"));
            (names.join(" "), typescript)
        };
        let own = match std::env::consts::ARCH {
            "aarch64" => "crc32.linux-arm64-gnu.node",
            _ => "crc32.linux-x64-gnu.node",
        };
        assert_eq!(of(&[]), (own.to_owned(), false));
        let (names, typescript) = of(&["--whole-modules"]);
        assert!(names.split(' ').count() == 8 && typescript, "{names}");
        tree.write("slimbuild.json", r#"{ "wholeModules": true }"#);
        assert!(of(&[]).1);
        tree.remove("slimbuild.json");
        // Without a daemon it is the same.
        let archive = tree.root().join("image.tar");
        native(
            tree.root(),
            &["apps/api", "-q", "-t", &tag.name, "-o", "image.tar"],
        )
        .bytes();
        load(daemon, &archive);
        let contents = Contents::of(daemon, &tag.name);
        let machine_code = contents.paths().filter(|path| path.ends_with(".node"));
        assert_eq!(machine_code.count(), 1);
        assert!(!contents.paths().any(|path| path.contains("/typescript/")));
    });
}
