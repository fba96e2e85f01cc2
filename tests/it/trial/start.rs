//! The trial start: what fails a build, and what does not.

use std::process::Command;

use serde_json::{Value, json};

use super::{made, namespaces, server};
use crate::base::cache;
use crate::support::daemon::{every_daemon, skipped};
use crate::support::tree::{Tree, repository};
use crate::support::unique;
use slimbuild::Env;

/// A file, its content, and the trial's message about it; a fault begins with `!`.
const CASES: [(&str, &str, &str); 41] = [
    (
        "listens.js",
        "require('http').createServer().listen(0)",
        "started, listens on port ",
    ),
    (
        "listens.mjs",
        "import {createServer} from 'http'; createServer().listen(0)",
        "started, listens on port ",
    ),
    (
        "in-a-child.js",
        "require('child_process').fork(__dirname + '/listens.js')",
        "started, listens on port ",
    ),
    (
        "optional.js",
        "try { require('nope') } catch {} require('net').createServer().listen(0)",
        "started, listens on port ",
    ),
    (
        "deaf.js",
        "process.on('SIGTERM', () => {}); require('net').createServer().listen(0)",
        "started, listens on port ",
    ),
    (
        "inside.js",
        "require('net').createServer().listen(0, '127.0.0.1')",
        "started, listens on port …, but only on 127.0.0.1, which nothing outside of the container reaches",
    ),
    (
        "inside-first.js",
        "const net = require('net'); net.createServer().listen(0, 'localhost', () => net.createServer().listen(4321))",
        "started, listens on port 4321 after",
    ),
    (
        "ends.js",
        "console.log('done')",
        "started, and ended by itself after ",
    ),
    (
        "never.js",
        "setInterval(() => {}, 1000)",
        "started, and ran for … s without listening",
    ),
    (
        "variable.js",
        "throw new Error('DATABASE_URL is required')",
        "started, and ended by itself with exit code 1 after …: DATABASE_URL is required; nothing was missing",
    ),
    (
        "exits.js",
        "console.error('no PORT'); process.exit(3)",
        "started, and ended by itself with exit code 3 after …: no PORT; nothing was missing",
    ),
    (
        // As Nest logs what ends it.
        "coloured.js",
        "console.error('\\x1b[31m[Nest] 1 - \\x1b[39m ERROR \\x1b[38;5;3m[ExceptionHandler] \\x1b[39mError: Missing HOST\\n    at a (b.js:1:2)\\n\\x1b[90m    at Module.require (node:internal:3:4)\\x1b[39m'); process.exit(1)",
        "started, and ended by itself with exit code 1 after …: Error: Missing HOST; nothing was missing",
    ),
    (
        // As zod says what it misses.
        "listed.js",
        "throw new Error(JSON.stringify([{code: 'invalid_type', path: ['DATABASE_URL'], message: 'Required'}, {path: [], message: 'Odd'}], null, 2))",
        "started, and ended by itself with exit code 1 after …: DATABASE_URL: Required; Odd; nothing was missing",
    ),
    (
        "database.js",
        "require('net').connect(5432, 'db.invalid')",
        "started, and ended by itself with exit code 1 after ",
    ),
    (
        "rejects.mjs",
        "await Promise.reject(new Error('no service'))",
        "started, and ended by itself with exit code 1 after …: no service",
    ),
    (
        "json.js",
        "JSON.parse('{x')",
        "started, and ended by itself with exit code 1 after ",
    ),
    (
        "mounted.js",
        "require('fs').readFileSync(__dirname + '/mounted.json')",
        "started, and ended by itself with exit code 1 after …: ENOENT",
    ),
    (
        "package.js",
        "require('nope')",
        "!Cannot find module 'nope' (package.js needs it)",
    ),
    (
        "package.mjs",
        "import 'nope'",
        "!Cannot find package 'nope' imported from ",
    ),
    ("syntax.js", "let a = ;", "!Unexpected token ';', in "),
    ("syntax.mjs", "let a = ;", "!Unexpected token ';'"),
    (
        // What tsx throws, by esbuild 0.25.
        "transform.js",
        "throw Object.assign(new Error('Transform failed with 1 error:\\n' + __filename + ':2:0: ERROR: Top-level await is not supported'), {name: 'TransformError'})",
        "!Top-level await is not supported, in transform.js:2",
    ),
    (
        "file.js",
        "require('fs').readFileSync(__dirname + '/data/x.proto')",
        "!the app reads data/x.proto when it starts",
    ),
    (
        "file.mjs",
        "import {readFileSync} from 'fs'; readFileSync(new URL('data/x.proto', import.meta.url))",
        "!the app reads data/x.proto when it starts",
    ),
    (
        "relative.js",
        "require('fs').readFileSync('data/x.proto')",
        "!the app reads data/x.proto when it starts",
    ),
    (
        "relative-said.js",
        "require('fs').readFile('./data/x.proto', (e) => { console.error(e.message); process.exit(1) })",
        "!the app reads data/x.proto when it starts",
    ),
    (
        "elsewhere.js",
        "process.chdir('/tmp'); require('fs').readFileSync('data/x.proto')",
        "started, and ended by itself with exit code 1 after …: ENOENT",
    ),
    (
        "directory.js",
        "require('fs/promises').readdir(__dirname + '/data')",
        "!the app reads data when it starts",
    ),
    (
        "said.js",
        "require('fs').readFile(__dirname + '/data/x.proto', (e) => { console.error(e.message); process.exit(1) })",
        "!the app reads data/x.proto when it starts",
    ),
    (
        "program.js",
        "require('child_process').spawn('nosuch')",
        "!the app starts `nosuch`, which is not in the image",
    ),
    (
        "worker.js",
        "new (require('worker_threads').Worker)(__dirname + '/none.js')",
        "!Cannot find module ",
    ),
    (
        "shell.sh",
        "echo no database >&2; exit 1",
        "started, and ended by itself with exit code 1 after …: no database; nothing was missing",
    ),
    (
        "shell-program.sh",
        "nosuch --now",
        "!the start script runs a program that is not in the image: ",
    ),
    (
        "named.js",
        "try { require.resolve('pino-pretty') } catch { throw new Error('unable to determine transport target for \"pino-pretty\"') }",
        "!the app looks for the module `pino-pretty` when it starts",
    ),
    (
        "ungenerated.js",
        "throw new Error('@prisma/client did not initialize yet. Please run \"prisma generate\" and try to import it again.')",
        "!the Prisma client in the image is not generated",
    ),
    // It goes when this test's directory goes.
    (
        "daemon.js",
        "const stays = \"setInterval(() => { if (!require('fs').existsSync(process.argv[1])) process.exit() }, 100)\";
         require('child_process').spawn(process.execPath, ['-e', stays, __filename], { detached: true, stdio: 'inherit' });
         require('net').createServer().listen(0)",
        "started, listens on port ",
    ),
    (
        "env.js",
        "process.loadEnvFile ? process.loadEnvFile('.env') : require('fs').readFileSync('.env')",
        "started, and ended by itself with exit code 1…it reads .env, and an image holds no env file",
    ),
    // SQLite opens its file by itself, so node's file system knows nothing of it.
    (
        "sqlite.js",
        "console.error('Error: ConnectionFailed(\"Unable to open connection to local database data/local.db: 14\")\\n    at x\\n}'); process.exit(1)",
        "!the app writes to data/local.db when it starts, and may not",
    ),
    (
        "volume.js",
        "console.error('SqliteError: unable to open database file\\n    at x\\n}'); process.exit(1)",
        "started, and ended by itself with exit code 1…: SqliteError: unable to open database file; SQLite could not open its file",
    ),
    // A slow machine is no reason to let an app pass.
    (
        "slow.js",
        "const until = Date.now() + 6500; while (Date.now() < until); require('fs').mkdirSync('/sys/x')",
        "started, and ended by itself with exit code 1",
    ),
    (
        "notes.js",
        "require('fs').appendFileSync(process.env.SLIMBUILD_TRIAL, 'no note\\nnull\\n'); console.log('done')",
        "started, and ended by itself after ",
    ),
];

#[test]
fn what_lies_in_the_image_is_told_from_what_does_not() {
    let test = "what_lies_in_the_image_is_told_from_what_does_not";
    if Command::new("node").arg("--version").output().is_err() {
        return skipped("no node", test);
    }
    let files: Vec<(&str, &str)> = CASES.iter().map(|(name, text, _)| (*name, *text)).collect();
    let tree = Tree::new(&files);
    let script = "
        const { trial } = await import(process.env.PROGRAM);
        const root = process.env.ROOT;
        const cases = JSON.parse(process.env.CASES);
        const one = (name) => trial({ root, command: [name.endsWith('.sh') ? 'sh' : process.execPath, `${root}/${name}`], directory: root, sources: ['data/x.proto'] });
        const found = [];
        // Two at a time: that is how many processors there are.
        const next = async () => { while (cases.length > 0) { const name = cases.pop(); found.push([name, await one(name)]); } };
        await Promise.all([next(), next()]);
        console.log(JSON.stringify(Object.fromEntries(found)));
    ";
    let names: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    let output = Command::new("node")
        .args(["--input-type=module", "-e", script])
        .env("PROGRAM", repository().join("templates/trial.mjs"))
        .env("ROOT", tree.root().canonicalize().unwrap())
        .env("CASES", json!(names).to_string())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (name, _, expected) in CASES {
        let said = match &found[name] {
            Value::Object(end) if end.contains_key("fault") => {
                format!("!{}", end["fault"]["message"].as_str().unwrap())
            }
            end => end["said"].as_str().unwrap_or_default().to_owned(),
        };
        let parts: Vec<&str> = expected.split('…').collect();
        let fits = match parts[..] {
            [before, after] => said.starts_with(before) && said.contains(after),
            _ => said.starts_with(expected),
        };
        assert!(fits, "{name}: {said}");
    }
}

/// A server that reads a file of its sources, and one that needs a database.
fn trees() -> [(Tree, Result<&'static str, &'static str>); 9] {
    let main = "require('fs').readFileSync(__dirname + '/../docs/api.json')";
    let reads = server(main);
    reads.write("apps/api/docs/api.json", "{}");
    // What is older than its sources is refused.
    reads.write("apps/api/dist/main.js", main);
    // An image that was started before is not started again.
    let new = unique();
    let waits = server(&format!(
        "throw new Error('DATABASE_URL is required')//{new}"
    ));
    let database = server(&format!("require('net').connect(5432, 'database')//{new}"));
    let cron = server(&format!("console.log('swept')//{new}"));
    let worker = server(&format!("setInterval(() => {{}}, 1000)//{new}"));
    let main = format!(
        "const fs = require('fs'); const dir = __dirname + '/uploads';
         fs.mkdirSync(dir, {{ recursive: true }}); fs.writeFileSync(dir + '/x', ''); fs.appendFileSync(dir + '/seed', '!');
         throw new Error('written')//{new}"
    );
    let writes = server(&main);
    writes.write("apps/api/dist/uploads/seed", "");
    let logs = server(&format!("require('fs').mkdirSync('logs')//{new}"));
    let may = server(&main);
    may.write("apps/api/dist/uploads/seed", "");
    may.write(
        "apps/api/slimbuild.json",
        r#"{"writable": ["dist/uploads"]}"#,
    );
    // What is older than its sources is refused.
    may.write("apps/api/dist/main.js", &main);
    let makes = server(&format!(
        "require('fs').mkdirSync(process.cwd() + '/uploads', {{ recursive: true }})//{new}"
    ));
    [
        (
            reads,
            Err(
                "the app reads apps/api/docs/api.json when it starts, which is in the workspace and not in the image",
            ),
        ),
        (waits, Ok("ended by itself with exit code 1")),
        (
            writes,
            Err("the app writes to apps/api/dist/uploads/x when it starts, and may not"),
        ),
        (
            logs,
            Err("the app writes to apps/api/logs when it starts, and may not"),
        ),
        (
            makes,
            Err("the app writes to apps/api/uploads when it starts, and may not"),
        ),
        (may, Ok("s: written; nothing was missing")),
        (
            database,
            Ok(" database; nothing was missing from the image"),
        ),
        (cron, Ok("started, and ended by itself after ")),
        (worker, Ok("started, and ran for ")),
    ]
}

#[test]
fn natively_the_app_is_started_before_anybody_gets_the_image() {
    let test = "natively_the_app_is_started_before_anybody_gets_the_image";
    if !namespaces(test) {
        return;
    }
    for (tree, expected) in trees() {
        let made = made(&tree, &cache(), &["-o", "image.tar"], &Env::of_process());
        match expected {
            Ok(said) => assert!(made.stderr.contains(said), "{}", made.stderr),
            Err(said) => {
                assert!(made.stderr.contains(said), "{}", made.stderr);
                assert!(!tree.root().join("image.tar").exists());
            }
        }
    }
}

#[test]
fn in_docker_the_app_is_started_before_the_image_gets_its_name() {
    let test = "in_docker_the_app_is_started_before_the_image_gets_its_name";
    every_daemon(test, |daemon| {
        let version = daemon.wait(daemon.client.version()).unwrap().version;
        let knows = !version.unwrap().starts_with("20.");
        for (tree, expected) in trees() {
            let tag = daemon.tag("trial");
            let arguments = [
                "apps/api",
                "--prebuilt",
                "--progress",
                "plain",
                "-t",
                &tag.name,
            ];
            let outcome = daemon.slimbuild(tree.root(), &arguments);
            match expected {
                _ if !knows => {
                    let said = "the app is not started before the image gets its name";
                    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
                }
                Ok(said) => assert!(outcome.stderr.contains(said), "{}", outcome.stderr),
                Err(said) => {
                    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
                    let hint = "what is missing is said above";
                    assert!(outcome.stderr.contains(hint), "{}", outcome.stderr);
                }
            }
        }
    });
}
