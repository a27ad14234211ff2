/*
 * Assemblies as rows for people: those that were made at run time by the thousand are
 * one row for each generator.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/text.h"

#define NAME_BYTES_MAX 256
/* References that are named. */
#define REFERENCES_SHOWN 4
/* Rows of several modules; what comes later is in the last one. */
#define ROWS_MAX 65536

/* What is known of one module. */
struct facts {
	char name[NAME_BYTES_MAX], pattern[NAME_BYTES_MAX], version[64];
	const char *kind, *path;
	const struct clr_metadata *metadata;
	uint64_t image, allocator;
};

static bool is_dynamic(const struct facts *facts)
{
	return strcmp(facts->kind, "dynamic") == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "Proxy12_3" and "Proxy7_11" are "Proxy#_#". */
static void make_pattern(const char *name, char *ret)
{
	for (; *name; name++) {
		if (!is_digit(*name))
			*ret++ = *name;
		else if (!is_digit(name[1]))
			*ret++ = '#';
	}
	*ret = '\0';
}

static void read_version(const struct clr_metadata *metadata, char *buf, size_t max)
{
	uint32_t parts[4] = { 0 }, i;

	for (i = 0; i < 4; i++)
		if (!clr_metadata_cell(metadata, CLR_TABLE_ASSEMBLY, 1, CLR_ASSEMBLY_VERSION + i,
				       &parts[i]))
			return;
	snprintf(buf, max, "%u.%u.%u.%u", parts[0], parts[1], parts[2], parts[3]);
}

static void read_facts(struct clr *clr, uint64_t module, struct facts *ret)
{
	const struct clr_module *entry = clr_module_entry(clr, module);
	const struct ch_module *file;

	*ret = (struct facts){ .kind = "dynamic", .image = entry ? entry->image : 0 };
	if (ret->image) {
		file = ch_sym_module_at(clr->env->sym, ret->image);
		ret->kind = file ? "file" : "in memory";
		ret->path = file ? file->path : NULL;
	}
	clr_module_allocator(clr, module, &ret->allocator);
	ret->metadata = clr_module_metadata(clr, module);
	if (!ret->metadata || !clr_metadata_string(ret->metadata, CLR_TABLE_ASSEMBLY, 1,
						   CLR_ASSEMBLY_NAME, ret->name, sizeof(ret->name)))
		snprintf(ret->name, sizeof(ret->name), "(no metadata)");
	if (ret->metadata)
		read_version(ret->metadata, ret->version, sizeof(ret->version));
	make_pattern(ret->name, ret->pattern);
}

/* "System.Object, System.IDisposable, ..." */
static char *references_text(const struct clr_metadata *metadata)
{
	char text[NAME_BYTES_MAX * 2 * REFERENCES_SHOWN], name[NAME_BYTES_MAX];
	char space[NAME_BYTES_MAX];
	uint32_t row, shown = 0;
	size_t len = 0;

	text[0] = '\0';
	for (row = 1; metadata && row <= metadata->rows[CLR_TABLE_TYPE_REF] &&
		      shown < REFERENCES_SHOWN && len < sizeof(text);
	     row++) {
		if (!clr_metadata_string(metadata, CLR_TABLE_TYPE_REF, row, CLR_TYPE_REF_NAME, name,
					 sizeof(name)) ||
		    !clr_metadata_string(metadata, CLR_TABLE_TYPE_REF, row, CLR_TYPE_REF_NAMESPACE,
					 space, sizeof(space)))
			break;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s",
					shown ? ", " : "", space, space[0] ? "." : "", name);
		shown++;
	}
	return chp_text_escape(text, 4 * sizeof(text));
}

/* Groups of dynamic modules: a hash table of rows + 1 by what their key hashes to. Two
 * keys of one hash are taken for one. */
struct groups {
	struct slot {
		uint64_t hash;
		size_t row;
	} * slots;
	size_t count, mask;
};

static struct slot *slot_of(const struct groups *groups, uint64_t hash)
{
	size_t slot = (size_t)hash & groups->mask;

	while (groups->slots[slot].row && groups->slots[slot].hash != hash)
		slot = (slot + 1) & groups->mask;
	return &groups->slots[slot];
}

static bool grow(struct groups *groups)
{
	struct groups larger = { .mask = groups->slots ? 2 * groups->mask + 1 : 255 };
	size_t i;

	larger.slots = calloc(larger.mask + 1, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (i = 0; groups->slots && i <= groups->mask; i++)
		if (groups->slots[i].row)
			*slot_of(&larger, groups->slots[i].hash) = groups->slots[i];
	larger.count = groups->count;
	free(groups->slots);
	*groups = larger;
	return true;
}

static struct ch_error *add_row(struct clr *clr, uint64_t module, const struct facts *facts)
{
	struct ch_assembly *row = ch_vec_push(&clr->assemblies);

	if (!row)
		return &ch_enomem;
	*row = (struct ch_assembly){
		.name = chp_text_escape(facts->name, 4 * NAME_BYTES_MAX),
		.version = strdup(facts->version),
		.kind = facts->kind,
		.path = facts->path,
		.references = is_dynamic(facts) ? references_text(facts->metadata) : strdup(""),
		.image = facts->image,
		.addr = module,
		.collectible = clr_loader_bytes(clr, facts->allocator) != 0,
	};
	return row->name && row->version && row->references ? NULL : &ch_enomem;
}

/* The row that a dynamic module belongs to; made if there is none. */
static struct ch_error *find_row(struct clr *clr, struct groups *groups, uint64_t module,
				 const struct facts *facts, size_t *ret)
{
	bool collectible = clr_loader_bytes(clr, facts->allocator) != 0;
	uint64_t hash = ch_hash_number(CH_HASH_START, collectible);
	struct slot *slot;

	/* The last row takes what comes when there are too many. */
	if (clr->assemblies.count < ROWS_MAX)
		hash = ch_hash_bytes(hash, facts->pattern, strlen(facts->pattern));
	if (2 * groups->count >= groups->mask && !grow(groups))
		return &ch_enomem;
	slot = slot_of(groups, hash);
	if (slot->row) {
		*ret = slot->row - 1;
		return NULL;
	}
	*ret = clr->assemblies.count;
	*slot = (struct slot){ hash, clr->assemblies.count + 1 };
	groups->count++;
	return add_row(clr, module, facts);
}

/* The second of a group: from now on the row has their pattern for a name. */
static struct ch_error *rename_row(struct ch_assembly *row, const struct facts *facts)
{
	char *pattern = chp_text_escape(facts->pattern, 4 * NAME_BYTES_MAX);

	if (!pattern)
		return &ch_enomem;
	free((char *)(uintptr_t)row->name);
	row->name = pattern;
	return NULL;
}

static struct ch_error *add_module(struct clr *clr, struct groups *groups, uint64_t module)
{
	size_t index = clr->assemblies.count;
	struct ch_assembly *row;
	struct ch_error *err;
	struct facts facts;

	read_facts(clr, module, &facts);
	err = is_dynamic(&facts) ? find_row(clr, groups, module, &facts, &index)
				 : add_row(clr, module, &facts);
	if (err)
		return err;
	row = CH_VEC_AT(&clr->assemblies, struct ch_assembly, index);
	row->count++;
	row->types_count += facts.metadata ? facts.metadata->rows[CLR_TABLE_TYPE_DEF] : 0;
	row->loader_bytes += clr_loader_bytes(clr, facts.allocator);
	return row->count == 2 ? rename_row(row, &facts) : NULL;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_assembly *x = a, *y = b;
	int kind = strcmp(y->kind, x->kind);

	/* "in memory" comes before "file" before "dynamic", from behind. */
	if (kind)
		return strcmp(x->kind, "file") == 0 ? -1 : strcmp(y->kind, "file") == 0 ? 1 : kind;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct ch_error *clr_assemblies(void *state, const void **ret, size_t *count_ret)
{
	struct clr *clr = state;
	struct ch_error *err = NULL;
	struct groups groups = { .slots = NULL };
	size_t i;

	if (!clr->assemblies_made) {
		clr->assemblies_made = true;
		err = clr_modules_find(clr);
		for (i = 0; !err && i < clr->module_list.count; i++) {
			err = add_module(clr, &groups, *CH_VEC_AT(&clr->module_list, uint64_t, i));
			if (!err && i % 1024 == 0)
				err = chp_context_check(clr->env->ctx);
		}
		free(groups.slots);
		ch_vec_sort(&clr->assemblies, compare_rows);
	}
	*ret = clr->assemblies.items;
	*count_ret = clr->assemblies.count;
	return err;
}

void clr_assemblies_free(struct clr *clr)
{
	struct ch_assembly *row;
	size_t i;

	for (i = 0; i < clr->assemblies.count; i++) {
		row = CH_VEC_AT(&clr->assemblies, struct ch_assembly, i);
		free((char *)(uintptr_t)row->name);
		free((char *)(uintptr_t)row->version);
		free((char *)(uintptr_t)row->references);
	}
	ch_vec_deinit(&clr->assemblies);
}
