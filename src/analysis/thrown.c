/*
 * C++ exceptions that a thread has thrown, by the headers that the C++ runtime keeps of those it
 * handles.
 */
#include <stdio.h>
#include <string.h>

#include "analysis/death_priv.h"
#include "heap/signs.h"
#include "sym/demangle.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/*
 * Exceptions that a thread handles: __cxa_get_globals() is a thread-local {__cxa_exception
 * *caughtExceptions; unsigned uncaughtExceptions; } (Itanium C++ ABI: Exception Handling,
 * 2.2.2). std::terminate() is called with the exception among those caught. Whoever has
 * debug information would look the variable up; its words are known without: the
 * exception's header ends in an _Unwind_Exception, which begins with the language and
 * vendor of who threw it.
 *
 * struct __cxa_exception: type_info *, destructor, two handlers, the next exception,
 * handlerCount and handlerSwitchValue (int), actionRecord, languageSpecificData, catchTemp,
 * adjustedPtr, then the _Unwind_Exception at 80, of 32 bytes; the object follows
 * (libstdc++-v3/libsupc++/unwind-cxx.h of gcc 3.0 and later; libcxxabi/src/cxa_exception.h).
 */
#define AT_TYPE   0
#define AT_NEXT   32
#define AT_COUNT  40
#define AT_CATCH  64
#define AT_CLASS  80
#define AT_OBJECT 112
/* "GNUCC++" and "CLNGC++"; the last byte is 0, and 1 for one that depends on another. */
#define CLASS_GNU   0x474e5543432b2b00ULL
#define CLASS_CLANG 0x434c4e47432b2b00ULL
/* Static TLS that is looked through; what glibc keeps for libraries loaded later, too. */
#define TLS_BYTES_MAX (64ULL << 10)
#define BASES_MAX     16

static bool is_exception(const struct ch_core *core, uint64_t addr)
{
	uint64_t class, type;
	uint32_t count;

	return addr % 16 == 0 && ch_core_read_u64(core, addr + AT_CLASS, &class) &&
	       (class == CLASS_GNU || class == CLASS_CLANG) &&
	       ch_core_read_u64(core, addr + AT_TYPE, &type) && type &&
	       ch_core_read_u32(core, addr + AT_COUNT, &count) && count &&
	       (count < 1024 || count > 0U - 1024);
}

/* Names of types in mangled form are letters, digits and underscores; "*" leads those of
 * types that no other file knows. */
static bool read_name(const struct ch_core *core, uint64_t type, char *buf, size_t max)
{
	uint64_t name;

	if (!ch_core_read_u64(core, type + 8, &name) || !ch_core_read_string(core, name, buf, max))
		return false;
	if (buf[0] == '*')
		memmove(buf, buf + 1, strlen(buf));
	return buf[0] && strspn(buf, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789_.$") == strlen(buf);
}

/* As people write it; texts with const where it is in their sources. */
static bool demangle(const char *mangled, char *buf, size_t max)
{
	_cleanup_free_ char *name =
		strcmp(mangled, "PKc") == 0 ? strdup("const char*") : chp_demangle(mangled);

	if (name)
		snprintf(buf, max, "%s", name);
	return name != NULL;
}

/*
 * Where what() keeps its text: std::logic_error and std::runtime_error have one pointer to
 * it behind the table of virtual functions (libstdc++ and libc++ alike). type_info of a
 * class with one base leads to that of the base.
 */
static uint64_t find_what(const struct ch_core *core, uint64_t type, uint64_t object)
{
	uint64_t text;
	char name[256];
	int i;

	for (i = 0; i < BASES_MAX; i++) {
		if (!read_name(core, type, name, sizeof(name)))
			return 0;
		if (strcmp(name, "St13runtime_error") == 0 || strcmp(name, "St11logic_error") == 0)
			return ch_core_read_u64(core, object + 8, &text) ? text : 0;
		if (!ch_core_read_u64(core, type + 16, &type))
			return 0;
	}
	return 0;
}

/* The search for a handler leaves the place of the one it found. What std::terminate() calls
 * throws the exception once more, to find its type, and catches it itself. */
static bool is_uncaught(const struct ch_sym *sym, uint64_t handler)
{
	const struct ch_module *module = handler ? ch_sym_module_at(sym, handler) : NULL;

	return !handler || (module && (chp_has_stem(module->name, "libstdc++") ||
				       chp_has_stem(module->name, "libc++abi")));
}

static void add(const struct ch_death_env *env, uint64_t addr, struct ch_death *ret)
{
	const struct ch_core *core = env->core;
	struct ch_thrown *thrown = &ret->thrown[ret->thrown_count++];
	uint64_t handler = 1;
	char name[sizeof(thrown->type)];

	*thrown = (struct ch_thrown){ .addr = addr + AT_OBJECT };
	if (ch_core_read_u64(core, addr + AT_CATCH, &handler))
		thrown->uncaught = is_uncaught(env->sym, handler);
	if (!ch_core_read_u64(core, addr + AT_TYPE, &thrown->type_addr))
		return;
	if (read_name(core, thrown->type_addr, name, sizeof(name)) &&
	    !demangle(name, thrown->type, sizeof(thrown->type)))
		memcpy(thrown->type, name, sizeof(name));
	thrown->what_addr = find_what(core, thrown->type_addr, thrown->addr);
}

static void add_list(const struct ch_death_env *env, uint64_t addr, struct ch_death *ret)
{
	while (addr && is_exception(env->core, addr) && ret->thrown_count < CH_THROWN_MAX) {
		add(env, addr, ret);
		if (!ch_core_read_u64(env->core, addr + AT_NEXT, &addr))
			return;
	}
}

void chp_death_find_thrown(const struct ch_death_env *env, size_t index, struct ch_death *ret)
{
	bool above = ch_core_arch(env->core) == CH_ARCH_AARCH64;
	const struct ch_thread *thread;
	uint64_t at, end, value;
	size_t count;

	thread = ch_core_threads(env->core, &count) + index;
	if (!thread->tls_base || thread->tls_base % 8 || thread->tls_base < TLS_BYTES_MAX)
		return;
	/* of a thread that was started, what lies below is its stack: nearest first */
	at = above ? thread->tls_base : thread->tls_base - 8;
	end = above ? thread->tls_base + TLS_BYTES_MAX : thread->tls_base - TLS_BYTES_MAX;
	for (; at != end; at += above ? 8 : 0ULL - 8) {
		if (!ch_core_read_u64(env->core, at, &value))
			return;
		if (value && is_exception(env->core, value)) {
			add_list(env, value, ret);
			return;
		}
	}
}
