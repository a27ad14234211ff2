/*
 * ck.h - libcheck assertions about struct ch_error, for all unit tests.
 */
#ifndef COREHEAP_TEST_CK_H
#define COREHEAP_TEST_CK_H

#include <check.h>

#include <coreheap/error.h>

/** The call succeeded; otherwise shows its error. */
#define ck_ch_ok(expr)                                                                             \
	do {                                                                                       \
		struct ch_error *ck_err = (expr);                                                  \
		ck_assert_msg(!ck_err, "%s: %s: %s", #expr,                                        \
			      ck_err ? ch_error_code_name(ck_err->code) : "",                      \
			      ck_err ? ck_err->message : "");                                      \
	} while (0)

/** The call failed with this code (the part after CH_ERROR_). */
#define ck_ch_err(expr, want)                                                                      \
	do {                                                                                       \
		struct ch_error *ck_err = (expr);                                                  \
		ck_assert_msg(ck_err && ck_err->code == CH_ERROR_##want, "%s: %s: %s, not %s",     \
			      #expr, ck_err ? ch_error_code_name(ck_err->code) : "success",        \
			      ck_err ? ck_err->message : "", #want);                               \
		ch_error_destroy(ck_err);                                                          \
	} while (0)

#endif /* COREHEAP_TEST_CK_H */
