//! Apps that look like one kind but are another: servers of frameworks for sites, and programs that
//! do not run in containers.

use super::framework::Framework;
use super::start::{self, START_SCRIPTS, shell};
use super::subject::Subject;
use super::{AppKind, Delivery, DetectError, Detected, Detection, site};

/// The server of an app whose framework usually makes sites.
pub(super) fn server_of_site(
    subject: &Subject<'_>,
    framework: Framework,
    evidence: &[String],
) -> Result<Option<Detection>, DetectError> {
    match framework {
        Framework::Angular => site::angular_server(subject, evidence),
        Framework::Vite if subject.entry.is_none() && builds_server(subject) => {
            vite(subject, evidence).map(Some)
        }
        _ => Ok(None),
    }
}

/// `vite build --ssr` writes code that the app's own server renders with.
fn builds_server(subject: &Subject<'_>) -> bool {
    let is_ssr = |word: &String| word == "--ssr" || word.starts_with("--ssr=");
    subject
        .build()
        .iter()
        .any(|command| command.runs("vite build") && command.words.iter().any(is_ssr))
}

fn vite(subject: &Subject<'_>, evidence: &[String]) -> Result<Detection, DetectError> {
    let mut evidence = evidence.to_vec();
    evidence.push("its build runs `vite build --ssr`, for a server of its own".to_owned());
    let own = shell::started(subject, None)?;
    let start = match own {
        Some(start) => Some(start),
        None => start::by_one_of(subject, &[&START_SCRIPTS[..], &["preview"]].concat())?,
    };
    let Some(start) = start else {
        return Err(DetectError::Undecided {
            app: subject.member().dir.clone(),
            problem: "its build runs `vite build --ssr`, for a server of its own, and no script starts one".to_owned(),
            fix: "write `\"start\": \"node server.js\"` into the scripts; or `--kind static-site`, where the pages alone are wanted".to_owned(),
        });
    };
    let detected = Detected {
        kind: AppKind::ServerRendering,
        framework: Some(Framework::Vite),
        evidence,
    };
    Ok(Detection::new(detected, Delivery::Modules(start)))
}

/// Programs for apps that do not run in containers, and what these are.
const NOT_IN_CONTAINERS: [(&str, &str); 10] = [
    ("expo", "an app for phones"),
    ("react-native", "an app for phones"),
    ("electron", "an app for desktops"),
    ("electron-forge", "an app for desktops"),
    ("electron-vite", "an app for desktops"),
    ("tauri", "an app for desktops"),
    ("wrangler", "a Worker, which runs at Cloudflare"),
    ("convex", "a set of functions, which run at Convex"),
    ("vsce", "an extension of VS Code"),
    ("web-ext", "an extension of browsers"),
];

/// Files that show the same, with the dependency that goes with them.
const FILES: [(&str, &str); 10] = [
    ("wrangler.toml", "wrangler"),
    ("wrangler.json", "wrangler"),
    ("wrangler.jsonc", "wrangler"),
    ("app.json", "expo"),
    ("app.config.js", "expo"),
    ("app.config.ts", "expo"),
    ("eas.json", "expo"),
    ("metro.config.js", "react-native"),
    ("electron-builder.yml", "electron"),
    ("electron.vite.config.ts", "electron"),
];

/// Why an app cannot run in a container, if no script of its own starts node.
pub(super) fn no_server(subject: &Subject<'_>) -> Option<DetectError> {
    let starts_node = |name: &&str| {
        shell::plain(subject, name).is_some_and(|command| command.program() == "node")
    };
    if subject.entry.is_some() || START_SCRIPTS.iter().any(starts_node) {
        return None;
    }
    let row = |program: &str| {
        NOT_IN_CONTAINERS
            .into_iter()
            .find(|(name, _)| *name == program)
    };
    // Apps that no script starts are started by developers alone.
    let has_start = |name: &&str| subject.manifest().script(name).is_some();
    let dev = (!START_SCRIPTS.iter().any(has_start)).then_some("dev");
    let by_script = START_SCRIPTS.into_iter().chain(dev).find_map(|name| {
        let (program, what) = row(subject.commands(name).pop()?.program())?;
        Some((format!("the `{name}` script runs `{program}`"), what))
    });
    let by_file = || {
        let (file, package) = FILES
            .into_iter()
            .find(|(file, package)| subject.files.contains(*file) && subject.depends_on(package))?;
        Some((
            format!("it has {file} and depends on `{package}`"),
            row(package)?.1,
        ))
    };
    let by_engine = || {
        let engines = subject.manifest().get("engines")?;
        engines.get("vscode").map(|_| {
            (
                "`engines` in package.json names vscode".to_owned(),
                "an extension of VS Code",
            )
        })
    };
    let (evidence, what) = by_script.or_else(by_file).or_else(by_engine)?;
    Some(DetectError::NotRun {
        app: subject.member().dir.clone(),
        problem: format!("it is {what}, and no program that a container runs ({evidence})"),
        fix: format!(
            "if it has a server too, name its file: `--kind node --entry dist/main.js`, or for good `\"kind\": \"node\", \"start\": \"dist/main.js\"` in {}/slimbuild.json",
            subject.member().dir
        ),
    })
}

/// Files that a project of another language has, and what such a project is.
const OTHER_LANGUAGES: [(&str, &str); 12] = [
    ("pom.xml", "a Java project"),
    ("build.gradle", "a Java project"),
    ("build.gradle.kts", "a Kotlin project"),
    ("go.mod", "a Go project"),
    ("Cargo.toml", "a Rust project"),
    ("pyproject.toml", "a Python project"),
    ("requirements.txt", "a Python project"),
    ("composer.json", "a PHP project"),
    ("Gemfile", "a Ruby project"),
    ("mix.exs", "an Elixir project"),
    ("Package.swift", "a Swift project"),
    ("pubspec.yaml", "a Dart project"),
];

/// Why node does not start a package that nothing starts: it is a project of another language.
pub(super) fn other_language(subject: &Subject<'_>) -> Option<DetectError> {
    let mut all = OTHER_LANGUAGES.into_iter();
    let (file, what) = all.find(|(file, _)| subject.files.contains(*file))?;
    Some(DetectError::NotRun {
        app: subject.member().dir.clone(),
        problem: format!("it is {what} ({file}), and no program that node runs"),
        fix: format!(
            "if it has a program for node too, name its file: `--entry dist/main.js`, or for good `\"start\": \"dist/main.js\"` in {}/slimbuild.json",
            subject.member().dir
        ),
    })
}

/// A site whose start script writes something before a file server serves it: the image runs the
/// script and the server in it. Single-page apps use this for addresses that are only known at run
/// time.
pub(super) fn prepared_site(
    subject: &Subject<'_>,
    framework: Framework,
    evidence: &[String],
) -> Result<Option<Detection>, DetectError> {
    let Some((name, step)) = shell::before_server(subject) else {
        return Ok(None);
    };
    let Ok(Some(mut start)) = shell::started(subject, None) else {
        return Ok(None);
    };
    let (dir, _) = site::directory(subject, framework)?;
    if let Some(shell) = &mut start.shell {
        shell.writes = Some(dir);
    }
    let mut evidence = evidence.to_vec();
    evidence.push(format!(
        "the `{name}` script runs `{step}` before it serves the site"
    ));
    let detected = Detected {
        kind: AppKind::Node,
        framework: None,
        evidence,
    };
    Ok(Some(Detection::new(detected, Delivery::Modules(start))))
}

/// A site whose start script runs node may have both: pages, and a server for them.
pub(super) fn check_no_server(
    subject: &Subject<'_>,
    evidence: &[String],
) -> Result<(), DetectError> {
    if let Some((name, step)) = shell::before_server(subject) {
        return Err(DetectError::Undecided {
            app: subject.member().dir.clone(),
            problem: format!(
                "the `{name}` script runs `{step}` before it serves the files, and nginx would serve them without"
            ),
            fix: format!(
                "decide: `--kind node` runs the script as it is, and `--kind static-site` serves the files alone; for good with `\"kind\": …` in {}/slimbuild.json",
                subject.member().dir
            ),
        });
    }
    let server = start::START_SCRIPTS.iter().find_map(|name| {
        let command = subject.commands(name).pop()?;
        (command.program() == "node")
            .then(|| format!("the `{name}` script runs `{}`", command.words.join(" ")))
    });
    match server {
        Some(server) => Err(DetectError::TwoKinds {
            app: subject.member().dir.clone(),
            site: evidence.join("; "),
            server,
        }),
        None => Ok(()),
    }
}
