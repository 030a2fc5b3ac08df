#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Makes a slim Debian for an image where no image registry can be reached: scripts/image-base.sh [FOLDER]
#
# The packages come from where apt of this machine has them from. FOLDER/base.tar is made once, and FOLDER is .build-image-base by default.
# It is what `podman import` takes. Root is needed.
set -euo pipefail
cd "$(dirname "$0")/.."

folder="${1:-.build-image-base}"
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
[[ ! -e $folder/base.tar ]] || exit 0

# The release and the mirror of this machine, if it is a Debian.
release="$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")"
mirror="$(apt-get indextargets --format '$(SITE)' "Codename: $release" 2>/dev/null | head -n 1)"
root="$folder/root"
rm -rf "$root"
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
# As in the official slim images: no documents but licences.
printf '%s\n' 'path-exclude /usr/share/doc/*' 'path-include /usr/share/doc/*/copyright' 'path-exclude /usr/share/man/*' \
    'path-exclude /usr/share/locale/*' 'path-exclude /usr/share/info/*' >"$root/etc/dpkg/dpkg.cfg.d/slim"
debootstrap --variant=minbase "$release" "$root" "${mirror:-http://deb.debian.org/debian}" >"$folder/debootstrap.log" 2>&1 || {
    tail -n 20 "$folder/debootstrap.log" >&2
    exit 1
}
# debootstrap unpacks the first packages by itself.
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root/usr/share/doc" -xtype l -delete
rm -rf "$root"/usr/share/{man,locale,info}/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
tar -C "$root" -cf "$folder/base.tar.part" .
rm -rf "$root"
mv "$folder/base.tar.part" "$folder/base.tar"
