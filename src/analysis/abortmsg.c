/*
 * The text that glibc printed before it aborted the process, found by its symbol or by its shape.
 * It is shown only when it reads like one of glibc's own messages or an assertion of the source.
 */
#include <stdio.h>
#include <string.h>

#include "analysis/death_priv.h"
#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/*
 * glibc keeps the text that it printed before abort() in a mapping of its own, to which
 * __abort_msg points: struct abort_msg_s { unsigned int size; char msg[]; }, size being
 * that of the mapping (glibc 2.4 to 2.43, include/stdlib.h and sysdeps/posix/libc_fatal.c
 * __libc_message; assert/assert.c __assert_fail_base). The variable is exported
 * (GLIBC_PRIVATE); where libc's tables are not at hand, or it is linked in, the pointer is
 * known by what it points at.
 */
#define PAGE        4096
#define MAPPING_MAX (1U << 20)

/* Texts of malloc begin with one of these and go on in lower case. */
static const char *const malloc_starts[] = {
	"free(): ",
	"malloc(): ",
	"realloc(): ",
	"calloc(): ",
	"munmap_chunk(): ",
	"mremap_chunk(): ",
	"malloc_consolidate(): ",
	"malloc_check_get_size: ",
	"tcache_thread_shutdown(): ",
	"double free or corruption (",
	"corrupted double-linked list",
	"corrupted size vs. prev_size",
	"corrupted unsorted chunks",
	"invalid fastbin entry (free)",
	"break adjusted to free malloc space",
	"chunk_main_arena",
};

/* Whole texts of other parts of glibc. */
static const char *const glibc_texts[] = {
	"The futex facility returned an unexpected error code.",
	"FATAL: exception not rethrown",
	"libgcc_s.so.1 must be installed for pthread_cancel to work",
	"libgcc_s.so.1 must be installed for pthread_exit to work",
	"cannot allocate TLS data structures for initial thread",
	"*** %n in writable segment detected ***",
	"*** invalid %N$ use detected ***",
};

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_malloc(const char *text)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(malloc_starts); i++)
		if (begins(text, malloc_starts[i]))
			return strlen(text) < 100 &&
			       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_()!>-. :,") ==
				       strlen(text);
	return false;
}

/* "*** buffer overflow detected ***: terminated", before 2.26 with argv[0] before the last
 * word. */
static bool is_fortify(const char *text, const char *what)
{
	char start[64];
	const char *rest, *end;

	snprintf(start, sizeof(start), "*** %s ***: ", what);
	/* a shorter text has no rest to look at */
	if (!begins(text, start))
		return false;
	rest = text + strlen(start);
	end = strstr(rest, "terminated");
	return end && end[strlen("terminated")] == '\0' && (end == rest || end[-1] == ' ');
}

/* "program: file.c:12: function: Assertion `text' failed." of the program's source. */
static bool is_assert(const char *text)
{
	const char *text_at = strstr(text, ": Assertion `"), *end = strstr(text, "' failed.");

	return text_at && end && end > text_at && end[strlen("' failed.")] == '\0';
}

const char *chp_abort_message_kind(const char *text)
{
	static const char *const fortified[] = {
		"buffer overflow detected",
		"invalid %N$ use detected",
		"%n in writable segment detected",
		"longjmp causes uninitialized stack frame",
		"bit out of range 0 - FD_SETSIZE on fd_set",
	};
	size_t i;

	if (is_malloc(text))
		return "malloc";
	if (is_assert(text))
		return "assert";
	if (is_fortify(text, "stack smashing detected"))
		return "stack-smashing";
	for (i = 0; i < CH_COUNT_OF(fortified); i++)
		if (is_fortify(text, fortified[i]))
			return "fortify";
	if (begins(text, "Fatal glibc error: "))
		return "glibc";
	for (i = 0; i < CH_COUNT_OF(glibc_texts); i++)
		if (strcmp(text, glibc_texts[i]) == 0)
			return "glibc";
	return "other";
}

bool chp_death_message_shown(const struct ch_death *death)
{
	return death->message_kind && strcmp(death->message_kind, "other") != 0;
}

/* What addr points at, if it is such a mapping with a line of text in it. */
static bool take_message(const struct ch_death_env *env, uint64_t addr, struct ch_death *ret)
{
	const struct ch_region *region;
	uint32_t size;
	size_t len, i;
	char text[sizeof(ret->message)];

	if (!addr || addr % PAGE || !ch_core_read_u32(env->core, addr, &size) || size < PAGE ||
	    size % PAGE || size > MAPPING_MAX)
		return false;
	region = ch_map_region_at(env->map, addr);
	if (!region || region->usage == CH_USAGE_FREE || region->backing ||
	    region->end - addr < size ||
	    !ch_core_read_string(env->core, addr + 4, text, sizeof(text)))
		return false;
	len = strlen(text);
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\t' && text[i] != '\n')
			return false;
	if (len < 4)
		return false;
	memcpy(ret->message, text, len + 1);
	ret->message_addr = addr + 4;
	ret->message_kind = chp_abort_message_kind(text);
	return true;
}

static bool find_exported(const struct ch_death_env *env, const struct ch_module *module,
			  struct ch_death *ret)
{
	struct ch_symbol symbol;
	uint64_t addr;

	ret->message_basis = CH_BASIS_DERIVED;
	return ch_sym_exported(env->sym, module, "__abort_msg", &symbol) &&
	       ch_core_read_u64(env->core, symbol.addr, &addr) && take_message(env, addr, ret);
}

/* By shape: a word of the module's writable data that leads to a message. */
static bool find_by_shape(const struct ch_death_env *env, const struct ch_module *module,
			  struct ch_death *ret)
{
	const struct ch_heap_env place = { .core = env->core, .sym = env->sym, .map = env->map };
	struct ch_data_run run = { 0 };
	uint64_t at = module->start, addr;
	size_t pos;

	ret->message_basis = CH_BASIS_HEURISTIC;
	while (chp_data_next(&place, module, &at, &run))
		for (pos = ch_align_up(run.addr, 8) - run.addr; ch_inside(pos, 8, run.len);
		     pos += 8) {
			addr = ch_get64(run.bytes + pos);
			if (addr && addr % PAGE == 0 && take_message(env, addr, ret) &&
			    chp_death_message_shown(ret))
				return true;
		}
	ret->message_kind = NULL;
	return false;
}

static bool is_libc(const struct ch_module *module)
{
	return chp_has_stem(module->name, "libc.so.6") || chp_has_stem(module->name, "libc-2");
}

void chp_death_find_message(const struct ch_death_env *env, struct ch_death *ret)
{
	const struct ch_module *modules;
	size_t count, i;
	bool libc = false;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		if (!is_libc(&modules[i]))
			continue;
		libc = true;
		if (find_exported(env, &modules[i], ret) || find_by_shape(env, &modules[i], ret))
			return;
	}
	for (i = 0; i < count && !libc; i++)
		if (modules[i].kind == CH_MODULE_EXE && find_by_shape(env, &modules[i], ret))
			return;
}
