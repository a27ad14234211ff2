/*
 * Texts and blocks that occur more than once: a table of their hashes, compared byte by byte
 * before two are called equal, and the bytes that would be saved.
 */
#include "heap/strings.h"

#include <stdlib.h>
#include <string.h>

#include "heap/heap_priv.h"
#include "util/bytes.h"

/* Bounds of the table: rows of 72 bytes, and row numbers of 4. Of blocks in general
 * less, as most have no equal. */
#define ROWS_MAX       (1U << 22)
#define BLOCK_ROWS_MAX (1U << 20)
/* A block of malloc's may be this much longer than what was asked for: the rest is
 * whatever was there before. Small blocks are compared whole all the same. */
#define PADDING_BYTES 15
#define PADDED_MIN    64
#define HASH_MULT     0x9e3779b97f4a7c15ULL

struct counter {
	struct ch_heaps *heaps;
	struct ch_strings_stat *ret;
	size_t rows_max;
	/* Row numbers plus one, below half of their hashes: most rows that a slot
	 * names need not be looked at. 0: empty. */
	uint64_t *slots;
	size_t mask;
	/** Bytes of texts apart from their strings that may yet be looked at: damaged
	 * strings could share long ones. */
	uint64_t budget;
};

/* A piece of a text that is in one piece in our memory. */
static const uint8_t *piece_of(const struct ch_core *core, uint64_t addr, uint64_t left,
			       size_t *len_ret)
{
	const uint8_t *bytes = ch_core_span(core, addr, len_ret);

	*len_ret = (size_t)ch_min(*len_ret, left);
	return *len_ret ? bytes : NULL;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_MULT;
	return hash ^ hash >> 32;
}

/* Words count from the text's start, so pieces are carried over. False: absent. */
static bool hash_text(const struct ch_core *core, const struct ch_string *text, uint64_t *ret)
{
	uint64_t left = text->count * text->bytes, at = text->addr, hash = left;
	uint8_t carry[8];
	size_t len, used = 0, n;
	const uint8_t *bytes;

	while (left) {
		bytes = piece_of(core, at, left, &len);
		if (!bytes)
			return false;
		at += len;
		left -= len;
		while (len) {
			if (!used && len >= 8) {
				hash = mix(hash, ch_get64(bytes));
				n = 8;
			} else {
				n = (size_t)ch_min(8 - used, len);
				memcpy(carry + used, bytes, n);
				used += n;
				if (used == 8) {
					hash = mix(hash, ch_get64(carry));
					used = 0;
				}
			}
			bytes += n;
			len -= n;
		}
	}
	memset(carry + used, 0, 8 - used);
	*ret = used ? mix(hash, ch_get64(carry)) : hash;
	return true;
}

static bool same_text(const struct ch_core *core, const struct ch_string *a,
		      const struct ch_string *b)
{
	uint64_t left = a->count * a->bytes, done = 0;
	const uint8_t *x, *y;
	size_t len, len_y;

	if (a->count != b->count || a->bytes != b->bytes)
		return false;
	for (; left; left -= len, done += len) {
		x = piece_of(core, a->addr + done, left, &len);
		y = piece_of(core, b->addr + done, left, &len_y);
		len = (size_t)ch_min(len, len_y);
		if (!x || !y || memcmp(x, y, len) != 0)
			return false;
	}
	return true;
}

static uint64_t slot_of(uint64_t hash, size_t row)
{
	return (hash & 0xffffffff00000000ULL) | (row + 1);
}

static bool grow(struct counter *counter)
{
	size_t size = counter->slots ? 2 * (counter->mask + 1) : 4096, i, at;
	const struct ch_string_stat *rows = counter->ret->rows.items;
	uint64_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	free(counter->slots);
	counter->slots = slots;
	counter->mask = size - 1;
	for (i = 0; i < counter->ret->rows.count; i++) {
		for (at = rows[i].hash & counter->mask; slots[at]; at = (at + 1) & counter->mask)
			;
		slots[at] = slot_of(rows[i].hash, i);
	}
	return true;
}

/* The row of a text, or NULL; *slot_ret is where it belongs. */
static struct ch_string_stat *find(struct counter *counter, const struct ch_string *text,
				   uint32_t type, uint64_t hash, uint64_t **slot_ret)
{
	struct ch_string_stat *row;
	size_t at = hash & counter->mask;

	for (; counter->slots[at]; at = (at + 1) & counter->mask) {
		if ((counter->slots[at] ^ hash) >> 32)
			continue;
		row = CH_VEC_AT(&counter->ret->rows, struct ch_string_stat,
				(uint32_t)counter->slots[at] - 1);
		if (row->hash == hash && row->type == type &&
		    same_text(counter->heaps->env.core, &row->text, text))
			return row;
	}
	*slot_ret = &counter->slots[at];
	return NULL;
}

static struct ch_error *add_text(struct counter *counter, const struct ch_object *object,
				 const struct ch_string *text, uint32_t type, uint64_t hash)
{
	struct ch_strings_stat *ret = counter->ret;
	uint64_t *slot = NULL, bytes = object->chunk_bytes;
	struct ch_string_stat *row;

	if ((!counter->slots || 2 * ret->rows.count >= counter->mask) && !grow(counter))
		return &ch_enomem;
	row = find(counter, text, type, hash, &slot);
	if (!row || row->text.addr != text->addr)
		bytes += text->apart_bytes;
	ret->total_bytes += bytes;
	if (!row && ret->rows.count >= counter->rows_max) {
		ret->left_out_count++;
		ret->left_out_bytes += bytes;
		return NULL;
	}
	if (!row) {
		row = ch_vec_push(&ret->rows);
		if (!row)
			return &ch_enomem;
		*slot = slot_of(hash, ret->rows.count - 1);
		row->hash = hash;
		row->text = *text;
		row->sample_addr = object->addr;
		row->type = type;
		row->each_bytes = bytes;
	}
	row->count++;
	row->total_bytes += bytes;
	row->each_bytes = ch_min(row->each_bytes, object->chunk_bytes + text->apart_bytes);
	return NULL;
}

/* Whether a text is where it can be. A damaged length may lead anywhere. */
static bool is_possible(const struct ch_object *object, const struct ch_string *text)
{
	uint64_t bytes;

	if (text->count > UINT32_MAX)
		return false;
	bytes = text->count * text->bytes;
	if (text->apart_bytes)
		return bytes <= text->apart_bytes;
	return text->addr >= object->addr &&
	       ch_inside(text->addr - object->addr, bytes, object->size_bytes);
}

static struct ch_error *take(void *arg, const struct ch_object *objects, size_t n)
{
	struct counter *counter = arg;
	struct ch_inspected inspected;
	struct ch_string text;
	struct ch_error *err = NULL;
	uint64_t hash;
	size_t i;

	if (!chp_heaps_span_inspector(counter->heaps, objects[0].span, &inspected) ||
	    !inspected.inspector->string)
		return NULL;
	for (i = 0; !err && i < n; i++) {
		text = (struct ch_string){ 0 };
		if (objects[i].state != CH_OBJECT_USED ||
		    !inspected.inspector->string(inspected.state, objects[i].addr, objects[i].key,
						 &text))
			continue;
		if (!is_possible(&objects[i], &text))
			continue;
		counter->ret->count++;
		if (text.apart_bytes && text.count * text.bytes > counter->budget) {
			counter->ret->left_out_count++;
			counter->ret->left_out_bytes += objects[i].chunk_bytes;
			counter->ret->total_bytes += objects[i].chunk_bytes;
			continue;
		}
		counter->budget -= text.apart_bytes ? text.count * text.bytes : 0;
		if (hash_text(counter->heaps->env.core, &text, &hash)) {
			err = add_text(counter, &objects[i], &text, 0, hash);
		} else {
			counter->ret->absent_count++;
			counter->ret->total_bytes += objects[i].chunk_bytes + text.apart_bytes;
		}
	}
	return err;
}

static bool is_zero(const struct ch_core *core, const struct ch_string *text)
{
	uint64_t left = text->count, at = text->addr;
	const uint8_t *bytes;
	size_t len;

	for (; left; left -= len, at += len) {
		bytes = piece_of(core, at, left, &len);
		if (!bytes || bytes[0] || memcmp(bytes, bytes + 1, len - 1) != 0)
			return false;
	}
	return true;
}

/* Blocks of every heap, as texts of bytes; they cost what is touched of them. */
static struct ch_error *take_blocks(void *arg, const struct ch_object *objects, size_t n)
{
	struct counter *counter = arg;
	const struct ch_core *core = counter->heaps->env.core;
	struct ch_string text = { .bytes = 1 };
	struct ch_error *err = NULL;
	struct ch_traced traced;
	struct ch_object object;
	uint64_t hash, own_bytes;
	uint32_t type;
	bool padded;
	size_t i;

	padded = n && !chp_heaps_span_tracer(counter->heaps, objects[0].span, &traced);
	own_bytes = n && !padded ? traced.tracer->own_bytes : 0;
	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || (objects[i].flags & CH_OBJECT_ALLOCATOR))
			continue;
		text.addr = objects[i].addr + ch_min(own_bytes, objects[i].size_bytes);
		text.count = objects[i].addr + objects[i].size_bytes - text.addr;
		if (padded && text.count >= PADDED_MIN)
			text.count -= PADDING_BYTES;
		object = objects[i];
		object.chunk_bytes = chp_heaps_touched_bytes(counter->heaps, &objects[i]);
		counter->ret->count++;
		if (!hash_text(core, &text, &hash)) {
			counter->ret->absent_count++;
			counter->ret->total_bytes += object.chunk_bytes;
		} else if (is_zero(core, &text)) {
			counter->ret->total_bytes += object.chunk_bytes;
			counter->ret->zero_count++;
			counter->ret->zero_bytes += object.chunk_bytes;
		} else {
			type = padded ? 0 : objects[i].type;
			err = add_text(counter, &object, &text, type, mix(hash, type));
		}
	}
	return err;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_string_stat *x = a, *y = b;

	if (ch_string_waste(x) != ch_string_waste(y))
		return ch_string_waste(x) > ch_string_waste(y) ? -1 : 1;
	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	return x->sample_addr < y->sample_addr ? -1 : x->sample_addr > y->sample_addr;
}

static void sum_up(struct ch_strings_stat *ret)
{
	size_t i;

	ch_vec_sort(&ret->rows, compare_rows);
	for (i = 0; i < ret->rows.count; i++)
		ret->waste_bytes +=
			ch_string_waste(CH_VEC_AT(&ret->rows, struct ch_string_stat, i));
}

struct ch_error *chp_strings_count(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				   struct ch_strings_stat *ret)
{
	struct counter counter = {
		.heaps = heaps,
		.ret = ret,
		.rows_max = ROWS_MAX,
		.budget = 4 * ch_core_stats(heaps->env.core)->present_bytes,
	};
	struct ch_error *err;

	ret->rows = CH_VEC(struct ch_string_stat);
	err = chp_heaps_walk_where(heaps, filter, take, &counter);
	free(counter.slots);
	if (!err)
		sum_up(ret);
	return err;
}

struct ch_error *chp_contents_count(struct ch_heaps *heaps, struct ch_strings_stat *ret)
{
	struct counter counter = { .heaps = heaps, .ret = ret, .rows_max = BLOCK_ROWS_MAX };
	struct ch_error *err;

	ret->rows = CH_VEC(struct ch_string_stat);
	err = ch_heaps_walk(heaps, 0, UINT64_MAX, take_blocks, &counter);
	free(counter.slots);
	if (!err)
		sum_up(ret);
	return err;
}

void chp_strings_deinit(struct ch_strings_stat *strings)
{
	ch_vec_deinit(&strings->rows);
}
