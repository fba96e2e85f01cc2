#!/usr/bin/env python3
"""Checks `slimbuild prune` against an independent computation, on real workspaces.

    check.py SLIMBUILD CORPUS

For the two largest apps of each workspace in CORPUS, the build closure and the runtime closure are computed here from the parsed YAML, by another
method than the product's (whole sets grown to a fixed point, instead of a walk over an index of the text), and compared with what
`slimbuild prune` and `slimbuild prune --production` write. Entries that are kept must be byte-identical, but for the flags `optional` and `dev`.

Needs PyYAML. Ends with `N passed, M failed`.
"""

import json
import os
import posixpath
import re
import subprocess
import sys
import tempfile

import yaml

# Workspaces whose lockfile pnpm refuses too, and the words that say so.
OUTDATED = {"nextjs-express-turborepo-starter": "is older than", "pnpm-turbo-repo": "does not read"}

FIELDS = ("dependencies", "optionalDependencies", "devDependencies")


class Loader(yaml.CSafeLoader):
    """Leaves every scalar a text: `1.10` is a version, not a number."""


for first, resolvers in list(Loader.yaml_implicit_resolvers.items()):
    Loader.yaml_implicit_resolvers[first] = [(tag, what) for tag, what in resolvers if tag == "tag:yaml.org,2002:null"]


def load(text):
    return list(yaml.load_all(text, Loader))[-1] or {}


class Lock:
    def __init__(self, text):
        self.text = text
        self.document = load(text)
        self.major = self.document["lockfileVersion"].split(".")[0]
        if "importers" in self.document:
            self.importers = {key: value or {} for key, value in self.document["importers"].items()}
        else:
            self.importers = {".": {key: self.document[key] for key in FIELDS if key in self.document}}
        self.packages = self.document.get("packages") or {}
        self.nodes = self.document.get("snapshots") or {} if self.major == "9" else self.packages

    def direct(self, importer, fields):
        for field in fields:
            for alias, value in (self.importers.get(importer, {}).get(field) or {}).items():
                yield alias, value["version"] if isinstance(value, dict) else value

    def key(self, alias, version):
        """The node that a version refers to: the candidate that exists. Links have none."""
        if version.startswith("link:"):
            return None
        for candidate in (f"{alias}@{version}", f"/{alias}@{version}", f"/{alias}/{version}", version):
            if candidate in self.nodes:
                return candidate
        raise KeyError(f"{alias}: {version}")

    def package(self, node):
        if self.major != "9":
            return node
        # The longest key of `packages` that the node's begins with, up to a bracket.
        for cut in [len(node)] + [match.start() for match in reversed(list(re.finditer(r"\(", node)))]:
            if node[:cut] in self.packages:
                return node[:cut]
        raise KeyError(node)

    def directory(self, node):
        resolution = (self.packages.get(self.package(node)) or {}).get("resolution") or {}
        return resolution.get("directory") if resolution.get("type") == "directory" else None


def closure(lock, members, start, keeps):
    """Grows importers and nodes until nothing is added."""
    importers, nodes = set(start), set()
    edges = {}
    for node, value in lock.nodes.items():
        value = value or {}
        edges[node] = [(alias, version) for field in FIELDS[:2] for alias, version in (value.get(field) or {}).items()]
    size = -1
    while size != len(importers) + len(nodes):
        size = len(importers) + len(nodes)
        for importer in sorted(importers):
            for alias, version in [pair for field in FIELDS for pair in lock.direct(importer, [field]) if keeps(importer, field, pair[0])]:
                key = lock.key(alias, version)
                if key is None:
                    target = posixpath.normpath(posixpath.join(importer, version[5:]))
                    if target in members:
                        importers.add(target)
                else:
                    nodes.add(key)
        grown = set(nodes)
        frontier = list(nodes)
        while frontier:
            node = frontier.pop()
            directory = lock.directory(node)
            if directory and posixpath.normpath(directory) in members:
                importers.add(posixpath.normpath(directory))
            for alias, version in edges[node]:
                key = lock.key(alias, version)
                if key is None:
                    target = posixpath.normpath(version[5:])
                    if target in members:
                        importers.add(target)
                elif key not in grown:
                    grown.add(key)
                    frontier.append(key)
        nodes = grown
    return importers, nodes


def manifest(root, member):
    with open(os.path.join(root, member, "package.json"), encoding="utf-8-sig") as file:
        return json.load(file)


def runtime(lock, root, members, app):
    """Without dev dependencies, but for those that are also peers and that another package of the closure has among its dependencies."""
    peers = set()
    while True:
        keeps = lambda importer, field, alias: field != "devDependencies" or (importer, alias) in peers
        importers, nodes = closure(lock, members, [app], keeps)
        manifests = {member: manifest(root, member) for member in importers}
        provided = {name for one in manifests.values() for field in FIELDS[:2] for name in one.get(field) or {}}
        found = {
            (member, name)
            for member, one in manifests.items()
            for name in one.get("peerDependencies") or {}
            if name in (one.get("devDependencies") or {}) and name in provided
        }
        if found <= peers:
            return importers, nodes
        peers |= found


def entries(text):
    """The text of every entry of every top-level map, without the flags that pruning may change."""
    found, section, key = {}, None, None
    for line in text.replace("\r\n", "\n").split("\n"):
        if line and not line.startswith(" "):
            section, key = line.split(":")[0], None
        elif re.match(r"  \S", line) and not line.startswith("  : "):
            key = line.strip().removeprefix("? ").removesuffix(" {}").removesuffix(":")
            found[section, key] = []
        elif key and line.strip() and line not in ("    optional: true", "    dev: true", "    dev: false"):
            found[section, key].append(line)
    return found


def pruned(slimbuild, root, app, *flags):
    with tempfile.TemporaryDirectory() as out:
        target = os.path.join(out, "out")
        done = subprocess.run([slimbuild, "prune", "-C", root, app, "--out", target, *flags], capture_output=True, text=True)
        if done.returncode:
            return None, done.stderr.strip()
        with open(os.path.join(target, "pnpm-lock.yaml"), newline="") as file:
            return file.read(), None


def compare(name, lock, text, importers, nodes, stripped):
    problems = []
    result = Lock(text)
    # `.` is always an importer: pnpm installs no workspace without its root.
    wanted = {"importers": importers | {"."}, "nodes": nodes, "packages": {lock.package(node) for node in nodes}}
    got = {"importers": set(result.importers), "nodes": set(result.nodes), "packages": set(result.packages)}
    for what in wanted:
        known = wanted[what] & set(lock.importers) if what == "importers" else wanted[what]
        if known - got[what] or got[what] - wanted[what]:
            problems.append(f"{name}: {what}: missing {sorted(known - got[what])[:5]}, too many {sorted(got[what] - wanted[what])[:5]}")
    before, after = entries(lock.text), entries(text)
    for entry, lines in after.items():
        if entry[0] == "importers" and stripped:
            continue
        if entry in before and before[entry] != lines:
            problems.append(f"{name}: {entry} is not byte-identical")
    for key, value in lock.document.items():
        if key not in ("importers", "packages", "snapshots", *FIELDS) and result.document.get(key) != value:
            problems.append(f"{name}: `{key}` changed")
    return problems


def tasks_of(root, member):
    """The tasks of turbo.json. Without its comments it is YAML, trailing commas and all."""
    path = os.path.join(root, member, "turbo.json")
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda match: match[1] or "", file.read(), flags=re.S)
    document = load(text.replace("\t", " "))
    return document.get("tasks") or document.get("pipeline") or {}


def named_by_tasks(root, members, kept):
    """Members that `pkg#task` in turbo.json adds to what manifests say, one round."""
    names = {manifest(root, member).get("name"): member for member in members - {"."}}
    tasks = tasks_of(root, ".")
    queue, seen = [(member, "build") for member in kept if member != "."], set()
    while queue:
        member, task = queue.pop()
        if (member, task) in seen:
            continue
        seen.add((member, task))
        own = tasks_of(root, member).get(task, {}).get("dependsOn")
        needs = own or tasks.get(f"{manifest(root, member).get('name')}#{task}", {}).get("dependsOn") or tasks.get(task, {}).get("dependsOn") or []
        for need in needs:
            package, _, name = need.rpartition("#")
            if need.startswith("^"):
                queue += [(other, need[1:]) for other in kept if other != "."]
            elif not package:
                queue.append((member, need))
            elif package in names:
                queue.append((names[package], name))
    return {member for member, _ in seen}


def members_of(slimbuild, root):
    done = subprocess.run([slimbuild, "graph", "-C", root, "--format", "json"], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    return {member["dir"] for member in json.loads(done.stdout)["members"]}, None


def main():
    slimbuild, corpus = sys.argv[1:3]
    passed, failed = 0, 0
    for workspace in sorted(os.listdir(corpus)):
        root = os.path.join(corpus, workspace)
        try:
            with open(os.path.join(root, "pnpm-lock.yaml"), newline="") as file:
                lock = Lock(file.read())
        except FileNotFoundError:
            continue
        members, problem = members_of(slimbuild, root)
        if problem:
            print(f"{workspace}: {problem}")
            failed += 1
            continue
        everything = lambda importer, field, alias: True
        sizes = {}
        for app in sorted(members & set(lock.importers) - {"."}):
            sizes[app] = len(closure(lock, members, [app], everything)[1])
        for app in sorted(sizes, key=lambda app: (-sizes[app], app))[:2]:
            problems = []
            text, problem = pruned(slimbuild, root, app)
            if problem:
                problems.append(f"{workspace} {app}: {problem}")
            else:
                # The root is there for its tools; what it depends on is not built for the app.
                named = named_by_tasks(root, members, closure(lock, members, [app], everything)[0])
                importers, nodes = closure(lock, members, [app, ".", *named], everything)
                problems += compare(f"{workspace} {app}", lock, text, importers, nodes, False)
            text, problem = pruned(slimbuild, root, app, "--production")
            if problem:
                problems.append(f"{workspace} {app} --production: {problem}")
            else:
                importers, nodes = runtime(lock, root, members, app)
                problems += compare(f"{workspace} {app} --production", lock, text, importers, nodes, True)
            if workspace in OUTDATED:
                wrong = [problem for problem in problems if OUTDATED[workspace] not in problem]
                problems = wrong if problems else [f"{workspace} {app}: was known to be outdated, and passes"]
            for problem in problems:
                print(problem)
            passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
