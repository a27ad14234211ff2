/*
 * What the address was that a fault names, by the map and the instruction: a null pointer with an
 * offset, a stack that ran out, rights that were missing, a file that was cut short.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analysis/death_priv.h"
#include "core/contents.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* What vm.mmap_min_addr keeps free of mappings unless somebody changed it. */
#define NULL_BYTES 65536
/* A frame that runs out of its stack touches it below sp, or within the frame. */
#define RED_ZONE 256
/* Largest page that is probed below sp without moving it first. */
#define PROBE_BYTES (64ULL << 10)
/* What the kernel puts on a stack for a handler, at least. */
#define FRAME_BYTES 1024

const char *chp_fault_kind_name(enum ch_fault_kind kind)
{
	static const char *const names[] = {
		[CH_FAULT_NULL] = "null-pointer",
		[CH_FAULT_STACK_OVERFLOW] = "stack-overflow",
		[CH_FAULT_GUARD] = "guard-page",
		[CH_FAULT_UNMAPPED] = "unmapped",
		[CH_FAULT_READ_ONLY] = "read-only",
		[CH_FAULT_NOT_EXECUTABLE] = "not-executable",
		[CH_FAULT_NO_ACCESS] = "no-access",
		[CH_FAULT_BEYOND_FILE] = "beyond-file",
		[CH_FAULT_MISALIGNED] = "misaligned",
		[CH_FAULT_NON_CANONICAL] = "non-canonical",
		[CH_FAULT_ADDR_NOT_KNOWN] = "address-not-known",
		[CH_FAULT_INSTRUCTION] = "instruction",
	};

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : NULL;
}

const char *chp_access_name(enum ch_access access)
{
	static const char *const names[] = { NULL, "read", "write", "execute" };

	return (size_t)access < CH_COUNT_OF(names) ? names[access] : NULL;
}

static void set(struct ch_fault *fault, enum ch_fault_kind kind, const char *words)
{
	fault->kind = kind;
	snprintf(fault->words, sizeof(fault->words), "%s", words);
}

/* A null pointer, and what was added to it or taken from it. */
static bool explain_null(struct ch_fault *fault)
{
	uint64_t below = 0 - fault->addr;

	if (fault->addr >= NULL_BYTES && below > NULL_BYTES)
		return false;
	set(fault, CH_FAULT_NULL, "a null pointer");
	if (fault->addr && fault->addr < NULL_BYTES)
		snprintf(fault->words, sizeof(fault->words), "a null pointer + %" PRIu64,
			 fault->addr);
	else if (fault->addr)
		snprintf(fault->words, sizeof(fault->words), "a null pointer - %" PRIu64, below);
	return true;
}

static void say_overflow(struct ch_fault *fault, uint32_t tid, uint64_t stack_bytes)
{
	fault->kind = CH_FAULT_STACK_OVERFLOW;
	snprintf(fault->words, sizeof(fault->words),
		 "stack overflow: below the stack of thread %" PRIu32 ", of %" PRIu64 " bytes", tid,
		 stack_bytes);
}

/*
 * The stack that a thread runs out of: the mapping next above sp, where the stack pointer
 * or the address lie directly below it, and the fault is where the frame is. The main
 * thread's stack grows down to whatever lies there, so below it is nothing, and a large
 * frame may lie far below. Memory for handlers of signals has no guard, either.
 */
static bool explain_overflow(const struct ch_death_env *env, size_t index, uint64_t sp,
			     struct ch_fault *fault)
{
	const struct ch_region *at = ch_map_region_at(env->map, fault->addr), *above;
	const struct ch_thread *threads;
	uint64_t start, end;
	size_t count;

	threads = ch_core_threads(env->core, &count);
	if (!at || (at->usage != CH_USAGE_FREE && at->usage != CH_USAGE_GUARD &&
		    at->usage != CH_USAGE_RESERVE))
		return false;
	above = ch_map_region_at(env->map, at->end);
	if (!above || above->usage != CH_USAGE_STACK)
		return false;
	/* the frame lies where sp is: about the address, or below it */
	if (sp > fault->addr && sp - fault->addr > PROBE_BYTES)
		return false;
	if (sp >= above->end || (sp < at->start && at->start - sp > PROBE_BYTES))
		return false;
	if (sp < fault->addr && fault->addr - sp > (1ULL << 30))
		return false;
	if (ch_map_thread_stack(env->map, index, &start, &end) && start == above->start)
		say_overflow(fault, threads[index].tid, end - start);
	else
		say_overflow(fault, threads[index].tid, above->end - above->start);
	return true;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "file libc.so.6 + 0x1234", "heap(brk)", "stack of thread 7". */
static void name_region(const struct ch_region *region, uint64_t addr, char *buf, size_t max)
{
	if (region->backing)
		snprintf(buf, max, "%s + 0x%" PRIx64, base_name(region->backing),
			 addr - region->start + region->backing_off);
	else if (region->owner)
		snprintf(buf, max, "%s of %s", ch_usage_name(region->usage), region->owner);
	else
		snprintf(buf, max, "%s", ch_usage_name(region->usage));
}

/* A mapping that does not let itself be used so. */
static void explain_rights(const struct ch_region *region, struct ch_fault *fault)
{
	char name[160];

	name_region(region, fault->addr, name, sizeof(name));
	if (region->usage == CH_USAGE_GUARD) {
		fault->kind = CH_FAULT_GUARD;
		snprintf(fault->words, sizeof(fault->words), "the guard page of the stack of %s",
			 region->owner ? region->owner : "a thread");
	} else if (region->state == CH_STATE_RESERVE || region->prot == CH_PROT_NONE) {
		fault->kind = CH_FAULT_NO_ACCESS;
		snprintf(fault->words, sizeof(fault->words), "mapped without any access: %s", name);
	} else if (region->prot == CH_PROT_UNKNOWN) {
		return;
	} else if (fault->access == CH_ACCESS_EXECUTE) {
		if (region->prot & CH_SEGMENT_EXEC)
			return;
		fault->kind = CH_FAULT_NOT_EXECUTABLE;
		snprintf(fault->words, sizeof(fault->words), "a jump to memory that is no code: %s",
			 name);
	} else if (!(region->prot & CH_SEGMENT_WRITE)) {
		/* it may be read, so that it was written to */
		if (fault->access == CH_ACCESS_NONE && region->prot & CH_SEGMENT_READ)
			fault->access = CH_ACCESS_WRITE;
		if (fault->access != CH_ACCESS_WRITE)
			return;
		fault->kind = CH_FAULT_READ_ONLY;
		snprintf(fault->words, sizeof(fault->words), "read-only memory: %s", name);
	}
}

static void explain_address(const struct ch_death_env *env, size_t index,
			    const struct ch_machine *machine, struct ch_fault *fault)
{
	const struct ch_region *region = ch_map_region_at(env->map, fault->addr);
	bool mapped = region && region->usage != CH_USAGE_FREE;

	if (fault->signal != SIGSEGV && fault->signal != SIGBUS)
		return;
	if (!mapped && explain_null(fault)) {
		if (fault->access == CH_ACCESS_EXECUTE)
			set(fault, CH_FAULT_NULL,
			    fault->addr ? "a jump to a null pointer"
					: "a call or jump to a null pointer");
		return;
	}
	if (fault->signal == SIGSEGV && explain_overflow(env, index, machine->sp, fault))
		return;
	if (fault->signal == SIGBUS) {
		if (fault->code == BUS_ADRALN)
			fault->kind = CH_FAULT_MISALIGNED;
		else if (fault->code == BUS_ADRERR && mapped && region->backing) {
			fault->kind = CH_FAULT_BEYOND_FILE;
			snprintf(fault->words, sizeof(fault->words),
				 "%s was shorter than its mapping, or could not be read",
				 base_name(region->backing));
		}
		return;
	}
	if (!mapped)
		set(fault, CH_FAULT_UNMAPPED,
		    fault->access == CH_ACCESS_EXECUTE ? "a jump to where nothing is mapped" : "");
	else
		explain_rights(region, fault);
}

/* Bits 63 to 47 are equal, or to 56 with five levels of page tables. */
static bool is_canonical(const struct ch_death_env *env, uint64_t addr)
{
	uint64_t top = ch_map_space_end(env->map) > (1ULL << 47) ? addr >> 56 : addr >> 47;
	uint64_t ones = ch_map_space_end(env->map) > (1ULL << 47) ? 0xff : 0x1ffff;

	return top == 0 || top == ones;
}

/*
 * A general protection fault: the kernel gives no address, and 0 is not one. The
 * instruction may say what it was.
 */
static void explain_protection(const struct ch_death_env *env, size_t index,
			       const struct ch_machine *machine, const struct ch_insn *insn,
			       struct ch_fault *fault)
{
	struct ch_fault below = *fault;

	fault->kind = CH_FAULT_ADDR_NOT_KNOWN;
	/* where the stack has run out, there is no place for the frame of a handler */
	below.addr = insn->has_addr ? insn->addr : machine->sp - FRAME_BYTES;
	below.access = insn->access;
	if (explain_overflow(env, index, machine->sp, &below)) {
		*fault = below;
		return;
	}
	if (insn->special) {
		fault->kind = CH_FAULT_INSTRUCTION;
		snprintf(fault->words, sizeof(fault->words),
			 "the instruction %s, by which programs end themselves", insn->special);
	} else if (insn->has_addr && !is_canonical(env, insn->addr)) {
		fault->access = insn->access;
		set(fault, CH_FAULT_NON_CANONICAL,
		    "at an address that no pointer can have (non-canonical: text, a freed or "
		    "overwritten pointer)");
	} else if (insn->has_addr && insn->aligned && insn->addr % 16) {
		fault->access = insn->access;
		fault->kind = CH_FAULT_MISALIGNED;
		snprintf(fault->words, sizeof(fault->words),
			 "at %s that is not a multiple of 16, as this instruction needs it",
			 chp_core_addr(env->core, insn->addr, "an address").text);
	} else {
		set(fault, CH_FAULT_ADDR_NOT_KNOWN,
		    "the kernel gives no address: one that no pointer can have, or a "
		    "forbidden instruction");
	}
}

static void explain(const struct ch_death_env *env, size_t index, const struct ch_machine *machine,
		    struct ch_fault *fault)
{
	struct ch_insn insn;

	if (!fault->has_code)
		return;
	if (fault->has_addr && fault->addr == machine->pc &&
	    (fault->signal == SIGSEGV || fault->signal == SIGBUS))
		fault->access = CH_ACCESS_EXECUTE;
	chp_insn_decode(env->core, machine, &insn);
	if (fault->has_addr && insn.special && fault->signal != SIGSEGV &&
	    fault->signal != SIGBUS) {
		fault->kind = CH_FAULT_INSTRUCTION;
		snprintf(fault->words, sizeof(fault->words), "the instruction %s", insn.special);
		return;
	}
	if (fault->access == CH_ACCESS_NONE && fault->has_addr && insn.has_addr &&
	    fault->addr - insn.addr <= insn.slack)
		fault->access = insn.access;
	if (fault->has_addr)
		explain_address(env, index, machine, fault);
	else if (fault->signal == SIGSEGV && fault->code == SI_KERNEL)
		explain_protection(env, index, machine, &insn, fault);
}

void chp_fault_explain(const struct ch_death_env *env, size_t index,
		       const struct ch_machine *machine, struct ch_fault *fault)
{
	explain(env, index, machine, fault);
	/* what is next to zero or to a stack is no text */
	fault->addr_shown = fault->has_addr && (fault->kind == CH_FAULT_NULL ||
						fault->kind == CH_FAULT_STACK_OVERFLOW ||
						chp_core_shows_addr(env->core, fault->addr));
}
