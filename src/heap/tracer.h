/*
 * tracer.h - what a runtime that collects its garbage knows of pointers: the part of the
 * walker interface that the graph asks.
 */
#ifndef COREHEAP_HEAP_TRACER_H
#define COREHEAP_HEAP_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/heap.h>

/** How a runtime keeps pointers between its objects in 4 bytes: 0 is none, n is
 * base + (n << shift). */
struct ch_narrow {
	/** Otherwise they have 8 bytes. */
	bool used;
	uint64_t base;
	uint32_t shift;
};

/** Contiguous pointers of an object from offset on: words of 8 bytes, or of 4 where
 * they are narrow. */
struct ch_ref_run {
	uint64_t offset, words;
	/** Words of 8 bytes of a stack that lies in the object: each may be anything, and where
	 * it, or a half of it if pointers are narrow, leads to an object's first byte, it is a
	 * pointer to that. */
	bool stack;
};
#define CH_REF_RUNS 64

/** One object whose pointers are asked for. */
struct ch_ref_query {
	/** The object; its bytes in our memory, NULL when they are not in one piece. */
	uint64_t addr, size_bytes;
	const uint8_t *bytes;
	/** refs() fills the rest: runs, ascending, inside of the object; more when
	 * there are others behind them: call again. */
	struct ch_ref_run runs[CH_REF_RUNS];
	uint32_t count;
	bool more;
	/** No other word is an address of anything: text, small numbers. */
	bool pure;
	/** An object that it keeps alive without a word of its own; 0: none. Given
	 * with the first runs. */
	uint64_t also;
	/** No link of links() begins at it. */
	bool unlinked;
	/** The walker's own; the caller zeroes them once, and resume for each object. */
	uint64_t resume, key;
	const void *shape;
};

/** Why a walker says that an object is kept alive. */
enum ch_walker_root_kind {
	/** An entry of a table of handles. */
	CH_WALKER_ROOT_HANDLE,
	/** A static field; one that each thread has. */
	CH_WALKER_ROOT_STATIC,
	CH_WALKER_ROOT_THREAD_STATIC,
	/** In the queue of those whose finalizers are to run. */
	CH_WALKER_ROOT_FINALIZER,
	/** It is on a stack that the runtime has for a goroutine. */
	CH_WALKER_ROOT_GOROUTINE,
	/** It lies where nothing is ever collected. */
	CH_WALKER_ROOT_FROZEN,
	/** A weak handle: it keeps nothing alive. */
	CH_WALKER_ROOT_WEAK,
};

struct ch_walker_root {
	enum ch_walker_root_kind kind;
	/** Where the pointer lies, and what it holds. */
	uint64_t addr, value;
	/** The walker's own, for root_text(). */
	uint64_t cookie;
};

/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_walker_roots_fn)(void *arg, const struct ch_walker_root *root);
/** The object at to is kept alive by the one at from (a dependent handle). */
typedef struct ch_error *(*ch_walker_links_fn)(void *arg, uint64_t from, uint64_t to);

/** Memory outside of its runtime's heaps that an object owns. */
struct ch_native {
	uint64_t addr, size_bytes;
	/** What it is to the runtime: "direct buffer". Static. */
	const char *label;
};
typedef void (*ch_native_fn)(void *arg, const struct ch_native *native);

enum ch_stack_words {
	/** Nobody looks at them any more. */
	CH_WORDS_DEAD,
	/** Frames of code that has none of the runtime's pointers, as of a thread that collections
	 * do not wait for: they lead to other blocks, but to no object. */
	CH_WORDS_NATIVE,
};
/** What words of a stack are, target range [start, end). */
typedef struct ch_error *(*ch_stack_words_fn)(void *arg, enum ch_stack_words what, uint64_t start,
					      uint64_t end);

/** Where pointers are no addresses: what one stands for; 0: nothing. Asked of words on
 * stacks and in registers, too. Must be thread-safe. */
typedef uint64_t (*ch_decode_fn)(const void *state, uint64_t word);

/**
 * What a runtime that collects its garbage knows of pointers: with it, no other
 * word than those that it names counts as a pointer into its spans, but for
 * registers and stacks, which are looked at word by word.
 */
struct ch_tracer {
	/** Bytes at the start of each object that its runtime uses for itself. */
	uint32_t own_bytes;
	/** An address inside of an object that lies on a stack keeps nothing: where the runtime
	 * stops a thread, what has one has the object's own address, too. */
	bool first_bytes;
	/** How pointers in runs are kept. NULL: in 8 bytes. */
	void (*narrow)(void *state, struct ch_narrow *ret);
	/** How to decode pointers of 8 bytes; NULL, or none: they are addresses. */
	ch_decode_fn (*decoder)(const void *state);
	/** Which weaker references count: bits of enum ch_strength. Called before
	 * learn(), for each graph; NULL: there are none. */
	void (*follow)(void *state, uint32_t strengths);
	/** Get ready for objects of a type of the walker's own; called once for each type before
	 * any refs(). Errors: NOMEM. */
	struct ch_error *(*learn)(void *state, uint64_t key);
	/** The pointers of an object. Must be thread-safe. */
	void (*refs)(void *state, struct ch_ref_query *query);
	/** What keeps objects alive beside registers and stacks; called once, after
	 * learn() and before any refs(). Errors: NOMEM, STOP. */
	struct ch_error *(*roots)(void *state, ch_walker_roots_fn fn, void *arg);
	/** Pointers that lie in no object; after roots(). May be NULL. */
	struct ch_error *(*links)(void *state, ch_walker_links_fn fn, void *arg);
	/** Words on stacks of threads of which the runtime knows that they hold none of its
	 * objects. Before roots(). May be NULL. Errors: NOMEM, STOP. */
	struct ch_error *(*stack_words)(void *state, ch_stack_words_fn fn, void *arg);
	/** A root in words, unescaped: "static Program.s_list". */
	void (*root_text)(void *state, const struct ch_walker_root *root, char *buf, size_t max);
	/** What lies at offset of an object: ".name", "[3]", unescaped. False when
	 * that is not known. May be NULL. */
	bool (*place_text)(void *state, uint64_t addr, uint64_t key, uint64_t offset, char *buf,
			   size_t max);
	/** Bytes that the runtime puts before what it hands out of another walker's blocks, 0:
	 * none; and whether the block of so many usable bytes at addr begins with such a
	 * header: then a pointer behind that is as good as one to the first byte. has_header()
	 * must be thread-safe. May be NULL, both. */
	uint32_t (*header_bytes)(const void *state);
	bool (*has_header)(const void *state, uint64_t addr, uint64_t size_bytes);
	/** The runtime writes to all of each object that it makes: zeros in it are no sign that
	 * nobody touched its pages. */
	bool clears;
	/** What an object owns, each piece of it: no other object that has its address does. Must
	 * be thread-safe. May be NULL. */
	void (*native)(const void *state, uint64_t owner, ch_native_fn fn, void *arg);
	/** Of an object that has the address of another walker's block, or of a mapping: 0, it
	 * may be the owner; CH_OWNER_*, or a number between: less likely. Must be thread-safe. May
	 * be NULL. */
	uint32_t (*owner_rank)(const void *state, uint64_t addr);
	/** What else says what an object is for: "calls Cache.OnError", unescaped.
	 * False: nothing does. May be NULL. */
	bool (*detail_text)(void *state, uint64_t addr, uint64_t key, char *buf, size_t max);
};

/** It is there to free it, or a number in a box; its runtime's own numbers lie among its words. */
#define CH_OWNER_BESIDE  1
#define CH_OWNER_RUNTIME 2

#endif /* COREHEAP_HEAP_TRACER_H */
