/*
 * Patterns in memory: over the ends of segments, in all widths, with wildcards.
 */
#include <elf.h>
#include <string.h>

#include "map/search.h"
#include "support/ck.h"
#include "support/heapcore.h"

#define BASE 0x10000000ULL
#define MOST 64

struct matches {
	uint64_t addr[MOST], bytes[MOST];
	size_t count;
};

static struct ch_error *take(void *arg, uint64_t addr, uint64_t bytes)
{
	struct matches *matches = arg;

	ck_assert_uint_lt(matches->count, MOST);
	ck_assert(!matches->count || matches->addr[matches->count - 1] < addr);
	matches->addr[matches->count] = addr;
	matches->bytes[matches->count++] = bytes;
	return NULL;
}

/* Two pages that touch, the second one before the first in the file, a gap, and a
 * third page. */
static struct heapcore open_pages(const uint8_t *first, const uint8_t *second, const uint8_t *third)
{
	struct corewriter *w = hc_writer();

	cw_load(w, BASE, 0x1000, PF_R | PF_W, first, 0x1000);
	cw_load(w, BASE + 0x3000, 0x1000, PF_R | PF_W, third, 0x1000);
	cw_load(w, BASE + 0x1000, 0x1000, PF_R, second, 0x1000);
	return hc_open_map_take(w);
}

static struct matches find_in(struct heapcore *hc, struct ch_pattern *pattern, uint64_t start,
			      uint64_t end)
{
	const struct ch_search search = {
		.core = hc->o.core, .map = hc->map, .pattern = pattern, .start = start, .end = end
	};
	struct matches matches = { .count = 0 };

	ck_ch_ok(chp_search(&search, take, &matches));
	chp_pattern_destroy(pattern);
	return matches;
}

static struct ch_pattern *bytes_of(const char *text)
{
	struct ch_pattern *pattern;

	ck_ch_ok(chp_pattern_bytes(text, &pattern));
	return pattern;
}

static void ck_matches(struct matches found, size_t count, const uint64_t *addr)
{
	ck_assert_uint_eq(found.count, count);
	ck_assert_mem_eq(found.addr, addr, count * sizeof(*addr));
}

START_TEST(bytes_are_found_over_the_end_of_a_segment_not_over_a_gap)
{
	uint8_t first[0x1000] = { 0 }, second[0x1000] = { 0 }, third[0x1000] = { 0 };
	const uint64_t want[] = { BASE + 0x10, BASE + 0xffe, BASE + 0x1ffc };
	struct heapcore hc;

	memcpy(first + 0x10, "\xde\xad\xbe\xef", 4);
	memcpy(first + 0xffe, "\xde\xad", 2);
	memcpy(second, "\xbe\xef", 2);
	memcpy(second + 0xffc, "\xde\xad\xbe\xef", 4);
	memcpy(third, "\xad\xbe\xef", 3);
	hc = open_pages(first, second, third);
	ck_matches(find_in(&hc, bytes_of("deadbeef"), 0, UINT64_MAX), 3, want);
	ck_matches(find_in(&hc, bytes_of("de ?? be ef"), 0, UINT64_MAX), 3, want);
	ck_matches(find_in(&hc, bytes_of("DE AD ????"), 0, UINT64_MAX), 3, want);
	/* A match lies in the range whole, or does not count. */
	ck_matches(find_in(&hc, bytes_of("deadbeef"), BASE + 0x11, BASE + 0x1fff), 1, want + 1);
	hc_close(&hc);
}
END_TEST

START_TEST(overlapping_matches_are_all_told)
{
	uint8_t first[0x1000] = { 0 }, second[0x1000] = { 0 }, third[0x1000] = { 0 };
	const uint64_t want[] = { BASE + 0xffd, BASE + 0xffe, BASE + 0xfff, BASE + 0x1000 };
	struct heapcore hc;

	memset(first + 0xffd, 'a', 3);
	memset(second, 'a', 3);
	hc = open_pages(first, second, third);
	ck_matches(find_in(&hc, bytes_of("616161"), 0, UINT64_MAX), 4, want);
	ck_matches(find_in(&hc, bytes_of("61??61"), 0, UINT64_MAX), 4, want);
	hc_close(&hc);
}
END_TEST

START_TEST(text_ignores_case_and_is_found_as_utf16)
{
	uint8_t first[0x1000] = { 0 }, second[0x1000] = { 0 }, third[0x1000] = { 0 };
	const uint64_t narrow[] = { BASE + 0x100, BASE + 0x200 };
	const uint64_t wide[] = { BASE + 0xffd }, euro[] = { BASE + 0x3000 };
	struct ch_pattern *pattern;
	struct heapcore hc;

	memcpy(first + 0x100, "Order[1]", 8);
	memcpy(first + 0x200, "oRDER{1}", 8);
	memcpy(first + 0xffd, "O\0r", 3);
	memcpy(second, "\0d\0e\0r", 6);
	memcpy(third, "\xac\x20\x3d\xd8\x00\xde", 6);
	hc = open_pages(first, second, third);
	ck_ch_ok(chp_pattern_text("order", false, true, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 2, narrow);
	/* '[' and '{' differ in the bit that tells letters' case. */
	ck_ch_ok(chp_pattern_text("ORDER[", false, true, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 1, narrow);
	ck_ch_ok(chp_pattern_text("order", false, false, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 0, narrow);
	ck_ch_ok(chp_pattern_text("Order", true, false, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 1, wide);
	ck_ch_ok(chp_pattern_text("\xe2\x82\xac\xf0\x9f\x98\x80", true, false, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 1, euro);
	hc_close(&hc);
}
END_TEST

START_TEST(integers_have_a_width_and_an_alignment)
{
	uint8_t first[0x1000] = { 0 }, second[0x1000] = { 0 }, third[0x1000] = { 0 };
	const uint64_t aligned[] = { BASE + 0x40 }, both[] = { BASE + 0x40, BASE + 0xffb };
	const uint64_t small[] = { BASE + 0x40, BASE + 0x42 };
	struct ch_pattern *pattern;
	struct heapcore hc;

	memcpy(first + 0x40, "\x34\x12\x35\x12\0\0\0\0", 8);
	memcpy(first + 0xffb, "\x34\x12\x35\x12\0", 5);
	hc = open_pages(first, second, third);
	ck_ch_ok(chp_pattern_range(0x12351234, 0x12351234, 8, false, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 1, aligned);
	ck_ch_ok(chp_pattern_range(0x12351234, 0x12351234, 8, true, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 2, both);
	ck_ch_ok(chp_pattern_range(0x1234, 0x1235, 2, false, &pattern));
	ck_matches(find_in(&hc, pattern, BASE, BASE + 0x800), 2, small);
	hc_close(&hc);
}
END_TEST

START_TEST(regular_expressions_match_whole_words)
{
	uint8_t first[0x1000] = { 0 }, second[0x1000] = { 0 }, third[0x1000] = { 0 };
	const uint64_t want[] = { BASE + 0x20, BASE + 0xffc, BASE + 0x3ffd };
	struct ch_pattern *pattern;
	struct matches found;
	struct heapcore hc;

	memcpy(first + 0x20, "order-7", 7);
	memcpy(first + 0xffc, "orde", 4);
	memcpy(second, "r-12345", 7);
	memcpy(third + 0xffd, "abc", 3);
	hc = open_pages(first, second, third);
	ck_ch_ok(chp_pattern_regex("order-[0-9]+", false, &pattern));
	found = find_in(&hc, pattern, 0, UINT64_MAX);
	ck_matches(found, 2, want);
	ck_assert_uint_eq(found.bytes[0], 7);
	ck_assert_uint_eq(found.bytes[1], 11);
	/* What ends with the memory is found, too. */
	ck_ch_ok(chp_pattern_regex("AB+C", true, &pattern));
	ck_matches(find_in(&hc, pattern, 0, UINT64_MAX), 1, want + 2);
	hc_close(&hc);
}
END_TEST

START_TEST(bad_patterns_say_what_is_wrong)
{
	struct ch_pattern *pattern;

	ck_ch_err(chp_pattern_bytes("", &pattern), ARG);
	ck_ch_err(chp_pattern_bytes("de a", &pattern), ARG);
	ck_ch_err(chp_pattern_bytes("de ?", &pattern), ARG);
	ck_ch_err(chp_pattern_bytes("xy", &pattern), ARG);
	ck_ch_err(chp_pattern_text("", false, false, &pattern), ARG);
	ck_ch_err(chp_pattern_range(1, 1, 3, false, &pattern), ARG);
	ck_ch_err(chp_pattern_range(256, 256, 1, false, &pattern), ARG);
	ck_ch_err(chp_pattern_regex("(", false, &pattern), ARG);
	ck_ch_err(chp_pattern_regex("(a*)\\1", false, &pattern), ARG);
}
END_TEST

Suite *suite_search(void)
{
	Suite *suite = suite_create("search");
	TCase *tcase = tcase_create("patterns");

	tcase_add_test(tcase, bytes_are_found_over_the_end_of_a_segment_not_over_a_gap);
	tcase_add_test(tcase, overlapping_matches_are_all_told);
	tcase_add_test(tcase, text_ignores_case_and_is_found_as_utf16);
	tcase_add_test(tcase, integers_have_a_width_and_an_alignment);
	tcase_add_test(tcase, regular_expressions_match_whole_words);
	tcase_add_test(tcase, bad_patterns_say_what_is_wrong);
	suite_add_tcase(suite, tcase);
	return suite;
}
