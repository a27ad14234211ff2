/*
 * What a core lacks to be read in full: the runtime's library and its assemblies, by names and
 * what tells builds apart, so that they can be fetched from where the process ran.
 */
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"

/* Files that are named; how many bytes of text that takes. */
#define NAMED_MAX    6
#define TEXT_BYTES   900
#define CORE_LIBRARY "System.Private.CoreLib.dll"

struct text {
	char buf[TEXT_BYTES];
	size_t len;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->buf + text->len, sizeof(text->buf) - text->len, format, args);
	va_end(args);
	if (len > 0)
		text->len = ch_min(text->len + (size_t)len, sizeof(text->buf) - 1);
}

static bool is_lacking(const struct clr *clr, const struct ch_module *module)
{
	size_t len = strlen(module->name);

	if (module->match == CH_MATCH_MATCHED || module->match == CH_MATCH_LIKELY ||
	    module->match == CH_MATCH_IN_CORE)
		return false;
	return module == clr->runtime || module->kind == CH_MODULE_PE ||
	       (len > 4 && strcmp(module->name + len - 4, ".dll") == 0);
}

static void put_module(const struct clr *clr, const struct ch_module *module, struct text *text)
{
	uint32_t timestamp, bytes, i;

	put(text, "%s", module->name);
	if (module->build_id_len) {
		put(text, " (build-id ");
		for (i = 0; i < module->build_id_len; i++)
			put(text, "%02x", module->build_id[i]);
		put(text, ")");
	} else if (clr_image_identity(clr->core, module->start, &timestamp, &bytes)) {
		put(text, " (timestamp %08x, size %x)", timestamp, bytes);
	}
}

/* A file may be mapped in several places: as it lies, and as it runs. */
static bool is_first(const struct ch_module *modules, size_t index)
{
	size_t i;

	for (i = 0; i < index; i++)
		if (strcmp(modules[i].path, modules[index].path) == 0)
			return false;
	return true;
}

/* The runtime's library, the assembly that all others need, and others, then how many more. */
static void list(const struct clr *clr, struct text *text)
{
	const struct ch_module *modules;
	size_t count, found = 0, i;
	int pass;

	modules = ch_sym_modules(clr->env->sym, &count);
	if (is_lacking(clr, clr->runtime)) {
		put_module(clr, clr->runtime, text);
		found++;
	}
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < count; i++) {
			if ((pass == 0) != (strcmp(modules[i].name, CORE_LIBRARY) == 0) ||
			    &modules[i] == clr->runtime || !is_lacking(clr, &modules[i]) ||
			    !is_first(modules, i) || found++ >= NAMED_MAX)
				continue;
			put(text, "%s", found > 1 ? ", " : "");
			put_module(clr, &modules[i], text);
		}
	if (found > NAMED_MAX)
		put(text, " and %zu more (see the command modules)", found - NAMED_MAX);
}

#define HOW                                                                                        \
	"; a folder that has these files of the process, at their paths or side by side, goes "    \
	"with --sysroot DIR"

void clr_needs_names(const struct clr *clr)
{
	struct text text = { .len = 0 };

	list(clr, &text);
	chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-no-metadata",
			    "the names of .NET types are not in the core, and its assemblies are "
			    "not at hand: types are told apart by their method tables%s%s%s",
			    text.len ? "; needed: " : "", text.buf,
			    text.len ? HOW : " (see --sysroot)");
}

void clr_needs_runtime(const struct clr *clr)
{
	struct text text = { .len = 0 };

	put_module(clr, clr->runtime, &text);
	chp_context_finding(clr->env->ctx, CH_SEVERITY_NOTE, "clr-no-descriptor",
			    "what the runtime says of itself is not in the core, and its library "
			    "is not at hand: its structures are read by a table of releases (%s), "
			    "which fits its list of threads; needed to be certain: %s" HOW,
			    clr->tables_source ? clr->tables_source : "none", text.buf);
}

bool clr_lacks_runtime(const struct clr *clr)
{
	return is_lacking(clr, clr->runtime);
}

struct ch_error *clr_needs_error(const struct clr *clr, struct ch_error *err)
{
	struct text text = { .len = 0 };
	struct ch_error *ret;

	if (!err || !is_lacking(clr, clr->runtime))
		return err;
	list(clr, &text);
	ret = ch_error_create(err->code, "%s; needed: %s" HOW, err->message, text.buf);
	ch_error_destroy(err);
	return ret;
}
