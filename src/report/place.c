/*
 * Where something lies, in words: a block with its type, a stack, a module's data.
 */
#include "report/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 1024

struct ch_error *chp_place_type(struct ch_heaps *heaps, const struct ch_ref *ref,
				struct ch_type *ret)
{
	return ch_heaps_type(heaps, ref->owner.type, ret);
}

struct ch_error *chp_place_describe(struct ch_graph *graph, struct ch_sym *sym,
				    const struct ch_ref *ref, struct ch_root_text *ret)
{
	const struct ch_module *module;
	struct ch_symbol symbol;
	_cleanup_free_ char *escaped = NULL;
	char text[TEXT_BYTES_MAX];

	memset(ret, 0, sizeof(*ret));
	if (ref->has_root)
		return ch_root_describe(graph, &ref->root, ret);
	if (ref->has_owner) {
		snprintf(ret->where, sizeof(ret->where), "0x%" PRIx64 " %c0x%" PRIx64,
			 ref->owner.addr, ref->addr < ref->owner.addr ? '-' : '+',
			 ref->addr < ref->owner.addr ? ref->owner.addr - ref->addr
						     : ref->addr - ref->owner.addr);
		return NULL;
	}
	module = ch_sym_module_at(sym, ref->addr);
	if (module && ch_sym_at(sym, ref->addr, &symbol))
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
