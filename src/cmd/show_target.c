/*
 * Where words lead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/show_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

struct ch_error *chp_show_type_name(struct ch_show *show, const struct ch_object *object,
				    char **ret)
{
	const struct ch_heap *heaps;
	const struct ch_span *spans;
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	spans = ch_heaps_spans(show->heaps, &count);
	heaps = ch_heaps_list(show->heaps, &count);
	err = ch_heaps_type(show->heaps, heaps[spans[object->span].heap].walker,
			    ch_object_type_id(object), &type);
	if (err)
		return err;
	*ret = strdup(type.name);
	return *ret ? NULL : &ch_enomem;
}

/* Elements of an array, characters of a string. */
static void count_of(struct ch_show *show, const struct ch_object *object, struct ch_target *ret)
{
	struct ch_inspected inspected;
	struct ch_object_shape shape;

	if (!object->type || !chp_heaps_span_inspector(show->heaps, object->span, &inspected))
		return;
	inspected.inspector->shape(inspected.state, object->addr, object->type, &shape);
	if (shape.kind == CH_SHAPE_ARRAY || shape.kind == CH_SHAPE_STRING)
		ret->counted = shape.kind == CH_SHAPE_ARRAY ? "elements" : "characters";
	ret->count = shape.count;
}

static struct ch_error *lead_to_object(struct ch_show *show, const struct ch_object *object,
				       struct ch_target *ret)
{
	ret->kind = CH_TARGET_OBJECT;
	ret->into = ret->addr - object->addr;
	count_of(show, object, ret);
	return chp_show_type_name(show, object, &ret->name);
}

/* "symbol", or the module's name where there is none. */
static struct ch_error *lead_to_module(struct ch_show *show, const struct ch_module *module,
				       struct ch_target *ret)
{
	struct ch_symbol symbol;
	bool known = ch_sym_at(show->sym, ret->addr, &symbol);
	int len;

	ret->kind = CH_TARGET_MODULE;
	ret->into = known ? symbol.offset : ret->addr - module->start;
	len = known ? asprintf(&ret->name, "%s!%s", module->name, symbol.name)
		    : asprintf(&ret->name, "%s", module->name);
	if (len >= 0)
		return NULL;
	ret->name = NULL;
	return &ch_enomem;
}

static bool lead_to_stack(struct ch_show *show, struct ch_target *ret)
{
	const struct ch_thread *threads;
	uint64_t start, end;
	size_t count, i;

	threads = ch_core_threads(show->core, &count);
	for (i = 0; i < count; i++) {
		if (!ch_map_thread_stack(show->map, i, &start, &end) || ret->addr < start ||
		    ret->addr >= end)
			continue;
		ret->kind = CH_TARGET_STACK;
		ret->tid = threads[i].tid;
		return true;
	}
	return false;
}

struct ch_error *chp_show_target(struct ch_show *show, uint64_t value, struct ch_target *ret)
{
	const struct ch_region *region;
	const struct ch_module *module;
	struct ch_object object;

	*ret = (struct ch_target){ .addr = value };
	region = value >= CH_PAGE_BYTES ? ch_map_region_at(show->map, value) : NULL;
	if (!region || region->state == CH_STATE_FREE)
		return NULL;
	if (ch_heaps_object_at(show->heaps, value, &object) && value >= object.addr &&
	    object.state != CH_OBJECT_OVERHEAD)
		return lead_to_object(show, &object, ret);
	module = ch_sym_module_at(show->sym, value);
	if (module)
		return lead_to_module(show, module, ret);
	if (lead_to_stack(show, ret))
		return NULL;
	ret->kind = CH_TARGET_MEMORY;
	ret->name = strdup(ch_usage_name(region->usage));
	return ret->name ? NULL : &ch_enomem;
}

struct ch_error *chp_show_reference(struct ch_show *show, uint64_t value, struct ch_target *ret)
{
	struct ch_object object;

	*ret = (struct ch_target){ .addr = value, .kind = value ? CH_TARGET_BAD : CH_TARGET_NULL };
	if (value && ch_heaps_object_at(show->heaps, value, &object) && value == object.addr &&
	    object.state != CH_OBJECT_OVERHEAD)
		return lead_to_object(show, &object, ret);
	return NULL;
}

/* One character of UTF-16 at index, as many units as it has in *units_ret. */
static uint32_t read_char(const uint8_t *bytes, uint64_t count, uint64_t index, uint64_t *units_ret)
{
	uint32_t unit = ch_get16(bytes + 2 * index), next;

	*units_ret = 1;
	if (unit < 0xd800 || unit > 0xdfff)
		return unit;
	next = index + 1 < count ? ch_get16(bytes + 2 * index + 2) : 0;
	if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff)
		return 0xfffd;
	*units_ret = 2;
	return 0x10000 + ((unit - 0xd800) << 10 | (next - 0xdc00));
}

static size_t put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

char *chp_show_text(const struct ch_core *core, const struct ch_object_shape *shape, uint64_t max)
{
	uint64_t count = ch_min(shape->count, max), i, units;
	_cleanup_free_ uint8_t *bytes = malloc(2 * count + 1);
	char *text = malloc(4 * count + 1);
	uint32_t code;
	size_t len = 0;

	if (!bytes || !text) {
		free(text);
		return NULL;
	}
	if (shape->element_bytes != 2 ||
	    !ch_core_try_read(core, shape->data_addr, bytes, 2 * count))
		count = 0;
	for (i = 0; i < count; i += units) {
		code = read_char(bytes, count, i, &units);
		/* A text of C ends at a zero. */
		len += put_utf8(text + len, code ? code : 0x2400);
	}
	text[len] = '\0';
	return text;
}
