/*
 * Names of templates as their users write them. A demangler writes out all arguments, those too
 * that nobody gave, so that a map from strings to numbers takes 200 characters. One pass over the
 * name keeps a list of the templates that are open; where one closes, its last arguments go if
 * they are the defaults of a template of the standard library.
 */
#include "sym/templates.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "util/cleanup.h"

/* Templates inside of each other; what is deeper stays as it is. */
#define DEPTH_MAX 64
/* Arguments of one template whose places are kept; defaults are among the last of few. */
#define ARGS_MAX 8

/* An argument that is a number: how it begins. */
#define LOCK_POLICY "(__gnu_cxx::_Lock_policy)"

/* Templates of std and the templates of their default arguments, the last one first; C++ standard,
 * [container.adaptors], [associative], [unord], [sequences], [strings], [unique.ptr]. */
static const struct {
	const char *name, *defaults[3];
} templates[] = {
	{ "vector", { "allocator" } },
	{ "deque", { "allocator" } },
	{ "list", { "allocator" } },
	{ "forward_list", { "allocator" } },
	{ "set", { "allocator", "less" } },
	{ "multiset", { "allocator", "less" } },
	{ "map", { "allocator", "less" } },
	{ "multimap", { "allocator", "less" } },
	{ "unordered_set", { "allocator", "equal_to", "hash" } },
	{ "unordered_multiset", { "allocator", "equal_to", "hash" } },
	{ "unordered_map", { "allocator", "equal_to", "hash" } },
	{ "unordered_multimap", { "allocator", "equal_to", "hash" } },
	{ "stack", { "deque" } },
	{ "queue", { "deque" } },
	{ "priority_queue", { "less", "vector" } },
	{ "unique_ptr", { "default_delete" } },
	{ "basic_string", { "allocator", "char_traits" } },
	{ "basic_string_view", { "char_traits" } },
	{ "basic_ostream", { "char_traits" } },
	{ "basic_istream", { "char_traits" } },
	{ "basic_iostream", { "char_traits" } },
	{ "basic_streambuf", { "char_traits" } },
	{ "basic_filebuf", { "char_traits" } },
	{ "basic_ifstream", { "char_traits" } },
	{ "basic_ofstream", { "char_traits" } },
	{ "basic_fstream", { "char_traits" } },
	{ "basic_stringbuf", { "allocator", "char_traits" } },
	{ "basic_istringstream", { "allocator", "char_traits" } },
	{ "basic_ostringstream", { "allocator", "char_traits" } },
	{ "basic_stringstream", { "allocator", "char_traits" } },
	/* What std::shared_ptr counts with, in libstdc++ and libc++: how it locks is no news, and
	 * neither is how it allocates, as long as it is the usual way. */
	{ "_Sp_counted_ptr", { LOCK_POLICY } },
	{ "_Sp_counted_ptr_inplace", { LOCK_POLICY, "allocator" } },
	{ "_Sp_counted_deleter", { LOCK_POLICY, "allocator", "default_delete" } },
	{ "__shared_ptr_emplace", { "allocator" } },
};

/* Names that the standard gives to templates of one argument. */
static const struct {
	const char *whole, *name;
} aliases[] = {
	{ "std::basic_string<char>", "std::string" },
	{ "std::basic_string<wchar_t>", "std::wstring" },
	{ "std::basic_string_view<char>", "std::string_view" },
	{ "std::basic_ostream<char>", "std::ostream" },
	{ "std::basic_istream<char>", "std::istream" },
	{ "std::basic_iostream<char>", "std::iostream" },
	{ "std::basic_streambuf<char>", "std::streambuf" },
	{ "std::basic_filebuf<char>", "std::filebuf" },
	{ "std::basic_ifstream<char>", "std::ifstream" },
	{ "std::basic_ofstream<char>", "std::ofstream" },
	{ "std::basic_fstream<char>", "std::fstream" },
	{ "std::basic_stringbuf<char>", "std::stringbuf" },
	{ "std::basic_istringstream<char>", "std::istringstream" },
	{ "std::basic_ostringstream<char>", "std::ostringstream" },
	{ "std::basic_stringstream<char>", "std::stringstream" },
};

/* Inline namespaces of libstdc++ and libc++. */
static const char *const versions[] = { "std::__cxx11::", "std::__1::", "std::__8::" };

/* A template whose arguments are being read: places in the text that was written. */
struct open {
	/* Where its name begins, and its first argument. */
	size_t name, first;
	/* Where the comma before an argument is; those of the last ones count. */
	size_t commas[ARGS_MAX];
	size_t commas_count;
	/* Round and square brackets and braces inside of it. */
	size_t brackets;
};

struct folding {
	/* What is read and what is written: the same text, which only gets shorter. */
	const char *in;
	char *out;
	size_t used;
	struct open open[DEPTH_MAX];
	size_t depth;
};

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == ':' || c == '$' || c == '~';
}

/* Where the name that ends at end begins. */
static size_t name_start(const char *text, size_t end)
{
	while (end && is_name(text[end - 1]))
		end--;
	return end;
}

/* Whether text, of so many bytes, is "std::NAME<...". */
static bool is_std(const char *text, size_t bytes, const char *name)
{
	size_t length = strlen(name);

	return bytes > 5 + length && strncmp(text, "std::", 5) == 0 &&
	       strncmp(text + 5, name, length) == 0 && text[5 + length] == '<';
}

/* Whether an argument is of the template of a name, or begins with it where that is a number. */
static bool is_of(const char *text, size_t bytes, const char *name)
{
	if (name[0] == '(')
		return bytes > strlen(name) && strncmp(text, name, strlen(name)) == 0;
	return is_std(text, bytes, name);
}

/* Drop the last argument of a template if it is the one of a name. */
static bool drop_last(struct folding *folding, struct open *open, const char *name)
{
	size_t comma = open->commas_count ? open->commas[open->commas_count - 1] : 0;

	if (!comma || !is_of(folding->out + comma + 2, folding->used - comma - 2, name))
		return false;
	folding->used = comma;
	open->commas_count--;
	return true;
}

static void drop_defaults(struct folding *folding, struct open *open)
{
	const char *name = folding->out + open->name;
	size_t i, k;

	if (open->commas_count > ARGS_MAX)
		return;
	for (i = 0; i < CH_COUNT_OF(templates); i++)
		if (is_std(name, folding->used - open->name, templates[i].name))
			for (k = 0; k < CH_COUNT_OF(templates[i].defaults); k++)
				if (!templates[i].defaults[k] ||
				    !drop_last(folding, open, templates[i].defaults[k]))
					return;
}

static void use_alias(struct folding *folding, size_t name)
{
	size_t bytes = folding->used - name, i;

	for (i = 0; i < CH_COUNT_OF(aliases); i++)
		if (strlen(aliases[i].whole) == bytes &&
		    memcmp(folding->out + name, aliases[i].whole, bytes) == 0) {
			bytes = strlen(aliases[i].name);
			memcpy(folding->out + name, aliases[i].name, bytes);
			folding->used = name + bytes;
			return;
		}
}

/* A template closes. False: none is open. */
static bool close_template(struct folding *folding)
{
	struct open *open;

	if (!folding->depth)
		return false;
	open = &folding->open[--folding->depth];
	if (open->brackets)
		return false;
	/* the demangler writes "> >", which the language has not needed since 2011 */
	while (folding->used > open->first && folding->out[folding->used - 1] == ' ')
		folding->used--;
	drop_defaults(folding, open);
	folding->out[folding->used++] = '>';
	use_alias(folding, open->name);
	return true;
}

static bool open_template(struct folding *folding)
{
	struct open *open = &folding->open[folding->depth];

	if (folding->depth == DEPTH_MAX)
		return false;
	folding->depth++;
	*open = (struct open){ .name = name_start(folding->out, folding->used) };
	folding->out[folding->used++] = '<';
	open->first = folding->used;
	return true;
}

/* "operator<", "operator->": the signs are a name. Copies them; false: it is no operator. */
static bool copy_operator(struct folding *folding)
{
	static const char word[] = "operator";
	size_t length = sizeof(word) - 1, start = folding->used - length;

	if (folding->used < length || memcmp(folding->out + start, word, length) != 0 ||
	    (start &&
	     (isalnum((unsigned char)folding->out[start - 1]) || folding->out[start - 1] == '_')))
		return false;
	while (*folding->in && strchr("<>-=", *folding->in))
		folding->out[folding->used++] = *folding->in++;
	return true;
}

/* Leave out an inline namespace that begins here. */
static void skip_version(struct folding *folding)
{
	size_t i, length;

	for (i = 0; i < CH_COUNT_OF(versions); i++) {
		length = strlen(versions[i]);
		if (strncmp(folding->in, versions[i], length) != 0)
			continue;
		memcpy(folding->out + folding->used, "std::", 5);
		folding->used += 5;
		folding->in += length;
		return;
	}
}

static void note_bracket(struct folding *folding, char c)
{
	struct open *open = folding->depth ? &folding->open[folding->depth - 1] : NULL;

	if (!open)
		return;
	if (strchr("([{", c))
		open->brackets++;
	else if (strchr(")]}", c) && open->brackets)
		open->brackets--;
	else if (c == ',' && !open->brackets && open->commas_count++ < ARGS_MAX)
		open->commas[open->commas_count - 1] = folding->used;
}

/* Read on by at least one character. False: the brackets do not match. */
static bool step(struct folding *folding)
{
	char c;

	if (!folding->used || !is_name(folding->out[folding->used - 1]))
		skip_version(folding);
	c = *folding->in;
	if (!c)
		return true;
	if (c == '<' || c == '>' || c == '-')
		if (copy_operator(folding))
			return true;
	folding->in++;
	if (c == '<')
		return open_template(folding);
	if (c == '>' && folding->used && folding->out[folding->used - 1] != '-')
		return close_template(folding);
	note_bracket(folding, c);
	folding->out[folding->used++] = c;
	return true;
}

void chp_templates_fold(char *name)
{
	_cleanup_free_ char *kept = strdup(name);
	struct folding folding = { .in = kept, .out = name };
	bool matched = true;

	if (!kept)
		return;
	while (matched && *folding.in)
		matched = step(&folding);
	if (!matched || folding.depth)
		memcpy(name, kept, strlen(kept) + 1);
	else
		name[folding.used] = '\0';
}

const char *chp_templates_argument_end(const char *text)
{
	size_t depth = 0;

	for (; *text; text++) {
		if (strchr("<([{", *text))
			depth++;
		else if (!depth && strchr(",>", *text))
			return text;
		else if (strchr(">)]}", *text) && depth)
			depth--;
	}
	return NULL;
}
