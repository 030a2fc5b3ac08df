#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Proves that scripts/check.sh finds what it looks for: plants each mistake in a small tree, and expects its finding.
set -euo pipefail

check="$(cd "$(dirname "$0")" && pwd)/check.sh"
tree="$(mktemp -d)"
trap 'rm -rf "$tree"' EXIT

# A tree without a mistake.
plant() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/Sources/MedA" "$tree/Sources/MedTesting" "$tree/docs/decisions" "$tree/scripts"
    printf '%s\n' '// MedBuilder' '// SPDX-License-Identifier: Apache-2.0' '' 'public import Logging' \
        'import struct Foundation.Date' 'final class A: @unchecked Sendable {' '    // Unchecked: nothing in it changes.' '}' \
        >"$tree/Sources/MedA/A.swift"
    printf '%s\n' '// MedBuilder' '// SPDX-License-Identifier: Apache-2.0' '' 'import MedA' >"$tree/Sources/MedTesting/T.swift"
    printf '%s\n' '#!/usr/bin/env bash' '# MedBuilder' '# SPDX-License-Identifier: Apache-2.0' >"$tree/scripts/run.sh"
    chmod +x "$tree/scripts/run.sh"
    # The backticks are Markdown.
    # shellcheck disable=SC2016
    printf '%s\n' '<!-- modules:begin -->' '| `MedA` | | `Logging` |' '| `MedTesting` | `MedA` | |' '<!-- modules:end -->' \
        '[a](https://example.org/b#c) [d](#e) [f](../../Sources/MedA/A.swift)' \
        >"$tree/docs/decisions/0001-modules.md"
}

failures=0
complain() {
    printf '%s\n' "scripts/check.sh $1" >&2
    failures=$((failures + 1))
}

# expect SENTENCE COMMAND: after the command, run inside the tree, the check says the sentence and ends with 1.
expect() {
    local output status=0
    plant
    (cd "$tree" && eval "$2")
    output="$("$check" "$tree" 2>&1)" || status=$?
    [[ $status == 1 && $(wc -l <<<"$output") == 1 && $output == *"$1"* ]] ||
        complain "should say '$1' after: $2"$'\n'"It ended with $status and said: $output"
}

plant
"$check" "$tree" >&2 || complain "finds fault with a tree that has none."

expect 'A.swift:1: the file does not begin' "sed -i 2d Sources/MedA/A.swift"
expect 'B.swift:1: the file does not begin' ": > Sources/MedA/B.swift"
expect 'run.sh:1: the file does not begin' "sed -i 2d scripts/run.sh"
expect 'A.swift:9: MedA must not import MedTesting' "echo 'import MedTesting' >> Sources/MedA/A.swift"
expect 'A.swift:9: MedA must not import GRDB' "echo '@testable import struct GRDB.Row // why' >> Sources/MedA/A.swift"
expect 'there is no row for Sources/MedB' "mkdir Sources/MedB && sed 4,8d Sources/MedA/A.swift > Sources/MedB/B.swift"
expect 'there is a row for MedTesting, and no such folder' "rm -r Sources/MedTesting"
expect 'A.swift:6: @unchecked Sendable without' "sed -i 7d Sources/MedA/A.swift"
expect 'A.swift:9: nonisolated(unsafe) without' "echo 'nonisolated(unsafe) var a = 1' >> Sources/MedA/A.swift"
expect 'A.swift:9: try! without' "echo 'let a = try! f()' >> Sources/MedA/A.swift"
expect 'A.swift:9: as! without' "printf 'let a = b as! Int\n\n// too late\n' >> Sources/MedA/A.swift"
expect 'A.swift:9: a path of somebody' "echo 'let a = \"/ho''me/ada\"' >> Sources/MedA/A.swift"
expect 'A.swift:9: a tab' "printf '\tlet a = 1\n' >> Sources/MedA/A.swift"
expect '0001-modules.md:6: there is no ../missing.md' "echo '[a](../missing.md#part)' >> docs/decisions/0001-modules.md"
expect 'A.swift:9: there is no docs/mi''ssing.md' "echo '// See docs/mi''ssing.md.' >> Sources/MedA/A.swift"
expect 'run.sh:1: the script is not executable' "chmod -x scripts/run.sh"
expect 'run.sh: line 4: syntax error' "echo ')' >> scripts/run.sh"

((failures == 0))
