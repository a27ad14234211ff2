/*
 * Options by table: parsing, types and bounds of their values, and the nearest one to what was
 * mistyped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/driver.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Longest word that suggestions are made for. */
#define NEAREST_BYTES_MAX 40

/* An argument taken apart. */
struct spelling {
	/* Without dashes; not terminated. */
	const char *name;
	size_t name_len;
	/* After '=' or ':', or NULL. */
	const char *value;
};

/* "-f:VALUE" and "/f:VALUE" against the row "f:". */
static bool matches_colon(const struct ch_option *option, const char *arg, struct spelling *ret)
{
	size_t len = strlen(option->name);

	if (option->name[len - 1] != ':' || (arg[0] != '-' && arg[0] != '/'))
		return false;
	if (strncmp(arg + 1, option->name, len) != 0)
		return false;
	*ret = (struct spelling){ arg + 1, len, arg + 1 + len };
	return true;
}

static bool matches(const struct ch_option *option, const char *arg, struct spelling *ret)
{
	size_t dashes, len = strlen(option->name);
	const char *name, *equals;

	if (matches_colon(option, arg, ret))
		return true;
	dashes = strspn(arg, "-");
	if (dashes < 1 || dashes > 2 || (len == 1 && dashes == 2))
		return false;
	name = arg + dashes;
	equals = strchr(name, '=');
	*ret = (struct spelling){ name, equals ? (size_t)(equals - name) : strlen(name),
				  equals ? equals + 1 : NULL };
	return ret->name_len == len && strncmp(name, option->name, len) == 0;
}

static const struct ch_option *find(const struct ch_option_parser *parser, const char *arg,
				    void **base_ret, struct spelling *spelling_ret)
{
	const struct ch_option *option;
	size_t i;

	/* the command's own come first: search has a -q of WinDbg's */
	for (i = parser->sets_count; i-- > 0;) {
		for (option = parser->sets[i].options; option && option->name; option++) {
			if (matches(option, arg, spelling_ret)) {
				*base_ret = parser->sets[i].base;
				return option;
			}
		}
	}
	return NULL;
}

/* Whether arg is to be read as an option at all. A path may begin with '/'. */
static bool is_option(const struct ch_option_parser *parser, const char *arg)
{
	const struct ch_option *option;
	struct spelling spelling;
	size_t i;

	if (parser->words_only || !arg[0] || !arg[1])
		return false;
	if (arg[0] == '-')
		return true;
	for (i = 0; i < parser->sets_count; i++)
		for (option = parser->sets[i].options; option && option->name; option++)
			if (matches_colon(option, arg, &spelling))
				return true;
	return false;
}

static bool parse_number(const char *text, const char **rest_ret, uint64_t *ret)
{
	unsigned long long value;
	char *end;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, hex ? 16 : 10);
	if (errno || (hex && end == text + 1))
		return false;
	*rest_ret = end;
	*ret = value;
	return true;
}

static bool parse_bytes(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	uint64_t value;

	if (!parse_number(text, &rest, &value))
		return false;
	if (*rest) {
		unit = strchr(units, *rest >= 'a' ? *rest - 'a' + 'A' : *rest);
		if (!unit || !ch_mul(value, 1ULL << (10 * (unit - units + 1)), &value))
			return false;
		rest++;
		if (strcmp(rest, "iB") == 0)
			rest += 2;
	}
	if (*rest)
		return false;
	*ret = value;
	return true;
}

static struct ch_error *add_string(struct ch_strings *strings, const char *value)
{
	const char **items =
		reallocarray(strings->items, strings->count + 1, sizeof(strings->items[0]));

	if (!items)
		return &ch_enomem;
	items[strings->count++] = value;
	strings->items = items;
	return NULL;
}

static struct ch_error *store(const struct ch_option *option, void *base, const char *value)
{
	void *slot = (char *)base + option->offset;
	const char *rest;
	uint64_t number;

	switch (option->kind) {
	case CH_OPTION_FLAG:
		*(bool *)slot = true;
		break;
	case CH_OPTION_STRING:
		*(const char **)slot = value;
		break;
	case CH_OPTION_STRINGS:
		return add_string(slot, value);
	case CH_OPTION_COUNT:
		if (!parse_number(value, &rest, &number) || *rest)
			return ch_error_create(CH_ERROR_ARG, "--%s: '%s' is not a number",
					       option->name, value);
		*(uint64_t *)slot = number;
		break;
	case CH_OPTION_BYTES:
		if (!parse_bytes(value, &number))
			return ch_error_create(CH_ERROR_ARG,
					       "--%s: '%s' is not a size (examples: 4096, 64M, 2G)",
					       option->name, value);
		*(uint64_t *)slot = number;
		break;
	}
	return NULL;
}

/* Candidates for a suggestion: all names of the parser's tables. */
static const char *option_name(const void *arg, size_t i)
{
	const struct ch_option_parser *parser = arg;
	const struct ch_option *option;
	size_t s;

	for (s = 0; s < parser->sets_count; s++)
		for (option = parser->sets[s].options; option && option->name; option++)
			if (i-- == 0)
				return option->name;
	return NULL;
}

static struct ch_error *unknown(const struct ch_option_parser *parser, const char *arg)
{
	const char *name = arg + strspn(arg, "-"), *near;
	_cleanup_free_ char *bare = strndup(name, strcspn(name, "=:"));

	if (!bare)
		return &ch_enomem;
	near = chp_nearest(bare, option_name, parser);
	if (near)
		return ch_error_create(CH_ERROR_ARG, "unknown option '%s': did you mean '%s%s'?",
				       arg, strlen(near) > 2 ? "--" : "-", near);
	return ch_error_create(
		CH_ERROR_ARG, "unknown option '%s'%s", arg,
		parser->sets_count < 2 ? "; the options of a command stand after its name" : "");
}

static struct ch_error *take_option(struct ch_option_parser *parser, const char *arg)
{
	struct spelling spelling = { NULL, 0, NULL };
	const struct ch_option *option;
	const char *value;
	void *base = NULL;

	option = find(parser, arg, &base, &spelling);
	if (!option)
		return unknown(parser, arg);
	value = spelling.value;
	if (option->kind == CH_OPTION_FLAG) {
		if (value)
			return ch_error_create(CH_ERROR_ARG, "--%s takes no value", option->name);
	} else if (!value) {
		if (parser->at >= parser->argc)
			return ch_error_create(CH_ERROR_ARG, "--%s needs a value: %s", option->name,
					       option->value ? option->value : "VALUE");
		value = parser->argv[parser->at++];
	}
	return store(option, base, value);
}

struct ch_error *chp_options_next(struct ch_option_parser *parser, const char **word_ret)
{
	struct ch_error *err;
	const char *arg;

	while (parser->at < parser->argc) {
		arg = parser->argv[parser->at++];
		if (!is_option(parser, arg)) {
			*word_ret = arg;
			return NULL;
		}
		if (strcmp(arg, "--") == 0) {
			parser->words_only = true;
			continue;
		}
		err = take_option(parser, arg);
		if (err)
			return err;
	}
	*word_ret = NULL;
	return NULL;
}

void chp_options_deinit(const struct ch_option_set *set)
{
	const struct ch_option *option;
	struct ch_strings *strings;

	for (option = set->options; option && option->name; option++) {
		if (option->kind != CH_OPTION_STRINGS)
			continue;
		strings = (struct ch_strings *)(void *)((char *)set->base + option->offset);
		free(strings->items);
		*strings = (struct ch_strings){ NULL, 0 };
	}
}

/* Levenshtein distance with swaps of neighbours not counted as one. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAREST_BYTES_MAX + 1], i, k, above, old, best;
	size_t b_len = strlen(b);

	if (strlen(a) > NEAREST_BYTES_MAX || b_len > NEAREST_BYTES_MAX)
		return SIZE_MAX;
	for (k = 0; k <= b_len; k++)
		row[k] = k;
	for (i = 0; a[i]; i++) {
		above = row[0];
		row[0] = i + 1;
		for (k = 0; k < b_len; k++) {
			old = row[k + 1];
			best = above + (a[i] != b[k]);
			best = best < old + 1 ? best : old + 1;
			row[k + 1] = best < row[k] + 1 ? best : row[k] + 1;
			above = old;
		}
	}
	return row[b_len];
}

const char *chp_nearest(const char *word, const char *(*next)(const void *arg, size_t i),
			const void *arg)
{
	size_t best = strlen(word) / 3 + 2, i, far;
	const char *name, *ret = NULL;

	for (i = 0; (name = next(arg, i)); i++) {
		far = distance(word, name);
		if (far < best && far < strlen(name)) {
			best = far;
			ret = name;
		}
	}
	return ret;
}
