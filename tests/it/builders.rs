//! BuildKit without a Docker API: the lab's over mutual TLS, and others behind a socket.

mod agent;
mod budget;
mod buildx;
mod caches;
mod claims;
mod ends;
mod nodes;
mod outputs;
mod platforms;
mod refused;
mod ssh;
mod tls;
mod transient;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::query_parameters::PruneBuildOptions;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use slimbuild::Env;

use crate::support::archive::entries;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, every_daemon, newest_daemon, one_daemon, skipped};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::steps::steps;
use crate::support::tree::Tree;
use crate::support::unique;

const SECRET: &str = "hunter2-5b9e-builder";

/// The lab's BuildKit, which asks who connects.
pub(crate) struct Lab {
    address: String,
    certificates: PathBuf,
    /// Registries without and with a password.
    open: String,
    closed: String,
    /// Docker's configuration, with the password.
    configuration: tempfile::TempDir,
}

impl Lab {
    fn new(test: &str) -> Option<Self> {
        let env = Env::of_process();
        let named =
            |variable: &str, standard: &str| env.get(variable).unwrap_or(standard).to_owned();
        let address = named("LAB_BUILDKIT", "tcp://127.0.0.1:18372");
        let certificates = named(
            "LAB_BUILDKIT_CERTS",
            "/var/tmp/slimbuild-lab/buildkit/certs",
        );
        let open = named("LAB_REGISTRY", "127.0.0.1:5000");
        let closed = named("LAB_REGISTRY_AUTH", "127.0.0.1:5001");
        for place in [address.trim_start_matches("tcp://"), &open, &closed] {
            if TcpStream::connect(place).is_err() {
                skipped(&format!("nothing answers at {place}"), test);
                return None;
            }
        }
        let configuration = crate::support::temporary();
        // `lab:lab`
        let logins = format!(r#"{{"auths":{{"{closed}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
        fs_err::write(configuration.path().join("config.json"), logins).unwrap();
        Some(Self {
            address,
            certificates: certificates.into(),
            open,
            closed,
            configuration,
        })
    }

    /// Builds with the builder.
    fn build(&self, tree: &Tree, arguments: &[&str]) -> Outcome {
        let certificates = self.certificates.to_str().unwrap();
        let own = ["--builder", &self.address, "--builder-tls", certificates];
        let configuration = self.configuration.path().to_str().unwrap();
        let env = [("DOCKER_CONFIG", configuration)].into_iter().collect();
        slimbuild_with(tree.root(), &[arguments, &own].concat(), &env)
    }
}

/// A server whose build reads a secret, and writes only whether it had it.
fn app() -> Tree {
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"env": ["TOKEN"], "outputs": ["dist/**"]}}}"#,
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node dist/main.js"}}"#,
        ),
    ]);
    tree.write("token.txt", SECRET);
    // So that no other test's run is in the builder's cache.
    change(&tree, &unique());
    tree
}

/// Changes a line of the app's sources.
fn change(tree: &Tree, version: &str) {
    // 20 is the length of the secret, which the sources must not contain.
    let script = format!(
        "const fs = require('node:fs');
const known = process.env.TOKEN?.length === 20 ? 'known' : 'unknown';
fs.mkdirSync('dist', {{ recursive: true }});
fs.writeFileSync('dist/main.js', `require('node:http').createServer((_, answer) => answer.end('{version} ${{known}}')).listen(3000);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));`);
"
    );
    tree.write("apps/api/build.js", &script);
}

/// openssl's options for a new key without a password.
pub(crate) const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Runs openssl in a directory, with arguments that have no spaces.
pub(crate) fn openssl(directory: &Path, line: &str) {
    let made = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(directory)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{words}");
}

const SECRETS: [&str; 2] = ["--secret", "id=TOKEN,src=token.txt"];

/// Everything at once: a secret, two files, a load, a push to a registry with a password, a cache in
/// another registry, metadata. Then the builder forgets everything, and the cache is enough.
#[test]
fn one_build_delivers_everywhere_and_its_cache_outlives_the_builder() {
    let test = "one_build_delivers_everywhere_and_its_cache_outlives_the_builder";
    let Some(lab) = Lab::new(test) else { return };
    newest_daemon(test, |forgetful| {
        one_daemon(test, |daemon| {
            let tree = app();
            let name = format!("{}/slimbuild-it/builder-{}:1", lab.closed, unique());
            let cache = format!("{}/slimbuild-it/cache-{}:1", lab.open, unique());
            let arguments = [
                &["apps/api", "-t", &name, "--cache", &cache],
                &SECRETS[..],
                &["--load", "-H", &daemon.address, "--push"],
                &["-o", "api.oci.tar", "-o", "docker=api.docker.tar"],
                &["--metadata-file", "m.json", "--progress", "json"],
            ]
            .concat();
            let first = lab.build(&tree, &arguments);
            assert_eq!(first.code, 0, "{}", first.stderr);
            assert!(
                first.stderr.contains("there is no cache at "),
                "{}",
                first.stderr
            );
            let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
            assert_delivered(&lab, daemon, &tree, &name, &metadata);
            assert_eq!(daemon.image(&name).repo_tags.unwrap(), [&*name]);
            daemon.remove(&name);
            for text in [&first.stderr, &metadata.to_string()] {
                assert!(!text.contains(SECRET), "{text}");
                assert!(!text.contains("bGFiOmxhYg"), "{text}");
            }
            let ran = steps(&first.stderr).ran();
            assert!(
                ran.iter().any(|step| step.starts_with("build-apps-api: ")),
                "{ran:?}"
            );
            assert_no_secret_in_registry(&cache);

            forget(forgetful);
            let again = lab.build(
                &tree,
                &[
                    &["apps/api", "--cache", &cache],
                    &SECRETS[..],
                    &["-o", "again.tar", "--progress", "json"],
                    &["--metadata-file", "m.json", "--print", "reference"],
                ]
                .concat(),
            );
            assert_eq!(again.code, 0, "{}", again.stderr);
            let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
            assert_sizes(&tree, "again.tar", &metadata);
            let digest = metadata["containerimage.digest"].as_str().unwrap();
            assert_eq!(again.stdout, format!("api@{digest}\n").into_bytes());
            assert_eq!(steps(&again.stderr).ran(), [""; 0]);

            forget(forgetful);
            change(&tree, "changed");
            let changed = lab.build(
                &tree,
                &[
                    &["apps/api", "--cache-from", &cache],
                    &SECRETS[..],
                    &["-o", "changed.tar", "--progress", "json"],
                ]
                .concat(),
            );
            assert_eq!(changed.code, 0, "{}", changed.stderr);
            let ran = steps(&changed.stderr).ran();
            assert!(
                ran.iter().any(|step| step.starts_with("build-apps-api: ")),
                "{ran:?}"
            );
            let early = |step: &&String| {
                ["base", "deps", "modules"]
                    .iter()
                    .any(|stage| step.starts_with(&format!("{stage}: ")))
            };
            assert_eq!(ran.iter().find(early), None, "{ran:?}");
        });
    });
}

/// The same image is in both files, in the registry and in the daemon, where it answers.
fn assert_delivered(lab: &Lab, daemon: &Daemon, tree: &Tree, name: &str, metadata: &Value) {
    let container = Container::start(daemon, name, 3000);
    assert!(
        container.get(3000, "/").ends_with(" known"),
        "the secret was there"
    );
    assert_eq!(container.stop(), 0);
    drop(container);
    let config = metadata["containerimage.config.digest"].as_str().unwrap();
    assert_eq!(daemon.image(name).id.unwrap(), config);
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    assert_eq!(metadata["slimbuild.pushed"][0]["digest"], digest);
    assert_eq!(metadata["slimbuild.engine"], "buildkit");
    assert_eq!(
        metadata["slimbuild.image.size"],
        daemon.image(name).size.unwrap()
    );
    let reference = format!("{}@{digest}", name.strip_suffix(":1").unwrap());
    assert_eq!(metadata["slimbuild.image.reference"], reference);
    let (repository, tag) = name
        .strip_prefix(&lab.closed)
        .unwrap()
        .rsplit_once(':')
        .unwrap();
    let (head, _) = fetched(
        &lab.closed,
        &format!("/v2{repository}/manifests/{tag}"),
        true,
    );
    assert!(head.contains(digest), "{head}");
    for file in ["api.oci.tar", "api.docker.tar"] {
        let archive = entries(&fs_err::read(tree.root().join(file)).unwrap());
        let index = archive
            .iter()
            .find(|entry| entry.path == "index.json")
            .unwrap();
        assert!(index.text().contains(digest), "{file}: {}", index.text());
        assert!(
            archive.iter().any(|entry| entry.path == "manifest.json") == file.contains("docker")
        );
        for entry in &archive {
            assert_no_secret(&entry.path, &entry.content);
        }
    }
}

/// The builder tells the sizes that the blobs in an archive have.
fn assert_sizes(tree: &Tree, archive: &str, metadata: &Value) {
    let archive = entries(&fs_err::read(tree.root().join(archive)).unwrap());
    let blob = |digest: &Value| {
        let path = digest.as_str().unwrap().replace(':', "/");
        let mut blobs = archive.iter();
        let entry = blobs.find(|entry| entry.path == format!("blobs/{path}"));
        &entry.unwrap().content
    };
    let manifest = blob(&metadata["containerimage.digest"]);
    let parts: Value = serde_json::from_slice(manifest).unwrap();
    let mut packed = manifest.len() + blob(&parts["config"]["digest"]).len();
    let mut unpacked = 0;
    for layer in parts["layers"].as_array().unwrap() {
        let layer = blob(&layer["digest"]);
        packed += layer.len();
        let mut tar = Vec::new();
        MultiGzDecoder::new(&layer[..])
            .read_to_end(&mut tar)
            .unwrap();
        unpacked += tar.len();
    }
    assert_eq!(metadata["slimbuild.image.compressed"], packed);
    assert_eq!(metadata["slimbuild.image.size"], unpacked);
}

fn assert_no_secret(place: &str, content: &[u8]) {
    let mut text = content.to_vec();
    // A layer, or else it is no archive.
    drop(MultiGzDecoder::new(content).read_to_end(&mut text));
    let found = text
        .windows(SECRET.len())
        .any(|part| part == SECRET.as_bytes());
    assert!(!found, "the secret is in {place}");
}

/// Reads all blobs of a cache.
fn assert_no_secret_in_registry(name: &str) {
    let (registry, path) = name.split_once('/').unwrap();
    let (repository, tag) = path.rsplit_once(':').unwrap();
    let (_, manifest) = fetched(
        registry,
        &format!("/v2/{repository}/manifests/{tag}"),
        false,
    );
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let lists = ["layers", "manifests"].map(|list| manifest[list].as_array().cloned());
    let mut blobs: Vec<Value> = lists.into_iter().flatten().flatten().collect();
    blobs.push(manifest["config"].clone());
    let digests: BTreeSet<&str> = blobs
        .iter()
        .filter_map(|blob| blob["digest"].as_str())
        .collect();
    assert!(digests.len() > 5, "{manifest}");
    for digest in digests {
        let (head, content) = fetched(registry, &format!("/v2/{repository}/blobs/{digest}"), false);
        assert!(head.contains(" 200 "), "{head}");
        assert_no_secret(digest, &content);
    }
}

/// Head and body of a registry's answer.
fn fetched(registry: &str, path: &str, login: bool) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(registry).unwrap();
    let login = if login {
        "Authorization: Basic bGFiOmxhYg==\r\n"
    } else {
        ""
    };
    let kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let request =
        format!("GET {path} HTTP/1.0\r\nHost: {registry}\r\nAccept: {kinds}\r\n{login}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .unwrap();
    (
        String::from_utf8_lossy(&answer[..end]).into_owned(),
        answer.split_off(end + 4),
    )
}

/// Empties the cache of a daemon's BuildKit.
fn forget(daemon: &Daemon) {
    let options = PruneBuildOptions {
        all: Some(true),
        ..PruneBuildOptions::default()
    };
    daemon
        .wait(daemon.client.prune_build(Some(options)))
        .unwrap();
}

/// Without a flag, the variable of BuildKit's own client names the builder; the image goes to a file
/// by default.
#[test]
fn the_variable_names_a_builder_and_a_file_is_written() {
    let test = "the_variable_names_a_builder_and_a_file_is_written";
    newest_daemon(test, |daemon| {
        let Some(line) = crate::support::line::Line::to_buildkit(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tree = app();
        let env: Env = [("BUILDKIT_HOST", line.address.as_str())]
            .into_iter()
            .collect();
        let arguments = [&["apps/api", "--progress", "plain"][..], &SECRETS].concat();
        let outcome = slimbuild_with(tree.root(), &arguments, &env);
        assert!(
            outcome.stderr.contains("  written  api.oci.tar\n")
                || outcome.stderr.contains("api.oci.tar\n"),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains("  trial    started, "),
            "{}",
            outcome.stderr
        );
        assert!(outcome.text().ends_with("api.oci.tar\n"));
        assert!(tree.root().join("api.oci.tar").exists());
    });
}

/// A build that fails, and a connection that is cut, leave no file; the reason is said.
#[test]
fn a_build_that_fails_at_a_builder_leaves_nothing() {
    let test = "a_build_that_fails_at_a_builder_leaves_nothing";
    newest_daemon(test, |daemon| {
        let Some(line) = crate::support::line::Line::to_buildkit(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tree = app();
        let mut arguments = [
            &[
                "apps/api",
                "--builder",
                &line.address,
                "-o",
                "x.tar",
                "--progress",
                "plain",
            ][..],
            &SECRETS,
        ]
        .concat();
        tree.write(
            "apps/api/build.js",
            "console.log('token ' + process.env.TOKEN); process.exit(7);\n",
        );
        let failed = slimbuild_with(tree.root(), &arguments, &Env::default());
        assert_eq!(failed.code, 4, "{}", failed.stderr);
        assert!(failed.stderr.contains("token ***"), "{}", failed.stderr);
        assert!(failed.stderr.contains("exit code 7"), "{}", failed.stderr);
        assert!(!failed.stderr.contains(SECRET), "{}", failed.stderr);
        assert!(!tree.root().join("x.tar").exists());

        // Nobody takes the push: nothing listens there.
        change(&tree, &unique());
        arguments.extend(["--push", "-t", "127.0.0.1:9/slimbuild-it/x:1"]);
        let failed = slimbuild_with(tree.root(), &arguments, &Env::default());
        assert_eq!(failed.code, 4, "{}", failed.stderr);
        assert!(
            failed.stderr.contains("127.0.0.1:9/slimbuild-it/x"),
            "{}",
            failed.stderr
        );
        assert!(!tree.root().join("x.tar").exists());

        tree.write(
            "apps/api/build.js",
            "console.log('at work'); setTimeout(() => {}, 60000);\n",
        );
        let cut = std::thread::scope(|scope| {
            let building = scope.spawn(|| slimbuild_with(tree.root(), &arguments, &Env::default()));
            std::thread::sleep(std::time::Duration::from_secs(15));
            line.cut();
            building.join().unwrap()
        });
        assert_eq!(cut.code, 75, "{}", cut.stderr);
        assert!(cut.stderr.contains("at work"), "{}", cut.stderr);
        assert!(
            cut.stderr
                .contains("error: lost the connection to the builder at `unix://"),
            "{}",
            cut.stderr
        );
        let left: Vec<_> = fs_err::read_dir(tree.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter()
                .all(|name| !name.to_string_lossy().contains("x.tar")),
            "{left:?}"
        );
    });
}

/// A daemon's own BuildKit keeps a cache in a registry too.
#[test]
fn a_daemon_with_containerds_store_keeps_a_cache_in_a_registry() {
    let test = "a_daemon_with_containerds_store_keeps_a_cache_in_a_registry";
    let Some(lab) = Lab::new(test) else { return };
    newest_daemon(test, |daemon| {
        let tree = app();
        let tag = daemon.tag("cached");
        let cache = format!("{}/slimbuild-it/cache-{}:1", lab.open, unique());
        let common = ["apps/api", "-t", &tag.name, "--cache", &cache];
        let arguments = [&common[..], &SECRETS, &["--progress", "json"]].concat();
        let first = daemon.slimbuild(tree.root(), &arguments);
        assert_eq!(first.code, 0, "{}", first.stderr);
        assert!(!steps(&first.stderr).ran().is_empty());
        let container = Container::start(daemon, &tag.name, 3000);
        assert!(container.get(3000, "/").ends_with(" known"));
        drop(container);
        forget(daemon);
        let again = daemon.slimbuild(tree.root(), &arguments);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(steps(&again.stderr).ran(), [""; 0]);
    });
}

/// A daemon without that store puts the cache into the image, by the same way; a secret reaches the
/// build.
#[test]
fn any_daemon_puts_a_cache_into_the_image() {
    every_daemon("any_daemon_puts_a_cache_into_the_image", |daemon| {
        let tree = app();
        let tag = daemon.tag("inline");
        let common = [
            "apps/api",
            "-q",
            "-t",
            &tag.name,
            "--cache-to",
            "type=inline",
        ];
        let arguments = [&common[..], &SECRETS].concat();
        let outcome = daemon.slimbuild(tree.root(), &arguments);
        assert_eq!(outcome.text(), format!("{}\n", tag.name));
        let container = Container::start(daemon, &tag.name, 3000);
        assert!(container.get(3000, "/").ends_with(" known"));
        assert_eq!(container.stop(), 0);
    });
}

/// `--smoke` starts what the builder made in the daemon that loads it; only then it gets its name and is
/// pushed.
#[test]
fn an_image_of_a_builder_is_started_where_it_is_loaded() {
    let test = "an_image_of_a_builder_is_started_where_it_is_loaded";
    let Some(lab) = Lab::new(test) else { return };
    every_daemon(test, |daemon| {
        let tree = app();
        let name = format!("{}/slimbuild-it/smoked-{}:1", lab.open, unique());
        let common = ["apps/api", "-t", &name, "--load", "-H", &daemon.address];
        let common = [&common[..], &["--smoke=/", "--push", "--progress", "plain"]].concat();
        let common = [&common[..], &["--metadata-file", "m.json"]].concat();
        let outcome = lab.build(&tree, &[&common[..], &SECRETS].concat());
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let line = "  smoke    ";
        assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
        let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
        assert!(metadata["slimbuild.smoke"].is_string(), "{metadata:#}");
        let path = name.strip_prefix(&lab.open).unwrap().strip_suffix(":1");
        let path = format!("/v2{}/manifests/1", path.unwrap());
        let (head, _) = fetched(&lab.open, &path, false);
        let digest = metadata["containerimage.digest"].as_str().unwrap();
        assert!(head.contains(digest), "{head}");
        daemon.remove(&name);

        // One that does not come up gets no name, here or in the registry.
        tree.write(
            "apps/api/build.js",
            "const fs = require('node:fs'); fs.mkdirSync('dist', { recursive: true });
fs.writeFileSync('dist/main.js', `console.log('cannot go on'); process.exit(3);`);\n",
        );
        let name = format!("{}/slimbuild-it/smoked-{}:1", lab.open, unique());
        let common = [
            "apps/api",
            "-t",
            &name,
            "--load",
            "-H",
            &daemon.address,
            "--no-trial",
        ];
        let common = [&common[..], &["--smoke", "--push", "--progress", "plain"]].concat();
        let dead = lab.build(&tree, &[&common[..], &SECRETS].concat());
        assert_eq!(dead.code, 4, "{}", dead.stderr);
        assert!(dead.stderr.contains("  │ cannot go on"), "{}", dead.stderr);
        let found = daemon.wait(daemon.client.inspect_image(&name));
        assert!(found.is_err(), "{name} is there");
        let path = name.strip_prefix(&lab.open).unwrap().strip_suffix(":1");
        let path = format!("/v2{}/manifests/1", path.unwrap());
        let (head, _) = fetched(&lab.open, &path, false);
        assert!(head.contains(" 404 "), "{head}");
    });
}
