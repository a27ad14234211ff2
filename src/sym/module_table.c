/*
 * The table of modules: adding to it, sorting it, finding a module by address, and what is kept
 * beside each. modules.c, scan.c and linkmap.c find modules in different ways and all write here;
 * whoever asks for a module later reads it without knowing how it was found.
 */
#include "sym/sym_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"
#include "util/text.h"

/* A process with more images than this is damage. */
#define MODULES_MAX      65536
#define DYNAMIC_TAGS_MAX 1024

struct ch_module *chp_module_add(struct ch_sym *sym, uint64_t start, uint64_t end, const char *path,
				 const char *basis)
{
	struct ch_module_extra *extra;
	struct ch_module *module;
	const char *slash;

	if (!ch_vec_reserve(&sym->extras, sym->extras.count + 1) ||
	    !ch_vec_reserve(&sym->modules, sym->modules.count + 1))
		return NULL;
	extra = ch_vec_push(&sym->extras);
	module = ch_vec_push(&sym->modules);
	extra->symbols = CH_VEC(struct ch_sym_entry);
	extra->tls_symbols = CH_VEC(struct ch_sym_entry);
	slash = strrchr(path, '/');
	module->start = start;
	module->end = end;
	module->bias = start;
	module->path = path;
	module->name = slash && slash[1] ? slash + 1 : path;
	module->kind = CH_MODULE_LIB;
	module->match = CH_MATCH_MISSING;
	module->basis = basis;
	return module;
}

bool chp_modules_is_full(const struct ch_sym *sym)
{
	if (sym->modules.count < MODULES_MAX)
		return false;
	chp_context_finding(sym->ctx, CH_SEVERITY_INCOMPLETE, "too-many-modules",
			    "the core has more than %d images; the rest is left out", MODULES_MAX);
	return true;
}

void chp_module_image_take(struct ch_sym *sym, struct ch_module *module, struct ch_image *image)
{
	struct ch_module_extra *extra =
		CH_VEC_AT(&sym->extras, struct ch_module_extra, sym->extras.count - 1);

	if (!chp_image_bias(image, module->start, 0, &module->bias)) {
		chp_image_deinit(image);
		return;
	}
	extra->image = *image;
	extra->has_image = true;
	chp_image_describe(sym->core, image, module);
}

struct ch_error *chp_module_add_at(struct ch_sym *sym, uint64_t start, const char *path,
				   const char *basis)
{
	struct ch_module *module;
	struct ch_image image;

	if (start % CH_PAGE_BYTES || !chp_image_read(sym->core, start, &image))
		return NULL;
	if (chp_modules_is_full(sym)) {
		chp_image_deinit(&image);
		return NULL;
	}
	module = chp_module_add(sym, start, start + CH_PAGE_BYTES, path, basis);
	if (!module) {
		chp_image_deinit(&image);
		return &ch_enomem;
	}
	chp_module_image_take(sym, module, &image);
	module->mapped_bytes = module->end - module->start;
	return NULL;
}

static int compare_order(const void *a, const void *b, void *arg)
{
	const struct ch_module *modules = arg;
	const struct ch_module *x = &modules[*(const size_t *)a], *y = &modules[*(const size_t *)b];

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Move modules in this order to other vectors with room for all; doubles go. */
static void move_sorted(struct ch_sym *sym, const size_t *order, struct ch_vec *modules,
			struct ch_vec *extras)
{
	struct ch_module *module, *last = NULL;
	struct ch_module_extra *extra;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, order[i]);
		extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, order[i]);
		if (last && module->start <= last->start) {
			chp_image_deinit(&extra->image);
			continue;
		}
		if (last && last->end > module->start) {
			last->end = module->start;
			last->bss_end = ch_min(last->bss_end, last->end);
			last->bss_start = ch_min(last->bss_start, last->bss_end);
		}
		last = ch_vec_push(modules);
		*last = *module;
		*(struct ch_module_extra *)ch_vec_push(extras) = *extra;
	}
}

struct ch_error *chp_modules_sort(struct ch_sym *sym)
{
	struct ch_vec modules = CH_VEC(struct ch_module), extras = CH_VEC(struct ch_module_extra);
	size_t i, count = sym->modules.count, *order = calloc(count + 1, sizeof(*order));

	if (!order || !ch_vec_reserve(&modules, count) || !ch_vec_reserve(&extras, count)) {
		free(order);
		ch_vec_deinit(&modules);
		ch_vec_deinit(&extras);
		return &ch_enomem;
	}
	for (i = 0; i < count; i++)
		order[i] = i;
	if (count)
		qsort_r(order, count, sizeof(*order), compare_order, sym->modules.items);
	move_sorted(sym, order, &modules, &extras);
	free(order);
	ch_vec_deinit(&sym->modules);
	ch_vec_deinit(&sym->extras);
	sym->modules = modules;
	sym->extras = extras;
	for (i = 0; i < extras.count; i++) {
		struct ch_module_extra *extra = CH_VEC_AT(&extras, struct ch_module_extra, i);

		extra->sym = sym;
		extra->index = i;
	}
	return NULL;
}

bool chp_module_is_unnamed(const struct ch_module *module)
{
	return module->path[0] == '[' && module->kind != CH_MODULE_VDSO;
}

bool chp_dynamic_find(const struct ch_sym *sym, const struct ch_module *module, uint64_t tag,
		      uint64_t *ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const Elf64_Phdr *phdr =
		extra->has_image ? chp_image_phdr(&extra->image, PT_DYNAMIC) : NULL;
	uint64_t i, addr, found, value;

	if (!phdr)
		return false;
	addr = module->bias + phdr->p_vaddr;
	for (i = 0; i < ch_min(phdr->p_memsz / 16, DYNAMIC_TAGS_MAX); i++) {
		if (!ch_core_read_u64(sym->core, addr + i * 16, &found) ||
		    !ch_core_read_u64(sym->core, addr + i * 16 + 8, &value) || found == DT_NULL)
			return false;
		if (found == tag) {
			*ret = value;
			return true;
		}
	}
	return false;
}

void chp_module_set_path(struct ch_module *module, const char *path)
{
	const char *slash = strrchr(path, '/');

	module->path = path;
	module->name = slash && slash[1] ? slash + 1 : path;
}

const char *chp_exe_path(struct ch_sym *sym)
{
	const struct ch_process *process = ch_core_process(sym->core);
	char name[CH_PATH_BYTES_MAX];
	uint64_t addr;

	if (ch_core_auxv(sym->core, AT_EXECFN, &addr) &&
	    ch_core_read_string(sym->core, addr, name, sizeof(name)) && chp_text_is_name(name))
		return chp_sym_keep(sym, strdup(name));
	if (process->argv0[0] == '/' && chp_text_is_name(process->argv0))
		return chp_sym_keep(sym, strdup(process->argv0));
	return chp_sym_keep(sym, strdup(process->comm[0] ? process->comm : "[exe]"));
}

const char *chp_sym_keep(struct ch_sym *sym, char *take)
{
	char **slot = take ? ch_vec_push(&sym->strings) : NULL;

	if (!slot) {
		free(take);
		return NULL;
	}
	*slot = take;
	return take;
}

const struct ch_module *ch_sym_modules(const struct ch_sym *sym, size_t *count_ret)
{
	*count_ret = sym->modules.count;
	return sym->modules.items;
}

const struct ch_module *ch_sym_executable(const struct ch_sym *sym)
{
	const struct ch_module *modules = sym->modules.items;
	size_t i;

	for (i = 0; i < sym->modules.count; i++)
		if (modules[i].kind == CH_MODULE_EXE)
			return &modules[i];
	return NULL;
}

struct ch_module *chp_module_among(const struct ch_sym *sym, size_t count, uint64_t addr)
{
	struct ch_module *modules = sym->modules.items;
	size_t low = ch_search(modules, count, it, it->end <= addr);

	return low < count && modules[low].start <= addr ? &modules[low] : NULL;
}

const struct ch_module *ch_sym_module_at(const struct ch_sym *sym, uint64_t addr)
{
	return chp_module_among(sym, sym->modules.count, addr);
}

struct ch_module *chp_sym_exe(const struct ch_sym *sym)
{
	struct ch_module *module;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->kind == CH_MODULE_EXE)
			return module;
	}
	return NULL;
}

struct ch_module_extra *chp_module_extra(const struct ch_sym *sym, const struct ch_module *module)
{
	return CH_VEC_AT(&sym->extras, struct ch_module_extra,
			 (size_t)(module - CH_VEC_AT(&sym->modules, struct ch_module, 0)));
}

char *chp_build_id_text(const uint8_t *id, uint32_t len, char *buf)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		snprintf(buf + 2 * (size_t)i, 3, "%02x", id[i]);
	buf[2 * (size_t)len] = '\0';
	return buf;
}
