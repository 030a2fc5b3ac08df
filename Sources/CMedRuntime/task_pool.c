// MedBuilder
// SPDX-License-Identifier: Apache-2.0

// The threads that run Swift tasks, in C, because their lock must never be held by code that can trap: no Swift runs
// while it is taken. Jobs are linked through the words that the runtime keeps for an executor, so queueing allocates
// nothing. (The runtime's ExecutorImpl.h, which the toolchain installs, describes these types and the functions below.)

#define _GNU_SOURCE
#include "task_pool.h"

#include "crash_guard.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

// MARK: - The concurrency runtime

typedef struct job {
    const void *metadata;
    uintptr_t reference_counts;
    struct job *next;
    void *reserved;
    uint32_t flags;
} __attribute__((aligned(2 * sizeof(void *)))) job;

typedef struct {
    void *identity;
    uintptr_t implementation;
} executor;

#define SWIFT __attribute__((swiftcall))

typedef SWIFT void (*enqueue_original)(job *);
typedef SWIFT void (*delay_original)(unsigned long long, job *);
typedef SWIFT void (*deadline_original)(long long, long long, long long, long long, int, job *);

extern SWIFT void swift_job_run(job *, executor);
extern SWIFT void (*swift_task_enqueueGlobal_hook)(job *, enqueue_original);
extern SWIFT void (*swift_task_enqueueGlobalWithDelay_hook)(unsigned long long, job *, delay_original);
extern SWIFT void (*swift_task_enqueueGlobalWithDeadline_hook)(
    long long, long long, long long, long long, int, job *, deadline_original);

// MARK: - Threads

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    job *first, *last;
    int idle;
    /// Whether a thread was woken that has not come round yet. One at a time: it wakes the next one, if there is work for it.
    bool is_waking;
    struct med_task_pool_counts counts;
    bool is_installed;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void enqueue(job *new) {
    new->next = NULL;
    pthread_mutex_lock(&pool.lock);
    if (pool.last) pool.last->next = new;
    else pool.first = new;
    pool.last = new;
    pool.counts.waiting++;
    bool wakes = pool.idle > 0 && !pool.is_waking;
    if (wakes) pool.is_waking = true;
    pthread_mutex_unlock(&pool.lock);
    if (wakes) pthread_cond_signal(&pool.wake);
}

static void *work(void *unused) {
    (void)unused;
    med_thread_prepare(MED_THREAD_POOL, "med-tasks");
    pthread_mutex_lock(&pool.lock);
    while (true) {
        while (!pool.first) {
            if (pool.counts.threads > pool.counts.target) {
                pool.counts.threads--;
                pthread_mutex_unlock(&pool.lock);
                return NULL;
            }
            pool.idle++;
            pthread_cond_wait(&pool.wake, &pool.lock);
            pool.idle--;
            pool.is_waking = false;
        }
        job *next = pool.first;
        pool.first = next->next;
        if (!pool.first) pool.last = NULL;
        pool.counts.waiting--;
        pool.counts.begun++;
        bool wakes = pool.first && pool.idle > 0 && !pool.is_waking;
        if (wakes) pool.is_waking = true;
        pthread_mutex_unlock(&pool.lock);
        if (wakes) pthread_cond_signal(&pool.wake);
        next->next = NULL;
        swift_job_run(next, (executor){0});
        pthread_mutex_lock(&pool.lock);
    }
}

static int start_thread(void *(*body)(void *)) {
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, body, NULL);
    if (failure) return failure;
    pthread_detach(thread);
    return 0;
}

static int add_thread(int lost) {
    pthread_mutex_lock(&pool.lock);
    pool.counts.threads += 1 - lost;
    pool.counts.lost += lost;
    pthread_mutex_unlock(&pool.lock);
    int failure = start_thread(work);
    if (!failure) return 0;
    pthread_mutex_lock(&pool.lock);
    pool.counts.threads--;
    pthread_mutex_unlock(&pool.lock);
    return failure;
}

int med_task_pool_replace_thread(void) { return add_thread(1); }

int med_task_pool_add_thread(void) { return add_thread(0); }

struct med_task_pool_counts med_task_pool_counts(void) {
    pthread_mutex_lock(&pool.lock);
    struct med_task_pool_counts counts = pool.counts;
    pthread_mutex_unlock(&pool.lock);
    return counts;
}

// MARK: - Sleeping jobs

// The runtime's number of the clock that goes on while the machine is suspended; the other one does not.
enum { CONTINUOUS = 1 };

typedef struct {
    int64_t when;
    job *job;
} sleeper;

/// The jobs that sleep by one clock: a heap, the first to wake at its root.
typedef struct {
    clockid_t clock;
    int timer;
    sleeper *heap;
    size_t count, capacity;
} alarm_clock;

static pthread_mutex_t alarm_lock = PTHREAD_MUTEX_INITIALIZER;
static alarm_clock alarms[] = {{.clock = CLOCK_MONOTONIC}, {.clock = CLOCK_BOOTTIME}};

static int64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void set_alarm(alarm_clock *alarm) {
    int64_t when = alarm->count ? alarm->heap[0].when : 0;
    // Zero would switch the timer off.
    if (alarm->count && when < 1) when = 1;
    struct itimerspec time = {.it_value = {.tv_sec = when / 1000000000, .tv_nsec = when % 1000000000}};
    timerfd_settime(alarm->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

static void sleep_until(int64_t when, alarm_clock *alarm, job *new) {
    pthread_mutex_lock(&alarm_lock);
    if (alarm->count == alarm->capacity) {
        size_t capacity = alarm->capacity ? alarm->capacity * 2 : 64;
        sleeper *heap = realloc(alarm->heap, capacity * sizeof *heap);
        // Without memory for 16 bytes the process cannot go on; the runtime ends it in the same way.
        if (!heap) abort();
        alarm->heap = heap;
        alarm->capacity = capacity;
    }
    size_t place = alarm->count++;
    while (place > 0 && alarm->heap[(place - 1) / 2].when > when) {
        alarm->heap[place] = alarm->heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    alarm->heap[place] = (sleeper){when, new};
    if (place == 0) set_alarm(alarm);
    pthread_mutex_unlock(&alarm_lock);
}

static job *pop_sleeper(alarm_clock *alarm) {
    job *first = alarm->heap[0].job;
    sleeper last = alarm->heap[--alarm->count];
    size_t place = 0;
    while (true) {
        size_t child = place * 2 + 1;
        if (child >= alarm->count) break;
        if (child + 1 < alarm->count && alarm->heap[child + 1].when < alarm->heap[child].when) child++;
        if (alarm->heap[child].when >= last.when) break;
        alarm->heap[place] = alarm->heap[child];
        place = child;
    }
    if (alarm->count) alarm->heap[place] = last;
    return first;
}

static void *wake_sleepers(void *unused) {
    (void)unused;
    med_thread_prepare(MED_THREAD_OWN, "med-timers");
    while (true) {
        struct pollfd timers[2] = {{alarms[0].timer, POLLIN, 0}, {alarms[1].timer, POLLIN, 0}};
        poll(timers, 2, -1);
        for (int i = 0; i < 2; i++) {
            uint64_t expirations;
            if (read(alarms[i].timer, &expirations, sizeof expirations) < 0) continue;
            pthread_mutex_lock(&alarm_lock);
            while (alarms[i].count && alarms[i].heap[0].when <= now(alarms[i].clock)) enqueue(pop_sleeper(&alarms[i]));
            set_alarm(&alarms[i]);
            pthread_mutex_unlock(&alarm_lock);
        }
    }
}

// MARK: - The hooks

static SWIFT void enqueue_hook(job *new, enqueue_original original) {
    (void)original;
    enqueue(new);
}

static int64_t later(int64_t time, long long seconds, long long nanoseconds) {
    // Some three hundred years are for ever.
    int64_t sum;
    if (__builtin_mul_overflow(seconds, 1000000000LL, &sum)) return INT64_MAX;
    if (__builtin_add_overflow(sum, nanoseconds, &sum) || __builtin_add_overflow(sum, time, &sum)) return INT64_MAX;
    return sum;
}

static SWIFT void delay_hook(unsigned long long delay, job *new, delay_original original) {
    (void)original;
    int64_t nanoseconds = delay > INT64_MAX ? INT64_MAX : (int64_t)delay;
    sleep_until(later(now(alarms[0].clock), 0, nanoseconds), &alarms[0], new);
}

static SWIFT void deadline_hook(
    long long seconds, long long nanoseconds, long long tolerance_seconds, long long tolerance_nanoseconds, int clock,
    job *new, deadline_original original) {
    (void)tolerance_seconds, (void)tolerance_nanoseconds, (void)original;
    sleep_until(later(0, seconds, nanoseconds), &alarms[clock == CONTINUOUS], new);
}

int med_task_pool_install(int threads) {
    if (pool.is_installed) return 0;
    for (int i = 0; i < 2; i++) {
        alarms[i].timer = timerfd_create(alarms[i].clock, TFD_CLOEXEC | TFD_NONBLOCK);
        if (alarms[i].timer < 0) return errno;
    }
    int failure = start_thread(wake_sleepers);
    if (failure) return failure;
    pool.counts.target = threads;
    for (int i = 0; i < threads; i++) {
        failure = med_task_pool_add_thread();
        // With one thread the tasks run already.
        if (failure && i == 0) return failure;
    }
    pool.is_installed = true;
    __atomic_store_n(&swift_task_enqueueGlobal_hook, enqueue_hook, __ATOMIC_RELEASE);
    __atomic_store_n(&swift_task_enqueueGlobalWithDelay_hook, delay_hook, __ATOMIC_RELEASE);
    __atomic_store_n(&swift_task_enqueueGlobalWithDeadline_hook, deadline_hook, __ATOMIC_RELEASE);
    return 0;
}
