// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MED_SEMAPHORE_WAIT_H
#define MED_SEMAPHORE_WAIT_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/// Waits until the semaphore is signalled or the monotonic clock shows `nanoseconds`, whatever the wall clock does.
/// Returns whether it was signalled.
bool med_semaphore_wait(sem_t *semaphore, uint64_t nanoseconds);

#endif
