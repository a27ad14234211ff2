/*
 * What is known of an opened core, part by part: header, segments, notes, threads, files and the
 * auxiliary vector. Opening (core.c, headers.c, notes.c, auxv.c) fills these; everything else reads
 * them here.
 */
#include "core/core_priv.h"
#include "util/bytes.h"

const uint8_t *chp_core_file_bytes(const struct ch_core *core, uint64_t off, uint64_t len)
{
	return ch_inside(off, len, core->stats.file_bytes) ? core->data + off : NULL;
}

enum ch_arch ch_core_arch(const struct ch_core *core)
{
	return core->arch;
}

enum ch_producer ch_core_producer(const struct ch_core *core)
{
	return core->producer;
}

const char *ch_core_producer_basis(const struct ch_core *core)
{
	return core->producer_basis;
}

const char *ch_core_path(const struct ch_core *core)
{
	return core->path;
}

struct ch_context *ch_core_context(const struct ch_core *core)
{
	return core->ctx;
}

const struct ch_core_stats *ch_core_stats(const struct ch_core *core)
{
	return &core->stats;
}

const struct ch_process *ch_core_process(const struct ch_core *core)
{
	return &core->process;
}

const struct ch_segment *ch_core_segments(const struct ch_core *core, size_t *count_ret)
{
	*count_ret = core->segments.count;
	return core->segments.items;
}

const struct ch_note *ch_core_notes(const struct ch_core *core, size_t *count_ret)
{
	*count_ret = core->notes.count;
	return core->notes.items;
}

const struct ch_thread *ch_core_threads(const struct ch_core *core, size_t *count_ret)
{
	*count_ret = core->threads.count;
	return core->threads.items;
}

const struct ch_file_map *ch_core_file_maps(const struct ch_core *core, size_t *count_ret)
{
	*count_ret = core->file_maps.count;
	return core->file_maps.items;
}

bool ch_core_lists_files(const struct ch_core *core)
{
	return core->has_file_note && core->file_note_whole;
}

bool ch_core_has_file_note(const struct ch_core *core)
{
	return core->has_file_note;
}

/* Ascending; where a row that was derived meets another one, it goes. */
static void drop_overlaps(struct ch_vec *maps)
{
	struct ch_file_map *rows = maps->items;
	size_t i, kept = 0;

	for (i = 0; i < maps->count; i++) {
		while (kept && rows[i].start < rows[kept - 1].end && rows[kept - 1].derived &&
		       !rows[i].derived)
			kept--;
		if (!kept || rows[i].start >= rows[kept - 1].end)
			rows[kept++] = rows[i];
	}
	maps->count = kept;
}

static int compare_starts(const void *a, const void *b)
{
	const struct ch_file_map *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

struct ch_error *ch_core_add_file_maps(struct ch_core *core, const struct ch_file_map *rows,
				       size_t count)
{
	struct ch_file_map *row;
	size_t i;

	if (!ch_vec_reserve(&core->file_maps, core->file_maps.count + count))
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		row = ch_vec_push(&core->file_maps);
		*row = rows[i];
		row->derived = true;
	}
	ch_vec_sort(&core->file_maps, compare_starts);
	drop_overlaps(&core->file_maps);
	return NULL;
}

void ch_core_remove_file_maps(struct ch_core *core)
{
	struct ch_file_map *rows = core->file_maps.items;
	size_t i, kept = 0;

	for (i = 0; i < core->file_maps.count; i++)
		if (!rows[i].derived)
			rows[kept++] = rows[i];
	core->file_maps.count = kept;
}

bool ch_core_auxv(const struct ch_core *core, uint64_t type, uint64_t *ret)
{
	const struct ch_auxv_entry *entry;
	size_t i;

	for (i = 0; i < core->auxv.count; i++) {
		entry = CH_VEC_AT(&core->auxv, struct ch_auxv_entry, i);
		if (entry->type == type) {
			*ret = entry->value;
			return true;
		}
	}
	return false;
}
