#!/usr/bin/env bash
# The steps of action.yml. `action.sh version` finds the version that VERSION means, and `action.sh install`
# installs it, unless it is in the cache.
set -euo pipefail

directory() {
  echo "$RUNNER_TOOL_CACHE/slimbuild/$1"
}

case $1 in
  version)
    # A range means several versions, the highest last.
    found=$(npm view "slimbuild@$VERSION" version --json)
    version=$(node -p '[].concat(JSON.parse(process.argv[1] || "[]")).at(-1) ?? ""' "$found")
    if [ -z "$version" ]; then
      echo "::error::npm has no slimbuild@$VERSION"
      exit 1
    fi
    echo "version=$version" >> "$GITHUB_OUTPUT"
    echo "directory=$(directory "$version")" >> "$GITHUB_OUTPUT"
    ;;
  install)
    directory=$(directory "$VERSION")
    if [ ! -e "$directory/node_modules/.bin/slimbuild" ]; then
      npm install --prefix "$directory" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts \
        --loglevel=error "slimbuild@$VERSION"
    fi
    echo "$directory/node_modules/.bin" >> "$GITHUB_PATH"
    "$directory/node_modules/.bin/slimbuild" version
    ;;
esac
