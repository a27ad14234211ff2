/*
 * The JVM's flags: libjvm's table of them says names, types, who set them, and where the
 * values lie.
 *
 * Source: openjdk/jdk, jdk8u hotspot/src/share/vm/runtime/globals.hpp (struct Flag),
 * jdk-11+28 share/runtime/flags/jvmFlag.hpp, jdk-17+35 and jdk-25+36 the same, class JVMFlag:
 * _type is a text up to 11 and an index into the types from 17 on; the lowest four bits of
 * _flags are the origin.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

/* 17 and 25 have some 1,300. */
#define FLAGS_MAX   16384
#define WORD_MAX    160
#define ORIGIN_BITS 15U
/* It was on the command line, whoever changed it since. */
#define ON_COMMAND_LINE (1U << 17)

enum flag_kind { FLAG_BOOL, FLAG_SIGNED, FLAG_UNSIGNED, FLAG_DOUBLE, FLAG_TEXT };

/* In the order of JVMFlag::_type from 17 on (JVM_FLAG_ALL_TYPES_DO). */
static const struct flag_type {
	const char *name;
	enum flag_kind kind;
	uint32_t bytes;
} flag_types[] = {
	{ "bool", FLAG_BOOL, 1 },       { "int", FLAG_SIGNED, 4 },
	{ "uint", FLAG_UNSIGNED, 4 },   { "intx", FLAG_SIGNED, 8 },
	{ "uintx", FLAG_UNSIGNED, 8 },  { "uint64_t", FLAG_UNSIGNED, 8 },
	{ "size_t", FLAG_UNSIGNED, 8 }, { "double", FLAG_DOUBLE, 8 },
	{ "ccstr", FLAG_TEXT, 8 },      { "ccstrlist", FLAG_TEXT, 8 },
};

/* JVMFlagOrigin, Flag::Flags; the words are those of VM.flags -all. */
static const char *const origins[] = { "default",     "command line", "environment",
				       "config file", "management",   "ergonomic",
				       "attach",      "internal",     "jimage" };

static const struct flag_type *type_of(const struct hs *hs, uint64_t flag)
{
	uint64_t at = hs_member_addr(hs, HS_FLAG_TYPE, flag), text;
	char word[WORD_MAX];
	uint32_t index;
	size_t i;

	if (at && at % 8 == 0 && hs_read_ptr(hs, at, &text) && text &&
	    ch_core_read_string(hs->core, text, word, sizeof(word)))
		for (i = 0; i < CH_COUNT_OF(flag_types); i++)
			if (strcmp(flag_types[i].name, word) == 0)
				return &flag_types[i];
	if (!at || !hs_read_u32(hs, at, &index) || index >= CH_COUNT_OF(flag_types))
		return NULL;
	return &flag_types[index];
}

/* A flag's number as text; false: not in the core. */
static bool value_text(const struct hs *hs, const struct flag_type *type, uint64_t addr, char *buf,
		       size_t max)
{
	uint64_t bits = 0;
	double number;

	if (!ch_core_try_read(hs->core, addr, &bits, type->bytes))
		return false;
	switch (type->kind) {
	case FLAG_BOOL:
		snprintf(buf, max, "%s", bits ? "true" : "false");
		return true;
	case FLAG_SIGNED:
		snprintf(buf, max, "%lld",
			 type->bytes == 4 ? (long long)(int32_t)(uint32_t)bits : (long long)bits);
		return true;
	case FLAG_UNSIGNED:
		snprintf(buf, max, "%llu", (unsigned long long)bits);
		return true;
	case FLAG_DOUBLE:
		memcpy(&number, &bits, sizeof(number));
		snprintf(buf, max, number > -1e15 && number < 1e15 ? "%f" : "%g", number);
		return true;
	case FLAG_TEXT:
		break;
	}
	return false;
}

/* A copy that lives as long as the walker. */
static const char *keep(struct hs *hs, const char *text)
{
	char **slot = ch_vec_push(&hs->names);

	if (!slot)
		return NULL;
	*slot = strdup(text);
	return *slot;
}

/* Letters, digits and underscores: what is called otherwise is no flag. */
static bool read_name(const struct hs *hs, uint64_t flag, char name[WORD_MAX])
{
	uint64_t at;
	size_t i;

	if (!hs_member_ptr(hs, HS_FLAG_NAME, flag, &at) || !at ||
	    !ch_core_read_string(hs->core, at, name, WORD_MAX))
		return false;
	for (i = 0; name[i]; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
		    !(name[i] >= '0' && name[i] <= '9') && name[i] != '_')
			return false;
	return i > 0;
}

static const char *origin_of(const struct hs *hs, uint32_t bits, bool *changed_ret)
{
	uint32_t mask = hs->numbers[HS_ORIGIN_MASK].found
				? (uint32_t)hs->numbers[HS_ORIGIN_MASK].value
				: ORIGIN_BITS;
	uint32_t origin = bits & mask;

	*changed_ret = origin != 0;
	if (origin >= CH_COUNT_OF(origins))
		return "not known";
	if (strcmp(origins[origin], "ergonomic") == 0 && (bits & ON_COMMAND_LINE))
		return "command line, ergonomic";
	return origins[origin];
}

static struct ch_error *add_flag(struct hs *hs, uint64_t flag)
{
	const struct flag_type *type = type_of(hs, flag);
	char name[WORD_MAX], value[WORD_MAX];
	struct ch_setting *setting;
	uint64_t addr, text;
	uint32_t bits = 0;

	/* the last one has no name */
	if (!read_name(hs, flag, name) || !hs_member_ptr(hs, HS_FLAG_ADDR, flag, &addr) ||
	    !hs_member_u32(hs, HS_FLAG_BITS, flag, &bits))
		return NULL;
	setting = ch_vec_push(&hs->settings);
	if (!setting)
		return &ch_enomem;
	setting->type = type ? type->name : "not known";
	setting->origin = origin_of(hs, bits, &setting->changed);
	setting->is_text = type && type->kind == FLAG_TEXT;
	if (setting->is_text && hs_read_ptr(hs, addr, &text))
		setting->text_addr = text;
	setting->name = keep(hs, name);
	if (!setting->name)
		return &ch_enomem;
	if (type && value_text(hs, type, addr, value, sizeof(value))) {
		setting->value = keep(hs, value);
		if (!setting->value)
			return &ch_enomem;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct ch_setting *x = a, *y = b;

	return strcmp(x->name, y->name);
}

struct ch_error *hs_settings(void *state, const void **ret, size_t *count_ret)
{
	struct hs *hs = state;
	uint64_t flags, count, stride = hs->numbers[HS_SIZE_FLAG].value, i;
	struct ch_error *err = NULL;

	if (!hs->settings_read && hs->numbers[HS_SIZE_FLAG].found && stride >= 16 &&
	    stride <= 4096 && hs_member_ptr(hs, HS_FLAGS, 0, &flags) &&
	    hs_member_ptr(hs, HS_FLAGS_COUNT, 0, &count)) {
		for (i = 0; !err && i < ch_min(count, FLAGS_MAX); i++)
			err = add_flag(hs, flags + i * stride);
		if (err)
			hs->settings.count = 0;
		else
			ch_vec_sort(&hs->settings, compare);
	}
	hs->settings_read = hs->settings_read || !err;
	*ret = hs->settings.items;
	*count_ret = hs->settings.count;
	return err;
}
