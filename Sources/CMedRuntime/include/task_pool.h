// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MED_TASK_POOL_H
#define MED_TASK_POOL_H

#include <stdint.h>

/// What the pool is doing, for the log and for tests.
struct med_task_pool_counts {
    /// Threads that run jobs or wait for them.
    int threads;
    /// How many there should be.
    int target;
    /// Jobs that wait for a thread.
    uint64_t waiting;
    /// Jobs that were begun since the start.
    uint64_t begun;
    /// Threads that were lost to contained traps.
    int lost;
};

/// Runs all Swift tasks of this process from here on: every job that would go to the concurrency runtime's own pool, and
/// every job that sleeps, goes to `threads` threads of ours instead. Calling it again does nothing.
///
/// Returns 0, or the error of pthread_create or timerfd_create; then nothing has changed.
int med_task_pool_install(int threads);

/// A thread of the pool will never come back: another one takes its place. 0, or the error of pthread_create.
int med_task_pool_replace_thread(void);

/// Adds a thread beyond the target, which ends when there is nothing to do. 0, or the error of pthread_create.
int med_task_pool_add_thread(void);

struct med_task_pool_counts med_task_pool_counts(void);

#endif
