/*
 * Scripts for the completion of words in shells, made from the tables of commands and options:
 * commands, options with their values, and files. The value of an option is completed when its
 * table lists all that it may be (struct ch_option, value).
 */
#include <ctype.h>
#include <string.h>

#include "cmd/driver.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- What the tables say of values --------------------------------------------------------- */

enum value_kind {
	VALUE_NONE,
	/* Nothing is known of it. */
	VALUE_ANY,
	VALUE_FILE,
	VALUE_FOLDER,
	/* One of a closed set, or several of it with commas. */
	VALUE_ONE_OF,
	VALUE_SOME_OF,
};

static bool is_list(const char *value)
{
	size_t len = strlen(value);

	return len > 4 && strcmp(value + len - 4, ",...") == 0;
}

static enum value_kind kind_of(const struct ch_option *option)
{
	const char *c;

	if (!option->value)
		return VALUE_NONE;
	if (strcmp(option->value, "FILE") == 0)
		return VALUE_FILE;
	if (strcmp(option->value, "DIR") == 0)
		return VALUE_FOLDER;
	for (c = option->value; *c; c++)
		if (isupper((unsigned char)*c))
			return VALUE_ANY;
	return is_list(option->value) ? VALUE_SOME_OF : VALUE_ONE_OF;
}

/* The members of a closed set. */
static void put_choices(FILE *out, const char *value, char between)
{
	size_t len = strlen(value) - (is_list(value) ? 4 : 0), i;

	for (i = 0; i < len; i++)
		fputc(value[i] == '|' ? between : value[i], out);
}

/* "-f:" and "--name" as they are typed. */
static const char *dashes_of(const struct ch_option *option)
{
	return chp_option_is_short(option) ? "-" : "--";
}

/* Whether the row is offered: other spellings are taken, but not proposed. */
static bool is_offered(const struct ch_option *option)
{
	return option->help != NULL;
}

/* Names of a command with a sign between. */
static void put_names(FILE *out, const struct ch_cmd *cmd, const char *between)
{
	size_t a;

	fputs(cmd->name, out);
	for (a = 0; cmd->aliases && cmd->aliases[a]; a++)
		fprintf(out, "%s%s", between, cmd->aliases[a]);
}

/* ---- bash ---------------------------------------------------------------------------------- */

static void bash_options(FILE *out, const struct ch_option *options)
{
	const struct ch_option *option;

	for (option = options; option && option->name; option++)
		if (is_offered(option))
			fprintf(out, " %s%s", dashes_of(option), option->name);
}

/* "types:--by|dumpheap:--by) ..." for an option with values that are known; of global ones also
 * for others, whose value is no command either. */
static void bash_values(FILE *out, const struct ch_cmd *cmd, const struct ch_option *option)
{
	const enum value_kind kind = kind_of(option);
	/* "-f:csv" is three words, as bash parts them. */
	const int len = (int)strcspn(option->name, ":");
	size_t a;

	if (!is_offered(option) || kind == VALUE_NONE || (cmd && kind == VALUE_ANY))
		return;
	fprintf(out, "\t%s:%s%.*s", cmd ? cmd->name : "*", dashes_of(option), len, option->name);
	for (a = 0; cmd && cmd->aliases && cmd->aliases[a]; a++)
		fprintf(out, "|%s:%s%.*s", cmd->aliases[a], dashes_of(option), len, option->name);
	fputs(") ", out);
	switch (kind) {
	case VALUE_NONE:
	case VALUE_ANY:
		fputs("return", out);
		break;
	case VALUE_FILE:
	case VALUE_FOLDER:
		fprintf(out, "COMPREPLY=($(compgen -P \"$head\" -%c -- \"$cur\")); return",
			kind == VALUE_FILE ? 'f' : 'd');
		break;
	case VALUE_ONE_OF:
	case VALUE_SOME_OF:
		if (kind == VALUE_SOME_OF)
			fputs("[[ $cur != *,* ]] || head+=${cur%,*},; cur=${cur##*,}; ", out);
		fputs("values='", out);
		put_choices(out, option->value, ' ');
		fputc('\'', out);
		break;
	}
	fputs(" ;;\n", out);
}

/* Global options whose value is the next word, which is no command then. */
static void bash_skip_values(FILE *out)
{
	const struct ch_option *option;
	const char *between = "\t\t";

	for (option = chp_global_options; option->name; option++) {
		if (!option->value)
			continue;
		fprintf(out, "%s--%s", between, option->name);
		between = "|";
	}
	fputs(") [[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1)); i=$((i + 1)) ;;\n", out);
}

static const char bash_begin[] =
	"# Completion of coreheap in bash, made from its tables by `coreheap --completion bash`.\n"
	"_coreheap() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} at=$((COMP_CWORD - 1))\n"
	"\tlocal head= command= option options= values= i\n"
	"\t# bash parts --by=size and -o:csv into three words, unless it was told not to.\n"
	"\tif [[ $cur == [=:] ]]; then\n"
	"\t\tcur=\n"
	"\telif [[ ${COMP_WORDS[at]} == [=:] ]]; then\n"
	"\t\tat=$((at - 1))\n"
	"\tfi\n"
	"\toption=${COMP_WORDS[at]}\n"
	"\tcase $cur in\n"
	"\t--*=*) head=${cur%%=*}= ;;\n"
	"\t-?:*) head=${cur%%:*}: ;;\n"
	"\tesac\n"
	"\tif [[ $head ]]; then\n"
	"\t\toption=${head%?} cur=${cur#\"$head\"}\n"
	"\tfi\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n";

static const char bash_values_end[] =
	"\tesac\n"
	"\tif [[ $values ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -P \"$head\" -W \"$values\" -- \"$cur\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tcase $command in\n";

static void bash_completion(FILE *out)
{
	const struct ch_option *option;
	const char *name;
	size_t c;

	fputs(bash_begin, out);
	bash_skip_values(out);
	fputs("\t\t-* | help) ;;\n"
	      "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase $command:$option in\n",
	      out);
	for (c = 0; chp_cmds[c]; c++)
		for (option = chp_cmds[c]->options; option && option->name; option++)
			bash_values(out, chp_cmds[c], option);
	for (option = chp_global_options; option->name; option++)
		bash_values(out, NULL, option);
	fputs(bash_values_end, out);
	for (c = 0; chp_cmds[c]; c++) {
		fputc('\t', out);
		put_names(out, chp_cmds[c], "|");
		fputs(") options='", out);
		bash_options(out, chp_cmds[c]->options);
		fputs("' ;;\n", out);
	}
	fputs("\t'') options='help", out);
	for (c = 0; (name = chp_cmd_name(NULL, c)); c++)
		fprintf(out, " %s", name);
	fputs("' ;;\n\tesac\n\toptions+='", out);
	bash_options(out, chp_global_options);
	fputs("'\n"
	      "\t# Cores are files, and those bash completes itself.\n"
	      "\tif [[ $cur == -* || ! $command ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	      "\tfi\n"
	      "}\n"
	      "complete -o default -F _coreheap coreheap\n",
	      out);
}

/* ---- zsh ----------------------------------------------------------------------------------- */

/* Text between single quotes; signs of a specification of _arguments, or of a name of
 * _describe, are escaped. */
static void zsh_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", out);
		else if (strchr("\\:[]", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* '--by=[what it means]:WHAT:(basis size)' */
static void zsh_option(FILE *out, const struct ch_option *option)
{
	const bool colon = option->name[strlen(option->name) - 1] == ':';

	if (!is_offered(option))
		return;
	/* The - after a name says that the value follows in the same word. */
	fprintf(out, "\n\t\t'*%s", dashes_of(option));
	zsh_text(out, option->name);
	fputs(!option->value ? "[" : colon ? "-[" : "=[", out);
	zsh_text(out, option->help);
	fputc(']', out);
	switch (kind_of(option)) {
	case VALUE_NONE:
		break;
	case VALUE_ANY:
		fputc(':', out);
		zsh_text(out, option->value);
		fputs(": ", out);
		break;
	case VALUE_FILE:
		fputs(":file:_files", out);
		break;
	case VALUE_FOLDER:
		fputs(":folder:_files -/", out);
		break;
	case VALUE_ONE_OF:
		fputs(":value:(", out);
		put_choices(out, option->value, ' ');
		fputc(')', out);
		break;
	case VALUE_SOME_OF:
		fputs(":values:_values -s , value ", out);
		put_choices(out, option->value, ' ');
		break;
	}
	fputc('\'', out);
}

static void zsh_options(FILE *out, const struct ch_option *options)
{
	const struct ch_option *option;

	for (option = options; option && option->name; option++)
		zsh_option(out, option);
}

static void zsh_completion(FILE *out)
{
	size_t c;

	fputs("#compdef coreheap\n"
	      "# Completion of coreheap in zsh, made from its tables by `coreheap --completion "
	      "zsh`.\n"
	      "_coreheap() {\n"
	      "\tlocal context curcontext=$curcontext state state_descr line\n"
	      "\tlocal -A opt_args\n"
	      "\tlocal -a commands global own\n"
	      "\tcommands=(\n"
	      "\t\t'help:options of a command'",
	      out);
	for (c = 0; chp_cmds[c]; c++) {
		fprintf(out, "\n\t\t'%s:", chp_cmds[c]->name);
		zsh_text(out, chp_cmds[c]->summary);
		fputc('\'', out);
	}
	fputs("\n\t)\n\tglobal=(", out);
	zsh_options(out, chp_global_options);
	fputs("\n\t)\n"
	      "\t_arguments -C $global '1: :->command' '*:: :->rest' && return\n"
	      "\tif [[ $state == command ]]; then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tcase $words[1] in\n"
	      "\thelp)\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn ;;\n",
	      out);
	for (c = 0; chp_cmds[c]; c++) {
		fputc('\t', out);
		put_names(out, chp_cmds[c], "|");
		fputs(") own=(", out);
		zsh_options(out, chp_cmds[c]->options);
		fputs(") ;;\n", out);
	}
	fputs("\tesac\n"
	      "\t_arguments $global $own '*:core:_files'\n"
	      "}\n"
	      "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
	      "\t_coreheap \"$@\"\n"
	      "else\n"
	      "\tcompdef _coreheap coreheap\n"
	      "fi\n",
	      out);
}

/* ---- fish ---------------------------------------------------------------------------------- */

static void fish_text(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

/* What the value of an option is; with -x nothing else is proposed. */
static void fish_value(FILE *out, const struct ch_option *option)
{
	switch (kind_of(option)) {
	case VALUE_NONE:
		break;
	case VALUE_ANY:
		fputs(" -x", out);
		break;
	case VALUE_FILE:
		fputs(" -r -F", out);
		break;
	case VALUE_FOLDER:
		fputs(" -x -a '(__fish_complete_directories)'", out);
		break;
	case VALUE_ONE_OF:
		fputs(" -x -a '", out);
		put_choices(out, option->value, ' ');
		fputc('\'', out);
		break;
	case VALUE_SOME_OF:
		fputs(" -x -a '(__fish_complete_list , \"string split , ", out);
		put_choices(out, option->value, ',');
		fputs("\")'", out);
		break;
	}
}

/* "-o:csv" is one word, which fish takes for an argument. */
static void fish_colon(FILE *out, const struct ch_option *option)
{
	const char *value = kind_of(option) == VALUE_ONE_OF ? option->value : "";
	size_t len;

	fputs(" -a '", out);
	do {
		len = strcspn(value, "|");
		fprintf(out, "-%s%.*s ", option->name, (int)len, value);
		value += len + (value[len] == '|');
	} while (*value);
	fputc('\'', out);
}

/* "complete -c coreheap -n '...' -l by -x -a '...' -d '...'"; cmd is NULL for global options. */
static void fish_option(FILE *out, const struct ch_cmd *cmd, const struct ch_option *option)
{
	if (!is_offered(option))
		return;
	fputs("complete -c coreheap", out);
	if (cmd) {
		fputs(" -n '__fish_seen_subcommand_from ", out);
		put_names(out, cmd, " ");
		fputc('\'', out);
	}
	if (strchr(option->name, ':')) {
		fish_colon(out, option);
	} else {
		fprintf(out, " -%c %s", chp_option_is_short(option) ? 's' : 'l', option->name);
		fish_value(out, option);
	}
	fputs(" -d ", out);
	fish_text(out, option->help);
	fputc('\n', out);
}

static void fish_completion(FILE *out)
{
	const struct ch_option *option;
	const char *name;
	size_t c;

	fputs("# Completion of coreheap in fish, made from its tables by `coreheap --completion "
	      "fish`.\n"
	      "complete -c coreheap -n __fish_use_subcommand -a help -d 'options of a command'\n",
	      out);
	for (c = 0; chp_cmds[c]; c++) {
		fprintf(out, "complete -c coreheap -n __fish_use_subcommand -a %s -d ",
			chp_cmds[c]->name);
		fish_text(out, chp_cmds[c]->summary);
		fputc('\n', out);
	}
	fputs("complete -c coreheap -n '__fish_seen_subcommand_from help' -f -a '", out);
	for (c = 0; (name = chp_cmd_name(NULL, c)); c++)
		fprintf(out, "%s%s", c ? " " : "", name);
	fputs("'\n", out);
	for (option = chp_global_options; option->name; option++)
		fish_option(out, NULL, option);
	for (c = 0; chp_cmds[c]; c++)
		for (option = chp_cmds[c]->options; option && option->name; option++)
			fish_option(out, chp_cmds[c], option);
}

/* ---- All of them --------------------------------------------------------------------------- */

struct ch_error *chp_completion(FILE *out, const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(FILE *out);
	} shells[] = { { "bash", bash_completion },
		       { "zsh", zsh_completion },
		       { "fish", fish_completion } };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(shells); i++) {
		if (strcmp(shells[i].name, shell) != 0)
			continue;
		shells[i].print(out);
		return NULL;
	}
	return ch_error_create(CH_ERROR_ARG, "--completion: '%s' is none of bash, zsh and fish",
			       shell);
}
