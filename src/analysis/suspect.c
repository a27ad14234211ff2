/*
 * One suspect: its name, what it is told apart by, and how the rules put it together.
 */
#include "analysis/suspects.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/hash.h"
#include "util/number.h"

static const char *const rule_names[CH_RULES] = {
	[CH_RULE_HEAP_DAMAGED] = "heap-damaged",
	[CH_RULE_BAD_FREE] = "bad-free",
	[CH_RULE_DEADLOCK] = "deadlock",
	[CH_RULE_LOCK_CONVOY] = "lock-convoy",
	[CH_RULE_FINALIZER_BACKLOG] = "finalizer-backlog",
	[CH_RULE_COLLIDING_KEYS] = "colliding-keys",
	[CH_RULE_EMPTY_COLLECTIONS] = "empty-collections",
	[CH_RULE_GROWING_COLLECTION] = "growing-collection",
	[CH_RULE_COMMON_HOLDER] = "common-holder",
	[CH_RULE_ALIKE_HOLDERS] = "alike-holders",
	[CH_RULE_LARGE_BLOCK] = "large-block",
	[CH_RULE_ONE_TYPE] = "one-type",
	[CH_RULE_UNREACHABLE_NATIVE] = "unreachable-native",
	[CH_RULE_MANAGED_GARBAGE] = "managed-garbage",
	[CH_RULE_HUMONGOUS_WASTE] = "humongous-waste",
	[CH_RULE_FRAGMENTED_HEAP] = "fragmented-heap",
	[CH_RULE_FREE_RETAINED] = "free-retained",
	[CH_RULE_EQUAL_MAPPINGS] = "equal-mappings",
	[CH_RULE_DUPLICATE_CONTENTS] = "duplicate-contents",
	[CH_RULE_MODULE_EXPLOSION] = "module-explosion",
	[CH_RULE_THREAD_EXPLOSION] = "thread-explosion",
	[CH_RULE_FILE_MAPS] = "file-maps",
	[CH_RULE_UNATTRIBUTED] = "unattributed",
	[CH_RULE_UNRELEASED_BUFFERS] = "unreleased-buffers",
	[CH_RULE_DROPPED_BUFFERS] = "dropped-buffers",
	[CH_RULE_LIMIT_NEAR] = "limit-near",
	[CH_RULE_BLOCKED_GOROUTINES] = "blocked-goroutines",
	[CH_RULE_LOCKED_GOROUTINES] = "locked-goroutines",
	[CH_RULE_ALIKE_GOROUTINES] = "alike-goroutines",
	[CH_RULE_OPEN_RESOURCES] = "open-resources",
	[CH_RULE_ALIKE_TIMERS] = "alike-timers",
};

const char *chp_suspect_rule_name(enum ch_suspect_rule rule)
{
	return rule_names[rule];
}

void chp_suspect_deinit(struct ch_suspect *suspect)
{
	size_t i;

	for (i = 0; i < suspect->types_count; i++)
		free(suspect->types[i].name);
	for (i = 0; i < suspect->chain.steps_count; i++)
		free(suspect->chain.steps[i].type);
	for (i = 0; i < suspect->owners_count; i++)
		free(suspect->owners[i].name);
	free(suspect->holder_type);
	free(suspect->message);
}

bool chp_suspect_is(uint64_t bytes, uint64_t min, uint64_t percent, uint64_t whole)
{
	return bytes >= min && chp_percent(bytes, whole) >= percent * 100;
}

/* Names only: what the rule is about, not where it lies. */
static uint64_t make_id(const struct ch_suspect *suspect)
{
	uint64_t hash = CH_HASH_START;
	const char *parts[] = { chp_suspect_rule_name(suspect->rule),
				suspect->types_count ? suspect->types[0].name : "",
				suspect->holder_type ? suspect->holder_type : "",
				suspect->chain.text.symbol, suspect->chain.alike_name };
	size_t i, count = CH_COUNT_OF(parts);

	/* what has no such name keeps the id that it always had */
	count -= !suspect->chain.alike_name[0];
	for (i = 0; i < count; i++)
		hash = ch_hash_bytes(hash, parts[i], strlen(parts[i]) + 1);
	return hash;
}

struct ch_error *chp_suspect_take(struct ch_suspecting *suspecting, struct ch_suspect *suspect,
				  uint64_t whole, const char *format, ...)
{
	struct ch_suspect *slot;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&suspect->message, format, args);
	va_end(args);
	if (len < 0)
		suspect->message = NULL;
	suspect->share = chp_percent(suspect->bytes, whole);
	suspect->id = make_id(suspect);
	if (suspect->types_total < suspect->types_count)
		suspect->types_total = suspect->types_count;
	slot = suspect->message ? ch_vec_push(suspecting->suspects) : NULL;
	if (!slot) {
		chp_suspect_deinit(suspect);
		return &ch_enomem;
	}
	*slot = *suspect;
	return NULL;
}

struct ch_error *chp_suspect_type(struct ch_suspecting *suspecting, struct ch_suspect *suspect,
				  uint32_t type, uint64_t count, uint64_t bytes)
{
	struct ch_suspect_type *slot = &suspect->types[suspect->types_count];
	struct ch_heaps *heaps = suspecting->heaps;
	struct ch_error *err;
	struct ch_type named;
	size_t runtimes;

	err = ch_heaps_type(heaps, type, &named);
	if (err)
		return err;
	*slot = (struct ch_suspect_type){
		.name = strdup(named.name),
		.runtime = ch_heaps_runtimes(heaps, &runtimes)[named.walker].name,
		.count = count,
		.total_bytes = bytes,
	};
	if (!slot->name)
		return &ch_enomem;
	slot->words = slot->name + (chp_type_short(&named) - named.name);
	if (strcmp(slot->words, "blocks") == 0)
		slot->words = "blocks of several sizes";
	suspect->types_count++;
	return NULL;
}

uint64_t chp_suspect_touched(const struct ch_suspecting *suspecting,
			     const struct ch_type_stat *stat)
{
	return chp_touched_of(suspecting->sums, suspecting->heaps, stat);
}

void chp_suspect_fact(struct ch_suspect *suspect, const char *key, uint64_t number)
{
	suspect->facts[suspect->facts_count++] = (struct ch_fact){ .key = key, .number = number };
}

void chp_suspect_next(struct ch_suspect *suspect, const char *command, uint64_t addr)
{
	snprintf(suspect->next, sizeof(suspect->next), "%s", command);
	if (addr)
		snprintf(suspect->next_args, sizeof(suspect->next_args), "0x%" PRIx64, addr);
}
