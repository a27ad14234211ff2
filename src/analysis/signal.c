/*
 * Signals in words: names, and what the kernel's codes for a fault mean.
 */
#include <signal.h>

#include "analysis/death_priv.h"
#include "util/cleanup.h"

#define NAME(signal) [signal] = #signal

const char *chp_signal_name(int32_t signal)
{
	static const char *const names[] = {
		NAME(SIGHUP),    NAME(SIGINT),  NAME(SIGQUIT),  NAME(SIGILL),  NAME(SIGTRAP),
		NAME(SIGABRT),   NAME(SIGBUS),  NAME(SIGFPE),   NAME(SIGKILL), NAME(SIGUSR1),
		NAME(SIGSEGV),   NAME(SIGUSR2), NAME(SIGPIPE),  NAME(SIGALRM), NAME(SIGTERM),
		NAME(SIGSTKFLT), NAME(SIGCHLD), NAME(SIGCONT),  NAME(SIGSTOP), NAME(SIGTSTP),
		NAME(SIGTTIN),   NAME(SIGTTOU), NAME(SIGURG),   NAME(SIGXCPU), NAME(SIGXFSZ),
		NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGPWR),
		NAME(SIGSYS),
	};

	return signal > 0 && (size_t)signal < CH_COUNT_OF(names) ? names[signal] : NULL;
}

/* Values of include/uapi/asm-generic/siginfo.h; signal 0: for every signal. */
static const char *code_meaning(int32_t signal, int32_t code)
{
	static const struct {
		int32_t signal, code;
		const char *meaning;
	} rows[] = {
		{ 0, SI_USER, "sent by kill()" },
		{ 0, SI_KERNEL, "sent by the kernel" },
		{ 0, SI_QUEUE, "sent by sigqueue()" },
		{ 0, SI_TIMER, "sent by a timer" },
		{ 0, SI_MESGQ, "sent by a message queue" },
		{ 0, SI_ASYNCIO, "sent by asynchronous I/O" },
		{ 0, SI_TKILL, "sent by tgkill(), as raise() and abort() do" },
		{ SIGSEGV, SEGV_MAPERR, "address not mapped" },
		{ SIGSEGV, SEGV_ACCERR, "access not permitted" },
		{ SIGSEGV, 3 /* SEGV_BNDERR */, "bounds check failed" },
		{ SIGSEGV, 4 /* SEGV_PKUERR */, "protection key forbids access" },
		{ SIGSEGV, 10 /* SEGV_CPERR */, "control protection fault" },
		{ SIGBUS, BUS_ADRALN, "misaligned address" },
		{ SIGBUS, BUS_ADRERR, "no such physical address, or beyond the end of a file" },
		{ SIGBUS, BUS_OBJERR, "hardware error of the object" },
		{ SIGBUS, BUS_MCEERR_AR, "memory hardware error" },
		{ SIGBUS, BUS_MCEERR_AO, "memory hardware error, found beforehand" },
		{ SIGILL, ILL_ILLOPC, "illegal opcode" },
		{ SIGILL, ILL_ILLOPN, "illegal operand" },
		{ SIGILL, ILL_ILLADR, "illegal addressing mode" },
		{ SIGILL, ILL_ILLTRP, "illegal trap" },
		{ SIGILL, ILL_PRVOPC, "privileged opcode" },
		{ SIGILL, ILL_PRVREG, "privileged register" },
		{ SIGILL, ILL_COPROC, "coprocessor error" },
		{ SIGILL, ILL_BADSTK, "internal stack error" },
		{ SIGFPE, FPE_INTDIV, "integer division by zero" },
		{ SIGFPE, FPE_INTOVF, "integer overflow" },
		{ SIGFPE, FPE_FLTDIV, "floating-point division by zero" },
		{ SIGFPE, FPE_FLTOVF, "floating-point overflow" },
		{ SIGFPE, FPE_FLTUND, "floating-point underflow" },
		{ SIGFPE, FPE_FLTRES, "floating-point inexact result" },
		{ SIGFPE, FPE_FLTINV, "invalid floating-point operation" },
		{ SIGTRAP, 1 /* TRAP_BRKPT */, "breakpoint" },
		{ SIGTRAP, 2 /* TRAP_TRACE */, "single step" },
		{ SIGSYS, 1 /* SYS_SECCOMP */, "system call forbidden by seccomp" },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if ((!rows[i].signal || rows[i].signal == signal) && rows[i].code == code)
			return rows[i].meaning;
	return NULL;
}

/* Whether si_addr means something (sigaction(2)). */
static bool is_fault(int32_t signal, int32_t code)
{
	static const int32_t faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	size_t i;

	if (code <= 0 || code == SI_KERNEL)
		return false;
	for (i = 0; i < CH_COUNT_OF(faults); i++)
		if (faults[i] == signal)
			return true;
	return false;
}

void chp_fault_begin(struct ch_fault *fault, int32_t signal)
{
	*fault = (struct ch_fault){ .signal = signal, .name = chp_signal_name(signal) };
}

void chp_fault_add_code(struct ch_fault *fault, int32_t code, uint64_t addr)
{
	fault->has_code = true;
	fault->code = code;
	fault->meaning = code_meaning(fault->signal, code);
	fault->has_addr = is_fault(fault->signal, code);
	fault->addr = addr;
}
