//! Sizes and times of slimbuild's images, against Dockerfiles as people write them.
//!
//! ```sh
//! cargo bench --bench images                   # everything, three rounds
//! cargo bench --bench images -- --rounds 1 --part shop
//! ```
//!
//! Two workspaces: `testdata/shop`, and cloud-canvas, a public project with a Dockerfile of its own, of which a checkout must be named by
//! `SLIMBUILD_BENCH_CLOUD_CANVAS`. In every round each contestant builds its image cold (no images, no build cache, no cache mounts; base
//! images are there), once more with nothing changed, and after a change in one line of the app's source; then the image is started. All
//! builds go to the same daemon in the same way; times run from the start of the command to the finished image, the upload included, and
//! for slimbuild its planning.
//!
//! With `--builder`, only a cold runner is measured, with and without a cache in a registry: see [`cold`].
//!
//! The part called many builds ten apps in one run: see [`many`].
//!
//! The parts called prebuilt compare a workspace that is installed and built on this machine, and slimbuild's own engine: see [`prebuilt`].
//!
//! The daemon's **whole build cache is emptied**: do not run it where you need that cache, and let nothing else use the daemon meanwhile.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tables are data, rounds are talk"
)]

mod cold;
mod lab;
mod many;
mod prebuilt;
mod race;
mod table;
mod tree;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use slimbuild::Env;

use crate::cold::Place;
use crate::lab::{Lab, Probe};
use crate::prebuilt::Subject;
use crate::race::{Contestant, Course, How, Record};
use crate::table::Targets;
use crate::tree::{Edit, Tree};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const CLOUD_CANVAS: &str = "SLIMBUILD_BENCH_CLOUD_CANVAS";

/// `prisma generate` downloads an engine that it does not use, unless it is told where to find one; the mirror may be out of reach.
const PRISMA: [(&str, &str); 2] = [
    ("PRISMA_QUERY_ENGINE_LIBRARY", "/etc/os-release"),
    ("PRISMA_SCHEMA_ENGINE_BINARY", "/etc/os-release"),
];

/// Its server says so before it looks for its database.
const CLOUD_CANVAS_STARTS: Probe = Probe::Prints {
    text: "Mapped {",
    env: &[
        "DATABASE_URL=mysql://x:y@127.0.0.1:3306/z",
        "REDIS_HOST=127.0.0.1",
        "REDIS_PORT=6379",
        "JWT_SECRET=x",
    ],
};

#[derive(Parser)]
struct Args {
    /// How often to measure everything
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Only this workspace
    #[arg(long)]
    part: Option<Part>,

    /// Only contestants whose name holds TEXT, and slimbuild; of `--part many` only such ways
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,

    /// A context with a Dockerfile, from `slimbuild context -o DIR` and then changed: one more contestant
    #[arg(long, value_name = "DIR")]
    variant: Vec<PathBuf>,

    /// Let all builds install from this npm registry; one on this machine keeps the network's moods out of the times
    #[arg(long, value_name = "URL")]
    registry: Option<String>,

    /// Measure a cold runner with this builder, whose daemon `DOCKER_HOST` names: `just bench-cold`
    #[arg(long, value_name = "ADDRESS")]
    builder: Option<String>,

    /// The builder's certificates
    #[arg(long, value_name = "DIR", requires = "builder")]
    builder_tls: Option<String>,

    /// The registry of a cold runner's image and cache; it must need no password
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5000")]
    cache_registry: String,

    /// With `--part many`: how many apps `slimbuild --all` builds at the same time
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,

    /// Also print how long each step took
    #[arg(long)]
    steps: bool,

    /// What the bench starts itself for
    #[command(subcommand)]
    role: Option<Role>,

    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// Build the Dockerfile on stdin
    #[command(name = lab::CHILD, hide = true)]
    DockerBuild { tag: String, tree: PathBuf },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Shop,
    CloudCanvas,
    ShopPrebuilt,
    CloudCanvasPrebuilt,
    /// Ten apps in one run; only if it is named
    Many,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                eprintln!("  caused by: {error}");
                source = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let env = Env::of_process();
    if let Some(Role::DockerBuild { tag, tree }) = &args.role {
        return lab::child(&env, tag, tree);
    }
    let lab = Lab::connect(&env)?;
    if let Some(builder) = &args.builder {
        let mut flags = vec!["--builder".to_owned(), builder.clone()];
        if let Some(directory) = &args.builder_tls {
            flags.extend(["--builder-tls".to_owned(), directory.clone()]);
        }
        let place = Place {
            builder: &flags,
            registry: &args.cache_registry,
            rounds: args.rounds,
            steps: args.steps,
        };
        cold::run(&lab, &place)?;
        return medians(&lab, args);
    }
    if args.part == Some(Part::Many) {
        println!("{}", many::run(&lab, &args.into())?);
        return medians(&lab, args);
    }
    if args.part.is_none_or(|part| part == Part::Shop) {
        shop(&lab, args)?;
    }
    if args.part.is_none_or(|part| part == Part::ShopPrebuilt) {
        shop_prebuilt(&lab, args)?;
    }
    let of_cloud_canvas = [Part::CloudCanvas, Part::CloudCanvasPrebuilt];
    match env.get(CLOUD_CANVAS) {
        Some(tree) => {
            if args.part.is_none_or(|part| part == Part::CloudCanvas) {
                cloud_canvas(&lab, Path::new(tree), args)?;
            }
            if args
                .part
                .is_none_or(|part| part == Part::CloudCanvasPrebuilt)
            {
                cloud_canvas_prebuilt(&lab, Path::new(tree), args)?;
            }
        }
        None if args.part.is_none_or(|part| of_cloud_canvas.contains(&part)) => println!(
            "cloud-canvas: skipped. Name a checkout of github.com/boostcampwm-2024/refactor-web37-cloud-canvas @ 311dd65be5 \
             by {CLOUD_CANVAS}=DIR."
        ),
        None => {}
    }
    medians(&lab, args)
}

/// What the tables hold, and where they were made.
fn medians(lab: &Lab, args: &Args) -> Result<()> {
    let cores = std::thread::available_parallelism()?;
    println!(
        "Medians of {} interleaved rounds (lowest–highest). {cores} cores, {} {}, Docker Engine {}, packages from {}.",
        args.rounds,
        std::env::consts::OS,
        std::env::consts::ARCH,
        lab.version(),
        args.registry.as_deref().unwrap_or("npm's registry"),
    );
    Ok(())
}

/// The sample workspace: Fastify, two shared packages, code generated into `node_modules`.
fn shop(lab: &Lab, args: &Args) -> Result<()> {
    let tree = Tree::checkout(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop"))?;
    let base = base("node:22-slim", "slimbuild-bench/base:shop", "", args)?;
    let hand_made = [
        ("`COPY . .`", include_str!("shop/naive.Dockerfile")),
        (
            "turbo prune, as its guide shows",
            include_str!("shop/turbo-prune.Dockerfile"),
        ),
        (
            "turbo prune + production install",
            include_str!("shop/turbo-prune-prod.Dockerfile"),
        ),
        (
            "pnpm deploy, as its docs show",
            include_str!("shop/pnpm-deploy.Dockerfile"),
        ),
    ];
    let mut contestants: Vec<Contestant<'_>> = hand_made
        .into_iter()
        .map(|(name, text)| Contestant {
            name: name.to_owned(),
            how: How::Dockerfile(text.replace("node:22-slim", base), &tree),
        })
        .collect();
    contestants.push(slimbuild(&["apps/server", "--build-base", base], &tree));
    let course = Course {
        edit: Edit {
            file: "apps/server/src/app.ts",
            line: "status: 'ok'",
            words: "ok",
        },
        probe: Probe::Answers {
            port: 3000,
            path: "/health",
        },
        rounds: args.rounds,
    };
    println!("## testdata/shop, apps/server\n");
    let records = compete(lab, contestants, course, args)?;
    let subject = position(&records, "slimbuild");
    let against = records.iter().enumerate();
    let against: Vec<usize> = against
        .filter(|(_, record)| record.name.contains("COPY") || record.name.contains("guide"))
        .map(|(index, _)| index)
        .collect();
    println!("{}", table::table(&records, subject, &against));
    Ok(())
}

/// A public project: NestJS with Prisma, one shared package.
fn cloud_canvas(lab: &Lab, from: &Path, args: &Args) -> Result<()> {
    let base = cloud_canvas_base(args)?;
    let tree = Tree::checkout(from)?;
    let own = own_dockerfile(
        &lab::read(&tree.path().join("apps/server/Dockerfile"))?,
        base,
    )?;
    let contestants = vec![
        Contestant {
            name: "its own Dockerfile".to_owned(),
            how: How::Dockerfile(own, &tree),
        },
        slimbuild(
            &["apps/server", "--build-base", base, "--node", "20"],
            &tree,
        ),
    ];
    let course = Course {
        edit: Edit {
            file: "apps/server/src/app.service.ts",
            line: "return 'Hello World!'",
            words: "Hello World!",
        },
        probe: CLOUD_CANVAS_STARTS,
        rounds: args.rounds,
    };
    println!("## cloud-canvas, apps/server\n");
    let records = compete(lab, contestants, course, args)?;
    let subject = position(&records, "slimbuild");
    let others: Vec<usize> = (0..records.len())
        .filter(|&index| index != subject)
        .collect();
    println!("{}", table::table(&records, subject, &others));
    if let Some(own) = records.iter().find(|record| record.name.contains("own")) {
        let targets = Targets {
            size: 0.65,
            cold: 1.05,
            line: 0.65,
            nothing: 1.0,
        };
        println!("{}", table::targets(&records[subject], own, targets));
    }
    Ok(())
}

/// What `docker build` would need for the sample, and slimbuild where it is built already.
fn shop_prebuilt(lab: &Lab, args: &Args) -> Result<()> {
    let text = include_str!("shop/turbo-prune.Dockerfile").to_owned();
    let subject = Subject {
        from: &Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shop"),
        app: "apps/server",
        dockerfile: ("turbo prune, as its guide shows", text),
        args: &[],
        node: "22",
        pnpm: "10.34.8",
        env: &[],
        output: "apps/server/dist/main.js",
        probe: Probe::Answers {
            port: 3000,
            path: "/health",
        },
        rounds: args.rounds,
    };
    println!("## testdata/shop, apps/server, built already\n");
    println!("{}", prebuilt::run(lab, &subject)?);
    Ok(())
}

/// The same for the public project.
fn cloud_canvas_prebuilt(lab: &Lab, from: &Path, args: &Args) -> Result<()> {
    let base = cloud_canvas_base(args)?;
    let text = lab::read(&from.join("apps/server/Dockerfile"))?;
    let subject = Subject {
        from,
        app: "apps/server",
        dockerfile: ("its own Dockerfile", own_dockerfile(&text, base)?),
        args: &["--node", "20"],
        node: "20",
        pnpm: "9.12.3",
        env: &PRISMA,
        output: "apps/server/dist/src/app.service.js",
        probe: CLOUD_CANVAS_STARTS,
        rounds: args.rounds,
    };
    println!("## cloud-canvas, apps/server, built already\n");
    println!("{}", prebuilt::run(lab, &subject)?);
    Ok(())
}

/// The image that all contestants build in: a public one, or one of the bench's own that differs by environment variables alone.
fn base<'a>(from: &'a str, tag: &'a str, env: &str, args: &Args) -> Result<&'a str> {
    let mut text = env.to_owned();
    if let Some(url) = &args.registry {
        let _ = writeln!(
            text,
            "ENV npm_config_registry={url} pnpm_config_registry={url}"
        );
    }
    if text.is_empty() {
        return Ok(from);
    }
    lab::build(&format!("FROM {from}\n{text}"), &Tree::empty()?, tag)?;
    Ok(tag)
}

/// The project's Dockerfile on the base that slimbuild builds in, without Alpine's packages. It takes the latest pnpm, which was 9 when it was
/// written; the one of today first looks for the project's own, and that for platforms which not every mirror has.
fn own_dockerfile(text: &str, base: &str) -> Result<String> {
    let changed = text
        .replace("FROM node:20-alpine", &format!("FROM {base}"))
        .replace("RUN apk add --no-cache openssl\n", "")
        .replace("apk add --no-cache openssl && ", "")
        .replace("npm install -g pnpm ", "npm install -g pnpm@9.12.3 ");
    if changed.contains("alpine") || changed.contains("apk ") || !changed.contains(base) {
        return Err("cloud-canvas' Dockerfile is not the one of 311dd65be5".into());
    }
    Ok(changed)
}

/// What its images are built in: node with these variables.
fn cloud_canvas_base(args: &Args) -> Result<&'static str> {
    let pairs = PRISMA.map(|(name, value)| format!("{name}={value}"));
    let env = format!("ENV {}\n", pairs.join(" "));
    base(
        "node:20-slim",
        "slimbuild-bench/base:cloud-canvas",
        &env,
        args,
    )
}

fn slimbuild<'a>(args: &[&str], tree: &'a Tree) -> Contestant<'a> {
    Contestant {
        name: "slimbuild".to_owned(),
        how: How::Slimbuild(args.iter().map(|&arg| arg.to_owned()).collect(), tree),
    }
}

/// Runs those that were asked for, and the variants.
fn compete(
    lab: &Lab,
    contestants: Vec<Contestant<'_>>,
    course: Course,
    args: &Args,
) -> Result<Vec<Record>> {
    let mut variants = Vec::new();
    for dir in &args.variant {
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        let tree = Tree::context(dir)?;
        let text = lab::read(&tree.path().join("Dockerfile"))?;
        variants.push((name.to_string_lossy().into_owned(), text, tree));
    }
    let wanted = |contestant: &Contestant<'_>| {
        args.only.is_empty()
            || contestant.name == "slimbuild"
            || args.only.iter().any(|text| contestant.name.contains(text))
    };
    let variants = variants.iter().map(|(name, text, tree)| Contestant {
        name: name.clone(),
        how: How::Dockerfile(text.clone(), tree),
    });
    let contestants: Vec<Contestant<'_>> = contestants
        .into_iter()
        .filter(wanted)
        .chain(variants)
        .collect();
    let records = race::run(lab, &contestants, course)?;
    if args.steps {
        println!("{}", table::steps(&records));
    }
    Ok(records)
}

fn position(records: &[Record], name: &str) -> usize {
    let found = records.iter().position(|record| record.name == name);
    found.unwrap_or_default()
}
