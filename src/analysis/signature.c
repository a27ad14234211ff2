/*
 * Which frames say what happened.
 */
#include "analysis/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/plain_name.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/text.h"

/* Why a function says nothing of what happened. */
enum part {
	/* The program asked for the signal itself. */
	SENDS = 1,
	/* On the way from what went wrong to that. */
	REPORTS,
	/* Where threads and programs begin. */
	BEGINS,
	/* Inside of malloc() and free(): each release of glibc is cut into others. */
	ALLOCATES,
};

static const struct left_out {
	const char *name;
	enum part part;
	/* All names that begin so. */
	bool begins;
} left_out[] = {
	{ "abort", SENDS, false },
	{ "raise", SENDS, false },
	{ "gsignal", SENDS, false },
	{ "kill", SENDS, false },
	{ "tgkill", SENDS, false },
	{ "pthread_kill", SENDS, false },
	{ "__pthread_kill", SENDS, true },
	{ "__restore_rt", REPORTS, false },
	{ "__kernel_rt_sigreturn", REPORTS, false },
	{ "__libc_message", REPORTS, true },
	{ "__libc_fatal", REPORTS, false },
	{ "malloc_printerr", REPORTS, true },
	{ "__fortify_fail", REPORTS, true },
	{ "__chk_fail", REPORTS, false },
	{ "__stack_chk_fail", REPORTS, true },
	{ "__assert_fail", REPORTS, true },
	{ "__assert_perror_fail", REPORTS, false },
	{ "std::terminate", REPORTS, false },
	{ "std::__throw_", REPORTS, true },
	{ "std::__glibcxx_assert_fail", REPORTS, false },
	{ "std::__replacement_assert", REPORTS, false },
	{ "__cxxabiv1::__terminate", REPORTS, false },
	{ "__gnu_cxx::__verbose_terminate_handler", REPORTS, false },
	{ "__cxa_throw", REPORTS, false },
	{ "__cxa_rethrow", REPORTS, false },
	{ "__cxa_call_terminate", REPORTS, false },
	{ "__gxx_personality_v0", REPORTS, false },
	{ "_Unwind_", REPORTS, true },
	{ "rust_panic", REPORTS, true },
	{ "__rust_start_panic", REPORTS, false },
	{ "rust_begin_unwind", REPORTS, false },
	{ "core::panicking::", REPORTS, true },
	{ "std::panicking::", REPORTS, true },
	{ "panic_abort::", REPORTS, true },
	{ "std::sys::backtrace::", REPORTS, true },
	{ "std::sys_common::backtrace::", REPORTS, true },
	{ "runtime.raise", SENDS, true },
	{ "runtime.dieFromSignal", SENDS, false },
	{ "runtime.sigfwdgo", REPORTS, false },
	{ "runtime.sigtramp", REPORTS, true },
	{ "runtime.cgoSigtramp", REPORTS, false },
	{ "runtime.sighandler", REPORTS, false },
	{ "runtime.crash", REPORTS, false },
	{ "runtime.dopanic_m", REPORTS, false },
	{ "runtime.fatal", REPORTS, true },
	{ "runtime.throw", REPORTS, true },
	{ "runtime.gopanic", REPORTS, false },
	{ "runtime.goPanic", REPORTS, true },
	{ "runtime.panic", REPORTS, true },
	{ "runtime.sigpanic", REPORTS, false },
	{ "runtime.systemstack", REPORTS, true },
	{ "runtime.newstack", REPORTS, false },
	{ "runtime.morestack", REPORTS, true },
	{ "runtime.goexit", BEGINS, true },
	{ "runtime.main", BEGINS, false },
	{ "runtime.mstart", BEGINS, true },
	{ "runtime.rt0_go", BEGINS, false },
	{ "_start", BEGINS, false },
	{ "__libc_start_main", BEGINS, true },
	{ "__libc_start_call_main", BEGINS, false },
	{ "libc_start_main_stage2", BEGINS, false },
	{ "start_thread", BEGINS, false },
	{ "clone", BEGINS, false },
	{ "clone3", BEGINS, false },
	{ "__clone", BEGINS, false },
	{ "__clone3", BEGINS, false },
	{ "execute_native_thread_routine", BEGINS, false },
	{ "std::__invoke", BEGINS, true },
	{ "std::thread::_", BEGINS, true },
	{ "_int_free", ALLOCATES, true },
	{ "_int_malloc", ALLOCATES, false },
	{ "_int_realloc", ALLOCATES, false },
	{ "_int_memalign", ALLOCATES, false },
	{ "malloc_consolidate", ALLOCATES, false },
	{ "unlink_chunk", ALLOCATES, false },
	{ "sysmalloc", ALLOCATES, true },
	{ "systrim", ALLOCATES, false },
	{ "tcache_", ALLOCATES, true },
	{ "arena_get", ALLOCATES, true },
};

/* Other names of one function: which one a symbol table gives depends on the build of glibc. */
static const char *const aliases[][2] = {
	{ "__libc_malloc", "malloc" }, { "__libc_calloc", "calloc" },
	{ "__libc_free", "free" },     { "__libc_realloc", "realloc" },
	{ "cfree", "free" },           { "__libc_memalign", "memalign" },
};

static enum part part_of(const char *name)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(left_out); i++)
		if (left_out[i].begins
			    ? strncmp(name, left_out[i].name, strlen(left_out[i].name)) == 0
			    : strcmp(name, left_out[i].name) == 0)
			return left_out[i].part;
	return 0;
}

/* The name that counts; "": it has none. */
static void name_frame(const struct ch_frame *frame, char ret[CH_PLAIN_NAME_MAX])
{
	size_t i;

	ret[0] = '\0';
	if (!frame->symbol.name)
		return;
	if (chp_thread_row_method(frame)) {
		chp_plain_method(frame->symbol.name, ret);
		return;
	}
	chp_plain_name(frame->symbol.name, ret);
	for (i = 0; i < CH_COUNT_OF(aliases); i++)
		if (strcmp(ret, aliases[i][0]) == 0)
			snprintf(ret, CH_PLAIN_NAME_MAX, "%s", aliases[i][1]);
}

static enum part part_of_frame(const struct ch_frame *frame)
{
	char name[CH_PLAIN_NAME_MAX];

	name_frame(frame, name);
	return part_of(name);
}

/* A handler that sent the signal once more says less than what it interrupted; one in which
 * something else went wrong is what counts. */
static size_t first_frame(const struct ch_thread_row *row)
{
	bool sent = false;
	size_t i;

	for (i = 0; i < row->frames_count; i++) {
		if (sent && row->frames[i].basis == CH_FRAME_SIGNAL)
			return i;
		sent = sent || part_of_frame(&row->frames[i]) == SENDS;
	}
	return 0;
}

size_t chp_signature_next(const struct ch_thread_row *row, size_t index)
{
	bool with_methods = chp_thread_row_has_methods(row);
	size_t i;

	for (i = ch_max(first_frame(row), index); i < row->frames_count; i++)
		if (!part_of_frame(&row->frames[i]) &&
		    !(with_methods && chp_thread_row_runtime(&row->frames[i])))
			break;
	return i;
}

/* "libshop.so+0x1149": where the frame is in its module. */
static void place_frame(const struct ch_frame *frame, char ret[CH_PLAIN_NAME_MAX])
{
	const struct ch_module *module = frame->symbol.module;

	if (module)
		snprintf(ret, CH_PLAIN_NAME_MAX, "%.200s+0x%" PRIx64, module->name,
			 frame->pc - module->start);
	else
		snprintf(ret, CH_PLAIN_NAME_MAX, "code of no module");
}

static bool has_frame(const struct ch_signature *signature, const char *name)
{
	size_t i;

	for (i = 0; i < signature->frames_count; i++)
		if (strcmp(signature->frames[i], name) == 0)
			return true;
	return false;
}

static struct ch_error *add_frame(struct ch_signature *ret, const struct ch_frame *frame)
{
	char name[CH_PLAIN_NAME_MAX], *text;

	name_frame(frame, name);
	if (!name[0]) {
		place_frame(frame, name);
		ret->basis = CH_SIGNATURE_OFFSETS;
	}
	text = chp_text_escape(name, sizeof(name));
	if (!text)
		return &ch_enomem;
	if (has_frame(ret, text)) {
		free(text);
		return NULL;
	}
	ret->frames[ret->frames_count++] = text;
	return NULL;
}

struct ch_error *chp_signature_make(const struct ch_thread_row *row, const char *signal,
				    struct ch_signature *ret)
{
	bool kept = chp_signature_next(row, 0) < row->frames_count;
	struct ch_error *err = NULL;
	size_t i;

	*ret = (struct ch_signature){ .id = CH_HASH_START,
				      .basis = row->frames_count ? CH_SIGNATURE_NAMES
								 : CH_SIGNATURE_NONE };
	for (i = chp_signature_next(row, 0);
	     !err && i < row->frames_count && ret->frames_count < CH_SIGNATURE_FRAMES;
	     i = chp_signature_next(row, i + 1))
		err = add_frame(ret, &row->frames[i]);
	/* abort() and what called main(): better than nothing */
	for (i = 0;
	     !err && !kept && i < row->frames_count && ret->frames_count < CH_SIGNATURE_FRAMES; i++)
		err = add_frame(ret, &row->frames[i]);
	if (signal)
		ret->id = ch_hash_bytes(ret->id, signal, strlen(signal) + 1);
	for (i = 0; i < ret->frames_count; i++)
		ret->id = ch_hash_bytes(ret->id, ret->frames[i], strlen(ret->frames[i]) + 1);
	return err;
}

void chp_signature_deinit(struct ch_signature *signature)
{
	size_t i;

	for (i = 0; i < signature->frames_count; i++)
		free(signature->frames[i]);
	signature->frames_count = 0;
}

const char *chp_signature_basis_name(enum ch_signature_basis basis)
{
	static const char *const names[] = {
		[CH_SIGNATURE_NAMES] = "names", [CH_SIGNATURE_OFFSETS] = "offsets"
	};

	return names[basis];
}
