#!/usr/bin/env bash
# Builds the book of this checkout into OUT/latest and that of each release (tags v*) into OUT/<tag>, and the list of both,
# OUT/versions.json, from which pages offer the other versions:
#   docs/build_versions.sh OUT
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch" && git worktree prune' EXIT

build() { # FOLDER NAME OPTION...
    (cd "$1" && PYTHONPATH=$1 python -m sphinx -q "${@:3}" -c docs . "$out/$2")
    echo '<meta http-equiv="refresh" content="0; url=docs/index.html">' >"$out/$2/index.html"
    names+=("\"$2\"")
}

names=()
build "$PWD" latest -W --keep-going
for tag in $(git tag --list 'v*' --sort=-version:refname); do
    git worktree add --quiet --detach "$scratch/$tag" "$tag"
    build "$scratch/$tag" "$tag"
done
(IFS=,; echo "[${names[*]}]") >"$out/versions.json"
echo '<meta http-equiv="refresh" content="0; url=latest/docs/index.html">' >"$out/index.html"
