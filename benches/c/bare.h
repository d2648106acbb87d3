/* System calls for programs without a C library. */
#include <sys/syscall.h>
#include <unistd.h>

#if defined(FREESTANDING) && !defined(__x86_64__)
#error "not known for this machine"
#endif

#ifdef FREESTANDING
static inline long bare(long number, long argument) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(argument) : "rcx", "r11", "memory");
    return result;
}
#endif
