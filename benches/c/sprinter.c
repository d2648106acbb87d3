/* A child that exits at once. It has no C library where possible, as idler.c. */
#include "bare.h"

#ifdef FREESTANDING
void _start(void) {
    bare(SYS_exit, 0);
}
#else
int main(void) {
    return 0;
}
#endif
