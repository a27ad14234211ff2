/*
 * What containers of the C++ library lead to: bodies, nodes, texts. How each of them keeps what it
 * contains is said by the table of dwarf_rules.c.
 *
 * Elements are followed from here and not as those of blocks are: behind the last one there is
 * room, which may hold what was there before.
 */
#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* libstdc++, bits/stl_deque.h: an iterator has the element, the first and the last of its block,
 * and the block's place in the map. */
#define ITERATOR_NODE_AT 24
/* libstdc++, bits/cow_string.h: length, capacity, count of references. */
#define COUNTED_BYTES 24

/* Chunks are multiples of 16 bytes, and 32 at least (glibc, malloc/malloc.c: MINSIZE). */
#define REST_BYTES 16U

struct holder {
	struct dwarf *dwarf;
	uint32_t number;
	const struct container *container;
	uint64_t addr;
};

static uint64_t word_at(const struct holder *holder, size_t member)
{
	uint64_t word;

	return ch_core_read_u64(holder->dwarf->core, holder->addr + holder->container->at[member],
				&word)
		       ? word
		       : 0;
}

static struct ch_error *add_job(struct dwarf *dwarf, const struct job *job)
{
	struct job *added = ch_vec_push(&dwarf->jobs);

	if (!added)
		return &ch_enomem;
	*added = *job;
	return NULL;
}

/* The block that begins at addr and has room for bytes is a part of the container. *ret: that is
 * new. */
static struct ch_error *say_part(const struct holder *holder, enum form form, uint64_t addr,
				 uint64_t bytes, bool *ret)
{
	struct ch_named_block block;

	*ret = false;
	if (!addr || !chp_naming_block(holder->dwarf->naming, addr, &block) || block.addr != addr ||
	    bytes > block.size_bytes)
		return NULL;
	return chp_dwarf_say(holder->dwarf, &block, form, holder->number, ret);
}

/* Follow the elements from start to end. */
static struct ch_error *follow_elements(const struct holder *holder, uint64_t start, uint64_t end,
					uint32_t type)
{
	const uint64_t size = chp_ctype(holder->dwarf->ctypes, type)->size_bytes;

	if (!size || end <= start)
		return NULL;
	return add_job(holder->dwarf,
		       &(struct job){ .addr = start, .count = (end - start) / size, .type = type });
}

static struct ch_error *contain_vector(const struct holder *holder)
{
	uint64_t start = word_at(holder, 0), end = word_at(holder, 1), room = word_at(holder, 2);
	struct ch_error *err;
	bool said;

	if (!holder->container->rule->members[2])
		return say_part(holder, FORM_BODY, start, 0, &said);
	if (start > end || end > room)
		return NULL;
	err = say_part(holder, FORM_BODY, start, room - start, &said);
	return !err && said ? follow_elements(holder, start, end, holder->container->targets[0])
			    : err;
}

static struct ch_error *contain_string(const struct holder *holder)
{
	uint64_t text = word_at(holder, 0), length = word_at(holder, 1);
	bool said;

	return say_part(holder, FORM_STRING, text, length, &said);
}

static struct ch_error *contain_flagged_string(const struct holder *holder)
{
	uint8_t flags;
	bool said;

	if (!ch_core_try_read(holder->dwarf->core, holder->addr, &flags, 1) || !(flags & 1))
		return NULL;
	return say_part(holder, FORM_STRING, word_at(holder, 0), 0, &said);
}

static struct ch_error *contain_counted_string(const struct holder *holder)
{
	const uint64_t text = word_at(holder, 0);
	bool said;

	return text < COUNTED_BYTES
		       ? NULL
		       : say_part(holder, FORM_STRING, text - COUNTED_BYTES, COUNTED_BYTES, &said);
}

/* The blocks of a deque: those of the array from first up to end, of so many bytes each; the
 * elements that are followed are those between start and stop. */
static struct ch_error *contain_blocks(const struct holder *holder, uint64_t first, uint64_t end,
				       uint64_t start, uint64_t stop)
{
	struct ch_named_block block;
	struct ch_error *err = NULL;
	uint64_t at, addr;
	bool said;

	for (at = first; !err && at < end; at += 8) {
		if (!ch_core_read_u64(holder->dwarf->core, at, &addr) ||
		    !chp_naming_block(holder->dwarf->naming, addr, &block))
			continue;
		err = say_part(holder, FORM_BLOCK, addr, 0, &said);
		if (err || !said)
			continue;
		err = follow_elements(holder, at == first ? ch_max(start, addr) : addr,
				      at + 8 == end && stop >= addr &&
						      stop - addr < block.size_bytes
					      ? stop
					      : addr + block.size_bytes,
				      holder->container->value);
	}
	return err;
}

static struct ch_error *contain_deque(const struct holder *holder)
{
	uint64_t map = word_at(holder, 0), start = word_at(holder, 2), stop = word_at(holder, 3);
	struct ch_named_block block;
	uint64_t count, first, last;
	struct ch_error *err;
	bool said;

	if (!ch_core_read_u64(holder->dwarf->core, holder->addr + holder->container->at[1],
			      &count) ||
	    !ch_core_read_u64(holder->dwarf->core,
			      holder->addr + holder->container->at[2] + ITERATOR_NODE_AT, &first) ||
	    !ch_core_read_u64(holder->dwarf->core,
			      holder->addr + holder->container->at[3] + ITERATOR_NODE_AT, &last) ||
	    !chp_naming_block(holder->dwarf->naming, map, &block) || block.addr != map ||
	    count > block.size_bytes / 8 || first < map || last < first || last >= map + 8 * count)
		return NULL;
	err = say_part(holder, FORM_MAP, map, 8 * count, &said);
	return err || !said ? err : contain_blocks(holder, first, last + 8, start, stop);
}

static struct ch_error *contain_split_deque(const struct holder *holder)
{
	uint64_t map = word_at(holder, 0), first = word_at(holder, 1), end = word_at(holder, 2);
	uint64_t room = word_at(holder, 3);
	struct ch_error *err;
	bool said;

	if (map > first || first > end || end > room)
		return NULL;
	err = say_part(holder, FORM_MAP, map, room - map, &said);
	return err || !said ? err : contain_blocks(holder, first, end, 0, 0);
}

struct ch_error *chp_dwarf_claim_node(struct dwarf *dwarf, uint32_t number, uint64_t value)
{
	const struct container *container = CH_VEC_AT(&dwarf->containers, struct container, number);
	const uint64_t size = chp_ctype(dwarf->ctypes, container->value)->size_bytes;
	struct ch_named_block block;
	uint64_t least, tail;
	bool said;

	if (!size || !ch_add(container->rule->value_at, size, &least) ||
	    !chp_naming_block(dwarf->naming, value, &block) || block.addr != value ||
	    least > block.size_bytes)
		return NULL;
	/* the rest of a chunk that was free stays with the node if it cannot be one of its own
	 * (glibc); nothing but a node is linked like that */
	for (tail = 0; tail <= container->rule->tail_bytes + REST_BYTES; tail += 8)
		if (chp_dwarf_rounds(least + tail, block.size_bytes))
			return chp_dwarf_say(dwarf, &block, FORM_NODE, number, &said);
	return NULL;
}

static struct ch_error *contain_nodes(const struct holder *holder)
{
	struct ch_error *err;
	bool said;

	err = chp_dwarf_claim_node(holder->dwarf, holder->number, word_at(holder, 0));
	if (!err && holder->container->rule->members[1])
		err = say_part(holder, FORM_BUCKETS, word_at(holder, 1), 0, &said);
	return err;
}

static struct ch_error *contain_optional(const struct holder *holder)
{
	const uint64_t *at = holder->container->at;
	uint8_t engaged;

	if (!ch_core_try_read(holder->dwarf->core, holder->addr + at[1], &engaged, 1) ||
	    engaged != 1)
		return NULL;
	return add_job(holder->dwarf, &(struct job){ .addr = holder->addr + at[0],
						     .count = 1,
						     .type = holder->container->value });
}

static struct ch_error *contain_variant(const struct holder *holder)
{
	const struct ch_ctype *type = chp_ctype(holder->dwarf->ctypes, holder->container->type);
	const uint64_t *at = holder->container->at;
	uint8_t index;

	/* the index has a byte, or more that are 0 */
	if (!ch_core_try_read(holder->dwarf->core, holder->addr + at[1], &index, 1) ||
	    index >= type->arguments_count ||
	    chp_ctype(holder->dwarf->ctypes, type->arguments[index].type)->size_bytes >=
		    type->size_bytes)
		return NULL;
	return add_job(holder->dwarf, &(struct job){ .addr = holder->addr + at[0],
						     .count = 1,
						     .type = type->arguments[index].type });
}

struct ch_error *chp_dwarf_contain(struct dwarf *dwarf, uint32_t number, uint64_t addr)
{
	const struct holder holder = { dwarf, number,
				       CH_VEC_AT(&dwarf->containers, struct container, number),
				       addr };

	switch (holder.container->rule->kind) {
	case CONTAINER_VECTOR:
		return contain_vector(&holder);
	case CONTAINER_DEQUE:
		return contain_deque(&holder);
	case CONTAINER_SPLIT_DEQUE:
		return contain_split_deque(&holder);
	case CONTAINER_STRING:
		return contain_string(&holder);
	case CONTAINER_FLAGGED_STRING:
		return contain_flagged_string(&holder);
	case CONTAINER_COUNTED_STRING:
		return contain_counted_string(&holder);
	case CONTAINER_NODES:
		return contain_nodes(&holder);
	case CONTAINER_OPTIONAL:
		return contain_optional(&holder);
	case CONTAINER_VARIANT:
		return contain_variant(&holder);
	case CONTAINER_STORAGE:
		break;
	}
	return NULL;
}
