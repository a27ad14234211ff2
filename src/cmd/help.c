/*
 * Help, made from the tables of options and commands.
 */
#include <string.h>

#include "cmd/driver.h"
#include "util/bytes.h"

/* Columns of the left side of option and command lists. */
#define LEFT_WIDTH 24

const char *chp_cmd_name(const void *arg, size_t i)
{
	size_t c, a;

	(void)arg;
	for (c = 0; chp_cmds[c]; c++) {
		if (i-- == 0)
			return chp_cmds[c]->name;
		for (a = 0; chp_cmds[c]->aliases && chp_cmds[c]->aliases[a]; a++)
			if (i-- == 0)
				return chp_cmds[c]->aliases[a];
	}
	return NULL;
}

static bool has_name(const struct ch_cmd *cmd, const char *name)
{
	size_t a;

	if (strcmp(cmd->name, name) == 0)
		return true;
	for (a = 0; cmd->aliases && cmd->aliases[a]; a++)
		if (strcmp(cmd->aliases[a], name) == 0)
			return true;
	return false;
}

const struct ch_cmd *chp_cmd_find(const char *name)
{
	size_t c;

	for (c = 0; chp_cmds[c]; c++)
		if (has_name(chp_cmds[c], name))
			return chp_cmds[c];
	return NULL;
}

static void print_row(FILE *out, const char *left, const char *right)
{
	if (strlen(left) < LEFT_WIDTH)
		fprintf(out, "  %-*s %s\n", LEFT_WIDTH, left, right);
	else
		fprintf(out, "  %s\n  %-*s %s\n", left, LEFT_WIDTH, "", right);
}

bool chp_option_is_short(const struct ch_option *option)
{
	size_t len = strlen(option->name);

	return len == 1 || option->name[len - 1] == ':';
}

bool chp_option_is_other(const struct ch_option *options, const struct ch_option *option)
{
	const struct ch_option *row;

	for (row = options; !option->help && row->name; row++)
		if (row->help && row->offset == option->offset && row->kind == option->kind)
			return true;
	return false;
}

/* "--name VALUE", "-f:VALUE" */
static size_t spell_one(const struct ch_option *option, char *buf, size_t size)
{
	const char *gap = !option->value || strchr(option->name, ':') ? "" : " ";
	int len = snprintf(buf, size, "%s%s%s%s", chp_option_is_short(option) ? "-" : "--",
			   option->name, gap, option->value ? option->value : "");

	return ch_min((size_t)len, size - 1);
}

void chp_option_spell(const struct ch_option *options, const struct ch_option *option, char *buf,
		      size_t size)
{
	size_t used = spell_one(option, buf, size);
	const struct ch_option *row;

	for (row = options; row->name; row++) {
		if (row->offset != option->offset || !chp_option_is_other(options, row))
			continue;
		used += ch_min((size_t)snprintf(buf + used, size - used, ", "), size - used - 1);
		used += spell_one(row, buf + used, size - used);
	}
}

static void print_options(FILE *out, const struct ch_option *options)
{
	const struct ch_option *option;
	char left[256];

	for (option = options; option && option->name; option++) {
		if (!option->help)
			continue;
		chp_option_spell(options, option, left, sizeof(left));
		print_row(out, left, option->help);
	}
}

/* "heap [eeheap]" */
static void print_cmd_row(FILE *out, const struct ch_cmd *cmd)
{
	char left[128];
	size_t a, used;

	used = (size_t)snprintf(left, sizeof(left), "%s", cmd->name);
	for (a = 0; cmd->aliases && cmd->aliases[a] && used < sizeof(left); a++)
		used += (size_t)snprintf(left + used, sizeof(left) - used, "%s%s%s",
					 a ? ", " : " [", cmd->aliases[a],
					 cmd->aliases[a + 1] ? "" : "]");
	print_row(out, left, cmd->summary);
}

const char chp_help_examples[] =
	"  coreheap core.1234                     where the memory went: its summary\n"
	"  coreheap types core.1234 --limit 10    the ten largest types\n"
	"  coreheap objects core.1234 --jsonl     every block, one JSON record a line\n"
	"  coreheap info core.1234.zst            what this core is, and what it lacks\n";

const struct ch_exit_meaning chp_exit_meanings[] = {
	{ CH_EXIT_ANSWERED, "answered" },
	{ CH_EXIT_FINDINGS, "findings, where a verdict was asked for (diff --exit-code)" },
	{ CH_EXIT_USAGE, "the command line is not understood" },
	{ CH_EXIT_NOT_A_CORE, "not readable as a core" },
	{ CH_EXIT_INCOMPLETE,
	  "answered, but the core is incomplete or a heap in it damaged, with --strict" },
	{ CH_EXIT_FAILED, "not answered for another reason, such as a full disk" },
	{ 0, NULL },
};

void chp_help_global(FILE *out)
{
	size_t i;

	fprintf(out,
		"Examples:\n%s\n"
		"Usage: coreheap [GLOBAL OPTIONS] [COMMAND] [OPTIONS] CORE [ARGUMENTS]\n"
		"\n"
		"Commands (coreheap COMMAND --help says more):\n",
		chp_help_examples);
	for (i = 0; chp_cmds[i]; i++)
		print_cmd_row(out, chp_cmds[i]);
	fputs("\nGlobal options, before or after the command:\n", out);
	print_options(out, chp_global_options);
	fputs("\nCORE is an ELF core file, raw or compressed (.zst .gz .xz .lz4), or - for "
	      "standard\n"
	      "input. Without COMMAND it is summary.\n"
	      "\n"
	      "Exit codes:\n",
	      out);
	for (i = 0; chp_exit_meanings[i].meaning; i++)
		fprintf(out, "  %d  %s\n", chp_exit_meanings[i].code, chp_exit_meanings[i].meaning);
}

/* "Also called: dumpobj, do"; nothing when there are none. */
static void print_names(FILE *out, const char *title, const char *const *names)
{
	size_t i;

	for (i = 0; names && names[i]; i++)
		fprintf(out, "%s%s%s", i ? ", " : title, names[i], names[i + 1] ? "" : "\n");
}

void chp_help_cmd(FILE *out, const struct ch_cmd *cmd)
{
	if (cmd->examples)
		fprintf(out, "Examples:\n%s%s\n", cmd->examples,
			cmd->examples[0] && cmd->examples[strlen(cmd->examples) - 1] != '\n' ? "\n"
											     : "");
	fprintf(out, "Usage: coreheap %s %s\n\n%s\n", cmd->name, cmd->synopsis, cmd->summary);
	print_names(out, "Also called: ", cmd->aliases);
	if (cmd->options && cmd->options->name) {
		fputs("\nOptions:\n", out);
		print_options(out, cmd->options);
	}
	fputs("\nGlobal options:\n", out);
	print_options(out, chp_global_options);
	if (cmd->notes)
		fprintf(out, "\n%s", cmd->notes);
	print_names(out, "\nSee also: ", cmd->see_also);
}
