/*
 * Blocks of native programs by the debug information: the declared types of variables lead to
 * blocks, and the types of these lead on.
 *
 * The queue is the pass's: a block that got a name, this provider's or another's, is followed
 * once for each name. What is no block of its own (variables, elements of containers) is a job,
 * done before the pass goes on. Neither recurses, so that a list of a million nodes is a million
 * entries of a queue.
 */
#include <stdlib.h>

#include "heap/session.h"
#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/hash.h"

/* Arrays of structures in elements of arrays of structures ... */
#define DEPTH_MAX 16
/* Leads for each byte of a job, the members of unions with them, and for the smallest one. */
#define BUDGET_SHARE 64
#define BUDGET_LEAST 65536
/* Of all blocks, those whose pointers may wait, with 24 bytes each: 8 bytes a block at most; and so
 * many in a small heap. */
#define WAITING_SHARE 3
#define WAITING_LEAST 65536

/* ---- Following the leads of memory ---------------------------------------------------- */

/* Elements under way. */
struct frame {
	struct leads leads;
	/* The next lead; the element, how many are left, and how far apart they are. */
	uint32_t next, type;
	uint64_t addr, left, stride;
};

struct walk {
	struct dwarf *dwarf;
	const struct job *job;
	/* of DEPTH_MAX: those below depth are filled in */
	struct frame *frames;
	size_t depth;
	/* Leads that may still be followed: types that hold themselves, as only damaged debug
	 * information has them, would have no end. */
	uint64_t budget;
	struct window window;
};

/* How many of count elements from addr on hold no address: a variable may be declared larger than
 * all memory there is, and what was never touched need not be read. Asked at the first element of
 * each page; what is smaller than a page is read as fast. */
static uint64_t empty_elements(const struct walk *walk, uint64_t addr, uint64_t count,
			       uint64_t stride)
{
	uint64_t bytes, at = addr, end = UINT64_MAX;
	size_t len;

	if (count < CH_PAGE_BYTES / stride ||
	    (addr % CH_PAGE_BYTES >= stride && addr != walk->job->addr))
		return 0;
	if (!ch_mul(count, stride, &bytes) || !ch_add(addr, bytes, &end))
		end = UINT64_MAX;
	if (!ch_core_next_data(walk->dwarf->core, &at, end, &len))
		return count;
	return ch_min(count, (at - addr) / stride);
}

static struct ch_error *enter(struct walk *walk, uint32_t type, uint64_t addr, uint64_t count)
{
	struct frame *frame = &walk->frames[walk->depth];
	struct ch_error *err;

	if (walk->depth == DEPTH_MAX || !count)
		return NULL;
	*frame = (struct frame){ .type = type,
				 .addr = addr,
				 .left = count,
				 .stride = chp_ctype(walk->dwarf->ctypes, type)->size_bytes };
	err = chp_dwarf_leads(walk->dwarf, type, &frame->leads);
	walk->depth += !err && frame->leads.count && frame->stride;
	return err;
}

/* Of the members of a union that lead somewhere, the only one that can be meant; a text is what no
 * other is by chance. */
static struct ch_error *choose(struct walk *walk, const struct frame *frame,
			       const struct lead *lead, uint64_t value, bool *ret)
{
	struct ch_named_block block;
	struct ch_error *err = NULL;
	struct fit fit, own;
	struct lead other;
	uint32_t i;

	*ret = false;
	walk->budget -= ch_min(walk->budget, frame->leads.count);
	if (!chp_naming_block(walk->dwarf->naming, value, &block) || block.addr != value)
		return NULL;
	err = chp_dwarf_fit(walk->dwarf, lead->type, &block, &own);
	if (err || own.form < FORM_TEXT)
		return err;
	for (i = 0; !err && i < frame->leads.count; i++) {
		other = *CH_VEC_AT(&walk->dwarf->leads, struct lead, frame->leads.first + i);
		if (!other.weak || other.kind != LEAD_POINTER || other.offset != lead->offset ||
		    other.type == lead->type)
			continue;
		err = chp_dwarf_fit(walk->dwarf, other.type, &block, &fit);
		if (!err && fit.form >= FORM_TEXT && own.form != FORM_TEXT)
			return NULL;
	}
	*ret = !err;
	return err;
}

static struct ch_error *follow_pointers(struct walk *walk, const struct frame *frame,
					const struct lead *lead, uint64_t count)
{
	struct pointer pointer = { .type = lead->type, .source = frame->type, .weak = lead->weak };
	uint64_t addr = frame->addr + lead->offset, i;
	struct ch_error *err = NULL;
	uint64_t empty;
	bool meant = true;

	for (i = 0; !err && i < count && walk->budget; i++, addr += lead->stride) {
		walk->budget--;
		empty = count > 1 ? empty_elements(walk, addr, count - i, lead->stride) : 0;
		i += empty;
		addr += empty * lead->stride;
		if (i == count)
			break;
		if (!chp_dwarf_word(walk->dwarf, &walk->window, addr, &pointer.value) ||
		    !pointer.value)
			continue;
		if (lead->weak)
			err = choose(walk, frame, lead, pointer.value, &meant);
		if (err || !meant)
			continue;
		err = walk->job->container
			      ? chp_dwarf_claim_node(walk->dwarf, walk->job->container - 1,
						     pointer.value)
			      : chp_dwarf_claim(walk->dwarf, &pointer);
	}
	return err;
}

static struct ch_error *follow_lead(struct walk *walk, const struct frame *frame,
				    const struct lead *lead)
{
	const uint64_t addr = frame->addr + lead->offset;
	uint64_t count = lead->count;

	if (count == LEAD_REST)
		count = walk->job->end > addr && lead->stride
				? (walk->job->end - addr) / lead->stride
				: 0;
	switch ((enum lead_kind)lead->kind) {
	case LEAD_POINTER:
		return follow_pointers(walk, frame, lead, count);
	case LEAD_GROUP:
		return enter(walk, lead->type, addr, count);
	case LEAD_CONTAINER:
		/* which member of a union is in use is not known, and a container is not checked */
		return lead->weak ? NULL : chp_dwarf_contain(walk->dwarf, lead->type, addr);
	case LEAD_BOOL:
		break;
	}
	return NULL;
}

/* One structure that has nothing but pointers, at addr. */
static struct ch_error *follow_plain(struct dwarf *dwarf, struct window *window, uint64_t addr,
				     uint32_t type, const struct leads *leads)
{
	struct pointer pointer = { .source = type };
	struct ch_error *err = NULL;
	const struct lead *lead;
	uint32_t i;

	for (i = 0; !err && i < leads->count; i++) {
		/* the list may move when a type is met for the first time */
		lead = CH_VEC_AT(&dwarf->leads, struct lead, leads->first + i);
		if (lead->kind != LEAD_POINTER ||
		    !chp_dwarf_word(dwarf, window, addr + lead->offset, &pointer.value) ||
		    !pointer.value)
			continue;
		pointer.type = lead->type;
		err = chp_dwarf_claim(dwarf, &pointer);
	}
	return err;
}

static struct ch_error *follow_structures(struct dwarf *dwarf, const struct job *job)
{
	struct frame frames[DEPTH_MAX], *frame;
	struct walk walk = { .dwarf = dwarf, .job = job, .frames = frames };
	struct lead lead;
	struct ch_error *err;
	uint64_t empty;

	if (!ch_mul(job->count, chp_ctype(dwarf->ctypes, job->type)->size_bytes, &walk.budget) ||
	    !ch_mul(walk.budget, BUDGET_SHARE, &walk.budget) ||
	    !ch_add(walk.budget, BUDGET_LEAST, &walk.budget))
		return NULL;
	err = enter(&walk, job->type, job->addr, job->count);
	while (!err && walk.depth && walk.budget) {
		walk.budget--;
		frame = &walk.frames[walk.depth - 1];
		if (frame->next == frame->leads.count) {
			frame->next = 0;
			frame->addr += frame->stride;
			frame->left--;
		}
		empty = frame->next
				? 0
				: empty_elements(&walk, frame->addr, frame->left, frame->stride);
		frame->addr += empty * frame->stride;
		frame->left -= empty;
		if (!frame->left) {
			walk.depth--;
			continue;
		}
		/* the list may move when a type is met for the first time */
		lead = *CH_VEC_AT(&dwarf->leads, struct lead, frame->leads.first + frame->next++);
		err = follow_lead(&walk, frame, &lead);
	}
	return err;
}

/* Nearly all structures have nothing but pointers, and less than a page of them. */
static struct ch_error *follow_job(struct dwarf *dwarf, const struct job *job)
{
	const uint64_t size = chp_ctype(dwarf->ctypes, job->type)->size_bytes;
	struct window window = { .bytes = NULL };
	struct ch_error *err;
	struct leads leads;
	uint64_t i;

	if (!size || !job->count)
		return NULL;
	err = chp_dwarf_leads(dwarf, job->type, &leads);
	if (err || !leads.count)
		return err;
	if (!leads.plain || job->container || job->count > CH_PAGE_BYTES / size)
		return follow_structures(dwarf, job);
	for (i = 0; !err && i < job->count; i++)
		err = follow_plain(dwarf, &window, job->addr + i * size, job->type, &leads);
	return err;
}

/* Do a job and those that come of it. */
static struct ch_error *work(struct dwarf *dwarf, struct job job)
{
	struct ch_error *err = follow_job(dwarf, &job);

	while (!err && dwarf->jobs.count) {
		job = *CH_VEC_AT(&dwarf->jobs, struct job, --dwarf->jobs.count);
		err = follow_job(dwarf, &job);
	}
	dwarf->jobs.count = 0;
	return err;
}

/* ---- What the pass asks ----------------------------------------------------------------- */

static struct ch_error *follow_variable(void *arg, const struct ch_variable *variable)
{
	struct dwarf *dwarf = arg;
	const uint64_t size = chp_ctype(dwarf->ctypes, variable->type)->size_bytes;
	struct job job = { .addr = variable->addr, .count = 1, .type = variable->type };

	if (!ch_add(variable->addr, size, &job.end))
		return NULL;
	return work(dwarf, job);
}

static struct ch_error *seeds(void *state, struct ch_naming *naming)
{
	struct dwarf *dwarf = state;

	dwarf->naming = naming;
	dwarf->waiting_max = dwarf->env->index->objects_count / WAITING_SHARE + WAITING_LEAST;
	return chp_ctypes_variables(dwarf->ctypes, follow_variable, dwarf);
}

/* What is in a block that has one of our names. */
static struct ch_error *follow_shape(struct dwarf *dwarf, const struct ch_named_block *block)
{
	const struct shape shape = *chp_dwarf_shape_of(dwarf, block->key);
	struct job job = { .addr = block->addr,
			   .count = 1,
			   .end = block->addr + block->size_bytes,
			   .type = shape.type };
	const struct container *container;
	struct ch_error *err;
	uint64_t size;

	if (shape.form < FORM_NODE) {
		size = chp_ctype(dwarf->ctypes, shape.type)->size_bytes;
		if (shape.form == FORM_ARRAY || shape.form == FORM_SCALARS)
			job.count = size ? block->size_bytes / size : 0;
		return work(dwarf, job);
	}
	if (shape.form != FORM_NODE)
		return NULL;
	container = CH_VEC_AT(&dwarf->containers, struct container, shape.type);
	job.addr += container->rule->value_at;
	job.type = container->value;
	err = work(dwarf, job);
	if (err)
		return err;
	container = CH_VEC_AT(&dwarf->containers, struct container, shape.type);
	job.addr = block->addr;
	job.type = container->targets[0];
	job.container = shape.type + 1;
	return work(dwarf, job);
}

/* A block that another provider named. What it says of one name is asked once. */
static struct ch_error *follow_other(struct dwarf *dwarf, const struct ch_named_block *block)
{
	const uint64_t key = ch_hash_number((uintptr_t)block->provider, block->key) | 1;
	struct job job = { .addr = block->addr,
			   .count = 1,
			   .end = block->addr + block->size_bytes,
			   .type = ch_table_find(&dwarf->others_at, key) };
	struct ch_made_of made_of = { 0 };
	uint64_t size;

	if (job.type == CH_TABLE_NONE) {
		chp_naming_made_of(dwarf->naming, block, dwarf->ctypes, &made_of);
		job.type = made_of.type << 1 | made_of.many;
		if (!ch_table_put(&dwarf->others_at, key, job.type))
			return &ch_enomem;
	}
	made_of.many = job.type & 1;
	job.type >>= 1;
	size = chp_ctype(dwarf->ctypes, job.type)->size_bytes;
	if (!size || size > block->size_bytes)
		return NULL;
	if (made_of.many)
		job.count = block->size_bytes / size;
	return work(dwarf, job);
}

static struct ch_error *follow(void *state, struct ch_naming *naming,
			       const struct ch_named_block *block)
{
	struct dwarf *dwarf = state;

	dwarf->naming = naming;
	return block->provider == dwarf->self ? follow_shape(dwarf, block)
					      : follow_other(dwarf, block);
}

static struct ch_error *rest(void *state, struct ch_naming *naming)
{
	struct dwarf *dwarf = state;
	struct ch_error *err = NULL;
	struct pointer pointer;
	size_t i;

	if (dwarf->dropped_count)
		chp_context_finding(dwarf->env->ctx, CH_SEVERITY_NOTE, "declared-limit",
				    "%llu pointers that alone do not say what a block is were not "
				    "followed: as many waited as there is room for",
				    (unsigned long long)dwarf->dropped_count);
	dwarf->naming = naming;
	dwarf->late = true;
	for (i = 0; !err && i < dwarf->waiting.count; i++) {
		pointer = *CH_VEC_AT(&dwarf->waiting, struct pointer, i);
		err = chp_dwarf_claim(dwarf, &pointer);
	}
	ch_vec_deinit(&dwarf->waiting);
	return err;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct dwarf *dwarf = state;
	struct shape *shape = chp_dwarf_shape_of(dwarf, key);
	const struct ch_ctype *ctype;
	uint32_t number = shape->type;

	if (shape->form >= FORM_NODE)
		number = CH_VEC_AT(&dwarf->containers, struct container, number)->owner;
	ctype = chp_ctype(dwarf->ctypes, number);
	ret->name = chp_dwarf_shape_name(dwarf, shape);
	ret->module = ctype->module ? ctype->module->name : NULL;
	return ret->name ? NULL : &ch_enomem;
}

static bool made_of(void *state, struct ch_ctypes *ctypes, uint64_t key, struct ch_made_of *ret)
{
	const struct dwarf *dwarf = state;
	const struct shape *shape = chp_dwarf_shape_of(dwarf, key);
	const struct container *container;

	(void)ctypes;
	*ret = (struct ch_made_of){ .type = shape->type,
				    .many = shape->form != FORM_ONE && shape->form != FORM_PREFIX };
	if (shape->form < FORM_NODE)
		return true;
	container = CH_VEC_AT(&dwarf->containers, struct container, shape->type);
	if (shape->form == FORM_BODY || shape->form == FORM_STRING)
		ret->type = container->targets[0];
	else if (shape->form == FORM_BLOCK)
		ret->type = container->value;
	else
		return false;
	return ret->type && container->rule->kind != CONTAINER_COUNTED_STRING;
}

/* ---- Its life --------------------------------------------------------------------------- */

static void close_dwarf(void *state)
{
	struct dwarf *dwarf = state;
	size_t i;

	for (i = 0; i < dwarf->shapes.count; i++)
		free(CH_VEC_AT(&dwarf->shapes, struct shape, i)->name);
	ch_vec_deinit(&dwarf->shapes);
	ch_table_deinit(&dwarf->shapes_at);
	ch_vec_deinit(&dwarf->leads);
	ch_vec_deinit(&dwarf->of_types);
	ch_table_deinit(&dwarf->types_at);
	ch_vec_deinit(&dwarf->containers);
	ch_table_deinit(&dwarf->containers_at);
	ch_vec_deinit(&dwarf->wholes);
	ch_vec_deinit(&dwarf->fitting);
	ch_table_deinit(&dwarf->wholes_at);
	ch_table_deinit(&dwarf->fitting_at);
	ch_table_deinit(&dwarf->others_at);
	ch_vec_deinit(&dwarf->jobs);
	ch_vec_deinit(&dwarf->waiting);
	free(dwarf);
}

static struct ch_error *open_dwarf(const struct ch_provider_env *env, void **state_ret)
{
	struct ch_ctypes *ctypes;
	struct dwarf *dwarf;
	struct ch_error *err;

	err = chp_session_ctypes(env->session, &ctypes);
	if (err || !chp_ctypes_any(ctypes))
		return err;
	dwarf = calloc(1, sizeof(*dwarf));
	if (!dwarf)
		return &ch_enomem;
	dwarf->ctypes = ctypes;
	dwarf->core = env->core;
	dwarf->env = env;
	dwarf->self = &ch_provider_dwarf;
	dwarf->leads = CH_VEC(struct lead);
	dwarf->of_types = CH_VEC(struct leads);
	dwarf->containers = CH_VEC(struct container);
	dwarf->shapes = CH_VEC(struct shape);
	dwarf->wholes = CH_VEC(struct whole);
	dwarf->fitting = CH_VEC(struct whole);
	dwarf->jobs = CH_VEC(struct job);
	dwarf->waiting = CH_VEC(struct pointer);
	*state_ret = dwarf;
	return NULL;
}

const struct ch_provider ch_provider_dwarf = {
	.name = "dwarf",
	.summary = "types that debug information declares, from variables on",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_DECLARED,
	.open = open_dwarf,
	.close = close_dwarf,
	.seeds = seeds,
	.follow = follow,
	.rest = rest,
	.type = type,
	.made_of = made_of,
};
