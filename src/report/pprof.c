/*
 * What is held where as a profile of pprof. A path is a sample, and each of its frames a function,
 * which one location stands for: there are no addresses in it.
 */
#include "report/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/proto.h"
#include "util/cleanup.h"
#include "util/text.h"

struct profile {
	const struct ch_export *of;
	struct ch_proto proto;
	/* Frames come first of strings that have a number, from here on. */
	uint64_t frames_from;
	/* Locations beside those of frames: of paths that are not told apart, and not listed. */
	uint64_t other_location, rest_location;
};

/* ---- The profile --------------------------------------------------------------- */

static struct ch_error *write_types(struct ch_proto *proto)
{
	uint64_t name = 0;
	struct ch_error *err;

	/* the table begins with an empty one */
	err = chp_proto_string(proto, "", &name);
	if (!err)
		err = chp_proto_value_type(proto, PROFILE_SAMPLE_TYPE, "inuse_objects", "count",
					   &name);
	if (!err)
		err = chp_proto_value_type(proto, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes",
					   &name);
	return err ? err : chp_proto_write_number(proto, PROFILE_DEFAULT_SAMPLE_TYPE, name);
}

/* A function and its location of one number, which is the one of its name in the table. It has no
 * other name of a system's, which pprof would demangle, and take for it. */
static struct ch_error *write_frame(struct profile *profile, const char *name, uint64_t *ret)
{
	struct ch_error *err;

	err = chp_proto_string(&profile->proto, name, ret);
	if (err)
		return err;
	chp_proto_number(&profile->proto.message, FUNCTION_ID, *ret);
	chp_proto_number(&profile->proto.message, FUNCTION_NAME, *ret);
	err = chp_proto_write(&profile->proto, PROFILE_FUNCTION);
	if (err)
		return err;
	chp_proto_number(&profile->proto.message, LOCATION_ID, *ret);
	chp_proto_number(&profile->proto.inner, LINE_FUNCTION, *ret);
	chp_proto_inner(&profile->proto, LOCATION_LINE);
	return chp_proto_write(&profile->proto, PROFILE_LOCATION);
}

static struct ch_error *write_frames(struct profile *profile)
{
	const struct ch_export *of = profile->of;
	char rest[64];
	struct ch_error *err;
	uint64_t number;
	size_t i;

	snprintf(rest, sizeof(rest), "%" PRIu64 " " CH_EXPORT_REST, of->rest_paths_count);
	err = write_frame(profile, CH_PATHS_OTHER, &profile->other_location);
	if (!err)
		err = write_frame(profile, rest, &profile->rest_location);
	profile->frames_from = profile->proto.strings_count;
	for (i = 0; !err && i < of->paths.frames.list.count; i++)
		err = write_frame(profile, ch_texts_at(&of->paths.frames, (uint32_t)i), &number);
	return err;
}

static struct ch_error *write_sample(struct profile *profile, const struct ch_vec *frames,
				     uint64_t other, const struct ch_export_path *path)
{
	size_t i;

	for (i = 0; i < frames->count; i++)
		chp_proto_varint(&profile->proto.inner,
				 profile->frames_from + *CH_VEC_AT(frames, uint32_t, i));
	if (!frames->count)
		chp_proto_varint(&profile->proto.inner, other);
	chp_proto_inner(&profile->proto, SAMPLE_LOCATIONS);
	chp_proto_varint(&profile->proto.inner, path->count);
	chp_proto_varint(&profile->proto.inner, path->bytes);
	chp_proto_inner(&profile->proto, SAMPLE_VALUES);
	return chp_proto_write(&profile->proto, PROFILE_SAMPLE);
}

static struct ch_error *write_samples(struct profile *profile)
{
	const struct ch_export *of = profile->of;
	struct ch_vec frames = CH_VEC(uint32_t);
	const struct ch_export_path *path;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < of->list.count; i++) {
		path = CH_VEC_AT(&of->list, struct ch_export_path, i);
		err = chp_export_frames(of, path->track, &frames);
		if (!err)
			err = write_sample(profile, &frames, profile->other_location, path);
	}
	frames.count = 0;
	if (!err && of->rest_paths_count)
		err = write_sample(profile, &frames, profile->rest_location, &of->rest);
	ch_vec_deinit(&frames);
	return err;
}

struct ch_error *ch_report_pprof(const struct ch_report *report, const struct ch_export *of)
{
	struct profile profile = { .of = of,
				   .proto = { .gzip = chp_gzip_create(report->out),
					      .message = CH_MESSAGE,
					      .inner = CH_MESSAGE } };
	struct ch_error *err = profile.proto.gzip ? write_types(&profile.proto) : &ch_enomem;

	if (!err)
		err = chp_proto_mappings(&profile.proto, of->modules, of->modules_count);
	if (!err)
		err = write_frames(&profile);
	if (!err)
		err = write_samples(&profile);
	if (!err)
		err = chp_gzip_end(profile.proto.gzip);
	chp_gzip_destroy(profile.proto.gzip);
	ch_vec_deinit(&profile.proto.message.bytes);
	ch_vec_deinit(&profile.proto.inner.bytes);
	return err;
}
