/*
 * Queues of references whose objects died: what the Finalizer thread and threads of cleaners
 * work off.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, java.base/java/lang/ref: ReferenceQueue.java (head,
 * queueLength; references are linked by next, the last one leads to itself), Finalizer.java,
 * jdk/internal/ref/CleanerImpl.java (queue; it is what its thread runs), PhantomCleanable.java.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/hotspot_priv.h"

/* References of all queues. */
#define REFERENCES_MAX (1U << 22)
#define SUPERS_MAX     64

struct visiting {
	struct hs *hs;
	ch_queue_fn fn;
	void *arg;
	/* ReferenceQueue, and what derives from it. */
	uint64_t klasses[2];
	uint32_t references;
	/* Where references of the class met last have what. */
	uint64_t klass;
	uint32_t next, referent, action;
};

static uint64_t read_at(const struct hs *hs, uint64_t object, uint32_t offset)
{
	uint64_t ret;

	return object && offset && hs_read_oop(hs, object + offset, &ret) ? ret : 0;
}

static uint64_t read_ref(const struct hs *hs, uint64_t object, const char *name)
{
	return object ? read_at(hs, object,
				hs_field_offset(hs, hs_klass_at(hs, object), name, false))
		      : 0;
}

/* A class or one that it derives from, by its name; 0: it is no such class. */
static uint64_t base_of(const struct hs *hs, uint64_t klass, const char *symbol)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	for (i = 0; klass && i < SUPERS_MAX; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return 0;
		if (strcmp(name, symbol) == 0)
			return klass;
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return 0;
	}
	return 0;
}

static const char *kind_of(const struct hs *hs, uint64_t reference)
{
	uint64_t klass = hs_klass_at(hs, reference);

	if (base_of(hs, klass, "java/lang/ref/Finalizer"))
		return "finalizers";
	return base_of(hs, klass, "jdk/internal/ref/PhantomCleanable") ||
			       base_of(hs, klass,
				       "jdk/internal/ref/CleanerImpl$"
				       "PhantomCleanableRef")
		       ? "cleaners"
		       : NULL;
}

/* Classes that derive from Reference have fields of the name next, too. */
static void learn(struct visiting *visiting, uint64_t reference)
{
	const struct hs *hs = visiting->hs;
	uint64_t klass = hs_klass_at(hs, reference), base;

	if (klass == visiting->klass)
		return;
	base = base_of(hs, klass, "java/lang/ref/Reference");
	visiting->klass = klass;
	visiting->next = base ? hs_field_offset(hs, base, "next", false) : 0;
	visiting->referent = base ? hs_field_offset(hs, base, "referent", false) : 0;
	visiting->action = klass ? hs_field_offset(hs, klass, "action", false) : 0;
}

/* What is to be finalized; of what died before its cleaner runs, the action. */
static void add_reference(const struct visiting *visiting, uint64_t reference,
			  struct ch_queue *queue)
{
	uint64_t object = read_at(visiting->hs, reference, visiting->referent);

	if (!object)
		object = read_at(visiting->hs, reference, visiting->action);
	if (!object)
		object = reference;
	chp_queue_add(visiting->hs->env->ctx, queue, hs_klass_at(visiting->hs, object), object);
}

/* The thread that takes from a queue: of finalizers by its class, of a cleaner by what it runs. */
static uint32_t worker_of(struct hs *hs, const struct ch_queue *queue)
{
	const struct hs_thread *threads;
	uint64_t task;
	size_t count, i;

	threads = hs_threads(hs, &count);
	for (i = 0; i < count; i++) {
		if (strcmp(queue->kind, "finalizers") == 0) {
			if (base_of(hs, hs_klass_at(hs, threads[i].object),
				    "java/lang/ref/Finalizer$FinalizerThread"))
				return threads[i].tid;
			continue;
		}
		/* from 19 on in an object of its own */
		task = read_ref(hs, threads[i].object, "target");
		if (!task)
			task = read_ref(hs, read_ref(hs, threads[i].object, "holder"), "task");
		if (task && read_ref(hs, task, "queue") == queue->object)
			return threads[i].tid;
	}
	return 0;
}

static struct ch_error *visit_queue(struct visiting *visiting, uint64_t addr)
{
	struct hs *hs = visiting->hs;
	uint64_t reference = read_ref(hs, addr, "head"), next;
	struct ch_queue queue = { .object = addr,
				  .kind = reference ? kind_of(hs, reference) : NULL,
				  .objects = CH_VEC(uint64_t) };
	uint32_t offset = hs_field_offset(hs, hs_klass_at(hs, addr), "queueLength", false);
	struct ch_error *err;

	/* the queue counts itself: a list that is longer is damaged */
	if (!queue.kind || !offset || !hs_read_ptr(hs, addr + offset, &queue.count))
		return NULL;
	while (reference && queue.looked_at < queue.count &&
	       visiting->references < REFERENCES_MAX) {
		visiting->references++;
		learn(visiting, reference);
		add_reference(visiting, reference, &queue);
		next = read_at(hs, reference, visiting->next);
		reference = next == reference ? 0 : next;
	}
	queue.tid = worker_of(hs, &queue);
	err = visiting->fn(visiting->arg, &queue);
	ch_vec_deinit(&queue.objects);
	return err;
}

static struct ch_error *look(void *arg, const struct ch_object *objects, size_t n)
{
	struct visiting *visiting = arg;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		if (objects[i].state == CH_OBJECT_USED && objects[i].key &&
		    (objects[i].key == visiting->klasses[0] ||
		     objects[i].key == visiting->klasses[1]))
			err = visit_queue(visiting, objects[i].addr);
	return err;
}

struct ch_error *hs_queues(void *state, struct ch_heaps *heaps, ch_queue_fn fn, void *arg)
{
	static const char *const names[] = { "java.lang.ref.ReferenceQueue",
					     "java.lang.ref.NativeReferenceQueue" };
	struct visiting visiting = { .hs = state, .fn = fn, .arg = arg };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < CH_COUNT_OF(names); i++)
		err = hs_inspector.find_type(state, names[i], &visiting.klasses[i]);
	if (err || (!visiting.klasses[0] && !visiting.klasses[1]))
		return err;
	return chp_heaps_find_keys(heaps, "hotspot", visiting.klasses,
				   CH_COUNT_OF(visiting.klasses), look, &visiting);
}
