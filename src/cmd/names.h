/*
 * names.h - what other tools call what coreheap answers.
 *
 * People type the names that they know: those of SOS and WinDbg, of gdb, of the JDK's tools. A
 * row of the table says which command that is, with which options, or, where there is no such
 * command, what to type instead. docs/NAMES.md is the same table for people; a test compares
 * the two.
 */
#ifndef COREHEAP_CMD_NAMES_H
#define COREHEAP_CMD_NAMES_H

#include "cmd/cmd.h"

#define CH_NAME_OPTIONS_MAX 3

struct ch_other_name {
	/** As people type it, in lower case. */
	const char *name;
	/** Name of the command; NULL: there is none, and say tells what to type. */
	const char *cmd;
	/** Options that come with the name, ended by NULL. */
	const char *options[CH_NAME_OPTIONS_MAX];
	/** One line: what to type instead, or how the answer differs; may be NULL. */
	const char *say;
};

/**
 * The row of a word, in any case and with or without the '!' of WinDbg; NULL when it has
 * none. The command line behind the word may choose between rows ("dumpheap" lists objects
 * with -mt and counts types otherwise): argv[0 .. argc) is what follows it.
 */
const struct ch_other_name *chp_other_name(const char *word, int argc, char *const *argv);
/** Name i of the table, NULL after the last. */
const char *chp_other_name_at(size_t i);
/** The command of a word as people type it ("!DumpHeap"), names of commands and their
 * aliases included, or NULL. */
const struct ch_cmd *chp_cmd_find_any(const char *word);

#endif /* COREHEAP_CMD_NAMES_H */
