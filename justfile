# Recipes for developers. `.ci/run` does not need just.

set positional-arguments

# list the recipes
default:
    @just --list --unsorted

# run slimbuild: `just run -C testdata/shop apps/server`
[group('use')]
run *args:
    cargo run --release --quiet -- "$@"

# all tests; without Docker, those that need it are skipped and say so
[group('check')]
test *filter:
    cargo test "$@"

# the tests that need neither Docker nor npm, except the slowest
[group('check')]
test-quick *filter:
    SLIMBUILD_QUICK=1 cargo test "$@"

# the real pnpm installs what is pruned: versions 7 to 12 from npm; SLIMBUILD_FIXTURE=NAME and SLIMBUILD_WORKSPACE=NAME take one each
[group('check')]
test-pnpm:
    cargo test --test it pnpm -- --ignored --nocapture --test-threads=1

# npm, pnpm, Yarn and Bun install the npm packages from a registry on this machine
[group('check')]
test-npm:
    cargo test --test it package_managers_install -- --ignored --nocapture

# documents of `slimbuild sbom` are valid by the libraries of CycloneDX and SPDX, which come from PyPI
[group('check')]
test-sbom:
    cargo test --test it by_the_libraries_of_their_formats -- --ignored --nocapture

# whether an edit makes a lockfile outdated: slimbuild's verdict against that of pnpm 10, 11 and 12; SLIMBUILD_EDIT=WORDS takes rows with these words
[group('check')]
test-edits:
    cargo test --test it edits -- --ignored --nocapture

# build and boot real public apps, whose checkouts are in DIR: `just apps DIR [NAME...]`; see tests/apps/run.py
[group('check')]
apps dir *names:
    cargo build --release
    tests/apps/run.py target/release/slimbuild "$@"

# search for inputs that break a property (`cargo install cargo-fuzz`): all targets or one, for so many seconds each
[group('check')]
fuzz target='all' seconds='60':
    fuzz/run {{ target }} {{ seconds }}

# format and lints, as in CI
[group('check')]
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# dependencies: licences, advisories, duplicates (`cargo install cargo-deny`); see deny.toml
[group('check')]
deny:
    cargo deny --locked check

# accept the program's current output as golden files, snapshots and pages of the book; review the diff
[group('check')]
accept:
    SLIMBUILD_ACCEPT=1 INSTA_UPDATE=always cargo test

# sizes and times against hand-made Dockerfiles; see benches/images.rs
[group('check')]
bench *args:
    cargo bench --bench images -- "$@"

# what `--cache` saves a runner that begins with nothing, at the builder of the lab (`eval "$(lab env)"`); empties the build cache of engine 28
[group('check')]
bench-cold *args:
    DOCKER_HOST="$LAB_DOCKER_28" cargo bench --bench images -- --builder "$LAB_BUILDKIT" --builder-tls "$LAB_BUILDKIT_CERTS" --cache-registry "$LAB_REGISTRY" "$@"

# speed and growth of `slimbuild prune`, against turbo's, with the program that users install and outputs in memory; see benches/prune/main.rs
[group('check')]
bench-prune *args: release-static
    cargo bench --bench prune -- --program target/x86_64-unknown-linux-gnu/release/slimbuild --outputs /dev/shm "$@"

# how long a newcomer waits for the first image: `npx slimbuild` without Docker (--native), with Docker (--docker), README's commands (--clone); see tests/minutes/run.py
[group('check')]
first-minutes *args: release-static
    tests/minutes/run.py target/x86_64-unknown-linux-gnu/release/slimbuild "$@"

# what CI runs
[group('check')]
ci:
    .ci/run

# docs/ as a book in target/book (`cargo install mdbook`)
[group('docs')]
book:
    mdbook build docs

# docs/src/run.svg, the picture of a run in README.md: a real one, which needs Docker; `pyte` comes from PyPI
[group('docs')]
picture:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --quiet
    python3 -m venv target/picture/python
    target/picture/python/bin/pip install --quiet pyte==0.8.2
    rm -rf target/picture/shop
    git ls-files -z testdata/shop | xargs -0 cp --parents -t target/picture
    mv target/picture/testdata/shop target/picture/shop
    target/picture/python/bin/python docs/picture/record.py target/debug/slimbuild target/picture/shop docs/src/run.svg

# manual pages in target/man: `man -l target/man/slimbuild.1`
[group('docs')]
man:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --quiet
    mkdir -p target/man
    target/debug/slimbuild man > target/man/slimbuild.1
    for command in build plan dockerfile context prune why graph ls hash size diff sbom licenses ci init base index promote cache schema completions; do
      target/debug/slimbuild man "$command" > "target/man/slimbuild-$command.1"
    done

# one program for every Linux of this processor, in target/TARGET/release; see npm/release.sh
[group('release')]
release-static target='x86_64-unknown-linux-gnu':
    npm/release.sh build {{ target }}

# the static program starts, finds servers and reaches Docker in an empty file system, and in ROOTS: directories such as debootstrap makes, or images (docker://alpine); needs root
[group('release')]
test-static *roots: release-static
    tests/static/run.sh target/x86_64-unknown-linux-gnu/release/slimbuild "$@"

# npm packages of the static program in target/npm
[group('release')]
npm: release-static
    rm -rf target/npm
    node npm/make.mjs target/npm linux-x64=target/x86_64-unknown-linux-gnu/release/slimbuild

# slimbuild's own image, in a file for `docker load`: slimbuild makes it of its npm packages
[group('release')]
image file="slimbuild.oci.tar": release-static
    npm/release.sh image target/x86_64-unknown-linux-gnu/release/slimbuild linux-x64 -t slimbuild:latest -o "$PWD/{{file}}"
