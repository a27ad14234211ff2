/*
 * verdict.h - what most of the memory is, judged by numbers alone.
 */
#ifndef COREHEAP_ANALYSIS_VERDICT_H
#define COREHEAP_ANALYSIS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/** What a verdict is about: bytes on touched pages. */
struct ch_verdict_input {
	uint64_t native_used_bytes, native_free_bytes, native_overhead_bytes;
	/** Heap memory that was not walked. */
	uint64_t unwalked_bytes;
	/** Of native used blocks, zeros that a runtime says it wrote: they were resident, though
	 * no page shows it. In none of the others. */
	uint64_t filled_bytes;
	/** The heaps of managed runtimes; of it garbage, where objects were
	 * traced, and what their heaps keep free or waste. */
	uint64_t managed_bytes, managed_garbage_bytes, managed_free_bytes;
	/** Zeros in managed objects whose runtime clears what it makes: in none of the others. */
	uint64_t managed_filled_bytes;
	uint64_t loader_bytes;
	/** Code that runtimes compiled, and their books, where their heaps are known: else that
	 * may be their heap, and is in managed_bytes. */
	uint64_t runtime_other_bytes;
	/** Stacks and TLS. */
	uint64_t stacks_bytes;
	/** Shared memory and files that the process could write to; of other files the pages
	 * are the system's, to drop when it likes: they are in no sum. */
	uint64_t files_bytes, read_only_files_bytes;
	uint64_t unattributed_bytes;
	/** No finding says that something is missing. */
	bool complete;
	/** Findings say that the heap is damaged. */
	bool damaged;
	/** All invariants hold. */
	bool closes;
};

struct ch_verdict {
	/** "native-live", "native-retained", "managed", "managed-garbage", "managed-free",
	 * "loader", "stacks", "files", "mixed", "inconclusive". Static. */
	const char *class;
	/** What the class says: "stacks of threads"; NULL: it names no part. */
	const char *words;
	/** "high", "medium", "low" and why. Static, one sentence. */
	const char *confidence, *reason;
	/** The reason again, where chp_verdict_sentence() does not show it. */
	const char *doubt;
	/** What the shares are of. */
	uint64_t total_bytes;
	/** The largest share, hundredths of a percent, and what it is of. Static. */
	uint64_t share;
	const char *leader;
};

/**
 * Judge: the class whose bytes are at least half of the total, "mixed" when
 * there is none, "inconclusive" when half or more is unattributed or was not
 * walked. What managed runtimes have counts together; its class says what most
 * of it is: objects in use, garbage, or free memory.
 */
void chp_verdict_make(const struct ch_verdict_input *input, struct ch_verdict *ret);

/** Room for the sentence, and for all of it. */
#define CH_VERDICT_SENTENCE_MAX 256
#define CH_VERDICT_TEXT_MAX     512
/** What most of the memory is, for people, without its class: "stacks of threads: 91.2% of 1.50 GiB
 * (programs' images left out)". Everybody who tells a verdict tells it so. */
void chp_verdict_sentence(const struct ch_verdict *verdict, char ret[CH_VERDICT_SENTENCE_MAX]);
/** The class, the sentence, and how far it is to be trusted, on a line. */
void chp_verdict_text(const struct ch_verdict *verdict, char ret[CH_VERDICT_TEXT_MAX]);

#endif /* COREHEAP_ANALYSIS_VERDICT_H */
