/*
 * Which regions the user asked for: words for usage, type, state and protection, in our names and
 * in those of WinDbg, as bits that a region is compared with.
 */
#include "map/map_priv.h"

#include <string.h>
#include <strings.h>

#include "util/cleanup.h"
#include "util/error.h"

#define BIT(value) (1U << (value))
#define HEAPS                                                                                      \
	(BIT(CH_USAGE_HEAP) | BIT(CH_USAGE_ARENA) | BIT(CH_USAGE_MMAP_CHUNK) |                     \
	 BIT(CH_USAGE_MANAGED_HEAP))
#define MANAGED                                                                                    \
	(BIT(CH_USAGE_MANAGED_HEAP) | BIT(CH_USAGE_MANAGED_LOADER) | BIT(CH_USAGE_MANAGED_OTHER) | \
	 BIT(CH_USAGE_MANAGED_VIEW))

enum axis {
	AXIS_USAGE,
	AXIS_TYPE,
	AXIS_STATE,
	AXIS_PROTECT,
};

/* Names beside those of names.c. WinDbg's usages without a counterpart here
 * are taken, so that its command lines work, and match nothing. */
static const struct name_row {
	const char *name;
	enum axis axis;
	uint32_t bits;
} name_rows[] = {
	{ "heap", AXIS_USAGE, HEAPS },
	{ "managed", AXIS_USAGE, MANAGED },
	{ "peb", AXIS_USAGE, CH_FILTER_NEVER },
	{ "pageheap", AXIS_USAGE, CH_FILTER_NEVER },
	{ "csr", AXIS_USAGE, CH_FILTER_NEVER },
	{ "actx", AXIS_USAGE, CH_FILTER_NEVER },
	{ "nls", AXIS_USAGE, CH_FILTER_NEVER },
	{ "page_guard", AXIS_PROTECT, CH_FILTER_GUARD },
	{ "page_nocache", AXIS_PROTECT, CH_FILTER_NEVER },
	{ "page_writecombine", AXIS_PROTECT, CH_FILTER_NEVER },
	{ "---", AXIS_PROTECT, BIT(CH_PROTECT_NOACCESS) },
	{ "r--", AXIS_PROTECT, BIT(CH_PROTECT_READONLY) },
	{ "rw-", AXIS_PROTECT, BIT(CH_PROTECT_READWRITE) | BIT(CH_PROTECT_WRITECOPY) },
	{ "--x", AXIS_PROTECT, BIT(CH_PROTECT_EXECUTE) },
	{ "r-x", AXIS_PROTECT, BIT(CH_PROTECT_EXECUTE_READ) },
	{ "rwx", AXIS_PROTECT,
	  BIT(CH_PROTECT_EXECUTE_READWRITE) | BIT(CH_PROTECT_EXECUTE_WRITECOPY) },
	{ "???", AXIS_PROTECT, BIT(CH_PROTECT_UNKNOWN) },
};

/* Usages whose native name, WinDbg name or WinDbg filter name is this. */
static uint32_t usage_bits(const char *name)
{
	bool var = strcasecmp(name, "var") == 0;
	uint32_t bits = 0;
	unsigned int i;

	for (i = 0; i < CH_USAGE_COUNT; i++)
		if (strcasecmp(name, ch_usage_windbg_name(i)) == 0 ||
		    (var && strcmp(ch_usage_windbg_name(i), "<unknown>") == 0))
			bits |= BIT(i);
	/* A native name means that usage alone, though "other" is both. */
	for (i = 0; !bits && i < CH_USAGE_COUNT; i++)
		if (strcasecmp(name, ch_usage_name(i)) == 0)
			bits |= BIT(i);
	return bits;
}

static uint32_t protect_bits(const char *name)
{
	unsigned int i;

	for (i = 0; i < CH_PROTECT_UNKNOWN; i++)
		if (strcasecmp(name, ch_protect_name(i)) == 0)
			return BIT(i);
	return 0;
}

static uint32_t type_bits(const char *name)
{
	unsigned int i;

	for (i = CH_MEMTYPE_IMAGE; i < CH_MEMTYPE_COUNT; i++)
		if (strcasecmp(name, ch_memtype_name(i)) == 0)
			return BIT(i);
	return 0;
}

static uint32_t state_bits(const char *name)
{
	unsigned int i;

	for (i = 0; i < CH_STATE_COUNT; i++)
		if (strcasecmp(name, ch_state_name(i)) == 0)
			return BIT(i);
	return 0;
}

static uint32_t find_name(const char *name, enum axis *axis_ret)
{
	uint32_t bits;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(name_rows); i++) {
		if (strcasecmp(name, name_rows[i].name) == 0) {
			*axis_ret = name_rows[i].axis;
			return name_rows[i].bits;
		}
	}
	*axis_ret = AXIS_USAGE;
	bits = usage_bits(name);
	if (!bits) {
		*axis_ret = AXIS_TYPE;
		bits = type_bits(name);
	}
	if (!bits) {
		*axis_ret = AXIS_STATE;
		bits = state_bits(name);
	}
	if (!bits) {
		*axis_ret = AXIS_PROTECT;
		bits = protect_bits(name);
	}
	return bits;
}

struct ch_error *ch_region_filter_add(struct ch_region_filter *filter, const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	struct ch_region_filter found = *filter;
	char *rest = copy, *name;
	enum axis axis;
	uint32_t bits;

	if (!copy)
		return &ch_enomem;
	while ((name = strsep(&rest, ","))) {
		bits = find_name(name, &axis);
		if (!bits)
			return ch_error_create(
				CH_ERROR_ARG,
				"'%s' is no filter: give a usage (heap, stack, image, anon ...), "
				"MEM_PRIVATE, MEM_COMMIT, PAGE_READWRITE or rw-, joined by commas",
				name);
		if (axis == AXIS_USAGE)
			found.usage |= bits;
		else if (axis == AXIS_TYPE)
			found.type |= bits;
		else if (axis == AXIS_STATE)
			found.state |= bits;
		else
			found.protect |= bits;
	}
	*filter = found;
	return NULL;
}

bool ch_region_matches(const struct ch_region *region, const struct ch_region_filter *filter)
{
	uint32_t protect = 0;

	if (region->state != CH_STATE_FREE)
		protect = BIT(ch_region_protect(region, filter->windbg));
	if (region->flags & CH_REGION_GUARD)
		protect |= CH_FILTER_GUARD;
	return (!filter->usage || filter->usage & BIT(region->usage)) &&
	       (!filter->type || filter->type & BIT(region->type)) &&
	       (!filter->state || filter->state & BIT(region->state)) &&
	       (!filter->protect || filter->protect & protect);
}
