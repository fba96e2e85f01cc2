//! The npm packages: the launcher, and installs from a registry on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::base::load;
use crate::support::container::Container;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::PROGRAM;
use crate::support::tree::{Tree, repository};

/// Runs `npm/make.mjs`; `None` if there is no node.
fn make(target: &Path, program: &str) -> Option<String> {
    let output = Command::new("node")
        .arg(repository().join("npm/make.mjs"))
        .arg(target)
        .arg(format!("{}={program}", platform()))
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

/// This machine's platform, as node names it.
fn platform() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "linux-arm64"
    } else {
        "linux-x64"
    }
}

/// The launcher with a program of ours beside it, as npm installs both.
fn launcher(tree: &Tree, program: &str) -> Option<PathBuf> {
    tree.write("program", program);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    let path = tree.root().join("program");
    fs_err::set_permissions(&path, executable).unwrap();
    make(&tree.root().join("node_modules"), path.to_str().unwrap())?;
    Some(tree.root().join("node_modules/slimbuild/bin/slimbuild.js"))
}

#[test]
fn the_launcher_passes_arguments_streams_and_the_exit_code_on() {
    let tree = Tree::new(&[]);
    let script = "#!/bin/sh\necho \"out $*\"; echo err >&2; cat; exit 75\n";
    let Some(launcher) = launcher(&tree, script) else {
        return skipped("no node", "the_launcher_passes_on");
    };
    tree.write("input", "from stdin\n");
    let output = Command::new("node")
        .arg(launcher)
        .args(["plan", "a b"])
        .stdin(
            fs_err::File::open(tree.root().join("input"))
                .unwrap()
                .into_parts()
                .0,
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(output.stdout, b"out plan a b\nfrom stdin\n");
    assert_eq!(output.stderr, b"err\n");
}

#[test]
fn the_launcher_passes_signals_on_once() {
    use std::os::unix::process::ExitStatusExt as _;

    let tree = Tree::new(&[]);
    // It counts signals, and then ends by one.
    let script = "#!/bin/sh\ntrap 'echo x >> caught' TERM INT\ntouch ready\n\
                  while [ ! -e caught ]; do sleep 0.05; done\nsleep 0.3\ntrap - TERM\nkill -TERM $$\n";
    let Some(launcher) = launcher(&tree, script) else {
        return skipped("no node", "the_launcher_passes_signals_on_once");
    };
    for signal in ["TERM", "INT"] {
        for file in ["caught", "ready"] {
            drop(fs_err::remove_file(tree.root().join(file)));
        }
        let mut child = Command::new("node")
            .arg(&launcher)
            .current_dir(tree.root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !tree.root().join("ready").exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never starts");
            std::thread::sleep(Duration::from_millis(20));
        }
        let sent = Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let status = child.wait().unwrap();
        assert_eq!(tree.read("caught"), "x\n", "{signal}");
        assert_eq!(status.signal(), Some(15), "{signal}: {status}");
    }
}

#[test]
fn a_platform_that_is_missing_is_named() {
    let tree = Tree::new(&[]);
    let Some(launcher) = launcher(&tree, "#!/bin/sh\n") else {
        return skipped("no node", "a_platform_that_is_missing_is_named");
    };
    fs_err::remove_dir_all(tree.root().join("node_modules/@slimbuild")).unwrap();
    let output = Command::new("node").arg(launcher).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "error: the package @slimbuild/{} is not installed\n\nhint: ",
        platform()
    );
    assert!(said.starts_with(&expected), "{said}");
}

/// The recipe for slimbuild's own image, with a small program that runs on every base in its place.
#[test]
fn slimbuild_makes_an_image_of_itself() {
    let test = "slimbuild_makes_an_image_of_itself";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    one_daemon(test, |daemon| {
        let tree = Tree::new(&[(
            "program.rs",
            r#"fn main() { println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join(" ")); }"#,
        )]);
        let made = Command::new("rustc")
            .args(["-C", "target-feature=+crt-static", "program.rs"])
            .current_dir(tree.root())
            .output();
        let Ok(made) = made else {
            return skipped("no rustc", test);
        };
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        let tag = daemon.tag("itself");
        let archive = tree.root().join("image.tar");
        let made = Command::new(repository().join("npm/release.sh"))
            .arg("image")
            .arg(tree.root().join("program"))
            .args([platform(), "-q", "-t", &tag.name, "-o"])
            .arg(&archive)
            .env("BUILDER", PROGRAM)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{said}");
        load(daemon, &archive);
        // It is a command: what stands behind the image's name are its arguments.
        let words = ["plan", "apps/server"];
        let output = Container::output_in(daemon, &tag.name, "/tmp", &words);
        assert_eq!(output, "plan apps/server\n");
    });
}

/// A registry on this machine, which ends when the value goes.
struct Registry {
    process: std::process::Child,
    address: String,
}

impl Registry {
    fn start(tree: &Tree) -> Self {
        tree.write(
            "registry/package.json",
            // Later versions need a newer node, or do not install.
            r#"{"private": true, "dependencies": {"verdaccio": "6.8.0"}, "overrides": {"node-fetch": "2.7.0"}}"#,
        );
        let registry = tree.root().join("registry");
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&registry)
            .status()
            .unwrap();
        assert!(installed.success());
        tree.write(
            "registry/config.yaml",
            "storage: ./storage\nmax_body_size: 500mb\nuplinks: {}\nlog: {type: stdout, level: error}\n\
             packages: {'**': {access: $all, publish: $all, unpublish: $all}}\n",
        );
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("127.0.0.1:{}", port.local_addr().unwrap().port());
        drop(port);
        let process = Command::new("node")
            .arg("node_modules/verdaccio/bin/verdaccio")
            .args(["--config", "config.yaml", "--listen", &address])
            .current_dir(&registry)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(&address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "no registry");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// npm, pnpm, Yarn and Bun install the packages and start the program. `SLIMBUILD_NPM_PROGRAM` is the
/// program to pack, by default the one of the tests.
#[test]
#[ignore = "it installs a registry and four package managers from npm: `just test-npm`"]
fn package_managers_install_the_program() {
    let tree = Tree::new(&[]);
    let registry = Registry::start(&tree);
    let program = tree.root().join("slimbuild");
    let named = slimbuild::Env::of_process();
    let named = named.get("SLIMBUILD_NPM_PROGRAM").unwrap_or(PROGRAM);
    fs_err::copy(named, &program).unwrap();
    // The registry takes packages up to a size.
    assert!(
        Command::new("strip")
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    let npmrc = format!(
        "registry=http://{0}/\n//{0}/:_authToken=any\n",
        registry.address
    );
    tree.write("home/.npmrc", &npmrc);
    let sh = |directory: &Path, line: &str| {
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(directory)
            .env("HOME", tree.root().join("home"))
            .env(
                "npm_config_registry",
                format!("http://{}/", registry.address),
            )
            .env("YARN_REGISTRY", format!("http://{}/", registry.address))
            .env_remove("npm_config_userconfig")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{line}\n{out}\n{err}");
        out
    };
    publish_as_a_release_does(&tree, &sh);
    let tools = tree.root().join("tools");
    fs_err::create_dir_all(&tools).unwrap();
    tree.write("tools/package.json", "{\"private\": true}");
    let real = "env -u npm_config_registry -u YARN_REGISTRY HOME=\"$PWD\"";
    sh(
        &tools,
        &format!("{real} npm install --no-audit --no-fund --silent pnpm@10 yarn@1 bun@1"),
    );
    let bin = tools.join("node_modules/.bin");
    let bin = bin.display();
    for (manager, add, start) in [
        (
            "npm",
            "npm install -D slimbuild --silent".to_owned(),
            "npx slimbuild".to_owned(),
        ),
        (
            "npm-once",
            "true".to_owned(),
            "npx --yes slimbuild".to_owned(),
        ),
        (
            "pnpm",
            format!("{bin}/pnpm add -D slimbuild"),
            format!("{bin}/pnpm exec slimbuild"),
        ),
        (
            "yarn",
            format!("{bin}/yarn add -D slimbuild"),
            format!("{bin}/yarn --silent slimbuild"),
        ),
        (
            "bun",
            format!("{bin}/bun add -d slimbuild"),
            format!("{bin}/bun x slimbuild"),
        ),
    ] {
        tree.write(&format!("{manager}/package.json"), "{\"private\": true}");
        let directory = tree.root().join(manager);
        sh(&directory, &add);
        let version = sh(&directory, &format!("{start} version"));
        let expected = concat!("slimbuild ", env!("CARGO_PKG_VERSION"));
        assert_eq!(version.trim(), expected, "{manager}");
    }
    the_action_installs_it(&tree, &sh);
}

/// Packs and publishes with the steps of the release workflow. A second attempt finds all published.
fn publish_as_a_release_does(tree: &Tree, sh: &dyn Fn(&Path, &str) -> String) {
    let release = repository().join("npm/release.sh");
    let release = release.display();
    let dist = tree.root().join("dist");
    let dist = dist.display();
    let program = tree.root().join("slimbuild");
    let steps = format!(
        "{release} pack {} {} {dist} && {release} checksums {dist} && {release} npm {dist} --silent",
        program.display(),
        platform()
    );
    let first = sh(tree.root(), &steps);
    let archive = format!("slimbuild-{}.tar.gz\n", platform());
    assert!(first.ends_with(&archive), "{first}");
    assert!(!first.contains("published already"), "{first}");
    let second = sh(tree.root(), &steps);
    assert_eq!(
        second.matches("is published already").count(),
        2,
        "{second}"
    );
}

/// Runs the steps of `action.yml` with the variables that GitHub gives, twice: the second time it is
/// in the cache.
fn the_action_installs_it(tree: &Tree, sh: &dyn Fn(&Path, &str) -> String) {
    let action = fs_err::read_to_string(repository().join("action.yml")).unwrap();
    let steps = action
        .lines()
        .filter_map(|line| line.trim().strip_prefix("run: '"));
    let steps: Vec<&str> = steps.map(|step| step.trim_end_matches('\'')).collect();
    let [find, install] = steps[..] else {
        panic!("{steps:?}");
    };
    let expected = concat!("slimbuild ", env!("CARGO_PKG_VERSION"));
    for (wanted, registry) in [
        ("latest", ""),
        ("^0.1", "npm_config_registry=http://127.0.0.1:9/ "),
    ] {
        tree.write("action/output", "");
        tree.write("action/path", "");
        let directory = tree.root().join("action");
        let variables = format!(
            "export GITHUB_ACTION_PATH={} GITHUB_OUTPUT=\"$PWD/output\" GITHUB_PATH=\"$PWD/path\" RUNNER_TOOL_CACHE=\"$PWD/cache\"",
            repository().display()
        );
        sh(
            &directory,
            &format!("{variables}; VERSION='{wanted}' bash -c '{find}'"),
        );
        let output = tree.read("action/output");
        let version = output
            .lines()
            .find_map(|line| line.strip_prefix("version="))
            .unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        sh(
            &directory,
            &format!("{variables}; {registry}VERSION={version} bash -c '{install}'"),
        );
        let said = sh(&directory, "PATH=\"$(cat path):$PATH\" slimbuild version");
        assert_eq!(said.trim(), expected);
    }
    let missing = "export GITHUB_OUTPUT=/dev/null RUNNER_TOOL_CACHE=x; ! VERSION=99 bash -c";
    let path = repository().join("npm/action.sh");
    let said = sh(
        tree.root(),
        &format!("{missing} '\"{}\" version' 2>&1", path.display()),
    );
    assert!(said.contains("slimbuild@99"), "{said}");
}

#[test]
fn a_release_needs_a_tag_of_its_version_and_notes() {
    let release = |tag: &str| {
        let output = Command::new(repository().join("npm/release.sh"))
            .args(["version", tag])
            .output()
            .unwrap();
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(both).unwrap())
    };
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("version={version}\n");
    assert_eq!(release(""), (true, expected));
    let (passed, said) = release("v99.0.0");
    assert!(!passed, "{said}");
    let expected = format!("error: the tag is v99.0.0, and Cargo.toml has version {version}\n");
    assert_eq!(said, expected);
    let (passed, said) = release(&format!("v{version}"));
    let changes = fs_err::read_to_string(repository().join("CHANGELOG.md")).unwrap();
    assert_eq!(
        passed,
        changes.contains(&format!("## [{version}]")),
        "{said}"
    );
}
