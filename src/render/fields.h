/*
 * render/fields.h - the fields of a result, written once for every format.
 *
 * A result is a struct; a table of struct ch_field_spec says where in it each field lies, what kind
 * of value that is, what it is called in JSON and on the screen, and what it means. From the
 * table come the columns of tables, the keys of documents, and docs/schema. Texts are escaped
 * on the way, but for those of CH_CELL_SAFE.
 *
 * A table is ended by CH_FIELDS_END. Its order is the one of keys; columns may have another.
 */
#ifndef COREHEAP_RENDER_FIELDS_H
#define COREHEAP_RENDER_FIELDS_H

#include "render/render.h"

enum ch_field_flags {
	/** Not always known or applicable: null in JSON. Of a text: where it is NULL. */
	CH_FIELD_OPTIONAL = 1 << 0,
	/** 0 stands for not known; of a text "". */
	CH_FIELD_NOT_ZERO = 1 << 1,
	/** A text that lies in the struct itself. */
	CH_FIELD_INSIDE = 1 << 2,
	/** The struct of a CH_CELL_OBJECT is pointed at; NULL is not known. */
	CH_FIELD_POINTED = 1 << 3,
	/** The fields of a CH_CELL_OBJECT are fields of the struct around it. */
	CH_FIELD_FLAT = 1 << 4,
	/** The array of a CH_CELL_ROWS or _VALUES is a struct ch_vec, not a struct ch_rows. */
	CH_FIELD_VEC = 1 << 5,
	/** There only where it was asked for, which the bool of CH_KNOWN() says: no key else. */
	CH_FIELD_ASKED = 1 << 6,
	/** Came after version 1.0, so that the schema does not require it. */
	CH_FIELD_LATER = 1 << 7,
};

/** An array of structs, as a member that a CH_CELL_ROWS field names. */
struct ch_rows {
	const void *items;
	size_t count, item_size;
};

#define CH_ROWS(array, n) ((struct ch_rows){ (array), (n), sizeof((array)[0]) })
#define CH_VEC_ROWS(vec)  ((struct ch_rows){ (vec)->items, (vec)->count, (vec)->item_size })

/** What is known of a list so far: a struct ch_listing (render/listing.h) begins with it. */
struct ch_list_state {
	uint64_t shown, matched, shown_bytes, matched_bytes;
	/** Its rows as JSON; who takes them leaves NULL. */
	json_t *array;
};

struct ch_list;

struct ch_field_spec {
	/** In JSON; NULL: not there. */
	const char *key;
	/** Heading of a column, or label in a block of facts; NULL: not there. */
	const char *title;
	enum ch_cell_kind kind;
	/** What it means, for the schema: a sentence. NULL without a key. */
	const char *about;
	/** Where the value lies in the struct: of CH_AT(). */
	size_t offset, size;
	/** CH_KNOWN(): a bool of the struct that says whether the value is known; 0: it is. */
	size_t known;
	/** enum ch_field_flags */
	uint32_t flags;
	/** Columns ascend by this, and among equals as in the table. */
	uint32_t column;
	/** Of a list that is not measured (render/lines.h): the width of the column. */
	uint32_t width;
	/** Instead of the offset: the value of a struct. */
	struct ch_cell (*get)(const void *row);
	/** Of CH_CELL_PART: JSON made elsewhere, NULL when out of memory. */
	json_t *(*part)(const struct ch_report *report, const void *row);
	/** Of CH_CELL_OBJECT, _ROWS and _VALUES: their fields; of CH_CELL_PART, for the schema: of
	 * the rows of an array that it is, or of the object; of CH_CELL_LIST: what it is. */
	const struct ch_field_spec *fields, *object;
	const struct ch_list *list;
	/** For the schema: all words that there are ("live|dead"); a part of envelope.json that
	 * describes the value ("basis"); a pattern that texts keep to. */
	const char *words, *ref, *pattern;
	/** For the schema: the least number, where that is not 0. */
	uint64_t least;
};

#define CH_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
/** Nowhere: of what JSON made elsewhere holds. */
#define CH_NOWHERE             .offset = 0
#define CH_KNOWN(type, member) .known = offsetof(type, member) + 1, .flags = CH_FIELD_OPTIONAL
#define CH_KNOWN_LATER(type, member)                                                               \
	.known = offsetof(type, member) + 1, .flags = CH_FIELD_OPTIONAL | CH_FIELD_LATER
#define CH_IF_ASKED(type, member) .known = offsetof(type, member) + 1, .flags = CH_FIELD_ASKED
#define CH_FIELDS_END                                                                              \
	{                                                                                          \
		.key = NULL, .title = NULL                                                         \
	}

/** For .get: a value that nothing tells yet, but that readers know. */
struct ch_cell chp_field_none(const void *row);
/** Whether this is the end of a table. */
bool chp_field_is_end(const struct ch_field_spec *field);
/** Whether the bool of CH_KNOWN() says that the value of row is known. */
bool chp_field_is_known(const struct ch_field_spec *field, const void *row);
/** Fields with a title in the order of columns, ended by NULL; how many. */
size_t chp_fields_columns(const struct ch_field_spec *fields,
			  const struct ch_field_spec *ret[CH_COLUMNS_MAX + 1]);
/** The value of a field of row; not of those with fields of their own. */
struct ch_cell chp_field_cell(const struct ch_field_spec *field, const void *row);
/** All fields with a key as an object. NULL when out of memory. */
json_t *chp_fields_json(const struct ch_report *report, const struct ch_field_spec *fields,
			const void *row);
/** Fields with a title as lines, as chp_report_field(); absent ones have none. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_fields_print(const struct ch_report *report,
						const struct ch_field_spec *fields,
						const void *row);

#endif /* COREHEAP_RENDER_FIELDS_H */
