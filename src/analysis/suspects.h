/*
 * suspects.h - rules that say what in a dump is worth a second look.
 */
#ifndef COREHEAP_ANALYSIS_SUSPECTS_H
#define COREHEAP_ANALYSIS_SUSPECTS_H

#include <coreheap/graph.h>

#include "analysis/death.h"
#include "analysis/measure.h"
#include "analysis/pooled.h"
#include "analysis/suspect.h"

/** What the rules look at, and where they put what they find. */
struct ch_suspecting {
	/** What is missing; filled in before the graph is asked. */
	struct ch_coverage coverage;
	struct ch_session *session;
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Nothing is to be asked that needs the graph. */
	bool quick;
	struct ch_heaps *heaps;
	const struct ch_death *death;
	/** What the graph says of garbage goes into them. */
	struct ch_measured *sums;
	const struct ch_pooled *pooled;
	/** of struct ch_suspect */
	struct ch_vec *suspects;
	/** Used bytes of native heaps, and of managed ones, in chunks. */
	uint64_t native_bytes, managed_bytes;
	/** of uint64_t: the blocks of the suspect of equal mappings */
	struct ch_vec equal;
};

/** What the rules are about: all of it but the last is borrowed while they are applied. */
struct ch_suspects_input {
	struct ch_heaps *heaps;
	const struct ch_death *death;
	struct ch_measured *sums;
	const struct ch_pooled *pooled;
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Only the rules that need no graph. */
	bool quick;
};

/**
 * Apply all rules; suspects go into ret (of struct ch_suspect), by bytes, descending. What is
 * garbage changes the sums and the verdict. Errors: those of the graph, NOMEM; an interrupt
 * ends the rules and is a finding.
 */
CH_MUST_CHECK struct ch_error *chp_suspects_find(struct ch_session *session,
						 const struct ch_suspects_input *input,
						 struct ch_vec *ret);

/** Whether bytes are at least min and at least percent of whole. */
bool chp_suspect_is(uint64_t bytes, uint64_t min, uint64_t percent, uint64_t whole);

/**
 * Add a suspect, whose share is that of its bytes in whole. What it owns is taken, also
 * on failure. Errors: NOMEM.
 */
CH_MUST_CHECK CH_PRINTF(4, 5) struct ch_error *chp_suspect_take(struct ch_suspecting *suspecting,
								struct ch_suspect *suspect,
								uint64_t whole, const char *format,
								...);
/** Name a type as the next one of a suspect. Errors: NOMEM, those of ch_heaps_type(). */
CH_MUST_CHECK struct ch_error *chp_suspect_type(struct ch_suspecting *suspecting,
						struct ch_suspect *suspect, uint32_t type,
						uint64_t count, uint64_t bytes);
/** Bytes of text for the next command: its name, and the address behind the core. */
void chp_suspect_next(struct ch_suspect *suspect, const char *command, uint64_t addr);
/** Bytes of a type as shares count them: chp_touched_of(). */
uint64_t chp_suspect_touched(const struct ch_suspecting *suspecting,
			     const struct ch_type_stat *stat);
void chp_suspect_fact(struct ch_suspect *suspect, const char *key, uint64_t number);

/** suspects_locks.c: threads that wait for one lock. Errors: NOMEM, STOP, those of unwinding. */
CH_MUST_CHECK struct ch_error *chp_suspects_locks(struct ch_suspecting *suspecting);
/** suspects_goroutines.c: goroutines that cannot go on, or are too many. Errors: as above. */
CH_MUST_CHECK struct ch_error *chp_suspects_goroutines(struct ch_suspecting *suspecting);
/** suspects_timers.c: timers that are too many. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_timers(struct ch_suspecting *suspecting);
/** suspects_queues.c: objects that wait for their finalizers. types: by id of a node. Errors: those
 * of the graph, of unwinding, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_queues(struct ch_suspecting *suspecting,
						   struct ch_graph *graph,
						   const struct ch_retained *retained,
						   const uint32_t *types);
/** suspects_fragments.c: managed heaps with holes between objects that stay where they are.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_fragments(struct ch_suspecting *suspecting);
/** Who holds the objects that are locked, once there is a graph. Errors: as
 * chp_suspect_chain(). */
CH_MUST_CHECK struct ch_error *chp_suspects_locks_held(const struct ch_suspecting *suspecting,
						       struct ch_graph *graph);
/**
 * What a thread does: the innermost method of its stack that is the program's own, else of a
 * runtime, escaped, into buf; "" when there is none. Errors: NOMEM, STOP, those of unwinding.
 */
CH_MUST_CHECK struct ch_error *chp_suspect_method(const struct ch_suspecting *suspecting,
						  uint32_t tid, char *buf, size_t max);
/** suspects_graph.c: the rules that need the graph. Errors: those of the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_in_graph(struct ch_suspecting *suspecting);

/** How the root that is best to know holds one of targets; roots_count 0: none does.
 * Errors: those of the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_chain(const struct ch_suspecting *suspecting,
						 struct ch_graph *graph, const uint32_t *targets,
						 size_t count, struct ch_suspect_chain *ret);
/** What points at blocks or memory of a suspect: blocks of one type, by one of them, or a variable.
 */
struct ch_suspect_source {
	bool is_block;
	uint32_t id;
	struct ch_root root;
	/** How many it points at. */
	uint64_t count;
};
/** The next row of what points at a suspect; beyond CH_SUSPECT_OWNERS it is only counted. Errors:
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_pointed(const struct ch_suspecting *suspecting,
						   struct ch_graph *graph,
						   const struct ch_suspect_source *source,
						   struct ch_suspect *suspect);
/** suspects_mapped.c: who holds blocks of equal mappings. Errors: as above. */
CH_MUST_CHECK struct ch_error *chp_suspect_mapped(struct ch_suspecting *suspecting,
						  struct ch_graph *graph,
						  const struct ch_retained *retained);
/** suspects_unknown.c: who has addresses of memory of no known owner. Errors: as above. */
CH_MUST_CHECK struct ch_error *chp_suspect_unknown(struct ch_suspecting *suspecting,
						   struct ch_graph *graph);
/** suspects_buffers.c: limits that are near. Errors: as above. */
/** suspects_damage.c: what overran a block, or used one after it was freed, is why a process dies,
 * whatever it holds. Errors: NOMEM, STOP, those of the graph. */
CH_MUST_CHECK struct ch_error *chp_suspect_damage(struct ch_suspecting *suspecting);
/** suspects_freed.c: a block that was freed twice, or an address that is no block's. Errors: as
 * above. */
CH_MUST_CHECK struct ch_error *chp_suspect_freed(struct ch_suspecting *suspecting);
/** What glibc's message says of that, for a headline; NULL: nothing. Static. */
const char *chp_freed_headline(const struct ch_death *death);
/** Who points at the first byte of a block, as "; order at 0x55... points at it", and as the
 * suspect's holder; "": nobody that is known. Errors: as above. */
CH_MUST_CHECK struct ch_error *chp_suspect_pointer(struct ch_suspecting *suspecting, uint64_t addr,
						   struct ch_suspect *suspect, char *text,
						   size_t max);
CH_MUST_CHECK struct ch_error *chp_suspect_limits(struct ch_suspecting *suspecting);

#endif /* COREHEAP_ANALYSIS_SUSPECTS_H */
