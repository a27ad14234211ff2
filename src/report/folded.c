/*
 * Folded stacks, as flamegraph.pl and speedscope read them: frames between semicolons, then a
 * blank and what is at the end of the path.
 */
#include "report/export.h"

#include <inttypes.h>

#include "util/error.h"

/* A semicolon in a name would begin another frame. */
static void put_frame(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == ';' ? ',' : *name, out);
}

static struct ch_error *put_path(FILE *out, const struct ch_export *of,
				 const struct ch_export_path *path, struct ch_vec *frames)
{
	struct ch_error *err = chp_export_frames(of, path->track, frames);
	size_t i;

	if (err)
		return err;
	if (!frames->count)
		fputs(CH_PATHS_OTHER, out);
	for (i = frames->count; i > 0; i--) {
		put_frame(out, ch_texts_at(&of->paths.frames, *CH_VEC_AT(frames, uint32_t, i - 1)));
		if (i > 1)
			fputc(';', out);
	}
	fprintf(out, " %" PRIu64 "\n", path->bytes);
	return NULL;
}

struct ch_error *ch_report_folded(const struct ch_report *report, const struct ch_export *of)
{
	struct ch_vec frames = CH_VEC(uint32_t);
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < of->list.count; i++)
		err = put_path(report->out, of, CH_VEC_AT(&of->list, struct ch_export_path, i),
			       &frames);
	if (!err && of->rest_paths_count)
		fprintf(report->out, "%" PRIu64 " " CH_EXPORT_REST " %" PRIu64 "\n",
			of->rest_paths_count, of->rest.bytes);
	ch_vec_deinit(&frames);
	return err;
}
