/*
 * Signs of allocators and runtimes that are recognised, but not walked: names of modules,
 * exported symbols, patterns in their data. A walker of that kind is one table of them.
 */
#include "heap/signs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"

/* Data of one module that is looked through. */
#define DATA_BYTES_MAX (64ULL << 20)
/* Data of all modules together: they may share their bytes. */
#define DATA_TOTAL_MAX (256ULL << 20)

enum use {
	/* no table */
	USE_UNKNOWN,
	/* the table of an allocator that was linked in, but never called */
	USE_NEVER,
	USE_SEEN,
};

/* What was found; NULL or empty where nothing was. */
struct found {
	const struct ch_module *mapped, *table_module;
	struct ch_symbol symbol;
	const struct ch_size_table *table;
	const struct ch_pattern *pattern;
	/* of table or pattern */
	uint64_t table_addr;
	enum use use;
	struct ch_data_run run;
};

bool chp_has_stem(const char *name, const char *stem)
{
	size_t len = strlen(stem);

	return strncmp(name, stem, len) == 0 &&
	       (name[len] == '\0' || strchr(".-_0123456789", name[len]) != NULL);
}

/*
 * End of what may be a module's data: without program headers its bss is not
 * known, and memory that touches the module may be it.
 */
static uint64_t data_end(const struct ch_heap_env *env, const struct ch_module *module)
{
	const struct ch_region *region;

	if (module->bss_end)
		return ch_max(module->end, module->bss_end);
	region = ch_map_region_at(env->map, module->end);
	return region && region->start == module->end && region->type == CH_MEMTYPE_PRIVATE
		       ? region->end
		       : module->end;
}

/* The next run whose rights are, of those in mask, these. */
static bool next_run(const struct ch_heap_env *env, const struct ch_module *module, uint32_t mask,
		     uint32_t rights, uint64_t *at, struct ch_data_run *ret)
{
	uint64_t end = ch_min(data_end(env, module), module->start + DATA_BYTES_MAX);
	const struct ch_region *region;

	while (*at < end && ret->looked_bytes < DATA_TOTAL_MAX) {
		region = ch_map_region_at(env->map, *at);
		if (!region)
			return false;
		if ((region->prot & mask) == rights && region->state == CH_STATE_COMMIT) {
			ret->bytes = ch_core_span_recorded(env->core, *at, &ret->len);
			if (ret->bytes) {
				ret->addr = *at;
				ret->len = ch_min(ret->len, ch_min(region->end, end) - *at);
				*at += ret->len;
				ret->looked_bytes += ret->len;
				return true;
			}
		}
		*at = region->end;
	}
	return false;
}

bool chp_data_next(const struct ch_heap_env *env, const struct ch_module *module, uint64_t *at,
		   struct ch_data_run *ret)
{
	return next_run(env, module, CH_SEGMENT_WRITE, CH_SEGMENT_WRITE, at, ret);
}

bool chp_image_next(const struct ch_heap_env *env, const struct ch_module *module, uint64_t *at,
		    struct ch_data_run *ret)
{
	return next_run(env, module, CH_SEGMENT_EXEC, 0, at, ret);
}

bool chp_exe_words(const struct ch_heap_env *env,
		   bool (*fn)(void *arg, uint64_t addr, uint64_t word), void *arg)
{
	struct ch_data_run run = { 0 };
	const struct ch_module *modules;
	size_t count, i, k;
	uint64_t at;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		at = modules[i].start;
		while (modules[i].kind == CH_MODULE_EXE &&
		       chp_data_next(env, &modules[i], &at, &run))
			for (k = ch_align_up(run.addr, 8) - run.addr;
			     k < run.len && run.len - k >= 8; k += 8)
				if (fn(arg, run.addr + k, ch_get64(run.bytes + k)))
					return true;
	}
	return false;
}

static uint64_t number_at(const struct ch_size_table *table, const uint8_t *p)
{
	return table->width == 8 ? ch_get64(p) : ch_get32(p);
}

static enum use use_of(const struct ch_size_table *table, const uint8_t *first)
{
	size_t i;

	if (!table->pointer_before)
		return USE_SEEN;
	for (i = 0; i < table->sizes_count; i++)
		if (ch_get64(first + i * table->stride - table->pointer_before))
			return USE_SEEN;
	return USE_NEVER;
}

static void find_in_run(const struct ch_size_table *table, const struct ch_data_run *run,
			struct found *found)
{
	size_t bytes = (table->sizes_count - 1) * table->stride + table->width, at, i;
	enum use use;

	at = ch_align_up(run->addr + table->pointer_before, table->width) - run->addr;
	for (; at < run->len && bytes <= run->len - at; at += table->width) {
		for (i = 0; i < table->sizes_count; i++)
			if (number_at(table, run->bytes + at + i * table->stride) !=
			    table->sizes[i])
				break;
		if (i < table->sizes_count)
			continue;
		use = use_of(table, run->bytes + at);
		if (use <= found->use)
			continue;
		found->use = use;
		found->table = table;
		found->table_addr = run->addr + at;
		if (use == USE_SEEN)
			return;
	}
}

static void find_pattern(const struct ch_pattern *pattern, const struct ch_data_run *run,
			 struct found *found)
{
	size_t at = ch_align_up(run->addr, pattern->align) - run->addr;

	for (; at < run->len && pattern->len <= run->len - at; at += pattern->align) {
		if (memcmp(run->bytes + at, pattern->bytes, pattern->len) != 0)
			continue;
		found->use = USE_SEEN;
		found->pattern = pattern;
		found->table_addr = run->addr + at;
		return;
	}
}

static void find_tables(const struct ch_heap_env *env, const struct ch_signs *signs,
			const struct ch_module *module, struct found *found)
{
	uint64_t at = module->start;
	enum use before = found->use;
	size_t i;

	if (!signs->tables_count && !signs->patterns_count)
		return;
	while (found->use != USE_SEEN && chp_data_next(env, module, &at, &found->run)) {
		for (i = 0; i < signs->tables_count && found->use != USE_SEEN; i++)
			find_in_run(&signs->tables[i], &found->run, found);
		for (i = 0; i < signs->patterns_count && found->use != USE_SEEN; i++)
			find_pattern(&signs->patterns[i], &found->run, found);
	}
	if (found->use > before)
		found->table_module = module;
}

/*
 * An executable with an allocator of its own exports malloc, because libraries
 * call it, or is linked statically. Only of such a one the whole symbol table is
 * worth reading.
 */
static bool may_hold_malloc(const struct ch_heap_env *env, const struct ch_module *modules,
			    size_t count, const struct ch_module *exe)
{
	struct ch_symbol symbol;
	size_t i;

	if (ch_sym_exported(env->sym, exe, "malloc", &symbol))
		return true;
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_LIB || modules[i].kind == CH_MODULE_INTERP)
			return false;
	return true;
}

static bool find_symbol(const struct ch_heap_env *env, const struct ch_signs *signs,
			const struct ch_module *modules, size_t count, struct ch_symbol *ret)
{
	size_t i, k;

	for (i = 0; i < count; i++)
		for (k = 0; k < signs->symbols_count; k++)
			if (ch_sym_exported(env->sym, &modules[i], signs->symbols[k], ret))
				return true;
	for (i = 0; i < count; i++) {
		if (modules[i].kind != CH_MODULE_EXE ||
		    !may_hold_malloc(env, modules, count, &modules[i]))
			continue;
		for (k = 0; k < signs->symbols_count; k++)
			if (ch_sym_by_name(env->sym, &modules[i], signs->symbols[k], ret))
				return true;
	}
	return false;
}

static const struct ch_module *find_mapped(const struct ch_signs *signs,
					   const struct ch_module *modules, size_t count)
{
	size_t i, k;

	for (i = 0; i < count; i++)
		for (k = 0; signs->modules && signs->modules[k]; k++)
			if (chp_has_stem(modules[i].name, signs->modules[k]))
				return &modules[i];
	return NULL;
}

/* Add to the evidence; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void add(struct ch_probe *probe, const char *format,
						      ...)
{
	size_t used = strlen(probe->evidence);
	va_list args;

	va_start(args, format);
	vsnprintf(probe->evidence + used, sizeof(probe->evidence) - used, format, args);
	va_end(args);
}

/* What was looked for, where nothing was found. */
static void write_nothing(const struct ch_signs *signs, struct ch_probe *ret)
{
	size_t i;

	for (i = 0; signs->modules && signs->modules[i]; i++)
		add(ret, "no %.40s is mapped, ", signs->modules[i]);
	if (signs->symbols_count)
		add(ret, "no module defines ");
	for (i = 0; i < signs->symbols_count; i++)
		add(ret, "%s%.48s", i ? " or " : "", signs->symbols[i]);
	if (signs->tables_count)
		add(ret, ", none has its table of block sizes");
	for (i = 0; i < signs->patterns_count; i++)
		add(ret, ", none has %.48s", signs->patterns[i].what);
}

static void write_evidence(const struct ch_signs *signs, const struct found *found,
			   struct ch_probe *ret)
{
	const char *comma = "";

	if (found->mapped) {
		add(ret, "%.64s is mapped", found->mapped->name);
		comma = ", ";
	}
	if (found->symbol.name) {
		add(ret, "%s%.64s defines %.48s", comma, found->symbol.module->name,
		    found->symbol.name);
		comma = ", ";
	}
	if (found->pattern)
		add(ret, "%s%.48s in %.64s at 0x%llx", comma, found->pattern->what,
		    found->table_module->name, (unsigned long long)found->table_addr);
	else if (found->table)
		add(ret, "%s%.48s in %.64s at 0x%llx%s", comma, found->table->what,
		    found->table_module->name, (unsigned long long)found->table_addr,
		    found->use == USE_NEVER ? ", but no block was ever made" : "");
	if (!ret->evidence[0])
		write_nothing(signs, ret);
}

struct ch_error *chp_signs_probe(const struct ch_heap_env *env, const struct ch_signs *signs,
				 struct ch_probe *ret)
{
	const struct ch_module *modules;
	struct found found = { 0 };
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	found.mapped = find_mapped(signs, modules, count);
	for (i = 0; i < count && found.use != USE_SEEN; i++)
		find_tables(env, signs, &modules[i], &found);
	/* The name of its library or a table in use say enough. */
	if (found.use != USE_SEEN && !found.mapped &&
	    !find_symbol(env, signs, modules, count, &found.symbol))
		found.symbol.name = NULL;
	if (found.use == USE_SEEN)
		ret->score = 90;
	else if (found.use == USE_UNKNOWN && (found.mapped || found.symbol.name))
		ret->score = 70;
	ret->mapped = found.mapped || found.use == USE_NEVER;
	write_evidence(signs, &found, ret);
	return NULL;
}
