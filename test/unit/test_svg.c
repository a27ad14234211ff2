/*
 * Shapes: areas and widths are shares of the whole, whatever the numbers are, and texts are cut
 * between letters.
 */
#include <stdlib.h>
#include <string.h>

#include "render/svg.h"
#include "support/ck.h"
#include "util/cleanup.h"
#include "util/text.h"

#define WIDTH  1200.0
#define HEIGHT 560.0

/* A number of an element: name="12.5". */
static double number_of(const char *element, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=\"", name);
	at = strstr(element, key);
	ck_assert_ptr_nonnull(at);
	return strtod(at + strlen(key), NULL);
}

/* What the shapes of one level cover, at most a column less on each side. */
static double covered(const char *text, size_t count, double *least_ret)
{
	double sum = 0, w, h, x, y;
	size_t found = 0;

	*least_ret = WIDTH * HEIGHT;
	for (text = strstr(text, "<g "); text; text = strstr(text + 1, "<g ")) {
		const char *rect = strstr(text, "<rect");

		x = number_of(rect, "x");
		y = number_of(rect, "y");
		w = number_of(rect, "width");
		h = number_of(rect, "height");
		ck_assert(x >= 0 && y >= 0 && x + w <= WIDTH && y + h <= HEIGHT);
		sum += (w + 1) * (h + 1);
		*least_ret = (w + 1) * (h + 1) < *least_ret ? (w + 1) * (h + 1) : *least_ret;
		found++;
	}
	ck_assert_uint_eq(found, count);
	return sum;
}

START_TEST(areas_are_shares_of_the_whole)
{
	static const uint64_t numbers[][4] = { { 6, 6, 4, 3 },
					       { 1ULL << 60, 1ULL << 59, 1ULL << 58, 1ULL << 57 },
					       { 1000, 1000, 1000, 1000 } };
	size_t i, k;

	for (i = 0; i < CH_COUNT_OF(numbers); i++) {
		struct ch_shape shapes[4];
		const struct ch_svg svg = { "x", "x", shapes, 4 };
		_cleanup_free_ char *text = NULL;
		uint64_t whole = 0;
		size_t size = 0;
		double least;
		FILE *out = open_memstream(&text, &size);

		ck_assert_ptr_nonnull(out);
		for (k = 0; k < 4; k++) {
			shapes[k] = (struct ch_shape){
				.label = "a", .size = "1", .title = "a", .bytes = numbers[i][k]
			};
			whole += numbers[i][k];
		}
		ck_ch_ok(chp_svg_treemap(out, &svg, whole));
		ck_assert_int_eq(fclose(out), 0);
		ck_assert_double_eq_tol(covered(text, 4, &least), WIDTH * HEIGHT, 1500);
		ck_assert_double_eq_tol(least / (WIDTH * HEIGHT),
					(double)numbers[i][3] / (double)whole, 0.003);
	}
}
END_TEST

START_TEST(nothing_is_drawn_of_nothing)
{
	const struct ch_shape shapes[] = {
		{ .level = 0, .label = "a", .size = "0", .title = "a", .bytes = 0 },
		{ .level = 1, .label = "b", .size = "0", .title = "b", .bytes = 0 },
	};
	const struct ch_svg svg = { "x", "<&>", shapes, 2 };
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	ck_ch_ok(chp_svg_treemap(out, &svg, 0));
	chp_svg_icicle(out, &svg, 0);
	chp_svg_strip(out, &svg, 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_ptr_null(strstr(text, "<g "));
	ck_assert_ptr_nonnull(strstr(text, "\"&lt;&amp;&gt;\""));
}
END_TEST

START_TEST(names_are_cut_between_letters)
{
	static const struct {
		const char *name;
		size_t room;
		const char *want;
	} rows[] = { { "std::string", 11, "std::string" },
		     { "std::string", 9, "std...ing" },
		     { "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 6,
		       "\xc3\xa4\xc3\xa4...\xc3\xa4" },
		     { "", 5, "" } };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++) {
		_cleanup_free_ char *cut = chp_text_cut(rows[i].name, rows[i].room);

		ck_assert_str_eq(cut, rows[i].want);
	}
}
END_TEST

Suite *suite_svg(void)
{
	Suite *suite = suite_create("svg");
	TCase *shapes = tcase_create("shapes");

	tcase_add_test(shapes, areas_are_shares_of_the_whole);
	tcase_add_test(shapes, nothing_is_drawn_of_nothing);
	tcase_add_test(shapes, names_are_cut_between_letters);
	suite_add_tcase(suite, shapes);
	return suite;
}
