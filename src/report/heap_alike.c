/*
 * Heaps of one name as one line: a runtime may have thousands that are called alike, such as a
 * memory context for each plan that is kept. Numbers are added up; what is told of one of them
 * alone, as where it lies, is told of those that stand for themselves.
 */
#include "report/heap.h"

#include <stdlib.h>
#include <string.h>

#include "util/vec.h"

/* A heap by its index, and the place of the line that it goes to. */
struct alike {
	const struct ch_heap *heap;
	size_t index, line;
};

static int compare_names(const void *a, const void *b)
{
	const struct alike *x = a, *y = b;
	int order = x->heap->walker < y->heap->walker ? -1 : x->heap->walker > y->heap->walker;

	if (!order)
		order = strcmp(x->heap->name ? x->heap->name : "",
			       y->heap->name ? y->heap->name : "");
	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

static int compare_indices(const void *a, const void *b)
{
	const struct alike *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static bool are_alike(const struct alike *a, const struct alike *b)
{
	return a->heap->walker == b->heap->walker && a->heap->name && b->heap->name &&
	       strcmp(a->heap->name, b->heap->name) == 0;
}

static void add_sum(struct ch_free_sum *to, const struct ch_free_sum *from)
{
	to->count += from->count;
	to->bytes += from->bytes;
}

static void add_free(struct ch_heap_free *to, const struct ch_heap_free *from)
{
	size_t i;

	add_sum(&to->bins, &from->bins);
	add_sum(&to->fast, &from->fast);
	add_sum(&to->cached, &from->cached);
	add_sum(&to->top, &from->top);
	for (i = 0; i < CH_SIZE_CLASSES; i++)
		add_sum(&to->classes[i], &from->classes[i]);
	if (to->largest_bytes < from->largest_bytes) {
		to->largest_bytes = from->largest_bytes;
		to->largest_addr = from->largest_addr;
	}
	to->can_trim &= from->can_trim;
	to->trim_pages_bytes += from->trim_pages_bytes;
	to->trim_top_bytes += from->trim_top_bytes;
	to->trapped_bytes += from->trapped_bytes;
}

void chp_heap_add(struct ch_heap *to, const struct ch_heap *from)
{
	to->reserved_bytes += from->reserved_bytes;
	to->committed_bytes += from->committed_bytes;
	to->used_bytes += from->used_bytes;
	to->used_count += from->used_count;
	to->free_bytes += from->free_bytes;
	to->free_count += from->free_count;
	to->overhead_bytes += from->overhead_bytes;
	to->allocator_bytes += from->allocator_bytes;
	to->allocator_count += from->allocator_count;
	to->unwalked_bytes += from->unwalked_bytes;
	to->absent_bytes += from->absent_bytes;
}

/* Say of each heap the line that it goes to: that of the first one of its name. */
static void find_lines(struct alike *items, size_t count)
{
	size_t i;

	qsort(items, count, sizeof(*items), compare_names);
	for (i = 0; i < count; i++)
		items[i].line = i && are_alike(&items[i - 1], &items[i]) ? items[i - 1].line
									 : items[i].index;
	qsort(items, count, sizeof(*items), compare_indices);
}

/* "CachedPlan (300)"; the address and the facts of one are not those of all. */
static struct ch_error *name_line(struct ch_heaps_alike *lines, size_t line, size_t count)
{
	struct ch_heap *heap = &lines->heaps[line];
	char **slot;

	if (count == 1)
		return NULL;
	slot = ch_vec_push(&lines->names);
	if (!slot || asprintf(slot, "%s (%zu)", heap->name, count) < 0) {
		lines->names.count -= slot != NULL;
		return &ch_enomem;
	}
	heap->name = *slot;
	heap->addr = 0;
	heap->facts_count = 0;
	return NULL;
}

/* Lines in the order of their first heaps; items[i].line becomes the index of its line. */
static struct ch_error *add_lines(const struct ch_heaps_view *view, struct alike *items,
				  size_t *counts, struct ch_heaps_alike *ret)
{
	struct ch_error *err = NULL;
	size_t i, line;

	for (i = 0; i < view->heaps_count; i++) {
		if (items[i].line == i) {
			line = ret->count++;
			ret->heaps[line] = view->heaps[i];
			ret->frees[line] = view->frees[i];
		} else {
			line = items[items[i].line].line;
			chp_heap_add(&ret->heaps[line], &view->heaps[i]);
			add_free(&ret->frees[line], &view->frees[i]);
		}
		items[i].line = line;
		counts[line]++;
	}
	for (line = 0; !err && line < ret->count; line++)
		err = name_line(ret, line, counts[line]);
	return err;
}

struct ch_error *chp_heaps_alike_make(const struct ch_heaps_view *view, struct ch_heaps_alike *ret)
{
	const size_t count = view->heaps_count;
	struct alike *items = calloc(count + 1, sizeof(*items));
	size_t *counts = calloc(count + 1, sizeof(*counts)), i;
	struct ch_error *err = NULL;

	*ret = (struct ch_heaps_alike){ .heaps = calloc(count + 1, sizeof(*ret->heaps)),
					.frees = calloc(count + 1, sizeof(*ret->frees)),
					.names = CH_VEC(char *) };
	if (!items || !counts || !ret->heaps || !ret->frees) {
		err = &ch_enomem;
		goto out;
	}
	for (i = 0; i < count; i++)
		items[i] = (struct alike){ .heap = &view->heaps[i], .index = i };
	find_lines(items, count);
	err = add_lines(view, items, counts, ret);
out:
	free(items);
	free(counts);
	return err;
}

void chp_heaps_alike_deinit(struct ch_heaps_alike *lines)
{
	size_t i;

	for (i = 0; i < lines->names.count; i++)
		free(*CH_VEC_AT(&lines->names, char *, i));
	ch_vec_deinit(&lines->names);
	free(lines->heaps);
	free(lines->frees);
}
