/*
 * What an analysis says beside its answer, and whether it is to go on: findings with a severity,
 * each told once, progress, the log, and cancelling. Everything in the library is given a
 * context, so that two sessions do not hear of each other.
 */
#include "util/context.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"
#include "util/vec.h"

/* Damage repeats: a report with ten thousand equal warnings helps nobody. */
#define FINDINGS_PER_CODE 16
#define FINDING_BYTES_MAX 1024

struct ch_context {
	struct ch_context_options options;
	atomic_bool cancelled;
	pthread_mutex_t lock;
	/* of struct ch_finding; messages owned. There is room for one more than were found,
	 * as long as there is a spare: what is said when memory is short must need none. */
	struct ch_vec findings;
	char *spare;
};

struct ch_context *ch_context_create(const struct ch_context_options *options)
{
	struct ch_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	if (options)
		ctx->options = *options;
	pthread_mutex_init(&ctx->lock, NULL);
	ctx->findings = CH_VEC(struct ch_finding);
	ctx->spare = strdup("memory ran short: what needed more of it is missing");
	if (ctx->spare && ch_vec_reserve(&ctx->findings, 1))
		return ctx;
	ch_context_destroy(ctx);
	return NULL;
}

void ch_context_destroy(struct ch_context *ctx)
{
	size_t i;

	if (!ctx)
		return;
	for (i = 0; i < ctx->findings.count; i++)
		free((char *)(uintptr_t)CH_VEC_AT(&ctx->findings, struct ch_finding, i)->message);
	ch_vec_deinit(&ctx->findings);
	free(ctx->spare);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx);
}

void ch_context_cancel(struct ch_context *ctx)
{
	atomic_store(&ctx->cancelled, true);
}

bool ch_context_cancelled(const struct ch_context *ctx)
{
	return atomic_load(&ctx->cancelled);
}

const struct ch_finding *ch_context_findings(const struct ch_context *ctx, size_t *count_ret)
{
	*count_ret = ctx->findings.count;
	return ctx->findings.items;
}

static bool has_severity(const struct ch_context *ctx, enum ch_severity severity)
{
	size_t i;

	for (i = 0; i < ctx->findings.count; i++)
		if (CH_VEC_AT(&ctx->findings, struct ch_finding, i)->severity == severity)
			return true;
	return false;
}

bool ch_context_complete(const struct ch_context *ctx)
{
	return !has_severity(ctx, CH_SEVERITY_INCOMPLETE);
}

bool ch_context_damaged(const struct ch_context *ctx)
{
	return has_severity(ctx, CH_SEVERITY_DAMAGED);
}

const char *ch_severity_name(enum ch_severity severity)
{
	static const char *const names[] = { "note", "damaged", "incomplete" };

	return (size_t)severity < CH_COUNT_OF(names) ? names[severity] : "incomplete";
}

/* Caller holds the lock. */
static void tell_no_memory(struct ch_context *ctx)
{
	struct ch_finding *finding = ctx->spare ? ch_vec_push(&ctx->findings) : NULL;

	if (!finding)
		return;
	*finding = (struct ch_finding){ .code = "no-memory",
					.message = ctx->spare,
					.severity = CH_SEVERITY_INCOMPLETE,
					.count = 1 };
	ctx->spare = NULL;
}

void chp_context_no_memory(struct ch_context *ctx)
{
	pthread_mutex_lock(&ctx->lock);
	tell_no_memory(ctx);
	pthread_mutex_unlock(&ctx->lock);
}

void chp_context_drop_take(struct ch_context *ctx, struct ch_error *err)
{
	if (err && err->code == CH_ERROR_NOMEM)
		chp_context_no_memory(ctx);
	ch_error_destroy(err);
}

/* Takes message. Caller holds the lock. */
static void add_finding(struct ch_context *ctx, enum ch_severity severity, const char *code,
			char *message)
{
	struct ch_finding *finding, *last = NULL;
	size_t i, same = 0;

	for (i = 0; i < ctx->findings.count; i++) {
		finding = CH_VEC_AT(&ctx->findings, struct ch_finding, i);
		if (strcmp(finding->code, code) != 0)
			continue;
		if (strcmp(finding->message, message) == 0) {
			free(message);
			return;
		}
		last = finding;
		same++;
	}
	if (last && same >= FINDINGS_PER_CODE) {
		last->count++;
		if (severity > last->severity)
			last->severity = severity;
		free(message);
		return;
	}
	finding = ch_vec_reserve(&ctx->findings, ctx->findings.count + 2)
			  ? ch_vec_push(&ctx->findings)
			  : NULL;
	if (!finding) {
		free(message);
		tell_no_memory(ctx);
		return;
	}
	*finding = (struct ch_finding){
		.code = code, .message = message, .severity = severity, .count = 1
	};
}

/* The one of this code that was reported last; NULL: there is none. */
static struct ch_finding *last_of(const struct ch_context *ctx, const char *code)
{
	struct ch_finding *finding;
	size_t i;

	for (i = ctx->findings.count; i-- > 0;) {
		finding = CH_VEC_AT(&ctx->findings, struct ch_finding, i);
		if (strcmp(finding->code, code) == 0)
			return finding;
	}
	return NULL;
}

void chp_context_finding_addr(struct ch_context *ctx, const char *code, uint64_t addr)
{
	struct ch_finding *finding = last_of(ctx, code);

	/* those behind are counted in it */
	if (finding && !finding->addr)
		finding->addr = addr;
}

void chp_context_finding_hint(struct ch_context *ctx, const char *code)
{
	struct ch_finding *finding = last_of(ctx, code);

	if (finding)
		finding->hint = true;
}

void chp_context_finding(struct ch_context *ctx, enum ch_severity severity, const char *code,
			 const char *format, ...)
{
	_cleanup_free_ char *raw = NULL;
	char *message;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&raw, format, args);
	va_end(args);
	if (len < 0)
		raw = NULL;
	message = raw ? chp_text_escape(raw, FINDING_BYTES_MAX) : NULL;
	pthread_mutex_lock(&ctx->lock);
	if (message)
		add_finding(ctx, severity, code, message);
	else
		tell_no_memory(ctx);
	pthread_mutex_unlock(&ctx->lock);
}

void chp_context_log(struct ch_context *ctx, enum ch_log_level level, const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	va_list args;
	int len;

	if (!ctx->options.log)
		return;
	va_start(args, format);
	len = vasprintf(&message, format, args);
	va_end(args);
	if (len < 0) {
		message = NULL;
		return;
	}
	ctx->options.log(ctx->options.arg, level, message);
}

void chp_context_progress(struct ch_context *ctx, const char *phase, uint64_t done, uint64_t total)
{
	if (ctx->options.progress)
		ctx->options.progress(ctx->options.arg, phase, done, total);
}

bool chp_context_reveals(const struct ch_context *ctx)
{
	return ctx && ctx->options.reveal;
}

struct ch_error *chp_context_check(const struct ch_context *ctx)
{
	return ch_context_cancelled(ctx) ? &ch_stop : NULL;
}
