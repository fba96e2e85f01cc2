use crate::model::member::MemberId;
use crate::plan::{Content, Place, Plan, PlanOptions};
use crate::testing::{at, workspace};

const LOCKFILE: &str = "lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      ms:
        specifier: 2.1.3
        version: 2.1.3
    devDependencies:
      tracer:
        specifier: 1.0.0
        version: 1.0.0

  apps/a: {}

  apps/web: {}

  packages/p: {}

packages:

  ms@2.1.3:
    resolution: {integrity: sha512-a}

  tracer@1.0.0:
    resolution: {integrity: sha512-b}

snapshots:

  ms@2.1.3: {}

  tracer@1.0.0: {}
";

/// The plan of `apps/a`, whose code is this, started by this script.
fn plan(code: &str, start: &str, include: &[&str]) -> Result<Plan, String> {
    let manifest = format!(r#"{{"name":"a","scripts":{{"start":"{start}"}}}}"#);
    let turbo =
        r#"{"tasks":{"build":{"outputs":["dist/**"]},"a#build":{"dependsOn":["web#build"]}}}"#;
    let root = r#"{"name":"r","packageManager":"pnpm@10.34.8","dependencies":{"ms":"2.1.3"},"devDependencies":{"tracer":"1.0.0"}}"#;
    let web = r#"{"name":"web","scripts":{"build":"vite build"}}"#;
    let (_dir, workspace) = workspace(&[
        ("package.json", root),
        ("pnpm-lock.yaml", LOCKFILE),
        ("turbo.json", turbo),
        (".gitignore", "gen\n"),
        ("config/prod.json", "{}"),
        ("instrument.cjs", "require('./tools/trace.cjs')"),
        ("tools/trace.cjs", "require('tracer')"),
        ("apps/a/docs/api/v1.json", "{}"),
        ("apps/a/docs/other.md", ""),
        (
            "apps/a/scripts/job.js",
            "require('./part'); require('../index')",
        ),
        ("apps/a/scripts/part.js", ""),
        ("apps/a/test/index.js", ""),
        ("apps/a/package.json", &manifest),
        ("apps/a/index.js", code),
        ("apps/a/.env", "A=1"),
        ("apps/web/package.json", web),
        ("apps/web/src/main.js", ""),
        ("packages/p/package.json", r#"{"name":"p"}"#),
        ("packages/p/x.proto", ""),
        ("packages/p/gen/y.proto", ""),
    ]);
    let options = PlanOptions {
        include: include.iter().map(|&glob| glob.to_owned()).collect(),
        ..PlanOptions::default()
    };
    let found = Plan::new(&workspace, at(&workspace, "apps/a"), &options);
    found.map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
}

/// The files of other places that the image gets.
fn beside(plan: &Plan) -> Vec<&str> {
    let all = plan.context().iter();
    let beside = all.filter(|entry| entry.place == Place::Beside);
    beside.map(|entry| entry.path.as_str()).collect()
}

/// Whether the context has a file at a path.
fn sends(plan: &Plan, path: &str) -> bool {
    let mut entries = plan.context().iter();
    entries.any(|entry| entry.full_path() == path)
}

#[test]
fn an_include_reaches_the_image_wherever_its_files_lie() {
    let include = ["config/**", "packages/p/gen", "packages/p/*.proto"];
    let plan = plan("", "node index.js", &include).unwrap();
    let expected = [
        "config/prod.json",
        "packages/p/gen/y.proto",
        "packages/p/x.proto",
    ];
    assert_eq!(beside(&plan), expected);
    assert!(sends(&plan, "root/config/prod.json") && sends(&plan, "src/packages/p/gen/y.proto"));
}

#[test]
fn an_include_that_brings_nothing_is_an_error() {
    for (glob, says) in [
        (
            "nope/**",
            "`nope/**` of `include` brings no file; in slimbuild.json globs begin",
        ),
        (
            "apps/a/.env",
            "`apps/a/.env` of `include` brings no file: `apps/a/.env` stays out, `.env*` never enters an image; ",
        ),
    ] {
        let error = plan("", "node index.js", &[glob]).unwrap_err();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn files_that_code_reads_outside_of_its_package_come_along() {
    for (code, expected) in [
        (
            "join(__dirname, '../../packages/p/x.proto')",
            &["packages/p/x.proto"][..],
        ),
        (
            "join(process.cwd(), '..', '..', 'config')",
            &["config/prod.json"],
        ),
        ("require('../../tools/trace.cjs')", &["tools/trace.cjs"]),
        ("join(__dirname, '../../packages/p')", &[]),
        ("read('../../packages/p/x.proto')", &[]),
    ] {
        let plan = plan(code, "node index.js", &[]).unwrap();
        assert_eq!(beside(&plan), expected, "{code}");
        let warned = plan
            .warnings
            .iter()
            .any(|one| one.contains("--include 'packages/p"));
        assert_eq!(warned, expected.is_empty(), "{code}: {:?}", plan.warnings);
    }
}

/// `docs` and `scripts` are for developers, until code reads them.
#[test]
fn files_of_the_package_itself_that_code_certainly_reads_come_along() {
    for (code, expected) in [
        (
            "readFileSync(join(__dirname, 'docs/api/v1.json'))",
            &["apps/a/docs/api/v1.json"][..],
        ),
        (
            "readFileSync('docs/api/v1.json')",
            &["apps/a/docs/api/v1.json"],
        ),
        (
            "serve(new URL('./docs/api', import.meta.url))",
            &["apps/a/docs/api/v1.json"],
        ),
        (
            "new Worker(new URL('./scripts/job.js', import.meta.url))",
            &["apps/a/scripts/job.js", "apps/a/scripts/part.js"],
        ),
        (
            "fork('./scripts/job.js')",
            &["apps/a/scripts/job.js", "apps/a/scripts/part.js"],
        ),
        (
            "load('docs/api/v1.json'); join(__dirname, 'docs/gone.json')",
            &[],
        ),
    ] {
        let plan = plan(code, "node index.js", &[]).unwrap();
        assert_eq!(beside(&plan), expected, "{code}");
    }
}

/// tsx finds modules by `paths` of tsconfig.json when the app starts.
#[test]
fn code_of_other_places_that_an_alias_means_comes_along() {
    let (_dir, workspace) = workspace(&[
        (
            "package.json",
            r#"{"name":"r","packageManager":"pnpm@10.34.8"}"#,
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a:\n    dependencies:\n      tsx:\n        specifier: 4.0.0\n        version: 4.0.0\n\npackages:\n\n  tsx@4.0.0:\n    resolution: {integrity: sha512-a}\n\nsnapshots:\n\n  tsx@4.0.0: {}\n",
        ),
        ("config/limits.ts", "import './more'"),
        ("config/more.ts", ""),
        ("config/other.ts", ""),
        (
            "tsconfig.paths.json",
            r#"{"compilerOptions":{"paths":{"@/*":["./apps/a/src/*"],"~cfg/*":["./config/*"]}}}"#,
        ),
        (
            "apps/a/tsconfig.json",
            r#"{"extends":"../../tsconfig.paths.json"}"#,
        ),
        (
            "apps/a/package.json",
            r#"{"name":"a","scripts":{"start":"tsx src/main.ts"},"dependencies":{"tsx":"4.0.0"}}"#,
        ),
        ("apps/a/src/main.ts", "import '~cfg/limits'; import '@/own'"),
        ("apps/a/src/own.ts", ""),
    ]);
    let plan = Plan::new(
        &workspace,
        at(&workspace, "apps/a"),
        &PlanOptions::default(),
    )
    .unwrap();
    assert_eq!(
        beside(&plan),
        ["config/limits.ts", "config/more.ts", "tsconfig.paths.json"]
    );
}

/// A library that finds no file says nothing.
#[test]
fn globs_of_sources_that_are_compiled_are_told() {
    let warnings = |scripts: &str| {
        let manifest = format!(r#"{{"name":"a","scripts":{scripts}}}"#);
        let code = "jsdoc({ apis: ['./src/routes/*.js', './src/none/*.js'] })";
        let (_dir, workspace) = workspace(&[
            (
                "package.json",
                r#"{"name":"r","packageManager":"pnpm@10.34.8"}"#,
            ),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a: {}\n",
            ),
            ("apps/a/package.json", &manifest),
            ("apps/a/src/app.js", code),
            ("apps/a/src/routes/a.js", ""),
        ]);
        let options = PlanOptions::default();
        let plan = Plan::new(&workspace, at(&workspace, "apps/a"), &options);
        plan.unwrap().warnings
    };
    assert_eq!(
        warnings(r#"{"build":"tsup src/app.js","start":"node dist/app.js"}"#),
        [
            "apps/a/src/app.js names `./src/routes/*.js`, sources that are compiled and not in the image: if a library reads them when the app runs, name what the build writes, or take them along with `--include 'apps/a/src/routes/*.js'`"
        ]
    );
    assert_eq!(warnings(r#"{"start":"node src/app.js"}"#), [""; 0]);
}

#[test]
fn what_is_loaded_first_comes_along_with_what_it_loads() {
    let plan = plan("", "node -r ../../instrument.cjs index.js", &[]).unwrap();
    assert_eq!(beside(&plan), ["instrument.cjs", "tools/trace.cjs"]);
    assert_eq!(plan.runtime.unwrap().named, [".: tracer"]);
}

#[test]
fn packages_of_the_root_that_code_loads_are_in_the_image() {
    let names = |code: &str| {
        plan(code, "node index.js", &[])
            .unwrap()
            .runtime
            .unwrap()
            .named
    };
    assert_eq!(names("import ms from 'ms'"), [".: ms"]);
    // What only developers have stays theirs, and nothing comes that nobody loads.
    assert_eq!(names("import 'tracer'"), [""; 0]);
    let plan = plan("import ms from 'ms'", "node index.js", &[]).unwrap();
    let manifest = plan
        .context()
        .iter()
        .find(|entry| entry.full_path() == "prod/package.json");
    let Content::Made { text, .. } = &manifest.unwrap().content else {
        panic!("no text");
    };
    assert!(text.contains("ms") && !text.contains("tracer"), "{text}");
}

#[test]
fn outputs_of_another_package_are_taken_from_its_build() {
    for (code, include) in [
        ("join(__dirname, '../web/dist/index.html')", &[][..]),
        ("", &["apps/web/dist/**"]),
    ] {
        let plan = plan(code, "node index.js", include).unwrap();
        let brought: Vec<String> = plan
            .brought
            .iter()
            .map(|one| one.path.to_string())
            .collect();
        assert_eq!(brought, ["apps/web/dist"]);
        let text = crate::render::dockerfile::render(&plan).unwrap();
        let copy = "COPY --from=build-apps-web /out/files/apps/web/dist/ apps/web/dist/\n";
        assert!(text.contains(copy), "{text}");
        assert!(text.contains("mkdir -p apps/web/dist\n"), "{text}");
    }
}

/// The plan of the root, whose code is this and whose build waits for these tasks.
fn of_root(code: &str, waits_for: &str, include: &[&str]) -> Plan {
    let lockfile =
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/web: {}\n\n  packages/p: {}\n";
    let turbo = format!(
        r#"{{"tasks":{{"build":{{"outputs":["dist/**"]}},"//#build":{{"dependsOn":[{waits_for}]}}}}}}"#
    );
    let root = r#"{"name":"r","packageManager":"pnpm@10.34.8","scripts":{"build":"node gen.js","start":"node index.js"}}"#;
    let (_dir, workspace) = workspace(&[
        ("package.json", root),
        ("pnpm-lock.yaml", lockfile),
        ("turbo.json", &turbo),
        (".gitignore", "gen\n"),
        ("index.js", code),
        ("gen/made.txt", ""),
        ("config/prod.json", "{}"),
        (
            "apps/web/package.json",
            r#"{"name":"web","scripts":{"build":"vite build"}}"#,
        ),
        ("apps/web/page.html", ""),
        ("packages/p/package.json", r#"{"name":"p"}"#),
        ("packages/p/x.proto", ""),
    ]);
    let options = PlanOptions {
        include: include.iter().map(|&glob| glob.to_owned()).collect(),
        ..PlanOptions::default()
    };
    Plan::new(&workspace, MemberId::ROOT, &options).unwrap()
}

#[test]
fn what_a_root_reads_of_its_packages_is_found_as_what_lies_elsewhere() {
    let code = "readFileSync(join(__dirname, 'packages/p/x.proto')); readFileSync(join(__dirname, 'config/prod.json'))";
    let plan = of_root(code, "", &[]);
    assert_eq!(beside(&plan), ["packages/p/x.proto"]);
    assert!(sends(&plan, "home/config/prod.json"));
    let code = "express.static(join(__dirname, 'apps/web/dist'))";
    let plan = of_root(code, r#""web#build""#, &[]);
    let brought: Vec<String> = plan
        .brought
        .iter()
        .map(|one| one.path.to_string())
        .collect();
    assert_eq!(brought, ["apps/web/dist"]);
    let warnings = of_root(code, "", &[]).warnings;
    assert!(
        warnings[0].contains("nothing has that package built"),
        "{warnings:?}"
    );
}

#[test]
fn an_include_of_a_root_reaches_its_image() {
    let plan = of_root("", "", &["gen/**", "apps/web/page.html"]);
    assert!(sends(&plan, "home/gen/made.txt"));
    assert_eq!(beside(&plan), ["apps/web/page.html"]);
}
