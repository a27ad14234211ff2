/* See dwarfwriter.h. */
#include "support/dwarfwriter.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { SECTION_NONE, SECTION_INFO, SECTION_ABBREV, SECTION_NAMES, SECTIONS };

static const char names[] = "\0.debug_info\0.debug_abbrev\0.shstrtab";
static const uint32_t name_offsets[SECTIONS] = { 0, 1, 13, 27 };

static void put(struct dw_bytes *bytes, const void *data, size_t len)
{
	if (bytes->len + len > bytes->capacity) {
		bytes->capacity = 2 * (bytes->len + len);
		bytes->data = realloc(bytes->data, bytes->capacity);
		if (!bytes->data)
			abort();
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

static void put_uleb(struct dw_bytes *bytes, uint64_t value)
{
	uint8_t byte;

	do {
		byte = value & 0x7f;
		value >>= 7;
		if (value)
			byte |= 0x80;
		put(bytes, &byte, 1);
	} while (value);
}

struct dwarfwriter *dw_create(uint16_t version)
{
	struct dwarfwriter *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->version = version;
	dw_fixed(w, 0, 4);
	dw_fixed(w, version, 2);
	if (version >= 5) {
		dw_fixed(w, 1, 1);
		dw_fixed(w, 8, 1);
		dw_fixed(w, 0, 4);
	} else {
		dw_fixed(w, 0, 4);
		dw_fixed(w, 8, 1);
	}
	return w;
}

void dw_abbrev(struct dwarfwriter *w, uint32_t code, uint16_t tag, bool children,
	       const uint16_t *pairs)
{
	uint8_t flag = children;
	size_t i;

	put_uleb(&w->abbrev, code);
	put_uleb(&w->abbrev, tag);
	put(&w->abbrev, &flag, 1);
	for (i = 0; pairs[i]; i++)
		put_uleb(&w->abbrev, pairs[i]);
	put_uleb(&w->abbrev, 0);
	put_uleb(&w->abbrev, 0);
}

uint32_t dw_at(const struct dwarfwriter *w)
{
	return (uint32_t)w->info.len;
}

void dw_fixed(struct dwarfwriter *w, uint64_t value, size_t bytes)
{
	put(&w->info, &value, bytes);
}

void dw_uleb(struct dwarfwriter *w, uint64_t value)
{
	put_uleb(&w->info, value);
}

void dw_text(struct dwarfwriter *w, const char *text)
{
	put(&w->info, text, strlen(text) + 1);
}

void dw_patch(struct dwarfwriter *w, uint32_t at, uint32_t value)
{
	memcpy(w->info.data + at, &value, sizeof(value));
}

static void put_section(Elf64_Shdr *shdr, uint32_t name, uint32_t type, struct dw_bytes *file,
			const void *data, size_t len)
{
	*shdr = (Elf64_Shdr){ .sh_name = name,
			      .sh_type = type,
			      .sh_offset = file->len,
			      .sh_size = len,
			      .sh_addralign = 1 };
	put(file, data, len);
}

uint8_t *dw_finish_take(struct dwarfwriter *w, size_t *len_ret)
{
	Elf64_Shdr shdrs[SECTIONS] = { { .sh_type = SHT_NULL } };
	Elf64_Ehdr ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_DYN,
			    .e_machine = EM_X86_64,
			    .e_version = EV_CURRENT,
			    .e_ehsize = sizeof(ehdr),
			    .e_shentsize = sizeof(shdrs[0]),
			    .e_shnum = SECTIONS,
			    .e_shstrndx = SECTION_NAMES };
	struct dw_bytes file = { .data = NULL };

	dw_patch(w, 0, (uint32_t)w->info.len - 4 + w->more);
	put(&w->abbrev, "", 1);
	put(&file, &ehdr, sizeof(ehdr));
	put_section(&shdrs[SECTION_INFO], name_offsets[SECTION_INFO], SHT_PROGBITS, &file,
		    w->info.data, w->info.len);
	put_section(&shdrs[SECTION_ABBREV], name_offsets[SECTION_ABBREV], SHT_PROGBITS, &file,
		    w->abbrev.data, w->abbrev.len);
	put_section(&shdrs[SECTION_NAMES], name_offsets[SECTION_NAMES], SHT_STRTAB, &file, names,
		    sizeof(names));
	while (file.len % 8)
		put(&file, "", 1);
	ehdr.e_shoff = file.len;
	put(&file, shdrs, sizeof(shdrs));
	memcpy(file.data, &ehdr, sizeof(ehdr));
	free(w->info.data);
	free(w->abbrev.data);
	free(w);
	*len_ret = file.len;
	return file.data;
}
