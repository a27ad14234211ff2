/*
 * Exceptions of threads, or one object, and what is inside of them.
 */
#include "analysis/exceptions.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/text16.h"
#include "heap/named.h"
#include "heap/traces.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Exceptions inside of each other; frames of one. */
#define DEPTH_MAX   32
#define FRAMES_MAX  512
#define MESSAGE_MAX 1024

struct job {
	struct ch_core *core;
	struct ch_heaps *heaps;
	bool reveal;
	/* of struct ch_exception_row */
	struct ch_vec *rows;
};

/* How runtimes call the fields of their exceptions. */
static const char *const message_names[] = { "_message", "detailMessage" };
static const char *const inner_names[] = { "_innerException", "cause" };

static struct ch_error *add_frames(const struct job *job, struct ch_exception_row *row)
{
	struct ch_trace_frame frame;
	char **slot;

	row->frames = CH_VEC(char *);
	while (row->addr &&
	       chp_trace_frame(job->heaps, row->addr, (uint32_t)row->frames.count, &frame)) {
		/* Text that no method bears out is the program's. */
		if (frame.is_text && !job->reveal)
			break;
		if (row->frames.count == FRAMES_MAX) {
			row->frames_cut = true;
			break;
		}
		slot = ch_vec_push(&row->frames);
		if (!slot)
			return &ch_enomem;
		*slot = strdup(frame.function);
		if (!*slot)
			return &ch_enomem;
	}
	return NULL;
}

static struct ch_exception_row *new_row(struct job *job, uint64_t addr, uint32_t depth)
{
	struct ch_exception_row *row = ch_vec_push(job->rows);

	if (!row)
		return NULL;
	row->addr = addr;
	row->depth = depth;
	row->frames = CH_VEC(char *);
	return row;
}

/* The runtime of an object. */
static bool open_named(const struct job *job, uint64_t addr, struct ch_object *object,
		       struct ch_named *ret)
{
	*ret = (struct ch_named){ .heaps = job->heaps, .core = job->core };
	return addr && ch_heaps_object_at(job->heaps, addr, object) && object->addr == addr &&
	       object->state == CH_OBJECT_USED && object->key &&
	       chp_heaps_span_inspector(job->heaps, object->span, &ret->inspected);
}

/* A reference by the first of some names. */
static struct ch_error *get(const struct ch_named *named, const struct ch_object *object,
			    const char *const *names, size_t count, uint64_t *ret)
{
	struct ch_error *err = NULL;
	bool found = false;
	size_t i;

	*ret = 0;
	for (i = 0; !err && !found && i < count; i++)
		err = chp_named_get(named, object, names[i], &found, ret);
	if (!err && !found)
		*ret = 0;
	return err;
}

static struct ch_error *add_message(const struct job *job, const struct ch_named *named,
				    const struct ch_object *object, struct ch_exception_row *row)
{
	struct ch_object text;
	struct ch_string string;
	struct ch_error *err;
	uint64_t at;

	if (!job->reveal)
		return NULL;
	err = get(named, object, message_names, CH_COUNT_OF(message_names), &at);
	if (err || !chp_named_object(named, at, &text) || !named->inspected.inspector->string ||
	    !named->inspected.inspector->string(named->inspected.state, at, text.key, &string) ||
	    !string.addr)
		return err;
	row->message = chp_text16(job->core, string.addr, string.bytes, string.count, MESSAGE_MAX);
	return row->message ? NULL : &ch_enomem;
}

/* One exception by its object; *inner_ret is the one inside of it, or 0. */
static struct ch_error *add_object(struct job *job, uint64_t addr, uint32_t depth,
				   uint64_t *inner_ret)
{
	struct ch_exception_row *row = new_row(job, addr, depth);
	struct ch_named named;
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;
	uint64_t hresult;

	*inner_ret = 0;
	if (!row)
		return &ch_enomem;
	if (!open_named(job, addr, &object, &named))
		return NULL;
	err = ch_heaps_type(job->heaps, object.type, &type);
	if (err)
		return err;
	row->type = strdup(type.name);
	if (!row->type)
		return &ch_enomem;
	err = chp_named_get(&named, &object, "_HResult", &row->has_hresult, &hresult);
	if (!err && row->has_hresult)
		row->hresult = (uint32_t)hresult;
	if (!err)
		err = add_message(job, &named, &object, row);
	if (!err)
		err = add_frames(job, row);
	return err ? err : get(&named, &object, inner_names, CH_COUNT_OF(inner_names), inner_ret);
}

/* It, and those inside; one of Java that has no cause has itself. */
static struct ch_error *add_chain(struct job *job, uint64_t addr, size_t *first_ret)
{
	struct ch_error *err = NULL;
	uint64_t inner;
	uint32_t depth;

	*first_ret = job->rows->count;
	for (depth = 0; !err && addr && depth < DEPTH_MAX; depth++) {
		err = add_object(job, addr, depth, &inner);
		addr = inner == addr ? 0 : inner;
	}
	return err;
}

/* An exception that there is no object of yet. */
static struct ch_error *add_announced(struct job *job, const struct ch_exception *thrown)
{
	struct ch_exception_row *row = new_row(job, 0, 0);

	if (!row)
		return &ch_enomem;
	row->type = strdup(thrown->type);
	return row->type ? NULL : &ch_enomem;
}

static struct ch_error *add_thread(struct job *job, const struct ch_thread *thread, size_t index)
{
	_cleanup_free_ struct ch_thread_info *info = calloc(1, sizeof(*info));
	_cleanup_free_ struct ch_exception *thrown = calloc(1, sizeof(*thrown));
	struct ch_exception_row *row;
	struct ch_error *err;
	size_t i;

	if (!info || !thrown)
		return &ch_enomem;
	if (!ch_heaps_thrown(job->heaps, index, 0, thrown))
		return NULL;
	if (!ch_heaps_thread(job->heaps, index, info))
		info->name[0] = '\0';
	i = job->rows->count;
	err = thrown->addr ? add_chain(job, thrown->addr, &i) : add_announced(job, thrown);
	for (; !err && i < job->rows->count; i++) {
		row = CH_VEC_AT(job->rows, struct ch_exception_row, i);
		row->tid = thread->tid;
		row->found = thrown->found;
		snprintf(row->thread_name, sizeof(row->thread_name), "%.*s",
			 (int)sizeof(row->thread_name) - 1, info->name);
	}
	return err;
}

static struct ch_error *begin(struct ch_session *session, bool reveal, struct ch_vec *rows,
			      struct job *ret)
{
	*ret = (struct job){ .core = ch_session_core(session), .reveal = reveal, .rows = rows };
	return ch_session_heaps(session, &ret->heaps);
}

struct ch_error *chp_exceptions_of_threads(struct ch_session *session, bool reveal,
					   struct ch_vec *ret)
{
	const struct ch_thread *threads;
	struct job job;
	struct ch_error *err = begin(session, reveal, ret, &job);
	size_t count, i;

	threads = ch_core_threads(job.core, &count);
	for (i = 0; !err && i < count; i++)
		err = add_thread(&job, &threads[i], i);
	return err;
}

struct ch_error *chp_exceptions_at(struct ch_session *session, uint64_t addr, bool reveal,
				   struct ch_vec *ret)
{
	struct ch_inspected inspected;
	struct ch_object object;
	struct job job;
	struct ch_error *err = begin(session, reveal, ret, &job);
	size_t first;

	if (err)
		return err;
	if (!ch_heaps_object_at(job.heaps, addr, &object) || !object.key ||
	    !chp_heaps_span_inspector(job.heaps, object.span, &inspected) ||
	    !inspected.inspector->tracing ||
	    !inspected.inspector->tracing->carries(inspected.state, object.key))
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx is no exception; `coreheap show` says what it is",
				       (unsigned long long)addr);
	return add_chain(&job, object.addr, &first);
}

void ch_exception_rows_deinit(struct ch_vec *rows)
{
	struct ch_exception_row *row;
	size_t i, k;

	for (i = 0; i < rows->count; i++) {
		row = CH_VEC_AT(rows, struct ch_exception_row, i);
		for (k = 0; k < row->frames.count; k++)
			free(*CH_VEC_AT(&row->frames, char *, k));
		ch_vec_deinit(&row->frames);
		free(row->type);
		free(row->message);
	}
	ch_vec_deinit(rows);
}
