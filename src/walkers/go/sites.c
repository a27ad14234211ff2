/*
 * The heap profile that the runtime keeps: a list of buckets, one for each stack and size of object
 * that was sampled, with how many were allocated and freed (src/runtime/mprof.go). Its head
 * (mbuckets) is found without symbols: a bucket has a hash of its own contents. How often samples
 * are taken (MemProfileRate) is a variable of the program, and where it lies is said by the code
 * that asks whether it is 1.
 */
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/go/go_priv.h"

enum {
	/* type bucket; behind it the stack, and a memRecord. */
	BUCKET_ALLNEXT = 8,
	BUCKET_KIND = 16,
	BUCKET_HASH = 24,
	BUCKET_SIZE = 32,
	BUCKET_PCS = 40,
	BUCKET_BYTES = 48,
	/* bucketType: memProfile. */
	KIND_MEMORY = 1,
	/* What is counted: what was published, and three cycles of collections to come. */
	CYCLES = 4,
	/* maxProfStackDepth is 1024, and some for what is skipped. */
	PCS_MAX = 1100,
	RECORD_WORDS_MAX = 4 * CYCLES,
	/* Code of profilealloc() that is looked at. */
	CODE_BYTES = 256,
};
/* mprof.go, MemProfileRate. */
#define RATE_BEGIN (512ULL << 10)
/* As many times the buckets of a whole core are followed while the head is looked for: a program
 * has one variable that leads to the list, and a hostile core has as many as it likes. */
#define LOOKS_MAX    4
#define BUCKET_LEAST (BUCKET_BYTES + 16ULL * CYCLES)

struct bucket {
	uint64_t next, size_bytes, pcs_count;
	uint64_t pcs[PCS_MAX];
	uint64_t record[RECORD_WORDS_MAX];
};

struct list {
	const struct go *go;
	uint64_t head, buckets_count;
	/* Of all lists that were followed. */
	uint64_t followed_count;
	/* Words of a memRecordCycle: allocs, frees, until 1.26 bytes of both. */
	uint32_t cycle_words;
	/* No cycle was published yet: all count. */
	bool unpublished, broken;
	struct bucket bucket;
};

/* mprof.go, stkbucket(). */
static uint64_t hash_of(const struct bucket *bucket)
{
	uint64_t hash = 0, i;

	for (i = 0; i <= bucket->pcs_count; i++) {
		hash += i < bucket->pcs_count ? bucket->pcs[i] : bucket->size_bytes;
		hash += hash << 10;
		hash ^= hash >> 6;
	}
	hash += hash << 3;
	return hash ^ hash >> 11;
}

static bool read_bucket(const struct go *go, uint64_t addr, struct bucket *ret)
{
	uint8_t head[BUCKET_BYTES];
	uint64_t at;

	if (!addr || addr % 8 || !ch_core_try_read(go->env.core, addr, head, sizeof(head)) ||
	    ch_get64(head + BUCKET_KIND) != KIND_MEMORY)
		return false;
	ret->next = ch_get64(head + BUCKET_ALLNEXT);
	ret->size_bytes = ch_get64(head + BUCKET_SIZE);
	ret->pcs_count = ch_get64(head + BUCKET_PCS);
	if (ret->pcs_count > PCS_MAX || !ch_add(addr, BUCKET_BYTES, &at) ||
	    !ch_core_try_read(go->env.core, at, ret->pcs, 8 * ret->pcs_count) ||
	    hash_of(ret) != ch_get64(head + BUCKET_HASH))
		return false;
	return true;
}

/* The record of the bucket that was read last. */
static bool read_record(const struct list *list, uint64_t addr, uint32_t cycle_words,
			struct bucket *bucket)
{
	return ch_core_try_read(list->go->env.core, addr + BUCKET_BYTES + 8 * bucket->pcs_count,
				bucket->record, 8ULL * cycle_words * CYCLES);
}

static const uint64_t *cycle_of(const struct list *list, uint32_t cycle)
{
	return list->bucket.record + (size_t)cycle * list->cycle_words;
}

/* ---- The list -------------------------------------------------------------------------- */

typedef struct ch_error *(*bucket_fn)(void *arg, struct list *list, uint64_t addr);

/* More than a core has room for. */
static uint64_t buckets_max(const struct list *list)
{
	return ch_core_stats(list->go->env.core)->present_bytes / BUCKET_LEAST + 1;
}

static struct ch_error *walk(struct list *list, uint64_t head, bucket_fn fn, void *arg)
{
	const uint64_t most = buckets_max(list);
	struct ch_error *err = NULL;
	uint64_t addr = head;

	list->buckets_count = 0;
	for (; !err && addr; addr = list->bucket.next) {
		if (list->buckets_count == most || !read_bucket(list->go, addr, &list->bucket)) {
			list->broken = true;
			return NULL;
		}
		list->buckets_count++;
		if (list->buckets_count % 1024 == 0)
			err = chp_context_check(list->go->env.ctx);
		if (!err && fn)
			err = fn(arg, list, addr);
	}
	return err;
}

/* The bucket that words of a range lead to, and that leads to most others: the head. */
static struct ch_error *find_in_range(struct list *list, struct go_range range, uint64_t *most)
{
	const struct go *go = list->go;
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	uint64_t at, word;
	size_t len, i;

	for (at = ch_align_up(range.start, 8); !err && at < range.end; at += ch_align_up(len, 8)) {
		bytes = ch_core_span(go->env.core, at, &len);
		if (!bytes)
			return NULL;
		len = (size_t)ch_min(len, range.end - at);
		for (i = 0; !err && i + 8 <= len; i += 8) {
			word = ch_get64(bytes + i);
			if (word == list->head || !read_bucket(go, word, &list->bucket))
				continue;
			err = walk(list, word, NULL, NULL);
			list->followed_count += list->buckets_count;
			if (list->followed_count / LOOKS_MAX > buckets_max(list))
				return err;
			if (list->buckets_count <= *most)
				continue;
			*most = list->buckets_count;
			list->head = word;
		}
	}
	return err;
}

static struct ch_error *find_list(struct list *list)
{
	const struct go_module *modules = list->go->code.modules.items;
	struct ch_error *err = NULL;
	uint64_t most = 0;
	size_t i;

	for (i = 0; !err && i < list->go->code.modules.count && !list->head; i++) {
		err = find_in_range(list, modules[i].bss, &most);
		if (!err)
			err = find_in_range(list, modules[i].noptrbss, &most);
	}
	return err;
}

struct fit {
	uint32_t words;
	uint64_t good_count, published_count;
};

/* Until 1.26 bytes are counted, too, and are those of so many objects. */
static struct ch_error *fits(void *arg, struct list *list, uint64_t addr)
{
	const struct bucket *bucket = &list->bucket;
	struct fit *fit = arg;
	const uint64_t *cycle;
	bool good = true;
	uint32_t i;

	if (!read_record(list, addr, fit->words, &list->bucket))
		return NULL;
	for (i = 0; i < CYCLES && fit->words == 4; i++) {
		cycle = bucket->record + 4ULL * i;
		good = good && cycle[2] == cycle[0] * bucket->size_bytes &&
		       cycle[3] == cycle[1] * bucket->size_bytes;
	}
	fit->good_count += good && bucket->record[1] <= bucket->record[0];
	fit->published_count += bucket->record[0] || bucket->record[1];
	return NULL;
}

/* Nearly all: one is changed while the process dies. */
static struct ch_error *choose_words(struct list *list)
{
	static const uint32_t words[] = { 4, 2 };
	struct ch_error *err = NULL;
	struct fit fit;
	size_t i;

	for (i = 0; !err && !list->cycle_words && i < CH_COUNT_OF(words); i++) {
		fit = (struct fit){ .words = words[i] };
		err = walk(list, list->head, fits, &fit);
		if (err || (list->buckets_count - fit.good_count) * 64 > list->buckets_count)
			continue;
		list->cycle_words = words[i];
		list->unpublished = !fit.published_count;
	}
	return err;
}

/* ---- The rate -------------------------------------------------------------------------- */

static bool is_profilealloc(const struct go_code *code, const struct go_function *function)
{
	const char *name = go_name(code, function->module, function->name);

	return name && strcmp(name, "runtime.profilealloc") == 0;
}

/* The function of that name: there is no index of names. */
static bool find_function(const struct go_code *code, struct go_function *ret)
{
	const struct go_module *module;
	size_t i;
	uint64_t pc;

	for (i = 0; i < code->modules.count; i++) {
		module = CH_VEC_AT(&code->modules, struct go_module, i);
		for (pc = module->pc.start; pc < module->pc.end; pc = ret->end)
			if (!go_function_at(code, pc, ret) || ret->end <= pc)
				break;
			else if (is_profilealloc(code, ret))
				return true;
	}
	return false;
}

/* amd64: a word is loaded into a register, which is compared with 1 a little later. */
static uint64_t rate_of_code(const uint8_t *code, size_t len, uint64_t addr)
{
	uint64_t loaded = 0;
	uint8_t reg = 0;
	size_t i;

	for (i = 0; i + 8 <= len; i++) {
		if (code[i] == 0x48 && code[i + 1] == 0x8b && (code[i + 2] & 0xc7) == 5) {
			loaded = addr + i + 7 + (uint64_t)(int64_t)(int32_t)ch_get32(code + i + 3);
			reg = code[i + 2] >> 3;
			i += 6;
		} else if (code[i] == 0x48 && code[i + 1] == 0x83 && code[i + 3] == 1 && loaded &&
			   code[i + 2] == (0xf8 | reg)) {
			return loaded;
		}
	}
	return 0;
}

static bool find_rate(const struct go *go, uint64_t *ret)
{
	const struct ch_module *module = ch_sym_module_at(go->env.sym, go->pages);
	struct go_function function;
	struct ch_symbol symbol;
	uint8_t code[CODE_BYTES];
	struct ch_error *err;
	uint64_t addr = 0;
	size_t len;

	if (module && ch_sym_by_name(go->env.sym, module, "runtime.MemProfileRate", &symbol))
		addr = symbol.addr;
	if (!addr && ch_core_arch(go->env.core) == CH_ARCH_X86_64 &&
	    find_function(&go->code, &function)) {
		len = (size_t)ch_min(sizeof(code), function.end - function.entry);
		err = ch_sym_read_constant(go->env.sym, function.entry, code, len);
		if (!err)
			addr = rate_of_code(code, len, function.entry);
		ch_error_destroy(err);
	}
	return addr && ch_core_read_u64(go->env.core, addr, ret) && *ret <= INT64_MAX;
}

/* ---- For others ------------------------------------------------------------------------ */

struct emitting {
	ch_sites_fn fn;
	void *arg;
	/* Which of the cycles to come is published by now: mProf_Flush(). */
	uint32_t flushed;
};

static struct ch_error *emit(void *arg, struct list *list, uint64_t addr)
{
	const struct emitting *emitting = arg;
	struct ch_site site = { .pcs = list->bucket.pcs,
				.pcs_count = list->bucket.pcs_count,
				.size_bytes = list->bucket.size_bytes };
	uint32_t i;

	if (!read_record(list, addr, list->cycle_words, &list->bucket))
		return NULL;
	for (i = 0; i < CYCLES; i++) {
		if (i && !list->unpublished && i != 1 + emitting->flushed)
			continue;
		site.allocs_count += cycle_of(list, i)[0];
		site.frees_count += cycle_of(list, i)[1];
	}
	/* a bucket that was changed meanwhile */
	site.frees_count = ch_min(site.frees_count, site.allocs_count);
	return site.allocs_count ? emitting->fn(emitting->arg, &site) : NULL;
}

static struct ch_error *read_list(struct list *list, struct emitting *emitting,
				  struct ch_sampling *ret)
{
	struct ch_error *err = find_list(list);

	if (!err && list->head)
		err = choose_words(list);
	if (err)
		return err;
	if (!list->head)
		ret->none = "its list of samples is empty, or not in the core";
	else if (!list->cycle_words)
		ret->none = "its samples are not as Go 1.17 to 1.27 has them";
	if (ret->none)
		return NULL;
	list->broken = false;
	err = walk(list, list->head, emit, emitting);
	if (!err && list->broken)
		chp_context_finding(list->go->env.ctx, chp_blame(&list->go->env), "go-samples-cut",
				    "the list of Go's heap profile breaks off after %llu entries",
				    (unsigned long long)list->buckets_count);
	return err;
}

struct ch_error *go_sites(void *state, struct ch_sampling *ret, ch_sites_fn fn, void *arg)
{
	const struct go *go = state;
	/* the runtime counts cycles of the profile as those of collections */
	struct emitting emitting = { fn, arg, go->sweepgen / 2 % (CYCLES - 1) };
	struct list *list;
	struct ch_error *err;

	ret->rate_known = find_rate(go, &ret->rate_bytes);
	if (!ret->rate_known)
		ret->rate_bytes = RATE_BEGIN;
	if (!ret->rate_bytes) {
		ret->none = "samples are off (MemProfileRate is 0): the program does not use "
			    "runtime/pprof, or turned them off";
		return NULL;
	}
	list = calloc(1, sizeof(*list));
	if (!list)
		return &ch_enomem;
	list->go = go;
	err = read_list(list, &emitting, ret);
	free(list);
	return err;
}
