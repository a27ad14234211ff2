/*
 * show.h - what is inside of one object or block.
 */
#ifndef COREHEAP_ANALYSIS_SHOW_H
#define COREHEAP_ANALYSIS_SHOW_H

#include <coreheap/coreheap.h>

#include "heap/inspect.h"
#include "util/vec.h"

/** Frames of a stack trace that are read. */
#define CH_SHOW_FRAMES_MAX 1024

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
	/** The stack trace that it carries, and its frames, of struct ch_trace_frame, at most
	 * CH_SHOW_FRAMES_MAX. */
	bool has_trace;
	struct ch_trace trace;
	struct ch_vec frames;
	/** Word before the block that holds its size; valid if has_header. */
	bool has_header;
	uint64_t header;
	/** of struct ch_show_row */
	struct ch_vec rows;
	/** Elements or words there are, and how many rows stand for. */
	uint64_t items_count, items_shown;
};

struct ch_show_options {
	/** Static fields of its type, instead of those of the object. */
	bool statics;
	/** Contents are wanted, too: numbers, text. */
	bool reveal;
	/** Rows of elements or words at most; 0: a thousand. */
	uint64_t limit;
};

/**
 * The object or block that addr lies in. path NULL: the object itself, else a field of it:
 * "_entries[3].value", borrowed by ret. ret is the caller's to end with
 * ch_show_result_deinit() also on failure. Errors: ARG, those of the session, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_show_object(struct ch_session *session,
					       const struct ch_show_options *options, uint64_t addr,
					       const char *path, struct ch_show_result *ret);
/**
 * Static fields of a type, by its name or the address of its method table. *found_ret: there
 * is such a type. Otherwise as chp_show_object().
 */
CH_MUST_CHECK struct ch_error *chp_show_type(struct ch_session *session,
					     const struct ch_show_options *options,
					     const char *name, bool *found_ret,
					     struct ch_show_result *ret);
/** Fields of a type of a native program by its name, by debug information: where they lie, in no
 * object. Otherwise as chp_show_type(). */
CH_MUST_CHECK struct ch_error *chp_show_layout(struct ch_session *session,
					       const struct ch_show_options *options,
					       const char *name, bool *found_ret,
					       struct ch_show_result *ret);
void ch_show_result_deinit(struct ch_show_result *result);

#endif /* COREHEAP_ANALYSIS_SHOW_H */
