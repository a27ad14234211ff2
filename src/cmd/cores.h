/*
 * cores.h - the cores that the words of a command line stand for.
 */
#ifndef COREHEAP_CMD_CORES_H
#define COREHEAP_CMD_CORES_H

#include "util/error.h"
#include "util/vec.h"

/** A core, or a folder that cannot be read. */
struct ch_core_path {
	/** Owned. */
	char *path;
	/** Why a folder cannot be read, owned; NULL: it is a core. */
	struct ch_error *err;
};

/**
 * Add what a word stands for to ret, of struct ch_core_path: of a folder all cores in it and
 * below, by path; of a pattern (*, ? and [) that is no file's name all that fit; else the word.
 * A file in a folder is a core if its contents are: an ELF core, or one that is packed in a way
 * that is known. Links to folders are not followed. Errors: ARG (there is no core), NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_cores_add(const char *word, struct ch_vec *ret);
/** The error of a command that is given several cores and --json. */
struct ch_error *chp_cores_one_document(const char *command);
/** Ends the vector, too. */
void chp_cores_free(struct ch_vec *cores);

#endif /* COREHEAP_CMD_CORES_H */
