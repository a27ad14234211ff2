/*
 * render.h - numbers, tables and JSON, in the format that the user asked for.
 *
 * A command fills a result struct and calls one ch_report_<result>() function in
 * src/report/<result>.c, which says what of it is shown; here it becomes bytes. It is written
 * to report->out only.
 *
 * Whatever came from the core is escaped here, with chp_text_escape() of util/text.h.
 */
#ifndef COREHEAP_RENDER_H
#define COREHEAP_RENDER_H

#include <stdarg.h>
#include <stdio.h>

#include <jansson.h>

#include <coreheap/coreheap.h>

#include "analysis/dump.h"
#include "util/number.h"

enum ch_format {
	/** Tables for people: thousands separators, binary sizes beside them. */
	CH_FORMAT_TEXT,
	/** Tab separated, exact, no separators, no headings' decoration. */
	CH_FORMAT_PLAIN,
	/** One document. */
	CH_FORMAT_JSON,
	/** One record a line. */
	CH_FORMAT_JSONL,
	/** For a ticket; only of commands that say so. */
	CH_FORMAT_MARKDOWN,
	/** A part of a page (render/html.h); only of `report`. */
	CH_FORMAT_HTML,
};

/** Columns where it is not known how many there are. */
#define CH_WIDTH_DEFAULT 80

struct ch_report {
	/** Where everything goes. */
	FILE *out;
	struct ch_session *session;
	enum ch_format format;
	/** Most rows of a list; 0 = all. */
	uint64_t limit;
	/** All were asked for (--limit 0): also of lists that are short by default. */
	bool unlimited;
	/** Columns of the screen; 0 = CH_WIDTH_DEFAULT. */
	uint32_t width;
	/** What matters is bold (TEXT). */
	bool bold;
	/** Show memory contents. */
	bool reveal;
	/** Leave out what depends on where the file lies. */
	bool reproducible;
	/** Of lines that are of many cores: where this one lies, as it was named; else NULL. */
	const char *path;
};

enum ch_cell_kind {
	CH_CELL_TEXT,
	/** Text that is a name from the core: a code span in MARKDOWN. */
	CH_CELL_NAME,
	/** A number with separators. */
	CH_CELL_COUNT,
	/** Exact bytes, and a binary size beside it in TEXT format. */
	CH_CELL_BYTES,
	CH_CELL_ADDR,
	/** number is hundredths of a percent. */
	CH_CELL_PERCENT,
	/** The same, a column only on a screen (TEXT) that has room for a bar beside it. */
	CH_CELL_SHARE,
	/** number is an int64_t; no separators. */
	CH_CELL_SIGNED,
	/** A number that counts nothing, as of a thread: no separators. */
	CH_CELL_NUMBER,
	/** Text that is escaped already, or our own word. */
	CH_CELL_SAFE,
	/** true or false. */
	CH_CELL_BOOL,
	/** Sixteen hexadecimal digits. */
	CH_CELL_ID,

	/* Of fields only (render/fields.h), not in tables. */

	/** A struct, and an array of structs (struct ch_rows). */
	CH_CELL_OBJECT,
	CH_CELL_ROWS,
	/** The same of plain values, which the first of its fields describes. */
	CH_CELL_VALUES,
	/** A struct ch_listing *; how many rows it shows, how many there are, and their weight. */
	CH_CELL_LIST,
	CH_CELL_SHOWN,
	CH_CELL_MATCHED,
	CH_CELL_WEIGHT,
	/** JSON that a function makes. */
	CH_CELL_PART,
};

struct ch_column {
	const char *title;
	enum ch_cell_kind kind;
};

struct ch_cell {
	/** For TEXT; NULL prints "-". Escaped by the table. */
	const char *text;
	/** For the other kinds. */
	uint64_t number;
	/** Prints "-" (TEXT format) or nothing (PLAIN). */
	bool absent;
};

#define CH_CELL_STR(s) ((struct ch_cell){ .text = (s) })
#define CH_CELL_NUM(n) ((struct ch_cell){ .number = (n) })
#define CH_CELL_NONE   ((struct ch_cell){ .absent = true })

/** Most columns of a table. */
#define CH_COLUMNS_MAX 24

struct ch_table;

/** columns is borrowed until the table ends. NULL when out of memory. */
struct ch_table *chp_table_create(const struct ch_column *columns, size_t columns_count);
void chp_table_destroy(struct ch_table *table);
/** Add one row: columns_count cells; texts are copied. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_table_row(struct ch_table *table, const struct ch_cell *cells);
/** Print heading and rows, columns aligned (TEXT), tab separated (PLAIN), between bars
 * (MARKDOWN). In TEXT the first column of shares has a bar, where the screen has room for it. */
void chp_table_print(const struct ch_table *table, const struct ch_report *report);

/**
 * One line of a block of facts: "label:   value" with values in one column
 * (TEXT), "label<tab>value" (PLAIN). The value is printed as it is: escape what
 * came from the core before.
 */
void chp_report_field(const struct ch_report *report, const char *label, const char *format, ...)
	CH_PRINTF(3, 4);
/** A field that is a size or a count: exact in PLAIN, with separators in TEXT. */
void chp_report_bytes_field(const struct ch_report *report, const char *label, uint64_t bytes);
void chp_report_count_field(const struct ch_report *report, const char *label, uint64_t count);
/** chp_bytes_text() in TEXT, only digits in PLAIN. */
char *chp_report_bytes_text(const struct ch_report *report, uint64_t bytes,
			    char buf[CH_BYTES_TEXT_MAX]);
size_t chp_report_width(const struct ch_report *report);
/** What begins and ends bold text; "" where nothing is bold. Static. */
const char *chp_bold(const struct ch_report *report);
const char *chp_not_bold(const struct ch_report *report);
/** Columns of a bar that stands for the whole, where there is room. */
#define CH_BAR_MAX 24
/** A bar for a share, in hundredths of a percent, where most columns, at most CH_BAR_MAX, are the
 * whole; and how many columns it takes. */
void chp_bar(FILE *out, uint64_t share, size_t most);
size_t chp_bar_len(uint64_t share, size_t most);
/**
 * Text and a newline, broken between words so that lines keep to width columns, and words
 * that are longer than a line at a joint of the name. The first line begins at column, the
 * others at indent.
 */
void chp_wrap(FILE *out, size_t width, size_t column, size_t indent, const char *text);
/** The first field, with chp_wrap() (TEXT). */
void chp_report_wrapped(const struct ch_report *report, const char *label, const char *value);
/** Heading of a block, after an empty line unless first (TEXT); "[title]" (PLAIN). */
void chp_report_heading(const struct ch_report *report, const char *title, bool first);
/** The rows of a list of count to show under report->limit. */
uint64_t chp_report_rows(const struct ch_report *report, uint64_t count);

/** A sentence for people (TEXT), with its newline. */
void chp_report_say(const struct ch_report *report, const char *format, ...) CH_PRINTF(2, 3);
/** Whether the format is JSON or JSONL. */
bool chp_report_is_json(const struct ch_report *report);

/** "showing N of M (B of T bytes)" when a list was cut; nothing otherwise. */
void chp_report_cut(const struct ch_report *report, uint64_t shown, uint64_t matched,
		    uint64_t shown_bytes, uint64_t matched_bytes);
/**
 * Findings as "warning: ..." and "note: ..." lines, after an empty line (TEXT
 * only: JSON has them in the envelope, and in the other formats the driver
 * puts them on standard error, so that each line of the output is a row).
 */
void chp_report_findings(const struct ch_report *report);
/** One finding as a line. */
void chp_report_finding(FILE *out, const struct ch_finding *finding);

/**
 * Escaped text for MARKDOWN: as a code span, or with a backslash before what would be
 * markup. Owned by the caller; NULL when out of memory.
 */
char *chp_markdown_code(const char *text);
char *chp_markdown_text(const char *text);

/*
 * All functions that make JSON return NULL when out of memory. json_pack() and
 * the functions here take NULL for a part and then fail as a whole, so only
 * chp_json_print_take() needs a check. Keys come out in the order they went in.
 */

/** The envelope of docs/JSON.md for schema "coreheap/<name>"; owned by the caller. */
json_t *chp_json_envelope(const struct ch_report *report, const char *schema_name);
/**
 * The document, or the line, of a core that could not be opened: the envelope with what is known,
 * and error {code, message}. The report needs no session. Errors: NOMEM, OS.
 */
CH_MUST_CHECK struct ch_error *chp_json_print_failure(const struct ch_report *report,
						      const char *schema_name, const char *path,
						      const struct ch_error *why);
/** The id of the dump that a report is of; "" where it is of none. Returns ret. */
const char *chp_json_dump_id(const struct ch_report *report, char ret[CH_DUMP_ID_MAX]);
/** The fields of a line of --jsonl that is no document, with the id of its dump if it has one;
 * fields is taken. */
json_t *chp_json_record_take(const char *dump_id, json_t *fields);
/** What the envelope says of a dump; its file is not told when reproducible. */
json_t *chp_json_dump(const struct ch_dump *dump, bool reproducible);
/** An element of the envelope's warnings[]. */
json_t *chp_json_finding(const struct ch_finding *finding);
/** true, false or null. */
json_t *chp_json_intact(enum ch_intact intact);
/** The envelope followed by the keys of fields, which is released. */
json_t *chp_json_document_take(const struct ch_report *report, const char *schema_name,
			       json_t *fields);
/** Append item to *array, both taken; *array becomes NULL on failure. */
void chp_json_append_take(json_t **array, json_t *item);
/** "0x..." string. New reference. */
json_t *chp_json_addr(uint64_t addr);
/** The same of a word of the target, and of what was used as an address there: null when
 * it may not be shown (core/contents.h). New reference. */
json_t *chp_json_word(const struct ch_core *core, uint64_t word);
json_t *chp_json_place(const struct ch_core *core, uint64_t addr);
/** Size or count; values above 2^63-1 become null. New reference. */
json_t *chp_json_uint(uint64_t number);
/** Escaped text, or null. New reference. */
json_t *chp_json_text(const char *text);
/** Percent with two decimals. New reference. */
json_t *chp_json_percent(uint64_t hundredths);
/** Print a document (JSON) or one line (JSONL) and release it. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_json_print_take(const struct ch_report *report, json_t *doc);

#endif /* COREHEAP_RENDER_H */
