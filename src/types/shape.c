/*
 * Containers of the C++ standard libraries by their shape, where no debug information tells what
 * they are.
 *
 * A block is named when a place that leads to it looks like a container, and all of what the
 * container says holds together: a tree has as many nodes as it says, each of them the child of its
 * parent; a hash table's buckets lead to its nodes; a ring of nodes comes back to where it began.
 * Of strings and vectors there are only a few words: that they agree with the size of the block is
 * believed where the program itself is C++, for libraries in C have buffers with a length and a
 * capacity, too. Nothing tells the body of a vector from a buffer with a place in it, as streams
 * and arenas have them: the name says both.
 *
 * What the files of a program say costs nothing: only a process that has one of the two libraries,
 * or was linked with one, is looked at.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "types/outside.h"
#include "types/shape_priv.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/table.h"

/* Steps from node to node for each block: a tree is walked twice, and up and down. */
#define STEPS_PER_BLOCK 16
#define STEPS_MIN       (1ULL << 20)
/* The largest container that is known: std::deque of libstdc++. */
#define PLACE_BYTES 80
/* Program headers and entries of a dynamic section that are looked at. */
#define HEADERS_MAX 64
#define DYNAMIC_MAX 512

/* How parts are called. What has a format has the size of the container's nodes. */
static const char *const part_names[] = {
	[CH_PART_VECTOR] = "std::vector body or buffer",
	[CH_PART_STRING] = "std::string text",
	[CH_PART_VECTOR_BOOL] = "std::vector<bool> body",
	[CH_PART_LIST_NODE] = "std::list node, %llu bytes",
	[CH_PART_DEQUE_BLOCK] = "std::deque block",
	[CH_PART_DEQUE_MAP] = "std::deque map",
	[CH_PART_HASH_NODE] = "std::unordered_map or set node, %llu bytes",
	[CH_PART_HASH_BUCKETS] = "std::unordered_map or set buckets",
	[CH_PART_TREE_NODE] = "std::map or set node, %llu bytes",
};

struct provider {
	struct ch_shapes shapes;
	const struct ch_provider_env *env;
	/* of char *: names of nodes */
	struct ch_vec names;
};

/* ---- All places ---------------------------------------------------------------------- */

typedef struct ch_error *(*shape_fn)(struct ch_shapes *shapes, const struct ch_shape_place *place,
				     bool *found_ret);

/* What is asked of a word that points at a block, the one that needs most to agree first. */
static const struct {
	shape_fn fn;
	bool of_libcxx, of_libstdcxx;
	/* A few words that agree: only where the program is C++. */
	bool weak;
} shapes_known[] = {
	{ chp_shape_function, false, true, false },
	{ chp_shape_any, false, true, false },
	{ chp_shape_tree, false, true, false },
	{ chp_shape_tree_libcxx, true, false, false },
	{ chp_shape_deque, false, true, false },
	{ chp_shape_hash, true, true, false },
	{ chp_shape_list, true, true, true },
	{ chp_shape_deque_libcxx, true, false, true },
	{ chp_shape_vector_bool, false, true, true },
	{ chp_shape_string, false, true, true },
	{ chp_shape_string_libcxx, true, false, true },
	{ chp_shape_vector, true, true, true },
};

static struct ch_error *look_at_block(struct ch_shapes *shapes, const struct ch_shape_place *place)
{
	struct ch_error *err = NULL;
	bool found = false;
	size_t i;

	/* what it is a part of was found, all of it */
	if (place->block->provider == shapes->provider &&
	    chp_part_of(place->block->key) >= CH_PART_LIST_NODE)
		return NULL;
	for (i = 0; !err && !found && i < CH_COUNT_OF(shapes_known); i++)
		if (((shapes->libcxx && shapes_known[i].of_libcxx) ||
		     (shapes->libstdcxx && shapes_known[i].of_libstdcxx)) &&
		    (shapes->is_cxx || !shapes_known[i].weak))
			err = shapes_known[i].fn(shapes, place, &found);
	return err;
}

/* A container may lie on both sides of where memory ends that follows itself in ours: where data of
 * a file meets zeros, say. edge is room for its bytes, of which none lie behind end. */
static void reach_over(const struct ch_shapes *shapes, struct ch_shape_place *place, uint64_t end,
		       uint8_t *edge)
{
	size_t len = (size_t)ch_min(PLACE_BYTES, end - place->addr);

	if (place->len >= len || !ch_core_try_read(shapes->core, place->addr, edge, len))
		return;
	place->bytes = edge;
	place->len = len;
}

/* Words that follow each other in our memory; what they are part of ends at end. */
static struct ch_error *look_at_words(struct ch_shapes *shapes, uint64_t addr, const uint8_t *bytes,
				      size_t len, uint64_t end)
{
	uint8_t edge[PLACE_BYTES];
	struct ch_shape_place place;
	struct ch_named_block block;
	struct ch_error *err = NULL;
	uint64_t word;
	size_t at;
	bool found;

	for (at = 0; !err && at + 8 <= len; at += 8) {
		word = ch_get64(bytes + at);
		if (!chp_may_point_plain(shapes->index, word))
			continue;
		place = (struct ch_shape_place){
			.addr = addr + at, .bytes = bytes + at, .len = len - at, .block = &block
		};
		if (place.len < PLACE_BYTES)
			reach_over(shapes, &place, end, edge);
		if (chp_shape_block(shapes, word, &block))
			err = look_at_block(shapes, &place);
		else if (shapes->is_cxx && shapes->libstdcxx &&
			 chp_shape_block(shapes, word - 24, &block))
			err = chp_shape_string_shared(shapes, &place, &found);
	}
	return err;
}

static struct ch_error *look_outside(void *arg, uint64_t start, uint64_t end)
{
	struct ch_shapes *shapes = arg;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t len;

	while (!err && (bytes = ch_core_next_data(shapes->core, &start, end, &len))) {
		err = look_at_words(shapes, start, bytes, len, UINT64_MAX);
		start += len;
	}
	return err;
}

static struct ch_error *look_at_blocks(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct ch_shapes *shapes = arg;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t i, len;

	for (i = 0; !err && i < n; i++) {
		bytes = ch_core_span(shapes->core, blocks[i].addr, &len);
		if (bytes)
			err = look_at_words(shapes, blocks[i].addr, bytes,
					    ch_min(len, blocks[i].size_bytes),
					    blocks[i].addr + blocks[i].size_bytes);
	}
	return err;
}

static struct ch_error *rest(void *state, struct ch_naming *naming)
{
	struct provider *provider = state;
	struct ch_shapes *shapes = &provider->shapes;
	struct ch_error *err;

	shapes->naming = naming;
	shapes->provider = &ch_provider_shape;
	shapes->index = provider->env->index;
	shapes->steps = STEPS_MIN + STEPS_PER_BLOCK * (uint64_t)shapes->index->objects_count;
	shapes->rings = calloc(shapes->index->objects_count / 64 + 1ULL, sizeof(*shapes->rings));
	if (!shapes->rings)
		return &ch_enomem;
	err = chp_outside_each(provider->env, look_outside, shapes);
	if (!err)
		err = chp_naming_all(naming, look_at_blocks, shapes);
	if (!shapes->steps)
		chp_context_finding(provider->env->ctx, CH_SEVERITY_NOTE, "shapes-limit",
				    "blocks point at each other in more ways than containers do: "
				    "some of them were not looked for");
	free(shapes->rings);
	shapes->rings = NULL;
	return err;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct provider *provider = state;
	const struct ch_shape_class *class;
	const char *format;
	char **slot;

	if (chp_part_of(key) == CH_PART_CALLED) {
		class = CH_VEC_AT(&provider->shapes.classes, struct ch_shape_class,
				  key >> CH_PART_BITS);
		ret->name = class->name;
		ret->module = class->module->name;
		return NULL;
	}
	format = part_names[chp_part_of(key)];
	if (!strchr(format, '%')) {
		ret->name = format;
		return NULL;
	}
	slot = ch_vec_push(&provider->names);
	if (!slot)
		return &ch_enomem;
	if (asprintf(slot, "%.*s, %llu bytes", (int)strcspn(format, ","), format,
		     (unsigned long long)(key >> CH_PART_BITS)) < 0) {
		*slot = NULL;
		return &ch_enomem;
	}
	ret->name = *slot;
	return NULL;
}

static enum ch_words words(const void *state, uint64_t key)
{
	(void)state;
	switch (chp_part_of(key)) {
	case CH_PART_STRING:
	case CH_PART_VECTOR_BOOL:
		return CH_WORDS_BYTES;
	case CH_PART_VECTOR:
	case CH_PART_DEQUE_BLOCK:
	case CH_PART_DEQUE_MAP:
	case CH_PART_HASH_BUCKETS:
		return CH_WORDS_ELEMENTS;
	default:
		return CH_WORDS_MEMBERS;
	}
}

/* ---- Whether there may be any --------------------------------------------------------- */

/* Words of memory that the program never changes. */
static bool read_constant(struct ch_sym *sym, uint64_t addr, void *buf, size_t len)
{
	struct ch_error *err = ch_sym_read_constant(sym, addr, buf, len);

	ch_error_destroy(err);
	return !err;
}

/* The dynamic section of the program itself; 0: it has none. */
static uint64_t dynamic_section(const struct ch_provider_env *env, const struct ch_module *exe)
{
	uint64_t at, count, i;
	Elf64_Phdr header;

	if (!ch_core_auxv(env->core, AT_PHDR, &at) || !ch_core_auxv(env->core, AT_PHNUM, &count))
		return 0;
	for (i = 0; i < count && i < HEADERS_MAX; i++)
		if (read_constant(env->sym, at + i * sizeof(header), &header, sizeof(header)) &&
		    header.p_type == PT_DYNAMIC)
			return header.p_vaddr + exe->bias;
	return 0;
}

/* Whether the program itself needs one of the libraries. */
static bool needs_library(const struct ch_provider_env *env, const struct ch_module *exe)
{
	uint64_t at = dynamic_section(env, exe), strings = 0, i;
	uint64_t needed[DYNAMIC_MAX];
	size_t count = 0;
	Elf64_Dyn entry;
	char name[16];

	for (i = 0; at && i < DYNAMIC_MAX; i++) {
		if (!read_constant(env->sym, at + i * sizeof(entry), &entry, sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_NEEDED)
			needed[count++] = entry.d_un.d_val;
		else if (entry.d_tag == DT_STRTAB)
			strings = entry.d_un.d_ptr;
	}
	/* glibc has made an address of it (elf/get-dynamic-info.h), musl has not */
	if (strings && strings < exe->start)
		strings += exe->bias;
	for (i = 0; strings && i < count; i++)
		if (read_constant(env->sym, strings + needed[i], name, 12) &&
		    (strncmp(name, "libstdc++.so", 12) == 0 || strncmp(name, "libc++.so", 9) == 0))
			return true;
	return false;
}

/* Whether the program holds the name of a class of the C++ runtime: it was linked with it. */
static bool holds_runtime(const struct ch_provider_env *env, const struct ch_module *exe,
			  const char *text)
{
	uint64_t at = exe->start;
	const uint8_t *bytes;
	size_t len;

	while ((bytes = ch_core_next_data(env->core, &at, exe->end, &len))) {
		if (memmem(bytes, len, text, strlen(text)))
			return true;
		at += len;
	}
	return false;
}

static struct ch_error *open_shapes(const struct ch_provider_env *env, void **state_ret)
{
	const struct ch_module *modules, *exe = NULL;
	struct ch_shapes shapes = { .core = env->core };
	struct provider *provider;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		shapes.libstdcxx |= strncmp(modules[i].name, "libstdc++.so", 12) == 0;
		shapes.libcxx |= strncmp(modules[i].name, "libc++.so", 9) == 0;
		if (modules[i].kind == CH_MODULE_EXE)
			exe = &modules[i];
	}
	shapes.is_cxx = exe && needs_library(env, exe);
	if (exe && !shapes.libstdcxx && !shapes.libcxx) {
		/* std::exception is derived from by both; only one has inline namespaces of
		 * its own in names of classes */
		shapes.libcxx = holds_runtime(env, exe, "NSt3__1");
		shapes.libstdcxx = !shapes.libcxx && holds_runtime(env, exe, "N10__cxxabiv1");
		shapes.is_cxx = shapes.libcxx || shapes.libstdcxx;
	}
	if (!shapes.libstdcxx && !shapes.libcxx)
		return NULL;
	provider = calloc(1, sizeof(*provider));
	if (!provider)
		return &ch_enomem;
	provider->shapes = shapes;
	provider->shapes.sym = env->sym;
	provider->shapes.classes = CH_VEC(struct ch_shape_class);
	provider->env = env;
	provider->names = CH_VEC(char *);
	*state_ret = provider;
	return NULL;
}

static void close_shapes(void *state)
{
	struct provider *provider = state;
	size_t i;

	for (i = 0; i < provider->names.count; i++)
		free(*CH_VEC_AT(&provider->names, char *, i));
	ch_vec_deinit(&provider->names);
	for (i = 0; i < provider->shapes.classes.count; i++)
		free(CH_VEC_AT(&provider->shapes.classes, struct ch_shape_class, i)->name);
	ch_vec_deinit(&provider->shapes.classes);
	ch_table_deinit(&provider->shapes.class_numbers);
	free(provider);
}

const struct ch_provider ch_provider_shape = {
	.name = "shape",
	.summary = "containers of the C++ standard libraries by how they lie in memory",
	.basis = CH_BASIS_HEURISTIC,
	.rank = CH_RANK_SHAPE,
	.open = open_shapes,
	.close = close_shapes,
	.rest = rest,
	.type = type,
	.words = words,
};
