/*
 * Rows of types with their names, for those who show them.
 */
#include "analysis/named_types.h"

#include <string.h>

#include "util/hash.h"

struct ch_error *chp_named_type_make(struct ch_heaps *heaps, const struct ch_type_stat *stat,
				     struct ch_named_type *ret)
{
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	err = ch_heaps_type(heaps, stat->type, &type);
	if (err)
		return err;
	*ret = (struct ch_named_type){ .stat = *stat,
				       .name = type.name,
				       .module = type.module,
				       .runtime =
					       ch_heaps_runtimes(heaps, &count)[type.walker].name,
				       .basis = type.basis,
				       .by = type.by };
	return NULL;
}

uint64_t chp_named_type_id(const struct ch_named_type *type)
{
	const char *module = type->module ? type->module : "";
	const char *kind = ch_type_kind_name(type->stat.kind);
	uint64_t hash = CH_HASH_START;

	/* each with the zero byte that ends it */
	hash = ch_hash_bytes(hash, type->runtime, strlen(type->runtime) + 1);
	hash = ch_hash_bytes(hash, module, strlen(module) + 1);
	hash = ch_hash_bytes(hash, kind, strlen(kind) + 1);
	return ch_hash_bytes(hash, type->name, strlen(type->name) + 1);
}
