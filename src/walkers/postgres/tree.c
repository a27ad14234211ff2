/*
 * The tree of memory contexts: its root, which PostgreSQL exports for its extensions, and the
 * contexts below it, level by level. A context is believed if it is the first byte of a used block
 * and names the context as its parent that leads to it; nobody is visited twice.
 */
#include "walkers/postgres/postgres_priv.h"

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/context.h"

#define ROOT_NAME "TopMemoryContext"

static const struct ch_module *program_of(const struct ch_heap_env *env)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE)
			return &modules[i];
	return NULL;
}

/* Whether a context without a parent is at addr, and the first of its children is below it. */
static bool is_root(const struct ch_heap_env *env, uint64_t addr)
{
	uint64_t child, parent, name;

	return addr % 8 == 0 && ch_core_read_u64(env->core, addr + POSTGRES_PARENT, &parent) &&
	       !parent && ch_core_read_u64(env->core, addr + POSTGRES_FIRSTCHILD, &child) &&
	       ch_core_read_u64(env->core, child + POSTGRES_PARENT, &parent) && parent == addr &&
	       ch_core_read_u64(env->core, addr + POSTGRES_NAME, &name) &&
	       ch_sym_module_at(env->sym, name) && postgres_layout_of(env->core, addr);
}

/* The word in the program's data that leads to a root. */
static bool find_by_shape(const struct ch_heap_env *env, const struct ch_module *program,
			  uint64_t *ret)
{
	struct ch_data_run run = { 0 };
	uint64_t at = program->start, word;
	size_t i;

	while (chp_data_next(env, program, &at, &run))
		for (i = ch_align_up(run.addr, 8) - run.addr; i + 8 <= run.len; i += 8) {
			word = ch_get64(run.bytes + i);
			if (!word || !is_root(env, word))
				continue;
			*ret = word;
			return true;
		}
	return false;
}

bool postgres_find_root(const struct ch_heap_env *env, uint64_t *ret, const char **basis_ret)
{
	const struct ch_module *program = program_of(env);
	struct ch_symbol symbol;
	uint64_t root;

	if (!program)
		return false;
	if (ch_sym_exported(env->sym, program, ROOT_NAME, &symbol) ||
	    ch_sym_by_name(env->sym, program, ROOT_NAME, &symbol)) {
		*basis_ret = "symbol " ROOT_NAME;
		if (!ch_core_read_u64(env->core, symbol.addr, &root) || !is_root(env, root))
			return false;
		*ret = root;
		return true;
	}
	*basis_ret = "a tree of contexts that the program's data leads to";
	return find_by_shape(env, program, ret);
}

/* Add a context that its parent, or a child of that, leads to. */
static struct ch_error *add_context(struct postgres *pg, uint64_t addr, uint32_t parent)
{
	const size_t index = pg->contexts.count;
	struct postgres_context *context;
	uint32_t tag;

	if (!ch_core_read_u32(pg->env.core, addr + POSTGRES_TAG, &tag))
		return NULL;
	context = ch_vec_push(&pg->contexts);
	if (!context || !ch_table_put(&pg->by_addr, addr, (uint32_t)index))
		return &ch_enomem;
	*context = (struct postgres_context){
		.addr = addr,
		.tag = tag,
		.kind = POSTGRES_UNKNOWN,
		.parent = parent,
		.level =
			index ? CH_VEC_AT(&pg->contexts, struct postgres_context, parent)->level + 1
			      : 0,
		.name = CH_TABLE_NONE,
	};
	return NULL;
}

/* Whether addr may be a child of the context at parent. */
static bool is_child(const struct postgres *pg, uint64_t addr, uint64_t parent)
{
	struct ch_object block;
	uint64_t word;

	return addr % 8 == 0 && ch_table_find(&pg->by_addr, addr) == CH_TABLE_NONE &&
	       ch_core_read_u64(pg->env.core, addr + POSTGRES_PARENT, &word) && word == parent &&
	       chp_outer_block_at(&pg->env, addr, &block) && block.addr == addr &&
	       block.state == CH_OBJECT_USED;
}

static struct ch_error *add_children(struct postgres *pg, uint32_t parent)
{
	const uint64_t above = CH_VEC_AT(&pg->contexts, struct postgres_context, parent)->addr;
	struct ch_error *err = NULL;
	uint64_t child = 0;

	if (!ch_core_read_u64(pg->env.core, above + POSTGRES_FIRSTCHILD, &child))
		child = 0;
	while (!err && child) {
		if (!is_child(pg, child, above)) {
			chp_context_finding(pg->env.ctx, chp_blame(&pg->env), "postgres-tree",
					    "memory context 0x%llx: its list of children leads to "
					    "what is none; those behind it are not told apart",
					    (unsigned long long)above);
			break;
		}
		err = add_context(pg, child, parent);
		if (!err && !ch_core_read_u64(pg->env.core, child + POSTGRES_NEXTCHILD, &child))
			child = 0;
	}
	return err ? err : chp_context_check(pg->env.ctx);
}

struct ch_error *postgres_read_tree(struct postgres *pg)
{
	struct ch_error *err = add_context(pg, pg->root, 0);
	uint32_t i;

	for (i = 0; !err && i < pg->contexts.count; i++)
		err = add_children(pg, i);
	return err;
}
