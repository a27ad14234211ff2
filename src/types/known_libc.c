/*
 * What libc keeps in malloc: open files and their buffers, directories, functions to be called at
 * the end, the environment; and the C++ runtime's pool.
 *
 * A FILE is the oldest of these and part of the ABI (glibc, libio/bits/types/struct_FILE.h and
 * libio/libioP.h, struct _IO_FILE_plus): a number tells it, and those on descriptors are in a list
 * that begins at _IO_list_all. Directories (sysdeps/unix/sysv/linux/dirstream.h) and lists of
 * functions (stdlib/exit.h) are held by nothing that is exported, but check themselves: a
 * directory's buffer has whole entries of the kernel, a list has 32 functions of known flavors.
 */
#include <string.h>

#include "types/known_priv.h"
#include "util/context.h"

/* struct _IO_FILE: _IO_buf_base and _IO_buf_end, _chain, _wide_data; behind it the table. */
/* The upper half of its first word, _flags. */
#define FILE_MAGIC 0xfbad
#define AT_BUFFER  56
#define AT_CHAIN   104
#define AT_WIDE    160
#define AT_TABLE   216
#define FILE_BYTES 224
/* struct _IO_wide_data: the same of wide characters. */
#define AT_WIDE_BUFFER 48
/* Open files; the kernel's limit for a process is below (fs.nr_open). */
#define FILES_MAX (1U << 20)

/* struct __dirstream: descriptor, lock, size of the buffer, what of it is filled, where it is read,
 * position, errno; the buffer. Of 2.2 to 2.44. */
#define AT_DIR_BYTES 8
#define AT_DIR_SIZE  16
#define AT_DIR_READ  24
#define DIR_BYTES    48
/* opendir() takes st_blksize, but at least and at most these (sysdeps/unix/sysv/linux/opendir.c).
 */
#define DIR_BUFFER_MIN 32768
#define DIR_BUFFER_MAX 1048576
/* struct linux_dirent64: inode, position, length of the entry, type, name. */
#define AT_ENTRY_BYTES 16
#define ENTRY_BYTES    20

/* struct exit_function_list: next, number, and so many functions of four words. */
#define EXITS       32
#define EXIT_BYTES  32
#define EXITS_BYTES (16 + EXITS * EXIT_BYTES)
/* ef_free, ef_us, ef_on, ef_at, ef_cxa: the last one has a handle of its module. */
#define FLAVOR_LAST 4

/* struct _obstack_chunk (malloc/obstack.h): limit, prev; by default so large (malloc/obstack.c). */
#define AT_PREVIOUS   8
#define OBSTACK_BYTES 4064

/* Variables of the environment; execve() takes 2 MiB of them, pointers included. */
#define VARIABLES_MAX (1U << 18)
/* Bytes before the '=': more would not go through execve(), either (MAX_ARG_STRLEN). */
#define VARIABLE_NAME_MAX (1U << 17)

/* A variable that libc exports: of the program, where that has a copy of it, else libc's. */
static bool find_variable(struct ch_knowns *knowns, const char *name, uint64_t *ret)
{
	const struct ch_module *modules;
	struct ch_symbol symbol;
	size_t count, i;

	modules = ch_sym_modules(knowns->env->sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE &&
		    ch_sym_exported(knowns->env->sym, &modules[i], name, &symbol))
			return chp_known_read(knowns, symbol.addr, ret, 1);
	for (i = 0; i < count; i++)
		if (ch_sym_exported(knowns->env->sym, &modules[i], name, &symbol))
			return chp_known_read(knowns, symbol.addr, ret, 1);
	return false;
}

static struct ch_error *say_at(const struct ch_knowns *knowns, struct ch_naming *naming,
			       uint64_t addr, uint64_t bytes, enum ch_known kind)
{
	struct ch_named_block block;

	if (!chp_naming_block(naming, addr, &block) || block.addr != addr ||
	    bytes > block.size_bytes)
		return NULL;
	return chp_naming_say(naming, knowns->provider, &block, kind);
}

/* The buffer between two words of a FILE, or of what it has for wide characters. */
static struct ch_error *take_buffer(struct ch_knowns *knowns, struct ch_naming *naming, uint64_t at)
{
	uint64_t words[2];

	if (!chp_known_read(knowns, at, words, 2) || words[1] <= words[0])
		return NULL;
	return say_at(knowns, naming, words[0], words[1] - words[0], CH_KNOWN_FILE_BUFFER);
}

struct ch_error *chp_known_buffers(struct ch_knowns *knowns, struct ch_naming *naming,
				   uint64_t file)
{
	struct ch_error *err = take_buffer(knowns, naming, file + AT_BUFFER);
	uint64_t wide;

	if (!err && chp_known_read(knowns, file + AT_WIDE, &wide, 1) && wide)
		err = take_buffer(knowns, naming, wide + AT_WIDE_BUFFER);
	return err;
}

static struct ch_error *take_files(struct ch_knowns *knowns, struct ch_naming *naming)
{
	uint64_t at, table, i;
	struct ch_error *err = NULL;

	if (!find_variable(knowns, "_IO_list_all", &at))
		return NULL;
	for (i = 0; !err && at && i < FILES_MAX; i++) {
		if (!chp_known_read(knowns, at + AT_TABLE, &table, 1) ||
		    !ch_sym_module_at(knowns->env->sym, table))
			break;
		err = say_at(knowns, naming, at, FILE_BYTES, CH_KNOWN_FILE);
		/* of stdin, stdout and stderr, which are libc's own */
		if (!err)
			err = chp_known_buffers(knowns, naming, at);
		if (!err)
			err = chp_context_check(knowns->env->ctx);
		if (!chp_known_read(knowns, at + AT_CHAIN, &at, 1))
			break;
	}
	return err;
}

/* What setenv() and putenv() made of the environment. */
static struct ch_error *take_environment(struct ch_knowns *knowns, struct ch_naming *naming)
{
	struct ch_named_block block;
	struct ch_error *err;
	uint64_t at, text, i;
	const uint8_t *bytes;
	size_t len;

	if (!find_variable(knowns, "environ", &at))
		return NULL;
	err = say_at(knowns, naming, at, 8, CH_KNOWN_ENVIRON);
	for (i = 0; !err && i < VARIABLES_MAX; i++) {
		if (!chp_known_read(knowns, at + 8 * i, &text, 1) || !text)
			break;
		if (!chp_naming_block(naming, text, &block) || block.addr != text)
			continue;
		bytes = ch_core_span(knowns->env->core, text, &len);
		/* NAME=value */
		if (bytes)
			len = strnlen((const char *)bytes,
				      ch_min(ch_min(len, block.size_bytes), VARIABLE_NAME_MAX));
		if (bytes && memchr(bytes, '=', len))
			err = say_at(knowns, naming, text, 1, CH_KNOWN_VARIABLE);
	}
	return err;
}

struct ch_error *chp_known_libc(struct ch_knowns *knowns, struct ch_naming *naming)
{
	struct ch_error *err = take_files(knowns, naming);

	return err ? err : take_environment(knowns, naming);
}

/* ---- By contents alone ------------------------------------------------------------------ */

/* Also of such as are in no list: text in memory (open_memstream(), libio/memstream.c). */
static bool is_file(const struct ch_knowns *knowns, const uint8_t *bytes, size_t len)
{
	return len >= FILE_BYTES && ch_get32(bytes) >> 16 == FILE_MAGIC &&
	       ch_sym_module_at(knowns->env->sym, ch_get64(bytes + AT_TABLE)) == knowns->libc;
}

/* Whether what a directory's buffer holds is entries, one behind the other. */
static bool has_entries(const uint8_t *bytes, uint64_t size)
{
	uint64_t at = 0, length;

	while (at < size) {
		if (size - at < ENTRY_BYTES)
			return false;
		length = ch_get16(bytes + at + AT_ENTRY_BYTES);
		if (length < ENTRY_BYTES || length % 8 || length > size - at ||
		    !memchr(bytes + at + ENTRY_BYTES - 1, 0, length - ENTRY_BYTES + 1))
			return false;
		at += length;
	}
	return true;
}

static bool is_directory(const uint8_t *bytes, size_t len)
{
	uint64_t room, size, read;

	if (len < DIR_BYTES + DIR_BUFFER_MIN)
		return false;
	room = ch_get64(bytes + AT_DIR_BYTES);
	size = ch_get64(bytes + AT_DIR_SIZE);
	read = ch_get64(bytes + AT_DIR_READ);
	/* a descriptor, and a lock that is 0 to 2 */
	return ch_get32(bytes) < FILES_MAX && ch_get32(bytes + 4) <= 2 && room >= DIR_BUFFER_MIN &&
	       room <= DIR_BUFFER_MAX && chp_usable_fits(len, DIR_BYTES + room) && size <= room &&
	       read <= size && has_entries(bytes + DIR_BYTES, size);
}

static bool is_exit_functions(const struct ch_knowns *knowns, const uint8_t *bytes, size_t len)
{
	uint64_t count, next, flavor, i, of_modules = 0;

	if (!chp_usable_fits(len, EXITS_BYTES))
		return false;
	next = ch_get64(bytes);
	count = ch_get64(bytes + 8);
	if (!count || count > EXITS || next % 8)
		return false;
	for (i = 0; i < count; i++) {
		flavor = ch_get64(bytes + 16 + i * EXIT_BYTES);
		if (flavor > FLAVOR_LAST)
			return false;
		/* the handle is a variable of the module, or none of the program */
		of_modules += flavor == FLAVOR_LAST &&
			      ch_sym_module_at(knowns->env->sym,
					       ch_get64(bytes + 16 + i * EXIT_BYTES + 24));
	}
	/* the first list, which is libc's own, is always there */
	return of_modules && next &&
	       (ch_sym_module_at(knowns->env->sym, next) ||
		chp_index_at(knowns->env->index, next) != CH_ID_NONE);
}

/* Whether a chunk of an obstack begins at addr: it says where its block ends. */
static bool has_limit(const struct ch_knowns *knowns, uint64_t addr, uint64_t size)
{
	uint64_t limit;

	return chp_known_read(knowns, addr, &limit, 1) && limit > addr && limit - addr <= size &&
	       size - (limit - addr) < CH_SPARE_MAX_BYTES;
}

/* One word would be little: it has the usual size, or is not the first chunk of its obstack. */
static bool is_obstack(const struct ch_knowns *knowns, uint64_t addr, uint64_t size)
{
	const struct ch_index *index = knowns->env->index;
	const struct ch_index_span *span;
	uint64_t words[2];
	uint32_t id;

	if (size < 64 || !has_limit(knowns, addr, size) || !chp_known_read(knowns, addr, words, 2))
		return false;
	if (!words[1])
		return words[0] - addr == OBSTACK_BYTES;
	id = chp_index_at(index, words[1]);
	span = id == CH_ID_NONE || !chp_is_node(index, id) ? NULL : chp_index_span(index, words[1]);
	return span && has_limit(knowns, words[1], chp_index_size(index, span, id, words[1]));
}

enum ch_known chp_known_contents(const struct ch_knowns *knowns, uint64_t addr,
				 const uint8_t *bytes, size_t len)
{
	if (is_file(knowns, bytes, len))
		return CH_KNOWN_FILE;
	if (is_directory(bytes, len))
		return CH_KNOWN_DIR;
	if (is_obstack(knowns, addr, len))
		return CH_KNOWN_OBSTACK;
	return is_exit_functions(knowns, bytes, len) ? CH_KNOWN_EXIT_FUNCTIONS : CH_KNOWN_NONE;
}

/* ---- The C++ runtime -------------------------------------------------------------------- */

/*
 * Memory for exceptions that are thrown when there is none (gcc, libsupc++/eh_alloc.cc, class pool,
 * since 5): a static {mutex, first free entry, arena, its bytes}, made when the library is loaded.
 */
static struct ch_error *look_for_pool(struct ch_knowns *knowns, struct ch_naming *naming,
				      const struct ch_module *module)
{
	uint64_t at = ch_align_up(module->bss_start, 8), free_entry, arena, size;
	struct ch_named_block block;
	const uint8_t *bytes;
	size_t len, i;

	for (; (bytes = ch_core_next_data(knowns->env->core, &at, module->bss_end, &len));
	     at += len) {
		for (i = 0; i + 24 <= len; i += 8) {
			free_entry = ch_get64(bytes + i);
			arena = ch_get64(bytes + i + 8);
			size = ch_get64(bytes + i + 16);
			if (size >= CH_PAGE_BYTES && free_entry - arena < size &&
			    chp_naming_block(naming, arena, &block) && block.addr == arena &&
			    chp_block_fits(&block, size))
				return chp_naming_say(naming, knowns->provider, &block,
						      CH_KNOWN_EMERGENCY_POOL);
		}
	}
	return NULL;
}

struct ch_error *chp_known_cxx(struct ch_knowns *knowns, struct ch_naming *naming)
{
	const struct ch_module *modules;
	struct ch_error *err = NULL;
	size_t count, i;

	modules = ch_sym_modules(knowns->env->sym, &count);
	for (i = 0; !err && i < count; i++)
		if (strncmp(modules[i].name, "libstdc++.so", 12) == 0)
			err = look_for_pool(knowns, naming, &modules[i]);
	return err;
}
