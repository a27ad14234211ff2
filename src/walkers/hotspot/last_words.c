/*
 * What the JVM said when it aborted itself, in the variables of its own error report.
 */
#include <string.h>

#include "walkers/hotspot/last_words.h"

#include "util/bytes.h"
#include "util/cleanup.h"

/*
 * What the JVM said before it aborted itself: static members of VMError (openjdk/jdk, jdk-17+35 to
 * jdk-25+36, src/hotspot/share/utilities/vmError.hpp), known by libjvm's own symbol table. _id is
 * a signal, or one of enum VMErrorType (utilities/debug.hpp).
 */
#define ID_INTERNAL 0xe0000000U
#define ID_LAST     0xe00000ffU

#define OOM_START   "OutOfMemory encountered: "

/* utilities/debug.cpp and where it is called: the reasons that there are. */
static const char *const reasons[] = {
	"Java heap space",
	"GC overhead limit exceeded",
	"Metaspace",
	"Compressed class space",
	"Requested array size exceeds VM limit",
};

static bool is_fixed(const char *detail)
{
	size_t i;

	if (strncmp(detail, OOM_START, strlen(OOM_START)) != 0)
		return false;
	for (i = 0; i < CH_COUNT_OF(reasons); i++)
		if (strcmp(detail + strlen(OOM_START), reasons[i]) == 0)
			return true;
	return false;
}

static uint64_t variable(struct ch_sym *sym, const struct ch_module *module, const char *name)
{
	struct ch_symbol symbol;

	return ch_sym_by_name(sym, module, name, &symbol) ? symbol.addr : 0;
}

static bool read_words(const struct ch_core *core, struct ch_sym *sym,
		       const struct ch_module *module, struct ch_last_words *ret)
{
	uint64_t id_at = variable(sym, module, "_ZN7VMError3_idE");
	uint64_t at = variable(sym, module, "_ZN7VMError11_detail_msgE");
	uint32_t id;

	if (!id_at || !ch_core_read_u32(core, id_at, &id) || id < ID_INTERNAL || id > ID_LAST ||
	    !at || !ch_core_read_string(core, at, ret->text, sizeof(ret->text)) || !ret->text[0])
		return false;
	ret->addr = at;
	ret->known = is_fixed(ret->text) ? "jvm" : NULL;
	return true;
}

bool hs_last_words(const struct ch_core *core, struct ch_sym *sym, struct ch_last_words *ret)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(sym, &count);
	for (i = 0; i < count; i++)
		if (strcmp(modules[i].name, "libjvm.so") == 0 &&
		    read_words(core, sym, &modules[i], ret))
			return true;
	return false;
}
