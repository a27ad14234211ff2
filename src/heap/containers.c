/*
 * Where fields of collections lie, by their names.
 */
#include "heap/containers.h"

#include <string.h>

#include "heap/inspect.h"

struct finding {
	const char *name;
	struct ch_field_place *ret;
	bool found;
};

static struct ch_error *match(void *arg, const struct ch_field *field)
{
	struct finding *finding = arg;

	if (field->is_static || strcmp(field->name, finding->name) != 0)
		return NULL;
	*finding->ret = (struct ch_field_place){ .offset = field->offset,
						 .size_bytes = field->size_bytes,
						 .kind = field->kind,
						 .inner = field->inner };
	finding->found = true;
	return NULL;
}

struct ch_error *chp_field_find(const struct ch_inspected *of, uint64_t type, bool is_value,
				const char *name, struct ch_field_place *ret, bool *found_ret)
{
	const struct ch_fields_query query = { .type = type, .is_value = is_value };
	struct finding finding = { .name = name, .ret = ret };
	struct ch_error *err = of->inspector->fields(of->state, &query, match, &finding);

	*found_ret = !err && finding.found;
	return err;
}
