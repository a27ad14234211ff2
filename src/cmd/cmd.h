/*
 * cmd.h - what a command is.
 *
 * Each src/cmd/<name>.c exports `const struct ch_cmd ch_cmd_<name>`; the build
 * finds it by its file name. The driver parses options by the table, opens the
 * core, prints help, and maps errors to exit codes. A command fills a result
 * struct and hands it to the report layer.
 */
#ifndef COREHEAP_CMD_H
#define COREHEAP_CMD_H

#include "render/render.h"

enum ch_exit {
	CH_EXIT_ANSWERED = 0,
	CH_EXIT_FINDINGS = 1,
	CH_EXIT_USAGE = 2,
	CH_EXIT_NOT_A_CORE = 3,
	CH_EXIT_INCOMPLETE = 4,
	/** Not answered for a reason of ours: memory, disk, a bound. */
	CH_EXIT_FAILED = 5,
};

enum ch_option_kind {
	/** bool */
	CH_OPTION_FLAG,
	/** const char * */
	CH_OPTION_STRING,
	/** uint64_t, decimal or 0x */
	CH_OPTION_COUNT,
	/** uint64_t with optional K M G T suffix (1024) */
	CH_OPTION_BYTES,
	/** struct ch_strings: may be given several times */
	CH_OPTION_STRINGS,
};

struct ch_strings {
	const char **items;
	size_t count;
};

struct ch_option {
	/** Long name without dashes, which matches "--name" and, as WinDbg
	 * spells it, "-name"; one letter matches "-x"; "f:" matches "-f:VALUE"
	 * and "/f:VALUE". Rows may share an offset. */
	const char *name;
	/** Placeholder of the value in help, NULL for flags. "DIR" and "FILE" are completed as
	 * such. Without a capital letter it is the closed set of values, "auto|always|never",
	 * which is completed, too; "used|free,..." is a list of some of them. */
	const char *value;
	enum ch_option_kind kind;
	/** offsetof() in the command's options struct. */
	size_t offset;
	/** One line; NULL leaves the row out of the help (other spellings). */
	const char *help;
};

/** How many cores a command takes. */
enum ch_cores {
	/** One, then arguments. */
	CH_CORES_ONE,
	/** One or more, and the same is asked of each. */
	CH_CORES_EACH,
	/** Two or more, compared: the command opens them with chp_core_open(). */
	CH_CORES_COMPARED,
	/** One, as CH_CORES_ONE without arguments, or more, as CH_CORES_COMPARED. */
	CH_CORES_SOME,
};

struct ch_line;
struct ch_open_core;

struct ch_cmd_env {
	/** NULL where cores are compared; so is session in report. */
	struct ch_session *session;
	struct ch_report *report;
	/** The command's options struct, filled from its table. */
	const void *options;
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Arguments after CORE; where cores are compared all of them. */
	int argc;
	char **argv;
	/** For chp_core_open(). */
	const struct ch_line *line;
	/** The core; NULL where cores are compared. */
	const struct ch_open_core *open;
	/** Of CH_CORES_COMPARED: the core that could not be opened; NULL: all could. */
	const char *unread;
	/** --strict was given: for CH_CORES_COMPARED, which does without the driver's. */
	bool strict;
	/** The command sets it to end with another code than 0, or than that of its error. */
	int code;
};

struct ch_cmd {
	/** Equal to the file's stem. */
	const char *name;
	/** Other names ("dumpheap"), ended by NULL; may be NULL. */
	const char *const *aliases;
	/** One line for `coreheap --help`. */
	const char *summary;
	/** "[OPTIONS] CORE [ADDR]" */
	const char *synopsis;
	/** Help examples, one per line, printed first. */
	const char *examples;
	/** What it does in detail, and what the words of its output mean: the end of its help,
	 * and the description of its page, in the form that chp_man() takes; may be
	 * NULL. */
	const char *notes;
	/** Commands that answer what one asks next, ended by NULL; may be NULL. */
	const char *const *see_also;
	/** Ended by a row with a NULL name; may be NULL. */
	const struct ch_option *options;
	/** sizeof the options struct; zeroed before parsing. */
	size_t options_size;
	/** Most arguments after CORE, for CH_CORES_ONE. */
	int args_max;
	enum ch_cores cores;
	/** Can print Markdown. */
	bool markdown;
	/** Can stream JSON lines. */
	bool jsonl;
	/** What it writes is not for a screen: --limit is 0 on a terminal, too. */
	bool whole;
	/** Answer. CH_ERROR_ARG becomes exit 2 with the message. */
	struct ch_error *(*run)(struct ch_cmd_env *env);
};

/** Generated from src/cmd, ended by NULL. */
extern const struct ch_cmd *const chp_cmds[];

/** One of several cores, with findings and an interrupt of its own. */
struct ch_open_core {
	struct ch_context *ctx;
	struct ch_session *session;
	/** What hears of SIGINT and shows progress; private to open.c. */
	struct ch_signals *signals;
	struct ch_talk *talk;
};

/**
 * Open the core at path with the options of the command line; on failure ret is
 * empty. Errors: those of ch_session_open().
 */
CH_MUST_CHECK struct ch_error *chp_core_open(const struct ch_line *line, const char *path,
					     struct ch_open_core *ret);
/** Exit code for what chp_core_open() said of that path. */
int chp_open_exit_code(const struct ch_error *err, const char *path);
/** Take progress off the screen, for what is printed before the answer is whole. */
void chp_core_hush(const struct ch_open_core *open);
/** Close, and take progress off the screen. */
void chp_core_close(struct ch_open_core *open);

/**
 * Parse an address as product.md says: 0x7f.., bare hex, WinDbg's
 * 00007f44`044fb96a, module+0x10, a symbol name. Errors: ARG, NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_parse_addr(struct ch_session *session, const char *text,
					      uint64_t *ret);

#endif /* COREHEAP_CMD_H */
