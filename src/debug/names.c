/*
 * Names of entries with what is around them. Entries do not say what they lie in, so the scopes of
 * a unit (namespaces, types and functions) are listed once, in one pass, when one of its names is
 * asked for.
 */
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "sym/demangle.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/search.h"
#include "util/text.h"

#define NO_SCOPE UINT32_MAX

static bool gives_scope(const struct ch_die *die)
{
	if (!die->abbrev->has_children)
		return false;
	switch (chp_die_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_subprogram:
	case DW_TAG_module:
		return true;
	default:
		return false;
	}
}

/* ---- Scopes ----------------------------------------------------------------------- */

/* Scopes that are open, with the depth of their entries. */
struct open {
	struct {
		uint32_t scope;
		int32_t depth;
	} rows[CH_DEBUG_DEPTH_MAX];
	uint32_t count;
};

static void close_scopes(struct ch_debug_unit *unit, struct open *open, int32_t depth, uint64_t off)
{
	while (open->count && open->rows[open->count - 1].depth >= depth) {
		open->count--;
		CH_VEC_AT(&unit->scopes, struct ch_debug_scope, open->rows[open->count].scope)
			->end = off;
	}
}

static void list_scopes(struct ch_debug_unit *unit)
{
	struct open open = { .count = 0 };
	struct ch_debug_scope *scope;
	int32_t depth = 0;
	struct ch_die die;

	unit->scoped = true;
	if (!chp_die_root(unit, &die))
		return;
	while (chp_die_next(&die, &depth) && depth > 0) {
		close_scopes(unit, &open, depth, die.off);
		if (!gives_scope(&die) || open.count == CH_DEBUG_DEPTH_MAX)
			continue;
		scope = ch_vec_push(&unit->scopes);
		if (!scope)
			break;
		scope->start = die.off;
		scope->end = unit->end;
		scope->parent = open.count ? open.rows[open.count - 1].scope : NO_SCOPE;
		open.rows[open.count].scope = (uint32_t)unit->scopes.count - 1;
		open.rows[open.count++].depth = depth;
	}
}

/* The scope around an entry. */
static uint32_t scope_of(const struct ch_die *die)
{
	struct ch_debug_unit *unit = die->unit;
	const struct ch_debug_scope *scopes;
	uint32_t i;

	if (!unit->scoped)
		list_scopes(unit);
	scopes = unit->scopes.items;
	i = (uint32_t)ch_search(scopes, unit->scopes.count, it, it->start < die->off) - 1;
	while (i != NO_SCOPE && scopes[i].end <= die->off)
		i = scopes[i].parent;
	return i;
}

/* ---- Parts of a name ---------------------------------------------------------------- */

/* An entry that is completed elsewhere has its name and its place there. */
static struct ch_die origin_of(const struct ch_die *die)
{
	struct ch_die at = *die, next;
	uint32_t i;

	for (i = 0; i < CH_DEBUG_DEPTH_MAX; i++) {
		if (!(at.abbrev->has & CH_DEBUG_ELSEWHERE) ||
		    (!chp_die_ref(&at, DW_AT_specification, &next) &&
		     !chp_die_ref(&at, DW_AT_abstract_origin, &next) &&
		     (at.abbrev->has & CH_DEBUG_HAS_NAME ||
		      !chp_die_ref(&at, DW_AT_signature, &next))))
			break;
		at = next;
	}
	return at;
}

/* What an entry adds to names inside of it; NULL: nothing. *owned_ret is to be freed. */
static const char *part_of(const struct ch_die *die, char **owned_ret)
{
	struct ch_die origin = origin_of(die);
	const char *name = chp_die_text(&origin, DW_AT_name), *linkage;

	*owned_ret = NULL;
	if (chp_die_tag(die) == DW_TAG_namespace)
		return name ? name : CH_DEBUG_NAMELESS;
	if (chp_die_tag(die) != DW_TAG_subprogram)
		return name;
	linkage = chp_die_text(&origin, DW_AT_linkage_name);
	*owned_ret = linkage ? chp_demangle(linkage) : NULL;
	return *owned_ret ? *owned_ret : name;
}

static bool is_mangled(const struct ch_die *die)
{
	struct ch_die origin = origin_of(die);

	return chp_die_tag(die) == DW_TAG_subprogram &&
	       chp_die_text(&origin, DW_AT_linkage_name) != NULL;
}

/* The entries around one, the innermost first, up to a function of C++: what is around that is in
 * its own name. */
static uint32_t list_around(const struct ch_die *die, struct ch_die *around)
{
	struct ch_die at = *die;
	uint32_t scope, n = 0;

	while (n < CH_DEBUG_DEPTH_MAX && (scope = scope_of(&at)) != NO_SCOPE) {
		if (!chp_die_at(at.unit,
				CH_VEC_AT(&at.unit->scopes, struct ch_debug_scope, scope)->start,
				&around[n]))
			break;
		if (is_mangled(&around[n++]))
			break;
		at = origin_of(&around[n - 1]);
	}
	return n;
}

bool chp_debug_is_local(const struct ch_die *die)
{
	struct ch_die origin = origin_of(die), around[CH_DEBUG_DEPTH_MAX];
	uint32_t n = list_around(&origin, around), i;

	for (i = 0; i < n; i++)
		if (chp_die_tag(&around[i]) == DW_TAG_subprogram ||
		    (chp_die_tag(&around[i]) == DW_TAG_namespace &&
		     !(around[i].abbrev->has & CH_DEBUG_HAS_NAME)))
			return true;
	return false;
}

char *chp_debug_name(const struct ch_die *die, const char *name)
{
	struct ch_die origin = origin_of(die), around[CH_DEBUG_DEPTH_MAX];
	_cleanup_free_ char *text = NULL;
	size_t bytes = 0;
	uint32_t n, i;
	FILE *out;

	if (!name)
		name = chp_die_text(&origin, DW_AT_name);
	if (!name)
		return NULL;
	n = list_around(&origin, around);
	out = open_memstream(&text, &bytes);
	if (!out)
		return NULL;
	for (i = n; i-- > 0;) {
		_cleanup_free_ char *owned = NULL;
		const char *part = part_of(&around[i], &owned);

		if (part)
			fprintf(out, "%s::", part);
	}
	fputs(name, out);
	return chp_text_end(out, &text) ? ch_take(text) : NULL;
}

/* ---- Numbers ------------------------------------------------------------------------ */

/* How gcc calls types of numbers, and how everybody else does, demanglers among them; none is
 * longer than what it stands for. */
static const struct {
	const char *gcc, *plain;
} numbers[] = {
	{ "long long unsigned int", "unsigned long long" }, { "long long int", "long long" },
	{ "long unsigned int", "unsigned long" },           { "long int", "long" },
	{ "short unsigned int", "unsigned short" },         { "short int", "short" },
	{ "__int128 unsigned", "unsigned __int128" },
};

static bool is_word_byte(char byte)
{
	return byte == '_' || (byte >= '0' && byte <= '9') ||
	       ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* The row that is at a place in a name, which begins a word; or NULL. */
static const char *number_at(const char *at, size_t *len_ret)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(numbers); i++) {
		*len_ret = strlen(numbers[i].gcc);
		if (strncmp(at, numbers[i].gcc, *len_ret) == 0 && !is_word_byte(at[*len_ret]))
			return numbers[i].plain;
	}
	return NULL;
}

void chp_debug_plain_numbers(char *name)
{
	const char *at = name, *plain;
	char *out = name;
	size_t len;

	while (*at) {
		plain = at == name || !is_word_byte(at[-1]) ? number_at(at, &len) : NULL;
		if (plain) {
			at += len;
			len = strlen(plain);
			memcpy(out, plain, len);
			out += len;
		} else {
			*out++ = *at++;
		}
	}
	*out = '\0';
}

/* ---- Hashes ------------------------------------------------------------------------- */

uint64_t chp_debug_name_hash(uint64_t around, const char *part, size_t len)
{
	uint64_t hash = ch_hash_bytes(around ? around : CH_HASH_START, part, len);

	/* 0 is none; the end of a part counts */
	hash = ch_hash_number(hash, len);
	return hash ? hash : 1;
}

uint64_t chp_debug_die_hash(const struct ch_die *die, const char *name)
{
	struct ch_die origin = origin_of(die), around[CH_DEBUG_DEPTH_MAX];
	uint64_t hash = 0;
	uint32_t n;

	if (!name)
		name = chp_die_text(&origin, DW_AT_name);
	if (!name)
		return 0;
	for (n = list_around(&origin, around); n-- > 0;) {
		_cleanup_free_ char *owned = NULL;
		const char *part = part_of(&around[n], &owned);

		if (part)
			hash = chp_debug_name_hash(hash, part, strlen(part));
	}
	return chp_debug_name_hash(hash, name, strlen(name));
}
