/*
 * hostfile.h - which files of this host are opened because a core leads to them.
 */
#ifndef COREHEAP_SYM_HOSTFILE_H
#define COREHEAP_SYM_HOSTFILE_H

#include <stdbool.h>
#include <stdint.h>

struct ch_sym;

/** Folders of programs and libraries, ended by NULL: what lies below them is opened. */
extern const char *const chp_system_folders[];

/**
 * Open a file that the core, or another file, leads to, if it may be opened at all and is a regular
 * file with bytes in it; -1 when not.
 */
int chp_hostfile_open(const struct ch_sym *sym, const char *path, uint64_t *bytes_ret);
/** The folder of a file, without links; owned by the caller, NULL: there is none. */
char *chp_hostfile_folder_of(const char *path);
/** Whether a path lies outside of all that is opened without being asked for, and there is a
 * file. */
bool chp_hostfile_is_outside(const struct ch_sym *sym, const char *path);

#endif /* COREHEAP_SYM_HOSTFILE_H */
