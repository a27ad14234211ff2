/*
 * proto.h - profiles of pprof: proto/profile.proto of github.com/google/pprof, messages Profile,
 * Sample, Mapping, Location and Function. The protocol buffer is written by hand, as
 * https://protobuf.dev/programming-guides/encoding says: a key of field number and wire type,
 * then a number in groups of seven bits, or a length and so many bytes.
 */
#ifndef COREHEAP_REPORT_PROTO_H
#define COREHEAP_REPORT_PROTO_H

#include <coreheap/sym.h>

#include "render/gzip.h"
#include "render/render.h"
#include "util/vec.h"

/** Fields of messages, by their numbers in profile.proto. */
enum ch_proto_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
	VALUE_TYPE_TYPE = 1,
	VALUE_TYPE_UNIT = 2,
	SAMPLE_LOCATIONS = 1,
	SAMPLE_VALUES = 2,
	SAMPLE_LABEL = 3,
	LABEL_KEY = 1,
	LABEL_NUMBER = 3,
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_FILENAME = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
	LINE_FUNCTION = 1,
	LINE_NUMBER = 2,
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILENAME = 4,
};

/** A message under way. */
struct ch_message {
	/** of uint8_t */
	struct ch_vec bytes;
	bool failed;
};

/** A profile under way: a message, and one inside of it. */
struct ch_proto {
	struct ch_gzip *gzip;
	struct ch_message message, inner;
	/** So far. */
	uint64_t strings_count;
};

#define CH_MESSAGE ((struct ch_message){ .bytes = CH_VEC(uint8_t) })

/** Out of memory is failed of the message, which chp_proto_write() tells. */
void chp_proto_varint(struct ch_message *message, uint64_t number);
void chp_proto_number(struct ch_message *message, uint32_t field, uint64_t number);
/** The inner message as a field of the outer one. */
void chp_proto_inner(struct ch_proto *proto, uint32_t field);
/** The message is whole: a field of the profile. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_proto_write(struct ch_proto *proto, uint32_t field);
/** A number of the profile itself: no message around it. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_proto_write_number(struct ch_proto *proto, uint32_t field,
						      uint64_t number);
/** The next string of the table, which begins with "", and its number. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_proto_string(struct ch_proto *proto, const char *text,
						uint64_t *ret);
/** A kind of value; *ret: the number of its name. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_proto_value_type(struct ch_proto *proto, uint32_t field,
						    const char *name, const char *unit,
						    uint64_t *ret);
/** Modules, the program first: pprof takes the first one for what the profile is of. Errors: NOMEM,
 * OS. */
CH_MUST_CHECK struct ch_error *chp_proto_mappings(struct ch_proto *proto,
						  const struct ch_module *modules, size_t count);
/** The number of a module among those; 0: none. */
uint64_t chp_proto_mapping_of(const struct ch_module *modules, size_t count,
			      const struct ch_module *module);

#endif /* COREHEAP_REPORT_PROTO_H */
