/*
 * Native Memory Tracking: what the JVM counts of its own memory, as `jcmd VM.native_memory`
 * shows it. The counters are no exported symbols: they are read where libjvm.so's symbol
 * table is at hand; blocks.c does without.
 *
 * Source: openjdk/jdk, jdk-11+28 and jdk-17+35 share/services/{nmtCommon,mallocTracker,
 * virtualMemoryTracker,memReporter,memBaseline}.{hpp,cpp}, jdk-25+36 share/nmt. MallocMemory is
 * {MemoryCounter _malloc, _arena}, MemoryCounter {_count, _size, and from 17.0.x on peaks},
 * VirtualMemory {_reserved, _committed, and from 21 on a peak}: how many words each has is said
 * by the sizes of the symbols. Behind the categories' MallocMemory comes one more MemoryCounter:
 * of headers up to 17, of all blocks later.
 */
#include "walkers/hotspot/nmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

#define MALLOC_SNAPSHOT  "_ZN19MallocMemorySummary9_snapshotE"
#define VIRTUAL_SNAPSHOT "_ZN20VirtualMemorySummary9_snapshotE"
#define NAMES_17         "_ZN7NMTUtil18_memory_type_namesE"
#define NAMES_21         "_ZN7NMTUtil8_stringsE"
#define TRACKING_LEVEL   "_ZN10MemTracker15_tracking_levelE"
/* NMT_summary; below are off and minimal. */
#define LEVEL_SUMMARY 2
/* Words of a snapshot. */
#define WORDS_MAX 2048
/* Bytes of libjvm that are looked through for the names; 25 has 25 MB. */
#define LOOK_MAX (64U << 20)
/* What jcmd takes as overhead of a block: the header; from 23 on, which track files, too, also
 * the footer. Measured: 16 on 17.0.15 and 21.0.12, 18 on 25.0.3. */
#define HEADER_BYTES       16
#define FOOTER_BYTES       2
#define FILE_TRACKER       "_ZN17MemoryFileTracker8Instance8_trackerE"
#define FILE_TRACKER_BYTES 112
#define FILES_MAX          64

/* ---- Whether it is on ------------------------------------------------------------ */

const char *hs_nmt_level(const struct hs *hs)
{
	static const char *const levels[] = { "off", "summary", "detail" };
	char word[16];
	uint64_t at;
	size_t i;

	if (!hs_flag(hs, "NativeMemoryTracking", &at) || !at ||
	    !ch_core_read_string(hs->core, at, word, sizeof(word)))
		return NULL;
	for (i = 0; i < CH_COUNT_OF(levels); i++)
		if (strcmp(levels[i], word) == 0)
			return levels[i];
	return NULL;
}

/* It may have been shut down since. */
static bool is_on(const struct hs *hs)
{
	const char *level = hs_nmt_level(hs);
	struct ch_symbol symbol;
	uint32_t now;

	if (!level || strcmp(level, "off") == 0)
		return false;
	return !ch_sym_by_name(hs->env->sym, hs->module, TRACKING_LEVEL, &symbol) ||
	       !hs_read_u32(hs, symbol.addr, &now) || now >= LEVEL_SUMMARY;
}

uint32_t hs_nmt_header_bytes(const void *state)
{
	return is_on(state) ? HEADER_BYTES : 0;
}

/* ---- Names of categories ----------------------------------------------------------- */

/* Letters, digits and blanks: what is called otherwise is no category. */
static bool read_name(const struct hs *hs, uint64_t addr, char name[NMT_NAME_MAX])
{
	uint64_t at;
	size_t i;

	if (!hs_read_ptr(hs, addr, &at) || !at ||
	    !ch_core_read_string(hs->core, at, name, NMT_NAME_MAX))
		return false;
	for (i = 0; name[i]; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
		    !(name[i] >= '0' && name[i] <= '9') && name[i] != ' ')
			return false;
	return i > 0;
}

/* An array of names, or from 21 on of pairs: that of the constant, and the name. The last
 * one is "Unknown". */
static bool read_names(const struct hs *hs, uint64_t at, struct hs_nmt *nmt)
{
	char first[NMT_NAME_MAX];
	uint64_t stride;

	if (!read_name(hs, at, first))
		return false;
	stride = strcmp(first, "mtJavaHeap") == 0 ? 16 : 8;
	at += stride - 8;
	for (nmt->count = 0; nmt->count < NMT_CATEGORIES_MAX; nmt->count++, at += stride) {
		if (!read_name(hs, at, nmt->names[nmt->count]))
			break;
		if (strcmp(nmt->names[nmt->count], "Unknown") == 0) {
			nmt->count++;
			break;
		}
	}
	if (nmt->count >= 8 && strcmp(nmt->names[0], "Java Heap") == 0 &&
	    strcmp(nmt->names[1], "Class") == 0)
		return true;
	nmt->count = 0;
	return false;
}

/* The same without symbols: the only pointer to "Java Heap" with one to "Class" behind it. */
static bool look_for_names(const struct hs *hs, struct hs_nmt *nmt)
{
	uint64_t at = ch_align_up(hs->module->start, 8), end = hs->module->end, left = LOOK_MAX;
	char text[4];
	const uint8_t *bytes;
	uint64_t value;
	size_t len, i;

	while (at < end && left) {
		at = ch_align_up(ch_core_next_present(hs->core, at, end), 8);
		bytes = at < end ? ch_core_span(hs->core, at, &len) : NULL;
		if (!bytes)
			return false;
		len = (size_t)ch_min(ch_min(len, end - at), left);
		for (i = 0; i + 8 <= len; i += 8) {
			value = ch_get64(bytes + i);
			if (value < hs->module->start || value >= end ||
			    !ch_core_try_read(hs->core, value, text, 4) ||
			    (memcmp(text, "Java", 4) != 0 && memcmp(text, "mtJa", 4) != 0))
				continue;
			if (read_names(hs, at + i, nmt))
				return true;
		}
		left -= len;
		at += ch_max(len, 8);
	}
	return false;
}

static void find_names(const struct hs *hs, struct hs_nmt *nmt)
{
	struct ch_symbol symbol;

	if ((ch_sym_by_name(hs->env->sym, hs->module, NAMES_17, &symbol) ||
	     ch_sym_by_name(hs->env->sym, hs->module, NAMES_21, &symbol)) &&
	    read_names(hs, symbol.addr, nmt))
		return;
	look_for_names(hs, nmt);
}

/* ---- Counters ------------------------------------------------------------------------ */

/* The words of a variable; 0: it is not at hand. */
static uint32_t read_words(const struct hs *hs, const char *name, uint64_t words[WORDS_MAX])
{
	struct ch_symbol symbol;
	uint32_t count, i;

	if (!ch_sym_by_name(hs->env->sym, hs->module, name, &symbol) || symbol.size_bytes % 8 ||
	    symbol.size_bytes / 8 > WORDS_MAX)
		return 0;
	count = (uint32_t)(symbol.size_bytes / 8);
	for (i = 0; i < count; i++)
		if (!hs_read_ptr(hs, symbol.addr + 8ULL * i, &words[i]))
			return 0;
	return count;
}

static struct ch_tracked *row_named(struct hs_nmt *nmt, const char *name)
{
	uint32_t i;

	for (i = 0; i < nmt->count; i++)
		if (strcmp(nmt->names[i], name) == 0)
			return &nmt->rows[i];
	return NULL;
}

/* {count, size} of malloc and of arenas. False: not as many words as that takes. Returns
 * what headers take in headers_ret. */
static bool read_malloc(const struct hs *hs, struct hs_nmt *nmt, uint64_t *headers_ret)
{
	uint64_t words[WORDS_MAX], blocks = 0;
	uint32_t count = read_words(hs, MALLOC_SNAPSHOT, words), each, i;
	struct ch_symbol symbol;
	const uint64_t *last;

	if (!nmt->count || !count || count % (2 * nmt->count + 1))
		return false;
	each = count / (2 * nmt->count + 1);
	if (each < 2)
		return false;
	for (i = 0; i < nmt->count; i++) {
		const uint64_t *at = words + 2ULL * each * i;

		nmt->rows[i] = (struct ch_tracked){ .malloc_count = at[0],
						    .malloc_bytes = at[1],
						    .arena_count = at[each],
						    .arena_bytes = at[each + 1] };
		blocks += at[0];
	}
	last = words + 2ULL * each * nmt->count;
	/* it counts headers, and not blocks */
	if (last[0] && last[1] / last[0] == HEADER_BYTES && last[1] % last[0] == 0)
		*headers_ret = last[1];
	else if (ch_sym_by_name(hs->env->sym, hs->module, FILE_TRACKER, &symbol))
		*headers_ret = blocks * (HEADER_BYTES + FOOTER_BYTES);
	else
		*headers_ret = blocks * HEADER_BYTES;
	return true;
}

/* Memory files, which ZGC keeps its heap in, have accounts of their own from 23 on, of which
 * MemBaseline adds what is committed. jdk-25+36 share/nmt/memoryFileTracker.hpp: the tracker ends
 * with a GrowableArray {int _len, _capacity; MemoryFile **_data}, a MemoryFile begins with a name
 * and a VirtualMemorySnapshot. False: there are files, and they cannot be read. */
static bool add_files(const struct hs *hs, struct hs_nmt *nmt, uint32_t each)
{
	struct ch_symbol symbol;
	uint64_t data, file, committed;
	uint32_t count, capacity, i, k;

	if (!ch_sym_by_name(hs->env->sym, hs->module, FILE_TRACKER, &symbol))
		return true;
	/* as measured; other collectors have no such files */
	if (symbol.size_bytes != FILE_TRACKER_BYTES)
		return strncmp(hs->collector, "ZGC", 3) != 0;
	symbol.addr += symbol.size_bytes - 16;
	if (!hs_read_u32(hs, symbol.addr, &count) || !hs_read_u32(hs, symbol.addr + 4, &capacity) ||
	    count > capacity || count > FILES_MAX || !hs_read_ptr(hs, symbol.addr + 8, &data))
		return false;
	for (i = 0; i < count; i++) {
		if (!hs_read_ptr(hs, data + 8ULL * i, &file))
			return false;
		for (k = 0; k < nmt->count; k++) {
			if (!hs_read_ptr(hs, file + 8 + 8ULL * each * k + 8, &committed) ||
			    !ch_add(nmt->rows[k].committed_bytes, committed,
				    &nmt->rows[k].committed_bytes))
				return false;
		}
	}
	return true;
}

static bool read_virtual(const struct hs *hs, struct hs_nmt *nmt)
{
	uint64_t words[WORDS_MAX];
	uint32_t count = read_words(hs, VIRTUAL_SNAPSHOT, words), each, i;

	if (!nmt->count || !count || count % nmt->count || count / nmt->count < 2)
		return false;
	each = count / nmt->count;
	for (i = 0; i < nmt->count; i++) {
		nmt->rows[i].reserved_bytes = words[(size_t)each * i];
		nmt->rows[i].committed_bytes = words[(size_t)each * i + 1];
	}
	return add_files(hs, nmt, each);
}

/* Nothing is larger than the address space, and no more committed than reserved. */
static bool is_sane(const struct hs_nmt *nmt)
{
	const uint64_t most = 1ULL << 56;
	uint32_t i;

	for (i = 0; i < nmt->count; i++) {
		const struct ch_tracked *row = &nmt->rows[i];

		if (row->reserved_bytes > most || row->committed_bytes > row->reserved_bytes ||
		    row->malloc_bytes > most || row->malloc_count > most ||
		    row->arena_bytes > most || row->arena_count > most)
			return false;
	}
	return true;
}

/* As MemSummaryReporter does: arenas lie in chunks, which then are not counted as such
 * (MallocMemorySnapshot::make_adjustment()); stacks belong to threads, headers to the
 * tracking itself. */
static void fold(struct hs_nmt *nmt, uint64_t headers)
{
	struct ch_tracked *chunks = row_named(nmt, "Arena Chunk"), *row;
	const struct ch_tracked *stacks = row_named(nmt, "Thread Stack");
	uint64_t arenas = 0;
	uint32_t i;

	for (i = 0; i < nmt->count; i++)
		arenas += nmt->rows[i].arena_bytes;
	if (chunks)
		chunks->malloc_bytes -= ch_min(arenas, chunks->malloc_bytes);
	row = row_named(nmt, "Thread");
	if (row && stacks) {
		row->reserved_bytes += stacks->reserved_bytes;
		row->committed_bytes += stacks->committed_bytes;
		nmt->rows[stacks - nmt->rows] = (struct ch_tracked){ .reserved_bytes = 0 };
	}
	for (i = 0; i < nmt->count; i++) {
		row = &nmt->rows[i];
		row->reserved_bytes += row->malloc_bytes + row->arena_bytes;
		row->committed_bytes += row->malloc_bytes + row->arena_bytes;
	}
	row = row_named(nmt, "Native Memory Tracking");
	if (row) {
		row->reserved_bytes += headers;
		row->committed_bytes += headers;
	}
}

static bool read_counters(const struct hs *hs, struct hs_nmt *nmt)
{
	uint64_t headers;

	if (!read_malloc(hs, nmt, &headers) || !read_virtual(hs, nmt))
		return false;
	if (!is_sane(nmt)) {
		chp_context_finding(hs->env->ctx, chp_blame(hs->env), "jvm-nmt-damaged",
				    "the counters of the JVM's Native Memory Tracking make no "
				    "sense: blocks are counted by their headers instead");
		return false;
	}
	fold(nmt, headers);
	return true;
}

/* ---- The answer ------------------------------------------------------------------------ */

static void add(struct ch_tracked *sum, const struct ch_tracked *row)
{
	sum->reserved_bytes += row->reserved_bytes;
	sum->committed_bytes += row->committed_bytes;
	sum->malloc_bytes += row->malloc_bytes;
	sum->malloc_count += row->malloc_count;
	sum->arena_bytes += row->arena_bytes;
	sum->arena_count += row->arena_count;
	sum->blocks_count += row->blocks_count;
	sum->blocks_bytes += row->blocks_bytes;
}

/* Rows that have anything, in front of the array. */
static void make_rows(struct hs_nmt *nmt)
{
	uint32_t count = nmt->count ? nmt->count : NMT_CATEGORIES_MAX, i, kept = 0;
	struct ch_tracking *result = &nmt->result;

	for (i = 0; i < count; i++) {
		struct ch_tracked row =
			result->counted ? nmt->rows[i] : (struct ch_tracked){ .name = NULL };

		if (!nmt->count)
			snprintf(nmt->names[i], NMT_NAME_MAX, "category %u", i);
		row.name = nmt->names[i];
		row.blocks_count = nmt->blocks[i].count;
		row.blocks_bytes = nmt->blocks[i].bytes;
		if (!result->counted) {
			row.malloc_count = nmt->blocks[i].count;
			row.malloc_bytes = nmt->blocks[i].asked_bytes;
		}
		if (!row.reserved_bytes && !row.malloc_bytes && !row.malloc_count &&
		    !row.arena_count && !row.blocks_count)
			continue;
		add(&result->total, &row);
		nmt->rows[kept++] = row;
	}
	result->rows = nmt->rows;
	result->rows_count = kept;
}

static struct ch_error *fill(struct hs *hs, struct ch_heaps *heaps, struct hs_nmt *nmt)
{
	struct ch_tracking *result = &nmt->result;
	struct ch_error *err;

	if (!is_on(hs))
		return NULL;
	find_names(hs, nmt);
	result->level = hs_nmt_level(hs);
	result->counted = read_counters(hs, nmt);
	result->basis = result->counted ? CH_BASIS_DERIVED : CH_BASIS_HEURISTIC;
	result->evidence = result->counted ? "the JVM's own counters"
					   : "headers of malloc's blocks, without symbols";
	err = hs_nmt_blocks(hs, heaps, nmt);
	if (err)
		return err;
	make_rows(nmt);
	nmt->answer = result;
	return NULL;
}

struct ch_error *hs_nmt_tracking(void *state, struct ch_heaps *heaps, struct ch_tracking **ret)
{
	struct hs *hs = state;
	struct hs_nmt *nmt;
	struct ch_error *err;

	if (!hs->nmt) {
		nmt = calloc(1, sizeof(*nmt));
		if (!nmt)
			return &ch_enomem;
		err = fill(hs, heaps, nmt);
		if (err) {
			free(nmt);
			return err;
		}
		hs->nmt = nmt;
	}
	*ret = hs->nmt->answer;
	return NULL;
}

void hs_nmt_free(struct hs_nmt *nmt)
{
	free(nmt);
}
