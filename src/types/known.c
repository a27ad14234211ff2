/*
 * What libc, the dynamic linker and the C++ runtime keep in malloc: every process has some of it.
 *
 * None of it needs symbols that are not exported: it is found from what the dynamic linker shows to
 * debuggers, from exported variables, from thread pointers, or by contents that check themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "types/known_priv.h"

static const char *const known_names[] = {
	[CH_KNOWN_LINK_MAP] = "struct link_map",
	[CH_KNOWN_LIBRARY_PATH] = "ld.so: path of a library",
	[CH_KNOWN_LIBRARY_LIST] = "ld.so: list of libraries",
	[CH_KNOWN_LIBRARY_DATA] = "ld.so: data of a library",
	[CH_KNOWN_LIBRARY_TABLE] = "ld.so: table of libraries",
	[CH_KNOWN_DTV] = "ld.so: dtv of a thread",
	[CH_KNOWN_TLS] = "thread-local storage",
	[CH_KNOWN_FILE] = "FILE",
	[CH_KNOWN_FILE_BUFFER] = "FILE buffer",
	[CH_KNOWN_DIR] = "DIR",
	[CH_KNOWN_OBSTACK] = "obstack chunk",
	[CH_KNOWN_EXIT_FUNCTIONS] = "struct exit_function_list",
	[CH_KNOWN_ENVIRON] = "environ",
	[CH_KNOWN_VARIABLE] = "variable of the environment",
	[CH_KNOWN_EMERGENCY_POOL] = "libstdc++: pool for exceptions in an emergency",
	[CH_KNOWN_LOCALE] = "locale_t",
	[CH_KNOWN_LOCALE_DATA] = "locale: data of a category",
	[CH_KNOWN_LOCALE_NAME] = "locale: name",
	[CH_KNOWN_LOCALE_FILE] = "locale: file of a category",
	[CH_KNOWN_LOCALE_PATH] = "locale: path of a file",
	[CH_KNOWN_CONVERSION] = "iconv_t",
	[CH_KNOWN_CONVERSION_BUFFER] = "iconv: buffer",
	[CH_KNOWN_STEPS] = "iconv: steps",
};

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	struct ch_knowns *knowns = state;
	const uint8_t *bytes;
	size_t i, len;

	for (i = 0; i < n; i++) {
		keys_ret[i] = CH_KNOWN_NONE;
		bytes = ch_core_span(knowns->env->core, objects[i].addr, &len);
		if (!bytes)
			continue;
		len = ch_min(len, objects[i].size_bytes);
		keys_ret[i] = chp_known_contents(knowns, objects[i].addr, bytes, len);
		if (!keys_ret[i])
			keys_ret[i] = chp_known_locale(knowns, objects[i].addr, bytes, len);
	}
	return NULL;
}

static struct ch_error *seeds(void *state, struct ch_naming *naming)
{
	struct ch_knowns *knowns = state;
	struct ch_error *err = chp_known_ldso(knowns, naming);

	if (!err)
		err = chp_known_libc(knowns, naming);
	return err ? err : chp_known_cxx(knowns, naming);
}

static struct ch_error *follow(void *state, struct ch_naming *naming,
			       const struct ch_named_block *block)
{
	const struct ch_knowns *knowns = state;

	if (block->provider != knowns->provider)
		return NULL;
	return block->key == CH_KNOWN_FILE ? chp_known_buffers(state, naming, block->addr)
					   : chp_known_follow_locale(knowns, naming, block);
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct ch_knowns *knowns = state;
	uint64_t number = key >> CH_KNOWN_BITS;
	const struct ch_module *modules;
	size_t count;

	modules = ch_sym_modules(knowns->env->sym, &count);
	ret->name = known_names[key & ((1U << CH_KNOWN_BITS) - 1)];
	if (number && number <= count)
		ret->module = modules[number - 1].name;
	return NULL;
}

static void close_known(void *state)
{
	struct ch_knowns *knowns = state;

	ch_table_deinit(&knowns->maps);
	free(knowns);
}

/* What the linker keeps leads to what is the linker's, which has its names; its tables are larger
 * than what is in use of them, and the rest holds what was there before. */
static enum ch_words words(const void *state, uint64_t key)
{
	(void)state;
	switch ((enum ch_known)(key & ((1U << CH_KNOWN_BITS) - 1))) {
	case CH_KNOWN_LINK_MAP:
	case CH_KNOWN_LIBRARY_PATH:
	case CH_KNOWN_LIBRARY_LIST:
	case CH_KNOWN_LIBRARY_DATA:
	case CH_KNOWN_LIBRARY_TABLE:
	case CH_KNOWN_DTV:
	case CH_KNOWN_FILE_BUFFER:
	case CH_KNOWN_DIR:
	case CH_KNOWN_ENVIRON:
	case CH_KNOWN_VARIABLE:
		return CH_WORDS_BYTES;
	default:
		return CH_WORDS_MEMBERS;
	}
}

static struct ch_error *open_known(const struct ch_provider_env *env, void **state_ret)
{
	const struct ch_module *modules;
	struct ch_knowns *knowns;
	struct ch_symbol symbol;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	/* by name where neither the core nor a file has its symbols */
	for (i = 0; i < count; i++)
		if (strncmp(modules[i].name, "libc.so.6", 9) == 0 ||
		    strncmp(modules[i].name, "libc-2.", 7) == 0 ||
		    ch_sym_exported(env->sym, &modules[i], "gnu_get_libc_version", &symbol))
			break;
	if (i == count)
		return NULL;
	knowns = calloc(1, sizeof(*knowns));
	if (!knowns)
		return &ch_enomem;
	knowns->env = env;
	knowns->provider = &ch_provider_known;
	knowns->libc = &modules[i];
	for (i = 0; i < count; i++)
		if (modules[i].link_map &&
		    !ch_table_put(&knowns->maps, modules[i].link_map, (uint32_t)i)) {
			close_known(knowns);
			return &ch_enomem;
		}
	*state_ret = knowns;
	return NULL;
}

const struct ch_provider ch_provider_known = {
	.name = "known",
	.summary = "structures of libc, the dynamic linker and the C++ runtime",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_KNOWN,
	.open = open_known,
	.close = close_known,
	.blocks = blocks,
	.seeds = seeds,
	.follow = follow,
	.type = type,
	.words = words,
};
