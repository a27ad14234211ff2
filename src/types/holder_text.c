/*
 * What blocks are called that only have a holder: "server+0x1a0 -> +0x18[] -> 48-byte blocks".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sym/shown.h"
#include "types/holder_priv.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Names of variables in templates have no end. */
#define NAME_BYTES_MAX 256

static void put_offset(FILE *out, uint64_t offset)
{
	fprintf(out, "+0x%" PRIx64, offset);
}

static void put_marks(FILE *out, uint64_t step)
{
	uint64_t words = step >> CH_STEP_SHIFT & CH_STEP_WORDS_MAX;

	if (step & CH_STEP_SECOND) {
		fputc('|', out);
		put_offset(out, (step & CH_STEP_OFFSET) + 8 * words);
	}
	fputs(step & CH_STEP_MORE ? "|.." : "", out);
	fputs(step & CH_STEP_ARRAY ? "[]" : "", out);
	fputs(step & CH_STEP_CHAIN ? "*" : "", out);
}

static void put_module(FILE *out, const struct ch_module *module, const char *behind)
{
	_cleanup_free_ char *name = chp_text_escape(module->name, NAME_BYTES_MAX);

	fprintf(out, "%s%s", name ? name : "", behind);
}

/* The place and the word in it. What is the program's own needs no module. */
static void put_place(FILE *out, const struct ch_holding *holding, const struct ch_place *place,
		      uint64_t step)
{
	uint64_t offset = place->base + (step & CH_STEP_OFFSET);
	bool is_symbol = place->kind == CH_PLACE_SYMBOL || place->kind == CH_PLACE_TLS_SYMBOL;
	_cleanup_free_ char *name = NULL;
	struct ch_error *err;
	struct ch_type type;

	if (place->kind == CH_PLACE_TLS || place->kind == CH_PLACE_TLS_SYMBOL)
		fputs("thread-local ", out);
	if (is_symbol && place->module->kind != CH_MODULE_EXE)
		put_module(out, place->module, "!");
	else if (!is_symbol && place->module)
		put_module(out, place->module, "");
	if (is_symbol) {
		name = chp_text_escape(chp_sym_shown(holding->env.sym, place->symbol),
				       NAME_BYTES_MAX);
		fputs(name ? name : "", out);
	} else if (place->kind == CH_PLACE_TYPE) {
		err = ch_heaps_type(holding->env.heaps, place->type, &type);
		if (!err)
			fprintf(out, "%.*s", NAME_BYTES_MAX, type.name);
		ch_error_destroy(err);
	}
	if (offset || !is_symbol)
		put_offset(out, offset);
	put_marks(out, step);
}

char *chp_holding_text(const struct ch_holding *holding, const struct ch_hold_node *node)
{
	const struct ch_place *place = CH_VEC_AT(&holding->places, struct ch_place, node->place);
	uint32_t shown = node->steps_count < CH_HOLD_STEPS ? node->steps_count : CH_HOLD_STEPS, i;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_place(out, holding, place, node->steps[0]);
	fputs(node->steps_count > CH_HOLD_STEPS ? " -> .." : "", out);
	for (i = 1; i < shown; i++) {
		if (node->steps[i] == CH_STEP_UNKNOWN)
			continue;
		fputs(" -> ", out);
		if (!(node->steps[i] & CH_STEP_ARRAY) || node->steps[i] & CH_STEP_OFFSET)
			put_offset(out, node->steps[i] & CH_STEP_OFFSET);
		put_marks(out, node->steps[i]);
	}
	if (node->size_bytes)
		fprintf(out, " -> %" PRIu64 "-byte blocks", node->size_bytes);
	else
		fputs(" -> blocks", out);
	return chp_text_end(out, &text);
}
