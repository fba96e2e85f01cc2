use super::*;
use crate::lockfile::Lockfiles;
use crate::needs::graph::Graph;
use crate::testing;

/// A workspace whose app depends on `packages/lib`.
fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
    let lockfile = "lockfileVersion: '9.0'\nimporters:\n\n  .: {}\n\n  apps/api:\n    dependencies:\n      lib:\n        \
                    specifier: workspace:*\n        version: link:../../packages/lib\n\n  packages/lib: {}\n\n  packages/spare: {}\n";
    let mut all = vec![
        ("pnpm-lock.yaml", lockfile),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "tsc"}, "dependencies": {"lib": "workspace:*"}}"#,
        ),
        ("packages/lib/package.json", r#"{"name": "lib"}"#),
        ("packages/spare/package.json", r#"{"name": "spare"}"#),
    ];
    all.extend(files);
    testing::workspace(&all)
}

fn decided(workspace: &Workspace, options: &PlanOptions) -> Result<Lifecycle, String> {
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let graph = Graph::new(workspace, &lockfiles);
    let app = testing::at(workspace, "apps/api");
    let tasks = Tasks::new(workspace, &graph, &[app]);
    let needed = tasks.needed(workspace, &graph, &[app]).members;
    decide(workspace, &needed, &tasks, options).map_err(|error| error.to_string())
}

/// What becomes of a script of the library, or of the root.
fn of(dir: &str, scripts: &str) -> String {
    let manifest = format!(r#"{{"name": "lib", "scripts": {{{scripts}}}}}"#);
    let file = if dir.is_empty() {
        "package.json".to_owned()
    } else {
        format!("{dir}/package.json")
    };
    let (_dir, workspace) = workspace(&[(&file, &manifest)]);
    let found = decided(&workspace, &PlanOptions::default()).unwrap();
    let mut words: Vec<String> = found
        .run
        .into_values()
        .flatten()
        .map(str::to_owned)
        .collect();
    words.extend(
        found
            .left_out
            .into_iter()
            .map(|script| format!("{} not: {}", script.script, script.reason)),
    );
    words.join("; ")
}

/// Scripts, and what becomes of them: all kinds that members of the corpus have, and what else is common.
const TABLE: &[(&str, &str)] = &[
    (r#""prepare": "tsc""#, "prepare"),
    (r#""postinstall": "prisma generate""#, "postinstall"),
    (r#""postinstall": "fumadocs-mdx""#, "postinstall"),
    (
        r#""postinstall": "node scripts/fetch-gtm.mjs""#,
        "postinstall",
    ),
    (r#""postinstall": "nuxt prepare""#, "postinstall"),
    (r#""postinstall": "tsx scripts/codegen""#, "postinstall"),
    (r#""postinstall": "patch-package""#, "postinstall"),
    (
        r#""postinstall": "run-p postinstall:* --print-label""#,
        "postinstall",
    ),
    (
        r#""postinstall": "pnpm generate", "generate": "prisma generate""#,
        "postinstall",
    ),
    (r#""prepare": "svelte-kit sync || echo ''""#, "prepare"),
    (
        r#""prepare": "svelte-kit sync -c vite.custom.config.js""#,
        "prepare",
    ),
    (r#""prepare": "husky && tsc""#, "prepare"),
    (
        r#""preinstall": "node ./scripts/preinstall.js""#,
        "preinstall",
    ),
    (
        r#""prepare": "c", "preinstall": "a", "postinstall": "b""#,
        "preinstall; postinstall; prepare",
    ),
    (
        r#""prepare": "pnpm build", "build": "tsc""#,
        "prepare not: `build` runs as a task",
    ),
    (
        r#""prepare": "npm run compile", "compile": "tsc""#,
        "prepare",
    ),
    (r#""prepare": """#, ""),
    (
        r#""prepare": "echo ''""#,
        "prepare not: `echo` makes nothing",
    ),
    (
        r#""prepare": "husky""#,
        "prepare not: for developers: `husky` sets up git hooks",
    ),
    (
        r#""prepare": "husky install""#,
        "prepare not: for developers: `husky` sets up git hooks",
    ),
    (
        r#""prepare": "is-ci || husky install""#,
        "prepare not: for developers: `husky` sets up git hooks",
    ),
    (
        r#""prepare": "cd ../.. && husky packages/lib/.husky""#,
        "prepare not: for developers: `husky` sets up git hooks",
    ),
    (
        r#""prepare": "if test \"$NODE_ENV\" != \"production\" && test \"$CI\" != \"true\" ; then husky install ; fi""#,
        "prepare not: for developers: `husky` sets up git hooks",
    ),
    (
        r#""prepare": "node .husky/install.mjs""#,
        "prepare not: for developers: it sets up git hooks or checks their tools",
    ),
    (
        r#""prepare": "node scripts/install-git-hooks.mjs""#,
        "prepare not: for developers: it sets up git hooks or checks their tools",
    ),
    (
        r#""prepare": "lefthook install""#,
        "prepare not: for developers: `lefthook` sets up git hooks",
    ),
    (
        r#""postinstall": "simple-git-hooks""#,
        "postinstall not: for developers: `simple-git-hooks` sets up git hooks",
    ),
    (
        r#""prepare": "git config core.hooksPath .hooks""#,
        "prepare not: for developers: `git` sets up git hooks",
    ),
    (
        r#""preinstall": "npx only-allow pnpm""#,
        "preinstall not: for developers: `only-allow` checks the tools of developers",
    ),
    (
        r#""preinstall": "npx -y only-allow@1 pnpm""#,
        "preinstall not: for developers: `only-allow` checks the tools of developers",
    ),
    (
        r#""preinstall": "pnpm dlx only-allow pnpm""#,
        "preinstall not: for developers: `only-allow` checks the tools of developers",
    ),
    (
        r#""postinstall": "playwright install --with-deps""#,
        "postinstall not: for developers: `playwright` fetches browsers for tests",
    ),
    (
        r#""postinstall": "pnpm lint:ws", "lint:ws": "pnpm dlx sherif@latest""#,
        "postinstall not: for developers: `sherif` checks sources",
    ),
    (
        r#""postinstall": "cp -n .env.example .env""#,
        "postinstall not: for developers: it copies a file of variables, and no build gets one",
    ),
];

#[test]
fn what_builds_may_need_runs_and_what_is_for_developers_does_not() {
    for &(scripts, wanted) in TABLE {
        assert_eq!(of("packages/lib", scripts), wanted, "{scripts}");
        if !wanted.contains("as a task") {
            assert_eq!(of("", scripts), wanted, "at the root: {scripts}");
        }
    }
}

#[test]
fn what_the_root_does_about_packages_is_done_elsewhere_or_runs() {
    let table = [
        (r#""postinstall": "pnpm -r run codegen""#, "postinstall"),
        (r#""postinstall": "turbo run generate""#, "postinstall"),
        (
            r#""postinstall": "pnpm --filter lib generate""#,
            "postinstall",
        ),
        (
            r#""postinstall": "prisma generate --schema ./packages/lib/schema.prisma""#,
            "postinstall",
        ),
        (
            r#""postinstall": "turbo run build""#,
            "postinstall not: it builds packages, which have steps of their own",
        ),
        (
            r#""prepare": "pnpm build", "build": "pnpm --filter lib build""#,
            "prepare not: it builds packages, which have steps of their own",
        ),
        (
            r#""prepare": "husky && pnpm turbo build --filter lib""#,
            "prepare not: for developers: `husky` sets up git hooks",
        ),
        (
            r#""postinstall": "pnpm --filter spare generate""#,
            "postinstall not: it is about packages/spare, which the app does not need",
        ),
        (
            r#""postinstall": "cd packages/spare && node sync.js""#,
            "postinstall not: it is about packages/spare, which the app does not need",
        ),
        (
            r#""postinstall": "cd packages/lib && node sync.js""#,
            "postinstall",
        ),
        (
            r#""postinstall": "node packages/spare/sync.js""#,
            "postinstall not: it is about packages/spare, which the app does not need",
        ),
        (
            r#""pnpm:devPreinstall": "node sync.js""#,
            "pnpm:devPreinstall not: it prepares an install, and that of the build has all it needs",
        ),
    ];
    for (scripts, wanted) in table {
        assert_eq!(of("", scripts), wanted, "{scripts}");
    }
}

#[test]
fn the_user_has_the_last_word() {
    let manifest = r#"{"name": "lib", "scripts": {"prepare": "husky", "postinstall": "generate"}}"#;
    let (_dir, workspace) = workspace(&[
        ("packages/lib/package.json", manifest),
        (".npmrc", "ignore-scripts=true\n"),
    ]);
    let shown = |choices: &[(&str, bool)]| {
        let lifecycle = choices
            .iter()
            .map(|(id, runs)| ((*id).to_owned(), Given::by_flag(*runs, "--test")));
        let options = PlanOptions {
            lifecycle: lifecycle.collect(),
            ..PlanOptions::default()
        };
        let found = decided(&workspace, &options)?;
        let left_out = found.left_out.into_iter();
        let left_out: Vec<String> = left_out
            .map(|script| format!("{}: {}", script.script, script.reason))
            .collect();
        Ok::<_, String>(format!(
            "{:?} {left_out:?}",
            found.run.into_values().collect::<Vec<_>>()
        ))
    };
    insta::assert_snapshot!(shown(&[]).unwrap(), @r#"[] ["postinstall: `ignore-scripts` in .npmrc", "prepare: `ignore-scripts` in .npmrc"]"#);
    insta::assert_snapshot!(shown(&[("*", true)]).unwrap(), @r#"[["postinstall", "prepare"]] []"#);
    insta::assert_snapshot!(shown(&[("*", false), ("lib#postinstall", true)]).unwrap(), @r#"[["postinstall"]] ["prepare: named by --test"]"#);
    insta::assert_snapshot!(shown(&[("packages/lib#prepare", true)]).unwrap(), @r#"[["prepare"]] ["postinstall: `ignore-scripts` in .npmrc"]"#);
    insta::assert_snapshot!(shown(&[("lib#prepar", true)]).unwrap_err(), @"--test: there is no lifecycle script `lib#prepar`");
}
