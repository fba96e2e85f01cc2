//! Whatever a stranger writes into a workspace, the Dockerfile has the same instructions.

use proptest::prelude::*;

use super::*;
use crate::plan::PlanOptions;
use crate::plan::config;
use crate::testing;

/// Instructions as Docker's parser finds them, read anew here: comments, continued lines,
/// here-documents, and directives at the top.
fn instructions(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut logical = String::new();
    let mut at_top = true;
    for line in text.split('\n') {
        let line = line.trim_end_matches('\r');
        if line.trim_start().starts_with('#') {
            let directive = line.trim_start_matches('#').trim_start();
            let key: String = directive
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            let rest = directive[key.len()..].trim_start();
            if at_top && !key.is_empty() && rest.starts_with('=') {
                found.push(format!("directive {key}"));
            }
            continue;
        }
        at_top = false;
        if line.trim().is_empty() {
            continue;
        }
        let end = line.trim_end_matches([' ', '\t']);
        if let Some(continued) = end.strip_suffix('\\') {
            logical.push_str(continued);
            continue;
        }
        logical.push_str(line);
        found.push(summary(&std::mem::take(&mut logical)));
    }
    assert_eq!(logical, "", "the last line is continued");
    found
}

/// The instruction's name, its flags, and what would begin a here-document.
fn summary(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.push(std::mem::take(&mut word)),
            '\'' => {
                word.push('q');
                assert!(
                    letters.any(|letter| letter == '\''),
                    "a quote never ends: {line}"
                );
            }
            '"' => {
                word.push('q');
                loop {
                    match letters.next() {
                        Some('"') => break,
                        Some('\\') => {
                            letters.next();
                        }
                        Some(_) => {}
                        None => panic!("a quote never ends: {line}"),
                    }
                }
            }
            '\\' => {
                letters.next();
            }
            _ => word.push(letter),
        }
    }
    words.push(word);
    let name = words[0].clone();
    let flags = words[1..].iter().take_while(|word| word.starts_with("--"));
    let flags: Vec<&str> = flags.map(|flag| flag.split('=').next().unwrap()).collect();
    let heredocs = words.iter().filter(|word| {
        word.trim_start_matches(|letter: char| letter.is_ascii_digit())
            .starts_with("<<")
    });
    format!("{name} {flags:?} {}", heredocs.count())
}

/// Where a stranger can write something.
const FIELDS: [&str; 12] = [
    "app", "lib", "root", "dir", "libdir", "engines", "pnpm", "start", "startenv", "env", "label",
    "task",
];

/// A workspace that holds this text in one of the fields, as a Dockerfile; nothing where it is
/// refused.
fn dockerfile(field: &str, text: &str) -> Option<String> {
    let value = |name: &str, harmless: &str| {
        if name == field {
            text.to_owned()
        } else {
            harmless.to_owned()
        }
    };
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let task = value("task", "make");
    let (dir, lib_dir) = (
        format!("apps/{}", value("dir", "a")),
        format!("libs/{}", value("libdir", "l")),
    );
    let word = |name: &str| value(name, "word").replace('\'', "'\\''");
    let start = format!("A='{}' node main.js '{}'", word("startenv"), word("start"));
    let (app, lib) = (value("app", "app"), value("lib", "lib"));
    let manifest = serde_json::json!({
        "name": app, "description": text,
        "engines": { "node": format!(">=20{}", value("engines", "")) },
        "scripts": { "start": start, task.as_str(): "node make.js" },
        "dependencies": { lib.as_str(): "workspace:*" },
    });
    let library = serde_json::json!({ "name": lib, "main": "dist/index.js", "scripts": { "build": "node make.js" } });
    let root = serde_json::json!({ "name": value("root", "root"), "packageManager": format!("pnpm@10.34.5{}", value("pnpm", "")) });
    let settings = serde_json::json!({
        "env": { "B": value("env", "word") }, "labels": { "l": value("label", "word") }, "tasks": [task],
    });
    let lockfile = format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  {}:\n    dependencies:\n      {}:\n        specifier: workspace:*\n        version: {}\n\n  {}: {{}}\n",
        quoted(&dir),
        quoted(&lib),
        quoted(&format!("link:../../{lib_dir}")),
        quoted(&lib_dir)
    );
    let files = [
        ("package.json".to_owned(), root.to_string()),
        (
            "pnpm-workspace.yaml".to_owned(),
            "packages: ['apps/*', 'libs/*']\n".to_owned(),
        ),
        ("pnpm-lock.yaml".to_owned(), lockfile),
        (
            "turbo.json".to_owned(),
            r#"{"tasks":{"build":{"dependsOn":["^build"],"outputs":["dist/**"]}}}"#.to_owned(),
        ),
        (format!("{dir}/package.json"), manifest.to_string()),
        (format!("{dir}/slimbuild.json"), settings.to_string()),
        (format!("{dir}/main.js"), String::new()),
        (format!("{lib_dir}/package.json"), library.to_string()),
        (format!("{lib_dir}/make.js"), String::new()),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    let directory = testing::tree(&files);
    let root = fs_err::canonicalize(directory.path()).unwrap();
    let workspace = crate::workspace::Workspace::load(&root).ok()?;
    let app = workspace
        .members
        .ids()
        .find(|at| workspace.is_app_by_place(*at))?;
    let options = PlanOptions::default().over(config::load(&workspace, app).ok()?);
    let plan = Plan::new(&workspace, app, &options).ok()?;
    render(&plan).ok()
}

/// What means something in a Dockerfile, to a shell, or to who reads either.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        "RUN echo INJECTED",
        "FROM scratch",
        "#",
        "# syntax=evil",
        "# escape=`",
        "'",
        "\"",
        "\\",
        "\\\n",
        "$HOME",
        "$(id)",
        "`id`",
        "<<EOF",
        "\nEOF\n",
        "--from=x",
        "--mount=type=bind",
        "[a]",
        "*",
        "?",
        "{}",
        ";",
        "&&",
        "|",
        "\u{2028}",
        "\u{85}",
        "\u{7f}",
        "\u{1b}[2J",
        "\u{202e}",
        "\0",
        " ",
        "\t",
        "-",
        "--",
        "a",
        "é",
    ]);
    prop::collection::vec(pieces, 1..5).prop_map(|pieces| pieces.concat())
}

/// A text as the name of a directory.
fn directory(text: &str) -> String {
    let name = text.replace(['/', '\0'], "");
    if name.is_empty() || name == "." || name == ".." {
        "x".to_owned()
    } else {
        name
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_becomes_an_instruction(field in prop::sample::select(FIELDS.to_vec()), text in hostile()) {
        let expected = instructions(&dockerfile("", "").unwrap());
        let text = if field.ends_with("dir") { directory(&text) } else { text };
        if let Some(dockerfile) = dockerfile(field, &text) {
            prop_assert_eq!(instructions(&dockerfile), expected, "{} {:?}\n{}", field, text, dockerfile);
        }
    }
}

#[test]
fn stages_have_names_that_an_image_could_have() {
    for dir in ["[a]", "ä ö", "a*b?", "-"] {
        let text = dockerfile("libdir", dir).unwrap();
        let stages = text.lines().filter_map(|line| line.split(" AS ").nth(1));
        for stage in stages {
            assert!(!stage.ends_with('-'), "{stage}");
        }
    }
}

#[test]
fn what_can_be_said_is_said() {
    let expected = instructions(&dockerfile("", "").unwrap());
    assert!(expected.len() > 15, "{expected:?}");
    for (field, text) in [
        ("app", "a\nRUN echo INJECTED\n#"),
        ("root", "a\nRUN echo INJECTED\n#"),
        ("engines", " || 22\n#"),
        ("start", "it's $HOME `id` \"x\" \\"),
        ("startenv", "it's $HOME `id` \"x\" \\"),
        ("env", "it's $HOME `id` \"x\" \\ <<EOF"),
        ("label", "it's $HOME `id` \"x\" \\ # syntax=x"),
        ("task", "make it's $HOME"),
        ("dir", "a\"b"),
        ("dir", "a'b c"),
        ("dir", "$HOME"),
        ("dir", "[a]"),
        ("dir", "-rf"),
        ("dir", "#x"),
        ("dir", "ä ö"),
        ("libdir", "a\"b"),
        ("libdir", "a'b c"),
        ("libdir", "$HOME"),
        ("libdir", "[a]"),
        ("libdir", "-rf"),
        ("libdir", "#x"),
        ("libdir", "ä ö"),
    ] {
        let dockerfile = dockerfile(field, text).unwrap_or_else(|| panic!("{field} {text:?}"));
        assert_eq!(
            instructions(&dockerfile),
            expected,
            "{field} {text:?}\n{dockerfile}"
        );
    }
    for (field, text) in [
        ("startenv", "x\nRUN echo INJECTED\n#"),
        ("env", "a\nb"),
        ("label", "a\r"),
        ("pnpm", "\nRUN echo INJECTED\n#"),
        ("task", "--help"),
        ("dir", "a\nb"),
        ("libdir", "a\u{1b}b"),
        ("dir", "a\\b"),
        ("libdir", "\\"),
    ] {
        assert_eq!(dockerfile(field, text), None, "{field} {text:?}");
    }
}
