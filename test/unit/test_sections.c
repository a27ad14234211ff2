/*
 * Tables of runtimes: two of them in one process each give theirs, and any section is printed by
 * its fields alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <coreheap/assembly.h>
#include <coreheap/runtime.h>

#include "heap/sections.h"
#include "report/sections.h"
#include "support/ck.h"
#include "support/heapcore.h"

#define BASE 0x10000000ULL

static struct ch_error *say_present(const struct ch_heap_env *env, struct ch_probe *ret)
{
	(void)env;
	ret->score = 1;
	return NULL;
}

static struct ch_error *say_open(const struct ch_heap_env *env, void **state_ret)
{
	(void)env;
	*state_ret = NULL;
	return NULL;
}

static void say_close(void *state)
{
	(void)state;
}

static struct ch_error *apple_assemblies(void *state, const void **ret, size_t *count_ret)
{
	static const struct ch_assembly rows[] = {
		{ .name = "Apple", .version = "1", .kind = "file", .references = "", .count = 1 },
		{ .name = "Core", .version = "2", .kind = "dynamic", .references = "", .count = 7 },
	};

	(void)state;
	*ret = rows;
	*count_ret = 2;
	return NULL;
}

static struct ch_error *pear_assemblies(void *state, const void **ret, size_t *count_ret)
{
	static const struct ch_assembly rows[] = {
		{ .name = "Pear",
		  .version = "3",
		  .kind = "file",
		  .references = "",
		  .loader_bytes = 4096,
		  .collectible = true },
	};

	(void)state;
	*ret = rows;
	*count_ret = 1;
	return NULL;
}

static struct ch_error *apple_settings(void *state, const void **ret, size_t *count_ret)
{
	static const struct ch_setting rows[] = {
		{ .name = "Size", .type = "int", .origin = "default", .value = "1" },
	};

	(void)state;
	*ret = rows;
	*count_ret = 1;
	return NULL;
}

static struct ch_error *pear_settings(void *state, const void **ret, size_t *count_ret)
{
	static const struct ch_setting rows[] = {
		{ .name = "Path",
		  .type = "text",
		  .origin = "command line",
		  .changed = true,
		  .is_text = true,
		  .text_addr = BASE },
		{ .name = "Size", .type = "int", .origin = "default", .value = "2" },
	};

	(void)state;
	*ret = rows;
	*count_ret = 2;
	return NULL;
}

static const struct ch_walker_section apple_sections[] = {
	{ &chp_section_assemblies, apple_assemblies },
	{ &chp_section_settings, apple_settings },
	{ .shape = NULL },
};
static const struct ch_walker_section pear_sections[] = {
	{ &chp_section_settings, pear_settings },
	{ &chp_section_assemblies, pear_assemblies },
	{ .shape = NULL },
};
/* Neither has a heap. */
static const struct ch_walker apple = { .name = "apple",
					.kind = CH_RUNTIME_LANGUAGE,
					.probe = say_present,
					.open = say_open,
					.close = say_close,
					.sections = apple_sections };
static const struct ch_walker pear = { .name = "pear",
				       .kind = CH_RUNTIME_LANGUAGE,
				       .probe = say_present,
				       .open = say_open,
				       .close = say_close,
				       .sections = pear_sections };
static const struct ch_walker *const two[] = { &apple, &pear, NULL };

static struct heapcore open_two(void)
{
	struct corewriter *w = hc_writer();

	cw_load(w, BASE, 0x1000, PF_R | PF_W, "secret", 7);
	return hc_open_take(w, two);
}

START_TEST(rows_of_all_runtimes_are_joined)
{
	struct heapcore hc = open_two();
	const struct ch_assembly *assemblies;
	const struct ch_setting *settings;
	size_t count;

	ck_ch_ok(ch_heaps_assemblies(hc.heaps, &assemblies, &count));
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(assemblies[0].name, "Apple");
	ck_assert_str_eq(assemblies[2].name, "Pear");
	ck_ch_ok(ch_heaps_settings(hc.heaps, &settings, &count));
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(settings[0].walker, 0);
	ck_assert_str_eq(settings[1].name, "Path");
	ck_assert_uint_eq(settings[1].walker, 1);
	/* Asked again: the same. */
	ck_ch_ok(ch_heaps_settings(hc.heaps, &settings, &count));
	ck_assert_uint_eq(count, 3);
	hc_close(&hc);
}
END_TEST

static struct ch_sections sections_of(struct heapcore *hc, const struct ch_section_shape *shape,
				      bool all)
{
	struct ch_sections sections = { .list = CH_VEC(struct ch_section), .all = all };

	ck_ch_ok(chp_heaps_sections(hc->heaps, shape, &sections.list));
	ck_assert_uint_eq(sections.list.count, 2);
	return sections;
}

static const struct ch_runtime *runtimes_of(const struct heapcore *hc)
{
	size_t count;

	return ch_heaps_runtimes(hc->heaps, &count);
}

START_TEST(documents_have_the_rows_of_each_runtime)
{
	struct heapcore hc = open_two();
	struct ch_sections sections = sections_of(&hc, &chp_section_settings, _i);
	struct ch_report report = { .format = CH_FORMAT_JSON };
	json_t *array = chp_json_sections(&report, runtimes_of(&hc), &sections), *row;

	ck_assert_ptr_nonnull(array);
	ck_assert_uint_eq(json_array_size(array), _i ? 3 : 1);
	row = json_array_get(array, _i ? 1 : 0);
	ck_assert_str_eq(json_string_value(json_object_get(row, "runtime")), "pear");
	/* It is not to be revealed. */
	ck_assert(json_is_null(json_object_get(row, "value")));
	json_decref(array);
	ch_vec_deinit(&sections.list);
	sections = sections_of(&hc, &chp_section_assemblies, false);
	array = chp_json_sections(&report, runtimes_of(&hc), &sections);
	ck_assert_uint_eq(json_array_size(array), 3);
	ck_assert(json_is_null(json_object_get(json_array_get(array, 0), "loader_bytes")));
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_array_get(array, 2), "loader_bytes")),
		4096);
	json_decref(array);
	ch_vec_deinit(&sections.list);
	hc_close(&hc);
}
END_TEST

START_TEST(each_runtime_has_a_table)
{
	struct heapcore hc = open_two();
	struct ch_sections sections = sections_of(&hc, &chp_section_assemblies, false);
	struct ch_report report = { .format = CH_FORMAT_TEXT };
	char *text = NULL;
	size_t bytes;

	report.out = open_memstream(&text, &bytes);
	ck_assert_ptr_nonnull(report.out);
	ck_ch_ok(chp_print_sections(&report, runtimes_of(&hc), &sections));
	fclose(report.out);
	ck_assert_ptr_nonnull(strstr(text, "Assemblies (apple)"));
	ck_assert_ptr_nonnull(strstr(text, "Assemblies (pear)"));
	ck_assert_ptr_nonnull(strstr(text, "file, collectible"));
	ck_assert_ptr_nonnull(strstr(text, "LOADER HEAPS"));
	free(text);
	ch_vec_deinit(&sections.list);
	hc_close(&hc);
}
END_TEST

Suite *suite_sections(void);
Suite *suite_sections(void)
{
	Suite *suite = suite_create("sections");
	TCase *tcase = tcase_create("sections");

	tcase_add_test(tcase, rows_of_all_runtimes_are_joined);
	tcase_add_loop_test(tcase, documents_have_the_rows_of_each_runtime, 0, 2);
	tcase_add_test(tcase, each_runtime_has_a_table);
	suite_add_tcase(suite, tcase);
	return suite;
}
