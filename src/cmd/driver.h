/*
 * driver.h - from the words of the command line to a command that runs.
 *
 * Vocabulary:
 *   word     an argument that is no option: the command, CORE, its arguments;
 *   option   "--name VALUE", "--name=VALUE" or a flag "--name"; WinDbg's one
 *            dash ("-name") means the same; one-character names take one dash
 *            ("-v"); names that end in ':' take "-f:VALUE" and "/f:VALUE".
 *            After "--" everything is a word.
 * Options may stand before and after the words; names are exact.
 */
#ifndef COREHEAP_CMD_DRIVER_H
#define COREHEAP_CMD_DRIVER_H

#include "cmd/cmd.h"

/** What --limit is when it was not given. */
#define CH_LIMIT_UNSET UINT64_MAX

struct ch_global_options {
	bool json, jsonl, plain, markdown, reveal, reproducible, strict, debuginfod, no_sandbox;
	bool verbose, quiet, no_pager, help, version, man;
	uint64_t limit, threads, memory, temp_bytes, jobs;
	const char *sysroot, *exe, *temp_dir, *references, *color, *completion;
	struct ch_strings debug_dirs;
};

/** Ended by a row with a NULL name; offsets are into struct ch_global_options.
 * Rows without help are other spellings. */
extern const struct ch_option chp_global_options[];

/** A table of options and the struct they fill. */
struct ch_option_set {
	const struct ch_option *options;
	void *base;
};

struct ch_option_parser {
	/** Tables in use; grows when the command is known. */
	struct ch_option_set sets[2];
	size_t sets_count;
	/** What is parsed, and the position in it. */
	int argc;
	char **argv;
	int at;
	/** "--" was seen. */
	bool words_only;
};

/**
 * Parse up to the next word: *word_ret is borrowed from argv, NULL at the end.
 * Errors: ARG (unknown option, missing or wrong value), NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_options_next(struct ch_option_parser *parser,
						const char **word_ret);
/** Free what CH_OPTION_STRINGS hold. */
void chp_options_deinit(const struct ch_option_set *set);

/**
 * The candidate nearest to word, as a suggestion; NULL when none is near.
 * next(arg, i) returns candidate i, NULL after the last.
 */
const char *chp_nearest(const char *word, const char *(*next)(const void *arg, size_t i),
			const void *arg);

/** The command of this name or alias, or NULL. */
const struct ch_cmd *chp_cmd_find(const char *name);
/** Name or alias i of all commands, NULL after the last; arg is unused. */
const char *chp_cmd_name(const void *arg, size_t i);

/** `coreheap --help`, `coreheap COMMAND --help`. */
void chp_help_global(FILE *out);
void chp_help_cmd(FILE *out, const struct ch_cmd *cmd);
/** Examples of `coreheap --help`, one a line. */
extern const char chp_help_examples[];

/** What an exit code says; ended by a row without a meaning. */
struct ch_exit_meaning {
	int code;
	const char *meaning;
};
extern const struct ch_exit_meaning chp_exit_meanings[];

/** "--verbose, -v", "-f:NAME,..., --filter NAME,...": a row of the table with its value, and rows
 * without help that fill the same place. */
void chp_option_spell(const struct ch_option *options, const struct ch_option *option, char *buf,
		      size_t size);
/** A row without help that is another spelling of one that has some. */
bool chp_option_is_other(const struct ch_option *options, const struct ch_option *option);
/** One dash and a letter, or "-f:". */
bool chp_option_is_short(const struct ch_option *option);

/** A script for the completion of words in "bash", "zsh" or "fish". Errors: ARG. */
CH_MUST_CHECK struct ch_error *chp_completion(FILE *out, const char *shell);

/**
 * The page of a command for man(1), or the overview for NULL, in roff. Texts of commands are plain
 * (struct ch_cmd, notes): blank lines part paragraphs; a line that begins with two blanks, a term,
 * two blanks or more and what it means is a row of a list, and lines that begin with more
 * blanks go on with it; `words` between backticks and options are bold.
 */
void chp_man(FILE *out, const struct ch_cmd *cmd);

/** What standard output is, before a pager stands between. */
struct ch_terminal {
	bool is_terminal;
	/** Columns, or those that COLUMNS asks for; 0: not known. */
	uint32_t width;
};

/** A parsed command line. */
struct ch_line {
	struct ch_global_options global;
	struct ch_terminal terminal;
	/** NULL when none was given. */
	const struct ch_cmd *cmd;
	/** How its answer differs from that of the tool whose name was typed; NULL: it does
	 * not, or a name of ours was. */
	const char *note;
	/** The command was asked for by another tool's name. */
	bool other_name;
	/** Options struct of the command, owned. */
	void *options;
	/** CORE, or NULL; of a command that takes several also the first in argv. */
	const char *core_path;
	/** Arguments after CORE, or all cores; the array is owned. */
	int argc;
	char **argv;
	/** What --references says: bits of enum ch_strength. */
	uint32_t strengths;
};

/**
 * Take the command line apart (without the program's name) into a zeroed line.
 * Errors: ARG, NOMEM. Call chp_line_deinit() also on failure.
 */
CH_MUST_CHECK struct ch_error *chp_line_parse(struct ch_line *line, int argc, char **argv);
/** What must be there to run a command; fills strengths. Errors: ARG. */
CH_MUST_CHECK struct ch_error *chp_line_check(struct ch_line *line);
void chp_line_deinit(struct ch_line *line);

/** Open the core, run the command, print errors. Returns the exit code. */
int chp_driver_run(struct ch_line *line);
/** As the shell reports it: 128 + SIGINT. */
#define CH_EXIT_INTERRUPTED 130

/** "coreheap: message" on standard error. */
void chp_driver_complain(const struct ch_error *err);
/** The same; releases err. */
void chp_driver_complain_take(struct ch_error *err);
/** Flush out; false, after a message, when not everything could be written. */
bool chp_driver_finish(FILE *out);

/** terminal.c: whether the terminal knows no control codes. */
bool chp_terminal_is_dumb(void);
void chp_terminal_look(struct ch_terminal *ret);
/** Send standard output through $COREHEAP_PAGER, $PAGER or less where it is a terminal; 0: nothing
 * was started. */
int chp_pager_start(const struct ch_terminal *terminal);
/** The output is complete: wait until it was read. */
void chp_pager_end(int pager);

/** signals.c: what happens on SIGINT, SIGPIPE and SIGBUS. */
struct ch_signals;
/** The first SIGINT cancels ctx, the second kills. NULL when not possible. */
struct ch_signals *chp_signals_watch(struct ch_context *ctx);
/** NULL accepted. */
void chp_signals_end(struct ch_signals *signals);
/** Once, at the start of the program. */
void chp_signals_init(void);
/** Say that there is no memory, and end: for libraries that cannot say so by a result. */
void chp_end_without_memory(void) __attribute__((__noreturn__));

/** progress.c: a line on standard error while work lasts. */
struct ch_progress {
	/** Standard error is a terminal that lines can be written over on, and wanted. */
	bool terminal;
	/** A line is on the screen. */
	bool shown;
	/** Clock at the start and of the last line, in milliseconds. */
	uint64_t start_ms, last_ms;
};
/** quiet: there is never a line. */
void chp_progress_init(struct ch_progress *progress, bool quiet);
/** Callback of struct ch_context_options; arg is a struct ch_progress. */
void chp_progress_report(struct ch_progress *progress, const char *phase, uint64_t done,
			 uint64_t total);
/** Take the line off the screen. */
void chp_progress_clear(struct ch_progress *progress);

/** Argument of a context's callbacks. */
struct ch_talk {
	struct ch_progress progress;
	bool verbose;
};

#endif /* COREHEAP_CMD_DRIVER_H */
