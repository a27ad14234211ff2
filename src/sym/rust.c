/*
 * Names of Rust by its scheme v0 (RFC 2603, and "Symbol Mangling" of the rustc book). A name is a
 * tree, written from the left, and parts of it may say "what stands there" of earlier ones. What
 * is still to be done lies on a list of tasks, so that nothing calls itself; how many tasks there
 * may be, and how long a name becomes, is bounded, for each step back may double it.
 */
#include "sym/rust.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/utf.h"

#define MANGLED_BYTES_MAX 2048
#define NAME_BYTES_MAX    8192
#define TASKS_MAX         1024
#define STEPS_MAX         65536
/* Characters of an identifier that are not all of ASCII. */
#define LETTERS_MAX 256

enum todo {
	/* number: whether it stands in an expression, where arguments begin with "::<" */
	TODO_PATH,
	TODO_TYPE,
	TODO_CONST,
	/* text */
	TODO_TEXT,
	/* The identifier behind a path; number: the letter of its namespace. */
	TODO_NAME,
	/* Further arguments, members of a tuple, parameters, up to an E; number: how many came. */
	TODO_ARGS,
	TODO_TUPLE,
	TODO_PARAMETERS,
	/* Further traits of dyn; number: how many came. */
	TODO_TRAITS,
	/* A trait of dyn; its types by name, number: whether a list of arguments is begun. */
	TODO_TRAIT,
	TODO_PROJECTIONS,
	TODO_DYN_LIFETIME,
	/* Go on at number. */
	TODO_SEEK,
	/* So many lifetimes have no name any more. */
	TODO_UNBIND,
	/* number: how many parts around this one are not shown. */
	TODO_QUIET,
};

struct task {
	enum todo todo;
	uint64_t number;
	const char *text;
};

struct reader {
	/* Behind "_R"; places in it are what steps back name. */
	const char *text;
	size_t len, at;
	char *out;
	size_t used;
	uint64_t bound, quiet;
	bool bad;
	struct task tasks[TASKS_MAX];
	size_t tasks_count, steps;
};

/* ---- Letters and numbers --------------------------------------------------------- */

static char peek(const struct reader *r)
{
	return r->at < r->len ? r->text[r->at] : '\0';
}

static char next(struct reader *r)
{
	if (r->at >= r->len) {
		r->bad = true;
		return '\0';
	}
	return r->text[r->at++];
}

static bool eat(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

static void put_bytes(struct reader *r, const char *text, size_t len)
{
	if (r->quiet || !len)
		return;
	if (len >= NAME_BYTES_MAX - r->used) {
		r->bad = true;
		return;
	}
	memcpy(r->out + r->used, text, len);
	r->used += len;
}

static void put(struct reader *r, const char *text)
{
	put_bytes(r, text, strlen(text));
}

static void put_number(struct reader *r, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put(r, text);
}

static void later(struct reader *r, enum todo todo, uint64_t number, const char *text)
{
	if (r->tasks_count == TASKS_MAX)
		r->bad = true;
	else
		r->tasks[r->tasks_count++] = (struct task){ todo, number, text };
}

static int digit62(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 10
	       : c >= 'A' && c <= 'Z' ? c - 'A' + 36
				      : -1;
}

/* "_" is 0, "0_" is 1. */
static uint64_t number62(struct reader *r)
{
	uint64_t number = 0;
	int digit;

	if (eat(r, '_'))
		return 0;
	while (!r->bad && !eat(r, '_')) {
		digit = digit62(next(r));
		if (digit < 0 || !ch_mul(number, 62, &number) ||
		    !ch_add(number, (uint64_t)digit, &number))
			r->bad = true;
	}
	if (!ch_add(number, 1, &number))
		r->bad = true;
	return number;
}

/* 0 where there is none. */
static uint64_t number_after(struct reader *r, char tag)
{
	uint64_t number = 0;

	if (eat(r, tag) && !ch_add(number62(r), 1, &number))
		r->bad = true;
	return number;
}

/* ---- Identifiers ----------------------------------------------------------------- */

struct identifier {
	const char *text;
	size_t len;
	bool punycode;
};

static struct identifier identifier(struct reader *r)
{
	struct identifier ret = { .punycode = eat(r, 'u') };

	if (peek(r) < '0' || peek(r) > '9')
		r->bad = true;
	if (!eat(r, '0'))
		while (peek(r) >= '0' && peek(r) <= '9' && ret.len < MANGLED_BYTES_MAX)
			ret.len = ret.len * 10 + (size_t)(next(r) - '0');
	eat(r, '_');
	if (ret.len > r->len - r->at)
		r->bad = true;
	if (r->bad)
		return (struct identifier){ .len = 0 };
	ret.text = r->text + r->at;
	r->at += ret.len;
	return ret;
}

/* RFC 3492, 6.1. */
static uint32_t adapt(uint32_t delta, uint32_t count, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / 700 : delta / 2;
	for (delta += delta / count; delta > 35 * 26 / 2; k += 36)
		delta /= 35;
	return k + 36 * delta / (delta + 38);
}

/* One number of variable length (RFC 3492, 3.3), with small letters and digits; false: it is none.
 */
static bool punycode_number(const struct identifier *of, size_t *at, uint32_t bias, uint32_t *ret)
{
	uint32_t weight = 1, k, threshold;
	uint64_t sum = *ret;
	int digit;

	for (k = 36; *at < of->len; k += 36) {
		char c = of->text[(*at)++];

		digit = c >= 'a' && c <= 'z' ? c - 'a' : c >= '0' && c <= '9' ? c - '0' + 26 : -1;
		if (digit < 0)
			return false;
		sum += (uint64_t)digit * weight;
		if (sum > UINT32_MAX)
			return false;
		threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
		if ((uint32_t)digit < threshold) {
			*ret = (uint32_t)sum;
			return true;
		}
		if (weight > UINT32_MAX / 36)
			return false;
		weight *= 36 - threshold;
	}
	return false;
}

/* RFC 3492, 6.2; "_" stands before the numbers. Returns how many letters there are, 0: it is no
 * such text. */
static uint32_t punycode(const struct identifier *of, uint32_t letters[LETTERS_MAX])
{
	uint32_t count = 0, code = 128, i = 0, bias = 72, before;
	size_t at, basic = 0;

	for (at = 0; at < of->len; at++)
		basic = of->text[at] == '_' ? at : basic;
	if (basic >= LETTERS_MAX)
		return 0;
	for (; count < basic; count++)
		letters[count] = (unsigned char)of->text[count];
	for (at = basic && of->text[basic] == '_' ? basic + 1 : of->text[0] == '_'; at < of->len;) {
		before = i;
		if (count == LETTERS_MAX || !punycode_number(of, &at, bias, &i))
			return 0;
		bias = adapt(i - before, count + 1, before == 0);
		if (i / (count + 1) > 0x10ffff - code)
			return 0;
		code += i / (count + 1);
		i %= count + 1;
		memmove(&letters[i + 1], &letters[i], (count - i) * sizeof(letters[0]));
		letters[i++] = code;
		count++;
	}
	return count;
}

static void put_identifier(struct reader *r, const struct identifier *of)
{
	uint32_t letters[LETTERS_MAX], count, i;
	char text[4];

	if (!of->punycode) {
		put_bytes(r, of->text, of->len);
		return;
	}
	count = of->len ? punycode(of, letters) : 0;
	if (!count)
		r->bad = true;
	for (i = 0; i < count; i++)
		put_bytes(r, text, chp_utf8_put(text, letters[i]));
}

/* ---- Paths ----------------------------------------------------------------------- */

/* A name that is unique by its number has that, too. */
static void read_name(struct reader *r, char space)
{
	uint64_t number = number_after(r, 's');
	struct identifier name = identifier(r);

	if (space >= 'A' && space <= 'Z') {
		put(r, "::{");
		put(r, space == 'C' ? "closure" : space == 'S' ? "shim" : "");
		if (space != 'C' && space != 'S')
			put_bytes(r, &space, 1);
		if (name.len)
			put(r, ":");
		put_identifier(r, &name);
		put(r, "#");
		put_number(r, number);
		put(r, "}");
	} else if (name.len) {
		put(r, "::");
		put_identifier(r, &name);
	}
}

/* What was read once, from there on. */
static void step_back(struct reader *r, size_t from, enum todo todo, uint64_t number)
{
	uint64_t to = number62(r);

	if (to >= from)
		r->bad = true;
	if (r->bad || r->quiet)
		return;
	later(r, TODO_SEEK, r->at, NULL);
	later(r, todo, number, NULL);
	r->at = to;
}

/* "<Type>" and "<Type as Trait>"; the path of the block that implements it is not shown. */
static void read_impl(struct reader *r, char tag)
{
	later(r, TODO_TEXT, 0, ">");
	if (tag != 'M') {
		later(r, TODO_PATH, false, NULL);
		later(r, TODO_TEXT, 0, " as ");
	}
	later(r, TODO_TYPE, 0, NULL);
	later(r, TODO_TEXT, 0, "<");
	if (tag == 'Y')
		return;
	number_after(r, 's');
	later(r, TODO_QUIET, r->quiet, NULL);
	later(r, TODO_PATH, false, NULL);
	r->quiet++;
}

static void read_path(struct reader *r, bool in_value)
{
	size_t from = r->at;
	struct identifier name;
	char tag = next(r), space;

	switch (tag) {
	case 'C':
		number_after(r, 's');
		name = identifier(r);
		put_identifier(r, &name);
		return;
	case 'M':
	case 'X':
	case 'Y':
		read_impl(r, tag);
		return;
	case 'N':
		space = next(r);
		later(r, TODO_NAME, (unsigned char)space, NULL);
		later(r, TODO_PATH, in_value, NULL);
		return;
	case 'I':
		later(r, TODO_TEXT, 0, ">");
		later(r, TODO_ARGS, 0, NULL);
		later(r, TODO_TEXT, 0, in_value ? "::<" : "<");
		later(r, TODO_PATH, in_value, NULL);
		return;
	case 'B':
		step_back(r, from, TODO_PATH, in_value);
		return;
	default:
		r->bad = true;
	}
}

/* ---- Types ----------------------------------------------------------------------- */

static const char *basic_type(char tag)
{
	static const char *const names[26] = {
		"i8",    "bool", "char", "f64", "str",  "f32",  NULL,  "u8", "isize",
		"usize", NULL,   "i32",  "u32", "i128", "u128", "_",   NULL, NULL,
		"i16",   "u16",  "()",   "...", NULL,   "i64",  "u64", "!",
	};

	return tag >= 'a' && tag <= 'z' ? names[tag - 'a'] : NULL;
}

/* By how many binders lie between: the innermost lifetime is 1. */
static void put_lifetime(struct reader *r, uint64_t index)
{
	uint64_t depth = r->bound - index;
	char letter[3] = "'_";

	if (index > r->bound) {
		r->bad = true;
		return;
	}
	if (index && depth < 26)
		letter[1] = (char)('a' + depth);
	put(r, letter);
	if (index && depth >= 26)
		put_number(r, depth);
}

/* "for<'a, 'b> "; they end with what follows. */
static void read_binder(struct reader *r)
{
	uint64_t count = number_after(r, 'G'), i;

	if (count > 64 || r->bad) {
		r->bad = true;
		return;
	}
	if (!count)
		return;
	later(r, TODO_UNBIND, count, NULL);
	put(r, "for<");
	for (i = 0; i < count; i++) {
		put(r, i ? ", " : "");
		r->bound++;
		put_lifetime(r, 1);
	}
	put(r, "> ");
}

static void read_abi(struct reader *r)
{
	struct identifier name;
	size_t i;

	put(r, "extern \"");
	if (eat(r, 'C')) {
		put(r, "C");
	} else {
		name = identifier(r);
		for (i = 0; i < name.len; i++)
			put_bytes(r, name.text[i] == '_' ? "-" : &name.text[i], 1);
	}
	put(r, "\" ");
}

static void read_function(struct reader *r)
{
	read_binder(r);
	if (eat(r, 'U'))
		put(r, "unsafe ");
	if (eat(r, 'K'))
		read_abi(r);
	put(r, "fn(");
	later(r, TODO_PARAMETERS, 0, NULL);
}

static void read_reference(struct reader *r, bool mutable)
{
	uint64_t lifetime;

	put(r, "&");
	if (eat(r, 'L') && (lifetime = number62(r)) != 0) {
		put_lifetime(r, lifetime);
		put(r, " ");
	}
	put(r, mutable ? "mut " : "");
	later(r, TODO_TYPE, 0, NULL);
}

static void read_type(struct reader *r)
{
	size_t from = r->at;
	char tag = next(r);

	if (basic_type(tag)) {
		put(r, basic_type(tag));
		return;
	}
	switch (tag) {
	case 'R':
	case 'Q':
		read_reference(r, tag == 'Q');
		return;
	case 'P':
	case 'O':
		put(r, tag == 'P' ? "*const " : "*mut ");
		later(r, TODO_TYPE, 0, NULL);
		return;
	case 'A':
	case 'S':
		later(r, TODO_TEXT, 0, "]");
		if (tag == 'A') {
			later(r, TODO_CONST, 0, NULL);
			later(r, TODO_TEXT, 0, "; ");
		}
		later(r, TODO_TYPE, 0, NULL);
		put(r, "[");
		return;
	case 'T':
		put(r, "(");
		later(r, TODO_TUPLE, 0, NULL);
		return;
	case 'F':
		read_function(r);
		return;
	case 'D':
		put(r, "dyn ");
		later(r, TODO_DYN_LIFETIME, 0, NULL);
		read_binder(r);
		later(r, TODO_TRAITS, 0, NULL);
		return;
	case 'B':
		step_back(r, from, TODO_TYPE, 0);
		return;
	default:
		r->at = from;
		read_path(r, false);
	}
}

/* ---- Constants ------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits up to "_", and their number where it has 64 bits. */
static bool read_hex(struct reader *r, size_t *from, uint64_t *ret)
{
	bool fits = true;

	for (*from = r->at, *ret = 0; !r->bad && !eat(r, '_');) {
		int digit = hex_digit(next(r));

		if (digit < 0)
			r->bad = true;
		fits = fits && *ret >> 60 == 0;
		*ret = *ret << 4 | (uint64_t)digit;
	}
	return fits && !r->bad;
}

static void put_char(struct reader *r, uint64_t letter)
{
	char text[24];

	if (letter >= ' ' && letter < 127)
		snprintf(text, sizeof(text), letter == '\'' || letter == '\\' ? "'\\%c'" : "'%c'",
			 (char)letter);
	else
		snprintf(text, sizeof(text), "'\\u{%" PRIx64 "}'", letter);
	put(r, text);
}

static void read_const(struct reader *r)
{
	size_t from = r->at, digits;
	uint64_t number;
	char tag = next(r);
	bool fits;

	if (tag == 'p') {
		put(r, "_");
		return;
	}
	if (tag == 'B') {
		step_back(r, from, TODO_CONST, 0);
		return;
	}
	if (!strchr("abchijlmnostxy", tag) || !tag) {
		r->bad = true;
		return;
	}
	if (strchr("ailnsx", tag) && eat(r, 'n'))
		put(r, "-");
	fits = read_hex(r, &digits, &number);
	if (tag == 'b' && fits && number < 2) {
		put(r, number ? "true" : "false");
	} else if (tag == 'c' && fits && number <= 0x10ffff) {
		put_char(r, number);
	} else if (fits) {
		put_number(r, number);
	} else {
		put(r, "0x");
		put_bytes(r, r->text + digits, r->at - digits - 1);
	}
}

/* ---- Lists ----------------------------------------------------------------------- */

/* Whether another one comes, after what parts it from the one before. */
static bool has_more(struct reader *r, const struct task *task, const char *separator)
{
	if (eat(r, 'E'))
		return false;
	if (r->at >= r->len)
		r->bad = true;
	put(r, task->number ? separator : "");
	later(r, task->todo, task->number + 1, NULL);
	return true;
}

static void read_argument(struct reader *r)
{
	if (eat(r, 'L'))
		put_lifetime(r, number62(r));
	else
		later(r, eat(r, 'K') ? TODO_CONST : TODO_TYPE, 0, NULL);
}

static void end_parameters(struct reader *r)
{
	put(r, ")");
	if (eat(r, 'u'))
		return;
	put(r, " -> ");
	later(r, TODO_TYPE, 0, NULL);
}

/* Where what stands at r->at is, behind steps back; *after_ret: where to go on, 0: there was none.
 */
static size_t find_behind(struct reader *r, size_t *after_ret)
{
	size_t from = r->at, at = from, to;

	*after_ret = 0;
	while (!r->bad && at < r->len && r->text[at] == 'B') {
		r->at = at + 1;
		to = number62(r);
		*after_ret = *after_ret ? *after_ret : r->at;
		r->bad |= to >= at;
		at = to;
	}
	r->at = from;
	return at;
}

/* A trait with arguments leaves its list open, for its types by name go there, too. */
static void read_trait(struct reader *r)
{
	size_t after, at = find_behind(r, &after);
	bool open = !r->bad && at < r->len && r->text[at] == 'I' && !(after && r->quiet);

	later(r, TODO_PROJECTIONS, open, NULL);
	if (!open) {
		later(r, TODO_PATH, false, NULL);
		return;
	}
	if (after)
		later(r, TODO_SEEK, after, NULL);
	later(r, TODO_ARGS, 0, NULL);
	later(r, TODO_TEXT, 0, "<");
	later(r, TODO_PATH, false, NULL);
	r->at = at + 1;
}

static void read_projection(struct reader *r, bool begun)
{
	struct identifier name;

	if (!eat(r, 'p')) {
		put(r, begun ? ">" : "");
		return;
	}
	put(r, begun ? ", " : "<");
	name = identifier(r);
	put_identifier(r, &name);
	put(r, " = ");
	later(r, TODO_PROJECTIONS, true, NULL);
	later(r, TODO_TYPE, 0, NULL);
}

static void read_dyn_lifetime(struct reader *r)
{
	uint64_t lifetime;

	if (!eat(r, 'L')) {
		r->bad = true;
		return;
	}
	lifetime = number62(r);
	if (!lifetime)
		return;
	put(r, " + ");
	put_lifetime(r, lifetime);
}

/* ---- All of it ------------------------------------------------------------------- */

static void do_list(struct reader *r, const struct task *task)
{
	switch (task->todo) {
	case TODO_ARGS:
		if (has_more(r, task, ", "))
			read_argument(r);
		return;
	case TODO_TUPLE:
		if (has_more(r, task, ", "))
			later(r, TODO_TYPE, 0, NULL);
		else
			put(r, task->number == 1 ? ",)" : ")");
		return;
	case TODO_PARAMETERS:
		if (has_more(r, task, ", "))
			later(r, TODO_TYPE, 0, NULL);
		else
			end_parameters(r);
		return;
	default:
		if (has_more(r, task, " + "))
			later(r, TODO_TRAIT, 0, NULL);
	}
}

static void do_task(struct reader *r, const struct task *task)
{
	switch (task->todo) {
	case TODO_PATH:
		read_path(r, task->number);
		return;
	case TODO_TYPE:
		read_type(r);
		return;
	case TODO_CONST:
		read_const(r);
		return;
	case TODO_TEXT:
		put(r, task->text);
		return;
	case TODO_NAME:
		read_name(r, (char)task->number);
		return;
	case TODO_TRAIT:
		read_trait(r);
		return;
	case TODO_PROJECTIONS:
		read_projection(r, task->number);
		return;
	case TODO_DYN_LIFETIME:
		read_dyn_lifetime(r);
		return;
	case TODO_SEEK:
		r->at = task->number;
		return;
	case TODO_UNBIND:
		r->bound -= task->number;
		return;
	case TODO_QUIET:
		r->quiet = task->number;
		return;
	default:
		do_list(r, task);
	}
}

static void run(struct reader *r)
{
	struct task task;

	while (!r->bad && r->tasks_count) {
		task = r->tasks[--r->tasks_count];
		if (++r->steps > STEPS_MAX)
			r->bad = true;
		else
			do_task(r, &task);
	}
}

static char *demangle(struct reader *r)
{
	later(r, TODO_PATH, true, NULL);
	run(r);
	/* the crate that needed it */
	if (!r->bad && peek(r) >= 'A' && peek(r) <= 'Z') {
		r->quiet = 1;
		later(r, TODO_PATH, false, NULL);
		run(r);
	}
	/* what a compiler added: ".llvm.123", ".cold" */
	if (r->bad || (r->at < r->len && peek(r) != '.' && peek(r) != '$'))
		return NULL;
	return strndup(r->out, r->used);
}

bool chp_rust_is_mangled(const char *name)
{
	return name[0] == '_' && name[1] == 'R' && name[2] >= 'A' && name[2] <= 'Z';
}

char *chp_rust_demangle(const char *mangled)
{
	size_t len = strnlen(mangled, MANGLED_BYTES_MAX + 1);
	struct reader *r;
	char *name;

	if (!chp_rust_is_mangled(mangled) || len > MANGLED_BYTES_MAX)
		return NULL;
	r = calloc(1, sizeof(*r) + NAME_BYTES_MAX);
	if (!r)
		return NULL;
	r->text = mangled + 2;
	r->len = len - 2;
	r->out = (char *)(r + 1);
	name = demangle(r);
	free(r);
	return name;
}
