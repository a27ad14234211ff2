/*
 * Locks: who has them, and how many threads wait.
 */
#include "report/locks.h"

#include <inttypes.h>

#include "render/document.h"
#include "util/cleanup.h"

struct row {
	struct ch_locks_row of;
	/** The owner, or what stands for it. */
	char owner[24];
};

struct result {
	struct ch_locks_result of;
	struct ch_listing *locks;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static const struct ch_field_spec owner_fields[] = {
	{ "tid", NULL, CH_CELL_NUMBER,
	  "The kernel's number; null of a virtual thread that runs on no other.",
	  ROW(of.lock.owner_tid), .flags = CH_FIELD_NOT_ZERO },
	{ "number", NULL, CH_CELL_NUMBER, "The number that the thread's runtime gave it.",
	  ROW(of.lock.owner_number), .flags = CH_FIELD_NOT_ZERO },
	{ "name", NULL, CH_CELL_TEXT, "What the runtime calls it.", ROW(of.owner_name),
	  .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

static const struct ch_field_spec row_fields[] = {
	{ "addr", "OBJECT", CH_CELL_ADDR, "The object that is the lock.", ROW(of.lock.object) },
	{ "type", "TYPE", CH_CELL_TEXT, "Type of the object.", ROW(of.type),
	  .flags = CH_FIELD_OPTIONAL, .column = 3 },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose lock it is.", ROW(of.runtime) },
	{ "kind", "KIND", CH_CELL_SAFE,
	  "monitor, thin lock and Lock of .NET, monitor and synchronizer of a JVM.",
	  ROW(of.lock.kind), .words = "monitor|thin lock|Lock|synchronizer" },
	{ "held", NULL, CH_CELL_BOOL, "Whether a thread has it.", ROW(of.lock.held) },
	{ "owner", NULL, CH_CELL_OBJECT, "The thread that has it, or null.",
	  CH_KNOWN(struct row, of.lock.held), .fields = owner_fields },
	{ NULL, "OWNER", CH_CELL_SAFE, NULL, ROW(owner), .flags = CH_FIELD_INSIDE, .column = 1 },
	{ NULL, "NAME", CH_CELL_TEXT, NULL, ROW(of.owner_name), .column = 1 },
	{ "recursion", "RECURSION", CH_CELL_COUNT, "How often the owner took it once more.",
	  ROW(of.lock.recursion), CH_KNOWN(struct row, of.lock.recursion_known), .column = 2 },
	{ "waiters_count", "WAITING", CH_CELL_COUNT, "Threads that wait for it.",
	  ROW(of.lock.waiters) },
	{ "block_addr", "LOCK BLOCK", CH_CELL_ADDR,
	  "What the runtime keeps beside the object (ObjectMonitor, SyncBlock).", ROW(of.lock.addr),
	  .flags = CH_FIELD_NOT_ZERO, .column = 2 },
	{ "index", NULL, CH_CELL_COUNT, "The number of that.", ROW(of.lock.index),
	  .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_list locks_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	{ "held_count", NULL, CH_CELL_COUNT, "Locks that are taken.", RESULT(of.held_count) },
	{ "waiters_count", NULL, CH_CELL_COUNT, "Threads that wait for one.",
	  RESULT(of.waiters_count) },
	CH_FIELDS_COUNTED(struct result, locks),
	{ "locks", NULL, CH_CELL_LIST, "Locks, most waiters first.", RESULT(locks),
	  .list = &locks_list },
	CH_FIELDS_END,
};

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	const struct ch_locks_result *of = &result->of;
	char count[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX], waiters[CH_BYTES_TEXT_MAX];

	if (!of->rows.count && report->format == CH_FORMAT_TEXT) {
		chp_report_say(
			report,
			of->known
				? "no lock that a runtime here knows is taken\n"
				: "there is no runtime here whose locks are read: .NET, HotSpot\n");
		return NULL;
	}
	chp_listing_print(result->locks);
	chp_report_say(report, "total: %s locks, %s of them taken, %s threads wait for one\n",
		       chp_count_text(of->rows.count, count), chp_count_text(of->held_count, held),
		       chp_count_text(of->waiters_count, waiters));
	return NULL;
}

const struct ch_document ch_document_locks = {
	.name = "locks",
	.title = "Locks that threads have or wait for",
	.fields = fields,
	.print = print,
};

static void name_owner(struct row *row)
{
	const struct ch_lock *lock = &row->of.lock;

	if (lock->owner_tid)
		snprintf(row->owner, sizeof(row->owner), "%" PRIu32, lock->owner_tid);
	else if (lock->owner_number)
		snprintf(row->owner, sizeof(row->owner), "#%" PRIu64, lock->owner_number);
	else
		snprintf(row->owner, sizeof(row->owner), "%s", lock->held ? "?" : "-");
}

struct ch_error *chp_report_locks(const struct ch_report *report,
				  const struct ch_locks_result *locks)
{
	struct result result = { *locks, chp_listing_create(report, &locks_list) };
	struct ch_error *err = result.locks ? NULL : &ch_enomem;
	struct row row;
	size_t i;

	for (i = 0; !err && i < locks->rows.count; i++) {
		row.of = *CH_VEC_AT(&locks->rows, struct ch_locks_row, i);
		name_owner(&row);
		err = chp_listing_row(result.locks, &row);
	}
	if (!err)
		err = chp_document_print(report, &ch_document_locks, &result);
	chp_listing_destroy(result.locks);
	return err;
}
