/*
 * Types as C writes them: "order *[16]", "int (*)[4]".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "util/cleanup.h"

/* The digits of a number, and brackets around them. */
#define STEP_BYTES 32

/* Words for kinds that may lack a name. */
static const char *const nameless[] = {
	[CH_CTYPE_VOID] = "void",    [CH_CTYPE_BASE] = "(number)",   [CH_CTYPE_STRUCT] = "struct",
	[CH_CTYPE_UNION] = "union",  [CH_CTYPE_ENUM] = "enum",       [CH_CTYPE_POINTER] = "(deep)",
	[CH_CTYPE_ARRAY] = "(deep)", [CH_CTYPE_FUNCTION] = "(deep)", [CH_CTYPE_OPAQUE] = "(opaque)",
};

/* A declarator with one step more from a type to what it leads to; NULL: no memory. */
static char *add_step(char *take, const struct ch_ctype *type)
{
	_cleanup_free_ char *text = take;
	char what[STEP_BYTES] = "()", *more;
	/* an array and a function bind closer than a pointer */
	bool closes = text[0] == '*' || text[0] == '&';

	if (type->kind == CH_CTYPE_POINTER)
		return asprintf(&more, "%s%s", type->is_reference ? "&" : "*", text) < 0 ? NULL
											 : more;
	if (type->kind == CH_CTYPE_ARRAY && type->count)
		snprintf(what, sizeof(what), "[%llu]", (unsigned long long)type->count);
	else if (type->kind == CH_CTYPE_ARRAY)
		snprintf(what, sizeof(what), "[]");
	return asprintf(&more, closes ? "(%s)%s" : "%s%s", text, what) < 0 ? NULL : more;
}

char *chp_ctype_text(struct ch_ctypes *ctypes, uint32_t id)
{
	_cleanup_free_ char *declarator = strdup("");
	const struct ch_ctype *type = chp_ctype(ctypes, id);
	char *text;
	uint32_t i;

	if (!id)
		return strdup("(not known)");
	for (i = 0; declarator && i < CH_DEBUG_DEPTH_MAX; i++) {
		if (type->kind != CH_CTYPE_POINTER && type->kind != CH_CTYPE_ARRAY &&
		    type->kind != CH_CTYPE_FUNCTION)
			break;
		declarator = add_step(ch_take(declarator), type);
		type = chp_ctype(ctypes, type->target);
	}
	if (!declarator || asprintf(&text, "%s%s%s", type->name ? type->name : nameless[type->kind],
				    declarator[0] ? " " : "", declarator) < 0)
		return NULL;
	return text;
}
