/*
 * Objects of C++ classes with virtual functions: their first word is the address of a table that
 * says what they are.
 *
 * Itanium C++ ABI, 2.5 "Virtual Table Layout": before the functions lie the distance to the top
 * of the complete object (0 in the table that it begins with) and the address of its type_info;
 * 2.9.5 "RTTI Layout": a type_info begins with a pointer into the virtual table of its own class,
 * and the address of its mangled name. All of it is data that the program never changes, so that
 * the module's file serves where the core left it out, and symbols are not needed: a stripped
 * program has it, too. Without run-time type information (-fno-rtti) the symbol of the table
 * tells, _ZTV and the name.
 *
 * A complete object of a class that has virtual functions or bases has such a pointer at offset 0
 * (2.4 "Non-POD Class Types", II.1 and II.2: the primary base, or the pointer itself, comes first,
 * whatever other bases there are), so tables of second bases name no block: their distance to the
 * top is not 0.
 *
 * Objects may lie one behind the other: in an array of new[], which is preceded by their number
 * where they have destructors (2.7 "Array Operator new Cookies"), or without it in a std::vector.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sym/demangle.h"
#include "sym/templates.h"
#include "types/provider.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/table.h"
#include "util/text.h"

/* Different first words that lead into modules and are looked at; a large program has some ten
 * thousand classes. */
#define WORDS_MAX      (1U << 18)
#define NAME_MAX_BYTES 1024
/* Malloc gives more than it was asked for: up to the next multiple of 16, and what would be too
 * little for a chunk of its own (glibc, malloc.c, MINSIZE). */
#define SPARE_MAX_BYTES 31
/* Tables are aligned: these bits of a key say that there are several objects in the block, and that
 * it is what an object of the class owns. */
#define KEY_ARRAY 1ULL
#define KEY_OWNED 2ULL
/* Names of types in mangled form; what is of one file only begins with '*' (libsupc++,
 * typeinfo). */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.$"

extern const struct ch_provider ch_provider_vtable;

/* A word that was looked at. */
struct table {
	/* The class, and several objects of it, escaped; NULL: it is no table. */
	char *name, *array;
	/* Where its objects have a pointer to what they own; what that is, NULL: nothing that is
	 * known; and its key, which several tables share. */
	uint32_t owns_at;
	/* Before that pointer lies another thing, unless the block is as small as without it. */
	bool has_deleter;
	char *owned;
	uint64_t owned_key;
	const struct ch_module *module;
};

struct vtables {
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_context *ctx;
	/* Modules lie in [low, high). */
	uint64_t low, high;
	/* The one that a word led to last: [last_start, last_start + last_bytes). */
	uint64_t last_start, last_bytes;
	/* of struct table; where each word is in it */
	struct ch_vec tables;
	struct ch_table numbers;
	/* The first table that owns what has a name, by its hash. */
	struct ch_table owners;
	bool full;
};

/* ---- One table --------------------------------------------------------------------- */

static bool read_words(const struct vtables *vtables, uint64_t addr, uint64_t *ret, size_t count)
{
	uint8_t bytes[4 * 8];
	struct ch_error *err;
	size_t i;

	err = ch_sym_read_constant(vtables->sym, addr, bytes, 8 * count);
	for (i = 0; !err && i < count; i++)
		ret[i] = ch_get64(bytes + 8 * i);
	ch_error_destroy(err);
	return !err;
}

/* A text that ends within max bytes. */
static bool read_text(const struct vtables *vtables, uint64_t addr, char *buf, size_t max)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < max; i++) {
		err = ch_sym_read_constant(vtables->sym, addr + i, &buf[i], 1);
		if (!err && !buf[i])
			return true;
	}
	ch_error_destroy(err);
	return false;
}

static bool is_code(const struct vtables *vtables, uint64_t addr)
{
	const struct ch_module *module = ch_sym_module_at(vtables->sym, addr);
	uint32_t rights;

	return module && (!ch_sym_module_rights(vtables->sym, module, addr, &rights) ||
			  (rights & CH_SEGMENT_EXEC));
}

/* Whether a type_info that is none of a class without bases or with one says that a base is virtual
 * (__vmi_class_type_info: the vtable, the name, flags and the number of bases, and of each base its
 * type_info and an offset whose lowest bit says so; what else may lie there has no such bit). */
static bool has_virtual_base(const struct vtables *vtables, uint64_t info)
{
	uint64_t words[4];

	return read_words(vtables, info + 16, words, 3) && words[0] >> 32 && words[0] >> 32 < 64 &&
	       ch_sym_module_at(vtables->sym, words[1]) && (words[2] & 1);
}

/* The name that a type_info has; NULL: it is none. */
static char *name_by_type_info(const struct vtables *vtables, uint64_t info)
{
	char text[NAME_MAX_BYTES], *name = text;
	uint64_t words[2];

	if (info % 8 || !ch_sym_module_at(vtables->sym, info) ||
	    !read_words(vtables, info, words, 2) || !words[0] || words[0] % 8 ||
	    !ch_sym_module_at(vtables->sym, words[0]) ||
	    !ch_sym_module_at(vtables->sym, words[1]) ||
	    !read_text(vtables, words[1], text, sizeof(text)))
		return NULL;
	name += name[0] == '*';
	/* a class is a name, not a built-in type */
	if (!name[0] || strspn(name, NAME_CHARACTERS) != strlen(name) ||
	    (strchr("abcdefghijklmnopqrstuvwxyz", name[0])))
		return NULL;
	return chp_demangle(name);
}

static char *name_by_symbol(const struct vtables *vtables, uint64_t table)
{
	struct ch_symbol symbol;

	/* of the word before it: a table without functions ends here */
	if (!ch_sym_at(vtables->sym, table - 8, &symbol) || strncmp(symbol.name, "_ZTV", 4) != 0 ||
	    symbol.offset < 8 || symbol.offset % 8)
		return NULL;
	return chp_demangle(symbol.name + 4);
}

/* The class whose objects begin with the address of this table; NULL: it is none. */
static char *class_of(const struct vtables *vtables, uint64_t table)
{
	uint64_t words[3];
	char *name;

	/* to the top, the type_info, the first function: a class that has virtual bases, but no
	 * functions, has none */
	if (!read_words(vtables, table - 16, words, 3) || words[0] ||
	    !(is_code(vtables, words[2]) || !words[1] || has_virtual_base(vtables, words[1])))
		return NULL;
	name = words[1] ? name_by_type_info(vtables, words[1]) : NULL;
	return name ? name : name_by_symbol(vtables, table);
}

/* ---- What control blocks own ----------------------------------------------------------- */

/*
 * What std::shared_ptr counts with says in its own name what it was given, by the pointer's static
 * type: {table, two counts, pointer} of libstdc++ (gcc 5 to 14, bits/shared_ptr_base.h), with a
 * deleter before the pointer unless that is empty; of libc++ (LLVM 3 to 18, __memory/shared_ptr.h)
 * the counts are two words. What is of no size of its own says nothing: void, and what may be an
 * array. Nor does a deleter that may hold pointers itself: where the other one is, its size says,
 * which is not known.
 */
static const struct {
	const char *prefix;
	uint32_t at;
	bool has_deleter;
} owners[] = {
	{ "std::_Sp_counted_ptr<", 16, false },
	{ "std::_Sp_counted_deleter<", 16, true },
	{ "std::__shared_ptr_pointer<", 24, false },
};

static struct ch_error *note_owned(struct vtables *vtables, struct table *table, uint64_t word)
{
	const struct table *first;
	const char *text, *end;
	uint32_t number;
	uint64_t hash;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(owners); i++)
		if (strncmp(table->name, owners[i].prefix, strlen(owners[i].prefix)) == 0)
			break;
	if (i == CH_COUNT_OF(owners))
		return NULL;
	text = table->name + strlen(owners[i].prefix);
	end = chp_templates_argument_end(text);
	/* a class has a name of its own: built-in types have letters and blanks */
	if (!end || end == text || end[-1] != '*' || strstr(table->name, "[]") ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz ") >= (size_t)(end - 1 - text))
		return NULL;
	table->owns_at = owners[i].at;
	table->has_deleter = owners[i].has_deleter;
	/* a function is one word */
	if (table->has_deleter && strncmp(end, ", void (*)(", 11) == 0) {
		table->has_deleter = false;
		table->owns_at += 8;
	}
	table->owned = strndup(text, (size_t)(end - 1 - text));
	if (!table->owned)
		return &ch_enomem;
	table->owned_key = word | KEY_OWNED;
	hash = ch_hash_bytes(CH_HASH_START, table->owned, strlen(table->owned)) | 1;
	number = ch_table_find(&vtables->owners, hash);
	if (number == CH_TABLE_NONE) {
		number = (uint32_t)vtables->tables.count - 1;
		return ch_table_put(&vtables->owners, hash, number) ? NULL : &ch_enomem;
	}
	first = CH_VEC_AT(&vtables->tables, struct table, number);
	if (strcmp(first->owned, table->owned) == 0)
		table->owned_key = first->owned_key;
	return NULL;
}

/* ---- All of them ------------------------------------------------------------------- */

/* Look at a word for the first time. */
static struct ch_error *look(struct vtables *vtables, uint64_t word)
{
	_cleanup_free_ char *name = class_of(vtables, word);
	struct table *table = ch_vec_push(&vtables->tables);

	if (!table || !ch_table_put(&vtables->numbers, word, (uint32_t)vtables->tables.count - 1))
		return &ch_enomem;
	table->module = ch_sym_module_at(vtables->sym, word);
	if (!name)
		return NULL;
	table->name = chp_text_escape(name, 4 * NAME_MAX_BYTES);
	if (!table->name || asprintf(&table->array, "%s[]", table->name) < 0) {
		table->array = NULL;
		return &ch_enomem;
	}
	return note_owned(vtables, table, word);
}

/* What is known of a word; NULL in *ret: nothing. */
static struct ch_error *find(struct vtables *vtables, uint64_t word, const struct table **ret)
{
	uint32_t number = ch_table_find(&vtables->numbers, word);
	struct ch_error *err;

	*ret = NULL;
	if (number == CH_TABLE_NONE && vtables->tables.count >= WORDS_MAX) {
		if (!vtables->full)
			chp_context_finding(
				vtables->ctx, CH_SEVERITY_NOTE, "vtables-limit",
				"more than %u different words of blocks look like tables "
				"of virtual functions: the others are not looked at",
				WORDS_MAX);
		vtables->full = true;
		return NULL;
	}
	if (number == CH_TABLE_NONE) {
		number = (uint32_t)vtables->tables.count;
		err = look(vtables, word);
		if (err)
			return err;
	}
	*ret = CH_VEC_AT(&vtables->tables, struct table, number);
	return NULL;
}

static bool is_in_module(struct vtables *vtables, uint64_t word)
{
	const struct ch_module *module;

	if (word - vtables->last_start < vtables->last_bytes)
		return true;
	if (word - vtables->low >= vtables->high - vtables->low)
		return false;
	module = ch_sym_module_at(vtables->sym, word);
	if (!module)
		return false;
	vtables->last_start = module->start;
	vtables->last_bytes = module->end - module->start;
	return true;
}

/* What is known of a word that is the address of a class's table; NULL in *ret: it is none. */
static struct ch_error *find_class(struct vtables *vtables, uint64_t word, const struct table **ret)
{
	struct ch_error *err;

	*ret = NULL;
	if (!word || word % 8 || !is_in_module(vtables, word))
		return NULL;
	err = find(vtables, word, ret);
	if (*ret && !(*ret)->name)
		*ret = NULL;
	return err;
}

/* Where the table of the object at first comes again in len bytes; 0: it does not. */
static size_t stride_of(const uint8_t *bytes, size_t first, size_t len)
{
	uint64_t word = ch_get64(bytes + first);
	size_t at;

	for (at = first + 8; at + 8 <= len; at += 8)
		if (ch_get64(bytes + at) == word)
			return at - first;
	return 0;
}

/* How many objects lie one behind the other from first on. */
static size_t in_a_row(const uint8_t *bytes, size_t first, size_t stride, size_t len)
{
	uint64_t word = ch_get64(bytes + first);
	size_t count = 0, at;

	for (at = first; at + stride <= len && ch_get64(bytes + at) == word; at += stride)
		count++;
	return count;
}

/* Whether a block that begins with an object has more of them. One more may be left of what the
 * memory held before, unless the two fill the block. */
static bool has_more(const uint8_t *bytes, size_t len)
{
	size_t stride = stride_of(bytes, 0, len), count;

	if (!stride)
		return false;
	count = in_a_row(bytes, 0, stride, len);
	return count > 2 || (count == 2 && len - 2 * stride <= SPARE_MAX_BYTES);
}

/* Where the objects of an array begin whose number is before them: as many as it says must be
 * there. 0: it is none; of one object nothing would tell it from a number and an object. */
static size_t array_start(const uint8_t *bytes, size_t len)
{
	size_t first, stride;
	uint64_t number;

	/* of objects that are aligned to 16 bytes the number is the second word */
	for (first = 8; first <= 16 && first + 16 <= len; first += 8) {
		number = ch_get64(bytes + first - 8);
		if (number < 2 || number > len / 8)
			continue;
		stride = stride_of(bytes, first, len);
		if (stride && in_a_row(bytes, first, stride, len) >= number)
			return first;
	}
	return 0;
}

static struct ch_error *key_of(struct vtables *vtables, const uint8_t *bytes, size_t len,
			       uint64_t *ret)
{
	const struct table *table;
	struct ch_error *err;
	size_t first;

	err = find_class(vtables, ch_get64(bytes), &table);
	if (err)
		return err;
	if (table) {
		*ret = ch_get64(bytes) | (has_more(bytes, len) ? KEY_ARRAY : 0);
		return NULL;
	}
	first = array_start(bytes, len);
	if (!first)
		return NULL;
	err = find_class(vtables, ch_get64(bytes + first), &table);
	if (!err && table)
		*ret = ch_get64(bytes + first) | KEY_ARRAY;
	return err;
}

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	struct vtables *vtables = state;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	size_t i, len;

	for (i = 0; !err && i < n; i++) {
		keys_ret[i] = 0;
		bytes = objects[i].size_bytes >= 8
				? ch_core_span(vtables->core, objects[i].addr, &len)
				: NULL;
		if (bytes && len >= 8)
			err = key_of(vtables, bytes, ch_min(len, objects[i].size_bytes),
				     &keys_ret[i]);
	}
	return err;
}

/* An object that counts for shared pointers leads to what they own. */
static struct ch_error *follow(void *state, struct ch_naming *naming,
			       const struct ch_named_block *block)
{
	struct vtables *vtables = state;
	struct ch_named_block owned;
	const struct table *table;
	struct ch_error *err;
	uint64_t addr;

	if (block->provider != &ch_provider_vtable || (block->key & (KEY_ARRAY | KEY_OWNED)))
		return NULL;
	err = find(vtables, block->key, &table);
	if (err || !table || !table->owned || block->size_bytes < table->owns_at + 8 ||
	    (table->has_deleter && block->size_bytes >= table->owns_at + 16) ||
	    !ch_core_read_u64(vtables->core, block->addr + table->owns_at, &addr))
		return err;
	if (!chp_naming_block(naming, addr, &owned) || owned.addr != addr ||
	    (owned.provider && owned.provider->rank <= CH_RANK_VTABLE))
		return NULL;
	return chp_naming_say(naming, &ch_provider_vtable, &owned, table->owned_key);
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct vtables *vtables = state;
	const struct table *table;
	struct ch_error *err = find(vtables, key & ~(KEY_ARRAY | KEY_OWNED), &table);

	if (err || !table)
		return err;
	ret->name = key & KEY_OWNED ? table->owned : key & KEY_ARRAY ? table->array : table->name;
	ret->module = table->module ? table->module->name : NULL;
	return NULL;
}

/* A class has one definition in a program: that of its name. */
static bool made_of(void *state, struct ch_ctypes *ctypes, uint64_t key, struct ch_made_of *ret)
{
	const struct table *table;

	chp_context_drop_take(((struct vtables *)state)->ctx,
			      find(state, key & ~(KEY_ARRAY | KEY_OWNED), &table));
	*ret = (struct ch_made_of){ .many = key & KEY_ARRAY };
	if (table && table->name)
		ret->type =
			chp_ctype_named(ctypes, NULL, key & KEY_OWNED ? table->owned : table->name);
	return ret->type != 0;
}

/* ---- Whether there are any ---------------------------------------------------------- */

/* The C++ runtime is a library, or part of a program without one; who was linked with it
 * statically exports nothing of it. */
static bool has_classes(struct ch_sym *sym, const struct ch_module *modules, size_t count)
{
	static const char information[] = "_ZTVN10__cxxabiv117__class_type_infoE";
	struct ch_symbol symbol;
	size_t i;

	for (i = 0; i < count; i++)
		if (strncmp(modules[i].name, "libstdc++", 9) == 0 ||
		    strncmp(modules[i].name, "libc++", 6) == 0 ||
		    ch_sym_exported(sym, &modules[i], information, &symbol))
			return true;
	/* at most itself and the vdso */
	return count && count <= 2;
}

static void close_vtables(void *state)
{
	struct vtables *vtables = state;
	size_t i;

	for (i = 0; i < vtables->tables.count; i++) {
		free(CH_VEC_AT(&vtables->tables, struct table, i)->name);
		free(CH_VEC_AT(&vtables->tables, struct table, i)->array);
		free(CH_VEC_AT(&vtables->tables, struct table, i)->owned);
	}
	ch_vec_deinit(&vtables->tables);
	ch_table_deinit(&vtables->numbers);
	ch_table_deinit(&vtables->owners);
	free(vtables);
}

static struct ch_error *open_vtables(const struct ch_provider_env *env, void **state_ret)
{
	const struct ch_module *modules;
	struct vtables *vtables;
	size_t count;

	modules = ch_sym_modules(env->sym, &count);
	if (!has_classes(env->sym, modules, count))
		return NULL;
	vtables = calloc(1, sizeof(*vtables));
	if (!vtables)
		return &ch_enomem;
	vtables->core = env->core;
	vtables->sym = env->sym;
	vtables->ctx = env->ctx;
	vtables->low = modules[0].start;
	vtables->high = modules[count - 1].end;
	vtables->tables = CH_VEC(struct table);
	*state_ret = vtables;
	return NULL;
}

const struct ch_provider ch_provider_vtable = {
	.name = "vtable",
	.summary = "classes of C++ by their tables of virtual functions",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_VTABLE,
	.open = open_vtables,
	.close = close_vtables,
	.blocks = blocks,
	.follow = follow,
	.type = type,
	.made_of = made_of,
};
