/*
 * pieces.h - where the pointers of a node are, of one whose walker knows it.
 *
 * A node is handed out in pieces, ascending: words that are pointers, words that
 * may be addresses of blocks of other heaps (a pointer to what malloc gave), and
 * at last what it keeps alive without a word of its own.
 */
#ifndef COREHEAP_GRAPH_PIECES_H
#define COREHEAP_GRAPH_PIECES_H

#include "graph/graph_priv.h"

struct ch_piece {
	/** Words from offset on; 0: value stands for itself. */
	uint64_t offset, words;
	/** Of a word: 8, or 4 for pointers that the runtime keeps so. */
	uint32_t width;
	uint64_t value;
	/** The walker says that these are pointers; that they are words of a stack. */
	bool exact, stack;
};

/** Zero it once; then it serves any number of nodes. */
struct ch_pieces {
	struct ch_ref_query query;
	const struct ch_graph *graph;
	const struct ch_traced *traced;
	/** Words from here on were not handed out. */
	uint64_t at;
	/** Next run of the query; next link of links_end. */
	uint32_t run;
	bool told_also, found_links;
	uint32_t id;
	size_t link, links_end;
};

/** Begin with a node of a span that has a tracer. */
void chp_pieces_begin(struct ch_pieces *pieces, const struct ch_graph *graph,
		      const struct ch_index_span *span, uint32_t id, uint64_t addr, uint64_t size);
/** False at the end. */
bool chp_pieces_next(struct ch_pieces *pieces, struct ch_piece *ret);

/** Called with words that may be pointers: exact as in struct ch_piece, offset of
 * the word or UINT64_MAX. */
typedef void (*chp_word_fn)(void *arg, uint64_t offset, uint64_t value, bool exact);

/** Words of a piece whose node does not lie in one piece in our memory; returns how
 * many bytes are absent. */
uint64_t chp_pieces_visit_slowly(const struct ch_pieces *pieces, const struct ch_piece *piece,
				 chp_word_fn fn, void *arg);

/** Words of a piece that are a stack's; returns as the one above. */
uint64_t chp_pieces_visit_stack(const struct ch_pieces *pieces, const struct ch_piece *piece,
				chp_word_fn fn, void *arg);

/** What a pointer of 4 bytes stands for. */
CH_INLINE uint64_t chp_narrow_value(const struct ch_narrow *narrow, uint32_t word)
{
	return word ? narrow->base + ((uint64_t)word << narrow->shift) : 0;
}

/** What a word of 8 bytes of a piece stands for. */
CH_INLINE uint64_t chp_word_value(const struct ch_traced *traced, uint64_t word, bool exact)
{
	return exact && traced->decode ? traced->decode(traced->state, word) : word;
}

/** Ask the walker once. Whether that told all pointers of the node, and all of it lies in our
 * memory as it is: so it is with most. */
CH_INLINE bool chp_pieces_are_whole(struct ch_pieces *pieces)
{
	struct ch_ref_query *query = &pieces->query;
	uint32_t i;

	if (!query->bytes)
		return false;
	query->more = false;
	pieces->traced->tracer->refs(pieces->traced->state, query);
	for (i = 0; i < query->count; i++)
		if (query->runs[i].stack)
			return false;
	return !query->more;
}

/** Whole words of 8 bytes in [at, end), if any word of the object may be an address. */
CH_INLINE void chp_pieces_visit_rest(const struct ch_pieces *pieces, uint64_t at, uint64_t end,
				     chp_word_fn fn, void *arg)
{
	const struct ch_ref_query *query = &pieces->query;

	if (query->pure)
		return;
	for (at = ch_align_up(at, 8); at + 8 <= end; at += 8)
		fn(arg, at, ch_get64(query->bytes + at), false);
}

/** Visit the words of such a node; what it keeps alive without a word is left. */
CH_INLINE void chp_pieces_visit_whole(struct ch_pieces *pieces, chp_word_fn fn, void *arg)
{
	const struct ch_ref_query *query = &pieces->query;
	const struct ch_narrow *narrow = &pieces->traced->narrow;
	uint64_t width = narrow->used ? 4 : 8, words = query->size_bytes / width, at = 0, until;
	const struct ch_ref_run *run;

	pieces->at = query->size_bytes & ~7ULL;
	for (pieces->run = 0; pieces->run < query->count; pieces->run++) {
		run = &query->runs[pieces->run];
		if (!run->words || run->offset % width || run->offset < at ||
		    run->offset >= pieces->at || run->words > words - run->offset / width)
			continue;
		chp_pieces_visit_rest(pieces, at, run->offset, fn, arg);
		until = run->offset + width * run->words;
		for (at = run->offset; at < until; at += width)
			fn(arg, at,
			   width == 4 ? chp_narrow_value(narrow, ch_get32(query->bytes + at))
				      : chp_word_value(pieces->traced, ch_get64(query->bytes + at),
						       true),
			   true);
	}
	chp_pieces_visit_rest(pieces, at, pieces->at, fn, arg);
}

/** Visit all words of a node; returns how many bytes of it are absent. */
CH_INLINE uint64_t chp_pieces_visit(struct ch_pieces *pieces, chp_word_fn fn, void *arg)
{
	const uint8_t *bytes = pieces->query.bytes;
	struct ch_piece piece;
	uint64_t absent = 0, i;

	if (chp_pieces_are_whole(pieces)) {
		chp_pieces_visit_whole(pieces, fn, arg);
		if (!pieces->query.also && (!pieces->graph->links.count || pieces->query.unlinked))
			return 0;
	}
	while (chp_pieces_next(pieces, &piece)) {
		if (!piece.words)
			fn(arg, UINT64_MAX, piece.value, true);
		else if (piece.stack)
			absent += chp_pieces_visit_stack(pieces, &piece, fn, arg);
		else if (!bytes)
			absent += chp_pieces_visit_slowly(pieces, &piece, fn, arg);
		else if (piece.width == 4)
			for (i = 0; i < piece.words; i++)
				fn(arg, piece.offset + 4 * i,
				   chp_narrow_value(&pieces->traced->narrow,
						    ch_get32(bytes + piece.offset + 4 * i)),
				   piece.exact);
		else
			for (i = 0; i < piece.words; i++)
				fn(arg, piece.offset + 8 * i,
				   chp_word_value(pieces->traced,
						  ch_get64(bytes + piece.offset + 8 * i),
						  piece.exact),
				   piece.exact);
	}
	return absent;
}

#endif /* COREHEAP_GRAPH_PIECES_H */
