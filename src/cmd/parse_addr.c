/*
 * An address as people type it: a number, a symbol, module!symbol, with an offset.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Whether name is the module's, with or without ".so" and what follows it. */
static bool is_named(const struct ch_module *module, const char *name)
{
	const char *so = strstr(module->name, ".so");
	size_t len = strlen(name);

	if (strcmp(module->name, name) == 0)
		return true;
	return so && (size_t)(so - module->name) == len && strncmp(module->name, name, len) == 0;
}

static const struct ch_module *module_named(const struct ch_sym *sym, const char *name)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(sym, &count);
	for (i = 0; i < count; i++)
		if (is_named(&modules[i], name))
			return &modules[i];
	return NULL;
}

/* "module", "symbol" or "module!symbol". */
static bool look_up(struct ch_sym *sym, char *name, uint64_t *ret)
{
	const struct ch_module *module = module_named(sym, name);
	char *bang = strchr(name, '!');
	struct ch_symbol symbol;

	if (module) {
		*ret = module->start;
		return true;
	}
	if (bang) {
		*bang = '\0';
		module = module_named(sym, name);
		*bang = '!';
		if (!module)
			return false;
		name = bang + 1;
	}
	if (!ch_sym_by_name(sym, module, name, &symbol))
		return false;
	*ret = symbol.addr;
	return true;
}

static struct ch_error *not_an_address(const char *text)
{
	return ch_error_create(
		CH_ERROR_ARG,
		"'%s' is no address: give 0x7f.., hexadecimal digits, module+0x10 or "
		"the name of a symbol",
		text);
}

struct ch_error *chp_parse_addr(struct ch_session *session, const char *text, uint64_t *ret)
{
	_cleanup_free_ char *name = NULL;
	uint64_t base, sum, offset = 0;
	struct ch_error *err;
	struct ch_sym *sym;
	char *plus;

	if (chp_parse_hex(text, ret))
		return NULL;
	/* Too wide, or a digit that is none: no symbol looks like that. */
	if (text[0] >= '0' && text[0] <= '9')
		return not_an_address(text);
	name = strdup(text);
	if (!name)
		return &ch_enomem;
	err = ch_session_sym(session, &sym);
	if (err)
		return err;
	if (look_up(sym, name, ret))
		return NULL;
	/* Names hold '+' too ("operator+", "libstdc++"): the last one counts. */
	plus = strrchr(name, '+');
	if (!plus || !chp_parse_hex(plus + 1, &offset))
		return not_an_address(text);
	*plus = '\0';
	if (!look_up(sym, name, &base))
		return not_an_address(text);
	if (!ch_add(base, offset, &sum))
		return ch_error_create(CH_ERROR_ARG, "'%s' is beyond the last address", text);
	*ret = sum;
	return NULL;
}
