#!/usr/bin/env bash
# Runs a static program in file systems that do not help it: tests/static/run.sh PROGRAM [ROOT...]
#
# The first file system holds nothing but the program, the sample workspace, and what names servers
# and their certificates. Each ROOT is that of another distribution: a directory, or an image that skopeo finds.
#   debootstrap --variant=minbase bullseye /tmp/bullseye http://deb.debian.org/debian
#   tests/static/run.sh PROGRAM /tmp/bullseye docker-daemon:gcr.io/distroless/cc-debian12:latest docker://alpine
# Certificates that a root has of its own stay. Its nsswitch.conf names a module that ends the program.
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
  rm -f "$root/etc/resolv.conf"
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  # Fedora's and Alpine's are elsewhere, and found there too.
  if [[ -z $(find "$root/etc/ssl" "$root/etc/pki" "$root/usr/lib/ssl" -name '*.pem' -o -name '*.crt' 2>/dev/null | head -1) ]]; then
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  fi

  # A module that ends whoever loads it, as those of another glibc do: the program must use none.
  local libraries="$root/lib/$(uname -m)-linux-gnu"
  mkdir -p "$libraries"
  cp "$work/trap.so" "$libraries/libnss_trap.so.2"
  printf 'hosts: trap files dns\npasswd: trap files\ngroup: trap files\n' > "$root/etc/nsswitch.conf"

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
  # A user that no file names, as \`docker run --user 1234\` has it.
  chown -R 1234 "$root/slimbuild-test"
  local user
  user=$(HOME=/slimbuild-test XDG_CACHE_HOME='' chroot --userspec=1234:1234 "$root" /slimbuild-test/slimbuild base --node 22 --json 2>/dev/null)
  [[ $user == "$base" ]]
  echo "ok: $name: a user without a name makes the same base"
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

cat > "$work/trap.c" <<'TRAP'
__attribute__((constructor)) static void end(void) { __builtin_trap(); }
TRAP
cc -shared -fPIC -nostdlib -o "$work/trap.so" "$work/trap.c"
mkdir "$work/empty"
check "an empty file system" "$work/empty"
number=0
for root in "$@"; do
  number=$((number + 1))
  copy=$work/root-$number
  if [[ -d $root ]]; then
    cp -a "$root" "$copy"
  else
    # Of a registry without TLS: SKOPEO_FLAGS=--src-tls-verify=false.
    # shellcheck disable=SC2086
    skopeo copy --quiet ${SKOPEO_FLAGS-} "$root" "oci:$work/image-$number:root"
    umoci raw unpack --image "$work/image-$number:root" "$copy"
  fi
  check "$root" "$copy"
done
