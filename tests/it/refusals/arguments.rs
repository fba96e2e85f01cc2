//! Invalid arguments.

use insta::assert_snapshot;

use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::{Tree, shop};
use slimbuild::Env;

fn refusal(arguments: &[&str]) -> String {
    slimbuild(&shop(), arguments).refusal(&shop())
}

#[test]
fn bad_tags() {
    assert_snapshot!(refusal(&["apps/server", "-t", "Shop/Server"]), @"
    exit code 2
    error: invalid value 'Shop/Server' for '--tag <NAME[:TAG]>': `Shop/Server` is not an image name: names are lower case letters and digits, parted by `/`, or by one `.`, `_`, `__` or any number of `-`

    For more information, try '--help'.
    ");
    assert_snapshot!(refusal(&["apps/server", "-t", "shop:"]), @"
    exit code 2
    error: invalid value 'shop:' for '--tag <NAME[:TAG]>': `` is not a tag: up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`

    For more information, try '--help'.
    ");
    assert_snapshot!(refusal(&["apps/server", "--tag", ""]), @"
    exit code 2
    error: invalid value '' for '--tag <NAME[:TAG]>': an image name is empty

    For more information, try '--help'.
    ");
}

#[test]
fn bad_modes() {
    assert_snapshot!(refusal(&["apps/server", "--progress", "fancy"]), @"
    exit code 2
    error: invalid value 'fancy' for '--progress <MODE>': unknown progress mode `fancy`: use `auto`, `tty`, `plain`, `json` or `quiet`

    For more information, try '--help'.
    ");
    assert_snapshot!(refusal(&["apps/server", "--progress", "plain", "-q"]), @"
    exit code 2
    error: the argument '--progress <MODE>' cannot be used with '--quiet'

    Usage: slimbuild --progress <MODE> <APP>...

    For more information, try '--help'.
    ");
    assert_snapshot!(refusal(&["apps/server", "--platform", "amd64"]), @"
    exit code 2
    error: invalid value 'amd64' for '--platform <OS/ARCH,…>': `amd64` is not a platform: expected something like `linux/amd64` or `linux/arm64`

    For more information, try '--help'.
    ");
}

/// What would do nothing is not accepted in silence.
#[test]
fn nothing_is_given_to_steps_that_do_not_run() {
    for (flag, value) in [("--ssh", "default"), ("--ca", "ca.pem")] {
        let said = refusal(&["apps/server", "--prebuilt", flag, value]);
        let told = format!("the argument '--prebuilt' cannot be used with '{flag}");
        assert!(said.contains(&told), "{said}");
    }
}

#[test]
fn steps_on_this_machine_ask_one_agent() {
    let tree = Tree::shop();
    let socket = tree.root().join("agent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let agents = ["a", "b"].map(|id| format!("--ssh={id}={}", socket.display()));
    let arguments = ["apps/server", "--engine", "native", &agents[0], &agents[1]];
    let said = slimbuild(tree.root(), &arguments).refusal(tree.root());
    let told = "steps on this machine can ask one ssh agent, and `--ssh` names several";
    assert!(said.contains(told), "{said}");
}

#[test]
fn bad_versions_and_images() {
    assert_snapshot!(refusal(&["plan", "apps/server", "--node", "newest"]), @"
    exit code 2
    error: `--node` asks for node `newest`, which is no version

    hint: mend it, or choose with `--node VERSION`
    ");
    assert_snapshot!(refusal(&["plan", "apps/server", "--node", "16.x"]), @"
    exit code 2
    error: `--node` asks for node `16.x`, which none of the lines 24, 22, 20, 18 fits

    hint: mend it, or choose with `--node VERSION`
    ");
}

#[test]
fn unknown_flags_and_verbs() {
    assert_snapshot!(refusal(&["apps/server", "--dryrun"]), @"
    exit code 2
    error: `slimbuild build` has no option `--dryrun`

    hint: did you mean `--dry-run`?
    ");
    assert_snapshot!(refusal(&["apps/server", "frobnicate"]), @"
    exit code 1
    error: there is no app `frobnicate` in this workspace

    hint: there are: apps/server, apps/site, apps/web, apps/worker
    ");
    assert_snapshot!(refusal(&["context", "apps/server"]), @"
    exit code 2
    error: the following required arguments were not provided:
      --output <FILE|DIR|->

    Usage: slimbuild context --output <FILE|DIR|-> <APP>

    For more information, try '--help'.
    ");
}

#[test]
fn a_directory_that_is_not_empty() {
    let out = Tree::new(&[("mine/notes.txt", "mine")]);
    let target = out.root().join("mine");
    let arguments = ["context", "apps/server", "-o", target.to_str().unwrap()];
    assert_snapshot!(slimbuild(&shop(), &arguments).refusal(out.root()), @"
    exit code 2
    error: `$ROOT/mine` is not empty

    hint: name a directory that does not exist yet, or a file such as `ctx.tar`
    ");
    assert_eq!(out.files(), [std::path::Path::new("mine/notes.txt")]);
}

#[test]
fn a_place_that_cannot_be_written_to() {
    let out = Tree::new(&[("file", "")]);
    let target = out.root().join("file/context.tar");
    let arguments = ["context", "apps/server", "-o", target.to_str().unwrap()];
    assert_snapshot!(slimbuild(&shop(), &arguments).refusal(out.root()), @"
    exit code 1
    error: cannot write `$ROOT/file/context.tar`: there is no directory `$ROOT/file`

    hint: make the directory first
    ");
    let target = out.root().join("nowhere/context.tar");
    let arguments = ["context", "apps/server", "-o", target.to_str().unwrap()];
    assert_snapshot!(slimbuild(&shop(), &arguments).refusal(out.root()), @"
    exit code 1
    error: cannot write `$ROOT/nowhere/context.tar`: there is no directory `$ROOT/nowhere`

    hint: make the directory first
    ");
}

#[test]
fn no_daemon() {
    let tree = Tree::new(&[]);
    let socket = format!("unix://{}/docker.sock", tree.root().display());
    let env: Env = [("DOCKER_HOST", socket.as_str())].into_iter().collect();
    let outcome = slimbuild_with(&shop(), &["apps/worker"], &env);
    assert_snapshot!(outcome.refusal(tree.root()), @"
    exit code 3
    error: cannot reach a Docker daemon at `unix://$ROOT/docker.sock` (DOCKER_HOST)
      caused by: there is no such socket

    hint: Start Docker: open Docker Desktop, or run `sudo systemctl start docker`. It is to be had at https://docs.docker.com/get-started/get-docker. Or unset DOCKER_HOST to use the daemon of this machine. `--dry-run` needs no daemon.
    ");
    let by_flag = slimbuild(&shop(), &["apps/worker", "-q", "-H", &socket]);
    assert_snapshot!(by_flag.refusal(tree.root()), @"
    exit code 3
    error: cannot reach a Docker daemon at `unix://$ROOT/docker.sock` (--host)
      caused by: there is no such socket

    hint: Start Docker: open Docker Desktop, or run `sudo systemctl start docker`. It is to be had at https://docs.docker.com/get-started/get-docker. `--dry-run` needs no daemon.
    ");
    let env: Env = [("DOCKER_HOST", "localhost")].into_iter().collect();
    assert_snapshot!(slimbuild_with(&shop(), &["apps/worker"], &env).refusal(tree.root()), @"
    exit code 3
    error: `localhost` (from DOCKER_HOST) is not an address of a Docker daemon

    hint: Write `unix:///var/run/docker.sock`, or `tcp://host:2375` for a daemon that listens on the network.
    ");
    let env: Env = [("DOCKER_HOST", "tcp://127.0.0.1:1")].into_iter().collect();
    assert_snapshot!(slimbuild_with(&shop(), &["apps/worker"], &env).refusal(tree.root()), @"
    exit code 75
    warning: cannot reach a Docker daemon at `tcp://127.0.0.1:1` (DOCKER_HOST): Connection refused (os error 111); trying again in 1 s (1 of 3)
    warning: cannot reach a Docker daemon at `tcp://127.0.0.1:1` (DOCKER_HOST): Connection refused (os error 111); trying again in 2 s (2 of 3)
    warning: cannot reach a Docker daemon at `tcp://127.0.0.1:1` (DOCKER_HOST): Connection refused (os error 111); trying again in 4 s (3 of 3)
    error: cannot reach a Docker daemon at `tcp://127.0.0.1:1` (DOCKER_HOST)
      caused by: Connection refused (os error 111)

    hint: Check that the daemon runs there and listens without TLS. Or unset DOCKER_HOST to use the daemon of this machine. `--dry-run` needs no daemon.
    ");
}

#[test]
fn nothing_but_a_build_needs_a_daemon() {
    let env: Env = [("DOCKER_HOST", "unix:///nowhere/docker.sock")]
        .into_iter()
        .collect();
    for arguments in [
        &["plan", "apps/worker"][..],
        &["plan", "apps/worker", "--json"],
        &["dockerfile", "apps/worker"],
        &["apps/worker", "--dry-run"],
        &["context", "apps/worker", "-o", "-"],
    ] {
        slimbuild_with(&shop(), arguments, &env).bytes();
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let help = slimbuild(&shop(), &["--help"]).text();
    assert!(help.contains("Exit codes: 0 done"), "{help}");
    let version = slimbuild(&shop(), &["--version"]).text();
    assert_eq!(
        version,
        concat!("slimbuild ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
