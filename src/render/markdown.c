/*
 * Text made safe for Markdown, in a line and in a table.
 */
#include <stdlib.h>
#include <string.h>

#include "render/render.h"

/* What begins markup inside of a line. */
#define MARKUP "\\`*_{}[]<>#|~&!"

char *chp_markdown_text(const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *to = out;

	if (!out)
		return NULL;
	for (; *text; text++) {
		if (strchr(MARKUP, *text))
			*to++ = '\\';
		*to++ = *text;
	}
	*to = '\0';
	return out;
}

/* In a table a bar ends the cell also inside of a code span, unless it is escaped; names
 * have no backticks but those of generic arity, which two around the span allow. */
char *chp_markdown_code(const char *text)
{
	const char *fence = strchr(text, '`') ? "``" : "`";
	size_t size = 2 * strlen(text) + 8;
	char *out = malloc(size), *to = out;

	if (!out)
		return NULL;
	to += snprintf(out, size, "%s%s", fence, fence[1] ? " " : "");
	for (; *text; text++) {
		if (*text == '|')
			*to++ = '\\';
		/* two in a row would end the span */
		*to++ = *text == '`' && text[1] == '`' ? '\'' : *text;
	}
	snprintf(to, size - (size_t)(to - out), "%s%s", fence[1] ? " " : "", fence);
	return out;
}
