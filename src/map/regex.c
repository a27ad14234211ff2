/*
 * Runs the machines of an expression. The states that a machine may be in after some bytes are one
 * state of another machine that is in one at a time, made when it is first met (as in R. Cox,
 * Regular Expression Matching Can Be Simple And Fast, 2007). First the bytes are taken from the
 * last to the first, which tells where matches begin, and then from there on, which tells where
 * the longest one ends: no byte is taken for each place where a match might begin, as it is where
 * matches are tried out.
 */
#include "map/regex.h"

#include <stdlib.h>
#include <string.h>

#include "map/expression.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/hash.h"

/* States of one runner that are kept; then all are forgotten. */
#define STATES_MAX 4096
/* Members of all their sets. */
#define MEMBERS_MAX (1U << 18)
/* Steps that searches may take for a byte, and beside that: the first bytes make all states. */
#define STEPS_PER_BYTE 32
#define STEPS_FREE     (1ULL << 28)
/* As the state that comes next: it was not made yet. */
#define UNKNOWN UINT16_MAX

/* A set of the machine's states. */
struct state {
	/* Its members, among those of all. */
	uint32_t first, count;
	/* Whether a match ends here, or does if the next byte ends a line. */
	bool matches, matches_at_line;
	uint16_t next[256];
};

/* One direction. */
struct runner {
	const struct ch_machine *machine;
	const struct ch_byte_set *sets;
	/* A match may begin anywhere. */
	bool anywhere;
	/* of struct state; of uint16_t */
	struct ch_vec states, members;
	/* Hash table of states, index + 1; 0: empty. */
	uint16_t slots[2 * STATES_MAX];
	/* Where it begins: in a line, and where one begins. */
	uint16_t start[2];
	/* The set being made, and which of the machine's states are in it. */
	uint16_t set[CH_MACHINE_STATES], waiting[CH_MACHINE_STATES];
	uint32_t set_count, mark, marks[CH_MACHINE_STATES];
	bool reaches_done;
	uint64_t *steps;
};

struct ch_regex {
	struct ch_expression expression;
	struct runner forward, backward;
	/* Where matches begin: bits. */
	uint64_t *begins;
	size_t begins_words;
	uint64_t steps, bytes;
};

/* ---- Sets -------------------------------------------------------------------- */

static void begin_set(struct runner *runner)
{
	runner->set_count = 0;
	runner->reaches_done = false;
	if (++runner->mark == 0) {
		memset(runner->marks, 0, sizeof(runner->marks));
		runner->mark = 1;
	}
}

/* A state of the machine and all that it goes on to without a byte. */
static void add(struct runner *runner, uint16_t first, bool line_before)
{
	const struct ch_machine_state *states = runner->machine->states.items, *state;
	uint32_t waiting = 0, i;
	uint16_t index;

	if (runner->marks[first] != runner->mark)
		runner->waiting[waiting++] = first;
	runner->marks[first] = runner->mark;
	while (waiting) {
		index = runner->waiting[--waiting];
		state = &states[index];
		++*runner->steps;
		if (state->kind == CH_MACHINE_BYTE || state->kind == CH_MACHINE_BEFORE)
			runner->set[runner->set_count++] = index;
		runner->reaches_done |= state->kind == CH_MACHINE_DONE;
		if (state->kind != CH_MACHINE_BOTH &&
		    (state->kind != CH_MACHINE_AFTER || !line_before))
			continue;
		for (i = 0; i < CH_COUNT_OF(state->to); i++) {
			if (state->to[i] == CH_MACHINE_NONE ||
			    runner->marks[state->to[i]] == runner->mark)
				continue;
			runner->marks[state->to[i]] = runner->mark;
			runner->waiting[waiting++] = state->to[i];
		}
	}
}

static int compare_members(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void forget(struct runner *runner)
{
	runner->states.count = runner->members.count = 0;
	memset(runner->slots, 0, sizeof(runner->slots));
	runner->start[0] = runner->start[1] = UNKNOWN;
}

/* Whether the set reaches the end where the next byte ends a line. */
static bool reaches_at_line(struct runner *runner)
{
	const struct ch_machine_state *states = runner->machine->states.items;
	const uint32_t count = runner->set_count;
	const bool before = runner->reaches_done;
	bool reaches;
	uint32_t i;

	for (i = 0; i < count; i++)
		if (states[runner->set[i]].kind == CH_MACHINE_BEFORE)
			add(runner, states[runner->set[i]].to[0], false);
	reaches = runner->reaches_done;
	runner->set_count = count;
	runner->reaches_done = before;
	return reaches;
}

static struct state *state_at(const struct runner *runner, uint16_t index)
{
	return CH_VEC_AT(&runner->states, struct state, index);
}

/* Add the set as a state. UNKNOWN: no memory. */
static uint16_t push_state(struct runner *runner)
{
	bool at_line = reaches_at_line(runner);
	struct state *state;
	uint32_t i;

	/* room for one more, so that there are items */
	if (!ch_vec_reserve(&runner->members, runner->members.count + runner->set_count + 1))
		return UNKNOWN;
	state = ch_vec_push(&runner->states);
	if (!state)
		return UNKNOWN;
	state->first = (uint32_t)runner->members.count;
	state->count = runner->set_count;
	state->matches = runner->reaches_done;
	state->matches_at_line = at_line;
	for (i = 0; i < CH_COUNT_OF(state->next); i++)
		state->next[i] = UNKNOWN;
	memcpy(CH_VEC_AT(&runner->members, uint16_t, state->first), runner->set,
	       runner->set_count * sizeof(uint16_t));
	runner->members.count += runner->set_count;
	return (uint16_t)(runner->states.count - 1);
}

static bool is_set(const struct runner *runner, const struct state *state)
{
	return state->count == runner->set_count && state->matches == runner->reaches_done &&
	       (!state->count || memcmp(CH_VEC_AT(&runner->members, uint16_t, state->first),
					runner->set, state->count * sizeof(uint16_t)) == 0);
}

/* The state of the set, made if there is none. *forgot_ret: others are no more. */
static uint16_t intern(struct runner *runner, bool *forgot_ret)
{
	uint32_t slot;
	uint64_t hash;
	uint16_t index;

	*forgot_ret = false;
	qsort(runner->set, runner->set_count, sizeof(*runner->set), compare_members);
	hash = ch_hash_bytes(CH_HASH_START + runner->reaches_done, runner->set,
			     runner->set_count * sizeof(*runner->set));
	if (runner->states.count >= STATES_MAX ||
	    runner->members.count + runner->set_count > MEMBERS_MAX) {
		forget(runner);
		*forgot_ret = true;
	}
	for (slot = hash % CH_COUNT_OF(runner->slots); runner->slots[slot];
	     slot = (slot + 1) % CH_COUNT_OF(runner->slots))
		if (is_set(runner, state_at(runner, runner->slots[slot] - 1)))
			return runner->slots[slot] - 1;
	index = push_state(runner);
	if (index != UNKNOWN)
		runner->slots[slot] = index + 1;
	return index;
}

/* ---- Steps ------------------------------------------------------------------- */

static uint16_t start_state(struct runner *runner, bool line_before)
{
	bool forgot;

	if (runner->start[line_before] == UNKNOWN) {
		begin_set(runner);
		add(runner, runner->machine->start, line_before);
		runner->start[line_before] = intern(runner, &forgot);
	}
	return runner->start[line_before];
}

/* What the members of a state take a byte to. */
static void take_byte(struct runner *runner, const struct state *from, uint8_t byte)
{
	const struct ch_machine_state *states = runner->machine->states.items, *state;
	const uint16_t *members = CH_VEC_AT(&runner->members, uint16_t, from->first);
	const bool line = ch_ends_line(byte);
	uint16_t beyond[CH_MACHINE_STATES];
	uint32_t count = 0, i;

	/* behind the end of a line that begins with this byte */
	begin_set(runner);
	for (i = 0; line && i < from->count; i++)
		if (states[members[i]].kind == CH_MACHINE_BEFORE)
			add(runner, states[members[i]].to[0], false);
	count = runner->set_count;
	memcpy(beyond, runner->set, count * sizeof(*beyond));
	begin_set(runner);
	*runner->steps += from->count;
	for (i = 0; i < from->count + count; i++) {
		state = &states[i < from->count ? members[i] : beyond[i - from->count]];
		if (state->kind == CH_MACHINE_BYTE && ch_byte_in(&runner->sets[state->set], byte))
			add(runner, state->to[0], line);
	}
	if (runner->anywhere)
		add(runner, runner->machine->start, line);
}

/* The state after one more byte. UNKNOWN: no memory. */
static uint16_t step(struct runner *runner, uint16_t index, uint8_t byte)
{
	uint16_t next = state_at(runner, index)->next[byte];
	bool forgot;

	++*runner->steps;
	if (next != UNKNOWN)
		return next;
	take_byte(runner, state_at(runner, index), byte);
	next = intern(runner, &forgot);
	if (next != UNKNOWN && !forgot)
		state_at(runner, index)->next[byte] = next;
	return next;
}

/* Whether a match ends where a runner is, before the byte that it comes to next. */
static bool ends_here(const struct runner *runner, uint16_t index, bool line)
{
	const struct state *state = state_at(runner, index);

	return state->matches || (line && state->matches_at_line);
}

/* ---- Searching --------------------------------------------------------------- */

/* Over bytes before at that lead nowhere else, as most do. */
static size_t skip(const struct runner *runner, uint16_t index, const uint8_t *bytes, size_t at)
{
	const struct state *state = state_at(runner, index);

	if (state->matches || state->matches_at_line)
		return at;
	while (at && state->next[bytes[at - 1]] == index)
		at--;
	return at;
}

/* Marks where matches begin. */
static struct ch_error *find_begins(struct ch_regex *regex, const uint8_t *bytes, size_t len)
{
	struct runner *runner = &regex->backward;
	uint16_t state = start_state(runner, false);
	size_t at;

	memset(regex->begins, 0, regex->begins_words * sizeof(*regex->begins));
	for (at = len; state != UNKNOWN && (at = skip(runner, state, bytes, at));) {
		state = step(runner, state, bytes[--at]);
		if (state != UNKNOWN && ends_here(runner, state, at && ch_ends_line(bytes[at - 1])))
			regex->begins[at / 64] |= 1ULL << (at % 64);
		if (regex->steps > STEPS_FREE + STEPS_PER_BYTE * regex->bytes)
			return ch_error_create(CH_ERROR_LIMIT, "the expression takes too long");
	}
	return state == UNKNOWN ? &ch_enomem : NULL;
}

/* How long the longest match is that begins at a place. */
static struct ch_error *measure(struct ch_regex *regex, const uint8_t *bytes, size_t begin,
				size_t end, size_t *ret)
{
	struct runner *runner = &regex->forward;
	uint16_t state = start_state(runner, begin && ch_ends_line(bytes[begin - 1]));
	size_t at;

	*ret = 0;
	for (at = begin; state != UNKNOWN; at++) {
		if (ends_here(runner, state, at < end && ch_ends_line(bytes[at])))
			*ret = at - begin;
		if (at == end || !state_at(runner, state)->count)
			return NULL;
		state = step(runner, state, bytes[at]);
		if (regex->steps > STEPS_FREE + STEPS_PER_BYTE * regex->bytes)
			return ch_error_create(CH_ERROR_LIMIT, "the expression takes too long");
	}
	return &ch_enomem;
}

static size_t next_begin(const struct ch_regex *regex, size_t at, size_t len)
{
	uint64_t word;

	while (at < len) {
		word = regex->begins[at / 64] >> (at % 64);
		if (word)
			return ch_min(len, at + (size_t)__builtin_ctzll(word));
		at = (at / 64 + 1) * 64;
	}
	return len;
}

static bool make_room(struct ch_regex *regex, size_t len)
{
	size_t words = len / 64 + 1;
	uint64_t *begins;

	if (words <= regex->begins_words)
		return true;
	begins = realloc(regex->begins, words * sizeof(*begins));
	if (!begins)
		return false;
	regex->begins = begins;
	regex->begins_words = words;
	return true;
}

struct ch_error *chp_regex_find(struct ch_regex *regex, const uint8_t *bytes, size_t len,
				ch_regex_fn fn, void *arg)
{
	struct ch_error *err;
	size_t at, match = 0;

	if (!make_room(regex, len))
		return &ch_enomem;
	regex->bytes += len;
	err = find_begins(regex, bytes, len);
	for (at = next_begin(regex, 0, len); !err && at < len;
	     at = next_begin(regex, at + ch_max(match, 1U), len)) {
		err = measure(regex, bytes, at, len, &match);
		if (!err && match)
			err = fn(arg, at, match);
	}
	return err;
}

static struct ch_error *stop(void *arg, size_t at, size_t len)
{
	(void)at;
	(void)len;
	*(bool *)arg = true;
	return NULL;
}

bool chp_regex_is_in(struct ch_regex *regex, const uint8_t *bytes, size_t len)
{
	bool is_in = false;
	struct ch_error *err = chp_regex_find(regex, bytes, len, stop, &is_in);

	if (err)
		is_in = true;
	ch_error_destroy(err);
	return is_in;
}

/* ---- Making ------------------------------------------------------------------ */

static void begin_runner(struct ch_regex *regex, struct runner *runner,
			 const struct ch_machine *machine)
{
	runner->machine = machine;
	runner->sets = regex->expression.sets.items;
	runner->anywhere = machine == &regex->expression.backward;
	runner->states = CH_VEC(struct state);
	runner->members = CH_VEC(uint16_t);
	runner->steps = &regex->steps;
	forget(runner);
}

struct ch_error *chp_regex_make(const char *text, bool ignore_case, struct ch_regex **ret)
{
	struct ch_regex *regex = calloc(1, sizeof(*regex));
	struct ch_error *err;

	if (!regex)
		return &ch_enomem;
	err = chp_expression_make(text, ignore_case, &regex->expression);
	begin_runner(regex, &regex->forward, &regex->expression.forward);
	begin_runner(regex, &regex->backward, &regex->expression.backward);
	if (err) {
		chp_regex_destroy(regex);
		return err;
	}
	*ret = regex;
	return NULL;
}

void chp_regex_destroy(struct ch_regex *regex)
{
	if (!regex)
		return;
	chp_expression_deinit(&regex->expression);
	ch_vec_deinit(&regex->forward.states);
	ch_vec_deinit(&regex->forward.members);
	ch_vec_deinit(&regex->backward.states);
	ch_vec_deinit(&regex->backward.members);
	free(regex->begins);
	free(regex);
}
