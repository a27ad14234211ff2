/*
 * What a comparison says in words: the verdict, and one growth with what it consists of.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/account.h"
#include "report/diff_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Types of a growth that are told. */
#define PARTS_SHOWN 3

static uint64_t size_of(int64_t number)
{
	return number < 0 ? -(uint64_t)number : (uint64_t)number;
}

static const char *sign_of(int64_t number)
{
	return number > 0 ? "+" : number < 0 ? "-" : "";
}

char *chp_signed_bytes(int64_t bytes, char buf[CH_SIGNED_TEXT_MAX])
{
	char text[CH_BYTES_TEXT_MAX];

	snprintf(buf, CH_SIGNED_TEXT_MAX, "%s%s", sign_of(bytes),
		 chp_binary_text(size_of(bytes), text));
	return buf;
}

char *chp_signed_count(int64_t number, char buf[CH_SIGNED_TEXT_MAX])
{
	char text[CH_BYTES_TEXT_MAX];

	snprintf(buf, CH_SIGNED_TEXT_MAX, "%s%s", sign_of(number),
		 chp_count_text(size_of(number), text));
	return buf;
}

const char *chp_diff_name(const struct ch_diff_row *row)
{
	uint32_t i;

	for (i = 0; row->axis == CH_AXIS_TOTALS && i < CH_ACCOUNT_ROWS; i++)
		if (strcmp(row->name, chp_account_name((enum ch_account_id)i)) == 0)
			return chp_account_title((enum ch_account_id)i);
	return row->name;
}

const char *chp_diff_dump(const struct ch_report *report, const struct ch_snapshot *dump)
{
	return report->reproducible ? dump->executable : dump->dump.file;
}

void chp_diff_verdict(const struct ch_diff *diff, char *buf, size_t max)
{
	char used[CH_SIGNED_TEXT_MAX], busy[CH_SIGNED_TEXT_MAX], before[CH_BYTES_TEXT_MAX];
	char unexplained[CH_SIGNED_TEXT_MAX], threshold[CH_BYTES_TEXT_MAX];

	chp_signed_bytes(diff->used_delta_bytes, used);
	chp_signed_bytes(diff->busy_delta_bytes, busy);
	chp_binary_text(diff->dumps[0].used_bytes, before);
	if (!diff->grown)
		snprintf(buf, max,
			 "no growth above the threshold (%s, and %" PRIu64
			 " %% of what was used): used blocks %s from %s, all mapped memory %s",
			 chp_binary_text(diff->threshold_bytes, threshold), diff->threshold_percent,
			 used, before, busy);
	else
		snprintf(buf, max, "grew: used blocks %s from %s, all mapped memory %s%s%.200s%s%s",
			 used, before, busy, diff->grew_in ? ", most in " : "",
			 diff->grew_in ? chp_diff_name(diff->grew_in) : "",
			 diff->unexplained_delta_bytes ? "; unexplained " : "",
			 diff->unexplained_delta_bytes
				 ? chp_signed_bytes(diff->unexplained_delta_bytes, unexplained)
				 : "");
}

/* "of it order +1.22 MiB (+5,000), char[] +3 KiB; 2 more types" */
static void put_parts(FILE *out, const struct ch_growth *growth, size_t room)
{
	char bytes[CH_SIGNED_TEXT_MAX], count[CH_SIGNED_TEXT_MAX];
	const struct ch_growth_part *part;
	size_t i;

	for (i = 0; i < growth->parts_count && i < PARTS_SHOWN; i++) {
		_cleanup_free_ char *name = chp_text_cut(growth->parts[i].row->name, room);

		part = &growth->parts[i];
		fprintf(out, "%s%s %s", i ? ", " : "of it ", name ? name : "",
			chp_signed_bytes(part->delta_bytes, bytes));
		if (part->delta_count)
			fprintf(out, " (%s)", chp_signed_count(part->delta_count, count));
	}
	if (growth->parts_total > i)
		fprintf(out, "; %zu more type%s", growth->parts_total - i,
			growth->parts_total - i == 1 ? "" : "s");
}

/* What a row counts. */
static const char *counted(enum ch_axis axis)
{
	return axis == CH_AXIS_MODULES ? "module" : axis == CH_AXIS_REGIONS ? "region" : "block";
}

char *chp_growth_text(const struct ch_diff *diff, const struct ch_growth *growth, size_t room)
{
	const struct ch_diff_row *row = growth->row;
	char number[CH_SIGNED_TEXT_MAX], *text = NULL;
	const char *separator = "";
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (row->axis == CH_AXIS_TYPES && growth->delta_bytes != row->delta_bytes) {
		fputs("beside what is told of it above", out);
		separator = "; ";
	} else if (row->axis == CH_AXIS_THREAD_GROUPS) {
		fprintf(out, "%s %s, bytes of their stacks",
			chp_signed_count(row->delta_count, number),
			row->runtime ? "goroutines" : "threads");
		separator = "; ";
	} else if (growth->parts_count) {
		put_parts(out, growth, room);
		separator = "; ";
	} else if (row->delta_count) {
		fprintf(out, "%s %s%s", chp_signed_count(growth->delta_count, number),
			counted(row->axis),
			growth->delta_count == 1 || growth->delta_count == -1 ? "" : "s");
		separator = "; ";
	}
	if (diff->hours > 0) {
		fprintf(out, "%s%s an hour", separator,
			chp_signed_bytes(chp_diff_rate(diff, row), number));
		separator = "; ";
	}
	if (row->monotonic)
		fprintf(out, "%sin every step", separator);
	return chp_text_end(out, &text);
}
