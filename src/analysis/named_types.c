/*
 * Rows of types with their names, for those who show them.
 */
#include "analysis/named_types.h"

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
