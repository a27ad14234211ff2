#include <stdlib.h>
#include <string.h>

#include "cmd/driver.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

static struct ch_error *unknown_command(const char *name)
{
	const char *near = chp_nearest(name, chp_cmd_name, NULL);

	if (near)
		return ch_error_create(CH_ERROR_ARG, "unknown command '%s': did you mean '%s'?",
				       name, near);
	return ch_error_create(CH_ERROR_ARG, "unknown command '%s': see coreheap --help", name);
}

/* The command's name; "help" before it asks for its help. */
static struct ch_error *parse_command(struct ch_line *line, struct ch_option_parser *parser)
{
	struct ch_error *err;
	const char *word;

	err = chp_options_next(parser, &word);
	if (!err && word && strcmp(word, "help") == 0) {
		line->global.help = true;
		err = chp_options_next(parser, &word);
	}
	if (err || !word)
		return err;
	line->cmd = chp_cmd_find(word);
	if (!line->cmd)
		return unknown_command(word);
	/* One more: options_size may be 0. */
	line->options = calloc(1, line->cmd->options_size + 1);
	if (!line->options)
		return &ch_enomem;
	parser->sets[parser->sets_count++] =
		(struct ch_option_set){ line->cmd->options, line->options };
	return NULL;
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

struct ch_error *chp_line_check(struct ch_line *line)
{
	const struct ch_cmd *cmd = line->cmd;

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
		return ch_error_create(CH_ERROR_ARG,
				       "%s: --json is one document: use --jsonl for several cores",
				       cmd->name);
	if (cmd->cores == CH_CORES_ONE && line->argc > cmd->args_max)
		return ch_error_create(
			CH_ERROR_ARG, "%s: '%s' is one argument too many; usage: coreheap %s %s",
			cmd->name, line->argv[cmd->args_max], cmd->name, cmd->synopsis);
	return parse_references(line->global.references, &line->strengths);
}

void chp_line_deinit(struct ch_line *line)
{
	if (line->cmd && line->options)
		chp_options_deinit(&(struct ch_option_set){ line->cmd->options, line->options });
	chp_options_deinit(&(struct ch_option_set){ chp_global_options, &line->global });
	free(line->options);
	free(line->argv);
}
