/*
 * Who has the addresses of memory that belongs to no known allocator: variables and blocks that
 * point at the beginnings of its pages, where what was mapped or carved out of it begins.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/chain.h"
#include "analysis/suspects.h"
#include "graph/tally.h"
#include "util/bytes.h"
#include "util/search.h"

enum {
	/* Bytes behind the beginning of a page: headers of programs' own allocators. */
	HEADER_BYTES = 64,
	/* Bytes between two pointers of one table, where no symbol says what belongs together. */
	TABLE_GAP = 256,
	/* More than these are not counted, and nobody is named. */
	FOUND_MAX = 1 << 20,
	/* Fewer addresses name nobody: a word may look like one by chance. */
	PAGES_MIN = 3,
};

/* A variable, a table, or the blocks of one type. */
struct pointer {
	/* Its count: of pages. */
	struct ch_suspect_source of;
	/* The last word of a table. */
	uint64_t last;
};

struct found {
	uint64_t page;
	size_t pointer;
};

struct unknown {
	struct ch_graph *graph;
	struct ch_sym *sym;
	/* of const struct ch_region *, ascending */
	struct ch_vec regions;
	/* of struct pointer, of struct found */
	struct ch_vec pointers, founds;
	/* By type of blocks: most_id is the index of the pointer. */
	struct ch_tallies types;
	/* The index of the last table. */
	bool has_table;
	size_t table;
};

static bool is_unknown(const struct unknown *unknown, uint64_t addr)
{
	const struct ch_region *const *regions = unknown->regions.items;
	size_t i = ch_search(regions, unknown->regions.count, it, (*it)->end <= addr);

	return i < unknown->regions.count && regions[i]->start <= addr;
}

static struct ch_error *find_regions(struct unknown *unknown, struct ch_map *map)
{
	const struct ch_region *regions, **slot;
	size_t count, i;

	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].usage != CH_USAGE_ANON || !regions[i].touched_bytes)
			continue;
		slot = ch_vec_push(&unknown->regions);
		if (!slot)
			return &ch_enomem;
		*slot = &regions[i];
	}
	return NULL;
}

/* Words of one variable, or close to each other, are a table. */
static bool continues(const struct unknown *unknown, const struct pointer *table,
		      const struct ch_ref *ref)
{
	struct ch_symbol first, symbol;

	if (table->of.root.kind != ref->root.kind || table->of.root.range != ref->root.range ||
	    ref->addr < table->last)
		return false;
	if (ref->root.kind == CH_ROOT_STACK || ref->addr - table->last <= TABLE_GAP)
		return true;
	return ch_sym_at(unknown->sym, table->of.root.addr, &first) &&
	       ch_sym_at(unknown->sym, ref->addr, &symbol) && first.addr == symbol.addr &&
	       symbol.offset < symbol.size_bytes;
}

/* index: where the list of pointers has it, behind its end if it is new. */
static struct ch_error *put_pointer(struct unknown *unknown, size_t index,
				    const struct pointer *pointer, size_t *index_ret)
{
	struct pointer *list = unknown->pointers.items, *slot;

	*index_ret = index;
	if (index < unknown->pointers.count) {
		list[index].last = pointer->last;
		return NULL;
	}
	slot = ch_vec_push(&unknown->pointers);
	if (!slot)
		return &ch_enomem;
	*slot = *pointer;
	return NULL;
}

/* Words of variables come in ascending order: what goes on is the table before. */
static struct ch_error *find_table(struct unknown *unknown, const struct ch_ref *ref,
				   size_t *index_ret)
{
	const struct pointer *list = unknown->pointers.items;
	const struct pointer pointer = { .of = { .root = ref->root }, .last = ref->addr };
	size_t index = unknown->pointers.count;

	if (unknown->has_table && continues(unknown, &list[unknown->table], ref))
		index = unknown->table;
	unknown->has_table = true;
	unknown->table = index;
	return put_pointer(unknown, index, &pointer, index_ret);
}

static struct ch_error *find_blocks(struct unknown *unknown, const struct ch_ref *ref,
				    size_t *index_ret)
{
	struct pointer pointer = { .of = { .is_block = true }, .last = ref->addr };
	struct ch_tally *tally = chp_tally_of(&unknown->types, 0, ref->owner.type);
	size_t index = unknown->pointers.count;

	if (!tally)
		return &ch_enomem;
	if (tally->count++) {
		index = tally->most_id;
	} else {
		tally->most_id = (uint32_t)index;
		pointer.of.id = ch_graph_node_at(unknown->graph, ref->owner.addr);
	}
	return put_pointer(unknown, index, &pointer, index_ret);
}

static struct ch_error *take_ref(void *arg, const struct ch_ref *ref)
{
	struct unknown *unknown = arg;
	struct ch_error *err;
	struct found *slot;
	size_t pointer;

	if (ref->value % CH_PAGE_BYTES > HEADER_BYTES || !is_unknown(unknown, ref->value) ||
	    is_unknown(unknown, ref->addr) || unknown->founds.count >= FOUND_MAX)
		return NULL;
	if (ref->kind != CH_REF_OBJECT &&
	    !(ref->has_root &&
	      (ref->kind == CH_REF_DATA || ref->kind == CH_REF_STACK || ref->kind == CH_REF_TLS)))
		return NULL;
	err = ref->kind == CH_REF_OBJECT ? find_blocks(unknown, ref, &pointer)
					 : find_table(unknown, ref, &pointer);
	if (err)
		return err;
	slot = ch_vec_push(&unknown->founds);
	if (!slot)
		return &ch_enomem;
	*slot = (struct found){ ref->value / CH_PAGE_BYTES, pointer };
	return NULL;
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->page != y->page)
		return x->page < y->page ? -1 : 1;
	return x->pointer < y->pointer ? -1 : x->pointer > y->pointer;
}

/* Pages that each points at, and all of them do; each counts once. */
static uint64_t count_pages(struct unknown *unknown)
{
	struct pointer *pointers = unknown->pointers.items;
	const struct found *founds = unknown->founds.items;
	uint64_t pages = 0;
	size_t i;

	ch_vec_sort(&unknown->founds, compare_found);
	for (i = 0; i < unknown->founds.count; i++) {
		bool again = i && founds[i].page == founds[i - 1].page;

		pages += !again;
		pointers[founds[i].pointer].of.count +=
			!again || founds[i].pointer != founds[i - 1].pointer;
	}
	return pages;
}

/* What stays goes before what a function has for a while. */
static int compare_pointers(const void *a, const void *b)
{
	const struct pointer *x = a, *y = b;
	bool x_stack = !x->of.is_block && x->of.root.kind == CH_ROOT_STACK;
	bool y_stack = !y->of.is_block && y->of.root.kind == CH_ROOT_STACK;

	if (x_stack != y_stack)
		return x_stack ? 1 : -1;
	if (x->of.count != y->of.count)
		return x->of.count > y->of.count ? -1 : 1;
	if (x->of.is_block != y->of.is_block)
		return x->of.is_block ? 1 : -1;
	return x->last < y->last ? -1 : x->last > y->last;
}

/* A table is called what its variable is called. */
static void name_table(const struct unknown *unknown, struct pointer *pointer)
{
	struct ch_root *root = &pointer->of.root;
	struct ch_symbol symbol;

	if (!pointer->of.is_block && root->addr != pointer->last &&
	    ch_sym_at(unknown->sym, root->addr, &symbol) &&
	    pointer->last - symbol.addr < symbol.size_bytes)
		root->addr = symbol.addr;
}

static struct ch_error *name_pointers(const struct ch_suspecting *suspecting,
				      struct unknown *unknown, struct ch_suspect *suspect)
{
	struct pointer *pointers = unknown->pointers.items;
	struct ch_error *err = NULL;
	size_t i;

	ch_vec_sort(&unknown->pointers, compare_pointers);
	for (i = 0; !err && i < unknown->pointers.count; i++) {
		if (pointers[i].of.count < PAGES_MIN ||
		    (pointers[i].of.is_block && pointers[i].of.id == CH_ID_NONE))
			continue;
		name_table(unknown, &pointers[i]);
		err = chp_suspect_pointed(suspecting, unknown->graph, &pointers[i].of, suspect);
		if (!err && pointers[i].of.is_block && suspect->owners_total == 1)
			err = chp_suspect_chain(suspecting, unknown->graph, &pointers[i].of.id, 1,
						&suspect->chain);
	}
	return err;
}

static struct ch_error *find_pointers(const struct ch_suspecting *suspecting,
				      struct unknown *unknown, struct ch_suspect *suspect)
{
	const struct ch_region *const *regions;
	struct ch_error *err;
	struct ch_map *map;

	err = ch_session_map(suspecting->session, &map);
	if (!err)
		err = find_regions(unknown, map);
	regions = unknown->regions.items;
	if (!err && unknown->regions.count)
		err = ch_graph_refs(unknown->graph, regions[0]->start,
				    regions[unknown->regions.count - 1]->end, false, take_ref,
				    unknown);
	if (err || unknown->founds.count >= FOUND_MAX)
		return err;
	suspect->count = count_pages(unknown);
	return name_pointers(suspecting, unknown, suspect);
}

struct ch_error *chp_suspect_unknown(struct ch_suspecting *suspecting, struct ch_graph *graph)
{
	struct unknown unknown = { .graph = graph,
				   .regions = CH_VEC(const struct ch_region *),
				   .pointers = CH_VEC(struct pointer),
				   .founds = CH_VEC(struct found),
				   .types = CH_TALLIES(suspecting->heaps) };
	struct ch_suspect *suspects = suspecting->suspects->items;
	struct ch_error *err;
	size_t i;

	for (i = 0; i < suspecting->suspects->count; i++)
		if (suspects[i].rule == CH_RULE_UNATTRIBUTED)
			break;
	if (i == suspecting->suspects->count)
		return NULL;
	err = ch_session_sym(suspecting->session, &unknown.sym);
	if (!err)
		err = find_pointers(suspecting, &unknown, &suspects[i]);
	ch_vec_deinit(&unknown.regions);
	ch_vec_deinit(&unknown.pointers);
	ch_vec_deinit(&unknown.founds);
	chp_tallies_deinit(&unknown.types);
	return err;
}
