/*
 * Exceptions that threads have thrown.
 *
 * Thread keeps a handle of the object that it threw last (m_LastThrownObjectHandle; release/3.1,
 * release/8.0 and release/9.0, src/coreclr/vm/threads.h), which it drops once it is handled. Where
 * in Thread it is differs between releases; measured on 3.1.3 and 8.0.34, later ones say it. Of
 * others a word that leads over another one to an object of a type derived from
 * System.Exception is taken for it.
 */
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/utf.h"
#include "walkers/coreclr/coreclr_priv.h"

enum {
	/* At least: of 3.1 to 11. */
	THREAD_BYTES = 1024,
	PARENTS_MAX = 32,
	INNER_MAX = 16,
	/* Behind the method table of an array: its length, then its elements. */
	ARRAY_LENGTH = 8,
	ARRAY_DATA = 16,
	STRING_LENGTH = 8,
	STRING_DATA = 12,
	/* StackFrameArray: count and thread, then elements that begin with an address of
	 * code (vm/clrex.h StackTraceElement: with sp up to .NET 8, without since). */
	TRACE_HEADER = 16,
	TRACE_FRAMES_MAX = 4096,
};

/* Fields of System.Exception: offsets from an object; 0: not found. */
struct exception_fields {
	uint32_t message, inner, hresult, trace;
};

/* System.Exception among a type and its bases; 0: it is none. */
static uint64_t exception_base(struct clr *clr, uint64_t mt)
{
	char name[CLR_NAME_MAX];
	int i;

	for (i = 0; i < PARENTS_MAX && mt && mt % 8 == 0; i++) {
		if (mt == clr->object_mt || !clr_type_name(clr, mt, name, sizeof(name)))
			return 0;
		if (strcmp(name, "System.Exception") == 0)
			return mt;
		if (!clr_read_ptr(clr, mt + clr->layout.mt_parent, &mt))
			return 0;
	}
	return 0;
}

static bool type_of(const struct clr *clr, uint64_t object, uint64_t *ret)
{
	if (!object || object % 8 || !clr_read_ptr(clr, object, ret))
		return false;
	*ret &= ~7ULL;
	return *ret != 0;
}

static void find_fields(struct clr *clr, uint64_t base, struct exception_fields *ret)
{
	struct clr_field fields[64];
	uint32_t count = clr_fields_of(clr, base, fields, CH_COUNT_OF(fields)), i;
	char name[128];
	size_t k;
	const struct {
		const char *name;
		uint32_t *to;
	} wanted[] = { { "_message", &ret->message },
		       { "_innerException", &ret->inner },
		       { "_HResult", &ret->hresult },
		       { "_stackTrace", &ret->trace } };

	*ret = (struct exception_fields){ 0 };
	for (i = 0; i < count; i++) {
		if (fields[i].is_static ||
		    !clr_field_name(clr, base, fields[i].row, name, sizeof(name)))
			continue;
		for (k = 0; k < CH_COUNT_OF(wanted); k++)
			if (strcmp(name, wanted[k].name) == 0)
				*wanted[k].to = fields[i].offset + 8;
	}
}

/* The text of a System.String. */
static void read_text(const struct clr *clr, uint64_t string, char *buf, size_t max)
{
	uint8_t units[1024];
	uint64_t mt, i, used;
	uint32_t length;
	size_t at = 0;

	buf[0] = '\0';
	if (!type_of(clr, string, &mt) || mt != clr->string_mt ||
	    !ch_core_read_u32(clr->core, string + STRING_LENGTH, &length))
		return;
	length = length < sizeof(units) / 2 ? length : sizeof(units) / 2;
	if (!ch_core_try_read(clr->core, string + STRING_DATA, units, length * 2ULL))
		return;
	for (i = 0; i < length && at + 5 < max; i += used)
		at += chp_utf8_put(buf + at, chp_utf16_read(units, length, i, &used));
	buf[at] = '\0';
}

/* The elements of a trace: each begins with an address of code. */
struct trace {
	uint64_t at, bytes;
	uint32_t count, stride;
};

static bool frame_of(struct clr *clr, const struct trace *trace, uint32_t index, char *buf,
		     size_t max, uint64_t *addr_ret)
{
	struct ch_code code;

	return index < trace->count &&
	       clr_read_ptr(clr, trace->at + (uint64_t)index * trace->stride, addr_ret) &&
	       clr_code_at(clr, *addr_ret - 1, &code, buf, max);
}

/* The array of bytes that a trace is in, which since .NET 9 may be the first of an array of
 * objects; *bytes_ret are those of all arrays. */
static uint64_t trace_array(const struct clr *clr, uint64_t trace, uint64_t *bytes_ret)
{
	uint64_t element, mt;
	uint32_t length;

	*bytes_ret = 0;
	if (type_of(clr, trace, &mt) &&
	    ch_core_read_u32(clr->core, trace + ARRAY_LENGTH, &length) && length &&
	    length < TRACE_FRAMES_MAX && clr_read_ptr(clr, trace + ARRAY_DATA, &element) &&
	    type_of(clr, element, &mt) && element > TRACE_FRAMES_MAX) {
		*bytes_ret = ARRAY_DATA + 8 + 8ULL * length;
		if (ch_core_read_u32(clr->core, element + ARRAY_LENGTH, &length) &&
		    length % 8 == 0 && length >= TRACE_HEADER)
			return element;
		*bytes_ret = 0;
	}
	return trace;
}

/* Elements are three words, or four up to .NET 8: what does not fit, or does not begin with
 * code, is not read. */
static bool find_trace(struct clr *clr, uint64_t trace, struct trace *ret)
{
	static const uint32_t strides[] = { 24, 32 };
	uint32_t length, i;
	char name[256];
	uint64_t addr;
	size_t k;

	*ret = (struct trace){ .count = 0 };
	trace = trace_array(clr, trace, &ret->bytes);
	if (!trace || !ch_core_read_u32(clr->core, trace + ARRAY_LENGTH, &length) ||
	    !ch_core_read_u32(clr->core, trace + ARRAY_DATA, &ret->count) || !ret->count ||
	    ret->count > TRACE_FRAMES_MAX)
		return false;
	ret->at = trace + ARRAY_DATA + TRACE_HEADER;
	ret->bytes += ARRAY_DATA + 8 + length;
	for (k = 0; k < CH_COUNT_OF(strides); k++) {
		ret->stride = strides[k];
		if (TRACE_HEADER + (uint64_t)ret->count * ret->stride > length)
			continue;
		for (i = 0; i < ret->count && i < CH_EXCEPTION_FRAMES; i++)
			if (!frame_of(clr, ret, i, name, sizeof(name), &addr))
				break;
		if (i == ret->count || i == CH_EXCEPTION_FRAMES)
			return true;
	}
	/* At least the innermost ones, of the layout that knows some. */
	for (k = 0; k < CH_COUNT_OF(strides); k++) {
		ret->stride = strides[k];
		if (TRACE_HEADER + (uint64_t)ret->count * ret->stride <= length &&
		    frame_of(clr, ret, 0, name, sizeof(name), &addr))
			return true;
	}
	return false;
}

static void read_trace(struct clr *clr, uint64_t array, struct ch_exception *ret)
{
	struct trace trace;

	if (!find_trace(clr, array, &trace))
		return;
	while (ret->frames_count < CH_EXCEPTION_FRAMES &&
	       frame_of(clr, &trace, ret->frames_count, ret->frames[ret->frames_count],
			sizeof(ret->frames[0]), &ret->frame_addrs[ret->frames_count]))
		ret->frames_count++;
	ret->frames_total = trace.count;
}

static bool fill(struct clr *clr, uint64_t object, struct ch_exception *ret)
{
	struct exception_fields fields;
	uint64_t mt, base, value;

	if (!type_of(clr, object, &mt))
		return false;
	base = exception_base(clr, mt);
	if (!base || !clr_type_name(clr, mt, ret->type, sizeof(ret->type)))
		return false;
	find_fields(clr, base, &fields);
	ret->addr = object;
	ret->has_hresult = fields.hresult &&
			   ch_core_read_u32(clr->core, object + fields.hresult, &ret->hresult);
	if (fields.message && clr_read_ptr(clr, object + fields.message, &value))
		read_text(clr, value, ret->message, sizeof(ret->message));
	if (fields.trace && clr_read_ptr(clr, object + fields.trace, &value) && value)
		read_trace(clr, value, ret);
	return true;
}

/* Stacks have words that look like objects: those of the heap lie in its regions. */
static bool in_heap(const struct clr *clr, uint64_t object)
{
	const struct ch_span *spans = clr->spans.items;
	size_t i;

	for (i = 0; i < clr->spans.count; i++)
		if (object >= spans[i].start && object < spans[i].end)
			return true;
	return false;
}

static uint64_t thrown_at(struct clr *clr, uint64_t addr)
{
	uint64_t handle, object, mt;

	return clr_read_ptr(clr, addr, &handle) && handle && handle % 8 == 0 &&
			       clr_read_ptr(clr, handle, &object) && type_of(clr, object, &mt) &&
			       exception_base(clr, mt) && in_heap(clr, object)
		       ? object
		       : 0;
}

/* The exception that a handle in Thread leads to. */
static uint64_t last_thrown(struct clr *clr, const struct clr_thread *thread)
{
	uint64_t at = clr->layout.thread_thrown, end = at ? at + 8 : THREAD_BYTES, object;

	for (; at < end; at += 8) {
		object = thrown_at(clr, thread->addr + at);
		if (object)
			return object;
	}
	return 0;
}

static uint64_t inner_of(struct clr *clr, uint64_t object)
{
	struct exception_fields fields;
	uint64_t mt, base, inner;

	if (!type_of(clr, object, &mt))
		return 0;
	base = exception_base(clr, mt);
	if (!base)
		return 0;
	find_fields(clr, base, &fields);
	return fields.inner && clr_read_ptr(clr, object + fields.inner, &inner) ? inner : 0;
}

bool clr_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret)
{
	struct clr *clr = state;
	const struct clr_thread *threads = clr->threads.items;
	const struct ch_thread *thread;
	uint64_t object = 0;
	size_t count, i;

	thread = ch_core_threads(clr->core, &count) + index;
	if (index >= count || depth > INNER_MAX)
		return false;
	for (i = 0; i < clr->threads.count && !object; i++)
		if (threads[i].tid == thread->tid)
			object = last_thrown(clr, &threads[i]);
	for (; object && depth; depth--)
		object = inner_of(clr, object);
	return object && fill(clr, object, ret);
}

/* ---- Traces of all such objects ---------------------------------------------- */

/* Frames of one trace that are looked at. */
#define HASHED_MAX 1024

static bool carries(void *state, uint64_t type)
{
	struct clr *clr = state;
	struct clr_carrier *slot = &clr->carriers[type / 8 % CH_COUNT_OF(clr->carriers)];

	if (slot->type != type)
		*slot = (struct clr_carrier){ type, type > CLR_TYPE_UNUSED
							    ? exception_base(clr, type)
							    : 0 };
	return slot->base;
}

static bool trace_of(struct clr *clr, uint64_t addr, uint64_t type, struct trace *ret)
{
	struct exception_fields fields;
	uint64_t array;

	if (!carries(clr, type))
		return false;
	find_fields(clr, clr->carriers[type / 8 % CH_COUNT_OF(clr->carriers)].base, &fields);
	return fields.trace && clr_read_ptr(clr, addr + fields.trace, &array) && array &&
	       find_trace(clr, array, ret);
}

static void read_object_trace(void *state, uint64_t addr, uint64_t type, struct ch_trace *ret)
{
	struct clr *clr = state;
	struct trace trace;
	uint64_t ip;
	uint32_t i;

	*ret = (struct ch_trace){ .hash = 14695981039346656037ULL };
	if (!trace_of(clr, addr, type, &trace))
		return;
	ret->count = (uint32_t)ch_min(trace.count, HASHED_MAX);
	ret->cut = trace.count > ret->count;
	ret->bytes = trace.bytes;
	for (i = 0; i < ret->count; i++) {
		if (!clr_read_ptr(clr, trace.at + (uint64_t)i * trace.stride, &ip))
			ip = 0;
		ret->hash = (ret->hash ^ ip) * 1099511628211ULL;
	}
}

static bool object_frame(void *state, uint64_t addr, uint64_t type, uint32_t index,
			 struct ch_trace_frame *ret)
{
	struct trace trace;
	uint64_t at;

	*ret = (struct ch_trace_frame){ .line = 0 };
	return trace_of(state, addr, type, &trace) &&
	       frame_of(state, &trace, index, ret->function, sizeof(ret->function), &at);
}

const struct ch_tracing clr_tracing = {
	.carries = carries,
	.read = read_object_trace,
	.frame = object_frame,
};
