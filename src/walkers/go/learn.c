/*
 * Types of objects: from what the runtime recorded of an object, or of a value in an interface,
 * along typed pointers to all that is reached from there.
 *
 * A pointer types an object if it leads to its first byte and the allocator would have taken an
 * object of that class of sizes for a value of that type, with pointers or without. Of two types
 * that both fit, the larger one is right: the other is that of its first field.
 */
#include <stdlib.h>
#include <string.h>

#include "util/context.h"
#include "util/error.h"
#include "walkers/go/rtypes.h"

/* malloc.go: smaller values without pointers share blocks of so many bytes. */
#define TINY_BYTES 16U
/* chan.go, hchan: its buffer lies behind it. */
#define CHAN_BYTES 96U
/* internal/runtime/maps: Map and table, Go 1.24 to 1.27. */
#define MAP_BYTES   48U
#define TABLE_BYTES 32U
/* Objects between two looks at whether to go on. */
#define CHECK_EVERY 65536U
/* Objects are looked into once, and once more for each better type. */
#define STEPS_EACH 4U
#define STEPS_MIN  (1U << 20)

/* Something to look into, of a type. */
struct work {
	uint64_t addr, bytes;
	uint32_t named;
};

struct learn {
	struct go *go;
	/* of struct work */
	struct ch_vec stack;
	/* Places outside of the heap that were looked into. */
	struct ch_table seen;
	uint64_t steps;
	bool failed;
};

/* What a pointer says of what it leads to. */
struct claim {
	uint64_t addr, what;
	enum go_form form;
	/** Bytes that were asked of the allocator. */
	uint64_t bytes;
	bool pointers;
	/** Whether it has pointers says nothing. */
	bool any_pointers;
	bool recorded;
};

/* ---- Claims ------------------------------------------------------------------------------ */

static uint32_t named_of(struct learn *learn, const struct claim *claim)
{
	struct go *go = learn->go;
	uint64_t what = claim->what << 5 | (uint64_t)claim->form << 1 | claim->recorded;
	uint32_t number = ch_table_find(&go->named_by_what, what);
	struct go_named *slot;

	if (number != CH_TABLE_NONE)
		return number;
	slot = ch_vec_push(&go->named);
	if (!slot || go->named.count >= UINT32_MAX - 1 ||
	    !ch_table_put(&go->named_by_what, what, (uint32_t)go->named.count - 1)) {
		learn->failed = true;
		return 0;
	}
	*slot = (struct go_named){ claim->what, claim->form, claim->bytes, claim->recorded };
	return (uint32_t)go->named.count - 1;
}

static void push(struct learn *learn, uint64_t addr, uint64_t bytes, uint32_t named)
{
	struct work *work = ch_vec_push(&learn->stack);

	if (work)
		*work = (struct work){ addr, bytes, named };
	else
		learn->failed = true;
}

/* Whether the allocator would have taken an object of this span for so many bytes. */
static bool fits(const struct go *go, const struct go_span *span, uint64_t bytes)
{
	uint64_t whole;

	if (span->class < 2)
		return bytes && bytes <= span->elem_bytes &&
		       span->elem_bytes - bytes < GO_PAGE_BYTES;
	if (!ch_add(bytes, go_span_header(go, span), &whole) || whole > span->elem_bytes)
		return false;
	return span->elem_bytes == go_class_bytes(span->class / 2U) &&
	       whole > go_class_bytes(span->class / 2U - 1);
}

/* Whether values of an outer type begin with one of an inner type. */
static bool begins_with(const struct go *go, uint64_t outer, uint64_t inner)
{
	struct go_rtype type;
	struct go_rfield field;
	uint32_t i;

	for (i = 0; i < 32 && go_rtype_read(go, outer, &type); i++) {
		if (type.kind == GO_KIND_ARRAY)
			outer = type.elem;
		else if (type.kind == GO_KIND_STRUCT && go_rtype_field(go, &type, 0, &field))
			outer = field.type;
		else
			return false;
		if (outer == inner)
			return true;
	}
	return false;
}

/* Whether a claim is better than what an object is called already. */
static bool is_better(const struct go *go, const struct go_named *old, const struct claim *claim)
{
	if (old->recorded || claim->form != GO_FORM_ONE || old->form != GO_FORM_ONE)
		return claim->recorded && !old->recorded;
	return claim->recorded || claim->bytes > old->bytes ||
	       (claim->bytes == old->bytes && begins_with(go, claim->what, old->what));
}

/* What lies in the data of a module is there to be looked into once. */
static void claim_outside(struct learn *learn, const struct claim *claim)
{
	const struct go_module *modules = learn->go->code.modules.items;
	uint64_t end = 0;
	size_t i;

	if (claim->form == GO_FORM_STRING || claim->form == GO_FORM_TINY || !claim->pointers)
		return;
	for (i = 0; !end && i < learn->go->code.modules.count; i++)
		if (claim->addr >= modules[i].data.start && claim->addr < modules[i].data.end)
			end = modules[i].data.end;
		else if (claim->addr >= modules[i].bss.start && claim->addr < modules[i].bss.end)
			end = modules[i].bss.end;
	if (!end || ch_table_find(&learn->seen, claim->addr) != CH_TABLE_NONE)
		return;
	if (!ch_table_put(&learn->seen, claim->addr, 0))
		learn->failed = true;
	push(learn, claim->addr, ch_min(claim->bytes, end - claim->addr), named_of(learn, claim));
}

/* Whether what a claim is about leads to anything. Buckets lead to further ones even where the
 * collector sees no pointers in them: map.go, mapextra. */
static bool leads_on(struct learn *learn, const struct go_spot *place, const struct claim *claim)
{
	const struct go_shape *shape;

	if (!(place->span->class & 1) || claim->form == GO_FORM_CHAN)
		return true;
	if (claim->form != GO_FORM_ONE && claim->form != GO_FORM_ARRAY)
		return false;
	shape = go_shape_of(learn->go, claim->what);
	return shape && shape->chained;
}

static void make_claim(struct learn *learn, const struct claim *given)
{
	struct claim claim = *given;
	struct go *go = learn->go;
	struct go_spot place;
	uint32_t *slot, named;

	if (!claim.addr || learn->failed)
		return;
	if (!go_object_at(go, claim.addr, &place)) {
		if (!go_span_of(go, claim.addr))
			claim_outside(learn, &claim);
		return;
	}
	if (place.span->class == 5 && claim.bytes < TINY_BYTES && !claim.pointers) {
		claim.what = 0;
		claim.form = GO_FORM_TINY;
		claim.bytes = 0;
	} else if (place.addr != claim.addr || !fits(go, place.span, claim.bytes) ||
		   (!claim.any_pointers && claim.pointers == (place.span->class & 1))) {
		return;
	}
	slot = &go->types[place.span->first + place.index];
	if (*slot && !is_better(go, CH_VEC_AT(&go->named, struct go_named, *slot - 1), &claim))
		return;
	named = named_of(learn, &claim);
	if (learn->failed || *slot == named + 1)
		return;
	*slot = named + 1;
	if (leads_on(learn, &place, &claim))
		push(learn, place.addr, place.bytes, named);
}

static void claim_value(struct learn *learn, uint64_t addr, uint64_t type)
{
	struct go_rtype read;

	if (addr && go_rtype_read(learn->go, type, &read) && read.size_bytes)
		make_claim(learn, &(struct claim){ .addr = addr,
						   .what = type,
						   .form = GO_FORM_ONE,
						   .bytes = read.size_bytes,
						   .pointers = read.ptr_bytes });
}

static void claim_array(struct learn *learn, uint64_t addr, uint64_t type, uint64_t count)
{
	struct go_rtype read;
	uint64_t bytes;

	if (addr && count && go_rtype_read(learn->go, type, &read) && read.size_bytes &&
	    ch_mul(read.size_bytes, count, &bytes))
		make_claim(learn, &(struct claim){ .addr = addr,
						   .what = type,
						   .form = GO_FORM_ARRAY,
						   .bytes = bytes,
						   .pointers = read.ptr_bytes });
}

static bool word_at(const struct learn *learn, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(learn->go->env.core, addr, ret);
}

/* ---- Maps, channels, closures -------------------------------------------------------------- */

static void claim_map(struct learn *learn, uint64_t addr, uint64_t type)
{
	make_claim(learn, &(struct claim){ .addr = addr,
					   .what = type,
					   .form = GO_FORM_MAP,
					   .bytes = MAP_BYTES,
					   .pointers = true });
}

/* map.go, Go 1.17 to 1.23: hmap; makeBucketArray() says how many buckets there are. */
static void look_into_buckets(struct learn *learn, uint64_t addr, const struct go_rtype *map)
{
	uint64_t buckets, old, count;
	uint8_t head[16];

	if (!ch_core_try_read(learn->go->env.core, addr, head, sizeof(head)) || head[9] > 40 ||
	    !word_at(learn, addr + 16, &buckets) || !word_at(learn, addr + 24, &old))
		return;
	count = 1ULL << head[9];
	claim_array(learn, buckets, map->elem, head[9] >= 4 ? count + (count >> 4) : count);
	/* sameSizeGrow */
	if (!(head[8] & 8))
		count = count > 1 ? count / 2 : 1;
	claim_array(learn, old, map->elem, count >= 16 ? count + (count >> 4) : count);
}

/* internal/runtime/maps/map.go, Go 1.24 to 1.27: Map. */
static void look_into_groups(struct learn *learn, uint64_t addr, const struct go_rtype *map)
{
	uint64_t dir, count;

	if (!word_at(learn, addr + 16, &dir) || !word_at(learn, addr + 24, &count))
		return;
	if (!count) {
		claim_value(learn, dir, map->elem);
		return;
	}
	if (count > UINT32_MAX)
		return;
	make_claim(learn, &(struct claim){ .addr = dir,
					   .what = map->addr,
					   .form = GO_FORM_TABLES,
					   .bytes = 8 * count,
					   .pointers = true });
}

static void look_into_map(struct learn *learn, uint64_t addr, uint64_t type)
{
	struct go_rtype map;

	if (!go_rtype_read(learn->go, type, &map) || map.kind != GO_KIND_MAP)
		return;
	if (go_rtype_has_groups(learn->go, &map))
		look_into_groups(learn, addr, &map);
	else
		look_into_buckets(learn, addr, &map);
}

static void look_into_tables(struct learn *learn, const struct work *work, uint64_t type)
{
	uint64_t i, table;

	for (i = 0; i < work->bytes / 8; i++)
		if (word_at(learn, work->addr + 8 * i, &table))
			make_claim(learn, &(struct claim){ .addr = table,
							   .what = type,
							   .form = GO_FORM_TABLE,
							   .bytes = TABLE_BYTES,
							   .pointers = true });
}

static void look_into_table(struct learn *learn, uint64_t addr, uint64_t type)
{
	uint64_t groups, mask;
	struct go_rtype map;

	if (word_at(learn, addr + 16, &groups) && word_at(learn, addr + 24, &mask) &&
	    mask < UINT32_MAX && go_rtype_read(learn->go, type, &map))
		claim_array(learn, groups, map.elem, mask + 1);
}

/* chan.go: where elements have no pointers, the buffer is part of the same object. */
static void claim_chan(struct learn *learn, uint64_t addr, uint64_t type)
{
	struct go_rtype chan, elem;
	uint64_t count, bytes;

	if (!addr || !go_rtype_read(learn->go, type, &chan) || chan.kind != GO_KIND_CHAN ||
	    !go_rtype_read(learn->go, chan.elem, &elem) || !word_at(learn, addr + 8, &count) ||
	    !ch_mul(count, elem.size_bytes, &bytes) ||
	    !ch_add(elem.ptr_bytes ? 0 : bytes, CHAN_BYTES, &bytes))
		return;
	make_claim(learn, &(struct claim){ .addr = addr,
					   .what = type,
					   .form = GO_FORM_CHAN,
					   .bytes = bytes,
					   .pointers = true,
					   .any_pointers = true });
}

static void look_into_chan(struct learn *learn, uint64_t addr, uint64_t type)
{
	uint64_t count, buffer;
	struct go_rtype chan;

	if (go_rtype_read(learn->go, type, &chan) && word_at(learn, addr + 8, &count) &&
	    word_at(learn, addr + 16, &buffer) && buffer != addr + CHAN_BYTES)
		claim_array(learn, buffer, chan.elem, count);
}

static bool is_code(const struct go *go, uint64_t addr)
{
	const struct go_module *modules = go->code.modules.items;
	size_t i;

	for (i = 0; i < go->code.modules.count; i++)
		if (addr >= modules[i].text.start && addr < modules[i].text.end)
			return true;
	return false;
}

/* What a value of a function leads to begins with its address; what it took along follows. */
static void claim_closure(struct learn *learn, uint64_t addr)
{
	struct go_spot place;
	struct claim claim;
	uint64_t code;

	if (!go_object_at(learn->go, addr, &place) || place.addr != addr ||
	    !word_at(learn, addr, &code) || !is_code(learn->go, code))
		return;
	claim = (struct claim){ .addr = addr,
				.what = code,
				.form = GO_FORM_CLOSURE,
				.bytes = place.bytes,
				.any_pointers = true,
				.pointers = true };
	make_claim(learn, &claim);
}

/* ---- Along pointers -------------------------------------------------------------------------- */

static void follow(struct learn *learn, const struct go_lead *lead, const uint64_t words[3]);

/* The value of an interface, of a type: words[1] itself, or where it is. */
static void follow_value(struct learn *learn, uint64_t type, uint64_t value)
{
	const struct go_shape *shape;
	struct go_lead lead;
	struct go_rtype read;

	if (!value || !go_rtype_read(learn->go, type, &read))
		return;
	if (!go_rtype_direct(learn->go, &read)) {
		claim_value(learn, value, type);
		return;
	}
	shape = go_shape_of(learn->go, type);
	if (!shape || shape->count != 1)
		return;
	lead = *CH_VEC_AT(&learn->go->leads, struct go_lead, shape->first);
	switch (lead.what) {
	case GO_LEAD_POINTER:
		claim_value(learn, value, lead.type);
		return;
	case GO_LEAD_MAP:
		claim_map(learn, value, lead.type);
		return;
	case GO_LEAD_CHAN:
		claim_chan(learn, value, lead.type);
		return;
	case GO_LEAD_FUNC:
		claim_closure(learn, value);
		return;
	default:
		return;
	}
}

static void follow(struct learn *learn, const struct go_lead *lead, const uint64_t words[3])
{
	if (!words[0])
		return;
	switch (lead->what) {
	case GO_LEAD_POINTER:
		claim_value(learn, words[0], lead->type);
		return;
	case GO_LEAD_SLICE:
		claim_array(learn, words[0], lead->type, words[2]);
		return;
	case GO_LEAD_STRING:
		if (words[1])
			make_claim(learn, &(struct claim){ .addr = words[0],
							   .form = GO_FORM_STRING,
							   .bytes = words[1] });
		return;
	case GO_LEAD_EFACE:
		follow_value(learn, words[0], words[1]);
		return;
	case GO_LEAD_IFACE:
		follow_value(learn, go_itab_type(learn->go, words[0]), words[1]);
		return;
	case GO_LEAD_MAP:
		claim_map(learn, words[0], lead->type);
		return;
	case GO_LEAD_CHAN:
		claim_chan(learn, words[0], lead->type);
		return;
	case GO_LEAD_FUNC:
		claim_closure(learn, words[0]);
		return;
	default:
		return;
	}
}

/* Values of a type, one behind the other. */
static void look_into_values(struct learn *learn, const struct work *work, uint64_t type, bool many)
{
	const struct go_shape *found = go_shape_of(learn->go, type);
	struct go_shape shape;
	uint64_t at, i, n, words[3];
	struct go_lead lead;
	size_t j;

	if (!found || !found->size_bytes)
		return;
	shape = *found;
	n = many ? work->bytes / shape.size_bytes : 1;
	for (i = 0, at = work->addr; i < n && !learn->failed; i++, at += shape.size_bytes) {
		for (j = 0; j < shape.count; j++) {
			lead = *CH_VEC_AT(&learn->go->leads, struct go_lead, shape.first + j);
			if (!word_at(learn, at + lead.offset, &words[0]))
				return;
			if (!words[0])
				continue;
			words[1] = words[2] = 0;
			if (lead.what >= GO_LEAD_SLICE && lead.what <= GO_LEAD_IFACE &&
			    (!word_at(learn, at + lead.offset + 8, &words[1]) ||
			     (lead.what == GO_LEAD_SLICE &&
			      !word_at(learn, at + lead.offset + 16, &words[2]))))
				break;
			follow(learn, &lead, words);
		}
		if (shape.chained && word_at(learn, at + shape.size_bytes - 8, &words[0]))
			claim_value(learn, words[0], type);
	}
}

static void look_into(struct learn *learn, const struct work *work)
{
	const struct go_named named = *CH_VEC_AT(&learn->go->named, struct go_named, work->named);

	switch (named.form) {
	case GO_FORM_ONE:
	case GO_FORM_ARRAY:
		look_into_values(learn, work, named.what, named.form == GO_FORM_ARRAY);
		return;
	case GO_FORM_MAP:
		look_into_map(learn, work->addr, named.what);
		return;
	case GO_FORM_TABLES:
		look_into_tables(learn, work, named.what);
		return;
	case GO_FORM_TABLE:
		look_into_table(learn, work->addr, named.what);
		return;
	case GO_FORM_CHAN:
		look_into_chan(learn, work->addr, named.what);
		return;
	default:
		return;
	}
}

static struct ch_error *run(struct learn *learn)
{
	struct ch_error *err;
	struct work work;

	while (learn->stack.count && !learn->failed) {
		/* What a bad core leads round in circles is left as it is. */
		if (learn->steps > STEPS_MIN + STEPS_EACH * learn->go->objects_max)
			learn->stack.count = 1;
		if (learn->steps++ % CHECK_EVERY == 0) {
			err = chp_context_check(learn->go->env.ctx);
			if (err)
				return err;
		}
		work = *CH_VEC_AT(&learn->stack, struct work, --learn->stack.count);
		look_into(learn, &work);
	}
	return learn->failed ? &ch_enomem : NULL;
}

/* ---- Where it begins --------------------------------------------------------------------------
 */

/* An object whose type the runtime recorded: one value, or as many as there is room for. */
static void claim_recorded(struct learn *learn, const struct go_span *span, uint64_t addr,
			   uint64_t type)
{
	struct go_rtype read;
	struct claim claim;

	if (!go_rtype_read(learn->go, type, &read) || !read.ptr_bytes ||
	    read.size_bytes > span->elem_bytes)
		return;
	claim = (struct claim){ .addr = addr,
				.what = type,
				.form = GO_FORM_ONE,
				.bytes = read.size_bytes,
				.pointers = true,
				.recorded = true };
	if (!fits(learn->go, span, read.size_bytes)) {
		claim.form = GO_FORM_ARRAY;
		claim.bytes = span->elem_bytes - go_span_header(learn->go, span);
	}
	make_claim(learn, &claim);
}

static struct ch_error *begin_with_headers(struct learn *learn)
{
	const struct go_span *spans = learn->go->spans_known.items;
	struct ch_error *err = NULL;
	uint64_t addr, type;
	uint32_t j;
	size_t i;

	for (i = 0; !err && i < learn->go->spans_known.count; i++) {
		if (spans[i].state != GO_SPAN_HEAP)
			continue;
		if (spans[i].class == 0 && spans[i].large_type)
			claim_recorded(learn, &spans[i], spans[i].start, spans[i].large_type);
		for (j = 0; go_span_header(learn->go, &spans[i]) && j < spans[i].elems; j++) {
			addr = spans[i].start + j * spans[i].elem_bytes;
			if (word_at(learn, addr, &type) && type)
				claim_recorded(learn, &spans[i], addr + 8, type);
		}
		err = run(learn);
	}
	return err;
}

/* Two words in the data of a module that are an interface with a value on the heap. */
static void look_at_pair(struct learn *learn, uint64_t first, uint64_t second)
{
	struct go_spot place;
	struct go_rtype type;
	uint64_t concrete;

	if (!first || !second || !go_object_at(learn->go, second, &place) || place.addr != second)
		return;
	concrete = go_rtype_read(learn->go, first, &type) ? first : go_itab_type(learn->go, first);
	if (concrete)
		follow_value(learn, concrete, second);
}

static struct ch_error *begin_with_data(struct learn *learn)
{
	const struct go_module *modules = learn->go->code.modules.items;
	struct ch_error *err = NULL;
	uint64_t at, first, second;
	size_t i, j;

	for (i = 0; !err && i < learn->go->code.modules.count; i++) {
		const struct go_range ranges[] = { modules[i].data, modules[i].bss };

		for (j = 0; !err && j < 2; j++) {
			at = ch_align_up(ranges[j].start, 8);
			if (!word_at(learn, at, &first))
				continue;
			for (at += 8; at < ranges[j].end && word_at(learn, at, &second); at += 8) {
				look_at_pair(learn, first, second);
				first = second;
			}
			err = run(learn);
		}
	}
	return err;
}

/* Interfaces in an object: the collector's bits have a value as a pointer, and the type before it
 * not. */
static void look_at_interfaces(struct learn *learn, const struct go_spot *place)
{
	struct ch_ref_query query = { .addr = place->addr, .size_bytes = place->bytes };
	uint64_t at, first, second;
	uint32_t i;

	do {
		go_tracer.refs(learn->go, &query);
		for (i = 0; i < query.count; i++) {
			at = place->addr + query.runs[i].offset;
			if (query.runs[i].offset >= 8 && word_at(learn, at - 8, &first) &&
			    word_at(learn, at, &second))
				look_at_pair(learn, first, second);
		}
	} while (query.more && !learn->failed);
}

/* Until 1.21 the runtime records no types: interfaces in any object tell some. */
static struct ch_error *begin_with_objects(struct learn *learn)
{
	const struct go_span *spans = learn->go->spans_known.items;
	struct ch_error *err = NULL;
	struct go_spot place;
	uint32_t j;
	size_t i;

	for (i = 0; !err && i < learn->go->spans_known.count; i++) {
		if (spans[i].state != GO_SPAN_HEAP || spans[i].class & 1)
			continue;
		for (j = 0; j < spans[i].elems; j++)
			if (!learn->go->types[spans[i].first + j] &&
			    go_object_at(learn->go, spans[i].start + j * spans[i].elem_bytes,
					 &place))
				look_at_interfaces(learn, &place);
		err = chp_context_check(learn->go->env.ctx);
		if (!err)
			err = run(learn);
	}
	return err;
}

struct ch_error *go_learn(void *state)
{
	struct go *go = state;
	struct learn learn = { .go = go, .stack = CH_VEC(struct work) };
	struct ch_error *err;

	go->types = calloc(go->objects_max + 1, sizeof(*go->types));
	if (!go->types)
		return &ch_enomem;
	err = begin_with_headers(&learn);
	if (!err)
		err = begin_with_data(&learn);
	if (!err && go->layout && !go->layout->large_type)
		err = begin_with_objects(&learn);
	ch_vec_deinit(&learn.stack);
	ch_table_deinit(&learn.seen);
	return err;
}
