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
	/** The walker says that these are pointers. */
	bool exact;
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

/** Visit all words of a node; returns how many bytes of it are absent. */
CH_INLINE uint64_t chp_pieces_visit(struct ch_pieces *pieces, chp_word_fn fn, void *arg)
{
	const uint8_t *bytes = pieces->query.bytes;
	struct ch_piece piece;
	uint64_t absent = 0, i;

	while (chp_pieces_next(pieces, &piece)) {
		if (!piece.words)
			fn(arg, UINT64_MAX, piece.value, true);
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
