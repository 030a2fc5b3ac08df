#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Builds the program for the image, as small as it gets without making it slower: deploy/docker/build.sh FOLDER
#
# Into FOLDER go the stripped program, its symbols, the Package.resolved of what was built, and the toolchain's version. Foundation's ICU
# data alone are a third of the program that `make serve` builds; ours needs no languages but English, so the rest is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

output="${1:?Usage: deploy/docker/build.sh FOLDER}"
scratch="${SCRATCH_PATH:-.build}"
mkdir -p "$output" "$scratch"
scratch="$(cd "$scratch" && pwd)"

readonly archive="$(dirname "$(readlink -f "$(command -v swift)")")/../lib/swift_static/linux/lib_FoundationICU.a"
icu_symbol="$(deploy/docker/trim-icu-data.py "$archive" "$scratch/icu-data")"
clang -c "$scratch/icu-data.s" -o "$scratch/icu-data.o"

# The names of our own functions stay in the program, for the stacks of contained traps; those of libraries are in the symbols.
modules=(medbuilder MedPostgres MedPrivacy MedRuntime MedServer MedSQLite MedStorage MedTelemetry)
{
    echo "{"
    for module in "${modules[@]}"; do echo "  \$s${#module}$module*;"; done
    echo "};"
} >"$scratch/exported-symbols"

options=(
    -c release --static-swift-stdlib --product medbuilder --scratch-path "$scratch"
    # No command `drill`.
    --disable-default-traits
    # What nobody calls is left out: most of the two BoringSSLs.
    -Xcc -ffunction-sections -Xcc -fdata-sections
    -Xswiftc -use-ld=lld
    # The name of the library's data means ours, and theirs, which nobody asks for then, are left out.
    -Xlinker "$scratch/icu-data.o" -Xlinker "--defsym=$icu_symbol=trimmed_icu_data"
    -Xlinker -O2 -Xlinker --icf=safe -Xlinker -z -Xlinker pack-relative-relocs
    -Xlinker --no-export-dynamic -Xlinker "--dynamic-list=$scratch/exported-symbols"
)
swift build "${options[@]}"

program="$(swift build "${options[@]}" --show-bin-path)/medbuilder"
objcopy --only-keep-debug --compress-debug-sections "$program" "$output/medbuilder.debug"
(cd "$output" && objcopy --strip-all --add-gnu-debuglink=medbuilder.debug "$program" medbuilder)
cp Package.resolved "$output/"
swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' >"$output/swift-version"
