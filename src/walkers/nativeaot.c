/*
 * Programs of .NET compiled ahead of time: another runtime than CoreCLR, without
 * metadata of types. They say what they are by a header for debuggers.
 *
 * dotnet/runtime, release/9.0, src/coreclr/nativeaot/Runtime/DebugHeader.cpp,
 * struct DotNetRuntimeDebugHeader; measured on programs of 8.0.31 and 9.0.20.
 */
#include "heap/signs.h"

#include <stdio.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define HEADER_NAME "DotNetRuntimeDebugHeader"
/* "DNDH" */
#define COOKIE 0x48444e44U

enum {
	HEADER_MAJOR = 4,
	HEADER_MINOR = 6,
	HEADER_FLAGS = 8,
	HEADER_TYPES = 16,
	HEADER_GLOBALS = 24,
	HEADER_BYTES = 32,
	/* The only flag that there is: pointers have 64 bits. */
	FLAG_64 = 1,
	/* 1 to 4 were seen or are in sources. */
	MAJOR_MAX = 32,
};

/* Whether bytes are the header, whose two lists lie in the data of the module. */
static bool is_header(const struct ch_module *module, const uint8_t *bytes)
{
	uint64_t end = ch_max(module->end, module->bss_end);
	uint64_t types = ch_get64(bytes + HEADER_TYPES), list = ch_get64(bytes + HEADER_GLOBALS);

	return ch_get32(bytes) == COOKIE && ch_get16(bytes + HEADER_MAJOR) > 0 &&
	       ch_get16(bytes + HEADER_MAJOR) <= MAJOR_MAX &&
	       ch_get32(bytes + HEADER_FLAGS) == FLAG_64 && types > module->start && types < end &&
	       list > module->start && list < end;
}

/* Address of the header in the data of a module, for cores without its name; 0: none. */
static uint64_t find_header(const struct ch_heap_env *env, const struct ch_module *module,
			    struct ch_data_run *run)
{
	uint64_t at = module->start, i;

	while (chp_data_next(env, module, &at, run))
		for (i = ch_align_up(run->addr, 8) - run->addr;
		     i < run->len && HEADER_BYTES <= run->len - i; i += 8)
			if (ch_get32(run->bytes + i) == COOKIE && is_header(module, run->bytes + i))
				return run->addr + i;
	return 0;
}

static struct ch_error *write_evidence(const struct ch_heap_env *env,
				       const struct ch_module *module, uint64_t addr,
				       struct ch_probe *ret)
{
	_cleanup_free_ char *name = chp_text_escape(module->name, 80);
	uint8_t bytes[HEADER_BYTES];

	if (!name)
		return &ch_enomem;
	if (ch_core_try_read(env->core, addr, bytes, sizeof(bytes)) && is_header(module, bytes)) {
		ret->score = 90;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%.80s is .NET compiled ahead of time: %s, version %u.%u, at 0x%llx", name,
			 HEADER_NAME, ch_get16(bytes + HEADER_MAJOR),
			 ch_get16(bytes + HEADER_MINOR), (unsigned long long)addr);
		return NULL;
	}
	ret->score = 70;
	snprintf(ret->evidence, sizeof(ret->evidence),
		 "%.80s is .NET compiled ahead of time: it defines %s", name, HEADER_NAME);
	return NULL;
}

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	struct ch_symbol symbol;
	uint64_t addr;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (ch_sym_exported(env->sym, &modules[i], HEADER_NAME, &symbol))
			return write_evidence(env, &modules[i], symbol.addr, ret);
	for (i = 0; i < count; i++) {
		addr = find_header(env, &modules[i], &run);
		if (addr)
			return write_evidence(env, &modules[i], addr, ret);
	}
	snprintf(ret->evidence, sizeof(ret->evidence),
		 "no module defines %s, none has it in its data", HEADER_NAME);
	return NULL;
}

const struct ch_walker ch_walker_nativeaot = {
	.name = "nativeaot",
	.title = ".NET ahead of time",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = ".NET compiled ahead of time (NativeAOT): named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
};
