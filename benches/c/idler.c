/* A child that does nothing, until a signal ends it.
 *
 * Where possible it has no C library, whose initialisation would take longer than the start of the process: it asks
 * for the features of the processor, which a virtual machine answers slowly. */
#include "bare.h"

#ifdef FREESTANDING
void _start(void) {
    for (;;) bare(SYS_pause, 0);
}
#else
int main(void) {
    for (;;) pause();
}
#endif
