/*
 * The words of blocks that have a holder: which blocks they lead to.
 *
 * Waiting for memory is what this takes its time for. So words wait in a ring until the index has
 * their line, and blocks of chains until their first bytes are here; blocks of a level are known
 * ahead. Which block a chain began with must not depend on that: what may be a link is followed
 * before the next block of the level is looked at.
 */
#include "types/holder_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"

/* Words, blocks of chains and blocks of a level that wait for memory; powers of two. */
#define WORDS 16
#define LINKS 16
#define AHEAD 8
/* Blocks of this size and more may have holes, and pages of zeros. */
#define LARGE_BYTES (1U << 16)
/* Blocks between two looks at whether somebody wants the run to end. */
#define CHECK_BLOCKS 4096

/* A block to be scanned: its bytes in our memory, NULL if they are not in one piece. */
struct block {
	const uint8_t *bytes;
	uint64_t addr, size_bytes;
	const struct ch_index_span *span;
	uint32_t node;
};

struct word {
	uint64_t value, offset;
	const struct ch_index_span *span;
	uint32_t node;
};

struct scanner {
	struct ch_holding *holding;
	/* of struct block: of chains */
	struct ch_vec stack;
	struct word words[WORDS];
	struct block links[LINKS], ahead[AHEAD];
	uint32_t words_head, words_count, links_head, links_count;
	/* Of words that wait: how many may be links of chains. */
	uint32_t hopes;
	bool starved;
};

static struct ch_hold_node *node_at(const struct ch_holding *holding, uint32_t number)
{
	return CH_VEC_AT(&holding->nodes, struct ch_hold_node, number);
}

static uint64_t *last_step(struct ch_hold_node *node)
{
	return &node->steps[ch_min(node->steps_count, CH_HOLD_STEPS) - 1];
}

/* ---- What a word leads to ---------------------------------------------------------------- */

struct met {
	uint32_t id;
	uint64_t start, size_bytes, inside;
	bool inner;
};

/* A block that may get a name by this word. */
CH_INLINE bool find_block(const struct ch_holding *holding, const struct ch_index_span *span,
			  uint64_t value, struct met *ret)
{
	const struct ch_index *index = holding->env.index;
	struct ch_index_hit hit = chp_index_hit(span, value);
	uint32_t state = holding->blocks[hit.id];

	/* the bits of what is closed are all set */
	if (state == CH_HOLD_CLOSED || (state && !(state & CH_HOLD_INNER)))
		return false;
	ret->id = hit.id;
	ret->start = hit.start;
	ret->size_bytes = chp_index_size(index, span, hit.id, hit.start);
	ret->inside = value - hit.start;
	ret->inner = chp_is_inner(index, span, hit.id, hit.start, value);
	if (ret->inside >= ret->size_bytes)
		return false;
	/* where the boundary tag of a free neighbour was is no place that somebody holds */
	if (ret->inner && (state || ret->inside + 8 >= ret->size_bytes))
		return false;
	if (!ret->inner)
		ret->inside = 0;
	return true;
}

/* The size that its program sees. */
static uint64_t size_of(const struct ch_index *index, const struct ch_index_span *span,
			const struct met *met)
{
	return index->header_bytes && chp_index_has_header(index, span, met->id, met->start)
		       ? met->size_bytes - index->header_bytes
		       : met->size_bytes;
}

/* Whether words of a node at offset may be links of a chain: its blocks were found from blocks of
 * their own size, or by a word at that offset; or, of several sizes, by one at this offset before
 * the last (trees whose nodes hold texts). The first step is a word of the place. */
CH_INLINE bool may_link(const struct ch_hold_node *node, uint64_t offset)
{
	uint32_t shown = node->steps_count < CH_HOLD_STEPS ? node->steps_count : CH_HOLD_STEPS;
	uint64_t last, before;

	if (node->steps_count < 2)
		return false;
	last = node->steps[shown - 1];
	before = node->steps[shown - 2];
	return node->is_chain || (!(last & CH_STEP_ARRAY) && chp_step_has(last, offset)) ||
	       (!node->size_bytes && node->steps_count > 2 && !((last | before) & CH_STEP_ARRAY) &&
		chp_step_has(before, offset));
}

static void link_block(struct scanner *scanner, const struct word *word, const struct met *met)
{
	struct ch_hold_node *node = node_at(scanner->holding, word->node);
	uint64_t *step = last_step(node);
	struct block *block = ch_vec_push(&scanner->stack);

	if (!block) {
		scanner->starved = true;
		return;
	}
	*step = chp_step_add(*step, word->offset) | CH_STEP_CHAIN;
	node->links_count++;
	scanner->holding->blocks[met->id] = word->node + 1;
	*block = (struct block){ .addr = met->start,
				 .size_bytes = met->size_bytes,
				 .span = word->span,
				 .node = word->node };
	if (met->start + met->size_bytes <= word->span->bytes_end)
		block->bytes = word->span->bytes + (met->start - word->span->start);
}

static bool found_way(struct ch_holding *holding, const struct word *word, const struct met *met)
{
	uint32_t way = chp_holding_way(holding, word->node, word->offset,
				       size_of(holding->env.index, word->span, met), met->inside);

	if (way == CH_TABLE_NONE)
		return false;
	if (!holding->blocks[met->id])
		holding->queue[holding->queue_count++] = met->id;
	holding->blocks[met->id] = way | CH_HOLD_WAY | (met->inner ? CH_HOLD_INNER : 0);
	return true;
}

CH_RANKING bool chp_holding_leads(const struct ch_holding *holding, uint64_t value)
{
	const struct ch_index_span *span = chp_index_span(holding->env.index, value);
	struct met met;

	return span && !span->traced && find_block(holding, span, value, &met);
}

struct ch_error *chp_holding_meet(struct ch_holding *holding, uint32_t node, uint64_t offset,
				  uint64_t value)
{
	struct word word = { .value = value,
			     .offset = offset,
			     .span = chp_index_span(holding->env.index, value),
			     .node = node };
	struct met met;

	if (offset > CH_STEP_OFFSET || !word.span || word.span->traced ||
	    !find_block(holding, word.span, value, &met))
		return NULL;
	return found_way(holding, &word, &met) ? NULL : &ch_enomem;
}

/* ---- Words that wait --------------------------------------------------------------------- */

CH_INLINE void resolve(struct scanner *scanner, const struct word *word)
{
	struct ch_holding *holding = scanner->holding;
	const struct ch_hold_node *node = node_at(holding, word->node);
	bool hope = may_link(node, word->offset);
	struct met met;

	scanner->hopes -= hope && scanner->hopes;
	if (!find_block(holding, word->span, word->value, &met))
		return;
	if (hope && !holding->blocks[met.id] && met.inside == node->inside &&
	    (!node->size_bytes ||
	     node->size_bytes == size_of(holding->env.index, word->span, &met)))
		link_block(scanner, word, &met);
	else
		scanner->starved |= !found_way(holding, word, &met);
}

CH_INLINE void resolve_oldest(struct scanner *scanner)
{
	resolve(scanner, &scanner->words[scanner->words_head++ % WORDS]);
	scanner->words_count--;
}

CH_INLINE void take_word(struct scanner *scanner, uint32_t node, uint64_t offset, uint64_t value)
{
	const struct ch_index *index = scanner->holding->env.index;
	const struct ch_index_span *span;
	struct word *slot;

	if (!chp_may_point_plain(index, value))
		return;
	span = chp_index_span(index, value);
	if (!span || span->traced || offset > CH_STEP_OFFSET)
		return;
	if (scanner->words_count == WORDS)
		resolve_oldest(scanner);
	chp_index_prefetch(span, value);
	slot = &scanner->words[(scanner->words_head + scanner->words_count++) % WORDS];
	*slot = (struct word){ .value = value, .offset = offset, .span = span, .node = node };
	scanner->hopes += may_link(node_at(scanner->holding, node), offset);
}

/* ---- Blocks ------------------------------------------------------------------------------ */

/* What lies in pieces, is partly not in the core, or large. */
static void scan_slowly(struct scanner *scanner, const struct block *block)
{
	const struct ch_core *core = scanner->holding->env.core;
	uint64_t at = block->addr, end = block->addr + block->size_bytes;
	const uint8_t *bytes;
	size_t len;

	while ((bytes = ch_core_next_data(core, &at, end, &len)) != NULL) {
		for (; len >= 8; at += 8, bytes += 8, len -= 8)
			take_word(scanner, block->node, at - block->addr, ch_get64(bytes));
		at = ch_align_up(at + len, 8);
	}
}

CH_INLINE void scan_block(struct scanner *scanner, const struct block *block)
{
	uint64_t offset, end = block->size_bytes & ~7ULL;

	if (!block->bytes || block->size_bytes >= LARGE_BYTES) {
		scan_slowly(scanner, block);
		return;
	}
	for (offset = 0; offset < end; offset += 8)
		take_word(scanner, block->node, offset, ch_get64(block->bytes + offset));
}

/* Blocks of chains move from the stack to where their bytes are waited for. */
CH_INLINE void fill_links(struct scanner *scanner)
{
	struct block *slot;

	while (scanner->links_count < LINKS && scanner->stack.count) {
		slot = &scanner->links[(scanner->links_head + scanner->links_count++) % LINKS];
		*slot = *CH_VEC_AT(&scanner->stack, struct block, --scanner->stack.count);
		if (slot->bytes)
			__builtin_prefetch(slot->bytes);
	}
}

/* Chains to their ends. */
static CH_RANKING struct ch_error *scan_chains(struct scanner *scanner)
{
	struct ch_error *err = NULL;
	uint32_t pace = 0;

	while (!err && !scanner->starved) {
		fill_links(scanner);
		if (scanner->links_count) {
			scan_block(scanner, &scanner->links[scanner->links_head++ % LINKS]);
			scanner->links_count--;
		} else if (scanner->hopes && scanner->words_count) {
			resolve_oldest(scanner);
		} else {
			break;
		}
		if (++pace % CHECK_BLOCKS == 0)
			err = chp_context_check(scanner->holding->env.ctx);
	}
	return err;
}

/* A block of the level that will be scanned soon. */
static void look_ahead(struct scanner *scanner, size_t place)
{
	struct ch_holding *holding = scanner->holding;
	uint32_t id = holding->queue[place];
	struct block *slot = &scanner->ahead[place % AHEAD];

	*slot = (struct block){ .node = holding->blocks[id] - 1 };
	if (holding->blocks[id] == CH_HOLD_CLOSED)
		return;
	slot->span = chp_index_span_of(holding->env.index, id);
	slot->addr = chp_index_addr(holding->env.index, id);
	slot->size_bytes = chp_index_size(holding->env.index, slot->span, id, slot->addr);
	if (slot->addr + slot->size_bytes > slot->span->bytes_end)
		return;
	slot->bytes = slot->span->bytes + (slot->addr - slot->span->start);
	__builtin_prefetch(slot->bytes);
}

/* Blocks of a level have ways: these became nodes. */
static void settle(struct ch_holding *holding, size_t begin, size_t end)
{
	const struct ch_hold_way *ways = holding->ways.items;
	uint32_t *block, node;
	size_t i;

	for (i = begin; i < end; i++) {
		block = &holding->blocks[holding->queue[i]];
		node = ways[*block & CH_HOLD_NUMBER].to;
		*block = node == CH_ID_NONE ? CH_HOLD_CLOSED : node + 1;
		if (node != CH_ID_NONE)
			node_at(holding, node)->found_count++;
	}
	holding->ways.count = 0;
}

static CH_RANKING struct ch_error *scan_level(struct scanner *scanner, size_t begin, size_t end)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = begin; i < end && i < begin + AHEAD - 1; i++)
		look_ahead(scanner, i);
	for (i = begin; !err && !scanner->starved && i < end; i++) {
		if (i + AHEAD - 1 < end)
			look_ahead(scanner, i + AHEAD - 1);
		scan_block(scanner, &scanner->ahead[i % AHEAD]);
		err = scan_chains(scanner);
		if (!err && i % CHECK_BLOCKS == 0)
			err = chp_context_check(scanner->holding->env.ctx);
	}
	while (!err && !scanner->starved && scanner->words_count) {
		resolve_oldest(scanner);
		err = scan_chains(scanner);
	}
	return err;
}

struct ch_error *chp_holding_scan(struct ch_holding *holding, size_t begin, size_t end)
{
	struct scanner scanner = { .holding = holding, .stack = CH_VEC(struct block) };
	struct ch_error *err;

	settle(holding, begin, end);
	err = scan_level(&scanner, begin, end);
	ch_vec_deinit(&scanner.stack);
	return err ? err : scanner.starved ? &ch_enomem : NULL;
}
