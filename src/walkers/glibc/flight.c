/*
 * Threads that were inside malloc when the core was made: what they had half done is not told as
 * damage.
 *
 * A core shows one moment. A thread that was inside malloc then may have taken a
 * chunk out of one list and not put it into another yet, split it without
 * writing both headers, or moved top: that is no damage. Who is inside holds the
 * arena's lock, the first word of malloc_state (a process with one thread takes
 * none: glibc-2.36, malloc/malloc.c, SINGLE_THREAD_P), and has a function of
 * malloc among its frames. But malloc that found damage and ended the process is
 * inside, too: what is odd in its arena is the damage.
 */
#include "walkers/glibc/flight.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"

/* What one call of malloc leaves half done in an arena; more is damage. */
#define ODDITIES_MAX 6U
#define FRAMES_MAX   32U
/* Threads whose stacks are looked at. */
#define THREADS_MAX 4096U

/* A thread that is inside malloc. */
struct inside {
	uint32_t tid;
	/** The function it is in; "" where libc's symbols are not at hand: then all
	 * that is known is that it is in libc. */
	char function[40];
};

/* Something that is half done, or damaged. */
struct oddity {
	size_t arena;
	enum ch_severity severity;
	const char *code;
	char text[512];
};

struct glibc_flight {
	pthread_mutex_t lock;
	bool looked;
	/** The thread that ended the process is inside malloc, which found out; 0. */
	uint32_t dying;
	/** of struct inside, ascending by tid; of struct oddity */
	struct ch_vec inside, oddities;
};

struct glibc_flight *glibc_flight_create(void)
{
	struct glibc_flight *flight = calloc(1, sizeof(*flight));

	if (!flight)
		return NULL;
	pthread_mutex_init(&flight->lock, NULL);
	flight->inside = CH_VEC(struct inside);
	flight->oddities = CH_VEC(struct oddity);
	return flight;
}

void glibc_flight_destroy(struct glibc_flight *flight)
{
	if (!flight)
		return;
	pthread_mutex_destroy(&flight->lock);
	ch_vec_deinit(&flight->inside);
	ch_vec_deinit(&flight->oddities);
	free(flight);
}

/* ---- which threads ---------------------------------------------------------- */

/* Functions of malloc/malloc.c and malloc/arena.c; what compilers append to the
 * names of copies (".isra.0") is not compared. */
static bool is_malloc_function(const char *name)
{
	static const char *const names[] = {
		"malloc",
		"free",
		"cfree",
		"calloc",
		"realloc",
		"reallocarray",
		"memalign",
		"aligned_alloc",
		"posix_memalign",
		"valloc",
		"pvalloc",
		"malloc_trim",
		"__libc_malloc",
		"__libc_free",
		"__libc_calloc",
		"__libc_realloc",
		"__libc_memalign",
		"__libc_malloc2",
		"__libc_calloc2",
		"_mid_memalign",
		"_int_malloc",
		"_int_free",
		"_int_free_chunk",
		"_int_free_merge_chunk",
		"_int_realloc",
		"_int_free_create_chunk",
		"_int_memalign",
		"_int_free_maybe_consolidate",
		"malloc_consolidate",
		"sysmalloc",
		"sysmalloc_mmap",
		"systrim",
		"sysmalloc_mmap_fallback",
		"mtrim",
		"unlink_chunk",
		"tcache_init",
		"tcache_put",
		"tcache_get",
		"tcache_free_init",
		"tcache_malloc_init",
		"heap_trim",
		"grow_heap",
		"new_heap",
		"alloc_new_heap",
		"munmap_chunk",
		"mremap_chunk",
		"arena_get2",
		"__malloc_arena_thread_freeres",
		"arena_get_retry",
		"tcache_thread_shutdown",
		"ptmalloc_init",
		"tcache_calloc_init",
	};
	size_t bytes = strcspn(name, "."), i;

	for (i = 0; i < CH_COUNT_OF(names); i++)
		if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0)
			return true;
	return false;
}

/* What malloc calls when it found damage. */
static bool is_end(const char *name)
{
	static const char *const names[] = { "abort",           "raise",
					     "gsignal",         "malloc_printerr",
					     "__libc_message",  "__libc_message_impl",
					     "__malloc_assert", "__assert_fail" };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Signals of the hardware: inside malloc they come from damage. */
static bool is_fault(int signal)
{
	return signal == 4 || signal == 7 || signal == 8 || signal == 11;
}

/* Whether a module is the one that has malloc. */
static bool is_libc(const struct glibc *glibc, const struct ch_module *module)
{
	return module && (glibc->libc ? module == glibc->libc : glibc_is_libc(module));
}

static struct ch_error *look_at(struct glibc_flight *flight, const struct glibc *glibc,
				const struct ch_thread *thread, size_t index)
{
	struct ch_frame frames[FRAMES_MAX];
	struct inside *inside = NULL;
	const char *end_text, *name;
	struct ch_error *err;
	bool named = false, ended = false;
	size_t count = 0, i;

	err = ch_sym_unwind(glibc->env.sym, index, frames, FRAMES_MAX, &count, &end_text);
	if (err && err->code == CH_ERROR_NOMEM)
		return err;
	ch_error_destroy(err);
	for (i = 0; i < count && !inside; i++) {
		name = frames[i].symbol.name;
		if (!name || !is_libc(glibc, frames[i].symbol.module))
			continue;
		named = true;
		ended |= is_end(name);
		if (!is_malloc_function(name))
			continue;
		inside = ch_vec_push(&flight->inside);
		if (!inside)
			return &ch_enomem;
		*inside = (struct inside){ .tid = thread->tid };
		snprintf(inside->function, sizeof(inside->function), "%.*s",
			 (int)strcspn(name, "."), name);
	}
	if (inside && (ended || is_fault(thread->signal)))
		flight->dying = thread->tid;
	if (named || !is_libc(glibc, ch_sym_module_at(glibc->env.sym, thread->pc)))
		return NULL;
	inside = ch_vec_push(&flight->inside);
	if (!inside)
		return &ch_enomem;
	*inside = (struct inside){ .tid = thread->tid };
	return NULL;
}

/* Ask all threads, once; the caller holds the lock. */
static void look(struct glibc_flight *flight, const struct glibc *glibc)
{
	const struct ch_thread *threads;
	size_t count, i;

	if (flight->looked)
		return;
	flight->looked = true;
	threads = ch_core_threads(glibc->env.core, &count);
	for (i = 0; i < count && i < THREADS_MAX; i++)
		if (look_at(flight, glibc, &threads[i], i))
			return;
}

static const struct inside *inside_of(const struct glibc_flight *flight, uint32_t tid)
{
	const struct inside *inside = flight->inside.items;
	size_t i;

	for (i = 0; i < flight->inside.count; i++)
		if (inside[i].tid == tid)
			return &inside[i];
	return NULL;
}

size_t glibc_threads_inside(const struct glibc *glibc)
{
	struct glibc_flight *flight = glibc->flight;
	size_t count;

	pthread_mutex_lock(&flight->lock);
	look(flight, glibc);
	count = flight->inside.count - (flight->dying != 0);
	pthread_mutex_unlock(&flight->lock);
	return count;
}

bool glibc_thread_inside(const struct glibc *glibc, uint32_t tid)
{
	struct glibc_flight *flight = glibc->flight;
	bool found;

	pthread_mutex_lock(&flight->lock);
	look(flight, glibc);
	found = tid ? inside_of(flight, tid) && tid != flight->dying
		    : flight->inside.count > (flight->dying != 0);
	pthread_mutex_unlock(&flight->lock);
	return found;
}

/* ---- which arenas ----------------------------------------------------------- */

static bool has_tid(const struct glibc_arena *arena, uint32_t tid)
{
	const uint32_t *tids = arena->tids.items;
	size_t i;

	for (i = 0; i < arena->tids.count; i++)
		if (tids[i] == tid)
			return true;
	return false;
}

/* The caller holds the lock. */
static bool is_under_way(struct glibc_flight *flight, const struct glibc *glibc, size_t index)
{
	const struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, index);
	size_t threads;

	ch_core_threads(glibc->env.core, &threads);
	if (!arena->locked && threads != 1)
		return false;
	look(flight, glibc);
	if (!arena->locked && !flight->inside.count)
		return false;
	if (!flight->dying)
		return true;
	/* what it found may be in any arena; that of others is theirs */
	return flight->inside.count > 1 && glibc->threads_known && !has_tid(arena, flight->dying);
}

bool glibc_is_under_way(const struct glibc *glibc, size_t arena)
{
	struct glibc_flight *flight = glibc->flight;
	bool is;

	pthread_mutex_lock(&flight->lock);
	is = is_under_way(flight, glibc, arena);
	pthread_mutex_unlock(&flight->lock);
	return is;
}

/* ---- what is half done ------------------------------------------------------ */

static size_t count_of(const struct glibc_flight *flight, size_t arena)
{
	const struct oddity *oddities = flight->oddities.items;
	size_t i, count = 0;

	for (i = 0; i < flight->oddities.count; i++)
		count += oddities[i].arena == arena;
	return count;
}

static void tell_damage(const struct glibc *glibc, const struct oddity *oddity)
{
	chp_context_finding(glibc->env.ctx, oddity->severity, oddity->code, "%s", oddity->text);
}

/* Keep it until all are known; when there are too many none is half done. The
 * caller holds the lock. */
static void keep(struct glibc_flight *flight, const struct glibc *glibc,
		 const struct oddity *oddity)
{
	const struct oddity *kept = flight->oddities.items;
	struct oddity *slot;
	size_t i, count = count_of(flight, oddity->arena);

	for (i = 0; i < flight->oddities.count; i++)
		if (kept[i].arena == oddity->arena && strcmp(kept[i].text, oddity->text) == 0)
			return;
	slot = count <= ODDITIES_MAX ? ch_vec_push(&flight->oddities) : NULL;
	if (slot)
		*slot = *oddity;
	if (slot && count < ODDITIES_MAX)
		return;
	if (!slot) {
		tell_damage(glibc, oddity);
		return;
	}
	kept = flight->oddities.items;
	for (i = 0; i < flight->oddities.count; i++)
		if (kept[i].arena == oddity->arena)
			tell_damage(glibc, &kept[i]);
}

void glibc_tell(const struct glibc *glibc, size_t arena, enum ch_severity severity,
		const char *code, const char *format, ...)
{
	struct glibc_flight *flight = glibc->flight;
	struct oddity oddity = { .arena = arena, .severity = severity, .code = code };
	va_list args;

	va_start(args, format);
	vsnprintf(oddity.text, sizeof(oddity.text), format, args);
	va_end(args);
	pthread_mutex_lock(&flight->lock);
	if (is_under_way(flight, glibc, arena))
		keep(flight, glibc, &oddity);
	else
		tell_damage(glibc, &oddity);
	pthread_mutex_unlock(&flight->lock);
}

/* Who is at work in an arena, for people. */
static void describe(const struct glibc_flight *flight, const struct glibc *glibc,
		     const struct glibc_arena *arena, char *buf, size_t bytes)
{
	const struct inside *inside = flight->inside.items, *who = NULL;
	size_t i;

	for (i = 0; i < flight->inside.count && !who; i++)
		if (inside[i].function[0] && inside[i].tid != flight->dying &&
		    (flight->inside.count == 1 ||
		     (glibc->threads_known && has_tid(arena, inside[i].tid))))
			who = &inside[i];
	if (who)
		snprintf(buf, bytes, "%sthread %u was in %s",
			 arena->locked ? "its lock is held, " : "", who->tid, who->function);
	else
		snprintf(buf, bytes, "its lock is held");
}

void glibc_tell_under_way(const struct glibc *glibc)
{
	struct glibc_flight *flight = glibc->flight;
	const struct glibc_arena *arenas = glibc->arenas.items;
	const struct oddity *oddities, *first;
	char who[96], more[32];
	size_t i, k, count, name;

	pthread_mutex_lock(&flight->lock);
	oddities = flight->oddities.items;
	for (i = 0; i < glibc->arenas.count; i++) {
		count = count_of(flight, i);
		if (!count || count > ODDITIES_MAX)
			continue;
		for (first = NULL, k = 0; !first; k++)
			first = oddities[k].arena == i ? &oddities[k] : NULL;
		describe(flight, glibc, &arenas[i], who, sizeof(who));
		more[0] = '\0';
		if (count > 1)
			snprintf(more, sizeof(more), "; and %zu more", count - 1);
		name = strlen(arenas[i].name);
		name = strncmp(first->text, arenas[i].name, name) == 0 ? name + 2 : 0;
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_NOTE, "glibc-under-way",
				    "%s: malloc was at work when the core was made (%s): what it "
				    "had half done is no damage: %s%s",
				    arenas[i].name, who, first->text + name, more);
	}
	pthread_mutex_unlock(&flight->lock);
}
