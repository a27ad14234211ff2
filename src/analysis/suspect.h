/*
 * suspect.h - something in a dump that is worth a second look, with its evidence.
 */
#ifndef COREHEAP_ANALYSIS_SUSPECT_H
#define COREHEAP_ANALYSIS_SUSPECT_H

#include "analysis/chain.h"

/** Rules; their ids are chp_suspect_rule_name(). */
enum ch_suspect_rule {
	CH_RULE_HEAP_DAMAGED,
	CH_RULE_BAD_FREE,
	CH_RULE_DEADLOCK,
	CH_RULE_LOCK_CONVOY,
	CH_RULE_FINALIZER_BACKLOG,
	CH_RULE_COLLIDING_KEYS,
	CH_RULE_EMPTY_COLLECTIONS,
	CH_RULE_GROWING_COLLECTION,
	CH_RULE_COMMON_HOLDER,
	CH_RULE_ALIKE_HOLDERS,
	CH_RULE_LARGE_BLOCK,
	CH_RULE_ONE_TYPE,
	CH_RULE_UNREACHABLE_NATIVE,
	CH_RULE_MANAGED_GARBAGE,
	CH_RULE_HUMONGOUS_WASTE,
	CH_RULE_FRAGMENTED_HEAP,
	CH_RULE_FREE_RETAINED,
	CH_RULE_EQUAL_MAPPINGS,
	CH_RULE_DUPLICATE_CONTENTS,
	CH_RULE_MODULE_EXPLOSION,
	CH_RULE_THREAD_EXPLOSION,
	CH_RULE_FILE_MAPS,
	CH_RULE_UNATTRIBUTED,
	CH_RULE_UNRELEASED_BUFFERS,
	CH_RULE_DROPPED_BUFFERS,
	CH_RULE_LIMIT_NEAR,
	CH_RULE_BLOCKED_GOROUTINES,
	CH_RULE_LOCKED_GOROUTINES,
	CH_RULE_ALIKE_GOROUTINES,
	CH_RULE_OPEN_RESOURCES,
	CH_RULE_ALIKE_TIMERS,
};
#define CH_RULES (CH_RULE_ALIKE_TIMERS + 1)

/** Types of a suspect that are named. */
#define CH_SUSPECT_TYPES 8
/** Steps of a chain that are kept: some from each end. */
#define CH_SUSPECT_STEPS 12
#define CH_SUSPECT_FACTS 8
/** Types of owners that are named. */
#define CH_SUSPECT_OWNERS 4

struct ch_suspect_type {
	/** Escaped, owned. */
	char *name;
	/** What sentences call it, in which what holds it is told, too. Borrowed from the name, or
	 * static. */
	const char *words;
	/** Static. */
	const char *runtime;
	uint64_t count, total_bytes;
};

/** Of what type the blocks are that point at blocks of a suspect. */
struct ch_suspect_owner {
	/** Escaped, owned. */
	char *name;
	/** Static. */
	const char *runtime;
	/** Blocks of the suspect that one of them points at. */
	uint64_t count;
};

/** How a root holds it: a shortest chain, roots that are no stacks preferred. */
struct ch_suspect_chain {
	/** 0: there is no chain. */
	uint64_t roots_count;
	/** More than 1: it stands for the ways from so many roots, which are called that. */
	uint64_t alike_count;
	char alike_name[512];
	/** What leads to the key of an entry on it that holds the key weakly (a thread-local);
	 * "": there is none. */
	char key[224];
	/** Hundredths of a percent of the suspect that are held like this; 0: not counted. */
	uint64_t share;
	struct ch_root root;
	struct ch_root_text text;
	/** Types owned. Behind the first elided_at steps, elided_count are left out. */
	struct ch_step steps[CH_SUSPECT_STEPS];
	size_t steps_count, elided_at;
	uint64_t elided_count;
};

struct ch_suspect {
	enum ch_suspect_rule rule;
	/** Hash of names, never of addresses: the same in another dump of the program. */
	uint64_t id;
	/** One line, escaped. Owned. */
	char *message;
	uint64_t bytes, count;
	/** By which it is ranked, what no other suspect tells of; 0: by its bytes. */
	uint64_t rank_bytes;
	/** Id of the suspect that is about the same memory and stands for both; 0: none is. */
	uint64_t part_of;
	/** Hundredths of a percent, and of what; NULL: it is not about bytes. Static. */
	uint64_t share;
	const char *share_of;
	enum ch_basis basis;
	/** A block of it; 0: none. */
	uint64_t sample_addr;
	/** By bytes, descending; types_total counts those not kept, too. */
	struct ch_suspect_type types[CH_SUSPECT_TYPES];
	size_t types_count;
	uint64_t types_total;
	/** The block that holds it; holder_type is NULL when there is none. Owned. */
	uint64_t holder_addr;
	char *holder_type;
	struct ch_suspect_chain chain;
	/** What points at first bytes of its blocks, by count, descending; not known of all
	 * rules. owners_dead: no root holds any of these. */
	struct ch_suspect_owner owners[CH_SUSPECT_OWNERS];
	size_t owners_count;
	/** All types of owners, named or not. */
	uint64_t owners_total;
	bool owners_dead;
	/** Numbers that the rule rests on; texts are static. */
	struct ch_fact facts[CH_SUSPECT_FACTS];
	size_t facts_count;
	/** The next command: its name and options, and what stands behind the core. */
	char next[64], next_args[32];
};

/** kebab-case. Static. */
const char *chp_suspect_rule_name(enum ch_suspect_rule rule);

void chp_suspect_deinit(struct ch_suspect *suspect);

#endif /* COREHEAP_ANALYSIS_SUSPECT_H */
