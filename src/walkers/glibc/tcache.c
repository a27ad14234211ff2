/*
 * The caches of free blocks that each thread has, and what is in them: these blocks look used.
 *
 * Each thread's cache of free blocks is a block of an arena, pointed to by a
 * variable of libc's static TLS, at the same distance from every thread's
 * thread pointer. Neither the variable's place nor the structure has a name in
 * a core: candidates at each distance are judged by content, and the distance
 * that most threads agree on wins.
 */
#include "walkers/glibc/chunks.h"

#include "util/context.h"
#include "walkers/glibc/flight.h"

#define TCACHE_BINS_MAX 76U
/* Static TLS that is looked through: at least, and at most. */
#define TLS_BYTES_MIN 8192U
#define TLS_BYTES_MAX (1U << 20)
/* Threads that decide where the variable is. */
#define VOTERS_MAX 64U
/* Distance of thread_arena from tcache: both are in libc's TLS, some 150 bytes. */
#define NEAR_BYTES 0x80U
/* Lists that show a structure whose header is damaged. */
#define LISTS_ENOUGH 2
/* Links that may be followed to find the variable. */
#define LINKS_MAX (1U << 24)

/* A reading of one structure by one row. */
struct reading {
	const struct glibc_tcache_layout *layout;
	/** User address. */
	uint64_t addr;
	/** Lists that are not empty and hold; lists that do not hold. */
	uint32_t good, bad;
	/** Of the thread; 0: not known. */
	uint32_t tid;
};

/* One place in static TLS. */
struct place {
	/** Distance from the thread pointer. */
	int64_t offset;
	/** Threads with a structure there; with blocks in it; with an arena's
	 * address near; whose structure is the first block of its heap. */
	uint32_t votes, filled, arenas, firsts;
};

/* The work on one core. */
struct tcaches {
	struct glibc *glibc;
	/** Links that may still be followed. */
	uint64_t left;
	/** of struct place */
	struct ch_vec places;
	/** Structures that no thread's TLS led to. */
	uint64_t by_content;
};

/* ---- lists ----------------------------------------------------------------- */

/* Whether a block may be at user at all. */
static bool is_block(const struct glibc *glibc, uint64_t user)
{
	return user % 16 == 0 && user >= CHUNK_HEADER_BYTES &&
	       glibc_piece_at(glibc, user - CHUNK_HEADER_BYTES) < glibc->pieces.count;
}

/* Whether the block at user has a size that bin may hold. */
static bool fits_bin(const struct glibc *glibc, const struct glibc_tcache_layout *layout,
		     uint64_t user, uint32_t bin)
{
	uint64_t size;

	size = glibc_chunk_size(glibc->env.core, user - CHUNK_HEADER_BYTES);
	if (bin < layout->small_bins)
		return size == CHUNK_BYTES_MIN + 16ULL * bin;
	return size >= CHUNK_BYTES_MIN + 16ULL * layout->small_bins;
}

/* One list of a structure. */
struct list {
	const struct glibc_tcache_layout *layout;
	uint64_t head;
	uint32_t bin;
	/** How many blocks it should have. */
	uint64_t count;
	/** of struct glibc_cached, glibc_freed: where to put its chunks; may be
	 * NULL */
	struct ch_vec *out, *freed;
	/** Of whom. */
	uint64_t tcache;
	uint32_t tid;
	/** Where it went astray: the last link, where it lies, what is there. */
	uint64_t stray, slot, stored;
	/** It has all its blocks, and more. */
	bool is_long;
	/** It holds, but has one block more or less than it should: its count was
	 * not written yet, if the thread was inside malloc. */
	bool off_by_one;
};

static uint32_t list_bytes(const struct list *list)
{
	return CHUNK_BYTES_MIN + 16U * list->bin;
}

/* Keep a block of a list. */
static void keep_block(const struct glibc *glibc, const struct list *list, uint64_t user)
{
	struct glibc_cached *cached = ch_vec_push(list->out);
	struct glibc_freed *freed = ch_vec_push(list->freed);
	bool is_small = list->bin < list->layout->small_bins;
	uint64_t key = 0;

	if (cached)
		*cached = (struct glibc_cached){ .chunk = user - CHUNK_HEADER_BYTES,
						 .bytes = is_small ? list_bytes(list) : 0,
						 .flags = CH_OBJECT_CACHED };
	if (freed && ch_core_read_u64(glibc->env.core, user + 8, &key))
		*freed = (struct glibc_freed){ .user = user,
					       .tcache = list->tcache,
					       .key = key,
					       .tid = list->tid,
					       .bytes = list_bytes(list) - 8 };
	else if (freed)
		list->freed->count--;
}

/* Whether a list goes on at next, its block number i. */
static bool goes_on(const struct glibc *glibc, const struct list *list, uint64_t i, uint64_t next)
{
	if (i == list->count)
		return next == 0;
	return is_block(glibc, next) && fits_bin(glibc, list->layout, next, list->bin);
}

/* Whether the block at user is the last of a list. */
static bool ends_at(const struct glibc *glibc, const struct list *list, uint64_t user)
{
	uint64_t stored;

	return is_block(glibc, user) && fits_bin(glibc, list->layout, user, list->bin) &&
	       ch_core_read_u64(glibc->env.core, user, &stored) &&
	       !glibc_unmangle(list->layout->mangled, user, stored);
}

/*
 * Follow a list. True when it has count blocks, each of the bin's size: but
 * one, in a list of several, whose header is damaged.
 */
static bool follow_list(const struct glibc *glibc, struct list *list, uint64_t *left)
{
	uint64_t user = list->head, stored, next, i, misfits = 0;

	for (i = 0; i < list->count && *left; i++, (*left)--) {
		list->stray = user;
		list->off_by_one = !user && i + 1 == list->count;
		if (!is_block(glibc, user) || !ch_core_read_u64(glibc->env.core, user, &stored))
			return false;
		next = glibc_unmangle(list->layout->mangled, user, stored);
		if (!fits_bin(glibc, list->layout, user, list->bin) &&
		    (list->count == 1 || misfits++ || !goes_on(glibc, list, i + 1, next)))
			return false;
		if (list->out)
			keep_block(glibc, list, user);
		list->slot = user;
		list->stored = stored;
		user = next;
	}
	list->stray = user;
	list->is_long = i == list->count;
	list->off_by_one = list->is_long && user && ends_at(glibc, list, user);
	if (list->off_by_one && list->out)
		keep_block(glibc, list, user);
	return i == list->count && user == 0;
}

/* The counts and heads of a structure. */
struct contents {
	uint64_t counts[TCACHE_BINS_MAX], heads[TCACHE_BINS_MAX];
};

/*
 * Read them. Counts that say how many more fit become how many there are: a
 * bin that is empty says how many fit, unless malloc_par does.
 */
static bool read_contents(const struct glibc *glibc, const struct glibc_tcache_layout *layout,
			  uint64_t addr, struct contents *ret)
{
	uint64_t fill = glibc->par.tcache_count, most = 0;
	uint8_t bytes[8 * TCACHE_BINS_MAX];
	uint32_t i;

	if (addr > UINT64_MAX - layout->chunk_bytes ||
	    !ch_core_try_read(glibc->env.core, addr, bytes,
			      (size_t)layout->count_bytes * layout->bins))
		return false;
	for (i = 0; i < layout->bins; i++) {
		ret->counts[i] =
			layout->count_bytes == 1 ? bytes[i] : ch_get16(bytes + 2 * (size_t)i);
		most = ch_max(most, ret->counts[i]);
	}
	if (!ch_core_try_read(glibc->env.core, addr + layout->entries, bytes,
			      8 * (size_t)layout->bins))
		return false;
	for (i = 0; i < layout->bins; i++)
		ret->heads[i] = ch_get64(bytes + 8 * (size_t)i);
	if (!layout->counts_down)
		return true;
	if (fill == UINT64_MAX)
		fill = most;
	for (i = 0; i < layout->bins; i++) {
		if (ret->counts[i] > fill)
			return false;
		ret->counts[i] = fill - ret->counts[i];
	}
	return true;
}

/* Judge a structure by one row, without keeping anything. */
static bool judge(const struct glibc *glibc, struct reading *reading, uint64_t *left)
{
	struct contents contents;
	uint32_t i;

	if (!read_contents(glibc, reading->layout, reading->addr, &contents))
		return false;
	for (i = 0; i < reading->layout->bins; i++) {
		struct list list = { .layout = reading->layout,
				     .head = contents.heads[i],
				     .bin = i,
				     .count = contents.counts[i] };

		if (!contents.heads[i] && !contents.counts[i])
			continue;
		if (contents.counts[i] && follow_list(glibc, &list, left))
			reading->good++;
		else
			reading->bad++;
	}
	return true;
}

/* Whether a chunk may hold a structure: what is left of a free chunk and too
 * small for one of its own, 16 bytes, goes with it. */
static bool is_size_of(const struct glibc_tcache_layout *layout, uint64_t size)
{
	return size == layout->chunk_bytes || size == layout->chunk_bytes + 16ULL;
}

/*
 * Whether the block at user may be a structure: by the best row. Where its
 * header is damaged its lists must speak for it.
 */
static bool is_tcache(const struct glibc *glibc, uint64_t user, uint64_t *left, struct reading *ret)
{
	struct reading best = { .bad = UINT32_MAX };
	uint64_t size;
	size_t i;

	size = glibc_chunk_size(glibc->env.core, user - CHUNK_HEADER_BYTES);
	for (i = 0; i < glibc_tcaches_count; i++) {
		struct reading reading = { .layout = &glibc_tcaches[i], .addr = user };

		if ((glibc->tcache && glibc->tcache != &glibc_tcaches[i]) ||
		    !judge(glibc, &reading, left) ||
		    (!is_size_of(&glibc_tcaches[i], size) &&
		     (reading.good < (glibc->tcache_proven ? 1 : LISTS_ENOUGH) || reading.bad)))
			continue;
		if (reading.bad < best.bad || (reading.bad == best.bad && reading.good > best.good))
			best = reading;
	}
	/* some damage is expected; nothing but damage is no structure */
	if (!best.layout || best.bad > best.good + 1)
		return false;
	*ret = best;
	return true;
}

/* Whether the block at user has the size of a structure. */
static bool has_size(const struct glibc *glibc, uint64_t user)
{
	uint64_t size = glibc_chunk_size(glibc->env.core, user - CHUNK_HEADER_BYTES);
	size_t i;

	for (i = 0; i < glibc_tcaches_count; i++)
		if (is_size_of(&glibc_tcaches[i], size))
			return true;
	return false;
}

bool glibc_looks_like_tcache(const struct glibc *glibc, uint64_t user)
{
	uint64_t left = TCACHE_BINS_MAX * 256;
	struct reading reading;

	return is_tcache(glibc, user, &left, &reading) && reading.good && !reading.bad;
}

/* ---- the variable in static TLS -------------------------------------------- */

int64_t glibc_tls_bytes(const struct glibc *glibc)
{
	const struct ch_module *modules;
	uint64_t sum = 4096;
	size_t count, i;

	modules = ch_sym_modules(glibc->env.sym, &count);
	for (i = 0; i < count && sum < TLS_BYTES_MAX; i++)
		sum += ch_min(modules[i].tls_memsz, TLS_BYTES_MAX) + 64;
	return (int64_t)ch_max(ch_min(sum, TLS_BYTES_MAX), TLS_BYTES_MIN) / 8 * 8;
}

bool glibc_has_tls(const struct glibc *glibc, const struct ch_thread *thread)
{
	uint64_t self;

	if (!thread->tls_base || thread->tls_base % 8)
		return false;
	if (ch_core_arch(glibc->env.core) != CH_ARCH_X86_64)
		return true;
	/* tcbhead_t begins with its own address. gdb writes zeros for a stack with
	 * guard pages of glibc 2.42, which it cannot read: not what was there. */
	return ch_core_read_u64(glibc->env.core, thread->tls_base, &self) &&
	       self == thread->tls_base;
}

static bool read_tls(const struct glibc *glibc, const struct ch_thread *thread, int64_t offset,
		     uint64_t *ret)
{
	return glibc_has_tls(glibc, thread) &&
	       ch_core_read_u64(glibc->env.core, thread->tls_base + (uint64_t)offset, ret);
}

/* The arena whose address lies near offset, or -1: thread_arena. */
static bool has_arena_near(const struct glibc *glibc, const struct ch_thread *thread,
			   int64_t offset)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	uint64_t word;
	int64_t at;
	size_t i;

	for (at = offset - NEAR_BYTES; at <= offset + (int64_t)NEAR_BYTES; at += 8) {
		if (!read_tls(glibc, thread, at, &word) || !word)
			continue;
		for (i = 0; i < glibc->arenas.count; i++)
			if (arenas[i].addr == word)
				return true;
	}
	return false;
}

static struct place *place_at(struct tcaches *tcaches, int64_t offset)
{
	struct place *places = tcaches->places.items;
	size_t i;

	for (i = 0; i < tcaches->places.count; i++)
		if (places[i].offset == offset)
			return &places[i];
	places = ch_vec_push(&tcaches->places);
	if (places)
		places->offset = offset;
	return places;
}

/* Whether word may point to a structure at all. */
static bool is_candidate(const struct glibc *glibc, uint64_t word)
{
	return word % 16 == 0 && word >= CHUNK_HEADER_BYTES &&
	       glibc_piece_at(glibc, word) < glibc->pieces.count;
}

/* Let one thread vote for the places at which it has a structure. */
static struct ch_error *vote(struct tcaches *tcaches, const struct ch_thread *thread)
{
	const struct glibc *glibc = tcaches->glibc;
	bool above = ch_core_arch(glibc->env.core) == CH_ARCH_AARCH64;
	int64_t bytes = glibc_tls_bytes(glibc), offset = above ? 0 : -bytes;
	int64_t end = above ? bytes : 0;
	const struct glibc_piece *piece;
	struct reading reading;
	struct place *place;
	uint64_t word;

	for (; offset < end; offset += 8) {
		if (!read_tls(glibc, thread, offset, &word) || !is_candidate(glibc, word) ||
		    !is_tcache(glibc, word, &tcaches->left, &reading))
			continue;
		place = place_at(tcaches, offset);
		if (!place)
			return &ch_enomem;
		piece = CH_VEC_AT(&glibc->pieces, struct glibc_piece, glibc_piece_at(glibc, word));
		place->votes++;
		place->filled += reading.good > 0;
		place->arenas += has_arena_near(glibc, thread, offset);
		place->firsts += piece->first + CHUNK_HEADER_BYTES == word;
	}
	return NULL;
}

static uint64_t weight(const struct place *place)
{
	return 8ULL * place->filled + 4ULL * place->arenas + 2ULL * place->firsts + place->votes;
}

/* Where the variable is; false when no thread shows it. */
static struct ch_error *find_place(struct tcaches *tcaches, bool *found_ret, int64_t *offset_ret)
{
	const struct ch_thread *threads;
	const struct place *places;
	size_t count, i, voters = 0, best = 0;
	struct ch_error *err;

	threads = ch_core_threads(tcaches->glibc->env.core, &count);
	for (i = 0; i < count && voters < VOTERS_MAX; i++) {
		if (!glibc_has_tls(tcaches->glibc, &threads[i]))
			continue;
		voters++;
		err = vote(tcaches, &threads[i]);
		if (err)
			return err;
	}
	places = tcaches->places.items;
	for (i = 1; i < tcaches->places.count; i++)
		if (weight(&places[i]) > weight(&places[best]))
			best = i;
	*found_ret = tcaches->places.count > 0;
	if (*found_ret)
		*offset_ret = places[best].offset;
	return NULL;
}

/* ---- taking structures ----------------------------------------------------- */

static void tell_list(const struct glibc *glibc, const struct list *list)
{
	const struct ch_core *core = glibc->env.core;
	char why[80];

	if (list->off_by_one && glibc_thread_inside(glibc, list->tid)) {
		chp_context_finding(
			glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-under-way",
			"the tcache of thread %u at 0x%llx: its list of %u bytes has one block "
			"%s than its count says; the thread was inside malloc: that is no damage",
			list->tid, (unsigned long long)list->tcache, list_bytes(list) - 8,
			list->is_long ? "more" : "less");
		return;
	}
	if (!list->stray) {
		chp_context_finding(
			glibc->env.ctx, CH_SEVERITY_DAMAGED, "glibc-tcache-damaged",
			"the tcache of thread %u at 0x%llx: its list of %u bytes should have %llu "
			"blocks, but ends at 0x%llx",
			list->tid, (unsigned long long)list->tcache, list_bytes(list) - 8,
			(unsigned long long)list->count, (unsigned long long)list->slot);
		return;
	}
	chp_context_finding(
		glibc->env.ctx, chp_blame(&glibc->env), "glibc-tcache-damaged",
		"the tcache of thread %u at 0x%llx: its list of %llu blocks of %u bytes leads to "
		"%s, %s; the word at 0x%llx is %s%s. What follows in the list is counted as used",
		list->tid, (unsigned long long)list->tcache, (unsigned long long)list->count,
		list_bytes(list) - 8, chp_core_word(core, list->stray, CH_NO_ADDRESS).text,
		list->is_long ? "where it should end"
			      : glibc_explain_link(glibc, list->stray, why, sizeof(why)),
		(unsigned long long)list->slot,
		chp_core_word(core, list->stored, "no link to a block").text,
		glibc_sign(glibc, list->stray));
}

/* Keep the structure and the blocks in it. */
static struct ch_error *take(struct glibc *glibc, const struct reading *reading)
{
	uint64_t left = LINKS_MAX;
	struct glibc_cached *cached = ch_vec_push(&glibc->cached);
	struct contents contents;
	uint32_t i;

	if (!cached)
		return &ch_enomem;
	cached->chunk = reading->addr - CHUNK_HEADER_BYTES;
	cached->flags = CH_OBJECT_ALLOCATOR;
	glibc->tcache_structs++;
	if (!read_contents(glibc, reading->layout, reading->addr, &contents))
		return NULL;
	for (i = 0; i < reading->layout->bins; i++) {
		struct list list = { .layout = reading->layout,
				     .head = contents.heads[i],
				     .bin = i,
				     .count = contents.counts[i],
				     .out = &glibc->cached,
				     .freed = &glibc->freed,
				     .tcache = reading->addr,
				     .tid = reading->tid,
				     .slot = reading->addr + reading->layout->entries + 8ULL * i,
				     .stored = contents.heads[i] };

		if ((contents.heads[i] || contents.counts[i]) &&
		    !follow_list(glibc, &list, &left)) {
			if (list.stray && glibc_is_absent(glibc, list.stray))
				glibc->absent_lists++;
			else
				tell_list(glibc, &list);
		}
	}
	return NULL;
}

static bool is_taken(const struct glibc *glibc, uint64_t chunk)
{
	const struct glibc_cached *cached = glibc->cached.items;
	size_t i;

	for (i = 0; i < glibc->cached.count; i++)
		if (cached[i].chunk == chunk && (cached[i].flags & CH_OBJECT_ALLOCATOR))
			return true;
	return false;
}

/* What a thread has where threads have the address of their tcache. */
struct pointer {
	uint64_t addr;
	uint32_t tid;
};

static int compare_pointers(const void *a, const void *b)
{
	const struct pointer *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

/* The TLS says that there is a structure, the memory does not. Threads that
 * have none yet have NULL, or __tcache_dummy of libc (2.43). */
static void tell_pointer(const struct glibc *glibc, const struct pointer *pointer)
{
	char why[80];

	if (!pointer->addr || ch_sym_module_at(glibc->env.sym, pointer->addr))
		return;
	chp_context_finding(glibc->env.ctx, chp_blame(&glibc->env), "glibc-tcache-pointer",
			    "thread %u: its TLS says that its tcache is at %s, %s; there is no "
			    "tcache structure. What it holds is counted as used",
			    pointer->tid,
			    chp_core_word(glibc->env.core, pointer->addr, CH_NO_ADDRESS).text,
			    glibc_explain_link(glibc, pointer->addr, why, sizeof(why)));
}

/* Of the row that most structures speak for, the first wins when none does. */
static struct ch_error *take_all(struct tcaches *tcaches, struct ch_vec *pointers)
{
	struct glibc *glibc = tcaches->glibc;
	const struct pointer *items = pointers->items;
	struct ch_error *err = NULL;
	struct reading reading;
	size_t i, pass;

	ch_vec_sort(pointers, compare_pointers);
	/* first those with blocks in them, which prove a row; last those that are
	 * too damaged to be believed without it */
	for (pass = 0; !err && pass < 3; pass++) {
		for (i = 0; !err && i < pointers->count; i++) {
			if ((i && items[i].addr == items[i - 1].addr) ||
			    !is_candidate(glibc, items[i].addr) ||
			    !is_tcache(glibc, items[i].addr, &tcaches->left, &reading) ||
			    (reading.good > 0) != (pass != 1) ||
			    (pass == 2 && is_taken(glibc, items[i].addr - CHUNK_HEADER_BYTES)))
				continue;
			if (pass == 0 || !glibc->tcache) {
				glibc->tcache = reading.layout;
				glibc->tcache_proven |= pass == 0;
			}
			reading.tid = items[i].tid;
			err = take(glibc, &reading);
		}
	}
	for (i = 0; !err && i < pointers->count; i++)
		if (!is_taken(glibc, items[i].addr - CHUNK_HEADER_BYTES))
			tell_pointer(glibc, &items[i]);
	return err;
}

/* Zeros where threads had their storage are no storage without anything in it. */
static void tell_erased(const struct glibc *glibc)
{
	const struct ch_thread *threads;
	size_t count, i, erased = 0;
	uint64_t first;

	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; i < count; i++)
		erased += threads[i].tls_base && !glibc_has_tls(glibc, &threads[i]) &&
			  ch_core_read_u64(glibc->env.core, threads[i].tls_base, &first) && !first;
	if (erased)
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-tls-erased",
				    "of %zu of %zu threads the core does not hold what their "
				    "thread-local storage and stacks held (gdb writes zeros for "
				    "stacks that it cannot read whole, as those of glibc 2.42 and "
				    "later)",
				    erased, count);
}

/* absent_ret: a thread's TLS is not in the core. */
static struct ch_error *take_from_tls(struct tcaches *tcaches, int64_t offset, bool *absent_ret)
{
	struct glibc *glibc = tcaches->glibc;
	struct ch_vec pointers = CH_VEC(struct pointer);
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	struct pointer *slot;
	uint64_t word;
	size_t count, i;

	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; !err && i < count; i++) {
		if (!read_tls(glibc, &threads[i], offset, &word)) {
			*absent_ret = true;
			continue;
		}
		slot = ch_vec_push(&pointers);
		if (slot)
			*slot = (struct pointer){ word, threads[i].tid };
		else
			err = &ch_enomem;
	}
	if (!err)
		err = take_all(tcaches, &pointers);
	ch_vec_deinit(&pointers);
	return err;
}

/* ---- without TLS ----------------------------------------------------------- */

/* Look at all chunks of a piece: structures with blocks in them, and the
 * first chunk, which the first thread to use a heap makes (up to 2.42). */
static struct ch_error *scan_piece(struct tcaches *tcaches, const struct glibc_piece *piece)
{
	struct glibc *glibc = tcaches->glibc;
	struct glibc_range range = { .view.core = glibc->env.core, .end = piece->end };
	uint64_t at = piece->first, next = at, left;
	struct reading reading;
	enum glibc_stop stop;
	struct ch_error *err;

	for (; at < piece->end; at = next) {
		left = 1;
		stop = glibc_follow(&range, at, &left, &next);
		if (stop == GLIBC_STOP_BROKEN)
			next = glibc_resync(&range, at + CHUNK_BYTES_MIN, at);
		else if (stop == GLIBC_STOP_ABSENT)
			next = glibc_behind_hole(&range, at);
		if (next <= at)
			return NULL;
		if (!has_size(glibc, at + CHUNK_HEADER_BYTES) ||
		    !is_tcache(glibc, at + CHUNK_HEADER_BYTES, &tcaches->left, &reading) ||
		    (reading.good == 0 && at != piece->first) || is_taken(glibc, at))
			continue;
		glibc->tcache = reading.layout;
		glibc->tcache_proven |= reading.good > 0;
		tcaches->by_content++;
		err = take(glibc, &reading);
		if (err)
			return err;
	}
	return NULL;
}

static struct ch_error *scan_contents(struct tcaches *tcaches)
{
	const struct glibc_piece *pieces = tcaches->glibc->pieces.items;
	struct ch_error *err;
	size_t i;

	for (i = 0; i < tcaches->glibc->pieces.count; i++) {
		err = scan_piece(tcaches, &pieces[i]);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- all of it ------------------------------------------------------------- */

int glibc_compare_cached(const void *a, const void *b)
{
	const struct glibc_cached *x = a, *y = b;

	if (x->chunk != y->chunk)
		return x->chunk < y->chunk ? -1 : 1;
	return y->flags - x->flags;
}

/* Remove doubles, and charge cached chunks to the arena they come from. */
static void settle(struct glibc *glibc)
{
	struct glibc_cached *cached = glibc->cached.items;
	const struct glibc_piece *pieces = glibc->pieces.items;
	struct glibc_arena *arena;
	size_t i, kept = 0, piece;

	ch_vec_sort(&glibc->cached, glibc_compare_cached);
	for (i = 0; i < glibc->cached.count; i++) {
		if (kept && cached[kept - 1].chunk == cached[i].chunk)
			continue;
		cached[kept++] = cached[i];
		piece = glibc_piece_at(glibc, cached[i].chunk);
		if (piece == glibc->pieces.count || cached[i].flags != CH_OBJECT_CACHED)
			continue;
		arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, pieces[piece].arena);
		arena->tcache_count++;
		arena->tcache_bytes += cached[i].bytes
					       ? cached[i].bytes
					       : glibc_chunk_size(glibc->env.core, cached[i].chunk);
	}
	glibc->cached.count = kept;
}

struct ch_error *glibc_find_tcaches(struct glibc *glibc)
{
	struct tcaches tcaches = { .glibc = glibc,
				   .left = LINKS_MAX,
				   .places = CH_VEC(struct place) };
	struct ch_error *err;
	bool found = false, absent = false;
	int64_t offset = 0;

	err = find_place(&tcaches, &found, &offset);
	glibc->tcache_basis = found ? "threads' TLS" : "content";
	tell_erased(glibc);
	if (!err && found)
		err = take_from_tls(&tcaches, offset, &absent);
	if (!err && (found ? absent : glibc->layout->tcache_count))
		err = scan_contents(&tcaches);
	ch_vec_deinit(&tcaches.places);
	if (!err && tcaches.by_content)
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-tcache-content",
				    "%llu tcache structures were found by their contents: no "
				    "thread's TLS in the core leads to them",
				    (unsigned long long)tcaches.by_content);
	if (!err) {
		settle(glibc);
		glibc_check_freed(glibc);
	}
	return err;
}
