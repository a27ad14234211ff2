/*
 * Frames as people read them: names of functions and of a runtime's methods, source lines,
 * functions that a compiler put into others; and a number for a stack that other processes share.
 */
#include "analysis/frame_names.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "heap/walker.h"
#include "sym/shown.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"

/* Functions that a compiler put into one another. */
#define INLINED_MAX      256
#define SOURCE_BYTES_MAX 256
#define SOURCES_MAX      16

/* Modules of runtimes: what is in them runs methods, or waits for them. */
static const char *const runtimes[] = { "libcoreclr.so", "libclrjit.so", "libhostpolicy.so",
					"libhostfxr.so", "dotnet",       "libjvm.so",
					"libjli.so",     "java" };

/* What a runtime says of a code address; cached, as many threads stand in the same. */
struct named {
	uint64_t pc;
	uint32_t depth;
	bool is_top;
	/* It depends on the frame: the rest is not set. */
	bool of_frame;
	/* NULL: no runtime knows it. */
	const char *name, *code, *source;
	uint64_t start, offset;
	uint32_t line;
};

void chp_frame_names_deinit(struct ch_frame_names *names)
{
	tdestroy(names->places, free);
	names->places = NULL;
}

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->pc != y->pc)
		return x->pc < y->pc ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->is_top - y->is_top;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* One copy of each; NULL: out of memory. */
const char *chp_frame_names_keep(struct ch_frame_names *names, const char *text)
{
	char **slot = tfind(text, &names->texts, compare_texts), *copy;

	if (slot)
		return *slot;
	copy = strdup(text);
	slot = copy ? tsearch(copy, &names->texts, compare_texts) : NULL;
	if (slot)
		return *slot;
	free(copy);
	return NULL;
}

static struct ch_error *ask(struct ch_frame_names *names, const struct ch_frame *frame,
			    struct named *ret)
{
	struct ch_code code;

	ret->name = NULL;
	if (!ch_heaps_frame_code(names->heaps, frame, ret->is_top, ret->depth, &code) ||
	    !code.name[0])
		return NULL;
	ret->name = chp_frame_names_keep(names, code.name);
	ret->source = code.source[0] ? chp_frame_names_keep(names, code.source) : NULL;
	if (!ret->name || (code.source[0] && !ret->source))
		return &ch_enomem;
	ret->code = code.kind;
	ret->start = code.start;
	ret->offset = code.offset;
	ret->line = code.line;
	ret->of_frame = strcmp(code.kind, "interpreted") == 0;
	return NULL;
}

/* The function of a frame at a depth. */
static struct ch_error *name_code(struct ch_frame_names *names, const struct ch_frame *frame,
				  struct named *ret)
{
	struct named *named, **slot = tfind(ret, &names->places, compare_named);
	struct ch_error *err;

	if (slot && !(*slot)->of_frame) {
		*ret = **slot;
		return NULL;
	}
	err = ask(names, frame, ret);
	if (err || slot)
		return err;
	named = malloc(sizeof(*named));
	if (!named)
		return &ch_enomem;
	*named = *ret;
	if (!tsearch(named, &names->places, compare_named)) {
		free(named);
		return &ch_enomem;
	}
	return NULL;
}

static bool add_frame(struct ch_frame_names *names, struct ch_vec *frames,
		      const struct ch_frame *frame, const struct named *named)
{
	struct ch_frame *slot = ch_vec_push(frames);

	if (!slot)
		return false;
	*slot = *frame;
	if (!named) {
		slot->symbol.name = chp_sym_shown(names->sym, frame->symbol.name);
		return true;
	}
	slot->symbol.name = named->name;
	slot->symbol.addr = named->start;
	slot->symbol.offset = named->offset;
	slot->code = named->code;
	slot->source = named->source;
	slot->line = named->line;
	return true;
}

/* A frame with its functions, as its runtime knows them. */
static struct ch_error *add_frames(struct ch_frame_names *names, const struct ch_frame *frame,
				   bool is_top, struct ch_vec *frames)
{
	struct named named = { .pc = frame->pc, .is_top = is_top };
	struct ch_error *err;
	size_t first = frames->count;

	for (; named.depth < INLINED_MAX && frames->count < names->frames_max; named.depth++) {
		err = name_code(names, frame, &named);
		if (err)
			return err;
		if (!named.name)
			break;
		if (named.depth)
			CH_VEC_AT(frames, struct ch_frame, frames->count - 1)->basis =
				CH_FRAME_INLINED;
		if (!add_frame(names, frames, frame, &named))
			return &ch_enomem;
	}
	return frames->count > first || add_frame(names, frames, frame, NULL) ? NULL : &ch_enomem;
}

/* A copy of a name from debug information; NULL, and no error, where there is none. */
static struct ch_error *keep_name(struct ch_frame_names *names, const char *name, const char **ret)
{
	_cleanup_free_ char *text = name ? chp_text_escape(name, SOURCE_BYTES_MAX) : NULL;

	*ret = text ? chp_frame_names_keep(names, text) : NULL;
	return !name || *ret ? NULL : &ch_enomem;
}

/* A frame of compiled code, with its source, and the functions that were put into it. */
static struct ch_error *add_compiled(struct ch_frame_names *names, const struct ch_frame *frame,
				     bool is_top, struct ch_vec *frames)
{
	struct ch_source sources[SOURCES_MAX];
	struct ch_error *err = NULL;
	struct ch_frame *slot;
	size_t count = 0, i;

	if (frame->symbol.module)
		count = ch_sym_sources(names->sym, frame->pc - !is_top, sources, SOURCES_MAX);
	if (!count)
		return add_frame(names, frames, frame, NULL) ? NULL : &ch_enomem;
	for (i = names->with_inlined ? 0 : count - 1;
	     !err && i < count && frames->count < names->frames_max; i++) {
		if (!add_frame(names, frames, frame, NULL))
			return &ch_enomem;
		slot = CH_VEC_AT(frames, struct ch_frame, frames->count - 1);
		slot->line = sources[i].line;
		err = keep_name(names, sources[i].file, &slot->source);
		if (err || !sources[i].function)
			continue;
		slot->basis = CH_FRAME_INLINED;
		slot->symbol.addr = slot->symbol.offset = slot->symbol.size_bytes = 0;
		err = keep_name(names, chp_sym_shown(names->sym, sources[i].function),
				&slot->symbol.name);
	}
	return err;
}

/* Frames that no module has a symbol for may be a runtime's, and some that have. */
struct ch_error *chp_frames_name(struct ch_frame_names *names, const struct ch_frame *found,
				 size_t count, struct ch_vec *frames)
{
	const struct ch_frame *frame;
	struct ch_error *err = NULL;
	bool is_top;
	size_t i;

	for (i = 0; !err && i < count && frames->count < names->frames_max; i++) {
		frame = &found[i];
		is_top = frame->basis == CH_FRAME_REGS || frame->basis == CH_FRAME_SIGNAL;
		if (frame->pc &&
		    (!frame->symbol.name || chp_heaps_owns_code(names->heaps, frame->pc - !is_top)))
			err = add_frames(names, frame, is_top, frames);
		else
			err = add_compiled(names, frame, is_top, frames);
	}
	return err;
}

bool chp_thread_row_method(const struct ch_frame *frame)
{
	return frame->code && strcmp(frame->code, "stub") != 0 &&
	       strcmp(frame->code, "interpreter") != 0;
}

bool chp_thread_row_runtime(const struct ch_frame *frame)
{
	const struct ch_module *module = frame->symbol.module;
	size_t i;

	if (chp_thread_row_method(frame))
		return false;
	/* "call stub", "interpreter" */
	if (frame->code)
		return true;
	for (i = 0; module && i < CH_COUNT_OF(runtimes); i++)
		if (strcmp(module->name, runtimes[i]) == 0)
			return true;
	return false;
}

/* Classes that the JVM made are called by their address: "Shop$$Lambda+0x00007fc341001880". */
static uint64_t hash_name(uint64_t hash, const char *name)
{
	const char *at = name;

	while ((at = strstr(at, "0x"))) {
		hash = ch_hash_bytes(hash, name, (size_t)(at - name));
		at += 2;
		name = at += strspn(at, "0123456789abcdef");
	}
	return ch_hash_bytes(hash, name, strlen(name) + 1);
}

/* A method by name and line, for it may be interpreted here and compiled there, once or more
 * often, and run on in another copy while it runs; other code by its module and place in it; any
 * other address outside of all is only "outside". */
static uint64_t hash_frame(uint64_t hash, const struct ch_sym *sym, const struct ch_frame *frame)
{
	const struct ch_module *module;

	if (chp_thread_row_method(frame))
		return ch_hash_number(hash_name(hash, frame->symbol.name), frame->line);
	module = ch_sym_module_at(sym, frame->pc);
	if (!module)
		return ch_hash_number(hash_name(hash, "outside"), 0);
	hash = ch_hash_bytes(hash, module->name, strlen(module->name) + 1);
	return ch_hash_number(hash, frame->pc - module->start);
}

static bool is_same_method(const struct ch_frame *frame, const struct ch_frame *last)
{
	return last && chp_thread_row_method(frame) &&
	       strcmp(frame->symbol.name, last->symbol.name) == 0 && frame->line == last->line;
}

uint64_t chp_frames_fingerprint(const struct ch_sym *sym, const struct ch_frame *frames,
				size_t count)
{
	bool with_methods = false;
	const struct ch_frame *frame, *last = NULL;
	uint64_t hash = CH_HASH_START;
	size_t i;

	for (i = 0; i < count; i++)
		with_methods |= chp_thread_row_method(&frames[i]);
	for (i = 0; i < count; i++) {
		frame = &frames[i];
		/* only with debug information at hand */
		if (frame->basis == CH_FRAME_INLINED && frame->symbol.module &&
		    !chp_thread_row_method(frame))
			continue;
		if ((with_methods || frame->code) && chp_thread_row_runtime(frame))
			continue;
		if (!is_same_method(frame, last))
			hash = hash_frame(hash, sym, frame);
		last = chp_thread_row_method(frame) ? frame : NULL;
	}
	return hash;
}
