/*
 * compare.h - what grew between two dumps, or more.
 *
 * A comparison knows rows of snapshots and nothing else: no core is open any more.
 */
#ifndef COREHEAP_ANALYSIS_COMPARE_H
#define COREHEAP_ANALYSIS_COMPARE_H

#include "analysis/snapshot.h"

/** Most dumps of one comparison. */
#define CH_DUMPS_MAX 64

enum ch_change {
	CH_CHANGE_SAME,
	CH_CHANGE_NEW,
	CH_CHANGE_GONE,
	CH_CHANGE_GROWN,
	CH_CHANGE_SHRUNK,
};

struct ch_diff_row {
	enum ch_axis axis;
	uint64_t id;
	/** Borrowed from a snapshot. */
	const char *name, *runtime;
	uint64_t baseline_count, target_count, baseline_bytes, target_bytes;
	int64_t delta_count, delta_bytes;
	enum ch_change change;
	/** Address space that nobody used. */
	bool idle;
	/** Above the threshold, and not idle. */
	bool significant;
	/** The threshold. */
	uint64_t least_bytes;
	/** Its bytes grew in every step; only with three dumps or more. */
	bool monotonic;
	/** Place in the ranking; 0: no growth. */
	uint64_t score;
};

/** A part of a growth that has a row of its own. */
struct ch_growth_part {
	const struct ch_diff_row *row;
	int64_t delta_bytes, delta_count;
};

/** Parts of a growth that are kept. */
#define CH_GROWTH_PARTS 8

/** One growth: memory that no other growth tells of. */
struct ch_growth {
	const struct ch_diff_row *row;
	/** Of a root path blocks and their chunks, as types count them; of a type only what grew
	 * outside of such paths. */
	int64_t delta_bytes, delta_count;
	/** Of a root path the types that it holds more of, most first; how many there are. */
	struct ch_growth_part parts[CH_GROWTH_PARTS];
	size_t parts_count, parts_total;
};

struct ch_diff_options {
	/** What counts as growth: bytes, and percent of the baseline's sum of the axis. */
	uint64_t threshold_bytes, threshold_percent;
	/** Hours between the first and the last dump; 0: as the dumps say. */
	double hours;
};

struct ch_diff {
	/** Borrowed, in the order given. */
	const struct ch_snapshot *dumps;
	size_t dumps_count;
	/** of struct ch_diff_row: by axis, then growth (most first), then name */
	struct ch_vec rows;
	/** Indexes of rows whose growth is significant, by score, descending: of size_t. */
	struct ch_vec ranking;
	/** Most bytes first: of struct ch_growth. */
	struct ch_vec growths;
	/** All mapped bytes; of rows of the totals that are not idle, the growth of those
	 * that grew, and of those that say nothing (unattributed, heap not walked). */
	int64_t busy_delta_bytes, unexplained_delta_bytes;
	uint64_t growth_bytes, unexplained_growth_bytes;
	/** Growth of used blocks of all heaps. */
	int64_t used_delta_bytes;
	/** The row of the totals that grew most; if none did, the group of threads where
	 * there are many more; or NULL: nothing grew significantly. */
	const struct ch_diff_row *grew_in;
	/** Whether used blocks or any total grew above the threshold, or many threads are new. */
	bool grown;
	/** Hours between first and last; 0: not known; and why. */
	double hours;
	const char *hours_basis;
	uint64_t threshold_bytes, threshold_percent;
	/** What differs between the dumps and weakens the comparison: of const char *. */
	struct ch_vec notes;
	bool same_executable;
};

/** Compare two dumps or more. The caller's to end with chp_diff_deinit() also on failure.
 * Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_diff_make(const struct ch_snapshot *dumps, size_t dumps_count,
					     const struct ch_diff_options *options,
					     struct ch_diff *ret);
void chp_diff_deinit(struct ch_diff *diff);

/** growth.c: fill growths; once, when rows are in order and judged. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_growths_find(struct ch_diff *diff);

/** Rows of an axis: from *first_ret on to what is returned, the first one behind them. */
size_t chp_diff_axis(const struct ch_diff *diff, enum ch_axis axis, size_t *first_ret);

/** "new", "gone", "grown", "shrunk", "same". Static. */
const char *chp_change_name(enum ch_change change);

/** Bytes an hour, at most what fits; only where the hours are known. */
int64_t chp_diff_rate(const struct ch_diff *diff, const struct ch_diff_row *row);

#endif /* COREHEAP_ANALYSIS_COMPARE_H */
