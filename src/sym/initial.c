/*
 * What writable memory of a module held when the dynamic linker was done with
 * it, from the module's file: createdump's default dumps leave most of it out.
 *
 * What the linker then protects (RELRO) is what the process had, and stands in
 * for absent bytes as read-only pages do. All other data the program may have
 * changed: it is given only to who asks for a constant. A word that a symbol
 * look-up of the linker filled stays absent: the file does not tell it.
 *
 * Sources of the layout: gABI, "Relocation" and "Dynamic Section"; the x86-64 psABI
 * 4.4.1 and the AArch64 ABI, 5.7.16 for the types; glibc 2.36, elf/dl-reloc.c,
 * _dl_protect_relro(), for the bounds of what is protected.
 */
#include <stdlib.h>
#include <string.h>

#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Writable file bytes of one module, and of all together: libcoreclr.so has 0.3 MB. */
#define MODULE_BYTES_MAX (64ULL << 20)
#define TOTAL_BYTES_MAX  (256ULL << 20)
#define DYNAMIC_MAX      1024
/* Pieces that may be lent of one module, between words that the file does not tell;
 * libstdc++.so has 4,000. A file with more is made to cost time. */
#define PIECES_MAX 65536
/* No relocation of the ABIs writes more at a place; R_*_COPY is told apart. */
#define WRITTEN_MAX 16

/* The file bytes of one writable PT_LOAD, relocated. */
struct load {
	/* ELF addresses [start, end). */
	uint64_t start, end;
	uint8_t *data;
	/* A byte for each: not 0 where the file does not tell. */
	uint8_t *unknown;
};

struct ch_initial {
	/* of struct load */
	struct ch_vec loads;
};

/* Tables of relocations as ELF addresses and sizes; addr 0: none. */
struct tables {
	struct table {
		uint64_t addr, bytes;
	} rela, plt, relr;
	/* The table is one that this file does not read. */
	bool other;
};

/* Types that this file knows apart, of the machine. */
struct types {
	uint32_t relative, copy;
};

static struct types types_of(uint16_t machine)
{
	return machine == EM_AARCH64 ? (struct types){ R_AARCH64_RELATIVE, R_AARCH64_COPY }
				     : (struct types){ R_X86_64_RELATIVE, R_X86_64_COPY };
}

/* bytes file bytes of the module at an ELF address, or NULL. */
static const uint8_t *file_at(const struct ch_module_extra *extra, uint64_t addr, uint64_t bytes)
{
	const struct ch_image *image = &extra->image;
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type == PT_LOAD && addr >= phdr->p_vaddr &&
		    ch_inside(addr - phdr->p_vaddr, bytes, phdr->p_filesz) &&
		    ch_inside(phdr->p_offset + (addr - phdr->p_vaddr), bytes, extra->file_bytes))
			return extra->file_data + phdr->p_offset + (addr - phdr->p_vaddr);
	}
	return NULL;
}

static void read_tables(const struct ch_module_extra *extra, struct tables *ret)
{
	const Elf64_Phdr *dynamic = chp_image_phdr(&extra->image, PT_DYNAMIC);
	const uint8_t *row;
	uint64_t i, value;

	*ret = (struct tables){ .other = false };
	for (i = 0; dynamic && i < ch_min(dynamic->p_filesz / 16, DYNAMIC_MAX); i++) {
		row = file_at(extra, dynamic->p_vaddr + 16 * i, 16);
		if (!row || ch_get64(row) == DT_NULL)
			break;
		value = ch_get64(row + 8);
		switch (ch_get64(row)) {
		case DT_RELA:
			ret->rela.addr = value;
			break;
		case DT_RELASZ:
			ret->rela.bytes = value;
			break;
		case DT_JMPREL:
			ret->plt.addr = value;
			break;
		case DT_PLTRELSZ:
			ret->plt.bytes = value;
			break;
		case DT_RELR:
			ret->relr.addr = value;
			break;
		case DT_RELRSZ:
			ret->relr.bytes = value;
			break;
		case DT_REL:
			ret->other = true;
			break;
		case DT_PLTREL:
			ret->other = ret->other || value != DT_RELA;
			break;
		default:
			break;
		}
	}
}

static struct load *load_of(const struct ch_initial *initial, uint64_t addr)
{
	struct load *load;
	size_t i;

	for (i = 0; i < initial->loads.count; i++) {
		load = CH_VEC_AT(&initial->loads, struct load, i);
		if (addr >= load->start && addr < load->end)
			return load;
	}
	return NULL;
}

static void set_unknown(const struct ch_initial *initial, uint64_t addr, uint64_t bytes)
{
	struct load *load = load_of(initial, addr);

	if (load)
		memset(load->unknown + (addr - load->start), 1, ch_min(bytes, load->end - addr));
}

static void put_word(const struct ch_initial *initial, uint64_t addr, uint64_t value)
{
	struct load *load = load_of(initial, addr);

	if (!load)
		return;
	value = htole64(value);
	memcpy(load->data + (addr - load->start), &value, ch_min(sizeof(value), load->end - addr));
}

static void apply_rela(const struct ch_sym *sym, const struct ch_module *module,
		       const struct ch_initial *initial, const struct table *table)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const struct types types = types_of(sym->machine);
	const uint8_t *rows = file_at(extra, table->addr, table->bytes);
	uint64_t i, at;
	uint32_t type;

	for (i = 0; rows && i < table->bytes / sizeof(Elf64_Rela);
	     i++, rows += sizeof(Elf64_Rela)) {
		at = ch_get64(rows);
		type = (uint32_t)ch_get64(rows + 8);
		if (type == types.relative)
			put_word(initial, at, module->bias + ch_get64(rows + 16));
		else
			/* how much a copy takes, its symbol tells: all that follows */
			set_unknown(initial, at, type == types.copy ? UINT64_MAX : WRITTEN_MAX);
	}
}

static void add_bias(const struct ch_initial *initial, uint64_t addr, uint64_t bias)
{
	struct load *load = load_of(initial, addr);

	if (load && load->end - addr >= 8)
		put_word(initial, addr, bias + ch_get64(load->data + (addr - load->start)));
}

/* An even word is a place; an odd one a bitmap of the 63 words behind the last place. */
static void apply_relr(const struct ch_module_extra *extra, const struct ch_module *module,
		       const struct ch_initial *initial, const struct table *table)
{
	const uint8_t *rows = file_at(extra, table->addr, table->bytes);
	uint64_t i, word, where = 0, bit;

	for (i = 0; rows && i < table->bytes / 8; i++) {
		word = ch_get64(rows + 8 * i);
		if (!(word & 1)) {
			add_bias(initial, word, module->bias);
			where = word + 8;
			continue;
		}
		for (bit = 1; bit < 64; bit++)
			if (word >> bit & 1)
				add_bias(initial, where + 8 * (bit - 1), module->bias);
		where += 63 * 8ULL;
	}
}

/* The linker writes addresses of its own into the dynamic section. */
static void forget_dynamic(const struct ch_module_extra *extra, const struct ch_initial *initial)
{
	const Elf64_Phdr *dynamic = chp_image_phdr(&extra->image, PT_DYNAMIC);

	if (dynamic)
		set_unknown(initial, dynamic->p_vaddr, dynamic->p_memsz);
}

static bool add_load(const struct ch_module_extra *extra, const Elf64_Phdr *phdr,
		     struct ch_initial *initial)
{
	struct load *load = ch_vec_push(&initial->loads);

	if (!load)
		return false;
	*load = (struct load){ .start = phdr->p_vaddr, .end = phdr->p_vaddr };
	load->data = malloc(phdr->p_filesz);
	load->unknown = calloc(1, phdr->p_filesz);
	if (!load->data || !load->unknown)
		return false;
	memcpy(load->data, extra->file_data + phdr->p_offset, phdr->p_filesz);
	load->end += phdr->p_filesz;
	return true;
}

static bool add_loads(struct ch_sym *sym, const struct ch_module_extra *extra,
		      struct ch_initial *initial)
{
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < extra->image.phdrs_count; i++) {
		const Elf64_Phdr *phdr = &extra->image.phdrs[i];

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_W) || !phdr->p_filesz ||
		    !ch_inside(phdr->p_offset, phdr->p_filesz, extra->file_bytes))
			continue;
		bytes += phdr->p_filesz;
		if (phdr->p_filesz > MODULE_BYTES_MAX || bytes > MODULE_BYTES_MAX ||
		    bytes > TOTAL_BYTES_MAX - sym->initial_bytes)
			continue;
		if (!add_load(extra, phdr, initial))
			return false;
		sym->initial_bytes += phdr->p_filesz;
	}
	return true;
}

void chp_initial_destroy(struct ch_initial *initial)
{
	size_t i;

	if (!initial)
		return;
	for (i = 0; i < initial->loads.count; i++) {
		free(CH_VEC_AT(&initial->loads, struct load, i)->data);
		free(CH_VEC_AT(&initial->loads, struct load, i)->unknown);
	}
	ch_vec_deinit(&initial->loads);
	free(initial);
}

/* Once for a module; NULL in *ret where its file does not serve. */
static struct ch_error *open_initial(struct ch_sym *sym, const struct ch_module *module,
				     const struct ch_initial **ret)
{
	struct ch_module_extra *extra = chp_module_extra(sym, module);
	struct ch_initial *initial;
	struct tables tables;

	*ret = extra->initial;
	if (extra->initial || module->match != CH_MATCH_MATCHED || !extra->has_image)
		return NULL;
	read_tables(extra, &tables);
	if (tables.other)
		return NULL;
	initial = calloc(1, sizeof(*initial));
	if (!initial)
		return &ch_enomem;
	initial->loads = CH_VEC(struct load);
	if (!add_loads(sym, extra, initial)) {
		chp_initial_destroy(initial);
		return &ch_enomem;
	}
	apply_relr(extra, module, initial, &tables.relr);
	apply_rela(sym, module, initial, &tables.rela);
	apply_rela(sym, module, initial, &tables.plt);
	forget_dynamic(extra, initial);
	*ret = extra->initial = initial;
	return NULL;
}

/* Lend the bytes of [start, end), ELF addresses, that the file tells. */
static struct ch_error *lend_known(struct ch_sym *sym, const struct ch_module *module,
				   const struct load *load, uint64_t start, uint64_t end)
{
	struct ch_error *err = NULL;
	uint64_t at, to;
	size_t pieces = 0;

	start = ch_max(start, load->start);
	end = ch_min(end, load->end);
	for (at = start; !err && at < end && pieces < PIECES_MAX; at = to) {
		for (to = at; to < end &&
			      load->unknown[to - load->start] == load->unknown[at - load->start];)
			to++;
		if (load->unknown[at - load->start])
			continue;
		pieces++;
		err = ch_core_add_overlay(sym->core, module->bias + at, module->bias + to,
					  load->data + (at - load->start));
		if (err && err->code == CH_ERROR_ARG) {
			ch_error_destroy(err);
			err = NULL;
		}
	}
	return err;
}

/* Whether a byte of [start, end) is missing. */
static bool is_missing(const struct ch_core *core, uint64_t start, uint64_t end)
{
	size_t len = 0;

	while (start < end && ch_core_span(core, start, &len))
		start += len;
	return start < end;
}

static struct ch_error *lend_module(struct ch_sym *sym, const struct ch_module *module)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const struct ch_initial *initial = NULL;
	struct ch_error *err;
	uint64_t start, end;
	size_t i;

	/* The linker itself, and a static program, write into theirs before they protect it. */
	if (!extra->file_data || !ch_sym_module_relro(sym, module, &start, &end) ||
	    module->match != CH_MATCH_MATCHED || module->kind == CH_MODULE_INTERP ||
	    (module->kind == CH_MODULE_EXE && !chp_image_phdr(&extra->image, PT_INTERP)))
		return NULL;
	if (end <= start || !is_missing(sym->core, start, end))
		return NULL;
	err = open_initial(sym, module, &initial);
	for (i = 0; !err && initial && i < initial->loads.count; i++)
		err = lend_known(sym, module, CH_VEC_AT(&initial->loads, struct load, i),
				 start - module->bias, end - module->bias);
	return err;
}

struct ch_error *chp_initial_lend(struct ch_sym *sym)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < sym->modules.count; i++)
		err = lend_module(sym, CH_VEC_AT(&sym->modules, struct ch_module, i));
	return err;
}

struct ch_error *ch_sym_read_constant(struct ch_sym *sym, uint64_t addr, void *buf, size_t len)
{
	const struct ch_module *module = ch_sym_module_at(sym, addr);
	const struct ch_initial *initial = NULL;
	const struct load *load;
	struct ch_error *err;
	uint64_t at;

	err = ch_core_read(sym->core, addr, buf, len);
	if (!err || err->code != CH_ERROR_ABSENT || !module)
		return err;
	at = addr - module->bias;
	ch_error_destroy(err);
	err = open_initial(sym, module, &initial);
	if (err)
		return err;
	load = initial ? load_of(initial, at) : NULL;
	if (!load || !ch_inside(at - load->start, len, load->end - load->start) ||
	    memchr(load->unknown + (at - load->start), 1, len))
		return ch_core_read(sym->core, addr, buf, len);
	memcpy(buf, load->data + (at - load->start), len);
	return NULL;
}
