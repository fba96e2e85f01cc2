//! Registries and credentials as CI has them: a table of behaviours, each with what slimbuild makes of it
//! without a daemon, with Engine 26.1, and with Engine 28.5. `docker push` is the measure.
//!
//! The registries are imitations ([`imitation`]): each behaves like the product that its row names in one
//! respect. `tests/it/registry.rs` has real ones. No output of any row holds a credential.

mod imitation;
mod rows;
mod scene;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bollard::query_parameters::TagImageOptions;
use slimbuild::internals::{Docker, ImageRef, Interrupt, Logins, host};

use crate::storage::base;
use crate::support::daemon::{every_daemon, skipped};
use crate::support::program::PROGRAM;
use crate::support::tree::Tree;
use crate::support::unique;
use crate::trial::server;
use rows::{Expected, Row, rows};
use scene::{Begun, SECRETS, Scene};

/// How many rows run at a time: they mostly wait.
const AT_A_TIME: usize = 6;

/// What an engine made of a row.
struct Seen {
    code: i32,
    text: String,
}

/// Runs all rows, and tells of all that are otherwise than expected.
fn each_row(
    engine: &str,
    expected: impl Fn(&Row) -> Expected + Sync,
    run: impl Fn(&Row, Begun) -> Seen + Sync,
) {
    let (rows, next) = (rows(), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let expected = expected(row);
            if let Expected::NotFor(why) = expected {
                eprintln!("{engine}: not {}: {why}", row.name);
                continue;
            }
            let mut scene = Scene::new("app");
            (row.set_up)(&mut scene);
            let Some(begun) = scene.begin() else {
                skipped("no openssl, or no address beside the loopback", row.name);
                continue;
            };
            let place = format!("{}:{}", begun.scene.host, begun.imitation.port);
            let seen = run(row, begun);
            if let Err(why) = judge(expected, &seen, &place) {
                let text = format!(
                    "{engine}: {} (like {}): {why}\n{}",
                    row.name, row.like, seen.text
                );
                wrong.lock().unwrap().push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n---\n")
    );
}

fn judge(expected: Expected, seen: &Seen, place: &str) -> Result<(), String> {
    let (code, words) = match expected {
        Expected::Pushed(words) => (0, words),
        Expected::Refused(code, words) => (code, words),
        Expected::NotFor(_) => return Ok(()),
    };
    if let Some(secret) = SECRETS.iter().find(|secret| seen.text.contains(*secret)) {
        return Err(format!("it shows `{secret}`"));
    }
    if seen.text.contains('{') || seen.text.contains("<html") {
        return Err("it shows an answer as it came".to_owned());
    }
    if seen.code != code {
        return Err(format!("exit code {} instead of {code}", seen.code));
    }
    let missing = words.iter().map(|words| words.replace("HOST:PORT", place));
    match missing.into_iter().find(|words| !seen.text.contains(words)) {
        Some(words) => Err(format!("it does not say `{words}`")),
        None => Ok(()),
    }
}

#[test]
fn there_are_enough_rows() {
    let rows = rows();
    assert!(rows.len() >= 40, "{}", rows.len());
    let mut names: Vec<&str> = rows.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len());
}

#[test]
fn registries_and_logins_without_a_daemon() {
    let tree = server("");
    base(&tree.root().join("base"));
    let cache = crate::support::temporary();
    each_row(
        "native",
        |row| row.native,
        |_, begun| natively(&tree, cache.path(), &begun),
    );
}

/// The whole program in a process of its own.
fn natively(tree: &Tree, cache: &Path, begun: &Begun) -> Seen {
    let scene = &begun.scene;
    let own = scene.home.path().join("slimbuild.json");
    let place = if own.exists() {
        // A workspace of its own, with the row's settings.
        let place = scene.home.path().join("workspace");
        let mut copy = Command::new("cp");
        assert!(
            copy.arg("-r")
                .arg(tree.root())
                .arg(&place)
                .status()
                .unwrap()
                .success()
        );
        fs_err::copy(own, place.join("slimbuild.json")).unwrap();
        place
    } else {
        tree.root().to_owned()
    };
    let words = "apps/api --prebuilt --engine native --progress plain --no-verify --platform linux/amd64 --base oci:base --push --cache-dir";
    let mut program = Command::new(PROGRAM);
    program.args(words.split(' ')).arg(cache);
    for name in &scene.names {
        program.args(["-t", name]);
    }
    program
        .args(&scene.arguments)
        .env_clear()
        .envs(scene.variables())
        .env("TMPDIR", scene.home.path())
        .current_dir(place);
    let output = program.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Seen {
        code: output.status.code().unwrap_or(-1),
        text: String::from_utf8(text).unwrap(),
    }
}

#[test]
fn registries_and_logins_with_daemons() {
    let test = "registries_and_logins_with_daemons";
    every_daemon(test, |daemon| {
        if daemon.name == "20" {
            return;
        }
        // One small image for all rows.
        let name = format!("slimbuild-it/rows:{}", unique());
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in [
            ("Dockerfile", "FROM scratch\nCOPY x /x\n".to_owned()),
            ("x", unique().repeat(40)),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, path, text.as_bytes())
                .unwrap();
        }
        daemon.build(archive.into_inner().unwrap(), &name);
        let expected = |row: &Row| match row.newest {
            Some(newest) if daemon.name == "28" => newest,
            _ => row.docker,
        };
        let address = &daemon.address;
        each_row(&daemon.name, expected, |_, begun| {
            by_daemon(address, &name, &begun)
        });
        daemon.remove(&name);
    });
}

/// The push as a build does it.
fn by_daemon(address: &str, image: &str, begun: &Begun) -> Seen {
    let env = begun.scene.env();
    let names: Result<Vec<ImageRef>, _> =
        begun.scene.names.iter().map(|name| name.parse()).collect();
    let names = match names {
        Ok(names) => names,
        Err(error) => {
            let text = format!("{error}");
            return Seen { code: 2, text };
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = bollard::Docker::connect_with_host(address).unwrap();
    for name in &names {
        let options = TagImageOptions {
            repo: Some(name.name().to_owned()),
            tag: name.tag().map(str::to_owned),
        };
        runtime
            .block_on(client.tag_image(image, Some(options)))
            .unwrap();
    }
    let docker = Docker::connect(&host::resolve(&env, Some(address)).unwrap()).unwrap();
    let logins = Logins::of(&env);
    let mut text = logins.warnings().join("\n");
    let interrupt = Interrupt::listen().unwrap();
    let mut hear = |event| {
        let event = format!("{event:?}\n");
        if event.starts_with("Warning") {
            text.push_str(
                event
                    .trim_start_matches("Warning {")
                    .trim_end()
                    .trim_end_matches('}'),
            );
        }
    };
    let done = docker.push(&names, &logins, 1, &interrupt, &mut hear);
    for name in &names {
        let options = None::<bollard::query_parameters::RemoveImageOptions>;
        drop(runtime.block_on(client.remove_image(&name.to_string(), options, None)));
    }
    match done {
        Ok(_) => Seen { code: 0, text },
        Err(error) => Seen {
            code: if error.may_pass() { 75 } else { 4 },
            text: format!("{text}\n{error}\n{}", error.hint().unwrap_or_default()),
        },
    }
}
