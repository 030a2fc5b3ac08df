// MedBuilder
// SPDX-License-Identifier: Apache-2.0

// What happens when a thread traps or crashes: docs/decisions/0006-traps.md. In C, with nothing in the handlers but what
// signal-safety(7) allows, and reads of the thread's own variables.

#define _GNU_SOURCE
#include "crash_guard.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SWIFT __attribute__((swiftcall))
/// The storage of a task-local value in the running task, or NULL. It takes no lock and allocates nothing.
extern SWIFT void *swift_task_localValueGet(const void *key);

// Synchronous ones: a trap or a crash of the thread itself.
static const int trap_signals[] = {SIGILL, SIGTRAP};
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGSYS};
// Ignored by default, so that it does no harm where nobody handles it.
enum { STACK_SIGNAL = SIGURG };

static struct med_crash_guard guard;
static volatile sig_atomic_t trap_pipe = -1;
static struct sigaction previous[NSIG];
static struct timespec started;

// MARK: - Threads

enum { MAX_THREADS = 1024, ALTERNATE_STACK_SIZE = 65536 };

static struct {
    _Atomic pid_t thread;
    _Atomic int kind;
} threads[MAX_THREADS];

static __thread int own_kind __attribute__((tls_model("initial-exec")));
static __thread bool is_prepared;
static pthread_key_t ending;
static pthread_once_t ending_once = PTHREAD_ONCE_INIT;

pid_t med_thread_id(void) { return (pid_t)syscall(SYS_gettid); }

static void thread_ends(void *stack) {
    pid_t thread = med_thread_id();
    for (int i = 0; i < MAX_THREADS; i++)
        if (threads[i].thread == thread) threads[i].thread = 0;
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    munmap(stack, ALTERNATE_STACK_SIZE);
}

static void make_key(void) { pthread_key_create(&ending, thread_ends); }

void med_thread_prepare(enum med_thread_kind kind, const char *name) {
    own_kind = kind;
    if (name) pthread_setname_np(pthread_self(), name);
    sigset_t handled;
    sigemptyset(&handled);
    for (size_t i = 0; i < sizeof trap_signals / sizeof *trap_signals; i++) sigaddset(&handled, trap_signals[i]);
    for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++) sigaddset(&handled, crash_signals[i]);
    sigaddset(&handled, STACK_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &handled, NULL);
    if (is_prepared) return;
    is_prepared = true;

    pid_t thread = med_thread_id();
    for (int i = 0; i < MAX_THREADS; i++) {
        pid_t nobody = 0;
        if (!__c11_atomic_compare_exchange_strong(
                &threads[i].thread, &nobody, thread, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        threads[i].kind = kind;
        break;
    }
    pthread_once(&ending_once, make_key);
    void *stack = mmap(NULL, ALTERNATE_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) return;
    stack_t alternate = {.ss_sp = stack, .ss_size = ALTERNATE_STACK_SIZE};
    sigaltstack(&alternate, NULL);
    pthread_setspecific(ending, stack);
}

int med_threads(enum med_thread_kind kind, pid_t *result, int capacity) {
    int count = 0;
    for (int i = 0; i < MAX_THREADS && count < capacity; i++) {
        pid_t thread = threads[i].thread;
        if (thread && threads[i].kind == (int)kind) result[count++] = thread;
    }
    return count;
}

// MARK: - Images

enum { MAX_IMAGES = 64 };

static struct {
    uintptr_t base, start, end;
    /// Debian's C library is built without frame pointers.
    bool lacks_frame_pointers;
    char path[256];
} images[MAX_IMAGES];
static int image_count;
static char build_id[65] = "-";

static void read_build_id(const struct dl_phdr_info *info, const ElfW(Phdr) * header) {
    const char *note = (const char *)(info->dlpi_addr + header->p_vaddr), *end = note + header->p_memsz;
    while (note + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)note;
        const char *name = note + sizeof *head;
        const unsigned char *content = (const unsigned char *)name + ((head->n_namesz + 3) & ~3u);
        if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            for (unsigned i = 0; i < head->n_descsz && i < 32; i++) {
                build_id[i * 2] = "0123456789abcdef"[content[i] >> 4];
                build_id[i * 2 + 1] = "0123456789abcdef"[content[i] & 15];
                build_id[i * 2 + 2] = 0;
            }
            return;
        }
        note = (const char *)content + ((head->n_descsz + 3) & ~3u);
    }
}

static int note_image(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    if (image_count == MAX_IMAGES) return 1;
    images[image_count].base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && header->p_flags & PF_X) {
            uintptr_t start = info->dlpi_addr + header->p_vaddr;
            if (!images[image_count].start) images[image_count].start = start;
            images[image_count].end = start + header->p_memsz;
        }
        // The first one is the program itself.
        if (header->p_type == PT_NOTE && image_count == 0 && build_id[0] == '-') read_build_id(info, header);
    }
    if (image_count == 0) {
        ssize_t length = readlink("/proc/self/exe", images[0].path, sizeof images[0].path - 1);
        if (length > 0) images[0].path[length] = 0;
    } else if (info->dlpi_name) {
        strncpy(images[image_count].path, info->dlpi_name, sizeof images[0].path - 1);
        images[image_count].lacks_frame_pointers = strstr(info->dlpi_name, "/libc.so") != NULL;
    }
    image_count++;
    return 0;
}

/// The image that has an instruction at this address, of those that were there when the guard was installed; or -1.
static int image_of(uintptr_t address) {
    for (int i = 0; i < image_count; i++)
        if (address >= images[i].start && address < images[i].end) return i;
    return -1;
}

static bool is_code(uintptr_t address) { return image_of(address) >= 0; }

// MARK: - Reading a stack

/// Where process_vm_readv is forbidden, as it is in some containers: a pipe, and who uses it.
static int peek_pipe[2] = {-1, -1};
static _Atomic bool is_peeking;

/// Copies memory of this process, a few bytes; false where there is none, instead of a crash within the crash.
static bool peek(uintptr_t address, void *into, size_t size) {
    if (peek_pipe[0] < 0) {
        struct iovec here = {into, size}, there = {(void *)address, size};
        return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size;
    }
    // write(2) says EFAULT where there is no memory.
    while (__c11_atomic_exchange(&is_peeking, true, __ATOMIC_ACQUIRE)) continue;
    bool is_there = write(peek_pipe[1], (const void *)address, size) == (ssize_t)size;
    if (is_there) (void)!read(peek_pipe[0], into, size);
    __c11_atomic_store(&is_peeking, false, __ATOMIC_RELEASE);
    return is_there;
}

static uintptr_t instruction(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}

static uintptr_t stack_pointer(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)context->uc_mcontext.sp;
#endif
}

/// Whether the instruction before this address is a call, as it is before a return address. The stack has other addresses of
/// functions on it too.
static bool is_return_address(uintptr_t address) {
    if (!is_code(address)) return false;
#if defined(__x86_64__)
    unsigned char code[7];
    if (!peek(address - sizeof code, code, sizeof code)) return false;
    // CALL rel32; or CALL r/m64, which is FF with 2 in the middle of the next byte, 2 to 7 bytes long.
    if (code[2] == 0xe8) return true;
    for (int length = 2; length <= 7; length++)
        if (code[7 - length] == 0xff && (code[8 - length] & 0x38) == 0x10) return true;
    return false;
#else
    uint32_t code;
    if (!peek(address - sizeof code, &code, sizeof code)) return false;
    // BL, and BLR.
    return code >> 26 == 0x25 || (code & 0xfffffc1f) == 0xd63f0000;
#endif
}

static uintptr_t frame_pointer(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
#else
    return (uintptr_t)context->uc_mcontext.regs[29];
#endif
}

/// Follows the frame pointers. Where the outermost function of the stack is an async one, those that wait for it follow,
/// instead of the runtime that called it.
static int walk(const ucontext_t *context, uintptr_t *frames, int capacity) {
    uintptr_t frame = frame_pointer(context), pointers[MED_MAX_FRAMES];
    int count = 0;
    frames[count] = instruction(context);
    pointers[count++] = frame;
    int image = image_of(frames[0]);
    if (image > 0 && images[image].lacks_frame_pointers) {
        // The frame pointer is still that of whoever called into it: the first return address into the program that
        // lies on the stack below it is where it was called from.
        uintptr_t place = stack_pointer(context), address;
        for (; place < frame && place < stack_pointer(context) + 2048; place += sizeof address) {
            if (!peek(place, &address, sizeof address)) continue;
            if (image_of(address) != 0 || !is_return_address(address)) continue;
            frames[count] = address;
            pointers[count++] = frame;
            break;
        }
    }
    while (count < capacity) {
        struct {
            uintptr_t next, return_address;
        } saved;
        if (!peek(frame, &saved, sizeof saved) || !saved.return_address) break;
        frames[count] = saved.return_address;
        pointers[count++] = saved.next;
        if (saved.next <= frame) break;
        frame = saved.next;
    }
    for (int i = count - 1; i >= 0; i--) {
        // Swift keeps an async function's context right below the saved frame pointer: its caller's context, and where
        // the caller goes on.
        struct {
            uintptr_t parent, resume;
        } link;
        uintptr_t waiting;
        if (!peek(pointers[i] - sizeof waiting, &waiting, sizeof waiting) || waiting % 16 != 0) continue;
        if (!peek(waiting, &link, sizeof link) || !is_code(link.resume)) continue;
        count = i + 1;
        while (count < capacity && is_code(link.resume)) {
            // Like a return address, which is behind the call: one byte into the function.
            frames[count++] = link.resume + 1;
            if (!link.parent || !peek(link.parent, &link, sizeof link)) break;
        }
        break;
    }
    return count;
}

// MARK: - Another thread's stack

static pthread_mutex_t stack_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    _Atomic pid_t thread;
    uintptr_t frames[MED_MAX_FRAMES];
    int count;
    sem_t done;
} wanted_stack;

static void on_stack_wanted(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    int saved = errno;
    pid_t self = med_thread_id();
    // Taken, so that a signal that comes late or twice finds nothing to do.
    if (__c11_atomic_compare_exchange_strong(&wanted_stack.thread, &self, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        wanted_stack.count = walk(context, wanted_stack.frames, MED_MAX_FRAMES);
        sem_post(&wanted_stack.done);
    }
    errno = saved;
}

int med_thread_stack(pid_t thread, uintptr_t *frames, int capacity) {
    pthread_mutex_lock(&stack_lock);
    int count = 0;
    wanted_stack.thread = thread;
    struct timespec limit;
    clock_gettime(CLOCK_MONOTONIC, &limit);
    limit.tv_nsec += 100000000;
    if (limit.tv_nsec >= 1000000000) limit.tv_sec++, limit.tv_nsec -= 1000000000;
    if (syscall(SYS_tgkill, getpid(), thread, STACK_SIGNAL) == 0) {
        int result;
        do result = sem_clockwait(&wanted_stack.done, CLOCK_MONOTONIC, &limit);
        while (result != 0 && errno == EINTR);
        pid_t expected = thread;
        bool is_late = result != 0 && !__c11_atomic_compare_exchange_strong(
                                          &wanted_stack.thread, &expected, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
        // It has just begun: then it will end.
        if (is_late) while (sem_wait(&wanted_stack.done) != 0) continue;
        if (result == 0 || is_late) {
            count = wanted_stack.count < capacity ? wanted_stack.count : capacity;
            memcpy(frames, wanted_stack.frames, (size_t)count * sizeof *frames);
        }
    } else {
        wanted_stack.thread = 0;
    }
    pthread_mutex_unlock(&stack_lock);
    return count;
}

// MARK: - Crash records

/// A text of limited length, made without the C library's formatting, which may allocate.
typedef struct {
    char bytes[8192];
    size_t count;
} text;

static void add(text *text, const char *string) {
    while (*string && text->count < sizeof text->bytes) text->bytes[text->count++] = *string++;
}

static void add_number(text *text, uint64_t number, unsigned base) {
    char digits[21];
    int count = 0;
    do digits[count++] = "0123456789abcdef"[number % base];
    while (number /= base);
    while (count && text->count < sizeof text->bytes) text->bytes[text->count++] = digits[--count];
}

static void add_field(text *text, const char *name, uint64_t number) {
    add(text, name);
    add_number(text, number, 10);
    add(text, "\n");
}

static void add_frame(text *text, uintptr_t address) {
    add(text, "frame=");
    int image = image_of(address);
    add_number(text, image < 0 ? address : address - images[image].base, 16);
    if (image >= 0) add(text, " "), add(text, images[image].path);
    add(text, "\n");
}

static void read_thread_name(char name[16]) {
    // prctl(2) with PR_GET_NAME, which the C library's pthread_getname_np is not sure to be for the calling thread.
    memset(name, 0, 16);
    syscall(SYS_prctl, 16, name, 0, 0, 0);
}

static void write_record(int number, const siginfo_t *info, const ucontext_t *context) {
    // Static: one crash is all there is, and the alternate stack is small.
    static text record;
    static uintptr_t frames[MED_MAX_FRAMES];
    char name[16];
    read_thread_name(name);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    add(&record, "crash record 1\nbuild_id=");
    add(&record, build_id);
    add(&record, "\nprogram=");
    add(&record, images[0].path);
    add_field(&record, "\nsignal=", (uint64_t)number);
    // Negative when another process sent it.
    add_field(&record, "code=", (uint64_t)(uint32_t)info->si_code);
    add_field(&record, "thread=", (uint64_t)med_thread_id());
    add(&record, "thread_name=");
    add(&record, name);
    int64_t uptime = (now.tv_sec - started.tv_sec) * 1000 + (now.tv_nsec - started.tv_nsec) / 1000000;
    add_field(&record, "\nuptime_ms=", (uint64_t)uptime);
    add_field(&record, "in_flight=", guard.in_flight ? (uint64_t)*guard.in_flight : 0);
    int count = walk(context, frames, MED_MAX_FRAMES);
    for (int i = 0; i < count; i++) add_frame(&record, frames[i]);
    add(&record, "end\n");
    size_t written = 0;
    while (written < record.count) {
        ssize_t result = pwrite(guard.record, record.bytes + written, record.count - written, (off_t)written);
        if (result <= 0) break;
        written += (size_t)result;
    }
}

/// What a dying process was about to say, as far as people may see it.
static void copy_errors(void) {
    char bytes[512];
    ssize_t count;
    while ((count = read(guard.unread_errors, bytes, sizeof bytes)) > 0) (void)!write(guard.errors, bytes, (size_t)count);
}

static void park(void) {
    while (true) pause();
}

static void on_crash(int number, siginfo_t *info, void *context) {
    static _Atomic bool is_crashing;
    if (__c11_atomic_exchange(&is_crashing, true, __ATOMIC_ACQ_REL)) park();
    if (guard.record >= 0) write_record(number, info, context);
    struct sigaction next = {.sa_handler = SIG_DFL};
    if (guard.errors >= 0) {
        // Whoever handled it before us, such as Swift's backtracer, writes what it finds in memory to standard error.
        copy_errors();
        dup2(guard.errors, STDERR_FILENO);
        next = previous[number];
    }
    sigaction(number, &next, NULL);
    // By the same signal: the instruction that crashed is executed once more, and crashes once more. A breakpoint and a
    // forbidden system call would not.
    bool repeats = number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
    if (info->si_code > 0 && repeats) return;
    // Process 1 of a container does not get signals that it does not handle.
    if (getpid() == 1) _exit(128 + number);
    raise(number);
}

// MARK: - Traps

/// Whether the instruction is the one that Swift ends in when it cannot go on, and not an unknown or a damaged one, or a
/// signal that somebody sent.
static bool is_runtime_trap(const siginfo_t *info, const ucontext_t *context) {
    if (info->si_code <= 0) return false;
#if defined(__x86_64__)
    // ud2
    static const unsigned char trap[] = {0x0f, 0x0b};
#else
    // brk #1
    static const unsigned char trap[] = {0x20, 0x00, 0x20, 0xd4};
#endif
    // Readable: it was just about to be executed.
    return memcmp((const void *)instruction(context), trap, sizeof trap) == 0;
}

uintptr_t med_crash_guard_current_work(const void *work_key) {
    const uintptr_t *value = swift_task_localValueGet(work_key);
    return value ? *value : 0;
}

static void on_trap(int number, siginfo_t *info, void *context) {
    if (own_kind == MED_THREAD_OWN || !is_runtime_trap(info, context)) {
        on_crash(number, info, context);
        return;
    }
    struct med_trap trap = {.signal = number, .thread = med_thread_id(), .kind = own_kind};
    read_thread_name(trap.thread_name);
    trap.work = med_crash_guard_current_work(guard.work_key);
    trap.frame_count = walk(context, trap.frames, MED_MAX_FRAMES);
    // Below PIPE_BUF, so traps that come at once do not mix.
    _Static_assert(sizeof trap <= 4096, "a trap must be written in one piece");
    (void)!write(trap_pipe, &trap, sizeof trap);
    park();
}

static bool handle(int number, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    return sigaction(number, &action, &previous[number]) == 0;
}

int med_crash_guard_install(struct med_crash_guard new) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -1;
    guard = new;
    clock_gettime(CLOCK_MONOTONIC, &started);
    sem_init(&wanted_stack.done, 0, 0);
    dl_iterate_phdr(note_image, NULL);
    char here;
    if (!peek((uintptr_t)ends, &here, 1) && pipe2(peek_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -1;
    trap_pipe = ends[1];
    bool works = handle(STACK_SIGNAL, on_stack_wanted);
    for (size_t i = 0; i < sizeof trap_signals / sizeof *trap_signals; i++) works &= handle(trap_signals[i], on_trap);
    for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++) works &= handle(crash_signals[i], on_crash);
    return works ? ends[0] : -1;
}
