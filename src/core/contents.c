/*
 * Which words of memory may be shown. Reports hold no contents of memory, but messages about
 * damage name addresses and sizes: a word that may be text or a secret is replaced by a
 * description, unless the user asked to reveal it.
 */
#include "core/contents.h"

#include <stdio.h>

#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

/* No word of text of four bytes or more is below. */
#define SMALL_END (1ULL << 24)
/* User address spaces are this large. */
#define SIZE_END (1ULL << 48)
/* How far from mapped memory an address may be: as far as a guard region (1 MiB in the
 * kernel, stack_guard_gap) or a buffer that was unmapped. Text of six bytes falls so
 * close to anything by chance once in some million. */
#define NEAR_BYTES (16ULL << 20)
/* Where programs of fixed addresses lie, text of three and four bytes is near. */
#define NEAR_FIRST (1ULL << 32)

/* Three letters or more, then zeros. */
static bool is_text(uint64_t word)
{
	uint32_t letters = 0;

	for (; word; word >>= 8, letters++)
		if ((word & 0xff) < 0x20 || (word & 0xff) >= 0x7f)
			return false;
	return letters >= 3;
}

static bool is_small(uint64_t word)
{
	/* errors of system calls and -1 are small, too, and where they have 32 bits */
	return (word < SMALL_END && !is_text(word)) || word >= (uint64_t)-4096 ||
	       (word <= UINT32_MAX && word >= (uint32_t)-4096);
}

bool chp_core_shows(const struct ch_core *core, uint64_t word)
{
	return is_small(word) || chp_core_is_mapped(core, word) ||
	       chp_core_is_mapped(core, word - 1) || chp_context_reveals(core->ctx);
}

bool chp_core_shows_addr(const struct ch_core *core, uint64_t addr)
{
	const struct ch_segment *segments = core->segments.items;
	size_t low;

	if (chp_core_shows(core, addr))
		return true;
	if (addr < NEAR_FIRST)
		return false;
	low = ch_search(segments, core->segments.count, it, it->end <= addr);
	/* the segments below and above */
	return (low && addr - segments[low - 1].end < NEAR_BYTES) ||
	       (low < core->segments.count && segments[low].start - addr <= NEAR_BYTES);
}

bool chp_core_shows_size(const struct ch_core *core, uint64_t bytes)
{
	return chp_context_reveals(core->ctx) ||
	       (!is_text(bytes) && (bytes < SMALL_END || bytes <= core->stats.mapped_bytes ||
				    (bytes % CH_PAGE_BYTES == 0 && bytes < SIZE_END)));
}

static struct ch_word show(bool shown, uint64_t word, const char *instead)
{
	struct ch_word ret;

	if (shown)
		snprintf(ret.text, sizeof(ret.text), "0x%llx", (unsigned long long)word);
	else
		snprintf(ret.text, sizeof(ret.text), "%s", instead);
	return ret;
}

struct ch_word chp_core_word(const struct ch_core *core, uint64_t word, const char *instead)
{
	return show(chp_core_shows(core, word), word, instead);
}

struct ch_word chp_core_addr(const struct ch_core *core, uint64_t addr, const char *instead)
{
	return show(chp_core_shows_addr(core, addr), addr, instead);
}

struct ch_word chp_core_size(const struct ch_core *core, uint64_t bytes, const char *instead)
{
	struct ch_word ret = show(false, 0, instead);

	if (chp_core_shows_size(core, bytes))
		snprintf(ret.text, sizeof(ret.text), "%llu bytes", (unsigned long long)bytes);
	return ret;
}
