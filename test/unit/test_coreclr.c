/*
 * Layouts of .NET by measuring: on releases whose layout is known, it must come out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "support/ck.h"
#include "support/heapcore.h"
#include "util/error.h"
#include "walkers/coreclr/coreclr_priv.h"

extern const struct ch_walker ch_walker_coreclr;

#define PACKED_MAX (8U << 20)
#define RAW_MAX    (512U << 20)

/* Unpack a fixture; NULL when it is not there. */
static const char *unpack(const char *fixture)
{
	const char *path = cw_temp_path("coreclr");
	FILE *file = fopen(fixture, "rb"), *to;
	ZSTD_DCtx *dctx = ZSTD_createDCtx();
	uint8_t *packed, *piece;
	ZSTD_inBuffer in = { 0 };
	size_t status = 1;

	if (!file) {
		ZSTD_freeDCtx(dctx);
		return NULL;
	}
	packed = malloc(PACKED_MAX);
	piece = malloc(1U << 20);
	to = fopen(path, "wb");
	ck_assert(dctx && packed && piece && to);
	in.src = packed;
	in.size = fread(packed, 1, PACKED_MAX, file);
	ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax, 27);
	while (status) {
		ZSTD_outBuffer out = { .dst = piece, .size = 1U << 20 };

		status = ZSTD_decompressStream(dctx, &out, &in);
		ck_assert(!ZSTD_isError(status));
		ck_assert(status == 0 || in.pos < in.size || out.pos == out.size);
		ck_assert_uint_eq(fwrite(piece, 1, out.pos, to), out.pos);
	}
	fclose(to);
	fclose(file);
	ZSTD_freeDCtx(dctx);
	free(packed);
	free(piece);
	return path;
}

static void check_measured(struct clr *clr, uint64_t thread)
{
	const struct clr_layout known = clr->layout;

	clr->layout = clr_layout_common();
	ck_assert(clr_layout_measure(clr, thread));
	ck_assert_uint_eq(clr->layout.store_first, known.store_first);
	ck_assert_uint_eq(clr->layout.store_count, known.store_count);
	ck_assert_uint_eq(clr->layout.thread_link, known.thread_link);
	ck_assert_uint_eq(clr->layout.thread_os_id, known.thread_os_id);
	ck_assert_uint_eq(clr->layout.module_file, known.module_file);
	ck_assert_uint_eq(clr->layout.file_image, known.file_image);
	ck_assert_uint_ge(clr->layout.image_layout, known.image_layout);
	ck_assert_uint_le(clr->layout.image_layout - 8 * clr->layout.image_layouts,
			  known.image_layout - 8 * 3);
	ck_assert_uint_eq(clr->layout.module_types, known.module_types);
	ck_assert_uint_eq(clr->layout.class_kind, known.class_kind);
	ck_assert_uint_eq(clr->layout.class_numbers, known.class_numbers);
	ck_assert_uint_eq(clr->layout.gc_shift, known.gc_shift);
	/* Threads that are none, and types that are none, must not come out at all. */
	ck_assert(!clr_layout_measure(clr, clr->string_mt));
	clr->layout = clr_layout_common();
	clr->string_mt = clr->free_mt;
	ck_assert(!clr_layout_measure(clr, thread));
}

struct patient {
	const char *path;
	struct heapcore hc;
	struct ch_heap_env env;
};

static struct patient admit(const char *path)
{
	struct patient p = { .path = path };

	ck_ch_ok(hc_open_path(path, &p.hc));
	p.env = (struct ch_heap_env){
		.core = p.hc.o.core, .sym = p.hc.sym, .map = p.hc.map, .ctx = p.hc.o.ctx
	};
	return p;
}

static void measure(const char *fixture)
{
	const char *path = unpack(fixture);
	struct patient p;
	struct clr *clr;
	void *state;

	ck_assert_msg(path != NULL, "%s is missing", fixture);
	p = admit(path);
	ck_ch_ok(ch_walker_coreclr.open(&p.env, &state));
	clr = state;
	ck_assert(clr->layout.old);
	ck_assert_uint_gt(clr->threads.count, 0);
	check_measured(clr, CH_VEC_AT(&clr->threads, struct clr_thread, 0)->addr);
	ch_walker_coreclr.close(state);
	hc_close(&p.hc);
	unlink(path);
}

static uint64_t offset_of(const struct clr *clr, uint64_t addr)
{
	const struct ch_segment *segment = ch_core_segment_at(clr->core, addr);

	ck_assert_ptr_nonnull(segment);
	return segment->off + (addr - segment->start);
}

/* Where GcDacVars and the runtime's ELF header are in the file. */
static void offsets(const char *path, uint64_t *gc_vars_ret, uint64_t *header_ret)
{
	struct patient p = admit(path);
	struct clr *clr;
	void *state;

	ck_ch_ok(ch_walker_coreclr.open(&p.env, &state));
	clr = state;
	*gc_vars_ret = offset_of(clr, clr->gc_vars);
	*header_ret = offset_of(clr, clr->runtime->start);
	ch_walker_coreclr.close(state);
	hc_close(&p.hc);
}

static void write_two(const char *path, uint64_t offset, uint8_t first, uint8_t second)
{
	const uint8_t bytes[] = { first, second };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), (off_t)offset), sizeof(bytes));
	close(fd);
}

/* A later minor version adds variables: said, and read. Another major one is not read. */
START_TEST(later_collectors_are_said)
{
	const char *path = unpack("fixtures/dotnet-cores/10.0.12.zst");
	struct ch_error *err;
	struct patient p;
	uint64_t offset, header;
	void *state;

	ck_assert_ptr_nonnull(path);
	offsets(path, &offset, &header);
	write_two(path, offset, 2, 10);
	p = admit(path);
	ck_ch_ok(ch_walker_coreclr.open(&p.env, &state));
	ck_assert_ptr_nonnull(oc_finding(&p.hc.o, "gc-newer"));
	ch_walker_coreclr.close(state);
	hc_close(&p.hc);
	write_two(path, offset, 3, 0);
	p = admit(path);
	err = ch_walker_coreclr.open(&p.env, &state);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, "version"));
	ch_error_destroy(err);
	hc_close(&p.hc);
	unlink(path);
}
END_TEST

START_TEST(measure_core_3)
{
	measure("fixtures/dotnet-cores/3.1.3.zst");
}
END_TEST

START_TEST(measure_net_8)
{
	measure("fixtures/dotnet-cores/8.0.33.zst");
}
END_TEST

/* Without the ELF header nothing is exported, and bounds of its data are not known: the
 * search for the table by what it leads to must end, and finds it. */
START_TEST(headers_may_be_damaged)
{
	const char *path = unpack("fixtures/dotnet-cores/8.0.33.zst");
	uint64_t gc_vars, header;
	struct patient p;
	void *state;

	ck_assert_ptr_nonnull(path);
	offsets(path, &gc_vars, &header);
	write_two(path, header, 0, 0);
	p = admit(path);
	ck_ch_ok(ch_walker_coreclr.open(&p.env, &state));
	ck_assert_uint_gt(((struct clr *)state)->threads.count, 2);
	ck_assert_ptr_nonnull(strstr(((struct clr *)state)->tables_source, ".NET 8"));
	ch_walker_coreclr.close(state);
	hc_close(&p.hc);
	unlink(path);
}
END_TEST

Suite *suite_coreclr(void);

Suite *suite_coreclr(void)
{
	Suite *suite = suite_create("coreclr");
	TCase *tc = tcase_create("layout");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, measure_core_3);
	tcase_add_test(tc, measure_net_8);
	tcase_add_test(tc, later_collectors_are_said);
	tcase_add_test(tc, headers_may_be_damaged);
	suite_add_tcase(suite, tc);
	return suite;
}
