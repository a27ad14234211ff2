/*
 * What pointers say of the blocks that they lead to, and which of several words is kept.
 */
#include "types/dwarf_priv.h"
#include "util/error.h"

/* ---- Saying it ---------------------------------------------------------------------- */

/* Whether what is said of a block is better than what was said before; of two that cannot both be
 * true the first one stays. */
static bool is_better(struct dwarf *dwarf, const struct shape *old, enum form form, uint32_t type)
{
	if (form != old->form)
		return form > old->form;
	if (type == old->type || form >= FORM_NODE)
		return false;
	/* in C, what is derived begins with what it is derived from */
	if (chp_dwarf_begins(dwarf, type, old->type))
		return true;
	if (form == FORM_ONE && !chp_dwarf_begins(dwarf, old->type, type))
		chp_naming_conflict(dwarf->naming);
	return false;
}

struct ch_error *chp_dwarf_say(struct dwarf *dwarf, const struct ch_named_block *block,
			       enum form form, uint32_t type, bool *ret)
{
	uint64_t key;

	*ret = false;
	if (block->provider && block->provider != dwarf->self &&
	    block->provider->rank < dwarf->self->rank)
		return NULL;
	if (block->provider == dwarf->self &&
	    !is_better(dwarf, chp_dwarf_shape_of(dwarf, block->key), form, type))
		return NULL;
	key = chp_dwarf_shape(dwarf, form, type);
	if (!key)
		return &ch_enomem;
	*ret = true;
	return chp_naming_say(dwarf->naming, dwarf->self, block, key);
}

/* ---- Pointers ------------------------------------------------------------------------ */

static struct ch_error *wait(struct dwarf *dwarf, const struct pointer *pointer)
{
	struct pointer *kept;

	if (dwarf->waiting.count >= dwarf->waiting_max) {
		dwarf->dropped_count++;
		return NULL;
	}
	kept = ch_vec_push(&dwarf->waiting);
	if (!kept)
		return &ch_enomem;
	*kept = *pointer;
	return NULL;
}

static bool is_ours(const struct dwarf *dwarf, const struct ch_named_block *block)
{
	return block->provider == dwarf->self;
}

/* What a pointer that is not enough by itself says of a block about which nobody said more. */
static struct ch_error *claim_late(struct dwarf *dwarf, const struct pointer *pointer,
				   const struct ch_named_block *block, const struct fit *fit)
{
	enum form form = fit->form;
	struct ch_error *err;
	uint32_t whole;
	bool said;

	if (is_ours(dwarf, block) && chp_dwarf_shape_of(dwarf, block->key)->form >= FORM_SCALARS)
		return NULL;
	err = chp_dwarf_whole(dwarf, pointer, block, &whole);
	if (err)
		return err;
	if (whole && form == FORM_ARRAY)
		form = FORM_PREFIX;
	else if (whole)
		return chp_dwarf_say(dwarf, block, FORM_ONE, whole, &said);
	return form == FORM_NONE ? NULL : chp_dwarf_say(dwarf, block, form, fit->type, &said);
}

static bool says_something(struct dwarf *dwarf, uint32_t type)
{
	const enum ch_ctype_kind kind = chp_ctype(dwarf->ctypes, type)->kind;

	return kind != CH_CTYPE_VOID && kind != CH_CTYPE_FUNCTION && kind != CH_CTYPE_OPAQUE;
}

struct ch_error *chp_dwarf_claim(struct dwarf *dwarf, const struct pointer *pointer)
{
	struct fit fit = { .form = FORM_NONE, .weak = true };
	struct ch_named_block block;
	struct ch_error *err = NULL;
	const struct shape *old;
	bool said;

	if (!says_something(dwarf, pointer->type) ||
	    !chp_naming_block(dwarf->naming, pointer->value, &block))
		return NULL;
	if (is_ours(dwarf, &block)) {
		old = chp_dwarf_shape_of(dwarf, block.key);
		if (old->form >= FORM_ONE && old->type == pointer->type)
			return NULL;
	} else if (block.provider && block.provider->rank < dwarf->self->rank) {
		return NULL;
	}
	if (pointer->value == block.addr) {
		err = chp_dwarf_fit(dwarf, pointer->type, &block, &fit);
		if (err || fit.form == FORM_NONE)
			return err;
	}
	if (!fit.weak && !pointer->weak)
		return chp_dwarf_say(dwarf, &block, fit.form, fit.type, &said);
	return dwarf->late ? claim_late(dwarf, pointer, &block, &fit) : wait(dwarf, pointer);
}
