/*
 * What a Go program says of how it was built: the version of Go, and what `go version -m` shows.
 *
 * Go 1.17 to 1.27, src/debug/buildinfo/buildinfo.go: 14 bytes that nothing else begins with, the
 * size of a pointer, flags; since 1.18 (flag 2) two texts follow from byte 32 on, each after its
 * length as a varint; before, two pointers to string headers lie at byte 16. The second text has
 * 16 bytes of its own before and after it (src/cmd/go/internal/modload/build.go).
 */
#include <stdlib.h>
#include <string.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/go/code.h"

#define MAGIC       "\xff Go buildinf:"
#define MAGIC_BYTES 14
#define HEAD_BYTES  32
#define FLAG_INLINE 2
#define GUARD_BYTES 16
/* Programs with a thousand dependencies have some 100 KiB. */
#define TEXT_BYTES_MAX (1U << 20)

/* Letters, digits and signs that text of this kind consists of: it needs no further care. */
static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '\\' && c != '"';
}

/* Nothing is taken of a text that has anything else in it, or is too long. */
static void take(char *ret, const char *text, size_t len)
{
	size_t i;

	if (len >= GO_TEXT_MAX)
		return;
	for (i = 0; i < len; i++)
		if (!is_plain(text[i]) && text[i] != ' ')
			return;
	memcpy(ret, text, len);
	ret[len] = '\0';
}

uint32_t go_minor(const char *version)
{
	const char *at = strstr(version, "go1.");
	unsigned long minor;
	char *end;

	if (!at || at[4] < '0' || at[4] > '9')
		return 0;
	minor = strtoul(at + 4, &end, 10);
	return minor < 1000 ? (uint32_t)minor : 0;
}

/* Whether a line begins with key; moves it behind that. */
static bool after(const char **line, size_t *len, const char *key)
{
	size_t key_len = strlen(key);

	if (*len < key_len || memcmp(*line, key, key_len) != 0)
		return false;
	*line += key_len;
	*len -= key_len;
	return true;
}

static void parse_line(const char *line, size_t len, struct go_build *ret)
{
	const char *tab;
	size_t name;

	if (after(&line, &len, "path\t")) {
		take(ret->package, line, len);
	} else if (after(&line, &len, "mod\t")) {
		tab = memchr(line, '\t', len);
		name = tab ? (size_t)(tab - line) : len;
		take(ret->module, line, name);
		if (!tab)
			return;
		len -= name + 1;
		line = tab + 1;
		tab = memchr(line, '\t', len);
		take(ret->module_version, line, tab ? (size_t)(tab - line) : len);
	} else if (after(&line, &len, "build\tvcs.revision=")) {
		take(ret->revision, line, len);
	} else if (after(&line, &len, "build\tvcs.modified=")) {
		take(ret->modified, line, len);
	}
}

void go_build_parse(const char *text, size_t len, struct go_build *ret)
{
	const char *end;
	size_t line;

	while (len) {
		end = memchr(text, '\n', len);
		line = end ? (size_t)(end - text) : len;
		parse_line(text, line, ret);
		line += end != NULL;
		text += line;
		len -= line;
	}
}

/* A text in the core, without a copy of what is too long. Owned by the caller; NULL: not there. */
static char *read_text(const struct ch_heap_env *env, uint64_t addr, uint64_t len)
{
	char *text;

	if (!len || len > TEXT_BYTES_MAX)
		return NULL;
	text = malloc((size_t)len);
	if (!text)
		chp_context_no_memory(env->ctx);
	if (text && ch_core_try_read(env->core, addr, text, (size_t)len))
		return text;
	free(text);
	return NULL;
}

static void take_version(const struct ch_heap_env *env, uint64_t addr, uint64_t len,
			 struct go_build *ret)
{
	_cleanup_free_ char *text = len < GO_TEXT_MAX ? read_text(env, addr, len) : NULL;

	if (text)
		take(ret->version, text, (size_t)len);
	ret->minor = go_minor(ret->version);
}

static void take_modules(const struct ch_heap_env *env, uint64_t addr, uint64_t len,
			 struct go_build *ret)
{
	_cleanup_free_ char *text = len > 2 * GUARD_BYTES ? read_text(env, addr, len) : NULL;

	if (text)
		go_build_parse(text + GUARD_BYTES, (size_t)len - 2 * GUARD_BYTES, ret);
}

/* The length of a text that follows; *addr is moved to it. False: not in the core. */
static bool read_length(const struct ch_heap_env *env, uint64_t *addr, uint64_t *ret)
{
	uint32_t shift;
	uint8_t byte;

	*ret = 0;
	for (shift = 0; shift < 32; shift += 7) {
		if (!ch_core_try_read(env->core, *addr, &byte, 1))
			return false;
		++*addr;
		*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static void read_inline(const struct ch_heap_env *env, uint64_t addr, struct go_build *ret)
{
	uint64_t len;

	addr += HEAD_BYTES;
	if (!read_length(env, &addr, &len))
		return;
	take_version(env, addr, len, ret);
	if (!ch_add(addr, len, &addr) || !read_length(env, &addr, &len))
		return;
	take_modules(env, addr, len, ret);
}

/* The string whose header a pointer leads to. */
static bool read_string(const struct ch_heap_env *env, uint64_t pointer, struct go_slice *ret)
{
	uint64_t header;

	return ch_core_read_u64(env->core, pointer, &header) &&
	       ch_core_read_u64(env->core, header, &ret->addr) &&
	       ch_core_read_u64(env->core, header + 8, &ret->count);
}

static void read_strings(const struct ch_heap_env *env, uint64_t addr, struct go_build *ret)
{
	struct go_slice text;

	if (read_string(env, addr + 16, &text))
		take_version(env, text.addr, text.count, ret);
	if (read_string(env, addr + 24, &text))
		take_modules(env, text.addr, text.count, ret);
}

static bool is_build(const uint8_t *bytes)
{
	return memcmp(bytes, MAGIC, MAGIC_BYTES) == 0 && bytes[MAGIC_BYTES] == 8;
}

/* In one module: its tables lie in what is not code, of the core or of the program's file. */
static bool find_in(const struct ch_heap_env *env, const struct ch_module *module,
		    struct go_build *ret)
{
	struct ch_data_run run = { 0 };
	uint64_t at = module->start, i;

	while (chp_image_next(env, module, &at, &run))
		for (i = ch_align_up(run.addr, 16) - run.addr; ch_inside(i, HEAD_BYTES, run.len);
		     i += 16) {
			if (!is_build(run.bytes + i))
				continue;
			if (run.bytes[i + MAGIC_BYTES + 1] & FLAG_INLINE)
				read_inline(env, run.addr + i, ret);
			else
				read_strings(env, run.addr + i, ret);
			if (ret->minor)
				return true;
		}
	return false;
}

void go_build_read(const struct ch_heap_env *env, struct go_build *ret)
{
	const struct ch_module *modules;
	size_t count, i;

	*ret = (struct go_build){ .minor = 0 };
	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind != CH_MODULE_PE && find_in(env, &modules[i], ret))
			return;
}
