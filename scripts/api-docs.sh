#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Makes the pages for users of the libraries, in .build/api-docs/MODULE, and fails if one of their links leads nowhere.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly graphs=".build/symbolgraph" pages=".build/api-docs"
readonly modules=(MedRuntime MedStorage MedPostgres MedSQLite MedServer)

command -v docc >/dev/null || { printf "There is no 'docc': it comes with the Swift toolchain, in its usr/bin.\n" >&2; exit 1; }
dumped="$(swift package dump-symbol-graph --minimum-access-level public | sed -n 's/^Files written to //p')"
rm -rf "$graphs" "$pages"
mkdir -p "$pages"
status=0
for module in "${modules[@]}"; do
    mkdir -p "$graphs/$module"
    cp "$dumped/$module.symbols.json" "$graphs/$module"
    catalogue=()
    [[ -d Sources/$module/$module.docc ]] && catalogue=("Sources/$module/$module.docc")
    docc convert "${catalogue[@]}" --additional-symbol-graph-dir "$graphs/$module" --output-dir "$pages/$module" \
        --fallback-display-name "$module" --fallback-bundle-identifier "$module" --warnings-as-errors ||
        status=1
done
exit "$status"
