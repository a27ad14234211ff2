/*
 * What the JVM said when it aborted itself, in the variables of its own error report.
 */
#include <string.h>

#include "analysis/death_priv.h"
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

static uint64_t variable(const struct ch_death_env *env, const struct ch_module *module,
			 const char *name)
{
	struct ch_symbol symbol;

	return ch_sym_by_name(env->sym, module, name, &symbol) ? symbol.addr : 0;
}

static void tell_module(const struct ch_death_env *env, const struct ch_module *module,
			struct ch_death *ret)
{
	uint64_t id_at = variable(env, module, "_ZN7VMError3_idE");
	uint64_t at = variable(env, module, "_ZN7VMError11_detail_msgE");
	uint32_t id;

	if (!id_at || !ch_core_read_u32(env->core, id_at, &id) || id < ID_INTERNAL ||
	    id > ID_LAST || !at ||
	    !ch_core_read_string(env->core, at, ret->message, sizeof(ret->message)) ||
	    !ret->message[0])
		return;
	ret->message_addr = at;
	ret->message_kind = is_fixed(ret->message) ? "jvm" : "other";
}

void chp_death_find_jvm(const struct ch_death_env *env, struct ch_death *ret)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count && !ret->message_kind; i++)
		if (strcmp(modules[i].name, "libjvm.so") == 0) {
			ret->message_basis = CH_BASIS_DERIVED;
			tell_module(env, &modules[i], ret);
		}
}
