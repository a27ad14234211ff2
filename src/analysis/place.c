/*
 * Where an address lies, in words.
 */
#include "analysis/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 1024

static struct ch_error *put_words(const struct ch_places *places, const struct ch_ref *ref,
				  struct ch_root_text *ret)
{
	const struct ch_module *module;
	struct ch_symbol symbol;
	_cleanup_free_ char *escaped = NULL;
	char text[TEXT_BYTES_MAX];

	memset(ret, 0, sizeof(*ret));
	if (ref->has_root)
		return ch_root_describe(places->graph, &ref->root, ret);
	if (ref->has_owner) {
		snprintf(ret->where, sizeof(ret->where), "0x%" PRIx64 " %c0x%" PRIx64,
			 ref->owner.addr, ref->addr < ref->owner.addr ? '-' : '+',
			 ref->addr < ref->owner.addr ? ref->owner.addr - ref->addr
						     : ref->addr - ref->owner.addr);
		return NULL;
	}
	module = ch_sym_module_at(places->sym, ref->addr);
	if (module && chp_sym_shown_at(places->sym, ref->addr, &symbol))
		snprintf(text, sizeof(text), "%.400s+0x%" PRIx64 " in %.200s", symbol.name,
			 symbol.offset, module->name);
	else if (module)
		snprintf(text, sizeof(text), "%.200s+0x%" PRIx64, module->name,
			 ref->addr - module->start);
	else
		snprintf(text, sizeof(text), "0x%" PRIx64, ref->addr);
	escaped = chp_text_escape(text, sizeof(ret->where) - 1);
	if (!escaped)
		return &ch_enomem;
	snprintf(ret->where, sizeof(ret->where), "%s", escaped);
	return NULL;
}

struct ch_error *chp_place_describe(const struct ch_places *places, const struct ch_ref *ref,
				    struct ch_place_row *ret)
{
	struct ch_error *err;
	struct ch_type type;

	*ret = (struct ch_place_row){ .addr = ref->addr,
				      .kind = ch_ref_kind_name(ref->kind),
				      .has_owner = ref->has_owner,
				      .has_offset = ref->has_owner && ref->addr >= ref->owner.addr,
				      .owner_addr = ref->owner.addr,
				      .offset = ref->addr - ref->owner.addr };
	err = put_words(places, ref, &ret->text);
	if (err || !ref->has_owner)
		return err;
	err = ch_heaps_type(places->heaps, ref->owner.type, &type);
	if (!err)
		ret->type = type.name;
	return err;
}
