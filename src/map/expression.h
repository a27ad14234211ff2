/*
 * expression.h - a regular expression as a machine of few states: expression.c makes it, regex.c
 * runs it.
 *
 * The machine is Thompson's (Regular Expression Search Algorithm, 1968): states that take a byte
 * of a set, and states that take none. One for each direction.
 */
#ifndef COREHEAP_MAP_EXPRESSION_H
#define COREHEAP_MAP_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/error.h>

#include "util/vec.h"

/** States of one machine at most: what repeats stand for is written out. */
#define CH_MACHINE_STATES 4096

struct ch_byte_set {
	uint64_t bits[4];
};

static inline bool ch_byte_in(const struct ch_byte_set *set, uint8_t byte)
{
	return set->bits[byte / 64] >> (byte % 64) & 1;
}

enum ch_machine_kind {
	/** Takes a byte of a set. */
	CH_MACHINE_BYTE,
	/** Goes on to one state, or to two. */
	CH_MACHINE_BOTH,
	/** Goes on where a line begins before what was taken last, or ends behind it. */
	CH_MACHINE_AFTER,
	CH_MACHINE_BEFORE,
	/** The end. */
	CH_MACHINE_DONE,
};

#define CH_MACHINE_NONE UINT16_MAX

struct ch_machine_state {
	enum ch_machine_kind kind;
	/** Index of the set; where it goes on, CH_MACHINE_NONE: nowhere. */
	uint16_t set, to[2];
};

struct ch_machine {
	/** of struct ch_machine_state */
	struct ch_vec states;
	uint16_t start;
};

struct ch_expression {
	/** of struct ch_byte_set */
	struct ch_vec sets;
	/** Bytes from the first to the last, and from the last to the first. */
	struct ch_machine forward, backward;
};

/**
 * POSIX extended regular expressions (IEEE Std 1003.1, chapter 9.4) over bytes. No byte 0 and no
 * newline is a `.`, and no newline is in a `[^...]`. Lines are also what bytes 0 part: there ^ and
 * $ match. \t, \n, \r, \w, \W, \s, \S, \d, \D and \xHH are known. Errors: ARG (says what is wrong),
 * NOMEM; end with chp_expression_deinit() also on failure.
 */
CH_MUST_CHECK struct ch_error *chp_expression_make(const char *text, bool ignore_case,
						   struct ch_expression *ret);
void chp_expression_deinit(struct ch_expression *expression);

/** Where lines end. */
static inline bool ch_ends_line(uint8_t byte)
{
	return byte == '\n' || byte == '\0';
}

#endif /* COREHEAP_MAP_EXPRESSION_H */
