/*
 * Fields of classes by name. Up to 20 InstanceKlass::_fields is an array of six numbers
 * of 16 bits a field (oops/fieldInfo.hpp, jdk-17); from 21 on _fieldinfo_stream is a
 * stream of compressed numbers (oops/fieldInfo.inline.hpp, utilities/unsigned5.hpp, jdk-21).
 */
#include <stdio.h>
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

/* A class file counts its fields in 16 bits (JVMS 4.1). Classes that others derive from: a chain
 * that is longer is damaged. */
#define FIELDS_MAX   65536
#define SUPERS_MAX   256
#define NAMELESS_MAX 16
#define ACC_STATIC   8

/* FieldInfo::FieldFlags: what further numbers a field has. */
#define FIELD_INITIALIZED (1U << 0)
#define FIELD_GENERIC     (1U << 2)
#define FIELD_CONTENDED   (1U << 4)

/* What a class's fields are read with. */
struct reading {
	const struct hs *hs;
	uint64_t pool;
	hs_field_fn fn;
	void *arg;
	char name[256], signature[512];
	/* Fields without a name. */
	uint32_t nameless;
};

bool hs_pool_text(const struct hs *hs, uint64_t pool, uint32_t index, char *buf, size_t max)
{
	uint64_t symbol;

	return hs_read_ptr(hs, pool + hs->numbers[HS_SIZE_POOL].value + 8ULL * index, &symbol) &&
	       hs_symbol_text(hs, symbol & ~3ULL, buf, max);
}

static bool tell(struct reading *reading, uint32_t name, uint32_t signature, uint32_t offset,
		 bool is_static)
{
	const struct hs_field field = { .name = reading->name,
					.signature = reading->signature,
					.offset = offset,
					.is_static = is_static };

	if (!hs_pool_text(reading->hs, reading->pool, name, reading->name, sizeof(reading->name)) ||
	    !hs_pool_text(reading->hs, reading->pool, signature, reading->signature,
			  sizeof(reading->signature)))
		/* these are no fields */
		return ++reading->nameless < NAMELESS_MAX;
	return reading->fn(reading->arg, &field);
}

/* Six numbers a field: flags, name, signature, initial value, offset low, offset high. */
static void read_array(struct reading *reading, uint64_t klass, uint64_t array)
{
	const struct hs *hs = reading->hs;
	uint32_t length, count, i, k, word;
	uint16_t numbers[6];

	if (!hs_read_u32(hs, array, &length) || length > FIELDS_MAX * 6)
		return;
	if (!hs_member_u32(hs, HS_KLASS_FIELDS_COUNT, klass, &count))
		count = length / 6;
	count = (uint32_t)ch_min(count & 0xffff, length / 6);
	for (i = 0; i < count; i++) {
		for (k = 0; k < 6; k += 2) {
			if (!hs_read_u32(hs, array + 4 + 2ULL * (6 * i + k), &word))
				return;
			numbers[k] = (uint16_t)word;
			numbers[k + 1] = (uint16_t)(word >> 16);
		}
		if (!tell(reading, numbers[1], numbers[2],
			  ((uint32_t)numbers[5] << 16 | numbers[4]) >> 2, numbers[0] & ACC_STATIC))
			return;
	}
}

/* A compressed number: bytes of 1 to 255, of which those below 192 end it. */
static bool next_number(const struct hs *hs, uint64_t *at, uint64_t end, uint32_t *ret)
{
	uint32_t sum = 0, word, shift, i, byte;

	for (i = 0, shift = 0; i < 5; i++, shift += 6) {
		if (*at >= end || !hs_read_u32(hs, *at & ~3ULL, &word))
			return false;
		byte = word >> 8 * (*at & 3) & 0xff;
		++*at;
		if (!byte)
			return false;
		sum += (byte - 1) << shift;
		if (byte < 192 || i == 4)
			break;
	}
	*ret = sum;
	return true;
}

static void read_stream(struct reading *reading, uint64_t array)
{
	const struct hs *hs = reading->hs;
	uint32_t length, count, injected, i, k, extra, numbers[5];
	uint64_t at = array + 4, end;

	if (!hs_read_u32(hs, array, &length) || length > FIELDS_MAX * 32)
		return;
	end = at + length;
	if (!next_number(hs, &at, end, &count) || !next_number(hs, &at, end, &injected))
		return;
	for (i = 0; i < count && i < FIELDS_MAX; i++) {
		/* name, signature, offset, access flags, field flags */
		for (k = 0; k < 5; k++)
			if (!next_number(hs, &at, end, &numbers[k]))
				return;
		for (k = 0; k < 3; k++) {
			static const uint32_t with[] = { FIELD_INITIALIZED, FIELD_GENERIC,
							 FIELD_CONTENDED };

			if ((numbers[4] & with[k]) && !next_number(hs, &at, end, &extra))
				return;
		}
		if (!tell(reading, numbers[0], numbers[1], numbers[2], numbers[3] & ACC_STATIC))
			return;
	}
}

void hs_fields_visit(const struct hs *hs, uint64_t klass, hs_field_fn fn, void *arg)
{
	struct reading reading = { .hs = hs, .fn = fn, .arg = arg };
	struct hs_shape shape;
	uint64_t array;

	if (!hs->numbers[HS_SIZE_POOL].found || !hs_shape_read(hs, klass, &shape) ||
	    shape.layout < 0 || !hs_member_ptr(hs, HS_KLASS_CONSTANTS, klass, &reading.pool))
		return;
	if (hs_member_ptr(hs, HS_KLASS_FIELD_STREAM, klass, &array))
		read_stream(&reading, array);
	else if (hs_member_ptr(hs, HS_KLASS_FIELDS, klass, &array))
		read_array(&reading, klass, array);
}

/* ---- By name --------------------------------------------------------------------- */

struct searching {
	const char *name;
	bool is_static;
	uint32_t offset;
};

static bool match_field(void *arg, const struct hs_field *field)
{
	struct searching *searching = arg;

	if (field->is_static != searching->is_static || strcmp(field->name, searching->name) != 0)
		return true;
	searching->offset = field->offset;
	return false;
}

uint32_t hs_field_offset(const struct hs *hs, uint64_t klass, const char *name, bool is_static)
{
	struct searching searching = { .name = name, .is_static = is_static };
	uint32_t i;

	for (i = 0; i < SUPERS_MAX && klass && !searching.offset; i++) {
		hs_fields_visit(hs, klass, match_field, &searching);
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			break;
	}
	return searching.offset;
}

/* ---- What lies where ------------------------------------------------------------- */

struct looking {
	uint32_t offset;
	bool is_static, found;
	char *buf;
	size_t max;
};

static bool take_field(void *arg, const struct hs_field *field)
{
	struct looking *looking = arg;

	if (field->offset != looking->offset || field->is_static != looking->is_static)
		return true;
	snprintf(looking->buf, looking->max, ".%s", field->name);
	looking->found = true;
	return false;
}

uint64_t hs_class_of_mirror(const struct hs *hs, uint64_t addr)
{
	uint32_t offset;
	uint64_t klass;

	return hs_member_u32(hs, HS_CLASS_KLASS, 0, &offset) &&
			       hs_read_ptr(hs, addr + offset, &klass)
		       ? klass
		       : 0;
}

bool hs_place_text(struct hs *hs, uint64_t addr, uint64_t klass, uint64_t offset, char *buf,
		   size_t max)
{
	struct looking looking = { .offset = (uint32_t)offset, .buf = buf, .max = max };
	struct hs_shape shape;
	uint32_t header, i;

	if (offset > UINT32_MAX || !hs_shape_read(hs, klass, &shape))
		return false;
	if (shape.layout < 0) {
		header = (uint32_t)shape.layout >> 16 & 0xff;
		if (offset < header)
			return false;
		snprintf(buf, max, "[%llu]",
			 (unsigned long long)(offset - header) >>
				 ((uint32_t)shape.layout & 0x3f) % 4);
		return true;
	}
	if (shape.mirror && offset >= hs->statics_offset) {
		looking.is_static = true;
		hs_fields_visit(hs, hs_class_of_mirror(hs, addr), take_field, &looking);
		return looking.found;
	}
	header = (uint32_t)shape.layout & ~7U;
	if (shape.chunk && offset >= header) {
		snprintf(buf, max, ".stack[%llu] (word of a frame)",
			 (unsigned long long)(offset - header) / 8);
		return true;
	}
	for (i = 0; i < SUPERS_MAX && klass && !looking.found; i++) {
		hs_fields_visit(hs, klass, take_field, &looking);
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			break;
	}
	return looking.found;
}
