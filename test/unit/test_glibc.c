/*
 * The glibc malloc walker: its rows against debug information, its steps on
 * memory made by hand, and a small process made by hand, sound and hostile.
 */
#include <string.h>

#include "support/ck.h"
#include "support/heapcore.h"
#include "util/cleanup.h"
#include "walkers/glibc/repairs.h"

extern const struct ch_walker ch_walker_glibc;

/* ---- rows ------------------------------------------------------------------ */

/*
 * What gdb says of struct malloc_state, malloc_par and heap_info with the debug
 * information of Debian's libc6 2.31-13, 2.36-9, 2.41-12 and 2.43-7 (ptype /o).
 */
static const struct {
	const char *releases;
	uint16_t fastbins, top, bins, next, attached, system_mem, max_system_mem, state_bytes;
	uint16_t heap_info_bytes, n_mmaps, mmapped_mem, sbrk_base, hp_pagesize, tcache_count;
} known_rows[] = {
	{ "2.27-2.34", 16, 96, 112, 2160, 2176, 2184, 2192, 2200, 32, 40, 56, 72, 0, 96 },
	{ "2.35-2.42", 16, 96, 112, 2160, 2176, 2184, 2192, 2200, 48, 60, 80, 96, 48, 120 },
	{ "2.43-2.44", 0, 8, 24, 2072, 2088, 2096, 2104, 2112, 48, 68, 88, 104, 56, 128 },
};

START_TEST(rows_are_those_of_debug_information)
{
	const struct glibc_layout *row = NULL;
	size_t i;

	for (i = 0; i < glibc_layouts_count; i++)
		if (strcmp(glibc_layouts[i].releases, known_rows[_i].releases) == 0)
			row = &glibc_layouts[i];
	ck_assert_ptr_nonnull(row);
	ck_assert_uint_eq(row->fastbins, known_rows[_i].fastbins);
	ck_assert_uint_eq(row->top, known_rows[_i].top);
	ck_assert_uint_eq(row->bins, known_rows[_i].bins);
	ck_assert_uint_eq(row->next, known_rows[_i].next);
	ck_assert_uint_eq(row->attached, known_rows[_i].attached);
	ck_assert_uint_eq(row->system_mem, known_rows[_i].system_mem);
	ck_assert_uint_eq(row->max_system_mem, known_rows[_i].max_system_mem);
	ck_assert_uint_eq(row->state_bytes, known_rows[_i].state_bytes);
	ck_assert_uint_eq(row->heap_info_bytes, known_rows[_i].heap_info_bytes);
	ck_assert_uint_eq(row->n_mmaps, known_rows[_i].n_mmaps);
	ck_assert_uint_eq(row->mmapped_mem, known_rows[_i].mmapped_mem);
	ck_assert_uint_eq(row->sbrk_base, known_rows[_i].sbrk_base);
	ck_assert_uint_eq(row->hp_pagesize, known_rows[_i].hp_pagesize);
	ck_assert_uint_eq(row->tcache_count, known_rows[_i].tcache_count);
}
END_TEST

START_TEST(rows_name_their_source)
{
	size_t i;

	for (i = 0; i < glibc_layouts_count; i++)
		ck_assert_msg(strncmp(glibc_layouts[i].source, "glibc-2.", 8) == 0, "row %zu", i);
	for (i = 0; i < glibc_tcaches_count; i++) {
		const struct glibc_tcache_layout *row = &glibc_tcaches[i];
		uint64_t bytes = row->entries + 8ULL * row->bins;

		ck_assert_msg(strncmp(row->source, "glibc-2.", 8) == 0, "tcache row %zu", i);
		ck_assert_uint_ge(row->entries, (uint64_t)row->count_bytes * row->bins);
		/* request2size() of the structure */
		ck_assert_uint_eq(row->chunk_bytes, (bytes + 8 + 15) / 16 * 16);
	}
}
END_TEST

/* ---- memory made by hand ---------------------------------------------------- */

#define BASE  0x555500000000ULL
#define BYTES 0x4000U

/* One writable segment, and a range over it. */
struct memory {
	uint8_t bytes[BYTES];
	struct opened o;
	struct glibc_range range;
};

static void set64(struct memory *m, uint64_t addr, uint64_t value)
{
	ck_assert_uint_le(addr - BASE + 8, BYTES);
	memcpy(m->bytes + (addr - BASE), &value, 8);
}

/* Chunks of equal size from start on; returns the end of the last one. */
static uint64_t set_chunks(struct memory *m, uint64_t start, uint64_t size, size_t count)
{
	for (; count; count--, start += size)
		set64(m, start + 8, size | CHUNK_PREV_INUSE);
	return start;
}

static void open_memory(struct memory *m)
{
	struct corewriter *w = hc_writer();

	cw_load(w, BASE, BYTES, PF_R | PF_W, m->bytes, BYTES);
	m->o = oc_must_open_take(w);
	m->range.view.core = m->o.core;
	if (!m->range.end)
		m->range.end = BASE + BYTES;
}

static enum glibc_stop follow(struct memory *m, uint64_t at, uint64_t max, uint64_t *stop_ret)
{
	uint64_t left = max;

	return glibc_follow(&m->range, at, &left, stop_ret);
}

START_TEST(follow_stops_for_each_reason)
{
	static struct memory m;
	uint64_t end = set_chunks(&m, BASE, 0x40, 10), stop = 0;

	m.range.top = end;
	open_memory(&m);
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_TOP);
	ck_assert_uint_eq(stop, end);
	ck_assert_int_eq(follow(&m, BASE, 3, &stop), GLIBC_STOP_MAX);
	ck_assert_uint_eq(stop, BASE + 3 * 0x40);
	m.range.top = 0;
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_BROKEN);
	ck_assert_uint_eq(stop, end);
	m.range.end = end;
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_END);
	ck_assert_int_eq(follow(&m, end + 64, 100, &stop), GLIBC_STOP_BROKEN);
	oc_close(&m.o);
}
END_TEST

/* Size fields that no chunk in the middle of others may have. */
static const uint64_t bad_heads[] = {
	0,
	8,
	0x18 | 1,
	0x4141414141414141,
	UINT64_MAX,
	UINT64_MAX - 14,
	1ULL << 63 | 1,
	0x40 | CHUNK_IS_MMAPPED | 1,
	BYTES | 1,
};

START_TEST(follow_breaks_at_bad_sizes)
{
	static struct memory m;
	uint64_t stop = 0;

	set_chunks(&m, BASE, 0x40, 10);
	set64(&m, BASE + 5 * 0x40 + 8, bad_heads[_i]);
	open_memory(&m);
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_BROKEN);
	ck_assert_uint_eq(stop, BASE + 5 * 0x40);
	oc_close(&m.o);
}
END_TEST

START_TEST(follow_checks_the_size_of_free_chunks)
{
	static struct memory m;
	uint64_t end = set_chunks(&m, BASE, 0x40, 10), stop = 0;

	set64(&m, BASE + 0x40, 0x40);     /* prev_size */
	set64(&m, BASE + 0x40 + 8, 0x40); /* the one before is free */
	set64(&m, BASE + 0x100, 0x50);
	set64(&m, BASE + 0x100 + 8, 0x40);
	m.range.top = end;
	open_memory(&m);
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_BROKEN);
	ck_assert_uint_eq(stop, BASE + 0x100);
	oc_close(&m.o);
}
END_TEST

/* Fenceposts: how many of 16 bytes before the page's end, and whether they count. */
static const struct {
	uint64_t posts, gap;
	bool holds;
} fences[] = { { 2, 0, true }, { 3, 0, true }, { 1, 0, false }, { 4, 0, false }, { 2, 16, false } };

START_TEST(fenceposts_end_a_page)
{
	static struct memory m;
	uint64_t page = BASE + 0x1000, at = page - fences[_i].gap - 16 * fences[_i].posts, i;

	for (i = 0; i < fences[_i].posts; i++)
		set64(&m, at + 16 * i + 8, 0x11);
	open_memory(&m);
	ck_assert_uint_eq(glibc_fence_end(&m.range, at), fences[_i].holds ? page : 0);
	oc_close(&m.o);
}
END_TEST

START_TEST(fencepost_behind_a_free_chunk)
{
	static struct memory m;
	uint64_t page = BASE + 0x1000, stop = 0;

	set64(&m, BASE + 8, (0x1000 - 0x20) | 1);
	set64(&m, page - 0x20, 0x1000 - 0x20);
	set64(&m, page - 0x18, 0x10); /* PREV_INUSE is cleared */
	set64(&m, page - 8, 0x11);
	open_memory(&m);
	ck_assert_int_eq(follow(&m, BASE, 100, &stop), GLIBC_STOP_FENCE);
	ck_assert_uint_eq(stop, page - 0x20);
	ck_assert_uint_eq(glibc_fence_end(&m.range, stop), page);
	oc_close(&m.o);
}
END_TEST

START_TEST(next_stretch_is_behind_the_hole)
{
	static struct memory m;
	uint64_t start = BASE + 0x1a50;

	/* in the hole: text, and one number that could be a size */
	memset(m.bytes + 0x1000, 'x', 0x400);
	set64(&m, BASE + 0x1108, 0x31);
	m.range.top = set_chunks(&m, start, 0x30, 100);
	open_memory(&m);
	ck_assert_uint_eq(glibc_next_stretch(&m.range, BASE + 0x1000), start);
	m.range.top = 0;
	m.range.end = BASE + 0x1a00;
	ck_assert_uint_eq(glibc_next_stretch(&m.range, BASE + 0x1000), BASE + 0x1a00);
	oc_close(&m.o);
}
END_TEST

/* ---- repair ----------------------------------------------------------------- */

/* 40 chunks of 0x50 bytes up to top, with pointers to all of them. */
static uint64_t set_pointed_chunks(struct memory *m)
{
	uint64_t end = set_chunks(m, BASE, 0x50, 40), i;

	for (i = 0; i < 40; i++)
		set64(m, BASE + 0x3000 + 8 * i, BASE + 0x50 * i + 16);
	m->range.top = end;
	return end;
}

/* What is known of a process whose only piece is the memory. */
struct repairing {
	struct glibc_piece piece;
	struct glibc glibc;
};

static void begin_repairs(struct repairing *of, const struct memory *m)
{
	of->piece = (struct glibc_piece){ .start = BASE,
					  .first = BASE,
					  .end = BASE + BYTES,
					  .committed_end = BASE + BYTES,
					  .reserved_end = BASE + BYTES };
	of->glibc = (struct glibc){ .env.core = m->o.core, .repairs = glibc_repairs_create() };
	of->glibc.pieces = CH_VEC(struct glibc_piece);
	of->glibc.pieces.items = &of->piece;
	of->glibc.pieces.count = 1;
	ck_assert_ptr_nonnull(of->glibc.repairs);
}

static void repair(struct memory *m, const struct glibc_doubt *doubt, struct glibc_verdict *ret)
{
	struct repairing of;

	begin_repairs(&of, m);
	glibc_repair(&of.glibc, &m->range, doubt, ret);
	glibc_repairs_destroy(of.glibc.repairs);
}

START_TEST(repair_finds_the_damaged_next_header)
{
	static struct memory m;
	struct glibc_doubt doubt = { { BASE + 0x50 * 4 }, 1, .next = BASE + 0x50 * 5 };
	struct glibc_verdict verdict;

	set_pointed_chunks(&m);
	set64(&m, doubt.next + 8, bad_heads[_i]);
	/* in its block: what could be a chunk that leads to a later boundary */
	set64(&m, doubt.next + 0x20 + 8, (0x50 * 4 - 0x20) | 1);
	open_memory(&m);
	repair(&m, &doubt, &verdict);
	ck_assert_uint_eq(verdict.damaged, doubt.next);
	ck_assert_uint_eq(verdict.next, BASE + 0x50 * 6);
	oc_close(&m.o);
}
END_TEST

/* Wrong sizes, with flags, of a chunk of 0x50 bytes. */
static const uint64_t wrong_sizes[] = { 0x20, 0x30, 0x40, 0x60, 0x80, 0x90, 0xb0 };

START_TEST(repair_finds_the_damaged_chunk)
{
	static struct memory m;
	uint64_t chunk = BASE + 0x50 * 7;
	struct glibc_doubt doubt = { { chunk }, 1, .next = chunk + wrong_sizes[_i] };
	struct glibc_verdict verdict;

	set_pointed_chunks(&m);
	set64(&m, chunk + 8, wrong_sizes[_i] | 1);
	open_memory(&m);
	repair(&m, &doubt, &verdict);
	ck_assert_uint_eq(verdict.damaged, chunk);
	ck_assert_uint_eq(verdict.next, chunk + 0x50);
	oc_close(&m.o);
}
END_TEST

START_TEST(repair_gives_up_where_nothing_follows)
{
	static struct memory m;
	struct glibc_doubt doubt = { .next = BASE + 0x100 };
	struct glibc_verdict verdict;

	memset(m.bytes, 0xa5, sizeof(m.bytes));
	open_memory(&m);
	repair(&m, &doubt, &verdict);
	ck_assert_uint_eq(verdict.damaged, doubt.next);
	ck_assert_uint_eq(verdict.next, BASE + BYTES);
	oc_close(&m.o);
}
END_TEST

START_TEST(repair_is_remembered)
{
	static struct memory m;
	struct glibc_doubt doubt = { { BASE + 0x50 * 4 }, 1, .next = BASE + 0x50 * 5 };
	struct glibc_doubt other = { .next = BASE + 0x50 * 5 };
	struct glibc_verdict verdict, kept = { .damaged = BASE + 0x50 * 4, .next = BASE + 0x230 };
	struct repairing of;

	set_pointed_chunks(&m);
	set64(&m, doubt.next + 8, bad_heads[0]);
	open_memory(&m);
	begin_repairs(&of, &m);
	/* one that looking at memory would not come to */
	glibc_repairs_keep(&of.glibc, &doubt, &kept);
	glibc_repair(&of.glibc, &m.range, &doubt, &verdict);
	ck_assert_uint_eq(verdict.damaged, kept.damaged);
	ck_assert_uint_eq(verdict.next, kept.next);
	/* another doubt of the same place is another one, until it was settled, too */
	ck_assert(!glibc_repairs_recall(&of.glibc, &other, &verdict));
	glibc_repair(&of.glibc, &m.range, &other, &verdict);
	ck_assert_uint_eq(verdict.damaged, doubt.next);
	ck_assert(glibc_repairs_recall(&of.glibc, &other, &verdict));
	ck_assert_uint_eq(verdict.next, BASE + 0x50 * 6);
	glibc_repairs_destroy(of.glibc.repairs);
	oc_close(&m.o);
}
END_TEST

/* ---- a process --------------------------------------------------------------- */

#define DATA       0x7f0000200000ULL
#define DATA_BYTES 0x4000U
#define TEXT       (DATA - 0x10000)
#define ARENA      (DATA + 0x1c60)
#define PAR        (DATA + 0x1340)
#define TLS        0x7f0000300000ULL
#define TLS_BYTES  0x3000U
#define FS_BASE    (TLS + 0x2800)
#define FS_BASE_2  (TLS + 0x1800)
#define HEAP_BYTES 0x21000U
/* Used blocks behind the tcache structure, each of this chunk size. */
#define BLOCKS      20U
#define CHUNK_BYTES 0x50U
#define FIRST       (BASE + 0x290)
#define TOP         (FIRST + BLOCKS * CHUNK_BYTES)

/* glibc 2.36 with one arena, one thread, and its cache. */
struct process {
	/** A second thread, of the same arena. */
	bool two_threads;
	uint8_t heap[HEAP_BYTES], data[DATA_BYTES], tls[TLS_BYTES];
};

static void poke(uint8_t *bytes, uint64_t base, uint64_t addr, uint64_t value)
{
	memcpy(bytes + (addr - base), &value, 8);
}

static void poke_heap(struct process *p, uint64_t addr, uint64_t value)
{
	poke(p->heap, BASE, addr, value);
}

static void poke_data(struct process *p, uint64_t addr, uint64_t value)
{
	poke(p->data, DATA, addr, value);
}

static uint64_t block_addr(uint64_t index)
{
	return FIRST + index * CHUNK_BYTES + 16;
}

/* Put blocks index, index + 1 .. into the tcache's list of their size. */
static void cache_blocks(struct process *p, uint64_t index, uint16_t count)
{
	uint64_t bin = (CHUNK_BYTES - 32) / 16, i, user;

	memcpy(p->heap + 16 + 2 * bin, &count, 2);
	poke_heap(p, BASE + 16 + 0x80 + 8 * bin, block_addr(index));
	for (i = 0; i < count; i++) {
		user = block_addr(index + i);
		poke_heap(p, user, (i + 1 < count ? user + CHUNK_BYTES : 0) ^ user >> 12);
	}
}

static void make_process(struct process *p)
{
	const struct glibc_layout *row = &glibc_layouts[0];
	uint64_t i, head;

	memset(p, 0, sizeof(*p)); /* one thread */
	ck_assert_str_eq(row->releases, "2.35-2.42");
	for (i = 0; i < BINS_COUNT; i++) {
		head = ARENA + row->bins + 16 * i - 16;
		poke_data(p, head + 16, head);
		poke_data(p, head + 24, head);
	}
	poke_data(p, ARENA + row->top, TOP);
	poke_data(p, ARENA + row->next, ARENA);
	poke_data(p, ARENA + row->attached, 1);
	poke_data(p, ARENA + row->system_mem, HEAP_BYTES);
	poke_data(p, ARENA + row->max_system_mem, HEAP_BYTES);
	poke_data(p, PAR, 128 << 10);      /* trim_threshold */
	poke_data(p, PAR + 8, 128 << 10);  /* top_pad */
	poke_data(p, PAR + 16, 128 << 10); /* mmap_threshold */
	poke_data(p, PAR + 24, 8);         /* arena_test */
	poke_data(p, PAR + row->n_mmaps + 4, 65536);
	poke_data(p, PAR + row->sbrk_base, BASE);
	poke_data(p, PAR + row->tcache_count - 16, 64);
	poke_data(p, PAR + row->tcache_count - 8, 1032);
	poke_data(p, PAR + row->tcache_count, 7);
	poke_heap(p, BASE + 8, 0x290 | 1);
	for (i = 0; i < BLOCKS; i++)
		poke_heap(p, FIRST + i * CHUNK_BYTES + 8, CHUNK_BYTES | 1);
	poke_heap(p, TOP + 8, (BASE + HEAP_BYTES - TOP) | 1);
	poke(p->tls, TLS, FS_BASE - 0x48, BASE + 16);
	poke(p->tls, TLS, FS_BASE - 0x38, ARENA);
	/* tcbhead_t.tcb */
	poke(p->tls, TLS, FS_BASE, FS_BASE);
	poke(p->tls, TLS, FS_BASE_2, FS_BASE_2);
}

static struct heapcore open_process(const struct process *p)
{
	static const struct ch_walker *const walkers[] = { &ch_walker_glibc, NULL };
	static const struct cw_file_row rows[] = {
		{ TEXT, DATA, 0, "/usr/lib/libc.so.6" },
		{ DATA, DATA + DATA_BYTES, DATA - TEXT, "/usr/lib/libc.so.6" },
	};
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t regs[27] = { 0 };

	regs[19] = TLS + 0x100; /* rsp */
	regs[21] = FS_BASE;
	cw_prstatus(w, 100, 6, regs, 27);
	regs[21] = FS_BASE_2;
	if (p->two_threads)
		cw_prstatus(w, 101, 0, regs, 27);
	cw_file(w, rows, CH_COUNT_OF(rows));
	cw_load(w, BASE, HEAP_BYTES, PF_R | PF_W, p->heap, HEAP_BYTES);
	cw_load(w, TEXT, DATA - TEXT, PF_R | PF_X, NULL, 0);
	cw_load(w, DATA, DATA_BYTES, PF_R | PF_W, p->data, DATA_BYTES);
	cw_load(w, TLS, TLS_BYTES, PF_R | PF_W, p->tls, TLS_BYTES);
	return hc_open_take(w, walkers);
}

/* Check the first heap's counts and that nothing is left over. */
static void expect(struct heapcore *hc, uint64_t used, uint64_t free_count, uint64_t own)
{
	const struct ch_heap *heaps;
	size_t count = 0;

	ck_ch_ok(ch_heaps_measure(hc->heaps));
	heaps = ch_heaps_list(hc->heaps, &count);
	ck_assert_uint_ge(count, 1);
	ck_assert_uint_eq(heaps[0].used_count, used);
	ck_assert_uint_eq(heaps[0].free_count, free_count);
	ck_assert_uint_eq(heaps[0].allocator_count, own);
	ck_assert_uint_eq(heaps[0].unwalked_bytes, 0);
	ck_assert_uint_eq(heaps[0].committed_bytes, HEAP_BYTES);
	ck_assert_uint_eq(heaps[0].used_bytes + heaps[0].free_bytes + heaps[0].overhead_bytes,
			  HEAP_BYTES);
}

START_TEST(process_is_walked)
{
	static struct process p;
	struct ch_object object;
	struct heapcore hc;

	make_process(&p);
	cache_blocks(&p, 3, 5);
	hc = open_process(&p);
	expect(&hc, BLOCKS - 5 + 1, 5 + 1, 1);
	ck_assert_ptr_null(oc_finding(&hc.o, "glibc-chunk-damaged"));
	ck_assert_ptr_null(oc_finding(&hc.o, "glibc-tcache-damaged"));
	ck_assert_ptr_null(oc_finding(&hc.o, "glibc-system-mem"));
	ck_assert(ch_heaps_object_at(hc.heaps, block_addr(4) + 30, &object));
	ck_assert_uint_eq(object.addr, block_addr(4));
	ck_assert_uint_eq(object.size_bytes, CHUNK_BYTES - 8);
	ck_assert_uint_eq(object.state, CH_OBJECT_FREE);
	ck_assert_uint_eq(object.flags, CH_OBJECT_CACHED);
	hc_close(&hc);
}
END_TEST

START_TEST(zeros_of_its_size_are_no_tcache)
{
	static struct process p;
	struct heapcore hc;

	make_process(&p);
	cache_blocks(&p, 3, 2);
	/* one used block as large as a tcache structure, all zero, in place of 8 */
	memset(p.heap + (block_addr(8) - BASE), 0, 0x280);
	poke_heap(&p, block_addr(8) - 8, 0x290 | 1);
	poke_heap(&p, block_addr(8) - 16 + 0x290 + 8, (8 * CHUNK_BYTES + 0x40) | 1);
	/* it is 8 chunks and 0x10 bytes long: the next one takes what is left of four */
	poke_heap(&p, block_addr(8) - 16 + 0x290 + 8, (4 * CHUNK_BYTES - 0x10) | 1);
	/* a variable of the program points to it */
	poke(p.tls, TLS, FS_BASE - 0x400, block_addr(8));
	hc = open_process(&p);
	expect(&hc, 8 + 2 - 2 + 1, 2 + 1, 1);
	hc_close(&hc);
}
END_TEST

START_TEST(tcache_without_tls_is_found_by_content)
{
	static struct process p;
	struct heapcore hc;

	make_process(&p);
	cache_blocks(&p, 3, 5);
	poke(p.tls, TLS, FS_BASE - 0x48, 0);
	hc = open_process(&p);
	expect(&hc, BLOCKS - 5 + 1, 5 + 1, 1);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-tcache-content"));
	hc_close(&hc);
}
END_TEST

START_TEST(erased_tls_is_not_taken_for_empty)
{
	static struct process p;
	struct heapcore hc;

	make_process(&p);
	p.two_threads = true;
	cache_blocks(&p, 3, 5);
	/* What gdb writes for a stack that it cannot read. */
	memset(p.tls, 0, sizeof(p.tls));
	hc = open_process(&p);
	expect(&hc, BLOCKS - 5 + 1, 5 + 1, 1);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-tls-erased"));
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-tcache-content"));
	ck_assert(!ch_context_complete(hc.o.ctx));
	hc_close(&hc);
}
END_TEST

/* What the second thread's TLS has in place of the address of its tcache, and
 * whether that is told. */
static const struct {
	uint64_t word;
	bool told;
} pointers[] = {
	{ 0, false },
	/* __tcache_dummy of 2.43 lies in libc */
	{ DATA + 0x100, false },
	{ FIRST + 10 * CHUNK_BYTES + 16, true },
	{ FIRST + 10 * CHUNK_BYTES + 24, true },
	{ 0x4141414141414141, true },
};

START_TEST(tls_without_tcache_is_told)
{
	static struct process p;
	const struct ch_finding *finding;
	struct heapcore hc;

	make_process(&p);
	p.two_threads = true;
	cache_blocks(&p, 3, 5);
	poke(p.tls, TLS, FS_BASE_2 - 0x48, pointers[_i].word);
	poke(p.tls, TLS, FS_BASE_2 - 0x38, ARENA);
	hc = open_process(&p);
	expect(&hc, BLOCKS - 5 + 1, 5 + 1, 1);
	ck_assert_ptr_null(oc_finding(&hc.o, "glibc-tcache-content"));
	finding = oc_finding(&hc.o, "glibc-tcache-pointer");
	ck_assert_int_eq(finding != NULL, pointers[_i].told);
	if (finding)
		ck_assert_ptr_nonnull(strstr(finding->message, "thread 101"));
	hc_close(&hc);
}
END_TEST

START_TEST(lists_without_end_are_cut)
{
	static struct process p;
	struct heapcore hc;
	uint64_t user = block_addr(7);

	make_process(&p);
	cache_blocks(&p, 3, 5);
	/* the last one leads back to the first */
	poke_heap(&p, user, block_addr(3) ^ user >> 12);
	hc = open_process(&p);
	ck_ch_ok(ch_heaps_measure(hc.heaps));
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-tcache-damaged"));
	hc_close(&hc);
}
END_TEST

START_TEST(fast_bins_without_end_are_cut)
{
	static struct process p;
	const struct glibc_layout *row = &glibc_layouts[0];
	uint64_t chunk = block_addr(2) - 16;
	struct heapcore hc;

	make_process(&p);
	poke_data(&p, ARENA + row->fastbins + 8 * ((CHUNK_BYTES - 32) / 16), chunk);
	poke_heap(&p, chunk + 16, chunk ^ (chunk + 16) >> 12);
	hc = open_process(&p);
	expect(&hc, BLOCKS - 1 + 1, 1 + 1, 1);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-double-free"));
	hc_close(&hc);
}
END_TEST

/* Words of the arena and of malloc_par, overwritten with wild values. */
static const uint64_t wild[] = { 0,          1,          16,         BASE,
				 BASE + 8,   TOP + 16,   UINT64_MAX, UINT64_MAX - 15,
				 1ULL << 47, 1ULL << 63, ARENA,      DATA };

START_TEST(wild_words_end_in_an_answer)
{
	static const uint16_t members[] = {
		0x10, 0x60, 0x68, 0x70, 0x78, 0x870, 0x880, 0x888, 0x890
	};
	static struct process p;
	struct heapcore hc;
	size_t i, k;

	for (i = 0; i < CH_COUNT_OF(members) + 12; i++) {
		for (k = 0; k < CH_COUNT_OF(wild); k++) {
			make_process(&p);
			cache_blocks(&p, 3, 5);
			if (i < CH_COUNT_OF(members))
				poke_data(&p, ARENA + members[i], wild[k]);
			else
				poke_data(&p, PAR + 8 * (i - CH_COUNT_OF(members)), wild[k]);
			hc = open_process(&p);
			ck_ch_ok(ch_heaps_measure(hc.heaps));
			hc_close(&hc);
		}
	}
}
END_TEST

START_TEST(counter_that_differs_is_told)
{
	static struct process p;
	struct heapcore hc;

	make_process(&p);
	poke_data(&p, ARENA + glibc_layouts[0].system_mem, HEAP_BYTES + 0x1000);
	poke_data(&p, ARENA + glibc_layouts[0].max_system_mem, HEAP_BYTES + 0x1000);
	hc = open_process(&p);
	expect(&hc, BLOCKS + 1, 1, 1);
	ck_assert_ptr_nonnull(oc_finding(&hc.o, "glibc-system-mem"));
	hc_close(&hc);
}
END_TEST

START_TEST(links_are_mangled_by_their_place)
{
	/* malloc.c, PROTECT_PTR: ((((size_t) pos) >> 12) ^ ((size_t) ptr)) */
	ck_assert_uint_eq(glibc_unmangle(true, 0x55555555a2c0, 0x0000555000002f7a),
			  0x0000555000002f7a ^ 0x55555555aULL);
	ck_assert_uint_eq(glibc_unmangle(false, 0x55555555a2c0, 0x1234), 0x1234);
}
END_TEST

Suite *suite_glibc(void)
{
	Suite *suite = suite_create("glibc");
	TCase *rows = tcase_create("rows"), *steps = tcase_create("steps");
	TCase *process = tcase_create("process");

	tcase_add_loop_test(rows, rows_are_those_of_debug_information, 0, CH_COUNT_OF(known_rows));
	tcase_add_test(rows, rows_name_their_source);
	tcase_add_test(rows, links_are_mangled_by_their_place);
	tcase_add_test(steps, follow_stops_for_each_reason);
	tcase_add_loop_test(steps, follow_breaks_at_bad_sizes, 0, CH_COUNT_OF(bad_heads));
	tcase_add_test(steps, follow_checks_the_size_of_free_chunks);
	tcase_add_loop_test(steps, fenceposts_end_a_page, 0, CH_COUNT_OF(fences));
	tcase_add_test(steps, fencepost_behind_a_free_chunk);
	tcase_add_test(steps, next_stretch_is_behind_the_hole);
	tcase_add_loop_test(steps, repair_finds_the_damaged_next_header, 0, CH_COUNT_OF(bad_heads));
	tcase_add_loop_test(steps, repair_finds_the_damaged_chunk, 0, CH_COUNT_OF(wrong_sizes));
	tcase_add_test(steps, repair_gives_up_where_nothing_follows);
	tcase_add_test(steps, repair_is_remembered);
	tcase_add_test(process, process_is_walked);
	tcase_add_test(process, zeros_of_its_size_are_no_tcache);
	tcase_add_test(process, tcache_without_tls_is_found_by_content);
	tcase_add_test(process, erased_tls_is_not_taken_for_empty);
	tcase_add_loop_test(process, tls_without_tcache_is_told, 0, CH_COUNT_OF(pointers));
	tcase_add_test(process, lists_without_end_are_cut);
	tcase_add_test(process, fast_bins_without_end_are_cut);
	tcase_add_test(process, wild_words_end_in_an_answer);
	tcase_add_test(process, counter_that_differs_is_told);
	suite_add_tcase(suite, rows);
	suite_add_tcase(suite, steps);
	suite_add_tcase(suite, process);
	return suite;
}
