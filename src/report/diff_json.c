/*
 * The comparison of dumps, as JSON.
 */
#include <inttypes.h>
#include <string.h>

#include "report/diff.h"
#include "util/cleanup.h"

static json_t *json_id(uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	return json_string(text);
}

static json_t *json_rate(const struct ch_diff *diff, const struct ch_diff_row *row)
{
	return diff->hours > 0 ? json_integer((json_int_t)chp_diff_rate(diff, row)) : json_null();
}

static json_t *json_row(const struct ch_diff *diff, const struct ch_diff_row *row)
{
	return json_pack(
		"{s:o, s:s, s:s?, s:o, s:o, s:I, s:o, s:o, s:I, s:s, s:b, s:o, s:o}", "id",
		json_id(row->id), "name", row->name, "runtime", row->runtime, "baseline_count",
		chp_json_uint(row->baseline_count), "target_count",
		chp_json_uint(row->target_count), "delta_count", (json_int_t)row->delta_count,
		"baseline_bytes", chp_json_uint(row->baseline_bytes), "target_bytes",
		chp_json_uint(row->target_bytes), "delta_bytes", (json_int_t)row->delta_bytes,
		"state", chp_change_name(row->change), "significant", (int)row->significant,
		"monotonic", diff->dumps_count > 2 ? json_boolean(row->monotonic) : json_null(),
		"bytes_per_hour", json_rate(diff, row));
}

static json_t *json_axis(const struct ch_report *report, const struct ch_diff *diff,
			 enum ch_axis axis, bool all)
{
	const struct ch_diff_row *rows = diff->rows.items;
	json_t *array = json_array();
	uint64_t shown = 0;
	size_t i;

	for (i = 0; i < diff->rows.count; i++) {
		if (rows[i].axis != axis || (!all && rows[i].change == CH_CHANGE_SAME))
			continue;
		if (report->limit && shown++ >= report->limit)
			break;
		chp_json_append_take(&array, json_row(diff, &rows[i]));
	}
	return array;
}

static json_t *json_ranking(const struct ch_diff *diff)
{
	const struct ch_diff_row *rows = diff->rows.items, *row;
	json_t *array = json_array();
	char why[256], delta[CH_BYTES_TEXT_MAX];
	size_t i;

	for (i = 0; i < diff->ranking.count; i++) {
		row = &rows[*CH_VEC_AT(&diff->ranking, size_t, i)];
		snprintf(why, sizeof(why), "%s%s bytes more%s",
			 row->change == CH_CHANGE_NEW ? "new, " : "",
			 chp_count_text((uint64_t)row->delta_bytes, delta),
			 row->monotonic ? ", in every step" : "");
		chp_json_append_take(&array,
				     json_pack("{s:o, s:s, s:o, s:s, s:I, s:s}", "score",
					       chp_json_uint(row->score), "axis",
					       chp_axis_name(row->axis), "id", json_id(row->id),
					       "name", row->name, "delta_bytes",
					       (json_int_t)row->delta_bytes, "why", why));
	}
	return array;
}

static json_t *json_parts(const struct ch_growth *growth)
{
	const struct ch_growth_part *part;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < growth->parts_count; i++) {
		part = &growth->parts[i];
		chp_json_append_take(&array,
				     json_pack("{s:s, s:o, s:s, s:I, s:I}", "axis",
					       chp_axis_name(part->row->axis), "id",
					       json_id(part->row->id), "name", part->row->name,
					       "delta_bytes", (json_int_t)part->delta_bytes,
					       "delta_count", (json_int_t)part->delta_count));
	}
	return array;
}

static json_t *json_growths(const struct ch_diff *diff)
{
	const struct ch_growth *growth;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < diff->growths.count; i++) {
		growth = CH_VEC_AT(&diff->growths, struct ch_growth, i);
		chp_json_append_take(&array,
				     json_pack("{s:s, s:o, s:s, s:I, s:I, s:o, s:o}", "axis",
					       chp_axis_name(growth->row->axis), "id",
					       json_id(growth->row->id), "name", growth->row->name,
					       "delta_bytes", (json_int_t)growth->delta_bytes,
					       "delta_count", (json_int_t)growth->delta_count,
					       "parts_count", chp_json_uint(growth->parts_total),
					       "parts", json_parts(growth)));
	}
	return array;
}

static json_t *json_verdict(const struct ch_diff *diff)
{
	uint64_t explained = diff->growth_bytes - diff->unexplained_growth_bytes;

	return json_pack("{s:b, s:s?, s:I, s:I, s:o, s:I, s:o, s:o}", "grown", (int)diff->grown,
			 "grew_in", diff->grew_in ? diff->grew_in->name : NULL, "used_delta_bytes",
			 (json_int_t)diff->used_delta_bytes, "mapped_delta_bytes",
			 (json_int_t)diff->busy_delta_bytes, "explained_percent",
			 diff->growth_bytes
				 ? chp_json_percent(chp_percent(explained, diff->growth_bytes))
				 : json_null(),
			 "unexplained_delta_bytes", (json_int_t)diff->unexplained_delta_bytes,
			 "threshold_bytes", chp_json_uint(diff->threshold_bytes),
			 "threshold_percent", chp_json_percent(diff->threshold_percent * 100));
}

static json_t *json_comparable(const struct ch_diff *diff)
{
	const char *const *notes = diff->notes.items;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < diff->notes.count; i++)
		chp_json_append_take(&array, json_string(notes[i]));
	return json_pack("{s:b, s:o}", "same_executable", (int)diff->same_executable, "notes",
			 array);
}

/* Each with the number of its dump, from 0. */
static json_t *json_warnings(const struct ch_diff *diff)
{
	json_t *array = json_array(), *warning;
	const struct ch_dump_finding *findings;
	size_t i, k;

	for (i = 0; i < diff->dumps_count; i++) {
		findings = diff->dumps[i].findings.items;
		for (k = 0; k < diff->dumps[i].findings.count; k++) {
			warning = chp_json_finding(&findings[k].finding);
			if (warning && json_object_set_new(warning, "dump_index",
							   json_integer((json_int_t)i)) != 0) {
				json_decref(warning);
				warning = NULL;
			}
			chp_json_append_take(&array, warning);
		}
	}
	return array;
}

static json_t *json_dump(const struct ch_report *report, const struct ch_diff *diff, size_t index)
{
	return chp_json_dump(&diff->dumps[index].dump, report->reproducible);
}

static json_t *list_dumps(const struct ch_report *report, const struct ch_diff *diff)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < diff->dumps_count; i++)
		chp_json_append_take(&array, json_dump(report, diff, i));
	return array;
}

static bool all_complete(const struct ch_diff *diff)
{
	bool complete = true;
	size_t i;

	for (i = 0; i < diff->dumps_count; i++)
		complete = complete && diff->dumps[i].complete;
	return complete;
}

/* Damaged if one is, intact if all are. */
static enum ch_intact all_intact(const struct ch_diff *diff)
{
	enum ch_intact intact = CH_INTACT_YES;
	size_t i;

	for (i = 0; i < diff->dumps_count && intact != CH_INTACT_NO; i++)
		if (diff->dumps[i].intact != CH_INTACT_YES)
			intact = diff->dumps[i].intact;
	return intact;
}

struct ch_error *chp_diff_print_json(const struct ch_report *report, const struct ch_diff *diff,
				     bool all)
{
	size_t last = diff->dumps_count - 1;
	json_t *doc;
	enum ch_axis axis;

	doc = json_pack(
		"{s:s, s:s, s:{s:s, s:s}, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s?, "
		"s:o}",
		"schema", "coreheap/diff", "schema_version", "1.0", "tool", "name", "coreheap",
		"version", CH_VERSION, "dump", json_dump(report, diff, last), "complete",
		(int)all_complete(diff), "heap_intact", chp_json_intact(all_intact(diff)),
		"warnings", json_warnings(diff), "baseline", json_dump(report, diff, 0), "target",
		json_dump(report, diff, last), "dumps", list_dumps(report, diff), "comparable",
		json_comparable(diff), "hours",
		diff->hours > 0 ? json_real(diff->hours) : json_null(), "hours_basis",
		diff->hours > 0 ? diff->hours_basis : NULL, "verdict", json_verdict(diff));
	for (axis = 0; doc && axis < CH_AXES; axis++)
		if (json_object_set_new(doc, chp_axis_name(axis),
					json_axis(report, diff, axis, all)) != 0) {
			json_decref(doc);
			doc = NULL;
		}
	if (doc && (json_object_set_new(doc, "growth_rank", json_ranking(diff)) != 0 ||
		    json_object_set_new(doc, "growths", json_growths(diff)) != 0)) {
		json_decref(doc);
		doc = NULL;
	}
	return chp_json_print_take(report, doc);
}
