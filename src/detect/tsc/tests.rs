use super::*;
use crate::detect::script;
use crate::testing::workspace;

/// The outputs of an app with these files, whose build is `build`.
fn outputs_of(build: &str, files: &[(&str, &str)]) -> Option<Vec<String>> {
    let placed: Vec<(String, &str)> = files
        .iter()
        .map(|(path, text)| (format!("apps/a/{path}"), *text))
        .collect();
    let mut all: Vec<(&str, &str)> = placed
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    all.push(("apps/a/package.json", "{}"));
    all.push((
        "packages/tsconfig/package.json",
        r#"{"name": "@x/tsconfig"}"#,
    ));
    all.push((
        "packages/tsconfig/node.json",
        r#"{"compilerOptions": {"rootDir": "${configDir}/src"}}"#,
    ));
    let (_dir, workspace) = workspace(&all);
    let names = files.iter().map(|(path, _)| (*path).to_owned()).collect();
    let dir = RepoPath::new("apps/a").unwrap();
    match writes(&workspace, &dir, &script::parse(build), &names).unwrap() {
        Writes::Known(outputs) => Some(outputs.into_iter().collect()),
        Writes::Unknown => None,
    }
}

#[test]
fn the_root_is_the_deepest_directory_of_all_inputs() {
    let plain = r#"{"compilerOptions": {"outDir": "./dist"}} // comment"#;
    let outputs = outputs_of(
        "tsc",
        &[
            ("tsconfig.json", plain),
            ("src/main.ts", ""),
            ("src/lib/a.mts", ""),
        ],
    );
    assert_eq!(outputs.unwrap(), ["dist/lib/a.mjs", "dist/main.js"]);
    let outputs = outputs_of(
        "tsc",
        &[
            ("tsconfig.json", plain),
            ("src/main.ts", ""),
            ("vitest.config.ts", ""),
        ],
    );
    assert_eq!(
        outputs.unwrap(),
        ["dist/src/main.js", "dist/vitest.config.js"]
    );
    let include = r#"{"include": ["src"], "compilerOptions": {"outDir": "dist", "rootDir": "."}}"#;
    let outputs = outputs_of(
        "tsc",
        &[
            ("tsconfig.json", include),
            ("src/main.ts", ""),
            ("vitest.config.ts", ""),
        ],
    );
    assert_eq!(outputs.unwrap(), ["dist/src/main.js"]);
}

#[test]
fn nest_builds_with_its_own_configuration() {
    let base = r#"{"compilerOptions": {"outDir": "./dist"}}"#;
    let build =
        r#"{"extends": "./tsconfig.json", "exclude": ["node_modules", "test", "**/*spec.ts"]}"#;
    let files = [
        ("tsconfig.json", base),
        ("tsconfig.build.json", build),
        ("src/main.ts", ""),
        ("src/a.spec.ts", ""),
        ("test/b.ts", ""),
    ];
    assert_eq!(
        outputs_of("prisma generate && nest build", &files).unwrap(),
        ["dist/main.js"]
    );
    let mut webpack = files.to_vec();
    webpack.push(("nest-cli.json", r#"{"compilerOptions": {"webpack": true}}"#));
    assert_eq!(outputs_of("nest build", &webpack), None);
}

#[test]
fn extends_leads_into_other_packages() {
    let config = r#"{"extends": "@x/tsconfig/node.json", "compilerOptions": {"outDir": "out"}}"#;
    assert_eq!(
        outputs_of("tsc", &[("tsconfig.json", config), ("src/main.ts", "")]).unwrap(),
        ["out/main.js"]
    );
}

#[test]
fn others_cannot_be_told() {
    assert_eq!(outputs_of("tsup src/main.ts", &[("src/main.ts", "")]), None);
    assert_eq!(
        outputs_of(
            "tsc --noEmit",
            &[("tsconfig.json", "{}"), ("src/main.ts", "")]
        ),
        None
    );
}

/// Many configurations, each of which extends all that follow it: there are more ways through them than anybody can go.
fn fan(count: usize) -> Vec<(String, String)> {
    let config = |at: usize| {
        let bases: Vec<String> = (at + 1..count)
            .map(|base| format!(r#""./tsconfig.{base}.json""#))
            .collect();
        let text = format!(
            r#"{{"extends": [{}], "compilerOptions": {{"outDir": "out-{at}"}}}}"#,
            bases.join(",")
        );
        let name = match at {
            0 => "tsconfig.json".to_owned(),
            _ => format!("tsconfig.{at}.json"),
        };
        (name, text)
    };
    (0..count).map(config).collect()
}

#[test]
fn a_configuration_is_read_once_however_many_extend_it() {
    let mut files = fan(40);
    files.push(("src/main.ts".to_owned(), String::new()));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    assert_eq!(outputs_of("tsc", &files).unwrap(), ["out-0/main.js"]);
}

#[test]
fn configurations_that_extend_each_other_are_refused() {
    let problem = |files: &[(&str, &str)]| {
        let placed: Vec<(String, &str)> = files
            .iter()
            .map(|(path, text)| (format!("apps/a/{path}"), *text))
            .collect();
        let mut all: Vec<(&str, &str)> =
            placed.iter().map(|(path, text)| (&**path, *text)).collect();
        all.push(("apps/a/package.json", "{}"));
        let (_dir, workspace) = workspace(&all);
        let names = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let dir = RepoPath::new("apps/a").unwrap();
        let written = writes(&workspace, &dir, &script::parse("tsc"), &names);
        written.unwrap_err().to_string()
    };
    assert_eq!(
        problem(&[
            ("tsconfig.json", r#"{"extends": "./b.json"}"#),
            ("b.json", r#"{"extends": ["./c.json", "./tsconfig.json"]}"#),
            ("c.json", "{}"),
        ]),
        "`apps/a/tsconfig.json`: `extends` leads back to the file: apps/a/tsconfig.json → apps/a/b.json → apps/a/tsconfig.json"
    );
    let mut files = vec![(
        "tsconfig.json".to_owned(),
        r#"{"extends": "./1.json"}"#.to_owned(),
    )];
    for at in 1..200 {
        files.push((
            format!("{at}.json"),
            format!(r#"{{"extends": "./{}.json"}}"#, at + 1),
        ));
    }
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    assert_eq!(
        problem(&files),
        "`apps/a/tsconfig.json`: more than 64 files extend each other in a row"
    );
}
