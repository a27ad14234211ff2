/* Patterns of `search` as a user may type them: made or refused, never worse. Expressions are
 * looked for in their own text, too. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "map/regex.h"
#include "map/search.h"

static void done(struct ch_error *err, struct ch_pattern **pattern)
{
	if (err)
		fuzz_touch_text(err->message);
	else
		chp_pattern_destroy(*pattern);
	ch_error_destroy(err);
}

static struct ch_error *take(void *arg, size_t at, size_t len)
{
	size_t *behind = arg;

	if (at < *behind || !len)
		abort();
	*behind = at + len;
	return NULL;
}

static void look_for(const char *text)
{
	struct ch_regex *regex;
	struct ch_error *err;
	size_t behind = 0;

	err = chp_regex_make(text, false, &regex);
	if (!err) {
		err = chp_regex_find(regex, (const uint8_t *)text, strlen(text), take, &behind);
		chp_regex_destroy(regex);
	}
	ch_error_destroy(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_pattern *pattern = NULL;
	char *text = strndup((const char *)data, size);

	if (!text)
		abort();
	done(chp_pattern_bytes(text, &pattern), &pattern);
	done(chp_pattern_text(text, false, true, &pattern), &pattern);
	done(chp_pattern_text(text, true, true, &pattern), &pattern);
	done(chp_pattern_regex(text, true, &pattern), &pattern);
	look_for(text);
	free(text);
	return 0;
}
