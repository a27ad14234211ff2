/*
 * What keeps objects alive, as the graph asks for it.
 */
#include "util/search.h"
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <string.h>

/* Bytes of a LoaderAllocator that are looked through for its object's handle. */
#define ALLOCATOR_BYTES 2560

/* Cookies of roots other than handles. */
enum {
	COOKIE_THREAD_ARRAY = 1ULL << 32,
};

static bool is_handle(const struct clr *clr, uint64_t addr)
{
	uint64_t segment = addr & ~0xffffULL;
	const uint64_t *segments = clr->handle_segments.items;
	size_t low = ch_search(segments, clr->handle_segments.count, it, *it < segment);

	return low < clr->handle_segments.count && segments[low] == segment;
}

/* Where in a LoaderAllocator the handle of its managed object is: a handle whose
 * object's type says so. */
static void find_allocator_handle(struct clr *clr, uint64_t allocator)
{
	uint64_t handle, object, mt;
	char name[CLR_NAME_MAX];
	uint32_t at;

	for (at = 8; at < ALLOCATOR_BYTES; at += 8)
		if (clr_read_ptr(clr, allocator + at, &handle) && is_handle(clr, handle & ~3ULL) &&
		    clr_read_ptr(clr, handle & ~3ULL, &object) && clr_read_ptr(clr, object, &mt) &&
		    clr_type_name(clr, mt & ~7ULL, name, sizeof(name)) &&
		    strcmp(name, "System.Reflection.LoaderAllocator") == 0) {
			clr->allocator_handle = at;
			return;
		}
}

static struct ch_error *learn(void *state, uint64_t mt)
{
	struct clr *clr = state;
	struct ch_error *err = clr_handles_find(clr);
	uint64_t module, allocator;

	if (err)
		return err;
	if (!clr->allocator_handle && mt > CLR_TYPE_UNUSED && clr_is_collectible(clr, mt) &&
	    clr_type_module(clr, mt, &module) && clr_module_allocator(clr, module, &allocator))
		find_allocator_handle(clr, allocator);
	return clr_edges_learn(clr, mt);
}

static struct ch_error *visit_statics(struct clr *clr, ch_walker_roots_fn fn, void *arg)
{
	const struct clr_slot *slots = clr->slots.items;
	struct ch_walker_root root;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < clr->slots.count; i++) {
		root = (struct ch_walker_root){ .kind = slots[i].tid ? CH_WALKER_ROOT_THREAD_STATIC
								     : CH_WALKER_ROOT_STATIC,
						.addr = slots[i].addr,
						.cookie = i };
		if (!slots[i].collectible && clr_read_ptr(clr, root.addr, &root.value) &&
		    root.value)
			err = fn(arg, &root);
	}
	return err;
}

/* The array that holds a thread's statics. */
static struct ch_error *visit_threads(struct clr *clr, ch_walker_roots_fn fn, void *arg)
{
	const struct clr_thread *threads = clr->threads.items;
	struct ch_walker_root root;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < clr->threads.count; i++) {
		root = (struct ch_walker_root){ .kind = CH_WALKER_ROOT_THREAD_STATIC,
						.addr = threads[i].data + 8,
						.cookie = COOKIE_THREAD_ARRAY | threads[i].tid };
		if (threads[i].data && clr_read_ptr(clr, root.addr, &root.value) && root.value)
			err = fn(arg, &root);
	}
	return err;
}

static struct ch_error *roots(void *state, ch_walker_roots_fn fn, void *arg)
{
	struct clr *clr = state;
	struct ch_error *err;

	err = clr_handles_find(clr);
	if (!err)
		err = clr_statics_find(clr);
	if (!err)
		err = visit_statics(clr, fn, arg);
	if (!err)
		err = visit_threads(clr, fn, arg);
	if (!err)
		err = clr_finalizers_visit(clr, fn, arg);
	if (!err)
		err = clr_handles_visit(clr, fn, arg);
	if (!err)
		err = clr_frozen_visit(clr, fn, arg);
	return err;
}

static void root_text(void *state, const struct ch_walker_root *root, char *buf, size_t max)
{
	struct clr *clr = state;

	switch (root->kind) {
	case CH_WALKER_ROOT_STATIC:
	case CH_WALKER_ROOT_THREAD_STATIC:
		if (root->cookie & COOKIE_THREAD_ARRAY)
			snprintf(buf, max, "thread %u thread statics",
				 (unsigned)(root->cookie & UINT32_MAX));
		else if (root->cookie < clr->slots.count)
			clr_slot_text(clr, CH_VEC_AT(&clr->slots, struct clr_slot, root->cookie),
				      buf, max);
		return;
	case CH_WALKER_ROOT_FINALIZER:
		snprintf(buf, max, "finalizer queue 0x%llx", (unsigned long long)root->addr);
		return;
	case CH_WALKER_ROOT_FROZEN:
		snprintf(buf, max, "frozen heap: never collected");
		return;
	default:
		snprintf(buf, max, "%s 0x%llx", clr_handle_kind_name(root->cookie),
			 (unsigned long long)root->addr);
	}
}

static bool place_text(void *state, uint64_t addr, uint64_t type, uint64_t offset, char *buf,
		       size_t max)
{
	return clr_place_text(state, addr, type, offset, buf, max);
}

/* System.Delegate: the target, then the method's entry; of a static method, the entry
 * of a thunk and then the method's. System.MulticastDelegate: then an array of
 * delegates, and how many of it are in use. */
static bool detail_text(void *state, uint64_t addr, uint64_t type, char *buf, size_t max)
{
	enum { METHOD = 24, STATIC_METHOD = 32, LIST = 40, COUNT = 48 };
	struct clr *clr = state;
	char name[CLR_NAME_MAX];
	uint64_t parent, entry, list, count;

	if (!clr_read_ptr(clr, type + clr->layout.mt_parent, &parent) || !parent)
		return false;
	if (parent != clr->delegate_mt) {
		if (clr->delegate_mt || !clr_type_name(clr, parent, name, sizeof(name)) ||
		    strcmp(name, "System.MulticastDelegate") != 0)
			return false;
		clr->delegate_mt = parent;
	}
	/* An event with several handlers. */
	if (clr_read_ptr(clr, addr + LIST, &list) && list &&
	    clr_read_ptr(clr, addr + COUNT, &count) && count > 1 && count <= UINT32_MAX) {
		snprintf(buf, max, "calls %llu handlers", (unsigned long long)count);
		return true;
	}
	if ((!clr_read_ptr(clr, addr + STATIC_METHOD, &entry) || !entry ||
	     !clr_entry_name(clr, entry, name, sizeof(name))) &&
	    (!clr_read_ptr(clr, addr + METHOD, &entry) ||
	     !clr_entry_name(clr, entry, name, sizeof(name))))
		return false;
	snprintf(buf, max, "calls %s", name);
	return true;
}

const struct ch_tracer clr_tracer = {
	.learn = learn,
	.refs = clr_edges_refs,
	.roots = roots,
	.links = clr_handles_links,
	.root_text = root_text,
	.place_text = place_text,
	.detail_text = detail_text,
};
