/*
 * The command "search": its options, and the question that it asks of the library, where bytes,
 * text or numbers are in memory.
 */
#include "report/search.h"

#include <string.h>

#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/error.h"

struct options {
	/* of the blocks that matches lie in; its range is one of memory */
	struct ch_filter_options blocks;
	const char *pointer, *into, *bytes, *text, *utf16, *regex;
	const char *quad, *dword, *ascii, *wide, *plain_bytes;
	const char *integer;
	uint64_t width;
	bool ignore_case, unaligned, recorded, count;
	struct ch_strings filters;
};

/* An integer, negative ones as two's complement. */
static struct ch_error *parse_integer(const char *text, uint32_t width, uint64_t *ret)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	uint64_t mask = width >= 8 ? UINT64_MAX : (1ULL << (8 * width)) - 1;
	char *end;

	*ret = strtoull(digits, &end, 0);
	if (end == digits || *end || digits[0] == '-' || digits[0] == '+' || *ret > mask)
		return ch_error_create(CH_ERROR_ARG, "'%s' is no integer of %u bytes", text, width);
	if (negative)
		*ret = -*ret & mask;
	return NULL;
}

static struct ch_error *integer_pattern(const struct options *options, const char *text,
					uint64_t width, struct ch_pattern **ret)
{
	uint64_t value;
	struct ch_error *err;

	if (width > 8)
		return ch_error_create(CH_ERROR_ARG, "integers have 1, 2, 4 or 8 bytes");
	err = parse_integer(text, (uint32_t)width, &value);
	return err ? err
		   : chp_pattern_range(value, value, (uint32_t)width, options->unaligned, ret);
}

static struct ch_error *pointer_pattern(struct ch_cmd_env *env, const struct options *options,
					struct ch_pattern **ret)
{
	struct ch_error *err;
	uint64_t addr;

	err = chp_parse_addr(env->session, options->pointer, &addr);
	return err ? err : chp_pattern_range(addr, addr, 8, options->unaligned, ret);
}

/* --into: pointers to anywhere in a range, or in the block that holds an address. */
static struct ch_error *into_pattern(struct ch_cmd_env *env, const struct options *options,
				     struct ch_heaps *heaps, struct ch_pattern **ret)
{
	struct ch_object object;
	uint64_t start, end;
	struct ch_error *err;

	err = chp_parse_range(env->session, options->into, &start, &end);
	if (!err)
		return chp_pattern_range(start, end - 1, 8, options->unaligned, ret);
	if (err->code != CH_ERROR_ARG)
		return err;
	ch_error_destroy(err);
	err = chp_parse_addr(env->session, options->into, &start);
	if (err)
		return err;
	if (!ch_heaps_object_at(heaps, start, &object))
		return ch_error_create(CH_ERROR_ARG, "0x%llx lies in no block: give START-END",
				       (unsigned long long)start);
	return chp_pattern_range(object.addr, object.addr + ch_max(object.size_bytes, 1) - 1, 8,
				 options->unaligned, ret);
}

static struct ch_error *make_pattern(struct ch_cmd_env *env, const struct options *options,
				     struct ch_heaps *heaps, struct ch_pattern **ret)
{
	const char *const given[] = { options->pointer, options->into,    options->bytes,
				      options->text,    options->utf16,   options->regex,
				      options->quad,    options->dword,   options->ascii,
				      options->wide,    options->integer, options->plain_bytes };
	size_t count = 0, i;

	for (i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		count += given[i] != NULL;
	if (env->argc)
		return ch_error_create(
			CH_ERROR_ARG,
			"search: what '%s' is has to be said: --text for text, --pointer "
			"for an address, --int, --bytes, --utf16, --regex",
			env->argv[0]);
	if (count != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "search needs one of --pointer, --into, --int, --bytes, "
				       "--text, --utf16 and --regex");
	if (options->pointer)
		return pointer_pattern(env, options, ret);
	if (options->into)
		return into_pattern(env, options, heaps, ret);
	if (options->quad || options->dword)
		return integer_pattern(options, options->quad ? options->quad : options->dword,
				       options->quad ? 8 : 4, ret);
	if (options->integer)
		return integer_pattern(options, options->integer,
				       options->width ? options->width : 8, ret);
	if (options->bytes || options->plain_bytes)
		return chp_pattern_bytes(options->bytes ? options->bytes : options->plain_bytes,
					 ret);
	if (options->regex)
		return chp_pattern_regex(options->regex, options->ignore_case, ret);
	if (options->utf16 || options->wide)
		return chp_pattern_text(options->utf16 ? options->utf16 : options->wide, true,
					options->ignore_case, ret);
	return chp_pattern_text(options->text ? options->text : options->ascii, false,
				options->ignore_case, ret);
}

/* Where to look. */
static struct ch_error *choose(struct ch_cmd_env *env, const struct options *options,
			       struct ch_heaps *heaps, struct ch_region_filter *regions,
			       struct ch_parsed_filter *objects, struct ch_matches *ret)
{
	struct ch_filter_options blocks = options->blocks;
	struct ch_error *err = NULL;
	size_t i;

	ret->search.end = UINT64_MAX;
	ret->search.recorded = options->recorded;
	for (i = 0; !err && i < options->filters.count; i++)
		err = ch_region_filter_add(regions, options->filters.items[i]);
	if (options->filters.count)
		ret->search.filter = regions;
	if (!err && blocks.range)
		err = chp_parse_range(env->session, blocks.range, &ret->search.start,
				      &ret->search.end);
	blocks.range = NULL;
	if (!err && chp_filter_options_any(&blocks)) {
		err = chp_filter_parse(env->session, heaps, &blocks, 0, objects);
		ret->objects = &objects->filter;
	}
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_matches matches = { .source = NULL };
	struct ch_parsed_filter objects = { .types = CH_VEC(struct ch_type_stat) };
	struct ch_region_filter regions = { 0 };
	struct ch_pattern *pattern = NULL;
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = chp_filter_options_any(&options->blocks)
		      ? chp_session_named_heaps(env->session, &heaps)
		      : ch_session_heaps(env->session, &heaps);
	if (!err)
		err = choose(env, options, heaps, &regions, &objects, &matches);
	if (!err)
		err = make_pattern(env, options, heaps, &pattern);
	matches.search.pattern = pattern;
	if (!err)
		err = chp_matches_begin(env->session, env->threads, &matches);
	if (!err)
		err = ch_report_search(env->report, &matches, options->count);
	chp_matches_deinit(&matches);
	chp_pattern_destroy(pattern);
	chp_filter_deinit(&objects);
	return err;
}

static const char *const aliases[] = { "s", NULL };

#define OPTION(name, value, kind, member, help)                                                    \
	{                                                                                          \
		name, value, kind, offsetof(struct options, member), help                          \
	}

static const struct ch_option options_table[] = {
	OPTION("pointer", "ADDR", CH_OPTION_STRING, pointer, "words that hold this address"),
	OPTION("into", "A-B|ADDR", CH_OPTION_STRING, into,
	       "words that point into [A, B), or into the block that holds ADDR"),
	OPTION("int", "N", CH_OPTION_STRING, integer, "integers, of 8 bytes unless --width"),
	OPTION("width", "1|2|4|8", CH_OPTION_COUNT, width, "bytes of an integer of --int"),
	OPTION("bytes", "HEX", CH_OPTION_STRING, bytes, "bytes, ?? for any: 'de ad ?? ef'"),
	OPTION("text", "TEXT", CH_OPTION_STRING, text, "text as it lies in memory"),
	OPTION("utf16", "TEXT", CH_OPTION_STRING, utf16, "text as UTF-16, little-endian"),
	OPTION("regex", "REGEX", CH_OPTION_STRING, regex,
	       "POSIX extended regular expression; a match has at most 4096 bytes"),
	OPTION("ignore-case", NULL, CH_OPTION_FLAG, ignore_case, "of Latin letters"),
	OPTION("unaligned", NULL, CH_OPTION_FLAG, unaligned,
	       "pointers and integers anywhere, not only at multiples of their width"),
	OPTION("f:", "NAME,...", CH_OPTION_STRINGS, filters,
	       "only in regions of this usage, type, state or protection, as in `address`"),
	CH_FILTER_OPTIONS("all"),
	OPTION("recorded", NULL, CH_OPTION_FLAG, recorded,
	       "only what the core holds, not files that stand in for it"),
	OPTION("count", NULL, CH_OPTION_FLAG, count, "only how many"),
	OPTION("q", "N", CH_OPTION_STRING, quad, NULL),
	OPTION("d", "N", CH_OPTION_STRING, dword, NULL),
	OPTION("a", "TEXT", CH_OPTION_STRING, ascii, NULL),
	OPTION("u", "TEXT", CH_OPTION_STRING, wide, NULL),
	OPTION("b", "HEX", CH_OPTION_STRING, plain_bytes, NULL),
	{ 0 },
};

const struct ch_cmd ch_cmd_search = {
	.name = "search",
	.aliases = aliases,
	.summary = "pointers, integers, bytes, text or a regular expression in memory",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap search --pointer 0x55fca1fae970 core.1234\n"
		    "coreheap search --text 'Connection reset' -f:Heap core.1234\n"
		    "coreheap search --regex 'order-[0-9]+' --count core.1234\n"
		    "coreheap search --bytes 'de ad ?? ef' --reveal core.1234\n",
	.notes = "A regular expression is POSIX's extended form over bytes, with \\w \\s \\d \\t\n"
		 "\\n \\r \\xHH, and without back-references. Bytes 0 part lines, too: ^ and $\n"
		 "match beside them, and . is none of them. Time and memory grow with the bytes,\n"
		 "whatever the expression; one that needs more than 32 steps a byte is given up,\n"
		 "which is said. With its repeats written out it has at most some 2,000 signs.\n"
		 "\n"
		 "What chooses blocks, but for --range, leaves what lies in no block out.\n"
		 "\n"
		 "Addresses and owners are shown, contents only with --reveal. WinDbg's -q,\n"
		 "-d, -a, -u\n"
		 "and -b work, too.\n",
	.see_also = (const char *const[]){ "refs", "address", "show", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	/* only to say what is missing */
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
