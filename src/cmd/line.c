/*
 * The command line taken apart: which command, which core, and what belongs to neither, with
 * suggestions for what was meant.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cores.h"
#include "cmd/driver.h"
#include "cmd/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Candidates for a suggestion: commands, their aliases, and what other tools call them. */
static const char *any_name(const void *arg, size_t i)
{
	size_t own = 0;

	while (chp_cmd_name(arg, own))
		own++;
	return i < own ? chp_cmd_name(arg, i) : chp_other_name_at(i - own);
}

static struct ch_error *unknown_command(const char *name)
{
	const char *near = chp_nearest(name, chp_cmd_name, NULL);

	if (!near)
		near = chp_nearest(name, any_name, NULL);
	if (near)
		return ch_error_create(CH_ERROR_ARG, "unknown command '%s': did you mean '%s'?",
				       name, near);
	return ch_error_create(CH_ERROR_ARG, "unknown command '%s': see coreheap --help", name);
}

/* Options that come with a name. */
static struct ch_error *take_preset(const struct ch_option_parser *parser,
				    const struct ch_other_name *other)
{
	char *words[CH_NAME_OPTIONS_MAX];
	struct ch_option_parser preset = *parser;
	const char *word;

	preset.argc = preset.at = 0;
	preset.argv = words;
	while (preset.argc < CH_NAME_OPTIONS_MAX && other->options[preset.argc]) {
		words[preset.argc] = (char *)(uintptr_t)other->options[preset.argc];
		preset.argc++;
	}
	return chp_options_next(&preset, &word);
}

/* A word that is no command may be the core: `coreheap core.1234` is its summary. */
static bool is_core(const char *word)
{
	return strcmp(word, "-") == 0 || access(word, F_OK) == 0;
}

/* The command's name; "help" before it asks for its help. */
static struct ch_error *parse_command(struct ch_line *line, struct ch_option_parser *parser)
{
	const struct ch_other_name *other;
	struct ch_error *err;
	const char *word;

	err = chp_options_next(parser, &word);
	if (!err && word && strcmp(word, "help") == 0) {
		line->global.help = true;
		err = chp_options_next(parser, &word);
	}
	if (err || !word)
		return err;
	other = chp_other_name(word, parser->argc - parser->at, parser->argv + parser->at);
	if (other && !other->cmd)
		return ch_error_create(CH_ERROR_ARG, "there is no %s here; %s", other->name,
				       other->say);
	line->cmd = other ? chp_cmd_find(other->cmd) : chp_cmd_find_any(word);
	if (!line->cmd && is_core(word)) {
		line->cmd = chp_cmd_find("summary");
		parser->at--;
	}
	if (!line->cmd)
		return unknown_command(word);
	line->note = other ? other->say : NULL;
	line->other_name = other != NULL;
	/* One more: options_size may be 0. */
	line->options = calloc(1, line->cmd->options_size + 1);
	if (!line->options)
		return &ch_enomem;
	parser->sets[parser->sets_count++] =
		(struct ch_option_set){ line->cmd->options, line->options };
	return other ? take_preset(parser, other) : NULL;
}

/* Whether a word is an address in digits. */
static bool is_hex(const char *word)
{
	if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
		word += 2;
	return *word && !word[strspn(word, "0123456789abcdefABCDEF`")];
}

/* "gcroot ADDR CORE": the core is the last word when the first one is an address and no
 * file, and the last one is a file. */
static void put_core_first(struct ch_line *line)
{
	char *last = line->argc ? line->argv[line->argc - 1] : NULL;
	int i;

	if (!last || line->cmd->cores != CH_CORES_ONE || !is_hex(line->core_path) ||
	    access(line->core_path, F_OK) == 0 || access(last, F_OK) != 0)
		return;
	for (i = line->argc - 1; i > 0; i--)
		line->argv[i] = line->argv[i - 1];
	line->argv[0] = (char *)(uintptr_t)line->core_path;
	line->core_path = last;
}

struct ch_error *chp_line_parse(struct ch_line *line, int argc, char **argv)
{
	struct ch_option_parser parser = {
		.sets = { { chp_global_options, &line->global } },
		.sets_count = 1,
		.argc = argc,
		.argv = argv,
	};
	struct ch_error *err;
	const char *word;

	line->global.limit = CH_LIMIT_UNSET;
	line->global.jobs = 1;
	line->argv = calloc((size_t)argc + 1, sizeof(line->argv[0]));
	if (!line->argv)
		return &ch_enomem;
	err = parse_command(line, &parser);
	if (err || !line->cmd)
		return err;
	err = chp_options_next(&parser, &line->core_path);
	if (!err && line->core_path && line->cmd->cores != CH_CORES_ONE)
		line->argv[line->argc++] = (char *)(uintptr_t)line->core_path;
	while (!err && line->core_path) {
		err = chp_options_next(&parser, &word);
		if (err || !word)
			break;
		line->argv[line->argc++] = (char *)(uintptr_t)word;
	}
	if (!err && line->core_path)
		put_core_first(line);
	return err;
}

/* "soft,final" as bits of enum ch_strength; NULL: 0. */
static struct ch_error *parse_references(const char *text, uint32_t *ret)
{
	static const struct {
		const char *word;
		uint32_t strengths;
	} rows[] = { { "strong", 0 },
		     { "soft", CH_STRENGTH_SOFT },
		     { "weak", CH_STRENGTH_WEAK },
		     { "final", CH_STRENGTH_FINAL },
		     { "phantom", CH_STRENGTH_PHANTOM } };
	size_t len, i;

	*ret = 0;
	for (; text && *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		for (i = 0; i < CH_COUNT_OF(rows); i++)
			if (strlen(rows[i].word) == len && strncmp(rows[i].word, text, len) == 0)
				break;
		if (i == CH_COUNT_OF(rows))
			return ch_error_create(CH_ERROR_ARG,
					       "--references: '%.*s' is none of strong, soft, "
					       "weak, final and phantom",
					       (int)ch_min(len, 40), text);
		*ret |= rows[i].strengths;
	}
	return NULL;
}

/* Where it is not there, files of this system would be taken for the process's. */
static struct ch_error *check_sysroot(const char *path)
{
	struct stat st;

	if (!path || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return NULL;
	return ch_error_create(CH_ERROR_ARG, "--sysroot: there is no folder %s", path);
}

struct ch_error *chp_line_check(struct ch_line *line)
{
	const struct ch_cmd *cmd = line->cmd;
	struct ch_error *err;

	if (!cmd)
		return ch_error_create(CH_ERROR_ARG, "no command given: see coreheap --help");
	if (line->global.json + line->global.jsonl + line->global.plain + line->global.markdown > 1)
		return ch_error_create(
			CH_ERROR_ARG,
			"only one of --json, --jsonl, --plain and --markdown can be given");
	if (line->global.markdown && !cmd->markdown)
		return ch_error_create(CH_ERROR_ARG, "%s has no --markdown", cmd->name);
	if (!line->core_path)
		return ch_error_create(CH_ERROR_ARG, "%s: no core given; usage: coreheap %s %s",
				       cmd->name, cmd->name, cmd->synopsis);
	if (cmd->cores == CH_CORES_COMPARED && line->argc < 2)
		return ch_error_create(CH_ERROR_ARG,
				       "%s: two cores or more are compared; usage: "
				       "coreheap %s %s",
				       cmd->name, cmd->name, cmd->synopsis);
	if (cmd->cores == CH_CORES_EACH && line->argc > 1 && line->global.json)
		return chp_cores_one_document(cmd->name);
	if (line->global.jobs != 1 && (cmd->cores != CH_CORES_EACH || !line->global.jsonl))
		return ch_error_create(CH_ERROR_ARG,
				       "--jobs is for commands that take many cores, with --jsonl");
	/* "dumpmodule ADDR": all are listed. */
	if (cmd->cores == CH_CORES_ONE && line->other_name && !cmd->args_max && line->argc) {
		line->argc = 0;
		line->note = "all are listed: what was given as an address is not looked at";
	}
	if (cmd->cores == CH_CORES_ONE && line->argc > cmd->args_max)
		return ch_error_create(
			CH_ERROR_ARG, "%s: '%s' is one argument too many; usage: coreheap %s %s",
			cmd->name, line->argv[cmd->args_max], cmd->name, cmd->synopsis);
	if (line->global.color && strcmp(line->global.color, "auto") != 0 &&
	    strcmp(line->global.color, "always") != 0 && strcmp(line->global.color, "never") != 0)
		return ch_error_create(CH_ERROR_ARG,
				       "--color: '%s' is none of auto, always and never",
				       line->global.color);
	err = check_sysroot(line->global.sysroot);
	return err ? err : parse_references(line->global.references, &line->strengths);
}

void chp_line_deinit(struct ch_line *line)
{
	if (line->cmd && line->options)
		chp_options_deinit(&(struct ch_option_set){ line->cmd->options, line->options });
	chp_options_deinit(&(struct ch_option_set){ chp_global_options, &line->global });
	free(line->options);
	free(line->argv);
}
