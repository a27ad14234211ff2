/*
 * stacks.h - the JVM's code and threads: code.c, scopes.c, frames.c, threads.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_STACKS_H
#define COREHEAP_WALKERS_HOTSPOT_STACKS_H

#include "heap/walker.h"
#include "walkers/hotspot/tables.h"

struct hs;

/** A piece of the code cache: memory in segments, with a byte for each that leads back to
 * the start of what lies there. */
struct hs_code_heap {
	uint64_t low, high, map, map_end;
	uint32_t segment_log2;
	/** "code cache, profiled methods". Static. */
	const char *label;
};

/** Something in the code cache: a method's code, stubs. */
struct hs_blob {
	uint64_t addr, end;
	/** Its instructions. */
	uint64_t code_start, code_end;
	/** The Method that it is the code of; 0: none. */
	uint64_t method;
	/** What each of its frames takes on the stack, the return address included; 0: not
	 * known. Only from this offset of the code on, negative: nowhere. */
	uint64_t frame_bytes;
	int32_t frame_complete;
	/** The compiler's level, of a method; 0: a wrapper of a native one. */
	uint32_t level;
	bool interpreter;
	char name[128];
};

/** A thread that runs Java, and its stack. */
struct hs_thread {
	uint64_t addr, stack_start, stack_end;
	/** What monitors that it owns call it by, from 24 on; else 0. */
	uint64_t owner_id;
	/** Its java.lang.Thread, and what runs on it now if that is another one; 0: not known. */
	uint64_t object, carried;
	uint32_t tid;
};

/** A place in Java code. */
struct hs_place {
	uint64_t method;
	/** Bytecode; -1: before the first one. */
	int32_t bci;
	/** The function that it was put into by the compiler follows. */
	bool inlined;
};

/** A frame of the interpreter: its method, where that has its bytecodes, and at which it is. */
struct hs_interpreted {
	uint64_t method, constant, codes;
	uint32_t size, bci;
};

/** code.c: pieces of the code cache. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_code_open(struct hs *hs);
/** What lies at an address of the code cache. */
bool hs_blob_at(struct hs *hs, uint64_t addr, struct hs_blob *ret);
bool hs_code_at(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max);
/** As ch_walker.methods. */
CH_MUST_CHECK struct ch_error *hs_methods_visit(void *state, ch_methods_fn fn, void *arg);
/** "C1", "C2", "native wrapper": what made a method's code. Static. */
const char *hs_compiler_name(const struct hs_blob *blob);
/** "java.lang.Thread.sleep"; false: that is no Method. */
bool hs_method_name(const struct hs *hs, uint64_t method, char *buf, size_t max);
/** scopes.c: what compiled code does at pc, depth functions further out; any: pc is not
 * right behind a call. False: not known, or there are no more. */
bool hs_scope_at(const struct hs *hs, const struct hs_blob *blob, uint64_t pc, bool any,
		 uint32_t depth, struct hs_place *ret);
/** Source file and line of a bytecode, as far as they are known. */
void hs_source_of(struct hs *hs, uint64_t method, int32_t bci, struct ch_code *ret);
/** frames.c: stacks of threads that run Java code. */
bool hs_frame_caller(void *state, const struct ch_frame_regs *frame, struct ch_frame_regs *ret);
bool hs_frame_code(void *state, const struct ch_walker_frame *frame, struct ch_code *ret, char *buf,
		   size_t max);
/** False: it is none, or it is not known at which bytecode it is. */
bool hs_interpreted_at(struct hs *hs, const struct ch_frame_regs *frame,
		       struct hs_interpreted *ret);
/** deadlocals.c: as ch_tracer.stack_words. */
CH_MUST_CHECK struct ch_error *hs_stack_words(void *state, ch_stack_words_fn fn, void *arg);
/** monitors.c: what a thread waits for; object: its java.lang.Thread, 0 if not known. */
void hs_waits_for(struct hs *hs, const struct hs_thread *thread, uint64_t object,
		  struct ch_thread_info *ret);
/** monitors.c: the object that an ObjectMonitor is of, and the kernel id of the thread that has
 * it; 0: not known, or none. */
uint64_t hs_monitor_object(const struct hs *hs, uint64_t monitor);
uint32_t hs_monitor_owner(struct hs *hs, uint64_t monitor, uint64_t object);
/** Most objects that a thread locks without monitors, as the JVM has it: 8. */
#define HS_LOCK_STACK_MAX 32
/** Objects that a thread has locked without monitors, one for each time; returns how many. */
uint32_t hs_lock_stack(const struct hs *hs, uint64_t thread, uint64_t objects[HS_LOCK_STACK_MAX]);
/** The field of a synchronizer that has the thread which owns it ("exclusiveOwnerThread"): where
 * it lies; 0: its class has none. */
uint64_t hs_owner_field(const struct hs *hs, uint64_t object);
/** The thread that runs a java.lang.Thread now, or NULL. */
const struct hs_thread *hs_thread_running(struct hs *hs, uint64_t object);
/** conduct.c: as ch_walker.conduct. */
extern const struct ch_conduct hs_conduct;
/** locks.c: as ch_conduct.locks. */
CH_MUST_CHECK struct ch_error *hs_locks(void *state, struct ch_heaps *heaps, ch_lock_fn fn,
					void *arg);
/** queues.c: as ch_conduct.queues. */
CH_MUST_CHECK struct ch_error *hs_queues(void *state, struct ch_heaps *heaps, ch_queue_fn fn,
					 void *arg);
/** threads.c: the stack and number of a JavaThread; false: the structure makes no sense. */
bool hs_thread_read(const struct hs *hs, uint64_t addr, struct hs_thread *ret);
/** The java.lang.Thread that a member of a JavaThread leads to; 0: not known. */
uint64_t hs_thread_object(const struct hs *hs, enum hs_member_id id, uint64_t thread);
/** threads.c: those that run Java, by their stacks. */
const struct hs_thread *hs_threads(struct hs *hs, size_t *count_ret);
/** thread_info.c: the number of a java.lang.Thread; 0: not known. */
uint64_t hs_thread_number(const struct hs *hs, uint64_t object);
/** threads.c: the thread that runs Java on whose stack sp is, or NULL. */
const struct hs_thread *hs_thread_at(struct hs *hs, uint64_t sp);
/** Non-NULL ends the visit. object: the java.lang.Thread of the one with a kernel id. */
typedef struct ch_error *(*hs_thread_fn)(void *arg, uint32_t tid, uint64_t object);
/** Threads that run Java. Errors: NOMEM, those of fn. */
CH_MUST_CHECK struct ch_error *hs_threads_visit(struct hs *hs, hs_thread_fn fn, void *arg);
/** exceptions.c: as ch_walker.thrown. */
bool hs_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret);
/** thread_info.c: a thread of the core, by its index. */
bool hs_thread_info(void *state, size_t index, struct ch_thread_info *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_STACKS_H */
