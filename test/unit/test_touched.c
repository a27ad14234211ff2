/*
 * Which pages of a core hold anything: held against a count of each byte, on segments of
 * all shapes; holes of the file are not read.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/ck.h"
#include "support/opencore.h"
#include "util/bytes.h"

#define PAGE  4096U
#define PAGES 300
#define BASE  0x10000ULL
#define SPACE (PAGES * PAGE)

/* What the process had: its bytes, and which of them the core holds. */
struct truth {
	uint8_t bytes[SPACE];
	bool present[SPACE];
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* Segments with gaps, some cut short, at odd addresses and places of the file too. */
static struct opened open_random(struct truth *truth, uint64_t seed)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t at = 0, len, held, i, unit = seed % 3 ? PAGE : 8;

	w->content_align = seed % 2 ? 4096 : 1;
	for (i = 0; i < 400; i++)
		truth->bytes[next_random(&seed) % SPACE] = (uint8_t)next_random(&seed);
	for (; at + 8 * PAGE < SPACE; at += len + unit * (next_random(&seed) % 3)) {
		len = unit * (1 + next_random(&seed) % (8 * PAGE / unit));
		held = next_random(&seed) % 3 ? len : len - next_random(&seed) % len;
		cw_load(w, BASE + at, len, PF_R | PF_W, truth->bytes + at, held);
		memset(truth->present + at, 1, held);
	}
	return oc_must_open_take(w);
}

/* Whether the core holds a byte other than zero of the page of an address: as one segment
 * shows it, as pages of two that meet in it are each judged by its own bytes. */
static bool page_is_touched(const struct opened *o, const struct truth *truth, uint64_t addr)
{
	const struct ch_segment *segment = ch_core_segment_at(o->core, addr);
	uint64_t page = ch_max(addr / PAGE * PAGE, segment->start), i;

	for (i = page; i < ch_min(addr / PAGE * PAGE + PAGE, segment->present_end); i++)
		if (truth->bytes[i - BASE])
			return true;
	return false;
}

START_TEST(bytes_on_touched_pages)
{
	struct truth *truth = calloc(1, sizeof(*truth));
	struct opened o = open_random(truth, (uint64_t)_i);
	uint64_t *sums = calloc(SPACE + 1, sizeof(*sums)), seed = 77, i, from, to;

	for (i = 0; i < SPACE; i++)
		sums[i + 1] = sums[i] + (truth->present[i] && page_is_touched(&o, truth, BASE + i));
	ck_assert(!ch_core_knows_touched(o.core));
	/* no hole, so any page may hold something */
	ck_assert_uint_eq(ch_core_touched_bytes(o.core, 0, BASE + SPACE),
			  ch_core_stats(o.core)->present_bytes);
	ck_ch_ok(ch_core_look_at_pages(o.core, 1 + (uint32_t)_i % 4));
	ck_assert(ch_core_knows_touched(o.core));
	ck_assert_uint_eq(ch_core_touched_bytes(o.core, 0, UINT64_MAX), sums[SPACE]);
	for (i = 0; i < 2000; i++) {
		from = next_random(&seed) % SPACE;
		to = from + next_random(&seed) % (SPACE - from);
		ck_assert_uint_eq(ch_core_touched_bytes(o.core, BASE + from, BASE + to),
				  sums[to] - sums[from]);
		to = ch_core_next_untouched(o.core, BASE + from, BASE + SPACE) - BASE;
		ck_assert_uint_eq(sums[to] - sums[from], to - from);
		ck_assert(to == SPACE || sums[to + 1] == sums[to]);
	}
	free(sums);
	free(truth);
	oc_close(&o);
}
END_TEST

/* Whatever is not stepped over is the core's, and what is stepped over is zero or absent. */
START_TEST(data_in_order)
{
	struct truth *truth = calloc(1, sizeof(*truth));
	struct opened o = open_random(truth, (uint64_t)_i);
	uint64_t at = BASE, seen = BASE, i;
	const uint8_t *bytes;
	size_t len;

	if (_i % 2)
		ck_ch_ok(ch_core_look_at_pages(o.core, 2));
	while ((bytes = ch_core_next_data(o.core, &at, BASE + SPACE, &len))) {
		ck_assert_uint_gt(len, 0);
		for (i = seen; i < at; i++)
			ck_assert(!truth->present[i - BASE] || !truth->bytes[i - BASE]);
		for (i = 0; i < len; i++)
			ck_assert(truth->present[at + i - BASE] &&
				  truth->bytes[at + i - BASE] == bytes[i]);
		at += len;
		seen = at;
	}
	for (i = seen; i < BASE + SPACE; i++)
		ck_assert(!truth->present[i - BASE] || !truth->bytes[i - BASE]);
	free(truth);
	oc_close(&o);
}
END_TEST

START_TEST(zero_or_not)
{
	static uint8_t bytes[4 * PAGE];
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	bytes[2 * PAGE + 7] = 1;
	cw_load(w, 0x10000, 3 * PAGE, PF_R, bytes, 3 * PAGE);
	cw_load(w, 0x13000, 2 * PAGE, PF_R, bytes, PAGE);
	o = oc_must_open_take(w);
	ck_assert(ch_core_is_zero(o.core, 0x10000, 0x12000));
	ck_assert(ch_core_is_zero(o.core, 0x10ff0, 0x11ff0));
	ck_assert(!ch_core_is_zero(o.core, 0x10000, 0x12001));
	ck_assert(!ch_core_is_zero(o.core, 0x12000, 0x13000));
	ck_assert(ch_core_is_zero(o.core, 0x13000, 0x14000));
	ck_assert_msg(!ch_core_is_zero(o.core, 0x13000, 0x15000), "absent is not zero");
	ck_assert(!ch_core_is_zero(o.core, 0x9000, 0x10000));
	/* what was found zero is known, without a look at the rest */
	ck_assert_uint_eq(ch_core_touched_bytes(o.core, 0x10000, 0x15000), PAGE);
	oc_close(&o);
}
END_TEST

/* 2 TiB, all of it a hole but one page: more than could be read in a day. */
START_TEST(holes_are_not_read)
{
	const char *path = cw_temp_path("holes.core");
	const uint64_t size = 1ULL << 41, off = 1ULL << 20;
	struct corewriter *w = cw_create(EM_X86_64);
	struct cw_segment *segment = cw_load(w, 0x100000000, size, PF_R | PF_W, NULL, 0);
	struct rusage before, after;
	struct opened o;
	uint64_t at = 0;
	size_t len;
	FILE *file;

	segment->filesz = size;
	segment->offset = off;
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	file = fopen(path, "r+b");
	ck_assert_ptr_nonnull(file);
	/* where files have no holes, or no such size, there is nothing to try */
	if (ftruncate(fileno(file), (off_t)(off + size)) != 0 ||
	    lseek(fileno(file), (off_t)off, SEEK_DATA) >= 0) {
		fclose(file);
		unlink(path);
		return;
	}
	ck_assert_int_eq(fseeko(file, (off_t)(off + (size >> 1) + PAGE + 5), SEEK_SET), 0);
	ck_assert_int_eq(fputc('x', file), 'x');
	ck_assert_int_eq(fclose(file), 0);
	ck_ch_ok(oc_open_path(path, &o));
	unlink(path);
	getrusage(RUSAGE_SELF, &before);
	ck_ch_ok(ch_core_look_at_pages(o.core, 2));
	ck_assert_uint_eq(ch_core_touched_bytes(o.core, 0, UINT64_MAX), PAGE);
	ck_assert(ch_core_is_zero(o.core, 0x100000000, 0x100000000 + (size >> 1)));
	ck_assert_ptr_nonnull(ch_core_next_data(o.core, &at, UINT64_MAX, &len));
	ck_assert_uint_eq(at, 0x100000000 + (size >> 1) + PAGE);
	ck_assert_uint_eq(len, PAGE);
	at += len;
	ck_assert_ptr_null(ch_core_next_data(o.core, &at, UINT64_MAX, &len));
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_utime.tv_sec - before.ru_utime.tv_sec, 5);
	oc_close(&o);
}
END_TEST

/* Many segments over the same bytes of the file: nobody looks at them all. */
START_TEST(shared_bytes_are_not_known)
{
	static const uint8_t bytes[16 * PAGE] = { 1 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct cw_segment *segment;
	struct opened o;
	uint64_t i;

	cw_load(w, 0x100000, sizeof(bytes), PF_R, bytes, sizeof(bytes));
	for (i = 1; i < 20; i++) {
		segment = cw_load(w, 0x100000 + 0x100000 * i, sizeof(bytes), PF_R, NULL, 0);
		segment->filesz = sizeof(bytes);
		segment->offset = cw_layout(w).contents_off;
	}
	for (i = 1; i < 20; i++)
		w->segments[i].offset = cw_layout(w).contents_off;
	o = oc_must_open_take(w);
	ck_ch_ok(ch_core_look_at_pages(o.core, 2));
	ck_assert(!ch_core_knows_touched(o.core));
	ck_assert_uint_eq(ch_core_touched_bytes(o.core, 0, UINT64_MAX), 20 * sizeof(bytes));
	ck_assert(!ch_core_is_zero(o.core, 0x100000 + PAGE, 0x100000 + 2 * PAGE));
	oc_close(&o);
}
END_TEST

START_TEST(a_look_can_be_cancelled)
{
	static const uint8_t bytes[PAGE] = { 1 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct opened o;

	cw_load(w, 0x10000, PAGE, PF_R, bytes, PAGE);
	o = oc_must_open_take(w);
	ch_context_cancel(o.ctx);
	ck_ch_err(ch_core_look_at_pages(o.core, 2), STOP);
	ck_assert(!ch_core_knows_touched(o.core));
	oc_close(&o);
}
END_TEST

Suite *suite_touched(void);

Suite *suite_touched(void)
{
	Suite *suite = suite_create("touched");
	TCase *tcase = tcase_create("pages");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, bytes_on_touched_pages, 0, 4);
	tcase_add_loop_test(tcase, data_in_order, 0, 4);
	tcase_add_test(tcase, zero_or_not);
	tcase_add_test(tcase, holes_are_not_read);
	tcase_add_test(tcase, shared_bytes_are_not_known);
	tcase_add_test(tcase, a_look_can_be_cancelled);
	suite_add_tcase(suite, tcase);
	return suite;
}
