/*
 * Blocks of malloc that are the JVM's own: with Native Memory Tracking each begins with a
 * header that says its size and category, no symbol needed.
 *
 * Source: openjdk/jdk, class MallocHeader in jdk-11+28 and jdk-17+35
 * share/services/mallocTracker.hpp, jdk8u the same (two words without a mark); jdk-17.0.15+6
 * share/services/mallocTracker.hpp, jdk-21+35 share/services/mallocHeader.hpp, jdk-25+36
 * share/nmt/mallocHeader.hpp: canaries before and behind the bytes asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "walkers/hotspot/nmt.h"

#define HEADER_BYTES 16
/* Blocks whose canaries make it sure that there are any. */
#define CANARIES_MIN 8
/* Most that malloc gives beyond what was asked for: to a multiple of 16, and a rest that is
 * too small for a chunk; in a mapping of its own up to the end of its page. */
#define SLACK_MAX        40
#define SLACK_MAPPED_MAX 65536

enum form_id { FORM_CANARIES, FORM_PLAIN, FORMS };

/* Where a header has what. */
static const struct form {
	uint32_t category_at;
	/* Two bytes at the end of the header, and behind the bytes asked for; 0: none. */
	uint16_t canary, footer;
} forms[FORMS] = {
	/* the footer has its higher byte first */
	[FORM_CANARIES] = { 12, 0xe99e, 0x8ee8 },
	[FORM_PLAIN] = { 8, 0, 0 },
};

struct scan {
	const struct hs *hs;
	uint32_t categories;
	/* Bytes at hand: [bytes, ...) stands for [start, end). */
	uint64_t start, end;
	const uint8_t *bytes;
	struct nmt_blocks found[FORMS][NMT_CATEGORIES_MAX];
	/* Of a form, and of all used blocks. */
	struct ch_free_sum sums[FORMS], all;
};

static const uint8_t *bytes_at(struct scan *scan, uint64_t at, uint64_t n)
{
	size_t len;

	if (at < scan->start || at > scan->end || n > scan->end - at) {
		scan->bytes = ch_core_span(scan->hs->core, at, &len);
		scan->start = at;
		scan->end = scan->bytes ? at + len : at;
		if (n > scan->end - at)
			return NULL;
	}
	return scan->bytes + (at - scan->start);
}

/* Count a block if it begins with a header of this form. */
static void match(struct scan *scan, enum form_id id, const struct ch_object *object)
{
	const uint8_t *head = bytes_at(scan, object->addr, HEADER_BYTES), *foot;
	const struct form *form = &forms[id];
	uint64_t frame = HEADER_BYTES + (form->footer ? 2 : 0), asked;
	uint64_t slack = object->flags & CH_OBJECT_MMAPPED ? SLACK_MAPPED_MAX : SLACK_MAX;
	struct nmt_blocks *found;

	if (!head || object->size_bytes < frame)
		return;
	asked = ch_get64(head);
	if (head[form->category_at] >= scan->categories || asked > object->size_bytes - frame ||
	    object->size_bytes - frame - asked > slack ||
	    (form->canary && ch_get16(head + HEADER_BYTES - 2) != form->canary))
		return;
	found = &scan->found[id][head[form->category_at]];
	if (form->footer) {
		foot = bytes_at(scan, object->addr + HEADER_BYTES + asked, 2);
		if (!foot || ch_get16(foot) != form->footer)
			return;
	}
	found->count++;
	found->asked_bytes += asked;
	found->bytes += object->chunk_bytes;
	scan->sums[id].count++;
	scan->sums[id].bytes += object->chunk_bytes;
}

bool hs_nmt_has_header(const void *state, uint64_t addr, uint64_t size_bytes)
{
	const struct hs *hs = state;
	/* what malloc maps is more than its threshold, which is no less */
	const uint64_t slack = size_bytes >= 65536 ? SLACK_MAPPED_MAX : SLACK_MAX;
	uint8_t head[HEADER_BYTES], foot[2];
	const struct form *form;
	uint64_t frame, asked;
	int id;

	if (size_bytes < HEADER_BYTES || !ch_core_try_read(hs->core, addr, head, sizeof(head)))
		return false;
	asked = ch_get64(head);
	for (id = 0; id < FORMS; id++) {
		form = &forms[id];
		frame = HEADER_BYTES + (form->footer ? 2 : 0);
		if (size_bytes < frame || asked > size_bytes - frame ||
		    size_bytes - frame - asked > slack ||
		    head[form->category_at] >= NMT_CATEGORIES_MAX)
			continue;
		if (!form->footer)
			return true;
		if (ch_get16(head + HEADER_BYTES - 2) == form->canary &&
		    ch_core_try_read(hs->core, addr + HEADER_BYTES + asked, foot, sizeof(foot)) &&
		    ch_get16(foot) == form->footer)
			return true;
	}
	return false;
}

static struct ch_error *look(void *arg, const struct ch_object *objects, size_t n)
{
	struct scan *scan = arg;
	size_t i;
	int id;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || (objects[i].flags & CH_OBJECT_ALLOCATOR))
			continue;
		scan->all.count++;
		scan->all.bytes += objects[i].chunk_bytes;
		for (id = 0; id < FORMS; id++)
			match(scan, (enum form_id)id, &objects[i]);
	}
	return NULL;
}

/* Spans of malloc, not of the Java heap. */
static struct ch_error *walk(struct scan *scan, struct ch_heaps *heaps)
{
	const struct ch_heap *list;
	const struct ch_span *spans;
	struct ch_error *err = NULL;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	spans = ch_heaps_spans(heaps, &count);
	for (i = 0; !err && i < count; i++)
		if (strcmp(list[spans[i].heap].runtime, "hotspot") != 0)
			err = ch_heaps_walk(heaps, spans[i].start, spans[i].committed_end, look,
					    scan);
	return err;
}

struct ch_error *hs_nmt_blocks(const struct hs *hs, struct ch_heaps *heaps, struct hs_nmt *nmt)
{
	struct scan *scan = calloc(1, sizeof(*scan));
	struct ch_error *err;
	enum form_id id;

	if (!scan)
		return &ch_enomem;
	scan->hs = hs;
	scan->categories = nmt->count ? nmt->count : NMT_CATEGORIES_MAX;
	err = walk(scan, heaps);
	/* No other block has two canaries; a header without may be by chance. */
	id = scan->sums[FORM_CANARIES].count >= CANARIES_MIN ? FORM_CANARIES : FORM_PLAIN;
	memcpy(nmt->blocks, scan->found[id], sizeof(nmt->blocks));
	nmt->result.others = (struct ch_free_sum){ scan->all.count - scan->sums[id].count,
						   scan->all.bytes - scan->sums[id].bytes };
	free(scan);
	return err;
}
