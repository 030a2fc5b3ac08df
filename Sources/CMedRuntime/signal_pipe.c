// MedBuilder
// SPDX-License-Identifier: Apache-2.0

// In C, because a handler may run between any two instructions: it must not allocate, lock, or enter a language runtime.
// (signal-safety(7) lists what it may call.)

#define _GNU_SOURCE
#include "signal_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int watched[] = {SIGTERM, SIGINT, SIGHUP};
static volatile sig_atomic_t write_end = -1;

static void on_signal(int number) {
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    // The pipe is non-blocking: with 65,536 signals unread, one more says nothing new.
    (void)!write(write_end, &byte, 1);
    errno = saved;
}

static void set_handlers(void (*handler)(int)) {
    struct sigaction action = {0};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) sigaction(watched[i], &action, NULL);
}

int med_signal_pipe_open(void) {
    // A closed standard descriptor would be given to the pipe, and whatever is logged would count as signals.
    int null;
    do {
        null = open("/dev/null", O_RDWR);
    } while (null >= 0 && null <= STDERR_FILENO);
    if (null >= 0) close(null);
    int ends[2];
    if (pipe(ends) != 0) return -1;
    for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    write_end = ends[1];
    signal(SIGPIPE, SIG_IGN);
    set_handlers(on_signal);
    return ends[0];
}

void med_signal_pipe_release(void) { set_handlers(SIG_DFL); }
