/*
 * The contract descriptor: JSON inside the runtime that says where fields are.
 * dotnet/runtime, docs/design/datacontracts/contract-descriptor.md (the
 * structure) and data_descriptor.md (the compact form).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <jansson.h>
#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* "DNCCDAC\0" */
#define MAGIC          0x0043414443434e44ULL
#define JSON_BYTES_MAX (4U << 20)
#define POINTERS_MAX   65536

struct clr_descriptor {
	json_t *root;
	const struct ch_core *core;
	uint64_t pointers;
	uint32_t pointers_count;
};

static json_t *read_json(const struct ch_core *core, uint64_t addr, uint32_t bytes,
			 struct ch_error **err_ret)
{
	_cleanup_free_ char *text = malloc(bytes + 1ULL);
	json_error_t why;
	json_t *root;

	*err_ret = NULL;
	if (!text) {
		*err_ret = &ch_enomem;
		return NULL;
	}
	if (!ch_core_try_read(core, addr, text, bytes)) {
		*err_ret = ch_error_create(CH_ERROR_ABSENT,
					   "the descriptor of the runtime is not in the core, and "
					   "its library is not at hand");
		return NULL;
	}
	root = json_loadb(text, bytes, 0, &why);
	if (!root)
		*err_ret = ch_error_create(CH_ERROR_CORRUPT,
					   "the descriptor of the runtime is damaged");
	return root;
}

struct ch_error *clr_descriptor_open(const struct clr *clr, struct clr_descriptor **ret)
{
	struct clr_descriptor *descriptor;
	struct ch_symbol symbol;
	uint64_t json;
	uint8_t head[40];
	struct ch_error *err;
	uint32_t bytes;

	if (!ch_sym_exported(clr->env->sym, clr->runtime, "DotNetRuntimeContractDescriptor",
			     &symbol))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "the runtime describes itself from .NET 9 on; this one "
				       "does not");
	if (!ch_core_try_read(clr->core, symbol.addr, head, sizeof(head)) ||
	    ch_get64(head) != MAGIC)
		return ch_error_create(CH_ERROR_CORRUPT, "no descriptor of the runtime at 0x%llx",
				       (unsigned long long)symbol.addr);
	bytes = ch_get32(head + 12);
	json = ch_get64(head + 16);
	if (bytes > JSON_BYTES_MAX || ch_get32(head + 24) > POINTERS_MAX)
		return ch_error_create(CH_ERROR_CORRUPT,
				       "the descriptor of the runtime has an impossible size");
	descriptor = calloc(1, sizeof(*descriptor));
	if (!descriptor)
		return &ch_enomem;
	descriptor->core = clr->core;
	descriptor->pointers_count = ch_get32(head + 24);
	descriptor->pointers = ch_get64(head + 32);
	descriptor->root = read_json(clr->core, json, bytes, &err);
	if (err) {
		free(descriptor);
		return err;
	}
	*ret = descriptor;
	return NULL;
}

void clr_descriptor_close(struct clr_descriptor *descriptor)
{
	if (!descriptor)
		return;
	json_decref(descriptor->root);
	free(descriptor);
}

/* A number, or one written as a string ("0x7"). */
static bool number_of(const json_t *value, uint64_t *ret)
{
	char *end;

	if (json_is_integer(value)) {
		*ret = (uint64_t)json_integer_value(value);
		return json_integer_value(value) >= 0;
	}
	if (!json_is_string(value))
		return false;
	*ret = strtoull(json_string_value(value), &end, 0);
	return end != json_string_value(value) && !*end;
}

bool clr_descriptor_field(const struct clr_descriptor *descriptor, const char *type,
			  const char *field, uint32_t *ret)
{
	const json_t *value = json_object_get(
		json_object_get(json_object_get(descriptor->root, "types"), type), field);
	uint64_t number;

	/* offset, or [offset, type] */
	if (json_is_array(value))
		value = json_array_get(value, 0);
	if (!number_of(value, &number) || number > 65536)
		return false;
	*ret = (uint32_t)number;
	return true;
}

bool clr_descriptor_global(const struct clr_descriptor *descriptor, const char *name, uint64_t *ret)
{
	const json_t *value = json_object_get(json_object_get(descriptor->root, "globals"), name);
	uint64_t number;

	/* value, [value, type], [index], or [[index], type] */
	if (!json_is_array(value))
		return number_of(value, ret);
	if (json_array_size(value) == 2 && !json_is_array(json_array_get(value, 0)))
		return number_of(json_array_get(value, 0), ret);
	if (json_is_array(json_array_get(value, 0)))
		value = json_array_get(value, 0);
	if (!number_of(json_array_get(value, 0), &number) || number >= descriptor->pointers_count)
		return false;
	return ch_core_read_u64(descriptor->core, descriptor->pointers + 8 * number, ret);
}
