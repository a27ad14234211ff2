/*
 * The option --by of "types": what stands in the place of types.
 */
#include "cmd/types_by.h"

#include <string.h>

#include "report/loaders.h"
#include "report/owners.h"
#include "report/sites.h"
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

static struct ch_error *report_sites(struct ch_cmd_env *env)
{
	struct ch_sites sites;
	struct ch_error *err = chp_sites_make(env->session, &sites);

	if (!err)
		err = chp_report_sites(env->report, &sites);
	chp_sites_deinit(&sites);
	return err;
}

/* What takes no other option. */
static const struct {
	const char *word;
	struct ch_error *(*report)(struct ch_cmd_env *env);
} others[] = {
	{ "loader", report_loaders },
	{ "owner", report_owners },
	{ "site", report_sites },
};

struct ch_error *chp_types_by(struct ch_cmd_env *env, const struct ch_types_options *options)
{
	const struct ch_types_options alone = { .by = options->by };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(others); i++)
		if (strcmp(options->by, others[i].word) == 0)
			break;
	if (i == CH_COUNT_OF(others))
		return ch_error_create(
			CH_ERROR_ARG,
			"--by takes: basis, holder, loader, module, owner, purpose, site, size");
	if (memcmp(&alone, options, sizeof(alone)) != 0)
		return ch_error_create(CH_ERROR_ARG,
				       "--by %s cannot be combined with other options of types",
				       options->by);
	return others[i].report(env);
}
