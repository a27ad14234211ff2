/*
 * death.h - how the process ended, and what it left that says why.
 *
 * Vocabulary:
 *   fault        a signal that an instruction caused, and the address that it is about;
 *   interrupted  what ran when a handler of a signal was called; the thread died in the
 *                handler, or was dumped in it;
 *   message      what the C library or the JVM printed before it called abort(), as it keeps it;
 *   thrown       an exception of C++ that a thread handles or nobody caught.
 *
 * Nothing here is contents of memory but message and what: the rules of message_kind say
 * which messages are fixed text of a library or of a program's source. Texts are as in
 * the core: escape them.
 */
#ifndef COREHEAP_ANALYSIS_DEATH_H
#define COREHEAP_ANALYSIS_DEATH_H

#include <coreheap/coreheap.h>

enum ch_access {
	/** Not known. */
	CH_ACCESS_NONE,
	CH_ACCESS_READ,
	CH_ACCESS_WRITE,
	/** The processor was to run what lies there. */
	CH_ACCESS_EXECUTE,
};

/** What the address of a fault was. */
enum ch_fault_kind {
	CH_FAULT_NONE,
	/** Zero, or little beside it. */
	CH_FAULT_NULL,
	/** Below the stack that the thread runs on. */
	CH_FAULT_STACK_OVERFLOW,
	/** The guard of a stack, not by running out of it. */
	CH_FAULT_GUARD,
	CH_FAULT_UNMAPPED,
	/** Mapped without the right to write, to run, to do anything. */
	CH_FAULT_READ_ONLY,
	CH_FAULT_NOT_EXECUTABLE,
	CH_FAULT_NO_ACCESS,
	/** Behind the end of a mapped file. */
	CH_FAULT_BEYOND_FILE,
	CH_FAULT_MISALIGNED,
	/** No address of the machine; the kernel does not say which. */
	CH_FAULT_NON_CANONICAL,
	/** The kernel says that there was a fault, but not where. */
	CH_FAULT_ADDR_NOT_KNOWN,
	/** The instruction itself: hlt, ud2, a breakpoint. */
	CH_FAULT_INSTRUCTION,
};

/** Registers of x86-64 or aarch64, in ch_arch_reg_name() order. */
struct ch_machine {
	uint64_t regs[CH_REGS_MAX];
	uint64_t pc, sp;
};

struct ch_fault {
	/** Signal and its name ("SIGSEGV"); NULL when the number has none. */
	int32_t signal;
	const char *name;
	/** si_code and what it means ("address not mapped"), or NULL. */
	bool has_code;
	int32_t code;
	const char *meaning;
	/** Address the fault is about; valid when has_addr. It may be what the program took
	 * for an address, text: then addr_shown is false without --reveal. */
	bool has_addr, addr_shown;
	uint64_t addr;
	enum ch_access access;
	enum ch_fault_kind kind;
	/** What the address was, a few words; "" when there is nothing to add. */
	char words[256];
};

/** A C++ exception. */
struct ch_thrown {
	/** Where the object lies. */
	uint64_t addr;
	/** Its type, demangled; "" when the name is not in the
	 * core, then type_addr says where its type_info is. */
	char type[256];
	uint64_t type_addr;
	/** No handler for it was found: std::terminate() was called. */
	bool uncaught;
	/** Address of the text that what() returns, 0: not known. */
	uint64_t what_addr;
};

/** An exception that another thread has under way. */
struct ch_death_other {
	uint32_t tid;
	/** What the runtime calls the thread, "" if nothing; the runtime. Static. */
	char name[128];
	const char *runtime;
	enum ch_exception_found found;
	char type[256];
	/** 0: announced. */
	uint64_t addr;
};

#define CH_OTHERS_MAX     8
#define CH_THROWN_MAX     4
#define CH_EXCEPTIONS_MAX 3

/** How the process ended. */
struct ch_death {
	/** No signal: a tool wrote the core of a process that went on. */
	bool dumped_alive;
	/** The signal is recorded, but the dumper writes it in any case. */
	bool signal_unsure;
	/** A debugger wrote the core when this signal stopped the process. */
	bool in_debugger;
	struct ch_fault fault;
	/** Thread that got it. */
	uint32_t tid;
	/** Who sent it, valid when has_sender. */
	bool has_sender;
	uint32_t sender_pid;
	/** A handler of this signal was at work; valid when has_interrupted. */
	bool has_interrupted;
	struct ch_fault interrupted;
	/** Thread that the handler runs in. */
	uint32_t interrupted_tid;
	/** The handler has a stack of its own. */
	bool on_other_stack;
	/** Message of the C library, the JVM or Go, valid when message_kind: "malloc", "fortify",
	 * "stack-smashing", "assert", "glibc", "jvm", "go"; "other": not of a known shape, which
	 * may hold anything. Static. */
	const char *message_kind;
	char message[1024];
	/** Where it lies, and how it was found. */
	uint64_t message_addr;
	enum ch_basis message_basis;
	/** A function on the stack that says why abort() was called, and that in words.
	 * NULL: none. Static. */
	const char *caller, *caller_words;
	/** Newest first. */
	struct ch_thrown thrown[CH_THROWN_MAX];
	size_t thrown_count;
	/** What the thread has under way or threw last in a runtime, and what is inside of
	 * that. */
	struct ch_exception exceptions[CH_EXCEPTIONS_MAX];
	size_t exceptions_count;
	/** The runtime called abort() while the thread stood where it threw the first of them:
	 * nobody caught it. */
	bool exception_uncaught;
	/** Of other threads, of a process that was dumped alive of all: the surest first; how
	 * many there are in all. */
	bool others_asked;
	struct ch_death_other others[CH_OTHERS_MAX];
	size_t others_count, others_total;
};

/** What is looked at. Borrowed. */
struct ch_death_env {
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	/** NULL: runtimes are not asked. */
	struct ch_heaps *heaps;
};

/** Find out all of it. */
void chp_death_find(const struct ch_death_env *env, struct ch_death *ret);

/** "SIGSEGV", or NULL. */
const char *chp_signal_name(int32_t signal);
/** "null-pointer", "stack-overflow" ...; NULL for NONE. */
const char *chp_fault_kind_name(enum ch_fault_kind kind);
/** "read", "write", "execute"; NULL for NONE. */
const char *chp_access_name(enum ch_access access);
/** Whether a message may be shown without --reveal. */
bool chp_death_message_shown(const struct ch_death *death);

#endif /* COREHEAP_ANALYSIS_DEATH_H */
