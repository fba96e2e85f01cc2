#!/usr/bin/env python3
"""How long a newcomer waits for the first image, and how many bytes come over the network.

    tests/minutes/run.py PROGRAM [--native] [--docker] [--clone]

PROGRAM is a static program (`just release-static`). It is packed as npm packages and published to a registry on this
machine. Then `npx slimbuild APP` runs in a fresh copy of examples/next-api, with an empty home and no cache:

- with --native, or no option, without Docker, to a file with the image;
- with --docker, at the daemon of DOCKER_HOST, until the container answers. No step of the build is cached there; base
  images may be.
- with --clone, the two commands of README.md in a fresh clone with an empty target directory. Crates that cargo has
  downloaded before are not downloaded again.

The bytes are those of the machine's network cards and of the npm packages, so nothing else should use the network.
Rows of a Markdown table go to stdout, and what each command printed to target/minutes.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAID = REPOSITORY / "target/minutes"
# Docker's sockets are hidden from what runs in here.
ALONE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]


def received_by_machine():
    """The bytes that all network cards but the loopback have received."""
    lines = pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]
    cards = (line.split(":", 1) for line in lines)
    is_own = re.compile(r"^(lo|docker|br-|veth)")
    return sum(int(numbers.split()[0]) for name, numbers in cards if not is_own.match(name.strip()))


def sh(words, **more):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def registry(work):
    """A registry on this machine with the npm packages of the program. Returns its address and the bytes of a package."""
    directory = work / "registry"
    directory.mkdir()
    (directory / "package.json").write_text(
        '{"private": true, "dependencies": {"verdaccio": "6.8.0"}, "overrides": {"node-fetch": "2.7.0"}}'
    )
    sh(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=directory)
    (directory / "config.yaml").write_text(
        "storage: ./storage\nmax_body_size: 500mb\nuplinks: {}\nlog: {type: stdout, level: error}\n"
        "packages: {'**': {access: $all, publish: $all, unpublish: $all}}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        ["node", "node_modules/verdaccio/bin/verdaccio", "--config", "config.yaml", "--listen", f"127.0.0.1:{port}"],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    return process, address


def publish(program, address, work):
    """Publishes the packages; the bytes that an install of them downloads."""
    home = work / "publisher"
    home.mkdir()
    (home / ".npmrc").write_text(f"registry={address}\n//{address.split('//')[1]}:_authToken=any\n")
    env = {**os.environ, "HOME": str(home), "npm_config_registry": address}
    archives = work / "archives"
    # The archive has it by its own name.
    program = shutil.copy(program, work / "slimbuild")
    release = str(REPOSITORY / "npm/release.sh")
    sh([release, "pack", str(program), "linux-x64", str(archives)], env=env)
    sh([release, "npm", str(archives), "--silent"], env=env)
    return sum(file.stat().st_size for file in (work / "registry/storage").rglob("*.tgz"))


def workspace(work, name):
    """A fresh copy of the example, as somebody has it who cloned a repository."""
    copy = work / name
    shutil.copytree(REPOSITORY / "examples/next-api", copy)
    sh(["git", "init", "--quiet"], cwd=copy)
    return copy


def home(work, name):
    path = work / f"home-{name}"
    path.mkdir()
    return path


def run(name, words, cwd, env):
    """Runs a command, keeps what it printed, and returns the seconds and that text."""
    SAID.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with open(SAID / f"{name}.txt", "w+") as said:
        code = subprocess.run(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said).returncode
        took = time.monotonic() - began
        said.seek(0)
        text = said.read()
    if code != 0:
        sys.exit(f"{name} ended with {code}:\n{text}")
    return took, text


def row(what, took, size, text):
    print(f"| {what} | {took:.1f} s | {size / 1e6:.0f} MB | {len(text.splitlines())} lines |", flush=True)


def main():
    options = {word for word in sys.argv[1:] if word.startswith("--")}
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    options = options or {"--native"}
    if len(words) != 1 or options - {"--native", "--docker", "--clone"}:
        sys.exit(__doc__)
    program = pathlib.Path(words[0]).resolve()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        process, address = registry(work)
        try:
            package = publish(program, address, work)
            print("| From nothing | Time | Downloaded | Printed |\n|---|--:|--:|--:|", flush=True)
            if "--native" in options:
                without_docker(work, address, package)
            if "--docker" in options:
                with_docker(work, address, package)
            if "--clone" in options:
                from_a_clone(work)
        finally:
            process.kill()
            process.wait()


def own(home, address):
    """The environment of an empty machine, with the certificates of this machine's network."""
    network = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"]
    env = {name: os.environ[name] for name in network if name in os.environ}
    more = {"npm_config_registry": address, "npm_config_yes": "true"}
    return env | {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)} | more


def without_docker(work, address, package):
    for app in ("api", "web"):
        name = f"native-{app}"
        env = own(home(work, name), address)
        copy = workspace(work, name)
        before = received_by_machine()
        took, text = run(name, [*ALONE, "npx", "slimbuild", f"apps/{app}"], copy, env)
        assert (copy / f"{app}.oci.tar").is_file(), text
        row(f"`npx slimbuild apps/{app}`, no Docker: a file with the image", took, package + received_by_machine() - before, text)


def with_docker(work, address, package):
    name = "docker-api"
    env = own(home(work, name), address)
    env["DOCKER_HOST"] = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    copy = workspace(work, name)
    before, began = received_by_machine(), time.monotonic()
    tag = f"slimbuild-minutes-{os.getpid()}"
    _, text = run(name, ["npx", "slimbuild", "apps/api", "--no-cache", "-t", tag], copy, env)
    docker = ["docker", "--host", env["DOCKER_HOST"]]
    container = sh([*docker, "run", "--rm", "-d", "-e", "PORT=3000", "-p", "127.0.0.1::3000", tag]).strip()
    try:
        port = sh([*docker, "port", container, "3000"]).splitlines()[0].rsplit(":", 1)[1].strip()
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit("the container never answers")
        took = time.monotonic() - began
    finally:
        sh([*docker, "kill", container])
        sh([*docker, "rmi", "--force", tag])
    size = package + received_by_machine() - before
    row("`npx slimbuild apps/api`, `docker run`: a container that answers", took, size, text)


def from_a_clone(work):
    clone = work / "clone"
    sh(["git", "clone", "--quiet", f"file://{REPOSITORY}", str(clone)])
    env = {**os.environ, "CARGO_TARGET_DIR": str(work / "target")}
    text = (REPOSITORY / "README.md").read_text()
    for number, line in enumerate(re.findall(r"^\$ (cargo [^#\n]*)", text, re.M)[:2]):
        before = received_by_machine()
        took, said = run(f"clone-{number}", ["sh", "-c", line], clone, env)
        row(f"`{line.strip()}` in a clone", took, received_by_machine() - before, said)


main()
