/* Size classes of jemalloc, for both sizes of which blocks are multiples. */
#include <check.h>

#include "support/ck.h"
#include "walkers/jemalloc/jemalloc_priv.h"

/* As `mallctl("arenas.bin.<i>.size")` of jemalloc 5.3.0 gives them, built with --with-lg-quantum=3
 * and without; the last ones are the first large class. */
static const struct {
	uint32_t lg_quantum, count;
	uint64_t sizes[40];
} rows[] = {
	{ 3, 39, { 8,    16,   24,   32,   40,   48,   56,    64,    80,    96,
		   112,  128,  160,  192,  224,  256,  320,   384,   448,   512,
		   640,  768,  896,  1024, 1280, 1536, 1792,  2048,  2560,  3072,
		   3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384 } },
	{ 4, 36, { 8,    16,   32,   48,   64,   80,   96,   112,   128,   160,   192,  224,  256,
		   320,  384,  448,  512,  640,  768,  896,  1024,  1280,  1536,  1792, 2048, 2560,
		   3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384 } },
};

START_TEST(small_classes_are_those_of_the_quantum)
{
	uint32_t i;

	ck_assert_uint_eq(jemalloc_bins_count(rows[_i].lg_quantum), rows[_i].count);
	for (i = 0; i <= rows[_i].count; i++)
		ck_assert_uint_eq(jemalloc_class_bytes(rows[_i].lg_quantum, i), rows[_i].sizes[i]);
	/* as many large ones in both */
	ck_assert_uint_eq(jemalloc_class_bytes(rows[_i].lg_quantum,
					       jemalloc_classes_count(rows[_i].lg_quantum) - 1),
			  7ULL << 60);
}
END_TEST

Suite *suite_jemalloc(void)
{
	Suite *suite = suite_create("jemalloc");
	TCase *tcase = tcase_create("classes");

	tcase_add_loop_test(tcase, small_classes_are_those_of_the_quantum, 0,
			    sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}
