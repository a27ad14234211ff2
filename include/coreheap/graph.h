/*
 * coreheap/graph.h - the object graph: who points at whom, and from which roots.
 * What no root reaches: coreheap/leaks.h.
 *
 * Vocabulary:
 *   object    a block of any heap, as in heap.h; its id is its rank by address
 *             among all of them, used or not;
 *   node      a used object;
 *   edge      a word of a node that points at a node, or into it;
 *   interior  said of a pointer that leads behind the first byte of a node;
 *   root      a word outside of all heaps (or a register) that points at a
 *             node or into it;
 *   conservative  said of an edge or root that is a word which looks like an
 *             address, nobody knows of what type.
 *
 * A pointer leads into a node when it lies in [addr, addr + size_bytes): one
 * past the end does not. Words are looked at where they are aligned to 8 bytes.
 * Into the heap of a runtime that collects its garbage only those words lead of
 * which it says so (fields of objects, handles, statics), and what registers and
 * stacks hold, first bytes or not: its objects move, so nobody else may keep
 * their addresses. Words of a stack that the runtime knows to be left from before
 * hold nothing, nor does an address inside of an object where it says so.
 * Blocks of the allocator's own (CH_OBJECT_ALLOCATOR) are no nodes.
 * Absent bytes hold no edges; how many were met is counted and reported.
 */
#ifndef COREHEAP_GRAPH_H
#define COREHEAP_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/coreheap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_graph;

struct ch_graph_options {
	/** Threads that work; 0: as many as there are processors. */
	uint32_t threads;
	/** Several questions will be asked: keep what they have in common, four bytes
	 * for each edge. */
	bool keep_edges;
	/** What is retained is counted in bytes on touched pages (ch_core_touched_bytes()). */
	bool touched_only;
};

/**
 * Index all objects of a session's heaps: one walk. options may be NULL. The
 * session must outlive it. Errors: those of ch_session_heaps(), LIMIT (2^32 - 2
 * objects or more), NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_graph_create(struct ch_session *session,
							 const struct ch_graph_options *options,
							 struct ch_graph **ret);
CH_PUBLIC void ch_graph_destroy(struct ch_graph *graph);

/** Ids are 0 .. this - 1. */
CH_PUBLIC uint32_t ch_graph_objects_count(const struct ch_graph *graph);
/** Nodes among them. */
CH_PUBLIC uint32_t ch_graph_nodes_count(const struct ch_graph *graph);
CH_PUBLIC bool ch_graph_is_node(const struct ch_graph *graph, uint32_t id);

/** The node that addr points at or into, or CH_ID_NONE. O(1). */
CH_PUBLIC uint32_t ch_graph_node_at(const struct ch_graph *graph, uint64_t addr);
/** Address of an object. */
CH_PUBLIC uint64_t ch_graph_addr(const struct ch_graph *graph, uint32_t id);
/** Usable bytes of a node; 0 for other objects. */
CH_PUBLIC uint64_t ch_graph_size_bytes(const struct ch_graph *graph, uint32_t id);
/** All that its walker says of it; slower. False only when out of memory. */
CH_PUBLIC bool ch_graph_object(struct ch_graph *graph, uint32_t id, struct ch_object *ret);

/** Offset of an edge that no word makes: a dependent handle, say. */
#define CH_OFFSET_NONE UINT64_MAX

/** An edge of a node. */
struct ch_edge {
	/** Where the word lies, counted from the node's address. */
	uint64_t offset;
	/** What it holds, and the node it leads to. */
	uint64_t value;
	uint32_t target;
	bool interior;
	/** Its runtime says that it is a pointer; else it looks like one. */
	bool exact;
};

/**
 * The next edges of a node, by offset: begin with *offset = 0. Returns how many
 * were written, at most max; 0 at the end. *offset moves behind the last one.
 */
CH_PUBLIC size_t ch_graph_edges(const struct ch_graph *graph, uint32_t id, uint64_t *offset,
				struct ch_edge *edges, size_t max);

/**
 * What lies at offset of a node, as its runtime calls it: ".name", "[3]". False
 * when that is not known. Escaped; may be cut.
 */
CH_PUBLIC bool ch_graph_place_name(struct ch_graph *graph, uint32_t id, uint64_t offset, char *buf,
				   size_t max);

/** What else its runtime says of a node: "calls Cache.OnError" of a delegate. False:
 * nothing. Escaped; may be cut. */
CH_PUBLIC bool ch_graph_detail(struct ch_graph *graph, uint32_t id, char *buf, size_t max);

enum ch_root_kind {
	/** General registers of a thread. */
	CH_ROOT_REGISTER,
	/** Stack of a thread from its stack pointer up, red zone included. Of one
	 * that a thread left for another (to handle a signal, to run a coroutine)
	 * from where it left it, or all where that is not known. */
	CH_ROOT_STACK,
	/** Thread-local storage and the thread's descriptor. */
	CH_ROOT_TLS,
	/** Writable data and bss of a module, its RELRO included. */
	CH_ROOT_DATA,
	/** Other writable memory that no walker owns. */
	CH_ROOT_MEMORY,
	/** What a runtime names: handles, static fields, those of threads, objects
	 * whose finalizers are about to run, words on stacks that it has for goroutines, and
	 * objects that it never collects. */
	CH_ROOT_HANDLE,
	CH_ROOT_STATIC,
	CH_ROOT_THREAD_STATIC,
	CH_ROOT_FINALIZER,
	CH_ROOT_GOROUTINE,
	CH_ROOT_FROZEN,
	/** Stacks and thread-local storage that threads which ended left behind:
	 * nobody will look at them again. Not part of CH_ROOTS_LIVE. */
	CH_ROOT_LEFTOVER,
	/** Weak handles of a runtime: they keep nothing alive. */
	CH_ROOT_WEAK,
};
#define CH_ROOT_KINDS (CH_ROOT_WEAK + 1)
/** Bits of enum ch_root_kind: what keeps blocks alive. */
#define CH_ROOTS_LIVE ((1U << CH_ROOT_LEFTOVER) - 1)

/** Memory that is looked at for roots; registers have none. */
struct ch_root_range {
	/** Target range [start, end), aligned to 8. */
	uint64_t start, end;
	enum ch_root_kind kind;
	/** Index as in ch_core_threads() for STACK and TLS, else UINT32_MAX. */
	uint32_t thread;
	/** For STACK: words below are stale (struct ch_root); else 0. */
	uint64_t sp;
	/** For DATA; else NULL. */
	const struct ch_module *module;
	/** Bytes of it that the core does not hold; and those of them that went
	 * with the end of a truncated file: the dumper left out the others. */
	uint64_t absent_bytes, lost_bytes;
};

/** Ranges, ascending and without overlap. Borrowed from the graph. */
CH_PUBLIC const struct ch_root_range *ch_graph_root_ranges(const struct ch_graph *graph,
							   size_t *count_ret);

struct ch_root {
	enum ch_root_kind kind;
	/** Where the word lies; 0 for a register. */
	uint64_t addr;
	/** What it holds, and the node it leads to. */
	uint64_t value;
	uint32_t target;
	bool interior;
	/** Index as in ch_core_threads(), else UINT32_MAX. */
	uint32_t thread;
	/** Index of the register, as in ch_arch_reg_name(). */
	uint32_t reg;
	/** Index of its range; UINT32_MAX for registers and what runtimes name. */
	uint32_t range;
	/** For what runtimes name: its number among them. */
	uint32_t named;
	/** On a stack below the stack pointer, where only a leaf function keeps anything,
	 * or on one of which it is not known where its thread left it: what lies there
	 * mostly is what calls that ended left behind. */
	bool stale;
};

/** Called with roots, n of them. Non-NULL ends the visit. */
typedef struct ch_error *(*ch_roots_fn)(void *arg, const struct ch_root *roots, size_t n);

/**
 * Every root of the kinds whose bits are set: registers thread by thread, then
 * memory by address. Errors: STOP, whatever fn returned.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_graph_visit_roots(const struct ch_graph *graph, uint32_t kinds, ch_roots_fn fn, void *arg);

/** A root in words. */
struct ch_root_text {
	/** "g_orders+0x8 in orders", "thread 812 \"worker-3\" frame 2 drain() rsp+0x38",
	 * "TLS thread 812 +0x30 (cache_tls)", "anon 0x7f..000 +0x10". Escaped. */
	char where[512];
	/** Bare name of the variable or function; "" when none is known. Escaped. */
	char symbol[256];
	/** What it is of the variable, by debug information: ".clients[2]"; "" when that is not
	 * known, or it is all of it. Escaped; may be cut. */
	char field[160];
	/** Kernel id of the thread; 0: none. */
	uint32_t tid;
	enum ch_basis basis;
};

/** Name a root as well as the core allows. Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_root_describe(struct ch_graph *graph, const struct ch_root *root, struct ch_root_text *ret);

/** "register", "stack", "tls", "data", "memory", "handle", "static",
 * "thread-static", "finalizer", "frozen", "leftover", "weak". Static. */
CH_PUBLIC const char *ch_root_kind_name(enum ch_root_kind kind);

/* ---- Who holds it ------------------------------------------------------------ */

struct ch_chains_options {
	/** Only pointers to first bytes. */
	bool exact;
	/** Most steps from a target; 0: no bound. */
	uint32_t depth_max;
	/** Milliseconds after which to stop; 0: no bound. */
	uint64_t time_ms;
};

/** A root that leads to a target. */
struct ch_chain {
	struct ch_root root;
	/** Edges from the root's node to the target; 0: the root points at it. */
	uint32_t steps;
	/** The root, or a step of the way, points into a block and not to its first byte:
	 * there is no other way from it, and it may do so by chance. */
	bool inner;
};

struct ch_chains;

/**
 * All roots that reach any of the targets (ids of nodes), each with a shortest
 * way of pointers to first bytes, and if there is none, of any pointers. Ways share
 * their ends: from each node there is one next. options may be NULL. Errors: LIMIT (2^32 edges or
 * more), NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_chains_find(struct ch_graph *graph, const uint32_t *targets, size_t targets_count,
	       const struct ch_chains_options *options, struct ch_chains **ret);
CH_PUBLIC void ch_chains_destroy(struct ch_chains *chains);

/**
 * Those of stale roots last; before them those that are inner; by steps; of equally long
 * ones what runtimes name, data of modules, thread-local storage, other memory, and last
 * registers and stacks, each by address. Borrowed.
 */
CH_PUBLIC const struct ch_chain *ch_chains_list(const struct ch_chains *chains, size_t *count_ret);
/** Weak handles of a runtime that point at targets: they keep nothing alive. Borrowed. */
CH_PUBLIC const struct ch_root *ch_chains_weak(const struct ch_chains *chains, size_t *count_ret);
/** The node after id on its way; CH_ID_NONE for a target. */
CH_PUBLIC uint32_t ch_chains_next(const struct ch_chains *chains, uint32_t id);
/** Nodes that reach a target, targets included. */
CH_PUBLIC uint32_t ch_chains_reaching_count(const struct ch_chains *chains);
/** Why the search did not see everything ("depth", "time"), or NULL. Static. */
CH_PUBLIC const char *ch_chains_cut(const struct ch_chains *chains);

/* ---- What would go away with it ---------------------------------------------- */

struct ch_retained;

/** A node in the dominator tree. Bytes are usable bytes. */
struct ch_retained_row {
	/** CH_ID_NONE: all roots together. */
	uint32_t id;
	/** The node that every way from a root to this one leads through and that
	 * is nearest to it; CH_ID_NONE: there is none but the roots. */
	uint32_t dominator;
	uint64_t self_bytes;
	/** Of all that would be lost if this node were: itself included. */
	uint64_t retained_bytes;
	uint64_t retained_count;
};

/** All nodes of a type. */
struct ch_retained_type {
	/** As in struct ch_type_stat. */
	uint32_t type;
	uint64_t count, self_bytes;
	/** Each byte once: nodes dominated by another one of the type add nothing. */
	uint64_t retained_bytes;
};

/**
 * Dominators of all nodes that live roots reach (semi-NCA: Georgiadis and
 * Tarjan, "Finding Dominators in Practice"). Errors: LIMIT, NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_retained_make(struct ch_graph *graph,
							  struct ch_retained **ret);
CH_PUBLIC void ch_retained_destroy(struct ch_retained *retained);

/** A node's row; id CH_ID_NONE: the roots'. False when no root reaches it. */
CH_PUBLIC bool ch_retained_row(const struct ch_retained *retained, uint32_t id,
			       struct ch_retained_row *ret);
/**
 * The nodes that retain most, of all, or of those that id dominates directly
 * (CH_ID_NONE: that nothing but the roots dominates): by retained bytes
 * descending, then by id. Returns how many were written; how many there are in
 * *count_ret.
 */
CH_PUBLIC size_t ch_retained_top(const struct ch_retained *retained, struct ch_retained_row *rows,
				 size_t max, uint64_t *count_ret);
CH_PUBLIC size_t ch_retained_children(const struct ch_retained *retained, uint32_t id,
				      struct ch_retained_row *rows, size_t max,
				      uint64_t *count_ret);
/** Types by retained bytes, descending. Computed once, borrowed. Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_retained_types(struct ch_retained *retained,
							   const struct ch_retained_type **ret,
							   size_t *count_ret);

/* ---- What points at it ------------------------------------------------------- */

enum ch_ref_kind {
	/** A word of a used block; of one that was given back: stale; of what an
	 * allocator keeps for itself. */
	CH_REF_OBJECT,
	CH_REF_FREE,
	CH_REF_ALLOCATOR,
	/** As the roots. */
	CH_REF_REGISTER,
	CH_REF_STACK,
	CH_REF_TLS,
	CH_REF_DATA,
	CH_REF_MEMORY,
	/** On a stack below its pointer, or on one that an ended thread left: stale. */
	CH_REF_DEAD_STACK,
	/** Memory that nobody can write to. */
	CH_REF_CONSTANT,
	/** Eight bytes of code, at any address: an immediate, perhaps. On x86-64
	 * also four bytes that look like an address relative to an instruction. */
	CH_REF_CODE,
};
#define CH_REF_KINDS (CH_REF_CODE + 1)

struct ch_ref {
	enum ch_ref_kind kind;
	/** Where the word lies (0 for a register), and what it holds. */
	uint64_t addr, value;
	/** For OBJECT, FREE and ALLOCATOR the block it lies in, if there is one. */
	bool has_owner;
	struct ch_object owner;
	/** For what ch_root_describe() can name. DEAD_STACK has kind LEFTOVER, or
	 * STACK where the thread is known. */
	bool has_root;
	struct ch_root root;
};

typedef struct ch_error *(*ch_refs_fn)(void *arg, const struct ch_ref *ref);

/** What addr lies in: fills kind and what goes with it, but not value. */
CH_PUBLIC void ch_graph_place(struct ch_graph *graph, uint64_t addr, struct ch_ref *ret);

/**
 * Every register and every aligned word of all memory in the core that holds an
 * address of [start, end); with code also what executable memory refers to.
 * Registers first, then by address; in a region of a runtime whose pointers are no
 * addresses those follow, with what they stand for as value. Errors: STOP, NOMEM, whatever fn
 * returned.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_graph_refs(struct ch_graph *graph, uint64_t start,
						       uint64_t end, bool code, ch_refs_fn fn,
						       void *arg);
/** "object", "free", "allocator", "register", "stack" ... Static. */
CH_PUBLIC const char *ch_ref_kind_name(enum ch_ref_kind kind);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_GRAPH_H */
