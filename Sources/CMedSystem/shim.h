// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MEDBUILDER_CMEDSYSTEM_H
#define MEDBUILDER_CMEDSYSTEM_H

// Debian's zlib1g-dev.
#include <zlib.h>

#include <stdint.h>

// Neither has Swift's module for glibc.
#include <sys/epoll.h>

// glibc's <sched.h> shows it to GNU sources alone, and Swift's module for glibc is none.
int sched_getcpu(void);

// A number that no other living thread has, and never 0: where the thread's own storage is, which is in a register.
static inline uint64_t med_thread_token(void) {
    return (uint64_t)(uintptr_t)__builtin_thread_pointer();
}

#endif
