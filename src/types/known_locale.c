/*
 * Locales and conversions of character sets.
 *
 * struct __locale_struct (glibc, locale/xlocale.h, bits/types/__locale_t.h): the data of 13
 * categories, of which LC_ALL has none; three tables of characters; the categories' names, which
 * lie behind it in the same block (locale/newlocale.c) or are libc's own.
 *
 * struct loaded_l10nfile (intl/loadinfo.h): the path of a file, which ends in the category,
 * whether it was looked for, and what was found, a struct __locale_data (locale/localeinfo.h).
 *
 * struct __gconv_info (iconv/gconv.h): the number of steps, the steps, and for each of them where
 * its output goes, some numbers, a pointer to the state, and the state, to which it leads.
 */
#include <string.h>

#include "types/known_priv.h"

#define CATEGORIES   13
#define LC_ALL_INDEX 6
/* Where the names begin among the words, and behind the last one. */
#define NAMES          16
#define LOCALE_WORDS   29

#define PATH_MAX_BYTES 4096

/* struct __gconv_info, of each step: struct __gconv_step_data (2.17 to 2.44). */
#define GCONV_BYTES 16
#define STEP_BYTES  48
#define AT_END      8
#define AT_STATEP   32
#define AT_STATE    40
/* A conversion goes by way of one other set at most, mostly. */
#define STEPS_MAX 8
/* struct __gconv_step */
#define GCONV_STEP_BYTES 104

static bool is_block(const struct ch_knowns *knowns, uint64_t addr)
{
	uint32_t id = chp_index_at(knowns->env->index, addr);

	return id != CH_ID_NONE && chp_is_node(knowns->env->index, id);
}

static bool is_constant(const struct ch_knowns *knowns, uint64_t addr)
{
	return ch_sym_module_at(knowns->env->sym, addr) == knowns->libc;
}

static bool is_locale(const struct ch_knowns *knowns, uint64_t addr, const uint8_t *bytes,
		      size_t len)
{
	uint64_t data, name;
	size_t i;

	if (len < 8 * LOCALE_WORDS || len >= PATH_MAX_BYTES)
		return false;
	for (i = 0; i < CATEGORIES; i++) {
		data = ch_get64(bytes + 8 * i);
		name = ch_get64(bytes + 8 * (NAMES + i));
		/* nobody sets what LC_ALL would have */
		if (i == LC_ALL_INDEX)
			continue;
		if (!is_constant(knowns, data) && !is_block(knowns, data))
			return false;
		if (!is_constant(knowns, name) &&
		    (name < addr + 8 * LOCALE_WORDS || name >= addr + len))
			return false;
	}
	return true;
}

/* Whether a text ends in the name of a category, as the last part of a path. */
static bool is_category_path(const struct ch_knowns *knowns, uint64_t addr)
{
	char text[PATH_MAX_BYTES];
	const char *last;

	if (!is_block(knowns, addr) ||
	    !ch_core_read_string(knowns->env->core, addr, text, sizeof(text)) || text[0] != '/')
		return false;
	last = strrchr(text, '/') + 1;
	return strncmp(last, "LC_", 3) == 0 || strncmp(last, "SYS_LC_", 7) == 0;
}

static bool is_locale_file(const struct ch_knowns *knowns, const uint8_t *bytes, size_t len)
{
	uint64_t data;

	/* path, decided, data, next, successors up to one that is 0 */
	if (len < 40 || len >= PATH_MAX_BYTES || ch_get32(bytes + 8) > 1)
		return false;
	data = ch_get64(bytes + 16);
	return (!data || is_block(knowns, data) || is_constant(knowns, data)) &&
	       is_category_path(knowns, ch_get64(bytes));
}

static bool is_conversion(const struct ch_knowns *knowns, uint64_t addr, const uint8_t *bytes,
			  size_t len)
{
	uint64_t steps, at, i;

	if (len < GCONV_BYTES + STEP_BYTES)
		return false;
	steps = ch_get64(bytes);
	if (!steps || steps > STEPS_MAX ||
	    !chp_usable_fits(len, GCONV_BYTES + steps * STEP_BYTES) ||
	    !is_block(knowns, ch_get64(bytes + 8)))
		return false;
	for (i = 0; i < steps; i++) {
		at = GCONV_BYTES + i * STEP_BYTES;
		if (ch_get64(bytes + at + AT_STATEP) != addr + at + AT_STATE)
			return false;
	}
	return true;
}

enum ch_known chp_known_locale(const struct ch_knowns *knowns, uint64_t addr, const uint8_t *bytes,
			       size_t len)
{
	if (is_conversion(knowns, addr, bytes, len))
		return CH_KNOWN_CONVERSION;
	if (is_locale(knowns, addr, bytes, len))
		return CH_KNOWN_LOCALE;
	return is_locale_file(knowns, bytes, len) ? CH_KNOWN_LOCALE_FILE : CH_KNOWN_NONE;
}

/* The block at addr, if one begins there that has so many bytes. */
static struct ch_error *say_at(const struct ch_knowns *knowns, struct ch_naming *naming,
			       uint64_t addr, uint64_t bytes, enum ch_known kind)
{
	struct ch_named_block block;

	if (!chp_naming_block(naming, addr, &block) || block.addr != addr ||
	    block.size_bytes < bytes)
		return NULL;
	return chp_naming_say(naming, knowns->provider, &block, kind);
}

static struct ch_error *follow_conversion(const struct ch_knowns *knowns, struct ch_naming *naming,
					  uint64_t addr)
{
	uint64_t head[2], ends[2], i;
	struct ch_error *err;

	if (!chp_known_read(knowns, addr, head, 2))
		return NULL;
	err = say_at(knowns, naming, head[1], head[0] * GCONV_STEP_BYTES, CH_KNOWN_STEPS);
	for (i = 0; !err && i < head[0] && i < STEPS_MAX; i++)
		if (chp_known_read(knowns, addr + GCONV_BYTES + i * STEP_BYTES, ends, 2) &&
		    ends[1] > ends[0])
			err = say_at(knowns, naming, ends[0], ends[1] - ends[0],
				     CH_KNOWN_CONVERSION_BUFFER);
	return err;
}

struct ch_error *chp_known_follow_locale(const struct ch_knowns *knowns, struct ch_naming *naming,
					 const struct ch_named_block *block)
{
	uint64_t words[CATEGORIES];
	struct ch_error *err = NULL;
	size_t i;

	if (block->key == CH_KNOWN_CONVERSION)
		return follow_conversion(knowns, naming, block->addr);
	if (block->key == CH_KNOWN_LOCALE && chp_known_read(knowns, block->addr, words, CATEGORIES))
		for (i = 0; !err && i < CATEGORIES; i++)
			err = say_at(knowns, naming, words[i], 64, CH_KNOWN_LOCALE_DATA);
	if (block->key == CH_KNOWN_LOCALE_FILE && chp_known_read(knowns, block->addr, words, 3)) {
		err = say_at(knowns, naming, words[0], 1, CH_KNOWN_LOCALE_PATH);
		if (!err)
			err = say_at(knowns, naming, words[2], 64, CH_KNOWN_LOCALE_DATA);
	}
	/* its name, where that is not another's */
	if (block->key == CH_KNOWN_LOCALE_DATA && chp_known_read(knowns, block->addr, words, 1))
		err = say_at(knowns, naming, words[0], 1, CH_KNOWN_LOCALE_NAME);
	return err;
}
