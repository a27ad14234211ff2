/*
 * Names of addresses, and addresses of names: one sorted index a module, made from libdwfl's
 * tables or from memory when it is first asked for.
 */
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/search.h"

/* Symbols of all modules that were looked at; a browser's library has about a million. */
#define SYMBOLS_MAX (4U << 20)
/* A name longer than this is no use to anybody. */
#define NAME_BYTES_MAX 65536
/* Reach of a symbol without size where no section bounds it. */
#define SIZELESS_BYTES_MAX 4096
/* Symbols to look back over for one that is large enough. */
#define LOOK_BACK_MAX 4096

/*
 * Names that mark code and data for disassemblers: "$x", "$d.12" (ELF for the
 * Arm 64-bit Architecture, section "Mapping symbols"), and local labels.
 */
static bool is_marker(const char *name)
{
	return (name[0] == '$' && name[1] != '\0' && strchr("adtx", name[1]) &&
		(name[2] == '\0' || name[2] == '.')) ||
	       (name[0] == '.' && name[1] == 'L');
}

/* Lower is better: code and data before labels, "read" before "__libc_read". */
static uint16_t rank_of(const char *name, const GElf_Sym *symbol)
{
	const char *at = strchr(name, '@');
	unsigned int type = GELF_ST_TYPE(symbol->st_info), underscores = 0;

	while (underscores < 7 && name[underscores] == '_')
		underscores++;
	return (uint16_t)((type == STT_NOTYPE ? 0x100U : 0) | (at && at[1] != '@' ? 0x80U : 0) |
			  underscores << 1 | (GELF_ST_BIND(symbol->st_info) == STB_LOCAL ? 1U : 0));
}

/* Versioned names end in "@VERSION" or "@@VERSION": the name alone. */
static const char *bare_name(struct ch_sym *sym, const char *name)
{
	const char *at = strchr(name, '@');

	return at && at != name ? chp_sym_keep(sym, strndup(name, (size_t)(at - name))) : name;
}

/* Where a symbol without size ends at the latest: with its section. */
static uint64_t section_end(Elf *elf, GElf_Word index, GElf_Addr bias, uint64_t addr)
{
	Elf_Scn *section = index < SHN_LORESERVE ? elf_getscn(elf, index) : NULL;
	GElf_Shdr shdr;

	if (!section || !gelf_getshdr(section, &shdr) ||
	    addr - (shdr.sh_addr + bias) > shdr.sh_size)
		return addr + ch_min(SIZELESS_BYTES_MAX, UINT64_MAX - addr);
	return shdr.sh_addr + bias + shdr.sh_size;
}

static bool is_named(const char *name, GElf_Word section)
{
	return name && name[0] && section != SHN_UNDEF && section != SHN_ABS && !is_marker(name) &&
	       strnlen(name, NAME_BYTES_MAX) < NAME_BYTES_MAX;
}

/* Whether a table entry names a place in memory. */
static bool is_place(const char *name, const GElf_Sym *symbol, GElf_Word section)
{
	switch (GELF_ST_TYPE(symbol->st_info)) {
	case STT_SECTION:
	case STT_FILE:
	case STT_TLS:
		return false;
	default:
		return is_named(name, section);
	}
}

/* A thread-local variable: its value is its offset into the module's block. */
static bool add_tls(struct ch_module_extra *extra, const char *name, const GElf_Sym *symbol,
		    GElf_Word section)
{
	const char *bare;
	struct ch_sym_entry *entry;

	if (!is_named(name, section))
		return true;
	bare = extra->sym->symbols_count < SYMBOLS_MAX ? bare_name(extra->sym, name) : NULL;
	entry = bare ? ch_vec_push(&extra->tls_symbols) : NULL;
	if (!entry)
		return false;
	extra->sym->symbols_count++;
	entry->name = bare;
	entry->addr = symbol->st_value;
	entry->end = symbol->st_value + ch_min(symbol->st_size, UINT64_MAX - symbol->st_value);
	entry->rank = rank_of(name, symbol);
	return true;
}

/* Put one symbol into the index; end 0: not known. false when out of memory or full. */
static bool add_entry(struct ch_module_extra *extra, const char *name, const GElf_Sym *symbol,
		      uint64_t addr, uint64_t end)
{
	const struct ch_module *module =
		CH_VEC_AT(&extra->sym->modules, struct ch_module, extra->index);
	const char *bare =
		extra->sym->symbols_count < SYMBOLS_MAX ? bare_name(extra->sym, name) : NULL;
	struct ch_sym_entry *entry = bare ? ch_vec_push(&extra->symbols) : NULL;

	if (!entry)
		return false;
	extra->sym->symbols_count++;
	entry->name = bare;
	entry->addr = addr;
	entry->sizeless = symbol->st_size == 0;
	entry->end = entry->sizeless ? end : addr + ch_min(symbol->st_size, module->end - addr);
	entry->rank = rank_of(name, symbol);
	entry->local = GELF_ST_BIND(symbol->st_info) == STB_LOCAL;
	return true;
}

static bool is_inside(const struct ch_module_extra *extra, uint64_t addr)
{
	const struct ch_module *module =
		CH_VEC_AT(&extra->sym->modules, struct ch_module, extra->index);

	return addr >= module->start && addr < module->end;
}

/* One symbol of libdwfl's table. */
static bool add_from_dwfl(struct ch_module_extra *extra, int index)
{
	GElf_Word section = 0;
	GElf_Addr addr, bias;
	const char *name;
	Elf *elf = NULL;
	GElf_Sym symbol;

	name = dwfl_module_getsym_info(extra->dwfl, index, &symbol, &addr, &section, &elf, &bias);
	if (name && GELF_ST_TYPE(symbol.st_info) == STT_TLS)
		return add_tls(extra, name, &symbol, section);
	if (!name || !is_place(name, &symbol, section) || !is_inside(extra, addr))
		return true;
	return add_entry(extra, name, &symbol, addr,
			 symbol.st_size ? 0 : section_end(elf, section, bias, addr));
}

/* One symbol of the dynamic table in memory. */
static bool add_from_memory(struct ch_module_extra *extra, const char *name,
			    const Elf64_Sym *symbol)
{
	uint64_t addr = symbol->st_value +
			CH_VEC_AT(&extra->sym->modules, struct ch_module, extra->index)->bias;

	if (GELF_ST_TYPE(symbol->st_info) == STT_TLS)
		return add_tls(extra, name, symbol, symbol->st_shndx);
	if (!is_place(name, symbol, symbol->st_shndx) || !is_inside(extra, addr))
		return true;
	return add_entry(extra, name, symbol, addr, addr + SIZELESS_BYTES_MAX);
}

/* By address; of several at one address the best name last. */
static int compare_entries(const void *a, const void *b)
{
	const struct ch_sym_entry *x = a, *y = b;
	size_t x_len, y_len;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->sizeless != y->sizeless)
		return x->sizeless ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	x_len = strlen(x->name);
	y_len = strlen(y->name);
	if (x_len != y_len)
		return x_len > y_len ? -1 : 1;
	return strcmp(y->name, x->name);
}

/* Sizeless symbols end at the next one; max_end lets look-ups stop early. */
static void finish_index(struct ch_vec *symbols)
{
	struct ch_sym_entry *entries = symbols->items;
	uint64_t max_end = 0, next = UINT64_MAX;
	size_t i;

	for (i = symbols->count; i-- > 0;) {
		if (entries[i].sizeless)
			entries[i].end = ch_min(entries[i].end, ch_max(next, entries[i].addr + 1));
		if (i > 0 && entries[i - 1].addr != entries[i].addr)
			next = entries[i].addr;
	}
	for (i = 0; i < symbols->count; i++) {
		max_end = ch_max(max_end, entries[i].end);
		entries[i].max_end = max_end;
	}
}

/* The index of a module, made at first use; may be empty. */
static const struct ch_vec *index_of(struct ch_sym *sym, const struct ch_module *module)
{
	struct ch_module_extra *extra = chp_module_extra(sym, module);
	int count = 0, i;

	if (extra->indexed)
		return &extra->symbols;
	extra->indexed = true;
	if (chp_dwfl_open(sym) && extra->dwfl)
		count = dwfl_module_getsymtab(extra->dwfl);
	if (count > (int)SYMBOLS_MAX)
		count = (int)SYMBOLS_MAX;
	for (i = 1; i < count; i++)
		if (!add_from_dwfl(extra, i))
			break;
	/* No file: what was loaded for the dynamic linker. */
	if (count <= 1 && module->kind != CH_MODULE_PE)
		chp_dynsym_visit(sym, module, add_from_memory);
	ch_vec_sort(&extra->symbols, compare_entries);
	finish_index(&extra->symbols);
	return &extra->symbols;
}

/* Number of entries that start at or below addr. */
static size_t entries_up_to(const struct ch_vec *symbols, uint64_t addr)
{
	const struct ch_sym_entry *entries = symbols->items;

	return ch_search(entries, symbols->count, it, it->addr <= addr);
}

/* The innermost sized symbol around addr, else a sizeless one that reaches it. */
static const struct ch_sym_entry *find_entry(const struct ch_vec *symbols, uint64_t addr)
{
	const struct ch_sym_entry *entries = symbols->items, *sizeless = NULL;
	size_t i = entries_up_to(symbols, addr), steps = 0;

	for (; i > 0 && entries[i - 1].max_end > addr && steps < LOOK_BACK_MAX; i--, steps++) {
		if (entries[i - 1].end <= addr)
			continue;
		if (!entries[i - 1].sizeless)
			return &entries[i - 1];
		if (!sizeless)
			sizeless = &entries[i - 1];
	}
	return sizeless;
}

static void fill_symbol(const struct ch_sym_entry *entry, const struct ch_module *module,
			uint64_t addr, struct ch_symbol *ret)
{
	*ret = (struct ch_symbol){ .name = entry->name,
				   .addr = entry->addr,
				   .size_bytes = entry->sizeless ? 0 : entry->end - entry->addr,
				   .offset = addr - entry->addr,
				   .module = module };
}

bool ch_sym_at(struct ch_sym *sym, uint64_t addr, struct ch_symbol *ret)
{
	const struct ch_module *module = ch_sym_module_at(sym, addr);
	const struct ch_vec *symbols = module ? index_of(sym, module) : NULL;
	const struct ch_sym_entry *entry = symbols ? find_entry(symbols, addr) : NULL;

	if (!entry)
		return false;
	fill_symbol(entry, module, addr, ret);
	return true;
}

bool ch_sym_tls_at(struct ch_sym *sym, const struct ch_module *module, uint64_t offset,
		   struct ch_symbol *ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const struct ch_sym_entry *entry, *best = NULL;
	size_t i;

	index_of(sym, module);
	for (i = 0; i < extra->tls_symbols.count; i++) {
		entry = CH_VEC_AT(&extra->tls_symbols, struct ch_sym_entry, i);
		if (offset < entry->addr || offset >= entry->end)
			continue;
		if (!best || entry->rank < best->rank)
			best = entry;
	}
	if (best)
		fill_symbol(best, module, offset, ret);
	return best != NULL;
}

/* The best entry of a name: global before local, then by rank, then by address. */
static const struct ch_sym_entry *find_name(const struct ch_vec *symbols, const char *name)
{
	const struct ch_sym_entry *entries = symbols->items, *best = NULL;
	size_t i;

	for (i = 0; i < symbols->count; i++) {
		if (strcmp(entries[i].name, name) != 0)
			continue;
		if (!best || entries[i].local < best->local ||
		    (entries[i].local == best->local && entries[i].rank < best->rank))
			best = &entries[i];
	}
	return best;
}

bool ch_sym_by_name(struct ch_sym *sym, const struct ch_module *module, const char *name,
		    struct ch_symbol *ret)
{
	const struct ch_module *modules = sym->modules.items, *local_module = NULL;
	const struct ch_sym_entry *entry, *local = NULL;
	size_t i = module ? (size_t)(module - modules) : 0;
	size_t end = module ? i + 1 : sym->modules.count;

	for (; i < end; i++) {
		entry = find_name(index_of(sym, &modules[i]), name);
		if (entry && !entry->local) {
			fill_symbol(entry, &modules[i], entry->addr, ret);
			return true;
		}
		if (entry && !local) {
			local = entry;
			local_module = &modules[i];
		}
	}
	if (local)
		fill_symbol(local, local_module, local->addr, ret);
	return local != NULL;
}
