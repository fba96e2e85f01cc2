use super::*;
use crate::plan::config::Given;
use crate::plan::{Plan, PlanOptions};
use crate::testing;

/// A package as lockfiles have it: name and version, what is beside the resolution, needs, optional needs.
type Entry = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CATALOGUE: [Entry; 13] = [
    ("bcrypt", "5.1.1", "", &["node-addon-api"], &[]),
    ("better-sqlite3", "12.2.0", "", &["prebuild-install"], &[]),
    ("node-addon-api", "5.1.0", "", &[], &[]),
    ("prebuild-install", "7.1.3", "", &[], &[]),
    ("ws", "8.0.0", "", &[], &["bufferutil"]),
    ("bufferutil", "4.1.0", "", &["nan"], &[]),
    ("nan", "2.20.0", "", &[], &[]),
    (
        "sharp",
        "0.34.5",
        "",
        &[],
        &["@img/sharp-linux-x64", "@img/sharp-darwin-arm64"],
    ),
    (
        "@img/sharp-linux-x64",
        "0.34.5",
        "    cpu: [x64]\n    os: [linux]\n    libc: [glibc]\n",
        &[],
        &[],
    ),
    (
        "@img/sharp-darwin-arm64",
        "0.34.5",
        "    cpu: [arm64]\n    os: [darwin]\n",
        &[],
        &[],
    ),
    ("electric", "1.0.0", "", &[], &["@img/sharp-darwin-arm64"]),
    ("@prisma/client", "5.22.0", "", &[], &[]),
    ("fsevents", "2.3.3", "    os: [darwin]\n", &["nan"], &[]),
];

fn entry(name: &str) -> &'static Entry {
    CATALOGUE.iter().find(|one| one.0 == name).unwrap()
}

fn lockfile(names: &[&'static str]) -> String {
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut queue = names.to_vec();
    while let Some(name) = queue.pop() {
        reached.insert(name);
        queue.extend(entry(name).3.iter().chain(entry(name).4));
    }
    let importer = names.iter().map(|name| {
        let version = entry(name).1;
        format!("      '{name}':\n        specifier: {version}\n        version: {version}\n")
    });
    let packages = reached.iter().map(|name| {
        let (_, version, more, ..) = entry(name);
        format!("\n  '{name}@{version}':\n    resolution: {{integrity: sha512-x}}\n{more}")
    });
    let needs = |key: &str, list: &[&str]| {
        let lines = list
            .iter()
            .map(|need| format!("      '{need}': {}\n", entry(need).1));
        let lines: String = lines.collect();
        if lines.is_empty() {
            lines
        } else {
            format!("    {key}:\n{lines}")
        }
    };
    let snapshots = reached.iter().map(|name| {
        let (_, version, _, own, optional) = entry(name);
        let own = needs("dependencies", own) + &needs("optionalDependencies", optional);
        format!("\n  '{name}@{version}':\n    resolved: true\n{own}")
    });
    format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  apps/api:\n    dependencies:\n{}\npackages:\n{}\nsnapshots:\n{}",
        importer.collect::<String>(),
        packages.collect::<String>(),
        snapshots.collect::<String>()
    )
}

/// The plan of a server with these dependencies.
fn plan(
    pnpm: &str,
    names: &[&'static str],
    more: &[(&str, &str)],
    change: impl Fn(&mut PlanOptions),
) -> Result<Plan, String> {
    let dependencies: Vec<String> = names
        .iter()
        .map(|name| {
            let version = entry(name).1;
            format!("\"{name}\": \"{version}\"")
        })
        .collect();
    let root = format!(r#"{{"packageManager": "pnpm@{pnpm}"}}"#);
    let app = format!(
        r#"{{"name": "api", "scripts": {{"start": "node main.js"}}, "dependencies": {{{}}}}}"#,
        dependencies.join(", ")
    );
    let lockfile = lockfile(names);
    let mut files = vec![
        ("package.json", root.as_str()),
        ("pnpm-lock.yaml", &lockfile),
        ("apps/api/package.json", &app),
        ("apps/api/main.js", ""),
    ];
    files.extend(more);
    let (_dir, workspace) = testing::workspace(&files);
    let mut options = PlanOptions::default();
    change(&mut options);
    let app = testing::at(&workspace, "apps/api");
    Plan::new(&workspace, app, &options)
        .map_err(|error| format!("{error}: {}", error.hint().unwrap_or_default()))
}

fn told(plan: &Plan) -> (Option<String>, Vec<String>) {
    let build = plan.native.build.as_ref();
    let build = build.map(|it| format!("{} ({})", it.names.join(" "), it.reason));
    (build, plan.warnings.clone())
}

#[test]
fn a_compiler_only_for_what_compiles_and_may() {
    let build = |pnpm: &str, names: &[&'static str], more: &[(&str, &str)]| {
        told(&plan(pnpm, names, more, |_| {}).unwrap())
    };
    let compiler = Some(
        "g++ make python3 (bcrypt@5.1.1 compiles when pnpm installs, where no finished binary can be had)"
            .to_owned(),
    );
    assert_eq!(
        build("9.15.9", &["bcrypt"], &[]),
        (compiler.clone(), vec![])
    );
    let approved = [(
        "pnpm-workspace.yaml",
        "packages: [apps/*]\nallowBuilds:\n  bcrypt: true\n",
    )];
    assert_eq!(build("11.22.0", &["bcrypt"], &approved), (compiler, vec![]));
    // Optional, for another system, or brought along.
    for names in [&["ws"][..], &["sharp"], &["fsevents"], &["electric"], &[]] {
        assert_eq!(build("9.15.9", names, &[]), (None, vec![]), "{names:?}");
    }
    let refused = [(
        "pnpm-workspace.yaml",
        "packages: [apps/*]\nignoredBuiltDependencies: [bcrypt]\n",
    )];
    assert_eq!(build("10.34.5", &["bcrypt"], &refused), (None, vec![]));
}

#[test]
fn an_optional_package_that_a_member_asks_for_is_compiled() {
    let app = r#"{"name": "api", "scripts": {"start": "node main.js"}, "optionalDependencies": {"bcrypt": "5.1.1"}}"#;
    let lockfile = lockfile(&["bcrypt"]).replace(
        "    dependencies:\n      'bcrypt'",
        "    optionalDependencies:\n      'bcrypt'",
    );
    let (_dir, workspace) = testing::workspace(&[
        ("package.json", r#"{"packageManager": "pnpm@9.15.9"}"#),
        ("pnpm-lock.yaml", &lockfile),
        ("apps/api/package.json", app),
        ("apps/api/main.js", ""),
    ]);
    let app = testing::at(&workspace, "apps/api");
    let plan = Plan::new(&workspace, app, &PlanOptions::default()).unwrap();
    let (build, _) = told(&plan);
    assert!(build.unwrap_or_default().contains("bcrypt@5.1.1 compiles"));
}

#[test]
fn what_stays_unbuilt_is_named_with_the_setting_to_write() {
    let warnings = |pnpm| {
        let plan = plan(pnpm, &["better-sqlite3", "bcrypt"], &[], |_| {}).unwrap();
        assert_eq!(plan.native.build, None);
        plan.warnings
    };
    assert_eq!(
        warnings("10.34.5"),
        [
            "pnpm 10 will not build bcrypt@5.1.1 and better-sqlite3@12.2.0: nobody approved what they run when they are installed, and without it their machine code may be missing when the app runs; to approve, write `onlyBuiltDependencies: [\"bcrypt\", \"better-sqlite3\"]` into pnpm-workspace.yaml"
        ]
    );
    assert_eq!(
        warnings("11.22.0"),
        [
            "pnpm 11 stops the install at bcrypt@5.1.1 and better-sqlite3@12.2.0: nobody decided whether what they run when they are installed may run (`strictDepBuilds`); to approve, write `allowBuilds: {\"bcrypt\": true, \"better-sqlite3\": true}` into pnpm-workspace.yaml"
        ]
    );
}

fn image<T: std::str::FromStr>(text: &str, flag: &'static str) -> Option<Given<T>> {
    Some(Given::by_flag(text.parse().ok()?, flag))
}

#[test]
fn one_c_library_where_modules_are_installed_and_where_they_run() {
    let mixed = |names: &[&'static str]| {
        plan("9.15.9", names, &[], |options| {
            options.build_base = image("node:22-slim", "--build-base");
            options.base = image("mirror.example/node:22-alpine", "--base");
        })
    };
    assert!(mixed(&["ws"]).is_ok());
    for (name, package) in [("sharp", "sharp@0.34.5"), ("bcrypt", "bcrypt@5.1.1")] {
        let error = mixed(&[name]).unwrap_err();
        let expected = format!(
            "--build-base: {package} has machine code for one C library: `node:22-slim`, where pnpm installs, has glibc, and `mirror.example/node:22-alpine`, where the app runs, has musl: take both images"
        );
        assert!(error.starts_with(&expected), "{error}");
    }
    let alpine = plan("9.15.9", &["bcrypt"], &[], |options| {
        options.build_base = image("node:22-alpine", "--build-base");
        options.base = image("node:22-alpine", "--base");
    })
    .unwrap();
    let text = crate::render::dockerfile::render(&alpine).unwrap();
    assert!(
        text.contains("RUN apk add --no-cache g++ make python3\n"),
        "{text}"
    );
    assert!(
        text.contains("type=cache,id=slimbuild-pnpm-musl,"),
        "{text}"
    );
}

#[test]
fn machines_that_lockfile_or_settings_leave_out() {
    let warnings = |platform: Option<&str>, more: &[(&str, &str)]| {
        let plan = plan("10.34.5", &["sharp"], more, |options| {
            options.platforms = platform
                .into_iter()
                .map(|text| text.parse().unwrap())
                .collect();
        });
        plan.unwrap().warnings
    };
    assert_eq!(warnings(None, &[]), [""; 0]);
    assert_eq!(warnings(Some("linux/amd64"), &[]), [""; 0]);
    assert_eq!(
        warnings(Some("linux/arm64"), &[]),
        [
            "sharp@0.34.5 comes as a package for each machine, and the lockfile has none for linux on arm64 with glibc: write it anew with `pnpm install --lockfile-only`, and look whether `overrides` or `ignoredOptionalDependencies` leave it out"
        ]
    );
    let mac = [(
        "pnpm-workspace.yaml",
        "packages: [apps/*]\nsupportedArchitectures:\n  os: [darwin]\n",
    )];
    assert_eq!(
        warnings(None, &mac),
        [
            "`supportedArchitectures.os: [darwin]` in pnpm-workspace.yaml keeps pnpm from installing what sharp@0.34.5 needs for the image: add `current` to the list"
        ]
    );
}

#[test]
fn prisma_gets_its_openssl_and_targets_are_checked() {
    let with = |schema: &str, slim: bool| {
        let schema =
            format!("generator client {{\n  provider = \"prisma-client-js\"\n{schema}\n}}\n");
        let more = [("apps/api/prisma/schema.prisma", schema.as_str())];
        let plan = plan("9.15.9", &["@prisma/client"], &more, |options| {
            if slim {
                options.base = image("node:22-slim", "--base");
            }
        });
        let mut plan = plan.unwrap();
        // The app has no script that generates the client.
        let told = plan.warnings.len();
        plan.warnings
            .retain(|warning| !warning.contains("generates the Prisma client"));
        assert_eq!(plan.warnings.len() + 1, told);
        plan
    };
    let needs = |plan: &Plan| {
        let names = |packages: &Option<SystemPackages>| {
            let packages = packages.as_ref();
            packages.map_or(String::new(), |it| it.names.join(" "))
        };
        (names(&plan.native.build), names(&plan.native.runtime))
    };
    let both = |build: &str, run: &str| (build.to_owned(), run.to_owned());
    let plain = with("", false);
    assert_eq!(needs(&plain), both("openssl", ""), "distroless has it");
    assert_eq!(plain.warnings, [""; 0]);
    let text = crate::render::dockerfile::render(&plain).unwrap();
    let run = "# Prisma chooses its engine by the OpenSSL that it finds.\nRUN apt-get update \\\n && apt-get install --yes --no-install-recommends openssl \\\n";
    assert!(text.contains(run), "{text}");
    assert_eq!(needs(&with("", true)), both("openssl", "openssl"));
    assert_eq!(needs(&with("engineType = \"client\"", true)), both("", ""));
    let native = with(
        "binaryTargets = [\"native\", \"rhel-openssl-3.0.x\"]",
        false,
    );
    assert_eq!(native.warnings, [""; 0]);
    assert_eq!(
        with("binaryTargets = [\"darwin-arm64\"]", false).warnings,
        [
            "apps/api/prisma/schema.prisma, line 3: `binaryTargets` has no engine for the image: write `binaryTargets = [\"native\", \"darwin-arm64\"]`"
        ]
    );
}

#[test]
fn an_image_that_nobody_knows_gets_nothing_but_a_word() {
    let plan = plan("9.15.9", &["bcrypt"], &[], |options| {
        options.build_base = image("ours.example/node-builder:1", "--build-base");
    })
    .unwrap();
    assert_eq!(plan.native, Native::default());
    assert_eq!(
        plan.warnings,
        [
            "bcrypt@5.1.1 compiles when pnpm installs, and nobody knows whether `ours.example/node-builder:1` has a compiler: if it has none, name what brings it in `buildPackages`"
        ]
    );
}

#[test]
fn steps_run_on_the_images_platform_only_where_they_must() {
    let both = |packages: &[&'static str], more: fn(&mut PlanOptions)| {
        plan("10.34.5", packages, &[], |options| {
            let platforms = ["linux/amd64", "linux/arm64"];
            options.platforms = platforms.map(|text| text.parse().unwrap()).into();
            more(options);
        })
        .unwrap()
    };
    let plain = both(&[], |_| {});
    assert_eq!((plain.bound, plain.portable), (None, true));
    let native = both(&["sharp"], |_| {});
    let why = native.bound.unwrap();
    assert!(why.contains("machine code") && !native.portable, "{why}");
    let changed = both(&[], |options| {
        options.base = image("node:22-slim", "--base");
        options
            .runtime_packages
            .push(Given::by_flag("curl".to_owned(), "--x"));
    });
    let why = changed.bound.unwrap();
    assert!(why.contains("packages of the system"), "{why}");
    // Without a named platform, nothing of it is told.
    let unnamed = plan("10.34.5", &["sharp"], &[], |_| {}).unwrap();
    assert_eq!((unnamed.bound, unnamed.portable), (None, false));
}
