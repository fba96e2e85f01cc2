use super::*;
use crate::testing::{at, workspace};

fn shown(script: &str) -> Vec<String> {
    parse(script)
        .iter()
        .map(|command| command.words.join(" "))
        .collect()
}

#[test]
fn commands_without_their_wrappers() {
    assert_eq!(shown("pnpm gen && nest build"), ["pnpm gen", "nest build"]);
    assert_eq!(
        shown("NODE_ENV=production cross-env PORT=1 node dist/main"),
        ["node dist/main"]
    );
    assert_eq!(shown("dotenv -e ../.env -- node 'a b.js'"), ["node a b.js"]);
    assert_eq!(shown("a;b||c"), ["a", "b", "c"]);
    assert_eq!(
        parse("A=1 cross-env B=2 node x")[0].env,
        [("A".into(), "1".into()), ("B".into(), "2".into())]
    );
}

#[test]
fn scripts_that_call_each_other_many_times_come_to_an_end() {
    let all = |count: usize, calls: &str| {
        let scripts: Vec<String> = (0..count)
            .map(|at| {
                let inner = format!("pnpm s{}", at + 1);
                format!(r#""s{at}": "{}""#, calls.replace('@', &inner))
            })
            .chain([format!(r#""s{count}": "tsc""#)])
            .collect();
        let text = format!(r#"{{"scripts": {{{}}}}}"#, scripts.join(", "));
        let manifest = Manifest::parse("package.json", &text).unwrap();
        commands(&manifest, "s0")
    };
    assert!(all(30, "@ && @").len() < 1 << 20);
    assert_eq!(all(20, "@").len(), 1);
    assert_eq!(all(20, "@")[0].program(), "tsc");
    assert_eq!(all(10_000, "@")[0].program(), "pnpm");
}

#[test]
fn follows_scripts() {
    let text = r#"{"scripts": {"build": "pnpm run gen && npm run compile", "gen": "gen", "compile": "tsc -p x.json", "loop": "pnpm loop"}}"#;
    let manifest = Manifest::parse("package.json", text).unwrap();
    let found = commands(&manifest, "build");
    assert_eq!(
        found.iter().map(Command::program).collect::<Vec<_>>(),
        ["gen", "tsc"]
    );
    assert_eq!(found[1].flag(&["-p", "--project"]), Some("x.json"));
    assert_eq!(commands(&manifest, "loop").len(), 1);
    let text = r#"{"scripts": {"all": "pnpm -r build && pnpm --filter a run build && npm run build -- -w", "build": "tsc"}}"#;
    let manifest = Manifest::parse("package.json", text).unwrap();
    assert_eq!(
        commands(&manifest, "all")
            .iter()
            .map(|command| command.words.join(" "))
            .collect::<Vec<_>>(),
        ["pnpm -r build", "pnpm --filter a run build", "tsc -w"]
    );
    let text = r#"{"scripts": {"build": "pnpm with-env vite build", "with-env": "dotenv -e ../../.env --", "start": "npm run serve -- -p 1", "serve": "node x"}}"#;
    let manifest = Manifest::parse("package.json", text).unwrap();
    assert_eq!(commands(&manifest, "build")[0].words, ["vite", "build"]);
    assert_eq!(
        commands(&manifest, "start")[0].words,
        ["node", "x", "-p", "1"]
    );
}

/// A line as it was read: its commands, each with its variables, between what stands between them.
fn read(line: &Line) -> String {
    let pieces = line.pieces.iter().map(|piece| match piece {
        Piece::Mark(mark) => mark.clone(),
        Piece::Command(command) => {
            let env = command.env.iter();
            let env = env.map(|(name, value)| format!("{name}={value}"));
            let words = env.chain(command.words.iter().cloned());
            words.collect::<Vec<_>>().join(" ")
        }
        Piece::Line(line, _) => format!("[{}]", read(line)),
        Piece::File(command, line) => format!("{} → [{}]", command.words.join(" "), read(line)),
        Piece::Lines(lines, end) => {
            let lines: Vec<String> = lines.iter().map(read).collect();
            format!("{end:?}[{}]", lines.join(" ∥ "))
        }
    });
    pieces.collect::<Vec<_>>().join(" ")
}

/// Scripts, and a file of the package beside them.
fn line_of(scripts: &[(&str, &str)]) -> String {
    let scripts: serde_json::Map<String, serde_json::Value> = scripts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).into()))
        .collect();
    let manifest = serde_json::json!({"name": "@w/a", "scripts": scripts}).to_string();
    let (_dir, workspace) = workspace(&[
        ("apps/a/package.json", &manifest),
        (
            "apps/a/run.sh",
            "#!/bin/sh\nset -e\nmigrate # first\nexec node x.js \\\n  --port 1\n",
        ),
        ("apps/a/bin/www", "#!/usr/bin/env node\n"),
        ("apps/a/tool.py", "#!/usr/bin/python3\n"),
    ]);
    read(&Scripts::of(&workspace, at(&workspace, "apps/a")).line("s"))
}

#[test]
fn a_script_is_read_as_a_shell_reads_it() {
    for (script, found) in [
        ("a 'b c' \"d $E\" f\\ g", "a b c d $E f g"),
        ("a && (b || c) ; d &", "a && ( b || c ) ; d &"),
        ("{ a; b; } | c", "{ a ; b ; } | c"),
        ("a > out.txt 2>&1 < in b", "a b"),
        ("a 2>/dev/null", "a"),
        ("a # b && c", "a"),
        ("a#b", "a#b"),
        ("a \\\n  b", "a b"),
        ("A=1 B=\"x y\" C='z' d", "A=1 B=x y C=z d"),
        ("\"A=1\" b", "A=1 b"),
        ("PORT=${PORT:-3000} node x", "PORT=3000 node x"),
        (
            "PORT=${PORT-3000} HOST=${A:-${B:-0.0.0.0}} node x",
            "PORT=3000 HOST=0.0.0.0 node x",
        ),
        ("PORT=\"${PORT:=80}80\" node x", "PORT=8080 node x"),
        ("PORT=$PORT node x", "node x"),
        (
            "V=$(git rev-parse --short \"HEAD)\" ) next build",
            "next build",
        ),
        ("V=`git rev-parse HEAD` next build", "next build"),
        (
            "if [ -f x ]; then node a; else node b; fi",
            "if [ -f x ] ; then node a ; else node b ; fi",
        ),
        ("echo 'if' && a", "echo if && a"),
        ("node x $", "node x $"),
        ("node x \"", "node x "),
        ("cat <<EOF\nnode y\nEOF\nnode z", "cat ; node z"),
        ("", ""),
    ] {
        assert_eq!(line_of(&[("s", script)]), found, "{script}");
    }
}

#[test]
fn what_only_the_container_knows_is_told_apart() {
    let command =
        &parse("A=$B C=${D:-1} E=$E F=${F:-2} G=$(x) node x.js --port=$PORT *.txt '$Q' '*'")[0];
    let derived: Vec<String> = command
        .derived
        .iter()
        .map(|one| format!("{}={} {}", one.name, one.written, one.has_default))
        .collect();
    assert_eq!(derived, ["A=$B false", "C=${D:-1} true"]);
    assert_eq!(
        command.env,
        [("C".into(), "1".into()), ("F".into(), "2".into())]
    );
    assert_eq!(command.open, ["G=$(x)", "--port=$PORT", "*.txt"]);
}

#[test]
fn each_runner_leads_to_what_it_runs() {
    let scripts = [
        ("build:a", "a"),
        ("build:b", "b"),
        ("build:b:c", "c"),
        ("one", "one x"),
        ("with", "dotenv -e x --"),
        ("loop", "pnpm loop"),
    ];
    for (script, found) in [
        ("pnpm one", "[one x]"),
        ("pnpm run one -- -w", "[one x -w]"),
        ("A=1 npm run --silent one", "[A=1 one x]"),
        ("yarn one", "[one x]"),
        ("bun run one", "[one x]"),
        ("node --run one", "[one x]"),
        ("pnpm with vite build", "[vite build]"),
        ("pnpm exec vite build", "vite build"),
        ("pnpm vite build", "vite build"),
        ("yarn vite build", "vite build"),
        ("npm exec -- vite build", "vite build"),
        ("npx --yes -p vite@5 vite build", "vite build"),
        ("npx vite@5 build", "vite build"),
        ("npx -c 'vite build'", "[vite build]"),
        ("pnpm dlx @angular/cli@17 build", "cli build"),
        ("bunx --bun vite build", "vite build"),
        ("node_modules/.bin/vite build", "vite build"),
        ("../../node_modules/.bin/vite build", "vite build"),
        (
            "node --inspect node_modules/vite/bin/vite.js build",
            "vite build",
        ),
        (
            "node ../../node_modules/next/dist/bin/next build",
            "next build",
        ),
        (
            "node ./node_modules/@angular/cli/bin/ng.js build",
            "ng build",
        ),
        (
            "node node_modules/x/server.js",
            "node node_modules/x/server.js",
        ),
        ("run-s build:*", "[[a] && [b]]"),
        ("run-s build:**", "[[a] && [b] && [c]]"),
        (
            "run-p build:a \"one {@}\" -- 1 2",
            "Together[a ∥ one x 1 2]",
        ),
        ("run-p \"one {1}\" --", "Together[one x]"),
        (
            "npm-run-all -s build:a -p one build:b",
            "[[a] && Together[one x ∥ b]]",
        ),
        ("npm-run-all --parallel build:*", "Together[a ∥ b]"),
        ("concurrently \"npm:build:*\"", "Alone[[a] ∥ [b] ∥ [c]]"),
        (
            "concurrently -k -n x,y \"pnpm one\" 'b && c'",
            "First[[one x] ∥ b && c]",
        ),
        ("pnpm run \"/^build:[ab]$/\"", "Together[a ∥ b]"),
        ("pnpm --sequential run \"/^build:.$/\"", "[[a] && [b]]"),
        ("pnpm run '/((/'", "pnpm run /((/"),
        ("turbo run one", "[one x]"),
        ("turbo one --filter=@w/a", "[one x]"),
        (
            "turbo run one --filter other",
            "turbo run one --filter other",
        ),
        ("nx run @w/a:one", "[one x]"),
        ("pnpm -r one", "pnpm -r one"),
        ("pnpm --filter @w/a one", "[one x]"),
        ("pnpm --filter b one", "pnpm --filter b one"),
        ("pnpm -C . one", "[one x]"),
        ("pnpm install", "pnpm install"),
        ("npm ci", "npm ci"),
        (
            "bash run.sh",
            "bash run.sh → [; set -e ; migrate ; node x.js --port 1 ;]",
        ),
        (
            "./run.sh",
            "./run.sh → [; set -e ; migrate ; node x.js --port 1 ;]",
        ),
        ("./bin/www --x", "node ./bin/www --x"),
        ("./tool.py", "./tool.py"),
        ("sh ../../../etc/passwd", "sh ../../../etc/passwd"),
        ("sh missing.sh", "sh missing.sh"),
        ("pnpm loop", "[pnpm loop]"),
        ("pnpm s", "pnpm s"),
    ] {
        let mut all = scripts.to_vec();
        all.push(("s", script));
        assert_eq!(line_of(&all), found, "{script}");
    }
}

#[test]
fn hostile_scripts_come_to_an_end() {
    let deep =
        |open: &str, close: &str| format!("{}x{}", open.repeat(20_000), close.repeat(20_000));
    let quoted = (0..12).fold("x".to_owned(), |inner, _| {
        format!("sh -c {}", words::quote(&inner))
    });
    for script in [
        deep("(", ")"),
        deep("$(", ")"),
        deep("${A:-", "}"),
        deep("{ ", " }"),
        deep("`", "`"),
        deep("nice ", ""),
        deep("A=1 ", ""),
        deep("\"", "'"),
        "run-p build:* ".repeat(5_000),
        format!("run-s {}", "a:* ".repeat(20_000)),
        format!(
            "run-s 'a {}' -- {}",
            "{@}".repeat(10_000),
            "y ".repeat(10_000)
        ),
        format!("pnpm run '/{}/'", "(a{1,900}){1,900}"),
        format!("A={} sh -c '{}'", "x".repeat(50_000), "y;".repeat(50_000)),
        format!(
            "B={} concurrently {}",
            "x".repeat(20_000),
            "'s' ".repeat(20_000)
        ),
        quoted,
        "sh ./run.sh; ".repeat(10_000),
    ] {
        let found = line_of(&[("s", &script), ("a:b", "pnpm s")]);
        assert!(found.len() < 64 << 20);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "a", "é", "pnpm ", "run ", "s", "run-p ", "sh -c ", "npx ", "-p ", "--", "concurrently ", "npm:", "*", "/a/", "node ",
            "node_modules/", ".bin/", "@", "env ", "A=", "$", "{", "}", "(", ")", "'", "\"", "`", "\\", "\n", ";", "&", "|", "<", ">",
            "<<", "#", " ", "1", ":-", "turbo ", "-c ", "./run.sh ", "=", "-", "{@}",
        ]), 0..40),
    ) {
        let text = parts.concat();
        let commands = parse(&text);
        proptest::prop_assert!(commands.iter().all(|command| !command.words.is_empty()));
        let manifest = serde_json::json!({"scripts": {"s": text, "a": "pnpm s"}}).to_string();
        let manifest = Manifest::parse("package.json", &manifest).unwrap();
        super::commands(&manifest, "a");
    }

    #[test]
    fn a_quoted_word_is_read_as_it_was(text in "\\PC*") {
        let found = parse(&format!("x {}", words::quote(&text)));
        proptest::prop_assert_eq!(&found[0].words[1], &text);
    }
}
