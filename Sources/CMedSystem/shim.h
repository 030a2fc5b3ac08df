// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MEDBUILDER_CMEDSYSTEM_H
#define MEDBUILDER_CMEDSYSTEM_H

// Debian's zlib1g-dev.
#include <zlib.h>

// glibc's <sched.h> shows it to GNU sources alone, and Swift's module for glibc is none.
int sched_getcpu(void);

#endif
