#include "map/map_priv.h"

#include <elf.h>
#include <stdio.h>

#include "util/bytes.h"

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

struct stack {
	/** Usable part, guard below it: guard_start == start when none. */
	uint64_t guard_start, start, end;
	enum ch_basis basis;
	uint32_t rank;
};

/* Whether three words of a thread's descriptor are its stack. */
static bool is_stack(const struct ch_thread *thread, uint64_t block, uint64_t size, uint64_t guard)
{
	uint64_t end;

	return block && block % 16 == 0 && size >= 4096 && size <= STACK_BYTES_MAX &&
	       ch_add(block, size, &end) && guard < size && guard % CH_PAGE_BYTES == 0 &&
	       thread->sp >= block && thread->sp < end && thread->tls_base > block &&
	       thread->tls_base <= end;
}

/* Stack of a thread that glibc started, from its descriptor. */
static bool find_pthread_stack(const struct ch_map *map, const struct ch_thread *thread,
			       struct stack *ret)
{
	uint64_t words[PTHREAD_BYTES_MAX / 8], base = thread->tls_base;
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
		if (!is_stack(thread, words[i], words[i + 1], words[i + 2]))
			continue;
		ret->guard_start = words[i];
		ret->start = words[i] + words[i + 2];
		ret->end = words[i] + words[i + 1];
		ret->basis = CH_BASIS_DERIVED;
		ret->rank = CH_RANK(CH_USAGE_STACK);
		return thread->sp >= ret->start || words[i + 2] == 0;
	}
	return false;
}

/* The mapping that holds an address, as a stack. */
static bool find_mapped_stack(const struct ch_map *map, uint64_t addr, struct stack *ret)
{
	size_t index = chp_map_piece_after(map, addr);
	const struct ch_piece *pieces = map->pieces.items;
	const struct ch_region *region, *below;

	if (index >= map->pieces.count || pieces[index].region.start > addr)
		return false;
	region = &pieces[index].region;
	if (!(region->prot & CH_SEGMENT_WRITE) || !pieces[index].claimable)
		return false;
	ret->guard_start = ret->start = region->start;
	ret->end = region->end;
	ret->basis = CH_BASIS_HEURISTIC;
	ret->rank = CH_RANK_GUESSED_STACK;
	below = index ? &pieces[index - 1].region : NULL;
	if (below && below->end == region->start && below->usage == CH_USAGE_RESERVE &&
	    below->end - below->start <= GUARD_BYTES_MAX)
		ret->guard_start = below->start;
	return true;
}

/* The main thread's stack also holds what the kernel put there at exec. */
static bool find_main_stack(const struct ch_map *map, const struct ch_thread *thread,
			    struct stack *ret)
{
	static const uint64_t types[] = { AT_RANDOM, AT_EXECFN, AT_PLATFORM };
	uint64_t addr;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!ch_core_auxv(map->core, types[i], &addr) || !find_mapped_stack(map, addr, ret))
			continue;
		if (thread && (thread->sp < ret->start || thread->sp >= ret->end))
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
	if (stack && stack->rank == CH_RANK(CH_USAGE_STACK) && base >= stack->start &&
	    base < stack->end) {
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

static struct ch_error *add_thread(struct ch_map *map, const struct ch_thread *thread,
				   uint64_t tls_bytes)
{
	struct ch_stack_range *range = ch_vec_push(&map->stacks);
	struct stack stack = { 0 };
	struct ch_error *err;
	char owner[32];

	if (!range)
		return &ch_enomem;
	snprintf(owner, sizeof(owner), "thread %u", thread->tid);
	if (!find_pthread_stack(map, thread, &stack) && !find_main_stack(map, thread, &stack) &&
	    !find_mapped_stack(map, thread->sp, &stack))
		return claim_tls(map, thread, NULL, tls_bytes);
	range->start = stack.start;
	range->end = stack.end;
	err = claim_stack(map, &stack, owner);
	return err ? err : claim_tls(map, thread, &stack, tls_bytes);
}

struct ch_error *chp_map_add_stacks(struct ch_map *map)
{
	uint64_t tls_bytes = static_tls_bytes(map);
	const struct ch_thread *threads;
	struct stack stack = { 0 };
	struct ch_error *err;
	size_t count, i;

	threads = ch_core_threads(map->core, &count);
	for (i = 0; i < count; i++) {
		err = add_thread(map, &threads[i], tls_bytes);
		if (err)
			return err;
	}
	/* The main thread may have ended, or its registers may be missing. */
	if (find_main_stack(map, NULL, &stack))
		return claim_stack(map, &stack, "main thread");
	return NULL;
}
