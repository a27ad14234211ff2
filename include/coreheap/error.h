/*
 * coreheap/error.h - how every fallible call reports failure.
 *
 * A fallible function returns `struct ch_error *`: NULL is success, anything
 * else describes the first failure and is owned by the caller, who ends it
 * with ch_error_destroy(). Outputs are untouched on failure. Two errors are
 * static and safe to destroy any number of times: ch_enomem and ch_stop.
 */
#ifndef COREHEAP_ERROR_H
#define COREHEAP_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CH_PUBLIC             __attribute__((visibility("default")))
#define CH_MUST_CHECK         __attribute__((warn_unused_result))
#define CH_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

enum ch_error_code {
	/** An allocation of ours failed. */
	CH_ERROR_NOMEM = 1,
	/** The caller passed something the function cannot take. */
	CH_ERROR_ARG,
	/** The operating system said no: errnum and path say what and where. */
	CH_ERROR_OS,
	/** The file is not a core this program reads. */
	CH_ERROR_FORMAT,
	/** The address was never mapped in the dead process. */
	CH_ERROR_FAULT,
	/** The address was mapped, but its bytes are not in the core. */
	CH_ERROR_ABSENT,
	/** What the core holds at addr contradicts itself. */
	CH_ERROR_CORRUPT,
	/** Symbols or debug information would be needed and are not at hand. */
	CH_ERROR_NODEBUG,
	/** Understood, but not handled by this version. */
	CH_ERROR_UNSUPPORTED,
	/** A budget or bound was reached; the answer would be incomplete. */
	CH_ERROR_LIMIT,
	/** An iteration was ended by its callback, or the work was cancelled. */
	CH_ERROR_STOP,
};

struct ch_error {
	/** What went wrong. */
	enum ch_error_code code;
	/** errno of the failing call for CH_ERROR_OS, else 0. */
	int errnum;
	/** Target address for FAULT, ABSENT and CORRUPT, else 0. */
	uint64_t addr;
	/** File the error is about, or NULL. Owned by the error. */
	char *path;
	/** One line without a trailing newline. Owned by the error. */
	char *message;
};

/* Handed out as `struct ch_error *`, as any error is; nobody writes to them.
 * NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables) */
/** Out of memory. Static: destroying it does nothing. */
extern CH_PUBLIC struct ch_error ch_enomem;
/** The callback asked to stop, or the session was cancelled. Static. */
extern CH_PUBLIC struct ch_error ch_stop;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

/**
 * Free an error. NULL and the static errors are accepted and left alone.
 */
CH_PUBLIC void ch_error_destroy(struct ch_error *err);

/**
 * Stable upper-case name of a code ("NOMEM", "CORRUPT", ...); "UNKNOWN" for a
 * value outside the enumeration. Static storage.
 */
CH_PUBLIC const char *ch_error_code_name(enum ch_error_code code);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_ERROR_H */
