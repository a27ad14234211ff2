#include "report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define SIGNATURE_BYTES_MAX 256

/* What the words mean, in the order of enum ch_reach. */
static const char *const meanings[CH_REACHES] = {
	[CH_REACH_LIVE] = "held from a root by pointers to first bytes",
	[CH_REACH_POSSIBLE] = "held, but by a pointer into a block somewhere on each way",
	[CH_REACH_LEFTOVER] = "held only by what threads that ended left behind",
	[CH_REACH_DEAD] = "garbage that its runtime did not collect yet, and what only that holds",
	[CH_REACH_DIRECT] = "nothing in the core holds it",
	[CH_REACH_INDIRECT] = "only directly lost blocks hold it",
};

/* Everything that has a row: garbage, too. */
static uint64_t groups_bytes(const struct ch_leaks_result *result)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(result->leaks);

	return sums[CH_REACH_DEAD].chunk_bytes + sums[CH_REACH_DIRECT].chunk_bytes +
	       sums[CH_REACH_INDIRECT].chunk_bytes;
}

static struct ch_leak_sum lost_sum(const struct ch_leaks_result *result)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(result->leaks);
	const struct ch_leak_sum *direct = &sums[CH_REACH_DIRECT];
	const struct ch_leak_sum *indirect = &sums[CH_REACH_INDIRECT];

	return (struct ch_leak_sum){ direct->count + indirect->count,
				     direct->bytes + indirect->bytes,
				     direct->chunk_bytes + indirect->chunk_bytes,
				     direct->touched_bytes + indirect->touched_bytes };
}

/* "vtable for Order+0x10 in orders", "null", "a lost block"; escaped, owned. */
static char *signature_text(const struct ch_leaks_result *result, const struct ch_leak_group *group)
{
	static const char *const texts[] = {
		[CH_SIGNATURE_NONE] = "-",
		[CH_SIGNATURE_ZERO] = "null",
		[CH_SIGNATURE_MODULE] = "",
		[CH_SIGNATURE_LOST] = "a lost block",
		[CH_SIGNATURE_HELD] = "a block that is held",
		[CH_SIGNATURE_OTHER] = "no address",
	};
	const struct ch_module *module;
	char text[SIGNATURE_BYTES_MAX];
	struct ch_symbol symbol;

	if (group->signature != CH_SIGNATURE_MODULE)
		return strdup(texts[group->signature]);
	module = ch_sym_module_at(result->sym, group->word);
	if (ch_sym_at(result->sym, group->word, &symbol))
		snprintf(text, sizeof(text), symbol.offset ? "%s+0x%llx in %s" : "%s%.0llx in %s",
			 symbol.name, (unsigned long long)symbol.offset,
			 symbol.module ? symbol.module->name : "?");
	else
		snprintf(text, sizeof(text), "%s+0x%llx", module ? module->name : "?",
			 (unsigned long long)(group->word - (module ? module->start : 0)));
	return chp_text_escape(text, 4 * sizeof(text));
}

/* What leaves the question of leaks open; false: nothing that is known. */
static bool is_open(const struct ch_leaks_result *result, char why[CH_COVERAGE_TEXT_MAX])
{
	uint32_t needs = CH_NEED_STACKS | CH_NEED_MEMORY;

	return chp_coverage_lacks(&result->coverage,
				  lost_sum(result).count ? needs : needs | CH_NEED_HEAPS, why);
}

/* ---- Text -------------------------------------------------------------------- */

static struct ch_error *print_classes(const struct ch_report *report,
				      const struct ch_leaks_result *result)
{
	static const struct ch_column columns[] = {
		{ "CLASS", CH_CELL_TEXT },
		{ "BLOCKS", CH_CELL_COUNT },
		{ "BYTES", CH_CELL_BYTES },
		{ "MEANING", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	const struct ch_leak_sum *sums = ch_leaks_sums(result->leaks);
	struct ch_leak_sum own = ch_leaks_allocator_sum(result->leaks);
	struct ch_leak_sum inside = ch_leaks_offset_sum(result->leaks);
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < CH_REACHES; i++) {
		const struct ch_cell cells[] = {
			CH_CELL_STR(ch_reach_name((enum ch_reach)i)), CH_CELL_NUM(sums[i].count),
			CH_CELL_NUM(sums[i].chunk_bytes),
			CH_CELL_STR(i == CH_REACH_LIVE && inside.count
					    ? "held from a root by pointers to "
					      "first bytes, or a constant inner "
					      "offset"
					    : meanings[i])
		};

		err = chp_table_row(table, cells);
	}
	if (!err) {
		const struct ch_cell cells[] = { CH_CELL_STR("allocator"), CH_CELL_NUM(own.count),
						 CH_CELL_NUM(own.chunk_bytes),
						 CH_CELL_STR("the allocator's own") };

		err = chp_table_row(table, cells);
	}
	if (!err) {
		chp_report_heading(report, "used blocks", true);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *add_rule_row(struct ch_table *table, const struct ch_offset_rule *rule)
{
	char size[CH_BYTES_TEXT_MAX + 16] = "of any size", place[32];
	const struct ch_cell cells[] = { CH_CELL_STR(size), CH_CELL_STR(place),
					 CH_CELL_NUM(rule->count), CH_CELL_NUM(rule->bytes) };

	if (rule->size_bytes)
		snprintf(size, sizeof(size), "of %llu bytes", (unsigned long long)rule->size_bytes);
	snprintf(place, sizeof(place), "+%llu", (unsigned long long)rule->offset);
	return chp_table_row(table, cells);
}

/* Of what is reachable: what is so because a program points at a constant place inside. */
static struct ch_error *print_rules(const struct ch_report *report,
				    const struct ch_leaks_result *result)
{
	static const struct ch_column columns[] = {
		{ "BLOCKS", CH_CELL_TEXT },
		{ "POINTED AT", CH_CELL_TEXT },
		{ "COUNT", CH_CELL_COUNT },
		{ "BYTES", CH_CELL_BYTES },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	char heading[160], count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_leak_sum sum = ch_leaks_offset_sum(result->leaks);
	struct ch_error *err = table ? NULL : &ch_enomem;
	const struct ch_offset_rule *rules;
	uint64_t shown = 0, all = 0, rows;
	size_t rules_count, i;

	rules = ch_leaks_offset_rules(result->leaks, &rules_count);
	rows = chp_report_rows(report, rules_count);
	for (i = 0; !err && i < rules_count; i++) {
		all += rules[i].bytes;
		if (i >= rows)
			continue;
		shown += rules[i].bytes;
		err = add_rule_row(table, &rules[i]);
	}
	if (!err && rules_count) {
		snprintf(heading, sizeof(heading),
			 "held by a constant inner offset (heuristic): %s blocks, %s, with what "
			 "they hold",
			 chp_count_text(sum.count, count), chp_bytes_text(sum.chunk_bytes, bytes));
		chp_report_heading(report, heading, false);
		chp_table_print(table, report);
		chp_report_cut(report, rows, rules_count, shown, all);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *add_group_row(struct ch_table *table, const struct ch_leaks_result *result,
				      const struct ch_leak_group *group)
{
	_cleanup_free_ char *signature = signature_text(result, group);
	struct ch_error *err;
	struct ch_type type;

	if (!signature)
		return &ch_enomem;
	err = ch_heaps_type(result->heaps, group->type, &type);
	if (err)
		return err;
	const struct ch_cell cells[] = {
		CH_CELL_STR(type.name),
		CH_CELL_STR(group->reach == CH_REACH_DEAD     ? "dead"
			    : group->reach == CH_REACH_DIRECT ? "direct"
							      : "indirect"),
		CH_CELL_STR(signature),
		CH_CELL_NUM(group->sum.count),
		CH_CELL_NUM(group->sum.chunk_bytes),
		CH_CELL_NUM(group->sample_addr),
	};
	return chp_table_row(table, cells);
}

static struct ch_error *print_groups(const struct ch_report *report,
				     const struct ch_leaks_result *result)
{
	static const struct ch_column columns[] = {
		{ "TYPE", CH_CELL_TEXT },       { "LOST", CH_CELL_TEXT },
		{ "FIRST WORD", CH_CELL_TEXT }, { "COUNT", CH_CELL_COUNT },
		{ "BYTES", CH_CELL_BYTES },     { "SAMPLE", CH_CELL_ADDR },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	const struct ch_leak_group *groups;
	struct ch_error *err = table ? NULL : &ch_enomem;
	char why[CH_COVERAGE_TEXT_MAX];
	uint64_t shown = 0, rows;
	size_t count, i;

	groups = ch_leaks_groups(result->leaks, &count);
	rows = chp_report_rows(report, count);
	for (i = 0; !err && i < rows; i++) {
		err = add_group_row(table, result, &groups[i]);
		shown += groups[i].sum.chunk_bytes;
	}
	if (!err && count) {
		chp_report_heading(report,
				   is_open(result, why) ? "blocks that nothing in the core holds"
				   : groups_bytes(result) > lost_sum(result).chunk_bytes
					   ? "lost blocks and garbage"
					   : "lost blocks",
				   false);
		chp_table_print(table, report);
		chp_report_cut(report, rows, count, shown, groups_bytes(result));
	}
	chp_table_destroy(table);
	return err;
}

/* What weakens the verdict on what was looked at. */
static const char *weakness(const struct ch_report *report, bool lost)
{
	const struct ch_context *ctx = ch_session_context(report->session);

	if (ch_context_damaged(ctx))
		return lost ? "; the heap is damaged, so some may be held"
			    : " in what could be read; the heap is damaged";
	if (!ch_context_complete(ctx))
		return lost ? "; not all is known (see the warnings), so some may be held"
			    : " in what could be read; not all is known (see the warnings)";
	return "";
}

static void print_none_lost(const struct ch_report *report, const struct ch_leaks_result *result)
{
	char why[CH_COVERAGE_TEXT_MAX];

	if (!is_open(result, why))
		fprintf(report->out, "\nNo used block is lost%s.\n", weakness(report, false));
	else if (!result->coverage.walked_count)
		fprintf(report->out, "\nNot checked: %s.\n", why);
	else
		fprintf(report->out,
			"\nOf the blocks that were walked none is lost. Not checked: %s.\n", why);
}

static void print_lost(const struct ch_report *report, const struct ch_leaks_result *result)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(result->leaks);
	struct ch_leak_sum lost = lost_sum(result);
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], why[CH_COVERAGE_TEXT_MAX];
	uint64_t all = lost.chunk_bytes, percent;
	size_t i;

	chp_count_text(lost.count, count);
	chp_bytes_text(lost.chunk_bytes, bytes);
	if (is_open(result, why)) {
		fprintf(report->out,
			"\nNothing in the core holds %s blocks, %s; whether they are lost is not "
			"known: %s.\n",
			count, bytes, why);
		return;
	}
	for (i = 0; i < CH_REACH_DIRECT; i++)
		all += sums[i].chunk_bytes;
	percent = chp_percent(lost.chunk_bytes, all);
	fprintf(report->out, "\nLost: %s blocks, %s, %llu.%02llu%% of the used bytes%s.\n", count,
		bytes, (unsigned long long)(percent / 100), (unsigned long long)(percent % 100),
		chp_coverage_lacks(&result->coverage, CH_NEED_HEAPS, why) ? " that were walked"
									  : weakness(report, true));
	if (why[0])
		fprintf(report->out, "Not checked: %s.\n", why);
}

static void print_verdict(const struct ch_report *report, const struct ch_leaks_result *result)
{
	if (report->format != CH_FORMAT_TEXT)
		return;
	if (lost_sum(result).count)
		print_lost(report, result);
	else
		print_none_lost(report, result);
}

/* ---- Single blocks ----------------------------------------------------------- */

struct lister {
	const struct ch_report *report;
	const struct ch_leaks_result *result;
	struct ch_table *table;
	json_t *array;
	uint64_t limit, matched, matched_bytes, shown, shown_bytes;
};

static json_t *json_block(const struct lister *lister, const struct ch_object *object,
			  enum ch_reach reach)
{
	size_t count;
	const struct ch_span *span = &ch_heaps_spans(lister->result->heaps, &count)[object->span];
	const struct ch_heap *heap = &ch_heaps_list(lister->result->heaps, &count)[span->heap];
	struct ch_type type = { .name = NULL };
	struct ch_error *err;

	err = ch_heaps_type(lister->result->heaps, object->type, &type);
	ch_error_destroy(err);
	if (type.key >= CH_TYPE_KEY_ENGINE)
		type.name = NULL;
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:s}", "addr", chp_json_addr(object->addr),
			 "size_bytes", chp_json_uint(object->size_bytes), "chunk_bytes",
			 chp_json_uint(object->chunk_bytes), "type", chp_json_text(type.name),
			 "runtime", heap->runtime, "heap", chp_json_text(heap->name), "class",
			 ch_reach_name(reach));
}

static struct ch_error *list_block(struct lister *lister, const struct ch_object *object,
				   enum ch_reach reach)
{
	const struct ch_cell cells[] = { CH_CELL_NUM(object->addr), CH_CELL_NUM(object->size_bytes),
					 CH_CELL_NUM(object->chunk_bytes),
					 CH_CELL_STR(ch_reach_name(reach)) };

	lister->matched++;
	lister->matched_bytes += object->chunk_bytes;
	if (lister->limit && lister->shown >= lister->limit)
		return NULL;
	lister->shown++;
	lister->shown_bytes += object->chunk_bytes;
	if (lister->report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(lister->report, json_block(lister, object, reach));
	if (lister->report->format == CH_FORMAT_JSON) {
		chp_json_append_take(&lister->array, json_block(lister, object, reach));
		return NULL;
	}
	return chp_table_row(lister->table, cells);
}

static struct ch_error *list_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct lister *lister = arg;
	const struct ch_leaks_result *result = lister->result;
	struct ch_error *err = NULL;
	enum ch_reach reach;
	uint32_t id;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].flags & CH_OBJECT_ALLOCATOR)
			continue;
		id = ch_graph_node_at(result->graph, objects[i].addr);
		if (id == CH_ID_NONE)
			continue;
		reach = ch_leaks_reach(result->leaks, id);
		if (result->reaches & 1U << reach)
			err = list_block(lister, &objects[i], reach);
	}
	return err;
}

static struct ch_error *list_blocks(struct lister *lister)
{
	static const struct ch_column columns[] = {
		{ "ADDRESS", CH_CELL_ADDR },
		{ "SIZE", CH_CELL_COUNT },
		{ "CHUNK", CH_CELL_COUNT },
		{ "CLASS", CH_CELL_TEXT },
	};
	struct ch_error *err;

	lister->limit = lister->report->limit;
	lister->table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!lister->table)
		return &ch_enomem;
	err = ch_heaps_walk(lister->result->heaps, 0, UINT64_MAX, list_objects, lister);
	if (!err && (lister->report->format == CH_FORMAT_TEXT ||
		     lister->report->format == CH_FORMAT_PLAIN)) {
		chp_report_heading(lister->report, "blocks", false);
		chp_table_print(lister->table, lister->report);
		chp_report_cut(lister->report, lister->shown, lister->matched, lister->shown_bytes,
			       lister->matched_bytes);
	}
	chp_table_destroy(lister->table);
	return err;
}

/* ---- JSON -------------------------------------------------------------------- */

static json_t *json_sum(const struct ch_leak_sum *sum)
{
	return json_pack("{s:o, s:o, s:o}", "count", chp_json_uint(sum->count), "total_bytes",
			 chp_json_uint(sum->chunk_bytes), "usable_bytes",
			 chp_json_uint(sum->bytes));
}

static json_t *json_classes(const struct ch_leaks_result *result)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(result->leaks);
	struct ch_leak_sum own = ch_leaks_allocator_sum(result->leaks);

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "reachable",
			 json_sum(&sums[CH_REACH_LIVE]), "possibly_lost",
			 json_sum(&sums[CH_REACH_POSSIBLE]), "thread_leftover",
			 json_sum(&sums[CH_REACH_LEFTOVER]), "dead", json_sum(&sums[CH_REACH_DEAD]),
			 "directly_lost", json_sum(&sums[CH_REACH_DIRECT]), "indirectly_lost",
			 json_sum(&sums[CH_REACH_INDIRECT]), "allocator", json_sum(&own));
}

/* What is reachable by offset rules, and the rules. */
static json_t *json_rules(const struct ch_leaks_result *result)
{
	struct ch_leak_sum sum = ch_leaks_offset_sum(result->leaks);
	const struct ch_offset_rule *rules;
	json_t *array = json_array();
	size_t count, i;

	rules = ch_leaks_offset_rules(result->leaks, &count);
	for (i = 0; i < count; i++)
		chp_json_append_take(
			&array, json_pack("{s:o, s:o, s:o, s:o}", "size_bytes",
					  rules[i].size_bytes ? chp_json_uint(rules[i].size_bytes)
							      : json_null(),
					  "offset", chp_json_uint(rules[i].offset), "count",
					  chp_json_uint(rules[i].count), "usable_bytes",
					  chp_json_uint(rules[i].bytes)));
	return json_pack("{s:o, s:o, s:o, s:s, s:o}", "count", chp_json_uint(sum.count),
			 "total_bytes", chp_json_uint(sum.chunk_bytes), "usable_bytes",
			 chp_json_uint(sum.bytes), "basis", "heuristic", "rules", array);
}

static json_t *json_group(const struct ch_leaks_result *result, const struct ch_leak_group *group)
{
	_cleanup_free_ char *signature = signature_text(result, group);
	struct ch_type type = { .name = NULL };
	struct ch_error *err;
	uint64_t size;
	size_t count;

	err = ch_heaps_type(result->heaps, group->type, &type);
	ch_error_destroy(err);
	/* Of a size class all blocks have one size. */
	size = group->sum.bytes / (group->sum.count ? group->sum.count : 1);
	return json_pack(
		"{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s}", "type", chp_json_text(type.name),
		"runtime", ch_heaps_runtimes(result->heaps, &count)[type.walker].name, "class",
		ch_reach_name(group->reach), "size_bytes",
		type.key >= CH_TYPE_KEY_ENGINE ? chp_json_uint(size) : json_null(), "count",
		chp_json_uint(group->sum.count), "total_bytes",
		chp_json_uint(group->sum.chunk_bytes), "sample_addr",
		chp_json_addr(group->sample_addr), "signature_kind",
		ch_signature_name(group->signature), "signature", signature ? signature : "");
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_leaks_result *result, json_t *blocks)
{
	uint64_t absent_roots = ch_leaks_absent_root_bytes(result->leaks);
	uint64_t absent_blocks = ch_leaks_absent_block_bytes(result->leaks);
	char why[CH_COVERAGE_TEXT_MAX];
	struct ch_leak_sum lost = lost_sum(result);
	const struct ch_leak_group *groups;
	json_t *array = json_array();
	uint64_t rows;
	size_t count, i;

	groups = ch_leaks_groups(result->leaks, &count);
	rows = chp_report_rows(report, count);
	for (i = 0; i < rows; i++)
		chp_json_append_take(&array, json_group(result, &groups[i]));
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "leaks",
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				  "unreachable_count", chp_json_uint(lost.count),
				  "unreachable_bytes", chp_json_uint(lost.chunk_bytes), "classes",
				  json_classes(result), "by_inner_offset", json_rules(result),
				  "absent_root_bytes", chp_json_uint(absent_roots),
				  "absent_block_bytes", chp_json_uint(absent_blocks),
				  "showing_count", chp_json_uint(rows), "matched_count",
				  chp_json_uint(count), "groups", array, "blocks", blocks,
				  "not_checked",
				  is_open(result, why) ? chp_json_text(why) : json_null())));
}

static struct ch_error *print_closing(const struct lister *lister)
{
	return chp_json_print_take(
		lister->report,
		json_pack("{s:o, s:o, s:o, s:b}", "showing_count", chp_json_uint(lister->shown),
			  "matched_count", chp_json_uint(lister->matched), "matched_bytes",
			  chp_json_uint(lister->matched_bytes), "complete",
			  (int)ch_context_complete(ch_session_context(lister->report->session))));
}

struct ch_error *ch_report_leaks(const struct ch_report *report,
				 const struct ch_leaks_result *result)
{
	struct lister lister = { .report = report, .result = result };
	struct ch_error *err = NULL;

	if (!chp_runtimes_any(result->coverage.runtimes, result->coverage.runtimes_count))
		chp_report_no_heap(report, result->coverage.runtimes,
				   result->coverage.runtimes_count);
	if (report->format == CH_FORMAT_JSONL) {
		err = list_blocks(&lister);
		return err ? err : print_closing(&lister);
	}
	if (report->format == CH_FORMAT_JSON) {
		lister.array = result->list ? json_array() : NULL;
		if (result->list)
			err = list_blocks(&lister);
		if (err) {
			json_decref(lister.array);
			return err;
		}
		return print_json(report, result, result->list ? lister.array : json_null());
	}
	err = print_classes(report, result);
	if (!err && !result->list)
		err = print_rules(report, result);
	if (!err)
		err = result->list ? list_blocks(&lister) : print_groups(report, result);
	if (!err)
		print_verdict(report, result);
	chp_report_findings(report);
	return err;
}
