/*
 * Finding the radix trees of jemalloc: two mebibytes of a module's zeroed data, in which a word
 * leads to a leaf, whose first element leads to a structure that names the very page of the
 * element, which in turn tells where in the root the word has to be. No symbol is needed, and
 * nothing else has that shape.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include "heap/signs.h"

#define PAGE_BITS 12
/* A leaf has this much address space. */
#define SPACE_BITS (PAGE_BITS + JEMALLOC_LEAF_BITS)
/* Leaves that are looked through for their first element, together. */
#define LEAVES_BYTES_MAX (256ULL << 20)
/* Elements of a leaf that may be damaged, or left behind by what was given back. */
#define TRIES_MAX 32U
/* Extents that a row is judged by; of each, that many elements are read at most. */
#define SAMPLES_MAX 256U
#define VERSION_MAX 24U
/* Of a module that its version is looked for in. */
#define MODULE_BYTES_MAX (64ULL << 20)
/* Instances of the allocator in one process: each takes two mebibytes of a module. */
#define TREES_MAX 16U

/* Whether the structure of an element names the page of the element's slot; ret: that page. */
static bool page_of(const struct ch_core *core, uint64_t edata, uint64_t slot, uint64_t *ret)
{
	/* What the rows differ in does not matter here. */
	const struct jemalloc_tree any = { .layout = &jemalloc_layouts[0],
					   .lg_quantum = JEMALLOC_LG_QUANTUM_MAX };
	struct jemalloc_extent extent = { 0 };
	uint8_t bytes[JEMALLOC_EDATA_BYTES];

	if (jemalloc_read_extent(core, &any, edata, &extent, bytes) && !extent.start)
		return false;
	*ret = extent.start;
	return extent.start && extent.bytes &&
	       (extent.start >> PAGE_BITS & (JEMALLOC_LEAF_COUNT - 1)) == slot;
}

/*
 * A page that a leaf is for: of its first elements one leads to a structure that names the
 * element's own page. What cannot be an element ends it. looked_bytes: how much was read.
 */
static bool page_of_leaf(const struct ch_core *core, uint64_t leaf, uint64_t *looked_bytes,
			 uint64_t *ret)
{
	uint64_t at = leaf, end = leaf + JEMALLOC_LEAF_BYTES, word, last = 0;
	const uint8_t *bytes;
	uint32_t tries = 0;
	size_t len, i;

	while (*looked_bytes < LEAVES_BYTES_MAX &&
	       (bytes = ch_core_next_data(core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		*looked_bytes += 64;
		for (i = 0; i < len; i += 8, *looked_bytes += 8) {
			word = ch_get64(bytes + i);
			if (!jemalloc_element(word).edata || jemalloc_element(word).edata == last)
				continue;
			last = jemalloc_element(word).edata;
			if (page_of(core, last, (at + i - leaf) / 8, ret))
				return true;
			if (word >> 48 > jemalloc_classes_count(JEMALLOC_LG_TINY) ||
			    ++tries == TRIES_MAX)
				return false;
		}
		if (!len)
			return false;
		at += len;
	}
	return false;
}

/* The root that a word at addr, which leads to a leaf, belongs to. */
static bool root_of(const struct ch_heap_env *env, uint64_t addr, uint64_t leaf,
		    uint64_t *looked_bytes, uint64_t *ret)
{
	uint64_t page, index;

	if (!page_of_leaf(env->core, leaf, looked_bytes, &page))
		return false;
	index = page >> SPACE_BITS & (JEMALLOC_ROOT_COUNT - 1);
	if (addr < 8 * index)
		return false;
	*ret = addr - 8 * index;
	return true;
}

/* How many of a tree's slabs agree with its row and quantum, less those that do not. */
static int64_t score(const struct ch_core *core, uint64_t leaf, const struct jemalloc_tree *tree)
{
	uint64_t at = leaf, end = leaf + JEMALLOC_LEAF_BYTES, last = 0;
	uint8_t bytes[JEMALLOC_EDATA_BYTES];
	struct jemalloc_extent extent;
	struct jemalloc_element element;
	const uint8_t *run;
	uint32_t samples = 0;
	int64_t sum = 0;
	size_t len, i;

	while (samples < SAMPLES_MAX && (run = ch_core_next_data(core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		if (!len)
			break;
		for (i = 0; i < len && samples < SAMPLES_MAX; i += 8) {
			element = jemalloc_element(ch_get64(run + i));
			if (!element.edata || element.edata == last || !element.is_slab)
				continue;
			last = element.edata;
			samples++;
			if (!jemalloc_read_extent(core, tree, element.edata, &extent, bytes) &&
			    extent.state == JEMALLOC_ACTIVE && extent.szind == element.szind &&
			    jemalloc_free_regions(bytes, jemalloc_regions_count(&extent)) ==
				    (ch_get64(bytes) >> tree->layout->nfree_shift & 0x3ff))
				sum++;
			else
				sum--;
		}
		at += len;
	}
	return sum;
}

/* The row and quantum that most slabs of a leaf agree with. False: none. */
static bool choose_layout(const struct ch_core *core, uint64_t leaf, struct jemalloc_tree *tree)
{
	struct jemalloc_tree tried = *tree;
	int64_t best = 0, sum;
	size_t i;

	for (i = 0; i < jemalloc_layouts_count; i++)
		for (tried.lg_quantum = JEMALLOC_LG_TINY;
		     tried.lg_quantum <= JEMALLOC_LG_QUANTUM_MAX; tried.lg_quantum++) {
			tried.layout = &jemalloc_layouts[i];
			sum = score(core, leaf, &tried);
			if (sum <= best)
				continue;
			best = sum;
			tree->layout = tried.layout;
			tree->lg_quantum = tried.lg_quantum;
		}
	return best > 0;
}

static bool is_known(const struct ch_vec *trees, uint64_t root)
{
	const struct jemalloc_tree *items = trees->items;
	size_t i;

	for (i = 0; i < trees->count; i++)
		if (items[i].root == root)
			return true;
	return false;
}

/* A leaf is aligned to a cache line, and its first page is there. */
static bool may_be_leaf(const struct ch_core *core, uint64_t word)
{
	return word && word % 64 == 0 && word < 1ULL << 47 && ch_core_segment_at(core, word);
}

static struct ch_error *look_at_run(const struct ch_heap_env *env, const struct ch_module *module,
				    const struct ch_data_run *run, uint64_t *looked_bytes,
				    struct ch_vec *trees)
{
	size_t at = ch_align_up(run->addr, 8) - run->addr;
	struct jemalloc_tree tree = { .module = module }, *slot;
	uint64_t word;

	for (; at < run->len && run->len - at >= 8 && trees->count < TREES_MAX; at += 8) {
		word = ch_get64(run->bytes + at);
		if (!may_be_leaf(env->core, word) ||
		    !root_of(env, run->addr + at, word, looked_bytes, &tree.root) ||
		    tree.root < module->start || is_known(trees, tree.root) ||
		    !choose_layout(env->core, word, &tree))
			continue;
		slot = ch_vec_push(trees);
		if (!slot)
			return &ch_enomem;
		*slot = tree;
	}
	return NULL;
}

struct ch_error *jemalloc_find_trees(const struct ch_heap_env *env, struct ch_vec *trees)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	uint64_t at, looked_bytes = 0;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; !err && i < count; i++) {
		at = modules[i].start;
		if (modules[i].bss_end &&
		    ch_max(modules[i].end, modules[i].bss_end) - at < JEMALLOC_ROOT_BYTES)
			continue;
		while (!err && chp_data_next(env, &modules[i], &at, &run))
			err = look_at_run(env, &modules[i], &run, &looked_bytes, trees);
	}
	return err;
}

/* ---- the version ------------------------------------------------------------- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/*
 * "5.3.0-0-g54eaed1d8b56b1aa528be3bdd1877e59c56fa90c": bytes of the part before the second hyphen;
 * 0: it is none. configure.ac writes it from git's description of the release.
 */
static size_t version_bytes(const uint8_t *p, size_t len)
{
	size_t at = 0, part, hyphens = 0, first = 0;

	for (part = 0; part < 3; part++) {
		if (part && (at >= len || p[at++] != '.'))
			return 0;
		first = at;
		while (at < len && at - first < 4 && is_digit(p[at]))
			at++;
		if (at == first)
			return 0;
	}
	first = at;
	for (; hyphens < 2 && at < len && at < VERSION_MAX; at++)
		if (p[at] == '-')
			hyphens++;
		else if (!is_digit(p[at]))
			return 0;
	return hyphens == 2 && at < len && p[at] == 'g' ? first : 0;
}

static bool version_in_run(const uint8_t *bytes, size_t run_len, char ret[64])
{
	size_t i, len;

	for (i = 1; i < run_len; i++) {
		if (!is_digit(bytes[i]) || bytes[i - 1])
			continue;
		len = version_bytes(bytes + i, run_len - i);
		if (!len)
			continue;
		memcpy(ret, bytes + i, len);
		ret[len] = '\0';
		return true;
	}
	return false;
}

/* It lies in what is constant of the module, which the core seldom has, but its file. */
void jemalloc_find_version(struct jemalloc *je)
{
	const struct ch_module *module = CH_VEC_AT(&je->trees, struct jemalloc_tree, 0)->module;
	uint64_t at = module->start, end = ch_min(module->end, at + MODULE_BYTES_MAX);
	const struct ch_region *region;
	const uint8_t *bytes;
	size_t len;

	while (at < end) {
		region = ch_map_region_at(je->env.map, at);
		bytes = ch_core_span(je->env.core, at, &len);
		if (!region || !bytes) {
			at = ch_core_next_present(je->env.core, at + 1, end);
			continue;
		}
		len = ch_min(len, ch_min(region->end, end) - at);
		if (!(region->prot & (CH_SEGMENT_WRITE | CH_SEGMENT_EXEC)) &&
		    version_in_run(bytes, len, je->version))
			return;
		at += len;
	}
}
