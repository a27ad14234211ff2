/*
 * What nothing holds: leaked blocks, and garbage.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/suspects_graph.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/number.h"

/* As docs/JSON.md lists them for the rules: the least bytes, and shares in percent. Blocks that
 * are lost are named from less on. */
#define SIZE_MIN      (1ULL << 20)
#define GARBAGE_SHARE 30
#define LOST_MIN      (64ULL << 10)
#define LOST_SHARE    5

/* What nothing in the core holds may be held by what the core lacks. */
bool chp_suspect_is_open(const struct ch_looking *looking, char why[CH_COVERAGE_TEXT_MAX])
{
	return chp_coverage_lacks(&looking->suspecting->coverage, CH_NEED_STACKS | CH_NEED_MEMORY,
				  why);
}

static struct ch_error *name_lost_types(struct ch_looking *looking, struct ch_suspect *suspect)
{
	const struct ch_leak_group *groups;
	struct ch_held_type types[CH_SUSPECT_TYPES];
	struct ch_error *err = NULL;
	size_t count, i, k, kept = 0;

	groups = ch_leaks_groups(looking->leaks, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < kept; k++)
			if (types[k].type == groups[i].type)
				break;
		if (k == CH_SUSPECT_TYPES)
			continue;
		if (k == kept)
			types[kept++] = (struct ch_held_type){ .type = groups[i].type };
		types[k].count += groups[i].sum.count;
		types[k].total_bytes += groups[i].sum.touched_bytes;
	}
	for (k = 0; !err && k < kept; k++)
		err = chp_suspect_type(looking->suspecting, suspect, types[k].type, types[k].count,
				       types[k].total_bytes);
	suspect->sample_addr = count ? groups[0].sample_addr : 0;
	return err;
}

/* Whether what is missing in the core may hold them: then that is said, and nothing concluded. */
static bool is_left_open(const struct ch_looking *looking, const struct ch_suspect *suspect,
			 const char *code, const char *what, const char *which)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], why[CH_COVERAGE_TEXT_MAX];

	if (!chp_suspect_is_open(looking, why))
		return false;
	chp_context_finding(ch_session_context(looking->suspecting->session), CH_SEVERITY_NOTE,
			    code,
			    "nothing in the core holds %s %s, %s; whether they %s is not known: %s",
			    chp_count_text(suspect->count, count), what,
			    chp_bytes_text(suspect->bytes, bytes), which, why);
	return true;
}

struct ch_error *chp_suspect_lost(struct ch_looking *looking)
{
	const struct ch_leak_sum *sums = ch_leaks_sums(looking->leaks);
	const struct ch_leak_sum *direct = &sums[CH_REACH_DIRECT];
	const struct ch_leak_sum *indirect = &sums[CH_REACH_INDIRECT];
	uint64_t whole = looking->suspecting->native_bytes;
	struct ch_suspect suspect = { .rule = CH_RULE_UNREACHABLE_NATIVE,
				      .count = direct->count + indirect->count,
				      .bytes = direct->touched_bytes + indirect->touched_bytes,
				      .share_of = "the bytes in use by malloc blocks",
				      .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (!chp_suspect_is(suspect.bytes, LOST_MIN, LOST_SHARE, whole))
		return NULL;
	if (is_left_open(looking, &suspect, "leaks-not-judged", "blocks", "leaked"))
		return NULL;
	chp_suspect_fact(&suspect, "directly_lost_count", direct->count);
	chp_suspect_fact(&suspect, "directly_lost_bytes", direct->touched_bytes);
	chp_suspect_fact(&suspect, "indirectly_lost_count", indirect->count);
	chp_suspect_fact(&suspect, "indirectly_lost_bytes", indirect->touched_bytes);
	err = name_lost_types(looking, &suspect);
	if (err || !suspect.types_count) {
		chp_suspect_deinit(&suspect);
		return err;
	}
	chp_suspect_next(&suspect, "leaks", 0);
	return chp_suspect_take(looking->suspecting, &suspect, whole,
				"nothing points at %s blocks, %s: leaked; the most are %s",
				chp_count_text(suspect.count, count),
				chp_bytes_text(suspect.bytes, bytes), suspect.types[0].name);
}

/* Of young generations garbage is no news: every program has it there between collections. */
struct ch_error *chp_suspect_garbage(struct ch_looking *looking)
{
	uint64_t whole = looking->suspecting->managed_bytes;
	struct ch_suspect suspect = { .rule = CH_RULE_MANAGED_GARBAGE,
				      .count = looking->holders.old_dead_count,
				      .bytes = looking->holders.old_dead_bytes,
				      .share_of = "the bytes in use by managed objects",
				      .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, GARBAGE_SHARE, whole))
		return NULL;
	if (is_left_open(looking, &suspect, "garbage-not-judged", "managed objects", "are garbage"))
		return NULL;
	chp_suspect_next(&suspect, "types --dead", 0);
	return chp_suspect_take(looking->suspecting, &suspect, whole,
				"%s managed objects outside of young generations, %s, are garbage: "
				"the next full collection frees them",
				chp_count_text(suspect.count, count),
				chp_bytes_text(suspect.bytes, bytes));
}
