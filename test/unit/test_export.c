/*
 * Paths of a small heap whose dominator tree is known, as folded lines.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap/session.h"
#include "report/export.h"
#include "support/ck.h"
#include "support/heapcore.h"
#include "support/toy_walker.h"

#define POOL  0x10000000ULL
#define ROOTS 0x20000000ULL

enum { APPLE = 1, PEAR = 2 };

static void shape(void *state, uint64_t addr, uint64_t key, struct ch_object_shape *ret)
{
	(void)state;
	(void)addr;
	(void)key;
	*ret = (struct ch_object_shape){ .kind = CH_SHAPE_OBJECT };
}

static struct ch_error *no_fields(void *state, const struct ch_fields_query *query, ch_fields_fn fn,
				  void *arg)
{
	(void)state;
	(void)query;
	(void)fn;
	(void)arg;
	return NULL;
}

/* Apples have fields, pears elements. */
static bool place_text(void *state, uint64_t addr, uint64_t key, uint64_t offset, char *buf,
		       size_t max)
{
	(void)state;
	(void)addr;
	if (key == APPLE)
		snprintf(buf, max, "%s", offset == 0 ? ".next" : offset == 8 ? ".all[1].pear" : "");
	else
		snprintf(buf, max, "[%u]", (unsigned int)(offset / 8));
	return buf[0] != '\0';
}

static const struct ch_inspector inspector = { .shape = shape,
					       .fields = no_fields,
					       .place_text = place_text };

static void point(struct toypool *pool, uint64_t from, uint32_t word, uint64_t to)
{
	memcpy(pool->bytes + (from - POOL) + 8ULL * word, &to, 8);
}

static void write_core(const char *path)
{
	struct corewriter *w = hc_writer();
	struct toypool pool = tp_create(POOL, 0x1000);
	uint64_t list[3], pears[3], apples[4], roots[4];
	size_t i;

	for (i = 0; i < 3; i++)
		list[i] = tp_add(&pool, 16, APPLE, false);
	for (i = 0; i < 3; i++)
		pears[i] = tp_add(&pool, 24, PEAR, false);
	for (i = 0; i < 4; i++)
		apples[i] = tp_add(&pool, 40, APPLE, false);
	/* a list, whose last one holds a pear, which holds an apple */
	point(&pool, list[0], 0, list[1]);
	point(&pool, list[1], 0, list[2]);
	point(&pool, list[2], 1, pears[0]);
	point(&pool, pears[0], 2, apples[0]);
	/* two apples that hold one pear together */
	point(&pool, apples[1], 1, pears[1]);
	point(&pool, apples[2], 1, pears[1]);
	/* what no root reaches */
	point(&pool, apples[3], 1, pears[2]);
	roots[0] = list[0];
	roots[1] = apples[1];
	roots[2] = apples[2];
	roots[3] = 0;
	tp_write_take(&pool, w);
	cw_load(w, ROOTS, sizeof(roots), PF_R | PF_W, roots, sizeof(roots));
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
}

static void folded(uint64_t rows_max, char **ret)
{
	struct ch_walker_types types = *ch_walker_toy.types;
	struct ch_walker toy = ch_walker_toy;
	const struct ch_walker *const walkers[] = { &toy, NULL };
	const char *path = cw_temp_path("export");
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_report report = { .format = CH_FORMAT_TEXT };
	struct ch_export of;
	size_t len;

	types.inspector = &inspector;
	toy.types = &types;
	write_core(path);
	report.out = open_memstream(ret, &len);
	ck_ch_ok(ch_session_open(ctx, path, NULL, &report.session));
	unlink(path);
	chp_session_use_walkers(report.session, walkers);
	ck_ch_ok(chp_export_make(report.session,
				 &(struct ch_export_options){ .rows_max = rows_max }, &of));
	ck_assert_uint_eq(of.paths.held_count, 8);
	ck_assert_uint_eq(of.paths.held_bytes, 3 * 16 + 2 * 24 + 3 * 40);
	ck_assert_uint_eq(of.paths.lost_count, 2);
	ck_assert_uint_eq(of.paths.lost_bytes, 24 + 40);
	ck_ch_ok(ch_report_folded(&report, &of));
	fclose(report.out);
	chp_export_deinit(&of);
	ch_session_close(report.session);
	ch_context_destroy(ctx);
}

START_TEST(paths_are_those_of_the_dominator_tree)
{
	char *text;

	folded(0, &text);
	ck_assert_str_eq(text, "anonymous memory;Apple 128\n"
			       "no root reaches it;Apple 40\n"
			       "anonymous memory;Apple;Apple.all[].pear;Pear;Apple 40\n"
			       "no root reaches it;Pear 24\n"
			       "several ways;Pear 24\n"
			       "anonymous memory;Apple;Apple.all[].pear;Pear 24\n");
	free(text);
}
END_TEST

START_TEST(what_is_not_listed_is_one_line)
{
	char *text;

	folded(3, &text);
	ck_assert_str_eq(text, "anonymous memory;Apple 128\n"
			       "no root reaches it;Apple 40\n"
			       "anonymous memory;Apple;Apple.all[].pear;Pear;Apple 40\n"
			       "3 smaller paths 72\n");
	free(text);
}
END_TEST

Suite *suite_export(void);
Suite *suite_export(void)
{
	Suite *suite = suite_create("export");
	TCase *tcase = tcase_create("export");

	tcase_add_test(tcase, paths_are_those_of_the_dominator_tree);
	tcase_add_test(tcase, what_is_not_listed_is_one_line);
	suite_add_tcase(suite, tcase);
	return suite;
}
