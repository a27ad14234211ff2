/*
 * What a program died of: the value of a panic that nobody recovered, as the goroutine still has
 * it, and the text of an error of the runtime's own, in the frame of the function that prints it.
 *
 * Go 1.19.8, 1.24.4, 1.27.3: src/runtime/runtime2.go (_panic), src/runtime/panic.go (gopanic,
 * throw, fatal, preprintpanics), src/runtime/error.go.
 */
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/go/rtypes.h"

enum {
	/* Of a g: its innermost panic. */
	G_PANIC = 32,
	/* Of a panic: its value, behind an address until 1.25, and the one before. */
	PANIC_VALUE = 8,
	PANIC_LINK = 24,
};
#define DEPTH_MAX 8U
/* Bytes of the frame of throw() or fatal() that are looked at. */
#define FRAME_BYTES_MAX 512U
#define TEXT_MIN        4U
#define TEXT_MAX        256U

/* ---- Texts ------------------------------------------------------------------------------- */

static bool read_text(const struct go *go, uint64_t addr, uint64_t len, char *buf, size_t max)
{
	if (!len || len >= max || !ch_core_try_read(go->env.core, addr, buf, (size_t)len))
		return false;
	buf[len] = '\0';
	return strlen(buf) == len;
}

/* Whether bytes are the program's own: read-only data of one of its images. */
static bool is_constant(const struct go *go, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(go->env.map, addr);
	const struct go_module *modules = go->code.modules.items;
	size_t i;

	if (!region || region->prot & (CH_PROT_UNKNOWN | CH_SEGMENT_WRITE))
		return false;
	for (i = 0; i < go->code.modules.count; i++)
		if (addr >= modules[i].text.start && addr < modules[i].noptrdata.start)
			return true;
	return false;
}

/* Errors of the runtime, which have nothing of the program in them but numbers. */
static bool is_runtime_error(const char *text)
{
	static const char start[] = "runtime error: ";
	static const char *const fixed[] = {
		"invalid memory address or nil pointer dereference",
		"integer divide by zero",
		"integer overflow",
		"floating point error",
		"makeslice: len out of range",
		"makeslice: cap out of range",
		"makechan: size out of range",
	};
	static const char *const numbered[] = { "index out of range [",
						"slice bounds out of range [" };
	size_t i;

	if (strncmp(text, start, sizeof(start) - 1) != 0)
		return false;
	text += sizeof(start) - 1;
	for (i = 0; i < CH_COUNT_OF(fixed); i++)
		if (strcmp(text, fixed[i]) == 0)
			return true;
	for (i = 0; i < CH_COUNT_OF(numbered); i++)
		if (strncmp(text, numbered[i], strlen(numbered[i])) == 0) {
			text += strlen(numbered[i]);
			text += strspn(text, "-0123456789:x]");
			return !*text || strspn(text, " withlengcapty-0123456789") == strlen(text);
		}
	return false;
}

/* ---- Panics ------------------------------------------------------------------------------ */

/* The goroutine that a thread of the core runs; NULL: none. */
static const struct go_goroutine *running_on(const struct go *go, size_t thread)
{
	const struct go_machine *machine;
	size_t i;

	for (i = 0; i < go->code.machines.count; i++) {
		machine = CH_VEC_AT(&go->code.machines, struct go_machine, i);
		if (machine->thread == thread && machine->current < go->code.goroutines.count)
			return CH_VEC_AT(&go->code.goroutines, struct go_goroutine,
					 machine->current);
	}
	return NULL;
}

/* The panic of a depth: type and data of its value. False: there is none. */
static bool find_panic(const struct go *go, uint64_t g, uint32_t depth, uint64_t words[2])
{
	const uint64_t shift = go->code.build.minor >= 26 ? PANIC_VALUE : 0;
	uint64_t at;
	uint32_t i;

	if (!ch_core_read_u64(go->env.core, g + G_PANIC, &at))
		return false;
	for (i = 0; at && at <= UINT64_MAX - 64; i++) {
		if (i == depth)
			return ch_core_read_u64(go->env.core, at + PANIC_VALUE - shift,
						&words[0]) &&
			       ch_core_read_u64(go->env.core, at + PANIC_VALUE + 8 - shift,
						&words[1]);
		if (!ch_core_read_u64(go->env.core, at + PANIC_LINK - shift, &at))
			return false;
	}
	return false;
}

/* Before it is printed, an error becomes its text. */
static void describe_string(const struct go *go, uint64_t addr, struct ch_exception *ret)
{
	uint64_t text, len;

	if (!is_constant(go, addr))
		snprintf(ret->type, sizeof(ret->type), "string (or an error, as its text)");
	if (!ch_core_read_u64(go->env.core, addr, &text) ||
	    !ch_core_read_u64(go->env.core, addr + 8, &len) ||
	    !read_text(go, text, len, ret->message, sizeof(ret->message))) {
		ret->message[0] = '\0';
		return;
	}
	ret->message_shown = is_constant(go, text) || is_runtime_error(ret->message);
}

bool go_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret)
{
	const struct go *go = state;
	const struct go_goroutine *goroutine = running_on(go, index);
	struct go_rtype type;
	uint64_t words[2];

	if (!goroutine || depth >= DEPTH_MAX || !find_panic(go, goroutine->addr, depth, words) ||
	    !go_rtype_read(go, words[0], &type))
		return false;
	*ret = (struct ch_exception){ .found = CH_EXCEPTION_PENDING, .addr = words[1] };
	if (!go_rtype_name(go, words[0], ret->type, sizeof(ret->type)))
		snprintf(ret->type, sizeof(ret->type), "a value of the type at 0x%llx",
			 (unsigned long long)words[0]);
	if (type.kind == GO_KIND_STRING && strcmp(ret->type, "string") == 0)
		describe_string(go, words[1], ret);
	return true;
}

/* ---- Errors of the runtime --------------------------------------------------------------- */

bool go_said(void *state, const struct ch_said *frame, struct ch_last_words *ret)
{
	const struct go *go = state;
	char text[TEXT_MAX];
	uint64_t at, addr, len;
	const uint64_t end = ch_min(
		frame->end, frame->start + ch_min(FRAME_BYTES_MAX, UINT64_MAX - frame->start));

	if (strcmp(frame->function, "runtime.throw") != 0 &&
	    strcmp(frame->function, "runtime.fatal") != 0)
		return false;
	for (at = ch_align_up(frame->start, 8); at + 16 <= end; at += 8) {
		if (!ch_core_read_u64(go->env.core, at, &addr) ||
		    !ch_core_read_u64(go->env.core, at + 8, &len) || len < TEXT_MIN ||
		    !is_constant(go, addr) || !read_text(go, addr, len, text, sizeof(text)))
			continue;
		snprintf(ret->text, sizeof(ret->text), "fatal error: %s", text);
		ret->addr = addr;
		ret->known = "go";
		return true;
	}
	return false;
}
