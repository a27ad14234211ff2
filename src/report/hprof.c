/*
 * A heap dump of Java, "JAVA PROFILE 1.0.2": the format of hprof's manual, as HotSpot's own
 * services/heapDumper.cpp writes it (jdk-17+35). Numbers are big-endian; ids are addresses of
 * objects, and numbers of strings. What would show contents of memory is zero without --reveal:
 * numbers, characters; references are not.
 */
#include "report/export.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Records of the heap are put together to segments of about this size. */
#define SEGMENT_BYTES (1U << 20)
#define CHUNK_BYTES   4096U
#define ID_BYTES      8U
/* The stack trace of objects: none was recorded. */
#define NO_TRACE 1U
/* A root of a stack: it is not known of which frame. */
#define NO_FRAME UINT32_MAX

enum {
	TAG_STRING = 0x01,
	TAG_LOAD_CLASS = 0x02,
	TAG_FRAME = 0x04,
	TAG_TRACE = 0x05,
	TAG_SEGMENT = 0x1c,
	TAG_END = 0x2c,
};

/* Records of a segment. */
enum {
	ROOT_UNKNOWN = 0xff,
	ROOT_JNI_GLOBAL = 0x01,
	ROOT_JAVA_FRAME = 0x03,
	ROOT_STICKY_CLASS = 0x05,
	ROOT_THREAD = 0x08,
	CLASS_DUMP = 0x20,
	INSTANCE_DUMP = 0x21,
	OBJECTS_DUMP = 0x22,
	VALUES_DUMP = 0x23,
};

struct dump {
	const struct ch_report *report;
	const struct ch_hprof *of;
	const struct ch_core *core;
	/* of uint8_t: records of the segment under way */
	struct ch_vec segment;
	/* The record under way is a segment of its own, and goes out as it comes. */
	bool direct;
	bool failed;
	/* Strings so far: id 0 is none. */
	uint64_t strings_count;
};

/* ---- Bytes ------------------------------------------------------------------- */

static void put(struct dump *dump, const void *bytes, size_t len)
{
	size_t at = dump->segment.count;

	if (dump->direct) {
		fwrite(bytes, 1, len, dump->report->out);
		return;
	}
	if (!ch_vec_reserve(&dump->segment, at + len)) {
		dump->failed = true;
		return;
	}
	memcpy(CH_VEC_AT(&dump->segment, uint8_t, at), bytes, len);
	dump->segment.count += len;
}

static void put_u8(struct dump *dump, uint8_t number)
{
	put(dump, &number, 1);
}

static void put_u16(struct dump *dump, uint16_t number)
{
	number = htobe16(number);
	put(dump, &number, 2);
}

static void put_u32(struct dump *dump, uint32_t number)
{
	number = htobe32(number);
	put(dump, &number, 4);
}

static void put_id(struct dump *dump, uint64_t id)
{
	id = htobe64(id);
	put(dump, &id, 8);
}

static void put_zeros(struct dump *dump, uint64_t len)
{
	static const uint8_t zeros[CHUNK_BYTES];
	size_t n;

	for (; len; len -= n) {
		n = ch_min(len, CHUNK_BYTES);
		put(dump, zeros, n);
	}
}

/* What precedes the body of a record: its tag, no time, its length. */
static void begin_record(struct dump *dump, uint8_t tag, uint32_t len)
{
	dump->direct = true;
	put_u8(dump, tag);
	put_u32(dump, 0);
	put_u32(dump, len);
}

static void flush_segment(struct dump *dump)
{
	if (!dump->segment.count)
		return;
	begin_record(dump, TAG_SEGMENT, (uint32_t)dump->segment.count);
	put(dump, dump->segment.items, dump->segment.count);
	dump->segment.count = 0;
}

/* A record of len bytes, its tag included, begins in a segment. */
static void begin_in_segment(struct dump *dump, uint8_t tag, uint64_t len)
{
	if (dump->segment.count + len > SEGMENT_BYTES)
		flush_segment(dump);
	if (len > SEGMENT_BYTES)
		begin_record(dump, TAG_SEGMENT, (uint32_t)len);
	dump->direct = len > SEGMENT_BYTES;
	put_u8(dump, tag);
}

/* ---- Names and stacks ---------------------------------------------------------- */

static uint64_t write_string(struct dump *dump, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	begin_record(dump, TAG_STRING, ID_BYTES + len);
	put_id(dump, ++dump->strings_count);
	put(dump, text, len);
	return dump->strings_count;
}

/* Names come first: the id of a text is its number + 1. */
static void write_names(struct dump *dump)
{
	size_t i;

	for (i = 0; i < dump->of->names.list.count; i++)
		write_string(dump, ch_texts_at(&dump->of->names, (uint32_t)i));
}

static void write_loads(struct dump *dump)
{
	const struct ch_hprof_class *classes = dump->of->classes.items;
	uint32_t i;

	for (i = 0; i < dump->of->classes.count; i++) {
		if (!classes[i].object)
			continue;
		begin_record(dump, TAG_LOAD_CLASS, 4 + ID_BYTES + 4 + ID_BYTES);
		put_u32(dump, i + 1);
		put_id(dump, classes[i].object);
		put_u32(dump, NO_TRACE);
		put_id(dump, classes[i].name + 1ULL);
	}
}

/* The serial number of a class by its name as it is shown; 0: there is none. */
static uint32_t serial_of(const struct dump *dump, const char *name, size_t len)
{
	const struct ch_hprof_class *classes = dump->of->classes.items;
	const char *own;
	uint32_t i;
	size_t at;

	for (i = 0; i < dump->of->classes.count; i++) {
		own = ch_texts_at(&dump->of->names, classes[i].name);
		for (at = 0; at < len && own[at] == (name[at] == '.' ? '/' : name[at]); at++)
			;
		if (at == len && !own[len])
			return i + 1;
	}
	return 0;
}

/* A method of Java: "shop.Cart.add". */
static void write_frame(struct dump *dump, const struct ch_frame *frame, uint64_t id)
{
	const char *name = frame->symbol.name, *dot = strrchr(name, '.');
	_cleanup_free_ char *safe = chp_text_escape(dot + 1, CHUNK_BYTES);
	_cleanup_free_ char *file =
		chp_text_escape(frame->source ? frame->source : "", CHUNK_BYTES);
	uint64_t method, source;

	if (!safe || !file) {
		dump->failed = true;
		return;
	}
	method = write_string(dump, safe);
	source = *file ? write_string(dump, file) : 0;
	begin_record(dump, TAG_FRAME, 4 * ID_BYTES + 8);
	put_id(dump, id);
	put_id(dump, method);
	/* its signature is not known */
	put_id(dump, 0);
	put_id(dump, source);
	put_u32(dump, serial_of(dump, name, (size_t)(dot - name)));
	put_u32(dump, frame->line ? frame->line : UINT32_MAX);
}

/* The runtime's own code has a name without a class. */
static bool is_method(const struct ch_frame *frame)
{
	return frame->code && frame->symbol.name && strchr(frame->symbol.name, '.');
}

/* The frames of Java among those of a thread; ids go on from id. */
static void write_trace(struct dump *dump, const struct ch_thread_row *row, uint32_t thread,
			uint64_t *id)
{
	uint64_t first = *id + 1;
	size_t i;

	for (i = 0; i < row->frames_count; i++)
		if (is_method(&row->frames[i]))
			write_frame(dump, &row->frames[i], ++*id);
	begin_record(dump, TAG_TRACE, (uint32_t)(12 + (*id + 1 - first) * ID_BYTES));
	put_u32(dump, NO_TRACE + 1 + thread);
	put_u32(dump, thread + 1);
	put_u32(dump, (uint32_t)(*id + 1 - first));
	for (; first <= *id; first++)
		put_id(dump, first);
}

static bool is_java(const struct ch_thread_row *row)
{
	return row->info && row->info->object;
}

static void write_traces(struct dump *dump)
{
	const struct ch_threads *threads = &dump->of->threads.threads;
	uint64_t id = 0;
	uint32_t i;

	begin_record(dump, TAG_TRACE, 12);
	put_u32(dump, NO_TRACE);
	put_u32(dump, 0);
	put_u32(dump, 0);
	for (i = 0; i < threads->rows_count; i++)
		if (is_java(&threads->rows[i]))
			write_trace(dump, &threads->rows[i], i, &id);
}

/* ---- Values ------------------------------------------------------------------ */

/* The number that the format gives a type of the language, and how many bytes it has there. */
static uint8_t type_of(char code, uint32_t *bytes_ret)
{
	static const struct {
		char code;
		uint8_t type;
		uint32_t bytes;
	} rows[] = { { 'Z', 4, 1 }, { 'C', 5, 2 }, { 'F', 6, 4 },  { 'D', 7, 8 },
		     { 'B', 8, 1 }, { 'S', 9, 2 }, { 'I', 10, 4 }, { 'J', 11, 8 } };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++) {
		if (rows[i].code != code)
			continue;
		*bytes_ret = rows[i].bytes;
		return rows[i].type;
	}
	*bytes_ret = ID_BYTES;
	return 2;
}

/* Numbers in memory, bytes each, turned round; zeros where they are not to be shown. */
static void put_numbers(struct dump *dump, uint64_t addr, uint64_t count, uint32_t bytes)
{
	uint8_t chunk[CHUNK_BYTES], swap;
	uint64_t n, i, k;

	if (!dump->report->reveal) {
		put_zeros(dump, count * bytes);
		return;
	}
	for (; count; count -= n, addr += n * bytes) {
		n = ch_min(count, CHUNK_BYTES / bytes);
		if (!ch_core_try_read(dump->core, addr, chunk, n * bytes))
			memset(chunk, 0, sizeof(chunk));
		for (i = 0; bytes > 1 && i < n; i++)
			for (k = 0; k < bytes / 2; k++) {
				swap = chunk[i * bytes + k];
				chunk[i * bytes + k] = chunk[i * bytes + bytes - 1 - k];
				chunk[i * bytes + bytes - 1 - k] = swap;
			}
		put(dump, chunk, n * bytes);
	}
}

static void put_value(struct dump *dump, const struct ch_hprof_field *field, uint64_t base)
{
	uint32_t bytes;

	if (type_of(field->code, &bytes) == 2)
		put_id(dump, chp_hprof_reference(dump->of, base + field->offset, field->bytes));
	else
		put_numbers(dump, base + field->offset, 1, bytes);
}

/* The fields that a class declares, static ones or those of instances: how many there are, and
 * bytes of their values. */
static uint16_t count_fields(const struct dump *dump, const struct ch_hprof_class *class,
			     bool statics, uint32_t *bytes_ret)
{
	const struct ch_hprof_field *fields =
		CH_VEC_AT(&dump->of->fields, struct ch_hprof_field, class->fields_from);
	uint32_t count = 0, bytes;
	size_t i;

	*bytes_ret = 0;
	for (i = 0; i < class->fields_count; i++) {
		if (fields[i].is_static != statics)
			continue;
		type_of(fields[i].code, &bytes);
		*bytes_ret += bytes;
		count++;
	}
	return (uint16_t)count;
}

static uint32_t instance_bytes(const struct dump *dump, const struct ch_hprof_class *class)
{
	uint32_t sum = 0, bytes;

	for (; class; class = class->super) {
		count_fields(dump, class, false, &bytes);
		sum += bytes;
	}
	return sum;
}

/* ---- Records of the heap ------------------------------------------------------- */

static void put_fields(struct dump *dump, const struct ch_hprof_class *class, bool statics)
{
	const struct ch_hprof_field *fields =
		CH_VEC_AT(&dump->of->fields, struct ch_hprof_field, class->fields_from);
	uint32_t bytes;
	size_t i;

	for (i = 0; i < class->fields_count; i++) {
		if (fields[i].is_static != statics)
			continue;
		put_id(dump, fields[i].name + 1ULL);
		put_u8(dump, type_of(fields[i].code, &bytes));
		if (statics)
			put_value(dump, &fields[i], class->object);
	}
}

static void write_class(struct dump *dump, const struct ch_hprof_class *class)
{
	uint32_t static_bytes, bytes;
	uint16_t statics = count_fields(dump, class, true, &static_bytes);
	uint16_t fields = count_fields(dump, class, false, &bytes);

	begin_in_segment(dump, CLASS_DUMP,
			 1 + 7 * ID_BYTES + 4 + 4 + 2 + 2 + statics * (ID_BYTES + 1) +
				 static_bytes + 2 + fields * (ID_BYTES + 1));
	put_id(dump, class->object);
	put_u32(dump, NO_TRACE);
	put_id(dump, class->super ? class->super->object : 0);
	put_id(dump, class->loader);
	/* signers, protection domain, and two that are reserved */
	put_zeros(dump, 4 * ID_BYTES);
	put_u32(dump, class->element ? 0 : instance_bytes(dump, class));
	/* constant pool */
	put_u16(dump, 0);
	put_u16(dump, statics);
	put_fields(dump, class, true);
	put_u16(dump, fields);
	put_fields(dump, class, false);
}

static void write_instance(struct dump *dump, const struct ch_hprof_object *object)
{
	uint32_t bytes = instance_bytes(dump, object->class);
	const struct ch_hprof_class *class;
	const struct ch_hprof_field *fields;
	size_t i;

	begin_in_segment(dump, INSTANCE_DUMP, 1 + 2 * ID_BYTES + 8 + bytes);
	put_id(dump, object->addr);
	put_u32(dump, NO_TRACE);
	put_id(dump, object->class->object);
	put_u32(dump, bytes);
	for (class = object->class; class; class = class->super) {
		fields = CH_VEC_AT(&dump->of->fields, struct ch_hprof_field, class->fields_from);
		for (i = 0; i < class->fields_count; i++)
			if (!fields[i].is_static)
				put_value(dump, &fields[i], object->addr);
	}
}

static void write_array(struct dump *dump, const struct ch_hprof_object *object)
{
	uint32_t bytes;
	uint8_t type = type_of(object->class->element, &bytes);
	/* a segment has less than 4 GiB */
	uint64_t count = ch_min(object->count, (UINT32_MAX - 64) / bytes), i;

	begin_in_segment(dump, type == 2 ? OBJECTS_DUMP : VALUES_DUMP,
			 1 + ID_BYTES + 8 + (type == 2 ? ID_BYTES : 1) + count * bytes);
	put_id(dump, object->addr);
	put_u32(dump, NO_TRACE);
	put_u32(dump, (uint32_t)count);
	if (type != 2) {
		put_u8(dump, type);
		put_numbers(dump, object->data_addr, count, bytes);
		return;
	}
	put_id(dump, object->class->object);
	for (i = 0; i < count; i++)
		put_id(dump,
		       chp_hprof_reference(dump->of, object->data_addr + i * object->element_bytes,
					   object->element_bytes));
}

static struct ch_error *take_object(void *arg, const struct ch_hprof_object *object)
{
	struct dump *dump = arg;

	if (object->class->element)
		write_array(dump, object);
	else
		write_instance(dump, object);
	return dump->failed ? &ch_enomem : NULL;
}

static void write_root(struct dump *dump, const struct ch_hprof_root *root)
{
	switch (root->kind) {
	case CH_HPROF_ROOT_HANDLE:
		begin_in_segment(dump, ROOT_JNI_GLOBAL, 1 + 2 * ID_BYTES);
		put_id(dump, root->object);
		put_id(dump, root->addr);
		break;
	case CH_HPROF_ROOT_STACK:
		begin_in_segment(dump, ROOT_JAVA_FRAME, 1 + ID_BYTES + 8);
		put_id(dump, root->object);
		put_u32(dump, root->thread + 1);
		put_u32(dump, NO_FRAME);
		break;
	case CH_HPROF_ROOT_UNKNOWN:
		begin_in_segment(dump, ROOT_UNKNOWN, 1 + ID_BYTES);
		put_id(dump, root->object);
		break;
	}
}

static void write_roots(struct dump *dump)
{
	const struct ch_threads *threads = &dump->of->threads.threads;
	const struct ch_hprof_class *classes = dump->of->classes.items;
	size_t i;

	for (i = 0; i < threads->rows_count; i++) {
		if (!is_java(&threads->rows[i]))
			continue;
		begin_in_segment(dump, ROOT_THREAD, 1 + ID_BYTES + 8);
		put_id(dump, threads->rows[i].info->object);
		put_u32(dump, (uint32_t)i + 1);
		put_u32(dump, NO_TRACE + 1 + (uint32_t)i);
	}
	for (i = 0; i < dump->of->classes.count; i++) {
		if (!classes[i].object || !classes[i].always)
			continue;
		begin_in_segment(dump, ROOT_STICKY_CLASS, 1 + ID_BYTES);
		put_id(dump, classes[i].object);
	}
	for (i = 0; i < dump->of->roots.count; i++)
		write_root(dump, CH_VEC_AT(&dump->of->roots, struct ch_hprof_root, i));
}

static void write_head(struct dump *dump)
{
	static const char magic[] = "JAVA PROFILE 1.0.2";

	dump->direct = true;
	put(dump, magic, sizeof(magic));
	put_u32(dump, ID_BYTES);
	/* a core does not say when it was written */
	put_id(dump, 0);
}

struct ch_error *ch_report_hprof(const struct ch_report *report, const struct ch_hprof *of)
{
	const struct ch_hprof_class *classes = of->classes.items;
	struct dump dump = { .report = report,
			     .of = of,
			     .core = ch_session_core(report->session),
			     .segment = CH_VEC(uint8_t) };
	struct ch_error *err;
	size_t i;

	write_head(&dump);
	write_names(&dump);
	write_loads(&dump);
	write_traces(&dump);
	for (i = 0; i < of->classes.count; i++)
		if (classes[i].object)
			write_class(&dump, &classes[i]);
	err = chp_hprof_objects(of, take_object, &dump);
	write_roots(&dump);
	flush_segment(&dump);
	begin_record(&dump, TAG_END, 0);
	ch_vec_deinit(&dump.segment);
	return err || !dump.failed ? err : &ch_enomem;
}
