/*
 * Names for the addresses that code uses: statics, methods, types, strings and other objects
 * of runtimes, symbols.
 */
#include "analysis/code_targets.h"

#include <stdio.h>
#include <stdlib.h>

#include "analysis/text16.h"
#include "heap/walker.h"
#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Characters of a string that are shown. */
#define TEXT_MAX 200
/* Smaller numbers are no addresses. */
#define ADDR_MIN 65536

static void put_offset(char *buf, size_t max, const char *name, uint64_t offset)
{
	if (offset)
		snprintf(buf, max, "%s+0x%llx", name, (unsigned long long)offset);
	else
		snprintf(buf, max, "%s", name);
}

static bool place_symbol(const struct ch_code_names *names, uint64_t addr, char *buf, size_t max)
{
	const struct ch_module *module = ch_sym_module_at(names->sym, addr);
	struct ch_symbol symbol;
	char name[1024];

	if (!module || !chp_sym_shown_at(names->sym, addr, &symbol))
		return false;
	snprintf(name, sizeof(name), "%s!%s", module->name, symbol.name);
	put_offset(buf, max, name, addr - symbol.addr);
	return true;
}

static bool place_method(const struct ch_code_names *names, uint64_t addr, char *buf, size_t max)
{
	struct ch_code code;

	if (!ch_heaps_code_at(names->heaps, addr, &code) || !code.start)
		return false;
	put_offset(buf, max, code.name, addr - code.start);
	return true;
}

bool chp_code_place(const struct ch_code_names *names, uint64_t addr, char *buf, size_t max)
{
	return place_method(names, addr, buf, max) || place_symbol(names, addr, buf, max);
}

/* An object of a heap that begins at addr; a string also by its length. */
static struct ch_error *take_object(const struct ch_code_names *names, uint64_t addr,
				    bool *found_ret, struct ch_code_target *ret)
{
	struct ch_inspected inspected;
	struct ch_object object;
	struct ch_string string;
	struct ch_error *err;
	struct ch_type type;

	if (!ch_heaps_object_at(names->heaps, addr, &object) || object.addr != addr ||
	    object.state != CH_OBJECT_USED || !object.key ||
	    !chp_heaps_span_inspector(names->heaps, object.span, &inspected))
		return NULL;
	err = ch_heaps_type(names->heaps, object.type, &type);
	if (err)
		return err;
	*found_ret = true;
	ret->kind = "object";
	snprintf(ret->name, sizeof(ret->name), "%s", type.name);
	if (!inspected.inspector->string ||
	    !inspected.inspector->string(inspected.state, addr, object.key, &string) ||
	    !string.addr)
		return NULL;
	ret->kind = "string";
	snprintf(ret->name, sizeof(ret->name), "%s of %llu characters", type.name,
		 (unsigned long long)string.count);
	if (!names->reveal)
		return NULL;
	ret->text = chp_text16(names->core, string.addr, string.bytes, string.count, TEXT_MAX);
	return ret->text ? NULL : &ch_enomem;
}

static bool take_meaning(const struct ch_code_names *names, uint64_t addr,
			 struct ch_code_target *ret)
{
	static const char *const kinds[] = { [CH_MEANING_STATIC] = "static",
					     [CH_MEANING_METHOD] = "method",
					     [CH_MEANING_TYPE] = "type",
					     [CH_MEANING_CELL] = "method" };
	struct ch_meaning meaning;

	if (!chp_heaps_meaning(names->heaps, addr, &meaning))
		return false;
	ret->kind = kinds[meaning.kind];
	snprintf(ret->name, sizeof(ret->name), "%s", meaning.name);
	return true;
}

static bool take_code(const struct ch_code_names *names, uint64_t addr, struct ch_code_target *ret)
{
	ret->kind = "method";
	if (place_method(names, addr, ret->name, sizeof(ret->name)))
		return true;
	ret->kind = "symbol";
	return place_symbol(names, addr, ret->name, sizeof(ret->name));
}

/* Code without a symbol, by what it lies in. */
static bool take_module(const struct ch_code_names *names, uint64_t addr,
			struct ch_code_target *ret)
{
	const struct ch_module *module = ch_sym_module_at(names->sym, addr);

	if (!module)
		return false;
	ret->kind = "module";
	put_offset(ret->name, sizeof(ret->name), module->name, addr - module->start);
	return true;
}

/* A word that code goes through to where it wants: the linker's, or a runtime's. */
static bool take_cell(const struct ch_code_names *names, uint64_t addr, struct ch_code_target *ret)
{
	uint64_t word;

	return ch_core_read_u64(names->core, addr, &word) && word >= ADDR_MIN &&
	       (take_code(names, word, ret) || take_meaning(names, word, ret));
}

struct ch_error *chp_code_target(const struct ch_code_names *names,
				 const struct ch_operand *operand, bool *found_ret,
				 struct ch_code_target *ret)
{
	uint64_t addr = operand->addr;
	struct ch_error *err;

	*found_ret = false;
	*ret = (struct ch_code_target){ .addr = addr };
	if (addr < ADDR_MIN)
		return NULL;
	if (operand->kind == CH_OPERAND_BRANCH) {
		*found_ret = take_code(names, addr, ret) || take_meaning(names, addr, ret) ||
			     take_module(names, addr, ret);
		return NULL;
	}
	*found_ret = take_meaning(names, addr, ret);
	err = *found_ret ? NULL : take_object(names, addr, found_ret, ret);
	if (err || *found_ret)
		return err;
	if (operand->kind == CH_OPERAND_MEMORY && !ch_sym_module_at(names->sym, addr))
		*found_ret = take_cell(names, addr, ret);
	if (!*found_ret)
		*found_ret = take_code(names, addr, ret);
	/* The linker's table of addresses has no symbols of its own. */
	if (!*found_ret && operand->kind == CH_OPERAND_MEMORY)
		*found_ret = take_cell(names, addr, ret);
	return NULL;
}
