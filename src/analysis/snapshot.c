/*
 * The rows of a snapshot: added in any order, told apart by names, kept in one order.
 */
#include "analysis/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/hash.h"

static const char *const axis_names[CH_AXES] = {
	[CH_AXIS_TYPES] = "types",     [CH_AXIS_ROOT_PATHS] = "root_paths",
	[CH_AXIS_MODULES] = "modules", [CH_AXIS_THREAD_GROUPS] = "thread_groups",
	[CH_AXIS_HEAPS] = "heaps",     [CH_AXIS_SIZE_CLASSES] = "size_classes",
	[CH_AXIS_REGIONS] = "regions", [CH_AXIS_TOTALS] = "totals",
};

const char *chp_axis_name(enum ch_axis axis)
{
	return axis_names[axis];
}

/* A name without the addresses that some have ("Shop$$Lambda+0x7f57b1003208"). */
static uint64_t hash_name(uint64_t hash, const char *name)
{
	size_t len;

	while (*name) {
		len = strncmp(name, "+0x", 3) == 0 ? 3 + strspn(name + 3, "0123456789abcdef") : 0;
		/* offsets are shorter */
		if (len >= 3 + 8) {
			name += len;
			continue;
		}
		hash = ch_hash_bytes(hash, name++, 1);
	}
	return ch_hash_bytes(hash, "", 1);
}

uint64_t chp_snapshot_id(enum ch_axis axis, const char *runtime, const char *name)
{
	uint64_t hash = CH_HASH_START;

	hash = ch_hash_bytes(hash, axis_names[axis], strlen(axis_names[axis]) + 1);
	hash = ch_hash_bytes(hash, runtime ? runtime : "", runtime ? strlen(runtime) + 1 : 1);
	return hash_name(hash, name);
}

struct ch_error *chp_snapshot_add(struct ch_snapshot *snapshot, enum ch_axis axis,
				  const char *runtime, const char *name, uint64_t count,
				  uint64_t bytes)
{
	struct ch_snapshot_row *row = ch_vec_push(&snapshot->rows);

	if (!row)
		return &ch_enomem;
	*row = (struct ch_snapshot_row){ .axis = axis,
					 .id = chp_snapshot_id(axis, runtime, name),
					 .name = strdup(name),
					 .runtime = runtime,
					 .count = count,
					 .bytes = bytes };
	return row->name ? NULL : &ch_enomem;
}

void chp_snapshot_idle(struct ch_snapshot *snapshot)
{
	CH_VEC_AT(&snapshot->rows, struct ch_snapshot_row, snapshot->rows.count - 1)->idle = true;
}

struct ch_error *chp_snapshot_title_take(struct ch_snapshot *snapshot, char *name)
{
	struct ch_snapshot_row *row =
		CH_VEC_AT(&snapshot->rows, struct ch_snapshot_row, snapshot->rows.count - 1);

	if (!name)
		return &ch_enomem;
	free(row->name);
	row->name = name;
	return NULL;
}

int chp_snapshot_compare_rows(const void *a, const void *b)
{
	const struct ch_snapshot_row *x = a, *y = b;

	if (x->axis != y->axis)
		return x->axis < y->axis ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct ch_error *chp_snapshot_add_part(struct ch_snapshot *snapshot,
				       const struct ch_snapshot_part *part)
{
	struct ch_snapshot_part *slot = ch_vec_push(&snapshot->parts);

	if (!slot)
		return &ch_enomem;
	*slot = *part;
	return NULL;
}

int chp_snapshot_compare_parts(const void *a, const void *b)
{
	const struct ch_snapshot_part *x = a, *y = b;

	if (x->path != y->path)
		return x->path < y->path ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static void finish_parts(struct ch_vec *vec)
{
	struct ch_snapshot_part *parts = vec->items;
	size_t i, kept = 0;

	ch_vec_sort(vec, chp_snapshot_compare_parts);
	for (i = 0; i < vec->count; i++) {
		if (!kept || chp_snapshot_compare_parts(&parts[kept - 1], &parts[i]) != 0) {
			parts[kept++] = parts[i];
			continue;
		}
		parts[kept - 1].count += parts[i].count;
		parts[kept - 1].bytes += parts[i].bytes;
	}
	vec->count = kept;
}

void chp_snapshot_finish(struct ch_snapshot *snapshot)
{
	struct ch_snapshot_row *rows = snapshot->rows.items;
	size_t i, kept = 0;

	ch_vec_sort(&snapshot->rows, chp_snapshot_compare_rows);
	for (i = 0; i < snapshot->rows.count; i++) {
		if (kept && chp_snapshot_compare_rows(&rows[kept - 1], &rows[i]) == 0) {
			rows[kept - 1].count += rows[i].count;
			rows[kept - 1].bytes += rows[i].bytes;
			free(rows[i].name);
		} else {
			rows[kept++] = rows[i];
		}
	}
	snapshot->rows.count = kept;
	finish_parts(&snapshot->parts);
}

void chp_snapshot_deinit(struct ch_snapshot *snapshot)
{
	struct ch_snapshot_row *rows = snapshot->rows.items;
	size_t i;

	for (i = 0; i < snapshot->rows.count; i++)
		free(rows[i].name);
	ch_vec_deinit(&snapshot->rows);
	ch_vec_deinit(&snapshot->parts);
	chp_dump_deinit(&snapshot->dump);
	chp_dump_findings_free(&snapshot->findings);
	free(snapshot->executable);
	free(snapshot->build_id);
	free(snapshot->runtimes);
}
