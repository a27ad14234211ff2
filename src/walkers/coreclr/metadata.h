/*
 * metadata.h - ECMA-335 metadata of a managed module, read from the target.
 *
 * Layout: ECMA-335, 6th edition, partition II, 24 (streams, tables) and 25 (the
 * PE file). Only what names types, fields and methods is looked at. All numbers
 * are the core's: every index is checked against the table it leads into.
 */
#ifndef COREHEAP_WALKERS_CORECLR_METADATA_H
#define COREHEAP_WALKERS_CORECLR_METADATA_H

#include <coreheap/core.h>

/** Tables by number, as in the standard. */
enum clr_table {
	CLR_TABLE_MODULE = 0x00,
	CLR_TABLE_TYPE_REF = 0x01,
	CLR_TABLE_TYPE_DEF = 0x02,
	CLR_TABLE_FIELD = 0x04,
	CLR_TABLE_METHOD_PTR = 0x05,
	CLR_TABLE_METHOD_DEF = 0x06,
	CLR_TABLE_MEMBER_REF = 0x0a,
	CLR_TABLE_CONSTANT = 0x0b,
	CLR_TABLE_TYPE_SPEC = 0x1b,
	CLR_TABLE_ASSEMBLY = 0x20,
	CLR_TABLE_NESTED_CLASS = 0x29,
};
#define CLR_TABLES 0x2d

struct clr_metadata {
	const struct ch_core *core;
	/** #Strings: target address and size. */
	uint64_t strings, strings_bytes;
	/** #Blob; 0: there is none. */
	uint64_t blobs, blobs_bytes;
	/** First row, number of rows and bytes of a row of each table. */
	uint64_t tables[CLR_TABLES];
	uint32_t rows[CLR_TABLES];
	uint32_t row_bytes[CLR_TABLES];
	/** Indexes into the heaps have 4 bytes, not 2. */
	bool wide_strings, wide_guids, wide_blobs;
};

/** Columns that are asked for. */
enum clr_column {
	CLR_MODULE_NAME = 1,
	CLR_TYPE_REF_SCOPE = 0,
	CLR_TYPE_REF_NAME = 1,
	CLR_TYPE_REF_NAMESPACE = 2,
	CLR_TYPE_DEF_FLAGS = 0,
	CLR_TYPE_DEF_NAME = 1,
	CLR_TYPE_DEF_NAMESPACE = 2,
	CLR_TYPE_DEF_FIELDS = 4,
	CLR_TYPE_DEF_METHODS = 5,
	CLR_ASSEMBLY_VERSION = 1,
	CLR_ASSEMBLY_NAME = 7,
	CLR_FIELD_FLAGS = 0,
	CLR_FIELD_NAME = 1,
	CLR_FIELD_SIGNATURE = 2,
	CLR_METHOD_DEF_NAME = 3,
	CLR_MEMBER_REF_NAME = 1,
	CLR_CONSTANT_PARENT = 1,
	CLR_CONSTANT_VALUE = 2,
	CLR_TYPE_SPEC_SIGNATURE = 0,
	CLR_NESTED_CLASS_NESTED = 0,
	CLR_NESTED_CLASS_ENCLOSING = 1,
};

/** Read the heads of the metadata at addr. False: there is none, or it is damaged. */
bool clr_metadata_open(const struct ch_core *core, uint64_t addr, uint64_t bytes,
		       struct clr_metadata *ret);
/**
 * The metadata of the PE image at base, be it laid out as the loader maps it or
 * as it lies in the file.
 */
bool clr_metadata_open_image(const struct ch_core *core, uint64_t base, struct clr_metadata *ret);

/** What tells builds of the PE image at base apart: TimeDateStamp and SizeOfImage. */
bool clr_image_identity(const struct ch_core *core, uint64_t base, uint32_t *timestamp_ret,
			uint32_t *bytes_ret);
/** The header of the compiled code in the PE image at base, if there is one. */
bool clr_image_ready_to_run(const struct ch_core *core, uint64_t base, uint64_t *ret);

/** A cell; row counts from 1. False when there is no such row. */
bool clr_metadata_cell(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
		       uint32_t column, uint32_t *ret);
/** A cell that is a string, unescaped. False when it is absent. */
bool clr_metadata_string(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
			 uint32_t column, char *buf, size_t max);
/** A cell that is a blob: at most max bytes of it. Returns how many, 0 when it is
 * absent. */
size_t clr_metadata_blob(const struct clr_metadata *metadata, enum clr_table table, uint32_t row,
			 uint32_t column, uint8_t *buf, size_t max);
/** The first row of a table whose column, by which it is sorted, is value; 0: none. */
uint32_t clr_metadata_find(const struct clr_metadata *metadata, enum clr_table table,
			   uint32_t column, uint32_t value);
/** The type that a nested type (row of TypeDef) lies in; 0: it is not nested. */
uint32_t clr_metadata_enclosing(const struct clr_metadata *metadata, uint32_t row);

#endif /* COREHEAP_WALKERS_CORECLR_METADATA_H */
