#include <stdlib.h>

#include "sym/sym_priv.h"
#include "util/bytes.h"

/* Entries of a dynamic section, symbols, and bytes of names: beyond is damage. */
#define DYNAMIC_MAX   1024
#define SYMBOLS_MAX   (1U << 20)
#define STRINGS_MAX   (64ULL << 20)
#define BATCH_SYMBOLS 128

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
static uint32_t count_by_gnu_hash(const struct ch_core *core, uint64_t addr)
{
	uint32_t head[4], bucket, last = 0, i, entry = 0;
	uint64_t buckets, chains;

	if (!ch_core_try_read(core, addr, head, sizeof(head)) || head[0] > SYMBOLS_MAX ||
	    head[2] > SYMBOLS_MAX)
		return 0;
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
	for (; last < SYMBOLS_MAX; last++) {
		if (!ch_core_read_u32(core, chains + 4ULL * (last - le32toh(head[1])), &entry))
			return 0;
		if (entry & 1)
			return last + 1;
	}
	return 0;
}

/* DT_HASH: the number of chain entries, second word, is that of symbols (gABI). */
static uint32_t count_symbols(const struct ch_core *core, const struct dynamic *dynamic)
{
	uint32_t count = 0;

	if (dynamic->hash && ch_core_read_u32(core, dynamic->hash + 4, &count) &&
	    count <= SYMBOLS_MAX && count)
		return count;
	return dynamic->gnu_hash ? count_by_gnu_hash(core, dynamic->gnu_hash) : 0;
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
	count = count_symbols(sym->core, &dynamic);
	strings = count ? read_strings(sym, &dynamic) : NULL;
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
			    !visit(extra, strings + batch[k].st_name, &batch[k]))
				return;
	}
}
