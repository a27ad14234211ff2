/*
 * What a walker may blame when something in a heap makes no sense: memory that the core lacks, if
 * it lacks any, else damage. Walkers and the engine ask here, so that a finding means the same
 * from all of them.
 */
#include "heap/walker.h"

enum ch_severity chp_blame(const struct ch_heap_env *env)
{
	return env->lacks_memory || !ch_context_complete(env->ctx) ? CH_SEVERITY_INCOMPLETE
								   : CH_SEVERITY_DAMAGED;
}
