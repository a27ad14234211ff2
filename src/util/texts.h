/*
 * util/texts.h - texts by number: each one is kept once.
 */
#ifndef COREHEAP_UTIL_TEXTS_H
#define COREHEAP_UTIL_TEXTS_H

#include "util/table.h"
#include "util/vec.h"

/** CH_TEXTS is an empty one. */
struct ch_texts {
	/** of char *, in the order in which they came */
	struct ch_vec list;
	/** By hash, or the next free number behind it: the index in list. */
	struct ch_table by_hash;
};
#define CH_TEXTS ((struct ch_texts){ .list = CH_VEC(char *) })

/** The number of a text, which is copied if it is new; CH_TABLE_NONE: no memory. */
uint32_t ch_texts_add(struct ch_texts *texts, const char *text);
/** Borrowed until the texts end. */
static inline const char *ch_texts_at(const struct ch_texts *texts, uint32_t number)
{
	return *CH_VEC_AT(&texts->list, char *, number);
}
void ch_texts_deinit(struct ch_texts *texts);

#endif /* COREHEAP_UTIL_TEXTS_H */
