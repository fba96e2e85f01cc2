//! Frameworks on [Nitro](https://nitro.build): Nuxt, `SolidStart`, `TanStack` Start, and Nitro
//! itself. Nitro writes a server with its traced modules to `.output`, which needs nothing else.

use super::delivery::{Bundle, Delivery, Piece};
use super::framework::Framework;
use super::rendering::{PORT, Rendered};
use super::start::{self, Start};
use super::subject::literal;
use super::{DetectError, Detection};

/// Nitro's output directory.
const OUTPUT: &str = ".output";

/// Presets that write a node server, or leave the choice open.
const NODE: [&str; 6] = [
    "node-server",
    "node_server",
    "node",
    "node-cluster",
    "node_cluster",
    "standard",
];

/// Presets that write only files.
const STATIC: [&str; 4] = ["static", "github-pages", "github_pages", "gitlab-pages"];

/// Decides the delivery of an app on Nitro.
pub(super) fn detect(mut app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    let text = app.text(&["nuxt.config", "nitro.config", "app.config", "vite.config"]);
    if !on_nitro(&app, &text) {
        return without_nitro(app);
    }
    let generated = app.subject.build().iter().any(|command| {
        matches!(command.program(), "nuxt" | "nuxi")
            && command.words.get(1).is_some_and(|word| word == "generate")
    });
    let preset = literal(&text, "preset");
    if generated || preset.is_some_and(|preset| STATIC.contains(&preset)) {
        let reason = if generated {
            "`nuxt generate`"
        } else {
            "the preset of Nitro"
        };
        // Without prerendering, one page serves all addresses.
        let page = super::subject::is_set_to(&text, "ssr", "false").then_some("200.html");
        let hashed = if app.framework == Framework::Nuxt {
            "_nuxt"
        } else {
            "assets"
        };
        return Ok(app.site(&format!("{OUTPUT}/public"), reason, page, hashed));
    }
    if let Some(preset) = preset.filter(|preset| !NODE.contains(preset)) {
        return Err(app.undecided(
            &format!("Nitro's preset is `{preset}`, which makes no server for node"),
            "leave `preset` out, or write `preset: 'node-server'`",
        ));
    }
    app.evidence
        .push(format!("Nitro writes its server into {OUTPUT}"));
    let entry = format!("{OUTPUT}/server/index.mjs");
    let start = start::written(app.subject, &entry, "the server of Nitro")?;
    if start.entry != entry || needs_own_files(&start) {
        return Ok(app.server(Delivery::Modules(start), PORT));
    }
    let dir = app.subject.member().dir.prefix();
    let bundle = Bundle {
        pieces: vec![Piece {
            from: OUTPUT.to_owned(),
            to: Some(OUTPUT.to_owned()),
            optional: false,
        }],
        modules: format!("{dir}{OUTPUT}/server/node_modules"),
        proof: entry,
        writable: None,
        start,
    };
    Ok(app.server(Delivery::Bundle(bundle), PORT))
}

/// Nuxt, Nitro and vinxi always build with Nitro; on Vite it is a plugin.
fn on_nitro(app: &Rendered<'_, '_>, text: &str) -> bool {
    let always = matches!(app.framework, Framework::Nuxt | Framework::Nitro);
    let runs_vinxi = || {
        app.subject
            .build()
            .iter()
            .any(|command| command.program() == "vinxi")
    };
    always || runs_vinxi() || text.contains("nitro")
}

/// node arguments that name files of the app: `--import ./instrument.mjs`. The output does not
/// contain them.
fn needs_own_files(start: &Start) -> bool {
    let outside =
        |word: &String| word.starts_with('.') && !word.trim_start_matches("./").starts_with(OUTPUT);
    start.node_args.iter().any(outside)
}

/// Vite alone writes a request handler, which node cannot start by itself: a script must say what
/// serves it.
fn without_nitro(app: Rendered<'_, '_>) -> Result<Detection, DetectError> {
    let own = app.started()?;
    match own {
        Some(start) => Ok(app.server(Delivery::Modules(start), PORT)),
        None => Err(app.undecided(
            "its build writes a handler of requests and no server, and no script starts one",
            "add `nitro` to the dependencies and `nitro()` (from `nitro/vite`) to the plugins in vite.config.ts",
        )),
    }
}
