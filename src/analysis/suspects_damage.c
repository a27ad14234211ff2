/*
 * A damaged heap: what is wrong and where, as its walker says, and whose the block before it is,
 * since what stands behind a block is mostly overwritten from within it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/refs.h"
#include "analysis/suspects.h"
#include "analysis/suspects_graph.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/text.h"

#define NAME_BYTES_MAX 512
#define TEXT_BYTES_MAX 1600

/* What points at a block: the first place that lasts, else a stack or a register. */
struct pointing {
	const struct ch_refs_result *refs;
	struct ch_refs_row row;
	bool found, lasts;
};

static struct ch_error *take_ref(void *arg, const struct ch_ref *ref)
{
	struct pointing *pointing = arg;
	bool lasts =
		ref->kind == CH_REF_OBJECT || ref->kind == CH_REF_DATA || ref->kind == CH_REF_TLS;

	if (!lasts &&
	    (pointing->found || (ref->kind != CH_REF_STACK && ref->kind != CH_REF_REGISTER)))
		return NULL;
	pointing->found = true;
	pointing->lasts = lasts;
	if (!lasts)
		return chp_refs_row(pointing->refs, ref, &pointing->row);
	return chp_refs_row(pointing->refs, ref, &pointing->row) ?: &ch_stop;
}

struct ch_error *chp_suspect_pointer(struct ch_suspecting *suspecting, uint64_t addr,
				     struct ch_suspect *suspect, char *text, size_t max)
{
	const struct ch_refs_options options = { .threads = suspecting->threads, .exact = true };
	struct ch_refs_result refs = { .source = NULL };
	struct pointing pointing = { .refs = &refs };
	const struct ch_place_row *place = &pointing.row.place;
	_cleanup_free_ char *one = NULL;
	struct ch_error *err;

	text[0] = '\0';
	err = chp_refs_make(suspecting->session, &options, addr, &refs);
	if (!err)
		err = chp_refs_each(&refs, take_ref, &pointing);
	if (err == &ch_stop && pointing.lasts)
		err = NULL;
	if (!err && pointing.found && place->has_owner && place->type) {
		suspect->holder_addr = place->owner_addr;
		suspect->holder_type = chp_text_escape(place->type, NAME_BYTES_MAX);
		one = suspect->holder_type ? chp_suspect_one_of(suspect->holder_type) : NULL;
		if (!one)
			err = &ch_enomem;
		else
			snprintf(text, max, "; %s at 0x%" PRIx64 " points at it", one,
				 place->owner_addr);
	} else if (!err && pointing.found) {
		snprintf(text, max, "; %s%s points at it",
			 place->text.symbol[0] ? place->text.symbol : place->text.where,
			 place->text.symbol[0] ? place->text.field : "");
	}
	chp_refs_deinit(&refs);
	return err;
}

/* "right before it lies a block at 0x55... (order, 24 bytes, in use), past whose end the program
 * may have written; g_orders[3] points at it" */
static struct ch_error *name_neighbour(struct ch_suspecting *suspecting, uint64_t addr,
				       struct ch_suspect *suspect, char text[TEXT_BYTES_MAX])
{
	char pointed[TEXT_BYTES_MAX] = "", bytes[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *name = NULL;
	struct ch_object before;
	struct ch_error *err;
	struct ch_type type;

	text[0] = '\0';
	if (!ch_heaps_object_at(suspecting->heaps, addr - 1, &before) ||
	    before.state == CH_OBJECT_OVERHEAD)
		return NULL;
	err = ch_heaps_type(suspecting->heaps, before.type, &type);
	name = err ? NULL : chp_text_escape(type.name, NAME_BYTES_MAX);
	if (!err && !name)
		err = &ch_enomem;
	if (!err && !suspecting->quick)
		err = chp_suspect_pointer(suspecting, before.addr, suspect, pointed,
					  sizeof(pointed));
	if (err)
		return err;
	suspect->sample_addr = before.addr;
	snprintf(text, TEXT_BYTES_MAX,
		 "; right before it lies a block at 0x%" PRIx64
		 " (%s, %s bytes, %s), past whose end the program may have written%.900s",
		 before.addr, name, chp_count_text(before.size_bytes, bytes),
		 before.state == CH_OBJECT_USED ? "in use" : "free", pointed);
	return chp_suspect_type(suspecting, suspect, before.type, 1, before.chunk_bytes);
}

struct ch_error *chp_suspect_damage(struct ch_suspecting *suspecting)
{
	struct ch_suspect suspect = { .rule = CH_RULE_HEAP_DAMAGED, .basis = CH_BASIS_DERIVED };
	const struct ch_finding *findings, *first = NULL;
	char more[CH_BYTES_TEXT_MAX], signs[64] = "", neighbour[TEXT_BYTES_MAX] = "";
	struct ch_error *err = NULL;
	size_t count, i;

	findings = ch_context_findings(ch_session_context(suspecting->session), &count);
	for (i = 0; i < count; i++) {
		if (findings[i].severity != CH_SEVERITY_DAMAGED)
			continue;
		/* one that says where says most */
		if (!first || (!first->addr && findings[i].addr))
			first = &findings[i];
		suspect.count += findings[i].count;
	}
	if (!first)
		return NULL;
	chp_suspect_fact(&suspect, "signs_count", suspect.count);
	chp_suspect_next(&suspect, "heap", 0);
	if (first->addr)
		err = name_neighbour(suspecting, first->addr, &suspect, neighbour);
	if (!err && suspect.sample_addr)
		chp_suspect_next(&suspect, "refs", suspect.sample_addr);
	if (suspect.count > 1)
		snprintf(signs, sizeof(signs), "; and %s more signs of damage",
			 chp_count_text(suspect.count - 1, more));
	if (!err)
		return chp_suspect_take(suspecting, &suspect, 0, "%s%s%s", first->message,
					neighbour, signs);
	chp_suspect_deinit(&suspect);
	return err;
}
