#include "walkers/glibc/glibc_priv.h"

#include <string.h>

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

/* Length of a fast bin list when its links hold; false when they do not. */
static bool follow_fastbin(struct glibc *glibc, uint64_t head, uint64_t size, bool mangled,
			   bool keep, uint64_t *len_ret)
{
	uint64_t chunk = head, stored, len = 0, limit = LIST_MAX * 1024ULL;

	while (chunk && len < limit) {
		if (chunk % 16 || chunk_size(glibc->env.core, chunk) != size ||
		    !ch_core_read_u64(glibc->env.core, chunk + 16, &stored))
			return false;
		if (keep && add_cached(glibc, chunk, CH_OBJECT_FASTBIN))
			return false;
		chunk = unmangle(mangled, chunk + 16, stored);
		len++;
	}
	*len_ret = len;
	return len < limit;
}

static struct ch_error *take_fastbins(struct glibc *glibc, struct glibc_arena *arena)
{
	bool mangled = !glibc->tcache || glibc->tcache->mangled;
	uint64_t head, len = 0, size, i;

	for (i = 0; i < FASTBINS_COUNT; i++) {
		size = CHUNK_BYTES_MIN + 16 * i;
		if (!ch_core_read_u64(glibc->env.core,
				      arena->addr + glibc->layout->fastbins + 8 * i, &head) ||
		    !head)
			continue;
		if (!follow_fastbin(glibc, head, size, mangled, false, &len)) {
			if (!glibc->tcache && follow_fastbin(glibc, head, size, false, false, &len))
				mangled = false;
			else
				chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE,
						    "glibc-fastbin-damaged",
						    "%s: the fast bin of %llu bytes leads to "
						    "something that is no free chunk of it",
						    arena->name, (unsigned long long)size);
		}
		if (!follow_fastbin(glibc, head, size, mangled, true, &len))
			continue;
		arena->fastbin_count += len;
		arena->fastbin_bytes += len * size;
	}
	return NULL;
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

struct ch_error *glibc_find_cached(struct glibc *glibc)
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
	for (i = 0; !err && glibc->layout->fastbins && i < glibc->arenas.count; i++)
		err = take_fastbins(glibc, CH_VEC_AT(&glibc->arenas, struct glibc_arena, i));
	if (!err)
		settle(glibc);
	return err;
}
