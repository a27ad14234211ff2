/*
 * A step of a chain and its root, as JSON.
 */
#include "report/chain.h"

#include "util/cleanup.h"

json_t *chp_step_json(const struct ch_step *step, bool first)
{
	return json_pack(
		"{s:o, s:o, s:s?, s:s?, s:n, s:o, s:o, s:s}", "addr", chp_json_addr(step->addr),
		"type", chp_json_text(step->type), "detail", step->detail[0] ? step->detail : NULL,
		"field", step->place[0] ? step->place : NULL, "index", "offset",
		first || step->offset == CH_OFFSET_NONE ? json_null() : chp_json_uint(step->offset),
		"points_into", chp_json_uint(step->into), "basis",
		step->exact ? "exact" : "conservative");
}

json_t *chp_root_json(const struct ch_root *root, const struct ch_root_text *text)
{
	return json_pack("{s:s, s:o, s:s, s:s?, s:o, s:s}", "kind", ch_root_kind_name(root->kind),
			 "thread", text->tid ? chp_json_uint(text->tid) : json_null(), "where",
			 text->where, "symbol", text->symbol[0] ? text->symbol : NULL, "addr",
			 root->addr ? chp_json_addr(root->addr) : json_null(), "basis",
			 ch_basis_name(text->basis));
}
