/*
 * Identity of a PE image, as assemblies of .NET are: time stamp, size and checksum take the place
 * of a build-id.
 */
#include "sym/sym_priv.h"

#include "util/bytes.h"

/*
 * Microsoft PE/COFF specification: e_lfanew at 0x3c of the DOS header; the
 * COFF header follows "PE\0\0" (TimeDateStamp at 4, SizeOfOptionalHeader at
 * 16, NumberOfSections at 2); the optional header follows it (Magic at 0,
 * SizeOfImage at 56, SizeOfHeaders at 60, CheckSum at 64, in PE32 and PE32+
 * alike); then come section headers of 40 bytes (SizeOfRawData at 16,
 * PointerToRawData at 20).
 */
#define PE_LFANEW         0x3c
#define PE_HEADER_MAX     1024
#define PE_SIGNATURE      0x00004550
#define PE_OPTIONAL_BYTES 68
#define PE32_MAGIC        0x10b
#define PE32_PLUS_MAGIC   0x20b

static void read_sections(const uint8_t *data, uint64_t len, uint64_t at, uint32_t count,
			  struct ch_pe *ret)
{
	enum { SECTION_BYTES = 40, RAW_BYTES = 16, RAW_OFFSET = 20 };
	uint32_t i;

	for (i = 0; i < count && i < CH_PE_SECTIONS_MAX; i++, at += SECTION_BYTES) {
		if (!ch_inside(at, SECTION_BYTES, len))
			return;
		ret->sections[i].bytes = ch_get32(data + at + RAW_BYTES);
		ret->sections[i].offset = ch_get32(data + at + RAW_OFFSET);
		ret->sections_count++;
	}
}

bool chp_pe_parse(const uint8_t *data, uint64_t len, struct ch_pe *ret)
{
	const uint8_t *coff, *optional;
	uint64_t at;

	if (!ch_inside(0, PE_LFANEW + 4, len) || data[0] != 'M' || data[1] != 'Z')
		return false;
	at = ch_get32(data + PE_LFANEW);
	if (!ch_inside(at, 4 + 20 + PE_OPTIONAL_BYTES, len) || ch_get32(data + at) != PE_SIGNATURE)
		return false;
	coff = data + at + 4;
	optional = coff + 20;
	if (ch_get16(coff + 16) < PE_OPTIONAL_BYTES ||
	    (ch_get16(optional) != PE32_MAGIC && ch_get16(optional) != PE32_PLUS_MAGIC))
		return false;
	*ret = (struct ch_pe){ .timestamp = ch_get32(coff + 4),
			       .image_bytes = ch_get32(optional + 56),
			       .header_bytes = ch_get32(optional + 60),
			       .checksum = ch_get32(optional + 64) };
	read_sections(data, len, (uint64_t)(optional - data) + ch_get16(coff + 16),
		      ch_get16(coff + 2), ret);
	return true;
}

bool chp_pe_read(const struct ch_core *core, uint64_t addr, struct ch_pe *ret)
{
	uint8_t buf[PE_HEADER_MAX];

	return ch_core_try_read(core, addr, buf, sizeof(buf)) &&
	       chp_pe_parse(buf, sizeof(buf), ret);
}
