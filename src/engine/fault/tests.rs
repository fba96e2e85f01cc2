//! Logs of real tools, as both engines gave them, and what is said of each.

use super::*;
use crate::model::path::RepoPath;
use crate::plan::Declared;

fn step(name: &str, script: &str, because: Reason, args: &[&str]) -> BuildStep {
    BuildStep {
        dir: RepoPath::new(&format!("apps/{name}")).unwrap(),
        name: format!("@f/{name}"),
        stage: format!("build-apps-{name}"),
        gathers: Vec::new(),
        tasks: vec![TaskPlan {
            script: script.to_owned(),
            because,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            secrets: Vec::new(),
            declared: Declared::Turbo,
        }],
        env: std::collections::BTreeMap::new(),
        sources: Vec::new(),
        copies: Vec::new(),
        needs: Vec::new(),
        continues: Vec::new(),
        copied: None,
        writes: None,
        in_image: false,
    }
}

/// The error of a `build` that declares these variables.
fn message(name: &str, code: i64, log: &str, args: &[&str]) -> String {
    let step = step(name, "build", Reason::App, args);
    let failed = Failed::Task(&step, &step.tasks[0]);
    let fault = BuildFault::of(&failed, code, log);
    let hint = fault.hint().unwrap_or_default();
    assert!(!fault.to_string().contains("written "), "{fault}");
    format!("{fault}\n{hint}")
}

/// The faults that people meet most, and what they read.
const COMMON_FAULTS: [(&str, i64, &str, &str); 11] = [
    (
        "type",
        2,
        include_str!("testdata/type.log"),
        "the task `build` of @f/type failed with exit code 2; its log is above\nThe compiler refuses the code: `pnpm --dir=apps/type run build` shows the same in a fresh clone. Where it does not, a file or type that it needs is not in the build's context.",
    ),
    (
        "variable",
        1,
        include_str!("testdata/variable.log"),
        "the task `build` of @f/variable failed with exit code 1; its log is above\nThe task `build` gets no such variable: add `AUTH_SECRET`, `DATABASE_URL` to the task's `env` in turbo.json, and give it with `--build-arg AUTH_SECRET=…` `--build-arg DATABASE_URL=…`, or `--secret id=NAME` for a secret.",
    ),
    (
        "test",
        1,
        include_str!("testdata/test.log"),
        "the task `build` of @f/test failed with exit code 1; its log is above\nTests fail in the script `build`: mend them, or leave tests to CI and take them out of the build script.",
    ),
    (
        "heap",
        134,
        include_str!("testdata/heap.log"),
        "the task `build` of @f/heap failed with exit code 134; its log is above\nnode's heap was too small: give it more with `NODE_OPTIONS=--max-old-space-size=4096` in the build script, or as `--build-arg` where the task declares `NODE_OPTIONS`.",
    ),
    (
        "killed",
        137,
        include_str!("testdata/killed.log"),
        "the task `build` of @f/killed failed with exit code 137; its log is above\nThe step ran out of memory: give the builder more (in Docker Desktop: Settings, Resources), or let the build run fewer processes at once.",
    ),
    (
        "module",
        1,
        include_str!("testdata/module.log"),
        "the task `build` of @f/module failed with exit code 1; its log is above\n`left-pad` is not installed for @f/module: declare it there in `dependencies` or `devDependencies`. On your machine it may be there for another package of the workspace.",
    ),
    (
        "node",
        1,
        include_str!("testdata/node.log"),
        "the task `build` of @f/node failed with exit code 1; its log is above\nThis node is the wrong one for a tool of the build: name the version in `.nvmrc`, in `engines.node`, or with `--node VERSION`.",
    ),
    (
        "git",
        1,
        include_str!("testdata/git.log"),
        "the task `build` of @f/git failed with exit code 1; its log is above\nThe build asks git, and a build has no history (in Docker no git either): hand the answer over, as `--build-arg COMMIT_SHA=$(git rev-parse HEAD)`, add `COMMIT_SHA` to the task's `env` in turbo.json, and read it before asking git.",
    ),
    (
        "network",
        1,
        include_str!("testdata/network.log"),
        "the task `build` of @f/network failed with exit code 1; its log is above\nThe build cannot reach fonts.googleapis.invalid: check the network and the proxy of where it runs, or fetch what it wants beforehand and commit it.",
    ),
    (
        "prisma",
        1,
        include_str!("testdata/prisma.log"),
        "the task `build` of @f/prisma failed with exit code 1; its log is above\n`env(\"…\")` in prisma.config wants the variable though `prisma generate` does not need it. Write `process.env.NAME ?? \"\"` there, or give the build a value. The task `build` gets no such variable: add `DATABASE_URL` to the task's `env` in turbo.json, and give it with `--build-arg DATABASE_URL=…`, or `--secret id=NAME` for a secret.",
    ),
    (
        "disk",
        1,
        include_str!("testdata/disk.log"),
        "the task `build` of @f/disk failed with exit code 1; its log is above\nThe disk is full: free space where the build runs (`docker builder prune`, or `slimbuild cache prune` for the native engine).",
    ),
];

/// The task itself did not fail: the image has nothing to start.
#[test]
fn a_build_that_writes_nothing() {
    let mut step = step("quiet", "build", Reason::App, &[]);
    step.writes = Some("apps/quiet/dist/index.js".to_owned());
    let fault = BuildFault::of(
        &Failed::Task(&step, &step.tasks[0]),
        1,
        "> tsc\n\nslimbuild: the image starts apps/quiet/dist/index.js, which the build did not write (--entry names another); it wrote:\nno JavaScript",
    );
    assert_eq!(
        fault.to_string(),
        "the task `build` of @f/quiet ended well, but did not write `apps/quiet/dist/index.js`; its log is above"
    );
    assert!(fault.hint().unwrap().contains("`noEmit`"));
}

#[test]
fn what_an_install_lacks() {
    let hint = |log: &str| {
        let fault = BuildFault::of(&Failed::Install, 1, log);
        fault.hint().unwrap_or_default()
    };
    let newer = " WARN  Your pnpm-lock.yaml was generated by a newer version of pnpm. It is a compatible version but it might get downgraded to version 6.0\n ERR_PNPM_LOCKFILE_MISSING_DEPENDENCY  Broken lockfile: no entry for '/a/1.0.0' in pnpm-lock.yaml\n\nThis issue is probably caused by a badly resolved merge conflict.";
    assert!(hint(newer).contains("`packageManager`"), "{}", hint(newer));
    let gone = "[ERR_PNPM_FETCH_404] GET https://registry.npmjs.org/a/-/a-1.0.0.tgz: Not Found - 404\n\nNo authorization header was set for the request.";
    assert!(
        hint(gone).contains("`--secret id=npmrc,src=FILE`"),
        "{}",
        hint(gone)
    );
    let merge = " ERR_PNPM_LOCKFILE_MISSING_DEPENDENCY  Broken lockfile: no entry for '/a/1.0.0' in pnpm-lock.yaml";
    assert_eq!(hint(merge), "");
}

/// The same where the task declares the variables.
const DECLARED: &str = "the task `build` of @f/variable failed with exit code 1; its log is above\nGive the build the variable with `--build-arg AUTH_SECRET=…` `--build-arg DATABASE_URL=…`, or `--secret id=NAME` for a secret.";

#[test]
fn ten_faults_that_people_meet() {
    for (name, code, log, expected) in COMMON_FAULTS {
        assert_eq!(message(name, code, log, &[]), expected);
    }
    let in_docker = include_str!("testdata/git-in-docker.log");
    let natively = include_str!("testdata/git.log");
    assert_eq!(
        message("git", 1, in_docker, &[]),
        message("git", 1, natively, &[])
    );
    let log = include_str!("testdata/variable.log");
    let declared = ["AUTH_SECRET", "DATABASE_URL"];
    assert_eq!(message("variable", 1, log, &declared), DECLARED);
}

/// A file that the workspace does not have is not named as if it were there.
#[test]
fn hints_name_a_turbo_json_only_where_it_helps() {
    let said = |declared, log: &str| {
        let mut step = step("a", "build", Reason::App, &[]);
        step.tasks[0].declared = declared;
        let failed = Failed::Task(&step, &step.tasks[0]);
        hint(&failed, 1, &Log::new(log)).unwrap()
    };
    let (variable, git) = ("Error: API_URL is not set", "sh: 1: git: not found");
    assert_eq!(
        said(Declared::Nowhere, variable),
        "Give the build the variable with `--build-arg API_URL=…`, or `--secret id=NAME` for a secret."
    );
    let root = r#"declare `API_URL` in a turbo.json at the workspace's root, as `{"tasks": {"build": {"env": ["API_URL"]}}}`"#;
    assert!(said(Declared::Missing, variable).contains(root));
    let given = "`--build-arg COMMIT_SHA=$(git rev-parse HEAD)`, and read it before asking git.";
    assert!(said(Declared::Nowhere, git).ends_with(given));
}

#[test]
fn scripts_of_an_install_may_be_for_developers_alone() {
    let step = step("a", "postinstall", Reason::Lifecycle, &[]);
    let failed = Failed::Task(&step, &step.tasks[0]);
    let fault = BuildFault::of(&failed, 127, "sh: 1: husky: not found");
    let hint = fault.hint().unwrap();
    assert!(hint.contains("`husky` is not there"), "{hint}");
    assert!(
        hint.ends_with("write `\"lifecycle\": {\"@f/a#postinstall\": false}` into slimbuild.json."),
        "{hint}"
    );
}

#[test]
fn what_failed_without_a_task() {
    for (failed, log) in [
        (Failed::Install, " ERR_PNPM_OUTDATED_LOCKFILE"),
        (
            Failed::Other("apt-get install nope".to_owned()),
            "E: Unable to locate package nope",
        ),
    ] {
        assert_eq!(hint(&failed, 1, &Log::new(log)), None);
    }
    let install = BuildFault::of(&Failed::Install, 1, "");
    assert_eq!(
        install.to_string(),
        "`pnpm install` failed with exit code 1; its log is above"
    );
}

/// Other tools say the same in other words.
#[test]
fn spellings() {
    let step = step("a", "build", Reason::App, &[]);
    let failed = Failed::Task(&step, &step.tasks[0]);
    for (log, part) in [
        (
            "src/lib/a.ts (3:9): \"DIRECTUS_API_URL\" is not exported by \"virtual:env/static/private\", imported by \"src/lib/a.ts\".",
            "`--build-arg DIRECTUS_API_URL=…`",
        ),
        (
            "prisma/seed.ts:20:10 - error TS2305: Module '\"@prisma/client\"' has no exported member 'PrismaClient'.",
            "of the package that has the schema with `prisma generate && `",
        ),
        (
            "src/stock.ts(30,25): error TS2694: Namespace '\"/app/node_modules/.pnpm/@prisma+client@5.22.0_prisma@5.22.0/node_modules/.prisma/client/default\".Prisma' has no exported member 'StockMovementWhereInput'.",
            "generated the Prisma client",
        ),
        (
            "src/db.ts(1,30): error TS2307: Cannot find module '../generated/prisma/client' or its corresponding type declarations.",
            "generated the Prisma client",
        ),
        (
            "Module not found: Can't resolve '@acme/ui/button'",
            "`@acme/ui` is not installed",
        ),
        (
            "[vite]: Rollup failed to resolve import \"dayjs\" from \"/app/x.ts\"",
            "`dayjs` is not installed",
        ),
        (
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /app/x.mjs",
            "`zod` is not installed",
        ),
        (
            "x.ts(1,1): error TS2307: Cannot find module './gen/api' or its corresponding type declarations.",
            "`./gen/api` is not where the build looks for it",
        ),
        (
            "Error: Cannot find module '/app/scripts/build.mjs'",
            "`/app/scripts/build.mjs` is not where",
        ),
        (
            "src/a.ts(3,5): error TS7006: Parameter 'x' implicitly has an 'any' type.",
            "The compiler refuses",
        ),
        (
            "./app/page.tsx:3:9\nType error: Type 'number' is not assignable",
            "The compiler refuses",
        ),
        (
            "error during build:\nError: NEXT_PUBLIC_API_URL is not set",
            "`NEXT_PUBLIC_API_URL`",
        ),
        (
            "Error: Missing required environment variables:\n  - STRIPE_KEY\n  - MAIL_FROM",
            "`MAIL_FROM`, `STRIPE_KEY`",
        ),
        ("[vitepress] spawn git ENOENT", "The build asks git"),
        ("/bin/sh: 1: git: not found", "The build asks git"),
        ("/bin/sh: git: command not found", "The build asks git"),
        (
            "Error: request to https://binaries.prisma.sh/x failed, reason: getaddrinfo ENOTFOUND binaries.prisma.sh",
            "PRISMA_ENGINES_MIRROR",
        ),
        (
            "Error: P1001\nconnect ECONNREFUSED 127.0.0.1:5432",
            "did not get an answer",
        ),
        (
            "Tests:       1 failed, 3 passed, 4 total",
            "Tests fail in the script `build`",
        ),
        (
            "# tests 2\n# pass 1\n# fail 1\nnot ok 1 - adds",
            "Tests fail in the script `build`",
        ),
        (
            " ERR_PNPM_UNSUPPORTED_ENGINE  Unsupported environment (bad pnpm and/or Node.js version)",
            "wrong one for a tool",
        ),
        (
            "Node.js v18.12.0 is not supported by Astro!\nPlease upgrade Node.js to a supported version",
            "wrong one for a tool",
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "The disk is full",
        ),
        ("sh: protoc: command not found", "`protoc` is not there"),
    ] {
        let hint = hint(&failed, 1, &Log::new(log)).unwrap_or_default();
        assert!(hint.contains(part), "{log}\n→ {hint}");
    }
    // What is no fault of these kinds gets no guess.
    for log in [
        "",
        "Error: boom",
        "# tests 2\n# fail 0\nError: boom",
        "ELIFECYCLE Command failed with exit code 1.",
    ] {
        assert_eq!(hint(&failed, 1, &Log::new(log)), None, "{log}");
    }
}

proptest::proptest! {
    #[test]
    fn no_log_is_too_odd(log in "(\\PC|\n|\u{1b}\\[31m|spawn | ENOENT|Cannot find module '|: not found|not ok ){0,80}", code in 0i64..300) {
        let step = step("a", "build", Reason::App, &[]);
        let failed = Failed::Task(&step, &step.tasks[0]);
        let _told = BuildFault::of(&failed, code, &log).hint();
    }
}

#[test]
fn files_that_differ_in_capital_letters_are_named() {
    let files = [
        "apps/web/client/Root.tsx",
        "apps/web/src/Pages/index.ts",
        "apps/web/a.css",
    ];
    let of = |name: &str| cased(name, || files.into_iter());
    for (name, file) in [
        ("./root", "apps/web/client/Root.tsx"),
        ("./root.tsx", "apps/web/client/Root.tsx"),
        ("@/client/root", "apps/web/client/Root.tsx"),
        ("../pages", "apps/web/src/Pages/index.ts"),
        ("./A.css", "apps/web/a.css"),
        ("/app/apps/web/client/root", ""),
    ] {
        let found = of(name);
        let is_it = found
            .as_ref()
            .is_some_and(|hint| hint.contains(&format!("but {file} is")));
        assert_eq!(is_it, !file.is_empty(), "{name}: {found:?}");
    }
    for name in ["./Root", "./other", ".", "", "./oot", "../Pages/index"] {
        assert_eq!(of(name), None, "{name}");
    }
}
