/*
 * The dynamic linker's list of libraries, for the names that notes lack and for libraries that
 * only it knows; lists of other namespaces, too.
 */
#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/text.h"

/* A process with more loaded libraries than this is damage. */
#define LINK_MAPS_MAX 65536
/* Libraries that only the link map knows: each costs its path and its headers. */
#define LINKED_MAX 4096
/* Lists of libraries (dlmopen, auditors); glibc's DL_NNS is 16. */
#define NAMESPACES_MAX 64
/* Where a dynamic section is looked for behind headers that are not in the core. */
#define SEARCH_SEGMENTS  16
#define SEARCH_BYTES_MAX (16ULL << 20)
#define DYNAMIC_BYTES    (1024 * 16)
/* A module larger than this is damage. */
#define MODULE_BYTES_MAX (16ULL << 30)

/* One struct link_map (glibc include/link.h, musl include/link.h). */
struct link_map {
	uint64_t addr, name, dynamic, next, prev;
};

static bool read_link_map(const struct ch_sym *sym, uint64_t at, struct link_map *ret)
{
	uint64_t words[5];

	if (!ch_core_try_read(sym->core, at, words, sizeof(words)))
		return false;
	*ret = (struct link_map){ le64toh(words[0]), le64toh(words[1]), le64toh(words[2]),
				  le64toh(words[3]), le64toh(words[4]) };
	return true;
}

/* struct r_debug (glibc elf/link.h, musl include/link.h): r_version at 0, r_map at 8,
 * r_state at 24. Whether it is one, of a program whose dynamic section holds the word at. */
static bool is_debug(const struct ch_sym *sym, uint64_t debug, uint64_t at)
{
	uint32_t version, state;
	struct link_map first;
	uint64_t map;

	return debug && ch_core_read_u32(sym->core, debug, &version) && version - 1 < 2 &&
	       ch_core_read_u32(sym->core, debug + 24, &state) && state <= 2 &&
	       ch_core_read_u64(sym->core, debug + 8, &map) && read_link_map(sym, map, &first) &&
	       !first.prev && first.dynamic <= at && at - first.dynamic < DYNAMIC_BYTES;
}

static uint64_t search_segment(const struct ch_sym *sym, const struct ch_segment *segment,
			       uint64_t *left)
{
	uint64_t at = ch_align_up(segment->start, 8), i, size;
	const uint8_t *p;
	size_t len = 0;

	if (segment->present_end <= at)
		return 0;
	p = ch_core_span_recorded(sym->core, at, &len);
	size = ch_min(ch_min(len, segment->present_end - at), *left) / 8;
	*left -= size * 8;
	for (i = 0; p && i + 1 < size; i++)
		if (ch_get64(p + 8 * i) == DT_DEBUG &&
		    is_debug(sym, ch_get64(p + 8 * i + 8), at + 8 * i))
			return ch_get64(p + 8 * i + 8);
	return 0;
}

/*
 * The headers of the executable are not in the core: its dynamic section lies
 * behind them, and its DT_DEBUG leads to a list whose first entry leads back.
 */
static uint64_t search_debug(const struct ch_sym *sym)
{
	const struct ch_segment *segments, *segment;
	uint64_t addr, debug = 0, left = SEARCH_BYTES_MAX;
	size_t count, i, first;

	segments = ch_core_segments(sym->core, &count);
	if (!ch_core_auxv(sym->core, AT_PHDR, &addr))
		return 0;
	segment = ch_core_segment_at(sym->core, addr);
	first = segment ? (size_t)(segment - segments) : count;
	for (i = first; !debug && left && i < count && i - first < SEARCH_SEGMENTS; i++)
		debug = search_segment(sym, &segments[i], &left);
	return debug;
}

/* Target address of struct r_debug, 0 when not found. */
static uint64_t find_debug(const struct ch_sym *sym)
{
	const struct ch_module *exe, *module;
	uint64_t addr, debug;
	size_t i;

	exe = ch_core_auxv(sym->core, AT_PHDR, &addr) ? ch_sym_module_at(sym, addr) : NULL;
	if (exe && chp_dynamic_find(sym, exe, DT_DEBUG, &debug) && debug)
		return debug;
	/* the dynamic linker was run as a program, or there is no auxiliary vector */
	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (chp_dynamic_find(sym, module, DT_DEBUG, &debug) && debug)
			return debug;
	}
	return search_debug(sym);
}

/*
 * A library whose headers are not in the core: it begins at its load address
 * and has its dynamic section, behind which its data lies.
 */
static struct ch_error *add_headless(struct ch_sym *sym, uint64_t start, const struct link_map *map,
				     const char *path)
{
	const struct ch_segment *first = ch_core_segment_at(sym->core, start), *segments;
	const struct ch_segment *last = ch_core_segment_at(sym->core, map->dynamic);
	struct ch_module *module;
	size_t count;

	segments = ch_core_segments(sym->core, &count);
	if (ch_core_lists_files(sym->core) || start % CH_PAGE_BYTES || !first || !last ||
	    first->start != start || first->present_end > start || map->dynamic < start ||
	    last->end - start > MODULE_BYTES_MAX)
		return NULL;
	/* RELRO is followed by what stayed writable */
	if (!(last->flags & CH_SEGMENT_WRITE) && (size_t)(last - segments) + 1 < count &&
	    last[1].start == last->end && (last[1].flags & CH_SEGMENT_WRITE))
		last++;
	module = chp_module_add(sym, start, last->end, path, "link map");
	if (!module)
		return &ch_enomem;
	module->bias = map->addr;
	return NULL;
}

/* The linker has a path for each but the program and what the kernel gave: what else is
 * there is not its name. */
static bool is_library_name(const char *name)
{
	return (strchr(name, '/') || strncmp(name, "linux-", 6) == 0) && chp_text_is_name(name);
}

/* Name of an entry; "" when it has none. */
static void read_name(const struct ch_sym *sym, const struct link_map *map,
		      char name[CH_PATH_BYTES_MAX])
{
	name[0] = '\0';
	if (ch_core_read_string(sym->core, map->name, name, CH_PATH_BYTES_MAX) &&
	    !is_library_name(name))
		name[0] = '\0';
}

/*
 * An entry whose name is not there: the executable has none, and without PIE no
 * load address; the dynamic linker's lies among the executable's strings. Its
 * kind, and where it begins; false when it is neither.
 */
static bool place_nameless(const struct ch_sym *sym, const struct link_map *map, uint64_t *start,
			   enum ch_module_kind *kind)
{
	const struct ch_segment *segment;
	uint64_t addr;

	if (ch_core_auxv(sym->core, AT_BASE, &addr) && addr && map->addr == addr) {
		*kind = CH_MODULE_INTERP;
		*start = addr;
		return true;
	}
	if (map->prev || !ch_core_auxv(sym->core, AT_PHDR, &addr))
		return false;
	segment = ch_core_segment_at(sym->core, addr);
	*kind = CH_MODULE_EXE;
	*start = segment ? segment->start : 0;
	return segment != NULL;
}

/* A library the link map knows and NT_FILE does not. */
static struct ch_error *add_linked(struct ch_sym *sym, const struct link_map *map)
{
	enum ch_module_kind kind = CH_MODULE_LIB;
	char name[CH_PATH_BYTES_MAX];
	uint64_t start = map->addr;
	struct ch_error *err;
	const char *path;
	size_t count;

	if (sym->linked_count >= LINKED_MAX)
		return NULL;
	read_name(sym, map, name);
	if (!name[0] && !place_nameless(sym, map, &start, &kind))
		return NULL;
	if (!start)
		return NULL;
	sym->linked_count++;
	path = kind == CH_MODULE_EXE      ? chp_exe_path(sym)
	       : kind == CH_MODULE_INTERP ? "[interp]"
					  : chp_sym_keep(sym, strdup(name));
	if (!path)
		return &ch_enomem;
	count = sym->modules.count;
	err = chp_module_add_at(sym, start, path, "link map");
	if (!err && sym->modules.count == count)
		err = add_headless(sym, start, map, path);
	if (!err && sym->modules.count > count)
		CH_VEC_AT(&sym->modules, struct ch_module, count)->kind = kind;
	return err;
}

static struct ch_error *visit(struct ch_sym *sym, size_t known, uint64_t at,
			      const struct link_map *map)
{
	struct ch_module *module = chp_module_among(sym, known, map->dynamic);
	struct ch_module_extra *extra;
	char name[CH_PATH_BYTES_MAX];
	const char *path;

	if (!module)
		return add_linked(sym, map);
	if (module->link_map)
		return NULL;
	module->link_map = at;
	extra = chp_module_extra(sym, module);
	/* The headers are not in the core: what the linker knows stands in. */
	if (!extra->has_image)
		module->bias = map->addr;
	read_name(sym, map, name);
	if (!chp_module_is_unnamed(module) || !name[0])
		return NULL;
	path = chp_sym_keep(sym, strdup(name));
	if (!path)
		return &ch_enomem;
	chp_module_set_path(module, path);
	return NULL;
}

/* One list. *count_ret grows by its entries; *end_ret is 0 when it ends as it should. */
static struct ch_error *walk_list(struct ch_sym *sym, size_t known, uint64_t at, size_t *count_ret,
				  uint64_t *end_ret)
{
	size_t i, lap = 1;
	uint64_t mark = 0;
	struct link_map map;
	struct ch_error *err;

	/* mark stays behind for laps of doubling length: a cycle meets it. */
	for (i = 0; at && at != mark && *count_ret < LINK_MAPS_MAX; i++, ++*count_ret) {
		if (!read_link_map(sym, at, &map))
			break;
		if (i == lap) {
			mark = at;
			lap *= 2;
		}
		err = visit(sym, known, at, &map);
		if (err)
			return err;
		at = map.next;
	}
	*end_ret = at;
	return NULL;
}

/* r_next at 40, from version 2 on: the list of another namespace (glibc 2.35, elf/link.h,
 * struct r_debug_extended). */
static uint64_t next_debug(const struct ch_sym *sym, uint64_t debug)
{
	uint32_t version;
	uint64_t next;

	return ch_core_read_u32(sym->core, debug, &version) && version == 2 &&
			       ch_core_read_u64(sym->core, debug + 40, &next)
		       ? next
		       : 0;
}

struct ch_error *chp_linkmap_walk(struct ch_sym *sym)
{
	size_t known = sym->modules.count, count = 0, i;
	uint64_t debug = find_debug(sym), map, end = 0;
	struct ch_error *err = NULL;

	for (i = 0; !err && debug && !end && i < NAMESPACES_MAX; i++) {
		if (ch_core_read_u64(sym->core, debug + 8, &map))
			err = walk_list(sym, known, map, &count, &end);
		debug = next_debug(sym, debug);
	}
	if (err)
		return err;
	if (end)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "link-map-damaged",
				    "the list of loaded libraries breaks off at %s after %zu "
				    "entries; libraries that NT_FILE does not name may be missing",
				    chp_core_word(sym->core, end, CH_NO_ADDRESS).text, count);
	if (sym->linked_count >= LINKED_MAX)
		chp_context_finding(sym->ctx, CH_SEVERITY_INCOMPLETE, "too-many-modules",
				    "the list of loaded libraries names more than %d that NT_FILE "
				    "does not; the rest is left out",
				    LINKED_MAX);
	return sym->modules.count > known ? chp_modules_sort(sym) : NULL;
}
