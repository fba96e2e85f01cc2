//! Next.js: uses the standalone output, even if the app does not request it.
//!
//! `output: 'standalone'` copies the server and its traced modules into one directory. Since 12.2
//! Next takes the option's default from `NEXT_PRIVATE_STANDALONE`, and that of the tracing root
//! from `NEXT_PRIVATE_OUTPUT_TRACE_ROOT`
//! ([`config-shared.ts`](https://github.com/vercel/next.js/blob/canary/packages/next/src/server/config-shared.ts)),
//! so no source needs to be changed.

use std::collections::BTreeMap;

use super::delivery::{Bundle, Delivery, Fallback, Piece, Site, WORKSPACE};
use super::framework::Framework;
use super::script::node::command as node_command;
use super::start::{self, START_SCRIPTS, Start};
use super::subject::{Subject, literal};
use super::{AppKind, DetectError, Detected, Detection};

/// The first major version in which a variable can request the standalone output.
const STANDALONE: u32 = 13;

/// Decides the delivery of a Next.js app.
pub(super) fn detect(
    subject: &Subject<'_>,
    mut evidence: Vec<String>,
) -> Result<Detection, DetectError> {
    let config = subject.text("next.config", &["js", "mjs", "ts", "cjs", "mts"]);
    let (file, text) = config.unwrap_or_default();
    let option = |name: &str| literal(&text, name);
    let dist = option("distDir").unwrap_or(".next");
    let output = option("output");
    if let Some(output) = output {
        evidence.push(format!("{file} has `output: '{output}'`"));
    }
    let detected = |kind| Detected {
        kind,
        framework: Some(Framework::Next),
        evidence: evidence.clone(),
    };
    if output == Some("export") {
        let dir = if dist == ".next" { "out" } else { dist };
        return Ok(Detection::new(
            detected(AppKind::StaticSite),
            Delivery::Site(exported(dir, &file)),
        ));
    }
    let old = subject
        .major("next")
        .is_some_and(|major| major < STANDALONE);
    let own_server = own_server(subject, dist);
    if output != Some("standalone") && old || own_server {
        return served(subject, detected(AppKind::Next), own_server);
    }
    let mut detection = Detection::new(
        detected(AppKind::Next),
        Delivery::Bundle(standalone(subject, dist)),
    );
    detection.port = Some(port(subject));
    detection.build_env = BTreeMap::from(
        [
            ("NEXT_PRIVATE_STANDALONE", "true"),
            ("NEXT_PRIVATE_OUTPUT_TRACE_ROOT", WORKSPACE),
            ("NEXT_TELEMETRY_DISABLED", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Ok(detection)
}

/// The standalone server: its directory, the files for browsers, and `public/`.
fn standalone(subject: &Subject<'_>, dist: &str) -> Bundle {
    let dir = subject.member().dir.prefix();
    let piece = |from: String, to: Option<String>, optional| Piece { from, to, optional };
    let port = port(subject).to_string();
    let env = [
        ("HOSTNAME", "0.0.0.0"),
        ("PORT", &port),
        ("NEXT_TELEMETRY_DISABLED", "1"),
    ];
    Bundle {
        start: Start {
            entry: "server.js".to_owned(),
            node_args: Vec::new(),
            args: Vec::new(),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            built: true,
            loads: None,
            command: false,
            shell: None,
            reason: "the standalone server of Next.js".to_owned(),
            warnings: Vec::new(),
        },
        pieces: vec![
            piece(format!("{dist}/standalone"), None, false),
            piece(
                format!("{dist}/static"),
                Some(format!("{dist}/static")),
                false,
            ),
            piece("public".to_owned(), Some("public".to_owned()), true),
        ],
        modules: "node_modules".to_owned(),
        proof: format!("{dist}/standalone/{dir}server.js"),
        writable: Some(dist.to_owned()),
    }
}

/// `next start`, or the app's own server, on production modules.
fn served(
    subject: &Subject<'_>,
    detected: Detected,
    own_server: bool,
) -> Result<Detection, DetectError> {
    if own_server || subject.entry.is_some() {
        let start = start::start(subject)?;
        return Ok(Detection::new(detected, Delivery::Modules(start)));
    }
    let port = port(subject);
    let start = Start {
        entry: "node_modules/next/dist/bin/next".to_owned(),
        node_args: Vec::new(),
        args: vec!["start".to_owned()],
        env: BTreeMap::from([("PORT".to_owned(), port.to_string())]),
        built: false,
        loads: None,
        command: false,
        shell: None,
        reason:
            "`next start`: this version has no standalone output that can be asked for from outside"
                .to_owned(),
        warnings: Vec::new(),
    };
    let mut detection = Detection::new(detected, Delivery::Modules(start));
    detection.port = Some(port);
    Ok(detection)
}

/// Whether a start script runs a custom server.
fn own_server(subject: &Subject<'_>, dist: &str) -> bool {
    let starts: Vec<_> = START_SCRIPTS
        .iter()
        .filter_map(|name| subject.commands(name).pop())
        .collect();
    let first = starts.first();
    subject.entry.is_some()
        || first.is_some_and(|command| {
            command.program() == "node"
                && node_command(&command.words[1..])
                    .is_some_and(|(_, file, _)| !file.contains(&format!("{dist}/standalone")))
        })
}

/// The port that `next start` listens on: `-p 4000`, or Next's own.
fn port(subject: &Subject<'_>) -> u16 {
    START_SCRIPTS
        .iter()
        .flat_map(|name| subject.commands(name))
        .filter(|command| command.program() == "next")
        .find_map(|command| command.flag(&["-p", "--port"])?.parse().ok())
        .unwrap_or(3000)
}

/// A static export with one file per page: `about.html` for `/about`.
fn exported(dir: &str, file: &str) -> Site {
    Site {
        dir: dir.to_owned(),
        reason: format!("`output: 'export'` in {file}"),
        fallback: Fallback {
            page: None,
            reason: "every page is a file".to_owned(),
        },
        hashed: vec!["_next/static".to_owned()],
    }
}
