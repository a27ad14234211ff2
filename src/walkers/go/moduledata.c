/*
 * Images of a Go program: moduledata, found without a symbol. It lies in data that the program
 * could write to, and begins with the address of its table of functions and six slices of that
 * table, one behind the other, whose capacity is their length. Where the rest of its fields are
 * depends on the release: rows below, each checked by what it says of the image. The bits that
 * the runtime makes of data and bss when it starts are as many as these have words, which no
 * other place of the structure is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/go/code.h"

/* Words of a moduledata that are looked at: one more than the last field of any row. */
#define WORDS_MAX 80
/* A program with plugins has some; a ring of a damaged list ends with it. */
#define MODULES_MAX 256
/* The header has 56 to 72 bytes; the names of functions follow it. */
#define HEADER_BYTES_MAX 256
/* Functions of an image: a program of 1 GiB of code has some 3 million. */
#define FUNCTIONS_MAX (1ULL << 26)

/* Where all releases since 1.16 have the same fields, by their words. */
enum word {
	WORD_HEADER,
	WORD_NAMES,
	WORD_UNITS = 4,
	WORD_FILES = 7,
	WORD_NUMBERS = 10,
	WORD_FUNCTIONS = 13,
	WORD_INDEX = 16,
	WORD_PC = 20,
	WORD_TEXT = 22,
	WORD_NOPTRDATA = 24,
	WORD_DATA = 26,
	WORD_BSS = 28,
	WORD_NOPTRBSS = 30,
};

/* As debug/gosym knows them, src/debug/gosym/pclntab.go. */
#define MAGIC_116 0xfffffffaU
#define MAGIC_118 0xfffffff0U
#define MAGIC_120 0xfffffff1U

#define SOURCE    "src/runtime/symtab.go, type moduledata"

const struct go_module_layout go_module_layouts[] = {
	{ "1.16 and 1.17", 16, 17, MAGIC_116, 35, 36, 0, 40, 43, 60, 62, 66, "Go 1.17, " SOURCE },
	{ "1.18 and 1.19", 18, 19, MAGIC_118, 35, 36, 38, 42, 45, 62, 64, 68,
	  "Go 1.19.8, " SOURCE },
	{ "1.20", 20, 20, MAGIC_120, 37, 38, 40, 44, 47, 64, 66, 70, "Go 1.20, " SOURCE },
	{ "1.21 and 1.22", 21, 22, MAGIC_120, 37, 38, 40, 44, 47, 67, 69, 73, "Go 1.22, " SOURCE },
	{ "1.23 to 1.25", 23, 25, MAGIC_120, 37, 38, 40, 44, 47, 67, 69, 72, "Go 1.24.4, " SOURCE },
	{ "1.26", 26, 26, MAGIC_120, 37, 38, 40, 45, 48, 68, 70, 73, "Go 1.26, " SOURCE },
	{ "1.27", 27, 27, MAGIC_120, 37, 39, 43, 0, 0, 65, 67, 70, "Go 1.27.3, " SOURCE },
};
const size_t go_module_layouts_count = CH_COUNT_OF(go_module_layouts);

static struct go_slice slice_at(const uint64_t *words, uint32_t word)
{
	return (struct go_slice){ words[word], words[word + 1] };
}

static struct go_range range_at(const uint64_t *words, uint32_t word)
{
	return (struct go_range){ words[word], words[word + 1] };
}

static struct go_mask mask_at(const uint64_t *words, uint32_t word)
{
	/* struct bitvector: int32, padding, pointer */
	return (struct go_mask){ words[word + 1], (uint32_t)words[word] };
}

static struct go_range types_of(const struct go_module_layout *row, const uint64_t *words)
{
	return (struct go_range){ words[row->types], words[row->etypes] };
}

static bool is_range(struct go_range range)
{
	return range.start && range.start <= range.end;
}

/* Whether six slices follow each other, as the linker lays them out. */
static bool begins_one(const uint64_t *words)
{
	static const uint8_t slices[] = { WORD_NAMES,   WORD_UNITS,     WORD_FILES,
					  WORD_NUMBERS, WORD_FUNCTIONS, WORD_INDEX };
	uint64_t before = words[WORD_HEADER];
	size_t i;

	if (!before || words[WORD_NAMES] - before > HEADER_BYTES_MAX)
		return false;
	for (i = 0; i < sizeof(slices); i++) {
		const uint64_t *slice = words + slices[i];

		if (slice[0] < before || slice[1] != slice[2])
			return false;
		before = slice[0];
	}
	return words[WORD_INDEX + 1] > 1 && words[WORD_INDEX + 1] <= FUNCTIONS_MAX;
}

/* Whether the ranges of an image are such. */
static bool is_image(const uint64_t *words)
{
	const struct go_range pc = range_at(words, WORD_PC), text = range_at(words, WORD_TEXT);

	return is_range(pc) && is_range(text) && pc.start >= text.start && pc.start < text.end &&
	       is_range(range_at(words, WORD_NOPTRDATA)) && is_range(range_at(words, WORD_DATA)) &&
	       is_range(range_at(words, WORD_BSS)) && is_range(range_at(words, WORD_NOPTRBSS));
}

/* Bits for data that has as many words; or none, before the runtime has made them. */
static bool is_mask(struct go_mask mask, struct go_range range)
{
	return mask.bits ? mask.addr && mask.bits == (range.end - range.start) / 8 : !mask.addr;
}

static bool row_fits(const struct go_module_layout *row, const uint64_t *words, uint32_t magic)
{
	return (!magic || magic == row->magic) && is_range(types_of(row, words)) &&
	       is_mask(mask_at(words, row->gcdatamask), range_at(words, WORD_DATA)) &&
	       is_mask(mask_at(words, row->gcbssmask), range_at(words, WORD_BSS));
}

/* The row that an image agrees with; where several do, that of the program's own version. */
static const struct go_module_layout *choose(const uint64_t *words, uint32_t magic, uint32_t minor)
{
	const struct go_module_layout *row, *found = NULL;
	size_t i;

	for (i = 0; i < go_module_layouts_count; i++) {
		row = &go_module_layouts[i];
		if (!row_fits(row, words, magic))
			continue;
		if (minor >= row->first_minor && minor <= row->last_minor)
			return row;
		found = row;
	}
	return found;
}

/* 0 for a header that is in no core, or is none: the rest of the image tells the row. */
static uint32_t read_magic(const struct go_code *code, uint64_t header, struct go_module *module)
{
	uint32_t magic;
	size_t i;

	module->has_table = ch_core_read_u32(code->env.core, header, &magic);
	if (!module->has_table)
		return 0;
	for (i = 0; i < go_module_layouts_count; i++)
		if (magic == go_module_layouts[i].magic)
			return magic;
	module->has_table = false;
	module->bad_table = true;
	return 0;
}

static void fill(struct go_module *module, const uint64_t *words)
{
	const struct go_module_layout *row = module->layout;

	module->header = words[WORD_HEADER];
	module->names = slice_at(words, WORD_NAMES);
	module->units = slice_at(words, WORD_UNITS);
	module->files = slice_at(words, WORD_FILES);
	module->numbers = slice_at(words, WORD_NUMBERS);
	module->functions = slice_at(words, WORD_FUNCTIONS);
	module->index = slice_at(words, WORD_INDEX);
	module->pc = range_at(words, WORD_PC);
	module->text = range_at(words, WORD_TEXT);
	module->noptrdata = range_at(words, WORD_NOPTRDATA);
	module->data = range_at(words, WORD_DATA);
	module->bss = range_at(words, WORD_BSS);
	module->noptrbss = range_at(words, WORD_NOPTRBSS);
	module->types = types_of(row, words);
	module->gofunc = row->gofunc ? words[row->gofunc] : 0;
	if (row->typelinks)
		module->typelinks = slice_at(words, row->typelinks);
	if (row->itablinks)
		module->itablinks = slice_at(words, row->itablinks);
	module->data_mask = mask_at(words, row->gcdatamask);
	module->bss_mask = mask_at(words, row->gcbssmask);
}

/* The image whose moduledata is at addr, and the address of the next one. False: it is none. */
static bool read_module(const struct go_code *code, uint64_t addr, struct go_module *ret,
			uint64_t *next_ret)
{
	uint64_t words[WORDS_MAX];
	uint32_t magic;
	size_t i;

	if (!ch_core_try_read(code->env.core, addr, words, sizeof(words)))
		return false;
	for (i = 0; i < WORDS_MAX; i++)
		words[i] = le64toh(words[i]);
	if (!begins_one(words) || !is_image(words))
		return false;
	*ret = (struct go_module){ .addr = addr };
	magic = read_magic(code, words[WORD_HEADER], ret);
	ret->layout = choose(words, magic, code->build.minor);
	if (!ret->layout)
		return false;
	fill(ret, words);
	*next_ret = words[ret->layout->next];
	return true;
}

static bool is_known(const struct go_code *code, uint64_t addr)
{
	size_t i;

	for (i = 0; i < code->modules.count; i++)
		if (CH_VEC_AT(&code->modules, struct go_module, i)->addr == addr)
			return true;
	return false;
}

/* An image, and those that its list leads to. */
static struct ch_error *add_list(struct go_code *code, uint64_t addr)
{
	struct go_module module, *slot;

	while (addr && code->modules.count < MODULES_MAX && !is_known(code, addr) &&
	       read_module(code, addr, &module, &addr)) {
		slot = ch_vec_push(&code->modules);
		if (!slot)
			return &ch_enomem;
		*slot = module;
	}
	return NULL;
}

static struct ch_error *find_in_run(struct go_code *code, const struct ch_data_run *run)
{
	uint64_t words[WORD_NAMES + 1], i;
	struct ch_error *err = NULL;

	for (i = ch_align_up(run->addr, 8) - run->addr;
	     !err && ch_inside(i, sizeof(words), run->len); i += 8) {
		/* most words are told apart by these two */
		words[0] = ch_get64(run->bytes + i);
		words[1] = ch_get64(run->bytes + i + 8);
		if (words[0] && words[1] - words[0] <= HEADER_BYTES_MAX)
			err = add_list(code, run->addr + i);
	}
	return err;
}

struct ch_error *go_modules_find(struct go_code *code)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	size_t count, i;
	uint64_t at;

	modules = ch_sym_modules(code->env.sym, &count);
	for (i = 0; !err && i < count; i++) {
		at = modules[i].start;
		while (!err && modules[i].kind != CH_MODULE_PE &&
		       chp_image_next(&code->env, &modules[i], &at, &run)) {
			err = find_in_run(code, &run);
			if (!err)
				err = chp_context_check(code->env.ctx);
		}
	}
	return err;
}

struct ch_error *go_code_init(struct go_code *code, const struct ch_heap_env *env)
{
	struct ch_error *err;

	*code = (struct go_code){ .env = *env,
				  .modules = CH_VEC(struct go_module),
				  .goroutines = CH_VEC(struct go_goroutine),
				  .machines = CH_VEC(struct go_machine) };
	go_build_read(env, &code->build);
	err = go_modules_find(code);
	if (!err)
		err = go_goroutines_find(code);
	if (err)
		go_code_deinit(code);
	return err;
}

void go_code_deinit(struct go_code *code)
{
	ch_vec_deinit(&code->modules);
	ch_vec_deinit(&code->goroutines);
	ch_vec_deinit(&code->machines);
	ch_table_deinit(&code->g_by_addr);
	ch_table_deinit(&code->machine_by_addr);
}

struct ch_error *go_code_facts(const struct go_code *code, struct ch_vec *facts)
{
	const struct go_build *build = &code->build;
	const struct {
		const char *key, *text;
	} texts[] = {
		{ "go_version", build->version },
		{ "main_package", build->package },
		{ "main_module", build->module },
		{ "main_module_version", build->module_version },
		{ "vcs_revision", build->revision },
		{ "vcs_modified", build->modified },
	};
	const struct go_module *module;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < CH_COUNT_OF(texts); i++)
		if (texts[i].text[0])
			err = chp_fact_add(facts, texts[i].key, 0, texts[i].text);
	if (err || !code->modules.count)
		return err;
	module = CH_VEC_AT(&code->modules, struct go_module, 0);
	err = chp_fact_add(facts, "moduledata_releases", 0, module->layout->releases);
	if (!err)
		err = chp_fact_add(facts, "moduledata_source", 0, module->layout->source);
	if (!err)
		err = chp_fact_add(facts, "images_count", code->modules.count, NULL);
	if (!err)
		err = chp_fact_add(facts, "functions_count", module->index.count - 1, NULL);
	return err;
}
