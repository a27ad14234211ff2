/*
 * The command "methods": its options, and the question that it asks of the library, compiled
 * methods.
 */
#include "report/lists.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "heap/walker.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/number.h"

struct job {
	/* Not all names may be given: code is counted all the same. */
	struct ch_methods_result result;
	/* NULL: all; a part of a name, or all of it. */
	const char *wanted;
	bool whole;
	/* Code that holds an address; 0: none was asked for. */
	uint64_t addr;
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
	bool has_size = method->end != 0;
	const struct ch_method_row row = {
		.addr = method->start,
		.size_bytes = has_size ? method->end - method->start : 0,
		.has_size = has_size,
		.kind = method->kind,
		.name = method->name,
	};

	if (!is_wanted(job, method))
		return NULL;
	job->result.code_bytes += row.size_bytes;
	return chp_listing_row(job->result.methods, &row);
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

	err = ch_session_heaps(env->session, &heaps);
	/* "name2ee MODULE NAME", "MODULE!NAME": all modules are looked through. */
	if (!err && env->argc)
		err = parse(heaps, env->argv[env->argc - 1], &job, &name);
	if (err)
		return err;
	job.result.methods = chp_listing_create(env->report, &ch_methods_list);
	err = job.result.methods ? chp_heaps_methods(heaps, take, &job, &job.result.known)
				 : &ch_enomem;
	if (!err)
		err = chp_document_print(env->report, &ch_document_methods, &job.result);
	chp_listing_destroy(job.result.methods);
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
	.notes = "TEXT is a part of names. ADDR lies in a method's code, or is the runtime's\n"
		 "structure of\n"
		 "it (MethodDesc). KIND is JIT (compiled in the process) or ReadyToRun (it\n"
		 "came with its\n"
		 "assembly). Methods that were never compiled have no code, and are not\n"
		 "listed.\n",
	.see_also = (const char *const[]){ "disassemble", "threads", NULL },
	.args_max = 2,
	.run = run,
};
