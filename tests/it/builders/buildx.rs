//! Builders that the real `docker buildx create` made, found by their names. In a container and behind
//! `kubectl`, a stand-in for `buildctl dial-stdio` leads to the lab's newest daemon: no BuildKit in an
//! image can be had here, and no cluster.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, RemoveContainerOptions};
use insta::assert_snapshot;
use slimbuild::Env;

use super::{Lab, app};
use crate::support::daemon::{Daemon, newest_daemon, skipped};
use crate::support::line::Line;
use crate::support::program::{PROGRAM, slimbuild_with};
use crate::support::tree::shop;
use crate::support::unique;

/// buildx, alone or in the lab's newest engine.
pub(super) fn buildx(test: &str) -> Option<PathBuf> {
    let plugin = "usr/libexec/docker/cli-plugins/docker-buildx";
    let env = Env::of_process();
    let engine = env.get("LAB_DOCKER_28");
    let engine = engine.and_then(|address| {
        address
            .strip_prefix("unix://")?
            .strip_suffix("run/docker.sock")
    });
    let roots = [engine.unwrap_or("/var/tmp/slimbuild-lab/engine-28/"), "/"];
    let found = roots.map(|root| Path::new(root).join(plugin));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        skipped("no docker-buildx", test);
    }
    found
}

/// buildx's store, with one builder.
pub(super) struct Store(tempfile::TempDir);

impl Store {
    pub(super) fn create(buildx: &Path, arguments: &[&str]) -> Self {
        let store = Self(crate::support::temporary());
        // The Kubernetes driver wants to know a cluster, and does not ask it yet.
        let cluster = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
        fs_err::write(store.0.path().join("kubeconfig"), cluster).unwrap();
        store.run(buildx, arguments);
        store
    }

    /// Adds a node.
    pub(super) fn append(&self, buildx: &Path, arguments: &[&str]) {
        self.run(buildx, &[&["--append"][..], arguments].concat());
    }

    fn run(&self, buildx: &Path, arguments: &[&str]) {
        let made = Command::new(buildx)
            .args(["create", "--name", "team"])
            .args(arguments)
            .env("BUILDX_CONFIG", self.0.path())
            .env("KUBECONFIG", self.0.path().join("kubeconfig"))
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{words}");
    }

    pub(super) fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

/// What `buildctl dial-stdio` does: a program that leads to the BuildKit of a daemon's socket.
fn dial(socket: &str) -> String {
    let request =
        r"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    format!(
        "const socket = require('node:net').connect('{socket}');
socket.write('{request}');
let head = Buffer.alloc(0);
socket.on('data', function first(data) {{
  head = Buffer.concat([head, data]);
  const end = head.indexOf('\\r\\n\\r\\n');
  if (end < 0) return;
  socket.off('data', first);
  process.stdout.write(head.subarray(end + 4));
  socket.pipe(process.stdout);
  process.stdin.pipe(socket);
}});
"
    )
}

#[test]
fn a_remote_builder_is_used_by_its_name() {
    let test = "a_remote_builder_is_used_by_its_name";
    let Some(lab) = Lab::new(test) else { return };
    let Some(buildx) = buildx(test) else { return };
    let directory = lab.certificates.to_str().unwrap();
    let certificates = format!(
        "cacert={directory}/ca.pem,cert={directory}/cert.pem,key={directory}/key.pem,servername=localhost"
    );
    let store = Store::create(
        &buildx,
        &[
            "--driver",
            "remote",
            "--driver-opt",
            &certificates,
            &lab.address,
        ],
    );
    let tree = app();
    let by_flag: Env = [("BUILDX_CONFIG", store.path())].into_iter().collect();
    let outcome = slimbuild_with(
        tree.root(),
        &["apps/api", "--builder", "team", "-q", "-o", "x.tar"],
        &by_flag,
    );
    assert_eq!(outcome.text(), "x.tar\n");
    let by_variable: Env = [("BUILDX_CONFIG", store.path()), ("BUILDX_BUILDER", "team")]
        .into_iter()
        .collect();
    let outcome = slimbuild_with(tree.root(), &["apps/api", "-q"], &by_variable);
    assert_eq!(outcome.text(), "api.oci.tar\n");
    assert!(tree.root().join("api.oci.tar").exists());
}

/// A container that goes when the value goes.
struct Removed<'d>(&'d Daemon, String);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        // A test that failed may never have come to make it.
        drop(
            self.0
                .wait(self.0.client.remove_container(&self.1, Some(options))),
        );
    }
}

/// A directory with a program.
fn program(directory: &Path, name: &str, script: &str) {
    let path = directory.join(name);
    fs_err::write(&path, format!("#!/usr/bin/env node\n{script}")).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_builder_in_a_container_is_reached_by_its_daemon() {
    let test = "a_builder_in_a_container_is_reached_by_its_daemon";
    let Some(buildx) = buildx(test) else { return };
    newest_daemon(test, |daemon| {
        let node = format!("team-{}", unique());
        let arguments = [
            "--driver",
            "docker-container",
            "--node",
            &node,
            &daemon.address,
        ];
        let store = Store::create(&buildx, &arguments);
        let env: Env = [("BUILDX_CONFIG", store.path())].into_iter().collect();
        let tree = app();
        let arguments = ["apps/api", "--builder", "team", "-q", "-o", "x.tar"];
        let container = Removed(daemon, format!("buildx_buildkit_{node}"));
        let text = slimbuild_with(tree.root(), &arguments, &env).refusal(tree.root());
        assert_snapshot!(text.replace(&container.1, "$CONTAINER"), @r"
        exit code 3
        error: cannot reach the builder at `docker-container://$CONTAINER` (--builder team)
          caused by: No such container: $CONTAINER

        hint: The builder must run, with `buildctl` in it: `docker buildx inspect --bootstrap NAME` starts one of buildx's.
        ");

        let line = Line::to(&daemon.address).unwrap();
        let socket = Path::new(line.address.strip_prefix("unix://").unwrap());
        let programs = crate::support::temporary();
        // The lab's engines run below another root, but what they execute in a container sees this
        // machine's. So the program and the socket are at the same place in both.
        let same = |path: &Path| format!("{0}:{0}", path.display());
        let options = CreateContainerOptions {
            name: Some(container.1.clone()),
            ..CreateContainerOptions::default()
        };
        let body = ContainerCreateBody {
            image: Some("node:22-slim".to_owned()),
            cmd: Some(["sleep", "600"].map(str::to_owned).to_vec()),
            env: Some(vec![format!(
                "PATH={}:/usr/local/bin:/usr/bin:/bin",
                programs.path().display()
            )]),
            host_config: Some(HostConfig {
                binds: Some(vec![same(programs.path()), same(socket.parent().unwrap())]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let client = &daemon.client;
        daemon
            .wait(client.create_container(Some(options), body))
            .unwrap();
        daemon
            .wait(client.start_container(&container.1, None))
            .unwrap();
        let text = slimbuild_with(tree.root(), &arguments, &env).refusal(tree.root());
        assert!(
            text.starts_with("exit code 3\nerror: cannot reach the builder at "),
            "{text}"
        );
        assert!(
            text.contains("\"buildctl\": executable file not found"),
            "{text}"
        );

        program(programs.path(), "buildctl", &dial(socket.to_str().unwrap()));
        let outcome = slimbuild_with(tree.root(), &arguments, &env);
        assert_eq!(outcome.text(), "x.tar\n");
        assert!(tree.root().join("x.tar").exists());
    });
}

/// The stand-in for `kubectl`, which notes its arguments and runs this.
fn kubectl(directory: &Path, script: &str) {
    let noted = directory.join("arguments");
    let noted = noted.to_str().unwrap();
    let notes = "require('node:fs').writeFileSync";
    program(
        directory,
        "kubectl",
        &format!("{notes}('{noted}', process.argv.slice(2).join(' '));\n{script}"),
    );
}

#[test]
fn a_builder_in_a_cluster_is_reached_by_kubectl() {
    let test = "a_builder_in_a_cluster_is_reached_by_kubectl";
    let Some(buildx) = buildx(test) else { return };
    newest_daemon(test, |daemon| {
        let Some(socket) = daemon.address.strip_prefix("unix://") else {
            return skipped("the daemon has no socket", test);
        };
        let arguments = [
            "--driver",
            "kubernetes",
            "--driver-opt",
            "namespace=ci",
            "--node",
            "team-x",
        ];
        let store = Store::create(&buildx, &arguments);
        let programs = crate::support::temporary();
        let path = Env::of_process().get("PATH").unwrap().to_owned();
        let path = format!("{}:{path}", programs.path().display());
        let tree = app();
        let run = || {
            Command::new(PROGRAM)
                .args(["apps/api", "--builder", "team", "-q", "-o", "x.tar"])
                .current_dir(tree.root())
                .env("PATH", &path)
                .env("BUILDX_CONFIG", store.path())
                .stdin(Stdio::null())
                .output()
                .unwrap()
        };
        kubectl(
            programs.path(),
            "console.error('Error from server (NotFound): deployments.apps \"team-x\" not found');\nprocess.exitCode = 1;\n",
        );
        let refused = run();
        assert_eq!(refused.status.code(), Some(3));
        assert_snapshot!(String::from_utf8_lossy(&refused.stderr), @r#"
        error: cannot reach the builder at `kubernetes:///team-x` (--builder team)
          caused by: Error from server (NotFound): deployments.apps "team-x" not found

        hint: The builder must run, with `buildctl` in it: `docker buildx inspect --bootstrap NAME` starts one of buildx's.
        "#);

        kubectl(programs.path(), &dial(socket));
        let built = run();
        let words = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{words}");
        assert!(tree.root().join("x.tar").exists());
        let noted = fs_err::read_to_string(programs.path().join("arguments")).unwrap();
        let noted = noted.replace(store.path(), "$STORE");
        assert_eq!(
            noted,
            "--kubeconfig=$STORE/kubeconfig --namespace=ci exec --stdin --container=buildkitd deployment/team-x -- buildctl dial-stdio"
        );
    });
}

#[test]
fn a_name_that_buildx_does_not_know_is_refused() {
    let store = crate::support::temporary();
    let env: Env = [("BUILDX_CONFIG", store.path().to_str().unwrap())]
        .into_iter()
        .collect();
    let said = |name: &str| {
        let outcome = slimbuild_with(&shop(), &["apps/server", "--builder", name], &env);
        outcome.refusal(&shop())
    };
    assert_snapshot!(said("nosuch"), @r"
    exit code 3
    error: buildx has no builder `nosuch` (from --builder)

    hint: `docker buildx ls` lists them; an address has a scheme: `tcp://HOST:PORT`, `unix:///PATH`, `docker-container://NAME`, `kube-pod://NAME`.
    ");
    assert_snapshot!(said("default"), @r"
    exit code 3
    error: buildx has no builder `default` (from --builder)

    hint: It is a Docker context: leave the builder out, and name the context with DOCKER_CONTEXT.
    ");
}
