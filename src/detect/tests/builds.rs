//! The framework behind every way to write a build script.

use super::app::{App, look, look_below, of, shown};
use crate::detect::AppKind;

/// Scripts of which the first builds a site with Vite.
const VITE: &[&[(&str, &str)]] = &[
    &[
        ("build", "run-p check \"only {@}\" --"),
        ("only", "vite build"),
        ("check", "vue-tsc --build"),
    ],
    &[
        ("build", "pnpm run \"/^build:.*/\""),
        ("build:web", "vite build"),
    ],
    &[(
        "build",
        "node --max-old-space-size=4096 node_modules/vite/bin/vite.js build",
    )],
    &[(
        "build",
        "node --max-old-space-size=4096 ../../node_modules/vite/bin/vite.js build --mode x",
    )],
    &[
        ("build", "turbo run build:web"),
        ("build:web", "vite build"),
    ],
    &[
        ("build", "turbo build:web --filter=@w/a"),
        ("build:web", "vite build"),
    ],
    &[(
        "build",
        "rimraf dist && cross-env NODE_ENV=production vite build",
    )],
    &[("build", "rm -rf dist; NODE_ENV=production vite build")],
    &[(
        "build",
        "tsc -b && vite build --mode production > build.log 2>&1",
    )],
    &[("build", "vite --config vite.web.ts build")],
    &[
        ("build", "npm-run-all -s clean -p check web"),
        ("clean", "rimraf x"),
        ("check", "tsc"),
        ("web", "vite build"),
    ],
    &[
        ("build", "run-s build:*"),
        ("build:types", "tsc"),
        ("build:web", "vite build"),
    ],
    &[
        ("build", "concurrently \"npm:build:*\""),
        ("build:types", "tsc"),
        ("build:web", "vite build"),
    ],
    &[(
        "build",
        "concurrently -n a,b \"tsc --noEmit\" \"vite build\"",
    )],
    &[
        ("build", "pnpm with-env vite build"),
        ("with-env", "dotenv -e ../../.env --"),
    ],
    &[
        ("build", "infisical run --env=prod -- pnpm build:web"),
        ("build:web", "vite build"),
    ],
    &[("build", "op run --env-file=.env -- npx --yes vite@6 build")],
    &[("build", "sh -c 'tsc -b && exec vite build'")],
    &[("build", "(cd . && vite build)")],
    &[(
        "build",
        "if [ -n \"$CI\" ]; then vite build --mode ci; else vite build; fi",
    )],
    &[
        ("build", "bun run --silent build:web"),
        ("build:web", "bunx --bun vite build"),
    ],
    &[
        ("build", "node --run build:web"),
        ("build:web", "yarn vite build"),
    ],
    &[(
        "build",
        "env-cmd -f .env.production ./node_modules/.bin/vite build",
    )],
    &[("build", "nx run @w/a:web"), ("web", "time vite build")],
    &[("build", "./scripts/build.sh")],
    &[("build", "test -d dist || vite build")],
];

#[test]
fn a_vite_build_is_found_behind_everything() {
    for &scripts in VITE {
        let app = App {
            scripts,
            packages: &["-vite"],
            files: &[
                ("index.html", ""),
                (
                    "scripts/build.sh",
                    "#!/usr/bin/env bash\nset -euo pipefail\n\n# the site\npnpm exec vite build \\\n  --mode x\n",
                ),
            ],
        };
        assert_eq!(
            of(&app, None),
            "static site, Vite: serves dist",
            "{scripts:?}"
        );
    }
}

#[test]
fn other_frameworks_are_found_behind_everything() {
    let next = "Next.js: node server.js";
    for (build, packages, found) in [
        (
            "NEXT_PUBLIC_SHA=$(git rev-parse --short HEAD) next build",
            &["next"][..],
            next,
        ),
        ("V=`git describe` next build --turbopack", &["next"], next),
        ("dotenv -e ../../.env next build", &["next"], next),
        ("doppler run -- next build", &["next"], next),
        (
            "doppler run --command='prisma generate && next build'",
            &["next"],
            next,
        ),
        ("pnpm exec next build", &["next"], next),
        ("bash scripts/build.sh", &["next"], next),
        ("sst bind next build", &["next"], next),
        (
            "dotenvx run -f .env.production -- next build",
            &["next"],
            next,
        ),
        (
            "prisma generate && npm run --if-present db && next build",
            &["next"],
            next,
        ),
        (
            "craco build",
            &["react-scripts", "-@craco/craco"],
            "static site, Create React App: serves build",
        ),
        (
            "react-app-rewired build",
            &["react-scripts"],
            "static site, Create React App: serves build",
        ),
        (
            "nuxi build",
            &["nuxt"],
            "server rendering, Nuxt: node .output/server/index.mjs",
        ),
        (
            "cross-env NITRO_PRESET=node-server nuxt build",
            &["nuxt"],
            "server rendering, Nuxt: node .output/server/index.mjs",
        ),
        (
            "run-s build:*",
            &["@react-router/serve", "-@react-router/dev"],
            "server rendering, React Router: node node_modules/.bin/react-router-serve build/server/index.js",
        ),
        (
            "node --max-old-space-size=8192 ./node_modules/@angular/cli/bin/ng.js build",
            &["-@angular/cli"],
            "static site, Angular: serves dist",
        ),
        (
            "npx -p @angular/cli ng build",
            &["-@angular/cli"],
            "static site, Angular: serves dist",
        ),
    ] {
        let app = App {
            scripts: &[("build", build), ("build:rr", "react-router build")],
            packages,
            files: &[(
                "scripts/build.sh",
                "pnpm prisma generate\npnpm next build\n",
            )],
        };
        assert_eq!(of(&app, None), found, "{build}");
    }
}

#[test]
fn what_a_build_only_mentions_is_not_run() {
    for build in [
        "echo vite build && tsc",
        "tsc # vite build",
        "pnpm --filter other run web",
        "command -v vite build; tsc",
        "cat <<END\nvite build\nEND",
        "pnpm -C ../other web",
    ] {
        let app = App {
            scripts: &[("build", build), ("web", "vite build")],
            packages: &["-vite"],
            files: &[("index.html", ""), ("index.js", "")],
        };
        assert_eq!(of(&app, None), "node: node index.js", "{build}");
    }
}

#[test]
fn a_kind_is_taken_where_no_command_shows_it() {
    let of = |packages: &[&str], kind| {
        let app = App {
            scripts: &[("build", "make all")],
            packages,
            files: &[("index.js", "")],
        };
        of(&app, Some(kind))
    };
    let site = AppKind::StaticSite;
    assert_eq!(of(&["-vite"], site), "static site, Vite: serves dist");
    assert_eq!(
        of(&["react-scripts"], site),
        "static site, Create React App: serves build"
    );
    assert_eq!(of(&[], site), "static site: serves dist");
    assert_eq!(of(&["next"], AppKind::Next), "Next.js: node server.js");
    assert_eq!(
        of(&["nuxt"], AppKind::ServerRendering),
        "server rendering, Nuxt: node .output/server/index.mjs"
    );
    assert_eq!(of(&["vite"], AppKind::Node), "node: node index.js");
    assert_eq!(
        of(&[], AppKind::Next),
        "`apps/a` is not of the kind `Next.js`: no framework that makes such an app builds it"
    );
}

/// Build scripts of public starters: the manifest, the files, and what is found.
const STARTERS: [(&str, &[&str], &str); 19] = [
    (
        r#"{"scripts": {"build": "run-p type-check \"build-only {@}\" --", "build-only": "vite build", "type-check": "vue-tsc --build"},
            "dependencies": {"vue": "3"}, "devDependencies": {"vite": "6", "npm-run-all2": "7"}}"#,
        &["index.html", "vite.config.ts"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "node ./scripts/maven.mjs build"}}"#,
        &["pom.xml", "scripts/maven.mjs"],
        "cannot start `apps/a` as it says: it is a Java project (pom.xml), and no program that node runs",
    ),
    // A script that is not there is for the build to say.
    (
        r#"{"scripts": {"build": "run-p type-check \"build-only {@}\" --", "build-only": "vite build"}, "devDependencies": {"vite": "6"}}"#,
        &["index.html"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "pnpm run \"/^build:.*/\"", "build:web": "vite build"}, "devDependencies": {"vite": "6"}}"#,
        &["index.html"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "NEXT_PUBLIC_SHA=$(git rev-parse --short HEAD) next build", "start": "next start"}, "dependencies": {"next": "15"}}"#,
        &["next.config.mjs", "app/page.js"],
        "Next.js: node server.js",
    ),
    (
        r#"{"scripts": {"build": "dotenv -e ../../.env next build", "start": "next start"}, "dependencies": {"next": "15"}}"#,
        &["app/page.js"],
        "Next.js: node server.js",
    ),
    (
        r#"{"scripts": {"build": "doppler run -- next build", "start": "doppler run -- next start"}, "dependencies": {"next": "15"}}"#,
        &["app/page.js"],
        "Next.js: node server.js",
    ),
    (
        r#"{"scripts": {"build": "pnpm exec next build", "start": "pnpm exec next start"}, "dependencies": {"next": "15"}}"#,
        &["app/page.js"],
        "Next.js: node server.js",
    ),
    (
        r#"{"scripts": {"build": "node --max-old-space-size=8192 node_modules/vite/bin/vite.js build"}, "devDependencies": {"vite": "6"}}"#,
        &["index.html"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "turbo run build:app", "build:app": "vite build"}, "devDependencies": {"vite": "6"}}"#,
        &["index.html"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "craco build"}, "dependencies": {"react-scripts": "5"}, "devDependencies": {"@craco/craco": "7"}}"#,
        &["public/index.html", "src/index.js"],
        "static site, Create React App: serves build",
    ),
    (
        r#"{"scripts": {"dev": "npx convex dev"}, "main": "./src/index.ts", "dependencies": {"convex": "1"}}"#,
        &["src/index.ts"],
        "cannot start `apps/a` as it says: it is a set of functions, which run at Convex, and no program that a container runs (the `dev` script runs `convex`)",
    ),
    (
        r#"{"scripts": {"start": "expo start"}, "main": "index.tsx", "dependencies": {"expo": "52", "react-native": "0.76"}}"#,
        &["index.tsx"],
        "cannot start `apps/a` as it says: it is an app for phones, and no program that a container runs (the `start` script runs `expo`)",
    ),
    (
        r#"{"scripts": {"build": "tsc", "start": "electron ."}, "main": "dist/main.js", "devDependencies": {"electron": "30", "typescript": "5"}}"#,
        &["src/main.ts", "tsconfig.json"],
        "cannot start `apps/a` as it says: it is an app for desktops, and no program that a container runs (the `start` script runs `electron`)",
    ),
    (
        r#"{"scripts": {"build": "bash scripts/build.sh", "start": "next start"}, "dependencies": {"next": "15"}}"#,
        &["app/page.js", "scripts/build.sh"],
        "Next.js: node server.js",
    ),
    (
        r#"{"scripts": {"build": "tsup", "dev": "tsx src/index.ts"}, "main": "index.ts", "devDependencies": {"tsup": "8"}}"#,
        &["index.ts", "src/index.ts", "tsup.config.ts"],
        "node: node dist/index.js",
    ),
    (
        r#"{"scripts": {"build": "rimraf dist && cross-env NODE_ENV=production vite build"}, "devDependencies": {"vite": "6"}}"#,
        &["index.html"],
        "static site, Vite: serves dist",
    ),
    (
        r#"{"scripts": {"build": "nuxi build"}, "dependencies": {"nuxt": "3"}}"#,
        &["nuxt.config.ts"],
        "server rendering, Nuxt: node .output/server/index.mjs",
    ),
    (
        r#"{"scripts": {"build": "run-s build:*", "build:rr": "react-router build", "start": "react-router-serve ./build/server/index.js"},
            "dependencies": {"@react-router/serve": "7", "@react-router/node": "7"}, "devDependencies": {"@react-router/dev": "7", "vite": "6"}}"#,
        &["react-router.config.ts"],
        "server rendering, React Router: node node_modules/.bin/react-router-serve ./build/server/index.js",
    ),
];

#[test]
fn starters_are_of_the_right_kind() {
    for (manifest, files, expected) in STARTERS {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|path| match *path {
                "scripts/build.sh" => (*path, "set -e\npnpm exec next build\n"),
                "tsconfig.json" => (*path, r#"{"compilerOptions": {"outDir": "dist"}}"#),
                path => (path, ""),
            })
            .collect();
        assert_eq!(shown(look(manifest, &files, None)), expected, "{manifest}");
    }
}

#[test]
fn the_root_project_may_bring_the_framework() {
    let vite = r#"{"scripts": {"build": "pnpm vite build --mode production"}}"#;
    let below = |root: &str, manifest: &str, files: &[(&str, &str)]| {
        look_below(root, manifest, files, None)
    };
    let tools = r#"{"devDependencies": {"vite": "6", "next": "15"}}"#;
    let found = below(tools, vite, &[("index.html", "")]).unwrap();
    assert_eq!(
        found.detected.evidence,
        [
            "the root project depends on `vite`",
            "its build runs `vite build`"
        ]
    );
    let next = r#"{"scripts": {"build": "next build"}, "dependencies": {"react": "19"}}"#;
    let next = |root: &str| shown(below(root, next, &[("app/page.js", "")]));
    assert_eq!(next(tools), "Next.js: node server.js");
    assert!(next("{}").starts_with("cannot tell how `apps/a` starts"));
    // A tool that the app does not call says nothing.
    assert_eq!(
        shown(below(
            tools,
            r#"{"scripts": {"build": "tsc"}}"#,
            &[("index.js", "")]
        )),
        "node: node index.js"
    );
}

/// What alone starts an app on a developer's machine is named as a way out.
#[test]
fn a_script_for_developers_is_named() {
    for (scripts, named) in [
        (r#""dev": "tsx src/server.ts""#, "tsx src/server.ts"),
        (
            r#""dev": "tsx watch --clear-screen=false src/server.ts", "build": "tsc --noEmit""#,
            "tsx src/server.ts",
        ),
        (r#""dev": "nodemon src/server.js""#, "node src/server.js"),
        (r#""dev": "vite""#, ""),
        (r#""dev": "node build.js --watch""#, ""),
    ] {
        let manifest = format!(
            r#"{{"scripts": {{{scripts}}}, "devDependencies": {{"tsx": "4", "nodemon": "3"}}}}"#
        );
        let found = look(
            &manifest,
            &[
                ("src/server.ts", ""),
                ("src/server.js", ""),
                ("build.js", ""),
            ],
            None,
        );
        let hint = found.unwrap_err().hint().unwrap();
        let said = format!("only the `dev` script starts it, by `{named}`: ");
        assert_eq!(
            hint.starts_with(&said),
            !named.is_empty(),
            "{scripts}: {hint}"
        );
    }
}

/// A Dockerfile says how the app starts, if nothing else does.
#[test]
fn the_app_s_dockerfile_is_named() {
    for (text, named) in [
        (
            "FROM node\nCMD [\"node\", \"dist/server.mjs\"]\n",
            "node dist/server.mjs",
        ),
        (
            "FROM a\nCMD x\nFROM b\nENTRYPOINT [\"tini\", \"--\"]\n  CMD node dist/a.js\n",
            "tini -- node dist/a.js",
        ),
    ] {
        let manifest = r#"{"scripts": {"build": "tsdown server.ts"}}"#;
        let found = look(manifest, &[("server.ts", ""), ("Dockerfile", text)], None);
        let said = found.unwrap_err().to_string();
        let end = format!("; its Dockerfile starts `{named}`");
        assert!(said.ends_with(&end), "{said}");
    }
}
