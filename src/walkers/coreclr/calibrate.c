/*
 * Whether a layout is that of the runtime at hand: its list of threads says, which
 * is counted, and whose ids the core has as well. And, for releases that no row of
 * the table is of (.NET 5 to 7), a layout by measuring: each offset is where that
 * lies which is known from elsewhere, be it a thread's id or the row of a type.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* PID_MAX_LIMIT of Linux. */
#define TID_MAX (1U << 22)
/* Threads that are looked for in the core. */
#define TIDS_CHECKED 256U
/* Threads of a list by which offsets are measured. */
#define MEASURED_MAX 4096U

static bool is_tid(const struct clr *clr, uint32_t id)
{
	const struct ch_thread *threads;
	size_t count, i;

	threads = ch_core_threads(clr->core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].tid == id)
			return true;
	return false;
}

enum clr_fit clr_layout_fits(const struct clr *clr)
{
	const struct clr_layout *layout = &clr->layout;
	uint32_t counted, found = 0, running = 0, known = 0, id;
	uint64_t link, thread;

	if (!clr_read_ptr(clr, clr->thread_store + layout->store_first, &link) ||
	    !ch_core_read_u32(clr->core, clr->thread_store + layout->store_count, &counted) ||
	    !counted || counted > CLR_THREADS_MAX)
		return CLR_FIT_NOT;
	for (; link && found < counted; found++) {
		thread = clr_thread_of(layout, link);
		if (!ch_core_read_u32(clr->core, thread + layout->thread_os_id, &id) ||
		    id > TID_MAX || !clr_read_ptr(clr, thread + layout->thread_link, &link))
			return CLR_FIT_NOT;
		/* 0: not started yet, or ended. */
		running += id != 0;
		known += id != 0 && running <= TIDS_CHECKED && is_tid(clr, id);
	}
	if (link || found != counted || !running)
		return CLR_FIT_NOT;
	return known == ch_min(running, TIDS_CHECKED) ? CLR_FIT_CORE : CLR_FIT_LIST;
}

/* ---- A layout by measuring -------------------------------------------------------- */

/* How far into a structure is looked. */
enum {
	STORE_BYTES = 512,
	THREAD_BYTES = 1024,
	MODULE_BYTES = 2048,
	FILE_AT_MAX = 512,
	IMAGE_AT_MAX = 24,
	LAYOUT_AT_MIN = 40,
	LAYOUT_AT_MAX = 240,
	/* From the list of threads to their number. */
	STORE_COUNT_AFTER = 24,
	/* SimpleRWLock and such: links lie behind them in each Thread. */
	LINK_AT_MIN = 8,
	/* Of the maps from rows to what was made of them. */
	MAP_TABLE = 8,
	MAP_COUNT = 16,
	/* Slots of an image around that of System.Private.CoreLib. */
	LAYOUTS_AROUND = 2,
	STRING_FIELDS = 2,
};

/* The links of the list that begins at offset first of the store; 0: there is no list
 * there with as many as are counted behind it, or none of its links is in thread. */
static uint32_t link_offset(const struct clr *clr, uint32_t first, uint64_t thread)
{
	uint32_t counted, n = 0, ret = 0;
	uint64_t link;

	if (!clr_read_ptr(clr, clr->thread_store + first, &link) ||
	    !ch_core_read_u32(clr->core, clr->thread_store + first + STORE_COUNT_AFTER, &counted) ||
	    !counted || counted > MEASURED_MAX)
		return 0;
	for (; link && n < counted; n++) {
		if (link > thread + LINK_AT_MIN && link - thread < THREAD_BYTES && link % 8 == 0)
			ret = (uint32_t)(link - thread);
		if (!clr_read_ptr(clr, link, &link))
			return 0;
	}
	return link || n != counted ? 0 : ret;
}

static bool measure_threads(struct clr *clr, uint64_t thread)
{
	struct clr_layout *layout = &clr->layout;
	uint32_t first;

	for (first = 8; first < STORE_BYTES; first += 8) {
		layout->thread_link = link_offset(clr, first, thread);
		if (!layout->thread_link)
			continue;
		layout->store_first = first;
		layout->store_count = first + STORE_COUNT_AFTER;
		for (layout->thread_os_id = 8; layout->thread_os_id < THREAD_BYTES;
		     layout->thread_os_id += 4)
			if (clr_layout_fits(clr) == CLR_FIT_CORE)
				return true;
		/* There is one such list. */
		return false;
	}
	return false;
}

static bool is_named(const struct clr *clr, const struct clr_metadata *metadata, uint64_t mt,
		     const char *name)
{
	char text[CLR_NAME_MAX];
	uint32_t row;

	return clr_type_row(clr, mt, &row) &&
	       clr_definition_name(metadata, row, text, sizeof(text)) && strcmp(text, name) == 0;
}

/* Module, file, image, layout, address: the way on which the names are right. */
static bool measure_image(struct clr *clr, uint64_t module, struct clr_metadata *ret)
{
	struct clr_layout *layout = &clr->layout;
	uint64_t file, image, at, base;
	uint32_t m, f, i;

	for (m = 8; m < FILE_AT_MAX; m += 8) {
		if (!clr_read_ptr(clr, module + m, &file) || !file || file % 8)
			continue;
		for (f = 8; f <= IMAGE_AT_MAX; f += 8) {
			if (!clr_read_ptr(clr, file + f, &image) || !image || image % 8)
				continue;
			for (i = LAYOUT_AT_MIN; i < LAYOUT_AT_MAX; i += 8) {
				if (!clr_read_ptr(clr, image + i, &at) || !at || at % 8 ||
				    !clr_read_ptr(clr, at + layout->layout_base, &base) ||
				    base % CH_PAGE_BYTES ||
				    !clr_metadata_open_image(clr->core, base, ret) ||
				    !is_named(clr, ret, clr->object_mt, "System.Object") ||
				    !is_named(clr, ret, clr->string_mt, "System.String"))
					continue;
				layout->module_file = m;
				layout->file_image = f;
				layout->image_layout = i + 8 * LAYOUTS_AROUND;
				layout->image_layouts = 2 * LAYOUTS_AROUND + 1;
				return true;
			}
		}
	}
	return false;
}

/* Whether the map at addr has an entry for each of rows rows, and one for row 0. */
static bool is_map(const struct clr *clr, uint64_t addr, uint32_t rows)
{
	uint64_t table;
	uint32_t count;

	return ch_core_read_u32(clr->core, addr + MAP_COUNT, &count) && count == rows + 1 &&
	       clr_read_ptr(clr, addr + MAP_TABLE, &table) && table && table % 8 == 0;
}

static bool has_type(const struct clr *clr, uint64_t map, uint64_t mt)
{
	uint64_t table, entry;
	uint32_t row;

	return clr_type_row(clr, mt, &row) && clr_read_ptr(clr, map + MAP_TABLE, &table) &&
	       clr_read_ptr(clr, table + 8ULL * row, &entry) && (entry & ~7ULL) == mt;
}

static bool measure_maps(struct clr *clr, uint64_t module, const struct clr_metadata *metadata)
{
	struct clr_layout *layout = &clr->layout;
	uint32_t at;

	layout->module_types = layout->module_methods = layout->module_field_map = 0;
	for (at = 8; at < MODULE_BYTES; at += 8) {
		if (!layout->module_types &&
		    is_map(clr, module + at, metadata->rows[CLR_TABLE_TYPE_DEF]) &&
		    has_type(clr, module + at, clr->object_mt) &&
		    has_type(clr, module + at, clr->string_mt))
			layout->module_types = at;
		if (!layout->module_methods &&
		    is_map(clr, module + at, metadata->rows[CLR_TABLE_METHOD_DEF]))
			layout->module_methods = at;
		if (!layout->module_field_map &&
		    is_map(clr, module + at, metadata->rows[CLR_TABLE_FIELD]))
			layout->module_field_map = at;
	}
	return layout->module_types != 0;
}

/* The kind of a class, and numbers of fields: strings have two. */
static bool measure_classes(struct clr *clr)
{
	static const uint32_t kinds[] = { 48, 52 };
	uint64_t object, string;
	uint8_t kind;
	size_t i;

	if (!clr_class_of(clr, clr->object_mt, &object) ||
	    !clr_class_of(clr, clr->string_mt, &string))
		return false;
	for (i = 0; i < CH_COUNT_OF(kinds); i++) {
		clr->layout.class_kind = kinds[i];
		clr->layout.class_numbers = kinds[i] + 2;
		if (ch_core_try_read(clr->core, object + kinds[i], &kind, 1) &&
		    kind == CLR_KIND_CLASS &&
		    clr_class_number(clr, string, CLR_NUMBER_INSTANCE) == STRING_FIELDS &&
		    clr_class_number(clr, object, CLR_NUMBER_INSTANCE) == 0)
			return true;
	}
	return false;
}

bool clr_layout_measure(struct clr *clr, uint64_t thread)
{
	struct clr_metadata metadata;
	uint64_t module, generations;

	/* The same in all releases that have no descriptor: see layout.c. What cannot be
	 * measured is taken to be unknown. */
	if (!clr_read_ptr(clr, clr->gc_vars + 16, &generations))
		return false;
	clr->layout.gc_shift = generations > CLR_GENERATIONS ? 8 : 0;
	return measure_threads(clr, thread) && clr_type_module(clr, clr->string_mt, &module) &&
	       measure_image(clr, module, &metadata) && measure_maps(clr, module, &metadata) &&
	       measure_classes(clr);
}
