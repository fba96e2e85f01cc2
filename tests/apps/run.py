#!/usr/bin/env python3
"""Builds and boots real public apps: `just apps DIR [NAME...]`.

    run.py SLIMBUILD DIR [NAME...]

DIR holds a checkout of each workspace below, in a directory of its name; nothing is fetched here but what the builds fetch (npm, Debian). An app is
built without configuration, but for what its own surroundings lack, and that is said beside it. Then it is started with a file system that is read-only, and
has to answer (or to come as far as its database). A line an app: kind, size, seconds of a build without cache, whether it boots.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

# Prisma fetches its engines from a host that is not npm; any file passes for one until the database is asked for something.
PRISMA = """FROM node:20-slim
ENV PRISMA_QUERY_ENGINE_LIBRARY=/etc/os-release PRISMA_SCHEMA_ENGINE_BINARY=/etc/os-release
"""

APPS = [
    {
        "tree": "cloud-canvas",  # boostcampwm-2024/refactor-web37-cloud-canvas @ 311dd65be5
        "app": "apps/server",
        "base": PRISMA,
        "args": ["--node", "20"],
        "env": {"DATABASE_URL": "mysql://u:p@127.0.0.1:1/x", "JWT_SECRET": "x", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"},
        "log": "Mapped {",
    },
    {"tree": "cloud-canvas", "app": "apps/client", "port": 8080, "page": "/"},
    {
        "tree": "next-nest-monorepo",  # alphajoop/next-nest-monorepo @ ba939d37ec
        "app": "apps/api",
        "env": {"PORT": "3000"},
        "port": 3000,
        "page": "/",
    },
    {"tree": "turborepo-2", "app": "apps/shop", "port": 3000, "page": "/"},  # minhcuongvu/turborepo-2 @ 34a81a81fb
    {
        "tree": "create-t3-turbo",  # t3-oss/create-t3-turbo @ e69b5858fc
        "app": "apps/tanstack-start",
        "args": ["--node", "22"],  # .nvmrc names an exact version, whose image the lab does not have
        "env": {"POSTGRES_URL": "postgres://u:p@127.0.0.1:1/x", "AUTH_SECRET": "x", "AUTH_DISCORD_ID": "x", "AUTH_DISCORD_SECRET": "x"},
        "port": 3000,
        "page": "/",
    },
    {
        "tree": "plane",  # makeplane/plane @ 4ca6d6c7b8
        "app": "apps/live",
        "env": {"API_BASE_URL": "http://127.0.0.1:1", "LIVE_SERVER_SECRET_KEY": "x", "REDIS_URL": "redis://127.0.0.1:1"},
        "log": "ECONNREFUSED",
    },
    {"tree": "monorepo-starter-svelte-hono", "app": "apps/web", "port": 3000, "page": "/"},  # giovacalle/monorepo-starter @ c8f2674847
]


def docker(*words, **options):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"docker {words[0]}: {done.stderr.strip()}")
    # A container's program writes to both.
    return (done.stdout + (done.stderr if words[0] == "logs" else "")).strip()


def build(slimbuild, root, app, tag):
    words = [slimbuild, "-C", root, app["app"], "-t", tag, "--no-cache", "--progress", "plain", *app.get("args", [])]
    if "base" in app:
        docker("build", "-q", "-t", f"{tag}-base", "-", input=app["base"])
        words += ["--build-base", f"{tag}-base"]
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-30:]))
    return time.monotonic() - began


def kind(slimbuild, root, app):
    plan = subprocess.run([slimbuild, "-C", root, "plan", "--json", app["app"], *app.get("args", [])], capture_output=True, text=True)
    detected = json.loads(plan.stdout)["app"]
    return detected.get("framework") or detected["kind"]


def boots(tag, app, patience=60):
    """Nothing where it answers, or what it said instead."""
    words = ["run", "--detach", "--read-only", "--publish", "127.0.0.1::{}".format(app.get("port", 3000))]
    for name, value in app.get("env", {}).items():
        words += ["--env", f"{name}={value}"]
    container = docker(*words, tag)
    try:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            log = docker("logs", container)
            if "log" in app and app["log"] in log:
                return stops(container)
            running = docker("inspect", "--format", "{{.State.Running}}", container) == "true"
            if not running:
                return f"it ended: {log[-2000:]}"
            if "page" in app:
                address = docker("port", container).split("-> ")[-1].splitlines()[0]
                try:
                    urllib.request.urlopen(f"http://{address}{app['page']}", timeout=5).read()
                    return stops(container)
                except urllib.error.HTTPError as error:
                    if error.code < 500:
                        return stops(container)
                except OSError:
                    pass
            time.sleep(0.3)
        return f"no answer: {docker('logs', container)[-2000:]}"
    finally:
        docker("rm", "--force", "--volumes", container)


def stops(container):
    began = time.monotonic()
    docker("stop", "--time", "20", container)
    took = time.monotonic() - began
    return None if took < 10 else f"it took {took:.0f} s to end after SIGTERM"


def main():
    slimbuild, trees, *names = sys.argv[1:]
    slimbuild = os.path.abspath(slimbuild)
    failed = 0
    print(f"{'app':<42} {'kind':<18} {'size':>9} {'cold':>8}  boots", flush=True)
    for app in APPS:
        name = f"{app['tree']}/{app['app']}"
        if names and not any(one in name for one in names):
            continue
        root = os.path.join(trees, app["tree"])
        if not os.path.isdir(root):
            print(f"{name:<42} no tree in {root}", flush=True)
            failed += 1
            continue
        tag = "slimbuild-apps-" + name.replace("/", "-").lower()
        try:
            took = build(slimbuild, root, app, tag)
            size = int(docker("inspect", "--format", "{{.Size}}", tag))
            problem = boots(tag, app)
            print(
                f"{name:<42} {kind(slimbuild, root, app):<18} {size / 1e6:>6.0f} MB {took:>6.1f} s  {'yes' if problem is None else 'NO'}",
                flush=True,
            )
        except (RuntimeError, ValueError) as error:
            problem = str(error)
            print(f"{name:<42} FAILED", flush=True)
        if problem is not None:
            failed += 1
            print("    " + problem.replace("\n", "\n    "), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
