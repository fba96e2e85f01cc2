//! Images from and to registries, without a daemon and with one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures_util::TryStreamExt;
use serde_json::Value;
use slimbuild::Env;

use crate::base::{cache, load};
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, one_daemon, skipped};
use crate::support::pnpm::{built_server, reachable};
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;
use crate::support::unique;

/// A registry of the lab, if it is up.
pub(crate) fn registry(variable: &str, standard: &str, test: &str) -> Option<String> {
    let address = Env::of_process()
        .get(variable)
        .unwrap_or(standard)
        .to_owned();
    if std::net::TcpStream::connect(&address).is_err() {
        skipped(&format!("no registry at {address}"), test);
        return None;
    }
    Some(address)
}

/// The two registries, and where Docker's configuration knows the password of the second.
struct Lab {
    open: String,
    closed: String,
    configuration: tempfile::TempDir,
}

impl Lab {
    fn new(test: &str) -> Option<Self> {
        if let Err(why) = reachable() {
            skipped(&why, test);
            return None;
        }
        let open = registry("LAB_REGISTRY", "127.0.0.1:5000", test)?;
        let closed = registry("LAB_REGISTRY_AUTH", "127.0.0.1:5001", test)?;
        let configuration = crate::support::temporary();
        // `lab:lab`
        let logins = format!(r#"{{"auths":{{"{closed}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
        fs_err::write(configuration.path().join("config.json"), logins).unwrap();
        Some(Self {
            open,
            closed,
            configuration,
        })
    }

    fn env(&self, daemon: Option<&Daemon>) -> Env {
        let env = Env::of_process();
        let path = [("PATH", env.get("PATH").unwrap_or_default())];
        let configuration = self.configuration.path().to_str().unwrap();
        let host = daemon.map(|daemon| ("DOCKER_HOST", daemon.address.as_str()));
        path.into_iter()
            .chain([("DOCKER_CONFIG", configuration)])
            .chain(host)
            .collect()
    }

    fn native(&self, directory: &Path, arguments: &[&str]) -> Outcome {
        let cache = cache();
        let cache = cache.to_str().unwrap();
        let own = ["--engine", "native", "--prebuilt", "--cache-dir", cache];
        slimbuild_with(directory, &[arguments, &own].concat(), &self.env(None))
    }

    /// The image as a daemon gets it from a registry; it goes again.
    fn pulled(&self, daemon: &Daemon, name: &str, with: impl FnOnce()) {
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            ..CreateImageOptions::default()
        };
        let login = DockerCredentials {
            username: Some("lab".to_owned()),
            password: Some("lab".to_owned()),
            ..DockerCredentials::default()
        };
        let login = name.starts_with(&self.closed).then_some(login);
        let answers = daemon.client.create_image(Some(options), None, login);
        let answers: Vec<_> = daemon.wait(answers.try_collect()).unwrap();
        assert!(!answers.is_empty());
        with();
        let none = None::<RemoveImageOptions>;
        daemon
            .wait(daemon.client.remove_image(name, none, None))
            .unwrap();
    }
}

fn boots(daemon: &Daemon, name: &str) {
    let container = Container::start(daemon, name, 3000);
    assert!(container.get(3000, "/health").contains("80189d84db5f"));
    assert_eq!(container.stop(), 0);
}

/// The line of the report: `127.0.0.1:5000/x:1 (3 of 5 layers, 12.3 MB sent)`.
fn pushed(outcome: Outcome) -> String {
    let line = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("  pushed   "));
    let line = line.map(str::to_owned);
    let stderr = outcome.stderr.clone();
    outcome.bytes();
    line.unwrap_or_else(|| panic!("{stderr}"))
}

#[test]
fn an_image_goes_from_registry_to_registry_without_a_daemon() {
    let test = "an_image_goes_from_registry_to_registry_without_a_daemon";
    let Some(lab) = Lab::new(test) else { return };
    let tree = built_server();
    let repository = format!("{}/slimbuild-it/shop-{}", lab.open, unique());
    let names = [1, 2].map(|tag| format!("{repository}:{tag}"));
    let closed = format!("{}/slimbuild-it/shop-{}:1", lab.closed, unique());
    let build = |names: &[&str], more: &[&str]| {
        let mut arguments = vec!["apps/server", "--registry-mirror", &lab.open];
        arguments.extend(names.iter().flat_map(|name| ["-t", name]));
        arguments.extend(more);
        lab.native(tree.root(), &arguments)
    };
    let more = [
        "--push",
        "-o",
        "x.tar",
        "-o",
        "dir=x",
        "--metadata-file",
        "m.json",
    ];
    let first = pushed(build(&[&names[0], &names[1]], &more));
    // The base is already in that registry, and is mounted.
    let start = format!("{}, {} (3 of 5 layers, ", names[0], names[1]);
    assert!(first.starts_with(&start), "{first}");
    let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    assert_eq!(metadata["slimbuild.pushed"][0]["sent"], 3);

    // The second time, nothing is sent. After a change of an output, only the app's layer is.
    let outcome = build(&[&names[0]], &["--push"]);
    assert_eq!(outcome.stdout, format!("{}\n", names[0]).into_bytes());
    let again = pushed(outcome);
    assert_eq!(again, format!("{} (0 of 5 layers, 0 B sent)", names[0]));
    assert!(!tree.root().join("server.oci.tar").exists());
    let to_closed = pushed(build(&[&closed], &["--push"]));
    assert!(
        to_closed.starts_with(&format!("{closed} (5 of 5 layers, ")),
        "{to_closed}"
    );

    other_tools_read_it(&tree, &lab, &names[0], digest);
    each_daemon(test, |daemon| {
        load(daemon, &tree.root().join("x.tar"));
        boots(daemon, &names[1]);
        for name in [&names[0], &closed] {
            lab.pulled(daemon, name, || boots(daemon, name));
        }
        let none = None::<RemoveImageOptions>;
        let removed = daemon.client.remove_image(&names[1], none, None);
        daemon.wait(removed).unwrap();
    });

    let output = "apps/server/dist/main.js";
    tree.write(output, &format!("{}\n// changed\n", tree.read(output)));
    let changed = pushed(build(&[&names[0]], &["--push"]));
    assert!(
        changed.starts_with(&format!("{} (1 of 5 layers, ", names[0])),
        "{changed}"
    );
    assert!(changed.ends_with(" kB sent)"), "{changed}");
}

/// The layers that a run packed, and those that it took from elsewhere.
fn layers(events: &str) -> (Vec<String>, Vec<String>) {
    let mut names = BTreeMap::new();
    let (mut packed, mut taken) = (Vec::new(), Vec::new());
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).expect(line);
        let name = event["name"].as_str().unwrap_or_default();
        if let Some(title) = name.strip_prefix("[image] ") {
            names.insert(event["step"].as_u64(), title.to_owned());
        }
        let Some(title) = names.get(&event["step"].as_u64()) else {
            continue;
        };
        match event["event"].as_str() {
            Some("step-done") => packed.push(title.clone()),
            Some("step-cached") => taken.push(title.clone()),
            _ => {}
        }
    }
    (packed, taken)
}

/// A runner that begins with nothing but the workspace, built already: layers that are in the registry
/// are neither packed nor sent.
#[test]
fn a_cold_runner_takes_its_layers_from_a_registry() {
    let test = "a_cold_runner_takes_its_layers_from_a_registry";
    let Some(lab) = Lab::new(test) else { return };
    let tree = built_server();
    let name = format!("{}/slimbuild-it/kept-{}:1", lab.open, unique());
    let kept = format!("{}/slimbuild-it/layers-{}:1", lab.open, unique());
    let build = |kept: &str| {
        let cache = crate::support::temporary();
        let common = ["apps/server", "--registry-mirror", &lab.open, "-t", &name];
        let native = ["--engine", "native", "--prebuilt", "--push"];
        let cache = ["--cache-dir", cache.path().to_str().unwrap()];
        let metadata = ["--metadata-file", "m.json", "--progress", "json"];
        let words = [&common[..], &native, &cache, &metadata, &["--cache", kept]].concat();
        let env = lab.env(None);
        let outcome = slimbuild_with(tree.root(), &words, &env);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
        (outcome.stderr, metadata)
    };
    let all = ["modules", "workspace packages", "the app"];
    let none: [&str; 0] = [];
    let (first, made) = build(&kept);
    assert!(first.contains("there is no cache at "), "{first}");
    assert_eq!(layers(&first), (all.map(str::to_owned).to_vec(), vec![]));

    let (again, same) = build(&kept);
    assert_eq!(layers(&again).0, none, "{again}");
    assert_eq!(layers(&again).1, all);
    assert_eq!(same["containerimage.digest"], made["containerimage.digest"]);
    assert_eq!(same["slimbuild.pushed"][0]["sent"], 0, "{same}");

    let output = "apps/server/dist/main.js";
    tree.write(output, &format!("{}\n// changed\n", tree.read(output)));
    let (changed, _) = build(&kept);
    assert_eq!(layers(&changed).0, ["the app"], "{changed}");
    assert_eq!(layers(&changed).1, all[..2]);

    // Nothing listens there: a warning each way, and the image is made.
    let (without, _) = build("127.0.0.1:9/slimbuild-it/layers:1");
    for part in ["cannot read the cache at ", "the cache is not written: "] {
        assert!(without.contains(part), "{without}");
    }
    assert_eq!(layers(&without).0, all);
}

/// skopeo and umoci, where they are.
fn other_tools_read_it(tree: &Tree, lab: &Lab, name: &str, digest: &str) {
    let run = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(tree.root())
            .output();
        let Ok(output) = output else {
            skipped(&format!("no {program}"), "other_tools_read_it");
            return None;
        };
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let remote = format!("docker://{name}");
    if let Some(shown) = run("skopeo", &["inspect", "--tls-verify=false", &remote]) {
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["Digest"], digest);
    }
    for (from, to, login) in [
        (&*remote, &*lab.closed, "--dest-creds=lab:lab"),
        ("oci-archive:x.tar:1", &*lab.open, "--dest-no-creds"),
    ] {
        let to = format!("docker://{to}/slimbuild-it/copied:{}", unique());
        let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        let copy = [
            "--insecure-policy",
            "copy",
            plain[0],
            plain[1],
            login,
            from,
            &to,
        ];
        run("skopeo", &copy);
    }
    if run(
        "umoci",
        &["unpack", "--rootless", "--image", "x:1", "bundle"],
    )
    .is_some()
    {
        let root = tree.root().join("bundle/rootfs");
        assert!(root.join("app/apps/server/package.json").exists());
        assert!(root.join("nodejs/bin/node").exists());
    }
}

#[test]
fn node_is_added_to_a_base_that_has_none() {
    let test = "node_is_added_to_a_base_that_has_none";
    let Some(lab) = Lab::new(test) else { return };
    let tree = built_server();
    let base = format!("{}/gcr.io/distroless/cc-debian12:latest", lab.open);
    // An image saved or written here can be a base too; it has node, and says so.
    let saved = [
        "base",
        "--node",
        "22",
        "-o",
        "dir=own",
        "-t",
        "own:22",
        "--cache-dir",
    ];
    let cache = cache();
    let saved = [&saved[..], &[cache.to_str().unwrap()]].concat();
    slimbuild_with(tree.root(), &saved, &lab.env(None)).bytes();
    one_daemon(test, |daemon| {
        for (base, more) in [(&*base, &["--node", "22.11.0"][..]), ("oci:own:22", &[])] {
            let tag = daemon.tag("based");
            let arguments = [
                "apps/server",
                "-q",
                "-t",
                &tag.name,
                "-o",
                "y.tar",
                "--base",
                base,
            ];
            lab.native(tree.root(), &[&arguments, more].concat())
                .bytes();
            load(daemon, &tree.root().join("y.tar"));
            boots(daemon, &tag.name);
            let config = daemon.image(&tag.name).config.unwrap();
            assert_eq!(config.user.as_deref(), Some("65532:65532"), "{base}");
            assert_eq!(config.entrypoint.unwrap(), ["/nodejs/bin/node"], "{base}");
        }
    });
}

#[test]
fn a_daemon_pushes_with_the_credentials_of_docker() {
    let test = "a_daemon_pushes_with_the_credentials_of_docker";
    let Some(lab) = Lab::new(test) else { return };
    // Installed and built: it needs nothing.
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"start": "node main.js"}}"#,
        ),
        ("apps/api/main.js", &format!("// {}\n", unique())),
    ]);
    each_daemon(test, |daemon| {
        let name = format!("{}/slimbuild-it/daemon:{}", lab.closed, unique());
        let arguments = [
            "apps/api",
            "--prebuilt",
            "--engine",
            "docker",
            "--push",
            "-t",
            &name,
        ];
        let more = ["--metadata-file", "m.json"];
        let arguments = [&arguments[..], &more].concat();
        let line = pushed(slimbuild_with(
            tree.root(),
            &arguments,
            &lab.env(Some(daemon)),
        ));
        assert!(line.starts_with(&format!("{name} (")), "{line}");
        let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
        let digest = metadata["containerimage.digest"].as_str().unwrap();
        assert_eq!(metadata["slimbuild.pushed"][0]["digest"], digest);
        let again = pushed(slimbuild_with(
            tree.root(),
            &arguments,
            &lab.env(Some(daemon)),
        ));
        assert!(again.starts_with(&format!("{name} (0 of ")), "{again}");

        let refused = slimbuild_with(tree.root(), &arguments, &daemon.env());
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        let hint = format!(
            "hint: look at the name, or log in: `docker login {}`",
            lab.closed
        );
        assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
        let none = None::<RemoveImageOptions>;
        daemon
            .wait(daemon.client.remove_image(&name, none, None))
            .unwrap();
    });
}

#[test]
fn what_cannot_be_pushed_or_started_from_is_said_first() {
    let tree = Tree::shop();
    let refusal = |arguments: &[&str]| {
        let arguments = [&["apps/server", "-q"], arguments].concat();
        slimbuild_with(tree.root(), &arguments, &Env::default()).refusal(tree.root())
    };
    insta::assert_snapshot!(refusal(&["--push", "--engine", "native"]), @r"
    exit code 2
    error: `--push` cannot tell where to push `server:latest`: the name has no registry

    hint: name the image with its registry, as `-t registry.example.com/server:latest`, or with your name at Docker Hub, as `-t NAME/server:latest`
    ");
    insta::assert_snapshot!(refusal(&["--base", "oci:own", "--engine", "docker", "--dry-run"]), @r"
    exit code 2
    error: `oci:$ROOT/own` lies on this machine's disk, and Docker starts from images of registries

    hint: make the image without Docker, `--engine native`, or `docker load` the base and name it
    ");
    insta::assert_snapshot!(refusal(&["--base", "slim", "--registry-mirror", "127.0.0.1:5000", "--engine", "native"]), @r"
    exit code 2
    error: `127.0.0.1:5000/library/debian:bookworm-slim` is changed before it is the base, which a Docker daemon does

    hint: start Docker, or name an image that has node and is taken as it is, as `--base node:22-slim`
    ");
}
