/*
 * Used blocks by who holds them, and those that nothing does.
 */
#include "report/leaks.h"

#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* What the words mean, in the order of enum ch_reach. */
static const char *const meanings[CH_REACHES] = {
	[CH_REACH_LIVE] = "held from a root by pointers to first bytes",
	[CH_REACH_POSSIBLE] = "reachable only through an interior pointer",
	[CH_REACH_LEFTOVER] = "held only by what threads that ended left behind",
	[CH_REACH_POOLED] = "held by nothing but the pool that it goes with",
	[CH_REACH_DEAD] = "garbage that its runtime did not collect yet, and what only that holds",
	[CH_REACH_DIRECT] = "nothing in the core holds it",
	[CH_REACH_INDIRECT] = "only directly lost blocks hold it",
};

struct rule_row {
	struct ch_offset_rule of;
	/* "of 64 bytes", "+16" */
	char size[CH_BYTES_TEXT_MAX + 16], place[32];
};

struct result {
	struct ch_leaks_result of;
	/* of struct rule_row */
	struct ch_rows rules;
	/* blocks: NULL where only groups were asked for */
	struct ch_listing *groups, *blocks;
};

#define SUM(member)    CH_AT(struct ch_leak_sum, member)
#define RULE(member)   CH_AT(struct rule_row, member)
#define GROUP(member)  CH_AT(struct ch_leaks_row, member)
#define BLOCK(member)  CH_AT(struct ch_leaks_block, member)
#define RESULT(member) CH_AT(struct result, member)
#define CLASS_WORDS                                                                                \
	"reachable|possibly-lost|thread-leftover|pooled|dead|directly-lost|indirectly-lost"

static const struct ch_field_spec sum_fields[] = {
	{ "count", NULL, CH_CELL_COUNT, "Blocks.", SUM(count) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "What they take in their heaps.", SUM(chunk_bytes) },
	{ "usable_bytes", NULL, CH_CELL_BYTES, "What the program may use of it.", SUM(bytes) },
	CH_FIELDS_END,
};

#define CLASS(key, member, about)                                                                  \
	{                                                                                          \
		key, NULL, CH_CELL_OBJECT, about, RESULT(member), .fields = sum_fields             \
	}

static const struct ch_field_spec class_fields[] = {
	CLASS("reachable", of.sums[CH_REACH_LIVE], "Held from a root by pointers to first bytes."),
	CLASS("possibly_lost", of.sums[CH_REACH_POSSIBLE],
	      "Reachable only through an interior pointer: each way to them has one that leads "
	      "behind the first byte of a block."),
	CLASS("thread_leftover", of.sums[CH_REACH_LEFTOVER],
	      "Held only by what threads that ended left behind."),
	CLASS("pooled", of.sums[CH_REACH_POOLED],
	      "Held by nothing but the pool that they go with, or by such memory."),
	CLASS("dead", of.sums[CH_REACH_DEAD],
	      "Garbage that its runtime did not collect yet, and what only that holds."),
	CLASS("directly_lost", of.sums[CH_REACH_DIRECT], "Nothing in the core holds them."),
	CLASS("indirectly_lost", of.sums[CH_REACH_INDIRECT],
	      "Only directly lost blocks hold them."),
	CLASS("allocator", of.allocator, "The allocator's own."),
	CH_FIELDS_END,
};

static const struct ch_field_spec rule_fields[] = {
	{ NULL, "BLOCKS", CH_CELL_SAFE, NULL, RULE(size), .flags = CH_FIELD_INSIDE },
	{ NULL, "POINTED AT", CH_CELL_SAFE, NULL, RULE(place), .flags = CH_FIELD_INSIDE },
	{ "size_bytes", NULL, CH_CELL_BYTES, "Size of the blocks; null: any.", RULE(of.size_bytes),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "offset", NULL, CH_CELL_COUNT, "Where in them words point.", RULE(of.offset),
	  .least = 1 },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", RULE(of.count), .least = 1 },
	{ "usable_bytes", "BYTES", CH_CELL_BYTES, "What the program may use of them.",
	  RULE(of.bytes), .least = 1 },
	CH_FIELDS_END,
};

static const struct ch_list rules_list = { .fields = rule_fields,
					   CH_WEIGHT(struct rule_row, of.bytes) };

static struct ch_cell heuristic(const void *result)
{
	(void)result;
	return CH_CELL_STR("heuristic");
}

static const struct ch_field_spec inner_fields[] = {
	{ .kind = CH_CELL_OBJECT,
	  RESULT(of.by_offset),
	  .flags = CH_FIELD_FLAT,
	  .fields = sum_fields },
	{ "basis", NULL, CH_CELL_SAFE, "What this rests on.", .get = heuristic,
	  .words = "heuristic" },
	{ "rules", NULL, CH_CELL_ROWS, "The places, most bytes first.", RESULT(rules),
	  .fields = rule_fields },
	CH_FIELDS_END,
};

static struct ch_cell reach_of(const void *row)
{
	return CH_CELL_STR(ch_reach_name(((const struct ch_leaks_row *)row)->group.reach));
}

static struct ch_cell lost_of(const void *row)
{
	enum ch_reach reach = ((const struct ch_leaks_row *)row)->group.reach;

	return CH_CELL_STR(reach == CH_REACH_DEAD     ? "dead"
			   : reach == CH_REACH_DIRECT ? "direct"
						      : "indirect");
}

static struct ch_cell signature_of(const void *row)
{
	return CH_CELL_STR(ch_signature_name(((const struct ch_leaks_row *)row)->group.signature));
}

static const struct ch_field_spec group_fields[] = {
	{ "type", "TYPE", CH_CELL_TEXT, "Type of the blocks.", GROUP(type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose heap they are in.", GROUP(runtime) },
	{ "class", NULL, CH_CELL_SAFE, "How they are held.", .get = reach_of,
	  .words = CLASS_WORDS },
	{ NULL, "LOST", CH_CELL_SAFE, NULL, .get = lost_of },
	{ "size_bytes", NULL, CH_CELL_BYTES, "Size of each, of a size class.", GROUP(size_bytes),
	  CH_KNOWN(struct ch_leaks_row, of_one_size) },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", GROUP(group.sum.count), .column = 1 },
	{ "total_bytes", "BYTES", CH_CELL_BYTES, "What they take in their heaps.",
	  GROUP(group.sum.chunk_bytes), .column = 1 },
	{ NULL, "SHARE", CH_CELL_SHARE, NULL, GROUP(share), .column = 1 },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "The first of them.", GROUP(group.sample_addr),
	  .column = 1 },
	{ "signature_kind", NULL, CH_CELL_SAFE, "What their first words point at.",
	  .get = signature_of, .words = "none|zero|module|lost|held|other" },
	{ "signature", "FIRST WORD", CH_CELL_SAFE, "The same in words, with the name of a symbol.",
	  GROUP(signature) },
	CH_FIELDS_END,
};

static const struct ch_list groups_list = { .fields = group_fields,
					    CH_WEIGHT(struct ch_leaks_row, group.sum.chunk_bytes) };

static struct ch_cell block_reach(const void *row)
{
	return CH_CELL_STR(ch_reach_name(((const struct ch_leaks_block *)row)->reach));
}

static const struct ch_field_spec block_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "The block.", BLOCK(addr) },
	{ "size_bytes", "SIZE", CH_CELL_COUNT, "What the program may use.", BLOCK(size_bytes) },
	{ "chunk_bytes", "CHUNK", CH_CELL_COUNT, "What it takes in its heap.", BLOCK(chunk_bytes) },
	{ "type", NULL, CH_CELL_TEXT, "Its type, where more than its size is known.", BLOCK(type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose heap it is in.", BLOCK(runtime) },
	{ "heap", NULL, CH_CELL_TEXT, "The heap.", BLOCK(heap), .flags = CH_FIELD_OPTIONAL },
	{ "class", "CLASS", CH_CELL_SAFE, "How it is held.", .get = block_reach,
	  .words = CLASS_WORDS },
	CH_FIELDS_END,
};

static const struct ch_list blocks_list = { .fields = block_fields,
					    .stream = true,
					    CH_WEIGHT(struct ch_leaks_block, chunk_bytes) };

static const struct ch_field_spec fields[] = {
	{ "unreachable_count", NULL, CH_CELL_COUNT, "Blocks that are lost.",
	  RESULT(of.lost.count) },
	{ "unreachable_bytes", NULL, CH_CELL_BYTES, "What they take in their heaps.",
	  RESULT(of.lost.chunk_bytes) },
	{ "classes", NULL, CH_CELL_OBJECT, "Used blocks, by how they are held.",
	  .fields = class_fields, CH_NOWHERE },
	{ "by_inner_offset", NULL, CH_CELL_OBJECT,
	  "Of the reachable: what is so because a constant place inside is pointed at; the rules "
	  "are about all blocks.",
	  .fields = inner_fields, CH_NOWHERE },
	{ "absent_root_bytes", NULL, CH_CELL_BYTES, "Memory of roots that is not in the core.",
	  RESULT(of.absent_root_bytes) },
	{ "absent_block_bytes", NULL, CH_CELL_BYTES, "Memory of blocks that is not in the core.",
	  RESULT(of.absent_block_bytes) },
	CH_FIELDS_COUNTED(struct result, groups),
	{ "groups", NULL, CH_CELL_LIST,
	  "Lost and dead blocks that are alike, most bytes first, or as --sort says.",
	  RESULT(groups), .list = &groups_list },
	{ "blocks", NULL, CH_CELL_LIST, "Single blocks, where they were asked for.", RESULT(blocks),
	  .list = &blocks_list, .flags = CH_FIELD_OPTIONAL },
	{ "not_checked", NULL, CH_CELL_TEXT, "What leaves the question open.", RESULT(of.open),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "filtered", NULL, CH_CELL_BOOL, "Not all blocks were asked for: all is about those.",
	  RESULT(of.filtered), .flags = CH_FIELD_LATER },
	{ "filtered_out", NULL, CH_CELL_OBJECT,
	  "Used blocks that were not asked for; with the classes all used blocks.",
	  RESULT(of.left_out), .flags = CH_FIELD_LATER, .fields = sum_fields },
	CH_FIELDS_END,
};

static const struct ch_field_spec closing_fields[] = {
	CH_FIELDS_COUNTED(struct result, blocks),
	{ "matched_bytes", NULL, CH_CELL_WEIGHT, "What all rows take in their heaps.",
	  RESULT(blocks) },
	CH_FIELD_COMPLETE,
	CH_FIELDS_END,
};

/* ---- Text -------------------------------------------------------------------- */

/* A class in the table of them. */
struct sum_row {
	const char *name, *meaning;
	uint64_t count, bytes, share;
	bool has_share;
};

#define CLASSES(member) CH_AT(struct sum_row, member)

static struct ch_error *print_classes(const struct ch_report *report, const struct result *result)
{
	static const struct ch_field_spec columns[] = {
		{ NULL, "CLASS", CH_CELL_SAFE, NULL, CLASSES(name) },
		{ NULL, "BLOCKS", CH_CELL_COUNT, NULL, CLASSES(count) },
		{ NULL, "BYTES", CH_CELL_BYTES, NULL, CLASSES(bytes) },
		{ NULL, "SHARE", CH_CELL_SHARE, NULL, CLASSES(share),
		  .known = offsetof(struct sum_row, has_share) + 1 },
		{ NULL, "MEANING", CH_CELL_SAFE, NULL, CLASSES(meaning) },
		CH_FIELDS_END,
	};
	static const struct ch_list list = { .fields = columns };
	struct sum_row rows[CH_REACHES + 2];
	size_t count = 0, i;
	uint64_t share;

	for (i = 0; i < CH_REACHES; i++) {
		/* few programs have pools that are known */
		if (i == CH_REACH_POOLED && !result->of.sums[i].count)
			continue;
		rows[count++] = (struct sum_row){
			.name = ch_reach_name((enum ch_reach)i),
			.meaning = meanings[i],
			.count = result->of.sums[i].count,
			.bytes = result->of.sums[i].chunk_bytes,
			.share = chp_percent(result->of.sums[i].chunk_bytes, result->of.used_bytes),
			.has_share = true,
		};
	}
	if (result->of.by_offset.count)
		rows[CH_REACH_LIVE].meaning = "held from a root by pointers to first bytes, or a "
					      "constant inner offset";
	if (result->of.filtered) {
		share = chp_percent(result->of.left_out.chunk_bytes, result->of.used_bytes);
		rows[count++] = (struct sum_row){ .name = "filtered-out",
						  .meaning = "not asked for",
						  .count = result->of.left_out.count,
						  .bytes = result->of.left_out.chunk_bytes,
						  .share = share,
						  .has_share = true };
	}
	/* of no share: it is none of the program's blocks */
	rows[count++] = (struct sum_row){ .name = "allocator",
					  .meaning = "the allocator's own",
					  .count = result->of.allocator.count,
					  .bytes = result->of.allocator.chunk_bytes };
	chp_report_heading(report, "used blocks", true);
	return chp_rows_print(report, &list, CH_ROWS(rows, count), 0);
}

/* Of what is reachable: what is so because a program points at a constant place inside. */
static struct ch_error *print_rules(const struct ch_report *report, const struct result *result)
{
	char heading[160], count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	const struct rule_row *rules = result->rules.items;
	struct ch_listing *listing;
	struct ch_error *err;
	size_t i;

	/* rules are about all blocks */
	if (!result->rules.count || result->of.filtered)
		return NULL;
	listing = chp_listing_create(report, &rules_list);
	err = listing ? NULL : &ch_enomem;
	for (i = 0; !err && i < result->rules.count; i++)
		err = chp_listing_row(listing, &rules[i]);
	if (!err) {
		snprintf(heading, sizeof(heading),
			 "held by a constant inner offset (heuristic): %s blocks, %s, with what "
			 "they hold",
			 chp_count_text(result->of.by_offset.count, count),
			 chp_bytes_text(result->of.by_offset.chunk_bytes, bytes));
		chp_report_heading(report, heading, false);
		chp_listing_print(listing);
	}
	chp_listing_destroy(listing);
	return err;
}

static void print_groups(const struct ch_report *report, const struct result *result)
{
	const struct ch_leaks_result *of = &result->of;

	if (!chp_listing_matched(result->groups))
		return;
	chp_report_heading(report,
			   of->open[0] ? "blocks that nothing in the core holds"
			   : of->rows_bytes > of->lost.chunk_bytes ? "lost blocks and garbage"
								   : "lost blocks",
			   false);
	chp_listing_print(result->groups);
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
	if (!result->open[0])
		fprintf(report->out, "\n%s is lost%s.\n",
			result->filtered ? "None of these blocks" : "No used block",
			weakness(report, false));
	else if (!result->coverage.walked_count)
		fprintf(report->out, "\nNot checked: %s.\n", result->open);
	else
		fprintf(report->out,
			"\nOf %s blocks that were walked none is lost. Not checked: %s.\n",
			result->filtered ? "these" : "the", result->open);
}

static void print_lost(const struct ch_report *report, const struct ch_leaks_result *result)
{
	const struct ch_leak_sum *lost = &result->lost;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], why[CH_COVERAGE_TEXT_MAX];
	uint64_t percent = chp_percent(lost->chunk_bytes, result->used_bytes);

	chp_count_text(lost->count, count);
	chp_bytes_text(lost->chunk_bytes, bytes);
	if (result->open[0]) {
		fprintf(report->out,
			"\nNothing in the core holds %s%s blocks, %s; whether they are lost is not "
			"known: %s.\n",
			count, result->filtered ? " of these" : "", bytes, result->open);
		return;
	}
	fprintf(report->out, "\nLost%s: %s blocks, %s, %llu.%02llu%% of the used bytes%s.\n",
		result->filtered ? " of these" : "", count, bytes,
		(unsigned long long)(percent / 100), (unsigned long long)(percent % 100),
		chp_coverage_lacks(&result->coverage, CH_NEED_HEAPS, why) ? " that were walked"
									  : weakness(report, true));
	if (why[0])
		fprintf(report->out, "Not checked: %s.\n", why);
}

static void print_verdict(const struct ch_report *report, const struct ch_leaks_result *result)
{
	if (result->lost.count)
		print_lost(report, result);
	else
		print_none_lost(report, result);
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	struct ch_error *err = print_classes(report, result);

	if (!err && !result->blocks)
		err = print_rules(report, result);
	if (err)
		return err;
	if (result->blocks) {
		chp_report_heading(report, "blocks", false);
		chp_listing_print(result->blocks);
	} else {
		print_groups(report, result);
	}
	return NULL;
}

static void say_verdict(const struct ch_report *report, const void *result)
{
	print_verdict(report, &((const struct result *)result)->of);
}

const struct ch_document ch_document_leaks = {
	.name = "leaks",
	.title = "Used blocks that nothing holds",
	.fields = fields,
	.closing = closing_fields,
	.print = print,
	.tail = say_verdict,
};

/* ---- What is printed --------------------------------------------------------- */

static struct ch_error *put_block(void *arg, const struct ch_leaks_block *block)
{
	struct ch_listing *blocks = arg;

	if (!chp_listing_is_full(blocks))
		return chp_listing_row(blocks, block);
	chp_listing_skip(blocks, 1, block->chunk_bytes);
	return NULL;
}

static struct ch_error *put_groups(const struct ch_report *report, struct ch_listing *listing,
				   const struct ch_leaks_result *of)
{
	const struct ch_leaks_row *list = of->rows.items;
	uint64_t rows = chp_report_rows(report, of->rows.count), i;
	struct ch_error *err = NULL;

	for (i = 0; !err && i < rows; i++)
		err = chp_listing_row(listing, &list[i]);
	chp_listing_total(listing, of->rows.count, of->rows_bytes);
	return err;
}

static void fill_rules(struct rule_row *rows, const struct ch_offset_rule *rules, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		rows[i].of = rules[i];
		snprintf(rows[i].place, sizeof(rows[i].place), "+%llu",
			 (unsigned long long)rules[i].offset);
		if (rules[i].size_bytes)
			snprintf(rows[i].size, sizeof(rows[i].size), "of %llu bytes",
				 (unsigned long long)rules[i].size_bytes);
		else
			snprintf(rows[i].size, sizeof(rows[i].size), "of any size");
	}
}

/* As lines of --jsonl blocks are all that there is. */
static struct ch_error *put(const struct ch_report *report, uint32_t reaches, struct result *result)
{
	bool stream = chp_list_is_stream(report, &blocks_list);
	struct ch_error *err;

	result->groups = chp_listing_create(report, &groups_list);
	if (reaches)
		result->blocks = chp_listing_create(report, &blocks_list);
	if (!result->groups || (reaches && !result->blocks))
		return &ch_enomem;
	err = stream ? NULL : put_groups(report, result->groups, &result->of);
	if (!err && reaches)
		err = chp_leaks_blocks(&result->of, reaches, put_block, result->blocks);
	return err;
}

struct ch_error *ch_report_leaks(const struct ch_report *report, const struct ch_leaks_result *of,
				 uint32_t reaches)
{
	_cleanup_free_ struct rule_row *rules = calloc(of->rules_count + 1, sizeof(*rules));
	struct result result = { .of = *of };
	struct ch_error *err = &ch_enomem;

	if (!chp_runtimes_any(of->coverage.runtimes, of->coverage.runtimes_count))
		chp_report_no_heap(report, of->coverage.runtimes, of->coverage.runtimes_count);
	if (rules) {
		fill_rules(rules, of->rules, of->rules_count);
		result.rules = CH_ROWS(rules, of->rules_count);
		err = put(report, reaches, &result);
	}
	if (!err)
		err = chp_document_print(report, &ch_document_leaks, &result);
	chp_listing_destroy(result.groups);
	chp_listing_destroy(result.blocks);
	return err;
}
