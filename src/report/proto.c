/*
 * Messages of a profile of pprof, and the parts that all profiles have.
 */
#include "report/proto.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 4096

/* Wire types. */
enum { WIRE_NUMBER = 0, WIRE_BYTES = 2 };

static void put_byte(struct ch_message *message, uint8_t byte)
{
	uint8_t *slot = ch_vec_push(&message->bytes);

	message->failed |= !slot;
	if (slot)
		*slot = byte;
}

void chp_proto_varint(struct ch_message *message, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		put_byte(message, (uint8_t)(number | 0x80));
	put_byte(message, (uint8_t)number);
}

void chp_proto_number(struct ch_message *message, uint32_t field, uint64_t number)
{
	chp_proto_varint(message, field << 3 | WIRE_NUMBER);
	chp_proto_varint(message, number);
}

static void put_bytes(struct ch_message *message, uint32_t field, const void *bytes, size_t len)
{
	size_t at;

	chp_proto_varint(message, field << 3 | WIRE_BYTES);
	chp_proto_varint(message, len);
	at = message->bytes.count;
	if (message->failed || !ch_vec_reserve(&message->bytes, at + len)) {
		message->failed = true;
		return;
	}
	if (len)
		memcpy(CH_VEC_AT(&message->bytes, uint8_t, at), bytes, len);
	message->bytes.count += len;
}

/* The inner message as a field of the outer one. */
void chp_proto_inner(struct ch_proto *proto, uint32_t field)
{
	proto->message.failed |= proto->inner.failed;
	put_bytes(&proto->message, field, proto->inner.bytes.items, proto->inner.bytes.count);
	proto->inner.bytes.count = 0;
}

/* The message is whole: a field of the profile. */
struct ch_error *chp_proto_write(struct ch_proto *proto, uint32_t field)
{
	struct ch_message *message = &proto->message, *head = &proto->inner;
	struct ch_error *err;

	head->bytes.count = 0;
	chp_proto_varint(head, field << 3 | WIRE_BYTES);
	chp_proto_varint(head, message->bytes.count);
	if (message->failed || head->failed)
		return &ch_enomem;
	err = chp_gzip_put(proto->gzip, head->bytes.items, head->bytes.count);
	if (!err && message->bytes.count)
		err = chp_gzip_put(proto->gzip, message->bytes.items, message->bytes.count);
	message->bytes.count = head->bytes.count = 0;
	return err;
}

/* The next string of the table, and its number. */
struct ch_error *chp_proto_string(struct ch_proto *proto, const char *text, uint64_t *ret)
{
	size_t len = strlen(text), i;

	for (i = 0; i < len; i++)
		put_byte(&proto->message, (uint8_t)text[i]);
	*ret = proto->strings_count++;
	return chp_proto_write(proto, PROFILE_STRING);
}

struct ch_error *chp_proto_value_type(struct ch_proto *proto, uint32_t field, const char *name,
				      const char *unit, uint64_t *ret)
{
	uint64_t unit_string = 0;
	struct ch_error *err = chp_proto_string(proto, name, ret);

	if (!err)
		err = chp_proto_string(proto, unit, &unit_string);
	if (err)
		return err;
	chp_proto_number(&proto->message, VALUE_TYPE_TYPE, *ret);
	chp_proto_number(&proto->message, VALUE_TYPE_UNIT, unit_string);
	return chp_proto_write(proto, field);
}

struct ch_error *chp_proto_write_number(struct ch_proto *proto, uint32_t field, uint64_t number)
{
	struct ch_message *inner = &proto->inner;
	struct ch_error *err;

	inner->bytes.count = 0;
	chp_proto_number(inner, field, number);
	err = inner->failed ? &ch_enomem
			    : chp_gzip_put(proto->gzip, inner->bytes.items, inner->bytes.count);
	inner->bytes.count = 0;
	return err;
}

static struct ch_error *write_mapping(struct ch_proto *proto, uint64_t id,
				      const struct ch_module *module)
{
	_cleanup_free_ char *path = chp_text_escape(module->path, TEXT_BYTES_MAX);
	char build_id[CH_HEX_TEXT_MAX];
	uint64_t path_string = 0, id_string = 0;
	struct ch_error *err;

	if (!path)
		return &ch_enomem;
	chp_hex_text(module->build_id, module->build_id_len, build_id);
	err = chp_proto_string(proto, path, &path_string);
	if (!err)
		err = chp_proto_string(proto, build_id, &id_string);
	if (err)
		return err;
	chp_proto_number(&proto->message, MAPPING_ID, id);
	chp_proto_number(&proto->message, MAPPING_START, module->start);
	chp_proto_number(&proto->message, MAPPING_LIMIT, module->end);
	chp_proto_number(&proto->message, MAPPING_FILENAME, path_string);
	chp_proto_number(&proto->message, MAPPING_BUILD_ID, id_string);
	/* so that nobody looks for the names of what has some */
	chp_proto_number(&proto->message, MAPPING_HAS_FUNCTIONS, 1);
	return chp_proto_write(proto, PROFILE_MAPPING);
}

struct ch_error *chp_proto_mappings(struct ch_proto *proto, const struct ch_module *modules,
				    size_t count)
{
	struct ch_error *err = NULL;
	uint64_t id = 0;
	size_t i;
	int exe;

	for (exe = 1; exe >= 0; exe--)
		for (i = 0; !err && i < count; i++)
			if ((modules[i].kind == CH_MODULE_EXE) == exe)
				err = write_mapping(proto, ++id, &modules[i]);
	return err;
}

uint64_t chp_proto_mapping_of(const struct ch_module *modules, size_t count,
			      const struct ch_module *module)
{
	uint64_t id = 0;
	size_t i;
	int exe;

	for (exe = 1; module && exe >= 0; exe--)
		for (i = 0; i < count; i++) {
			if ((modules[i].kind == CH_MODULE_EXE) != exe)
				continue;
			id++;
			if (&modules[i] == module)
				return id;
		}
	return 0;
}
