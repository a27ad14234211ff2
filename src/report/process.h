/*
 * process.h - the process and how it ended, shared by several reports.
 */
#ifndef COREHEAP_REPORT_PROCESS_H
#define COREHEAP_REPORT_PROCESS_H

#include "report/report.h"

/** How the process ended. Texts are static. */
struct ch_death {
	/** No signal: a tool wrote the core of a process that went on. */
	bool dumped_alive;
	/** The signal is recorded, but the dumper writes it in any case. */
	bool signal_unsure;
	/** Signal and its name ("SIGSEGV"); NULL when the number has none. */
	int32_t signal;
	const char *name;
	/** Thread that got it. */
	uint32_t tid;
	/** si_code and what it means ("address not mapped"), or NULL. */
	bool has_code;
	int32_t code;
	const char *meaning;
	/** Address the fault is about; valid when has_fault_addr. */
	bool has_fault_addr;
	uint64_t fault_addr;
	/** Who sent it, valid when has_sender. */
	bool has_sender;
	uint32_t sender_pid;
};

/** Read it from the first thread and the producer. */
void chp_death_find(const struct ch_core *core, struct ch_death *ret);
/** "SIGSEGV", or NULL. */
const char *chp_signal_name(int32_t signal);
/** One line into buf: "SIGSEGV (11), address not mapped, at 0x0, in thread 7". */
#define CH_DEATH_TEXT_MAX 256
char *chp_death_text(const struct ch_death *death, char buf[CH_DEATH_TEXT_MAX]);
/** Objects; new references. */
json_t *chp_json_death(const struct ch_death *death);
json_t *chp_json_process(const struct ch_core *core);
/** "pid 12 (name), parent 1, uid 0" as a field, and argv[0] as another. */
void chp_report_process(const struct ch_report *report, const struct ch_core *core);

#endif /* COREHEAP_REPORT_PROCESS_H */
