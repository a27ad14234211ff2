/*
 * A profile of pprof: proto/profile.proto of github.com/google/pprof, messages Profile, Sample,
 * Mapping, Location and Function. A path is a sample, and each of its frames a function, which one
 * location stands for: there are no addresses in it. The protocol buffer is written by hand, as
 * https://protobuf.dev/programming-guides/encoding says: a key of field number and wire type,
 * then a number in groups of seven bits, or a length and so many bytes.
 */
#include "report/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/gzip.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 4096

/* Wire types. */
enum { WIRE_NUMBER = 0, WIRE_BYTES = 2 };

/* Fields of messages, by their numbers in profile.proto. */
enum {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
	VALUE_TYPE_TYPE = 1,
	VALUE_TYPE_UNIT = 2,
	SAMPLE_LOCATIONS = 1,
	SAMPLE_VALUES = 2,
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	LOCATION_ID = 1,
	LOCATION_LINE = 4,
	LINE_FUNCTION = 1,
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
};

/* A message under way, and one inside of it. */
struct message {
	/* of uint8_t */
	struct ch_vec bytes;
	bool failed;
};

struct profile {
	const struct ch_export *of;
	struct ch_gzip *gzip;
	struct message message, inner;
	/* Strings so far. Frames come first of those that have a number, from frames_from on. */
	uint64_t strings_count, frames_from;
	/* Locations beside those of frames: of paths that are not told apart, and not listed. */
	uint64_t other_location, rest_location;
};

/* ---- Protocol buffers ---------------------------------------------------------- */

static void put_byte(struct message *message, uint8_t byte)
{
	uint8_t *slot = ch_vec_push(&message->bytes);

	message->failed |= !slot;
	if (slot)
		*slot = byte;
}

static void put_varint(struct message *message, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		put_byte(message, (uint8_t)(number | 0x80));
	put_byte(message, (uint8_t)number);
}

static void put_number(struct message *message, uint32_t field, uint64_t number)
{
	put_varint(message, field << 3 | WIRE_NUMBER);
	put_varint(message, number);
}

static void put_bytes(struct message *message, uint32_t field, const void *bytes, size_t len)
{
	size_t at;

	put_varint(message, field << 3 | WIRE_BYTES);
	put_varint(message, len);
	at = message->bytes.count;
	if (message->failed || !ch_vec_reserve(&message->bytes, at + len)) {
		message->failed = true;
		return;
	}
	if (len)
		memcpy(CH_VEC_AT(&message->bytes, uint8_t, at), bytes, len);
	message->bytes.count += len;
}

/* The inner message as a field of the outer one. */
static void put_inner(struct profile *profile, uint32_t field)
{
	profile->message.failed |= profile->inner.failed;
	put_bytes(&profile->message, field, profile->inner.bytes.items, profile->inner.bytes.count);
	profile->inner.bytes.count = 0;
}

/* The message is whole: a field of the profile. */
static struct ch_error *write_message(struct profile *profile, uint32_t field)
{
	struct message *message = &profile->message, *head = &profile->inner;
	struct ch_error *err;

	head->bytes.count = 0;
	put_varint(head, field << 3 | WIRE_BYTES);
	put_varint(head, message->bytes.count);
	if (message->failed || head->failed)
		return &ch_enomem;
	err = chp_gzip_put(profile->gzip, head->bytes.items, head->bytes.count);
	if (!err && message->bytes.count)
		err = chp_gzip_put(profile->gzip, message->bytes.items, message->bytes.count);
	message->bytes.count = head->bytes.count = 0;
	return err;
}

/* The next string of the table, and its number. */
static struct ch_error *write_string(struct profile *profile, const char *text, uint64_t *ret)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		put_byte(&profile->message, (uint8_t)text[i]);
	*ret = profile->strings_count++;
	return write_message(profile, PROFILE_STRING);
}

/* ---- The profile --------------------------------------------------------------- */

static struct ch_error *write_types(struct profile *profile)
{
	static const char *const names[2][2] = { { "inuse_objects", "count" },
						 { "inuse_space", "bytes" } };
	uint64_t name = 0, unit = 0;
	struct ch_error *err;
	size_t i;

	/* the table begins with an empty one */
	err = write_string(profile, "", &name);
	for (i = 0; !err && i < 2; i++) {
		err = write_string(profile, names[i][0], &name);
		if (!err)
			err = write_string(profile, names[i][1], &unit);
		if (err)
			break;
		put_number(&profile->message, VALUE_TYPE_TYPE, name);
		put_number(&profile->message, VALUE_TYPE_UNIT, unit);
		err = write_message(profile, PROFILE_SAMPLE_TYPE);
	}
	if (err)
		return err;
	/* a number of the profile itself: no message around it */
	put_number(&profile->inner, PROFILE_DEFAULT_SAMPLE_TYPE, name);
	err = profile->inner.failed ? &ch_enomem
				    : chp_gzip_put(profile->gzip, profile->inner.bytes.items,
						   profile->inner.bytes.count);
	profile->inner.bytes.count = 0;
	return err;
}

static struct ch_error *write_mapping(struct profile *profile, uint64_t id,
				      const struct ch_module *module)
{
	_cleanup_free_ char *path = chp_text_escape(module->path, TEXT_BYTES_MAX);
	char build_id[CH_HEX_TEXT_MAX];
	uint64_t path_string = 0, id_string = 0;
	struct ch_error *err;

	if (!path)
		return &ch_enomem;
	chp_hex_text(module->build_id, module->build_id_len, build_id);
	err = write_string(profile, path, &path_string);
	if (!err)
		err = write_string(profile, build_id, &id_string);
	if (err)
		return err;
	put_number(&profile->message, MAPPING_ID, id);
	put_number(&profile->message, MAPPING_START, module->start);
	put_number(&profile->message, MAPPING_LIMIT, module->end);
	put_number(&profile->message, MAPPING_FILENAME, path_string);
	put_number(&profile->message, MAPPING_BUILD_ID, id_string);
	/* so that nobody looks for the names of what has some */
	put_number(&profile->message, MAPPING_HAS_FUNCTIONS, 1);
	return write_message(profile, PROFILE_MAPPING);
}

/* The program first: pprof takes the first one for what the profile is of. */
static struct ch_error *write_mappings(struct profile *profile)
{
	const struct ch_export *of = profile->of;
	struct ch_error *err = NULL;
	uint64_t id = 0;
	size_t i;
	int exe;

	for (exe = 1; exe >= 0; exe--)
		for (i = 0; !err && i < of->modules_count; i++)
			if ((of->modules[i].kind == CH_MODULE_EXE) == exe)
				err = write_mapping(profile, ++id, &of->modules[i]);
	return err;
}

/* A function and its location of one number, which is the one of its name in the table. It has no
 * other name of a system's, which pprof would demangle, and take for it. */
static struct ch_error *write_frame(struct profile *profile, const char *name, uint64_t *ret)
{
	struct ch_error *err;

	err = write_string(profile, name, ret);
	if (err)
		return err;
	put_number(&profile->message, FUNCTION_ID, *ret);
	put_number(&profile->message, FUNCTION_NAME, *ret);
	err = write_message(profile, PROFILE_FUNCTION);
	if (err)
		return err;
	put_number(&profile->message, LOCATION_ID, *ret);
	put_number(&profile->inner, LINE_FUNCTION, *ret);
	put_inner(profile, LOCATION_LINE);
	return write_message(profile, PROFILE_LOCATION);
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
	profile->frames_from = profile->strings_count;
	for (i = 0; !err && i < of->paths.frames.list.count; i++)
		err = write_frame(profile, ch_texts_at(&of->paths.frames, (uint32_t)i), &number);
	return err;
}

static struct ch_error *write_sample(struct profile *profile, const struct ch_vec *frames,
				     uint64_t other, const struct ch_export_path *path)
{
	size_t i;

	for (i = 0; i < frames->count; i++)
		put_varint(&profile->inner, profile->frames_from + *CH_VEC_AT(frames, uint32_t, i));
	if (!frames->count)
		put_varint(&profile->inner, other);
	put_inner(profile, SAMPLE_LOCATIONS);
	put_varint(&profile->inner, path->count);
	put_varint(&profile->inner, path->bytes);
	put_inner(profile, SAMPLE_VALUES);
	return write_message(profile, PROFILE_SAMPLE);
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
				   .gzip = chp_gzip_create(report->out),
				   .message = { .bytes = CH_VEC(uint8_t) },
				   .inner = { .bytes = CH_VEC(uint8_t) } };
	struct ch_error *err = profile.gzip ? write_types(&profile) : &ch_enomem;

	if (!err)
		err = write_mappings(&profile);
	if (!err)
		err = write_frames(&profile);
	if (!err)
		err = write_samples(&profile);
	if (!err)
		err = chp_gzip_end(profile.gzip);
	chp_gzip_destroy(profile.gzip);
	ch_vec_deinit(&profile.message.bytes);
	ch_vec_deinit(&profile.inner.bytes);
	return err;
}
