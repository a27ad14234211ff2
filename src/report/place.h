/*
 * report/place.h - where an address lies, in words.
 */
#ifndef COREHEAP_REPORT_PLACE_H
#define COREHEAP_REPORT_PLACE_H

#include <coreheap/graph.h>

/** All words of ch_ref_kind_name(). */
#define CH_REF_WORDS "object|free|allocator|register|stack|tls|data|memory|dead stack|constant|code"

/** Name what ch_graph_place() or ch_graph_refs() found. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_place_describe(struct ch_graph *graph, struct ch_sym *sym,
						  const struct ch_ref *ref,
						  struct ch_root_text *ret);
/** Type of the block it lies in; has_owner is set. Do not copy *ret. */
CH_MUST_CHECK struct ch_error *chp_place_type(struct ch_heaps *heaps, const struct ch_ref *ref,
					      struct ch_type *ret);

#endif /* COREHEAP_REPORT_PLACE_H */
