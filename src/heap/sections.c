/*
 * Sections: which runtimes have one, and those whose rows are public, of all of them as one.
 */
#include "heap/sections.h"

#include <string.h>

#include "heap/heap_priv.h"
#include "util/cleanup.h"

#define ASSEMBLY(member) offsetof(struct ch_assembly, member)
#define SETTING(member)  offsetof(struct ch_setting, member)

static const struct ch_section_field assembly_fields[] = {
	{ "name", "ASSEMBLY", 1, CH_SECTION_WORD, ASSEMBLY(name), 0, false },
	{ "version", "VERSION", 2, CH_SECTION_WORD, ASSEMBLY(version), 0, false },
	{ "kind", "KIND", 3, CH_SECTION_WORD, ASSEMBLY(kind), 0, false },
	{ "collectible", NULL, 3, CH_SECTION_FLAG, ASSEMBLY(collectible), 0, false },
	{ "count", "COUNT", 4, CH_SECTION_COUNT, ASSEMBLY(count), 0, false },
	{ "types_count", "TYPES", 5, CH_SECTION_COUNT, ASSEMBLY(types_count), 0, false },
	{ "loader_bytes", "LOADER HEAPS", 6, CH_SECTION_BYTES, ASSEMBLY(loader_bytes), 0, true },
	{ "addr", NULL, 0, CH_SECTION_ADDR, ASSEMBLY(addr), 0, false },
	{ "image_addr", NULL, 0, CH_SECTION_ADDR, ASSEMBLY(image), 0, true },
	{ "path", NULL, 0, CH_SECTION_TEXT, ASSEMBLY(path), 0, false },
	{ "references", "REFERS TO", 7, CH_SECTION_WORD, ASSEMBLY(references), 0, false },
};

const struct ch_section_shape chp_section_assemblies = {
	.key = "assemblies",
	.title = "Assemblies",
	.many = true,
	.fields = assembly_fields,
	.fields_count = CH_COUNT_OF(assembly_fields),
	.row_bytes = sizeof(struct ch_assembly),
};

static const struct ch_section_field setting_fields[] = {
	{ "runtime", NULL, 0, CH_SECTION_RUNTIME, 0, 0, false },
	{ "name", "FLAG", 1, CH_SECTION_WORD, SETTING(name), 0, false },
	{ "type", "TYPE", 3, CH_SECTION_WORD, SETTING(type), 0, false },
	{ "value", "VALUE", 2, CH_SECTION_TEXT, SETTING(value), SETTING(text_addr) + 1, false },
	{ "origin", "ORIGIN", 4, CH_SECTION_WORD, SETTING(origin), 0, false },
	{ "changed", NULL, 0, CH_SECTION_FLAG, SETTING(changed), 0, false },
};

const struct ch_section_shape chp_section_settings = {
	.key = "settings",
	.title = "flags",
	.notable_title = "flags that are not default",
	.notable = SETTING(changed) + 1,
	.fields = setting_fields,
	.fields_count = CH_COUNT_OF(setting_fields),
	.row_bytes = sizeof(struct ch_setting),
	.walker = SETTING(walker) + 1,
};

static const struct ch_walker_section *section_of(const struct ch_opened *opened,
						  const struct ch_section_shape *shape)
{
	const struct ch_walker_section *section = opened->walker->sections;

	for (; section && section->shape; section++)
		if (section->shape == shape)
			return section;
	return NULL;
}

struct ch_error *chp_heaps_sections(struct ch_heaps *heaps, const struct ch_section_shape *shape,
				    struct ch_vec *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	const struct ch_walker_section *known;
	struct ch_section section, *slot;
	struct ch_error *err;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++) {
		known = section_of(&opened[i], shape);
		if (!known)
			continue;
		section = (struct ch_section){ .shape = shape, .walker = opened[i].index };
		err = known->rows(opened[i].state, &section.rows, &section.rows_count);
		if (err)
			return err;
		if (!section.rows_count)
			continue;
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = section;
	}
	return NULL;
}

/* Copy the rows of one runtime. */
static struct ch_error *add_rows(const struct ch_section *section, struct ch_vec *list)
{
	const struct ch_section_shape *shape = section->shape;
	size_t i;
	char *slot;

	for (i = 0; i < section->rows_count; i++) {
		slot = ch_vec_push(list);
		if (!slot)
			return &ch_enomem;
		memcpy(slot, (const char *)section->rows + i * shape->row_bytes, shape->row_bytes);
		if (shape->walker)
			memcpy(slot + shape->walker - 1, &section->walker, sizeof(section->walker));
	}
	return NULL;
}

/* Rows of all runtimes in *list, joined when they are first asked for. */
static struct ch_error *join_rows(struct ch_heaps *heaps, const struct ch_section_shape *shape,
				  struct ch_vec *list)
{
	struct ch_vec sections = CH_VEC(struct ch_section);
	struct ch_error *err;
	size_t i;

	if (list->count)
		return NULL;
	err = chp_heaps_sections(heaps, shape, &sections);
	for (i = 0; !err && i < sections.count; i++)
		err = add_rows(CH_VEC_AT(&sections, struct ch_section, i), list);
	ch_vec_deinit(&sections);
	if (err)
		list->count = 0;
	return err;
}

struct ch_error *ch_heaps_assemblies(struct ch_heaps *heaps, const struct ch_assembly **ret,
				     size_t *count_ret)
{
	struct ch_error *err;

	err = join_rows(heaps, &chp_section_assemblies, &heaps->assemblies);
	*ret = heaps->assemblies.items;
	*count_ret = heaps->assemblies.count;
	return err;
}

struct ch_error *ch_heaps_settings(struct ch_heaps *heaps, const struct ch_setting **ret,
				   size_t *count_ret)
{
	struct ch_error *err;

	err = join_rows(heaps, &chp_section_settings, &heaps->settings);
	*ret = heaps->settings.items;
	*count_ret = heaps->settings.count;
	return err;
}
