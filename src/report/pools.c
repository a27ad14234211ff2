/*
 * Limits, pools of buffers, and the buffers themselves by type.
 */
#include "report/pools.h"

#include <inttypes.h>

#include "heap/type_table.h"
#include "util/cleanup.h"

/* Chunks of one pool that JSON lists. */
#define CHUNKS_LISTED 1000

/* ---- JSON -------------------------------------------------------------------------------- */

json_t *chp_json_quotas(const struct ch_pooled *pooled)
{
	json_t *array = json_array();
	const struct ch_quota *quota;
	size_t i;

	for (i = 0; i < pooled->quotas_count; i++) {
		quota = &pooled->quotas[i];
		chp_json_append_take(
			&array,
			json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, s:b}", "runtime",
				  pooled->runtimes[quota->walker].name, "name", quota->label,
				  "counter", chp_json_text(quota->counter), "used_bytes",
				  chp_json_uint(quota->used_bytes), "limit_bytes",
				  chp_json_uint(quota->limit_bytes), "left_bytes",
				  chp_json_uint(ch_quota_left(quota)), "percent",
				  chp_json_percent(
					  chp_percent(quota->used_bytes, quota->limit_bytes)),
				  "next_bytes",
				  quota->next_bytes ? chp_json_uint(quota->next_bytes)
						    : json_null(),
				  "next", quota->next, "near", (int)chp_quota_is_near(quota)));
	}
	return array;
}

static json_t *json_chunks(const struct ch_pools *pools, const struct ch_pool *pool)
{
	const struct ch_pool_chunk *chunk = pools->chunks + pool->chunks_first;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < pool->chunks_count && i < CHUNKS_LISTED; i++, chunk++)
		chp_json_append_take(
			&array, json_pack("{s:o, s:o, s:o, s:o}", "addr",
					  chp_json_addr(chunk->addr), "memory_addr",
					  chunk->memory_addr ? chp_json_addr(chunk->memory_addr)
							     : json_null(),
					  "total_bytes", chp_json_uint(chunk->bytes), "free_bytes",
					  pool->free_unknown ? json_null()
							     : chp_json_uint(chunk->free_bytes)));
	return array;
}

static json_t *json_pool(const struct ch_pools *pools, const struct ch_pool *pool)
{
	json_t *tids = json_array();
	size_t i;

	for (i = 0; i < pool->tids_count; i++)
		chp_json_append_take(&tids, chp_json_uint(pools->tids[pool->tids_first + i]));
	return json_pack(
		"{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:o}",
		"name", chp_json_text(pool->name), "addr", chp_json_addr(pool->addr), "direct",
		(int)pool->direct, "chunks_count", chp_json_uint(pool->chunks_count),
		"chunks_bytes", chp_json_uint(pool->chunks_bytes), "free_bytes",
		pool->free_unknown ? json_null() : chp_json_uint(pool->free_bytes), "huge_bytes",
		pool->huge_known ? chp_json_uint(pool->huge_bytes) : json_null(), "buffers_count",
		chp_json_uint(pool->buffers_count), "buffers_bytes",
		chp_json_uint(pool->buffers_bytes), "cached_count",
		chp_json_uint(pool->cached_count), "cached_bytes",
		chp_json_uint(pool->cached_bytes), "shared_bytes",
		chp_json_uint(pool->shared_bytes), "huge_buffers_count",
		chp_json_uint(pool->huge_count), "huge_buffers_bytes",
		chp_json_uint(pool->huge_held_bytes), "lost_bytes",
		pool->lost_known ? chp_json_uint(pool->lost_bytes) : json_null(), "tids", tids,
		"chunks", json_chunks(pools, pool));
}

static json_t *json_types(const struct ch_pooled *pooled)
{
	const struct ch_pools *pools = pooled->pools;
	json_t *array = json_array();
	const struct ch_counted_type *type;
	size_t i;

	for (i = 0; i < pools->types_count; i++) {
		type = &pools->types[i];
		chp_json_append_take(&array,
				     json_pack("{s:s?, s:o, s:o, s:o, s:o, s:o}", "type",
					       pooled->type_names[i], "count",
					       chp_json_uint(type->count), "capacity_bytes",
					       chp_json_uint(type->capacity_bytes), "pooled_bytes",
					       chp_json_uint(type->pooled_bytes), "released_count",
					       chp_json_uint(type->released_count), "sample_addr",
					       type->sample_addr ? chp_json_addr(type->sample_addr)
								 : json_null()));
	}
	return array;
}

json_t *chp_json_pools(const struct ch_pooled *pooled)
{
	const struct ch_pools *pools = pooled->pools;
	json_t *array;
	size_t i;

	if (!pools)
		return json_null();
	array = json_array();
	for (i = 0; i < pools->pools_count; i++)
		chp_json_append_take(&array, json_pool(pools, &pools->pools[i]));
	return json_pack("{s:s, s:s, s:o, s:o}", "runtime", pooled->runtimes[pools->walker].name,
			 "library", pools->library, "arenas", array, "buffers", json_types(pooled));
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
