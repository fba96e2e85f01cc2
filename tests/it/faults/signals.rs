//! Ctrl-C, TERM and HUP, once and twice, in every phase of both engines: the exit code is the one
//! that shells expect, ending takes a few seconds at most, and nothing is left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use bollard::query_parameters::ListContainersOptions;
use rustix::process::Signal;

use super::scene::{BOUND, Scene, Silence, mode, names};
use super::{has_base, large};
use crate::base::cache;
use crate::support::daemon::{Daemon, one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::tree::Tree;
use crate::trial::server;

/// A step that refuses to end: it ignores signals, and starts daemons with sessions of their own
/// and no parent.
const STUBBORN: &str = r#"
const { spawn } = require('node:child_process');
const { mkdirSync, writeFileSync, chmodSync } = require('node:fs');
const { tmpdir } = require('node:os');
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
const deaf = "trap '' TERM INT HUP; sleep 300; sleep 300";
spawn('setsid', ['sh', '-c', deaf], { stdio: 'ignore', detached: true }).unref();
spawn('sh', ['-c', `(setsid sh -c "${deaf}" > /dev/null 2>&1 &); exit 0`], { stdio: 'inherit' });
// It holds the pipes of the log.
spawn('sh', ['-c', '(setsid sleep 300 &); exit 0'], { stdio: 'inherit' });
writeFileSync(`${tmpdir()}/left`, '');
mkdirSync('dist/shut', { recursive: true });
writeFileSync('dist/main.js', '');
setTimeout(() => {
  console.log('sign of life');
  if (SIGN) writeFileSync(SIGN, '');
  if (ENDS) process.exit(0);
}, 500);
setInterval(() => {}, 1000);
"#;

/// An app with such a build.
fn stubborn(ends: bool) -> Scene {
    let tree = server("");
    tree.remove("apps/api/dist/main.js");
    fs_err::remove_dir(tree.root().join("apps/api/dist")).unwrap();
    Scene::new(tree, |tree, sign| {
        let sign = sign.display().to_string();
        let head = format!("const SIGN = {sign:?}, ENDS = {ends};\n");
        tree.write("apps/api/build.js", &(head + STUBBORN));
    })
}

fn native<'a>(cache: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let own = [
        "apps/api",
        "--engine",
        "native",
        "--progress",
        "json",
        "--cache-dir",
        cache,
    ];
    [&own, more].concat()
}

fn shared() -> String {
    cache().to_str().unwrap().to_owned()
}

/// Signals a run when a condition holds, and checks the result.
fn table(
    phase: &str,
    signals: &[(Signal, u32)],
    scene: impl Fn() -> Scene,
    start: impl Fn(&Scene) -> super::scene::Running,
) {
    for (signal, times) in signals {
        let scene = scene();
        let running = start(&scene);
        let what = format!("{phase}, {signal:?}, {times}");
        let (code, took, said) = running.signal(*signal, *times);
        if phase == "writing" && code == Some(0) {
            // It had finished by then.
            scene.tree.remove("api.oci.tar");
        } else {
            assert_eq!(code, Some(128 + signal.as_raw()), "{what}:\n{said}");
        }
        assert!(took < BOUND, "{what}: {took:?}\n{said}");
        scene.assert_left_nothing(&what);
    }
}

const ALL: [(Signal, u32); 6] = [
    (Signal::INT, 1),
    (Signal::INT, 2),
    (Signal::TERM, 1),
    (Signal::TERM, 2),
    (Signal::HUP, 1),
    (Signal::HUP, 2),
];
const BOTH: [(Signal, u32); 2] = [(Signal::INT, 1), (Signal::TERM, 2)];

#[test]
fn a_signal_ends_a_step_and_all_that_it_started() {
    if let Err(why) = reachable() {
        return skipped(&why, "a_signal_ends_a_step_and_all_that_it_started");
    }
    let cache = shared();
    let start = |scene: &Scene| {
        let running = scene.start(&native(&cache, &[]));
        running.until(|_| scene.is_signed())
    };
    table("build step", &ALL, || stubborn(false), start);
}

#[test]
fn what_a_step_leaves_running_ends_with_it() {
    if let Err(why) = reachable() {
        return skipped(&why, "what_a_step_leaves_running_ends_with_it");
    }
    let scene = stubborn(true);
    let began = Instant::now();
    let (code, said) = scene.start(&native(&shared(), &["--no-verify"])).end();
    assert_eq!(code, Some(0), "{said}");
    // The daemons hold the pipes of the log for five minutes.
    assert!(began.elapsed() < Duration::from_secs(200));
    scene.tree.remove("api.oci.tar");
    scene.assert_left_nothing("a build that ends well");
}

#[test]
fn a_signal_ends_an_install() {
    if let Err(why) = reachable() {
        return skipped(&why, "a_signal_ends_an_install");
    }
    let cache = shared();
    let silence = Silence::new();
    let scene = || {
        Scene::new(server(""), |tree, _| {
            let lockfile = tree.read("pnpm-lock.yaml").replace(
                "  apps/api: {}\n",
                "  apps/api:\n    dependencies:\n      left-pad:\n        specifier: 1.3.0\n        version: 1.3.0\n\n\
                 packages:\n\n  left-pad@1.3.0:\n    resolution: {integrity: sha512-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==}\n\n\
                 snapshots:\n\n  left-pad@1.3.0: {}\n",
            );
            tree.write("pnpm-lock.yaml", &lockfile);
            tree.replace(
                "apps/api/package.json",
                r#""name": "api","#,
                r#""name": "api", "dependencies": {"left-pad": "1.3.0"},"#,
            );
            let address = &silence.address;
            let npmrc = format!("registry=http://{address}/\n//{address}/:_authToken=${{TOKEN}}\n");
            tree.write(".npmrc", &npmrc);
        })
    };
    let start = |scene: &Scene| {
        let running = scene.start(&native(&cache, &[]));
        running.until(|_| silence.was_asked())
    };
    table("install", &BOTH, scene, start);
}

#[test]
fn a_signal_ends_a_download() {
    let silence = Silence::new();
    let mirror = format!("http://{}", silence.address);
    let start = |scene: &Scene| {
        let cache = scene.own("cache");
        let arguments = native(
            cache.to_str().unwrap(),
            &["--npm-registry", &mirror, "--debian-mirror", &mirror],
        );
        let running = scene.start(&arguments);
        running.until(|_| silence.was_asked())
    };
    let scene = || Scene::new(server(""), |_, _| {});
    table("download", &ALL, scene, start);
}

#[test]
fn a_signal_ends_what_is_packed_proved_written_and_pushed() {
    if !has_base("a_signal_ends_what_is_packed_proved_written_and_pushed") {
        return;
    }
    let cache = shared();
    let scene = || Scene::new(large(60), |_, _| {});
    let prebuilt = |scene: &Scene, more: &[&str]| {
        let own = ["--prebuilt", "--no-cache"];
        scene.start(&native(&cache, &[&own, more].concat()))
    };
    let packing = |scene: &Scene| {
        let started = |said: &[String]| said.iter().any(|line| line.contains("step-started"));
        prebuilt(scene, &[]).until(started)
    };
    table("packing", &BOTH, scene, packing);
    let proof = |scene: &Scene| {
        let known = |said: &[String]| said.iter().any(|line| line.contains("[verify]"));
        prebuilt(scene, &[]).until(known)
    };
    table("proof", &BOTH, scene, proof);
    let writing = |scene: &Scene| {
        let begun = |_: &[String]| !super::hidden(scene.tree.root()).is_empty();
        prebuilt(scene, &[]).until(begun)
    };
    table("writing", &BOTH, scene, writing);
    let silence = Silence::new();
    let name = format!("{}/api:1", silence.address);
    let pushing =
        |scene: &Scene| prebuilt(scene, &["--push", "-t", &name]).until(|_| silence.was_asked());
    table("push", &BOTH, scene, pushing);
}

#[test]
fn a_signal_ends_a_trial_without_a_daemon() {
    if !has_base("a_signal_ends_a_trial_without_a_daemon") {
        return;
    }
    let cache = shared();
    let scene = || Scene::new(server("setInterval(() => {}, 1000);"), |_, _| {});
    let start = |scene: &Scene| {
        let variable = format!("MARK={}", scene.mark);
        let more = ["--prebuilt", "--smoke", "-e", &variable];
        let running = scene.start(&native(&cache, &more));
        running.until(|_| {
            let processes = scene.processes();
            processes.iter().any(|words| words.contains("dist/main.js"))
        })
    };
    table("smoke", &ALL, scene, start);
}

/// An app that runs until the trial start has seen enough of it, whose processes have the scene's mark.
fn trial() -> Scene {
    let scene = Scene::new(server(""), |tree, _| {
        tree.write("apps/api/slimbuild.json", "{}");
    });
    // What was started before is not started again.
    let main = format!("setInterval(() => {{}}, 1000)//{}", scene.mark);
    scene.tree.write("apps/api/dist/main.js", &main);
    let config = format!(r#"{{"env": {{"MARK": "{}"}}}}"#, scene.mark);
    scene.tree.write("apps/api/slimbuild.json", &config);
    // What is older than its sources is refused.
    scene.tree.write("apps/api/dist/main.js", &main);
    scene
}

fn runs_app(scene: &Scene) -> bool {
    let processes = scene.processes();
    processes.iter().any(|words| words.contains("dist/main.js"))
}

#[test]
fn a_signal_ends_a_trial_start() {
    if !has_base("a_signal_ends_a_trial_start") {
        return;
    }
    let cache = shared();
    let start = |scene: &Scene| {
        let running = scene.start(&native(&cache, &["--prebuilt"]));
        running.until(|_| runs_app(scene))
    };
    table("trial start", &ALL, trial, start);
}

#[test]
fn a_signal_ends_a_trial_start_of_a_daemon() {
    one_daemon("a_signal_ends_a_trial_start_of_a_daemon", |daemon| {
        for (signal, times) in BOTH {
            let scene = trial();
            let tag = daemon.tag("signalled");
            let arguments = ["apps/api", "--prebuilt", "--host", &daemon.address];
            let more = ["--progress", "plain", "-t", &tag.name];
            let before = all_containers(daemon);
            let running = scene.start(&[arguments, more].concat());
            let running = running.until(|_| runs_app(&scene));
            let what = format!("docker trial start, {signal:?}, {times}");
            let (code, took, said) = running.signal(signal, times);
            assert_eq!(code, Some(128 + signal.as_raw()), "{what}:\n{said}");
            assert!(took < BOUND, "{what}: {took:?}");
            // The daemon ends the step when it hears that nobody waits for it.
            let began = Instant::now();
            while runs_app(&scene) && began.elapsed() < BOUND {
                std::thread::sleep(Duration::from_millis(50));
            }
            scene.assert_left_nothing(&what);
            let image = daemon.client.inspect_image(&tag.name);
            assert!(daemon.wait(image).is_err(), "{what}: the image has a name");
            assert_eq!(all_containers(daemon), before, "{what}");
        }
    });
}

fn all_containers(daemon: &Daemon) -> Vec<String> {
    let options = ListContainersOptions {
        all: true,
        ..ListContainersOptions::default()
    };
    let listed = daemon.wait(daemon.client.list_containers(Some(options)));
    let ids = listed.unwrap().into_iter().filter_map(|one| one.id);
    ids.collect()
}

/// The containers of a run's smoke test.
fn containers(daemon: &Daemon, mark: &str) -> Vec<String> {
    let options = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec!["slimbuild.smoke".to_owned()])].into()),
        ..ListContainersOptions::default()
    };
    let listed = daemon.wait(daemon.client.list_containers(Some(options)));
    let ids = listed.unwrap().into_iter().filter_map(|one| one.id);
    let is_ours = |id: &String| {
        let one = daemon.wait(daemon.client.inspect_container(id, None));
        let env = one.ok().and_then(|one| one.config?.env).unwrap_or_default();
        env.iter().any(|set| set.ends_with(mark))
    };
    ids.filter(is_ours).collect()
}

#[test]
fn a_signal_ends_a_build_and_a_trial_of_a_daemon() {
    one_daemon("a_signal_ends_a_build_and_a_trial_of_a_daemon", |daemon| {
        let docker = ["apps/api", "--host", &daemon.address, "--progress", "plain"];
        let lives = |said: &[String]| said.iter().any(|line| line.contains("sign of life"));
        let scene = || {
            let tree = server("");
            tree.remove("apps/api/dist/main.js");
            Scene::new(tree, |tree, sign| {
                // Steps are not cached, because each has a different text.
                let head = format!("const SIGN = '', ENDS = false; // {}\n", sign.display());
                tree.write("apps/api/build.js", &(head + STUBBORN));
            })
        };
        table("docker build", &ALL, scene, |scene| {
            scene.start(&docker).until(lives)
        });

        let scene = || {
            Scene::new(server(""), |tree, _| {
                let main = "require('node:fs').mkdirSync('dist', { recursive: true }); require('node:fs').writeFileSync('dist/main.js', 'setInterval(() => {}, 1000)')";
                tree.write("apps/api/build.js", main);
            })
        };
        for (signal, times) in ALL {
            let scene = scene();
            let variable = format!("MARK={}", scene.mark);
            let more = ["--smoke", "--smoke-port", "3000", "-e", &variable];
            let running = scene.start(&[&docker[..], &more].concat());
            let running = running.until(|_| !containers(daemon, &scene.mark).is_empty());
            let what = format!("docker smoke, {signal:?}, {times}");
            let (code, took, said) = running.signal(signal, times);
            assert_eq!(code, Some(128 + signal.as_raw()), "{what}:\n{said}");
            assert!(took < BOUND, "{what}: {took:?}");
            assert_eq!(containers(daemon, &scene.mark), [""; 0], "{what}");
            scene.assert_left_nothing(&what);
        }
    });
}

#[test]
fn what_a_kill_leaves_is_removed_by_the_next_run() {
    if let Err(why) = reachable() {
        return skipped(&why, "what_a_kill_leaves_is_removed_by_the_next_run");
    }
    let scene = stubborn(false);
    let running = scene.start(&native(&shared(), &[]));
    let mut running = running.until(|_| scene.is_signed());
    let work = names(&scene.tmp());
    assert_eq!(work.len(), 1, "{work:?}");
    assert_eq!(mode(&scene.tmp().join(&work[0])), 0o700);
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // The keepers notice, and end their steps.
    let began = Instant::now();
    while !scene.processes().is_empty() {
        assert!(began.elapsed() < BOUND, "{:?}", scene.processes());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(names(&scene.tmp()), work, "a kill leaves it");

    // A concurrent run keeps its own.
    let other = scene.start(&native(&shared(), &[]));
    fs_err::remove_file(scene.own("sign")).unwrap();
    let other = other.until(|_| scene.is_signed());
    let of_other = names(&scene.tmp());
    assert!(of_other.len() == 1 && of_other != work, "{of_other:?}");
    let silence = Silence::new();
    let mirror = format!("http://{}", silence.address);
    let fresh = scene.own("cache");
    let third = ["--npm-registry", &mirror, "--debian-mirror", &mirror];
    let third = scene.start(&native(fresh.to_str().unwrap(), &third));
    let third = third.until(|_| silence.was_asked());
    assert!(scene.tmp().join(&of_other[0]).exists());
    assert_eq!(third.signal(Signal::INT, 1).0, Some(130));
    assert!(scene.tmp().join(&of_other[0]).exists());
    assert_eq!(other.signal(Signal::INT, 1).0, Some(130));
    scene.assert_left_nothing("after the next run");
}

#[test]
fn who_means_not_to_hear_a_hangup_does_not() {
    let silence = Silence::new();
    let mirror = format!("http://{}", silence.address);
    let scene = Scene::new(Tree::new(&[]), |_, _| {});
    let cache = scene.own("cache");
    let program = env!("CARGO_BIN_EXE_slimbuild");
    let mut child = std::process::Command::new("nohup")
        .args([program, "base", "--npm-registry", &mirror])
        .args(["--debian-mirror", &mirror, "--cache-dir"])
        .arg(&cache)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .current_dir(Path::new("/"))
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !silence.was_asked() {
        assert!(began.elapsed() < BOUND);
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::HUP).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}
