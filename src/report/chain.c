/*
 * Steps and roots of chains, in documents.
 */
#include "report/chain.h"

#include "render/fields.h"
#include "util/cleanup.h"

struct step_row {
	uint64_t addr, offset, points_into;
	bool has_offset;
	const char *type, *detail, *field, *basis;
};

#define STEP(member) CH_AT(struct step_row, member)

static const struct ch_field_spec step_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "The block.", STEP(addr) },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", STEP(type) },
	{ "detail", NULL, CH_CELL_SAFE, "What else is known of it.", STEP(detail),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "field", NULL, CH_CELL_SAFE, "The field of the holder.", STEP(field),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "index", NULL, CH_CELL_COUNT, "Not told yet.", .get = chp_field_none,
	  .flags = CH_FIELD_OPTIONAL },
	{ "offset", NULL, CH_CELL_COUNT, "Where in the holder the word lies.", STEP(offset),
	  CH_KNOWN(struct step_row, has_offset) },
	{ "points_into", NULL, CH_CELL_COUNT, "Where in the block it points.", STEP(points_into) },
	{ "basis", NULL, CH_CELL_SAFE, "exact: the holder's runtime says that it is a pointer.",
	  STEP(basis) },
	CH_FIELDS_END,
};

json_t *chp_step_json(const struct ch_step *step, bool first)
{
	const struct step_row row = {
		.addr = step->addr,
		.offset = step->offset,
		.points_into = step->into,
		.has_offset = !first && step->offset != CH_OFFSET_NONE,
		.type = step->type,
		.detail = step->detail,
		.field = step->place,
		.basis = step->exact ? "exact" : "conservative",
	};

	return chp_fields_json(NULL, step_fields, &row);
}

struct root_row {
	const char *kind, *where, *symbol, *field, *basis;
	uint32_t tid;
	uint64_t addr;
};

#define ROOT(member) CH_AT(struct root_row, member)

static const struct ch_field_spec root_fields[] = {
	{ "kind", NULL, CH_CELL_SAFE, "What it is.", ROOT(kind) },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose it is.", ROOT(tid),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "where", NULL, CH_CELL_SAFE, "The place in words.", ROOT(where) },
	{ "symbol", NULL, CH_CELL_SAFE, "The variable, or function of the frame.", ROOT(symbol),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "field", NULL, CH_CELL_SAFE, "What it is of the variable, by debug information.",
	  ROOT(field), .flags = CH_FIELD_NOT_ZERO },
	{ "addr", NULL, CH_CELL_ADDR, "Where it lies.", ROOT(addr), .flags = CH_FIELD_NOT_ZERO },
	{ "basis", NULL, CH_CELL_SAFE, "What its name rests on.", ROOT(basis) },
	CH_FIELDS_END,
};

json_t *chp_root_json(const struct ch_root *root, const struct ch_root_text *text)
{
	const struct root_row row = {
		.kind = ch_root_kind_name(root->kind),
		.where = text->where,
		.symbol = text->symbol,
		.field = text->field,
		.basis = ch_basis_name(text->basis),
		.tid = text->tid,
		.addr = root->addr,
	};

	return chp_fields_json(NULL, root_fields, &row);
}
