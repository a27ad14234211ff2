/*
 * Symbols of a module that has no file: the dynamic table as it lies in memory, which is enough
 * for what libraries export. Tables are bounded, one by one and together, as they come from the
 * core.
 */
#include <stdlib.h>
#include <string.h>

#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/context.h"

/* Entries of a dynamic section, symbols, and bytes of names: beyond is damage. */
#define DYNAMIC_MAX   1024
#define SYMBOLS_MAX   (1U << 20)
#define STRINGS_MAX   (64ULL << 20)
#define BATCH_SYMBOLS 128
/* Of all modules together: tables may share their bytes. */
#define STRINGS_TOTAL_MAX STRINGS_MAX
#define SYMBOLS_TOTAL_MAX SYMBOLS_MAX
#define NAMES_TOTAL_MAX   (256ULL << 20)
/* Symbols of one bucket that are looked at. */
#define CHAIN_MAX 256

/* What the dynamic section says, as target addresses. */
struct dynamic {
	uint64_t symbols, strings, strings_bytes, hash, gnu_hash;
};

/* The linker may have added the bias to an address, or not. */
static uint64_t to_target(const struct ch_module *module, uint64_t value)
{
	return value >= module->start && value < module->end ? value : value + module->bias;
}

static bool read_dynamic(const struct ch_core *core, const struct ch_module *module,
			 const Elf64_Phdr *phdr, struct dynamic *ret)
{
	uint64_t i, tag, value, addr = module->bias + phdr->p_vaddr;

	for (i = 0; i < ch_min(phdr->p_filesz / 16, DYNAMIC_MAX); i++) {
		if (!ch_core_read_u64(core, addr + i * 16, &tag) ||
		    !ch_core_read_u64(core, addr + i * 16 + 8, &value) || tag == DT_NULL)
			break;
		if (tag == DT_SYMTAB)
			ret->symbols = to_target(module, value);
		else if (tag == DT_STRTAB)
			ret->strings = to_target(module, value);
		else if (tag == DT_STRSZ)
			ret->strings_bytes = value;
		else if (tag == DT_HASH)
			ret->hash = to_target(module, value);
		else if (tag == DT_GNU_HASH)
			ret->gnu_hash = to_target(module, value);
	}
	return ret->symbols && ret->strings && ret->strings_bytes &&
	       ret->strings_bytes <= STRINGS_MAX;
}

/*
 * Number of symbols by DT_GNU_HASH: the last chain of the table ends with the
 * last symbol. Four words (buckets, first symbol, bloom words, shift), the
 * bloom filter of 8-byte words, buckets, chains whose last entry is odd (glibc
 * 2.36, elf/dl-setup_hash.c and dl-lookup.c).
 */
static uint32_t count_by_gnu_hash(struct ch_sym *sym, uint64_t addr)
{
	const struct ch_core *core = sym->core;
	uint32_t head[4], bucket, last = 0, i, entry = 0, tries;
	uint64_t buckets, chains;

	if (!ch_core_try_read(core, addr, head, sizeof(head)) || head[0] > SYMBOLS_MAX ||
	    head[2] > SYMBOLS_MAX)
		return 0;
	if (sym->dynsym_name_bytes > NAMES_TOTAL_MAX)
		return 0;
	sym->dynsym_name_bytes += 4ULL * le32toh(head[0]);
	buckets = addr + sizeof(head) + 8ULL * le32toh(head[2]);
	for (i = 0; i < le32toh(head[0]); i++) {
		if (!ch_core_read_u32(core, buckets + 4ULL * i, &bucket))
			return 0;
		if (bucket > last)
			last = bucket;
	}
	if (last < le32toh(head[1]) || last >= SYMBOLS_MAX)
		return 0;
	chains = buckets + 4ULL * le32toh(head[0]);
	for (tries = 0; tries < CHAIN_MAX; tries++, last++) {
		if (!ch_core_read_u32(core, chains + 4ULL * (last - le32toh(head[1])), &entry))
			return 0;
		if (entry & 1)
			return last + 1;
	}
	return 0;
}

/* DT_HASH: the number of chain entries, second word, is that of symbols (gABI). */
static uint32_t count_symbols(struct ch_sym *sym, const struct dynamic *dynamic)
{
	uint32_t count = 0;

	if (dynamic->hash && ch_core_read_u32(sym->core, dynamic->hash + 4, &count) &&
	    count <= SYMBOLS_MAX && count)
		return count;
	return dynamic->gnu_hash ? count_by_gnu_hash(sym, dynamic->gnu_hash) : 0;
}

/* The names, kept by sym; absent ones are empty. */
static const char *read_strings(struct ch_sym *sym, const struct dynamic *dynamic)
{
	char *strings = calloc(1, dynamic->strings_bytes + 1);
	uint64_t done = 0;
	const uint8_t *p;
	size_t n = 0;

	while (strings && done < dynamic->strings_bytes) {
		p = ch_core_span(sym->core, dynamic->strings + done, &n);
		if (p) {
			n = ch_min(n, dynamic->strings_bytes - done);
			memcpy(strings + done, p, n);
		} else {
			n = ch_min(CH_PAGE_BYTES - (dynamic->strings + done) % CH_PAGE_BYTES,
				   dynamic->strings_bytes - done);
		}
		done += n;
	}
	return chp_sym_keep(sym, strings);
}

/* Whether the tables of one more module fit what all may take. */
static bool charge_tables(struct ch_sym *sym, const struct dynamic *dynamic, uint32_t count)
{
	if (dynamic->strings_bytes > STRINGS_TOTAL_MAX - sym->dynstr_bytes ||
	    count > SYMBOLS_TOTAL_MAX - sym->dynsym_count) {
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "too-many-symbols",
				    "the symbol tables in the core are larger than those of any "
				    "program; some modules go without names");
		return false;
	}
	sym->dynstr_bytes += dynamic->strings_bytes;
	sym->dynsym_count += count;
	return true;
}

/* Names may share their bytes, too, so each is charged as it is looked at. */
static bool charge_name(struct ch_sym *sym, const char *name)
{
	if (sym->dynsym_name_bytes > NAMES_TOTAL_MAX)
		return false;
	sym->dynsym_name_bytes += strnlen(name, NAMES_TOTAL_MAX);
	return true;
}

void chp_dynsym_visit(struct ch_sym *sym, const struct ch_module *module,
		      bool (*visit)(struct ch_module_extra *extra, const char *name,
				    const Elf64_Sym *symbol))
{
	struct ch_module_extra *extra = chp_module_extra(sym, module);
	const Elf64_Phdr *phdr =
		extra->has_image ? chp_image_phdr(&extra->image, PT_DYNAMIC) : NULL;
	Elf64_Sym batch[BATCH_SYMBOLS];
	struct dynamic dynamic = { 0 };
	uint32_t i, count, n, k;
	const char *strings;

	if (!phdr || !read_dynamic(sym->core, module, phdr, &dynamic))
		return;
	count = count_symbols(sym, &dynamic);
	strings = count && charge_tables(sym, &dynamic, count) ? read_strings(sym, &dynamic) : NULL;
	for (i = 1; strings && i < count; i += n) {
		n = count - i < BATCH_SYMBOLS ? count - i : BATCH_SYMBOLS;
		if (!ch_core_try_read(sym->core, dynamic.symbols + 24ULL * i, batch,
				      n * sizeof(batch[0])))
			n = ch_core_try_read(sym->core, dynamic.symbols + 24ULL * i, batch,
					     sizeof(batch[0]))
				    ? 1
				    : 0;
		if (!n)
			return;
		for (k = 0; k < n; k++)
			if (batch[k].st_name < dynamic.strings_bytes &&
			    (!charge_name(sym, strings + batch[k].st_name) ||
			     !visit(extra, strings + batch[k].st_name, &batch[k])))
				return;
	}
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

/* Whether symbol number index is a definition of name. */
static bool is_definition(const struct ch_core *core, const struct dynamic *dynamic, uint32_t index,
			  const char *name, Elf64_Sym *ret)
{
	size_t len = strlen(name) + 1;
	char text[128];

	return len <= sizeof(text) &&
	       ch_core_try_read(core, dynamic->symbols + 24ULL * index, ret, sizeof(*ret)) &&
	       ret->st_shndx != SHN_UNDEF &&
	       ch_core_try_read(core, dynamic->strings + ret->st_name, text, len) &&
	       memcmp(text, name, len) == 0;
}

/* Number of the first symbol of name's bucket: the bloom filter says at once of
 * most names that they are not there. 0: none. */
static uint32_t first_in_bucket(const struct ch_core *core, uint64_t addr, const uint32_t head[4],
				uint32_t hash)
{
	uint64_t filter, word = hash / 64 % head[2];
	uint32_t index;

	if (!ch_core_read_u64(core, addr + 16 + 8 * word, &filter) || !(filter >> hash % 64 & 1) ||
	    !(filter >> (hash >> head[3] % 32) % 64 & 1) ||
	    !ch_core_read_u32(core, addr + 16 + 8ULL * head[2] + 4ULL * (hash % head[0]), &index))
		return 0;
	return index < head[1] ? 0 : index;
}

bool ch_sym_exported(const struct ch_sym *sym, const struct ch_module *module, const char *name,
		     struct ch_symbol *ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const Elf64_Phdr *phdr =
		extra->has_image ? chp_image_phdr(&extra->image, PT_DYNAMIC) : NULL;
	uint32_t head[4], index, hash = gnu_hash_of(name), entry, i;
	struct dynamic dynamic = { 0 };
	uint64_t chains;
	Elf64_Sym symbol;

	if (!phdr || !read_dynamic(sym->core, module, phdr, &dynamic) || !dynamic.gnu_hash ||
	    !ch_core_try_read(sym->core, dynamic.gnu_hash, head, sizeof(head)) || !head[0] ||
	    !head[2])
		return false;
	index = first_in_bucket(sym->core, dynamic.gnu_hash, head, hash);
	chains = dynamic.gnu_hash + 16 + 8ULL * head[2] + 4ULL * head[0];
	for (i = 0; index && i < CHAIN_MAX; i++, index++) {
		if (!ch_core_read_u32(sym->core, chains + 4ULL * (index - head[1]), &entry))
			return false;
		if ((entry | 1) == (hash | 1) &&
		    is_definition(sym->core, &dynamic, index, name, &symbol)) {
			*ret = (struct ch_symbol){ .name = name,
						   .addr = symbol.st_value + module->bias,
						   .size_bytes = symbol.st_size,
						   .module = module };
			return true;
		}
		if (entry & 1)
			return false;
	}
	return false;
}
