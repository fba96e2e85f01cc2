//! Static sites: the directory of the build's files, which of them never change, and whether one
//! page serves all addresses.

use super::DetectError;
use super::delivery::{Delivery, Fallback, Site};
use super::framework::Framework;
use super::subject::{Subject, literal, plain_dir};
use super::{AppKind, Detected, Detection, start};
use serde_json::Value;

use crate::files::tree::Limit;
use crate::model::path::RepoPath;
use crate::workspace::manifest::{ManifestError, parse_jsonc};

/// Routers that change the address without a request: one page must serve every address.
const ROUTERS: [&str; 12] = [
    "react-router",
    "react-router-dom",
    "vue-router",
    "@tanstack/react-router",
    "@tanstack/vue-router",
    "@tanstack/solid-router",
    "@solidjs/router",
    "wouter",
    "preact-router",
    "preact-iso",
    "svelte-routing",
    "@angular/router",
];

/// Decides the delivery of a static site.
pub(super) fn detect(
    subject: &Subject<'_>,
    framework: Framework,
    evidence: Vec<String>,
) -> Result<Detection, DetectError> {
    let detected = Detected {
        kind: AppKind::StaticSite,
        framework: Some(framework),
        evidence,
    };
    let (dir, reason) = directory(subject, framework)?;
    let site = Site {
        dir,
        reason,
        fallback: fallback(subject, framework),
        hashed: hashed(framework)
            .iter()
            .map(|&dir| dir.to_owned())
            .collect(),
    };
    Ok(Detection::new(detected, Delivery::Site(site)))
}

/// A site that the user names, with an unknown build.
pub(super) fn unknown(subject: &Subject<'_>) -> Detection {
    let detected = Detected {
        kind: AppKind::StaticSite,
        framework: None,
        evidence: Vec::new(),
    };
    let site = Site {
        dir: "dist".to_owned(),
        reason: "where most builds write: no framework that is known makes this site".to_owned(),
        fallback: fallback(subject, Framework::Vite),
        hashed: Vec::new(),
    };
    Detection::new(detected, Delivery::Site(site))
}

/// The build's output directory: from a flag of its command, its configuration, or the framework's
/// convention.
pub(super) fn directory(
    subject: &Subject<'_>,
    framework: Framework,
) -> Result<(String, String), DetectError> {
    let (flags, program): (&[&str], &str) = match framework {
        Framework::Vite => (&["--outDir"], "vite"),
        Framework::Storybook => (&["-o", "--output-dir"], "storybook"),
        Framework::Docusaurus => (&["--out-dir"], "docusaurus"),
        Framework::VitePress => (&["--outDir"], "vitepress"),
        Framework::Parcel => (&["--dist-dir"], "parcel"),
        Framework::Eleventy => (&["--output"], "eleventy"),
        Framework::Angular => (&["--output-path"], "ng"),
        Framework::VueCli => (&["--dest"], "vue-cli-service"),
        _ => (&[], ""),
    };
    let build = subject.build();
    let command = build.iter().find(|command| command.program() == program);
    if let Some(dir) = command.and_then(|command| command.flag(flags)) {
        return Ok((plain_dir(dir), format!("`{dir}` in the build script")));
    }
    let scripts = &["ts", "js", "mjs", "mts", "cjs"][..];
    let configured = |stem: &str, option: &str| {
        let (file, text) = subject.text(stem, scripts)?;
        let dir = literal(&text, option)?;
        Some((plain_dir(dir), format!("`{option}` in {file}")))
    };
    let convention = |dir: &str| {
        let reason = format!("where {} writes by default", framework.label());
        (dir.to_owned(), reason)
    };
    Ok(match framework {
        Framework::Vite => {
            configured("vite.config", "outDir").unwrap_or_else(|| convention("dist"))
        }
        Framework::Astro => {
            configured("astro.config", "outDir").unwrap_or_else(|| convention("dist"))
        }
        Framework::VueCli => {
            configured("vue.config", "outputDir").unwrap_or_else(|| convention("dist"))
        }
        Framework::CreateReactApp => {
            let own = build.iter().find(|one| {
                ["react-scripts", "craco", "react-app-rewired", "rescripts"]
                    .contains(&one.program())
            });
            let own = own.and_then(|one| one.env.iter().find(|(name, _)| name == "BUILD_PATH"));
            match own {
                Some((_, dir)) => (
                    plain_dir(dir),
                    "`BUILD_PATH` in the build script".to_owned(),
                ),
                None => convention("build"),
            }
        }
        Framework::Docusaurus => convention("build"),
        Framework::Storybook => convention("storybook-static"),
        Framework::Gatsby => convention("public"),
        Framework::Eleventy => convention("_site"),
        Framework::VitePress => {
            let root = command
                .and_then(|command| command.words.get(2))
                .filter(|word| !word.starts_with('-'))
                .map(|root| format!("{}/", plain_dir(root)))
                .filter(|root| root != "./")
                .unwrap_or_default();
            let own = configured(&format!("{root}.vitepress/config"), "outDir");
            let own = own.and_then(|(dir, reason)| {
                let dir = RepoPath::ROOT.join(&format!("{root}{dir}")).ok()?;
                Some((dir.to_string(), reason))
            });
            own.unwrap_or_else(|| convention(&format!("{root}.vitepress/dist")))
        }
        Framework::Angular => angular(subject)?,
        _ => convention("dist"),
    })
}

/// The first project of angular.json, or the one that the build names, with its name.
fn angular_project(subject: &Subject<'_>) -> Result<Option<(String, Value)>, DetectError> {
    let path = subject.member().dir.prefix() + "angular.json";
    let file = RepoPath::new(&path).unwrap_or_default();
    let text = subject
        .workspace
        .tree
        .read_text_optional(&file, Limit::Settings)
        .map_err(ManifestError::from)?
        .unwrap_or_else(|| "{}".to_owned());
    let document = parse_jsonc(&path, &text)?;
    let projects = document
        .get("projects")
        .and_then(|projects| projects.as_object());
    let named = document
        .get("defaultProject")
        .and_then(|name| name.as_str());
    let project = projects.and_then(|projects| {
        named
            .and_then(|name| projects.get_key_value(name))
            .or_else(|| projects.iter().next())
    });
    Ok(project.map(|(name, project)| (name.clone(), project.clone())))
}

/// The target that builds a project.
fn angular_build(project: &Value) -> Option<&Value> {
    let architect = project.get("architect").or_else(|| project.get("targets"));
    architect?.get("build")
}

/// The server of an Angular app with server rendering: `ssr` with an entry, unless `outputMode`
/// prerenders every page.
pub(super) fn angular_server(
    subject: &Subject<'_>,
    evidence: &[String],
) -> Result<Option<Detection>, DetectError> {
    let Some((name, project)) = angular_project(subject)? else {
        return Ok(None);
    };
    let options = angular_build(&project).and_then(|build| build.get("options"));
    let option = |key: &str| options.and_then(|options| options.get(key));
    let mode = option("outputMode").and_then(Value::as_str);
    let renders =
        option("ssr").is_some_and(|ssr| ssr.get("entry").is_some() || ssr.as_bool() == Some(true));
    if mode == Some("static") || !(renders || mode == Some("server")) {
        return Ok(None);
    }
    let output = option("outputPath");
    let text = |key: &str| Some(output?.get(key)?.as_str()?.to_owned());
    let base = output.and_then(|path| path.as_str().map(str::to_owned));
    let base = base
        .or_else(|| text("base"))
        .unwrap_or_else(|| format!("dist/{name}"));
    let inner = text("server").unwrap_or_else(|| "server".to_owned());
    let file = format!("{}/{inner}/server.mjs", plain_dir(&base));
    let mut start = start::written(
        subject,
        &file,
        "the server that Angular writes (`ssr` in angular.json)",
    )?;
    let port = start
        .env
        .entry("PORT".to_owned())
        .or_insert_with(|| "4000".to_owned())
        .parse()
        .ok();
    let mut evidence = evidence.to_vec();
    evidence.push(format!("`ssr` of `{name}` in angular.json makes a server"));
    let detected = Detected {
        kind: AppKind::ServerRendering,
        framework: Some(Framework::Angular),
        evidence,
    };
    let mut detection = Detection::new(detected, Delivery::Modules(start));
    detection.port = port;
    Ok(Some(detection))
}

/// `outputPath` of angular.json. Since Angular 17 the files for browsers are in `browser/` below
/// it.
fn angular(subject: &Subject<'_>) -> Result<(String, String), DetectError> {
    let Some((name, project)) = angular_project(subject)? else {
        return Ok((
            "dist".to_owned(),
            "where Angular writes by default".to_owned(),
        ));
    };
    let build = angular_build(&project);
    let builder = build
        .and_then(|build| build.get("builder"))
        .and_then(|builder| builder.as_str())
        .unwrap_or_default();
    let output = build.and_then(|build| build.get("options")?.get("outputPath").cloned());
    let text = |key: &str| Some(output.as_ref()?.get(key)?.as_str()?.to_owned());
    let base = output
        .as_ref()
        .and_then(|path| path.as_str().map(str::to_owned))
        .or_else(|| text("base"))
        .unwrap_or_else(|| format!("dist/{name}"));
    let reason = format!("`outputPath` of `{name}` in angular.json");
    // The builder `application` splits the output; `browser` and `browser-esbuild` do not.
    let inner = text("browser").unwrap_or_else(|| "browser".to_owned());
    let dir = if builder.ends_with(":application") && !inner.is_empty() {
        format!("{}/{inner}", plain_dir(&base))
    } else {
        plain_dir(&base)
    };
    Ok((dir, reason))
}

/// Whether one page serves all addresses.
fn fallback(subject: &Subject<'_>, framework: Framework) -> Fallback {
    let one = |reason: String| Fallback {
        page: Some("index.html".to_owned()),
        reason,
    };
    let pages = |reason: &str| Fallback {
        page: None,
        reason: reason.to_owned(),
    };
    match framework {
        Framework::Vite
        | Framework::Parcel
        | Framework::Rsbuild
        | Framework::VueCli
        | Framework::CreateReactApp => {
            match ROUTERS
                .into_iter()
                .find(|router| subject.depends_on(router))
            {
                Some(router) => one(format!("`{router}` makes addresses of its own")),
                None => {
                    pages("no router that makes addresses of its own is among the dependencies")
                }
            }
        }
        Framework::Angular => one("Angular makes addresses of its own".to_owned()),
        _ => pages("every page is a file"),
    }
}

/// Directories whose file names contain a hash of their content.
fn hashed(framework: Framework) -> &'static [&'static str] {
    match framework {
        Framework::Vite | Framework::VitePress | Framework::Storybook | Framework::Docusaurus => {
            &["assets"]
        }
        Framework::CreateReactApp | Framework::Rsbuild => &["static"],
        Framework::Astro => &["_astro"],
        Framework::VueCli => &["js", "css"],
        Framework::Angular => &[""],
        _ => &[],
    }
}
