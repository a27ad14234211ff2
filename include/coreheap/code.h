/*
 * coreheap/code.h - what runtimes know of code, stacks and threads.
 *
 * A runtime that compiles or interprets says what a code address is, what its frames run
 * and who called them, and what it calls its threads.
 */
#ifndef COREHEAP_CODE_H
#define COREHEAP_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A method of a runtime with a compiler or an interpreter of its own. */
struct ch_code {
	/** What made it: "JIT", "ReadyToRun", "C1", "C2", "native wrapper", "interpreter",
	 * "stub"; of a frame of the interpreter "interpreted". Static. */
	const char *kind;
	/** Target range [start, end); 0: not known. */
	uint64_t start, end;
	enum ch_basis basis;
	/** "Namespace.Type.Method", escaped; may be cut. */
	char name[512];
	/** Of frames: where in the method; of interpreted and inlined ones in its
	 * bytecodes. */
	uint64_t offset;
	/** Of frames: source file, escaped, and line; "" and 0: not known. */
	char source[160];
	uint32_t line;
};

/** How an exception of a thread is known. */
enum ch_exception_found {
	/** The runtime keeps what the thread threw last; it may have been handled since. */
	CH_EXCEPTION_LAST,
	/** The runtime was about to throw it: there is no object yet, or none that is known. */
	CH_EXCEPTION_ANNOUNCED,
	/** Thrown, and no handler has it yet. */
	CH_EXCEPTION_PENDING,
	/** A word of the thread's stack in use is its address, the one nearest to the top
	 * (heuristic): it may be at work in a handler, or be handled, or not be thrown yet. */
	CH_EXCEPTION_ON_STACK,
};

/** An exception of a runtime. */
#define CH_EXCEPTION_FRAMES 8
struct ch_exception {
	/** Which runtime. Static. */
	const char *runtime;
	enum ch_exception_found found;
	/** "System.InvalidOperationException", unescaped. */
	char type[512];
	/** The object; 0: announced. */
	uint64_t addr;
	/** The number that .NET gives it. */
	bool has_hresult;
	uint32_t hresult;
	/** The text that the program gave it, unescaped, may be cut: contents of memory. "" when
	 * it has none, or makes it when asked for it. */
	char message[1024];
	/** It is a constant of the program or of the runtime: no contents. */
	bool message_shown;
	/** Methods that it came through, innermost first, unescaped; how many of them there
	 * are in all, which may be more than are named. */
	char frames[CH_EXCEPTION_FRAMES][256];
	uint32_t frames_count, frames_total;
	/** Where in those it was thrown or passed on: return addresses, or those less one; 0: not
	 * known. */
	uint64_t frame_addrs[CH_EXCEPTION_FRAMES];
};

/**
 * The exception that a thread has under way, or threw last (depth 0), the one inside of that,
 * its cause (1), and so on. False: none is known, or there are no more.
 */
CH_PUBLIC bool ch_heaps_thrown(struct ch_heaps *heaps, size_t thread_index, uint32_t depth,
			       struct ch_exception *ret);

/** "last-thrown", "announced", "pending", "on-stack". */
CH_PUBLIC const char *ch_exception_found_name(enum ch_exception_found found);

/** What runtime code an address lies in. False when no runtime knows it. */
CH_PUBLIC bool ch_heaps_code_at(struct ch_heaps *heaps, uint64_t addr, struct ch_code *ret);

/**
 * What runtime code a frame of ch_heaps_unwind() runs. depth 0 is the function that
 * was at work; those that it was put into by the compiler follow, 1 and on, up to the
 * one that the frame belongs to. is_top: frame 0, or one that was interrupted. False
 * when no runtime knows it, or there are no more.
 */
CH_PUBLIC bool ch_heaps_frame_code(struct ch_heaps *heaps, const struct ch_frame *frame,
				   bool is_top, uint32_t depth, struct ch_code *ret);

/**
 * As ch_sym_unwind(), over frames of runtimes' code, too, where they say how.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_unwind(struct ch_heaps *heaps,
							 size_t thread_index,
							 struct ch_frame *frames, size_t max,
							 size_t *count_ret, const char **end_ret);

/** What a runtime knows of a thread. */
struct ch_thread_info {
	/** Which runtime. Static. */
	const char *runtime;
	/** What it is to the runtime: "Java", "VM". Static. */
	const char *kind;
	/** Unescaped; may be cut; "" when it has none, or it is not in the core. */
	char name[512];
	/** The number that the runtime gave it; 0: none. */
	uint64_t number;
	/** It does not keep the process running. */
	bool daemon;
	/** What its program sees it do: "TIMED_WAITING (sleeping)"; what the runtime does:
	 * "blocked", "in native". Static; NULL: not known. */
	const char *state, *vm_state;
	/** The runtime's own structure, and the object that stands for it; 0: not known. */
	uint64_t addr, object;
	/** A thread of the runtime's alone that it runs now (a virtual thread): its number,
	 * 0 if none, and its name, unescaped, often "". */
	uint64_t carried_number;
	char carried_name[512];
	/** What it waits for: "enter" a monitor, "wait" to be notified, "park"; NULL:
	 * nothing, or it is not known. Static. */
	const char *waits_to;
	/** The object, and its type, unescaped. */
	uint64_t waits_for;
	char waits_type[256];
	/** The thread that has the monitor, by its tid; 0: none, or not known. */
	uint32_t held_by;
};

/** What a runtime knows of a thread of the core, by its index in ch_core_threads().
 * False: nothing. */
CH_PUBLIC bool ch_heaps_thread(struct ch_heaps *heaps, size_t thread_index,
			       struct ch_thread_info *ret);

/** A thread of a runtime's own, which it runs on threads of the kernel: a goroutine. */
struct ch_goroutine {
	/** Which runtime. Static. */
	const char *runtime;
	/** The number that the runtime gave it, and its own structure. */
	uint64_t number, addr;
	/** Its stack, target range [start, end). */
	uint64_t stack_start, stack_end;
	/** Where it stands, unless a thread runs it: program counter, stack pointer, frame
	 * pointer. */
	uint64_t pc, sp, fp;
	/** That is its first instruction, not behind a call. */
	bool at_start;
	/** A thread runs it: which, by its index in ch_core_threads(). */
	bool on_thread;
	size_t thread_index;
	/** "waiting", "runnable", "running", "syscall". Static. */
	const char *state;
	/** What it waits for: "chan receive"; "" where it does not wait, or that is not known. */
	char waits_for[64];
	/** It has waited for at least so long; 0: not known. */
	uint64_t waited_ns;
	/** Its first function, and the statement that started it; 0: not known. */
	uint64_t start_pc, created_pc;
	/** The thread that alone may run it; 0: any may, or it is not known. */
	uint32_t locked_tid;
	/** It is one of the runtime's own. */
	bool system;
	/** It has labels for profiles. */
	bool labelled;
	/** Nothing that may run leads to what it waits for: it waits for ever. Known after
	 * chp_heaps_find_stuck(). */
	bool stuck;
};

/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_goroutines_fn)(void *arg, const struct ch_goroutine *goroutine);
/** All of them that are not dead, in the runtime's order. Errors: NOMEM, STOP, those of fn. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_goroutines(struct ch_heaps *heaps,
							     ch_goroutines_fn fn, void *arg);
/** As ch_heaps_unwind(), of a goroutine. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_unwind_goroutine(struct ch_heaps *heaps, const struct ch_goroutine *goroutine,
			  struct ch_frame *frames, size_t max, size_t *count_ret,
			  const char **end_ret);

/** A stack in use with its extent, if it is known: one without is a block that sp lies in. */
CH_PUBLIC struct ch_thread_stack ch_heaps_stack(struct ch_heaps *heaps,
						const struct ch_thread_stack *stack);
/** The stack in use that holds addr. False: none does. */
CH_PUBLIC bool ch_heaps_stack_at(struct ch_heaps *heaps, uint64_t addr,
				 struct ch_thread_stack *ret);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_CODE_H */
