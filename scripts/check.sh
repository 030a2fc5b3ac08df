#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# The house rules that need no compiler: scripts/check.sh [FOLDER]
#
# Prints a line for each finding, `file:line: what is wrong`, and ends with 1 if there is one. scripts/check-can-fail.sh
# proves that every rule finds what it looks for.
set -euo pipefail
shopt -s inherit_errexit
cd "${1:-$(dirname "$0")/..}"

readonly modules_document="docs/decisions/0001-modules.md"

# The files of the project whose paths end like one of these.
files() {
    local ending paths=()
    for ending in "$@"; do paths+=(-o -path "*$ending"); done
    find . \( -name '.build*' -o -name .git -o -name .medbuilder \) -prune -o -type f \( "${paths[@]:1}" \) -print | sed 's|^\./||' | sort
}

# grep ends with 1 when it finds nothing, which is what we hope for.
search() {
    grep "$@" || (($? == 1))
}

check_headers() {
    local file mark first second
    while IFS= read -r file; do
        case "$file" in
            *.swift | *.c | *.h) mark="//" ;;
            *) mark="#" ;;
        esac
        {
            IFS= read -r first || true
            if [[ $first == '#!'* || $first == '// swift-tools-version:'* ]]; then IFS= read -r first || true; fi
            IFS= read -r second || true
        } <"$file"
        [[ $first == "$mark MedBuilder" && $second == "$mark SPDX-License-Identifier: Apache-2.0" ]] ||
            echo "$file:1: the file does not begin with the two lines of its header"
    done < <(files .swift .c .h .sh /Makefile /.ci/run)
}

# Which module may import which: the table in the decision on modules is the rule.
check_imports() {
    awk '
        FNR == 1 { isInTable = 0 }
        FILENAME == document {
            if (/modules:begin/) isInTable = 1
            if (/modules:end/) isInTable = 0
            if (!isInTable || !/^\| `/) next
            count = split($0, words, "`")
            for (i = 2; i <= count; i += 2) { allowed[words[2], words[i]] = 1; if (i == 2) isModule[words[2]] = 1 }
            next
        }
        {
            split(FILENAME, path, "/")
            module = path[2]
            seen[module] = 1
            if (FILENAME !~ /\.swift$/) next
        }
        /^[ \t]*(@[A-Za-z_]+(\([a-z]+\))?[ \t]+)*((public|package|internal|fileprivate|private)[ \t]+)?import[ \t]/ {
            sub(/\/\/.*/, "")
            sub(/[ \t]+$/, "")
            sub(/.*[ \t]/, "")
            sub(/\..*/, "")
            if ($0 ~ /^(Dispatch|Foundation|FoundationEssentials|Glibc|Synchronization)$/) next
            if (!((module, $0) in allowed)) print FILENAME ":" FNR ": " module " must not import " $0 " (" document ")"
        }
        END {
            for (module in seen) if (!(module in isModule)) print document ":1: there is no row for Sources/" module
            for (module in isModule) if (!(module in seen)) print document ":1: there is a row for " module ", and no such folder in Sources"
        }
    ' document="$modules_document" "$modules_document" $(find Sources -type f \( -name '*.swift' -o -name '*.c' \) | sort)
}

# What switches a check of the compiler off needs its reason beside it: on the same line or on the next one.
check_unsafe() {
    awk '
        function flush() { if (pending != "") print pending; pending = "" }
        FNR == 1 { flush() }
        pending != "" { if ($0 ~ /^[ \t]*\/\//) pending = ""; flush() }
        /^[ \t]*\/\// { next }
        {
            code = $0
            comment = sub(/\/\/.*/, "", code)
            if (match(code, /@unchecked Sendable|nonisolated\(unsafe\)|unowned\(unsafe\)|unsafeBitCast|@preconcurrency/) \
                || match(code, /(^|[^A-Za-z0-9_])(try!|as!)/)) {
                found = substr(code, RSTART, RLENGTH)
                sub(/^[^A-Za-z@]/, "", found)
                if (!comment) pending = FILENAME ":" FNR ": " found " without a comment on this or the next line that says why"
            }
        }
        END { flush() }
    ' $(files .swift)
}

check_paths() {
    search -nHE '(^|[^A-Za-z0-9._-])/(home|Users|root|work)/' $(files .swift .c .h .sh .md .yaml .json /Makefile /.ci/run) |
        sed -E 's/^([^:]+:[0-9]+):.*/\1: a path of somebody'"'"'s own machine/'
}

check_tabs() {
    search -nHP '\t' $(files .swift .c .h .sh .md .yaml .json) | sed -E 's/^([^:]+:[0-9]+):.*/\1: a tab/'
}

# Links from documents, and documents that the code names.
check_links() {
    local place file target
    while IFS=: read -r file place target; do
        target="${target#](}"
        [[ $target == http*:* || -e "$(dirname "$file")/$target" ]] || echo "$file:$place: there is no $target"
    done < <(search -nHoE '\]\([^)#]+' $(files .md))
    while IFS=: read -r file place target; do
        [[ -e $target ]] || echo "$file:$place: there is no $target"
    done < <(search -nHoE '\bdocs/[A-Za-z0-9/_-]+\.md' $(files .swift .sh /Makefile /.ci/run))
}

check_scripts() {
    local file
    while IFS= read -r file; do
        [[ -x $file ]] || echo "$file:1: the script is not executable"
        bash -n "$file" 2>&1 | sed -n 1p || true
    done < <(files .sh /.ci/run)
}

findings=""
for rule in headers imports unsafe paths tabs links scripts; do
    found="$("check_$rule")"
    [[ -z $found ]] || findings+="$found"$'\n'
done
[[ -z $findings ]] || {
    printf '%s' "$findings"
    exit 1
}
