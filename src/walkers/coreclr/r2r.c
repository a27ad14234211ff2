/*
 * Code that came compiled with its assembly (ReadyToRun): which method a function of an
 * image belongs to, by the image's own tables.
 *
 * Methods that are not generic are in an array by their row of MethodDef. Instances of generic
 * types and methods are in a hash table whose entries begin with a signature: the type, the
 * method, its arguments. A function that is in neither is a handler of the method before it.
 *
 * dotnet/runtime, release/9.0, src/coreclr/inc/readytorun.h (the header, its sections, flags of
 * signatures), vm/nativeformatreader.h (NativeArray, NativeHashtable), vm/readytoruninfo.cpp
 * (what entries hold); dotnet/coreclr, release/3.1, the same files; measured on 3.1.3, 8.0.34,
 * 9.0.22, 10.0.12 and 11.0.0.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"

enum {
	/* On x86-64: where it begins, where it ends, how to unwind it. */
	RUNTIME_FUNCTION_BYTES = 12,
	SECTION_RUNTIME_FUNCTIONS = 102,
	SECTION_METHOD_ENTRIES = 103,
	SECTION_INSTANCES = 109,
	/* Flags of a method's signature. */
	METHOD_INSTANTIATION = 0x04,
	METHOD_SLOT = 0x08,
	METHOD_MEMBER_REF = 0x10,
	METHOD_CONSTRAINED = 0x20,
	METHOD_OWNER_TYPE = 0x40,
	METHOD_CONTEXT = 0x80,
	ARGUMENTS_MAX = 64,
};

#define FUNCTIONS_MAX (1U << 22)
/* log2 of the buckets of the table of instances. */
#define BUCKETS_LOG_MAX 24
/* Steps from a handler back to its method. */
#define HANDLERS_MAX 4096

/* ---- Numbers and tables of images ------------------------------------------------ */

/* NativeReader::DecodeUnsigned: the low bits of the first byte tell the length. */
static bool decode(const struct clr *clr, uint64_t *at, uint32_t *ret)
{
	uint8_t bytes[5] = { 0 };
	uint32_t len;

	if (!ch_core_try_read(clr->core, *at, bytes, 1))
		return false;
	for (len = 1; len < 5 && bytes[0] >> (len - 1) & 1;)
		len++;
	if (len > 1 && !ch_core_try_read(clr->core, *at, bytes, len))
		return false;
	*at += len;
	*ret = len == 5 ? ch_get32(bytes + 1)
			: (uint32_t)((ch_get32(bytes) & (0xffffffffU >> (32 - 8 * len))) >> len);
	return true;
}

/* NativeArray::TryGetAt: blocks of 16, each a tree over the bits of an index. */
static bool array_at(const struct clr *clr, uint64_t array, uint32_t index, uint64_t *ret)
{
	uint32_t head, block = 0, value, bit;
	uint64_t base = array, at, next;
	uint8_t offset[4] = { 0 };

	if (!decode(clr, &base, &head) || index >= head >> 2)
		return false;
	block = 1U << ch_min(head & 3, 2);
	if (!ch_core_try_read(clr->core, base + (uint64_t)block * (index / 16), offset, block))
		return false;
	at = base + ch_get32(offset);
	for (bit = 8; bit; bit >>= 1) {
		next = at;
		if (!decode(clr, &next, &value))
			return false;
		if (index & bit && value & 2) {
			at += value >> 2;
			continue;
		}
		if (!(index & bit) && value & 1) {
			at = next;
			continue;
		}
		if (value & 3 || value >> 2 != (index & 15))
			return false;
		at = next;
		break;
	}
	*ret = at;
	return true;
}

/* The runtime function that a method (row of MethodDef) begins with. */
static bool entry_of(const struct clr *clr, uint64_t entries, uint32_t row, uint32_t *ret)
{
	uint64_t at;

	if (!array_at(clr, entries, row - 1, &at) || !decode(clr, &at, ret))
		return false;
	*ret >>= *ret & 1 ? 2 : 1;
	return true;
}

/* The same of a number that may be negative: how far it is from where it lies. */
static bool decode_place(const struct clr *clr, uint64_t *at, uint64_t *ret)
{
	uint64_t from = *at;
	uint32_t value, bits;

	if (!decode(clr, at, &value))
		return false;
	bits = *at - from == 5 ? 32 : (uint32_t)(7 * (*at - from));
	*ret = from + (uint64_t)(int64_t)((int32_t)(value << (32 - bits)) >> (32 - bits));
	return true;
}

/* READYTORUN_HEADER: signature, versions, flags, then sections: kind, place, size. */
static bool r2r_section(const struct clr *clr, uint64_t base, uint64_t header, uint32_t kind,
			uint64_t *addr_ret, uint64_t *bytes_ret)
{
	enum { SIGNATURE = 0x00525452, COUNT = 12, SECTIONS = 16, SECTION_BYTES = 12, MOST = 256 };
	uint8_t head[SECTIONS], section[SECTION_BYTES];
	uint32_t i;

	if (!ch_core_try_read(clr->core, header, head, sizeof(head)) || ch_get32(head) != SIGNATURE)
		return false;
	for (i = 0; i < ch_get32(head + COUNT) && i < MOST; i++) {
		if (!ch_core_try_read(clr->core, header + SECTIONS + (uint64_t)SECTION_BYTES * i,
				      section, sizeof(section)))
			return false;
		if (ch_get32(section) != kind)
			continue;
		*addr_ret = base + ch_get32(section + 4);
		*bytes_ret = ch_get32(section + 8);
		return true;
	}
	return false;
}

static bool find_r2r(const struct clr *clr, uint64_t base, struct clr_r2r *ret)
{
	uint64_t header, functions, bytes, unused;
	uint32_t last;

	if (!clr_image_ready_to_run(clr->core, base, &header) ||
	    !r2r_section(clr, base, header, SECTION_RUNTIME_FUNCTIONS, &functions, &bytes))
		return false;
	ret->functions = functions;
	ret->count = (uint32_t)ch_min(bytes / RUNTIME_FUNCTION_BYTES, FUNCTIONS_MAX);
	if (!ret->count ||
	    !ch_core_read_u32(clr->core,
			      functions + (uint64_t)RUNTIME_FUNCTION_BYTES * (ret->count - 1),
			      &last))
		return false;
	if (!r2r_section(clr, base, header, SECTION_METHOD_ENTRIES, &ret->entries, &unused))
		ret->entries = 0;
	if (!r2r_section(clr, base, header, SECTION_INSTANCES, &ret->instances, &bytes))
		bytes = 0;
	ret->instances_end = ret->instances + bytes;
	return ret->entries || bytes;
}

/* ---- Which function is whose ------------------------------------------------------ */

static void learn_methods(const struct clr *clr, const struct clr_metadata *metadata,
			  struct clr_r2r *r2r)
{
	uint32_t row, function;

	for (row = 1; row <= metadata->rows[CLR_TABLE_METHOD_DEF]; row++)
		if (entry_of(clr, r2r->entries, row, &function) && function < r2r->count &&
		    !r2r->owners[function].row)
			r2r->owners[function].row = row;
}

/* What a signature says, if it is read. */
struct instance {
	uint32_t flags, row;
	/* The type that the method is one of. */
	char owner[CLR_NAME_MAX];
};

/* Read the signature at *at and go behind it. Text of types is not needed to do so. */
static bool read_instance(struct clr *clr, uint64_t module, uint64_t *at, struct instance *ret)
{
	uint32_t count, i;

	ret->owner[0] = '\0';
	if (!clr_signature_number(clr, at, &ret->flags))
		return false;
	if (ret->flags & METHOD_CONTEXT && !clr_signature_number(clr, at, &count))
		return false;
	if (ret->flags & METHOD_OWNER_TYPE &&
	    !clr_signature_type(clr, module, at, ret->owner, sizeof(ret->owner)))
		return false;
	if (!clr_signature_number(clr, at, &ret->row))
		return false;
	if (ret->flags & METHOD_INSTANTIATION) {
		if (!clr_signature_number(clr, at, &count) || count > ARGUMENTS_MAX)
			return false;
		for (i = 0; i < count; i++)
			if (!clr_signature_type(clr, module, at, NULL, 0))
				return false;
	}
	return !(ret->flags & METHOD_CONSTRAINED) || clr_signature_type(clr, module, at, NULL, 0);
}

/* One entry of the table of instances: its signature, then the function as in the array. */
static void learn_instance(struct clr *clr, uint64_t module, uint64_t base, uint64_t at,
			   struct clr_r2r *r2r)
{
	struct instance instance;
	uint64_t signature = at;
	uint32_t function;

	if (signature - base > UINT32_MAX || !read_instance(clr, module, &at, &instance) ||
	    !decode(clr, &at, &function)) {
		r2r->unread = true;
		return;
	}
	function >>= function & 1 ? 2 : 1;
	if (function < r2r->count)
		r2r->owners[function].signature = (uint32_t)(signature - base);
}

static bool read_little(const struct clr *clr, uint64_t at, uint32_t bytes, uint32_t *ret)
{
	uint8_t buf[4] = { 0 };

	if (!ch_core_try_read(clr->core, at, buf, bytes))
		return false;
	*ret = ch_get32(buf);
	return true;
}

/* NativeHashtable: a byte with the sizes, then where buckets begin; in a bucket, for each
 * entry eight bits of the hash and how far away it is. */
static void learn_instances(struct clr *clr, uint64_t module, uint64_t base, struct clr_r2r *r2r)
{
	uint64_t table = r2r->instances + 1, at, end, entry;
	uint32_t bucket, bytes, from, to, left = r2r->count;
	uint8_t head, hash;

	if (r2r->instances >= r2r->instances_end)
		return;
	r2r->unread = true;
	if (!ch_core_try_read(clr->core, r2r->instances, &head, 1) || head >> 2 > BUCKETS_LOG_MAX)
		return;
	bytes = 1U << ch_min(head & 3, 2);
	r2r->unread = false;
	for (bucket = 0; bucket < 1U << (head >> 2); bucket++) {
		at = table + (uint64_t)bytes * bucket;
		if (at >= r2r->instances_end || !read_little(clr, at, bytes, &from) ||
		    !read_little(clr, at + bytes, bytes, &to)) {
			r2r->unread = true;
			return;
		}
		end = ch_min(table + to, r2r->instances_end);
		for (at = table + from; at < end;) {
			/* Each function is one method's: more of them is damage. */
			if (!left-- || !ch_core_try_read(clr->core, at++, &hash, 1) ||
			    !decode_place(clr, &at, &entry)) {
				r2r->unread = true;
				return;
			}
			learn_instance(clr, module, base, entry, r2r);
		}
	}
}

/* Whose each function is; made once. */
static bool learn(struct clr *clr, uint64_t module, struct clr_module *entry)
{
	struct clr_r2r *r2r = &entry->r2r;

	if (r2r->owners)
		return true;
	r2r->owners = calloc(r2r->count + 1ULL, sizeof(*r2r->owners));
	if (!r2r->owners)
		return false;
	if (r2r->entries)
		learn_methods(clr, &entry->metadata, r2r);
	learn_instances(clr, module, entry->image, r2r);
	return true;
}

/* The function that an address of the image lies in. */
static bool function_at(const struct clr *clr, const struct clr_r2r *r2r, uint32_t rva,
			uint32_t *index_ret)
{
	uint32_t low = 0, high = r2r->count, mid, start, end;
	uint64_t at;

	while (low < high) {
		mid = low + (high - low) / 2;
		at = r2r->functions + (uint64_t)RUNTIME_FUNCTION_BYTES * mid;
		if (!ch_core_read_u32(clr->core, at, &start) ||
		    !ch_core_read_u32(clr->core, at + 4, &end))
			return false;
		if (rva >= start && rva < end) {
			*index_ret = mid;
			return true;
		}
		if (start <= rva)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* The method that a function belongs to: a handler comes behind its method's own function. Where
 * not all instances are known, it may be that of one of them. */
static bool owner_of(const struct clr_r2r *r2r, uint32_t index, uint32_t *ret)
{
	uint32_t i;

	for (i = 0; i <= index && i < HANDLERS_MAX; i++) {
		*ret = index - i;
		if (r2r->owners[*ret].row || r2r->owners[*ret].signature)
			return true;
		if (r2r->unread)
			return false;
	}
	return false;
}

/* ---- Names ------------------------------------------------------------------------- */

/* "Type.Method" from metadata alone: the type that a row of MethodDef belongs to. */
static bool name_definition(const struct clr_metadata *metadata, uint32_t row, char *buf,
			    size_t max)
{
	uint32_t low = 1, high = metadata->rows[CLR_TABLE_TYPE_DEF] + 1, mid, first;
	char type[CLR_NAME_MAX], method[256];

	while (low < high) {
		mid = low + (high - low) / 2;
		if (!clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, mid, CLR_TYPE_DEF_METHODS,
				       &first))
			return false;
		if (first <= row)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 1 || !clr_definition_name(metadata, low - 1, type, sizeof(type)) ||
	    !clr_metadata_string(metadata, CLR_TABLE_METHOD_DEF, row, CLR_METHOD_DEF_NAME, method,
				 sizeof(method)))
		return false;
	snprintf(buf, max, "%s.%s", type, method);
	return true;
}

static bool name_instance(struct clr *clr, uint64_t module, const struct clr_metadata *metadata,
			  uint64_t signature, char *buf, size_t max)
{
	struct instance instance;
	bool member;
	char method[256];

	if (!read_instance(clr, module, &signature, &instance) || instance.flags & METHOD_SLOT ||
	    instance.flags & METHOD_CONTEXT)
		return false;
	member = instance.flags & METHOD_MEMBER_REF;
	if (!(instance.flags & METHOD_OWNER_TYPE))
		return !member && name_definition(metadata, instance.row, buf, max);
	if (!instance.owner[0] ||
	    !clr_metadata_string(metadata, member ? CLR_TABLE_MEMBER_REF : CLR_TABLE_METHOD_DEF,
				 instance.row, member ? CLR_MEMBER_REF_NAME : CLR_METHOD_DEF_NAME,
				 method, sizeof(method)))
		return false;
	snprintf(buf, max, "%s.%s", instance.owner, method);
	return true;
}

/* A module whose code is known, and whose functions are; NULL: it is none. */
static struct clr_module *learnt(struct clr *clr, uint64_t module)
{
	struct clr_module *entry = clr_module_entry(clr, module);

	if (!entry || !entry->known || !entry->image)
		return NULL;
	if (!entry->r2r_tried) {
		entry->r2r_tried = true;
		entry->has_r2r = find_r2r(clr, entry->image, &entry->r2r);
	}
	return entry->has_r2r && learn(clr, module, entry) ? entry : NULL;
}

static bool name_owner(struct clr *clr, uint64_t module, const struct clr_module *entry,
		       const struct clr_r2r_owner *owner, char *buf, size_t max)
{
	/* Where the name is of a row and of an instance, the code is of both. */
	if (owner->row)
		return name_definition(&entry->metadata, owner->row, buf, max);
	return name_instance(clr, module, &entry->metadata, entry->image + owner->signature, buf,
			     max);
}

struct ch_error *clr_r2r_visit(struct clr *clr, uint64_t module, ch_methods_fn fn, void *arg)
{
	struct clr_module *entry = learnt(clr, module);
	struct ch_method method = { .kind = "ReadyToRun" };
	char name[CLR_NAME_MAX + 256];
	struct ch_error *err = NULL;
	const struct clr_r2r_owner *owner;
	uint32_t i, range[2];

	method.name = name;
	for (i = 0; !err && entry && i < entry->r2r.count; i++) {
		owner = &entry->r2r.owners[i];
		if ((!owner->row && !owner->signature) ||
		    !ch_core_try_read(clr->core,
				      entry->r2r.functions + (uint64_t)RUNTIME_FUNCTION_BYTES * i,
				      range, sizeof(range)) ||
		    !name_owner(clr, module, entry, owner, name, sizeof(name)))
			continue;
		method.start = entry->image + range[0];
		method.end = range[1] > range[0] ? entry->image + range[1] : 0;
		err = fn(arg, &method);
		if (!err && i % 1024 == 0)
			err = chp_context_check(clr->env->ctx);
	}
	return err;
}

bool clr_r2r_name(struct clr *clr, uint64_t module, uint64_t addr, struct ch_code *ret, char *buf,
		  size_t max)
{
	struct clr_module *entry;
	uint32_t index, start, end;
	uint64_t base;

	ret->kind = "ReadyToRun";
	entry = learnt(clr, module);
	if (!entry)
		return false;
	base = entry->image;
	if (addr < base || addr - base > UINT32_MAX ||
	    !function_at(clr, &entry->r2r, (uint32_t)(addr - base), &index) ||
	    !owner_of(&entry->r2r, index, &index) ||
	    !ch_core_read_u32(clr->core,
			      entry->r2r.functions + (uint64_t)RUNTIME_FUNCTION_BYTES * index,
			      &start) ||
	    !ch_core_read_u32(clr->core,
			      entry->r2r.functions + (uint64_t)RUNTIME_FUNCTION_BYTES * index + 4,
			      &end))
		return false;
	ret->start = base + start;
	/* Behind a method come its handlers: then only where its own code ends is known. */
	ret->end = addr < base + end ? base + end : 0;
	return name_owner(clr, module, entry, &entry->r2r.owners[index], buf, max);
}
