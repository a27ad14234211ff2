/*
 * The one instruction that faulted, without a disassembler. As much of the x86-64 instruction
 * format as is needed to say whether an instruction reads or writes its operand in memory, and
 * where that is: Intel SDM volume 2, chapter 2 and appendix A. What is not sure stays unknown.
 */
#include <string.h>

#include "analysis/death_priv.h"
#include "util/cleanup.h"

/* No instruction is longer (Intel SDM volume 2, 2.3.11). */
#define INSN_BYTES_MAX 15
/* Indices into ch_thread.regs. */
#define REG_RSP     19
#define REG_FS_BASE 21
#define REG_GS_BASE 22
/* How far a vector or an immediate may move the address. */
#define SLACK 64

struct decoder {
	const uint8_t *bytes;
	size_t count, at;
	const struct ch_machine *machine;
	/* Prefixes: operand size, REPE, segment base, REX. */
	bool has_66, has_f3;
	uint64_t segment_base;
	uint8_t rex;
	/* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A. */
	int map;
	uint8_t opcode, modrm;
};

/* regs[] index of a register by its number in instructions. */
static const uint8_t numbers[16] = { 10, 11, 12, 5, REG_RSP, 4, 13, 14, 9, 8, 7, 6, 3, 2, 1, 0 };

static uint64_t reg(const struct decoder *d, unsigned number)
{
	return d->machine->regs[numbers[number & 15]];
}

static bool take(struct decoder *d, uint8_t *ret)
{
	if (d->at >= d->count)
		return false;
	*ret = d->bytes[d->at++];
	return true;
}

static bool take_prefixes(struct decoder *d)
{
	uint8_t byte;

	while (take(d, &byte)) {
		if (byte == 0x66)
			d->has_66 = true;
		else if (byte == 0xf3)
			d->has_f3 = true;
		else if (byte == 0x64)
			d->segment_base = d->machine->regs[REG_FS_BASE];
		else if (byte == 0x65)
			d->segment_base = d->machine->regs[REG_GS_BASE];
		else if (byte != 0xf2 && byte != 0xf0 && byte != 0x2e && byte != 0x3e) {
			d->at--;
			return true;
		}
	}
	return false;
}

/* VEX: C5 and one byte, C4 and two; the bits of REX are inverted there. */
static bool take_vex(struct decoder *d, uint8_t first)
{
	uint8_t a, b;

	if (!take(d, &a))
		return false;
	d->map = 1;
	d->rex = a & 0x80 ? 0 : 4;
	if (first == 0xc4) {
		if (!take(d, &b))
			return false;
		d->rex = (uint8_t)((a & 0x80 ? 0 : 4) | (a & 0x40 ? 0 : 2) | (a & 0x20 ? 0 : 1));
		d->map = a & 0x1f;
		a = b;
	}
	d->has_66 = (a & 3) == 1;
	d->has_f3 = (a & 3) == 2;
	return d->map >= 1 && d->map <= 3 && take(d, &d->opcode);
}

static bool take_opcode(struct decoder *d)
{
	uint8_t byte;

	if (!take_prefixes(d) || !take(d, &byte))
		return false;
	if (byte == 0xc4 || byte == 0xc5)
		return take_vex(d, byte);
	if ((byte & 0xf0) == 0x40) {
		d->rex = byte & 15;
		if (!take(d, &byte))
			return false;
	}
	if (byte == 0x0f) {
		d->map = 1;
		if (!take(d, &byte))
			return false;
		if (byte == 0x38 || byte == 0x3a) {
			d->map = byte == 0x38 ? 2 : 3;
			if (!take(d, &byte))
				return false;
		}
	}
	d->opcode = byte;
	return true;
}

static bool take_displacement(struct decoder *d, size_t bytes, uint64_t *ret)
{
	uint32_t value = 0;
	size_t i;
	uint8_t byte;

	for (i = 0; i < bytes; i++) {
		if (!take(d, &byte))
			return false;
		value |= (uint32_t)byte << (8 * i);
	}
	*ret = bytes == 1 ? (uint64_t)(int64_t)(int8_t)value : (uint64_t)(int64_t)(int32_t)value;
	return true;
}

/* The operand in memory that ModRM names; false when it names a register. */
static bool take_operand(struct decoder *d, struct ch_insn *ret)
{
	unsigned mod, rm, index;
	uint64_t addr = 0, displacement = 0;
	uint8_t sib;

	if (!take(d, &d->modrm))
		return false;
	mod = d->modrm >> 6;
	rm = d->modrm & 7U;
	if (mod == 3)
		return false;
	if (rm == 4) {
		if (!take(d, &sib))
			return false;
		index = (sib >> 3 & 7U) | (d->rex & 2U) << 2;
		if (index != 4)
			addr = reg(d, index) << (sib >> 6);
		rm = sib & 7U;
		if (rm == 5 && mod == 0)
			mod = 4;
		else
			addr += reg(d, rm | (d->rex & 1U) << 3);
	} else if (rm == 5 && mod == 0) {
		mod = 5;
	} else {
		addr = reg(d, rm | (d->rex & 1U) << 3);
	}
	if (mod && !take_displacement(d, mod == 1 ? 1 : 4, &displacement))
		return false;
	/* relative to the end of the instruction, which an immediate may follow */
	if (mod == 5)
		addr = d->machine->pc + d->at;
	ret->addr = addr + displacement + d->segment_base;
	ret->slack = SLACK;
	ret->has_addr = true;
	return true;
}

/* Opcodes of one map, in ascending ranges; the first row that fits counts. extension: of
 * ModRM, -1 any. Rows without one are left out: updates of memory, and what is rare. */
struct row {
	uint8_t first, last;
	int8_t extension;
	enum ch_access access;
};

#define R CH_ACCESS_READ
#define W CH_ACCESS_WRITE

static const struct row one_byte[] = {
	{ 0x02, 0x03, -1, R }, { 0x0a, 0x0b, -1, R }, { 0x12, 0x13, -1, R }, { 0x1a, 0x1b, -1, R },
	{ 0x22, 0x23, -1, R }, { 0x2a, 0x2b, -1, R }, { 0x32, 0x33, -1, R }, { 0x38, 0x3b, -1, R },
	{ 0x63, 0x63, -1, R }, { 0x69, 0x69, -1, R }, { 0x6b, 0x6b, -1, R }, { 0x80, 0x83, 7, R },
	{ 0x84, 0x85, -1, R }, { 0x88, 0x89, -1, W }, { 0x8a, 0x8b, -1, R }, { 0xc6, 0xc7, 0, W },
	{ 0xf6, 0xf7, 0, R },  { 0xf6, 0xf7, 4, R },  { 0xf6, 0xf7, 5, R },  { 0xf6, 0xf7, 6, R },
	{ 0xf6, 0xf7, 7, R },  { 0xff, 0xff, 2, R },  { 0xff, 0xff, 4, R },  { 0xff, 0xff, 6, R },
};

static const struct row two_bytes[] = {
	{ 0x10, 0x10, -1, R }, { 0x11, 0x11, -1, W }, { 0x12, 0x12, -1, R }, { 0x13, 0x13, -1, W },
	{ 0x14, 0x16, -1, R }, { 0x17, 0x17, -1, W }, { 0x28, 0x28, -1, R }, { 0x29, 0x29, -1, W },
	{ 0x2a, 0x2a, -1, R }, { 0x2b, 0x2b, -1, W }, { 0x2c, 0x2f, -1, R }, { 0x40, 0x4f, -1, R },
	{ 0x51, 0x6f, -1, R }, { 0x70, 0x70, -1, R }, { 0x74, 0x76, -1, R }, { 0x7f, 0x7f, -1, W },
	{ 0x90, 0x9f, -1, W }, { 0xaf, 0xaf, -1, R }, { 0xb6, 0xb8, -1, R }, { 0xbc, 0xbf, -1, R },
	{ 0xc2, 0xc2, -1, R }, { 0xc3, 0xc3, -1, W }, { 0xc6, 0xc6, -1, R }, { 0xd1, 0xd5, -1, R },
	{ 0xd6, 0xd6, -1, W }, { 0xd8, 0xe6, -1, R }, { 0xe7, 0xe7, -1, W }, { 0xe8, 0xfe, -1, R },
};

#undef R
#undef W

static enum ch_access access_of(const struct decoder *d)
{
	const struct row *rows = d->map ? two_bytes : one_byte;
	size_t count = d->map ? CH_COUNT_OF(two_bytes) : CH_COUNT_OF(one_byte), i;

	if (d->map > 1)
		return CH_ACCESS_NONE;
	if (d->map == 1 && d->opcode == 0x7e)
		return d->has_f3 ? CH_ACCESS_READ : CH_ACCESS_WRITE;
	for (i = 0; i < count; i++)
		if (d->opcode >= rows[i].first && d->opcode <= rows[i].last &&
		    (rows[i].extension < 0 || rows[i].extension == (d->modrm >> 3 & 7)))
			return rows[i].access;
	return CH_ACCESS_NONE;
}

/* movaps, movapd, movdqa, and the stores past the caches. */
static bool must_be_aligned(const struct decoder *d)
{
	if (d->map != 1)
		return false;
	return d->opcode == 0x28 || d->opcode == 0x29 || d->opcode == 0x2b || d->opcode == 0xe7 ||
	       ((d->opcode == 0x6f || d->opcode == 0x7f) && d->has_66);
}

static void at_register(const struct decoder *d, unsigned number, int64_t offset,
			enum ch_access access, struct ch_insn *ret)
{
	ret->has_addr = true;
	ret->addr = reg(d, number) + (uint64_t)offset;
	ret->access = access;
	ret->slack = 8;
}

/* Instructions without ModRM whose operand a register names. */
static bool decode_implied(const struct decoder *d, struct ch_insn *ret)
{
	uint8_t op = d->opcode;

	if (d->map)
		return false;
	if ((op & 0xf8) == 0x50 || op == 0xe8 || op == 0x68 || op == 0x6a)
		at_register(d, 4, -8, CH_ACCESS_WRITE, ret);
	else if ((op & 0xf8) == 0x58 || op == 0xc3 || op == 0xc2)
		at_register(d, 4, 0, CH_ACCESS_READ, ret);
	else if (op == 0xaa || op == 0xab)
		at_register(d, 7, 0, CH_ACCESS_WRITE, ret);
	else if (op == 0xac || op == 0xad)
		at_register(d, 6, 0, CH_ACCESS_READ, ret);
	else
		return false;
	return true;
}

static const char *special_of(const struct decoder *d)
{
	if (!d->map && d->opcode == 0xf4)
		return "hlt";
	if (!d->map && d->opcode == 0xcc)
		return "int3";
	if (d->map == 1 && d->opcode == 0x0b)
		return "ud2";
	return NULL;
}

void chp_insn_decode(const struct ch_core *core, const struct ch_machine *machine,
		     struct ch_insn *ret)
{
	struct decoder d = { .machine = machine };
	size_t len = 0;

	*ret = (struct ch_insn){ 0 };
	if (ch_core_arch(core) != CH_ARCH_X86_64)
		return;
	d.bytes = ch_core_span(core, machine->pc, &len);
	if (!d.bytes)
		return;
	d.count = len < INSN_BYTES_MAX ? len : INSN_BYTES_MAX;
	if (!take_opcode(&d))
		return;
	ret->special = special_of(&d);
	if (ret->special || decode_implied(&d, ret))
		return;
	ret->has_addr = take_operand(&d, ret);
	/* div and idiv */
	ret->divides = !d.map && (d.opcode | 1) == 0xf7 && (d.modrm >> 3 & 7) >= 6;
	if (!ret->has_addr)
		return;
	ret->access = access_of(&d);
	ret->aligned = must_be_aligned(&d);
}
