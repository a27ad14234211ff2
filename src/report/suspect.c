/*
 * Suspects of a summary as paragraphs, as Markdown and as JSON.
 */
#include "report/suspect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "render/svg.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Where the text of a suspect begins. */
#define INDENT 4
/* Steps of a chain on the screen, some from each end; JSON has more. */
#define STEPS_SHOWN 5
/* Further suspects that have a line each. */
#define BRIEF_SHOWN 3

/* ---- JSON -------------------------------------------------------------------- */

static json_t *json_chain(const struct ch_suspect_chain *chain)
{
	json_t *path = json_array();
	size_t i;

	if (!chain->roots_count) {
		json_decref(path);
		return json_null();
	}
	for (i = 0; i < chain->steps_count; i++) {
		if (chain->elided_count && i == chain->elided_at)
			chp_json_append_take(&path, json_pack("{s:o}", "elided_count",
							      chp_json_uint(chain->elided_count)));
		chp_json_append_take(&path, chp_step_json(&chain->steps[i], i == 0));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:s?, s:s?, s:o}", "roots_count",
			 chp_json_uint(chain->roots_count), "root",
			 chp_root_json(&chain->root, &chain->text), "path", path, "alike_count",
			 chp_json_uint(ch_max(chain->alike_count, 1)), "alike_name",
			 chain->alike_name[0] ? chain->alike_name : NULL, "key",
			 chain->key[0] ? chain->key : NULL, "percent",
			 chain->share ? chp_json_percent(chain->share) : json_null());
}

static json_t *json_types(const struct ch_suspect *suspect)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < suspect->types_count; i++)
		chp_json_append_take(
			&array, json_pack("{s:s, s:s, s:o, s:o}", "name", suspect->types[i].name,
					  "runtime", suspect->types[i].runtime, "count",
					  chp_json_uint(suspect->types[i].count), "total_bytes",
					  chp_json_uint(suspect->types[i].total_bytes)));
	return array;
}

static json_t *json_owners(const struct ch_suspect *suspect)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < suspect->owners_count; i++)
		chp_json_append_take(&array, json_pack("{s:s, s:s, s:o, s:b}", "name",
						       suspect->owners[i].name, "runtime",
						       suspect->owners[i].runtime, "count",
						       chp_json_uint(suspect->owners[i].count),
						       "dead", suspect->owners_dead));
	return array;
}

static json_t *json_facts(const struct ch_suspect *suspect)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < suspect->facts_count; i++)
		if (json_object_set_new(object, suspect->facts[i].key,
					suspect->facts[i].text
						? json_string(suspect->facts[i].text)
						: chp_json_uint(suspect->facts[i].number)) != 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *json_suspect(const struct ch_suspect *suspect)
{
	char id[17], part_of[17], next[160];

	snprintf(part_of, sizeof(part_of), "%016" PRIx64, suspect->part_of);
	snprintf(id, sizeof(id), "%016" PRIx64, suspect->id);
	snprintf(next, sizeof(next), "coreheap %s CORE%s%s", suspect->next,
		 suspect->next_args[0] ? " " : "", suspect->next_args);
	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:o, s:s?, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
		"s:s, s:s?}",
		"id", id, "rule", chp_suspect_rule_name(suspect->rule), "message", suspect->message,
		"bytes", chp_json_uint(suspect->bytes), "count",
		suspect->count ? chp_json_uint(suspect->count) : json_null(), "percent",
		chp_json_percent(suspect->share), "of", suspect->share_of, "basis",
		ch_basis_name(suspect->basis), "sample_addr",
		suspect->sample_addr ? chp_json_addr(suspect->sample_addr) : json_null(),
		"types_count", chp_json_uint(suspect->types_total), "types", json_types(suspect),
		"holder",
		suspect->holder_type
			? json_pack("{s:o, s:s}", "addr", chp_json_addr(suspect->holder_addr),
				    "type", suspect->holder_type)
			: json_null(),
		"pointed_at_by", json_owners(suspect), "pointed_at_by_count",
		chp_json_uint(suspect->owners_total), "chain", json_chain(&suspect->chain),
		"evidence", json_facts(suspect), "next", next, "part_of",
		suspect->part_of ? part_of : NULL);
}

json_t *chp_suspects_json(const struct ch_suspect *suspects, size_t count)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		chp_json_append_take(&array, json_suspect(&suspects[i]));
	return array;
}

/* ---- Text -------------------------------------------------------------------- */

/* Steps that are left out: those that the chain does not have, and more of them where only
 * most may be shown. Returns the first. */
static size_t steps_left_out(const struct ch_suspect_chain *chain, size_t most, uint64_t *count_ret,
			     size_t *behind_ret)
{
	size_t first = chain->elided_at, gone = 0;

	if (chain->steps_count > most) {
		gone = chain->steps_count - most;
		first = most / 2;
	}
	*count_ret = chain->elided_count + gone;
	*behind_ret = first + gone;
	return *count_ret ? first : chain->steps_count;
}

/* "static Cache.s_all -> Dictionary<..> ._entries -> Entry[]" */
static char *chain_text(const struct ch_suspect_chain *chain, size_t most)
{
	char *text = NULL, number[CH_BYTES_TEXT_MAX];
	size_t i, size = 0, first, behind;
	FILE *out = open_memstream(&text, &size);
	uint64_t left_out;

	if (!out)
		return NULL;
	first = steps_left_out(chain, most, &left_out, &behind);
	if (chain->alike_count > 1)
		fprintf(out, "%s (%s of them)", chain->alike_name,
			chp_count_text(chain->alike_count, number));
	else
		fprintf(out, "%s%s%s%s", chain->text.where, chain->text.field[0] ? " (" : "",
			chain->text.field, chain->text.field[0] ? ")" : "");
	for (i = 0; i < chain->steps_count; i++) {
		const struct ch_step *step = &chain->steps[i];

		if (i == first)
			fprintf(out, " -> ... %s more ...", chp_count_text(left_out, number));
		if (i >= first && i < behind)
			continue;
		if (i && step->place[0])
			fprintf(out, " %s", step->place);
		fprintf(out, " -> %s", step->type);
		if (step->detail[0])
			fprintf(out, " (%s)", step->detail);
	}
	return chp_text_end(out, &text);
}

/* "java.nio.DirectByteBuffer (96 of 96), java.lang.Long (12)"; NULL also when there are none. */
static char *owners_text(const struct ch_suspect *suspect)
{
	char *text = NULL, number[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];
	size_t i, size = 0;
	FILE *out = suspect->owners_count ? open_memstream(&text, &size) : NULL;

	if (!out)
		return NULL;
	for (i = 0; i < suspect->owners_count; i++)
		fprintf(out, "%s%s (%s of %s)", i ? ", " : "", suspect->owners[i].name,
			chp_count_text(suspect->owners[i].count, number),
			chp_count_text(suspect->count, all));
	if (suspect->owners_total > suspect->owners_count)
		fprintf(out, " and %" PRIu64 " more type%s",
			suspect->owners_total - suspect->owners_count,
			suspect->owners_total - suspect->owners_count == 1 ? "" : "s");
	if (suspect->owners_dead)
		fputs("; nothing holds these", out);
	return chp_text_end(out, &text);
}

/* For a shell, when the name is a simple one; else what stands for it. */
static const char *path_word(const struct ch_report *report)
{
	const char *path = ch_core_path(ch_session_core(report->session));
	size_t len = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "./_-+,:@%");

	return !report->reproducible && !path[len] && path[0] != '-' ? path : "CORE";
}

static void print_field(const struct ch_report *report, const char *label, const char *text)
{
	int column = fprintf(report->out, "%*s%s ", INDENT, "", label);

	chp_wrap(report->out, chp_report_width(report), column > 0 ? (size_t)column : INDENT,
		 INDENT + 2, text);
}

/* How much is held so, where that is not all. */
static const char *held_label(const struct ch_suspect_chain *chain, char buf[64])
{
	snprintf(buf, 64, "held by");
	if (chain->share && chain->share < 10000)
		snprintf(buf, 64, "%" PRIu64 ".%02" PRIu64 "%% of it held by", chain->share / 100,
			 chain->share % 100);
	return buf;
}

/* "heap damaged" */
static const char *rule_words(enum ch_suspect_rule rule, char buf[64])
{
	char *at = buf;

	snprintf(buf, 64, "%s", chp_suspect_rule_name(rule));
	while ((at = strchr(at, '-')) != NULL)
		*at = ' ';
	return buf;
}

/* "59.81 MiB, 77.77% of the bytes in use by malloc blocks: nothing points at ..." */
static char *weighed_text(const struct ch_suspect *suspect)
{
	char bytes[CH_BYTES_TEXT_MAX], rule[64], *text = NULL;
	int len;

	if (!suspect->share_of)
		len = asprintf(&text, "%s: %s", rule_words(suspect->rule, rule), suspect->message);
	else
		len = asprintf(&text, "%s%s%" PRIu64 ".%02" PRIu64 "%% of %s%s: %s",
			       suspect->bytes ? chp_binary_text(suspect->bytes, bytes) : "",
			       suspect->bytes ? ", " : "", suspect->share / 100,
			       suspect->share % 100, suspect->share_of,
			       suspect->basis == CH_BASIS_HEURISTIC ? " (heuristic)" : "",
			       suspect->message);
	return len < 0 ? NULL : text;
}

static struct ch_error *print_text(const struct ch_report *report, const struct ch_suspect *suspect,
				   size_t number)
{
	_cleanup_free_ char *chain =
		suspect->chain.roots_count ? chain_text(&suspect->chain, STEPS_SHOWN) : NULL;
	_cleanup_free_ char *owners = owners_text(suspect);
	_cleanup_free_ char *text = weighed_text(suspect);
	char held[64];
	FILE *out = report->out;

	if (!text || (suspect->chain.roots_count && !chain) || (suspect->owners_count && !owners))
		return &ch_enomem;
	fprintf(out, "%2zu  %s", number, chp_bold(report));
	chp_wrap(out, chp_report_width(report), INDENT, INDENT, text);
	fputs(chp_not_bold(report), out);
	if (owners)
		print_field(report, "pointed at by", owners);
	if (chain)
		print_field(report, held_label(&suspect->chain, held), chain);
	fprintf(out, "    next: coreheap %s %s%s%s\n", suspect->next, path_word(report),
		suspect->next_args[0] ? " " : "", suspect->next_args);
	return NULL;
}

/* What a suspect is, as much as fits on one line. */
static struct ch_error *print_brief(const struct ch_report *report,
				    const struct ch_suspect *suspect, size_t number)
{
	_cleanup_free_ char *text = weighed_text(suspect);
	size_t room = chp_report_width(report) - INDENT, len = text ? strlen(text) : 0, cut;

	if (!text)
		return &ch_enomem;
	fprintf(report->out, "%2zu  ", number);
	if (len <= room) {
		fprintf(report->out, "%s\n", text);
		return NULL;
	}
	cut = room - 3;
	while (cut && text[cut] != ' ')
		cut--;
	cut = cut ? cut : room - 3;
	while (cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	fprintf(report->out, "%.*s...\n", (int)cut, text);
	return NULL;
}

static struct ch_error *print_markdown(const struct ch_report *report,
				       const struct ch_suspect *suspect, size_t number)
{
	_cleanup_free_ char *chain =
		suspect->chain.roots_count ? chain_text(&suspect->chain, CH_SUSPECT_STEPS) : NULL;
	_cleanup_free_ char *message = chp_markdown_text(suspect->message);
	_cleanup_free_ char *held = chain ? chp_markdown_code(chain) : NULL;
	_cleanup_free_ char *owners = owners_text(suspect);
	_cleanup_free_ char *pointing = owners ? chp_markdown_code(owners) : NULL;
	char bytes[CH_BYTES_TEXT_MAX];
	FILE *out = report->out;
	size_t i;

	if (!message || (suspect->chain.roots_count && !held) ||
	    (suspect->owners_count && !pointing))
		return &ch_enomem;
	if (!suspect->share_of)
		fprintf(out, "%zu. **%s**\n", number, chp_suspect_rule_name(suspect->rule));
	else
		fprintf(out, "%zu. **%s**: %s, %" PRIu64 ".%02" PRIu64 "%% of %s%s\n", number,
			chp_suspect_rule_name(suspect->rule), chp_bytes_text(suspect->bytes, bytes),
			suspect->share / 100, suspect->share % 100, suspect->share_of,
			suspect->basis == CH_BASIS_HEURISTIC ? " (heuristic)" : "");
	fprintf(out, "   - %s\n", message);
	for (i = 0; suspect->types_count > 1 && i < suspect->types_count; i++) {
		_cleanup_free_ char *name = chp_markdown_code(suspect->types[i].name);
		char count[CH_BYTES_TEXT_MAX];

		if (!name)
			return &ch_enomem;
		fprintf(out, "     - %s of %s: %s\n",
			chp_count_text(suspect->types[i].count, count), name,
			chp_bytes_text(suspect->types[i].total_bytes, bytes));
	}
	if (pointing)
		fprintf(out, "   - pointed at by %s\n", pointing);
	if (held)
		fprintf(out, "   - held by %s\n", held);
	fprintf(out, "   - next: `coreheap %s CORE%s%s`\n", suspect->next,
		suspect->next_args[0] ? " " : "", suspect->next_args);
	return NULL;
}

static void put_labelled(FILE *out, const char *label, const char *text)
{
	if (text)
		chp_html_fact(out, NULL, label, text);
}

static void put_said(FILE *out, const struct ch_suspect *suspect)
{
	char share[128] = "";

	if (suspect->share_of)
		snprintf(share, sizeof(share), "; %" PRIu64 ".%02" PRIu64 "%% of %s%s",
			 suspect->share / 100, suspect->share % 100, suspect->share_of,
			 suspect->basis == CH_BASIS_HEURISTIC ? " (heuristic)" : "");
	fputs("<p class=\"said\">", out);
	if (!suspect->share_of)
		fprintf(out, "%s: ", chp_suspect_rule_name(suspect->rule));
	chp_html_text(out, suspect->message);
	chp_html_text(out, share);
	if (suspect->share_of)
		chp_svg_share(out, suspect->share);
	fputs("</p>\n", out);
}

static struct ch_error *print_html(const struct ch_report *report, const struct ch_suspect *suspect)
{
	_cleanup_free_ char *chain =
		suspect->chain.roots_count ? chain_text(&suspect->chain, CH_SUSPECT_STEPS) : NULL;
	_cleanup_free_ char *owners = owners_text(suspect);
	FILE *out = report->out;
	char held[64];

	if ((suspect->chain.roots_count && !chain) || (suspect->owners_count && !owners))
		return &ch_enomem;
	put_said(out, suspect);
	put_labelled(out, "pointed at by", owners);
	put_labelled(out, held_label(&suspect->chain, held), chain);
	fputs("<p class=\"fact\"><b>next</b> <code class=\"next\">coreheap ", out);
	chp_html_text(out, suspect->next);
	fputc(' ', out);
	chp_html_text(out, path_word(report));
	fputs(suspect->next_args[0] ? " " : "", out);
	chp_html_text(out, suspect->next_args);
	fputs("</code></p>", out);
	return NULL;
}

static void print_plain(const struct ch_report *report, const struct ch_suspect *suspect)
{
	fprintf(report->out,
		"suspect\t%s\t%016" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\t0x%" PRIx64 "\t%s\n",
		chp_suspect_rule_name(suspect->rule), suspect->id, suspect->bytes, suspect->count,
		suspect->sample_addr, suspect->holder_type ? suspect->holder_type : "");
}

/* The number that people see of a suspect. */
static size_t number_of(const struct ch_suspect *suspects, size_t count, uint64_t id)
{
	size_t i = 0;

	while (i < count && suspects[i].id != id)
		i++;
	return i + 1;
}

/* Those that are a part of others come last, and are shown when they are asked for. */
static struct ch_error *print_item(const struct ch_report *report,
				   const struct ch_suspect *suspects, size_t count, size_t i)
{
	struct ch_error *err;

	if (suspects[i].part_of && (!i || !suspects[i - 1].part_of)) {
		fputs("</ol>\n", report->out);
		chp_html_fold(report->out, "Parts of these");
		fputs("<ol class=\"suspects\">\n", report->out);
	}
	fprintf(report->out, "<li><b class=\"number\">%zu</b>", i + 1);
	err = print_html(report, &suspects[i]);
	if (suspects[i].part_of)
		fprintf(report->out, "<p class=\"fact\">a part of suspect %zu</p>",
			number_of(suspects, count, suspects[i].part_of));
	fputs("</li>\n", report->out);
	return err;
}

static void begin_items(const struct ch_report *report, size_t count)
{
	if (report->format == CH_FORMAT_HTML && count)
		fputs("<h2 id=\"suspects\">Suspects</h2>\n<ol class=\"suspects\">\n", report->out);
}

static void end_items(const struct ch_report *report, const struct ch_suspect *suspects,
		      size_t count)
{
	if (report->format != CH_FORMAT_HTML || !count)
		return;
	fputs("</ol>\n", report->out);
	if (suspects[count - 1].part_of)
		chp_html_fold_end(report->out);
}

static struct ch_error *print_one(const struct ch_report *report, const struct ch_suspect *suspects,
				  size_t count, size_t i)
{
	struct ch_error *err;

	if (report->format == CH_FORMAT_MARKDOWN)
		return print_markdown(report, &suspects[i], i + 1);
	if (report->format == CH_FORMAT_HTML)
		return print_item(report, suspects, count, i);
	if (report->format != CH_FORMAT_TEXT) {
		print_plain(report, &suspects[i]);
		return NULL;
	}
	err = print_text(report, &suspects[i], i + 1);
	if (!err && suspects[i].part_of)
		fprintf(report->out, "    a part of suspect %zu\n",
			number_of(suspects, count, suspects[i].part_of));
	return err;
}

struct ch_error *chp_suspects_print(const struct ch_report *report,
				    const struct ch_suspect *suspects, size_t count, size_t most)
{
	struct ch_error *err = NULL;
	size_t i, shown;

	/* those that are a part of others come last; who wants all gets them, too */
	while (count && report->format == CH_FORMAT_TEXT && most != SIZE_MAX &&
	       suspects[count - 1].part_of)
		count--;
	shown = ch_min(count, most);
	if (report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "%s%s%s", chp_bold(report), count ? "SUSPECTS\n" : "",
			chp_not_bold(report));
	begin_items(report, count);
	for (i = 0; !err && i < shown; i++)
		err = print_one(report, suspects, count, i);
	for (; !err && i < count && i < shown + BRIEF_SHOWN; i++)
		err = print_brief(report, &suspects[i], i + 1);
	if (!err && i < count)
		fprintf(report->out, "    %zu more: summary --all\n", count - i);
	end_items(report, suspects, count);
	return err;
}
