/*
 * snapshot.h - what a comparison needs of one dump.
 *
 * Rows of several axes, each with an id that is a hash of names, never of addresses, and what
 * tells which dump it is. Nothing of it is borrowed from the session.
 */
#ifndef COREHEAP_ANALYSIS_SNAPSHOT_H
#define COREHEAP_ANALYSIS_SNAPSHOT_H

#include "analysis/dump.h"
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

/** What of one type a root path holds. */
struct ch_snapshot_part {
	/** Ids of rows. */
	uint64_t path, type;
	uint64_t count, bytes;
};

struct ch_snapshot {
	struct ch_dump dump;
	/** of struct ch_dump_finding */
	struct ch_vec findings;
	/** Escaped; owned: executable and its build-id ("" when not known), versions of
	 * runtimes in one line. */
	char *executable, *build_id, *runtimes;
	bool complete;
	enum ch_intact intact;
	/** When it was dumped, in microseconds since 1970, and how that is known: "file
	 * name", "modification time"; NULL: it is not. */
	uint64_t time_us;
	const char *time_basis;
	uint64_t busy_bytes, used_bytes;
	/** of struct ch_snapshot_row: by axis, then id, each once */
	struct ch_vec rows;
	/** of struct ch_snapshot_part: by path, then type, each once */
	struct ch_vec parts;
	/** Root paths were looked for. */
	bool has_paths;
	/** Segments share bytes of the file: its root paths were not asked for. */
	bool bloated;
};

/** "types", "root_paths" ... Static. */
const char *chp_axis_name(enum ch_axis axis);

/** Add a row; rows of one axis, runtime and name become one. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_snapshot_add(struct ch_snapshot *snapshot, enum ch_axis axis,
						const char *runtime, const char *name,
						uint64_t count, uint64_t bytes);
/** The row added last is address space that nobody used. */
void chp_snapshot_idle(struct ch_snapshot *snapshot);
/** The row added last is shown by another name, which may differ from dump to dump; NULL
 * is an error that this reports. Takes name. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_snapshot_title_take(struct ch_snapshot *snapshot, char *name);
/** The id of a row. */
uint64_t chp_snapshot_id(enum ch_axis axis, const char *runtime, const char *name);
/** Add what of one type a path holds, by the ids of their rows. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_snapshot_add_part(struct ch_snapshot *snapshot,
						     const struct ch_snapshot_part *part);
int chp_snapshot_compare_parts(const void *a, const void *b);
/** Bring rows in order and unite equal ones; once, after all were added. */
void chp_snapshot_finish(struct ch_snapshot *snapshot);
/** By axis, then id. */
int chp_snapshot_compare_rows(const void *a, const void *b);
void chp_snapshot_deinit(struct ch_snapshot *snapshot);

struct ch_snapshot_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Ask which roots hold what, too. */
	bool with_paths;
	/** When the file was written may say when it was dumped. */
	bool with_file_time;
};

/**
 * Fill ret, which is zeroed before and the caller's to end with chp_snapshot_deinit()
 * also on failure. Errors: those of the
 * session and the graph, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_snapshot_make(struct ch_session *session,
						 const struct ch_snapshot_options *options,
						 struct ch_snapshot *ret);

#endif /* COREHEAP_ANALYSIS_SNAPSHOT_H */
