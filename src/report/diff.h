/*
 * diff.h - what two or more dumps have in common, and what grew between them.
 *
 * A snapshot is what a comparison needs of one dump: rows of several axes, each with an
 * id that is a hash of names, never of addresses. The comparison knows nothing else.
 */
#ifndef COREHEAP_REPORT_DIFF_H
#define COREHEAP_REPORT_DIFF_H

#include "heap/account.h"
#include "render/render.h"
#include "util/vec.h"

enum ch_axis {
	CH_AXIS_TYPES,
	CH_AXIS_ROOT_PATHS,
	CH_AXIS_MODULES,
	CH_AXIS_THREAD_GROUPS,
	CH_AXIS_HEAPS,
	CH_AXIS_SIZE_CLASSES,
	CH_AXIS_REGIONS,
	/** Rows of the accounting: each mapped byte in one. */
	CH_AXIS_TOTALS,
};
#define CH_AXES (CH_AXIS_TOTALS + 1)

/** Most dumps of one comparison. */
#define CH_DUMPS_MAX 64

struct ch_snapshot_row {
	enum ch_axis axis;
	uint64_t id;
	/** Escaped, owned. */
	char *name;
	/** "glibc", "coreclr"; NULL where there is none. Static. */
	const char *runtime;
	uint64_t count, bytes;
	/** Address space that nobody used: its growth is none. */
	bool idle;
};

struct ch_snapshot {
	/** The envelope's dump{} and warnings[]. Owned. */
	json_t *dump, *warnings;
	/** Escaped; owned: file, executable and its build-id ("" when not known), versions of
	 * runtimes in one line. */
	char *file, *executable, *build_id, *runtimes;
	/** Static. */
	const char *producer, *arch;
	bool complete;
	enum ch_intact intact;
	/** When it was dumped, in microseconds since 1970, and how that is known: "file
	 * name", "modification time"; NULL: it is not. */
	uint64_t time_us;
	const char *time_basis;
	uint64_t busy_bytes, used_bytes;
	/** of struct ch_snapshot_row: by axis, then id, each once */
	struct ch_vec rows;
	/** Root paths were looked for. */
	bool has_paths;
	/** Segments share bytes of the file: its root paths were not asked for. */
	bool bloated;
};

/** Add a row; rows of one axis, runtime and name become one. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_snapshot_add(struct ch_snapshot *snapshot, enum ch_axis axis,
						const char *runtime, const char *name,
						uint64_t count, uint64_t bytes);
/** The row added last is address space that nobody used. */
void chp_snapshot_idle(struct ch_snapshot *snapshot);
/** The row added last is shown by another name, which may differ from dump to dump; NULL
 * is an error that this reports. Takes name. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_snapshot_title_take(struct ch_snapshot *snapshot, char *name);
/** Bring rows in order and unite equal ones; once, after all were added. */
void chp_snapshot_finish(struct ch_snapshot *snapshot);
void chp_snapshot_deinit(struct ch_snapshot *snapshot);

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
	/** Its bytes grew in every step; only with three dumps or more. */
	bool monotonic;
	/** Place in the ranking; 0: no growth. */
	uint64_t score;
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

/** "types", "root_paths" ... and "new", "gone", "grown", "shrunk", "same". Static. */
const char *chp_axis_name(enum ch_axis axis);
const char *chp_change_name(enum ch_change change);

/** Bytes an hour, at most what fits; only where the hours are known. */
int64_t chp_diff_rate(const struct ch_diff *diff, const struct ch_diff_row *row);

/** Print it in any format. all: also rows that did not change. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_diff(const struct ch_report *report,
					      const struct ch_diff *diff, bool all);
/** diff_json.c. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_diff_print_json(const struct ch_report *report,
						   const struct ch_diff *diff, bool all);

#endif /* COREHEAP_REPORT_DIFF_H */
