/*
 * What a heap dump of Java needs: classes by their keys, roots that lead to their objects, and the
 * objects as a walk hands them out.
 */
#include "analysis/hprof.h"

#include <stdlib.h>
#include <string.h>

#include <coreheap/graph.h>

#include "heap/walker.h"
#include "util/cleanup.h"
#include "util/search.h"

struct ch_hprof_source {
	struct ch_session *session;
	struct ch_heaps *heaps;
	struct ch_core *core;
	uint32_t walker;
	struct ch_inspected inspected;
	/* From keys and from objects that stand for classes to indexes of classes. */
	struct ch_table by_key, by_object;
};

/* ---- Classes ----------------------------------------------------------------- */

static struct ch_error *take_class(void *arg, const struct ch_class *of)
{
	struct ch_hprof *ret = arg;
	struct ch_hprof_class *class = ch_vec_push(&ret->classes);
	struct ch_hprof_field *field;
	size_t i;

	if (!class)
		return &ch_enomem;
	*class = (struct ch_hprof_class){ .object = of->object,
					  .loader = of->loader,
					  .name = ch_texts_add(&ret->names, of->name),
					  .element = of->element,
					  .always = of->always,
					  .fields_from = ret->fields.count,
					  .fields_count = of->fields_count,
					  .key = of->key,
					  .super_key = of->super };
	if (class->name == CH_TABLE_NONE ||
	    !ch_table_put(&ret->source->by_key, of->key, (uint32_t)ret->classes.count - 1) ||
	    (of->object &&
	     !ch_table_put(&ret->source->by_object, of->object, (uint32_t)ret->classes.count - 1)))
		return &ch_enomem;
	for (i = 0; i < of->fields_count; i++) {
		field = ch_vec_push(&ret->fields);
		if (!field)
			return &ch_enomem;
		*field = (struct ch_hprof_field){ .name = ch_texts_add(&ret->names,
								       of->fields[i].name),
						  .code = of->fields[i].code,
						  .is_static = of->fields[i].is_static,
						  .bytes = of->fields[i].bytes,
						  .offset = of->fields[i].offset };
		if (field->name == CH_TABLE_NONE)
			return &ch_enomem;
	}
	return NULL;
}

static const struct ch_hprof_class *class_of(const struct ch_hprof *of, uint64_t key)
{
	uint32_t index = ch_table_find(&of->source->by_key, key);

	return index == CH_TABLE_NONE ? NULL
				      : CH_VEC_AT(&of->classes, struct ch_hprof_class, index);
}

/* A class that derives from itself by others would have no end. */
static void link_supers(struct ch_hprof *ret)
{
	struct ch_hprof_class *list = ret->classes.items;
	const struct ch_hprof_class *at;
	size_t i, steps;

	for (i = 0; i < ret->classes.count; i++) {
		list[i].super = class_of(ret, list[i].super_key);
		for (at = list[i].super, steps = 0; at && at != &list[i] && steps < 256; steps++)
			at = at->super;
		if (at)
			list[i].super = NULL;
	}
}

/* ---- Roots ------------------------------------------------------------------- */

struct rooting {
	struct ch_graph *graph;
	struct ch_hprof *ret;
};

static bool is_ours(const struct ch_hprof *of, const struct ch_object *object)
{
	const struct ch_span *spans;
	const struct ch_heap *heaps;
	size_t count;

	spans = ch_heaps_spans(of->source->heaps, &count);
	heaps = ch_heaps_list(of->source->heaps, &count);
	return heaps[spans[object->span].heap].walker == of->source->walker;
}

static struct ch_error *take_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct rooting *rooting = arg;
	struct ch_hprof_root *slot;
	struct ch_object object;
	size_t i;

	for (i = 0; i < n; i++) {
		/* statics are in their classes */
		if (roots[i].kind == CH_ROOT_STATIC)
			continue;
		if (!ch_graph_object(rooting->graph, roots[i].target, &object))
			return &ch_enomem;
		if (!is_ours(rooting->ret, &object))
			continue;
		slot = ch_vec_push(&rooting->ret->roots);
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_hprof_root){ .object = object.addr,
						.addr = roots[i].addr,
						.thread = roots[i].thread };
		if (roots[i].kind == CH_ROOT_HANDLE)
			slot->kind = CH_HPROF_ROOT_HANDLE;
		else if (roots[i].kind == CH_ROOT_STACK || roots[i].kind == CH_ROOT_REGISTER ||
			 roots[i].kind == CH_ROOT_GOROUTINE)
			slot->kind = CH_HPROF_ROOT_STACK;
	}
	return NULL;
}

static struct ch_error *find_roots(struct ch_session *session, uint32_t threads,
				   struct ch_hprof *ret)
{
	const struct ch_graph_options options = { .threads = threads };
	struct rooting rooting = { .ret = ret };
	struct ch_error *err = ch_graph_create(session, &options, &rooting.graph);

	if (!err)
		err = ch_graph_visit_roots(rooting.graph, CH_ROOTS_LIVE, take_roots, &rooting);
	ch_graph_destroy(rooting.graph);
	return err;
}

/* ---- Objects ----------------------------------------------------------------- */

struct walking {
	const struct ch_hprof *of;
	ch_hprof_fn fn;
	void *arg;
};

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	const struct walking *walking = arg;
	const struct ch_hprof_source *source = walking->of->source;
	struct ch_hprof_object object;
	struct ch_object_shape shape;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || !is_ours(walking->of, &objects[i]))
			continue;
		object = (struct ch_hprof_object){ .addr = objects[i].addr,
						   .class = class_of(walking->of, objects[i].key) };
		if (!object.class || !object.class->object ||
		    ch_table_find(&source->by_object, object.addr) != CH_TABLE_NONE)
			continue;
		if (object.class->element) {
			source->inspected.inspector->shape(source->inspected.state, object.addr,
							   objects[i].key, &shape);
			if (shape.kind != CH_SHAPE_ARRAY)
				continue;
			object.count = shape.count;
			object.data_addr = shape.data_addr;
			object.element_bytes = shape.element_bytes;
		}
		err = walking->fn(walking->arg, &object);
	}
	return err;
}

struct ch_error *chp_hprof_objects(const struct ch_hprof *of, ch_hprof_fn fn, void *arg)
{
	struct walking walking = { of, fn, arg };

	return ch_heaps_walk(of->source->heaps, 0, UINT64_MAX, take_objects, &walking);
}

/* What leads elsewhere is no reference, and its bytes may be anything: contents. */
static bool in_heaps(const struct ch_hprof_source *source, uint64_t addr)
{
	const struct ch_span *spans;
	size_t count, after;

	spans = ch_heaps_spans(source->heaps, &count);
	after = ch_search(spans, count, it, it->start <= addr);
	return after && addr < spans[after - 1].end;
}

uint64_t chp_hprof_reference(const struct ch_hprof *of, uint64_t addr, uint32_t bytes)
{
	const struct ch_hprof_source *source = of->source;
	uint32_t narrow;
	uint64_t word;

	if (bytes == 4) {
		if (!ch_core_read_u32(source->core, addr, &narrow))
			return 0;
		word = narrow;
	} else if (!ch_core_read_u64(source->core, addr, &word)) {
		return 0;
	}
	word = source->inspected.inspector->reference(source->inspected.state, word, bytes);
	return in_heaps(source, word) ? word : 0;
}

/* ---- All of it --------------------------------------------------------------- */

static bool find_inspector(struct ch_hprof_source *source)
{
	struct ch_inspected all[CH_INSPECTORS_MAX];
	size_t count = chp_heaps_inspectors(source->heaps, all, CH_INSPECTORS_MAX), i;

	for (i = 0; i < count; i++)
		if (all[i].walker == source->walker)
			source->inspected = all[i];
	return source->inspected.inspector && source->inspected.inspector->reference;
}

struct ch_error *chp_hprof_make(struct ch_session *session, uint32_t threads, struct ch_hprof *ret)
{
	struct ch_hprof_source *source = calloc(1, sizeof(*source));
	struct ch_error *err;
	bool known = false;

	*ret = (struct ch_hprof){ .names = CH_TEXTS,
				  .fields = CH_VEC(struct ch_hprof_field),
				  .classes = CH_VEC(struct ch_hprof_class),
				  .roots = CH_VEC(struct ch_hprof_root),
				  .source = source };
	if (!source)
		return &ch_enomem;
	source->core = ch_session_core(session);
	err = ch_session_heaps(session, &source->heaps);
	if (!err)
		err = chp_heaps_classes(source->heaps, take_class, ret, &source->walker, &known);
	if (!err && (!known || !find_inspector(source)))
		err = ch_error_create(CH_ERROR_ARG, "there is no JVM in this core, or its heap "
						    "cannot be read: see coreheap info");
	if (err)
		return err;
	link_supers(ret);
	err = find_roots(session, threads, ret);
	return err ? err : chp_thread_rows_make(session, CH_FRAMES_DEFAULT, &ret->threads);
}

void chp_hprof_deinit(struct ch_hprof *of)
{
	if (of->source) {
		ch_table_deinit(&of->source->by_key);
		ch_table_deinit(&of->source->by_object);
	}
	free(of->source);
	ch_texts_deinit(&of->names);
	ch_vec_deinit(&of->fields);
	ch_vec_deinit(&of->classes);
	ch_vec_deinit(&of->roots);
	chp_thread_rows_deinit(&of->threads);
}
