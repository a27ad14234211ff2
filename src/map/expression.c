/*
 * Regular expressions: from text to steps in postfix order ("ab|" is a step for a, one for b, one
 * that makes a choice of both), and from these to machines. A repeat is written out, so what it
 * stands for is a row of steps that is copied.
 */
#include "map/expression.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Steps at most: more would not fit into a machine. */
#define STEPS_MAX CH_MACHINE_STATES
/* As a bound of repeats: there is none. */
#define NO_BOUND UINT32_MAX

enum step_kind {
	STEP_BYTE,
	STEP_EMPTY,
	STEP_LINE_BEGINS,
	STEP_LINE_ENDS,
	/* Of the two operands before. */
	STEP_JOIN,
	STEP_CHOOSE,
	/* Of the operand before: any number of times, at least once, at most once. */
	STEP_ANY,
	STEP_SOME,
	STEP_MAYBE,
};

struct step {
	enum step_kind kind;
	uint16_t set;
};

/* An expression between brackets, or the whole of it. */
struct group {
	/* Its first step. */
	size_t begin;
	/* Operands of the branch under way that are not joined yet: 2 at most. */
	uint32_t waiting;
	bool has_branches;
};

struct reading {
	const char *text, *at;
	bool ignore_case;
	struct ch_expression *expression;
	/* of struct step; of struct group, the innermost one last */
	struct ch_vec steps, groups;
	/* Where the operand begins that was read last. */
	size_t operand;
};

static struct ch_error *refuse(const struct reading *reading, const char *why)
{
	return ch_error_create(CH_ERROR_ARG, "'%s' is no regular expression: %s", reading->text,
			       why);
}

/* ---- Sets of bytes ----------------------------------------------------------- */

static void add(struct ch_byte_set *set, uint8_t byte)
{
	set->bits[byte / 64] |= 1ULL << (byte % 64);
}

static void add_class(struct ch_byte_set *set, int (*is)(int), bool is_not)
{
	int byte;

	for (byte = 0; byte < 256; byte++)
		if ((byte < 128 && is(byte)) != is_not)
			add(set, (uint8_t)byte);
}

static void remove_byte(struct ch_byte_set *set, uint8_t byte)
{
	set->bits[byte / 64] &= ~(1ULL << (byte % 64));
}

static void invert(struct ch_byte_set *set)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(set->bits); i++)
		set->bits[i] = ~set->bits[i];
}

static void add_other_case(struct ch_byte_set *set)
{
	int letter;

	for (letter = 'a'; letter <= 'z'; letter++)
		if (ch_byte_in(set, (uint8_t)letter) ||
		    ch_byte_in(set, (uint8_t)(letter - 'a' + 'A'))) {
			add(set, (uint8_t)letter);
			add(set, (uint8_t)(letter - 'a' + 'A'));
		}
}

static int is_word(int byte)
{
	return isalnum(byte) || byte == '_';
}

/* ---- Steps ------------------------------------------------------------------- */

static struct group *innermost(const struct reading *reading)
{
	return CH_VEC_AT(&reading->groups, struct group, reading->groups.count - 1);
}

static struct ch_error *put(struct reading *reading, enum step_kind kind, uint16_t set)
{
	struct step *step;

	if (reading->steps.count >= STEPS_MAX)
		return refuse(reading, "with its repeats written out it is too long");
	step = ch_vec_push(&reading->steps);
	if (!step)
		return &ch_enomem;
	*step = (struct step){ .kind = kind, .set = set };
	return NULL;
}

/* Before an operand: those that nothing can repeat any more are joined. */
static struct ch_error *join(struct reading *reading)
{
	struct group *group = innermost(reading);

	if (group->waiting < 2)
		return NULL;
	group->waiting = 1;
	return put(reading, STEP_JOIN, 0);
}

static struct ch_error *put_operand(struct reading *reading, enum step_kind kind, uint16_t set)
{
	struct ch_error *err = join(reading);

	if (err)
		return err;
	reading->operand = reading->steps.count;
	innermost(reading)->waiting++;
	return put(reading, kind, set);
}

static struct ch_error *put_set(struct reading *reading, const struct ch_byte_set *set)
{
	struct ch_vec *sets = &reading->expression->sets;
	struct ch_byte_set *slot;
	uint16_t i;

	for (i = 0; i < sets->count; i++)
		if (memcmp(CH_VEC_AT(sets, struct ch_byte_set, i), set, sizeof(*set)) == 0)
			return put_operand(reading, STEP_BYTE, i);
	if (sets->count >= STEPS_MAX)
		return refuse(reading, "it is too long");
	slot = ch_vec_push(sets);
	if (!slot)
		return &ch_enomem;
	*slot = *set;
	return put_operand(reading, STEP_BYTE, i);
}

static struct ch_error *put_byte(struct reading *reading, uint8_t byte)
{
	struct ch_byte_set set = { 0 };

	add(&set, byte);
	if (reading->ignore_case)
		add_other_case(&set);
	return put_set(reading, &set);
}

static struct ch_error *end_branch(struct reading *reading)
{
	struct group *group = innermost(reading);
	struct ch_error *err;

	err = group->waiting ? join(reading) : put_operand(reading, STEP_EMPTY, 0);
	if (!err && group->has_branches)
		err = put(reading, STEP_CHOOSE, 0);
	return err;
}

static struct ch_error *open_group(struct reading *reading)
{
	struct ch_error *err = reading->groups.count ? join(reading) : NULL;
	struct group *group = err ? NULL : ch_vec_push(&reading->groups);

	if (!group)
		return err ? err : &ch_enomem;
	group->begin = reading->steps.count;
	return NULL;
}

static struct ch_error *close_group(struct reading *reading)
{
	struct ch_error *err;

	if (reading->groups.count < 2)
		return refuse(reading, "a ) closes nothing");
	err = end_branch(reading);
	reading->operand = innermost(reading)->begin;
	reading->groups.count--;
	innermost(reading)->waiting++;
	return err;
}

/* ---- Repeats ----------------------------------------------------------------- */

static struct ch_error *copy_operand(struct reading *reading, const struct step *steps,
				     size_t count, enum step_kind repeat, bool first)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < count; i++)
		err = put(reading, steps[i].kind, steps[i].set);
	if (!err && repeat != STEP_JOIN)
		err = put(reading, repeat, 0);
	return err || first ? err : put(reading, STEP_JOIN, 0);
}

/* x{2,4} is x x x? x?, and x{2,} is x x x*. */
static struct ch_error *repeat(struct reading *reading, uint32_t least, uint32_t most)
{
	size_t count = reading->steps.count - reading->operand;
	_cleanup_free_ struct step *steps = malloc((count + 1) * sizeof(*steps));
	struct ch_error *err = NULL;
	uint32_t i;

	if (!steps)
		return &ch_enomem;
	memcpy(steps, CH_VEC_AT(&reading->steps, struct step, reading->operand),
	       count * sizeof(*steps));
	reading->steps.count = reading->operand;
	if (!most)
		return put(reading, STEP_EMPTY, 0);
	for (i = 0; !err && i < least; i++)
		err = copy_operand(reading, steps, count, STEP_JOIN, i == 0);
	if (!err && most == NO_BOUND)
		return copy_operand(reading, steps, count, STEP_ANY, least == 0);
	for (; !err && i < most; i++)
		err = copy_operand(reading, steps, count, STEP_MAYBE, i == 0);
	return err;
}

/* Digits, at most 5 of them. False: there are none, or more. */
static bool read_number(struct reading *reading, uint32_t *ret)
{
	size_t len = strspn(reading->at, "0123456789");

	if (!len || len > 5)
		return false;
	*ret = (uint32_t)strtoul(reading->at, NULL, 10);
	reading->at += len;
	return true;
}

/* Behind the brace. */
static struct ch_error *read_bounds(struct reading *reading)
{
	uint32_t least, most;

	if (!read_number(reading, &least))
		return refuse(reading, "a { needs a number of repeats; as a character it is \\{");
	most = least;
	if (*reading->at == ',') {
		reading->at++;
		most = NO_BOUND;
		if (*reading->at != '}' && !read_number(reading, &most))
			return refuse(reading, "a { needs numbers of repeats");
	}
	if (*reading->at != '}')
		return refuse(reading, "a { is not closed");
	reading->at++;
	if (most < least)
		return refuse(reading, "at most fewer repeats than at least");
	return repeat(reading, least, most);
}

static struct ch_error *read_repeat(struct reading *reading, char sign)
{
	if (!innermost(reading)->waiting)
		return refuse(reading, "there is nothing before a repeat");
	switch (sign) {
	case '*':
		return put(reading, STEP_ANY, 0);
	case '+':
		return put(reading, STEP_SOME, 0);
	case '?':
		return put(reading, STEP_MAYBE, 0);
	default:
		return read_bounds(reading);
	}
}

/* ---- Brackets and escapes ---------------------------------------------------- */

/* "[:alpha:]", behind its first bracket. */
static struct ch_error *read_class(struct reading *reading, struct ch_byte_set *set)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{ ":alpha:]", isalpha }, { ":digit:]", isdigit }, { ":alnum:]", isalnum },
		{ ":upper:]", isupper }, { ":lower:]", islower }, { ":space:]", isspace },
		{ ":blank:]", isblank }, { ":punct:]", ispunct }, { ":print:]", isprint },
		{ ":graph:]", isgraph }, { ":cntrl:]", iscntrl }, { ":xdigit:]", isxdigit }
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(classes); i++)
		if (strncmp(reading->at, classes[i].name, strlen(classes[i].name)) == 0) {
			add_class(set, classes[i].is, false);
			reading->at += strlen(classes[i].name);
			return NULL;
		}
	return refuse(reading, "no class of characters is called so");
}

/* A character, or a range of them. */
static struct ch_error *read_range(struct reading *reading, struct ch_byte_set *set)
{
	uint8_t first = (uint8_t)*reading->at++, last = first;
	uint32_t byte;

	if (reading->at[0] == '-' && reading->at[1] && reading->at[1] != ']') {
		last = (uint8_t)reading->at[1];
		reading->at += 2;
	}
	if (last < first)
		return refuse(reading, "a range ends before it begins");
	for (byte = first; byte <= last; byte++)
		add(set, (uint8_t)byte);
	return NULL;
}

/* Behind the bracket. */
static struct ch_error *read_bracket(struct reading *reading)
{
	bool is_not = *reading->at == '^', first = true;
	struct ch_byte_set set = { 0 };
	struct ch_error *err = NULL;

	reading->at += is_not;
	for (; !err && *reading->at && (first || *reading->at != ']'); first = false) {
		if (reading->at[0] == '[' && reading->at[1] && strchr(":.=", reading->at[1])) {
			reading->at++;
			err = read_class(reading, &set);
		} else {
			err = read_range(reading, &set);
		}
	}
	if (err)
		return err;
	if (!*reading->at)
		return refuse(reading, "a [ is not closed");
	reading->at++;
	if (reading->ignore_case)
		add_other_case(&set);
	if (is_not) {
		invert(&set);
		remove_byte(&set, '\n');
	}
	return put_set(reading, &set);
}

static struct ch_error *read_hex(struct reading *reading)
{
	char digits[3] = "";

	if (!isxdigit((unsigned char)reading->at[0]) || !isxdigit((unsigned char)reading->at[1]))
		return refuse(reading, "\\x needs two hexadecimal digits");
	memcpy(digits, reading->at, 2);
	reading->at += 2;
	return put_byte(reading, (uint8_t)strtoul(digits, NULL, 16));
}

/* Behind the backslash. */
static struct ch_error *read_escape(struct reading *reading)
{
	static const struct {
		char letter;
		int (*is)(int);
	} classes[] = { { 'w', is_word }, { 's', isspace }, { 'd', isdigit } };
	char letter = *reading->at++;
	struct ch_byte_set set = { 0 };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(classes); i++)
		if (tolower((unsigned char)letter) == classes[i].letter) {
			add_class(&set, classes[i].is, letter != classes[i].letter);
			return put_set(reading, &set);
		}
	switch (letter) {
	case '\0':
		return refuse(reading, "a \\ ends it");
	case 't':
		return put_byte(reading, '\t');
	case 'n':
		return put_byte(reading, '\n');
	case 'r':
		return put_byte(reading, '\r');
	case 'x':
		return read_hex(reading);
	default:
		if (isdigit((unsigned char)letter))
			return refuse(reading, "back-references are not known");
		if (isalpha((unsigned char)letter))
			return refuse(reading, "a letter behind a \\ that means nothing");
		return put_byte(reading, (uint8_t)letter);
	}
}

static struct ch_error *read_any(struct reading *reading)
{
	struct ch_byte_set set = { 0 };

	invert(&set);
	remove_byte(&set, '\n');
	remove_byte(&set, '\0');
	return put_set(reading, &set);
}

/* ---- Text -------------------------------------------------------------------- */

static struct ch_error *read_next(struct reading *reading)
{
	char c = *reading->at++;
	struct ch_error *err;

	switch (c) {
	case '(':
		return open_group(reading);
	case ')':
		return close_group(reading);
	case '|':
		err = end_branch(reading);
		innermost(reading)->has_branches = true;
		innermost(reading)->waiting = 0;
		return err;
	case '*':
	case '+':
	case '?':
	case '{':
		return read_repeat(reading, c);
	case '[':
		return read_bracket(reading);
	case '\\':
		return read_escape(reading);
	case '.':
		return read_any(reading);
	case '^':
		return put_operand(reading, STEP_LINE_BEGINS, 0);
	case '$':
		return put_operand(reading, STEP_LINE_ENDS, 0);
	default:
		return put_byte(reading, (uint8_t)c);
	}
}

static struct ch_error *read_all(struct reading *reading)
{
	struct ch_error *err = open_group(reading);

	while (!err && *reading->at)
		err = read_next(reading);
	if (!err && reading->groups.count > 1)
		err = refuse(reading, "a ( is not closed");
	return err ? err : end_branch(reading);
}

/* ---- Machines ---------------------------------------------------------------- */

/* States from the first to one that goes on nowhere yet. */
struct piece {
	uint16_t start, end;
};

struct building {
	struct ch_vec *states;
	/* of struct piece: operands */
	struct ch_vec pieces;
	bool backward, full, starved;
};

static struct ch_machine_state *state_at(const struct building *building, uint16_t index)
{
	return CH_VEC_AT(building->states, struct ch_machine_state, index);
}

static uint16_t new_state(struct building *building, enum ch_machine_kind kind, uint16_t first,
			  uint16_t second)
{
	struct ch_machine_state *state;

	building->full = building->full || building->states->count >= CH_MACHINE_STATES;
	state = building->full ? NULL : ch_vec_push(building->states);
	building->starved = building->starved || (!state && !building->full);
	/* what is wrong is said in the end; there is room for one */
	if (!state)
		return 0;
	*state = (struct ch_machine_state){ .kind = kind, .to = { first, second } };
	return (uint16_t)(building->states->count - 1);
}

static struct piece pop(struct building *building)
{
	return *CH_VEC_AT(&building->pieces, struct piece, --building->pieces.count);
}

static struct piece make_single(struct building *building, const struct step *step)
{
	const bool before = (step->kind == STEP_LINE_ENDS) != building->backward;
	uint16_t end = new_state(building, CH_MACHINE_BOTH, CH_MACHINE_NONE, CH_MACHINE_NONE);
	uint16_t start = end;

	if (step->kind == STEP_BYTE) {
		start = new_state(building, CH_MACHINE_BYTE, end, CH_MACHINE_NONE);
		state_at(building, start)->set = step->set;
	} else if (step->kind != STEP_EMPTY) {
		start = new_state(building, before ? CH_MACHINE_BEFORE : CH_MACHINE_AFTER, end,
				  CH_MACHINE_NONE);
	}
	return (struct piece){ start, end };
}

static struct piece make_pair(struct building *building, enum step_kind kind)
{
	struct piece b = pop(building), a = pop(building), piece;

	if (kind == STEP_JOIN) {
		piece = building->backward ? (struct piece){ b.start, a.end }
					   : (struct piece){ a.start, b.end };
		state_at(building, building->backward ? b.end : a.end)->to[0] =
			building->backward ? a.start : b.start;
		return piece;
	}
	piece.start = new_state(building, CH_MACHINE_BOTH, a.start, b.start);
	piece.end = new_state(building, CH_MACHINE_BOTH, CH_MACHINE_NONE, CH_MACHINE_NONE);
	state_at(building, a.end)->to[0] = piece.end;
	state_at(building, b.end)->to[0] = piece.end;
	return piece;
}

static struct piece make_repeat(struct building *building, enum step_kind kind)
{
	struct piece a = pop(building), piece;
	uint16_t fork;

	piece.end = new_state(building, CH_MACHINE_BOTH, CH_MACHINE_NONE, CH_MACHINE_NONE);
	fork = new_state(building, CH_MACHINE_BOTH, a.start, piece.end);
	piece.start = kind == STEP_SOME ? a.start : fork;
	state_at(building, a.end)->to[0] = kind == STEP_MAYBE ? piece.end : fork;
	return piece;
}

static struct ch_error *add_step(struct building *building, const struct step *step)
{
	struct piece piece, *slot;

	switch (step->kind) {
	case STEP_JOIN:
	case STEP_CHOOSE:
		piece = make_pair(building, step->kind);
		break;
	case STEP_ANY:
	case STEP_SOME:
	case STEP_MAYBE:
		piece = make_repeat(building, step->kind);
		break;
	default:
		piece = make_single(building, step);
	}
	slot = ch_vec_push(&building->pieces);
	if (!slot)
		return &ch_enomem;
	*slot = piece;
	return NULL;
}

static struct ch_error *build(const struct reading *reading, bool backward, struct ch_machine *ret)
{
	struct building building = { .states = &ret->states,
				     .pieces = CH_VEC(struct piece),
				     .backward = backward };
	struct ch_error *err = NULL;
	struct piece whole;
	uint16_t done;
	size_t i;

	if (!ch_vec_reserve(&ret->states, 1))
		return &ch_enomem;
	for (i = 0; !err && !building.full && !building.starved && i < reading->steps.count; i++)
		err = add_step(&building, CH_VEC_AT(&reading->steps, struct step, i));
	done = new_state(&building, CH_MACHINE_DONE, CH_MACHINE_NONE, CH_MACHINE_NONE);
	if (!err && building.starved)
		err = &ch_enomem;
	if (!err && building.full)
		err = refuse(reading, "with its repeats written out it is too long");
	if (!err) {
		whole = pop(&building);
		ret->start = whole.start;
		state_at(&building, whole.end)->to[0] = done;
	}
	ch_vec_deinit(&building.pieces);
	return err;
}

struct ch_error *chp_expression_make(const char *text, bool ignore_case, struct ch_expression *ret)
{
	struct reading reading = { .text = text,
				   .at = text,
				   .ignore_case = ignore_case,
				   .expression = ret,
				   .steps = CH_VEC(struct step),
				   .groups = CH_VEC(struct group) };
	struct ch_error *err;

	*ret = (struct ch_expression){ .sets = CH_VEC(struct ch_byte_set),
				       .forward.states = CH_VEC(struct ch_machine_state),
				       .backward.states = CH_VEC(struct ch_machine_state) };
	err = read_all(&reading);
	if (!err)
		err = build(&reading, false, &ret->forward);
	if (!err)
		err = build(&reading, true, &ret->backward);
	ch_vec_deinit(&reading.steps);
	ch_vec_deinit(&reading.groups);
	return err;
}

void chp_expression_deinit(struct ch_expression *expression)
{
	ch_vec_deinit(&expression->sets);
	ch_vec_deinit(&expression->forward.states);
	ch_vec_deinit(&expression->backward.states);
}
