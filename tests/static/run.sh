#!/usr/bin/env bash
# Runs a static program in file systems that do not help it: tests/static/run.sh PROGRAM [ROOT...]
#
# The first file system holds nothing but the program, the sample workspace, and what names servers
# and their certificates. Each ROOT is one of another distribution, such as debootstrap makes it:
#   debootstrap --variant=minbase bullseye /tmp/bullseye http://deb.debian.org/debian
# Needs root (chroot, mounts) and a network. With DOCKER_HOST=unix://…, an image is built there too.
set -euo pipefail
program=$(realpath "${1:?name a program}")
shift
repository=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d)
mounted=()
cleanup() {
  for path in "${mounted[@]}"; do umount "$path"; done
  rm -rf "$work"
}
trap cleanup EXIT

if ldd "$program" 2>/dev/null | grep -q '=>'; then
  echo "error: $program is not static" >&2
  exit 1
fi

expected=$("$program" -C "$repository/testdata/shop" plan apps/server)

check() {
  local name=$1 root=$2
  run() { chroot "$root" /slimbuild-test/slimbuild "$@"; }
  mkdir -p "$root/slimbuild-test" "$root/etc/ssl/certs" "$root/tmp"
  cp "$program" "$root/slimbuild-test/slimbuild"
  cp -r "$repository/testdata/shop" "$root/slimbuild-test/"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

  [[ $(run version) == slimbuild\ * ]]
  echo "ok: $name: it starts"
  [[ $(run -C /slimbuild-test/shop plan apps/server) == "$expected" ]]
  echo "ok: $name: the plan is the same"
  [[ $(HOME=/slimbuild-test XDG_CACHE_HOME='' run cache dir) == /slimbuild-test/.cache/slimbuild* ]]
  echo "ok: $name: the cache has its place"
  local base
  base=$(HOME=/slimbuild-test XDG_CACHE_HOME='' run base --node 22 --json 2>/dev/null)
  [[ $base == *'"digest": "sha256:'* ]]
  echo "ok: $name: names are looked up, and TLS connects (base with node 22)"
  if [[ ${DOCKER_HOST:-} == unix://* ]]; then
    touch "$root/slimbuild-test/docker.sock"
    mount --bind "${DOCKER_HOST#unix://}" "$root/slimbuild-test/docker.sock"
    mounted+=("$root/slimbuild-test/docker.sock")
    local image
    image=$(HOME=/slimbuild-test DOCKER_HOST=unix:///slimbuild-test/docker.sock run -C /slimbuild-test/shop apps/worker -q -t slimbuild-static-test)
    [[ $image == slimbuild-static-test:latest ]]
    docker rmi slimbuild-static-test >/dev/null
    echo "ok: $name: Docker builds an image"
  fi
}

mkdir "$work/empty"
check "an empty file system" "$work/empty"
for root in "$@"; do
  cp -a "$root" "$work/root-$(basename "$root")"
  check "$(basename "$root")" "$work/root-$(basename "$root")"
done
