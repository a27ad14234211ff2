/*
 * Timers that are set: each processor (p) has a heap of them. A processor is known by that heap,
 * whose timers lead back to it.
 *
 * Go 1.19.8: src/runtime/time.go (timer, statuses); Go 1.23.5, 1.24.4, 1.27.3: the same (timer,
 * timers, timerWhen). src/time/sleep.go: sendTime, goFunc.
 */
#include <string.h>

#include "util/context.h"
#include "util/error.h"
#include "walkers/go/rtypes.h"

/* A processor has so many bytes, whatever the release. */
#define P_BYTES_MIN 8192U
#define P_BYTES_MAX 32768U
#define TIMERS_MAX  (1ULL << 26)

static const struct timer_layout {
	uint32_t first_minor;
	/* Bytes of an element of a heap; of a timer: where it has its processor, or that one's
	 * heap; its period, function and argument; its state, of so many bytes. */
	uint8_t element_bytes, owner, period, function, argument, state, state_bytes;
	/* Where the heap's structure begins, before the slice; -1: the owner is the processor. */
	int8_t heap_before;
	/* Bits by state, or by number, of those that will not fire. */
	uint32_t dead_states, dead_bits;
} layouts[] = {
	{ 25, 16, 72, 32, 40, 48, 9, 1, 8, 0, 4 },
	{ 23, 16, 64, 24, 32, 40, 9, 1, 8, 0, 4 },
	{ 0, 8, 0, 16, 24, 32, 64, 4, -1, 1U << 0 | 1U << 3 | 1U << 4 | 1U << 5, 0 },
};

struct visit {
	struct go *go;
	const struct timer_layout *layout;
	ch_set_timer_fn fn;
	void *arg;
};

static bool word_at(const struct go *go, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(go->env.core, addr, ret);
}

/* The function of a value of a function; NULL: it is none. */
static const char *function_of(const struct go *go, uint64_t value, uint64_t *pc_ret)
{
	struct go_function function;

	if (!value || !word_at(go, value, pc_ret) ||
	    !go_function_at(&go->code, *pc_ret, &function) || function.entry != *pc_ret)
		return NULL;
	return go_name(&go->code, function.module, function.name);
}

static bool is_set(const struct visit *visit, uint64_t timer)
{
	const struct timer_layout *layout = visit->layout;
	uint32_t state = 0;
	uint8_t bytes[4] = { 0 };

	if (!ch_core_try_read(visit->go->env.core, timer + layout->state, bytes,
			      layout->state_bytes))
		return false;
	state = ch_get32(bytes);
	return !(state & layout->dead_bits) && !(state < 32 && layout->dead_states >> state & 1);
}

static struct ch_error *take_timer(const struct visit *visit, uint64_t timer)
{
	const struct timer_layout *layout = visit->layout;
	struct ch_set_timer found = { .addr = timer };
	uint64_t function, argument, period;
	const char *name;

	if (!is_set(visit, timer) || !word_at(visit->go, timer + layout->period, &period) ||
	    !word_at(visit->go, timer + layout->function, &function) ||
	    !word_at(visit->go, timer + layout->argument + 8, &argument))
		return NULL;
	name = function_of(visit->go, function, &found.pc);
	if (!name)
		return NULL;
	found.kind = strcmp(name, "time.sendTime") == 0  ? CH_TIMER_CHANNEL
		     : strncmp(name, "runtime.", 8) == 0 ? CH_TIMER_RUNTIME
							 : CH_TIMER_CALL;
	if (strcmp(name, "time.goFunc") == 0)
		name = function_of(visit->go, argument, &found.pc);
	if (!name)
		return NULL;
	found.periodic = period != 0;
	found.calls = name;
	return visit->fn(visit->arg, &found);
}

/* Whether a timer belongs to the processor at p, whose slice of timers lies at an offset. */
static bool is_owned(const struct visit *visit, uint64_t timer, uint64_t p, uint64_t offset)
{
	const int8_t before = visit->layout->heap_before;
	uint64_t owner;

	return timer && timer % 8 == 0 && timer <= UINT64_MAX - 128 &&
	       word_at(visit->go, timer + visit->layout->owner, &owner) &&
	       owner == (before < 0 ? p : p + offset - (uint64_t)before);
}

static struct ch_error *take_heap(const struct visit *visit, const struct go_slice *heap,
				  uint64_t p, uint64_t offset)
{
	struct ch_error *err = NULL;
	uint64_t i, timer;

	for (i = 0; !err && i < heap->count; i++) {
		if (!word_at(visit->go, heap->addr + i * visit->layout->element_bytes, &timer) ||
		    !is_owned(visit, timer, p, offset))
			continue;
		err = take_timer(visit, timer);
		if (!err && i % 65536 == 0)
			err = chp_context_check(visit->go->env.ctx);
	}
	return err;
}

/* The heap of timers of an object, if it is a processor that has some. */
static struct ch_error *look_at(const struct visit *visit, const struct go_spot *place)
{
	struct go_slice heap;
	struct go_spot list;
	uint64_t at, capacity, timer;

	for (at = 0; at + 24 <= place->bytes; at += 8)
		if (word_at(visit->go, place->addr + at, &heap.addr) && heap.addr &&
		    word_at(visit->go, place->addr + at + 8, &heap.count) && heap.count &&
		    heap.count <= TIMERS_MAX &&
		    word_at(visit->go, place->addr + at + 16, &capacity) &&
		    heap.count <= capacity && go_object_at(visit->go, heap.addr, &list) &&
		    list.addr == heap.addr &&
		    heap.count <= list.bytes / visit->layout->element_bytes &&
		    word_at(visit->go, heap.addr, &timer) &&
		    is_owned(visit, timer, place->addr, at))
			return take_heap(visit, &heap, place->addr, at);
	return NULL;
}

struct ch_error *go_set_timers(void *state, ch_set_timer_fn fn, void *arg)
{
	struct visit visit = { .go = state, .layout = layouts, .fn = fn, .arg = arg };
	const struct go_span *spans = visit.go->spans_known.items;
	struct ch_error *err = NULL;
	struct go_spot place;
	uint32_t j;
	size_t i;

	while (visit.layout->first_minor > visit.go->code.build.minor)
		visit.layout++;
	for (i = 0; !err && i < visit.go->spans_known.count; i++) {
		if (spans[i].state != GO_SPAN_HEAP || spans[i].class & 1 ||
		    spans[i].elem_bytes < P_BYTES_MIN || spans[i].elem_bytes > P_BYTES_MAX)
			continue;
		for (j = 0; !err && j < spans[i].elems; j++)
			if (go_object_at(visit.go, spans[i].start + j * spans[i].elem_bytes,
					 &place))
				err = look_at(&visit, &place);
	}
	return err;
}
