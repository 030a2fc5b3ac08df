#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests that are built, with what is passed as arguments to `swift test`, and says once more at the end which expectations were
# not met: in thousands of lines they are hard to find, and a build service may show the last lines alone.
set -uo pipefail
cd "$(dirname "$0")/.."

readonly log=".build/test-output-$$.log"
trap 'rm -f "$log"' EXIT
"${SWIFT:-swift}" test --skip-build "$@" 2>&1 | tee "$log"
readonly status="${PIPESTATUS[0]}"
if ((status != 0)); then
    printf '\nWhat failed, once more (each with the first lines of what the test says about it):\n'
    # The last lines are for what ended the run with no issue recorded: a trap, or a signal.
    grep -aE -A 2 'recorded an issue|Caught error|Fatal error|unexpected signal|^error: ' "$log" |
        grep -aE 'recorded an issue|Caught error|Fatal error|unexpected signal|^error: |^↳' | cut -c 1-400 | tail -n 24 ||
        tail -n 5 "$log"
fi
exit "$status"
