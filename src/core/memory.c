/*
 * Bytes at an address: the segment that has it, or the overlay that lends a file's pages. Every
 * walker asks this for every word, so that an answer is a borrowed pointer and a length, and
 * nothing is copied.
 */
#include <stdatomic.h>
#include <string.h>

#include "core/contents.h"
#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/search.h"

/* Number of items whose start is at or below addr: upper bound by bisection. */
static size_t segments_up_to(const struct ch_core *core, uint64_t addr)
{
	const struct ch_segment *segments = core->segments.items;

	return ch_search(segments, core->segments.count, it, it->start <= addr);
}

const struct ch_segment *ch_core_segment_at(const struct ch_core *core, uint64_t addr)
{
	const struct ch_segment *segments = core->segments.items;
	struct ch_core *hint = (struct ch_core *)(uintptr_t)core;
	size_t last = atomic_load_explicit(&hint->last_segment, memory_order_relaxed);

	if (last < core->segments.count && addr >= segments[last].start &&
	    addr < segments[last].end)
		return &segments[last];
	last = segments_up_to(core, addr);
	if (last == 0 || addr >= segments[last - 1].end)
		return NULL;
	atomic_store_explicit(&hint->last_segment, last - 1, memory_order_relaxed);
	return &segments[last - 1];
}

const uint8_t *ch_core_span_recorded(const struct ch_core *core, uint64_t addr, size_t *len_ret)
{
	const struct ch_segment *segment = ch_core_segment_at(core, addr);

	if (!segment || addr >= segment->present_end)
		return NULL;
	*len_ret = segment->run_end - addr;
	return core->data + segment->off + (addr - segment->start);
}

/* Number of overlays that start at or below addr. */
static size_t overlays_up_to(const struct ch_core *core, uint64_t addr)
{
	const struct ch_overlay *overlays = core->overlays.items;

	return ch_search(overlays, core->overlays.count, it, it->start <= addr);
}

static const uint8_t *overlay_span(const struct ch_core *core, uint64_t addr, size_t *len_ret)
{
	size_t index = overlays_up_to(core, addr), next;
	const struct ch_overlay *overlay;
	uint64_t end;

	if (index == 0)
		return NULL;
	overlay = CH_VEC_AT(&core->overlays, struct ch_overlay, index - 1);
	if (addr >= overlay->end)
		return NULL;
	/* Recorded bytes win: stop where the next segment begins. */
	end = overlay->end;
	next = segments_up_to(core, addr);
	if (next < core->segments.count)
		end = ch_min(end, CH_VEC_AT(&core->segments, struct ch_segment, next)->start);
	*len_ret = end - addr;
	return overlay->data + (addr - overlay->start);
}

const uint8_t *ch_core_span(const struct ch_core *core, uint64_t addr, size_t *len_ret)
{
	const uint8_t *p = ch_core_span_recorded(core, addr, len_ret);

	return p ? p : overlay_span(core, addr, len_ret);
}

/* First address at or above addr with bytes in a segment, or end. */
static uint64_t next_recorded(const struct ch_core *core, uint64_t addr, uint64_t end)
{
	const struct ch_segment *segments = core->segments.items;
	size_t i = segments_up_to(core, addr);

	if (i > 0 && addr < segments[i - 1].present_end)
		return addr;
	for (; i < core->segments.count && segments[i].start < end; i++)
		if (segments[i].present_end > segments[i].start)
			return segments[i].start;
	return end;
}

uint64_t ch_core_next_present(const struct ch_core *core, uint64_t addr, uint64_t end)
{
	const struct ch_overlay *overlays = core->overlays.items;
	size_t index = overlays_up_to(core, addr);

	if (addr >= end)
		return end;
	if (index > 0 && addr < overlays[index - 1].end)
		return addr;
	if (index < core->overlays.count)
		end = ch_min(end, overlays[index].start);
	return next_recorded(core, addr, end);
}

bool ch_core_try_read(const struct ch_core *core, uint64_t addr, void *buf, size_t len)
{
	uint64_t at = addr;
	size_t done, n = 0;
	const uint8_t *p;
	uint8_t *out = buf;

	/* The common case first; then check all before touching buf. */
	p = ch_core_span(core, addr, &n);
	if (p && n >= len) {
		memcpy(buf, p, len);
		return true;
	}
	for (done = 0; done < len; done += ch_min(n, len - done), at = addr + done)
		if (at < addr || !ch_core_span(core, at, &n))
			return false;
	for (done = 0; done < len; done += n) {
		p = ch_core_span(core, addr + done, &n);
		n = ch_min(n, len - done);
		memcpy(out + done, p, n);
	}
	return true;
}

bool ch_core_read_u64(const struct ch_core *core, uint64_t addr, uint64_t *ret)
{
	uint8_t bytes[8];

	if (!ch_core_try_read(core, addr, bytes, sizeof(bytes)))
		return false;
	*ret = ch_get64(bytes);
	return true;
}

bool ch_core_read_u32(const struct ch_core *core, uint64_t addr, uint32_t *ret)
{
	uint8_t bytes[4];

	if (!ch_core_try_read(core, addr, bytes, sizeof(bytes)))
		return false;
	*ret = ch_get32(bytes);
	return true;
}

bool ch_core_read_string(const struct ch_core *core, uint64_t addr, char *buf, size_t max)
{
	static const char cut[] = "...";
	size_t done = 0, n = 0, len;
	const uint8_t *p;

	if (max == 0 || !ch_core_span(core, addr, &n))
		return false;
	while (done < max - 1) {
		p = addr + done >= addr ? ch_core_span(core, addr + done, &n) : NULL;
		if (!p) {
			/* what is there is not all of it, and must not look so */
			if (max >= sizeof(cut)) {
				done = ch_min(done, max - sizeof(cut));
				memcpy(buf + done, cut, sizeof(cut) - 1);
				done += sizeof(cut) - 1;
			}
			break;
		}
		n = ch_min(n, max - 1 - done);
		len = strnlen((const char *)p, n);
		memcpy(buf + done, p, len);
		done += len;
		if (len < n)
			break;
	}
	buf[done] = '\0';
	return true;
}

bool chp_core_is_mapped(const struct ch_core *core, uint64_t addr)
{
	const struct ch_file_map *maps = core->file_maps.items;
	size_t low;

	if (ch_core_segment_at(core, addr))
		return true;
	low = ch_search(maps, core->file_maps.count, it, it->end <= addr);
	return low < core->file_maps.count && maps[low].start <= addr;
}

struct ch_error *ch_core_add_overlay(struct ch_core *core, uint64_t start, uint64_t end,
				     const uint8_t *data)
{
	size_t index = overlays_up_to(core, start);
	struct ch_overlay *overlays;

	if (start >= end)
		return ch_error_create(CH_ERROR_ARG, "empty overlay at 0x%llx",
				       (unsigned long long)start);
	overlays = core->overlays.items;
	if ((index > 0 && overlays[index - 1].end > start) ||
	    (index < core->overlays.count && overlays[index].start < end))
		return ch_error_create(CH_ERROR_ARG, "overlay at 0x%llx meets another one",
				       (unsigned long long)start);
	if (!ch_vec_push(&core->overlays))
		return &ch_enomem;
	overlays = core->overlays.items;
	memmove(&overlays[index + 1], &overlays[index],
		(core->overlays.count - 1 - index) * sizeof(*overlays));
	overlays[index] = (struct ch_overlay){ .start = start, .end = end, .data = data };
	return NULL;
}

void ch_core_remove_overlays(struct ch_core *core)
{
	ch_vec_deinit(&core->overlays);
}
