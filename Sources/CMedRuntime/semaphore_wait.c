// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "semaphore_wait.h"

#include <errno.h>
#include <time.h>

bool med_semaphore_wait(sem_t *semaphore, uint64_t nanoseconds) {
    struct timespec limit = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    int result;
    do result = sem_clockwait(semaphore, CLOCK_MONOTONIC, &limit);
    while (result != 0 && errno == EINTR);
    return result == 0;
}
