/*
 * show.h - what is inside of one object or block.
 */
#ifndef COREHEAP_REPORT_SHOW_H
#define COREHEAP_REPORT_SHOW_H

#include "heap/inspect.h"
#include "render/render.h"
#include "util/vec.h"

/** What an address leads to. */
enum ch_target_kind {
	CH_TARGET_NONE,
	/** A null reference. */
	CH_TARGET_NULL,
	/** An object or block. */
	CH_TARGET_OBJECT,
	/** A module: its name, and a symbol if there is one. */
	CH_TARGET_MODULE,
	/** A method of a runtime with a compiler of its own. */
	CH_TARGET_METHOD,
	CH_TARGET_STACK,
	/** Other mapped memory, by its usage. */
	CH_TARGET_MEMORY,
	/** A reference to what is no object. */
	CH_TARGET_BAD,
};

struct ch_target {
	enum ch_target_kind kind;
	uint64_t addr;
	/** What is there instead of an address may not be shown. */
	bool hidden;
	/** How far behind the first byte of the object, symbol or module. */
	uint64_t into;
	/** Type of the object, the symbol or module, the usage. Unescaped, owned. */
	char *name;
	/** What count is of: "elements", "characters"; NULL: of nothing. Static. */
	const char *counted;
	uint64_t count;
	/** Thread of a stack. */
	uint32_t tid;
};

/** One field, element or word. Texts are unescaped and owned. */
struct ch_show_row {
	/** "P.X" for what lies in a structure P. */
	char *name;
	char *type, *declared_by;
	enum ch_value_kind kind;
	uint64_t offset, addr, size_bytes;
	/** Structures it lies in, inside of the object. */
	uint32_t depth;
	bool is_static, in_image;
	uint32_t tid;
	/** Its bytes are in the core. */
	bool present;
	struct ch_target target;
	/** Contents; NULL unless they are to be revealed. */
	char *value;
	/** Rows of words that lead nowhere: how many; 0: an ordinary row. */
	uint64_t words;
};

struct ch_show_result {
	struct ch_heaps *heaps;
	/** The object or block; without one the type itself is shown. */
	bool has_object;
	struct ch_object object;
	/** NULL without an object. */
	const struct ch_heap *heap;
	/** Walker that knows the type. Static. */
	const char *runtime;
	/** Unescaped, owned. */
	char *type;
	/** What was asked for lies behind the first byte; 0: nothing does. */
	uint64_t into;
	/** A field that was asked for by its path; NULL: the object itself. Borrowed. */
	const char *path;
	/** The path leads to a value in place: its address and type (owned). */
	bool is_value;
	uint64_t value_addr;
	char *value_type;
	/** Its runtime knows what is inside. */
	bool has_shape;
	struct ch_object_shape shape;
	/** What else the runtime says of it: "calls Program.OnError". Unescaped, owned;
	 * NULL: nothing. */
	char *detail;
	/** Contents of a string; NULL unless revealed; cut: there is more. Owned. */
	char *text;
	bool text_cut;
	/** Word before the block that holds its size; valid if has_header. */
	bool has_header;
	uint64_t header;
	/** of struct ch_show_row */
	struct ch_vec rows;
	/** Elements or words there are, and how many rows stand for. */
	uint64_t items_count, items_shown;
};

/** Text, plain or JSON. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_show(const struct ch_report *report,
					      const struct ch_show_result *result);
void ch_show_result_deinit(struct ch_show_result *result);

#endif /* COREHEAP_REPORT_SHOW_H */
