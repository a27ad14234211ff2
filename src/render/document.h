/*
 * render/document.h - what a command answers: fields, and lists among them.
 *
 * A command fills the struct of a document; its table says the rest. To add one, define
 * `const struct ch_document ch_document_<name>` in src/report: the build finds it, and
 * `make schemas` writes docs/schema/<name>.json.
 */
#ifndef COREHEAP_RENDER_DOCUMENT_H
#define COREHEAP_RENDER_DOCUMENT_H

#include "render/listing.h"

struct ch_document {
	/** Of the schema: "locks" is coreheap/locks. */
	const char *name;
	/** Heading of the schema. */
	const char *title;
	const struct ch_field_spec *fields;
	/** For the schema: fields of another answer that the command gives under this name. */
	const struct ch_field_spec *others;
	/** Fields of the last line, where the rows of a list are lines of --jsonl; NULL: there
	 * are none. */
	const struct ch_field_spec *closing;
	/** Said instead of everything else (TEXT) where the bool of the struct that CH_KNOWN()
	 * names here is false; NULL: always known. */
	const char *unknown;
	size_t known;
	/** Everything but JSON; NULL: fields and lists one after the other. */
	struct ch_error *(*print)(const struct ch_report *report, const void *result);
	/** A last sentence for people (TEXT); NULL: none. */
	void (*tail)(const struct ch_report *report, const void *result);
};

/** Generated from src/report, ended by NULL. */
extern const struct ch_document *const chp_documents[];

/** Print it in the format of the report, with the findings. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_document_print(const struct ch_report *report,
						  const struct ch_document *document,
						  const void *result);

/** Fields of a list that a document shows a part of: how many rows, of how many. */
#define CH_FIELDS_COUNTED(type, member)                                                            \
	{ "showing_count", NULL, CH_CELL_SHOWN, "How many rows are here.", CH_AT(type, member) },  \
	{                                                                                          \
		"matched_count", NULL, CH_CELL_MATCHED, "How many rows there are.",                \
			CH_AT(type, member)                                                        \
	}

/** Of a last line: whether the others are all. */
json_t *chp_part_complete(const struct ch_report *report, const void *result);
#define CH_FIELD_COMPLETE                                                                          \
	{                                                                                          \
		"complete", NULL, CH_CELL_PART, "As in the envelope of a document.",               \
			.part = chp_part_complete, .ref = "complete"                               \
	}

#endif /* COREHEAP_RENDER_DOCUMENT_H */
