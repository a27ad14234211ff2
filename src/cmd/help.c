/*
 * Help and completion, made from the tables of options and commands.
 */
#include <string.h>

#include "cmd/driver.h"

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

/* "--name VALUE", "-f:VALUE" */
static void spell(const struct ch_option *option, char *buf, size_t size)
{
	size_t len = strlen(option->name);
	bool colon = option->name[len - 1] == ':';

	snprintf(buf, size, "%s%s%s%s", colon || len == 1 ? "-" : "--", option->name,
		 option->value && !colon ? " " : "", option->value ? option->value : "");
}

static void print_options(FILE *out, const struct ch_option *options)
{
	const struct ch_option *option;
	char left[128];

	for (option = options; option && option->name; option++) {
		if (!option->help)
			continue;
		spell(option, left, sizeof(left));
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

void chp_help_global(FILE *out)
{
	size_t c;

	fputs("Examples:\n"
	      "  coreheap summary core.1234             where the memory went, on one screen\n"
	      "  coreheap types core.1234 --limit 10    the ten largest types\n"
	      "  coreheap objects core.1234 --jsonl     every block, one JSON record a line\n"
	      "  coreheap info core.1234.zst            what this core is, and what it lacks\n"
	      "\n"
	      "Usage: coreheap [GLOBAL OPTIONS] COMMAND [OPTIONS] CORE [ARGUMENTS]\n"
	      "\n"
	      "Commands (coreheap COMMAND --help says more):\n",
	      out);
	for (c = 0; chp_cmds[c]; c++)
		print_cmd_row(out, chp_cmds[c]);
	fputs("\nGlobal options, before or after the command:\n", out);
	print_options(out, chp_global_options);
	fputs("\nCORE is an ELF core file, raw or compressed (.zst .gz .xz .lz4).\n"
	      "\n"
	      "Exit codes: 0 answered, 1 findings where a verdict was asked for, 2 usage,\n"
	      "3 not readable as a core, 4 answered but the core is incomplete or a heap in\n"
	      "it damaged (--strict), 5 not answered for another reason, such as a full disk.\n",
	      out);
}

void chp_help_cmd(FILE *out, const struct ch_cmd *cmd)
{
	size_t a;

	if (cmd->examples)
		fprintf(out, "Examples:\n%s%s\n", cmd->examples,
			cmd->examples[0] && cmd->examples[strlen(cmd->examples) - 1] != '\n' ? "\n"
											     : "");
	fprintf(out, "Usage: coreheap %s %s\n\n%s\n", cmd->name, cmd->synopsis, cmd->summary);
	for (a = 0; cmd->aliases && cmd->aliases[a]; a++)
		fprintf(out, "%s%s%s", a ? ", " : "Also called: ", cmd->aliases[a],
			cmd->aliases[a + 1] ? "" : "\n");
	if (cmd->options && cmd->options->name) {
		fputs("\nOptions:\n", out);
		print_options(out, cmd->options);
	}
	fputs("\nGlobal options:\n", out);
	print_options(out, chp_global_options);
	if (cmd->notes)
		fprintf(out, "\n%s", cmd->notes);
}

static void print_completion_options(FILE *out, const struct ch_option *options)
{
	const struct ch_option *option;
	size_t len;

	for (option = options; option && option->name; option++) {
		len = strlen(option->name);
		if (len > 1)
			fprintf(out, " -%s%s", option->name[len - 1] == ':' ? "" : "-",
				option->name);
	}
}

void chp_completion_bash(FILE *out)
{
	const char *name;
	size_t i, c;

	fputs("_coreheap() {\n"
	      "\tlocal word cmd= options=\n"
	      "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	      "\t\tcase $word in -*) ;; *) cmd=$word; break ;; esac\n"
	      "\tdone\n"
	      "\tcase $cmd in\n",
	      out);
	for (c = 0; chp_cmds[c]; c++) {
		size_t a;

		fprintf(out, "\t%s", chp_cmds[c]->name);
		for (a = 0; chp_cmds[c]->aliases && chp_cmds[c]->aliases[a]; a++)
			fprintf(out, "|%s", chp_cmds[c]->aliases[a]);
		fputs(") options='", out);
		print_completion_options(out, chp_cmds[c]->options);
		fputs("' ;;\n", out);
	}
	fputs("\t'') options='", out);
	for (i = 0; (name = chp_cmd_name(NULL, i)); i++)
		fprintf(out, "%s%s", i ? " " : "", name);
	fputs("' ;;\n\tesac\n\toptions+='", out);
	print_completion_options(out, chp_global_options);
	fputs("'\n"
	      "\tCOMPREPLY=($(compgen -W \"$options\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
	      "}\n"
	      "complete -o default -F _coreheap coreheap\n",
	      out);
}
