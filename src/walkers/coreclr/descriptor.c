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
	struct ch_sym *sym;
	uint64_t pointers;
	uint32_t pointers_count;
};

/* Dumps of .NET's default type lack the pages that its own tools read from the library. */
static struct ch_error *read_constant(struct ch_sym *sym, uint64_t addr, void *buf, size_t len)
{
	struct ch_error *err = ch_sym_read_constant(sym, addr, buf, len);

	if (!err || err->code == CH_ERROR_NOMEM)
		return err;
	ch_error_destroy(err);
	return ch_error_create(CH_ERROR_ABSENT,
			       "the descriptor of the runtime, at 0x%llx, is not in the core, and "
			       "the library that holds it is not at hand",
			       (unsigned long long)addr);
}

static struct ch_error *read_json(struct ch_sym *sym, uint64_t addr, uint32_t bytes, json_t **ret)
{
	_cleanup_free_ char *text = malloc(bytes + 1ULL);
	struct ch_error *err;
	json_error_t why;

	if (!text)
		return &ch_enomem;
	err = read_constant(sym, addr, text, bytes);
	if (err)
		return err;
	*ret = json_loadb(text, bytes, 0, &why);
	/* Without memory jansson says as if the text were wrong: is it again? */
	if (!*ret)
		*ret = json_loadb(text, bytes, 0, &why);
	return *ret ? NULL
		    : ch_error_create(CH_ERROR_CORRUPT, "the descriptor of the runtime is damaged");
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
	err = read_constant(clr->env->sym, symbol.addr, head, sizeof(head));
	if (err)
		return err;
	if (ch_get64(head) != MAGIC)
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
	descriptor->sym = clr->env->sym;
	descriptor->pointers_count = ch_get32(head + 24);
	descriptor->pointers = ch_get64(head + 32);
	err = read_json(clr->env->sym, json, bytes, &descriptor->root);
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
	struct ch_error *err;
	uint8_t pointer[8];
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
	err = ch_sym_read_constant(descriptor->sym, descriptor->pointers + 8 * number, pointer,
				   sizeof(pointer));
	if (!err)
		*ret = ch_get64(pointer);
	ch_error_destroy(err);
	return !err;
}
