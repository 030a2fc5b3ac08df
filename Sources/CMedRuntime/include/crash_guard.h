// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MED_CRASH_GUARD_H
#define MED_CRASH_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// Whose thread it is.
enum med_thread_kind {
    /// Anybody's: Dispatch's, a library's.
    MED_THREAD_OTHER,
    /// The task pool's: it is replaced.
    MED_THREAD_POOL,
    /// An event loop's.
    MED_THREAD_LOOP,
    /// One that containing a trap depends on: a trap there ends the process.
    MED_THREAD_OWN,
};

/// Makes the calling thread ready for its signals: gives it a stack to handle them on, so that a stack overflow can be
/// recorded, and unblocks those that the guard handles. A name, of 15 bytes at most, is given to it as well.
void med_thread_prepare(enum med_thread_kind kind, const char *name);

/// The calling thread's number, as the kernel counts.
pid_t med_thread_id(void);

/// The prepared threads of a kind, at most `capacity` of them; returns how many.
int med_threads(enum med_thread_kind kind, pid_t *threads, int capacity);

enum { MED_MAX_FRAMES = 64 };

/// A runtime trap: its thread is parked for good.
struct med_trap {
    int32_t signal;
    int32_t thread;
    int32_t kind;
    int32_t frame_count;
    /// The value of the task-local variable that says for whom the thread worked; 0 if for nobody.
    uintptr_t work;
    /// The kernel's name of the thread.
    char thread_name[16];
    /// Where it happened, and the return addresses from there outwards.
    uintptr_t frames[MED_MAX_FRAMES];
};

/// What the guard is told.
struct med_crash_guard {
    /// The key of the task-local variable, a word, that says for whom a task works.
    const void *work_key;
    /// A file that a crash record goes to, or -1.
    int record;
    /// When people may see it: where standard error can be read that was not read yet, and where to copy it to when the
    /// process dies. Else -1.
    int unread_errors, errors;
    /// How much is in flight.
    const int64_t *in_flight;
};

/// Contains runtime traps from here on, and records other crashes. Returns the end of a pipe from which a `med_trap` can
/// be read for each trap, or -1 with errno set.
int med_crash_guard_install(struct med_crash_guard guard);

/// For whom the current task works, read as the handler reads it.
uintptr_t med_crash_guard_current_work(const void *work_key);

/// The instruction addresses of another thread, innermost first, at most `capacity`: the thread is interrupted for a
/// moment. Returns how many; 0 when the thread does not answer within 100 ms.
int med_thread_stack(pid_t thread, uintptr_t *frames, int capacity);

#endif
