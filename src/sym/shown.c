/*
 * Shown names of symbols. They are kept by the address of the symbol's name, which no two symbols
 * of the tables share unless it is the same text.
 */
#include "sym/shown.h"

#include <string.h>

#include "sym/demangle.h"
#include "sym/rust.h"
#include "sym/sym_priv.h"

/* A demangled name and where it is among the strings from then on; NULL: it is none. */
static const char *demangle(struct ch_sym *sym, const char *name)
{
	char *shown = chp_demangle(name);

	if (!chp_sym_keep(sym, shown) ||
	    !ch_table_put(&sym->shown, (uint64_t)(uintptr_t)name, (uint32_t)sym->strings.count - 1))
		return NULL;
	return shown;
}

const char *chp_sym_shown(struct ch_sym *sym, const char *name)
{
	uint32_t number;
	const char *shown;

	/* Itanium C++ ABI, 5.1.2: all mangled names begin so */
	if (!name || (strncmp(name, "_Z", 2) != 0 && !chp_rust_is_mangled(name)))
		return name;
	number = ch_table_find(&sym->shown, (uint64_t)(uintptr_t)name);
	if (number != CH_TABLE_NONE)
		return *CH_VEC_AT(&sym->strings, char *, number);
	shown = demangle(sym, name);
	return shown ? shown : name;
}

const char *chp_sym_call(const char *shown)
{
	return strchr(shown, '(') ? "" : "()";
}

bool chp_sym_shown_at(struct ch_sym *sym, uint64_t addr, struct ch_symbol *ret)
{
	if (!ch_sym_at(sym, addr, ret))
		return false;
	ret->name = chp_sym_shown(sym, ret->name);
	return true;
}
