#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# make bench-lifecycle: builds the server in release mode, and once more without the parts whose cost is in question
# (without.patch), and measures both in one run (measure.py).
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly build=.build-bench-lifecycle patch=Benchmarks/lifecycle/without.patch

# The project's own files, also those that git does not know yet, without those that are gone from the folder.
sources() {
    local file
    git ls-files -z --cached --others --exclude-standard -- Package.swift Sources Tests |
        while IFS= read -r -d '' file; do
            if [[ -e $file ]]; then printf '%s\0' "$file"; fi
        done
    # Both servers with the same versions of everything.
    if [[ -e Package.resolved ]]; then printf 'Package.resolved\0'; fi
}

# The patched copy is made aside and only what differs is taken over, so that a second run builds next to nothing.
patch_copy() {
    local fresh="$build/fresh" copy="$build/without" file
    rm -rf "$fresh"
    mkdir -p "$fresh" "$copy"
    sources | xargs -0 cp --parents -t "$fresh"
    # `patch` would have to be installed, and git's own looks for a repository around the folder.
    GIT_CEILING_DIRECTORIES="$PWD/$build" git -C "$fresh" apply "$PWD/$patch" || {
        echo "$patch no longer applies, so there is nothing to compare with: it says how to make it anew." >&2
        exit 1
    }
    (cd "$fresh" && find . -type f -print0) | while IFS= read -r -d '' file; do
        cmp -s "$fresh/$file" "$copy/$file" || install -D -m 644 "$fresh/$file" "$copy/$file"
    done
    find "$copy" -type f -print0 | while IFS= read -r -d '' file; do
        [[ -e "$fresh/${file#"$copy/"}" ]] || rm "$file"
    done
    rm -rf "$fresh"
}

patch_copy
swift build -c release --static-swift-stdlib --product medbuilder >&2
swift build -c release --static-swift-stdlib --product medbuilder \
    --package-path "$build/without" --scratch-path "$build/build" >&2
exec env PYTHONPATH=Benchmarks python3 -B Benchmarks/lifecycle/measure.py \
    .build/release/medbuilder "$build/build/release/medbuilder"
