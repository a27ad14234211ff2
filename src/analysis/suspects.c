/*
 * The rules of a summary that need sums alone, and the order of all suspects. A rule looks for
 * one matter that explains much memory, and says what it rests on.
 */
#include "analysis/suspects.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <coreheap/assembly.h>

#include "analysis/presence.h"
#include "analysis/thread_rows.h"
#include "heap/strings.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/number.h"
#include "util/text.h"

/* What makes a suspect: a size, and a share in percent. */
#define SIZE_MIN        (1ULL << 20)
#define PART_PERCENT    25
#define RETAINED_SHARE  10
#define DUPLICATE_SHARE 5
#define EQUAL_MIN       8
#define EQUAL_BYTES     (16ULL << 20)
#define EQUAL_SHARE     10
#define WASTE_SHARE     10
#define MODULES_ALIKE   200
#define MODULES_ALL     1000
#define THREADS_MANY    100
/* Entries in one bucket, and percent of the used bytes in room that nobody uses, that come before
 * what holds most: look-ups of 1000 steps, and most of what is held by one place or by few. */
#define KEYS_FIRST  1000
#define EMPTY_FIRST 30
/* Frames that are compared to tell stacks apart. */
#define FRAMES 32

#define IN_USE "the memory in use, programs' images left out"

/* ---- Rules -------------------------------------------------------------------- */

/* Pages of files that are only read are the system's: no suspect. */
static struct ch_error *find_file_maps(struct ch_suspecting *suspecting)
{
	const struct ch_measured *sums = suspecting->sums;
	const struct ch_account_row *rows = sums->account.rows;
	struct ch_suspect suspect = { .rule = CH_RULE_FILE_MAPS,
				      .bytes = sums->input.files_bytes,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_RECORDED };
	char bytes[CH_BYTES_TEXT_MAX];

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, PART_PERCENT, sums->verdict.total_bytes))
		return NULL;
	chp_suspect_fact(&suspect, "mapped_bytes",
			 rows[CH_ACCOUNT_FILES].bytes + rows[CH_ACCOUNT_SHARED].bytes);
	chp_suspect_fact(&suspect, "in_core_bytes",
			 rows[CH_ACCOUNT_FILES].in_core_bytes +
				 rows[CH_ACCOUNT_SHARED].in_core_bytes);
	chp_suspect_next(&suspect, "address --regions", 0);
	return chp_suspect_take(suspecting, &suspect, sums->verdict.total_bytes,
				"%s of writable files and shared memory were touched",
				chp_bytes_text(suspect.bytes, bytes));
}

/* Whom memory may belong to that nobody claims. */
static const char *whose_memory(const struct ch_heaps *heaps)
{
	const struct ch_runtime *runtimes;
	size_t count, i;

	runtimes = ch_heaps_runtimes(heaps, &count);
	for (i = 0; i < count; i++)
		if (runtimes[i].score && !runtimes[i].open)
			return "no heap that was walked; an allocator named above was not";
	return "no known allocator";
}

static struct ch_error *find_unattributed(struct ch_suspecting *suspecting)
{
	const struct ch_measured *sums = suspecting->sums;
	struct ch_suspect suspect = { .rule = CH_RULE_UNATTRIBUTED,
				      .bytes = sums->input.unattributed_bytes,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED };
	char bytes[CH_BYTES_TEXT_MAX];

	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, PART_PERCENT, sums->verdict.total_bytes))
		return NULL;
	chp_suspect_next(&suspect, "address --regions", 0);
	return chp_suspect_take(suspecting, &suspect, sums->verdict.total_bytes,
				"%s of touched anonymous memory belongs to %s",
				chp_bytes_text(suspect.bytes, bytes),
				whose_memory(suspecting->heaps));
}

static struct ch_error *add_waste(struct ch_suspecting *suspecting,
				  const struct ch_region_waste *found, uint64_t whole)
{
	struct ch_suspect suspect = { .rule = CH_RULE_HUMONGOUS_WASTE,
				      .share_of = "the managed heaps",
				      .basis = CH_BASIS_DERIVED };
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], region[CH_BYTES_TEXT_MAX];

	suspect.count = found->count;
	suspect.bytes = found->waste_bytes;
	if (!chp_suspect_is(suspect.bytes, SIZE_MIN, WASTE_SHARE, whole))
		return NULL;
	chp_suspect_fact(&suspect, "humongous_bytes", found->bytes);
	chp_suspect_fact(&suspect, "region_bytes", found->region_bytes);
	chp_suspect_next(&suspect, "heap", 0);
	return chp_suspect_take(suspecting, &suspect, whole,
				"humongous waste: %s; behind %s such objects %s belong to nobody "
				"until those die; a region is %s; %s",
				found->why, chp_count_text(suspect.count, count),
				chp_bytes_text(suspect.bytes, bytes),
				chp_bytes_text(found->region_bytes, region), found->help);
}

/* Large objects that are given whole regions. */
static struct ch_error *find_humongous(struct ch_suspecting *suspecting)
{
	const struct ch_account_row *rows = suspecting->sums->account.rows;
	uint64_t whole = rows[CH_ACCOUNT_MANAGED_USED].bytes + rows[CH_ACCOUNT_MANAGED_FREE].bytes +
			 rows[CH_ACCOUNT_MANAGED_HEAP].bytes;
	struct ch_region_waste found;
	struct ch_error *err = NULL;
	size_t next = 0;

	while (!err && chp_heaps_waste(suspecting->heaps, &next, &found))
		err = add_waste(suspecting, &found, whole);
	return err;
}

/*
 * What free memory weighs beside what somebody holds: it comes first where it is most of what
 * heaps have, as after a burst; a JIT that gave its arenas back hides no leak of half the size.
 */
static uint64_t weight_of_free(uint64_t free, const struct ch_suspecting *suspecting)
{
	uint64_t live = suspecting->native_bytes + suspecting->managed_bytes;

	return free / 10000 * chp_percent(free, free + live);
}

/* Touched bytes that are free in a heap which keeps more than is in use; 0: it does not. */
static uint64_t kept_free(const struct ch_heap *heap, const struct ch_heap_free *sums)
{
	const uint64_t free = heap->free_bytes - heap->untouched_free_bytes;

	return sums->can_trim && free > heap->used_bytes - heap->untouched_used_bytes ? free : 0;
}

/* What the call of one allocator could give back, of heaps that keep more than is in use. */
static uint64_t returnable_by(const struct ch_heaps *list, uint32_t walker)
{
	const struct ch_heap_free *frees;
	const struct ch_heap *heaps;
	uint64_t sum = 0;
	size_t count, i;

	heaps = ch_heaps_list(list, &count);
	frees = ch_heaps_free(list, &count);
	for (i = 0; i < count; i++)
		if (heaps[i].walker == walker)
			sum += ch_min(frees[i].trim_pages_bytes + frees[i].trim_top_bytes,
				      kept_free(&heaps[i], &frees[i]));
	return sum;
}

/* Arenas that keep more than is in use. */
static struct ch_error *find_retained_free(struct ch_suspecting *suspecting)
{
	const struct ch_measured *sums = suspecting->sums;
	struct ch_suspect suspect = { .rule = CH_RULE_FREE_RETAINED,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED };
	char bytes[CH_BYTES_TEXT_MAX], used_text[CH_BYTES_TEXT_MAX], trim[CH_BYTES_TEXT_MAX];
	char pieces[CH_BYTES_TEXT_MAX + 64] = "";
	const struct ch_heap *heaps, *worst = NULL;
	const struct ch_heap_free *frees;
	uint64_t used = 0, trapped = 0, returnable, free, worst_free = 0;
	size_t count, i;

	heaps = ch_heaps_list(suspecting->heaps, &count);
	frees = ch_heaps_free(suspecting->heaps, &count);
	for (i = 0; i < count; i++) {
		free = kept_free(&heaps[i], &frees[i]);
		if (!free)
			continue;
		suspect.count++;
		suspect.bytes += free;
		used += heaps[i].used_bytes - heaps[i].untouched_used_bytes;
		trapped += ch_min(frees[i].trapped_bytes, free);
		if (!worst || free > worst_free) {
			worst = &heaps[i];
			worst_free = free;
		}
	}
	if (!worst ||
	    !chp_suspect_is(suspect.bytes, SIZE_MIN, RETAINED_SHARE, sums->verdict.total_bytes))
		return NULL;
	returnable = returnable_by(suspecting->heaps, worst->walker);
	if (trapped > suspect.bytes / 2)
		snprintf(pieces, sizeof(pieces),
			 "; %s of the free bytes lie between blocks in use, without a whole page",
			 chp_bytes_text(trapped, bytes));
	suspect.rank_bytes = weight_of_free(suspect.bytes, suspecting);
	chp_suspect_fact(&suspect, "used_bytes", used);
	chp_suspect_fact(&suspect, "returnable_bytes", returnable);
	chp_suspect_next(&suspect, "heap", 0);
	return chp_suspect_take(
		suspecting, &suspect, sums->verdict.total_bytes,
		"%" PRIu64
		" heap%s %s more free than used memory: %s free beside %s used; %s could "
		"give back at most %s%s; most of it is in %s",
		suspect.count, suspect.count == 1 ? "" : "s", suspect.count == 1 ? "keeps" : "keep",
		chp_bytes_text(suspect.bytes, bytes), chp_bytes_text(used, used_text),
		ch_heaps_trim_name(suspecting->heaps, worst->walker),
		chp_bytes_text(returnable, trim), pieces, worst->name);
}

static int compare_sizes(const void *a, const void *b)
{
	const struct ch_span *x = *(const struct ch_span *const *)a;
	const struct ch_span *y = *(const struct ch_span *const *)b;
	uint64_t x_bytes = x->committed_end - x->start, y_bytes = y->committed_end - y->start;

	if (x_bytes != y_bytes)
		return x_bytes < y_bytes ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* Of spans by size, those of one size that have most bytes; returns how many. */
static size_t largest_group(const struct ch_span **spans, size_t count, size_t *first_ret)
{
	size_t i, k, best = 0;
	uint64_t bytes, best_bytes = 0;

	for (i = 0; i < count; i = k) {
		bytes = spans[i]->committed_end - spans[i]->start;
		for (k = i + 1; k < count; k++)
			if (spans[k]->committed_end - spans[k]->start != bytes)
				break;
		if (k - i >= EQUAL_MIN && bytes * (k - i) > best_bytes) {
			best_bytes = bytes * (k - i);
			best = k - i;
			*first_ret = i;
		}
	}
	return best;
}

static struct ch_error *find_equal_mappings(struct ch_suspecting *suspecting)
{
	struct ch_suspect suspect = { .rule = CH_RULE_EQUAL_MAPPINGS,
				      .share_of = "the bytes in use by malloc blocks",
				      .basis = CH_BASIS_DERIVED };
	char total[CH_BYTES_TEXT_MAX], each[CH_BYTES_TEXT_MAX], touched[CH_BYTES_TEXT_MAX];
	_cleanup_free_ const struct ch_span **list = NULL;
	const struct ch_span *spans;
	size_t count, i, kept = 0, first = 0, runs = 1;
	const struct ch_core *core = ch_session_core(suspecting->session);
	struct ch_object object;
	bool filled = suspecting->sums->zeros_count;
	uint64_t *slot, each_bytes, mapped, held = 0;

	spans = ch_heaps_spans(suspecting->heaps, &count);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return &ch_enomem;
	for (i = 0; i < count; i++)
		if (spans[i].usage == CH_USAGE_MMAP_CHUNK)
			list[kept++] = &spans[i];
	qsort(list, kept, sizeof(*list), compare_sizes);
	suspect.count = largest_group(list, kept, &first);
	if (!suspect.count)
		return NULL;
	each_bytes = list[first]->committed_end - list[first]->start;
	for (i = first; i < first + suspect.count; i++)
		held += ch_core_touched_bytes(core, list[i]->start, list[i]->committed_end);
	/* By what is mapped: zeros may never have been touched, or written by who has them. */
	mapped = each_bytes * suspect.count;
	suspect.bytes = filled ? mapped : held;
	if (!chp_suspect_is(mapped, EQUAL_BYTES, EQUAL_SHARE,
			    suspecting->native_bytes + mapped - suspect.bytes))
		return NULL;
	for (i = first + 1; i < first + suspect.count; i++)
		runs += list[i]->start != list[i - 1]->committed_end;
	for (i = first; i < first + suspect.count; i++) {
		if (!ch_heaps_object_at(suspecting->heaps, list[i]->start, &object))
			continue;
		slot = ch_vec_push(&suspecting->equal);
		if (!slot)
			return &ch_enomem;
		*slot = object.addr;
		suspect.sample_addr = suspect.sample_addr ? suspect.sample_addr : object.addr;
	}
	chp_suspect_fact(&suspect, "each_bytes", each_bytes);
	chp_suspect_fact(&suspect, "mapped_bytes", mapped);
	chp_suspect_fact(&suspect, "touched_bytes", held);
	chp_suspect_fact(&suspect, "runs_count", runs);
	chp_suspect_next(&suspect, suspect.sample_addr ? "roots" : "address --regions",
			 suspect.sample_addr);
	return chp_suspect_take(suspecting, &suspect, suspecting->native_bytes,
				"%" PRIu64 " blocks of %s bytes in mappings of their own: %s in "
				"%zu run%s%s%s%s",
				suspect.count, chp_count_text(each_bytes, each),
				chp_bytes_text(mapped, total), runs, runs == 1 ? "" : "s",
				held < mapped ? "; touched " : "",
				held < mapped ? chp_bytes_text(held, touched) : "",
				held == mapped ? ""
				: filled       ? ", the rest is zeros that its runtime wrote"
					       : ", the rest is zeros");
}

static struct ch_error *find_modules(struct ch_suspecting *suspecting)
{
	const struct ch_measured *sums = suspecting->sums;
	struct ch_suspect suspect = { .rule = CH_RULE_MODULE_EXPLOSION,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED };
	const struct ch_assembly *assemblies, *most = NULL;
	char count_text[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;
	size_t count, i;

	err = ch_heaps_assemblies(suspecting->heaps, &assemblies, &count);
	if (err)
		return err;
	for (i = 0; i < count; i++) {
		suspect.types_total += assemblies[i].types_count;
		if (!most || assemblies[i].count > most->count)
			most = &assemblies[i];
	}
	if (!most || (most->count < MODULES_ALIKE && count < MODULES_ALL))
		return NULL;
	suspect.count = most->count;
	suspect.bytes = most->loader_bytes ? most->loader_bytes : sums->input.loader_bytes;
	chp_suspect_fact(&suspect, "assembly_rows_count", count);
	chp_suspect_fact(&suspect, "types_count", most->types_count);
	chp_suspect_fact(&suspect, "loader_bytes", sums->input.loader_bytes);
	suspect.types_total = 0;
	chp_suspect_next(&suspect, "modules", 0);
	return chp_suspect_take(suspecting, &suspect, sums->verdict.total_bytes,
				"%s %s assemblies are alike (%s%s): %s of the runtime's own memory",
				chp_count_text(most->count, count_text), most->kind, most->name,
				most->collectible ? ", collectible" : "",
				chp_bytes_text(suspect.bytes, bytes));
}

/* "poll+0x4f in libc.so.6", escaped; owned. */
static char *frame_text(const struct ch_frame *frame)
{
	_cleanup_free_ char *raw = NULL;

	if (asprintf(&raw, "%s%s%s", frame->symbol.name ? frame->symbol.name : "code",
		     frame->symbol.module ? " in " : "",
		     frame->symbol.module ? frame->symbol.module->name : "") < 0) {
		raw = NULL;
		return NULL;
	}
	return chp_text_escape(raw, 256);
}

static struct ch_error *find_threads(struct ch_suspecting *suspecting)
{
	const struct ch_measured *sums = suspecting->sums;
	struct ch_suspect suspect = { .rule = CH_RULE_THREAD_EXPLOSION,
				      .count = sums->threads_count,
				      .bytes = sums->stack_touched_bytes,
				      .share_of = IN_USE,
				      .basis = CH_BASIS_DERIVED };
	struct ch_thread_rows rows = { .texts = NULL };
	const struct ch_thread_group *group;
	const struct ch_thread_row *row;
	_cleanup_free_ char *top = NULL;
	const char *named;
	struct ch_error *err;

	if (sums->threads_count < THREADS_MANY)
		return NULL;
	err = chp_thread_rows_make(suspecting->session, FRAMES, &rows);
	if (!err && rows.threads.groups_count) {
		group = &rows.threads.groups[0];
		row = &rows.threads.rows[group->first];
		top = row->frames_count ? frame_text(&row->frames[chp_thread_row_first(row)])
					: strdup("no frame");
		chp_suspect_fact(&suspect, "stacks_count", rows.threads.groups_count);
		chp_suspect_fact(&suspect, "alike_count", group->count);
		chp_suspect_next(&suspect, "threads --group", 0);
		named = group->names_count ? group->names[0].pattern : "";
		err = top ? chp_suspect_take(suspecting, &suspect, sums->verdict.total_bytes,
					     "%" PRIu64 " threads; %" PRIu64
					     " of them%s%s%s stand in the same place (%s)",
					     suspect.count, group->count, named[0] ? " (" : "",
					     named, named[0] ? ")" : "", top)
			  : &ch_enomem;
	}
	chp_thread_rows_deinit(&rows);
	return err;
}

static struct ch_error *find_duplicates(struct ch_suspecting *suspecting)
{
	struct ch_suspect suspect = { .rule = CH_RULE_DUPLICATE_CONTENTS,
				      .share_of = "the bytes in use by all blocks",
				      .basis = CH_BASIS_HEURISTIC };
	char bytes[CH_BYTES_TEXT_MAX], count_text[CH_BYTES_TEXT_MAX], each[CH_BYTES_TEXT_MAX],
		group[CH_BYTES_TEXT_MAX];
	struct ch_strings_stat contents = { .count = 0 };
	const struct ch_string_stat *rows;
	struct ch_error *err;
	/* percents are rounded */
	uint64_t enough = suspecting->sums->used_bytes / 10000 * (DUPLICATE_SHARE * 100 - 1);
	uint64_t groups = 0;
	size_t i;

	err = chp_contents_count(suspecting->heaps, enough, &contents);
	rows = contents.rows.items;
	for (i = 0; !err && i < contents.rows.count && rows[i].count > 1; i++) {
		groups++;
		suspect.count += rows[i].count - 1;
	}
	suspect.bytes = contents.waste_bytes;
	if (!err && chp_suspect_is(suspect.bytes, SIZE_MIN, DUPLICATE_SHARE,
				   suspecting->sums->used_bytes)) {
		suspect.sample_addr = rows[0].sample_addr;
		chp_suspect_fact(&suspect, "groups_count", groups);
		chp_suspect_fact(&suspect, "largest_group_count", rows[0].count);
		chp_suspect_fact(&suspect, "largest_group_each_bytes", rows[0].each_bytes);
		chp_suspect_fact(&suspect, "zero_blocks_count", contents.zero_count);
		chp_suspect_fact(&suspect, "zero_blocks_bytes", contents.zero_bytes);
		chp_suspect_fact(&suspect, "not_compared_count",
				 contents.left_out_count + contents.absent_count);
		chp_suspect_next(&suspect, "whatis", suspect.sample_addr);
		err = chp_suspect_take(
			suspecting, &suspect, suspecting->sums->used_bytes,
			"%s blocks repeat the contents of others, %s touched in all; most in one "
			"group: %s blocks with %s touched bytes each",
			chp_count_text(suspect.count, count_text),
			chp_bytes_text(suspect.bytes, bytes), chp_count_text(rows[0].count, group),
			chp_count_text(rows[0].each_bytes, each));
	}
	chp_strings_deinit(&contents);
	return err;
}

/* ---- All of them -------------------------------------------------------------- */

/* Damage is why a process dies, and what stands still why it does not go on, whatever it
 * holds. Keys of one hash code cost time, and a holder of collections that are mostly empty is
 * told with these. That blocks have the same contents is how memory that somebody holds could be
 * less. */
static int place_of(const struct ch_suspect *suspect)
{
	static const int places[CH_RULES] = {
		[CH_RULE_HEAP_DAMAGED] = -5,      [CH_RULE_BAD_FREE] = -5,
		[CH_RULE_DEADLOCK] = -4,          [CH_RULE_LOCK_CONVOY] = -3,
		[CH_RULE_FINALIZER_BACKLOG] = -3, [CH_RULE_BLOCKED_GOROUTINES] = -3,
		[CH_RULE_LOCKED_GOROUTINES] = -3, [CH_RULE_ALIKE_GOROUTINES] = -3,
		[CH_RULE_OPEN_RESOURCES] = -3,    [CH_RULE_COLLIDING_KEYS] = -2,
		[CH_RULE_EMPTY_COLLECTIONS] = -1, [CH_RULE_DUPLICATE_CONTENTS] = 1,
		[CH_RULE_ALIKE_TIMERS] = -3
	};

	if (suspect->part_of)
		return 2;
	if ((suspect->rule == CH_RULE_COLLIDING_KEYS && suspect->count < KEYS_FIRST) ||
	    (suspect->rule == CH_RULE_EMPTY_COLLECTIONS && suspect->share < EMPTY_FIRST * 100))
		return 0;
	return places[suspect->rule];
}

static uint64_t weight_of(const struct ch_suspect *suspect)
{
	return suspect->rank_bytes ? suspect->rank_bytes : suspect->bytes;
}

static int compare_suspects(const void *a, const void *b)
{
	const struct ch_suspect *x = a, *y = b;

	if (place_of(x) != place_of(y))
		return place_of(x) - place_of(y);
	if (weight_of(x) != weight_of(y))
		return weight_of(x) > weight_of(y) ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	if (!x->bytes && x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void sum_heaps(struct ch_suspecting *suspecting)
{
	const struct ch_account_row *rows = suspecting->sums->account.rows;

	suspecting->native_bytes = rows[CH_ACCOUNT_HEAP_USED].touched_bytes +
				   rows[CH_ACCOUNT_HEAP_MMAPPED].touched_bytes +
				   chp_zeros_that_count(suspecting->sums);
	suspecting->managed_bytes = rows[CH_ACCOUNT_MANAGED_USED].touched_bytes +
				    suspecting->sums->input.managed_filled_bytes;
}

struct ch_error *chp_suspects_find(struct ch_session *session,
				   const struct ch_suspects_input *input, struct ch_vec *ret)
{

	static struct ch_error *(*const walked[])(struct ch_suspecting *) = {
		chp_suspect_damage, chp_suspect_freed,   find_retained_free,
		find_humongous,     find_equal_mappings, chp_suspects_fragments
	};
	static struct ch_error *(*const always[])(
		struct ch_suspecting *) = { find_file_maps,
					    find_unattributed,
					    find_modules,
					    find_threads,
					    chp_suspects_locks,
					    chp_suspect_limits,
					    chp_suspects_goroutines,
					    chp_suspects_timers };
	struct ch_suspecting suspecting = { .session = session,
					    .threads = input->threads,
					    .quick = input->quick,
					    .heaps = input->heaps,
					    .death = input->death,
					    .sums = input->sums,
					    .pooled = input->pooled,
					    .suspects = ret,
					    .coverage = input->sums->coverage,
					    .equal = CH_VEC(uint64_t) };
	bool walked_all = input->sums->walked;
	struct ch_error *err = NULL;
	size_t i;

	sum_heaps(&suspecting);
	for (i = 0; !err && i < CH_COUNT_OF(always); i++)
		err = always[i](&suspecting);
	for (i = 0; !err && walked_all && i < CH_COUNT_OF(walked); i++)
		err = walked[i](&suspecting);
	if (!err && walked_all && !input->quick)
		err = find_duplicates(&suspecting);
	if (!err && walked_all && !input->quick)
		err = chp_suspects_in_graph(&suspecting);
	if (err && err->code == CH_ERROR_STOP) {
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "interrupted", "interrupted: not all rules were applied");
		err = NULL;
	}
	ch_vec_sort(ret, compare_suspects);
	ch_vec_deinit(&suspecting.equal);
	return err;
}
