/*
 * dwarfwriter.h - writes ELF files with debug information for tests: right ones and lying ones.
 *
 *	struct dwarfwriter *w = dw_create(5);
 *	dw_abbrev(w, 1, DW_TAG_compile_unit, true, (uint16_t[]){ DW_AT_name, DW_FORM_string, 0, 0
 *}); dw_uleb(w, 1); dw_text(w, "a.c"); bytes = dw_finish_take(w, &len);
 *
 * One unit; entries are written as bytes, in their order. It has no idea of what is right, and
 * ends the test when memory is short.
 */
#ifndef COREHEAP_TEST_DWARFWRITER_H
#define COREHEAP_TEST_DWARFWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dw_bytes {
	uint8_t *data;
	size_t len, capacity;
};

struct dwarfwriter {
	uint16_t version;
	struct dw_bytes info, abbrev;
	/** Added to the length of the unit: a lie. */
	uint32_t more;
};

/** A file with one unit of this version of DWARF, 4 or 5; its header is written. */
struct dwarfwriter *dw_create(uint16_t version);
/** An abbreviation; pairs of attribute and form, up to two zeros. */
void dw_abbrev(struct dwarfwriter *w, uint32_t code, uint16_t tag, bool children,
	       const uint16_t *pairs);
/** Where the next byte of .debug_info will be: what references of 4 bytes hold. */
uint32_t dw_at(const struct dwarfwriter *w);
/** Bytes of entries. */
void dw_fixed(struct dwarfwriter *w, uint64_t value, size_t bytes);
void dw_uleb(struct dwarfwriter *w, uint64_t value);
void dw_text(struct dwarfwriter *w, const char *text);
/** Overwrite four bytes that were written. */
void dw_patch(struct dwarfwriter *w, uint32_t at, uint32_t value);
/** The file, the caller's to free; w is gone. */
uint8_t *dw_finish_take(struct dwarfwriter *w, size_t *len_ret);

#endif /* COREHEAP_TEST_DWARFWRITER_H */
