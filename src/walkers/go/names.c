/*
 * Names of what objects of Go are.
 */
#include <stdio.h>

#include "util/error.h"
#include "util/text.h"
#include "walkers/go/rtypes.h"

/* Of a function that took something along; code is where it begins. */
static void name_closure(const struct go *go, uint64_t code, char *buf, size_t max)
{
	struct go_function function;
	const char *name = NULL;

	if (go_function_at(&go->code, code, &function) && function.entry == code)
		name = go_name(&go->code, function.module, function.name);
	if (name && name[0])
		snprintf(buf, max, "closure of %s", name);
	else
		snprintf(buf, max, "closure of 0x%llx", (unsigned long long)code);
}

static void make_name(const struct go *go, const struct go_named *named, char *buf, size_t max)
{
	char type[GO_NAME_MAX];

	if (named->form == GO_FORM_STRING || named->form == GO_FORM_TINY) {
		snprintf(buf, max, "%s",
			 named->form == GO_FORM_STRING ? "string" : "tiny values without pointers");
		return;
	}
	if (named->form == GO_FORM_CLOSURE) {
		name_closure(go, named->what, buf, max);
		return;
	}
	if (!go_rtype_name(go, named->what, type, sizeof(type)))
		snprintf(type, sizeof(type), "type at 0x%llx", (unsigned long long)named->what);
	snprintf(buf, max, "%s%s",
		 named->form == GO_FORM_ARRAY    ? "[]"
		 : named->form == GO_FORM_TABLE  ? "table of "
		 : named->form == GO_FORM_TABLES ? "tables of "
						 : "",
		 type);
}

struct ch_error *go_named_type(struct go *go, uint64_t index, struct ch_type *ret)
{
	char text[GO_NAME_MAX + 32];
	char **slot;

	if (index >= go->named.count)
		return NULL;
	make_name(go, CH_VEC_AT(&go->named, struct go_named, index), text, sizeof(text));
	slot = ch_vec_push(&go->names);
	if (!slot)
		return &ch_enomem;
	*slot = chp_text_escape(text, sizeof(text));
	ret->name = *slot;
	ret->basis = CH_BASIS_DERIVED;
	return *slot ? NULL : &ch_enomem;
}
