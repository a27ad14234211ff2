/*
 * Constants of a program, kept once each. Whether memory may be written to is told by the program
 * headers of its module, or, where these are not at hand, by those of the core.
 */
#include "heap/constants.h"

#include <stdlib.h>

#include "util/hash.h"
#include "util/text.h"

void chp_constants_deinit(struct ch_constants *constants)
{
	size_t i;

	for (i = 0; i < constants->texts.count; i++)
		free(*CH_VEC_AT(&constants->texts, char *, i));
	ch_vec_deinit(&constants->texts);
	ch_table_deinit(&constants->by_text);
	ch_table_deinit(&constants->by_addr);
}

struct ch_error *chp_constants_add(struct ch_constants *constants, const char *text, uint32_t *ret)
{
	/* a hash of 64 bits tells the few texts of a program apart */
	const uint64_t key =
		ch_hash_bytes(CH_HASH_START, text, strnlen(text, CH_CONSTANT_BYTES_MAX)) | 1;
	char **slot;

	*ret = ch_table_find(&constants->by_text, key);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	slot = ch_vec_push(&constants->texts);
	if (!slot)
		return &ch_enomem;
	*slot = chp_text_escape(text, CH_CONSTANT_BYTES_MAX);
	*ret = (uint32_t)constants->texts.count - 1;
	return *slot && ch_table_put(&constants->by_text, key, *ret) ? NULL : &ch_enomem;
}

static bool is_constant(const struct ch_heap_env *env, uint64_t addr)
{
	const struct ch_module *module = ch_sym_module_at(env->sym, addr);
	const struct ch_segment *segment = ch_core_segment_at(env->core, addr);
	uint32_t rights;

	if (!module)
		return false;
	if (!ch_sym_module_rights(env->sym, module, addr, &rights))
		rights = segment ? segment->flags : CH_SEGMENT_WRITE;
	return !(rights & CH_SEGMENT_WRITE);
}

struct ch_error *chp_constants_at(struct ch_constants *constants, const struct ch_heap_env *env,
				  uint64_t addr, uint32_t *ret)
{
	char text[CH_CONSTANT_BYTES_MAX + 1];
	struct ch_error *err;

	*ret = ch_table_find(&constants->by_addr, addr);
	if (*ret != CH_TABLE_NONE || !addr || !is_constant(env, addr) ||
	    !ch_core_read_string(env->core, addr, text, sizeof(text)) || !text[0])
		return NULL;
	err = chp_constants_add(constants, text, ret);
	if (!err && !ch_table_put(&constants->by_addr, addr, *ret))
		err = &ch_enomem;
	return err;
}
