/*
 * Words of providers about blocks: the best one of each is kept, and who follows pointers is shown
 * every block whose name changed.
 *
 * The queue is two lists, one that is followed and one that fills meanwhile, so that blocks come
 * in the order of their distance from where names began. A bit of each word says that its block is
 * waiting, so that a block waits once, however many lead to it; another two count how often a
 * provider took back its own word, which ends any quarrel of a provider with itself.
 */
#include "types/naming.h"

#include <stdlib.h>

#include "heap/filter.h"
#include "util/context.h"
#include "util/error.h"

/* The walker leaves it to others. */
#define WORD_OPEN   (1U << 31)
#define WORD_QUEUED (1U << 30)
/* How often its provider thought better of it. */
#define WORD_CHANGES_SHIFT 28
#define WORD_CHANGES_MAX   3U

/* Blocks between two looks at whether somebody wants the run to end. */
#define CHECK_BLOCKS 4096

#define BATCH        256

/* Spans with open blocks that are walked one by one, where most blocks are in others. */
#define OPEN_SPANS_MAX 4096

/* ---- Who says it -------------------------------------------------------------------- */

const struct ch_told *chp_naming_told(const struct ch_naming *naming, uint32_t number)
{
	const struct ch_told *told = naming->told.items;
	size_t i;

	for (i = 0; i < naming->told.count; i++)
		if (told[i].number == number)
			return &told[i];
	return NULL;
}

static const struct ch_told *told_of(const struct ch_naming *naming,
				     const struct ch_provider *provider)
{
	const struct ch_told *told = naming->told.items;
	size_t i;

	for (i = 0; i < naming->told.count; i++)
		if (told[i].provider == provider)
			return &told[i];
	return NULL;
}

bool chp_naming_made_of(const struct ch_naming *naming, const struct ch_named_block *block,
			struct ch_ctypes *ctypes, struct ch_made_of *ret)
{
	const struct ch_told *told = block->provider ? told_of(naming, block->provider) : NULL;

	return told && told->provider->made_of &&
	       told->provider->made_of(told->state, ctypes, block->key, ret);
}

/* Whose word a block has; NULL: nobody's. */
static const struct ch_told *teller(const struct ch_naming *naming, uint32_t word,
				    struct ch_type_source *ret)
{
	if (!(word & CH_WORD_TYPE))
		return NULL;
	chp_type_source(naming->env.heaps, word & CH_WORD_TYPE, ret);
	return chp_naming_told(naming, ret->provider);
}

/* ---- A word ------------------------------------------------------------------------- */

/* Whether the word of one who names a block is to be kept; changed: it had one of the same. */
static bool is_better(struct ch_naming *naming, const struct ch_told *told, uint32_t word,
		      uint64_t key, bool *changes_ret)
{
	struct ch_type_source source;
	const struct ch_told *other = teller(naming, word, &source);

	*changes_ret = other == told;
	if (!(word & CH_WORD_TYPE))
		return true;
	/* No room was left for its type: it is one of the engine's. */
	if (!other)
		return false;
	if (other == told)
		return source.key != key &&
		       (word >> WORD_CHANGES_SHIFT & WORD_CHANGES_MAX) < WORD_CHANGES_MAX;
	naming->conflicts_count += other->provider->rank == told->provider->rank;
	return told->provider->rank < other->provider->rank;
}

static struct ch_error *queue(struct ch_naming *naming, uint32_t id)
{
	uint32_t *item;

	if (!naming->followed || naming->words[id] & WORD_QUEUED)
		return NULL;
	item = ch_vec_push(&naming->next);
	if (!item)
		return &ch_enomem;
	*item = id;
	naming->words[id] |= WORD_QUEUED;
	return NULL;
}

static struct ch_error *say(struct ch_naming *naming, const struct ch_told *told,
			    const struct ch_type_source *source, uint32_t id)
{
	uint32_t word = naming->words[id], type;
	bool changes;

	if (!is_better(naming, told, word, source->key, &changes))
		return NULL;
	type = chp_type_of_provider(naming->env.heaps, source);
	if (!type)
		return &ch_enomem;
	naming->named_count += !(word & CH_WORD_TYPE);
	naming->words[id] =
		((word & ~CH_WORD_TYPE) | type) + ((uint32_t)changes << WORD_CHANGES_SHIFT);
	return queue(naming, id);
}

struct ch_error *chp_naming_say(struct ch_naming *naming, const struct ch_provider *who,
				const struct ch_named_block *block, uint64_t key)
{
	const struct ch_told *told = told_of(naming, who);
	struct ch_type_source source = { .walker = naming->walkers[block->span] - 1, .key = key };

	if (!told)
		return NULL;
	source.provider = told->number;
	return say(naming, told, &source, block->id);
}

enum ch_words chp_naming_words(const struct ch_naming *naming, const struct ch_named_block *block)
{
	const struct ch_told *told =
		block->provider && block->provider->words ? told_of(naming, block->provider) : NULL;

	return told ? told->provider->words(told->state, block->key) : CH_WORDS_MEMBERS;
}

void chp_naming_conflict(struct ch_naming *naming)
{
	naming->conflicts_count++;
}

/* ---- A block ------------------------------------------------------------------------ */

/* Fill in a block of which it is known where it begins, and where the next object does. */
static void fill_block(const struct ch_naming *naming, const struct ch_index_span *span,
		       uint32_t id, uint64_t start, uint64_t next, struct ch_named_block *ret)
{
	const struct ch_index *index = naming->env.index;
	struct ch_type_source source = { 0 };
	const struct ch_told *told = teller(naming, naming->words[id], &source);

	*ret = (struct ch_named_block){
		.id = id,
		.span = (uint32_t)(span - (const struct ch_index_span *)index->spans.items),
		.addr = start,
		.size_bytes = chp_index_size_to(index, span, id, start, next),
		.provider = told ? told->provider : NULL,
		.key = told ? source.key : 0,
		.type = naming->words[id] & CH_WORD_TYPE,
	};
	if (index->header_bytes && chp_index_has_header(index, span, id, start)) {
		ret->addr += index->header_bytes;
		ret->size_bytes -= index->header_bytes;
	}
}

CH_RANKING bool chp_naming_block(const struct ch_naming *naming, uint64_t addr,
				 struct ch_named_block *ret)
{
	const struct ch_index *index = naming->env.index;
	const struct ch_index_span *span;
	uint64_t start = 0;
	uint32_t id;

	if (!chp_may_point_plain(index, addr))
		return false;
	span = chp_index_span(index, addr);
	id = span ? chp_index_node(index, span, addr, &start) : CH_ID_NONE;
	if (id == CH_ID_NONE || !(naming->words[id] & WORD_OPEN))
		return false;
	fill_block(naming, span, id, start, chp_index_next(span, id, start), ret);
	return addr >= ret->addr;
}

struct each {
	struct ch_naming *naming;
	ch_named_blocks_fn fn;
	void *arg;
	bool left_only;
	uint32_t count;
	struct ch_named_block blocks[BATCH];
};

static struct ch_error *flush(struct each *each)
{
	uint32_t n = each->count;

	each->count = 0;
	return n ? each->fn(each->arg, each->blocks, n) : NULL;
}

static struct ch_error *each_of_span(struct each *each, const struct ch_index_span *span)
{
	const uint32_t *words = each->naming->words;
	uint32_t id = span->first_id, end = id + span->count;
	struct ch_error *err = NULL;
	uint64_t start, next;

	if (!span->count)
		return NULL;
	for (start = chp_index_addr(each->naming->env.index, id); !err && id < end;
	     start = next, id++) {
		next = chp_index_next(span, id, start);
		if (!(words[id] & WORD_OPEN) || (each->left_only && words[id] & CH_WORD_TYPE))
			continue;
		fill_block(each->naming, span, id, start, next, &each->blocks[each->count++]);
		if (each->count == BATCH)
			err = flush(each);
		if (!err && id % CHECK_BLOCKS == 0)
			err = chp_context_check(each->naming->env.ctx);
	}
	return err ? err : flush(each);
}

static struct ch_error *each_block(struct ch_naming *naming, ch_named_blocks_fn fn, void *arg,
				   bool left_only)
{
	const struct ch_vec *spans = &naming->env.index->spans;
	struct each each = { .naming = naming, .fn = fn, .arg = arg, .left_only = left_only };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < spans->count; i++)
		if (naming->walkers[i])
			err = each_of_span(&each, CH_VEC_AT(spans, struct ch_index_span, i));
	return err;
}

struct ch_error *chp_naming_all(struct ch_naming *naming, ch_named_blocks_fn fn, void *arg)
{
	return each_block(naming, fn, arg, false);
}

struct ch_error *chp_naming_left(struct ch_naming *naming, ch_named_blocks_fn fn, void *arg)
{
	return each_block(naming, fn, arg, true);
}

/* ---- By contents --------------------------------------------------------------------- */

/* Open objects of one batch, and their ids. */
struct opened {
	size_t count;
	struct ch_object objects[CH_BATCH_MAX];
	uint32_t ids[CH_BATCH_MAX];
};

/* The walk that finds them. */
struct search {
	struct ch_naming *naming;
	uint32_t next_id;
};

static struct ch_error *ask_one(struct ch_naming *naming, const struct ch_told *told,
				const struct opened *opened, uint32_t walker)
{
	struct ch_type_source source = { .provider = told->number, .walker = walker };
	uint64_t keys[CH_BATCH_MAX];
	struct ch_error *err;
	size_t i;

	err = told->provider->blocks(told->state, opened->objects, opened->count, keys);
	for (i = 0; !err && i < opened->count; i++) {
		source.key = keys[i];
		if (keys[i])
			err = say(naming, told, &source, opened->ids[i]);
	}
	return err;
}

static struct ch_error *ask(struct ch_naming *naming, const struct opened *opened)
{
	uint32_t walker = chp_type_walker(naming->env.heaps, opened->objects[0].type);
	const struct ch_index_span *span =
		chp_index_span(naming->env.index, opened->objects[0].addr);
	const struct ch_index_span *spans = naming->env.index->spans.items;
	const struct ch_told *told = naming->told.items;
	struct ch_error *err = NULL;
	size_t i;

	if (span)
		naming->walkers[span - spans] = walker + 1;
	for (i = 0; !err && i < naming->told.count; i++)
		if (told[i].provider->blocks)
			err = ask_one(naming, &told[i], opened, walker);
	return err;
}

static struct ch_error *take(void *arg, const struct ch_object *objects, size_t n)
{
	struct search *search = arg;
	const struct ch_index *index = search->naming->env.index;
	struct opened opened;
	uint32_t id;
	size_t i;

	opened.count = 0;
	for (i = 0; i < n; i++) {
		id = search->next_id++;
		if (!chp_is_open(&objects[i]))
			continue;
		if (index->gaps || search->naming->open_heaps)
			id = chp_index_at(index, objects[i].addr);
		if (id >= index->objects_count)
			continue;
		search->naming->words[id] |= WORD_OPEN;
		opened.ids[opened.count] = id;
		opened.objects[opened.count++] = objects[i];
	}
	return opened.count ? ask(search->naming, &opened) : NULL;
}

/* All heaps of a walker that leaves blocks open in one of them. */
static void open_like(const struct ch_heap *heaps, size_t count, uint32_t heap, bool *open)
{
	size_t i;

	for (i = 0; !open[heap] && i < count; i++)
		if (i != heap)
			open[i] |= heaps[i].walker == heaps[heap].walker;
	open[heap] = true;
}

struct ch_error *chp_naming_find_open(struct ch_naming *naming)
{
	const struct ch_vec *spans = &naming->env.index->spans;
	const struct ch_index_span *span;
	uint64_t open_count = 0, open_spans = 0;
	const struct ch_heap *heaps;
	size_t count, i;

	heaps = ch_heaps_list(naming->env.heaps, &count);
	naming->open_heaps = calloc(count + 1, sizeof(*naming->open_heaps));
	if (!naming->open_heaps)
		return &ch_enomem;
	for (i = 0; i < spans->count; i++) {
		span = CH_VEC_AT(spans, struct ch_index_span, i);
		if (span->untyped)
			open_like(heaps, count, span->heap, naming->open_heaps);
	}
	for (i = 0; i < spans->count; i++) {
		span = CH_VEC_AT(spans, struct ch_index_span, i);
		open_count += naming->open_heaps[span->heap] ? span->count : 0;
		open_spans += naming->open_heaps[span->heap];
	}
	if (open_count > naming->env.index->objects_count / 2 || open_spans > OPEN_SPANS_MAX) {
		free(naming->open_heaps);
		naming->open_heaps = NULL;
	}
	return NULL;
}

struct ch_error *chp_naming_blocks(struct ch_naming *naming)
{
	const struct ch_object_filter filter = { .heaps = naming->open_heaps };
	struct search search = { .naming = naming };

	return chp_heaps_walk_where(naming->env.heaps, &filter, take, &search);
}

/* ---- The queue ----------------------------------------------------------------------- */

static struct ch_error *follow_one(struct ch_naming *naming, uint32_t id)
{
	const struct ch_index *index = naming->env.index;
	const struct ch_told *told = naming->told.items;
	const struct ch_index_span *span;
	struct ch_named_block block;
	struct ch_error *err = NULL;
	uint64_t start;
	size_t i;

	naming->words[id] &= ~WORD_QUEUED;
	span = chp_index_span_of(index, id);
	start = chp_index_addr_in(index, span, id);
	fill_block(naming, span, id, start, chp_index_next(span, id, start), &block);
	for (i = 0; !err && i < naming->told.count; i++)
		if (told[i].provider->follow)
			err = told[i].provider->follow(told[i].state, naming, &block);
	return err;
}

static struct ch_error *follow_list(struct ch_naming *naming)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < naming->current.count; i++) {
		err = follow_one(naming, *CH_VEC_AT(&naming->current, uint32_t, i));
		if (!err && i % CHECK_BLOCKS == 0)
			err = chp_context_check(naming->env.ctx);
	}
	naming->current.count = 0;
	return err;
}

struct ch_error *chp_naming_follow(struct ch_naming *naming)
{
	struct ch_error *err = NULL;
	struct ch_vec swapped;

	while (!err && naming->next.count) {
		swapped = naming->current;
		naming->current = naming->next;
		naming->next = swapped;
		err = follow_list(naming);
	}
	return err;
}
