/*
 * The unit test program: every suite of test/unit in one libcheck runner,
 * each test in a process of its own, results as TAP on standard output.
 *
 * A file test/unit/test_<stem>.c defines `Suite *suite_<stem>(void)`; the
 * build lists them in suites.inc. CK_RUN_SUITE and CK_RUN_CASE select one.
 */
#include <check.h>
#include <stdlib.h>

#define CH_SUITE(stem) Suite *suite_##stem(void);
#include "suites.inc"
#undef CH_SUITE

int main(void)
{
	SRunner *runner = srunner_create(NULL);
	int failed;

#define CH_SUITE(stem) srunner_add_suite(runner, suite_##stem());
#include "suites.inc"
#undef CH_SUITE
	srunner_set_fork_status(runner, CK_FORK);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
