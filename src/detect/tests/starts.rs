//! What runs in the image for ways to write a start script, with what is said about it. The plain
//! ways are rows of `tests/it/starts/table.rs`; here is what that table does not say.

use super::app::{App, look, of, shown, started};

/// Scripts that node runs without a shell, each with what runs.
const PLAIN: &[(&str, &str)] = &[
    (
        "node --env-file-if-exists .env dist/main.js",
        "node dist/main.js; the `start` script reads `.env`, an env file that the image does not hold, and is started without `--env-file-if-exists`: set its variables when the container starts",
    ),
    (
        "node --unhandled-rejections strict --title x dist/main.js --env-file y",
        "node --unhandled-rejections strict --title x dist/main.js --env-file y",
    ),
    (
        "node --max-old-space-size=4096 -r ./dist/main.js dist/main.js",
        "node --max-old-space-size=4096 -r ./dist/main.js dist/main.js",
    ),
    ("PORT=$PORT node dist/main.js", "node dist/main.js"),
    (
        "HOST=${A:-127.0.0.1} node dist/main.js",
        "HOST=127.0.0.1 node dist/main.js; the `start` script sets HOST to `${A:-127.0.0.1}`, and the image to its default: set HOST itself when the container starts",
    ),
    (
        "DB=$DATABASE_URL node dist/main.js",
        "node dist/main.js; the `start` script sets DB to `$DATABASE_URL`, and the image to nothing: set DB itself when the container starts",
    ),
    ("pnpm exec node dist/main.js", "node dist/main.js"),
    ("run-s serve:*", "A=b node dist/main.js --it"),
    ("pnpm build && node dist/main.js", "node dist/main.js"),
    ("echo starting && node dist/main.js", "node dist/main.js"),
    (
        "dotenv -e ../../.env -- node dist/main.js",
        "node dist/main.js; the `start` script gets variables by `dotenv`, which the image does not run: set them when the container starts",
    ),
    (
        "tsx src/main.ts",
        "TSX_DISABLE_CACHE=1 node --import tsx src/main.ts; the `start` script starts TypeScript through tsx at run time: compile it in a `build` script and start the output",
    ),
    ("./bin/www --x", "node bin/www --x"),
    ("node ./bin/www", "node bin/www"),
    (
        "fastify start dist/main.js",
        "node node_modules/.bin/fastify start dist/main.js [fastify]",
    ),
    (
        "npx serve -s dist",
        "node node_modules/.bin/serve -s dist [serve]; the `start` script (`serve -s dist`) runs `serve`, a dev dependency, which the image keeps for it: move `serve` to `dependencies`",
    ),
    (
        "pm2-runtime ecosystem.config.js",
        "PM2_HOME=/dev/shm/.pm2 node node_modules/.bin/pm2-runtime ecosystem.config.js [pm2-runtime, with a shell]; the `start` script (`pm2-runtime ecosystem.config.js`) runs `pm2`, a dev dependency, which the image keeps for it: move `pm2` to `dependencies`",
    ),
];

/// Scripts that a shell runs, each with its line.
const SHELL: &[(&str, &str)] = &[
    (
        "prisma migrate deploy && node dist/main.js",
        "sh: node node_modules/.bin/prisma migrate deploy && exec node dist/main.js (entry dist/main.js) [prisma]; the `start` script runs `prisma`, a dev dependency, which the image keeps for it: move `prisma` to `dependencies`",
    ),
    (
        "pnpm db && pnpm serve:it",
        "sh: node node_modules/.bin/knex migrate:latest && A=b exec node dist/main.js --it (entry dist/main.js) [knex]",
    ),
    (
        "npx knex migrate:latest; NODE_ENV=production node dist/main.js --port=$PORT",
        "sh: node node_modules/.bin/knex migrate:latest; NODE_ENV=production exec node dist/main.js --port=$PORT (entry dist/main.js) [knex]",
    ),
    (
        "cd dist && node main.js",
        "sh: cd dist && exec node main.js (entry dist/main.js)",
    ),
    (
        "export A='x y'; sleep 1 && node dist/main.js",
        "sh: export A='x y'; sleep 1 && exec node dist/main.js (entry dist/main.js)",
    ),
    (
        "if [ -n \"$MIGRATE\" ]; then knex migrate:latest; fi; node dist/main.js",
        "sh: if [ -n \"$MIGRATE\" ]; then node node_modules/.bin/knex migrate:latest; fi; exec node dist/main.js (entry dist/main.js) [knex]",
    ),
    (
        "node dist/job.js || node dist/main.js",
        "sh: node dist/job.js || exec node dist/main.js (entry dist/main.js)",
    ),
    (
        "(knex migrate:latest) && tsx src/main.ts",
        "TSX_DISABLE_CACHE=1 sh: ( node node_modules/.bin/knex migrate:latest ) && exec node --import tsx src/main.ts (entry src/main.ts) [knex]; the `start` script starts TypeScript through tsx at run time: compile it in a `build` script and start the output",
    ),
    (
        "sh ./start.sh",
        "sh: export PATH=\"$PWD/node_modules/.bin:$PATH\"; exec sh ./start.sh (entry dist/main.js) [knex]; the `start` script runs `sh ./start.sh`, which starts node by itself: a signal ends the container only where the app listens for it",
    ),
    (
        "bash scripts/slow.sh",
        "sh: export PATH=\"$PWD/node_modules/.bin:$PATH\"; exec bash scripts/slow.sh (entry dist/main.js); the `start` script runs `bash scripts/slow.sh`, whose last command does not begin with `exec`: a signal that ends the container does not reach it",
    ),
];

const FILES: &[(&str, &str)] = &[
    ("dist/main.js", ""),
    ("dist/job.js", ""),
    ("src/main.ts", ""),
    ("bin/www", "#!/usr/bin/env node\n"),
    ("ecosystem.config.js", ""),
    (
        "start.sh",
        "#!/bin/sh\nset -e\n\nknex migrate:latest\nexec node dist/main.js\n",
    ),
    ("docker-entrypoint.sh", "#!/bin/sh\nset -e\nexec \"$@\"\n"),
    ("scripts/slow.sh", "node dist/main.js\n"),
    (
        "scripts/npm.sh",
        "#!/bin/sh\nnpx prisma migrate deploy\nexec node dist/main.js\n",
    ),
];

fn start(script: &str) -> String {
    started(&App {
        scripts: &[
            ("build", "tsc -p . --noEmit && make"),
            ("start", script),
            ("serve:it", "A=b node dist/main.js --it"),
            ("db", "knex migrate:latest"),
            ("start:api", "node dist/main.js"),
            ("start:job", "node dist/job.js --every $EVERY"),
        ],
        packages: &[
            "fastify-cli",
            "tsx",
            "knex",
            "-prisma",
            "-serve",
            "-pm2",
            "-concurrently",
            "-jest",
            "main",
        ],
        files: FILES,
    })
}

#[test]
fn what_node_runs_by_itself() {
    for (script, runs) in PLAIN {
        assert_eq!(start(script), *runs, "{script}");
    }
}

#[test]
fn what_a_shell_runs() {
    for (script, runs) in SHELL {
        assert_eq!(start(script), *runs, "{script}");
    }
}

#[test]
fn several_processes_are_started_and_ended_together() {
    let head = "sh: stop() { trap '' TERM INT HUP; kill -TERM 0; wait; exit $1; }; trap 'stop 143' TERM; trap 'stop 130' INT; trap 'stop 1' HUP; all=; ";
    let tail = "result=0; for one in $all; do wait $one || result=$?; done; exit $result (entry dist/job.js)";
    let together = "{ trap : TERM INT; ( node dist/main.js ) || kill -HUP $$; } & all=\"$all $!\"; { trap : TERM INT; ( node dist/job.js --every $EVERY ) || kill -HUP $$; } & all=\"$all $!\"; ";
    for script in [
        "npm-run-all --parallel start:*",
        "npm-run-all -p start:api start:job",
        "concurrently --kill-others-on-fail \"npm:start:*\"",
        "concurrently --kill-others-on-fail -n a,b 'node dist/main.js' 'pnpm start:job'",
        "pnpm run '/^start:/'",
    ] {
        assert_eq!(start(script), format!("{head}{together}{tail}"), "{script}");
    }
    let alone = together.replace("( ", "").replace(" ) || kill -HUP $$", "");
    assert_eq!(
        start("concurrently pnpm:start:api pnpm:start:job"),
        format!("{head}{alone}{tail}")
    );
}

#[test]
fn what_no_image_can_run_is_refused() {
    let refused =
        |problem: &str| format!("cannot start `apps/a` as it says: the `start` script {problem}");
    for (script, problem) in [
        (
            "pnpm -r start",
            "runs `pnpm -r start`, and the image has no `pnpm`",
        ),
        (
            "pnpm --filter other start && node dist/main.js",
            "runs `pnpm --filter other start`, and the image has no `pnpm`",
        ),
        (
            "jest",
            "runs `jest`, a program of a dev dependency: the image does not get it",
        ),
        (
            "flask run",
            "runs `flask run`, and no dependency of the app is known to bring `flask`",
        ),
        (
            "typeorm migration:run && node dist/main.js",
            "runs `typeorm`, which is not among the dependencies",
        ),
        (
            "sequelize db:migrate && node dist/main.js",
            "runs `sequelize` of `sequelize-cli`, which is not among the dependencies",
        ),
        (
            "pm2 start dist/main.js; node dist/main.js",
            "runs `pm2 start`, which goes to the background, and the container would end",
        ),
        (
            "sh scripts/npm.sh",
            "runs `sh scripts/npm.sh`, in which `npx` runs `prisma migrate deploy`, and the image has no `npx`",
        ),
        ("sleep 5 && echo", "leads to no file that node starts"),
    ] {
        assert_eq!(start(script), refused(problem), "{script}");
    }
}

#[test]
fn nothing_stands_for_a_script_that_says_something_else() {
    let app = |script: &str| {
        started(&App {
            scripts: &[("start", script)],
            packages: &[],
            files: &[("index.js", ""), ("server.js", "")],
        })
    };
    assert_eq!(
        app("nodemon server.js"),
        "node server.js; the `start` script starts `server.js` for those who work on it, and again when a file changes: the image starts it once"
    );
    assert_eq!(
        app("./run.py"),
        "cannot start `apps/a` as it says: the `start` script runs `./run.py`, and no dependency of the app is known to bring `./run.py`"
    );
}

#[test]
fn a_script_that_watches_says_more_than_main() {
    let app = |manifest: &str, files: &[&str]| {
        let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
        shown(look(manifest, &files, None))
    };
    // What `npm init` writes into `main` need not be there.
    assert_eq!(
        app(
            r#"{"main": "index.js", "scripts": {"start": "nodemon server.js"}}"#,
            &["server.js"]
        ),
        "node: node server.js"
    );
    assert_eq!(
        app(
            r#"{"main": "./src/server.ts", "scripts": {"start": "pnpm dev", "dev": "tsx watch src/server"}, "devDependencies": {"tsx": "4"}}"#,
            &["src/server.ts"]
        ),
        "node: node --import tsx src/server.ts"
    );
    // The output of a build is what is meant for use.
    assert_eq!(
        app(
            r#"{"main": "dist/server.js", "scripts": {"build": "tsc", "start": "nodemon src/server.ts"}, "devDependencies": {"typescript": "5"}}"#,
            &["src/server.ts", "tsconfig.json"]
        ),
        "node: node dist/server.js"
    );
}

#[test]
fn what_runs_before_a_framework_s_server_runs() {
    let app = |build: &str, start: &str, packages: &[&str]| {
        started(&App {
            scripts: &[
                ("build", build),
                ("start", start),
                ("db", "prisma migrate deploy"),
            ],
            packages,
            files: &[(
                "svelte.config.js",
                "import node from '@sveltejs/adapter-node'",
            )],
        })
    };
    assert_eq!(
        app(
            "next build",
            "pnpm db && next start -p 4000",
            &["next", "prisma"]
        ),
        "HOSTNAME=0.0.0.0 NEXT_TELEMETRY_DISABLED=1 PORT=4000 \
         sh: node node_modules/.bin/prisma migrate deploy && exec node node_modules/.bin/next start -p 4000 \
         (entry node_modules/.bin/next) [next prisma]"
    );
    assert_eq!(
        app(
            "vite build",
            "prisma migrate deploy && node build",
            &["-@sveltejs/kit", "prisma"]
        ),
        "PORT=3000 sh: node node_modules/.bin/prisma migrate deploy && exec node build (entry build/index.js) [prisma]"
    );
    assert_eq!(
        app(
            "nuxt build",
            "prisma migrate deploy && node .output/server/index.mjs",
            &["nuxt"]
        ),
        "cannot start `apps/a` as it says: the `start` script runs `prisma`, which is not among the dependencies"
    );
    assert_eq!(
        app("next build", "next start", &["next"]),
        "HOSTNAME=0.0.0.0 NEXT_TELEMETRY_DISABLED=1 PORT=3000 node server.js"
    );
}

/// A framework's app may have a server of its own around the framework's.
#[test]
fn own_servers_of_frameworks_are_not_replaced() {
    let app = |build, start, packages: &[&str], files: &[(&str, &str)]| {
        started(&App {
            scripts: &[("build", build), ("start", start)],
            packages,
            files,
        })
    };
    let next = |start| {
        app(
            "next build",
            start,
            &[
                "next",
                "-tsx",
                "-ts-node",
                "-typescript",
                "-cross-env",
                "pm2",
            ],
            &[("server.ts", ""), ("ecosystem.config.js", "")],
        )
    };
    let kit = |start| {
        app(
            "vite build",
            start,
            &["-@sveltejs/kit", "tsx"],
            &[
                ("server.ts", ""),
                (
                    "svelte.config.js",
                    "import node from '@sveltejs/adapter-node'",
                ),
            ],
        )
    };
    let kept = "compile it in a `build` script and start the output";
    let standalone = "HOSTNAME=0.0.0.0 NEXT_TELEMETRY_DISABLED=1 PORT=3000 node server.js";
    let instead = "the image runs `node server.js` (the standalone server of Next.js), and not";
    for (start, expected) in [
        (
            "cross-env NODE_ENV=production tsx server.ts",
            format!("TSX_DISABLE_CACHE=1 node --import tsx server.ts; the `start` script starts TypeScript through tsx at run time: {kept} (until then the image keeps `tsx`, a dev dependency)"),
        ),
        (
            "ts-node --project tsconfig.server.json server.ts",
            format!("TS_NODE_PROJECT=tsconfig.server.json TS_NODE_TRANSPILE_ONLY=true node -r ts-node/register server.ts; the `start` script starts TypeScript through ts-node at run time: {kept} (until then the image keeps `ts-node`, a dev dependency)"),
        ),
        (
            "pm2-runtime ecosystem.config.js",
            "PM2_HOME=/dev/shm/.pm2 node node_modules/.bin/pm2-runtime ecosystem.config.js [pm2-runtime, with a shell]".to_owned(),
        ),
        (
            "bun server.ts",
            "cannot start `apps/a` as it says: the `start` script runs `bun server.ts`, and the image has no `bun`".to_owned(),
        ),
        (
            "bun .next/standalone/server.js",
            format!("{standalone}; {instead} `bun .next/standalone/server.js` as the `start` script does"),
        ),
        ("firebase serve", format!("{standalone}; {instead} `firebase serve` as the `start` script does")),
        ("next start", standalone.to_owned()),
        ("tsx watch server.ts", standalone.to_owned()),
    ] {
        assert_eq!(next(start), expected, "{start}");
    }
    for (start, expected) in [
        (
            "tsx server.ts",
            format!("PORT=3000 TSX_DISABLE_CACHE=1 node --import tsx server.ts; the `start` script starts TypeScript through tsx at run time: {kept}"),
        ),
        (
            "bun ./build/index.js",
            "PORT=3000 node build/index.js; the image runs `node build/index.js` (what `adapter-node` writes), and not `bun ./build/index.js` as the `start` script does".to_owned(),
        ),
        ("vite preview", "PORT=3000 node build/index.js".to_owned()),
    ] {
        assert_eq!(kit(start), expected, "{start}");
    }
}

#[test]
fn servers_are_not_taken_for_sites() {
    let angular = |options: &str| {
        let config = format!(
            r#"{{"projects": {{"web": {{"architect": {{"build": {{"builder": "@angular/build:application", "options": {options}}}}}}}}}}}"#
        );
        of(
            &App {
                scripts: &[
                    ("build", "ng build"),
                    ("start", "ng serve"),
                    ("serve:ssr", "node dist/web/server/server.mjs"),
                ],
                packages: &["-@angular/cli"],
                files: &[("angular.json", &config)],
            },
            None,
        )
    };
    let server = "server rendering, Angular: node dist/web/server/server.mjs";
    assert_eq!(
        angular(r#"{"outputMode": "server", "ssr": {"entry": "src/server.ts"}}"#),
        server
    );
    assert_eq!(angular(r#"{"ssr": {"entry": "server.ts"}}"#), server);
    assert_eq!(
        angular(r#"{"outputMode": "static", "ssr": {"entry": "server.ts"}}"#),
        "static site, Angular: serves dist/web/browser"
    );
    assert_eq!(
        angular("{}"),
        "static site, Angular: serves dist/web/browser"
    );
    let vite = |scripts: &[(&str, &str)]| {
        of(
            &App {
                scripts,
                packages: &["-vite", "-serve"],
                files: &[
                    ("index.html", ""),
                    ("server.js", ""),
                    ("env.sh", "echo \"$API\" > dist/env.js\n"),
                ],
            },
            None,
        )
    };
    let build = (
        "build",
        "vite build --outDir dist/client && vite build --ssr src/entry.js --outDir dist/server",
    );
    let server = "server rendering, Vite: node server.js";
    assert_eq!(
        vite(&[
            build,
            ("preview", "cross-env NODE_ENV=production node server")
        ]),
        server
    );
    assert_eq!(vite(&[build, ("start", "node ./server.js")]), server);
    assert_eq!(
        vite(&[build, ("preview", "vite preview")]),
        "cannot tell how `apps/a` is to be served: its build runs `vite build --ssr`, for a server of its own, and no script starts one"
    );
    let site = ("build", "vite build");
    assert_eq!(
        vite(&[site, ("start", "serve -s dist")]),
        "static site, Vite: serves dist"
    );
    assert_eq!(
        vite(&[site, ("start", "vite build && vite preview")]),
        "static site, Vite: serves dist"
    );
    assert_eq!(
        vite(&[site, ("start", "sh ./env.sh && sirv dist")]),
        "cannot tell how `apps/a` is to be served: the `start` script runs `sh ./env.sh` before it serves the files, and nginx would serve them without"
    );
}

/// Addresses that are known at run time alone are written before the site is handed out, by the script that says so.
#[test]
fn a_site_is_prepared_by_its_start_script() {
    let prepared = |start: &str, server: &str| {
        started(&App {
            scripts: &[("build", "vite build"), ("start", start)],
            packages: &["-vite", server],
            files: &[
                ("index.html", ""),
                ("env.sh", "echo \"$API\" > dist/env.js\n"),
            ],
        })
    };
    for (start, server, runs) in [
        (
            "sh ./env.sh && serve -s dist -l ${PORT:-3000}",
            "serve",
            "serve -s dist -l ${PORT:-3000}",
        ),
        ("sh ./env.sh && npx serve -s dist", "serve", "serve -s dist"),
        (
            "./env.sh && http-server dist -p 8080",
            "http-server",
            "http-server dist -p 8080",
        ),
    ] {
        let said = prepared(start, server);
        assert!(
            said.contains("./env.sh && exec node node_modules/.bin/"),
            "{said}"
        );
        assert!(said.contains(runs), "{said}");
    }
}

#[test]
fn what_runs_in_no_container_is_no_node_app() {
    let app = |start: &str, packages: &[&str], file: &str| {
        started(&App {
            scripts: &[("start", start), ("build", "tsc")],
            packages,
            files: &[("index.js", ""), (file, "{}")],
        })
    };
    let none = |what: &str, by: &str| {
        format!(
            "cannot start `apps/a` as it says: it is {what}, and no program that a container runs ({by})"
        )
    };
    assert_eq!(
        app("expo start", &["expo"], "x"),
        none("an app for phones", "the `start` script runs `expo`")
    );
    assert_eq!(
        app("electron .", &["-electron"], "x"),
        none("an app for desktops", "the `start` script runs `electron`")
    );
    assert_eq!(
        app("npx wrangler dev", &["-wrangler"], "x"),
        none(
            "a Worker, which runs at Cloudflare",
            "the `start` script runs `wrangler`"
        )
    );
    assert_eq!(
        app("", &["-wrangler"], "wrangler.toml"),
        none(
            "a Worker, which runs at Cloudflare",
            "it has wrangler.toml and depends on `wrangler`"
        )
    );
    assert_eq!(
        app("node index.js", &["-wrangler"], "wrangler.toml"),
        "node index.js"
    );
    let developed = |scripts: &[(&str, &str)]| {
        started(&App {
            scripts,
            packages: &["expo"],
            files: &[("index.js", "")],
        })
    };
    assert_eq!(
        developed(&[("dev", "expo start")]),
        none("an app for phones", "the `dev` script runs `expo`")
    );
    assert_eq!(
        developed(&[("dev", "expo start"), ("start", "node index.js")]),
        "node index.js"
    );
}
