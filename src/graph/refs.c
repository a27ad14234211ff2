/*
 * Every place in memory that refers to a range of addresses: words, references of four bytes,
 * registers, and code that has the address in an instruction. It needs no graph of edges, only
 * the place of what it finds.
 */
#include "graph/graph_priv.h"

#include "graph/pieces.h"
#include "heap/inspect.h"

#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* Words looked at together before any is looked at alone. */
#define GROUP 32

/* Bytes between two looks at the rest of the world. */
#define PACE (16ULL << 20)

struct finder {
	struct ch_graph *graph;
	uint64_t start, bytes;
	/* The target is an object of a runtime that says which words of its objects are pointers:
	 * others are numbers that look like one. The object that was asked of last, and where in
	 * its pieces: words come in ascending order. */
	bool traced, has_piece;
	struct ch_pieces pieces;
	struct ch_piece piece;
	uint64_t owner_addr;
	ch_refs_fn fn;
	void *arg;
	/* Where the scan is. */
	const struct ch_region *region;
	uint64_t done, total;
};

static enum ch_ref_kind kind_of_root(enum ch_root_kind kind)
{
	static const enum ch_ref_kind kinds[] = {
		[CH_ROOT_REGISTER] = CH_REF_REGISTER, [CH_ROOT_STACK] = CH_REF_STACK,
		[CH_ROOT_TLS] = CH_REF_TLS,           [CH_ROOT_DATA] = CH_REF_DATA,
		[CH_ROOT_MEMORY] = CH_REF_MEMORY,     [CH_ROOT_LEFTOVER] = CH_REF_DEAD_STACK,
	};

	return kinds[kind];
}

/* The first range of roots that ends behind addr; UINT32_MAX if none does. */
static uint32_t range_after(const struct ch_graph *graph, uint64_t addr)
{
	const struct ch_root_range *ranges = graph->ranges.items;
	uint32_t low = (uint32_t)ch_search(ranges, graph->ranges.count, it, it->end <= addr);

	return low < graph->ranges.count ? low : UINT32_MAX;
}

/* The range of roots that holds addr; UINT32_MAX if none does. */
static uint32_t range_at(const struct ch_graph *graph, uint64_t addr)
{
	uint32_t index = range_after(graph, addr);

	return index != UINT32_MAX &&
			       addr >= CH_VEC_AT(&graph->ranges, struct ch_root_range, index)->start
		       ? index
		       : UINT32_MAX;
}

static bool is_heap(enum ch_usage usage)
{
	return usage == CH_USAGE_HEAP || usage == CH_USAGE_ARENA || usage == CH_USAGE_MMAP_CHUNK ||
	       usage == CH_USAGE_MANAGED_HEAP;
}

static void find_owner(struct ch_graph *graph, struct ch_ref *ref)
{
	ref->kind = CH_REF_ALLOCATOR;
	ref->has_owner = ch_heaps_object_at(graph->heaps, ref->addr, &ref->owner);
	if (!ref->has_owner)
		return;
	if (ref->owner.state == CH_OBJECT_FREE)
		ref->kind = CH_REF_FREE;
	/* The header of a chunk is the allocator's. */
	else if (ref->owner.state == CH_OBJECT_USED && !(ref->owner.flags & CH_OBJECT_ALLOCATOR) &&
		 ref->addr >= ref->owner.addr)
		ref->kind = CH_REF_OBJECT;
}

static void find_root(const struct ch_graph *graph, uint32_t index, struct ch_ref *ref)
{
	const struct ch_root_range *range = CH_VEC_AT(&graph->ranges, struct ch_root_range, index);

	ref->has_root = true;
	ref->kind = kind_of_root(range->kind);
	ref->root = (struct ch_root){ .kind = range->kind,
				      .addr = ref->addr,
				      .value = ref->value,
				      .target = CH_ID_NONE,
				      .thread = range->thread,
				      .range = index };
}

/* Below the part of a stack that its thread uses: that follows. */
static void find_dead_stack(const struct ch_graph *graph, const struct ch_region *region,
			    struct ch_ref *ref)
{
	uint32_t index = range_after(graph, ref->addr);
	const struct ch_root_range *range;

	ref->kind = CH_REF_DEAD_STACK;
	if (index == UINT32_MAX)
		return;
	range = CH_VEC_AT(&graph->ranges, struct ch_root_range, index);
	if (range->kind != CH_ROOT_STACK || range->start >= region->end)
		return;
	find_root(graph, index, ref);
	ref->kind = CH_REF_DEAD_STACK;
}

/* As ch_graph_place(), where the region is known. */
static void find_place(struct ch_graph *graph, const struct ch_region *region, struct ch_ref *ref)
{
	uint32_t index;

	if (region->prot & CH_SEGMENT_EXEC && region->prot != CH_PROT_UNKNOWN) {
		ref->kind = CH_REF_CODE;
	} else if ((index = range_at(graph, ref->addr)) != UINT32_MAX) {
		find_root(graph, index, ref);
	} else if (region->usage == CH_USAGE_STACK) {
		find_dead_stack(graph, region, ref);
	} else if (is_heap(region->usage) || region->prot & CH_SEGMENT_WRITE) {
		/* What is writable and no root belongs to an allocator: blocks, which musl
		 * also makes of what modules leave of their pages, or its own data. */
		find_owner(graph, ref);
	} else {
		ref->kind = CH_REF_CONSTANT;
	}
}

void ch_graph_place(struct ch_graph *graph, uint64_t addr, struct ch_ref *ret)
{
	const struct ch_region *region = ch_map_region_at(graph->map, addr);

	*ret = (struct ch_ref){ .kind = CH_REF_CONSTANT, .addr = addr };
	if (region)
		find_place(graph, region, ret);
}

static struct ch_error *found(struct finder *finder, uint64_t addr, uint64_t value)
{
	struct ch_ref ref = { .addr = addr, .value = value };

	find_place(finder->graph, finder->region, &ref);
	return finder->fn(finder->arg, &ref);
}

/* The piece of an object that holds an offset: its last one, or a later one. */
static bool find_piece(struct finder *finder, const struct ch_index_span *span, uint32_t id,
		       uint64_t offset, uint64_t addr)
{
	struct ch_piece *piece = &finder->piece;

	if (addr != finder->owner_addr) {
		finder->owner_addr = addr;
		chp_pieces_begin(&finder->pieces, finder->graph, span, id, addr,
				 chp_index_size(finder->graph->index, span, id, addr));
		finder->has_piece = chp_pieces_next(&finder->pieces, piece);
	}
	/* pieces without words come last */
	while (finder->has_piece && piece->words &&
	       piece->offset + piece->width * piece->words <= offset)
		finder->has_piece = chp_pieces_next(&finder->pieces, piece);
	return finder->has_piece && piece->words && piece->offset <= offset;
}

struct field_at {
	uint64_t addr;
	bool is_reference;
};

static struct ch_error *take_field(void *arg, const struct ch_field *field)
{
	struct field_at *at = arg;

	at->is_reference |= field->addr == at->addr && field->kind == CH_VALUE_REFERENCE;
	return NULL;
}

/* Whether a word of an object is a field that holds a reference, also a weak one, which the graph
 * leaves out. */
static struct ch_error *find_field(const struct finder *finder, const struct ch_ref *ref, bool *ret)
{
	struct ch_fields_query query = { .addr = ref->owner.addr };
	struct field_at at = { .addr = ref->addr };
	struct ch_inspected inspected;
	struct ch_error *err;

	if (!chp_heaps_inspector(finder->graph->heaps, &ref->owner, &inspected, &query.key))
		return NULL;
	err = inspected.inspector->fields(inspected.state, &query, take_field, &at);
	*ret = at.is_reference;
	return err;
}

/* Whether a word of memory counts: in an object that its runtime can tell about what it says is a
 * pointer does, if the target is such an object, too. */
static struct ch_error *counts(struct finder *finder, const struct ch_ref *ref, bool *ret)
{
	const struct ch_index *index = finder->graph->index;
	const struct ch_index_span *span;
	uint64_t start, offset = ref->addr - ref->owner.addr;
	uint32_t id;

	*ret = true;
	if (!finder->traced || ref->kind != CH_REF_OBJECT)
		return NULL;
	span = chp_index_span(index, ref->owner.addr);
	if (!span || !span->traced)
		return NULL;
	id = chp_index_node(index, span, ref->owner.addr, &start);
	if (id == CH_ID_NONE || start != ref->owner.addr)
		return NULL;
	if (find_piece(finder, span, id, offset, start) && finder->piece.exact &&
	    finder->piece.width == 8 &&
	    chp_word_value(span->traced, ref->value, true) - finder->start < finder->bytes)
		return NULL;
	*ret = false;
	return find_field(finder, ref, ret);
}

/* A word of memory that holds an address of the target. */
static struct ch_error *found_word(struct finder *finder, uint64_t addr, uint64_t value)
{
	struct ch_ref ref = { .addr = addr, .value = value };
	struct ch_error *err;
	bool taken;

	find_place(finder->graph, finder->region, &ref);
	err = counts(finder, &ref, &taken);
	return err || !taken ? err : finder->fn(finder->arg, &ref);
}

/* Aligned words of len bytes at addr. */
static struct ch_error *scan_words(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				   uint64_t len)
{
	uint64_t start = finder->start, size = finder->bytes, any, i, k;
	struct ch_error *err = NULL;

	for (i = 0; !err && i + 8 <= len;) {
		if (i + 8 * GROUP <= len) {
			for (any = 0, k = 0; k < GROUP; k++)
				any |= ch_get64(bytes + i + 8 * k) - start < size;
			if (!any) {
				i += 8 * GROUP;
				continue;
			}
		}
		for (k = 0; !err && k < GROUP && i + 8 <= len; k++, i += 8)
			if (ch_get64(bytes + i) - start < size)
				err = found_word(finder, addr + i, ch_get64(bytes + i));
	}
	return err;
}

/*
 * What an instruction of x86-64 addresses relative to its end, if its ModRM byte
 * stands before the four bytes at p: mod 0, rm 5 (Intel SDM volume 2, 2.2.1.6). An
 * immediate may follow, as the opcode before says.
 */
static uint64_t relative_target(const uint8_t *p, uint64_t addr)
{
	uint8_t opcode = p[-2], modrm = p[-1], more = 0;

	switch (opcode) {
	case 0x6b:
	case 0x80:
	case 0x83:
	case 0xc0:
	case 0xc1:
	case 0xc6:
		more = 1;
		break;
	case 0x69:
	case 0x81:
	case 0xc7:
		more = p[-3] == 0x66 ? 2 : 4;
		break;
	case 0xf6:
	case 0xf7:
		if ((modrm & 0x30) == 0)
			more = opcode == 0xf6 ? 1 : 4;
		break;
	default:
		break;
	}
	return addr + 4 + more + (uint64_t)(int64_t)(int32_t)ch_get32(p);
}

/* Words of code, which lie anywhere, and addresses relative to instructions. */
static struct ch_error *scan_code(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				  uint64_t len)
{
	bool relative = ch_core_arch(finder->graph->core) == CH_ARCH_X86_64;
	/* Pieces share 7 bytes, so that no word is cut: 4 of the first piece's. */
	uint64_t first = addr == finder->region->start ? 3 : 4, i, value;
	struct ch_error *err = NULL;

	for (i = 0; !err && i + 4 <= len; i++) {
		if (i + 8 <= len && ch_get64(bytes + i) - finder->start < finder->bytes)
			err = found(finder, addr + i, ch_get64(bytes + i));
		if (err || !relative || i < first || (bytes[i - 1] & 0xc7) != 0x05)
			continue;
		value = relative_target(bytes + i, addr + i);
		if (value - finder->start < finder->bytes)
			err = found(finder, addr + i, value);
	}
	return err;
}

/* The next bytes of the region from *at on; zeros are of interest only in code, and to
 * who looks for address 0. */
static const uint8_t *next_bytes(const struct finder *finder, bool code, uint64_t *at, size_t *len)
{
	const struct ch_core *core = finder->graph->core;
	uint64_t end = finder->region->end, skip;
	const uint8_t *bytes;

	if (code) {
		*at = ch_core_next_present(core, *at, end);
		return *at < end ? ch_core_span(core, *at, len) : NULL;
	}
	while (*at < end) {
		if (finder->start) {
			bytes = ch_core_next_data(core, at, end, len);
		} else {
			*at = ch_core_next_present(core, *at, end);
			bytes = *at < end ? ch_core_span(core, *at, len) : NULL;
		}
		if (!bytes)
			break;
		skip = ch_align_up(*at, 8) - *at;
		*at += skip;
		if (*len > skip) {
			*len -= skip;
			return bytes + skip;
		}
	}
	return NULL;
}

static struct ch_error *scan_region(struct finder *finder, bool code)
{
	uint64_t at = finder->region->start, end = finder->region->end, n;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t len;

	while (!err && (bytes = next_bytes(finder, code, &at, &len)) && at < end) {
		n = ch_min(ch_min(len, end - at), PACE);
		err = code ? scan_code(finder, at, bytes, n) : scan_words(finder, at, bytes, n);
		/* Words over the end of a piece of code are looked at from the next one. */
		at += code && n > 7 && n == PACE ? n - 7 : n;
		finder->done += n;
		chp_context_progress(finder->graph->ctx, "looking for pointers", finder->done,
				     finder->total);
		if (!err)
			err = chp_context_check(finder->graph->ctx);
	}
	return err;
}

/* ---- Pointers that are no addresses ---------------------------------------------- */

struct encoded {
	struct finder *finder;
	uint64_t addr;
	struct ch_error *err;
};

static void take_encoded(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	struct encoded *encoded = arg;
	uint64_t word, at = encoded->addr + offset;

	if (!exact || encoded->err || offset == UINT64_MAX ||
	    value - encoded->finder->start >= encoded->finder->bytes)
		return;
	/* a word that is the address itself was found before */
	if (at % 8 == 0 && ch_core_read_u64(encoded->finder->graph->core, at, &word) &&
	    word == value)
		return;
	encoded->err = found(encoded->finder, at, value);
}

/* Objects of a span whose pointers a runtime keeps in its own way. */
static struct ch_error *scan_encoded(struct finder *finder, const struct ch_index_span *span)
{
	const struct ch_graph *graph = finder->graph;
	struct encoded encoded = { .finder = finder };
	struct ch_pieces pieces = { 0 };
	uint32_t id;

	for (id = span->first_id; !encoded.err && id < span->first_id + span->count; id++) {
		if (!chp_is_node(graph->index, id))
			continue;
		encoded.addr = ch_graph_addr(graph, id);
		if (encoded.addr < finder->region->start || encoded.addr >= finder->region->end)
			continue;
		chp_pieces_begin(&pieces, graph, span, id, encoded.addr,
				 chp_index_size(graph->index, span, id, encoded.addr));
		chp_pieces_visit(&pieces, take_encoded, &encoded);
		if (id % 65536 == 0 && !encoded.err)
			encoded.err = chp_context_check(graph->ctx);
	}
	return encoded.err;
}

/* Spans of a region that have such pointers. */
static struct ch_error *scan_heap(struct finder *finder)
{
	const struct ch_index_span *spans = finder->graph->index->spans.items, *span;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < finder->graph->index->spans.count; i++) {
		span = &spans[i];
		if (span->start >= finder->region->end)
			break;
		if (span->traced && (span->traced->narrow.used || span->traced->decode) &&
		    span->end > finder->region->start)
			err = scan_encoded(finder, span);
	}
	return err;
}

static struct ch_error *visit_registers(struct finder *finder)
{
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	struct ch_ref ref;
	size_t count, i;
	uint32_t k;

	threads = ch_core_threads(finder->graph->core, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; !err && k < threads[i].regs_count; k++) {
			if (threads[i].regs[k] - finder->start >= finder->bytes)
				continue;
			ref = (struct ch_ref){ .kind = CH_REF_REGISTER,
					       .value = threads[i].regs[k],
					       .has_root = true };
			ref.root = (struct ch_root){ .kind = CH_ROOT_REGISTER,
						     .value = threads[i].regs[k],
						     .target = CH_ID_NONE,
						     .thread = (uint32_t)i,
						     .reg = k,
						     .range = UINT32_MAX };
			err = finder->fn(finder->arg, &ref);
		}
	}
	return err;
}

static struct ch_error *scan(struct finder *finder, bool code)
{
	const struct ch_region *region = finder->region;
	struct ch_error *err;

	/* what is mapped once more is looked at where it lies first */
	if (region->state != CH_STATE_COMMIT || region->usage == CH_USAGE_MANAGED_VIEW)
		return NULL;
	if (region->prot & CH_SEGMENT_EXEC && region->prot != CH_PROT_UNKNOWN)
		return code ? scan_region(finder, true) : NULL;
	err = scan_region(finder, false);
	return !err && region->usage == CH_USAGE_MANAGED_HEAP ? scan_heap(finder) : err;
}

struct ch_error *ch_graph_refs(struct ch_graph *graph, uint64_t start, uint64_t end, bool code,
			       ch_refs_fn fn, void *arg)
{
	struct finder finder = {
		.graph = graph, .start = start, .bytes = end - start, .fn = fn, .arg = arg
	};
	const struct ch_index_span *span;
	const struct ch_region *regions;
	struct ch_error *err;
	size_t count, i;

	span = chp_index_span(graph->index, start);
	finder.traced = span && span->traced && ch_graph_node_at(graph, start) != CH_ID_NONE;
	finder.total = ch_core_stats(graph->core)->present_bytes;
	regions = ch_map_regions(graph->map, &count);
	err = visit_registers(&finder);
	for (i = 0; !err && i < count; i++) {
		finder.region = &regions[i];
		err = scan(&finder, code);
	}
	return err;
}

const char *ch_ref_kind_name(enum ch_ref_kind kind)
{
	static const char *const names[] = { "object",     "free",     "allocator", "register",
					     "stack",      "tls",      "data",      "memory",
					     "dead stack", "constant", "code" };

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : "unknown";
}
