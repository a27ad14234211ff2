#include "walkers/glibc/glibc_priv.h"

#include <stdlib.h>

#include "util/context.h"

/* Static TLS of libc lies within this much of the thread pointer. */
#define TLS_BYTES       8192U
#define TCACHE_BINS_MAX 76
/* A list longer than this is damage: the tunable's maximum is 127 before 2.42
 * and 65535 since. */
#define LIST_MAX 65536

/* One attempt to read a tcache structure. */
struct attempt {
	const struct glibc_tcache_layout *layout;
	uint64_t addr;
	/* how many a bin may hold, where counts go down; UINT64_MAX: not known yet */
	uint64_t fill;
	/* lists that hold, and that do not */
	uint32_t good, bad;
};

static uint64_t unmangle(bool mangled, uint64_t slot, uint64_t stored)
{
	return mangled ? stored ^ slot >> 12 : stored;
}

static uint64_t chunk_size(const struct ch_core *core, uint64_t chunk)
{
	uint64_t head;

	if (!ch_core_read_u64(core, chunk + 8, &head))
		return 0;
	return head & ~(uint64_t)CHUNK_FLAGS;
}

/* Whether user is a block that bin may hold. */
static bool fits_bin(const struct glibc *glibc, const struct attempt *attempt, uint64_t user,
		     uint32_t bin)
{
	uint64_t size;

	if (user % 16 || user < CHUNK_HEADER_BYTES)
		return false;
	size = chunk_size(glibc->env.core, user - CHUNK_HEADER_BYTES);
	if (bin < attempt->layout->small_bins)
		return size == CHUNK_BYTES_MIN + 16ULL * bin;
	return size >= CHUNK_BYTES_MIN + 16ULL * attempt->layout->small_bins;
}

static struct ch_error *add_cached(struct glibc *glibc, uint64_t chunk, uint16_t flags)
{
	struct glibc_cached *cached = ch_vec_push(&glibc->cached);

	if (!cached)
		return &ch_enomem;
	cached->chunk = chunk;
	cached->flags = flags;
	return NULL;
}

static uint64_t read_count(const struct attempt *attempt, const uint8_t *bytes, uint32_t bin)
{
	return attempt->layout->count_bytes == 1 ? bytes[bin] : ch_get16(bytes + 2 * (size_t)bin);
}

/*
 * Follow one list; keep its chunks if keep. True when it is as long as its
 * count says and every block has the bin's size.
 */
static bool follow_list(struct glibc *glibc, const struct attempt *attempt, uint64_t head,
			uint32_t bin, bool keep, uint64_t *len_ret)
{
	uint64_t user = head, stored, len = 0;
	struct ch_error *err;

	while (user && len < LIST_MAX) {
		if (!fits_bin(glibc, attempt, user, bin) ||
		    !ch_core_read_u64(glibc->env.core, user, &stored))
			return false;
		if (keep) {
			err = add_cached(glibc, user - CHUNK_HEADER_BYTES, CH_OBJECT_CACHED);
			if (err)
				return false;
		}
		user = unmangle(attempt->layout->mangled, user, stored);
		len++;
	}
	*len_ret = len;
	return len < LIST_MAX;
}

/* Check, or keep, all lists of a structure. */
static void read_tcache(struct glibc *glibc, struct attempt *attempt, bool keep)
{
	uint8_t counts[2 * TCACHE_BINS_MAX], heads[8 * TCACHE_BINS_MAX];
	uint64_t count, head, len;
	uint32_t bin;

	if (!ch_core_try_read(glibc->env.core, attempt->addr, counts,
			      (size_t)attempt->layout->count_bytes * attempt->layout->bins) ||
	    !ch_core_try_read(glibc->env.core, attempt->addr + attempt->layout->entries, heads,
			      8U * (size_t)attempt->layout->bins)) {
		attempt->bad = TCACHE_BINS_MAX;
		return;
	}
	for (bin = 0; bin < attempt->layout->bins; bin++) {
		count = read_count(attempt, counts, bin);
		head = ch_get64(heads + 8 * (size_t)bin);
		len = 0;
		if (!follow_list(glibc, attempt, head, bin, keep, &len)) {
			attempt->bad++;
			continue;
		}
		if (attempt->layout->counts_down) {
			if (bin >= attempt->layout->small_bins && !len)
				continue;
			if (attempt->fill == UINT64_MAX)
				attempt->fill = count + len;
			/* a bin may be closed by a tunable: then it holds none */
			if (count + len != attempt->fill && bin < attempt->layout->small_bins)
				attempt->bad++;
			else
				attempt->good += len > 0;
		} else if (count != len) {
			attempt->bad++;
		} else {
			attempt->good += len > 0;
		}
	}
}

/* Whether the block at user is a tcache structure; attempt tells how. */
static bool is_tcache(struct glibc *glibc, uint64_t user, struct attempt *ret)
{
	struct attempt best = { .bad = UINT32_MAX };
	uint64_t size;
	size_t i;

	if (user % 16 || user < CHUNK_HEADER_BYTES)
		return false;
	size = chunk_size(glibc->env.core, user - CHUNK_HEADER_BYTES);
	for (i = 0; i < glibc_tcaches_count; i++) {
		struct attempt attempt = { .layout = &glibc_tcaches[i],
					   .addr = user,
					   .fill = UINT64_MAX };

		if (size != glibc_tcaches[i].chunk_bytes ||
		    (glibc->tcache && glibc->tcache != &glibc_tcaches[i]))
			continue;
		read_tcache(glibc, &attempt, false);
		if (attempt.bad < best.bad || (attempt.bad == best.bad && attempt.good > best.good))
			best = attempt;
	}
	if (!best.layout || best.bad > 1 + best.good)
		return false;
	*ret = best;
	return true;
}

static int compare_cached(const void *a, const void *b)
{
	const struct glibc_cached *x = a, *y = b;

	return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

/* Whether a structure at user was taken before. */
static bool is_taken(const struct glibc *glibc, uint64_t user)
{
	const struct glibc_cached *cached = glibc->cached.items;
	size_t i;

	for (i = 0; i < glibc->cached.count; i++)
		if ((cached[i].flags & CH_OBJECT_ALLOCATOR) &&
		    cached[i].chunk == user - CHUNK_HEADER_BYTES)
			return true;
	return false;
}

static struct ch_error *take_tcache(struct glibc *glibc, const struct attempt *attempt)
{
	struct attempt keep = { .layout = attempt->layout,
				.addr = attempt->addr,
				.fill = UINT64_MAX };
	struct ch_error *err;

	err = add_cached(glibc, attempt->addr - CHUNK_HEADER_BYTES, CH_OBJECT_ALLOCATOR);
	if (err)
		return err;
	/* A plain row proves itself only by a list of two or more; a mangled one
	 * fails as plain at once: rows of equal size are told apart by content. */
	if (attempt->good)
		glibc->tcache = attempt->layout;
	glibc->tcache_structs++;
	read_tcache(glibc, &keep, true);
	if (attempt->bad)
		chp_context_finding(
			glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-tcache-damaged",
			"the tcache at 0x%llx has %u lists that do not hold; their free "
			"blocks may be counted as used",
			(unsigned long long)attempt->addr, attempt->bad);
	return NULL;
}

/* The pointer to a thread's tcache lies in libc's static TLS. */
static struct ch_error *scan_tls(struct glibc *glibc, const struct ch_thread *thread)
{
	bool aarch64 = ch_core_arch(glibc->env.core) == CH_ARCH_AARCH64;
	uint64_t base = thread->tls_base, at, end, word;
	struct attempt attempt;

	if (base < TLS_BYTES || base % 8 || base > UINT64_MAX - TLS_BYTES)
		return NULL;
	at = aarch64 ? base : base - TLS_BYTES;
	end = aarch64 ? base + TLS_BYTES : base;
	for (; at < end; at += 8) {
		if (!ch_core_read_u64(glibc->env.core, at, &word) || word % 16 || !word ||
		    glibc_piece_at(glibc, word) == glibc->pieces.count)
			continue;
		if (is_taken(glibc, word) || !is_tcache(glibc, word, &attempt))
			continue;
		return take_tcache(glibc, &attempt);
	}
	return NULL;
}

/* A thread's first allocation in its arena makes its tcache (up to 2.42): the
 * first chunk of each piece is one, whatever the thread's registers say. */
static struct ch_error *scan_first_chunks(struct glibc *glibc)
{
	const struct glibc_piece *pieces = glibc->pieces.items;
	struct attempt attempt;
	struct ch_error *err;
	uint64_t user;
	size_t i;

	for (i = 0; i < glibc->pieces.count; i++) {
		user = pieces[i].first + CHUNK_HEADER_BYTES;
		if (is_taken(glibc, user) || !is_tcache(glibc, user, &attempt))
			continue;
		err = take_tcache(glibc, &attempt);
		if (err)
			return err;
	}
	return NULL;
}

/* A fast bin under way: lists are followed side by side, because each step of
 * one waits for memory. */
struct fastbin {
	struct glibc_arena *arena;
	uint64_t chunk, size;
};

/* The piece that holds a chunk, found by bisection; NULL if none. */
static struct glibc_piece *piece_of(const struct glibc *glibc, uint64_t chunk)
{
	struct glibc_piece *pieces = glibc->pieces.items;
	size_t low = 0, high = glibc->pieces.count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (pieces[mid].end <= chunk)
			low = mid + 1;
		else
			high = mid;
	}
	return low < glibc->pieces.count && pieces[low].first <= chunk ? &pieces[low] : NULL;
}

/* Mark a chunk as free in its piece. False: no memory, or marked before. */
static bool mark_fast(struct glibc_piece *piece, uint64_t chunk)
{
	uint64_t bit = (chunk - piece->start) / 16, mask = 1ULL << bit % 64;

	if (!piece->fast) {
		piece->fast = calloc((piece->end - piece->start) / 16 / 64 + 1, 8);
		if (!piece->fast)
			return false;
	}
	if (piece->fast[bit / 64] & mask)
		return false;
	piece->fast[bit / 64] |= mask;
	return true;
}

static void tell_fastbin(const struct glibc *glibc, const struct fastbin *bin)
{
	chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-fastbin-damaged",
			    "%s: the fast bin of %llu bytes leads to 0x%llx, which is no free "
			    "chunk of that size; the rest of the list may be counted as used",
			    bin->arena->name, (unsigned long long)bin->size,
			    (unsigned long long)bin->chunk);
}

/* One step along a list: mark its chunk, go to the next. */
static void step_fastbin(const struct glibc *glibc, struct fastbin *bin, bool mangled)
{
	struct glibc_piece *piece = bin->chunk % 16 ? NULL : piece_of(glibc, bin->chunk);
	size_t len = 0;
	const uint8_t *p = piece ? ch_core_span_recorded(glibc->env.core, bin->chunk, &len) : NULL;

	if (!p || len < 24 || (ch_get64(p + 8) & ~(uint64_t)CHUNK_FLAGS) != bin->size ||
	    !mark_fast(piece, bin->chunk)) {
		tell_fastbin(glibc, bin);
		bin->chunk = 0;
		return;
	}
	bin->arena->fastbin_count++;
	bin->arena->fastbin_bytes += bin->size;
	bin->chunk = unmangle(mangled, bin->chunk + 16, ch_get64(p + 16));
	p = ch_core_span_recorded(glibc->env.core, bin->chunk, &len);
	if (p)
		__builtin_prefetch(p);
}

/* Whether the second chunk of a list is a chunk of its size, read that way. */
static bool link_holds(const struct glibc *glibc, const struct fastbin *bin, bool mangled)
{
	uint64_t stored, next;

	if (!ch_core_read_u64(glibc->env.core, bin->chunk + 16, &stored))
		return false;
	next = unmangle(mangled, bin->chunk + 16, stored);
	return !next || (next % 16 == 0 && chunk_size(glibc->env.core, next) == bin->size);
}

static struct ch_error *collect_fastbins(struct glibc *glibc, struct ch_vec *bins)
{
	struct fastbin *bin;
	uint64_t head;
	size_t i, row;

	for (i = 0; i < glibc->arenas.count; i++) {
		struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);

		for (row = 0; row < FASTBINS_COUNT; row++) {
			if (!ch_core_read_u64(glibc->env.core,
					      arena->addr + glibc->layout->fastbins + 8 * row,
					      &head) ||
			    !head)
				continue;
			bin = ch_vec_push(bins);
			if (!bin)
				return &ch_enomem;
			*bin = (struct fastbin){ .arena = arena,
						 .chunk = head,
						 .size = CHUNK_BYTES_MIN + 16 * row };
		}
	}
	return NULL;
}

/* Follow all fast bins of all arenas. Each chunk is marked once, so loops end. */
static struct ch_error *take_fastbins(struct glibc *glibc)
{
	bool mangled = !glibc->tcache || glibc->tcache->mangled;
	struct ch_vec bins = CH_VEC(struct fastbin);
	struct ch_error *err = collect_fastbins(glibc, &bins);
	struct fastbin *items = bins.items;
	size_t i, left = bins.count;

	/* Without a tcache to tell, the links themselves do. */
	for (i = 0; !err && !glibc->tcache && i < bins.count; i++)
		if (!link_holds(glibc, &items[i], true) && link_holds(glibc, &items[i], false))
			mangled = false;
	while (!err && left) {
		left = 0;
		for (i = 0; i < bins.count; i++) {
			if (!items[i].chunk)
				continue;
			step_fastbin(glibc, &items[i], mangled);
			left += items[i].chunk != 0;
		}
	}
	ch_vec_deinit(&bins);
	return err;
}

/* Remove doubles, and charge cached chunks to the arena they come from. */
static void settle(struct glibc *glibc)
{
	struct glibc_cached *cached = glibc->cached.items;
	const struct glibc_piece *pieces = glibc->pieces.items;
	struct glibc_arena *arena;
	size_t i, kept = 0, piece;

	ch_vec_sort(&glibc->cached, compare_cached);
	for (i = 0; i < glibc->cached.count; i++) {
		if (kept && cached[kept - 1].chunk == cached[i].chunk) {
			chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-double-free",
					    "the free block at 0x%llx is in two lists at once: a "
					    "sign of a double free",
					    (unsigned long long)cached[i].chunk +
						    CHUNK_HEADER_BYTES);
			continue;
		}
		cached[kept++] = cached[i];
		piece = glibc_piece_at(glibc, cached[i].chunk);
		if (piece == glibc->pieces.count || cached[i].flags != CH_OBJECT_CACHED)
			continue;
		arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, pieces[piece].arena);
		arena->tcache_count++;
		arena->tcache_bytes += chunk_size(glibc->env.core, cached[i].chunk);
	}
	glibc->cached.count = kept;
}

struct ch_error *glibc_find_tcaches(struct glibc *glibc)
{
	const struct ch_thread *threads;
	struct ch_error *err;
	size_t count, i;

	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; i < count; i++) {
		err = scan_tls(glibc, &threads[i]);
		if (err)
			return err;
	}
	err = scan_first_chunks(glibc);
	if (!err)
		settle(glibc);
	return err;
}

struct ch_error *glibc_find_cached(struct glibc *glibc)
{
	struct ch_error *err = NULL;

	pthread_mutex_lock(&glibc->cached_lock);
	if (!glibc->cached_found && glibc->layout->fastbins)
		err = take_fastbins(glibc);
	if (!err && !glibc->cached_found)
		glibc_update_facts(glibc);
	glibc->cached_found = !err;
	pthread_mutex_unlock(&glibc->cached_lock);
	return err;
}
