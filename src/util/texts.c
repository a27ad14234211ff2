/*
 * Texts by number, found again by their hash; two of one hash lie behind each other.
 */
#include "util/texts.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

uint32_t ch_texts_add(struct ch_texts *texts, const char *text)
{
	uint64_t key = ch_hash_bytes(CH_HASH_START, text, strlen(text));
	uint32_t number;
	char **slot;

	/* 0 is no key */
	for (key += !key; (number = ch_table_find(&texts->by_hash, key)) != CH_TABLE_NONE;
	     key += key == UINT64_MAX ? 2 : 1)
		if (strcmp(ch_texts_at(texts, number), text) == 0)
			return number;
	number = (uint32_t)texts->list.count;
	slot = ch_vec_push(&texts->list);
	if (slot)
		*slot = strdup(text);
	if (slot && *slot && ch_table_put(&texts->by_hash, key, number))
		return number;
	if (slot) {
		free(*slot);
		texts->list.count--;
	}
	return CH_TABLE_NONE;
}

void ch_texts_deinit(struct ch_texts *texts)
{
	size_t i;

	for (i = 0; i < texts->list.count; i++)
		free(*CH_VEC_AT(&texts->list, char *, i));
	ch_vec_deinit(&texts->list);
	ch_table_deinit(&texts->by_hash);
}
