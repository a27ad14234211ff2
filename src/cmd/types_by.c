/*
 * The option --by of "types": what stands in the place of types.
 */
#include "cmd/types_by.h"

#include <string.h>

#include "report/loaders.h"
#include "report/owners.h"
#include "report/type_groups.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- Groups of types ------------------------------------------------------------------- */

static const struct ch_types_group kinds[] = {
	{ "basis", CH_GROUP_BASIS },
	{ "module", CH_GROUP_MODULE },
	{ "holder", CH_GROUP_HOLDER },
	{ "purpose", CH_GROUP_PURPOSE },
};

const struct ch_types_group *chp_types_group(const char *word)
{
	size_t i;

	for (i = 0; word && i < CH_COUNT_OF(kinds); i++)
		if (strcmp(kinds[i].word, word) == 0)
			return &kinds[i];
	return NULL;
}

struct ch_error *chp_types_by_group(struct ch_cmd_env *env, const struct ch_object_filter *filter,
				    const struct ch_types_group *group)
{
	struct ch_type_groups groups;
	struct ch_error *err = chp_type_groups_make(env->session, filter, group->by, &groups);

	if (!err)
		err = chp_report_type_groups(env->report, &groups);
	chp_type_groups_deinit(&groups);
	return err;
}

/* ---- Other rows than types --------------------------------------------------------------- */

static struct ch_error *report_owners(struct ch_cmd_env *env)
{
	struct ch_owned owned;
	struct ch_error *err = chp_owned_make(env->session, env->threads, &owned);

	if (!err)
		err = chp_report_owners(env->report, &owned);
	chp_owned_deinit(&owned);
	return err;
}

static struct ch_error *report_loaders(struct ch_cmd_env *env)
{
	struct ch_loaders_result result;
	struct ch_error *err = chp_loaders_make(env->session, env->threads, &result);

	if (!err)
		err = chp_report_loaders(env->report, &result);
	chp_loaders_deinit(&result);
	return err;
}

struct ch_error *chp_types_by(struct ch_cmd_env *env, const struct ch_types_options *options)
{
	const struct ch_types_options alone = { .by = options->by };
	const bool owner = strcmp(options->by, "owner") == 0;

	if (!owner && strcmp(options->by, "loader") != 0)
		return ch_error_create(
			CH_ERROR_ARG,
			"--by takes: basis, holder, loader, module, owner, purpose, size");
	if (memcmp(&alone, options, sizeof(alone)) != 0)
		return ch_error_create(CH_ERROR_ARG,
				       "--by cannot be combined with other options of types");
	return owner ? report_owners(env) : report_loaders(env);
}
