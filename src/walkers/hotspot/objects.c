/*
 * Java objects as what the class library and other libraries keep is read: by names of fields.
 */
#include "walkers/hotspot/objects.h"

#include "walkers/hotspot/hotspot_priv.h"

uint64_t hs_object_field(const struct hs *hs, uint64_t object, const char *name)
{
	uint32_t offset = object ? hs_field_offset(hs, hs_klass_at(hs, object), name, false) : 0;

	return offset ? object + offset : 0;
}

uint64_t hs_object_ref(const struct hs *hs, uint64_t object, const char *name)
{
	uint64_t at = hs_object_field(hs, object, name), value;

	return at && hs_read_oop(hs, at, &value) ? value : 0;
}

bool hs_object_int(const struct hs *hs, uint64_t object, const char *name, uint32_t *ret)
{
	uint64_t at = hs_object_field(hs, object, name);

	return at && hs_read_u32(hs, at, ret);
}

bool hs_object_long(const struct hs *hs, uint64_t object, const char *name, uint64_t *ret)
{
	uint64_t at = hs_object_field(hs, object, name);

	return at && hs_read_ptr(hs, at, ret);
}

bool hs_array_open(const struct hs *hs, uint64_t array, uint32_t width, struct hs_array *ret)
{
	struct hs_shape shape;
	uint32_t header;

	if (!array || !hs_shape_read(hs, hs_klass_at(hs, array), &shape) || shape.layout >= 0 ||
	    (1U << ((uint32_t)shape.layout & 3)) != width ||
	    !hs_read_u32(hs, array + hs->length_offset, &ret->count))
		return false;
	header = (uint32_t)shape.layout >> 16 & 0xff;
	ret->at = array + header;
	ret->width = width;
	ret->bytes = ch_align_up(header + (uint64_t)width * ret->count, hs->align);
	return true;
}

bool hs_array_open_refs(const struct hs *hs, uint64_t array, struct hs_array *ret)
{
	return hs_array_open(hs, array, hs->narrow_oop ? 4 : 8, ret);
}

uint64_t hs_array_at(const struct hs_array *array, uint32_t index)
{
	return index < array->count ? array->at + (uint64_t)array->width * index : 0;
}

uint64_t hs_array_ref(const struct hs *hs, const struct hs_array *array, uint32_t index)
{
	uint64_t at = hs_array_at(array, index), value;

	return at && hs_read_oop(hs, at, &value) ? value : 0;
}

uint64_t hs_static_addr(const struct hs *hs, const struct hs_class *class, const char *name)
{
	uint32_t offset = class ? hs_field_offset(hs, class->klass, name, true) : 0;

	return offset && class->mirror ? class->mirror + offset : 0;
}

bool hs_static_counter(const struct hs *hs, const struct hs_class *class, const char *name,
		       uint64_t *ret)
{
	uint64_t at = hs_static_addr(hs, class, name), counter;

	return at && hs_read_oop(hs, at, &counter) && hs_object_long(hs, counter, "value", ret);
}

bool hs_static_long(const struct hs *hs, const struct hs_class *class, const char *name,
		    uint64_t *ret)
{
	uint64_t at = hs_static_addr(hs, class, name);

	return at && hs_read_ptr(hs, at, ret);
}
