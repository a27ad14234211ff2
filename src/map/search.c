/*
 * Looking for bytes, text, numbers or a regular expression in all memory of a core, also across
 * the edges of segments. The longest run of fixed bytes of a pattern is looked for first, and the
 * rest is compared only there.
 */
#include "map/search.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "map/regex.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Bytes that are looked through between two looks at the rest of the world. */
#define WINDOW_BYTES (1ULL << 20)
/* Of a regular expression: matching costs more. */
#define REGEX_WINDOW_BYTES (64ULL << 10)

struct ch_pattern {
	enum ch_pattern_kind kind;
	/* BYTES: value and mask of each byte; the anchor is the longest run of
	 * bytes of which every bit counts. */
	uint8_t value[CH_PATTERN_MAX], mask[CH_PATTERN_MAX];
	size_t bytes, anchor, anchor_bytes;
	/* RANGE */
	uint64_t low, high;
	uint32_t width, step;
	/* REGEX */
	struct ch_regex *regex;
};

/* ---- Patterns ---------------------------------------------------------------- */

static struct ch_pattern *new_pattern(enum ch_pattern_kind kind)
{
	struct ch_pattern *pattern = calloc(1, sizeof(*pattern));

	if (pattern)
		pattern->kind = kind;
	return pattern;
}

void chp_pattern_destroy(struct ch_pattern *pattern)
{
	if (!pattern)
		return;
	chp_regex_destroy(pattern->regex);
	free(pattern);
}

static void find_anchor(struct ch_pattern *pattern)
{
	size_t i, run = 0;

	for (i = 0; i < pattern->bytes; i++) {
		run = pattern->mask[i] == 0xff ? run + 1 : 0;
		if (run > pattern->anchor_bytes) {
			pattern->anchor_bytes = run;
			pattern->anchor = i + 1 - run;
		}
	}
}

static struct ch_error *finish_take(struct ch_pattern *pattern, struct ch_pattern **ret)
{
	if (!pattern->bytes) {
		chp_pattern_destroy(pattern);
		return ch_error_create(CH_ERROR_ARG, "the pattern is empty");
	}
	find_anchor(pattern);
	*ret = pattern;
	return NULL;
}

static struct ch_error *too_long_take(struct ch_pattern *pattern)
{
	chp_pattern_destroy(pattern);
	return ch_error_create(CH_ERROR_ARG, "the pattern is longer than %d bytes", CH_PATTERN_MAX);
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct ch_error *chp_pattern_bytes(const char *text, struct ch_pattern **ret)
{
	struct ch_pattern *pattern = new_pattern(CH_PATTERN_BYTES);
	const char *p = text;
	int high, low;

	if (!pattern)
		return &ch_enomem;
	while (*(p += strspn(p, " "))) {
		if (pattern->bytes == CH_PATTERN_MAX)
			return too_long_take(pattern);
		if (p[0] == '?' && p[1] == '?') {
			pattern->bytes++;
			p += 2;
			continue;
		}
		high = digit_of(p[0]);
		low = high < 0 ? -1 : digit_of(p[1]);
		if (low < 0) {
			chp_pattern_destroy(pattern);
			return ch_error_create(CH_ERROR_ARG,
					       "'%s' is no pattern of bytes: give pairs of "
					       "hexadecimal digits, ?? for any byte, as in "
					       "'de ad ?? ef'",
					       text);
		}
		pattern->value[pattern->bytes] = (uint8_t)(high << 4 | low);
		pattern->mask[pattern->bytes++] = 0xff;
		p += 2;
	}
	return finish_take(pattern, ret);
}

static bool put_byte(struct ch_pattern *pattern, uint8_t byte, bool ignore_case)
{
	bool letter = ignore_case && ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');

	if (pattern->bytes == CH_PATTERN_MAX)
		return false;
	pattern->mask[pattern->bytes] = letter ? 0xdf : 0xff;
	pattern->value[pattern->bytes] = byte & pattern->mask[pattern->bytes];
	pattern->bytes++;
	return true;
}

/* One code point of UTF-8 at *p; what is none is taken byte by byte. */
static uint32_t next_point(const char **p)
{
	const uint8_t *bytes = (const uint8_t *)*p;
	uint32_t n = bytes[0] < 0x80 ? 0 : bytes[0] < 0xe0 ? 1 : bytes[0] < 0xf0 ? 2 : 3, i;
	uint32_t point = n ? bytes[0] & (0x3fU >> n) : bytes[0];

	for (i = 1; i <= n; i++) {
		if ((bytes[i] & 0xc0) != 0x80) {
			*p += 1;
			return bytes[0];
		}
		point = point << 6 | (bytes[i] & 0x3f);
	}
	*p += n + 1;
	return point;
}

static bool put_unit(struct ch_pattern *pattern, uint32_t unit, bool ignore_case)
{
	return put_byte(pattern, (uint8_t)unit, ignore_case && unit < 0x80) &&
	       put_byte(pattern, (uint8_t)(unit >> 8), false);
}

static bool put_wide(struct ch_pattern *pattern, uint32_t point, bool ignore_case)
{
	if (point < 0x10000)
		return put_unit(pattern, point, ignore_case);
	point -= 0x10000;
	return put_unit(pattern, 0xd800 + (point >> 10), false) &&
	       put_unit(pattern, 0xdc00 + (point & 0x3ff), false);
}

struct ch_error *chp_pattern_text(const char *text, bool wide, bool ignore_case,
				  struct ch_pattern **ret)
{
	struct ch_pattern *pattern = new_pattern(CH_PATTERN_BYTES);
	bool fits = true;

	if (!pattern)
		return &ch_enomem;
	while (*text && fits)
		fits = wide ? put_wide(pattern, next_point(&text), ignore_case)
			    : put_byte(pattern, (uint8_t)*text++, ignore_case);
	return fits ? finish_take(pattern, ret) : too_long_take(pattern);
}

struct ch_error *chp_pattern_range(uint64_t low, uint64_t high, uint32_t width_bytes,
				   bool unaligned, struct ch_pattern **ret)
{
	uint64_t most = width_bytes == 8 ? UINT64_MAX : (1ULL << (8 * width_bytes)) - 1;
	struct ch_pattern *pattern;

	if (width_bytes != 1 && width_bytes != 2 && width_bytes != 4 && width_bytes != 8)
		return ch_error_create(CH_ERROR_ARG, "integers have 1, 2, 4 or 8 bytes");
	if (low > high || high > most)
		return ch_error_create(CH_ERROR_ARG, "no integer of %u bytes is in that range",
				       width_bytes);
	pattern = new_pattern(CH_PATTERN_RANGE);
	if (!pattern)
		return &ch_enomem;
	pattern->low = low;
	pattern->high = high;
	pattern->bytes = pattern->width = width_bytes;
	pattern->step = unaligned ? 1 : width_bytes;
	*ret = pattern;
	return NULL;
}

struct ch_error *chp_pattern_regex(const char *text, bool ignore_case, struct ch_pattern **ret)
{
	struct ch_pattern *pattern;
	struct ch_error *err;

	if (!*text)
		return ch_error_create(CH_ERROR_ARG, "the pattern is empty");
	pattern = new_pattern(CH_PATTERN_REGEX);
	if (!pattern)
		return &ch_enomem;
	err = chp_regex_make(text, ignore_case, &pattern->regex);
	if (err) {
		chp_pattern_destroy(pattern);
		return err;
	}
	pattern->bytes = CH_PATTERN_MAX;
	*ret = pattern;
	return NULL;
}

/* ---- Searching --------------------------------------------------------------- */

struct finder {
	const struct ch_search *search;
	chp_match_fn fn;
	void *arg;
	/* Matches begin here or later: none is told twice. */
	uint64_t next;
	/* Those of a regular expression that end with the bytes at hand are left to
	 * the next piece, which knows whether they go on. */
	bool goes_on;
	/* A regular expression takes too long: it was said, and the search ends. */
	bool given_up;
	/* The end of the bytes looked through last, and where they ended. */
	uint8_t tail[2 * CH_PATTERN_MAX];
	size_t tail_bytes;
	uint64_t tail_end;
};

static struct ch_error *tell(struct finder *finder, uint64_t addr, uint64_t bytes)
{
	if (addr < finder->next || addr < finder->search->start ||
	    addr + bytes > finder->search->end)
		return NULL;
	finder->next = addr + 1;
	return finder->fn(finder->arg, addr, bytes);
}

static bool matches(const struct ch_pattern *pattern, const uint8_t *bytes)
{
	size_t i;

	for (i = 0; i < pattern->bytes; i++)
		if ((bytes[i] & pattern->mask[i]) != pattern->value[i])
			return false;
	return true;
}

/* All matches in len bytes at addr. */
static struct ch_error *find_bytes(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				   size_t len)
{
	const struct ch_pattern *pattern = finder->search->pattern;
	struct ch_error *err = NULL;
	const uint8_t *hit;
	size_t at = 0;

	while (!err && len >= pattern->bytes && at <= len - pattern->bytes) {
		if (pattern->anchor_bytes) {
			/* The last place for the anchor leaves room for the rest. */
			hit = memmem(bytes + at + pattern->anchor,
				     len - pattern->bytes - at + pattern->anchor_bytes,
				     pattern->value + pattern->anchor, pattern->anchor_bytes);
			if (!hit)
				break;
			at = (size_t)(hit - bytes) - pattern->anchor;
		}
		if (matches(pattern, bytes + at))
			err = tell(finder, addr + at, pattern->bytes);
		at++;
	}
	return err;
}

static uint64_t word_at(const uint8_t *bytes, uint32_t width)
{
	switch (width) {
	case 1:
		return bytes[0];
	case 2:
		return ch_get16(bytes);
	case 4:
		return ch_get32(bytes);
	default:
		return ch_get64(bytes);
	}
}

static struct ch_error *find_range(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				   size_t len)
{
	const struct ch_pattern *pattern = finder->search->pattern;
	uint64_t low = pattern->low, span = pattern->high - low;
	size_t at = (size_t)(ch_align_up(addr, pattern->step) - addr);
	struct ch_error *err = NULL;

	/* The common case: words. */
	if (pattern->width == 8 && pattern->step == 8)
		for (; at + 8 <= len && ch_get64(bytes + at) - low > span;)
			at += 8;
	for (; !err && at + pattern->width <= len; at += pattern->step) {
		if (word_at(bytes + at, pattern->width) - low <= span)
			err = tell(finder, addr + at, pattern->width);
		if (pattern->width == 8 && pattern->step == 8)
			while (at + 16 <= len && ch_get64(bytes + at + 8) - low > span)
				at += 8;
	}
	return err;
}

/* The bytes that a regular expression is looked for in. */
struct piece {
	struct finder *finder;
	uint64_t addr;
	size_t len;
	/* What was told of a match. */
	struct ch_error *err;
};

static struct ch_error *take_match(void *arg, size_t at, size_t len)
{
	struct piece *piece = arg;
	struct finder *finder = piece->finder;
	uint64_t begin = piece->addr + at;

	if (finder->goes_on && at + len == piece->len)
		return NULL;
	piece->err = tell(finder, begin, len);
	if (finder->next > begin)
		finder->next = ch_max(finder->next, begin + len);
	return piece->err;
}

static struct ch_error *find_regex(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				   size_t len)
{
	struct piece piece = { .finder = finder, .addr = addr, .len = len };
	struct ch_error *err;

	err = chp_regex_find(finder->search->pattern->regex, bytes, len, take_match, &piece);
	if (!err || err == piece.err || err->code != CH_ERROR_LIMIT)
		return err;
	finder->given_up = true;
	chp_context_finding(
		ch_core_context(finder->search->core), CH_SEVERITY_INCOMPLETE, "search-given-up",
		"the search was given up at 0x%" PRIx64 ": %s; what comes behind was not looked at",
		addr, err->message);
	return err;
}

static struct ch_error *find(struct finder *finder, uint64_t addr, const uint8_t *bytes, size_t len)
{
	switch (finder->search->pattern->kind) {
	case CH_PATTERN_BYTES:
		return find_bytes(finder, addr, bytes, len);
	case CH_PATTERN_RANGE:
		return find_range(finder, addr, bytes, len);
	default:
		return find_regex(finder, addr, bytes, len);
	}
}

/* What was left to a next piece that did not come. */
static struct ch_error *flush_tail(struct finder *finder)
{
	size_t n = finder->tail_bytes;

	finder->tail_bytes = 0;
	finder->goes_on = false;
	if (finder->search->pattern->kind != CH_PATTERN_REGEX || !n)
		return NULL;
	return find(finder, finder->tail_end - n, finder->tail, n);
}

/* Matches that begin in the bytes before addr and end in those from there on. */
static struct ch_error *find_across(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				    size_t len)
{
	size_t most = finder->search->pattern->bytes - 1, more;

	if (finder->tail_end != addr)
		return flush_tail(finder);
	if (!finder->tail_bytes || !most)
		return NULL;
	more = ch_min(len, most);
	finder->goes_on = true;
	memcpy(finder->tail + finder->tail_bytes, bytes, more);
	return find(finder, addr - finder->tail_bytes, finder->tail, finder->tail_bytes + more);
}

static void keep_tail(struct finder *finder, uint64_t addr, const uint8_t *bytes, size_t len)
{
	size_t most = ch_min(finder->search->pattern->bytes - 1, CH_PATTERN_MAX - 1);

	finder->tail_bytes = ch_min(len, most);
	memcpy(finder->tail, bytes + len - finder->tail_bytes, finder->tail_bytes);
	finder->tail_end = addr + len;
}

/* Bytes that lie together, piece by piece. */
static struct ch_error *search_run(struct finder *finder, uint64_t addr, const uint8_t *bytes,
				   size_t len)
{
	bool regex = finder->search->pattern->kind == CH_PATTERN_REGEX;
	size_t window = regex ? REGEX_WINDOW_BYTES : WINDOW_BYTES, n;
	struct ch_context *ctx = ch_core_context(finder->search->core);
	struct ch_error *err = NULL;

	for (; !err && len; addr += n, bytes += n, len -= n) {
		n = ch_min(len, window);
		err = find_across(finder, addr, bytes, n);
		finder->goes_on = true;
		if (!err)
			err = find(finder, addr, bytes, n);
		keep_tail(finder, addr, bytes, n);
		if (!err)
			err = chp_context_check(ctx);
	}
	return err;
}

/* What the core holds of [start, end). */
static struct ch_error *search_stretch(struct finder *finder, uint64_t start, uint64_t end)
{
	const struct ch_core *core = finder->search->core;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	uint64_t at = start;
	size_t len;

	while (!err && (at = ch_core_next_present(core, at, end)) < end) {
		bytes = finder->search->recorded ? ch_core_span_recorded(core, at, &len)
						 : ch_core_span(core, at, &len);
		if (!bytes) {
			/* Bytes of a file, which were not asked for. */
			if (!ch_core_span(core, at, &len))
				len = 1;
			at += ch_min(len, end - at);
			continue;
		}
		len = ch_min(len, end - at);
		err = search_run(finder, at, bytes, len);
		at += len;
	}
	return err;
}

static bool matches_zeros(const struct ch_pattern *pattern)
{
	static const uint8_t zeros[CH_PAGE_BYTES];

	switch (pattern->kind) {
	case CH_PATTERN_BYTES:
		return matches(pattern, zeros);
	case CH_PATTERN_RANGE:
		return pattern->low == 0;
	default:
		return chp_regex_is_in(pattern->regex, zeros, sizeof(zeros));
	}
}

/* Pages of zeros only as far as a match may reach into them. */
static struct ch_error *search_region(struct finder *finder, uint64_t start, uint64_t end)
{
	const struct ch_core *core = finder->search->core;
	uint64_t at = start, data = start, to;
	struct ch_error *err = NULL;
	size_t len;

	if (matches_zeros(finder->search->pattern))
		return search_stretch(finder, start, end);
	while (!err && ch_core_next_data(core, &data, end, &len)) {
		at = ch_max(at, data - ch_min(data, CH_PATTERN_MAX));
		to = end - data - len > CH_PATTERN_MAX ? data + len + CH_PATTERN_MAX : end;
		err = search_stretch(finder, at, to);
		at = data = to;
	}
	return err;
}

struct ch_error *chp_search(const struct ch_search *search, chp_match_fn fn, void *arg)
{
	struct finder *finder = calloc(1, sizeof(*finder));
	const struct ch_region *regions;
	struct ch_error *err = NULL;
	uint64_t start, end;
	size_t count, i;

	if (!finder)
		return &ch_enomem;
	finder->search = search;
	finder->fn = fn;
	finder->arg = arg;
	regions = ch_map_regions(search->map, &count);
	for (i = 0; !err && i < count; i++) {
		if (regions[i].state == CH_STATE_FREE ||
		    (search->filter && !ch_region_matches(&regions[i], search->filter)))
			continue;
		start = ch_max(regions[i].start, search->start);
		end = ch_min(regions[i].end, search->end);
		if (start < end)
			err = search_region(finder, start, end);
		chp_context_progress(ch_core_context(search->core), "searching", i, count);
	}
	if (!err)
		err = flush_tail(finder);
	if (finder->given_up) {
		ch_error_destroy(err);
		err = NULL;
	}
	free(finder);
	return err;
}
