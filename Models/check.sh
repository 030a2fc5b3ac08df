#!/usr/bin/env bash
# MedBuilder
# SPDX-License-Identifier: Apache-2.0
#
# Tries the model of the shutdown in every order of events: Models/check.sh short|long|mutants
#
# A line for each property: its name, how many states were looked at, the result. Then what is reachable, and mutants:
# each is a mistake put into the model, and the property that must find it. Ends with 1 if anything is not as it should
# be. The long form has two workers; the short form has one, and fewer mutants.
set -euo pipefail
shopt -s inherit_errexit

form="${1:-}"
case "$form" in
    short | long | mutants) ;;
    *)
        echo "Usage: Models/check.sh short|long|mutants" >&2
        exit 1
        ;;
esac

model="$(cd "$(dirname "$0")" && pwd)/shutdown.pml"
readonly model
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
readonly memory_limit=8000 depth_limit=100000
failures=0

fail() {
    echo "$*"
    failures=$((failures + 1))
}

# The properties that the model defines as conditions of a state.
conditions="$(sed -n '/^\/\/ MARK: - Properties/,$s/^#define \([A-Za-z]*\) .*/\1/p' "$model" | grep -vx deadlineIsNotNeeded)"
readonly conditions

# build FOLDER MODEL SETTINGS FAIRNESS: makes FOLDER/pan, which can look for each property, or for all conditions at once.
build() {
    mkdir -p "$1"
    local settings fairness=-DNOFAIR name
    {
        cat "$2"
        for name in $conditions deadlineIsNotNeeded; do echo "ltl the_$name { [] $name }"; done
        echo "ltl the_conditions { [] ($(sed ':a;N;$!ba;s/\n/ \&\& /g' <<<"$conditions")) }"
    } >"$1/shutdown.pml"
    [[ $3 == *HANGS=0* ]] || sed -i '/the_deadlineIsNotNeeded/d' "$1/shutdown.pml"
    read -ra settings <<<"$3"
    [[ $4 == fair ]] && fairness=-DNFAIR=3
    (
        cd "$1"
        spin -a "${settings[@]}" shutdown.pml >spin.log 2>&1 || { cat spin.log >&2; exit 1; }
        # No partial order reduction: it is not sound with `provided`.
        gcc -O2 -w -DCOLLAPSE -DNOREDUCE -DMEMLIM=$memory_limit "$fairness" -o pan pan.c
    )
}

# search FOLDER FORMULA FAIRNESS: fills `states`, `seconds`, `violation`, and `trouble` if the search is not complete.
search() {
    local flags=(-a -m$depth_limit -N "$2") log="$1/$2.log" status=0
    [[ $3 == fair ]] && flags+=(-f)
    (cd "$1" && ./pan "${flags[@]}") >"$log" 2>&1 || status=$?
    states="$(sed -nE 's/^ *([0-9]+) states, stored.*/\1/p' "$log" | tail -n 1)"
    seconds="$(sed -nE 's/^pan: elapsed time ([0-9.e+]+) .*/\1/p' "$log" | tail -n 1)"
    violation="$(sed -nE 's/^pan:[0-9]+: (.*) \(at depth.*/\1/p' "$log" | head -n 1)"
    trouble=""
    grep -q "^pan: ltl formula $2\$" "$log" || trouble="spin does not know the property"
    [[ $status == 0 ]] || trouble="the search ended with $status"
    if grep -qE 'max search depth too small|out of memory|MEMLIM|truncated' "$log"; then trouble="the search was cut short"; fi
    [[ -n $violation || -n $trouble ]] || grep -q 'errors: 0$' "$log" || trouble="the search has no result"
}

report() { printf '%-20s %-10s %10s states %6s s  %s\n' "$1" "$2" "${states:-?}" "${seconds:-?}" "$3"; }

# property NAME FORMULA CONFIGURATION SETTINGS FAIRNESS
property() {
    local folder="$3-$5"
    [[ -x $folder/pan ]] || build "$folder" "$model" "$4" "$5"
    search "$folder" "$2" "$5"
    if [[ -n $trouble ]]; then
        fail "$(report "$1" "$3" "NOT CHECKED: $trouble")"
    elif [[ -n $violation ]]; then
        fail "$(report "$1" "$3" "VIOLATED: $violation")"
        echo "  The last steps to it:"
        (cd "$folder" && ./pan -r -N "$2") 2>&1 | grep -F shutdown.pml: | tail -n 40 | sed 's/^/  /' || true
    else
        report "$1" "$3" holds
    fi
}

# conditions CONFIGURATION SETTINGS: one search for all of them; if it finds something, one for each.
conditions() {
    local name folder="$1-any"
    build "$folder" "$model" "$2" any
    search "$folder" the_conditions any
    if [[ -n $trouble || -n $violation ]]; then
        for name in $conditions; do property "$name" "the_$name" "$1" "$2" any; done
        fail "$(report "all of these" "$1" "${violation:-$trouble}")"
    else
        for name in $conditions; do report "$name" "$1" holds; done
    fi
}

# Which lines of the model no search has come to. A line in the table that begins with N is one that must not be.
reachability() {
    local folder log missing
    for folder in */; do
        log="$(find "$folder" -name '*.log' ! -name spin.log -print -quit)"
        {
            sed -nE 's/^proctype (.*)/P \1/p; s/^\tstate +([0-9]+) -.*shutdown\.pml:([0-9]+) => (.*)/S \1 \2 \3/p' \
                <("$folder/pan" -d -N exitComes)
            sed -nE 's/^unreached in proctype (.*)/P \1/p; s/^\tshutdown\.pml:([0-9]+), state ([0-9]+), .*/U \2/p; s/^unreached in claim.*/P none/p' "$log"
        } | awk '
            $1 == "P" { process = $2 }
            $1 == "S" && !/-end-/ { line[process, $2] = $3 }
            $1 == "U" { unreached[process, $2] = 1 }
            END { for (state in line) print (state in unreached) ? "unreached" : "reached", line[state] }'
    done | awk '
        { lines[$2] = 1 }
        $1 == "reached" { reached[$2] = 1 }
        END { for (line in lines) if (!(line in reached)) print line }' | sort -n >unreached-lines
    missing="$(awk 'NR == FNR { unreached[$1] = 1; next } (FNR in unreached) && !/^ *N\(/ { print FNR ":" $0 }' unreached-lines "$model")"
    if [[ -z $missing ]]; then
        printf '%-20s %s\n' reachability "every line of the model was come to, but for the transitions that cannot happen"
    else
        fail "reachability: no search has come to these lines of the model:"$'\n'"$missing"
    fi
}

readonly small="-DWORKERS=1 -DSIGNALS=2 -DEXCEPTIONS=1"
readonly tiny="-DWORKERS=1 -DSIGNALS=2 -DEXCEPTIONS=0"
readonly impatient="-DWORKERS=1 -DSIGNALS=3 -DEXCEPTIONS=2"
readonly two="-DWORKERS=2 -DSIGNALS=2 -DEXCEPTIONS=0"
# Only the deadline ends a flood, and only a scheduler that lets its thread run some day gets there.
readonly flooded="-DWORKERS=1 -DSIGNALS=0 -DEXCEPTIONS=0 -DFLOOD=1"
readonly calm="-DWORKERS=1 -DSIGNALS=1 -DEXCEPTIONS=1 -DHANGS=0"
readonly calm_two="-DWORKERS=2 -DSIGNALS=1 -DEXCEPTIONS=1 -DHANGS=0"

properties() {
    conditions small "$small"
    property exitComes exitComes tiny "$tiny" any
    property exitComes exitComes flooded "$flooded" fair
    property deadlineIsNotNeeded the_deadlineIsNotNeeded calm "$calm" any
    [[ $form == long ]] || return 0
    conditions impatient "$impatient"
    conditions two "$two"
    property exitComes exitComes small "$small" any
    property exitComes exitComes two "$two" any
    property deadlineIsNotNeeded the_deadlineIsNotNeeded calm-two "$calm_two" any
}

# mutant WHAT PROPERTY SETTINGS FAIRNESS SED...: the property finds the mistake.
mutant() {
    local what="$1" property="$2" settings="$3" fairness="$4" formula=exitComes expected='assertion violated +!'
    shift 4
    sed "$@" "$model" >mutant.pml
    if cmp -s mutant.pml "$model"; then
        fail "mutant \"$what\": the model has no such line any more"
        return
    fi
    [[ $property != exitComes ]] || expected="acceptance cycle"
    build mutant mutant.pml "$settings" "$fairness"
    [[ $property == exitComes ]] || formula="the_$property"
    search mutant "$formula" "$fairness"
    if [[ -z $trouble && $violation =~ $expected ]]; then
        printf '%-20s finds: %s\n' "$property" "$what"
    else
        fail "$property does not find: $what (${trouble:-${violation:-no violation}})"
    fi
    rm -rf mutant
}

# The first ones are in the short form too.
mutants() {
    mutant "work left behind is taken when its parent has ended" cleanUpIsLast "$small" any \
        -e 's/isTaken = (entries & parent) || isGateOpen;/isTaken = true;/'
    mutant "the deadline runs from when the conductor takes the trigger" exitComes "$small" any \
        -e '/^    isDeadlineArmed = true;/d' -e 's/^\( *\)wasAnnounced = true$/\1wasAnnounced = true; isDeadlineArmed = true/'
    mutant "trapped work leaves the ledger before the trigger is told" codeIsTrue "$small" any \
        -e '/^        atomic { stop(UNCAUGHT_EXCEPTION) }/d' -e 's/^            id = 0$/            id = 0 } atomic { stop(UNCAUGHT_EXCEPTION)/'
    mutant "requests are admitted behind the gate" gateHolds "$small" any \
        -e 's/isTaken = isGateOpen;/isTaken = true;/'
    [[ $form != short ]] || return 0
    mutant "nested work has to pass the gate" nestedWorkIsTaken "$small" any \
        -e 's/isTaken = (entries & parent) || isGateOpen;/isTaken = isGateOpen;/'
    mutant "work left behind is taken when its parent has ended" nothingIsAbandoned "$small" any \
        -e 's/isTaken = (entries & parent) || isGateOpen;/isTaken = true;/'
    mutant "the grace ends the process" nothingIsAbandoned "$small" any \
        -e 's/T(finishing, graceOver, always, cancelling, cancelWork)/T(finishing, graceOver, always, stopped, exit(1))/'
    mutant "only the conductor ends the process" exitComes "$small" any \
        -e 's/^    exitOnce(exit(1) - exit(0))/    skip/'
    mutant "only the conductor ends the process, and it is kept busy" exitComes "$flooded" fair \
        -e 's/^    exitOnce(exit(1) - exit(0))/    skip/'
    mutant "both threads exit" exitIsOnce "$small" any \
        -e 's/isMine = !hasExited;/isMine = true;/'
    mutant "an exception is forgotten" codeIsTrue "$small" any \
        -e 's/T(cleaningUp, cleanedUp, sawException, stopped, exit(70))/T(cleaningUp, cleanedUp, sawException, stopped, exit(0))/'
    mutant "a signal makes it 70" codeIsTrue "$small" any \
        -e 's/T(cleaningUp, cleanedUp, sawNoException, stopped, exit(0))/T(cleaningUp, cleanedUp, sawNoException, stopped, exit(70))/'
    mutant "idle is told when the gate closes, whatever is in flight" cleanUpIsLast "$small" any \
        -e 's/:: entries == 0 -> post(idle, nobody)/:: true -> post(idle, nobody)/'
    mutant "a late start cleans up once more" cleanUpIsLast "$small" any \
        -e 's/T(cleaningUp, started, always, cleaningUp, none)/T(cleaningUp, started, always, cleaningUp, cleanUp)/'
    mutant "the drain delay leads to the clean-up" cleanUpHasItsWay "$small" any \
        -e 's/T(draining, drainDelayOver, always, finishing, closeGate)/T(draining, drainDelayOver, always, cleaningUp, cleanUp)/'
    mutant "a late start makes it serve again" phasesGoForward "$small" any \
        -e 's/T(draining, started, always, draining, none)/T(draining, started, always, serving, none)/'
    mutant "a late start makes it ready again" readyIsFalse "$small" any \
        -e 's/T(draining, started, always, draining, none)/T(draining, started, always, serving, none)/'
    mutant "the shutdown is announced before /ready is false" readyIsFalse "$small" any \
        -e 's/^            phase = sequence;/            phase = (action == beginDrain -> phase : sequence);/'
    mutant "the first signal ends the shutdown of an exception" secondSignalExits "$small" any \
        -e 's/T(draining, triggered, firstSignal, draining, note)/T(draining, triggered, firstSignal, stopped, exit(2))/'
    mutant "a second signal is only noted while work is cancelled" secondSignalExits "$small" any \
        -e 's/T(cancelling, triggered, secondSignal, stopped, exit(2))/T(cancelling, triggered, secondSignal, cancelling, note)/'
    mutant "work inside trapped work stays in the ledger" deadlineIsNotNeeded "$calm" any \
        -e '/^        atomic { end(nested) }$/d'
    mutant "nobody cancels" deadlineIsNotNeeded "$calm" any \
        -e 's/^                isCancelled = true;/                skip;/'
    mutant "the grace goes on in the clean-up" tableHolds "$small" any \
        -e '/action == cleanUp ->/,/cleanUps/{/isTimerSet = false/d}'
}

[[ $form == mutants ]] || {
    properties
    reachability
}
mutants
((failures == 0))
