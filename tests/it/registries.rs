//! Registries and credentials as CI has them: a table of behaviours, each with what slimbuild makes of it
//! without a daemon, with Engine 26.1, and with Engine 28.5. `docker push` is the measure.
//!
//! The registries are imitations ([`imitation`]): each behaves like the product that its row names in one
//! respect. `tests/it/registry.rs` has real ones. No output of any row holds a credential.

mod imitation;
mod rows;
mod scene;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bollard::query_parameters::TagImageOptions;
use rustix::process::{Pid, Signal, kill_process};
use slimbuild::Env;
use slimbuild::internals::{Docker, ImageRef, Interrupt, Logins, host};

use crate::storage::base;
use crate::support::daemon::{every_daemon, newest_daemon, one_daemon, skipped};
use crate::support::program::PROGRAM;
use crate::support::tree::Tree;
use crate::support::unique;
use crate::trial::server;
use rows::{Expected, Row, rows};
use scene::{Begun, PASSWORD, SECRETS, Scene};

/// How many rows run at a time here, and at a daemon, where they mostly wait for its pauses.
const AT_A_TIME: (usize, usize) = (6, 30);

/// A row that takes longer is named.
const SLOW: Duration = Duration::from_secs(8);

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
            let began = Instant::now();
            let seen = run(row, begun);
            if began.elapsed() > SLOW {
                eprintln!("{engine}: {} takes {:?}", row.name, began.elapsed());
            }
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
        let at_a_time = if engine == "native" {
            AT_A_TIME.0
        } else {
            AT_A_TIME.1
        };
        for _ in 0..at_a_time {
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

/// The arguments of a build without a daemon.
const NATIVE: &str =
    "--engine native --no-verify --platform linux/amd64 --base oci:base --cache-dir cache";

/// The whole program in a process of its own.
fn natively(tree: &Tree, cache: &Path, begun: &Begun) -> Seen {
    let scene = &begun.scene;
    let own = scene.home.path().join("slimbuild.json");
    let place = if own.exists() {
        // A workspace of its own, with the row's settings.
        let place = scene.home.path().join("workspace");
        let mut copy = Command::new("cp");
        let copied = copy.arg("-r").arg(tree.root()).arg(&place).status();
        assert!(copied.unwrap().success());
        fs_err::copy(own, place.join("slimbuild.json")).unwrap();
        place
    } else {
        tree.root().to_owned()
    };
    let native = NATIVE.replace("cache-dir cache", &format!("cache-dir {}", cache.display()));
    let output = program(&place, scene, &native).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Seen {
        code: output.status.code().unwrap_or(-1),
        text: String::from_utf8(text).unwrap(),
    }
}

/// The program with a scene's variables, names and arguments.
fn program(place: &Path, scene: &Scene, engine: &str) -> Command {
    let mut program = Command::new(PROGRAM);
    let words = format!("apps/api --prebuilt --progress plain --push {engine}");
    program.args(words.split(' '));
    for name in &scene.names {
        program.args(["-t", name]);
    }
    program
        .args(&scene.arguments)
        .env_clear()
        .envs(scene.variables())
        .env("TMPDIR", scene.home.path())
        .current_dir(place);
    program
}

#[test]
fn a_helper_that_hangs_can_be_interrupted() {
    let test = "a_helper_that_hangs_can_be_interrupted";
    let tree = server("");
    base(&tree.root().join("base"));
    let stops = |engine: &str| {
        let mut scene = Scene::new("app");
        scene.config(r#"{"credsStore":"x"}"#);
        scene.helper("x", "echo $$ > \"$HOME/started\"; exec sleep 60");
        let begun = scene.begin().unwrap();
        let mut program = program(tree.root(), &begun.scene, engine);
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        let started = begun.scene.home.path().join("started");
        let began = Instant::now();
        let helper = loop {
            let text = fs_err::read_to_string(&started).unwrap_or_default();
            if let Ok(helper) = text.trim().parse::<u32>() {
                break helper;
            }
            assert!(began.elapsed() < Duration::from_secs(100), "{engine}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let began = Instant::now();
        let id = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::INT).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{engine}");
        assert!(began.elapsed() < Duration::from_secs(5), "{engine}");
        // Who ended may not have been asked for its exit code.
        let is_gone = || {
            let state = fs_err::read_to_string(format!("/proc/{helper}/stat"));
            state.is_err() || state.is_ok_and(|state| state.contains(") Z "))
        };
        assert!((0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            is_gone()
        }));
    };
    stops(NATIVE);
    one_daemon(test, |daemon| {
        stops(&format!("--engine docker --host {}", daemon.address));
    });
}

#[test]
fn a_daemon_that_insists_on_tls_is_said_before_a_build() {
    let test = "a_daemon_that_insists_on_tls_is_said_before_a_build";
    let tree = server("");
    every_daemon(test, |daemon| {
        let mut scene = Scene::new("app");
        scene.names = vec!["registry.example:5000/app:1".to_owned()];
        scene.arguments = ["--insecure-registry", "registry.example:5000"]
            .map(str::to_owned)
            .into();
        let begun = scene.begin().unwrap();
        let engine = format!("--engine docker --host {}", daemon.address);
        let output = program(tree.root(), &begun.scene, &engine).output();
        let text = String::from_utf8(output.unwrap().stderr).unwrap();
        let expected = "error: the Docker daemon pushes `registry.example:5000/app:1` itself, and its own list of insecure registries lacks that registry";
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("#1 "), "{text}");
    });
}

/// A builder asks for logins over the session, and pushes by itself.
#[test]
fn a_builder_gets_logins_and_insecure_registries() {
    let test = "a_builder_gets_logins_and_insecure_registries";
    newest_daemon(test, |_| {
        let env = Env::of_process();
        let address = env.get("LAB_BUILDKIT").unwrap_or("tcp://127.0.0.1:18372");
        let files = env.get("LAB_BUILDKIT_CERTS");
        let files = files.unwrap_or("/var/tmp/slimbuild-lab/buildkit/certs");
        if TcpStream::connect(address.trim_start_matches("tcp://")).is_err() {
            return skipped(&format!("nothing answers at {address}"), test);
        }
        let engine = format!("--builder {address} --builder-tls {files}");
        let tree = server("");
        for script in [
            &*format!(r#"echo '{{"Username":"lab","Secret":"{PASSWORD}"}}'"#),
            &*format!("echo '{PASSWORD}'; echo 'the keyring is locked' >&2; exit 3"),
        ] {
            let mut scene = Scene::new("app");
            "MACHINE".clone_into(&mut scene.host);
            scene.arguments = ["--insecure-registry", "HOST:PORT"]
                .map(str::to_owned)
                .into();
            scene.wants_password();
            scene.config(r#"{"credHelpers":{"HOST:PORT":"x"}}"#);
            scene.helper("x", script);
            let Some(begun) = scene.begin() else {
                return skipped("no address beside the loopback", test);
            };
            let place = format!("{}:{}", begun.scene.host, begun.imitation.port);
            let output = program(tree.root(), &begun.scene, &engine)
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            let seen = Seen {
                code: output.status.code().unwrap_or(-1),
                text: String::from_utf8(text).unwrap(),
            };
            let expected = if script.contains("exit 3") {
                Expected::Refused(
                    4,
                    &["`docker-credential-x` failed (exit status: 3): the keyring is locked"],
                )
            } else {
                Expected::Pushed(&["  pushed   HOST:PORT/app:1"])
            };
            if let Err(why) = judge(expected, &seen, &place) {
                panic!("{why}\n{}", seen.text);
            }
        }
    });
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
