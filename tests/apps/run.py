#!/usr/bin/env python3
"""Builds and boots real public apps: `just apps DIR [NAME...]`.

    run.py SLIMBUILD DIR [NAME...]

DIR holds a checkout of each workspace below, in a directory of its name; nothing is fetched here but what the builds fetch (npm, Debian). An app is
built without configuration, but for what its own surroundings lack, and that is said beside it: `--node 22` stands where a file asks for an exact
version of node whose image the lab does not have, and changes nothing else.

An app with `fails` makes no image for a reason that lies in its repository: the error has to say so. Not in the list, for what the lab lacks: WikiBot's API
(Prisma's host), KnightHacks/forge and imputnet/cobalt's API (dependencies at github.com), antfu/vitesse (Cypress's host), ZionLG's tRPC starter (Prisma's host),
fx-pnpm-monorepo-starter and renato1010's (node from nodejs.org), dan-muller's starter (asks a public API when it builds), blesstosam's (npmmirror.com), wundergraph/cosmo
(node 22.22.2), starters on node 18 (matt-koevort, sebellows, aseerkt, federation-play, tic-tac-two), hono-drizzle-openapi, pnpm-turborepo-auto-boilerplate and
vben's backend-mock, and what takes too long here: mermaid-live-editor, plane's apps/space.

Then it is started without a network, with a file system that is read-only but for an empty /tmp: whatever it loads is in the image. It has to answer (or to come as
far as its database), as a user that is not root, and to end after SIGTERM. A line an app: kind, size and what that is measured against, seconds of a build without
cache, seconds that it needs to end, whether it boots. With containerd's image store, what a pull transfers stands beside the size.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import time

# Prisma fetches its engines from a host that is not npm; any file passes for one until the database is asked for something.
PRISMA = """FROM node:20-slim
ENV PRISMA_QUERY_ENGINE_LIBRARY=/etc/os-release PRISMA_SCHEMA_ENGINE_BINARY=/etc/os-release
"""

# Asks until there is an answer, from within the network of the app.
ASK = """const [url, seconds] = process.argv.slice(1); const end = Date.now() + seconds * 1000; let last;
while (Date.now() < end) {
  try { const answer = await fetch(url, { redirect: 'manual' }); await answer.text(); last = answer.status; if (last < 500) { console.log(last); process.exit(0); } }
  catch (error) { last = error.cause?.code ?? error.message; }
  await new Promise((then) => setTimeout(then, 200));
}
console.log(last); process.exit(1);"""
ASKER = "node:22-slim"

MB = 1_000_000

# A registry that does not answer says nothing of slimbuild: then there is a second try.
STALLS = ("ETIMEDOUT", "EAI_AGAIN", "ECONNRESET", "ERR_SOCKET_TIMEOUT")

APPS = [
    {
        "tree": "cloud-canvas",  # boostcampwm-2024/refactor-web37-cloud-canvas @ 311dd65be5
        "app": "apps/server",
        "base": PRISMA,
        "args": ["--node", "20"],
        "env": {"DATABASE_URL": "mysql://u:p@127.0.0.1:1/x", "JWT_SECRET": "x", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": "1"},
        "log": "Mapped {",
        "at most": ("215 MB", lambda image, base, site: 215 * MB),
    },
    {
        "tree": "cloud-canvas",
        "app": "apps/client",
        "port": 8080,
        "page": "/",
        "at most": ("1.05 x (nginx + dist)", lambda image, base, site: 1.05 * (base + site)),
    },
    {
        "tree": "next-nest-monorepo",  # alphajoop/next-nest-monorepo @ ba939d37ec
        "app": "apps/api",
        "env": {"PORT": "3000"},
        "port": 3000,
        "page": "/",
        "at most": ("distroless + 20 MB", lambda image, base, site: base + 20 * MB),
    },
    {
        "tree": "turborepo-2",  # minhcuongvu/turborepo-2 @ 34a81a81fb
        "app": "apps/shop",
        "port": 3000,
        "page": "/",
        "at most": ("distroless + 90 MB", lambda image, base, site: base + 90 * MB),
    },
    {
        "tree": "create-t3-turbo",  # t3-oss/create-t3-turbo @ e69b5858fc
        "app": "apps/tanstack-start",
        "args": ["--node", "22"],
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
    {"tree": "turborepo-astro-starter", "app": "apps/blog", "args": ["--node", "22"], "port": 8080, "page": "/"},  # ai-digital-factory/… @ 0b0a6f145a
    {"tree": "turborepo-astro-starter", "app": "apps/worker", "args": ["--node", "22"], "port": 3001, "page": "/"},
    {"tree": "pnpm-monorepo-nuxt", "app": "apps/blog", "port": 3000, "page": "/"},  # alvarosabu/pnpm-monorepo-nuxt @ d927489fbe
    {"tree": "turbo-sveltekit-docker-railway", "app": "apps/web", "port": 3000, "page": "/"},  # samliew94/… @ 110e1ad322
    {"tree": "turbo-monorepo", "app": "apps/web", "port": 8080, "page": "/"},  # snowball-tools/turbo-monorepo @ 2067ddac6b
    # `main` names a source beside a build, and the root's `prepare` sets up git hooks.
    {"tree": "x", "app": "apps/api", "args": ["--node", "22"], "log": "Missing session secret"},  # 0-sayed/x @ 3f2fe7e0df
    {"tree": "Hikyaku", "app": "apps/api", "args": ["--node", "22"], "log": "TRUST_PROXY"},  # 0x4Nayan04/Hikyaku @ e25acaf5fe
    {"tree": "shadow-cloud", "app": "apps/bot", "log": "DISCORD_BOT_TOKEN is not set"},  # 1Solon/shadow-cloud @ bf765df17d
    # Each page wants secrets.
    {"tree": "nanomail", "app": "apps/web", "log": "Listening on"},  # 0916dhkim/nanomail @ 4fe1c73e29
    {"tree": "WikiBot", "app": "apps/bot", "log": "DISCORD_BOT_TOKEN is not set"},  # ADR3N4LYN3/WikiBot @ 45ea279055
    {"tree": "setalip-mono", "app": "apps/cron", "runs": 5},  # drithh/setalip-mono @ dd8c20fa64
    # langfuse/langfuse @ 6275144614
    {"tree": "langfuse", "app": "packages/in-app-agent-sandbox-runtime", "args": ["--node", "24"], "log": "server.listening"},
    # hansschenker/pnpm-workspaces-demo @ dcd9983b85
    {"tree": "pnpm-workspaces-demo", "app": "apps/server", "port": 3000, "page": "/"},
    {"tree": "pnpm-workspaces-demo", "app": "apps/client", "port": 8080, "page": "/"},
    {"tree": "vue-docs", "app": ".", "port": 8080, "page": "/"},  # vuejs/docs @ 01e098a967
    {"tree": "pern-pnpm-monorepo-ts", "app": "packages/api", "port": 5000, "page": "/"},  # japint/… @ f3e3e636c1
    # devharshthakur/sveltekit-express-monorepo @ dd64173c95
    {"tree": "sveltekit-express-monorepo", "app": "apps/api", "env": {"PORT": "3000"}, "log": "API server listening"},
    {"tree": "sveltekit-express-monorepo", "app": "apps/web", "port": 3000, "page": "/"},
    # darlanhms/pnpm-workspaces-test @ b8a578821d
    {"tree": "pnpm-workspaces-test", "app": "apps/nextjs", "args": ["--node", "20"], "port": 3000, "page": "/"},
    {
        "tree": "hono-drizzle-libsql-template",  # jdncst-dev/hono-drizzle-libsql-template @ ac51b7d185
        "app": ".",
        "env": {
            "LOG_LEVEL": "info",
            "DATABASE_URL": "http://127.0.0.1:1",
            "DATABASE_AUTH_TOKEN": "x",
            "PASSWORD_SALT": "x",
            "JWT_SECRET": 32 * "x",
        },
        "port": 9999,
        "page": "/",
    },
    {"tree": "trpc-fastify", "app": ".", "port": 3001, "page": "/"},  # cerjs/trpc-fastify @ 724ec9328b
    {"tree": "sveltekit-pnpm-docker", "app": "apps/web", "port": 3000, "page": "/"},  # CaptainCodeman/sveltekit-pnpm-docker @ 9f9fc9bd00
    # bear2u/codex-app-server-example @ 9e41ff1066
    {"tree": "codex-app-server-example", "app": "codex-app-server", "args": ["--node", "22"], "port": 4000, "page": "/"},
    {"tree": "rego-agent", "app": "apps/dashboard", "port": 3000, "page": "/"},  # bearjun05/rego-agent @ 48faa268cd
    {"tree": "readtailor", "app": "apps/worker", "port": 3002, "page": "/"},  # 3927o/readtailor @ e5e0d29ce2
    {"tree": "Webhook", "app": "apps/web", "port": 8080, "page": "/"},  # 0x4Nayan04/Webhook @ 4fcbee0c27
    {"tree": "Webhook", "app": "apps/api", "log": "SESSION_SECRET"},
    {"tree": "Nello", "app": "apps/api", "log": "JwtStrategy requires a secret"},  # 3bdullah977/Nello @ 869d6db20b
    {"tree": "core", "app": "apps/overseer", "log": "CLOUDFLARE_ACCOUNT_ID"},  # CZQM-FIR/core @ 5e4dc3165e
    {"tree": "core", "app": "apps/worker", "log": "WEBHOOK_UNAUTHORIZED_CONTROLLER"},
    {"tree": "canopus", "app": "apps/gateway", "log": "Missing required environment variable"},  # endworks/canopus @ afd289f193
    {"tree": "trading-journal-saas", "app": ".", "port": 3000, "page": "/login"},  # beamsirasin/trading-journal-saas @ 0a73fd1a68
    {"tree": "buildtrack-pro", "app": ".", "log": "JWT_SECRET"},  # beakedpedro123/buildtrack-pro @ fbee0c5179
    # What makes no image, and whose fault it is: the sentence has to say so.
    {
        "tree": "monorepo",  # Pedramnili/monorepo @ 8fa2658e52: its tsconfig.json extends a package that it does not declare
        "app": "apps/api_fastify",
        "fails": "the task `build` of api_fastify failed",
    },
    {
        "tree": "monorepo",
        "app": "apps/web",
        "fails": "`pnpm-lock.yaml` is older than `apps/web/package.json`",
    },
    {
        "tree": "nextjs-express-turborepo-starter",  # minhtungo/… @ 2738894a35
        "app": "apps/api",
        "fails": "`pnpm-lock.yaml` is older than `package.json`",
    },
    {
        "tree": "turbo-monorepo",  # snowball-tools/turbo-monorepo @ 2067ddac6b: the tsconfig.json that it extends has `noEmit`
        "app": "apps/api",
        "fails": "ended well, but did not write `apps/api/dist/index.js`",
    },
    {
        "tree": "mono-repo-boilerplate",  # jungai/… @ 751d904a16: an error of types, in a fresh clone too
        "app": "services/express-app",
        "fails": "the task `build` of @eiei/express-app failed",
    },
    {
        "tree": "todo-list-turborepo",  # kaybarax/… @ 6916fb56dd: its tsconfig.json extends a package that it does not declare
        "app": "apps/api",
        "args": ["--node", "22"],
        "fails": "the task `build` of @todo/api failed",
    },
    {
        "tree": "todo-list-turborepo",  # winston makes a directory beside the sources
        "app": "apps/ingestion",
        "args": ["--node", "22"],
        "fails": '"writable": ["logs"]',
    },
    {
        "tree": "example-turborepo-remix",  # haidar-dev/… @ c7ac6f2358: its pnpm does not read its lockfile
        "app": "apps/remix-app",
        "fails": "A newer pnpm wrote `pnpm-lock.yaml`",
    },
    {
        "tree": "karakeep",  # karakeep-app/karakeep @ 7ca5ee236b: made for another app's Dockerfile
        "app": "apps/landing",
        "fails": "`apps/landing` on line 18 of `.dockerignore`",
    },
    {
        "tree": "sveltekit-turbo",  # xmlking/sveltekit-turbo @ 5c63547422: adapter-auto
        "app": "apps/web",
        "fails": "its adapter writes nothing that node can start",
    },
    {
        "tree": "turborepo-react-starter",  # andrej-kolic/… @ 9149c85d7a: the registry has a package of its lockfile no more
        "app": "apps/ui-storybook",
        "fails": "The registry does not hand out this package",
    },
    {
        "tree": "realworld-hono-drizzle",  # illright/realworld-hono-drizzle @ 8b1d252515: it makes `local.db` where it starts
        "app": ".",
        "fails": '"writable": ["."]',
    },
    {
        "tree": "vite-tanstack-express-monorepo",  # dan-garden/… @ 527a9bd58f: its pnpm does not read its lockfile
        "app": "backend",
        "fails": "which pnpm 8.15.4 does not read",
    },
    {
        "tree": "pern-pnpm-monorepo-ts",  # its web app does not declare `@types/node`, which its Next.js asks for
        "app": "packages/web",
        "fails": "the task `build` of web failed",
    },
    {
        "tree": "pnpm-monorepo-sample-v3",  # fo-ji/pnpm-monorepo-sample-v3 @ 2514efa3e2: `prisma generate` is left to its own Dockerfile
        "app": "apps/api",
        "fails": "the Prisma client in the image is not generated",
    },
    {
        "tree": "pnpm-monorepo-sample-v3",
        "app": "apps/web",
        "fails": "`pnpm-lock.yaml` is older than `apps/web/package.json`",
    },
    {
        "tree": "pnpm-monorepo-fullstack-example",  # katzarov/… @ 322ad96a5b: a package has `index.ts`, and its `main` is `index.js`
        "app": "apps/api",
        "fails": "loads `@bt/schemas`, which cannot be found",
    },
    {
        "tree": "solid-docs",  # solidjs/solid-docs @ 12dcb64701: made for Netlify
        "app": ".",
        "fails": "Nitro's preset is `netlify`, which makes no server for node",
    },
    {
        "tree": "astro-monorepo",  # wtto00/astro-monorepo @ a27af3969e: an own script builds many sites, and `start` is a server for developers
        "app": ".",
        "fails": "its build does not run `astro build`",
    },
    {
        "tree": "homepage",  # gethomepage/homepage @ b2a52ff2a9: the registry has a package of its lockfile no more
        "app": ".",
        "fails": "The registry does not hand out this package",
    },
    {
        "tree": "zigbee2mqtt",  # Koenkk/zigbee2mqtt @ 6835cbf5a7: the same
        "app": ".",
        "fails": "The registry does not hand out this package",
    },
    {
        "tree": "pnpm-workspaces-vite-remix-express",  # vulovix/… @ c423cb8489: the same
        "app": "workspaces/web",
        "fails": "The registry does not hand out this package",
    },
    {
        "tree": "rego-agent",  # its packages are TypeScript that imports `./llm.js` where there is `llm.ts`: node does not find it on a laptop either
        "app": "apps/runtime",
        "fails": "which node does not take for it",
    },
    {
        "tree": "slide-maker",  # CUNY-AI-Lab/slide-maker: the same
        "app": "apps/api",
        "fails": "which node does not take for it",
    },
    {
        "tree": "my-RAG-monorepo",  # be1yuan/my-RAG-monorepo: an ES module that imports names without their ending, which node refuses anywhere
        "app": "apps/backend",
        "fails": "and node wants the whole name in an ES module",
    },
    {
        "tree": "HabiTrack",  # beachfury/HabiTrack: tsc writes dist/apps/api/src/server.js, and its script starts dist/server.js
        "app": "apps/api",
        "fails": "did not write `apps/api/dist/server.js`",
    },
    {
        "tree": "r2h",  # bdxygy/r2h: it imports `./root`, and the file is Root.tsx
        "app": ".",
        "fails": "Linux tells capital letters from small ones",
    },
    {
        "tree": "job-queue-system",  # bdorn15/job-queue-system: no script of the build generates its Prisma client
        "app": "apps/job-service",
        "fails": "`./generated` is not where the build looks for it",
    },
    {
        "tree": "my-RAG-monorepo",  # its build calls a script that is not there
        "app": "apps/frontend",
        "fails": "Task not found",
    },
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
    for again in (True, False):
        began = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode == 0:
            return time.monotonic() - began
        if not (again and any(stall in done.stderr for stall in STALLS)):
            raise RuntimeError("\n".join(done.stderr.strip().splitlines()[-30:]))


def fails(slimbuild, root, app, tag):
    """What is wrong with how an app is refused, if anything is."""
    try:
        build(slimbuild, root, app, tag)
    except RuntimeError as error:
        return None if app["fails"] in str(error) else str(error)
    return "it made an image"


def planned(slimbuild, root, app):
    plan = subprocess.run([slimbuild, "-C", root, "plan", "--json", app["app"], *app.get("args", [])], capture_output=True, text=True)
    return json.loads(plan.stdout)


def size(image):
    """The bytes of its layers where it runs. With containerd's image store, `.Size` is what a pull transfers instead."""
    layers = docker("history", "--human=false", "--format", "{{.Size}}", image)
    return sum(int(layer) for layer in layers.split())


def pulled(image):
    """The bytes that a pull transfers; nothing where the daemon keeps no compressed layers."""
    if "io.containerd.snapshotter" not in docker("info", "--format", "{{.DriverStatus}}"):
        return None
    return int(docker("inspect", "--format", "{{.Size}}", image))


def site_size(tag):
    """The bytes of the files that a site's image serves, without the compressed ones beside them."""
    container = docker("create", tag)
    try:
        done = subprocess.run(["docker", "cp", f"{container}:/app", "-"], capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as files:
            return sum(one.size for one in files if not one.name.endswith((".gz", ".br")))
    finally:
        docker("rm", container)


def against(app, plan, tag):
    """The limit in bytes, and how it is put; or nothing."""
    if "at most" not in app:
        return None
    words, limit = app["at most"]
    site = site_size(tag) if "page" in app and plan["app"]["kind"] == "static-site" else 0
    return limit(size(tag), size(plan["runtimeBase"]["value"]["image"]), site), words


def boots(tag, app, patience=60):
    """How many seconds it needs to end after SIGTERM; raises with what it said where it does not come up."""
    user = docker("inspect", "--format", "{{.Config.User}}", tag)
    if user.split(":")[0] in ("", "0", "root"):
        raise RuntimeError(f"its user is {user or 'root'}")
    words = ["run", "--detach", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--cap-drop", "ALL"]
    for name, value in app.get("env", {}).items():
        words += ["--env", f"{name}={value}"]
    container = docker(*words, tag)
    try:
        if "page" in app:
            url = f"http://127.0.0.1:{app['port']}{app['page']}"
            words = ["run", "--rm", "--network", f"container:{container}", ASKER, "node", "--input-type=module", "-e", ASK, url, str(patience)]
            asked = subprocess.run(["docker", *words], capture_output=True, text=True)
            if asked.returncode != 0:
                raise RuntimeError(f"no answer ({asked.stdout.strip() or asked.stderr.strip()}): {docker('logs', container)[-2000:]}")
        elif "runs" in app:
            time.sleep(app["runs"])
            if docker("inspect", "--format", "{{.State.Running}}", container) != "true":
                raise RuntimeError(f"it ended: {docker('logs', container)[-2000:]}")
        else:
            until = time.monotonic() + patience
            while app["log"] not in docker("logs", container):
                if time.monotonic() > until or docker("inspect", "--format", "{{.State.Running}}", container) != "true":
                    raise RuntimeError(f"it never said `{app['log']}`: {docker('logs', container)[-2000:]}")
                time.sleep(0.3)
        return stops(container)
    finally:
        docker("rm", "--force", "--volumes", container)


def stops(container):
    if docker("inspect", "--format", "{{.State.Running}}", container) != "true":
        return None
    began = time.monotonic()
    docker("stop", "--time", "20", container)
    took = time.monotonic() - began
    if took > 10:
        raise RuntimeError(f"it took {took:.0f} s to end after SIGTERM")
    return took


def main():
    slimbuild, trees, *names = sys.argv[1:]
    slimbuild = os.path.abspath(slimbuild)
    failed = 0
    print(f"{'app':<40} {'kind':<14} {'size':>7} {'pull':>7} {'at most':>30} {'cold':>7} {'ends':>6}  boots", flush=True)
    for app in APPS:
        name = f"{app['tree']}/{app['app']}"
        if names and not any(one in name for one in names):
            continue
        root = os.path.join(trees, app["tree"])
        if not os.path.isdir(root):
            print(f"{name:<42} no tree in {root}", flush=True)
            failed += 1
            continue
        tag = "slimbuild-apps-" + name.removesuffix("/.").replace("/", "-").lower()
        problem = None
        if "fails" in app:
            problem = fails(slimbuild, root, app, tag)
            print(f"{name:<40} {'refused as it has to be' if problem is None else 'FAILED'}", flush=True)
            if problem is not None:
                failed += 1
                print("    " + problem.replace("\n", "\n    "), flush=True)
            continue
        try:
            took = build(slimbuild, root, app, tag)
            plan = planned(slimbuild, root, app)
            limit = against(app, plan, tag)
            ends = None
            try:
                ends = boots(tag, app)
            except RuntimeError as error:
                problem = str(error)
            bytes_, transferred = size(tag), pulled(tag)
            pull = "" if transferred is None else f"{transferred / MB:.0f} MB"
            if limit and bytes_ > limit[0]:
                problem = problem or "it is too large"
            most = f"{limit[0] / MB:.1f} MB, {limit[1]}" if limit else ""
            ended = "" if ends is None else f"{ends:.1f} s"
            kind = plan["app"].get("framework") or plan["app"]["kind"]
            print(
                f"{name:<40} {kind:<14} {bytes_ / MB:>4.0f} MB {pull:>7} {most:>30} {took:>5.0f} s {ended:>6}  {'yes' if problem is None else 'NO'}",
                flush=True,
            )
        except (RuntimeError, ValueError) as error:
            problem = str(error)
            print(f"{name:<40} FAILED", flush=True)
        if problem is not None:
            failed += 1
            print("    " + problem.replace("\n", "\n    "), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
