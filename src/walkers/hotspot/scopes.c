/*
 * Where in Java's source compiled and interpreted code is: methods that the compiler put
 * into one another, and lines.
 *
 * openjdk/jdk, jdk-17+35 and jdk-25+36, src/hotspot/share: code/pcDesc.hpp,
 * code/debugInfoRec.cpp and code/scopeDesc.cpp (a scope is: scope of the caller, method,
 * bytecode, ...), code/compressedStream.hpp and utilities/unsigned5.hpp,
 * oops/constMethod.hpp and oops/method.cpp (CompressedLineNumberReadStream).
 */
#include <stdio.h>
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

#define LINES_MAX 65536
/* Bytes of the tables of all methods that are asked for. */
#define LINES_OF_ALL_MAX (1ULL << 28)
#define METADATA_MAX     (1U << 20)
#define SCOPES_BYTES_MAX (1U << 28)

/* Bytes of the target, one after the other. */
struct stream {
	const struct hs *hs;
	uint64_t at, end;
	uint64_t window;
	uint32_t filled;
	uint8_t bytes[64];
};

static bool next_byte(struct stream *stream, uint32_t *ret)
{
	uint64_t n = ch_min(sizeof(stream->bytes), stream->end - stream->at);

	if (stream->at >= stream->end)
		return false;
	if (stream->at < stream->window || stream->at - stream->window >= stream->filled) {
		while (n && !ch_core_try_read(stream->hs->core, stream->at, stream->bytes, n))
			n /= 2;
		if (!n)
			return false;
		stream->window = stream->at;
		stream->filled = (uint32_t)n;
	}
	*ret = stream->bytes[stream->at++ - stream->window];
	return true;
}

/* UNSIGNED5: up to five digits of base 64, the low one first; those of 192 and more are
 * followed by another one. From 21 on none is 0. */
static bool next_number(struct stream *stream, uint32_t *ret)
{
	const uint32_t least = stream->hs->members[HS_KLASS_FIELD_STREAM].found;
	uint32_t sum = 0, byte, i;

	for (i = 0; i < 5; i++) {
		if (!next_byte(stream, &byte) || byte < least)
			return false;
		sum += (byte - least) << 6 * i;
		if (byte < 192)
			break;
	}
	*ret = sum;
	return true;
}

/* ---- Scopes -------------------------------------------------------------------------- */

/* Tables of a method's code. */
struct tables {
	uint64_t pcs, pcs_count, data, metadata;
};

static bool find_tables(const struct hs *hs, uint64_t blob, struct tables *ret)
{
	uint64_t base = blob, changing;
	uint32_t pcs, end, offset;

	/* from 24 on they lie outside of the code cache */
	if (hs->members[HS_NMETHOD_IMMUTABLE].found &&
	    !hs_member_ptr(hs, HS_NMETHOD_IMMUTABLE, blob, &base))
		return false;
	if (!hs_member_u32(hs, HS_NMETHOD_PCS, blob, &pcs) ||
	    !(hs_member_u32(hs, HS_NMETHOD_DEPENDENCIES, blob, &end) ||
	      hs_member_u32(hs, HS_NMETHOD_SCOPES_OFFSET, blob, &end)) ||
	    pcs > end || end > SCOPES_BYTES_MAX || hs->numbers[HS_SIZE_PC].value < 8)
		return false;
	ret->pcs = base + pcs;
	ret->pcs_count = (end - pcs) / hs->numbers[HS_SIZE_PC].value;
	if (!hs_member_ptr(hs, HS_NMETHOD_SCOPES, blob, &ret->data)) {
		if (!hs_member_u32(hs, HS_NMETHOD_SCOPES_OFFSET, blob, &offset))
			return false;
		ret->data = base + offset;
	}
	if (hs_member_u32(hs, HS_NMETHOD_METADATA, blob, &offset))
		ret->metadata = blob + offset;
	else if (hs_member_ptr(hs, HS_BLOB_MUTABLE, blob, &changing) &&
		 hs_member_u32(hs, HS_BLOB_RELOCATION_SIZE, blob, &offset))
		ret->metadata = changing + offset;
	else
		return false;
	return true;
}

/* Entry index of the table of places, which ascend. */
static bool read_pc(const struct hs *hs, const struct tables *tables, uint64_t index,
		    uint32_t *offset, uint32_t *scope)
{
	uint64_t at = tables->pcs + index * hs->numbers[HS_SIZE_PC].value;

	return index < tables->pcs_count && hs_member_u32(hs, HS_PC_OFFSET, at, offset) &&
	       hs_member_u32(hs, HS_PC_SCOPE, at, scope) && *scope;
}

/* The scope of the place at an offset of the code, or of the one next to it; 0: there is
 * none. The first and the last entry are no places, and have none. */
static uint32_t find_scope(const struct hs *hs, const struct tables *tables, uint64_t offset,
			   bool any)
{
	uint64_t low = 0, high = tables->pcs_count, mid;
	uint32_t at, scope, before, scope_before;
	bool found;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (!hs_member_u32(hs, HS_PC_OFFSET,
				   tables->pcs + mid * hs->numbers[HS_SIZE_PC].value, &at))
			return 0;
		if ((int32_t)at < 0 || at < offset)
			low = mid + 1;
		else
			high = mid;
	}
	found = read_pc(hs, tables, low, &at, &scope);
	if (!any || (found && at == offset))
		return found && at == offset ? scope : 0;
	if (low && read_pc(hs, tables, low - 1, &before, &scope_before) &&
	    (!found || offset - before <= at - offset))
		return scope_before;
	return found ? scope : 0;
}

/* One scope: its caller's, its method by number, its bytecode. */
static bool read_scope(const struct hs *hs, const struct tables *tables, uint32_t *scope,
		       struct hs_place *ret)
{
	struct stream stream = { .hs = hs, .at = tables->data + *scope };
	uint32_t method, bci;

	/* nobody knows where the scopes end; one's head is three numbers */
	stream.end = stream.at + 3 * 5;
	if (!*scope || *scope > SCOPES_BYTES_MAX || !next_number(&stream, scope) ||
	    !next_number(&stream, &method) || !next_number(&stream, &bci) || !method ||
	    method > METADATA_MAX ||
	    !hs_read_ptr(hs, tables->metadata + 8ULL * (method - 1), &ret->method))
		return false;
	ret->bci = (int32_t)bci - 1;
	ret->inlined = *scope != 0;
	return true;
}

bool hs_scope_at(const struct hs *hs, const struct hs_blob *blob, uint64_t pc, bool any,
		 uint32_t depth, struct hs_place *ret)
{
	struct tables tables;
	uint32_t scope, i;

	if (!find_tables(hs, blob->addr, &tables))
		return false;
	scope = find_scope(hs, &tables, pc - blob->code_start, any);
	for (i = 0; i <= depth; i++)
		if (!scope || !read_scope(hs, &tables, &scope, ret))
			return false;
	return true;
}

/* ---- Lines --------------------------------------------------------------------------- */

/* How a line or a bytecode differs from the one before. */
static bool next_difference(struct stream *stream, uint32_t *ret)
{
	uint32_t coded;

	if (!next_number(stream, &coded))
		return false;
	*ret = coded >> 1 ^ (0U - (coded & 1));
	return true;
}

static uint32_t line_of(struct hs *hs, uint64_t constant, uint32_t codes_bytes, uint32_t bci)
{
	enum { ESCAPE = 0xff };
	struct stream stream = { .hs = hs };
	uint32_t words, byte, at = 0, line = 0, best = 0, best_at = 0, more[2], i;

	stream.at = constant + hs->numbers[HS_SIZE_CONST].value + codes_bytes;
	if (!hs_member_u32(hs, HS_CONST_WORDS, constant, &words))
		return 0;
	stream.end = constant + 8ULL * words;
	if (hs->work.lines > LINES_OF_ALL_MAX)
		return 0;
	for (i = 0; i < LINES_MAX && next_byte(&stream, &byte) && byte; i++) {
		if (byte != ESCAPE) {
			at += byte >> 3;
			line += byte & 7;
		} else if (next_difference(&stream, &more[0]) &&
			   next_difference(&stream, &more[1])) {
			at += more[0];
			line += more[1];
		} else {
			break;
		}
		if (at <= bci && (!best || at >= best_at)) {
			best = line;
			best_at = at;
		}
	}
	hs->work.lines += i;
	return best;
}

/* The class's file, in 17 and later at its constants. */
static bool source_file(const struct hs *hs, uint64_t constant, char *buf, size_t max)
{
	uint64_t pool, holder;
	uint32_t index;

	if (!hs_member_ptr(hs, HS_CONST_POOL, constant, &pool) || !pool)
		return false;
	if (!hs_member_u16(hs, HS_SOURCE_OF_POOL, pool, &index) &&
	    (!hs_member_ptr(hs, HS_POOL_HOLDER, pool, &holder) ||
	     !hs_member_u16(hs, HS_SOURCE_OF_KLASS, holder, &index)))
		return false;
	return index && hs_pool_text(hs, pool, index, buf, max);
}

void hs_source_of(struct hs *hs, uint64_t method, int32_t bci, struct ch_code *ret)
{
	uint32_t flags, codes_bytes;
	uint64_t constant;

	if (!hs->numbers[HS_SIZE_POOL].found || !hs->numbers[HS_SIZE_CONST].found ||
	    !hs_member_ptr(hs, HS_METHOD_CONST, method, &constant) ||
	    !source_file(hs, constant, ret->source, sizeof(ret->source))) {
		ret->source[0] = '\0';
		return;
	}
	if (hs->numbers[HS_HAS_LINES].found &&
	    hs_member_u16(hs, HS_CONST_FLAGS, constant, &flags) &&
	    flags & hs->numbers[HS_HAS_LINES].value &&
	    hs_member_u16(hs, HS_CONST_CODE_SIZE, constant, &codes_bytes))
		ret->line = line_of(hs, constant, codes_bytes, bci < 0 ? 0 : (uint32_t)bci);
}
