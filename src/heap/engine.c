/*
 * Opening the heaps of a core: every walker is asked, those present are opened in an order in
 * which each sees what others have taken, and their memory is claimed in the map. Questions about
 * runtimes and heaps are answered from what is kept here.
 */
#include "heap/heap_priv.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

/* arm64 pages have 4, 16 or 64 KiB. */
#define PAGE_BYTES_MAX 65536

static struct ch_error *set_evidence(struct ch_runtime *runtime, const char *text)
{
	char *escaped = chp_text_escape(text, 1024);

	if (!escaped)
		return &ch_enomem;
	free((char *)(uintptr_t)runtime->evidence);
	runtime->evidence = escaped;
	return NULL;
}

static struct ch_error *probe_all(struct ch_heaps *heaps, const struct ch_walker *const *walkers)
{
	struct ch_runtime *runtime;
	struct ch_probe probe;
	struct ch_error *err;

	for (; *walkers; walkers++) {
		memset(&probe, 0, sizeof(probe));
		err = (*walkers)->signs ? chp_signs_probe(&heaps->env, (*walkers)->signs, &probe)
					: (*walkers)->probe(&heaps->env, &probe);
		if (err)
			return err;
		probe.evidence[sizeof(probe.evidence) - 1] = '\0';
		runtime = ch_vec_push(&heaps->runtimes);
		if (!runtime)
			return &ch_enomem;
		runtime->name = (*walkers)->name;
		runtime->title = (*walkers)->title ? (*walkers)->title : (*walkers)->name;
		runtime->kind = (*walkers)->kind;
		runtime->score = probe.score;
		runtime->mapped = probe.mapped;
		runtime->unused = probe.unused;
		runtime->named_only = !(*walkers)->open;
		err = set_evidence(runtime, probe.evidence);
		if (err)
			return err;
		err = chp_context_check(heaps->env.ctx);
		if (err)
			return err;
	}
	return NULL;
}

static const struct ch_heap_desc *heaps_of(const struct ch_opened *opened, size_t *count_ret)
{
	if (opened->allocator->heaps)
		return opened->allocator->heaps(opened->state, count_ret);
	*count_ret = chp_answers_of(opened)->heaps.count;
	return chp_answers_of(opened)->heaps.items;
}

static const struct ch_fact *facts_of(const struct ch_opened *opened, size_t *count_ret)
{
	if (opened->walker->facts)
		return opened->walker->facts(opened->state, count_ret);
	*count_ret = chp_answers_of(opened)->facts.count;
	return chp_answers_of(opened)->facts.items;
}

/* Add the heaps of a walker just opened. */
static struct ch_error *add_heaps(struct ch_heaps *heaps, struct ch_opened *opened)
{
	const struct ch_heap_desc *descs;
	struct ch_heap *heap;
	size_t count = 0, i;

	descs = heaps_of(opened, &count);
	opened->heaps_base = (uint32_t)heaps->heaps.count;
	if (count > UINT32_MAX - heaps->heaps.count)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		heap = ch_vec_push(&heaps->heaps);
		if (!heap || !ch_vec_push(&heaps->frees) || !ch_vec_push(&heaps->gaps))
			return &ch_enomem;
		heap->runtime = opened->walker->name;
		heap->kind = descs[i].kind ? descs[i].kind : "heap";
		heap->name = descs[i].name ? descs[i].name : "heap";
		heap->walker = opened->index;
		heap->addr = descs[i].addr;
		heap->addr_bytes = descs[i].addr_bytes;
		heap->facts = descs[i].facts;
		heap->facts_count = descs[i].facts_count;
		heap->tids = descs[i].tids;
		heap->tids_count = descs[i].tids_count;
		heap->tids_known = descs[i].tids_known;
	}
	opened->heaps_count = (uint32_t)count;
	return NULL;
}

static bool is_inside(const struct ch_region *region, const struct ch_area *areas, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (region->start >= areas[i].start && region->end <= areas[i].end)
			return true;
	return false;
}

/* Anonymous memory where the heap of a runtime lies as a rule; a language claims it. */
static struct ch_error *claim_areas(struct ch_heaps *heaps, const struct ch_walker *walker,
				    struct ch_runtime *runtime)
{
	struct ch_vec found = CH_VEC(struct ch_taken);
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	struct ch_claim claim = { .usage = CH_USAGE_MANAGED_OTHER,
				  .basis = CH_BASIS_HEURISTIC,
				  .owner = runtime->title };
	struct ch_taken *taken;
	size_t count, i;

	if (!walker->signs || !walker->signs->areas_count)
		return NULL;
	regions = ch_map_regions(heaps->env.map, &count);
	for (i = 0; !err && i < count; i++) {
		if (regions[i].usage != CH_USAGE_ANON ||
		    !is_inside(&regions[i], walker->signs->areas, walker->signs->areas_count))
			continue;
		taken = ch_vec_push(&found);
		if (taken)
			*taken = (struct ch_taken){ regions[i].start, regions[i].end };
		err = taken ? NULL : &ch_enomem;
		runtime->named_bytes += regions[i].in_core_bytes;
	}
	runtime->bytes_known = runtime->named_bytes > 0;
	for (i = 0; !err && walker->kind == CH_RUNTIME_LANGUAGE && i < found.count; i++) {
		taken = CH_VEC_AT(&found, struct ch_taken, i);
		claim.start = taken->start;
		claim.end = taken->end;
		err = ch_map_claim(heaps->env.map, &claim, NULL);
	}
	ch_vec_deinit(&found);
	return err;
}

/* A walker that cannot open: only lack of memory and cancelling end the work. Its memory is named
 * where its addresses tell. */
static struct ch_error *open_failed(struct ch_heaps *heaps, const struct ch_walker *walker,
				    struct ch_runtime *runtime, struct ch_error *err)
{
	struct ch_error *failure = NULL;

	if (err->code == CH_ERROR_NOMEM || err->code == CH_ERROR_STOP)
		return err;
	chp_context_finding(heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "heap-not-opened",
			    "%s is here, but its heaps could not be read: %s", runtime->title,
			    err->message);
	failure = set_evidence(runtime, err->message ? err->message : "");
	ch_error_destroy(err);
	return failure ? failure : claim_areas(heaps, walker, runtime);
}

/* An allocator that is here and nobody can walk: never to be taken for an empty heap. */
static struct ch_error *name_only(struct ch_heaps *heaps, const struct ch_walker *walker,
				  struct ch_runtime *runtime)
{
	struct ch_error *err;

	if (walker->kind == CH_RUNTIME_ON_MALLOC) {
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_NOTE, "runtime-not-known",
				    "%s is recognised: its objects are blocks of malloc and are "
				    "counted as such, without names (%s)",
				    runtime->title, runtime->evidence);
		return NULL;
	}
	err = claim_areas(heaps, walker, runtime);
	if (runtime->named_bytes)
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "allocator-not-walked",
				    "%s is recognised, but not walked yet: its blocks are not "
				    "counted; it has at least %llu bytes (%s)",
				    runtime->title, (unsigned long long)runtime->named_bytes,
				    runtime->evidence);
	else
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_INCOMPLETE, "allocator-not-walked",
				    "%s is recognised, but not walked yet: its blocks are not "
				    "counted (%s)",
				    runtime->title, runtime->evidence);
	return err;
}

static int compare_taken(const void *a, const void *b)
{
	const struct ch_taken *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static struct ch_error *take(struct ch_heaps *heaps, uint64_t start, uint64_t end)
{
	struct ch_taken *taken;

	if (start >= end)
		return NULL;
	taken = ch_vec_push(&heaps->taken);
	if (!taken)
		return &ch_enomem;
	*taken = (struct ch_taken){ start, end };
	return NULL;
}

/* Sort what is taken, join what touches, and show it to the walkers that come later. */
static void publish_taken(struct ch_heaps *heaps)
{
	struct ch_taken *taken;
	size_t i, kept = 0;

	ch_vec_sort(&heaps->taken, compare_taken);
	taken = heaps->taken.items;
	for (i = 0; i < heaps->taken.count; i++) {
		if (kept && taken[i].start <= taken[kept - 1].end)
			taken[kept - 1].end = ch_max(taken[kept - 1].end, taken[i].end);
		else
			taken[kept++] = taken[i];
	}
	heaps->taken.count = kept;
	heaps->env.taken = heaps->taken.items;
	heaps->env.taken_count = kept;
}

/*
 * Tell the walkers that come later what this one has: large heaps are not searched again, and
 * the constants of a class in metaspace ("0, 0x30002" at the start of a page) are no header of
 * malloc's. What is only guessed to be a runtime's may well be malloc's.
 */
static struct ch_error *take_memory(struct ch_heaps *heaps, const struct ch_opened *opened)
{
	const struct ch_walker_claim *claims;
	const struct ch_span *spans;
	struct ch_error *err = NULL;
	size_t count, i;

	spans = chp_opened_spans(opened, &count);
	for (i = 0; !err && i < count; i++)
		err = take(heaps, spans[i].start, spans[i].end);
	claims = opened->runtime->claims ? opened->runtime->claims(opened->state, &count) : NULL;
	for (i = 0; !err && claims && i < count; i++)
		if (claims[i].basis != CH_BASIS_HEURISTIC)
			err = take(heaps, claims[i].start, claims[i].end);
	if (!err)
		publish_taken(heaps);
	return err;
}

/* What stands for parts that a walker does not have: nobody need ask whether they are there. */
static const struct ch_walker_allocator no_allocator = { .stage = 0 };
static const struct ch_walker_types no_types = { .name = NULL };
static const struct ch_walker_runtime no_runtime = { .young = NULL };

static struct ch_error *open_walker(struct ch_heaps *heaps, const struct ch_walker *walker,
				    uint32_t index)
{
	struct ch_runtime *runtime = CH_VEC_AT(&heaps->runtimes, struct ch_runtime, index);
	struct ch_opened *opened;
	struct ch_error *err;
	void *state = NULL;

	if (!walker->open) {
		return name_only(heaps, walker, runtime);
	}
	err = walker->open(&heaps->env, &state);
	if (err)
		return open_failed(heaps, walker, runtime, err);
	opened = ch_vec_push(&heaps->opened);
	if (!opened) {
		walker->close(state);
		return &ch_enomem;
	}
	*opened = (struct ch_opened){ .walker = walker,
				      .allocator =
					      walker->allocator ? walker->allocator : &no_allocator,
				      .types = walker->types ? walker->types : &no_types,
				      .runtime = walker->runtime ? walker->runtime : &no_runtime,
				      .state = state,
				      .index = index };
	runtime->open = true;
	err = add_heaps(heaps, opened);
	return err ? err : take_memory(heaps, opened);
}

static uint32_t stage_of(const struct ch_walker *walker)
{
	return walker->allocator ? walker->allocator->stage : 0;
}

/* Open the walkers of one stage that are present. */
static struct ch_error *open_present(struct ch_heaps *heaps, const struct ch_walker *const *walkers,
				     uint32_t stage)
{
	enum ch_walker_priority priority;
	struct ch_error *err;
	uint32_t i;

	for (priority = CH_WALKER_SPECIFIC; priority <= CH_WALKER_FALLBACK; priority++) {
		for (i = 0; i < heaps->runtimes.count; i++) {
			if (walkers[i]->priority != priority || stage_of(walkers[i]) != stage ||
			    !CH_VEC_AT(&heaps->runtimes, struct ch_runtime, i)->score)
				continue;
			err = open_walker(heaps, walkers[i], i);
			if (!err)
				err = chp_context_check(heaps->env.ctx);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* Open what is present, stage by stage: nested walkers look at the blocks of those before. */
static struct ch_error *open_stages(struct ch_heaps *heaps, const struct ch_walker *const *walkers)
{
	struct ch_error *err = NULL;
	uint32_t stage, first;

	heaps->opening = true;
	for (stage = 0; !err && stage < CH_STAGES_MAX; stage++) {
		first = (uint32_t)heaps->opened.count;
		heaps->env.outer = stage ? heaps : NULL;
		err = open_present(heaps, walkers, stage);
		if (err || first == heaps->opened.count)
			continue;
		err = chp_spans_collect(heaps, first, stage > 0);
		if (!err)
			err = chp_heaps_claim(heaps, first);
	}
	heaps->env.outer = NULL;
	heaps->opening = false;
	return err;
}

const struct ch_runtime_memory *ch_heaps_runtime_memory(const struct ch_heaps *heaps,
							size_t *count_ret)
{
	*count_ret = heaps->memory.count;
	return heaps->memory.items;
}

/* AT_PAGESZ, unless it makes no sense. */
static uint64_t page_bytes(const struct ch_core *core)
{
	uint64_t bytes;

	if (!ch_core_auxv(core, AT_PAGESZ, &bytes) || bytes < CH_PAGE_BYTES ||
	    bytes > PAGE_BYTES_MAX || (bytes & (bytes - 1)))
		return CH_PAGE_BYTES;
	return bytes;
}

static bool lacks_memory(const struct ch_core *core, struct ch_map *map)
{
	const struct ch_region *regions;
	size_t count, i;

	if (ch_core_stats(core)->truncated)
		return true;
	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++)
		if (regions[i].state == CH_STATE_COMMIT && (regions[i].prot & CH_SEGMENT_WRITE) &&
		    regions[i].type != CH_MEMTYPE_MAPPED &&
		    regions[i].in_core_bytes < regions[i].end - regions[i].start)
			return true;
	return false;
}

/* Heaps of which only the runtimes are known. */
static struct ch_error *probe_heaps(const struct ch_walker *const *walkers, struct ch_core *core,
				    struct ch_sym *sym, struct ch_map *map, struct ch_heaps **ret)
{
	struct ch_heaps *heaps = calloc(1, sizeof(*heaps));
	struct ch_error *err;
	size_t count = 0;

	if (!heaps)
		return &ch_enomem;
	while (walkers[count])
		count++;
	heaps->env = (struct ch_heap_env){
		.core = core, .sym = sym, .map = map, .ctx = ch_core_context(core)
	};
	heaps->runtimes = CH_VEC(struct ch_runtime);
	heaps->opened = CH_VEC(struct ch_opened);
	heaps->taken = CH_VEC(struct ch_taken);
	heaps->heaps = CH_VEC(struct ch_heap);
	heaps->frees = CH_VEC(struct ch_heap_free);
	heaps->memory = CH_VEC(struct ch_runtime_memory);
	heaps->page_bytes = page_bytes(core);
	heaps->env.lacks_memory = lacks_memory(core, map);
	heaps->spans = CH_VEC(struct ch_span);
	heaps->infos = CH_VEC(struct ch_span_info);
	heaps->origins = CH_VEC(struct ch_origin);
	heaps->sums = CH_VEC(struct ch_span_sums);
	heaps->gaps = CH_VEC(struct ch_uncovered);
	heaps->types = CH_VEC(struct ch_type_stat);
	heaps->assemblies = CH_VEC(struct ch_assembly);
	heaps->settings = CH_VEC(struct ch_setting);
	err = chp_type_table_init(&heaps->table, count);
	if (!err)
		err = probe_all(heaps, walkers);
	if (err) {
		ch_heaps_close(heaps);
		return err;
	}
	*ret = heaps;
	return NULL;
}

struct ch_error *ch_heaps_probe(struct ch_core *core, struct ch_sym *sym, struct ch_map *map,
				struct ch_heaps **ret)
{
	return probe_heaps(chp_walkers, core, sym, map, ret);
}

struct ch_error *chp_heaps_open_with(const struct ch_walker *const *walkers, struct ch_core *core,
				     struct ch_sym *sym, struct ch_map *map, struct ch_heaps **ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = probe_heaps(walkers, core, sym, map, &heaps);
	if (err)
		return err;
	err = open_stages(heaps, walkers);
	if (err) {
		ch_heaps_close(heaps);
		return err;
	}
	*ret = heaps;
	return NULL;
}

struct ch_error *ch_heaps_open(struct ch_core *core, struct ch_sym *sym, struct ch_map *map,
			       struct ch_heaps **ret)
{
	return chp_heaps_open_with(chp_walkers, core, sym, map, ret);
}

void ch_heaps_close(struct ch_heaps *heaps)
{
	struct ch_opened *opened;
	size_t i;

	if (!heaps)
		return;
	for (i = heaps->opened.count; i-- > 0;) {
		opened = CH_VEC_AT(&heaps->opened, struct ch_opened, i);
		opened->walker->close(opened->state);
	}
	for (i = 0; i < heaps->runtimes.count; i++)
		free((char *)(uintptr_t)CH_VEC_AT(&heaps->runtimes, struct ch_runtime, i)
			     ->evidence);
	for (i = 0; i < heaps->origins.count; i++)
		ch_vec_deinit(&CH_VEC_AT(&heaps->origins, struct ch_origin, i)->checkpoints);
	ch_vec_deinit(&heaps->runtimes);
	ch_vec_deinit(&heaps->opened);
	ch_vec_deinit(&heaps->taken);
	ch_vec_deinit(&heaps->heaps);
	ch_vec_deinit(&heaps->frees);
	ch_vec_deinit(&heaps->memory);
	ch_vec_deinit(&heaps->spans);
	ch_vec_deinit(&heaps->infos);
	ch_vec_deinit(&heaps->origins);
	ch_vec_deinit(&heaps->sums);
	ch_vec_deinit(&heaps->gaps);
	ch_vec_deinit(&heaps->types);
	ch_vec_deinit(&heaps->assemblies);
	ch_vec_deinit(&heaps->settings);
	chp_type_table_deinit(&heaps->table);
	free(heaps);
}

const struct ch_runtime *ch_heaps_runtimes(const struct ch_heaps *heaps, size_t *count_ret)
{
	*count_ret = heaps->runtimes.count;
	return heaps->runtimes.items;
}

const struct ch_span *ch_heaps_spans(const struct ch_heaps *heaps, size_t *count_ret)
{
	*count_ret = heaps->spans.count;
	return heaps->spans.items;
}

const struct ch_span_sums *ch_heaps_span_sums(const struct ch_heaps *heaps, size_t *count_ret)
{
	*count_ret = heaps->sums.count;
	return heaps->sums.items;
}

const struct ch_heap *ch_heaps_list(const struct ch_heaps *heaps, size_t *count_ret)
{
	*count_ret = heaps->heaps.count;
	return heaps->heaps.items;
}

const struct ch_heap_free *ch_heaps_free(const struct ch_heaps *heaps, size_t *count_ret)
{
	*count_ret = heaps->frees.count;
	return heaps->frees.items;
}

const struct ch_fact *ch_heaps_facts(const struct ch_heaps *heaps, uint32_t walker,
				     size_t *count_ret)
{
	const struct ch_opened *opened = chp_opened_of(heaps, walker);

	*count_ret = 0;
	return opened ? facts_of(opened, count_ret) : NULL;
}

const char *ch_heaps_trim_name(const struct ch_heaps *heaps, uint32_t walker)
{
	const struct ch_opened *opened = chp_opened_of(heaps, walker);

	return opened && opened->allocator->trim ? opened->allocator->trim->name : NULL;
}

enum ch_type_kind ch_object_kind(const struct ch_object *object)
{
	return chp_object_kind(object);
}

const char *ch_runtime_status(const struct ch_runtime *runtime)
{
	if (runtime->open)
		return "walked";
	if (!runtime->score)
		return "not found";
	if (runtime->kind == CH_RUNTIME_ON_MALLOC)
		return "on malloc";
	return runtime->named_only ? "not walked yet" : "not readable";
}

const char *ch_runtime_kind_name(enum ch_runtime_kind kind)
{
	return kind == CH_RUNTIME_ALLOCATOR ? "allocator" : "runtime";
}

const char *ch_object_state_name(enum ch_object_state state)
{
	static const char *const names[] = { "used", "free", "overhead" };

	return (size_t)state < CH_COUNT_OF(names) ? names[state] : "unknown";
}

const char *ch_type_kind_name(enum ch_type_kind kind)
{
	static const char *const names[] = { "object", "free", "overhead", "allocator", "absent" };

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : "unknown";
}

static struct ch_traced traced_of(const struct ch_opened *opened)
{
	struct ch_traced traced = { .tracer = opened->walker->tracer, .state = opened->state };

	if (traced.tracer->narrow)
		traced.tracer->narrow(traced.state, &traced.narrow);
	if (traced.tracer->decoder)
		traced.decode = traced.tracer->decoder(traced.state);
	return traced;
}

size_t chp_heaps_tracers(const struct ch_heaps *heaps, struct ch_traced *ret, size_t max)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t count = 0, i;

	for (i = 0; i < heaps->opened.count && count < max; i++)
		if (opened[i].walker->tracer)
			ret[count++] = traced_of(&opened[i]);
	return count;
}

bool chp_heaps_span_pooled(const struct ch_heaps *heaps, uint32_t span)
{
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, span);

	return CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened)->allocator->pooled;
}

bool chp_heaps_span_tracer(const struct ch_heaps *heaps, uint32_t span, struct ch_traced *ret)
{
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, span);
	const struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened);

	if (!opened->walker->tracer)
		return false;
	*ret = traced_of(opened);
	return true;
}

bool chp_heaps_span_inspector(const struct ch_heaps *heaps, uint32_t span, struct ch_inspected *ret)
{
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, span);
	const struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened);

	if (!opened->types->inspector)
		return false;
	*ret = (struct ch_inspected){ opened->types->inspector, opened->state, opened->index };
	return true;
}

bool chp_heaps_inspector(const struct ch_heaps *heaps, const struct ch_object *object,
			 struct ch_inspected *ret, uint64_t *key_ret)
{
	const struct ch_type_row *row;
	struct ch_type_source source;

	*key_ret = object->key;
	if (object->key)
		return chp_heaps_span_inspector(heaps, object->span, ret) &&
		       (!ret->inspector->knows || ret->inspector->knows(ret->state, object->key));
	if (!object->type || object->type > heaps->table.count || !heaps->namer.inspect)
		return false;
	row = chp_type_row(&heaps->table, object->type);
	source = (struct ch_type_source){ row->provider, row->type.walker, row->type.key };
	return row->provider && heaps->namer.inspect(heaps->namer.arg, &source, ret, key_ret);
}

size_t chp_heaps_inspectors(const struct ch_heaps *heaps, struct ch_inspected *ret, size_t max)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t count = 0, i;

	for (i = 0; i < heaps->opened.count && count < max; i++)
		if (opened[i].types->inspector)
			ret[count++] = (struct ch_inspected){ opened[i].types->inspector,
							      opened[i].state, opened[i].index };
	return count;
}

struct ch_error *chp_heaps_learn(struct ch_heaps *heaps)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < heaps->opened.count; i++)
		if (opened[i].types->learn) {
			err = opened[i].types->learn(opened[i].state);
			/* what was counted before is by keys that are no longer the best ones */
			chp_heaps_forget_types(heaps);
		}
	return err;
}
