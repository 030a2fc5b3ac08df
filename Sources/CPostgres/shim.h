// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MEDBUILDER_CPOSTGRES_H
#define MEDBUILDER_CPOSTGRES_H

// Debian's libpq-dev. What is waited for with it: Swift's module for glibc has neither.
#include <libpq-fe.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

// Gives the calling thread a name of 15 bytes at most. Foundation's own way is lost while it does not know a thread yet that has begun.
static inline void med_name_thread(const char *name) {
    prctl(PR_SET_NAME, name);
}

#endif
