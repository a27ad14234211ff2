/* Patterns of `search` as a user may type them: made or refused, never worse. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "map/search.h"

static void done(struct ch_error *err, struct ch_pattern **pattern)
{
	if (err)
		fuzz_touch_text(err->message);
	else
		chp_pattern_destroy(*pattern);
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
	/* libc compiles counted repeats by copying: a user's own affair. */
	if (!strchr(text, '{'))
		done(chp_pattern_regex(text, true, &pattern), &pattern);
	free(text);
	return 0;
}
