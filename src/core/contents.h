/*
 * core/contents.h - the one door through which a word of the target's memory, or of a
 * register, gets into a message.
 *
 * Memory contents do not appear without --reveal. A number that says where something
 * is, or how much of it there is, says nothing of contents:
 *   an address  in memory that was mapped, or right behind it;
 *   small       below 2^24, and not three letters: longer text is greater; or negative
 *               and above -4097, as errors of system calls are;
 *   a size      no more than what was mapped, or whole pages, and not text.
 * All else is shown only when the context reveals contents.
 */
#ifndef COREHEAP_CORE_CONTENTS_H
#define COREHEAP_CORE_CONTENTS_H

#include <coreheap/core.h>

/** What is said instead of what may not be shown. */
#define CH_NO_ADDRESS "a word that is no address"
#define CH_NOT_MAPPED "an address where nothing was mapped"

/** A word as it may be shown. */
struct ch_word {
	char text[64];
};

/** Whether a word of the target may be shown. */
bool chp_core_shows(const struct ch_core *core, uint64_t word);

/**
 * The same for what was used as an address, as a program counter, a stack pointer and
 * what a fault was about: also a little away from mapped memory, as in a guard page or
 * in what was unmapped.
 */
bool chp_core_shows_addr(const struct ch_core *core, uint64_t addr);

/** Whether a number of bytes that the target says may be shown. */
bool chp_core_shows_size(const struct ch_core *core, uint64_t bytes);

/** "0x1f" or, where it may not be shown, the words instead (at most 63 bytes). */
struct ch_word chp_core_word(const struct ch_core *core, uint64_t word, const char *instead);

/** The same by chp_core_shows_addr(). */
struct ch_word chp_core_addr(const struct ch_core *core, uint64_t addr, const char *instead);

/** "4096 bytes" or the words instead, by chp_core_shows_size(). */
struct ch_word chp_core_size(const struct ch_core *core, uint64_t bytes, const char *instead);

#endif /* COREHEAP_CORE_CONTENTS_H */
