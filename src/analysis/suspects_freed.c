/*
 * What free() was given when glibc's malloc aborted the process: a block that was free already, or
 * an address that is no block's.
 */
#include <inttypes.h>
#include <string.h>

#include "analysis/suspects.h"
#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/number.h"

enum {
	FRAMES_MAX = 16,
	/* free() and _int_free(), which has what free() knew, and more that is stale. */
	FREE_FRAMES = 2,
	STACK_BYTES_MAX = 4096,
	TEXT_MAX = 1600,
};

/* Messages of glibc (malloc/malloc.c, 2.17 to 2.43), and what was done. */
static const struct row {
	const char *message, *words, *headline;
	bool is_free;
} rows[] = {
	{ "free(): double free detected in tcache", "a block was freed that was free already",
	  "a block was freed twice", true },
	{ "double free or corruption (fasttop)", "a block was freed that was free already",
	  "a block was freed twice", true },
	{ "double free or corruption",
	  "a block was freed that malloc has as free already: it was freed twice, or what malloc "
	  "keeps behind it was overwritten",
	  "a block was freed twice, or malloc's data is damaged", true },
	{ "free(): invalid pointer", "free() was given an address that is no block of malloc's",
	  "free() was given what is no block of malloc's", false },
	{ "munmap_chunk(): invalid pointer",
	  "free() was given an address that is no block of malloc's, or what malloc keeps before "
	  "the block was overwritten",
	  "free() was given what is no block of malloc's, or malloc's data is damaged", false },
	{ "realloc(): invalid pointer",
	  "realloc() was given an address that is no block of malloc's",
	  "realloc() was given what is no block of malloc's", false },
};

static const struct row *find_row(const struct ch_death *death)
{
	size_t i;

	if (death->dumped_alive || !death->message_kind ||
	    strcmp(death->message_kind, "malloc") != 0)
		return NULL;
	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (strncmp(death->message, rows[i].message, strlen(rows[i].message)) == 0)
			return &rows[i];
	return NULL;
}

const char *chp_freed_headline(const struct ch_death *death)
{
	const struct row *row = find_row(death);

	return row ? row->headline : NULL;
}

static bool is_damaged(const struct ch_suspecting *suspecting)
{
	const struct ch_suspect *list = suspecting->suspects->items;
	size_t i;

	for (i = 0; i < suspecting->suspects->count; i++)
		if (list[i].rule == CH_RULE_HEAP_DAMAGED)
			return true;
	return false;
}

/* The part of the stack that has the frames of free() and of what does its work: those above
 * print the message, over words that others left. Errors: those of unwinding. */
static struct ch_error *find_frames(const struct ch_suspecting *suspecting,
				    uint64_t starts[FREE_FRAMES], uint64_t *end_ret)
{
	const struct ch_core *core = ch_session_core(suspecting->session);
	struct ch_frame frames[FRAMES_MAX];
	const struct ch_module *module;
	struct ch_error *err;
	size_t count = 0, i, k;
	const char *end;

	*end_ret = 0;
	err = ch_heaps_unwind(suspecting->heaps, ch_core_process(core)->crash_index, frames,
			      FRAMES_MAX, &count, &end);
	if (err || !count)
		return err;
	for (i = 0; i < count; i++) {
		module = frames[i].symbol.module;
		if (!module || !chp_has_stem(module->name, "libc"))
			break;
	}
	/* linked in, nothing tells where the program begins */
	if (i < FREE_FRAMES || i == count ||
	    frames[i].sp - frames[i - FREE_FRAMES].sp > STACK_BYTES_MAX)
		return NULL;
	for (k = 0; k < FREE_FRAMES; k++)
		starts[k] = frames[i - 1 - k].sp;
	*end_ret = frames[i].sp;
	return NULL;
}

/* The one free block whose address these frames hold; headers are those of its neighbours, too.
 * False: there is none, or another one. */
static bool find_block(const struct ch_suspecting *suspecting, uint64_t start, uint64_t end,
		       struct ch_object *ret)
{
	const struct ch_core *core = ch_session_core(suspecting->session);
	struct ch_object object;
	bool found = false;
	uint64_t at, word;

	for (at = start; at < end; at += 8) {
		if (!ch_core_read_u64(core, at, &word) ||
		    !ch_heaps_object_at(suspecting->heaps, word, &object) ||
		    object.state != CH_OBJECT_FREE || word != object.addr)
			continue;
		if (found && object.addr != ret->addr)
			return false;
		*ret = object;
		found = true;
	}
	return found;
}

/* "; by what the frames of free() hold it is the one at 0x55... (3,000 bytes); a session at 0x55...
 * points at it" */
static struct ch_error *name_block(struct ch_suspecting *suspecting, struct ch_suspect *suspect,
				   char text[TEXT_MAX])
{
	char bytes[CH_BYTES_TEXT_MAX], pointed[TEXT_MAX] = "";
	uint64_t starts[FREE_FRAMES], end;
	struct ch_object object;
	struct ch_error *err;
	size_t k;

	err = find_frames(suspecting, starts, &end);
	for (k = 0; !err && end && k < FREE_FRAMES; k++)
		if (find_block(suspecting, starts[k], end, &object))
			break;
	if (err || !end || k == FREE_FRAMES)
		return err;
	suspect->sample_addr = object.addr;
	chp_suspect_next(suspect, "refs", object.addr);
	if (!suspecting->quick)
		err = chp_suspect_pointer(suspecting, object.addr, suspect, pointed,
					  sizeof(pointed));
	snprintf(text, TEXT_MAX,
		 "; by what the frames of free() hold it is the one at 0x%" PRIx64
		 " (%s bytes)%.900s",
		 object.addr, chp_count_text(object.size_bytes, bytes), pointed);
	return err;
}

/* The word before a block is the first that free() reads. */
static struct ch_error *find_unmapped(struct ch_suspecting *suspecting)
{
	static const char *const functions[] = { "free", "__libc_free", "cfree", "realloc",
						 "__libc_realloc" };
	struct ch_suspect suspect = { .rule = CH_RULE_BAD_FREE, .basis = CH_BASIS_DERIVED };
	const struct ch_process *process = ch_core_process(ch_session_core(suspecting->session));
	const struct ch_fault *fault = &suspecting->death->fault;
	struct ch_frame frame;
	struct ch_error *err;
	size_t count = 0, i;
	const char *end;

	if (suspecting->death->dumped_alive || fault->kind != CH_FAULT_UNMAPPED ||
	    !fault->addr_shown || fault->access != CH_ACCESS_READ || (fault->addr + 8) % 16)
		return NULL;
	err = ch_heaps_unwind(suspecting->heaps, process->crash_index, &frame, 1, &count, &end);
	if (err || !count || !frame.symbol.name || !frame.symbol.module ||
	    !chp_has_stem(frame.symbol.module->name, "libc"))
		return err;
	for (i = 0; i < CH_COUNT_OF(functions); i++)
		if (strcmp(frame.symbol.name, functions[i]) == 0)
			break;
	if (i == CH_COUNT_OF(functions))
		return NULL;
	chp_suspect_next(&suspect, "address", fault->addr + 8);
	return chp_suspect_take(suspecting, &suspect, 0,
				"%s() was given 0x%" PRIx64 ", where nothing is mapped: a large "
				"block that was freed before, or an address that is no block's",
				strstr(functions[i], "realloc") ? "realloc" : "free",
				fault->addr + 8);
}

struct ch_error *chp_suspect_freed(struct ch_suspecting *suspecting)
{
	struct ch_suspect suspect = { .rule = CH_RULE_BAD_FREE, .basis = CH_BASIS_DERIVED };
	const struct row *row = find_row(suspecting->death);
	struct ch_error *err = NULL;
	char block[TEXT_MAX] = "";

	if (is_damaged(suspecting))
		return NULL;
	if (!row)
		return find_unmapped(suspecting);
	chp_suspect_next(&suspect, "threads", 0);
	if (row->is_free)
		err = name_block(suspecting, &suspect, block);
	if (!err)
		return chp_suspect_take(suspecting, &suspect, 0, "%s%s", row->words, block);
	chp_suspect_deinit(&suspect);
	return err;
}
