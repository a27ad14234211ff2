/*
 * Goroutines that nothing can wake: they wait for channels that nothing leads to but their own
 * stack, or stacks of others of their kind. What the collector keeps alive is marked as the
 * collector does, but for these stacks; a goroutine one of whose channels is marked may be woken,
 * and then its stack counts, too, and so on until nothing changes.
 *
 * Go 1.19.8, 1.25.12, 1.27.3: src/runtime/runtime2.go (types g, sudog), src/runtime/chan.go.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/rtypes.h"

enum {
	/* Of a sudog: its goroutine, the next one of that, the channel. Since 1.26 pointers that
	 * the collector may be told to ignore have two words, the second of which is never a
	 * pointer to it. */
	SUDOG_G = 0,
	SUDOG_LINK = 64,
	SUDOG_CHANNEL = 80,
	SUDOG_LINK_26 = 72,
	SUDOG_CHANNEL_26 = 96,
	/* Of a g, from where it has the statement that started it: what it waits for. */
	G_WAITING = 32,
	/* g is the only structure of about its size that is looked for. */
	G_BYTES_MIN = 320,
	G_BYTES_MAX = 640,
};

/* Cases of a select: compile-time limit, src/cmd/compile/internal/walk/select.go. */
#define CASES_MAX   65536U
#define CHECK_EVERY 65536U
/* Bytes of a stack that does not end where it should. */
#define STACK_MAX      (8ULL << 20)
#define FRAMES_MAX     64U
#define RED_ZONE_BYTES 128U
/* Times that all goroutines are looked at: a chain of them that wake each other takes as many turns
 * as it has links only if it lies the other way round. */
#define TURNS_MAX 256U

enum fate {
	/* What it waits for comes from elsewhere, or is not known: its stack counts. */
	FATE_OPEN,
	/* It waits for channels that were not reached so far. */
	FATE_STUCK,
};

struct word {
	uint32_t goroutine;
	uint64_t addr;
};

struct marking {
	struct go *go;
	/* One bit for each object. */
	uint64_t *marked;
	/* of uint64_t: marked objects to look into */
	struct ch_vec stack;
	/* of struct word: what stacks of goroutines that wait for channels lead to */
	struct ch_vec words;
	/* By goroutine: enum fate. */
	uint8_t *fates;
	uint64_t steps;
	/* Something that may lead on is not in the core, or there is no memory. */
	bool incomplete, failed;
};

static struct go_goroutine *goroutine_at(const struct go *go, size_t index)
{
	return CH_VEC_AT(&go->code.goroutines, struct go_goroutine, index);
}

/* ---- Marks ------------------------------------------------------------------------------- */

static bool is_marked(const struct marking *marking, const struct go_spot *place)
{
	const uint64_t number = place->span->first + place->index;

	return marking->marked[number / 64] >> number % 64 & 1;
}

static void mark(void *arg, uint64_t addr)
{
	struct marking *marking = arg;
	struct go_spot place;
	uint64_t number, *slot;

	if (!addr || !go_object_at(marking->go, addr, &place) || is_marked(marking, &place))
		return;
	number = place.span->first + place.index;
	marking->marked[number / 64] |= 1ULL << number % 64;
	if (place.span->class & 1)
		return;
	slot = ch_vec_push(&marking->stack);
	if (slot)
		*slot = place.addr;
	else
		marking->failed = true;
}

/* What leads from the structure of one that is stuck leads to its channels again. */
static bool is_stuck_g(const struct marking *marking, const struct go_spot *place)
{
	uint32_t index;

	if (place->span->elem_bytes < G_BYTES_MIN || place->span->elem_bytes > G_BYTES_MAX)
		return false;
	index = ch_table_find(&marking->go->code.g_by_addr, place->addr);
	return index != CH_TABLE_NONE && marking->fates[index] == FATE_STUCK;
}

static void look_into(struct marking *marking, uint64_t addr)
{
	struct ch_ref_query query = { .addr = addr };
	struct go_spot place;
	uint64_t at, word;
	uint32_t i;

	if (!go_object_at(marking->go, addr, &place) || is_stuck_g(marking, &place))
		return;
	query.size_bytes = place.bytes;
	do {
		go_tracer.refs(marking->go, &query);
		for (i = 0; i < query.count; i++)
			for (at = 0; at < query.runs[i].words; at++)
				if (ch_core_read_u64(marking->go->env.core,
						     addr + query.runs[i].offset + 8 * at, &word))
					mark(marking, word);
				else
					marking->incomplete = true;
	} while (query.more && !marking->failed);
}

static struct ch_error *run(struct marking *marking)
{
	struct ch_error *err;

	while (marking->stack.count && !marking->failed) {
		look_into(marking, *CH_VEC_AT(&marking->stack, uint64_t, --marking->stack.count));
		if (marking->steps++ % CHECK_EVERY == 0) {
			err = chp_context_check(marking->go->env.ctx);
			if (err)
				return err;
		}
	}
	return marking->failed ? &ch_enomem : NULL;
}

/* ---- Roots ------------------------------------------------------------------------------- */

static struct ch_error *take_root(void *arg, const struct ch_walker_root *root)
{
	struct marking *marking = arg;
	struct word *slot;
	size_t goroutine;

	if (!go_root_goroutine(root, &goroutine) || marking->fates[goroutine] == FATE_OPEN) {
		mark(marking, root->value);
		return run(marking);
	}
	slot = ch_vec_push(&marking->words);
	if (!slot)
		return &ch_enomem;
	*slot = (struct word){ (uint32_t)goroutine, root->value };
	return NULL;
}

/* Any word of a stack that runs. */
static void mark_range(struct marking *marking, uint64_t start, uint64_t end)
{
	uint64_t at, word;

	end = ch_min(end, start + ch_min(STACK_MAX, UINT64_MAX - start));
	for (at = ch_align_up(start, 8); at + 8 <= end; at += 8)
		if (ch_core_read_u64(marking->go->env.core, at, &word))
			mark(marking, word);
}

static bool holds(const struct go_range *range, uint64_t addr)
{
	return addr >= range->start && addr < range->end;
}

/* The end of the stack that a thread stands on, which goroutines have none of; 0: it is one of
 * theirs, or none. */
static uint64_t stack_end(const struct go *go, size_t thread, uint64_t sp)
{
	const struct ch_region *region = ch_map_region_at(go->env.map, sp);
	const struct go_machine *machine;
	size_t i;

	for (i = 0; i < go->code.machines.count; i++) {
		machine = CH_VEC_AT(&go->code.machines, struct go_machine, i);
		if (machine->thread == thread && holds(&machine->system, sp))
			return machine->system.end;
		if (machine->thread == thread && holds(&machine->signal, sp))
			return machine->signal.end;
	}
	return region && go_page_at(go, sp) == GO_PAGE_UNKNOWN ? region->end : 0;
}

/* Where a goroutine stands that a thread runs, below which lies what calls left that ended; its
 * stack's start where that is not known. */
static uint64_t stands_at(struct go *go, const struct go_goroutine *goroutine)
{
	const struct ch_thread *threads;
	const struct go_machine *machine;
	struct ch_frame_regs frame, next;
	size_t count, i, k;

	threads = ch_core_threads(go->env.core, &count);
	for (i = 0; i < go->code.machines.count; i++) {
		machine = CH_VEC_AT(&go->code.machines, struct go_machine, i);
		if (machine->current >= go->code.goroutines.count ||
		    goroutine_at(go, machine->current) != goroutine || machine->thread >= count)
			continue;
		frame = (struct ch_frame_regs){ .pc = threads[machine->thread].pc,
						.sp = threads[machine->thread].sp,
						.activation = true };
		for (k = 0; k < FRAMES_MAX && !holds(&goroutine->stack, frame.sp); k++) {
			next = (struct ch_frame_regs){ .pc = 0 };
			if (!go_frames_caller(go, &frame, &next) || !next.pc)
				return goroutine->stack.start;
			frame = next;
		}
		if (holds(&goroutine->stack, frame.sp))
			return ch_max(goroutine->stack.start, frame.sp - RED_ZONE_BYTES);
	}
	return goroutine->stack.start;
}

/* Registers, and what threads have on their stacks, of whatever kind these are. */
static struct ch_error *mark_threads(struct marking *marking)
{
	struct go *go = marking->go;
	const struct ch_thread *threads;
	size_t count, i, k;

	threads = ch_core_threads(go->env.core, &count);
	for (i = 0; i < count; i++) {
		for (k = 0; k < threads[i].regs_count; k++)
			mark(marking, threads[i].regs[k]);
		mark_range(marking, threads[i].sp, stack_end(go, i, threads[i].sp));
	}
	for (i = 0; i < go->code.goroutines.count; i++)
		if (goroutine_at(go, i)->state == GO_RUNNING)
			mark_range(marking, stands_at(go, goroutine_at(go, i)),
				   goroutine_at(go, i)->stack.end);
	return run(marking);
}

/* An object that is to be finalized is given to a function of the program. */
static struct ch_error *mark_finalizable(struct marking *marking)
{
	const struct go_span *spans = marking->go->spans_known.items;
	size_t i;

	for (i = 0; i < marking->go->spans_known.count; i++)
		if (spans[i].specials && spans[i].state == GO_SPAN_HEAP)
			go_each_finalizable(marking->go, &spans[i], mark, marking);
	return run(marking);
}

/* ---- Fates ------------------------------------------------------------------------------- */

/* The channel of what a goroutine waits for, and the next one of these; false: it is not what it
 * should be. */
static bool read_waiting(const struct go *go, uint64_t addr, uint64_t g, uint64_t *channel_ret,
			 uint64_t *next_ret)
{
	const bool wide = go->code.build.minor >= 26;
	uint64_t owner;

	return addr <= UINT64_MAX - 128 && ch_core_read_u64(go->env.core, addr + SUDOG_G, &owner) &&
	       owner == g &&
	       ch_core_read_u64(go->env.core, addr + (wide ? SUDOG_CHANNEL_26 : SUDOG_CHANNEL),
				channel_ret) &&
	       ch_core_read_u64(go->env.core, addr + (wide ? SUDOG_LINK_26 : SUDOG_LINK), next_ret);
}

/* Whether all channels of a goroutine are known and none of them is marked. */
static bool is_stuck(const struct marking *marking, const struct go_goroutine *goroutine)
{
	const struct go *go = marking->go;
	struct go_spot place;
	uint64_t at, next, channel;
	uint32_t i;

	if (!ch_core_read_u64(go->env.core, goroutine->addr + go->code.created_at + G_WAITING,
			      &at) ||
	    !at)
		return false;
	for (i = 0; at && i < CASES_MAX; i++, at = next)
		if (!read_waiting(go, at, goroutine->addr, &channel, &next) ||
		    !go_object_at(go, channel, &place) || place.addr != channel ||
		    is_marked(marking, &place))
			return false;
	return !at;
}

/* Which goroutines wait for channels; that of main() is left to wait. Returns how many. */
static size_t find_waiting(struct marking *marking)
{
	const struct go *go = marking->go;
	const struct go_goroutine *goroutine;
	char reason[64];
	size_t i, count = 0;

	for (i = 0; i < go->code.goroutines.count; i++) {
		goroutine = goroutine_at(go, i);
		if (goroutine->state != GO_WAITING || goroutine->number == 1)
			continue;
		go_reason(&go->code, goroutine, reason, sizeof(reason));
		if ((strcmp(reason, "chan receive") != 0 && strcmp(reason, "chan send") != 0 &&
		     strcmp(reason, "select") != 0) ||
		    !is_stuck(marking, goroutine))
			continue;
		marking->fates[i] = FATE_STUCK;
		count++;
	}
	return count;
}

static int compare_words(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	if (x->goroutine != y->goroutine)
		return x->goroutine < y->goroutine ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* What a goroutine that may be woken has on its stack, and in its structure. */
static void mark_own(struct marking *marking, size_t goroutine)
{
	const struct word *words = marking->words.items;
	size_t i = ch_search(words, marking->words.count, it, it->goroutine < goroutine);
	uint64_t *slot;

	for (; i < marking->words.count && words[i].goroutine == goroutine; i++)
		mark(marking, words[i].addr);
	slot = ch_vec_push(&marking->stack);
	if (slot)
		*slot = goroutine_at(marking->go, goroutine)->addr;
	else
		marking->failed = true;
}

/* Each turn wakes one goroutine or more, or is the last; where they are too many, nothing is said.
 */
static struct ch_error *settle(struct marking *marking)
{
	struct ch_error *err = NULL;
	bool any = true;
	uint32_t turns;
	size_t i;

	ch_vec_sort(&marking->words, compare_words);
	for (turns = 0; !err && any; turns++) {
		any = false;
		if (turns == TURNS_MAX) {
			marking->incomplete = true;
			break;
		}
		for (i = 0; !err && i < marking->go->code.goroutines.count; i++) {
			if (marking->fates[i] != FATE_STUCK ||
			    is_stuck(marking, goroutine_at(marking->go, i)))
				continue;
			marking->fates[i] = FATE_OPEN;
			mark_own(marking, i);
			any = true;
			err = run(marking);
		}
	}
	return err;
}

static struct ch_error *fill(struct marking *marking)
{
	struct go *go = marking->go;
	struct ch_error *err;
	size_t i;

	marking->marked = calloc(go->objects_max / 64 + 1, sizeof(*marking->marked));
	marking->fates = calloc(go->code.goroutines.count + 1, 1);
	if (!marking->marked || !marking->fates)
		return &ch_enomem;
	if (!find_waiting(marking))
		return NULL;
	err = go_tracer.roots(go, take_root, marking);
	if (!err)
		err = mark_threads(marking);
	if (!err)
		err = mark_finalizable(marking);
	if (!err)
		err = settle(marking);
	for (i = 0; !err && !marking->incomplete && i < go->code.goroutines.count; i++)
		goroutine_at(go, i)->stuck = marking->fates[i] == FATE_STUCK;
	return err;
}

struct ch_error *go_find_stuck(void *state)
{
	struct go *go = state;
	struct marking marking = { .go = go,
				   .stack = CH_VEC(uint64_t),
				   .words = CH_VEC(struct word) };
	struct ch_error *err;

	if (!go->layout || !go->code.created_at || !go->code.g_layout || go->env.lacks_memory)
		return NULL;
	err = fill(&marking);
	free(marking.marked);
	free(marking.fates);
	ch_vec_deinit(&marking.stack);
	ch_vec_deinit(&marking.words);
	return err;
}
