/*
 * Threads as rows: stacks with names of functions and methods, states, registers, and groups of
 * threads that stand in the same place.
 */
#include "analysis/thread_rows.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/account.h"
#include "analysis/thread_names.h"
#include "sym/shown.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"
#include "util/vec.h"

/* Functions that a compiler put into one another. */
#define INLINED_MAX      256
#define SOURCE_BYTES_MAX 256
#define SOURCES_MAX      16

/* Modules of runtimes: what is in them runs methods, or waits for them. */
static const char *const runtimes[] = { "libcoreclr.so", "libclrjit.so", "libhostpolicy.so",
					"libhostfxr.so", "dotnet",       "libjvm.so",
					"libjli.so",     "java" };

/* What a runtime says of a code address; cached, as many threads stand in the same. */
struct named {
	uint64_t pc;
	uint32_t depth;
	bool is_top;
	/* It depends on the frame: the rest is not set. */
	bool of_frame;
	/* NULL: no runtime knows it. */
	const char *name, *code, *source;
	uint64_t start, offset;
	uint32_t line;
};

/* What all rows are filled with. */
struct filler {
	struct ch_session *session;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	/* tsearch(3) of struct named; of char: texts that frames borrow */
	void *places, *texts;
	size_t frames_max;
	/* Functions that were put into compiled ones have frames of their own. */
	bool with_inlined;
	struct ch_frame *scratch;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->pc != y->pc)
		return x->pc < y->pc ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->is_top - y->is_top;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* One copy of each; NULL: out of memory. */
static const char *keep_text(struct filler *filler, const char *text)
{
	char **slot = tfind(text, &filler->texts, compare_texts), *copy;

	if (slot)
		return *slot;
	copy = strdup(text);
	slot = copy ? tsearch(copy, &filler->texts, compare_texts) : NULL;
	if (slot)
		return *slot;
	free(copy);
	return NULL;
}

static struct ch_error *ask(struct filler *filler, const struct ch_frame *frame, struct named *ret)
{
	struct ch_code code;

	ret->name = NULL;
	if (!ch_heaps_frame_code(filler->heaps, frame, ret->is_top, ret->depth, &code) ||
	    !code.name[0])
		return NULL;
	ret->name = keep_text(filler, code.name);
	ret->source = code.source[0] ? keep_text(filler, code.source) : NULL;
	if (!ret->name || (code.source[0] && !ret->source))
		return &ch_enomem;
	ret->code = code.kind;
	ret->start = code.start;
	ret->offset = code.offset;
	ret->line = code.line;
	ret->of_frame = strcmp(code.kind, "interpreted") == 0;
	return NULL;
}

/* The function of a frame at a depth. */
static struct ch_error *name_code(struct filler *filler, const struct ch_frame *frame,
				  struct named *ret)
{
	struct named *named, **slot = tfind(ret, &filler->places, compare_named);
	struct ch_error *err;

	if (slot && !(*slot)->of_frame) {
		*ret = **slot;
		return NULL;
	}
	err = ask(filler, frame, ret);
	if (err || slot)
		return err;
	named = malloc(sizeof(*named));
	if (!named)
		return &ch_enomem;
	*named = *ret;
	if (!tsearch(named, &filler->places, compare_named)) {
		free(named);
		return &ch_enomem;
	}
	return NULL;
}

static bool add_frame(struct filler *filler, struct ch_vec *frames, const struct ch_frame *frame,
		      const struct named *named)
{
	struct ch_frame *slot = ch_vec_push(frames);

	if (!slot)
		return false;
	*slot = *frame;
	if (!named) {
		slot->symbol.name = chp_sym_shown(filler->sym, frame->symbol.name);
		return true;
	}
	slot->symbol.name = named->name;
	slot->symbol.addr = named->start;
	slot->symbol.offset = named->offset;
	slot->code = named->code;
	slot->source = named->source;
	slot->line = named->line;
	return true;
}

/* A frame with its functions, as its runtime knows them. */
static struct ch_error *add_frames(struct filler *filler, const struct ch_frame *frame, bool is_top,
				   struct ch_vec *frames)
{
	struct named named = { .pc = frame->pc, .is_top = is_top };
	struct ch_error *err;
	size_t first = frames->count;

	for (; named.depth < INLINED_MAX && frames->count < filler->frames_max; named.depth++) {
		err = name_code(filler, frame, &named);
		if (err)
			return err;
		if (!named.name)
			break;
		if (named.depth)
			CH_VEC_AT(frames, struct ch_frame, frames->count - 1)->basis =
				CH_FRAME_INLINED;
		if (!add_frame(filler, frames, frame, &named))
			return &ch_enomem;
	}
	return frames->count > first || add_frame(filler, frames, frame, NULL) ? NULL : &ch_enomem;
}

/* A copy of a name from debug information; NULL, and no error, where there is none. */
static struct ch_error *keep_name(struct filler *filler, const char *name, const char **ret)
{
	_cleanup_free_ char *text = name ? chp_text_escape(name, SOURCE_BYTES_MAX) : NULL;

	*ret = text ? keep_text(filler, text) : NULL;
	return !name || *ret ? NULL : &ch_enomem;
}

/* A frame of compiled code, with its source, and the functions that were put into it. */
static struct ch_error *add_compiled(struct filler *filler, const struct ch_frame *frame,
				     bool is_top, struct ch_vec *frames)
{
	struct ch_source sources[SOURCES_MAX];
	struct ch_error *err = NULL;
	struct ch_frame *slot;
	size_t count = 0, i;

	if (frame->symbol.module)
		count = ch_sym_sources(filler->sym, frame->pc - !is_top, sources, SOURCES_MAX);
	if (!count)
		return add_frame(filler, frames, frame, NULL) ? NULL : &ch_enomem;
	for (i = filler->with_inlined ? 0 : count - 1;
	     !err && i < count && frames->count < filler->frames_max; i++) {
		if (!add_frame(filler, frames, frame, NULL))
			return &ch_enomem;
		slot = CH_VEC_AT(frames, struct ch_frame, frames->count - 1);
		slot->line = sources[i].line;
		err = keep_name(filler, sources[i].file, &slot->source);
		if (err || !sources[i].function)
			continue;
		slot->basis = CH_FRAME_INLINED;
		slot->symbol.addr = slot->symbol.offset = slot->symbol.size_bytes = 0;
		err = keep_name(filler, chp_sym_shown(filler->sym, sources[i].function),
				&slot->symbol.name);
	}
	return err;
}

/* Frames that no module has a symbol for may be a runtime's. */
static struct ch_error *name_frames(struct filler *filler, size_t count, struct ch_vec *frames)
{
	const struct ch_frame *frame;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < count && frames->count < filler->frames_max; i++) {
		frame = &filler->scratch[i];
		if (!frame->symbol.name && frame->pc)
			err = add_frames(filler, frame, i == 0, frames);
		else
			err = add_compiled(filler, frame, i == 0 || frame->basis == CH_FRAME_SIGNAL,
					   frames);
	}
	return err;
}

/* Classes that the JVM made are called by their address: "Shop$$Lambda+0x00007fc341001880". */
static uint64_t hash_name(uint64_t hash, const char *name)
{
	const char *at = name;

	while ((at = strstr(at, "0x"))) {
		hash = ch_hash_bytes(hash, name, (size_t)(at - name));
		at += 2;
		name = at += strspn(at, "0123456789abcdef");
	}
	return ch_hash_bytes(hash, name, strlen(name) + 1);
}

/* A method by name and line, for it may be interpreted here and compiled there, once or more
 * often, and run on in another copy while it runs; other code by its module and place in it; any
 * other address outside of all is only "outside". */
static uint64_t hash_frame(uint64_t hash, const struct ch_sym *sym, const struct ch_frame *frame)
{
	const struct ch_module *module;

	if (chp_thread_row_method(frame))
		return ch_hash_number(hash_name(hash, frame->symbol.name), frame->line);
	module = ch_sym_module_at(sym, frame->pc);
	if (!module)
		return ch_hash_number(hash_name(hash, "outside"), 0);
	hash = ch_hash_bytes(hash, module->name, strlen(module->name) + 1);
	return ch_hash_number(hash, frame->pc - module->start);
}

static bool is_same_method(const struct ch_frame *frame, const struct ch_frame *last)
{
	return last && chp_thread_row_method(frame) &&
	       strcmp(frame->symbol.name, last->symbol.name) == 0 && frame->line == last->line;
}

static uint64_t fingerprint(const struct ch_sym *sym, const struct ch_thread_row *row)
{
	bool with_methods = chp_thread_row_has_methods(row);
	const struct ch_frame *frame, *last = NULL;
	uint64_t hash = CH_HASH_START;
	size_t i;

	for (i = 0; i < row->frames_count; i++) {
		frame = &row->frames[i];
		/* only with debug information at hand */
		if (frame->basis == CH_FRAME_INLINED && frame->symbol.module &&
		    !chp_thread_row_method(frame))
			continue;
		if ((with_methods || frame->code) && chp_thread_row_runtime(frame))
			continue;
		if (!is_same_method(frame, last))
			hash = hash_frame(hash, sym, frame);
		last = chp_thread_row_method(frame) ? frame : NULL;
	}
	return hash;
}

static struct ch_error *unwind(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	struct ch_vec frames = CH_VEC(struct ch_frame);
	const char *end = NULL;
	struct ch_error *err;
	size_t count;

	err = ch_heaps_unwind(filler->heaps, index, filler->scratch, filler->frames_max, &count,
			      &end);
	if (err)
		return err;
	row->end = end ? strdup(end) : NULL;
	if (end && !row->end)
		return &ch_enomem;
	err = name_frames(filler, count, &frames);
	row->frames = frames.items;
	row->frames_count = frames.count;
	row->fingerprint = fingerprint(filler->sym, row);
	return err;
}

/* What a runtime knows of it. */
static struct ch_error *describe(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	struct ch_thread_info info;

	if (!ch_heaps_thread(filler->heaps, index, &info))
		return NULL;
	row->info = malloc(sizeof(*row->info));
	if (!row->info)
		return &ch_enomem;
	*row->info = info;
	if (info.name[0])
		row->name = row->info->name;
	return NULL;
}

/* The stacks that it uses, the one that it runs on first. */
static void take_stacks(struct filler *filler, const struct ch_map *map, size_t index,
			struct ch_thread_row *row)
{
	const struct ch_thread_stack *stacks;
	struct ch_thread_stack stack;
	size_t count, i;

	stacks = ch_map_stacks_of(map, index, &count);
	for (i = 0; i < count; i++) {
		stack = ch_heaps_stack(filler->heaps, &stacks[i]);
		if (stack.interrupted) {
			if (row->interrupted_count < CH_INTERRUPTED_MAX)
				row->interrupted[row->interrupted_count++] = stack;
			continue;
		}
		row->stack_start = stack.start;
		row->stack_end = stack.end;
		row->for_signals = stack.for_signals;
		row->used_bytes = stack.end - ch_max(ch_min(stack.sp, stack.end), stack.start);
	}
}

static struct ch_error *fill_row(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	const struct ch_core *core = ch_session_core(filler->session);
	const struct ch_process *process = ch_core_process(core);
	struct ch_error *err;
	struct ch_map *map;
	size_t count;

	row->thread = &ch_core_threads(core, &count)[index];
	if (row->thread->tid == process->pid && process->comm[0])
		row->name = process->comm;
	row->crashed = process->signal && row->thread->tid == process->crash_tid;
	err = ch_session_map(filler->session, &map);
	if (!err)
		err = describe(filler, index, row);
	if (err)
		return err;
	take_stacks(filler, map, index, row);
	return unwind(filler, index, row);
}

/* Threads from first on. */
static struct ch_error *fill_rows(struct filler *filler, size_t first, struct ch_thread_row *rows,
				  size_t count)
{
	struct ch_context *ctx = ch_session_context(filler->session);
	struct ch_error *err;
	size_t i;

	err = ch_session_heaps(filler->session, &filler->heaps);
	if (!err)
		err = ch_session_sym(filler->session, &filler->sym);
	filler->scratch = calloc(filler->frames_max, sizeof(*filler->scratch));
	if (!err && !filler->scratch)
		err = &ch_enomem;

	for (i = 0; !err && i < count; i++) {
		chp_context_progress(ctx, "unwinding threads", i, count);
		err = chp_context_check(ctx);
		if (!err)
			err = fill_row(filler, first + i, &rows[i]);
	}
	free(filler->scratch);
	return err;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_thread_row *rows = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (rows[x].fingerprint != rows[y].fingerprint)
		return rows[x].fingerprint < rows[y].fingerprint ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int compare_groups(const void *a, const void *b)
{
	const struct ch_thread_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* groups holds room for rows_count. */
static struct ch_error *make_groups(struct ch_threads *threads, struct ch_thread_group *groups)
{
	size_t i, order_at = 0, *order = calloc(threads->rows_count + 1, sizeof(*order));
	struct ch_error *err = NULL;
	struct ch_thread_row *rows = (struct ch_thread_row *)(uintptr_t)threads->rows;
	struct ch_thread_group *group = NULL;

	if (!order)
		return &ch_enomem;
	for (i = 0; i < threads->rows_count; i++)
		order[i] = i;
	qsort_r(order, threads->rows_count, sizeof(*order), compare_rows, rows);
	for (i = 0; i < threads->rows_count; i++) {
		const struct ch_thread_row *row = &rows[order[i]];

		if (!group || group->fingerprint != row->fingerprint) {
			group = &groups[threads->groups_count++];
			*group = (struct ch_thread_group){ .fingerprint = row->fingerprint,
							   .first = order[i] };
		}
		group->count++;
		group->stack_bytes += row->stack_end - row->stack_start;
		group->used_bytes += row->used_bytes;
	}
	for (i = 0; !err && i < threads->groups_count; i++, order_at += groups[i - 1].count)
		err = chp_thread_names_make(rows, order + order_at, &groups[i]);
	qsort(groups, threads->groups_count, sizeof(*groups), compare_groups);
	threads->groups = groups;
	free(order);
	return err;
}

static struct ch_error *make(struct ch_session *session, size_t first, size_t count, bool alone,
			     size_t frames_max, struct ch_thread_rows *ret)
{
	struct filler filler = { .session = session,
				 .frames_max = frames_max,
				 .with_inlined = alone };
	struct ch_threads *threads = &ret->threads;
	struct ch_error *err;

	threads->rows_count = count;
	threads->arch = ch_core_arch(ch_session_core(session));
	ret->rows = calloc(threads->rows_count + 1, sizeof(*ret->rows));
	ret->groups = calloc(threads->rows_count + 1, sizeof(*ret->groups));
	threads->rows = ret->rows;
	err = ret->rows && ret->groups ? fill_rows(&filler, first, ret->rows, count) : &ch_enomem;
	ret->texts = filler.texts;
	tdestroy(filler.places, free);
	return err ? err : make_groups(threads, ret->groups);
}

static size_t count_stacks(const struct ch_threads *threads)
{
	size_t i, count = 0;

	for (i = 0; i < threads->rows_count; i++)
		count += 1 + threads->rows[i].interrupted_count;
	return count;
}

/* Totals over all stacks, each byte once. */
static struct ch_error *sum_stacks(const struct ch_core *core, struct ch_threads *threads)
{
	_cleanup_free_ struct ch_stack_use *stacks =
		calloc(count_stacks(threads) + 1, sizeof(*stacks));
	const struct ch_thread_row *row;
	struct ch_stack_sums sums;
	size_t i, k, kept = 0;

	if (!stacks)
		return &ch_enomem;
	for (i = 0; i < threads->rows_count; i++) {
		row = &threads->rows[i];
		if (row->stack_end)
			stacks[kept++] = (struct ch_stack_use){ row->stack_start, row->stack_end,
								row->thread->sp };
		for (k = 0; k < row->interrupted_count; k++)
			if (row->interrupted[k].end)
				stacks[kept++] = (struct ch_stack_use){ row->interrupted[k].start,
									row->interrupted[k].end,
									row->interrupted[k].sp };
	}
	sums = chp_stack_sum_up(core, stacks, kept);
	threads->stack_bytes = sums.bytes;
	threads->used_bytes = sums.used_bytes;
	return NULL;
}

struct ch_error *chp_thread_rows_make(struct ch_session *session, size_t frames_max,
				      struct ch_thread_rows *ret)
{
	const struct ch_core *core = ch_session_core(session);
	struct ch_error *err;
	size_t count;

	ch_core_threads(core, &count);
	err = make(session, 0, count, false, frames_max, ret);
	return err ? err : sum_stacks(core, &ret->threads);
}

struct ch_error *chp_thread_rows_of(struct ch_session *session, uint32_t tid, size_t frames_max,
				    struct ch_thread_rows *ret)
{
	const struct ch_thread *threads;
	size_t count, i = 0;

	threads = ch_core_threads(ch_session_core(session), &count);
	while (i < count && threads[i].tid != tid)
		i++;
	return make(session, i, i < count, true, frames_max, ret);
}

bool chp_thread_row_method(const struct ch_frame *frame)
{
	return frame->code && strcmp(frame->code, "stub") != 0 &&
	       strcmp(frame->code, "interpreter") != 0;
}

bool chp_thread_row_has_methods(const struct ch_thread_row *row)
{
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		if (chp_thread_row_method(&row->frames[i]))
			return true;
	return false;
}

bool chp_thread_row_runtime(const struct ch_frame *frame)
{
	const struct ch_module *module = frame->symbol.module;
	size_t i;

	if (chp_thread_row_method(frame))
		return false;
	/* "call stub", "interpreter" */
	if (frame->code)
		return true;
	for (i = 0; module && i < CH_COUNT_OF(runtimes); i++)
		if (strcmp(module->name, runtimes[i]) == 0)
			return true;
	return false;
}

size_t chp_thread_row_first(const struct ch_thread_row *row)
{
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		if (chp_thread_row_method(&row->frames[i]))
			return i;
	return 0;
}

void chp_thread_rows_deinit(struct ch_thread_rows *rows)
{
	size_t i;

	for (i = 0; rows->rows && i < rows->threads.rows_count; i++) {
		free(rows->rows[i].frames);
		free(rows->rows[i].end);
		free(rows->rows[i].info);
	}
	for (i = 0; rows->groups && i < rows->threads.groups_count; i++)
		chp_thread_names_free(&rows->groups[i]);
	free(rows->rows);
	free(rows->groups);
	tdestroy(rows->texts, free);
}
