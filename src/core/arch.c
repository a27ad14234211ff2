/*
 * What differs between the two processors that are read, x86-64 and aarch64: where a thread's
 * registers lie in its note, and what they are called.
 */
#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/*
 * struct elf_prstatus of 64-bit Linux (include/linux/elfcore.h): pr_cursig at
 * 12, pr_pid at 32, pr_reg at 112. pr_reg is struct user_regs_struct
 * (arch/x86/include/asm/user_64.h) or user_pt_regs
 * (arch/arm64/include/uapi/asm/ptrace.h).
 */
#define PR_CURSIG 12
#define PR_PID    32
#define PR_REG    112

static const char *const x86_64_regs[] = {
	"r15",    "r14", "r13", "r12",     "rbp",     "rbx", "r11",      "r10", "r9",
	"r8",     "rax", "rcx", "rdx",     "rsi",     "rdi", "orig_rax", "rip", "cs",
	"eflags", "rsp", "ss",  "fs_base", "gs_base", "ds",  "es",       "fs",  "gs",
};

static const char *const aarch64_regs[] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",     "x10", "x11",
	"x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",    "x22", "x23",
	"x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",  "pstate",
};

static const struct arch_row {
	const char *name;
	const char *const *regs;
	uint32_t regs_count;
	/* indices in regs; tls -1: not among them */
	int pc, sp, fp, tls;
} archs[] = {
	[CH_ARCH_X86_64] = { "x86_64", x86_64_regs, CH_COUNT_OF(x86_64_regs), 16, 19, 4, 21 },
	[CH_ARCH_AARCH64] = { "aarch64", aarch64_regs, CH_COUNT_OF(aarch64_regs), 32, 31, 29, -1 },
};

_Static_assert(CH_COUNT_OF(x86_64_regs) == 27, "struct user_regs_struct");
_Static_assert(CH_COUNT_OF(aarch64_regs) == CH_REGS_MAX, "struct user_pt_regs");

bool chp_arch_prstatus(enum ch_arch arch, const uint8_t *desc, uint64_t len, struct ch_thread *ret)
{
	const struct arch_row *row = &archs[arch];
	uint32_t i;

	if (len < PR_REG + row->regs_count * 8ULL)
		return false;
	ret->signal = (int16_t)ch_get16(desc + PR_CURSIG);
	ret->tid = ch_get32(desc + PR_PID);
	ret->regs_count = row->regs_count;
	for (i = 0; i < row->regs_count; i++)
		ret->regs[i] = ch_get64(desc + PR_REG + i * 8ULL);
	ret->pc = ret->regs[row->pc];
	ret->sp = ret->regs[row->sp];
	ret->fp = ret->regs[row->fp];
	if (row->tls >= 0)
		ret->tls_base = ret->regs[row->tls];
	return true;
}

const char *ch_arch_name(enum ch_arch arch)
{
	return (size_t)arch < CH_COUNT_OF(archs) ? archs[arch].name : "unknown";
}

const char *ch_arch_reg_name(enum ch_arch arch, uint32_t index)
{
	if ((size_t)arch >= CH_COUNT_OF(archs) || index >= archs[arch].regs_count)
		return NULL;
	return archs[arch].regs[index];
}
