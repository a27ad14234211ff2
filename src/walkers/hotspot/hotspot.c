/*
 * The JVM's walker: objects of the Java heap, without a JDK.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/text.h"
#include "walkers/hotspot/hotspot_priv.h"
#include "walkers/hotspot/last_words.h"
#include "walkers/hotspot/metaspace.h"

/* Classes kept while a span is walked: a power of two. */
#define SHAPES 1024

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *module = hs_find_module(env);
	_cleanup_free_ char *path = NULL;

	if (!module)
		return NULL;
	path = chp_text_escape(module->path, 160);
	if (!path)
		return &ch_enomem;
	ret->mapped = true;
	ret->score = 100;
	snprintf(ret->evidence, sizeof(ret->evidence), "%s", path);
	return NULL;
}

static void close_walker(void *state)
{
	struct hs *hs = state;
	size_t i;

	for (i = 0; i < hs->names.count; i++)
		free(*CH_VEC_AT(&hs->names, char *, i));
	ch_vec_deinit(&hs->names);
	ch_vec_deinit(&hs->maps);
	ch_vec_deinit(&hs->classes);
	ch_vec_deinit(&hs->loaders);
	ch_vec_deinit(&hs->statics);
	ch_vec_deinit(&hs->storages);
	ch_vec_deinit(&hs->variables);
	ch_table_deinit(&hs->types_by_klass);
	ch_vec_deinit(&hs->types);
	ch_vec_deinit(&hs->heaps);
	ch_vec_deinit(&hs->spans);
	ch_vec_deinit(&hs->spaces);
	ch_vec_deinit(&hs->gaps);
	ch_vec_deinit(&hs->facts);
	ch_vec_deinit(&hs->claims);
	ch_vec_deinit(&hs->code_heaps);
	ch_vec_deinit(&hs->threads);
	ch_vec_deinit(&hs->settings);
	hs_nmt_free(hs->nmt);
	free(hs->metaspace);
	hs_netty_free(hs->netty);
	ch_vec_deinit(&hs->quotas);
	free(hs);
}

static struct ch_error *add_direct(struct hs *hs)
{
	struct hs_direct direct;
	struct ch_error *err = hs_direct_find(hs, &direct);

	if (!err && direct.known)
		err = chp_fact_add(&hs->facts, "direct_reserved_bytes", direct.reserved_bytes,
				   NULL);
	if (!err && direct.known)
		err = chp_fact_add(&hs->facts, "direct_count", direct.count, NULL);
	if (!err && direct.limited)
		err = chp_fact_add(&hs->facts, "direct_limit_bytes", direct.limit_bytes, NULL);
	if (!err && direct.netty_known)
		err = chp_fact_add(&hs->facts, "netty_direct_bytes", direct.netty_bytes, NULL);
	if (!err && direct.netty_known)
		err = chp_fact_add(&hs->facts, "netty_direct_limit_bytes", direct.netty_limit_bytes,
				   NULL);
	return err;
}

/* Classes that several processes share (CDS), mapped from a file. */
static struct ch_error *add_archive(struct hs *hs)
{
	struct ch_error *err;
	uint64_t start, end;

	if (!hs_member_ptr(hs, HS_ARCHIVE_START, 0, &start) ||
	    !hs_member_ptr(hs, HS_ARCHIVE_END, 0, &end) || !start || end <= start ||
	    !chp_core_shows(hs->core, start))
		return NULL;
	hs->archive_addr = start;
	hs->archive_bytes = end - start;
	snprintf(hs->archive, sizeof(hs->archive), "0x%llx", (unsigned long long)start);
	err = chp_fact_add(&hs->facts, "class_data_sharing_addr", 0, hs->archive);
	return err ? err : chp_fact_add(&hs->facts, "class_data_sharing_bytes", end - start, NULL);
}

static struct ch_error *make_facts(struct hs *hs)
{
	struct ch_error *err;
	uint64_t at;
	size_t i;

	if (!hs_member_ptr(hs, HS_VM_RELEASE, 0, &at) ||
	    !ch_core_read_string(hs->core, at, hs->release, sizeof(hs->release)))
		hs->release[0] = '\0';
	/* a version has nothing else in it */
	for (i = 0; hs->release[i]; i++)
		if (hs->release[i] < '!' || hs->release[i] > '~' || hs->release[i] == '\\')
			hs->release[i] = '?';
	err = hs->release[0] ? chp_fact_add(&hs->facts, "vm_release", 0, hs->release) : NULL;
	if (!err)
		err = chp_fact_add(&hs->facts, "collector", 0, hs->collector);
	if (!err)
		err = chp_fact_add(&hs->facts, "compressed_oops", 0, hs->narrow_oop ? "yes" : "no");
	if (!err)
		err = chp_fact_add(&hs->facts, "class_pointers", 0,
				   hs->compact        ? "in the mark word"
				   : hs->narrow_klass ? "compressed"
						      : "8 bytes");
	if (!err)
		err = chp_fact_add(&hs->facts, "tables", 0, "gHotSpotVMStructs of libjvm");
	if (!err && hs_nmt_level(hs))
		err = chp_fact_add(&hs->facts, "native_memory_tracking", 0, hs_nmt_level(hs));
	if (!err)
		err = add_archive(hs);
	if (!err)
		err = add_direct(hs);
	if (!err && hs->gc_active)
		chp_context_finding(hs->env->ctx, CH_SEVERITY_INCOMPLETE, "jvm-gc-active",
				    "the JVM was dumped in the middle of a collection: objects may "
				    "be there twice, or have forwarded headers");
	return err;
}

static const struct ch_heap_desc *heaps(void *state, size_t *count_ret)
{
	const struct hs *hs = state;

	*count_ret = hs->heaps.count;
	return hs->heaps.items;
}

static const struct ch_span *spans(void *state, size_t *count_ret)
{
	const struct hs *hs = state;

	*count_ret = hs->spans.count;
	return hs->spans.items;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	const struct hs *hs = state;

	*count_ret = hs->facts.count;
	return hs->facts.items;
}

static const struct ch_walker_claim *claims(void *state, size_t *count_ret)
{
	const struct hs *hs = state;

	*count_ret = hs->claims.count;
	return hs->claims.items;
}

static struct ch_error *type(void *state, uint64_t id, struct ch_type *ret)
{
	struct hs *hs = state;
	char name[HS_NAME_MAX];
	char **slot;

	ret->basis = CH_BASIS_DERIVED;
	if (id <= HS_TYPE_WASTE) {
		ret->name = id == HS_TYPE_TLAB     ? "taken by a thread to allocate from"
			    : id == HS_TYPE_UNUSED ? "behind the last object of a space"
						   : "humongous waste";
		return NULL;
	}
	if (!hs_klass_name(hs, id, name, sizeof(name)))
		snprintf(name, sizeof(name), "class at %s (no name)",
			 chp_core_word(hs->core, id, CH_NO_ADDRESS).text);
	slot = ch_vec_push(&hs->names);
	if (!slot)
		return &ch_enomem;
	*slot = chp_text_escape(name, 4 * sizeof(name));
	if (!*slot)
		return &ch_enomem;
	ret->name = *slot;
	return NULL;
}

/* ---- Objects ---------------------------------------------------------------------- */

struct walk {
	const struct hs *hs;
	struct ch_object_batch batch;
	/* Bytes at hand: [bytes, ...) stands for [run_start, run_end). */
	uint64_t run_start, run_end;
	const uint8_t *bytes;
	/* Next gap. */
	size_t gap;
	/* Objects begin at multiples of it. */
	uint32_t align;
	uint64_t skipped_bytes, skipped_count, skipped_first;
	struct {
		uint64_t klass;
		bool known;
		struct hs_shape shape;
	} shapes[SHAPES];
	struct hs_chunks chunks;
};

static const uint8_t *bytes_at(struct walk *walk, uint64_t at, uint64_t n)
{
	size_t len;

	if (at < walk->run_start || at + n > walk->run_end) {
		walk->bytes = ch_core_span(walk->hs->core, at, &len);
		walk->run_start = at;
		walk->run_end = walk->bytes ? at + len : at;
		if (at + n > walk->run_end)
			return NULL;
	}
	return walk->bytes + (at - walk->run_start);
}

static const struct hs_shape *find_shape(struct walk *walk, uint64_t klass)
{
	size_t slot = (size_t)(klass >> 3 ^ klass >> 15) % SHAPES;

	if (walk->shapes[slot].klass != klass) {
		walk->shapes[slot].klass = klass;
		walk->shapes[slot].known =
			hs_shape_read(walk->hs, klass, &walk->shapes[slot].shape);
		if (walk->shapes[slot].known && walk->shapes[slot].shape.chunk)
			hs_chunks_learn(walk->hs, klass, (uint32_t)walk->shapes[slot].shape.layout,
					&walk->chunks);
	}
	return walk->shapes[slot].known ? &walk->shapes[slot].shape : NULL;
}

/* oops/oop.hpp, oopDesc::klass() */
static uint64_t klass_of(const struct hs *hs, const uint8_t *bytes)
{
	uint64_t narrow;

	if (hs->compact)
		narrow = ch_get64(bytes) >> hs->mark_shift;
	else if (hs->narrow_klass)
		narrow = ch_get32(bytes + 8);
	else
		return ch_get64(bytes + 8);
	return narrow ? hs->klass_base + (narrow << hs->klass_shift) : 0;
}

/* Bytes of an object; 0: impossible. oops/klass.hpp: the layout helper of an instance is
 * its size, bit 0 aside; that of an array has the header's size and the log2 of an element's. */
static uint64_t size_of(struct walk *walk, uint64_t at, const struct hs_shape *shape)
{
	const struct hs *hs = walk->hs;
	uint32_t layout = (uint32_t)shape->layout;
	const uint8_t *bytes;

	if (shape->mirror) {
		bytes = bytes_at(walk, at + hs->class_size_offset, 4);
		return bytes ? 8ULL * ch_get32(bytes) : 0;
	}
	if (shape->chunk) {
		bytes = bytes_at(walk, at + walk->chunks.size_at, 4);
		return bytes ? hs_chunk_bytes(hs, &walk->chunks, ch_get32(bytes)) : 0;
	}
	if (shape->layout > 0)
		return layout & ~7U;
	bytes = bytes_at(walk, at + hs->length_offset, 4);
	if (!bytes || (int32_t)ch_get32(bytes) < 0)
		return 0;
	return (layout >> 16 & 0xff) + ((uint64_t)ch_get32(bytes) << (layout & 0x3f) % 4);
}

/* The object at at, if there is one that ends by limit. */
static bool read_object(struct walk *walk, uint64_t at, uint64_t limit, struct ch_object *ret)
{
	const uint8_t *bytes = bytes_at(walk, at, 16);
	uint64_t klass = bytes ? klass_of(walk->hs, bytes) : 0, size, whole, chunk;
	const struct hs_shape *shape = klass ? find_shape(walk, klass) : NULL;

	size = shape ? size_of(walk, at, shape) : 0;
	whole = ch_align_up(size, walk->hs->align);
	if (size < 8 || whole > limit - at)
		return false;
	chunk = ch_min(ch_align_up(whole, walk->align), limit - at);
	*ret = (struct ch_object){ .addr = at,
				   .size_bytes = whole,
				   .chunk_bytes = chunk,
				   .key = klass,
				   .state = CH_OBJECT_USED };
	return true;
}

static struct ch_error *put_piece(struct walk *walk, uint64_t start, uint64_t end, uint64_t type_id,
				  uint16_t flags)
{
	const struct ch_object piece = { .addr = start,
					 .size_bytes = end - start,
					 .chunk_bytes = end - start,
					 .key = type_id,
					 .state = type_id == HS_TYPE_WASTE ? CH_OBJECT_OVERHEAD
									   : CH_OBJECT_FREE,
					 .flags = flags };

	return end > start ? ch_object_batch_put(&walk->batch, &piece) : NULL;
}

/* What a thread has taken but not used begins at at: where it ends. */
static bool skip_gap(struct walk *walk, uint64_t at, uint64_t limit, uint64_t *end_ret)
{
	const struct hs_gap *gaps = walk->hs->gaps.items;

	while (walk->gap < walk->hs->gaps.count && gaps[walk->gap].start < at)
		walk->gap++;
	if (walk->gap == walk->hs->gaps.count || gaps[walk->gap].start != at ||
	    gaps[walk->gap].end <= at)
		return false;
	*end_ret = ch_min(gaps[walk->gap].end, limit);
	return true;
}

/* Two objects in a row mark where to go on. */
static uint64_t resync(struct walk *walk, uint64_t at, uint64_t limit)
{
	struct ch_object first, second;
	uint64_t next, align = walk->align;

	for (at += align; at < limit; at += align) {
		if (!bytes_at(walk, at, 8)) {
			at = ch_align_up(ch_core_next_present(walk->hs->core, at + align, limit),
					 align) -
			     align;
			continue;
		}
		if (skip_gap(walk, at, limit, &next))
			return at;
		if (!read_object(walk, at, limit, &first))
			continue;
		next = at + first.chunk_bytes;
		if (next == limit || read_object(walk, next, limit, &second))
			return at;
	}
	return limit;
}

static struct ch_error *walk_objects(struct walk *walk, uint64_t at, uint64_t limit)
{
	struct ch_object_batch *batch = &walk->batch;
	struct ch_error *err = NULL;
	uint64_t next;

	while (!err && at < limit) {
		if (skip_gap(walk, at, limit, &next)) {
			err = put_piece(walk, at, next, HS_TYPE_TLAB, CH_OBJECT_CACHED);
			at = next;
		} else if (read_object(walk, at, limit, &batch->items[batch->count])) {
			at += batch->items[batch->count++].chunk_bytes;
			if (batch->count == CH_BATCH_MAX)
				err = ch_object_batch_flush(batch);
		} else {
			next = resync(walk, at, limit);
			if (!walk->skipped_count++)
				walk->skipped_first = at;
			walk->skipped_bytes += next - at;
			at = next;
		}
	}
	return err;
}

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
				struct ch_object_sink *sink)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	const struct hs_space *space;
	struct ch_error *err = NULL;
	struct ch_object first;
	bool waste = false;
	uint64_t top;

	if (!walk)
		return &ch_enomem;
	walk->hs = state;
	walk->batch.sink = sink;
	space = CH_VEC_AT(&walk->hs->spaces, struct hs_space, span->cookie);
	walk->align = (uint32_t)ch_max(space->align, walk->hs->align);
	top = space->top;
	if (space->single && read_object(walk, space->start, top, &first)) {
		top = first.addr + first.chunk_bytes;
		waste = space->humongous;
	}
	if (from < top)
		err = walk_objects(walk, from, top);
	if (!err)
		err = put_piece(walk, ch_max(top, from), span->committed_end,
				waste ? HS_TYPE_WASTE : HS_TYPE_UNUSED, waste ? 0 : CH_OBJECT_TOP);
	if (!err)
		err = ch_object_batch_flush(&walk->batch);
	if (walk->skipped_count)
		chp_context_finding(walk->hs->env->ctx, chp_blame(walk->hs->env), "jvm-skipped",
				    "Java heap 0x%llx-0x%llx: %llu bytes in %llu places are no "
				    "objects (first at 0x%llx)",
				    (unsigned long long)span->start, (unsigned long long)space->top,
				    (unsigned long long)walk->skipped_bytes,
				    (unsigned long long)walk->skipped_count,
				    (unsigned long long)walk->skipped_first);
	free(walk);
	return err;
}

/* gc/g1/g1CollectedHeap.cpp, humongous_obj_allocate(): an object of half a region and more is
 * given whole regions, and fillers stand behind it (jdk-17+35). */
static struct ch_error *add_humongous(struct hs *hs)
{
	struct walk *walk = hs->region_bytes ? calloc(1, sizeof(*walk)) : NULL;
	const struct hs_space *space;
	struct ch_object object;
	struct ch_error *err;
	size_t i;

	if (!walk)
		return hs->region_bytes ? &ch_enomem : NULL;
	walk->hs = hs;
	walk->align = hs->align;
	for (i = 0; i < hs->spaces.count; i++) {
		space = CH_VEC_AT(&hs->spaces, struct hs_space, i);
		if (!space->humongous || !read_object(walk, space->start, space->top, &object))
			continue;
		hs->humongous_count++;
		hs->humongous_bytes += object.chunk_bytes;
		hs->humongous_waste_bytes += space->end - space->start - object.chunk_bytes;
	}
	free(walk);
	err = chp_fact_add(&hs->facts, "g1_region_bytes", hs->region_bytes, NULL);
	if (!err)
		err = chp_fact_add(&hs->facts, "humongous_count", hs->humongous_count, NULL);
	if (!err)
		err = chp_fact_add(&hs->facts, "humongous_bytes", hs->humongous_bytes, NULL);
	return err ? err
		   : chp_fact_add(&hs->facts, "humongous_waste_bytes", hs->humongous_waste_bytes,
				  NULL);
}

static struct ch_error *open_walker(const struct ch_heap_env *env, void **state_ret)
{
	struct hs *hs = calloc(1, sizeof(*hs));
	struct ch_error *err;

	if (!hs)
		return &ch_enomem;
	hs->env = env;
	hs->core = env->core;
	hs->strengths = CH_STRENGTHS_COLLECTOR;
	hs->module = hs_find_module(env);
	hs->types = CH_VEC(struct hs_type);
	hs->heaps = CH_VEC(struct ch_heap_desc);
	hs->spans = CH_VEC(struct ch_span);
	hs->spaces = CH_VEC(struct hs_space);
	hs->gaps = CH_VEC(struct hs_gap);
	hs->facts = CH_VEC(struct ch_fact);
	hs->claims = CH_VEC(struct ch_walker_claim);
	hs->code_heaps = CH_VEC(struct hs_code_heap);
	hs->threads = CH_VEC(struct hs_thread);
	hs->settings = CH_VEC(struct ch_setting);
	hs->quotas = CH_VEC(struct ch_quota);
	hs->names = CH_VEC(char *);
	hs->maps = CH_VEC(struct ch_ref_run);
	hs->classes = CH_VEC(struct hs_class);
	hs->loaders = CH_VEC(struct ch_loader);
	hs->statics = CH_VEC(struct hs_static);
	hs->storages = CH_VEC(struct hs_storage);
	hs->variables = CH_VEC(struct hs_variable);
	err = hs->module ? hs_tables_read(hs)
			 : ch_error_create(CH_ERROR_UNSUPPORTED, "no libjvm.so");
	if (!err)
		err = hs_heap_open(hs);
	if (!err)
		err = make_facts(hs);
	if (!err)
		err = add_humongous(hs);
	if (!err)
		err = hs_code_open(hs);
	if (!err)
		err = hs_claims_find(hs);
	if (err) {
		close_walker(hs);
		return err;
	}
	*state_ret = hs;
	return NULL;
}

static const struct ch_walker_allocator allocator = {
	.heaps = heaps,
	.spans = spans,
	.objects = objects,
};

static const struct ch_walker_types types = {
	.name = type,
	.inspector = &hs_inspector,
};

static const char *const young[] = { "eden", "survivor", "from", "to", NULL };

static bool archive(const void *state, uint64_t *addr_ret, uint64_t *bytes_ret)
{
	const struct hs *hs = state;

	*addr_ret = hs->archive_addr;
	*bytes_ret = hs->archive_bytes;
	return hs->archive_bytes != 0;
}

static const struct ch_walker_runtime runtime = {
	.class_library = CH_CLASS_LIBRARY_JAVA,
	.last_words = hs_last_words,
	.archive = archive,
	.young = young,
	.claims = claims,
	.code = hs_code_at,
	.methods = hs_methods_visit,
	.classes = hs_classes_visit,
	.caller = hs_frame_caller,
	.frame = hs_frame_code,
	.thread = hs_thread_info,
	.thrown = hs_thrown,
	.tracking = hs_nmt_tracking,
	.loaders = hs_loaders,
	.metaspace = hs_metaspace,
	.conduct = &hs_conduct,
	.pooling = &hs_pooling,
};

static const struct ch_walker_section sections[] = {
	{ &chp_section_settings, hs_settings },
	{ .shape = NULL },
};

const struct ch_walker ch_walker_hotspot = {
	.name = "hotspot",
	.title = "HotSpot JVM",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "the JVM (HotSpot): heap of each collector, classes by name",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_walker,
	.close = close_walker,
	.facts = facts,
	.tracer = &hs_tracer,
	.allocator = &allocator,
	.types = &types,
	.runtime = &runtime,
	.sections = sections,
};
