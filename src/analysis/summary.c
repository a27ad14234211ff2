/*
 * The first screen: what died, where its memory is, and what is worth a second look.
 */
#include "analysis/summary.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analysis/headline.h"
#include "analysis/suspects.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/text.h"

/* Of the thread that died. */
#define CRASH_FRAMES CH_FRAMES_DEFAULT

/* Parts that are not zero, and their sum. */
static struct ch_error *write_arithmetic(struct ch_summary *summary)
{
	const struct ch_verdict_input *input = &summary->sums.input;
	bool split = !summary->sums.account.rows[CH_ACCOUNT_MANAGED_USED].bytes;
	const struct {
		const char *name;
		uint64_t bytes;
	} parts[] = {
		{ "malloc blocks in use", input->native_used_bytes },
		{ "zeros that its runtime wrote", input->filled_bytes },
		{ "free memory kept by malloc", input->native_free_bytes },
		{ "malloc's own bookkeeping", input->native_overhead_bytes },
		{ "heap memory that was not walked", input->unwalked_bytes },
		{ split ? "managed objects in use" : "managed objects, garbage included",
		  input->managed_bytes - input->managed_garbage_bytes - input->managed_free_bytes },
		{ "zeros of managed objects", input->managed_filled_bytes },
		{ "managed garbage", input->managed_garbage_bytes },
		{ "managed free", input->managed_free_bytes },
		{ "what runtimes loaded", input->loader_bytes },
		{ "compiled code and books of runtimes", input->runtime_other_bytes },
		{ "stacks and TLS", input->stacks_bytes },
		{ "files and shared memory", input->files_bytes },
		{ "memory of no known owner", input->unattributed_bytes },
	};
	const struct ch_verdict *verdict = &summary->sums.verdict;
	char number[CH_BYTES_TEXT_MAX];
	const char *separator = "";
	size_t i, size = 0;
	FILE *out = open_memstream(&summary->arithmetic, &size);

	if (!out)
		return &ch_enomem;
	for (i = 0; i < CH_COUNT_OF(parts); i++) {
		if (!parts[i].bytes)
			continue;
		fprintf(out, "%s%s %s", separator, parts[i].name,
			chp_count_text(parts[i].bytes, number));
		separator = " + ";
	}
	fprintf(out, "%s%s bytes of touched memory; %s is %" PRIu64 ".%02" PRIu64 "%%",
		separator[0] ? " = " : "", chp_count_text(verdict->total_bytes, number),
		verdict->leader, verdict->share / 100, verdict->share % 100);
	return chp_text_end(out, &summary->arithmetic) ? NULL : &ch_enomem;
}

/* A type that may be among the largest, and its bytes in use. */
struct candidate {
	const struct ch_type_stat *stat;
	uint64_t bytes;
};

/* By bytes in use; of equal ones the first that comes stays before. */
static size_t keep_type(struct candidate *list, size_t count, const struct candidate *next)
{
	size_t i = count;

	if (i < CH_SUMMARY_TYPES)
		count++;
	else if (next->bytes <= list[--i].bytes)
		return count;
	for (; i && next->bytes > list[i - 1].bytes; i--)
		list[i] = list[i - 1];
	list[i] = *next;
	return count;
}

static struct ch_error *pick_types(struct ch_heaps *heaps, struct ch_summary *summary)
{
	struct candidate largest[CH_SUMMARY_TYPES], next;
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count, i, kept = 0;

	if (!summary->sums.walked)
		return NULL;
	err = ch_heaps_types(heaps, &stats, &count);
	for (i = 0; !err && i < count; i++) {
		if (stats[i].kind != CH_TYPE_OBJECT)
			continue;
		next.stat = &stats[i];
		next.bytes = chp_touched_of(&summary->sums, heaps, &stats[i]);
		kept = keep_type(largest, kept, &next);
	}
	for (i = 0; !err && i < kept; i++) {
		summary->types[i].in_use_bytes = largest[i].bytes;
		err = chp_named_type_make(heaps, largest[i].stat, &summary->types[i].row);
		summary->types_count++;
	}
	return err;
}

static struct ch_error *sum_names(struct ch_session *session, struct ch_heaps *heaps,
				  struct ch_summary *summary)
{
	const struct ch_type_stat *stats = NULL;
	struct ch_error *err = NULL;
	size_t count = 0, i;

	if (summary->sums.walked)
		err = ch_heaps_types(heaps, &stats, &count);
	for (i = 0; !err && i < count; i++)
		err = chp_type_groups_add(&summary->named, heaps, &stats[i]);
	if (!err)
		chp_type_groups_end(&summary->named, session);
	return err;
}

/* Interrupted, it does without. */
static struct ch_error *ask_tracking(struct ch_heaps *heaps, struct ch_summary *summary)
{
	struct ch_error *err = NULL;

	if (summary->sums.walked)
		err = ch_heaps_tracking(heaps, &summary->tracking);
	return err && err->code == CH_ERROR_STOP ? NULL : err;
}

static struct ch_error *ask_pools(struct ch_heaps *heaps, struct ch_summary *summary)
{
	struct ch_error *err =
		chp_pooled_find(heaps, summary->sums.walked && !summary->quick, &summary->pooled);

	return err && err->code == CH_ERROR_STOP ? NULL : err;
}

static struct ch_error *find_death(struct ch_session *session, struct ch_summary *ret)
{
	struct ch_death_env place = { .core = ch_session_core(session) };
	struct ch_error *err;

	err = ch_session_sym(session, &place.sym);
	if (!err)
		err = ch_session_map(session, &place.map);
	if (!err)
		err = ch_session_heaps(session, &place.heaps);
	if (err)
		return err;
	chp_death_find(&place, &ret->death);
	ret->executable = ch_sym_executable(place.sym);
	return NULL;
}

/* The stack of the thread that died. */
static struct ch_error *find_crash(struct ch_session *session, struct ch_summary *summary)
{
	struct ch_error *err;

	if (summary->death.dumped_alive || !summary->death.fault.signal)
		return NULL;
	err = chp_thread_rows_of(session, summary->death.tid, CRASH_FRAMES, &summary->crash);
	if (err || !chp_summary_crash(summary))
		return err;
	return chp_signature_make(chp_summary_crash(summary), summary->death.fault.name,
				  &summary->signature);
}

static struct ch_error *find_suspects(struct ch_session *session, struct ch_heaps *heaps,
				      const struct ch_summary_options *options,
				      struct ch_summary *summary)
{
	const struct ch_suspects_input input = { .heaps = heaps,
						 .death = &summary->death,
						 .sums = &summary->sums,
						 .pooled = &summary->pooled,
						 .threads = options->threads,
						 .quick = options->quick };

	return chp_suspects_find(session, &input, &summary->suspects);
}

/* Interrupted, it does without. */
static struct ch_error *name_blocks(struct ch_session *session)
{
	struct ch_heaps *heaps;
	struct ch_error *err = chp_session_named_heaps(session, &heaps);

	return err && err->code == CH_ERROR_STOP ? NULL : err;
}

struct ch_error *chp_summary_make(struct ch_session *session,
				  const struct ch_summary_options *options, struct ch_summary *ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;

	*ret = (struct ch_summary){ .quick = options->quick,
				    .named = chp_type_groups(CH_GROUP_BASIS),
				    .suspects = CH_VEC(struct ch_suspect) };
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = chp_measure(session, options->threads, &ret->sums);
	if (!err)
		err = find_death(session, ret);
	if (!err)
		err = find_crash(session, ret);
	if (!err && options->begun)
		err = options->begun(options->arg, ret);
	if (!err && ret->sums.walked && !options->quick)
		err = name_blocks(session);
	if (!err)
		err = pick_types(heaps, ret);
	if (!err && !options->quick)
		err = sum_names(session, heaps, ret);
	if (!err)
		err = ask_tracking(heaps, ret);
	if (!err)
		err = ask_pools(heaps, ret);
	if (!err)
		err = find_suspects(session, heaps, options, ret);
	if (!err)
		err = write_arithmetic(ret);
	if (!err)
		chp_headline_make(session, ret, ret->headline);
	return err ? err : chp_heaps_view_make(heaps, &ret->view);
}

void chp_summary_deinit(struct ch_summary *summary)
{
	size_t i;

	for (i = 0; i < summary->suspects.count; i++)
		chp_suspect_deinit(CH_VEC_AT(&summary->suspects, struct ch_suspect, i));
	ch_vec_deinit(&summary->suspects);
	chp_type_groups_deinit(&summary->named);
	chp_pooled_deinit(&summary->pooled);
	chp_heaps_view_deinit(&summary->view);
	free(summary->arithmetic);
	chp_thread_rows_deinit(&summary->crash);
	chp_signature_deinit(&summary->signature);
}
