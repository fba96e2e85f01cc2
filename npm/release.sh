#!/usr/bin/env bash
# The steps of .github/workflows/release.yml, so that they can be tried anywhere:
#
#   release.sh version TAG               prints `version=…`, and fails unless TAG (if any) and CHANGELOG.md agree with Cargo.toml
#   release.sh build TARGET              the program, static on Linux
#   release.sh crate VERSION             packs the crate, and installs the program from what is packed
#   release.sh pack PROGRAM PLATFORM DIR the program as an archive in DIR, after it was started
#   release.sh image PROGRAM PLATFORM FLAG...  slimbuild's own image, which it makes of the npm packages without Docker. BUILDER is the
#                                        slimbuild that makes it, by default PROGRAM
#   release.sh checksums DIR             SHA256SUMS of the archives
#   release.sh npm DIR [FLAG...]         publishes the npm packages of all archives with `npm publish FLAG...`, the launcher last
#   release.sh notes VERSION             the section of CHANGELOG.md
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "error: $*" >&2
  exit 1
}

# A program's file, which Windows names otherwise.
program() {
  if [[ -e $1 ]]; then echo "$1"; else echo "$1.exe"; fi
}

notes() {
  awk -v heading="## [$1]" 'index($0, "## [") == 1 { inside = index($0, heading) == 1; next } /^\[[^]]*\]: / { next } inside' CHANGELOG.md
}

case ${1-} in
  version)
    version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
    if [[ -n ${2-} ]]; then
      [[ $2 == "v$version" ]] || fail "the tag is $2, and Cargo.toml has version $version"
      [[ -n $(notes "$version" | tr -d '[:space:]') ]] || fail "CHANGELOG.md has no section for $version"
    fi
    echo "version=$version"
    ;;
  build)
    flags=${RUSTFLAGS-}
    # One program for every Linux. It is not position-independent: relocating it takes a third of its start.
    [[ $2 != *linux-gnu ]] || flags+=' -C target-feature=+crt-static -C relocation-model=static'
    [[ $2 != *windows-msvc ]] || flags+=' -C target-feature=+crt-static'
    rustup target add "$2" 2>/dev/null || true
    linked=()
    if [[ $2 == *linux-gnu ]]; then
      mkdir -p target/nss
      "${CC-cc}" -O2 -c npm/nss.c -o "target/nss/$2.o"
      linked=(-C "link-arg=$PWD/target/nss/$2.o")
    fi
    RUSTFLAGS=$flags cargo rustc --release --locked --bin slimbuild --target "$2" -- "${linked[@]}"
    ;;
  crate)
    cargo package --locked --no-verify
    packed=target/package/slimbuild-$2.crate
    (($(wc -c < "$packed") < 2000000)) || fail "$packed has more than 2 MB"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    tar -xzf "$packed" -C "$work"
    # With the dependencies that are compiled already.
    CARGO_TARGET_DIR=$PWD/target cargo install --locked --path "$work/slimbuild-$2" --root "$work/installed" --debug
    "$work/installed/bin/slimbuild" version
    ;;
  pack)
    program=$(program "$2")
    "$program" version
    mkdir -p "$4"
    tar -czf "$4/slimbuild-$3.tar.gz" -C "$(dirname "$program")" "$(basename "$program")" -C "$PWD" LICENSE README.md
    ;;
  image)
    [[ -n ${3-} ]] || fail 'write `release.sh image PROGRAM PLATFORM FLAG...`'
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    node npm/make.mjs "$work" "$3=$2" >/dev/null
    echo '{ "name": "image", "private": true }' > "$work/package.json"
    printf "packages: [slimbuild, '@slimbuild/*']\nlinkWorkspacePackages: true\n" > "$work/pnpm-workspace.yaml"
    version=$(node -p 'require(process.argv[1]).version' "$work/slimbuild/package.json")
    cat > "$work/pnpm-lock.yaml" <<LOCK
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .: {}

  '@slimbuild/$3': {}

  slimbuild:
    optionalDependencies:
      '@slimbuild/$3':
        specifier: $version
        version: link:../@slimbuild/$3
LOCK
    "${BUILDER-$2}" -C "$work" slimbuild --engine native "${@:4}"
    ;;
  checksums)
    cd "$2"
    sha256sum slimbuild-*.tar.gz > SHA256SUMS
    cat SHA256SUMS
    ;;
  npm)
    archives=$2
    shift 2
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    programs=()
    for archive in "$archives"/slimbuild-*.tar.gz; do
      platform=$(basename "$archive" .tar.gz)
      platform=${platform#slimbuild-}
      mkdir "$work/$platform"
      tar -xzf "$archive" -C "$work/$platform"
      programs+=("$platform=$(program "$work/$platform/slimbuild")")
    done
    # What is there already was published by an attempt before this one.
    node npm/make.mjs "$work/packages" "${programs[@]}" | while read -r package; do
      name=$(node -p 'const m = require(process.argv[1]); `${m.name}@${m.version}`' "$(realpath "$package")/package.json")
      if [[ -n $(npm view "$name" version 2>/dev/null) ]]; then
        echo "$name is published already"
      else
        npm publish "$package" "$@"
      fi
    done
    ;;
  notes)
    notes "$2"
    ;;
  *)
    fail "see the head of $0"
    ;;
esac
