/*
 * What the dynamic linker keeps in malloc: of libraries that dlopen() loaded their link maps and
 * what these hold, of threads the places of their thread-local storage.
 *
 * A struct link_map (glibc, include/link.h, 2.17 to 2.44) is a block of its own of a library that
 * was loaded later; debuggers are shown the list (r_debug). Its members differ between releases,
 * but each that leads to the first byte of a block is the linker's own memory: texts of paths,
 * lists of the libraries to be searched, which are link maps in a row, tables of versions. Of
 * libraries that were there from the beginning the map is not malloc's, and what it got later is.
 *
 * A thread's descriptor has a pointer to its dtv (nptl/descr.h: tcbhead_t of x86-64 at 8, of
 * aarch64 at 0), an array of 16 bytes for each module whose first one, with the number of the
 * others, lies before where the pointer leads (elf/dl-tls.c, allocate_dtv()).
 */
#include <limits.h>
#include <string.h>

#include "sym/tls.h"
#include "types/known_priv.h"
#include "util/context.h"

/* Bytes of a struct link_map that are looked at: its size of 2.36. Of other releases it has some
 * more or less, and what is behind it in the linker's own memory is the linker's, too. */
#define MAP_BYTES 1192
/* l_name, the path, comes second. */
#define AT_NAME 8
/* Words of a table of libraries that are looked at: four of each, and a process has some hundred.
 */
#define TABLE_MAX 4096
/* Blocks that the linker's variables lead to, and nobody knows: a few. */
#define TABLES_MAX 256U
#define DTV_BYTES  16

/* Whether an address is that of the link map of a module. */
static bool is_map(const struct ch_knowns *knowns, uint64_t addr)
{
	return ch_table_find(&knowns->maps, addr) != CH_TABLE_NONE;
}

/* Whether words are link maps, up to one that is 0, where there is one. */
static bool is_list(const struct ch_knowns *knowns, const struct ch_named_block *block)
{
	uint64_t words = ch_min(block->size_bytes / 8, knowns->maps.count + 1), i, word;

	for (i = 0; i < words; i++) {
		if (!chp_known_read(knowns, block->addr + 8 * i, &word, 1))
			return false;
		if (!word || !is_map(knowns, word))
			break;
	}
	return i > 0 && (i == words || !word);
}

/* Whether a block is an absolute path: a text that ends in it. */
static bool is_path(const struct ch_knowns *knowns, const struct ch_named_block *block)
{
	const uint8_t *bytes;
	size_t len;

	bytes = ch_core_span(knowns->env->core, block->addr, &len);
	return bytes && bytes[0] == '/' &&
	       memchr(bytes, 0, ch_min(ch_min(len, block->size_bytes), PATH_MAX));
}

static struct ch_error *say(const struct ch_knowns *knowns, struct ch_naming *naming,
			    const struct ch_named_block *block, enum ch_known kind, size_t module)
{
	return chp_naming_say(naming, knowns->provider, block,
			      kind | (uint64_t)(module + 1) << CH_KNOWN_BITS);
}

/* What the link map of a module holds. */
static struct ch_error *take_map(struct ch_knowns *knowns, struct ch_naming *naming,
				 const struct ch_module *modules, size_t module)
{
	uint64_t map = modules[module].link_map, bytes = MAP_BYTES, at, word;
	struct ch_error *err = NULL;
	struct ch_named_block block;

	if (chp_naming_block(naming, map, &block) && block.addr == map) {
		bytes = ch_min(bytes, block.size_bytes);
		err = say(knowns, naming, &block, CH_KNOWN_LINK_MAP, module);
	}
	for (at = AT_NAME; !err && at + 8 <= bytes; at += 8) {
		if (!chp_known_read(knowns, map + at, &word, 1) ||
		    !chp_naming_block(naming, word, &block) || block.addr != word ||
		    is_map(knowns, word))
			continue;
		err = say(knowns, naming, &block,
			  at == AT_NAME || is_path(knowns, &block) ? CH_KNOWN_LIBRARY_PATH
			  : is_list(knowns, &block)                ? CH_KNOWN_LIBRARY_LIST
								   : CH_KNOWN_LIBRARY_DATA,
			  module);
	}
	return err;
}

/* Whether one of a block's words is a link map. */
static bool has_map(const struct ch_knowns *knowns, const struct ch_named_block *block)
{
	uint64_t words = ch_min(block->size_bytes / 8, TABLE_MAX), i, word;

	for (i = 0; i < words; i++)
		if (chp_known_read(knowns, block->addr + 8 * i, &word, 1) && word &&
		    is_map(knowns, word))
			return true;
	return false;
}

/* Tables of all libraries, which the linker's own variables lead to: where _dl_find_object() looks
 * (elf/dl-find_object.c, since 2.35), which modules have thread-local storage. */
static struct ch_error *take_table(const struct ch_knowns *knowns, struct ch_naming *naming,
				   uint64_t word, uint32_t *left)
{
	struct ch_named_block block;

	if (!*left || !chp_naming_block(naming, word, &block) || block.provider)
		return NULL;
	--*left;
	if (!has_map(knowns, &block))
		return NULL;
	return chp_naming_say(naming, knowns->provider, &block, CH_KNOWN_LIBRARY_TABLE);
}

static struct ch_error *take_tables(const struct ch_knowns *knowns, struct ch_naming *naming,
				    const struct ch_module *linker)
{
	const struct ch_core *core = knowns->env->core;
	uint64_t at = linker->start;
	uint32_t rights, left = TABLES_MAX;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t len, i;

	while (!err && (bytes = ch_core_next_data(core, &at, linker->end, &len))) {
		/* a page at a time, for rights differ */
		len = (size_t)ch_min(len, CH_PAGE_BYTES - at % CH_PAGE_BYTES);
		if (ch_sym_module_rights(knowns->env->sym, linker, at, &rights) &&
		    (rights & CH_SEGMENT_WRITE))
			for (i = 0; !err && i + 8 <= len; i += 8)
				err = take_table(knowns, naming, ch_get64(bytes + i), &left);
		at += len;
	}
	return err;
}

/* The dtv of a thread, and its blocks that are malloc's. */
static struct ch_error *take_thread(struct ch_knowns *knowns, struct ch_naming *naming,
				    const struct ch_thread *thread)
{
	bool is_x86 = ch_core_arch(knowns->env->core) == CH_ARCH_X86_64;
	struct ch_error *err = NULL;
	const struct ch_module *modules;
	struct ch_named_block block;
	uint64_t dtv, number, at;
	size_t count, i;

	if (!thread->tls_base ||
	    !chp_known_read(knowns, thread->tls_base + (is_x86 ? 8 : 0), &dtv, 1))
		return NULL;
	/* how many entries there are, which must fit */
	if (dtv > DTV_BYTES && chp_naming_block(naming, dtv - DTV_BYTES, &block) &&
	    block.addr == dtv - DTV_BYTES && chp_known_read(knowns, block.addr, &number, 1) &&
	    number < block.size_bytes / DTV_BYTES)
		err = chp_naming_say(naming, knowns->provider, &block, CH_KNOWN_DTV);
	modules = ch_sym_modules(knowns->env->sym, &count);
	for (i = 0; !err && i < count; i++) {
		if (!modules[i].tls_memsz)
			continue;
		err = chp_tls_block(knowns->env->sym, thread->tls_base, &modules[i], &at);
		/* aligned more strictly than malloc does, it begins inside */
		if (!err && at && chp_naming_block(naming, at, &block) &&
		    at - block.addr < ch_max(modules[i].tls_align, 1) &&
		    modules[i].tls_memsz <= block.size_bytes - (at - block.addr))
			err = say(knowns, naming, &block, CH_KNOWN_TLS, i);
	}
	return err;
}

struct ch_error *chp_known_ldso(struct ch_knowns *knowns, struct ch_naming *naming)
{
	const struct ch_module *modules;
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, i;

	modules = ch_sym_modules(knowns->env->sym, &count);
	for (i = 0; !err && i < count; i++)
		if (modules[i].link_map)
			err = take_map(knowns, naming, modules, i);
	for (i = 0; !err && i < count; i++)
		if (modules[i].kind == CH_MODULE_INTERP)
			err = take_tables(knowns, naming, &modules[i]);
	threads = ch_core_threads(knowns->env->core, &count);
	for (i = 0; !err && i < count; i++) {
		err = take_thread(knowns, naming, &threads[i]);
		if (!err)
			err = chp_context_check(knowns->env->ctx);
	}
	return err;
}
