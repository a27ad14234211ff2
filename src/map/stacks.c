/*
 * Stacks: of each thread the one it runs on and those that signals interrupted, with their guards
 * and the static thread-local storage beside them; and stacks that glibc keeps of threads that
 * ended.
 */
#include "map/map_priv.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "core/sigframe.h"
#include "util/bytes.h"
#include "util/search.h"

/*
 * glibc keeps {stackblock, stackblock_size, guardsize} one after the other in
 * struct pthread (nptl/descr.h, the same in 2.17 to 2.43). The descriptor is
 * at the thread pointer on x86-64 and just below it on aarch64; sizeof was
 * 0x700 (2.17) to 0x9c0 (2.42).
 */
#define PTHREAD_BYTES_MAX 0xa00
#define PTHREAD_BYTES_MIN 0x700
#define STACK_BYTES_MAX   (1ULL << 40)
#define GUARD_BYTES_MAX   (1ULL << 20)
/* How far below the end of a stack a descriptor is looked for: on aarch64
 * static TLS lies between. */
#define DESCRIPTOR_BYTES_MAX 16384
#define SIZES_MAX            8
/* Largest mapping taken for a stack because a stack pointer points into it,
 * without a guard below, and where a guard would not have been written. */
#define UNGUARDED_BYTES_MAX    (256ULL << 10)
#define UNSEEN_GUARD_BYTES_MAX (16ULL << 20)

/* How far above a stack pointer the kernel's frame of a signal is looked for, and how
 * many handlers may have interrupted each other. */
#define SIGFRAME_BYTES_MAX (1ULL << 20)
#define INTERRUPTED_MAX    8

struct stack {
	/** Usable part, guard below it: guard_start == start when none. */
	uint64_t guard_start, start, end;
	enum ch_basis basis;
	uint32_t rank;
};

/* What looking for stacks needs. */
struct finder {
	struct ch_map *map;
	/* Upper estimate of the static TLS of a thread. */
	uint64_t tls_bytes;
	/* of struct ch_stack_range, ascending */
	struct ch_vec mappings;
	/* Sizes of the stacks of living threads, guards included. */
	uint64_t sizes[SIZES_MAX];
	size_t sizes_count;
};

/* Whether three words of a thread's descriptor are its stack: the descriptor and
 * static TLS lie at its end. The stack pointer may be elsewhere, on a stack for
 * signals. */
static bool is_stack(const struct finder *finder, uint64_t tls_base, uint64_t block, uint64_t size,
		     uint64_t guard)
{
	uint64_t end;

	return block && block % 16 == 0 && size >= 4096 && size <= STACK_BYTES_MAX &&
	       ch_add(block, size, &end) && guard < size && guard % CH_PAGE_BYTES == 0 &&
	       tls_base > block && tls_base <= end &&
	       end - tls_base <= DESCRIPTOR_BYTES_MAX + finder->tls_bytes;
}

/*
 * Whether five words of a thread's descriptor are musl's {map_base, map_size,
 * stack, stack_size, guard_size}, where stack is the upper end of the stack:
 * static TLS and the descriptor follow up to the end of the mapping (musl v1.2.3,
 * src/internal/pthread_impl.h struct pthread, src/thread/pthread_create.c).
 */
static bool is_musl_stack(const struct finder *finder, uint64_t tls_base, const uint64_t words[5])
{
	uint64_t top;

	return is_stack(finder, tls_base, words[0], words[1], words[4]) &&
	       words[0] % CH_PAGE_BYTES == 0 && words[2] < words[0] + words[1] &&
	       ch_add(words[0], words[4], &top) && ch_add(top, words[3], &top) && top == words[2];
}

/* Stack of a thread that glibc or musl started, from its descriptor. */
static bool find_pthread_stack(const struct finder *finder, const struct ch_thread *thread,
			       struct stack *ret)
{
	const struct ch_map *map = finder->map;
	uint64_t words[PTHREAD_BYTES_MAX / 8], base = thread->tls_base, guard;
	size_t i, count;

	if (!base || base % 8)
		return false;
	if (ch_core_arch(map->core) == CH_ARCH_AARCH64) {
		if (base < PTHREAD_BYTES_MAX)
			return false;
		base -= PTHREAD_BYTES_MAX;
	}
	for (count = 0; count < PTHREAD_BYTES_MAX / 8; count++)
		if (!ch_core_read_u64(map->core, base + count * 8, &words[count]))
			break;
	for (i = 0; i + 3 <= count; i++) {
		if (i + 5 <= count && is_musl_stack(finder, thread->tls_base, &words[i]))
			guard = words[i + 4];
		else if (is_stack(finder, thread->tls_base, words[i], words[i + 1], words[i + 2]))
			guard = words[i + 2];
		else
			continue;
		ret->guard_start = words[i];
		ret->start = words[i] + guard;
		ret->end = words[i] + words[i + 1];
		ret->basis = CH_BASIS_DERIVED;
		/* glibc guards its own stacks (nptl/allocatestack.c, allocate_stack) */
		ret->rank = guard ? CH_RANK(CH_USAGE_STACK) : CH_RANK_PROGRAM_STACK;
		return true;
	}
	return false;
}

/*
 * Writable anonymous mappings. createdump writes one segment for each run of
 * pages, so there neighbours with the same rights belong together.
 */
static struct ch_error *find_mappings(struct finder *finder)
{
	const struct ch_map *map = finder->map;
	bool runs = ch_core_producer(map->core) == CH_PRODUCER_CREATEDUMP;
	const struct ch_piece *pieces = map->pieces.items;
	struct ch_stack_range *last = NULL;
	uint32_t prot = 0;
	size_t i;

	for (i = 0; i < map->pieces.count; i++) {
		const struct ch_region *region = &pieces[i].region;

		if (!pieces[i].claimable || !(region->prot & CH_SEGMENT_WRITE))
			continue;
		if (runs && last && last->end == region->start && prot == region->prot) {
			last->end = region->end;
			continue;
		}
		last = ch_vec_push(&finder->mappings);
		if (!last)
			return &ch_enomem;
		last->start = region->start;
		last->end = region->end;
		prot = region->prot;
	}
	return NULL;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct ch_stack_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The last of ascending ranges that starts at or below addr, or NULL. */
static const struct ch_stack_range *range_below(const struct ch_vec *ranges, uint64_t addr)
{
	const struct ch_stack_range *items = ranges->items;
	size_t low = ch_search(items, ranges->count, it, it->start <= addr);

	return low ? &items[low - 1] : NULL;
}

/* Start of the memory without access directly below start, or start. */
static uint64_t find_guard(const struct ch_map *map, uint64_t start)
{
	const struct ch_piece *below = start ? chp_map_piece_at(map, start - 1) : NULL;

	if (below && below->region.usage == CH_USAGE_RESERVE &&
	    below->region.end - below->region.start <= GUARD_BYTES_MAX)
		return below->region.start;
	return start;
}

/* The mapping that holds an address, as a stack. */
static bool find_mapped_stack(const struct finder *finder, uint64_t addr, struct stack *ret)
{
	const struct ch_stack_range *mapping = range_below(&finder->mappings, addr);

	if (!mapping || addr >= mapping->end)
		return false;
	ret->guard_start = find_guard(finder->map, mapping->start);
	ret->start = mapping->start;
	ret->end = mapping->end;
	ret->basis = CH_BASIS_HEURISTIC;
	ret->rank = CH_RANK_PROGRAM_STACK;
	return true;
}

/*
 * The mapping that a stack pointer points into, if it looks like a stack: one
 * with a guard, or a small one. A runtime keeps the stacks of its coroutines
 * in its heap, and that is not a stack. createdump does not write guards.
 */
static bool find_guessed_stack(const struct finder *finder, uint64_t sp, struct stack *ret)
{
	bool guards = ch_core_producer(finder->map->core) != CH_PRODUCER_CREATEDUMP;
	const struct ch_piece *piece = chp_map_piece_at(finder->map, sp);
	struct stack stack;

	if (!piece || piece->region.usage == CH_USAGE_HEAP ||
	    !find_mapped_stack(finder, sp, &stack))
		return false;
	if (stack.guard_start == stack.start &&
	    stack.end - stack.start > (guards ? UNGUARDED_BYTES_MAX : UNSEEN_GUARD_BYTES_MAX))
		return false;
	*ret = stack;
	return true;
}

/* Whether a stack pointer points into a stack, or, after an overflow, right below it, where
 * nothing can be written: a stack for signals or a coroutine's may lie there, too. */
static bool is_on_stack(const struct finder *finder, uint64_t sp, const struct stack *stack)
{
	const struct ch_piece *piece;

	if (sp >= stack->start)
		return sp < stack->end;
	piece = chp_map_piece_at(finder->map, sp);
	return stack->start - sp <= GUARD_BYTES_MAX &&
	       (!piece || !(piece->region.prot & CH_SEGMENT_WRITE));
}

/* The main thread's stack also holds what the kernel put there at exec. */
static bool find_main_stack(const struct finder *finder, const uint64_t *sp, struct stack *ret)
{
	static const uint64_t types[] = { AT_RANDOM, AT_EXECFN, AT_PLATFORM };
	uint64_t addr;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!ch_core_auxv(finder->map->core, types[i], &addr) ||
		    !find_mapped_stack(finder, addr, ret))
			continue;
		if (sp && !is_on_stack(finder, *sp, ret))
			return false;
		ret->guard_start = ret->start;
		ret->basis = CH_BASIS_DERIVED;
		ret->rank = CH_RANK(CH_USAGE_STACK);
		return true;
	}
	return false;
}

static struct ch_error *claim(struct ch_map *map, uint64_t start, uint64_t end, enum ch_usage usage,
			      const struct stack *stack, const char *owner)
{
	bool guard = usage == CH_USAGE_GUARD;
	struct ch_claim wanted = { .start = start,
				   .end = end,
				   .usage = usage,
				   .basis = stack->basis,
				   .owner = owner,
				   .reserved = guard };

	if (start >= end)
		return NULL;
	return chp_map_keep_claim(map, &wanted, stack->rank, guard);
}

static struct ch_error *claim_stack(struct ch_map *map, const struct stack *stack,
				    const char *owner)
{
	struct ch_error *err;

	err = claim(map, stack->start, stack->end, CH_USAGE_STACK, stack, owner);
	if (!err)
		err = claim(map, stack->guard_start, stack->start, CH_USAGE_GUARD, stack, owner);
	return err;
}

/* Static TLS of all modules: an upper estimate, each block aligned on its own. */
static uint64_t static_tls_bytes(const struct ch_map *map)
{
	const struct ch_module *modules;
	uint64_t sum = 0, align, next;
	size_t count, i;

	modules = ch_sym_modules(map->sym, &count);
	for (i = 0; i < count; i++) {
		align = modules[i].tls_align;
		if (!modules[i].tls_memsz || modules[i].tls_memsz > (1U << 20))
			continue;
		if (align & (align - 1) || align == 0 || align > CH_PAGE_BYTES)
			align = 16;
		if (ch_add(sum, modules[i].tls_memsz, &next))
			sum = ch_align_up(next, align);
	}
	return ch_min(sum, 1U << 20);
}

/*
 * The thread's control block and static TLS. glibc, x86-64 (TLS variant II):
 * TLS below the thread pointer, struct pthread above it; aarch64 (variant I)
 * the other way round. A started thread's block ends where its stack does.
 */
static struct ch_error *claim_tls(struct ch_map *map, const struct ch_thread *thread,
				  const struct stack *stack, uint64_t tls_bytes)
{
	bool aarch64 = ch_core_arch(map->core) == CH_ARCH_AARCH64;
	struct stack tls = { .basis = CH_BASIS_HEURISTIC, .rank = CH_RANK(CH_USAGE_TLS) };
	uint64_t base = thread->tls_base, below, above;
	const struct ch_piece *piece;
	char owner[32];

	piece = base ? chp_map_piece_at(map, base) : NULL;
	if (!piece || !piece->claimable || !(piece->region.prot & CH_SEGMENT_WRITE))
		return NULL;
	below = aarch64 ? PTHREAD_BYTES_MIN : tls_bytes;
	above = aarch64 ? 16 + tls_bytes : PTHREAD_BYTES_MIN;
	tls.start = ch_max(piece->region.start, base > below ? base - below : 0);
	tls.end = ch_min(piece->region.end, base + above);
	if (stack && stack->basis == CH_BASIS_DERIVED && base >= stack->start &&
	    base < stack->end) {
		if (stack->rank == CH_RANK_PROGRAM_STACK)
			tls.rank = CH_RANK_PROGRAM_TLS;
		tls.basis = CH_BASIS_DERIVED;
		tls.start = ch_max(tls.start, stack->start);
		tls.end = stack->end;
		/* what lies in use above sp is stack, whatever the estimate says */
		if (thread->sp >= tls.start && thread->sp < base)
			tls.start = base;
	}
	snprintf(owner, sizeof(owner), "thread %u", thread->tid);
	return claim(map, tls.start, tls.end, CH_USAGE_TLS, &tls, owner);
}

static void note_size(struct finder *finder, const struct stack *stack)
{
	uint64_t bytes = stack->end - stack->guard_start;
	size_t i;

	for (i = 0; i < finder->sizes_count; i++)
		if (finder->sizes[i] == bytes)
			return;
	if (i < SIZES_MAX)
		finder->sizes[finder->sizes_count++] = bytes;
}

/* The stack that a stack pointer of a thread points into. */
static bool find_stack(const struct finder *finder, const struct ch_thread *thread, uint64_t sp,
		       struct stack *ret)
{
	if (find_pthread_stack(finder, thread, ret) && is_on_stack(finder, sp, ret))
		return true;
	return find_main_stack(finder, &sp, ret) ||
	       (find_guessed_stack(finder, sp, ret) && is_on_stack(finder, sp, ret));
}

/* What the program set for signals is a stack, if it is memory of its own. */
static struct ch_error *claim_signal_stack(struct finder *finder, const struct ch_thread *thread,
					   const struct ch_thread_stack *use)
{
	const struct ch_piece *piece = chp_map_piece_at(finder->map, use->sp);
	struct stack stack = { .guard_start = use->start,
			       .start = use->start,
			       .end = use->end,
			       .basis = CH_BASIS_DERIVED,
			       .rank = CH_RANK_PROGRAM_STACK };
	char owner[32];

	if (!piece || !piece->claimable || piece->region.usage == CH_USAGE_HEAP ||
	    use->start < piece->region.start || use->end > piece->region.end)
		return NULL;
	snprintf(owner, sizeof(owner), "thread %u", thread->tid);
	return claim_stack(finder->map, &stack, owner);
}

/* A stack in use, once: what lies deeper counts. */
static struct ch_error *add_use(struct finder *finder, size_t first,
				const struct ch_thread_stack *use)
{
	struct ch_thread_stack *known;
	size_t i;

	for (i = first; i < finder->map->stacks.count; i++) {
		known = CH_VEC_AT(&finder->map->stacks, struct ch_thread_stack, i);
		if (use->end && known->start == use->start && known->end == use->end) {
			known->sp = ch_min(known->sp, use->sp);
			return NULL;
		}
	}
	known = ch_vec_push(&finder->map->stacks);
	if (!known)
		return &ch_enomem;
	*known = *use;
	return NULL;
}

/* Where the stack that use->sp points into lies, by what the map shows. */
static struct ch_error *place_use(struct finder *finder, const struct ch_thread *thread,
				  struct ch_thread_stack *use)
{
	struct stack stack;
	char owner[32];

	if (!find_stack(finder, thread, use->sp, &stack))
		return NULL;
	use->start = stack.start;
	use->end = stack.end;
	/* the others are claimed as what they are */
	if (stack.basis != CH_BASIS_HEURISTIC)
		return NULL;
	snprintf(owner, sizeof(owner), "thread %u", thread->tid);
	return claim_stack(finder->map, &stack, owner);
}

/* Whether the kernel's frame says that use->sp points into a stack for signals. */
static bool is_for_signals(const struct ch_sigframe *frame, const struct ch_thread_stack *use)
{
	return use->sp >= frame->stack_start && use->sp < frame->stack_end &&
	       frame->addr < frame->stack_end;
}

/*
 * The stack that a thread runs on, and those on which signals interrupted it. Of a handler
 * the kernel left where it came from, and what sigaltstack() was told.
 */
static struct ch_error *add_uses(struct finder *finder, const struct ch_thread *thread,
				 size_t index)
{
	struct ch_map *map = finder->map;
	struct ch_thread_stack use = { .thread = (uint32_t)index, .sp = thread->sp };
	size_t first = map->stacks.count, n, same;
	struct ch_error *err = NULL;
	struct ch_sigframe frame;
	uint64_t from, to;
	bool more = true;

	for (n = 0; !err && more && n < INTERRUPTED_MAX; n++) {
		err = place_use(finder, thread, &use);
		to = use.end ? use.end : UINT64_MAX;
		for (from = use.sp, same = 0; more && same < INTERRUPTED_MAX;
		     from = frame.sp, same++) {
			more = chp_sigframe_find(
				map->core, from,
				ch_min(to, from + ch_min(UINT64_MAX - from, SIGFRAME_BYTES_MAX)),
				&frame);
			if (more && is_for_signals(&frame, &use)) {
				use.start = frame.stack_start;
				to = use.end = frame.stack_end;
				use.for_signals = true;
			}
			/* else a handler that runs on the stack that it came upon */
			if (!more || frame.sp <= frame.addr || frame.sp >= to ||
			    (to == UINT64_MAX && frame.sp - frame.addr > SIGFRAME_BYTES_MAX))
				break;
		}
		if (!err && use.for_signals)
			err = claim_signal_stack(finder, thread, &use);
		if (!err && (use.end || chp_map_piece_at(map, use.sp)))
			err = add_use(finder, first, &use);
		use = (struct ch_thread_stack){ .thread = (uint32_t)index,
						.sp = more ? frame.sp : 0,
						.interrupted = true };
	}
	return err;
}

static struct ch_error *keep_part(struct finder *finder, const struct ch_thread *thread,
				  size_t index)
{
	struct ch_map *map = finder->map;
	struct ch_stack_part *part = ch_vec_push(&map->stack_parts);
	struct ch_error *err;

	if (!part)
		return &ch_enomem;
	part->first = (uint32_t)map->stacks.count;
	err = add_uses(finder, thread, index);
	part->end = (uint32_t)map->stacks.count;
	return err;
}

static struct ch_error *add_thread(struct finder *finder, const struct ch_thread *thread,
				   size_t index)
{
	struct ch_map *map = finder->map;
	struct stack stack = { 0 };
	struct ch_error *err;
	char owner[32];

	err = keep_part(finder, thread, index);
	if (err)
		return err;
	snprintf(owner, sizeof(owner), "thread %u", thread->tid);
	if (find_pthread_stack(finder, thread, &stack))
		note_size(finder, &stack);
	else if (!find_main_stack(finder, &thread->sp, &stack) &&
		 !find_guessed_stack(finder, thread->sp, &stack))
		return claim_tls(map, thread, NULL, finder->tls_bytes);
	err = claim_stack(map, &stack, owner);
	return err ? err : claim_tls(map, thread, &stack, finder->tls_bytes);
}

/* Whether a descriptor near the end says that [guard_start, end) is its stack. */
static bool has_descriptor(const struct ch_core *core, uint64_t guard_start, uint64_t start,
			   uint64_t end)
{
	uint64_t at = ch_align_up(ch_max(start, end - ch_min(end, DESCRIPTOR_BYTES_MAX)), 8);
	uint64_t pos, n, bytes = at < end ? end - at : 0;
	/* Absent pages stay zero, which no field of a descriptor is. */
	uint8_t words[DESCRIPTOR_BYTES_MAX] = { 0 };

	for (pos = 0; pos < bytes; pos += n) {
		n = ch_min(bytes - pos, CH_PAGE_BYTES - (at + pos) % CH_PAGE_BYTES);
		if (!ch_core_try_read(core, at + pos, words + pos, n))
			memset(words + pos, 0, n);
	}
	for (pos = 0; pos + 24 <= bytes; pos += 8)
		if (ch_get64(words + pos) == guard_start &&
		    ch_get64(words + pos + 8) == end - guard_start &&
		    ch_get64(words + pos + 16) == start - guard_start)
			return true;
	return false;
}

/*
 * glibc keeps the stacks of threads that ended, with guard and descriptor, for
 * the next ones (nptl/allocatestack.c, get_cached_stack). The kernel may have
 * merged what lies above: the sizes of other stacks say where one ends.
 */
static bool find_cached_stack(const struct finder *finder, const struct ch_stack_range *mapping,
			      struct stack *ret)
{
	uint64_t guard_start = find_guard(finder->map, mapping->start), end;
	size_t i;

	if (guard_start == mapping->start)
		return false;
	for (i = 0; i <= finder->sizes_count; i++) {
		end = i ? guard_start + finder->sizes[i - 1] : mapping->end;
		if (end <= mapping->start || end > mapping->end ||
		    !has_descriptor(finder->map->core, guard_start, mapping->start, end))
			continue;
		*ret = (struct stack){ .guard_start = guard_start,
				       .start = mapping->start,
				       .end = end,
				       .basis = CH_BASIS_DERIVED,
				       .rank = CH_RANK(CH_USAGE_STACK) };
		return true;
	}
	return false;
}

static struct ch_error *add_cached_stacks(struct finder *finder)
{
	const struct ch_stack_range *mappings = finder->mappings.items, *live;
	struct ch_vec sorted = CH_VEC(struct ch_stack_range);
	const struct ch_thread_stack *use;
	struct ch_map *map = finder->map;
	struct ch_error *err = NULL;
	struct stack stack;
	size_t i;

	if (!ch_vec_reserve(&sorted, map->stacks.count))
		return &ch_enomem;
	for (i = 0; i < map->stacks.count; i++) {
		use = CH_VEC_AT(&map->stacks, struct ch_thread_stack, i);
		*(struct ch_stack_range *)ch_vec_push(&sorted) =
			(struct ch_stack_range){ use->start, use->end };
	}
	ch_vec_sort(&sorted, compare_ranges);
	for (i = 0; !err && i < finder->mappings.count; i++) {
		live = range_below(&sorted, mappings[i].start);
		if ((!live || live->start != mappings[i].start) &&
		    find_cached_stack(finder, &mappings[i], &stack))
			err = claim_stack(map, &stack, "no thread (kept for reuse)");
	}
	ch_vec_deinit(&sorted);
	return err;
}

static struct ch_error *add_stacks(struct finder *finder)
{
	const struct ch_thread *threads;
	struct stack stack = { 0 };
	struct ch_error *err;
	size_t count, i;

	err = find_mappings(finder);
	threads = ch_core_threads(finder->map->core, &count);
	for (i = 0; !err && i < count; i++)
		err = add_thread(finder, &threads[i], i);
	/* The main thread may have ended, or its registers may be missing. */
	if (!err && find_main_stack(finder, NULL, &stack))
		err = claim_stack(finder->map, &stack, "main thread");
	return err ? err : add_cached_stacks(finder);
}

struct ch_error *chp_map_add_stacks(struct ch_map *map)
{
	struct finder finder = { .map = map,
				 .tls_bytes = static_tls_bytes(map),
				 .mappings = CH_VEC(struct ch_stack_range) };
	struct ch_error *err = add_stacks(&finder);

	ch_vec_deinit(&finder.mappings);
	return err;
}
