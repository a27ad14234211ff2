/*
 * Limits, pools of buffers, and the buffers themselves by type.
 */
#include "report/pools.h"

#include <inttypes.h>

#include "heap/type_table.h"
#include "render/fields.h"
#include "util/cleanup.h"

/* Chunks of one pool that JSON lists. */
#define CHUNKS_LISTED 1000

/* ---- Fields ------------------------------------------------------------------------------ */

struct quota_row {
	struct ch_quota of;
	const char *runtime;
	uint64_t left_bytes, percent;
	bool near;
};

#define QUOTA(member) CH_AT(struct quota_row, member)

static const struct ch_field_spec quota_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Who counts.", QUOTA(runtime) },
	{ "name", NULL, CH_CELL_SAFE, "What is counted.", QUOTA(of.label) },
	{ "counter", NULL, CH_CELL_TEXT, "The variable that does.", QUOTA(of.counter) },
	{ "used_bytes", NULL, CH_CELL_BYTES, "What is used.", QUOTA(of.used_bytes) },
	{ "limit_bytes", NULL, CH_CELL_BYTES, "What may be.", QUOTA(of.limit_bytes) },
	{ "left_bytes", NULL, CH_CELL_BYTES, "The difference.", QUOTA(left_bytes) },
	{ "percent", NULL, CH_CELL_PERCENT, "What is used of the limit.", QUOTA(percent) },
	{ "next_bytes", NULL, CH_CELL_BYTES, "What the next allocation takes at least.",
	  QUOTA(of.next_bytes), .flags = CH_FIELD_NOT_ZERO },
	{ "next", NULL, CH_CELL_SAFE, "Of what.", QUOTA(of.next), .flags = CH_FIELD_OPTIONAL },
	{ "near", NULL, CH_CELL_BOOL, "Less than that is left, or 90 % are used.", QUOTA(near) },
	CH_FIELDS_END,
};

json_t *chp_json_quotas(const struct ch_pooled *pooled)
{
	json_t *array = json_array();
	struct quota_row row;
	size_t i;

	for (i = 0; i < pooled->quotas_count; i++) {
		row.of = pooled->quotas[i];
		row.runtime = pooled->runtimes[row.of.walker].name;
		row.left_bytes = ch_quota_left(&row.of);
		row.percent = chp_percent(row.of.used_bytes, row.of.limit_bytes);
		row.near = chp_quota_is_near(&row.of);
		chp_json_append_take(&array, chp_fields_json(NULL, quota_fields, &row));
	}
	return array;
}

struct chunk_row {
	struct ch_pool_chunk of;
	bool free_known;
};

struct pool_row {
	struct ch_pool of;
	const struct ch_pools *pools;
	struct ch_rows tids;
	bool free_known;
};

struct type_row {
	struct ch_counted_type of;
	const char *name;
};

struct pools_row {
	const struct ch_pooled *pooled;
	const char *runtime, *library;
};

#define CHUNK(member) CH_AT(struct chunk_row, member)
#define POOL(member)  CH_AT(struct pool_row, member)
#define TYPE(member)  CH_AT(struct type_row, member)
#define POOLS(member) CH_AT(struct pools_row, member)

static const struct ch_field_spec chunk_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "The object that describes it.", CHUNK(of.addr) },
	{ "memory_addr", NULL, CH_CELL_ADDR, "Where its memory lies.", CHUNK(of.memory_addr),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "total_bytes", NULL, CH_CELL_BYTES, "Its size.", CHUNK(of.bytes) },
	{ "free_bytes", NULL, CH_CELL_BYTES, "What of it is free.", CHUNK(of.free_bytes),
	  CH_KNOWN(struct chunk_row, free_known) },
	CH_FIELDS_END,
};

static json_t *chunks_of(const struct ch_report *report, const void *arg)
{
	const struct pool_row *pool = arg;
	json_t *array = json_array();
	struct chunk_row row = { .free_known = pool->free_known };
	size_t i;

	for (i = 0; i < pool->of.chunks_count && i < CHUNKS_LISTED; i++) {
		row.of = pool->pools->chunks[pool->of.chunks_first + i];
		chp_json_append_take(&array, chp_fields_json(report, chunk_fields, &row));
	}
	return array;
}

static const struct ch_field_spec tid_field[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "A thread.", .offset = 0, .size = sizeof(uint32_t) },
	CH_FIELDS_END,
};

static const struct ch_field_spec pool_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "Its name.", POOL(of.name) },
	{ "addr", NULL, CH_CELL_ADDR, "The object.", POOL(of.addr) },
	{ "direct", NULL, CH_CELL_BOOL, "Its memory is outside of the heap.", POOL(of.direct) },
	{ "chunks_count", NULL, CH_CELL_COUNT, "Chunks.", POOL(of.chunks_count) },
	{ "chunks_bytes", NULL, CH_CELL_BYTES, "Their size.", POOL(of.chunks_bytes) },
	{ "free_bytes", NULL, CH_CELL_BYTES, "What of them is free.", POOL(of.free_bytes),
	  CH_KNOWN(struct pool_row, free_known) },
	{ "huge_bytes", NULL, CH_CELL_BYTES, "What is larger than a chunk.", POOL(of.huge_bytes),
	  CH_KNOWN(struct pool_row, of.huge_known) },
	{ "buffers_count", NULL, CH_CELL_COUNT, "Buffers that are not released.",
	  POOL(of.buffers_count) },
	{ "buffers_bytes", NULL, CH_CELL_BYTES, "What these take of its chunks.",
	  POOL(of.buffers_bytes) },
	{ "cached_count", NULL, CH_CELL_COUNT, "Pieces that wait in caches of threads.",
	  POOL(of.cached_count) },
	{ "cached_bytes", NULL, CH_CELL_BYTES, "Their size.", POOL(of.cached_bytes) },
	{ "shared_bytes", NULL, CH_CELL_BYTES, "Free parts of pages that small pieces share.",
	  POOL(of.shared_bytes) },
	{ "huge_buffers_count", NULL, CH_CELL_COUNT, "Buffers larger than a chunk.",
	  POOL(of.huge_count) },
	{ "huge_buffers_bytes", NULL, CH_CELL_BYTES, "What these take.", POOL(of.huge_held_bytes) },
	{ "lost_bytes", NULL, CH_CELL_BYTES, "What was collected without a release.",
	  POOL(of.lost_bytes), CH_KNOWN(struct pool_row, of.lost_known) },
	{ "tids", NULL, CH_CELL_VALUES, "Threads that allocate from it.", POOL(tids),
	  .fields = tid_field },
	{ "chunks", NULL, CH_CELL_PART, "Its chunks, at most 1000.", .part = chunks_of,
	  .fields = chunk_fields },
	CH_FIELDS_END,
};

static const struct ch_field_spec type_fields[] = {
	{ "type", NULL, CH_CELL_SAFE, "Type of the buffers.", TYPE(name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "count", NULL, CH_CELL_COUNT, "Those that are not released.", TYPE(of.count) },
	{ "capacity_bytes", NULL, CH_CELL_BYTES, "What they can hold.", TYPE(of.capacity_bytes) },
	{ "pooled_bytes", NULL, CH_CELL_BYTES, "What they take of pools.", TYPE(of.pooled_bytes) },
	{ "released_count", NULL, CH_CELL_COUNT, "Those that are released.",
	  TYPE(of.released_count) },
	{ "sample_addr", NULL, CH_CELL_ADDR, "One that is not.", TYPE(of.sample_addr),
	  .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static json_t *arenas_of(const struct ch_report *report, const void *arg)
{
	const struct ch_pools *pools = ((const struct pools_row *)arg)->pooled->pools;
	json_t *array = json_array();
	struct pool_row row;
	size_t i;

	for (i = 0; i < pools->pools_count; i++) {
		row.of = pools->pools[i];
		row.pools = pools;
		row.tids = CH_ROWS(pools->tids + row.of.tids_first, row.of.tids_count);
		row.free_known = !row.of.free_unknown;
		chp_json_append_take(&array, chp_fields_json(report, pool_fields, &row));
	}
	return array;
}

static json_t *buffers_of(const struct ch_report *report, const void *arg)
{
	const struct ch_pooled *pooled = ((const struct pools_row *)arg)->pooled;
	json_t *array = json_array();
	struct type_row row;
	size_t i;

	for (i = 0; i < pooled->pools->types_count; i++) {
		row = (struct type_row){ pooled->pools->types[i], pooled->type_names[i] };
		chp_json_append_take(&array, chp_fields_json(report, type_fields, &row));
	}
	return array;
}

static const struct ch_field_spec pools_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "The library's runtime.", POOLS(runtime) },
	{ "library", NULL, CH_CELL_SAFE, "Whose pools they are.", POOLS(library) },
	{ "arenas", NULL, CH_CELL_PART, "The pools.", .part = arenas_of, .fields = pool_fields },
	{ "buffers", NULL, CH_CELL_PART, "Buffers by type.", .part = buffers_of,
	  .fields = type_fields },
	CH_FIELDS_END,
};

json_t *chp_json_pools(const struct ch_pooled *pooled)
{
	struct pools_row row = { .pooled = pooled };

	if (!pooled->pools)
		return json_null();
	row.runtime = pooled->runtimes[pooled->pools->walker].name;
	row.library = pooled->pools->library;
	return chp_fields_json(NULL, pools_fields, &row);
}

/* ---- Text -------------------------------------------------------------------------------- */

static struct ch_error *add_pool(struct ch_table *table, const struct ch_pool *pool)
{
	const bool open = pool->free_unknown;
	const struct ch_cell cells[] = {
		CH_CELL_STR(pool->name),
		CH_CELL_NUM(pool->chunks_count),
		CH_CELL_NUM(pool->chunks_bytes),
		{ .number = pool->chunks_bytes - pool->free_bytes, .absent = open },
		{ .number = chp_percent(pool->chunks_bytes - pool->free_bytes, pool->chunks_bytes),
		  .absent = open },
		{ .number = pool->huge_bytes, .absent = !pool->huge_known },
		CH_CELL_NUM(pool->buffers_count),
		CH_CELL_NUM(pool->buffers_bytes),
		CH_CELL_NUM(pool->cached_bytes),
		{ .number = pool->lost_bytes, .absent = !pool->lost_known },
		CH_CELL_NUM(pool->tids_count),
	};

	return chp_table_row(table, cells);
}

static struct ch_error *print_pools(const struct ch_report *report, const struct ch_pools *pools)
{
	static const struct ch_column columns[] = {
		{ "ARENA", CH_CELL_TEXT },    { "CHUNKS", CH_CELL_COUNT },
		{ "BYTES", CH_CELL_COUNT },   { "USED", CH_CELL_COUNT },
		{ "USAGE", CH_CELL_PERCENT }, { "HUGE", CH_CELL_COUNT },
		{ "BUFFERS", CH_CELL_COUNT }, { "THEIR BYTES", CH_CELL_COUNT },
		{ "CACHED", CH_CELL_COUNT },  { "LOST", CH_CELL_COUNT },
		{ "THREADS", CH_CELL_COUNT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i, idle = 0;

	for (i = 0; !err && i < pools->pools_count; i++)
		if (pools->pools[i].chunks_count || pools->pools[i].huge_bytes)
			err = add_pool(table, &pools->pools[i]);
		else
			idle++;
	if (!err && idle < pools->pools_count) {
		chp_report_heading(report, "Netty arenas", false);
		chp_table_print(table, report);
	}
	if (!err && idle && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "%s%zu arena%s without memory\n",
			idle < pools->pools_count ? "" : "\nNetty has ", idle,
			idle == 1 ? "" : "s");
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_types(const struct ch_report *report, const struct ch_pooled *pooled)
{
	const struct ch_pools *pools = pooled->pools;
	static const struct ch_column columns[] = {
		{ "BUFFERS", CH_CELL_TEXT },   { "NOT RELEASED", CH_CELL_COUNT },
		{ "CAPACITY", CH_CELL_BYTES }, { "OF POOLS", CH_CELL_BYTES },
		{ "RELEASED", CH_CELL_COUNT }, { "SAMPLE", CH_CELL_ADDR },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	const struct ch_counted_type *type;
	size_t i;

	for (i = 0; !err && i < pools->types_count; i++) {
		type = &pools->types[i];
		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(pooled->type_names[i]),
							       CH_CELL_NUM(type->count),
							       CH_CELL_NUM(type->capacity_bytes),
							       CH_CELL_NUM(type->pooled_bytes),
							       CH_CELL_NUM(type->released_count),
							       { .number = type->sample_addr,
								 .absent = !type->sample_addr } });
	}
	if (!err && pools->types_count) {
		chp_report_heading(report, "Netty buffers", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

void chp_print_quotas(const struct ch_report *report, const struct ch_pooled *pooled)
{
	char text[CH_QUOTA_TEXT_MAX];
	size_t i;

	for (i = 0; i < pooled->quotas_count; i++)
		chp_report_wrapped(report, "limit", chp_quota_text(&pooled->quotas[i], text));
}

struct ch_error *chp_print_pooled(const struct ch_report *report, const struct ch_pooled *pooled)
{
	struct ch_error *err = NULL;

	if (pooled->quotas_count)
		chp_report_heading(report, "limits", false);
	chp_print_quotas(report, pooled);
	if (pooled->pools)
		err = print_pools(report, pooled->pools);
	return err || !pooled->pools ? err : print_types(report, pooled);
}
