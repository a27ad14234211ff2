/*
 * Timers of one kind of which there are very many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/suspects.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"
#include "util/text.h"

/* A server has some for each connection; so many that do one thing are told. */
#define ALIKE_MIN 1000
/* Kinds that are told apart. */
#define GROUPS_MAX 64

struct group {
	uint64_t count;
	struct ch_set_timer first;
};

struct counting {
	struct group groups[GROUPS_MAX];
	size_t count;
	uint64_t all;
};

static struct ch_error *take(void *arg, const struct ch_set_timer *timer)
{
	struct counting *counting = arg;
	size_t i;

	counting->all++;
	for (i = 0; i < counting->count; i++)
		if (counting->groups[i].first.pc == timer->pc &&
		    counting->groups[i].first.periodic == timer->periodic)
			break;
	if (i == GROUPS_MAX)
		return NULL;
	if (i == counting->count) {
		counting->groups[i] = (struct group){ .first = *timer };
		counting->count++;
	}
	counting->groups[i].count++;
	return NULL;
}

static struct ch_error *tell(struct ch_suspecting *suspecting, const struct group *group,
			     uint64_t all)
{
	struct ch_suspect suspect = { .rule = CH_RULE_ALIKE_TIMERS,
				      .basis = CH_BASIS_RECORDED,
				      .count = group->count,
				      .sample_addr = group->first.addr };
	_cleanup_free_ char *calls = chp_text_escape(group->first.calls, 256);
	char count[CH_BYTES_TEXT_MAX];

	if (!calls)
		return &ch_enomem;
	/* its id is that of the function */
	snprintf(suspect.chain.alike_name, sizeof(suspect.chain.alike_name), "%s%s", calls,
		 group->first.periodic ? " again and again" : "");
	chp_suspect_fact(&suspect, "timers_count", all);
	chp_suspect_next(&suspect, "roots", group->first.addr);
	chp_count_text(group->count, count);
	if (group->first.kind == CH_TIMER_CHANNEL)
		return chp_suspect_take(suspecting, &suspect, 0,
					"%s %s are set, each with a channel: they are kept until "
					"%s",
					count, group->first.periodic ? "tickers" : "timers",
					group->first.periodic ? "they are stopped"
							      : "they fire or are stopped");
	return chp_suspect_take(suspecting, &suspect, 0,
				"%s timers are set to call %s%s: they, and what that has, are kept "
				"until %s",
				count, calls, group->first.periodic ? " again and again" : "",
				group->first.periodic ? "they are stopped"
						      : "they fire or are stopped");
}

struct ch_error *chp_suspects_timers(struct ch_suspecting *suspecting)
{
	struct counting *counting = calloc(1, sizeof(*counting));
	struct ch_error *err;
	size_t i;

	if (!counting)
		return &ch_enomem;
	err = chp_heaps_set_timers(suspecting->heaps, take, counting);
	for (i = 0; !err && i < counting->count; i++)
		/* what sleeps, and waits for the network, is told by goroutines */
		if (counting->groups[i].count >= ALIKE_MIN &&
		    counting->groups[i].first.kind != CH_TIMER_RUNTIME)
			err = tell(suspecting, &counting->groups[i], counting->all);
	free(counting);
	return err;
}
