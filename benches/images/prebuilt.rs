//! What a workspace gains that is installed and built already, or a machine without a daemon: slimbuild's own engine, against the project's
//! Dockerfile, and against what the machine needs to read and hash the same files.
//!
//! Every round runs all ways once. The base is in slimbuild's cache as an image of another app left it there, as base images are in the daemon;
//! everything else begins empty, but for the way that measures a change. Nothing is deleted between what is compared, as far as slimbuild's own engine
//! goes: ext4 is slow for a while after many deletions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::Result;
use crate::lab::{self, Boots, Lab, Probe};
use crate::race::Sample;
use crate::table::seconds;
use crate::tree::Tree;

const TAG: &str = "slimbuild-bench/prebuilt";
const OWN: &str = "slimbuild-bench/own";

/// A workspace, and what is done with it.
pub(crate) struct Subject<'s> {
    /// Where it is copied from.
    pub(crate) from: &'s Path,
    pub(crate) app: &'s str,
    /// The app's own Dockerfile, or how people write one for such an app.
    pub(crate) dockerfile: (&'s str, String),
    /// What else slimbuild is told.
    pub(crate) args: &'s [&'s str],
    /// node's release line and pnpm's version, to install and build it here.
    pub(crate) node: &'s str,
    pub(crate) pnpm: &'s str,
    /// Variables of that build, which the tasks of slimbuild's build get too.
    pub(crate) env: &'s [(&'s str, &'s str)],
    /// A file that the build wrote, which is changed.
    pub(crate) output: &'s str,
    pub(crate) probe: Probe,
    pub(crate) rounds: usize,
}

/// A way to come to an image, with the most that it may take of the Dockerfile's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Dockerfile,
    Archive,
    Changed,
    Daemon,
    Load,
    Unbuilt,
    Floor,
}

const WAYS: [(Way, &str, Option<f64>); 7] = [
    (Way::Dockerfile, "", None),
    (Way::Unbuilt, "`--engine native`, nothing built", Some(0.9)),
    (Way::Archive, "`--prebuilt` to an archive", Some(0.12)),
    (Way::Changed, "again, one output changed", Some(0.05)),
    (Way::Daemon, "`--prebuilt` by the daemon", Some(0.22)),
    (Way::Load, "`--prebuilt --engine native --load`", Some(0.22)),
    (
        Way::Floor,
        "`tar -c … \\| sha256sum` of the same files",
        None,
    ),
];
/// An app that needs nothing.
const OTHER: [(&str, &str); 5] = [
    ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
    ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
    (
        "pnpm-lock.yaml",
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/other: {}\n",
    ),
    (
        "apps/other/package.json",
        r#"{"name": "other", "scripts": {"start": "node main.js"}}"#,
    ),
    ("apps/other/main.js", ""),
];
/// How often the time of `tar | sha256sum` an archive may take.
const FLOOR: f64 = 4.0;

/// Measures, and gives the table.
pub(crate) fn run(lab: &Lab, subject: &Subject<'_>) -> Result<String> {
    let fresh = Tree::checkout(subject.from)?;
    declare(&fresh, subject)?;
    let unbuilt = Tree::checkout(subject.from)?;
    declare(&unbuilt, subject)?;
    let shell = shell(&unbuilt, subject)?;
    let built = Tree::checkout(subject.from)?;
    declare(&built, subject)?;
    eprintln!("installing and building {} on this machine", subject.app);
    install(&built, subject)?;
    let base = TempDir::with_prefix("slimbuild-bench-")?;
    warm(base.path(), &built, subject)?;
    let mut caches = vec![shell];
    let files = files(&built, subject)?;

    let mut times: Vec<Vec<f64>> = vec![Vec::new(); WAYS.len()];
    let mut boots = Vec::new();
    let mut size = 0;
    for round in 1..=subject.rounds {
        eprintln!("round {round} of {}", subject.rounds);
        let cache = copy(base.path())?;
        let mut another = || -> Result<PathBuf> {
            let dir = copy(base.path())?;
            let path = dir.path().to_path_buf();
            caches.push(dir);
            Ok(path)
        };
        for (index, &(way, name, _)) in WAYS.iter().enumerate() {
            let took = match way {
                Way::Dockerfile => {
                    lab.forget(&[OWN, TAG])?;
                    lab::build(&subject.dockerfile.1, &fresh, OWN)?.seconds
                }
                Way::Archive => {
                    let took = native(&built, subject, &PREBUILT_TO_FILE, cache.path())?;
                    size = fs_err::metadata(built.path().join(FILE))?.len();
                    took
                }
                Way::Changed => {
                    let file = built.path().join(subject.output);
                    let mut file = fs_err::File::options().append(true).open(file)?;
                    writeln!(file, "// changed in round {round}")?;
                    drop(file);
                    native(&built, subject, &PREBUILT_TO_FILE, cache.path())?
                }
                Way::Daemon => {
                    lab.forget(&[OWN, TAG])?;
                    let args = slimbuild(subject, &["--prebuilt", "--engine", "docker"]);
                    let took = lab::slimbuild(&args, &built, TAG)?.seconds;
                    boots.push(lab.boots(TAG, subject.probe, "")?);
                    took
                }
                Way::Load => {
                    lab.forget(&[OWN, TAG])?;
                    let took = native(&built, subject, &["--prebuilt", "--load"], &another()?)?;
                    boots.push(lab.boots(TAG, subject.probe, "")?);
                    took
                }
                Way::Unbuilt => native(&unbuilt, subject, &TO_FILE, &another()?)?,
                Way::Floor => floor(&built, &files)?,
            };
            let name = if name.is_empty() {
                subject.dockerfile.0
            } else {
                name
            };
            eprintln!("  {took:6.2} s  {name}");
            times[index].push(took);
        }
        caches.push(cache);
    }
    drop(caches);
    lab.forget(&[OWN, TAG])?;
    if let Some(Boots::No(line)) = boots.into_iter().find(|boots| *boots != Boots::Yes) {
        return Err(format!("the image does not boot: {line}").into());
    }
    Ok(table(subject, &times, size))
}

/// What an archive is called.
const FILE: &str = "bench.oci.tar";
const TO_FILE: [&str; 2] = ["--output", FILE];
const PREBUILT_TO_FILE: [&str; 3] = ["--prebuilt", "--output", FILE];

fn table(subject: &Subject<'_>, times: &[Vec<f64>], size: u64) -> String {
    let samples: Vec<Sample> = times.iter().map(|times| Sample::of(times)).collect();
    let own = samples[0].median;
    let mut text = format!(
        "| | Time | ÷ {}, cold | at most |\n|---|--:|--:|--:|\n",
        subject.dockerfile.0
    );
    for ((_, name, bound), sample) in WAYS.into_iter().zip(&samples) {
        let name = if name.is_empty() {
            subject.dockerfile.0
        } else {
            name
        };
        let ratio = sample.median / own;
        let _ = write!(text, "| {name} | {} | {ratio:.3} |", seconds(*sample));
        let _ = match bound {
            Some(bound) if ratio <= bound => writeln!(text, " {bound:.2}: ok |"),
            Some(bound) => writeln!(text, " {bound:.2}: MISSED |"),
            None => writeln!(text, " |"),
        };
    }
    let ratio = samples[2].median / samples[6].median;
    let verdict = if ratio <= FLOOR { "ok" } else { "MISSED" };
    #[expect(clippy::cast_precision_loss, reason = "it is rounded for reading")]
    let megabytes = size as f64 / 1e6;
    let _ = writeln!(
        text,
        "\nTo an archive ({megabytes:.1} MB) ÷ `tar | sha256sum`: {ratio:.2}, at most {FLOOR}: {verdict}"
    );
    text
}

fn slimbuild(subject: &Subject<'_>, args: &[&str]) -> Vec<String> {
    let all = [&[subject.app], subject.args, args].concat();
    all.into_iter().map(str::to_owned).collect()
}

/// Makes an image without a daemon.
fn native(tree: &Tree, subject: &Subject<'_>, args: &[&str], cache: &Path) -> Result<f64> {
    let mut all = slimbuild(subject, args);
    let cache = cache.display().to_string();
    let more = ["--engine", "native", "--cache-dir", &cache];
    all.extend(more.map(str::to_owned));
    for (name, value) in subject.env {
        all.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
    }
    Ok(lab::slimbuild(&all, tree, TAG)?.seconds)
}

/// A build that needs variables has to say so.
fn declare(tree: &Tree, subject: &Subject<'_>) -> Result<()> {
    if subject.env.is_empty() {
        return Ok(());
    }
    let file = tree.path().join("turbo.json");
    let mut turbo: Value = serde_json::from_str(&lab::read(&file)?)?;
    let names: Vec<&str> = subject.env.iter().map(|(name, _)| *name).collect();
    turbo["tasks"]["build"]["passThroughEnv"] = names.into();
    Ok(fs_err::write(file, turbo.to_string())?)
}

/// Scripts of packages that an install runs get the variables from their shell, as they get them from the image that Dockerfiles build in.
fn shell(tree: &Tree, subject: &Subject<'_>) -> Result<TempDir> {
    let dir = TempDir::with_prefix("slimbuild-bench-")?;
    let file = dir.path().join("shell");
    let set = subject.env.iter();
    let set = set.fold(String::new(), |text, (name, value)| {
        format!("{text}export {name}={value}\n")
    });
    fs_err::write(&file, format!("#!/bin/sh\n{set}exec /bin/sh \"$@\"\n"))?;
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    let mut npmrc = fs_err::File::options()
        .create(true)
        .append(true)
        .open(tree.path().join(".npmrc"))?;
    writeln!(npmrc, "script-shell={}", file.display())?;
    Ok(dir)
}

fn install(tree: &Tree, subject: &Subject<'_>) -> Result<()> {
    let filter = format!("{{./{}}}...", subject.app);
    let script = format!("pnpm install --frozen-lockfile && pnpm --filter '{filter}' run build");
    let mut command = Command::new("npm");
    command
        .args(["exec", "--yes"])
        .arg(format!("--package=node@{}", subject.node))
        .arg(format!("--package=pnpm@{}", subject.pnpm))
        .args(["--call", &script])
        .current_dir(tree.path())
        .envs(subject.env.iter().copied())
        .stdout(Stdio::null());
    if command.status()?.success() {
        Ok(())
    } else {
        Err(format!("{} could not be built here", subject.app).into())
    }
}

/// A cache in which the image of another app left the base.
fn warm(cache: &Path, tree: &Tree, subject: &Subject<'_>) -> Result<()> {
    let plan = plan(tree, subject)?;
    let node = plan["node"]["value"].as_str().unwrap_or(subject.node);
    let other = Tree::empty()?;
    for (path, text) in OTHER {
        let file = other.path().join(path);
        fs_err::create_dir_all(file.parent().unwrap_or(other.path()))?;
        fs_err::write(file, text)?;
    }
    let done = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(["apps/other", "--prebuilt", "--engine", "native"])
        .args(["--node", node, "--cache-dir"])
        .arg(cache)
        .current_dir(other.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if done.success() {
        Ok(())
    } else {
        Err("the base could not be made".into())
    }
}

fn plan(tree: &Tree, subject: &Subject<'_>) -> Result<Value> {
    let mut args = slimbuild(subject, &["--prebuilt", "--json"]);
    args.insert(0, "plan".to_owned());
    let done = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(args)
        .current_dir(tree.path())
        .stderr(Stdio::inherit())
        .output()?;
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// The files of the machine that are in the image.
fn files(tree: &Tree, subject: &Subject<'_>) -> Result<String> {
    let plan = plan(tree, subject)?;
    let entries = plan["context"].as_array().into_iter().flatten();
    let sources = entries.filter_map(|entry| entry["source"].as_str());
    Ok(sources.fold(String::new(), |text, path| text + path + "\n"))
}

/// What it takes to read and hash them.
fn floor(tree: &Tree, files: &str) -> Result<f64> {
    let list: PathBuf = tree.path().join("bench.files");
    fs_err::write(&list, files)?;
    let began = Instant::now();
    let done = Command::new("sh")
        .args(["-c", "tar -c --no-recursion -T bench.files | sha256sum"])
        .current_dir(tree.path())
        .stdout(Stdio::null())
        .status()?;
    let took = began.elapsed().as_secs_f64();
    fs_err::remove_file(list)?;
    if done.success() {
        Ok(took)
    } else {
        Err("tar cannot read the files of the image".into())
    }
}

/// A cache like another.
pub(crate) fn copy(from: &Path) -> Result<TempDir> {
    let to = TempDir::with_prefix("slimbuild-bench-")?;
    let mut command = Command::new("cp");
    command.arg("-a").arg(from.join(".")).arg(to.path());
    if command.status()?.success() {
        Ok(to)
    } else {
        Err("the cache could not be copied".into())
    }
}
