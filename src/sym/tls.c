/*
 * Which module's thread-local variables lie at an address, and where a module has them.
 *
 * Each thread has a vector with the address of each module's block. glibc has
 * entries of 16 bytes, entry i for the module with id i; the vector's address is
 * the second word of tcbhead_t on x86-64, the first on aarch64 (glibc 2.36,
 * sysdeps/{x86_64,aarch64}/nptl/tls.h, sysdeps/generic/dl-dtv.h). musl has entries
 * of 8 bytes; the address is the second word of struct pthread on x86-64, on
 * aarch64 its last, which lies before the thread pointer (musl 1.2.3,
 * src/internal/pthread_impl.h, ldso/dynlink.c).
 */
#include "sym/tls.h"

#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/error.h"

#define TLS_MODULES_MAX 1024
#define LINK_MAPS_MAX   65536
/* How far into struct link_map words are looked at; its size is 0x480 in 2.36. */
#define LINK_MAP_WORDS 256

enum library {
	LIBRARY_UNKNOWN,
	LIBRARY_GLIBC,
	LIBRARY_MUSL,
};

struct tls_module {
	const struct ch_module *module;
	uint64_t id;
	enum library library;
};

static const struct ch_module *module_of_link_map(const struct ch_sym *sym, uint64_t map)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].link_map == map)
			return &modules[i];
	return NULL;
}

/*
 * The id that a library gave a module, 0 if it does not tell. glibc's struct
 * link_map has, one after the other, l_tls_initimage, l_tls_initimage_size,
 * l_tls_blocksize, l_tls_align, l_tls_firstbyte_offset, l_tls_offset, l_tls_modid
 * (glibc 2.17 to 2.43, include/link.h); where, depends on the release. musl's
 * struct dso has image, len, size, align, offset, and the id (musl 1.2.3,
 * ldso/dynlink.c).
 */
static uint64_t read_id(const struct ch_sym *sym, const struct ch_module *module, uint64_t map,
			enum library *library_ret)
{
	uint64_t words[LINK_MAP_WORDS], first = module->tls_vaddr & (module->tls_align - 1);
	size_t count, i;

	for (count = 0; count < LINK_MAP_WORDS; count++)
		if (!ch_core_read_u64(sym->core, map + 8 * count, &words[count]))
			break;
	for (i = 0; i + 6 < count; i++) {
		if (words[i] != module->bias + module->tls_vaddr ||
		    words[i + 1] != module->tls_filesz || words[i + 2] != module->tls_memsz ||
		    words[i + 3] != module->tls_align)
			continue;
		*library_ret = words[i + 4] == (module->tls_align ? first : 0) ? LIBRARY_GLIBC
									       : LIBRARY_MUSL;
		return words[*library_ret == LIBRARY_GLIBC ? i + 6 : i + 5];
	}
	return 0;
}

static struct ch_error *add_module(struct ch_sym *sym, const struct ch_module *module, uint64_t map)
{
	struct tls_module *slot = ch_vec_push(&sym->tls_modules);
	uint64_t id;

	if (!slot)
		return &ch_enomem;
	slot->module = module;
	id = map ? read_id(sym, module, map, &slot->library) : 0;
	/* Without dlclose() they are numbered as they are listed. */
	slot->id = id && id <= LINK_MAPS_MAX ? id : sym->tls_modules.count;
	return NULL;
}

static const struct ch_module *executable(const struct ch_sym *sym)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE)
			return &modules[i];
	return NULL;
}

/* All modules with thread-local storage, in the order of the linker's list. */
static struct ch_error *list_modules(struct ch_sym *sym)
{
	const struct ch_module *module = executable(sym);
	uint64_t map = module ? module->link_map : 0;
	struct ch_error *err = NULL;
	size_t i;

	if (sym->tls_listed)
		return NULL;
	sym->tls_listed = true;
	sym->tls_modules = CH_VEC(struct tls_module);
	/* A static program has no list. */
	if (module && !map && module->tls_memsz)
		return add_module(sym, module, 0);
	for (i = 0; !err && map && i < LINK_MAPS_MAX; i++) {
		module = module_of_link_map(sym, map);
		if (module && module->tls_memsz && sym->tls_modules.count < TLS_MODULES_MAX)
			err = add_module(sym, module, map);
		/* struct link_map: l_addr, l_name, l_ld, l_next (link.h). */
		if (!ch_core_read_u64(sym->core, map + 24, &map))
			break;
	}
	return err;
}

/* Whether block is the executable's: where it lies is part of the psABI, as its
 * variables are reached without the vector. */
static bool is_first_block(const struct ch_sym *sym, const struct ch_module *module, uint64_t base,
			   uint64_t block)
{
	uint64_t align = ch_max(module->tls_align, 1), gap;

	if ((align & (align - 1)) || (block - module->tls_vaddr) & (align - 1))
		return false;
	if (ch_core_arch(sym->core) == CH_ARCH_X86_64)
		gap = base - block - module->tls_memsz;
	else
		gap = block - base - 16;
	return gap < align;
}

/* A module's block as a thread's vector of either library says. */
static bool read_block(const struct ch_sym *sym, uint64_t base, uint64_t id, bool musl,
		       uint64_t *ret)
{
	uint64_t vector, at;

	if (ch_core_arch(sym->core) == CH_ARCH_X86_64)
		at = base + 8;
	else
		at = musl ? base - 8 : base;
	return ch_core_read_u64(sym->core, at, &vector) &&
	       ch_core_read_u64(sym->core, vector + (musl ? 8 : 16) * id, ret);
}

/* Which library laid out a thread's vector. */
static bool is_musl(const struct ch_sym *sym, uint64_t base)
{
	const struct tls_module *first = sym->tls_modules.items;
	uint64_t block;

	if (first->library != LIBRARY_UNKNOWN || first->module->kind != CH_MODULE_EXE)
		return first->library == LIBRARY_MUSL;
	if (read_block(sym, base, first->id, false, &block) &&
	    is_first_block(sym, first->module, base, block))
		return false;
	return read_block(sym, base, first->id, true, &block) &&
	       is_first_block(sym, first->module, base, block);
}

struct ch_error *chp_tls_find(struct ch_sym *sym, uint64_t base, uint64_t addr,
			      const struct ch_module **module_ret, uint64_t *offset_ret)
{
	const struct tls_module *modules;
	struct ch_error *err;
	uint64_t block;
	bool musl;
	size_t i;

	*module_ret = NULL;
	*offset_ret = 0;
	err = list_modules(sym);
	if (err || !sym->tls_modules.count)
		return err;
	modules = sym->tls_modules.items;
	musl = is_musl(sym, base);
	for (i = 0; i < sym->tls_modules.count; i++) {
		if (!read_block(sym, base, modules[i].id, musl, &block) || addr < block ||
		    addr - block >= modules[i].module->tls_memsz)
			continue;
		*module_ret = modules[i].module;
		*offset_ret = addr - block;
		break;
	}
	return NULL;
}

struct ch_error *chp_tls_block(struct ch_sym *sym, uint64_t base, const struct ch_module *module,
			       uint64_t *ret)
{
	const struct tls_module *modules;
	struct ch_error *err;
	uint64_t block;
	uint8_t byte;
	size_t i;

	*ret = 0;
	err = list_modules(sym);
	if (err)
		return err;
	modules = sym->tls_modules.items;
	for (i = 0; i < sym->tls_modules.count && modules[i].module != module; i++)
		;
	/* A block that was not made yet is marked by an address that is none. */
	if (i < sym->tls_modules.count &&
	    read_block(sym, base, modules[i].id, is_musl(sym, base), &block) &&
	    ch_core_try_read(sym->core, block, &byte, sizeof(byte)))
		*ret = block;
	return NULL;
}
