/*
 * Plain names of functions, by which the same place of two builds is recognised.
 *
 * Demanglers write C++ as its grammar says, so brackets say what is what: of a name only what
 * stands outside of all of them counts, but for operators, which are made of the same characters.
 */
#include "analysis/plain_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "util/cleanup.h"

#define HEX       "0123456789abcdef"
#define DIGITS    "0123456789"
#define RUST_HASH 16

/* A name being read, and what is kept of it. */
struct reading {
	const char *at;
	char *out;
	size_t len;
	/* Inside of so many braces; of the angle brackets that a name of Rust begins with. */
	size_t braces;
	bool in_self;
	/* It is an operator's name: spaces do not end what it returns. */
	bool is_operator;
};

static void put(struct reading *reading, char c)
{
	if (reading->len + 1 < CH_PLAIN_NAME_MAX)
		reading->out[reading->len++] = c;
}

static void put_text(struct reading *reading, const char *text, size_t len)
{
	while (len--)
		put(reading, *text++);
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Behind the bracket that closes the one at text; "->" closes none. */
static const char *behind_bracket(const char *text)
{
	const char open = text[0];
	const char close = open == '<' ? '>' : open == '(' ? ')' : ']';
	size_t depth = 0;

	for (; *text; text++) {
		if (*text == open)
			depth++;
		else if (*text == close && text[-1] != '-' && --depth == 0)
			return text + 1;
	}
	return text;
}

/* "operator()", "operator<<=", "operator new[]": with its characters. */
static void read_operator(struct reading *reading)
{
	size_t len = strlen("operator");

	if (begins(reading->at + len, "()") || begins(reading->at + len, "[]"))
		len += 2;
	else
		len += strspn(reading->at + len, "<>=!+-*/%^&|~,");
	put_text(reading, reading->at, len);
	reading->at += len;
	reading->is_operator = true;
}

static bool is_operator(const struct reading *reading)
{
	char before = reading->len ? reading->out[reading->len - 1] : ' ';

	return begins(reading->at, "operator") && !is_word(before) && !is_word(reading->at[8]);
}

/* What stands behind parameters and says of what the method may be called. */
static bool skip_qualifier(struct reading *reading)
{
	static const char *const words[] = { " const", " volatile", " &&", " &", " noexcept" };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(words); i++)
		if (begins(reading->at, words[i]) && !is_word(reading->at[strlen(words[i])])) {
			reading->at += strlen(words[i]);
			return true;
		}
	return false;
}

/* What a function returns stands before its name, and "[clone ...]" behind it. */
static void read_space(struct reading *reading)
{
	reading->at++;
	if (*reading->at == '[')
		return;
	if (reading->braces || reading->is_operator || reading->in_self)
		put(reading, ' ');
	else
		reading->len = 0;
}

static bool skip_brackets(struct reading *reading)
{
	char before = reading->len ? reading->out[reading->len - 1] : '\0';

	if (*reading->at == '<' && !before) {
		/* "<Shop as Drop>::drop" of Rust */
		reading->in_self = true;
		return false;
	}
	/* "main.(*Shop).Add" of Go */
	if (!strchr("<([", *reading->at) || (*reading->at == '(' && before == '.'))
		return false;
	reading->at = behind_bracket(reading->at);
	return true;
}

static void read_next(struct reading *reading)
{
	static const char nameless[] = "(anonymous namespace)";

	if (begins(reading->at, nameless)) {
		put_text(reading, "{anonymous}", strlen("{anonymous}"));
		reading->at += strlen(nameless);
	} else if (is_operator(reading)) {
		read_operator(reading);
	} else if (skip_brackets(reading) || skip_qualifier(reading)) {
		return;
	} else if (*reading->at == ' ') {
		read_space(reading);
	} else if (*reading->at == '#') {
		reading->at += 1 + strspn(reading->at + 1, DIGITS);
	} else {
		reading->braces += *reading->at == '{';
		reading->braces -= *reading->at == '}' && reading->braces;
		reading->in_self = reading->in_self && *reading->at != '>';
		put(reading, *reading->at++);
	}
}

/* "f.constprop.0", "free@@GLIBC_2.2.5", "core::fmt::write::h0123456789abcdef" */
static void cut_suffix(char *name)
{
	static const char *const suffixes[] = { ".constprop", ".part",     ".isra",
						".cold",      ".lto_priv", ".localalias",
						".llvm",      ".clone",    "@" };
	char *at;
	size_t i, len;

	for (i = 0; i < CH_COUNT_OF(suffixes); i++) {
		at = strstr(name, suffixes[i]);
		if (at && at > name)
			*at = '\0';
	}
	len = strlen(name);
	if (len > RUST_HASH + 3 && begins(name + len - RUST_HASH - 3, "::h") &&
	    strspn(name + len - RUST_HASH, HEX) == RUST_HASH)
		name[len - RUST_HASH - 3] = '\0';
}

/* glibc has copies of these for what a processor can do, and takes one of them. */
static void cut_processor(char *name)
{
	static const char *const families[] = { "__mem", "__str",  "__stp",
						"__wcs", "__wmem", "__rawmem" };
	static const char *const processors[] = { "_sse",  "_ssse", "_avx",  "_evex", "_erms",
						  "_unal", "_gene", "_sve",  "_thun", "_falk",
						  "_mops", "_oryo", "_a64f", "_neon", "_asim" };
	char *at = strchr(name + (begins(name, "__") ? 2 : 0), '_');
	size_t i, k;

	for (i = 0; at && i < CH_COUNT_OF(families); i++)
		for (k = 0; begins(name, families[i]) && k < CH_COUNT_OF(processors); k++)
			if (begins(at, processors[k])) {
				*at = '\0';
				memmove(name, name + 2, strlen(name + 2) + 1);
				return;
			}
}

void chp_plain_name(const char *name, char ret[CH_PLAIN_NAME_MAX])
{
	struct reading reading = { .at = name, .out = ret };

	while (*reading.at)
		read_next(&reading);
	/* "operator<< <char>" */
	reading.len -= reading.len && ret[reading.len - 1] == ' ';
	ret[reading.len] = '\0';
	cut_suffix(ret);
	if (begins(ret, "__GI_"))
		memmove(ret, ret + 5, strlen(ret + 5) + 1);
	cut_processor(ret);
}

/* How many characters at text are a number that a compiler or a runtime counts by, as what was
 * kept before it says. */
static size_t number_len(const struct reading *reading)
{
	/* by compilers: "lambda$main$0", "Shop$1", "<Main>b__0_3", "<Main>g__Add|0_1"; by runtimes:
	 * "$Proxy12", "GeneratedMethodAccessor7" */
	static const char *const counted[] = { "$",      "__",      "|", "__DisplayClass",
					       "$Proxy", "Accessor" };
	static const char *const addresses[] = { "+0x", "/0x", "$$0x" };
	size_t i, len;

	for (i = 0; i < CH_COUNT_OF(addresses); i++)
		if (begins(reading->at, addresses[i])) {
			len = strlen(addresses[i]);
			return len + strspn(reading->at + len, HEX);
		}
	if (!isdigit((unsigned char)*reading->at))
		return 0;
	for (i = 0; i < CH_COUNT_OF(counted); i++) {
		len = strlen(counted[i]);
		if (reading->len >= len &&
		    strncmp(reading->out + reading->len - len, counted[i], len) == 0)
			return strspn(reading->at, DIGITS "_");
	}
	return 0;
}

void chp_plain_method(const char *name, char ret[CH_PLAIN_NAME_MAX])
{
	struct reading reading = { .at = name, .out = ret };
	size_t len;

	while (*reading.at) {
		len = number_len(&reading);
		reading.at += len;
		if (!len)
			put(&reading, *reading.at++);
	}
	ret[reading.len] = '\0';
}
