/* The clock that everything here is measured with; Rust's Instant reads the same one. */
#include <stdint.h>
#include <time.h>

static inline int64_t nanoseconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t now(void) {
    return nanoseconds(CLOCK_MONOTONIC);
}
