/*
 * Words of a block whose type nobody knows: those that lead somewhere are shown,
 * the others are contents.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/show_priv.h"
#include "util/bytes.h"
#include "util/error.h"

#define WORD 8

static struct ch_error *set_value(struct ch_show_row *row, uint64_t value)
{
	if (asprintf(&row->value, "0x%016" PRIx64, value) < 0) {
		row->value = NULL;
		return &ch_enomem;
	}
	return NULL;
}

static struct ch_show_row *add_row(struct ch_show *show, uint64_t offset, bool present)
{
	struct ch_show_row *row = ch_vec_push(&show->result->rows);

	if (!row)
		return NULL;
	row->offset = offset;
	row->addr = show->result->object.addr + offset;
	row->size_bytes = WORD;
	row->present = present;
	row->kind = CH_VALUE_POINTER;
	return row;
}

/* Count a word to the row before it, if that stands for words alike. */
static bool joins(struct ch_show *show, bool present)
{
	struct ch_vec *rows = &show->result->rows;
	struct ch_show_row *last;

	if (!rows->count)
		return false;
	last = CH_VEC_AT(rows, struct ch_show_row, rows->count - 1);
	if (!last->words || last->present != present || (show->reveal && present))
		return false;
	last->words++;
	last->size_bytes += WORD;
	return true;
}

static struct ch_error *add_word(struct ch_show *show, uint64_t offset)
{
	uint64_t at = show->result->object.addr + offset, value = 0;
	bool present = ch_core_read_u64(show->core, at, &value);
	struct ch_error *err = NULL;
	struct ch_show_row *row;
	struct ch_target target = { .kind = CH_TARGET_NONE };

	if (present)
		err = chp_show_target(show, value, &target);
	if (err)
		return err;
	if (target.kind == CH_TARGET_NONE && joins(show, present))
		return NULL;
	row = add_row(show, offset, present);
	if (!row) {
		free(target.name);
		return &ch_enomem;
	}
	row->target = target;
	row->words = target.kind == CH_TARGET_NONE;
	return show->reveal && present ? set_value(row, value) : NULL;
}

static void drop_last(struct ch_show_result *result)
{
	struct ch_show_row *row =
		CH_VEC_AT(&result->rows, struct ch_show_row, --result->rows.count);

	result->items_shown = row->offset / WORD;
	free(row->target.name);
	free(row->value);
}

struct ch_error *chp_show_words(struct ch_show *show)
{
	uint64_t words = show->result->object.size_bytes / WORD, i;
	struct ch_error *err = NULL;

	show->result->items_count = words;
	for (i = 0; !err && i < words && show->result->rows.count <= show->limit; i++)
		err = add_word(show, i * WORD);
	show->result->items_shown = i;
	/* The last row may have grown until another one came. */
	if (show->result->rows.count > show->limit)
		drop_last(show->result);
	return err;
}
