#include "cmd/thread_rows.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/hash.h"

/* A code address that a runtime named. */
struct named {
	uint64_t pc, start;
	char name[];
};

/* What all rows are filled with. */
struct filler {
	struct ch_session *session;
	struct ch_heaps *heaps;
	/* tsearch(3) of struct named: methods that runtimes compiled */
	void *names;
	size_t frames_max;
	struct ch_frame *scratch;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* What pc lies in; its name is empty when no runtime knows it. NULL: out of memory. */
static const struct named *name_code(struct filler *filler, uint64_t pc)
{
	const struct named key = { .pc = pc };
	struct named *named, **slot;
	struct ch_code code = { .start = 0 };

	slot = tfind(&key, &filler->names, compare_named);
	if (slot)
		return *slot;
	if (!ch_heaps_code_at(filler->heaps, pc, &code))
		code.name[0] = '\0';
	named = malloc(sizeof(*named) + strlen(code.name) + 1);
	if (!named)
		return NULL;
	named->pc = pc;
	named->start = code.start;
	memcpy(named->name, code.name, strlen(code.name) + 1);
	slot = tsearch(named, &filler->names, compare_named);
	if (!slot) {
		free(named);
		return NULL;
	}
	return *slot;
}

/* Frames that no module has a symbol for may be a runtime's. */
static struct ch_error *name_frames(struct filler *filler, struct ch_thread_row *row)
{
	const struct named *named;
	struct ch_frame *frame;
	size_t i;

	for (i = 0; i < row->frames_count; i++) {
		frame = &row->frames[i];
		if (frame->symbol.name || !frame->pc)
			continue;
		/* A return address may be the first byte of what comes behind. */
		named = name_code(filler, frame->pc - (i > 0));
		if (!named)
			return &ch_enomem;
		if (!named->name[0])
			continue;
		frame->symbol.name = named->name;
		frame->symbol.addr = named->start;
		frame->symbol.offset = frame->pc - named->start;
	}
	return NULL;
}

/* Module by name and place in it; code of a runtime's compiler by method; any other
 * address outside of all is only "outside". */
static uint64_t fingerprint(const struct ch_sym *sym, const struct ch_thread_row *row)
{
	uint64_t hash = CH_HASH_START, place;
	const struct ch_module *module;
	const char *name;
	size_t i;

	for (i = 0; i < row->frames_count; i++) {
		module = ch_sym_module_at(sym, row->frames[i].pc);
		name = module ? module->name : "outside";
		place = module ? row->frames[i].pc - module->start : 0;
		if (!module && row->frames[i].symbol.name) {
			name = row->frames[i].symbol.name;
			place = row->frames[i].symbol.offset;
		}
		hash = ch_hash_bytes(hash, name, strlen(name) + 1);
		hash = ch_hash_number(hash, place);
	}
	return hash;
}

static struct ch_error *unwind(struct filler *filler, struct ch_sym *sym, size_t index,
			       struct ch_thread_row *row)
{
	const char *end = NULL;
	struct ch_error *err;

	err = ch_sym_unwind(sym, index, filler->scratch, filler->frames_max, &row->frames_count,
			    &end);
	if (err)
		return err;
	row->frames = calloc(row->frames_count + 1, sizeof(*row->frames));
	row->end = end ? strdup(end) : NULL;
	if (!row->frames || (end && !row->end))
		return &ch_enomem;
	memcpy(row->frames, filler->scratch, row->frames_count * sizeof(*row->frames));
	err = name_frames(filler, row);
	row->fingerprint = fingerprint(sym, row);
	return err;
}

static struct ch_error *fill_row(struct filler *filler, size_t index, struct ch_thread_row *row)
{
	const struct ch_core *core = ch_session_core(filler->session);
	const struct ch_process *process = ch_core_process(core);
	struct ch_error *err;
	struct ch_sym *sym;
	struct ch_map *map;
	size_t count;

	row->thread = &ch_core_threads(core, &count)[index];
	if (row->thread->tid == process->pid && process->comm[0])
		row->name = process->comm;
	row->crashed = process->signal && row->thread->tid == process->crash_tid;
	err = ch_session_map(filler->session, &map);
	if (!err)
		err = ch_session_sym(filler->session, &sym);
	if (err)
		return err;
	if (ch_map_thread_stack(map, index, &row->stack_start, &row->stack_end))
		row->used_bytes = row->stack_end -
				  ch_max(ch_min(row->thread->sp, row->stack_end), row->stack_start);
	return unwind(filler, sym, index, row);
}

static struct ch_error *fill_rows(struct filler *filler, struct ch_thread_row *rows, size_t count)
{
	struct ch_context *ctx = ch_session_context(filler->session);
	struct ch_error *err;
	size_t i;

	err = ch_session_heaps(filler->session, &filler->heaps);
	filler->scratch = calloc(filler->frames_max, sizeof(*filler->scratch));
	if (!err && !filler->scratch)
		err = &ch_enomem;

	for (i = 0; !err && i < count; i++) {
		chp_context_progress(ctx, "unwinding threads", i, count);
		err = chp_context_check(ctx);
		if (!err)
			err = fill_row(filler, i, &rows[i]);
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
	size_t i, *order = calloc(threads->rows_count + 1, sizeof(*order));
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
	qsort(groups, threads->groups_count, sizeof(*groups), compare_groups);
	threads->groups = groups;
	free(order);
	return NULL;
}

struct ch_error *chp_thread_rows_make(struct ch_session *session, size_t frames_max,
				      struct ch_thread_rows *ret)
{
	struct filler filler = { .session = session, .frames_max = frames_max };
	struct ch_threads *threads = &ret->threads;
	struct ch_error *err;

	ch_core_threads(ch_session_core(session), &threads->rows_count);
	threads->arch = ch_core_arch(ch_session_core(session));
	ret->rows = calloc(threads->rows_count + 1, sizeof(*ret->rows));
	ret->groups = calloc(threads->rows_count + 1, sizeof(*ret->groups));
	threads->rows = ret->rows;
	err = ret->rows && ret->groups ? fill_rows(&filler, ret->rows, threads->rows_count)
				       : &ch_enomem;
	ret->names = filler.names;
	return err ? err : make_groups(threads, ret->groups);
}

void chp_thread_rows_deinit(struct ch_thread_rows *rows)
{
	size_t i;

	for (i = 0; rows->rows && i < rows->threads.rows_count; i++) {
		free(rows->rows[i].frames);
		free(rows->rows[i].end);
	}
	free(rows->rows);
	free(rows->groups);
	tdestroy(rows->names, free);
}
