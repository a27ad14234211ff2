#include "report/lists.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "heap/walker.h"
#include "util/cleanup.h"
#include "util/error.h"

struct job {
	struct ch_listing *listing;
	/* NULL: all; a part of a name, or all of it. */
	const char *wanted;
	bool whole;
	/* Code that holds an address; 0: none was asked for. */
	uint64_t addr;
	/* Not all names may be given: it is counted all the same. */
	uint64_t bytes;
};

static const struct ch_list_column columns[] = {
	{ "addr", "CODE", CH_CELL_ADDR },
	{ "size_bytes", "BYTES", CH_CELL_BYTES },
	{ "kind", "KIND", CH_CELL_TEXT },
	{ "name", "METHOD", CH_CELL_TEXT },
};

static bool is_wanted(const struct job *job, const struct ch_method *method)
{
	if (job->addr)
		return job->addr >= method->start &&
		       (method->end ? job->addr < method->end : job->addr == method->start);
	if (!job->wanted)
		return true;
	return job->whole ? strcmp(method->name, job->wanted) == 0
			  : strstr(method->name, job->wanted) != NULL;
}

static struct ch_error *take(void *arg, const struct ch_method *method)
{
	struct job *job = arg;
	const struct ch_cell cells[] = {
		CH_CELL_NUM(method->start),
		method->end ? CH_CELL_NUM(method->end - method->start) : CH_CELL_NONE,
		CH_CELL_STR(method->kind),
		CH_CELL_STR(method->name),
	};

	if (!is_wanted(job, method))
		return NULL;
	job->bytes += method->end ? method->end - method->start : 0;
	return chp_listing_row(job->listing, cells);
}

/* An address is that of code, or of what the runtime has for a method. */
static struct ch_error *parse(struct ch_heaps *heaps, const char *text, struct job *job,
			      char **name_ret)
{
	struct ch_meaning meaning;
	struct ch_code code;
	uint64_t addr;

	job->wanted = strchr(text, '!') ? strchr(text, '!') + 1 : text;
	if (!chp_parse_id(text, &addr))
		return NULL;
	job->addr = addr;
	if (ch_heaps_code_at(heaps, addr, &code) || !chp_heaps_meaning(heaps, addr, &meaning) ||
	    (meaning.kind != CH_MEANING_METHOD && meaning.kind != CH_MEANING_CELL))
		return NULL;
	job->addr = 0;
	job->whole = true;
	job->wanted = *name_ret = strdup(meaning.name);
	return *name_ret ? NULL : &ch_enomem;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct job job = { .wanted = NULL };
	_cleanup_free_ char *name = NULL;
	struct ch_heaps *heaps;
	struct ch_error *err;
	bool known = false;

	err = ch_session_heaps(env->session, &heaps);
	/* "name2ee MODULE NAME", "MODULE!NAME": all modules are looked through. */
	if (!err && env->argc)
		err = parse(heaps, env->argv[env->argc - 1], &job, &name);
	if (err)
		return err;
	job.listing = chp_listing_create(env->report, columns, CH_COUNT_OF(columns));
	err = job.listing ? chp_heaps_methods(heaps, take, &job, &known) : &ch_enomem;
	if (!err)
		err = ch_report_methods(env->report, job.listing, known, job.bytes);
	chp_listing_destroy(job.listing);
	return err;
}

static const char *const aliases[] = { "name2ee", "dumpmd", "token2ee", NULL };

const struct ch_cmd ch_cmd_methods = {
	.name = "methods",
	.aliases = aliases,
	.summary = "compiled methods of .NET and Java: where their code is",
	.synopsis = "[OPTIONS] CORE [TEXT|ADDR]",
	.examples = "coreheap methods core.1234 Shop.Cart\n"
		    "coreheap methods core.1234 0x7f78b9681b24\n"
		    "coreheap methods --limit 10 core.1234\n",
	.notes = "TEXT is a part of names. ADDR lies in a method's code, or is the runtime's "
		 "structure of\n"
		 "it (MethodDesc). KIND is JIT (compiled in the process) or ReadyToRun (it came "
		 "with "
		 "its\n"
		 "assembly). Methods that were never compiled have no code, and are not listed.\n",
	.args_max = 2,
	.run = run,
};
