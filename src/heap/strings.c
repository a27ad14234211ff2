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
/* Places in the table of hashes for each block. */
#define SEEN_PER_BLOCK 16
/* Blocks whose hashes are made before the place of the first one is looked at. */
#define AHEAD     32
#define HASH_MULT 0x9e3779b97f4a7c15ULL

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
	/* Of all blocks: by hash how many there are, up to 2, in 2 bits. Only what is there twice
	 * needs a row. */
	uint8_t *seen;
	size_t seen_mask;
	/* Of all blocks that are compared, in the order of the walk: as much of their hashes as
	 * seen needs, or what stands in their place. */
	struct ch_vec hashes;
	size_t next;
	/* What blocks have whose hash was seen before, other than zeros: no less than what is there
	 * more than once. */
	uint64_t again_bytes;
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

/* Of a text in one piece, as nearly all are; and whether it is all zeros. */
static uint64_t hash_whole(const uint8_t *bytes, uint64_t size, bool *zero_ret)
{
	uint64_t hash = size, word, any = 0;
	uint8_t last[8] = { 0 };

	for (; size >= 8; bytes += 8, size -= 8) {
		word = ch_get64(bytes);
		any |= word;
		hash = mix(hash, word);
	}
	memcpy(last, bytes, size);
	word = ch_get64(last);
	*zero_ret = !(any | word);
	return size ? mix(hash, word) : hash;
}

static bool is_zero(const struct ch_core *core, const struct ch_string *text)
{
	uint64_t left = text->count * text->bytes, at = text->addr;
	const uint8_t *bytes;
	size_t len;

	for (; left; left -= len, at += len) {
		bytes = piece_of(core, at, left, &len);
		if (!bytes || bytes[0] || memcmp(bytes, bytes + 1, len - 1) != 0)
			return false;
	}
	return true;
}

/* Words count from the text's start, so pieces are carried over. False: absent. *zero_ret: it is
 * all zeros. */
static bool hash_text(const struct ch_core *core, const struct ch_string *text, uint64_t *ret,
		      bool *zero_ret)
{
	uint64_t left = text->count * text->bytes, at = text->addr, hash = left;
	uint8_t carry[8];
	size_t len, used = 0, n;
	const uint8_t *bytes;

	bytes = left ? piece_of(core, at, left, &len) : NULL;
	if (bytes && len == left) {
		*ret = hash_whole(bytes, left, zero_ret);
		return true;
	}
	*zero_ret = is_zero(core, text);
	while (left) {
		bytes = piece_of(core, at, left, &len);
		if (!bytes)
			return false;
		at += len;
		left -= len;
		while (len) {
			for (; !used && len >= 8; bytes += 8, len -= 8)
				hash = mix(hash, ch_get64(bytes));
			n = (size_t)ch_min(8 - used, len);
			memcpy(carry + used, bytes, n);
			used += n;
			if (used == 8) {
				hash = mix(hash, ch_get64(carry));
				used = 0;
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

	if (!text->addr || text->count > UINT32_MAX)
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
	bool zero;
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
		counter->ret->count++;
		if (!is_possible(&objects[i], &text)) {
			counter->ret->unset_count++;
			counter->ret->total_bytes += objects[i].chunk_bytes;
			continue;
		}
		if (text.apart_bytes && text.count * text.bytes > counter->budget) {
			counter->ret->left_out_count++;
			counter->ret->left_out_bytes += objects[i].chunk_bytes;
			counter->ret->total_bytes += objects[i].chunk_bytes;
			continue;
		}
		counter->budget -= text.apart_bytes ? text.count * text.bytes : 0;
		if (hash_text(counter->heaps->env.core, &text, &hash, &zero)) {
			err = add_text(counter, &objects[i], &text, 0, hash);
		} else {
			counter->ret->absent_count++;
			counter->ret->total_bytes += objects[i].chunk_bytes + text.apart_bytes;
		}
	}
	return err;
}

/* ---- Blocks of every heap, as texts of bytes ------------------------------------- */

/* In place of a hash: it is not known; the block is all zeros. */
#define NONE_KNOWN UINT32_MAX
#define ALL_ZEROS  (UINT32_MAX - 1)

struct hashed {
	const struct ch_object *object;
	uint64_t hash;
	bool zero;
};

/* What all blocks of one batch have in common: they lie in one span. */
struct block_kind {
	/* What malloc gives may be longer than what was asked for. */
	bool padded;
	/* What the runtime keeps at the start of its objects. */
	uint64_t own_bytes;
};

static struct block_kind kind_of(const struct counter *counter, const struct ch_object *first)
{
	struct ch_traced traced;

	if (!chp_heaps_span_tracer(counter->heaps, first->span, &traced))
		return (struct block_kind){ .padded = true };
	return (struct block_kind){ .own_bytes = traced.tracer->own_bytes };
}

static bool is_compared(const struct ch_object *object)
{
	return object->state == CH_OBJECT_USED && !(object->flags & CH_OBJECT_ALLOCATOR);
}

static struct ch_string text_of(const struct ch_object *object, const struct block_kind *kind)
{
	struct ch_string text = { .bytes = 1 };

	text.addr = object->addr + ch_min(kind->own_bytes, object->size_bytes);
	text.count = object->addr + object->size_bytes - text.addr;
	if (kind->padded && text.count >= PADDED_MIN)
		text.count -= PADDING_BYTES;
	return text;
}

static uint32_t type_of(const struct ch_object *object, const struct block_kind *kind)
{
	return kind->padded ? 0 : object->type;
}

/* False: not all of it is in the core. */
static bool hash_block(const struct counter *counter, const struct ch_string *text, uint32_t type,
		       uint64_t *ret, bool *zero_ret)
{
	if (!hash_text(counter->heaps->env.core, text, ret, zero_ret))
		return false;
	*ret = mix(*ret, type);
	return true;
}

/* Counts one more of a hash; returns how many there were before, up to 2. */
static unsigned int see(struct counter *counter, uint64_t hash)
{
	uint8_t *byte = &counter->seen[(hash & counter->seen_mask) / 4];
	unsigned int shift = (unsigned int)(hash & 3) * 2, before = *byte >> shift & 3;

	if (before < 2)
		*byte = (uint8_t)(*byte + (1U << shift));
	return before;
}

static unsigned int times_seen(const struct counter *counter, uint64_t hash)
{
	return counter->seen[(hash & counter->seen_mask) / 4] >> (hash & 3) * 2 & 3;
}

/* Hash a block. The table does not fit into the processor's caches: each place is asked for some
 * blocks before it is needed. False: not all of the block is in the core. */
static bool hash_ahead(const struct counter *counter, const struct ch_object *object,
		       const struct block_kind *kind, struct hashed *ret)
{
	const struct ch_string text = text_of(object, kind);

	ret->object = object;
	if (!hash_block(counter, &text, type_of(object, kind), &ret->hash, &ret->zero))
		return false;
	__builtin_prefetch(&counter->seen[(ret->hash & counter->seen_mask) / 4], 1);
	return true;
}

static void see_some(struct counter *counter, const struct hashed *some, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (see(counter, some[i].hash) && !some[i].zero)
			counter->again_bytes += some[i].object->chunk_bytes;
}

static bool remember(struct counter *counter, const struct hashed *hashed)
{
	uint32_t *slot = ch_vec_push(&counter->hashes);

	if (!slot)
		return false;
	*slot = (uint32_t)hashed->hash;
	if (hashed->zero)
		*slot = ALL_ZEROS;
	else if (counter->seen_mask > UINT32_MAX || *slot == ALL_ZEROS)
		*slot = NONE_KNOWN;
	return true;
}

static struct ch_error *see_blocks(void *arg, const struct ch_object *objects, size_t n)
{
	struct counter *counter = arg;
	struct hashed some[AHEAD], *slot = some;
	struct block_kind kind;
	bool known;
	size_t i;

	if (!n)
		return NULL;
	kind = kind_of(counter, &objects[0]);
	for (i = 0; i < n; i++) {
		if (!is_compared(&objects[i]))
			continue;
		slot->hash = NONE_KNOWN;
		slot->zero = false;
		known = hash_ahead(counter, &objects[i], &kind, slot);
		if (!remember(counter, slot))
			return &ch_enomem;
		if (!known)
			continue;
		if (++slot == some + AHEAD) {
			see_some(counter, some, AHEAD);
			slot = some;
		}
	}
	see_some(counter, some, (size_t)(slot - some));
	return NULL;
}

/* They cost what is touched of them. */
static struct ch_error *take_block(struct counter *counter, const struct ch_object *object,
				   const struct block_kind *kind, uint32_t known)
{
	struct ch_strings_stat *ret = counter->ret;
	const uint32_t type = type_of(object, kind);
	struct ch_string text = text_of(object, kind);
	struct ch_object touched = *object;
	bool zero = known == ALL_ZEROS;
	uint64_t hash = 0;

	if (known < ALL_ZEROS && times_seen(counter, known) < 2)
		return NULL;
	if (!zero && !hash_block(counter, &text, type, &hash, &zero)) {
		ret->absent_count++;
		return NULL;
	}
	touched.chunk_bytes = chp_heaps_touched_bytes(counter->heaps, object);
	if (zero) {
		ret->zero_count++;
		ret->zero_bytes += touched.chunk_bytes;
		return NULL;
	}
	return times_seen(counter, hash) > 1 ? add_text(counter, &touched, &text, type, hash)
					     : NULL;
}

static struct ch_error *take_blocks(void *arg, const struct ch_object *objects, size_t n)
{
	struct counter *counter = arg;
	const uint32_t *hashes = counter->hashes.items;
	struct ch_error *err = NULL;
	struct block_kind kind;
	size_t i;

	if (!n)
		return NULL;
	kind = kind_of(counter, &objects[0]);
	for (i = 0; !err && i < n && counter->next < counter->hashes.count; i++) {
		if (!is_compared(&objects[i]))
			continue;
		counter->ret->count++;
		if (counter->next + AHEAD < counter->hashes.count)
			__builtin_prefetch(&counter->seen[(hashes[counter->next + AHEAD] &
							   counter->seen_mask) /
							  4]);
		err = take_block(counter, &objects[i], &kind, hashes[counter->next++]);
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

/* About how many blocks there are: the smallest ones take 16 bytes. */
static uint64_t count_used(struct ch_heaps *heaps)
{
	const struct ch_heap *list;
	uint64_t used = 0;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++)
		used += list[i].used_count;
	return ch_min(used, ch_core_stats(heaps->env.core)->present_bytes / 16);
}

/* A table in which few of the blocks that are there once meet others by chance. */
static bool make_seen(struct counter *counter)
{
	uint64_t places = SEEN_PER_BLOCK * count_used(counter->heaps);
	size_t size = 4096;

	while (size < places)
		size *= 2;
	counter->seen = calloc(size / 4, 1);
	counter->seen_mask = size - 1;
	return counter->seen != NULL;
}

struct ch_error *chp_contents_count(struct ch_heaps *heaps, uint64_t bytes_min,
				    struct ch_strings_stat *ret)
{
	struct counter counter = {
		.heaps = heaps, .ret = ret, .rows_max = BLOCK_ROWS_MAX, .hashes = CH_VEC(uint32_t)
	};
	struct ch_error *err = &ch_enomem;

	ret->rows = CH_VEC(struct ch_string_stat);
	if (make_seen(&counter))
		err = ch_heaps_walk(heaps, 0, UINT64_MAX, see_blocks, &counter);
	if (!err && counter.again_bytes >= bytes_min)
		err = ch_heaps_walk(heaps, 0, UINT64_MAX, take_blocks, &counter);
	free(counter.slots);
	free(counter.seen);
	ch_vec_deinit(&counter.hashes);
	if (!err)
		sum_up(ret);
	return err;
}

void chp_strings_deinit(struct ch_strings_stat *strings)
{
	ch_vec_deinit(&strings->rows);
}
