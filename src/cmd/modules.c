/*
 * The command "modules": its options, and the question that it asks of the library, the modules
 * of the process.
 */
#include "report/modules.h"

#include "cmd/cmd.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_modules modules;
	struct ch_error *err = chp_modules_make(env->session, &modules);

	if (!err)
		err = ch_report_modules(env->report, &modules);
	chp_modules_deinit(&modules);
	return err;
}

const struct ch_cmd ch_cmd_modules = {
	.name = "modules",
	.summary = "executable, libraries and other images, with build-ids and bytes",
	.synopsis = "[OPTIONS] CORE",
	.examples =
		"  coreheap modules core.1234\n"
		"  coreheap modules --sysroot /srv/image core.1234    files of another system\n",
	.notes = "Executable and libraries with build-ids, whether the file at hand is the one\n"
		 "that was mapped, and the bytes that each costs; assemblies of .NET, dynamic\n"
		 "ones by who made them.\n",
	.see_also = (const char *const[]){ "address", "info", "types", NULL },
	.run = run,
};
