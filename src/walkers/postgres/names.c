/*
 * Names of contexts. A context's name is a constant of the program, and is shown where that is so:
 * it lies in a module's memory that nobody writes to. Contexts of hash tables are all called
 * "dynahash", and as in PostgreSQL's own reports the table's name, which is the identifier, stands
 * for that; it is a copy, so that it is a constant only if the program has the same text as one.
 * Other identifiers are texts of queries and the like: contents.
 */
#include "walkers/postgres/postgres_priv.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/text.h"

/* As MEMORY_CONTEXT_IDENT_DISPLAY_SIZE, what its reports show of an identifier. */
#define IDENT_BYTES_MAX 1024
/* A backend has some 40 hash tables; each name is looked for in all of the program once. */
#define TABLES_MAX  256
#define TABLES_NAME "dynahash"

/* Whether the text, all of it, is among some bytes that lie at addr. */
static bool has_text(const uint8_t *bytes, size_t len, const char *text)
{
	const size_t text_len = strlen(text) + 1;
	const uint8_t *from = bytes, *found;

	while ((found = memmem(from, len - (size_t)(from - bytes), text, text_len)) != NULL) {
		if (found == bytes || !found[-1])
			return true;
		from = found + text_len;
	}
	return false;
}

/* Whether a module has the text as a constant. */
static bool has_constant(const struct ch_heap_env *env, const struct ch_module *module,
			 const char *text)
{
	const struct ch_region *region;
	uint64_t at, next;
	const uint8_t *bytes;
	size_t len;

	for (at = module->start; at < module->end; at = next) {
		region = ch_map_region_at(env->map, at);
		if (!region || region->end <= at)
			return false;
		next = ch_min(region->end, module->end);
		if (region->prot & CH_SEGMENT_WRITE || region->state != CH_STATE_COMMIT)
			continue;
		len = next - at;
		bytes = ch_core_span(env->core, at, &len);
		if (!bytes)
			continue;
		len = ch_min(len, next - at);
		next = at + len;
		if (has_text(bytes, len, text))
			return true;
	}
	return false;
}

/* The name of a hash table's context: at most that of the table. */
static struct ch_error *read_table(struct postgres *pg, const struct ch_module *module,
				   struct postgres_context *context)
{
	const struct ch_heap_env *env = &pg->env;
	char text[CH_CONSTANT_BYTES_MAX + 1];
	uint64_t ident, key;
	uint32_t known;

	if (!ch_core_read_u64(env->core, context->addr + POSTGRES_IDENT, &ident) || !ident ||
	    !ch_core_read_string(env->core, ident, text, sizeof(text)) || !text[0])
		return NULL;
	key = ch_hash_bytes(CH_HASH_START, text, strlen(text)) | 1;
	known = ch_table_find(&pg->tables, key);
	if (known == CH_TABLE_NONE) {
		known = chp_context_reveals(env->ctx) ||
			(pg->tables.count < TABLES_MAX && has_constant(env, module, text));
		if (!ch_table_put(&pg->tables, key, known))
			return &ch_enomem;
	}
	return known ? chp_constants_add(&pg->names, text, &context->name) : NULL;
}

static struct ch_error *read_ident(struct postgres *pg, struct postgres_context *context)
{
	char text[IDENT_BYTES_MAX + 1];
	uint64_t ident;

	if (!chp_context_reveals(pg->env.ctx) ||
	    !ch_core_read_u64(pg->env.core, context->addr + POSTGRES_IDENT, &ident) || !ident ||
	    !ch_core_read_string(pg->env.core, ident, text, sizeof(text)))
		return NULL;
	context->ident = chp_text_escape(text, IDENT_BYTES_MAX);
	return context->ident ? NULL : &ch_enomem;
}

struct ch_error *postgres_read_name(struct postgres *pg, struct postgres_context *context)
{
	const struct ch_module *module;
	struct ch_error *err;
	uint64_t addr;

	if (!ch_core_read_u64(pg->env.core, context->addr + POSTGRES_NAME, &addr) || !addr)
		return NULL;
	err = chp_constants_at(&pg->names, &pg->env, addr, &context->name);
	if (err || context->name == CH_TABLE_NONE)
		return err;
	module = ch_sym_module_at(pg->env.sym, addr);
	if (strcmp(chp_constant(&pg->names, context->name), TABLES_NAME) == 0)
		return read_table(pg, module, context);
	return read_ident(pg, context);
}
