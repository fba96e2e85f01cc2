//! What a cache in a registry saves a cold runner: a builder that has nothing but base images builds
//! an app, once without a cache and once with the one that the build before a change of one line
//! left.
//!
//! The image is pushed, as CI pushes it. All of it goes to one registry on this machine, so the times
//! say what packing, hashing and unpacking cost, and not what a slow network does.

mod nest;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Result;
use crate::lab::{self, Built, Lab};
use crate::race::Sample;
use crate::table::seconds;
use crate::tree::{Edit, Tree};

/// The most that a build with a cache may take of one without.
const GOAL: f64 = 0.5;

/// How often to try for a build that the network does not spoil.
const TRIES: usize = 4;

/// Stages that a change in the app's sources has to run again, besides the app's own.
const LATE: [&str; 3] = ["image", "verify", "runtime"];

/// Where it is measured.
pub(crate) struct Place<'p> {
    /// What slimbuild is told of the builder.
    pub(crate) builder: &'p [String],
    /// `HOST:PORT` of a registry without a password and without TLS.
    pub(crate) registry: &'p str,
    pub(crate) rounds: usize,
    pub(crate) steps: bool,
}

/// An app, and what is changed in it.
struct Subject {
    name: &'static str,
    tree: Tree,
    app: &'static str,
    /// The stage that builds the app.
    stage: &'static str,
    edit: Edit,
}

/// What the builds of an app took.
#[derive(Default)]
struct Times {
    without: Vec<f64>,
    /// The first build with a cache, which finds none.
    filling: Vec<f64>,
    with: Vec<f64>,
    /// Of the first build.
    export: Vec<f64>,
    /// Of the build that uses the cache.
    import: Vec<f64>,
    again: Vec<f64>,
    bytes: Vec<f64>,
    ran: BTreeSet<String>,
    early: BTreeSet<String>,
    cached: usize,
}

/// Measures both apps.
pub(crate) fn run(lab: &Lab, place: &Place<'_>) -> Result<()> {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop");
    let subjects = [
        Subject {
            name: "testdata/shop, apps/server",
            tree: Tree::checkout(&shop)?,
            app: "apps/server",
            stage: "build-apps-server",
            edit: Edit {
                file: "apps/server/src/app.ts",
                line: "status: 'ok'",
                words: "ok",
            },
        },
        Subject {
            name: "a Nest server with packages from npm, apps/api",
            tree: nest::workspace()?,
            app: "apps/api",
            stage: "build-apps-api",
            edit: Edit {
                file: "apps/api/src/app.module.ts",
                line: "status: 'ok'",
                words: "ok",
            },
        },
    ];
    for subject in &subjects {
        println!("## {}: a cold runner\n", subject.name);
        let times = measure(lab, place, subject)?;
        println!("{}", table(&times, place));
        if !times.early.is_empty() {
            let early: Vec<&str> = times.early.iter().map(String::as_str).collect();
            return Err(format!("not taken from the cache: {}", early.join(", ")).into());
        }
    }
    Ok(())
}

fn measure(lab: &Lab, place: &Place<'_>, subject: &Subject) -> Result<Times> {
    let mut times = Times::default();
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for round in 1..=place.rounds {
        eprintln!("round {round} of {}: {}", place.rounds, subject.name);
        let path = format!("slimbuild-bench/{}-{run}-{round}", subject.stage);
        let build = |cache: bool| -> Result<Built> {
            lab.forget(&[])?;
            let mut args = vec![subject.app.to_owned(), "--push".to_owned()];
            args.extend_from_slice(place.builder);
            if cache {
                let name = format!("{}/{path}-cache:1", place.registry);
                args.extend(["--cache".to_owned(), name]);
            }
            let tag = format!("{}/{path}:1", place.registry);
            let mut built = lab::slimbuild(&args, &subject.tree, &tag)?;
            for _ in 1..TRIES {
                // What was left in a cache would change the second try.
                let Some(line) = built.stalled.as_ref().filter(|_| !cache) else {
                    break;
                };
                eprintln!("  once more, for npm's registry did not answer at once: {line}");
                lab.forget(&[])?;
                built = lab::slimbuild(&args, &subject.tree, &tag)?;
            }
            if place.steps {
                for (name, seconds) in &built.steps {
                    eprintln!("    {seconds:6.2} s  {name}");
                }
            }
            Ok(built)
        };
        let without = build(false)?;
        eprintln!("  without a cache: {:.1} s", without.seconds);
        let filling = build(true)?;
        eprintln!("  filling the cache: {:.1} s", filling.seconds);
        for built in [&without, &filling] {
            if !built.cached.is_empty() {
                return Err(format!("not cold: {}", built.cached.join(", ")).into());
            }
        }
        let changed = subject.tree.change(subject.edit, round)?;
        let with = build(true);
        changed.undo()?;
        let with = with?;
        eprintln!("  with the cache: {:.1} s", with.seconds);
        times.without.push(without.seconds);
        times.filling.push(filling.seconds);
        times.with.push(with.seconds);
        times.export.push(filling.seconds_of("exporting cache"));
        times.import.push(with.seconds_of("importing cache"));
        times.again.push(with.seconds_of("exporting cache"));
        times
            .bytes
            .push(cache_size(place.registry, &format!("{path}-cache"))?);
        times.cached = with.cached.len();
        for name in with.ran() {
            let stage = name.trim_start_matches('[').split([' ', ']']).next();
            let stage = stage.unwrap_or_default();
            if stage != subject.stage && !LATE.contains(&stage) {
                times.early.insert(name.clone());
            }
            times.ran.insert(name);
        }
    }
    Ok(times)
}

fn table(times: &Times, place: &Place<'_>) -> String {
    let of = |values: &[f64]| Sample::of(values);
    let ratio = of(&times.with).median / of(&times.without).median;
    let verdict = if ratio <= GOAL { "ok" } else { "MISSED" };
    let mut text = String::from("| Cold runner, `--push` | |\n|---|--:|\n");
    for (name, values) in [
        ("without a cache", &times.without),
        ("with `--cache`, which is empty yet", &times.filling),
        ("… of it writing the cache", &times.export),
        ("with `--cache`, one line changed", &times.with),
        ("… of it reading the cache's index", &times.import),
        ("… of it writing the cache", &times.again),
    ] {
        let _ = writeln!(text, "| {name} | {} |", seconds(of(values)));
    }
    let _ = writeln!(
        text,
        "| size of the cache in the registry | {:.1} MB |",
        of(&times.bytes).median / 1e6
    );
    let _ = writeln!(
        text,
        "\nwith ÷ without: {ratio:.2}, at most {GOAL:.2}: {verdict}. {} steps of the last round came from the cache. In {} rounds there ran:",
        times.cached, place.rounds
    );
    for name in &times.ran {
        let name: String = name.chars().take(110).collect();
        let _ = writeln!(text, "- {name}");
    }
    text
}

/// The bytes of all blobs that a cache's manifest names.
#[expect(clippy::cast_precision_loss, reason = "it is rounded for reading")]
fn cache_size(registry: &str, repository: &str) -> Result<f64> {
    let mut stream = TcpStream::connect(registry)?;
    let kinds =
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
    write!(
        stream,
        "GET /v2/{repository}/manifests/1 HTTP/1.0\r\nHost: {registry}\r\nAccept: {kinds}\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .ok_or("the registry gave no answer")?;
    let manifest: Value = serde_json::from_str(body)?;
    let lists = [
        &manifest["layers"],
        &manifest["manifests"],
        &manifest["config"],
    ];
    let blobs = lists.into_iter().flat_map(|list| match list {
        Value::Array(blobs) => blobs.clone(),
        blob => vec![blob.clone()],
    });
    let mut seen = BTreeSet::new();
    let sizes = blobs.filter_map(|blob| {
        let digest = blob["digest"].as_str()?.to_owned();
        seen.insert(digest).then(|| blob["size"].as_u64())?
    });
    Ok(sizes.sum::<u64>() as f64)
}
