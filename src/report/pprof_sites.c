/*
 * Sites of allocations as a profile of pprof, as like to the one that the process itself would have
 * written as can be, so that one can be taken from the other: the same kinds of values, functions,
 * lines and addresses (src/runtime/pprof/protomem.go and proto.go, Go 1.19 and 1.27). Functions
 * that were put into one are lines of its location.
 */
#include "report/sites.h"

#include "report/proto.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/table.h"

/* Functions that were put into one another, of one location. */
#define INLINED_MAX 64U

struct writing {
	const struct ch_sites *of;
	struct ch_proto proto;
	/* By address of a name: the number of its function; by hash of its frames: that of a
	 * location. */
	struct ch_table functions, locations;
	uint64_t functions_count, locations_count;
	uint64_t label_string;
};

/* ---- Functions and locations ------------------------------------------------------------- */

static struct ch_error *write_function(struct writing *writing, const char *name, const char *file,
				       uint64_t *ret)
{
	uint64_t name_string = 0, file_string = 0;
	struct ch_error *err = chp_proto_string(&writing->proto, name, &name_string);

	if (!err && file)
		err = chp_proto_string(&writing->proto, file, &file_string);
	if (err)
		return err;
	*ret = ++writing->functions_count;
	chp_proto_number(&writing->proto.message, FUNCTION_ID, *ret);
	chp_proto_number(&writing->proto.message, FUNCTION_NAME, name_string);
	chp_proto_number(&writing->proto.message, FUNCTION_SYSTEM_NAME, name_string);
	chp_proto_number(&writing->proto.message, FUNCTION_FILENAME, file_string);
	return chp_proto_write(&writing->proto, PROFILE_FUNCTION);
}

/* Names are kept once: an address is a name. */
static struct ch_error *function_of(struct writing *writing, const struct ch_frame *frame,
				    uint64_t *ret)
{
	const uint64_t key = (uint64_t)(uintptr_t)frame->symbol.name;
	const uint32_t found = ch_table_find(&writing->functions, key);
	struct ch_error *err;

	*ret = found;
	if (found != CH_TABLE_NONE)
		return NULL;
	err = write_function(writing, frame->symbol.name, frame->source, ret);
	if (!err && !ch_table_put(&writing->functions, key, (uint32_t)*ret))
		err = &ch_enomem;
	return err;
}

/* How many frames from the first on are one location. */
static size_t count_inlined(const struct ch_frame *frames, size_t count)
{
	size_t n = 1;

	while (n < count && frames[n - 1].basis == CH_FRAME_INLINED)
		n++;
	return n;
}

static struct ch_error *write_location(struct writing *writing, const struct ch_frame *frames,
				       size_t count, uint64_t id)
{
	struct ch_proto *proto = &writing->proto;
	uint64_t functions[INLINED_MAX], mapping;
	struct ch_error *err = NULL;
	size_t i;

	/* functions go before the location, for there is one message at a time */
	count = ch_min(count, INLINED_MAX);
	for (i = 0; !err && i < count; i++)
		err = function_of(writing, &frames[i], &functions[i]);
	if (err)
		return err;
	mapping = chp_proto_mapping_of(writing->of->modules, writing->of->modules_count,
				       frames[0].symbol.module);
	chp_proto_number(&proto->message, LOCATION_ID, id);
	if (mapping)
		chp_proto_number(&proto->message, LOCATION_MAPPING, mapping);
	/* the call, not what is behind it */
	chp_proto_number(&proto->message, LOCATION_ADDRESS, frames[0].pc - 1);
	for (i = 0; i < count; i++) {
		chp_proto_number(&proto->inner, LINE_FUNCTION, functions[i]);
		chp_proto_number(&proto->inner, LINE_NUMBER, frames[i].line);
		chp_proto_inner(proto, LOCATION_LINE);
	}
	return chp_proto_write(proto, PROFILE_LOCATION);
}

static struct ch_error *write_locations(struct writing *writing, const struct ch_sites_row *row)
{
	struct ch_error *err = NULL;
	uint64_t hash;
	size_t i, n;

	for (i = 0; !err && i < row->frames_count; i += n) {
		n = count_inlined(row->frames + i, row->frames_count - i);
		hash = chp_sites_hash(row->frames + i, n);
		if (ch_table_find(&writing->locations, hash) != CH_TABLE_NONE)
			continue;
		err = write_location(writing, row->frames + i, n, ++writing->locations_count);
		if (!err &&
		    !ch_table_put(&writing->locations, hash, (uint32_t)writing->locations_count))
			err = &ch_enomem;
	}
	return err;
}

/* ---- Samples ----------------------------------------------------------------------------- */

static struct ch_error *end_sample(struct writing *writing, const struct ch_site_values *values,
				   uint64_t size_bytes)
{
	struct ch_proto *proto = &writing->proto;

	chp_proto_inner(proto, SAMPLE_LOCATIONS);
	chp_proto_varint(&proto->inner, values->allocs_count);
	chp_proto_varint(&proto->inner, values->allocs_bytes);
	chp_proto_varint(&proto->inner, values->used_count);
	chp_proto_varint(&proto->inner, values->used_bytes);
	chp_proto_inner(proto, SAMPLE_VALUES);
	if (size_bytes) {
		chp_proto_number(&proto->inner, LABEL_KEY, writing->label_string);
		chp_proto_number(&proto->inner, LABEL_NUMBER, size_bytes);
		chp_proto_inner(proto, SAMPLE_LABEL);
	}
	return chp_proto_write(proto, PROFILE_SAMPLE);
}

static struct ch_error *write_sample(struct writing *writing, const struct ch_sites_sample *sample)
{
	const struct ch_sites_row *row =
		CH_VEC_AT(&writing->of->rows, struct ch_sites_row, sample->row);
	size_t i, n;

	for (i = 0; i < row->frames_count; i += n) {
		n = count_inlined(row->frames + i, row->frames_count - i);
		chp_proto_varint(
			&writing->proto.inner,
			ch_table_find(&writing->locations, chp_sites_hash(row->frames + i, n)));
	}
	return end_sample(writing, &sample->values, sample->size_bytes);
}

/* What --limit leaves out is one sample. */
static struct ch_error *write_rest(struct writing *writing, const struct ch_site_values *rest)
{
	const struct ch_frame frame = { .pc = 1, .symbol = { .name = "other sites" } };
	struct ch_error *err = write_location(writing, &frame, 1, ++writing->locations_count);

	if (err)
		return err;
	chp_proto_varint(&writing->proto.inner, writing->locations_count);
	return end_sample(writing, rest, 0);
}

static struct ch_error *write_samples(struct writing *writing, uint64_t shown)
{
	const struct ch_sites *of = writing->of;
	const struct ch_sites_sample *sample;
	struct ch_site_values rest = { 0 };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < shown; i++)
		err = write_locations(writing, CH_VEC_AT(&of->rows, struct ch_sites_row, i));
	for (i = 0; !err && i < of->samples.count; i++) {
		sample = CH_VEC_AT(&of->samples, struct ch_sites_sample, i);
		if (sample->row < shown)
			err = write_sample(writing, sample);
		else
			chp_site_values_add(&rest, &sample->values);
	}
	if (!err && shown < of->rows.count)
		err = write_rest(writing, &rest);
	return err;
}

static struct ch_error *write_head(struct writing *writing)
{
	static const char *const names[][2] = { { "alloc_objects", "count" },
						{ "alloc_space", "bytes" },
						{ "inuse_objects", "count" },
						{ "inuse_space", "bytes" } };
	struct ch_proto *proto = &writing->proto;
	uint64_t name = 0, period = 0;
	struct ch_error *err;
	size_t i;

	/* the table begins with an empty one */
	err = chp_proto_string(proto, "", &name);
	if (!err)
		err = chp_proto_value_type(proto, PROFILE_PERIOD_TYPE, "space", "bytes", &period);
	if (!err)
		err = chp_proto_write_number(proto, PROFILE_PERIOD,
					     writing->of->sampling.rate_bytes);
	for (i = 0; !err && i < CH_COUNT_OF(names); i++)
		err = chp_proto_value_type(proto, PROFILE_SAMPLE_TYPE, names[i][0], names[i][1],
					   &name);
	if (!err)
		err = chp_proto_write_number(proto, PROFILE_DEFAULT_SAMPLE_TYPE, name);
	if (!err)
		err = chp_proto_string(proto, "bytes", &writing->label_string);
	return err ? err
		   : chp_proto_mappings(proto, writing->of->modules, writing->of->modules_count);
}

struct ch_error *chp_report_sites_pprof(const struct ch_report *report,
					const struct ch_sites *sites)
{
	struct writing writing = { .of = sites,
				   .proto = { .gzip = chp_gzip_create(report->out),
					      .message = CH_MESSAGE,
					      .inner = CH_MESSAGE } };
	struct ch_error *err = writing.proto.gzip ? write_head(&writing) : &ch_enomem;

	if (!err)
		err = write_samples(&writing, chp_report_rows(report, sites->rows.count));
	if (!err)
		err = chp_gzip_end(writing.proto.gzip);
	chp_gzip_destroy(writing.proto.gzip);
	ch_vec_deinit(&writing.proto.message.bytes);
	ch_vec_deinit(&writing.proto.inner.bytes);
	ch_table_deinit(&writing.functions);
	ch_table_deinit(&writing.locations);
	return err;
}
