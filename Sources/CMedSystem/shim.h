// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MEDBUILDER_CZLIB_H
#define MEDBUILDER_CZLIB_H

// Debian's zlib1g-dev.
#include <zlib.h>

#endif
