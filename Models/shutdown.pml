// MedBuilder
// SPDX-License-Identifier: Apache-2.0

// The shutdown, for spin to try in every order of events: Models/check.sh. The names are those of the code in
// Sources/MedRuntime/Lifecycle. What is left out, and why that is sound: docs/decisions/0002-shutdown.md.
//
// Time has no length here: whatever has been begun to be waited for may be over at any moment, the deadline too.

// How much there is of everything. check.sh makes it more, or less.
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef SIGNALS
#define SIGNALS 3
#endif
#ifndef EXCEPTIONS
#define EXCEPTIONS 1
#endif
// Who misbehaves: work that never ends, a clean-up that hangs, a conductor that is stuck in what it calls.
#ifndef HANGS
#define HANGS 1
#endif
// Background tasks that fail without end, so that the mailbox is never empty for long.
#ifndef FLOOD
#define FLOOD 0
#endif
#define MAILBOX (SIGNALS + EXCEPTIONS + WORKERS + 5)

// Phases, with their raw values.
#define starting 0
#define serving 1
#define draining 2
#define finishing 3
#define cancelling 4
#define cleaningUp 5
#define stopped 6

mtype = { started, triggered, drainDelayOver, idle, graceOver, cleanedUp, deadlineOver };
mtype = { SIGTERM, SIGINT, UNCAUGHT_EXCEPTION, UNHANDLED_REJECTION, nobody };

// Actions.
#define none 0
#define beginDrain 1
#define note 2
#define closeGate 3
#define cancelWork 4
#define cleanUp 5
#define exit(code) (100 + code)

#define isSignal(trigger) (trigger == SIGTERM || trigger == SIGINT)

// Conditions of the table.
#define always true
#define exception (!isSignal(trigger))
#define firstSignal (isSignal(trigger) && signals == 0)
#define secondSignal (isSignal(trigger) && signals >= 1)
#define sawNoException (!sawException)

// ShutdownSequence, which only the conductor has.
byte sequence = starting;
byte signals;
bool sawException;

// Lifecycle.
byte phase = starting;
chan mailbox = [MAILBOX] of { mtype, mtype };
bool isDeadlineArmed;
bool hasExited;
bool cleanUpIsAsked;

// WorkLedger: a bit for each piece of work.
byte entries;
bool isGateOpen = true;
bool isCancelled;

// The operating system.
bool exited;
byte exitCode;
chan traps = [WORKERS] of { byte };

// What the properties look at, and nothing else does.
bool stopWasAsked;
bool wasAnnounced;
bool deadlinePassed;
bool exceptionInWork;
byte signalsSent;
byte exits;
byte cleanUps;
bool gateWasClosed;
bool tookWorkBehindGate;
bool refusedNestedWork;
bool cleanedUpTooEarly;
bool wentBack;
bool tookAnotherWay;
bool ignoredSecondSignal;
bool exitedAtFirstSignal;
bool didImpossible;

// Every transition of ShutdownSequence: T(from, event, condition, to, action). An N is one that the sequence has an
// answer to and that never happens. A test reads this table and compares it with the code.
#define T(from, what, condition, to, does) \
    :: (sequence == from && event == what && (condition)) -> sequence = to; action = does;
#define N(from, what, condition, to, does) \
    :: (sequence == from && event == what && (condition)) -> didImpossible = true; sequence = to; action = does;

inline decide() {
    if
    /* transitions:begin */
    T(starting, started, always, serving, none)
    T(starting, triggered, always, draining, beginDrain)
    N(starting, drainDelayOver, always, starting, none)
    N(starting, idle, always, starting, none)
    N(starting, graceOver, always, starting, none)
    N(starting, cleanedUp, always, starting, none)
    N(starting, deadlineOver, always, starting, none)

    N(serving, started, always, serving, none)
    T(serving, triggered, always, draining, beginDrain)
    N(serving, drainDelayOver, always, serving, none)
    N(serving, idle, always, serving, none)
    N(serving, graceOver, always, serving, none)
    N(serving, cleanedUp, always, serving, none)
    N(serving, deadlineOver, always, serving, none)

    T(draining, started, always, draining, none)
    T(draining, triggered, exception, draining, note)
    T(draining, triggered, firstSignal, draining, note)
    T(draining, triggered, secondSignal, stopped, exit(2))
    T(draining, drainDelayOver, always, finishing, closeGate)
    N(draining, idle, always, draining, none)
    N(draining, graceOver, always, draining, none)
    N(draining, cleanedUp, always, draining, none)
    T(draining, deadlineOver, always, stopped, exit(1))

    T(finishing, started, always, finishing, none)
    T(finishing, triggered, exception, finishing, note)
    T(finishing, triggered, firstSignal, finishing, note)
    T(finishing, triggered, secondSignal, stopped, exit(2))
    N(finishing, drainDelayOver, always, finishing, none)
    T(finishing, idle, always, cleaningUp, cleanUp)
    T(finishing, graceOver, always, cancelling, cancelWork)
    N(finishing, cleanedUp, always, finishing, none)
    T(finishing, deadlineOver, always, stopped, exit(1))

    T(cancelling, started, always, cancelling, none)
    T(cancelling, triggered, exception, cancelling, note)
    T(cancelling, triggered, firstSignal, cancelling, note)
    T(cancelling, triggered, secondSignal, stopped, exit(2))
    N(cancelling, drainDelayOver, always, cancelling, none)
    T(cancelling, idle, always, cleaningUp, cleanUp)
    N(cancelling, graceOver, always, cancelling, none)
    N(cancelling, cleanedUp, always, cancelling, none)
    T(cancelling, deadlineOver, always, stopped, exit(1))

    T(cleaningUp, started, always, cleaningUp, none)
    T(cleaningUp, triggered, exception, cleaningUp, note)
    T(cleaningUp, triggered, firstSignal, cleaningUp, note)
    T(cleaningUp, triggered, secondSignal, stopped, exit(2))
    N(cleaningUp, drainDelayOver, always, cleaningUp, none)
    N(cleaningUp, idle, always, cleaningUp, none)
    N(cleaningUp, graceOver, always, cleaningUp, none)
    T(cleaningUp, cleanedUp, sawNoException, stopped, exit(0))
    T(cleaningUp, cleanedUp, sawException, stopped, exit(70))
    T(cleaningUp, deadlineOver, always, stopped, exit(1))

    N(stopped, started, always, stopped, none)
    N(stopped, triggered, always, stopped, none)
    N(stopped, drainDelayOver, always, stopped, none)
    N(stopped, idle, always, stopped, none)
    N(stopped, graceOver, always, stopped, none)
    N(stopped, cleanedUp, always, stopped, none)
    N(stopped, deadlineOver, always, stopped, none)
    /* transitions:end */
    fi
}

// MARK: - Lifecycle, for everyone. An atomic block is what happens under a lock, or what no other thread can see parts of.

inline post(what, why) {
    assert(nfull(mailbox));
    mailbox ! what, why
}

// The deadline runs from here, so that it needs nothing of the conductor.
inline stop(why) {
    stopWasAsked = true;
    isDeadlineArmed = true;
    post(triggered, why)
}

inline exitOnce(code) {
    atomic {
        isMine = !hasExited;
        hasExited = true
    }
    if
    :: isMine ->
        exits++;
        atomic {
            exitCode = code;
            exited = true
        }
    :: else
    fi
}

// MARK: - WorkLedger

// The bits of a worker's work, and of the work inside it.
#define own (1 << id)
#define nested (1 << (id + WORKERS))

inline admit(work) {
    isTaken = isGateOpen;
    if
    :: isTaken ->
        tookWorkBehindGate = tookWorkBehindGate || gateWasClosed;
        entries = entries | work
    :: else
    fi
}

// Work inside other work is taken as long as that is in flight, and like work from outside after that.
inline begin(work, parent) {
    isTaken = (entries & parent) || isGateOpen;
    refusedNestedWork = refusedNestedWork || ((entries & parent) && !isTaken);
    if
    :: isTaken -> entries = entries | work
    :: else
    fi
}

inline end(work) {
    if
    :: (entries & work) && !(entries & ~(work)) && !isGateOpen ->
        entries = 0;
        post(idle, nobody)
    :: else -> entries = entries & ~(work)
    fi
}

// MARK: - The lifecycle's threads

// A call of something that the conductor does not have in its hand: an observer, the logger, a cancellation handler.
inline callOut() {
    if
    :: true
    :: HANGS -> goto stuck
    fi
}

active proctype conductor() provided (!exited) {
    mtype event, trigger;
    byte action, before;
    bool isTimerSet, isMine;

    do
    :: atomic {
            if
            :: mailbox ? event, trigger
            :: isTimerSet && empty(mailbox) ->
                isTimerSet = false;
                event = (sequence == draining -> drainDelayOver : graceOver)
            fi;
            before = sequence;
            decide();
            tookAnotherWay = tookAnotherWay || (sequence == cleaningUp && before < finishing);
            if
            :: event == triggered ->
                if
                :: isSignal(trigger) ->
                    signals++;
                    ignoredSecondSignal = ignoredSecondSignal || (signals >= 2 && action != exit(2));
                    exitedAtFirstSignal = exitedAtFirstSignal || (signals < 2 && action == exit(2))
                :: else -> sawException = true
                fi;
                wasAnnounced = true
            :: else
            fi;
            wentBack = wentBack || sequence < phase;
            phase = sequence;
            event = 0;
            trigger = 0;
            before = 0;
            callOut()
        }
        if
        :: atomic { action == none || action == note -> action = none }
        :: atomic {
                action == beginDrain ->
                action = none;
                isTimerSet = true
            }
        :: atomic {
                action == closeGate ->
                action = none;
                isTimerSet = true;
                isGateOpen = false;
                gateWasClosed = true;
                if
                :: entries == 0 -> post(idle, nobody)
                :: else
                fi
            }
        :: atomic {
                action == cancelWork ->
                action = none;
                isTimerSet = false;
                isCancelled = true;
                callOut()
            }
        :: atomic {
                action == cleanUp ->
                action = none;
                isTimerSet = false;
                cleanUps++;
                cleanedUpTooEarly = cleanedUpTooEarly || entries != 0;
                cleanUpIsAsked = true
            }
        :: action >= exit(0) ->
            exitOnce(action - exit(0));
            goto done
        fi
    od;
stuck:
    false;
done:
    skip
}

active proctype timekeeper() provided (!exited) {
    bool isMine;
    atomic {
        isDeadlineArmed ->
        if
#if HANGS
        :: true
#else
        // The deadline is far away: it comes only when nothing else can happen any more.
        :: timeout
#endif
        fi;
        deadlinePassed = true;
        post(deadlineOver, nobody)
    }
    exitOnce(exit(1) - exit(0))
}

active proctype cleaner() provided (!exited) {
    cleanUpIsAsked;
    if
    :: atomic { post(cleanedUp, nobody) }
    :: HANGS -> false
    // An error out of a service that is being ended.
    :: atomic {
            exceptionInWork = true;
            stop(UNCAUGHT_EXCEPTION)
        }
        atomic { post(cleanedUp, nobody) }
    fi
}

// The trigger is told before the work leaves the ledger: else the shutdown could end before it is counted.
active proctype trapReader() provided (!exited) {
    byte id;
    do
    :: traps ? id;
        atomic { stop(UNCAUGHT_EXCEPTION) }
        atomic { end(nested) }
        atomic {
            end(own);
            id = 0
        }
    od
}

// MARK: - Everyone else

active [WORKERS] proctype worker() provided (!exited) {
    byte id;
    bool isTaken;

    atomic {
        id = _pid - 4;
        admit(own);
        if
        :: isTaken
        :: else -> goto gone
        fi
    }
    if
    :: true
    :: atomic { begin(nested, own) }
        if
        :: true
        :: atomic {
                true ->
                end(nested)
            }
        fi
    fi;
    if
    :: true
#if !HANGS
    // Work that ends only when it is cancelled.
    :: true -> isCancelled
#endif
    // An error out of a supervised task.
    :: atomic {
            exceptionInWork = true;
            stop(UNHANDLED_REJECTION)
        }
    // A trap: the thread is parked for good.
    :: atomic {
            exceptionInWork = true;
            traps ! id;
            goto parked
        }
    :: HANGS -> goto parked
    fi;
    atomic { end(own) }
    if
    :: atomic { entries & nested -> end(nested) }
    // A task that the work has left behind.
    :: atomic {
            !(entries & nested) ->
            begin(nested, own);
            if
            :: isTaken
            :: else -> goto gone
            fi
        }
        atomic { end(nested) }
    fi;
    goto gone;
parked:
    false;
gone:
    skip
}

active proctype environment() provided (!exited) {
    byte raised;
    if
    :: atomic { post(started, nobody) }
    :: true
    fi;
    do
    :: atomic {
            signalsSent < SIGNALS ->
            if
            :: signalsSent % 2 == 0 -> stop(SIGTERM)
            :: else -> stop(SIGINT)
            fi;
            signalsSent++
        }
    // An error out of a service or of the start-up.
    :: atomic {
            raised < EXCEPTIONS ->
            raised++;
            stop(UNCAUGHT_EXCEPTION)
        }
    :: break
    od
}

#if FLOOD
active proctype flood() provided (!exited) {
    do
    :: atomic { len(mailbox) < 2 -> stop(UNHANDLED_REJECTION) }
    od
}
#endif

// MARK: - Properties: what is true in every state

// No request is accepted once the gate is closed.
#define gateHolds (!tookWorkBehindGate)
// What belongs to work in flight is always accepted.
#define nestedWorkIsTaken (!refusedNestedWork)
// No exit with work in flight, unless the deadline has passed or a second signal asked for it.
#define nothingIsAbandoned (!exited || entries == 0 || deadlinePassed || exitCode == 2)
// The exit is called once.
#define exitIsOnce (exits <= 1)
// 0 if there was no exception, 70 if there was one, 1 only at the deadline, 2 only at the second signal.
#define codeIsTrue (!exited \
    || (exitCode == 0 && stopWasAsked && !sawException && !exceptionInWork) \
    || (exitCode == 70 && sawException) \
    || (exitCode == 1 && deadlinePassed) \
    || (exitCode == 2 && signalsSent >= 2))
// The clean-up begins once, with nothing in flight.
#define cleanUpIsLast (cleanUps <= 1 && !cleanedUpTooEarly)
// It is reached through finishing or cancelling only.
#define cleanUpHasItsWay (!tookAnotherWay)
// A phase never comes again.
#define phasesGoForward (!wentBack)
// From the first trigger on, whoever looks sees that the process is not ready.
#define readyIsFalse (!wasAnnounced || phase != serving)
// The second signal ends the process, the first one never does.
#define secondSignalExits (!ignoredSecondSignal && !exitedAtFirstSignal)
// What the table says never happens does not.
#define tableHolds (!didImpossible)
#if !HANGS
// When all work ends or traps, and the clean-up ends, nobody has to wait for the deadline.
#define deadlineIsNotNeeded (!deadlinePassed)
#endif

// MARK: - Properties: what comes true some day

// Once a stop was asked for, the process ends.
ltl exitComes { [] (stopWasAsked -> <> exited) }
