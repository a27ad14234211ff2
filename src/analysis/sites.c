/*
 * Sites of allocations, those with one stack in one row. An allocation of n bytes is noted with a
 * probability of 1 - exp(-n / rate), so each noted one stands for as many as its inverse:
 * src/runtime/pprof/protomem.go, scaleHeapSample(), Go 1.19 and 1.27.
 */
#include "analysis/sites.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/frame_names.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/table.h"

/* As many as the runtime keeps of a stack. */
#define FRAMES_MAX 1100

struct maker {
	struct ch_sites *sites;
	struct ch_frame_names names;
	/* By hash of a stack, and of what is shown of it: index of its row. */
	struct ch_table rows, shown;
	/* of struct ch_frame: of the row under way */
	struct ch_vec frames;
};

/* exp(-x) for x >= 0, exact to the last bit or nearly so: halves of x until the series is short. */
static double decay(double x)
{
	long double sum = 1, term = 1, y = x;
	uint32_t halves = 0, i;

	if (x > 750)
		return 0;
	for (; y > 0.03125L; y /= 2)
		halves++;
	for (i = 1; i < 16; i++) {
		term *= -y / i;
		sum += term;
	}
	for (; halves; halves--)
		sum *= sum;
	return (double)sum;
}

void chp_sites_estimate(uint64_t count, uint64_t size_bytes, uint64_t rate_bytes,
			uint64_t *count_ret, uint64_t *bytes_ret)
{
	const double bytes = (double)count * (double)size_bytes;
	double scale;

	*count_ret = *bytes_ret = 0;
	if (!count || !size_bytes || bytes > (double)INT64_MAX)
		return;
	*count_ret = count;
	*bytes_ret = count * size_bytes;
	if (rate_bytes <= 1)
		return;
	scale = 1 / (1 - decay((double)size_bytes / (double)rate_bytes));
	if (!(bytes * scale < (double)INT64_MAX) || !((double)count * scale < (double)INT64_MAX))
		return;
	*count_ret = (uint64_t)((double)count * scale);
	*bytes_ret = (uint64_t)(bytes * scale);
}

uint64_t chp_sites_hash(const struct ch_frame *frames, size_t count)
{
	uint64_t hash = CH_HASH_START;
	size_t i;

	for (i = 0; i < count; i++) {
		hash = ch_hash_number(hash, frames[i].pc);
		hash = ch_hash_number(hash, (uint64_t)(uintptr_t)frames[i].symbol.name);
	}
	return hash | 1;
}

void chp_site_values_add(struct ch_site_values *to, const struct ch_site_values *of)
{
	to->allocs_count += of->allocs_count;
	to->allocs_bytes += of->allocs_bytes;
	to->used_count += of->used_count;
	to->used_bytes += of->used_bytes;
}

/* ---- Stacks ------------------------------------------------------------------------------ */

/* Whether what follows a call is a function of the runtime: runtime/pprof asks for the address
 * behind the call, which may lie in another function that was put into the same one. */
static bool is_runtimes(const struct maker *maker, const struct ch_frame *frame)
{
	struct ch_code code;

	return ch_heaps_frame_code(maker->names.heaps, frame, true, 0, &code) &&
	       (strncmp(code.name, "runtime.", 8) == 0 ||
		strncmp(code.name, "internal/runtime/", 17) == 0);
}

/* The functions of a return address from depth 0 on: the first, or all of them. */
static struct ch_error *add_frames(struct maker *maker, uint64_t pc, bool all)
{
	struct ch_frame frame = { .pc = pc, .basis = CH_FRAME_RUNTIME }, *slot;
	struct ch_code code;
	uint32_t depth;

	for (depth = 0; (!depth || all) && maker->frames.count < FRAMES_MAX; depth++) {
		if (!ch_heaps_frame_code(maker->names.heaps, &frame, false, depth, &code) ||
		    !code.name[0])
			break;
		slot = ch_vec_push(&maker->frames);
		if (!slot)
			return &ch_enomem;
		*slot = frame;
		slot->code = code.kind;
		slot->line = code.line;
		/* what was put into another function has no start of its own */
		slot->basis = code.start ? CH_FRAME_RUNTIME : CH_FRAME_INLINED;
		slot->symbol.addr = code.start;
		slot->symbol.offset = code.offset;
		slot->symbol.module = ch_sym_module_at(maker->names.sym, pc);
		slot->symbol.name = chp_frame_names_keep(&maker->names, code.name);
		slot->source =
			code.source[0] ? chp_frame_names_keep(&maker->names, code.source) : NULL;
		if (!slot->symbol.name || (code.source[0] && !slot->source))
			return &ch_enomem;
	}
	return NULL;
}

/* Which frame comes first: not the runtime's own, unless all are. */
static size_t first_shown(const struct maker *maker)
{
	size_t i;

	for (i = 0; i < maker->frames.count; i++)
		if (!is_runtimes(maker, CH_VEC_AT(&maker->frames, struct ch_frame, i)))
			return i;
	return 0;
}

static bool is_end(const struct ch_frame *frame)
{
	return strcmp(frame->symbol.name, "runtime.goexit") == 0;
}

/* A row of its own for what is shown of a stack. */
static struct ch_error *add_row(struct maker *maker, const struct ch_frame *frames, size_t count)
{
	struct ch_sites_row *row = ch_vec_push(&maker->sites->rows);

	if (!row)
		return &ch_enomem;
	row->frames_count = count;
	row->frames = calloc(count + 1, sizeof(*row->frames));
	if (!row->frames)
		return &ch_enomem;
	if (count)
		memcpy(row->frames, frames, count * sizeof(*frames));
	row->fingerprint = chp_frames_fingerprint(maker->names.sym, frames, count);
	return NULL;
}

/* The row of a stack that was not seen before. */
static struct ch_error *name_stack(struct maker *maker, const struct ch_site *site, uint32_t *ret)
{
	struct ch_vec *frames = &maker->frames;
	const struct ch_frame *shown;
	struct ch_error *err = NULL;
	size_t i, count;
	uint64_t hash;

	frames->count = 0;
	/* a stack that was cut may end within functions that were put into another */
	for (i = 0; !err && i < site->pcs_count; i++)
		err = add_frames(maker, site->pcs[i], i + 1 == site->pcs_count);
	if (err)
		return err;
	if (frames->count && is_end(CH_VEC_AT(frames, struct ch_frame, frames->count - 1)))
		frames->count--;
	i = first_shown(maker);
	count = frames->count - i;
	shown = count ? CH_VEC_AT(frames, struct ch_frame, i) : NULL;
	hash = chp_sites_hash(shown, count);
	*ret = ch_table_find(&maker->shown, hash);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	*ret = (uint32_t)maker->sites->rows.count;
	if (!ch_table_put(&maker->shown, hash, *ret))
		return &ch_enomem;
	return add_row(maker, shown, count);
}

static struct ch_error *add_site(void *arg, const struct ch_site *site)
{
	struct maker *maker = arg;
	struct ch_sites *sites = maker->sites;
	const uint64_t rate = sites->sampling.rate_bytes;
	const uint64_t hash =
		ch_hash_bytes(CH_HASH_START, (const char *)site->pcs, 8 * site->pcs_count) | 1;
	const uint64_t used = site->allocs_count - site->frees_count;
	struct ch_sites_sample *sample;
	struct ch_sites_row *row;
	struct ch_error *err = NULL;
	uint32_t index = ch_table_find(&maker->rows, hash);

	if (index == CH_TABLE_NONE) {
		err = name_stack(maker, site, &index);
		if (!err && !ch_table_put(&maker->rows, hash, index))
			err = &ch_enomem;
	}
	sample = err ? NULL : ch_vec_push(&sites->samples);
	if (!sample)
		return err ? err : &ch_enomem;
	*sample = (struct ch_sites_sample){ .row = index, .size_bytes = site->size_bytes };
	chp_sites_estimate(site->allocs_count, site->size_bytes, rate, &sample->values.allocs_count,
			   &sample->values.allocs_bytes);
	chp_sites_estimate(used, site->size_bytes, rate, &sample->values.used_count,
			   &sample->values.used_bytes);
	row = CH_VEC_AT(&sites->rows, struct ch_sites_row, index);
	row->noted_allocs_count += site->allocs_count;
	row->noted_used_count += used;
	chp_site_values_add(&row->all, &sample->values);
	chp_site_values_add(&sites->all, &sample->values);
	return NULL;
}

/* ---- Order ------------------------------------------------------------------------------- */

struct place {
	const struct ch_sites_row *row;
	size_t index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	const struct ch_site_values *p = &x->row->all, *q = &y->row->all;

	if (p->used_bytes != q->used_bytes)
		return p->used_bytes < q->used_bytes ? 1 : -1;
	if (p->allocs_bytes != q->allocs_bytes)
		return p->allocs_bytes < q->allocs_bytes ? 1 : -1;
	if (x->row->fingerprint != y->row->fingerprint)
		return x->row->fingerprint < y->row->fingerprint ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Most bytes in use first; samples keep leading to their rows. */
static struct ch_error *sort(struct ch_sites *sites)
{
	const size_t count = sites->rows.count;
	_cleanup_free_ struct place *places = calloc(count + 1, sizeof(*places));
	_cleanup_free_ size_t *now = calloc(count + 1, sizeof(*now));
	struct ch_vec sorted = CH_VEC(struct ch_sites_row);
	struct ch_sites_sample *sample;
	size_t i;

	if (!places || !now || !ch_vec_reserve(&sorted, count))
		return &ch_enomem;
	for (i = 0; i < count; i++)
		places[i] = (struct place){ CH_VEC_AT(&sites->rows, struct ch_sites_row, i), i };
	qsort(places, count, sizeof(*places), compare_places);
	for (i = 0; i < count; i++) {
		now[places[i].index] = i;
		*(struct ch_sites_row *)ch_vec_push(&sorted) = *places[i].row;
	}
	for (i = 0; i < sites->samples.count; i++) {
		sample = CH_VEC_AT(&sites->samples, struct ch_sites_sample, i);
		sample->row = now[sample->row];
	}
	ch_vec_deinit(&sites->rows);
	sites->rows = sorted;
	return NULL;
}

struct ch_error *chp_sites_make(struct ch_session *session, struct ch_sites *ret)
{
	struct maker maker = { .sites = ret, .frames = CH_VEC(struct ch_frame) };
	struct ch_error *err;

	*ret = (struct ch_sites){ .rows = CH_VEC(struct ch_sites_row),
				  .samples = CH_VEC(struct ch_sites_sample) };
	err = ch_session_heaps(session, &maker.names.heaps);
	if (!err)
		err = ch_session_sym(session, &maker.names.sym);
	if (err)
		return err;
	ret->modules = ch_sym_modules(maker.names.sym, &ret->modules_count);
	err = chp_heaps_sites(maker.names.heaps, &ret->sampling, add_site, &maker, &ret->known);
	ret->texts = maker.names.texts;
	chp_frame_names_deinit(&maker.names);
	ch_table_deinit(&maker.rows);
	ch_table_deinit(&maker.shown);
	ch_vec_deinit(&maker.frames);
	return err ? err : sort(ret);
}

void chp_sites_deinit(struct ch_sites *sites)
{
	size_t i;

	for (i = 0; i < sites->rows.count; i++)
		free(CH_VEC_AT(&sites->rows, struct ch_sites_row, i)->frames);
	ch_vec_deinit(&sites->rows);
	ch_vec_deinit(&sites->samples);
	tdestroy(sites->texts, free);
	sites->texts = NULL;
}
