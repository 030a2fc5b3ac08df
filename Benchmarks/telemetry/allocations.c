// MedBuilder
// SPDX-License-Identifier: Apache-2.0
//
// Counts what a process asks its allocator for: loaded before everything else (LD_PRELOAD), it answers `med_allocations`.
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_ulong count;

unsigned long med_allocations(void) { return atomic_load(&count); }

static void one(void) { atomic_fetch_add_explicit(&count, 1, memory_order_relaxed); }

void *malloc(size_t size) { one(); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { one(); return __libc_calloc(number, size); }
void *realloc(void *memory, size_t size) { one(); return __libc_realloc(memory, size); }
void *memalign(size_t alignment, size_t size) { one(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { one(); return __libc_memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
    one();
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : 12;
}
