// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MEDBUILDER_CPOSTGRES_H
#define MEDBUILDER_CPOSTGRES_H

// Debian's libpq-dev. What is waited for with it: Swift's module for glibc has neither.
#include <libpq-fe.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#endif
