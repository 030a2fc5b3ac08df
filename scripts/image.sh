#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Builds the image with Docker, or with buildah and podman, and looks at it: scripts/image.sh [NAME]
#
# Beside the image it leaves in .build-image: the symbols of the program (medbuilder.debug), the Package.resolved that it was built with,
# and the bill of materials of the image (medbuilder.cdx.json). It fails when the image adds more to its base than the contract allows.
#
#   BASE_IMAGE, SWIFT_IMAGE     instead of the official ones in the Dockerfile
#   IMAGE_BUILD_OPTIONS         more options of the build, such as --volume
#   BUILDAH_ISOLATION=chroot    buildah's own variable, where it may not make containers
set -euo pipefail
cd "$(dirname "$0")/.."

readonly image="${1:-medbuilder:latest}" output=".build-image" limit=60000000

argument() { sed -n "s/^ARG $1=//p" deploy/docker/Dockerfile | head -n 1; }
base="${BASE_IMAGE:-$(argument BASE_IMAGE)}"
swift="${SWIFT_IMAGE:-$(argument SWIFT_IMAGE)}"
version="$(sed -n 's/.*current = "\(.*\)".*/\1/p' Sources/medbuilder/Version.swift)"
revision="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
[[ -z "$(git status --porcelain 2>/dev/null)" ]] || revision+="-changed"

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    tool=docker
    build=(docker build)
else
    tool=podman
    build=(buildah bud --format docker --layers)
    for needed in buildah podman; do
        command -v "$needed" >/dev/null || {
            echo "There is no Docker that answers, and no $needed." >&2
            exit 1
        }
    done
fi
# Word by word, as options are.
# shellcheck disable=SC2206
build+=(
    ${IMAGE_BUILD_OPTIONS:-} --file deploy/docker/Dockerfile
    --build-arg "BASE_IMAGE=$base" --build-arg "SWIFT_IMAGE=$swift"
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
)

mkdir -p "$output"
"${build[@]}" --target symbols --output "type=local,dest=$output" .
"${build[@]}" --target runtime --tag "$image" .

# Each file of an image, by its size and path.
files() {
    local container
    container="$("$tool" create "$1" /none)"
    "$tool" export "$container" | tar -tv | awk '/^-/ { print $3, $6 }' | sort
    "$tool" rm --volumes "$container" >/dev/null 2>&1
}
# The bytes of those that the base has not, or has with another size. The size that the tools give has the headers of the layers' archives
# in it, or not.
added="$(comm -23 <(files "$image") <(files "$base") | awk '{ sum += $1 } END { printf "%d", sum }')"

container="$("$tool" create "$image")"
trap '"$tool" rm --volumes "$container" >/dev/null; rm -rf "$output/root"' EXIT
rm -rf "$output/root"
mkdir "$output/root"
"$tool" export "$container" | tar -x -C "$output/root" --exclude=dev/* --no-same-owner
# Package.resolved names it for the command `drill`, which is left out.
scripts/sbom.py --program "$output/root/usr/local/bin/medbuilder" --root "$output/root" --resolved "$output/Package.resolved" \
    --without swift-subprocess --version "$version" --swift "$(<"$output/swift-version")" >"$output/medbuilder.cdx.json"

program="$(stat -c %s "$output/root/usr/local/bin/medbuilder")"
printf '%s adds %s bytes to %s, %s of them the program.\n' "$image" "$added" "$base" "$program"
if ((added < program)); then
    echo "The files of the images could not be compared." >&2
    exit 1
fi
if ((added > limit)); then
    echo "That is more than the $limit that the contract allows." >&2
    exit 1
fi
