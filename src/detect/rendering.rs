//! Frameworks that render pages on a server: `SvelteKit`, Astro, React Router and Remix. Those on
//! Nitro are in [`super::nitro`].
//!
//! Each of them can also write a static site, depending on its configuration. If node cannot start
//! the result, the error names the adapter to add.

use super::delivery::{Delivery, Fallback, Site};
use super::framework::Framework;
use super::start::{self, Start};
use super::subject::{Subject, is_set_to, literal, plain_dir};
use super::{AppKind, DetectError, Detected, Detection, nitro, program, site};

/// Endings of configuration files.
pub(super) const SCRIPTS: [&str; 6] = ["ts", "js", "mjs", "mts", "cjs", "cts"];

/// The port of most frameworks.
pub(super) const PORT: u16 = 3000;

/// An app of such a framework, with what is known so far.
pub(super) struct Rendered<'s, 'w> {
    pub(super) subject: &'s Subject<'w>,
    pub(super) framework: Framework,
    pub(super) evidence: Vec<String>,
    pub(super) wanted: Option<AppKind>,
}

/// Decides the delivery of such an app.
pub(super) fn detect(app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    match app.framework {
        Framework::SvelteKit => svelte_kit(app),
        Framework::Astro => astro(app),
        Framework::ReactRouter | Framework::Remix => react_router(app),
        _ => nitro::detect(app),
    }
}

impl Rendered<'_, '_> {
    /// The texts of these configuration files together.
    pub(super) fn text(&self, stems: &[&str]) -> String {
        let texts = stems
            .iter()
            .filter_map(|stem| self.subject.text(stem, &SCRIPTS));
        texts.map(|(_, text)| text + "\n").collect()
    }

    /// What the user or a script starts: a dependency's program, or a file of the app.
    pub(super) fn started(&self) -> Result<Option<Start>, DetectError> {
        if self.subject.entry.is_none()
            && let Some(start) = program::started(self.subject)?
        {
            return Ok(Some(start));
        }
        start::scripted(self.subject)
    }

    /// The error for a build that writes nothing node can start.
    pub(super) fn undecided(&self, problem: &str, fix: &str) -> DetectError {
        DetectError::Undecided {
            app: self.subject.member().dir.clone(),
            problem: format!("{}: {problem}", self.framework.label()),
            fix: fix.to_owned(),
        }
    }

    fn detected(self, kind: AppKind) -> Detected {
        Detected {
            kind,
            framework: Some(self.framework),
            evidence: self.evidence,
        }
    }

    /// A server, which listens on `port` unless its script says otherwise.
    pub(super) fn server(self, mut delivery: Delivery, port: u16) -> Detection {
        let mut known = None;
        if let Delivery::Modules(start) | Delivery::Bundle(super::Bundle { start, .. }) =
            &mut delivery
        {
            let value = start
                .env
                .entry("PORT".to_owned())
                .or_insert_with(|| port.to_string());
            known = value.parse().ok();
        }
        let mut detection = Detection::new(self.detected(AppKind::ServerRendering), delivery);
        detection.port = known;
        detection
    }

    /// A static site, with a page if one serves all addresses without a file.
    pub(super) fn site(
        self,
        dir: &str,
        reason: &str,
        page: Option<&str>,
        hashed: &str,
    ) -> Detection {
        let fallback = Fallback {
            page: page.map(str::to_owned),
            reason: match page {
                Some(page) => format!("every address that is no file leads to {page} ({reason})"),
                None => "every page is a file".to_owned(),
            },
        };
        let site = Site {
            dir: plain_dir(dir),
            reason: reason.to_owned(),
            fallback,
            hashed: vec![hashed.to_owned()],
        };
        Detection::new(self.detected(AppKind::StaticSite), Delivery::Site(site))
    }
}

/// The adapter decides: `adapter-node` writes a server that uses the app's production dependencies,
/// `adapter-static` writes files.
fn svelte_kit(mut app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    // Since SvelteKit 3 the options may also be in vite.config.js.
    let text = app.text(&["svelte.config", "vite.config"]);
    let has = |adapter: &str| text.contains(adapter);
    let (node, files) = (
        has("@sveltejs/adapter-node"),
        has("@sveltejs/adapter-static"),
    );
    let (node, files) = match app.wanted {
        Some(AppKind::StaticSite) => (node && !files, files),
        Some(_) => (node, files && !node),
        None => (node, files),
    };
    match (node, files) {
        (true, true) => Err(app.undecided(
            "its configuration names both `adapter-node` (a server) and `adapter-static` (a site)",
            "decide: `--kind server-rendering` or `--kind static-site`",
        )),
        (true, false) => {
            app.evidence.push("its adapter is `@sveltejs/adapter-node`".to_owned());
            let out = plain_dir(literal(&text, "out").unwrap_or("build"));
            let reason = "what `adapter-node` writes";
            let start = start::written(app.subject, &format!("{out}/index.js"), reason)?;
            Ok(app.server(Delivery::Modules(start), PORT))
        }
        (false, true) => {
            app.evidence.push("its adapter is `@sveltejs/adapter-static`".to_owned());
            let dir = literal(&text, "pages").unwrap_or("build");
            let page = literal(&text, "fallback");
            let reason = if page.is_some() {
                "`fallback` of `adapter-static`"
            } else {
                "what `adapter-static` writes"
            };
            Ok(app.site(dir, reason, page, "_app/immutable"))
        }
        (false, false) => Err(app.undecided(
            &match other_adapter(&text) {
                Some(adapter) => format!("its adapter is `{adapter}`, which makes no server for node"),
                None => "its adapter writes nothing that node can start (`adapter-auto` picks one on hosts that it knows, and a container is none)".to_owned(),
            },
            "add `@sveltejs/adapter-node` to the dev dependencies and set it as `adapter` in svelte.config.js or vite.config.js; \
             for a site without a server `@sveltejs/adapter-static`",
        )),
    }
}

/// The adapter for another host that a configuration imports.
fn other_adapter(text: &str) -> Option<&str> {
    let mut words = text.split(['\'', '"']);
    words.find(|word| {
        let name = word.strip_prefix("@sveltejs/adapter-");
        name.is_some_and(|name| name != "auto" && !name.contains(char::is_whitespace))
    })
}

/// The node adapter writes a server; without an adapter every page is a file.
fn astro(mut app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    let text = app.text(&["astro.config"]);
    if !text.contains("@astrojs/node") {
        let other = ["vercel", "netlify", "cloudflare"];
        let other = other
            .iter()
            .find(|name| text.contains(&format!("@astrojs/{name}")));
        return match other {
            Some(name) => Err(app.undecided(
                &format!("its adapter is `@astrojs/{name}`, which makes no server for node"),
                "add `@astrojs/node` to the dependencies and `adapter: node({ mode: 'standalone' })` to astro.config.mjs",
            )),
            None => site::detect(app.subject, app.framework, app.evidence),
        };
    }
    app.evidence
        .push("its adapter is `@astrojs/node`".to_owned());
    let out = plain_dir(literal(&text, "outDir").unwrap_or("dist"));
    let entry = format!(
        "{out}/server/{}",
        literal(&text, "serverEntry").unwrap_or("entry.mjs")
    );
    let mut start = start::written(app.subject, &entry, "what `@astrojs/node` writes")?;
    if literal(&text, "mode") == Some("middleware") && start.entry == entry {
        return Err(app.undecided(
            "its adapter makes a middleware (`mode: 'middleware'`), and no script starts a server around it",
            "write `mode: 'standalone'` in astro.config.mjs, or name the server: `\"start\": \"node server.mjs\"`",
        ));
    }
    // By default it listens on localhost only.
    start
        .env
        .entry("HOST".to_owned())
        .or_insert_with(|| "0.0.0.0".to_owned());
    Ok(app.server(Delivery::Modules(start), 4321))
}

/// The framework's server (`react-router-serve`) or the app's own; with `ssr: false`, a site of one
/// page.
fn react_router(mut app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    let remix = app.framework == Framework::Remix;
    let (config, package, serve) = if remix {
        ("vite.config", "@remix-run/serve", "remix-serve")
    } else {
        (
            "react-router.config",
            "@react-router/serve",
            "react-router-serve",
        )
    };
    let text = app.text(&[config]);
    let dir = plain_dir(literal(&text, "buildDirectory").unwrap_or("build"));
    if is_set_to(&text, "ssr", "false") {
        app.evidence.push(format!("`ssr: false` in {config}"));
        // If `/` itself is prerendered, the page for all other addresses has another name.
        let beforehand = is_set_to(&text, "prerender", "true")
            || ["'/'", "\"/\""].iter().any(|root| text.contains(root));
        let page = if beforehand {
            "__spa-fallback.html"
        } else {
            "index.html"
        };
        let client = format!("{dir}/client");
        let mut detection = app.site(&client, "`ssr: false`", Some(page), "assets");
        detection.build_env.extend(ipv4());
        return Ok(detection);
    }
    let loads = format!("{dir}/server/index.js");
    let beforehand = text.contains("prerender");
    let own = app.started()?;
    let start: Start = match own {
        Some(start) => start,
        None => program::of(app.subject, serve, &[loads], "no script starts a server").ok_or_else(|| {
            app.undecided(
                &format!("no script starts a server, and `{package}` is not among the dependencies"),
                &format!("add `{package}` to the dependencies and `\"start\": \"{serve} ./{dir}/server/index.js\"` to the scripts"),
            )
        })?,
    };
    let mut detection = app.server(Delivery::Modules(start), PORT);
    if beforehand {
        detection.build_env.extend(ipv4());
    }
    Ok(detection)
}

/// Prerendering requests pages from a server of the build on `localhost`. In a container, client
/// and server may resolve that to `::1` and 127.0.0.1, unless both prefer IPv4.
fn ipv4() -> [(String, String); 1] {
    [(
        "NODE_OPTIONS".to_owned(),
        "--dns-result-order=ipv4first".to_owned(),
    )]
}
