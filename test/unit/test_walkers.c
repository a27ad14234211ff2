/*
 * What every registered walker must keep to, whatever it knows: a foreign core
 * leaves it cold, and damage anywhere ends in an answer whose sums close.
 */
#include <fcntl.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "support/ck.h"
#include "support/heapcore.h"

/* More than any fixture has, packed and unpacked. */
#define PACKED_BYTES_MAX (8U << 20)
#define RAW_BYTES_MAX    (96U << 20)

/* ---- A fixture, unpacked, in a file that can be damaged and mended -------------- */

struct patient {
	const char *path;
	int fd;
	uint8_t *raw;
	size_t raw_bytes;
};

static uint8_t *read_packed(const char *path, size_t *ret)
{
	FILE *file = fopen(path, "rb");
	uint8_t *packed = malloc(PACKED_BYTES_MAX);

	ck_assert_msg(file != NULL, "%s is missing", path);
	ck_assert_ptr_nonnull(packed);
	*ret = fread(packed, 1, PACKED_BYTES_MAX, file);
	ck_assert_uint_lt(*ret, PACKED_BYTES_MAX);
	fclose(file);
	return packed;
}

static size_t unpack_zstd(const uint8_t *packed, size_t packed_bytes, uint8_t *raw)
{
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	ZSTD_outBuffer out = { .dst = raw, .size = RAW_BYTES_MAX };
	ZSTD_inBuffer in = { .src = packed, .size = packed_bytes };
	size_t status;

	ck_assert_ptr_nonnull(dctx);
	ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax, 27);
	do {
		status = ZSTD_decompressStream(dctx, &out, &in);
		ck_assert(!ZSTD_isError(status));
		ck_assert(status == 0 || in.pos < in.size || out.pos < out.size);
	} while (status);
	ZSTD_freeDCtx(dctx);
	return out.pos;
}

static size_t unpack_xz(const uint8_t *packed, size_t packed_bytes, uint8_t *raw)
{
	uint64_t limit = UINT64_MAX;
	size_t in = 0, out = 0;

	ck_assert_int_eq(lzma_stream_buffer_decode(&limit, 0, NULL, packed, &in, packed_bytes, raw,
						   &out, RAW_BYTES_MAX),
			 LZMA_OK);
	return out;
}

static struct patient admit(const char *fixture)
{
	struct patient p = { .path = cw_temp_path("patient"), .raw = malloc(RAW_BYTES_MAX) };
	size_t packed_bytes;
	uint8_t *packed = read_packed(fixture, &packed_bytes);

	ck_assert_ptr_nonnull(p.raw);
	p.raw_bytes = strstr(fixture, ".xz") ? unpack_xz(packed, packed_bytes, p.raw)
					     : unpack_zstd(packed, packed_bytes, p.raw);
	free(packed);
	p.fd = open(p.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(p.fd, 0);
	ck_assert_int_eq(pwrite(p.fd, p.raw, p.raw_bytes, 0), (ssize_t)p.raw_bytes);
	return p;
}

static void discharge(struct patient *p)
{
	close(p->fd);
	unlink(p->path);
	free(p->raw);
}

static void damage(const struct patient *p, uint64_t off, const void *bytes, size_t count)
{
	ck_assert_uint_le(off + count, p->raw_bytes);
	ck_assert_int_eq(pwrite(p->fd, bytes, count, (off_t)off), (ssize_t)count);
}

static void mend(const struct patient *p, uint64_t off, size_t count)
{
	damage(p, off, p->raw + off, count);
}

/* ---- What must hold of any answer ------------------------------------------------ */

struct order {
	uint64_t at, count;
	const struct ch_span *spans;
};

static struct ch_error *check_batch(void *arg, const struct ch_object *objects, size_t n)
{
	struct order *order = arg;
	uint64_t start;
	size_t i;

	for (i = 0; i < n; i++) {
		start = objects[i].addr - objects[i].header_bytes;
		ck_assert_uint_ge(start, order->at);
		ck_assert_uint_ge(start, order->spans[objects[i].span].start);
		order->at = start + objects[i].chunk_bytes;
		ck_assert_uint_le(order->at, order->spans[objects[i].span].committed_end);
	}
	order->count += n;
	return NULL;
}

/* Returns how many objects there were. */
static uint64_t check_answer(struct ch_heaps *heaps)
{
	uint64_t committed = 0, rows_bytes = 0;
	const struct ch_type_stat *rows;
	const struct ch_heap *list;
	struct order order = { 0 };
	size_t count, i;

	order.spans = ch_heaps_spans(heaps, &count);
	for (i = 1; i < count; i++)
		ck_assert_uint_ge(order.spans[i].start, order.spans[i - 1].end);
	ck_ch_ok(ch_heaps_walk(heaps, 0, UINT64_MAX, check_batch, &order));
	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++) {
		ck_assert_uint_eq(list[i].used_bytes + list[i].free_bytes + list[i].overhead_bytes,
				  list[i].committed_bytes);
		ck_assert_uint_le(list[i].committed_bytes, list[i].reserved_bytes);
		committed += list[i].committed_bytes;
	}
	ck_ch_ok(ch_heaps_types(heaps, &rows, &count));
	for (i = 0; i < count; i++)
		rows_bytes += rows[i].total_bytes;
	ck_assert_uint_eq(rows_bytes, committed);
	return order.count;
}

/* Open the file as it is now; a core that cannot be opened is an answer, too. */
static void check_file(const char *path)
{
	struct heapcore hc;
	struct ch_error *err = hc_open_path(path, &hc);

	if (err) {
		ck_assert_ptr_nonnull(err->message);
		ch_error_destroy(err);
		return;
	}
	check_answer(hc.heaps);
	hc_close(&hc);
}

/* ---- The tests -------------------------------------------------------------------- */

#define SMALL "fixtures/bookworm-small-abort/core.zst"
#define CPP   "fixtures/sid-cpp-abort/core.zst"
#define MUSL  "fixtures/musl-static-abort/core.zst"

static const char *const fixtures[] = {
	SMALL,
	CPP,
	MUSL,
	"fixtures/bullseye-small-abort/core.zst",
	"fixtures/trixie-small-abort/core.zst",
	"fixtures/sid-small-abort/core.zst",
};

START_TEST(sound_cores_are_complete)
{
	const struct ch_runtime *runtimes;
	struct heapcore hc;
	size_t count, i;
	bool open = false;

	ck_ch_ok(hc_open_path(fixtures[_i], &hc));
	runtimes = ch_heaps_runtimes(hc.heaps, &count);
	for (i = 0; i < count; i++)
		open |= runtimes[i].open;
	ck_assert_msg(open, "no walker knows %s", fixtures[_i]);
	ck_assert_uint_gt(check_answer(hc.heaps), 2000);
	ck_assert_msg(ch_context_complete(hc.o.ctx), "%s: %s", fixtures[_i],
		      ch_context_findings(hc.o.ctx, &count)[0].message);
	hc_close(&hc);
}
END_TEST

/* Every block can be looked up by any of its addresses. */
START_TEST(blocks_of_sound_cores_are_found_again)
{
	const struct ch_span *spans;
	struct ch_object object, again;
	struct heapcore hc;
	uint64_t addr, found = 0;
	size_t count, i;

	ck_ch_ok(hc_open_path(fixtures[_i], &hc));
	spans = ch_heaps_spans(hc.heaps, &count);
	for (i = 0; i < count; i++) {
		for (addr = spans[i].start; addr < spans[i].committed_end; addr += 4093) {
			if (!ch_heaps_object_at(hc.heaps, addr, &object))
				continue;
			found++;
			ck_assert_uint_le(object.addr - object.header_bytes, addr);
			ck_assert_uint_gt(object.addr - object.header_bytes + object.chunk_bytes,
					  addr);
			ck_assert(ch_heaps_object_at(hc.heaps,
						     object.addr - object.header_bytes +
							     object.chunk_bytes - 1,
						     &again));
			ck_assert_int_eq(memcmp(&object, &again, sizeof(object)), 0);
		}
	}
	ck_assert_uint_gt(found, 50);
	hc_close(&hc);
}
END_TEST

/* One writable mapping of zeros, of ones, of its own addresses, of nothing. */
START_TEST(foreign_cores_score_nothing)
{
	static uint64_t words[8192];
	struct corewriter *w = hc_writer();
	const struct ch_runtime *runtimes;
	struct heapcore hc;
	size_t count, i;

	for (i = 0; i < 8192; i++)
		words[i] = _i == 0 ? 0 : _i == 1 ? UINT64_MAX : 0x7f0000000000 + 8 * i;
	if (_i < 3)
		cw_load(w, 0x7f0000000000, sizeof(words), PF_R | PF_W, words, sizeof(words));
	hc = hc_open_map_take(w);
	ck_ch_ok(ch_heaps_open(hc.o.core, hc.sym, hc.map, &hc.heaps));
	runtimes = ch_heaps_runtimes(hc.heaps, &count);
	for (i = 0; i < count; i++)
		ck_assert_msg(runtimes[i].score == 0, "%s scores %u: %s", runtimes[i].name,
			      runtimes[i].score, runtimes[i].evidence);
	ck_assert_uint_eq(check_answer(hc.heaps), 0);
	hc_close(&hc);
}
END_TEST

/* Called against the rules, on a core that probe() turned down. */
START_TEST(open_of_a_foreign_core_fails_or_closes)
{
	const struct ch_walker *const *walker;
	struct heapcore hc = hc_open_map_take(hc_writer());
	const struct ch_heap_env env = {
		.core = hc.o.core, .sym = hc.sym, .map = hc.map, .ctx = hc.o.ctx
	};
	struct ch_error *err;
	void *state;

	for (walker = chp_walkers; *walker; walker++) {
		state = NULL;
		if (!(*walker)->open)
			continue;
		err = (*walker)->open(&env, &state);
		if (err)
			ck_assert_ptr_nonnull(err->message);
		else
			(*walker)->close(state);
		ch_error_destroy(err);
	}
	hc_close(&hc);
}
END_TEST

/* Those that are cut and overwritten: how often each, the small ones oftener; of the rounds it is
 * a third without `make check WHOLE=1`. */
static const struct {
	const char *path;
	size_t cuts, rounds;
} patients[] = {
	{ CPP, 64, 150 },
	{ SMALL, 12, 40 },
	{ MUSL, 12, 40 },
	{ "fixtures/slabs/core.zst", 12, 40 },
	{ "fixtures/gslice/core.zst", 6, 20 },
	{ "fixtures/dotnet-cores/3.1.3.zst", 6, 12 },
	{ "fixtures/dotnet-cores/11.0.0.zst", 6, 12 },
	/* segments instead of regions */
	{ "fixtures/dotnet-cores/9.0.22.zst", 3, 6 },
	{ "fixtures/jvm-cores/25-compact.xz", 6, 12 },
	{ "fixtures/jvm-cores/25-zgc.xz", 6, 12 },
	{ "fixtures/go/1.19.zst", 6, 12 },
	{ "fixtures/go/1.27.zst", 6, 12 },
};
#define PATIENTS (int)(sizeof(patients) / sizeof(patients[0]))

START_TEST(cut_cores_have_sums_that_close)
{
	struct patient p = admit(patients[_i].path);
	size_t cuts = patients[_i].cuts, i;

	for (i = cuts; i > 0; i--) {
		ck_assert_int_eq(ftruncate(p.fd, (off_t)(p.raw_bytes * i / (cuts + 1))), 0);
		check_file(p.path);
	}
	discharge(&p);
}
END_TEST

/* A small generator of our own: the same damage on every system. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Offset in the file of a random word of the heaps, or of any segment. */
static uint64_t random_word(const struct heapcore *hc, uint64_t *seed, bool in_heap)
{
	const struct ch_segment *segments, *segment;
	const struct ch_span *span;
	size_t count;
	uint64_t at;

	for (;;) {
		if (in_heap) {
			span = ch_heaps_spans(hc->heaps, &count);
			ck_assert_uint_gt(count, 0);
			span += next_random(seed) % count;
			at = span->start + next_random(seed) % (span->committed_end - span->start);
			segment = ch_core_segment_at(hc->o.core, at);
		} else {
			segments = ch_core_segments(hc->o.core, &count);
			segment = &segments[next_random(seed) % count];
			at = segment->start + next_random(seed) % (segment->end - segment->start);
		}
		at &= ~7ULL;
		if (segment && at + 8 <= segment->present_end)
			return segment->off + (at - segment->start);
	}
}

/* Words that are likelier to hurt than noise. */
static uint64_t random_value(uint64_t *seed, uint64_t old)
{
	switch (next_random(seed) % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return old ^ 1ULL << (next_random(seed) % 64);
	case 3:
		return old + 0x10;
	case 4:
		return old ^ (next_random(seed) & 0xff);
	case 5:
		return next_random(seed) & 0xffff;
	case 6:
		return 0x7fffffffffffffe1;
	default:
		return next_random(seed);
	}
}

/* Words of heaps and of everything else overwritten: one at a time, then many. */
START_TEST(flipped_cores_have_sums_that_close)
{
	struct patient p = admit(patients[_i / 2].path);
	const char *whole = getenv("WHOLE");
	size_t rounds = whole && *whole ? patients[_i / 2].rounds : patients[_i / 2].rounds / 3;
	size_t words = _i & 1 ? 64 : 1, i, k;
	uint64_t seed = 0x9e3779b97f4a7c15 + (uint64_t)_i, value;
	uint64_t offs[64];
	struct heapcore hc;

	ck_ch_ok(hc_open_path(p.path, &hc));
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < words; k++) {
			offs[k] = random_word(&hc, &seed, (i + k) % 4 != 0);
			memcpy(&value, p.raw + offs[k], sizeof(value));
			value = random_value(&seed, value);
			damage(&p, offs[k], &value, sizeof(value));
		}
		check_file(p.path);
		for (k = 0; k < words; k++)
			mend(&p, offs[k], sizeof(value));
	}
	hc_close(&hc);
	discharge(&p);
}
END_TEST

Suite *suite_walkers(void);
Suite *suite_walkers(void)
{
	Suite *suite = suite_create("walkers");
	TCase *tcase = tcase_create("contract");

	/* Sanitisers and small machines take their time. */
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, sound_cores_are_complete, 0,
			    (int)(sizeof(fixtures) / sizeof(fixtures[0])));
	tcase_add_loop_test(tcase, blocks_of_sound_cores_are_found_again, 0, 3);
	tcase_add_loop_test(tcase, foreign_cores_score_nothing, 0, 4);
	tcase_add_test(tcase, open_of_a_foreign_core_fails_or_closes);
	tcase_add_loop_test(tcase, cut_cores_have_sums_that_close, 0, PATIENTS);
	tcase_add_loop_test(tcase, flipped_cores_have_sums_that_close, 0, 2 * PATIENTS);
	suite_add_tcase(suite, tcase);
	return suite;
}
