/*
 * memory.h - how much memory a run may use, and what it says when that is used up.
 */
#ifndef COREHEAP_CMD_MEMORY_H
#define COREHEAP_CMD_MEMORY_H

#include <stdint.h>

/**
 * Let this process, and each that it starts, have bytes of memory for data: what is allocated, and
 * the stacks of threads. The core itself is mapped and does not count.
 */
void chp_memory_limit(uint64_t bytes);

#define CHP_MEMORY_MESSAGE_MAX 96

/** What to say when memory is used up: a line without its end, static or in buf. */
const char *chp_memory_message(char buf[CHP_MEMORY_MESSAGE_MAX]);

#endif /* COREHEAP_CMD_MEMORY_H */
