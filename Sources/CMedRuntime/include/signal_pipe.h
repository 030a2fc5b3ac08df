// MedBuilder
// SPDX-License-Identifier: Apache-2.0

#ifndef MED_SIGNAL_PIPE_H
#define MED_SIGNAL_PIPE_H

/// Catches SIGTERM, SIGINT and SIGHUP from here on: the handler writes each one's number, a byte, into a pipe.
/// SIGPIPE is ignored. To be called once, first of all.
///
/// Returns the end to read from, or -1 with errno set.
int med_signal_pipe_open(void);

/// Gives the three signals back to the system's default.
void med_signal_pipe_release(void);

#endif
