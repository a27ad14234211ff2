#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "core/contents.h"
#include "report/process.h"
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

void chp_death_find(const struct ch_core *core, struct ch_death *ret)
{
	const struct ch_process *process = ch_core_process(core);
	const struct ch_thread *thread;
	size_t count;

	*ret = (struct ch_death){ .signal = process->signal, .tid = process->crash_tid };
	thread = ch_core_threads(core, &count);
	if (!count || !process->signal) {
		ret->dumped_alive = count != 0;
		return;
	}
	ret->name = chp_signal_name(process->signal);
	ret->signal_unsure = ch_core_producer(core) == CH_PRODUCER_CREATEDUMP;
	if (!thread->has_siginfo || thread->si_signo != process->signal)
		return;
	ret->has_code = true;
	ret->code = thread->si_code;
	ret->meaning = code_meaning(ret->signal, ret->code);
	/* what was taken for an address may be text */
	ret->has_fault_addr =
		is_fault(ret->signal, ret->code) && chp_core_shows_addr(core, thread->fault_addr);
	ret->fault_addr = thread->fault_addr;
	/* si_pid lies where si_addr would, for signals that a process sent */
	ret->has_sender = ret->code == SI_USER || ret->code == SI_QUEUE || ret->code == SI_TKILL;
	ret->sender_pid = (uint32_t)thread->fault_addr;
}

CH_PRINTF(3, 4)
static void add(char *buf, size_t *used, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(buf + *used, CH_DEATH_TEXT_MAX - *used, format, args);
	va_end(args);
	if (len > 0)
		*used = *used + (size_t)len < CH_DEATH_TEXT_MAX ? *used + (size_t)len
								: CH_DEATH_TEXT_MAX - 1;
}

char *chp_death_text(const struct ch_death *death, char buf[CH_DEATH_TEXT_MAX])
{
	size_t used = 0;

	buf[0] = '\0';
	if (death->dumped_alive) {
		add(buf, &used, "no signal: it was dumped alive");
		return buf;
	}
	if (!death->signal) {
		add(buf, &used, "not known: the core has no threads");
		return buf;
	}
	if (death->name)
		add(buf, &used, "%s (%" PRId32 ")", death->name, death->signal);
	else
		add(buf, &used, "signal %" PRId32, death->signal);
	if (death->meaning)
		add(buf, &used, ", %s", death->meaning);
	else if (death->has_code)
		add(buf, &used, ", code %" PRId32, death->code);
	if (death->has_fault_addr)
		add(buf, &used, ", at 0x%" PRIx64, death->fault_addr);
	if (death->has_sender)
		add(buf, &used, ", from process %" PRIu32, death->sender_pid);
	add(buf, &used, ", in thread %" PRIu32, death->tid);
	if (death->signal_unsure)
		add(buf, &used, " (createdump writes a signal also for a living process)");
	return buf;
}

json_t *chp_json_death(const struct ch_death *death)
{
	bool known = death->signal != 0;

	return json_pack(
		"{s:b, s:o, s:s?, s:o, s:s?, s:o, s:o, s:o, s:b}", "dumped_alive",
		(int)death->dumped_alive, "signal",
		known ? json_integer(death->signal) : json_null(), "signal_name", death->name,
		"si_code", death->has_code ? json_integer(death->code) : json_null(), "meaning",
		death->meaning, "fault_addr",
		death->has_fault_addr ? chp_json_addr(death->fault_addr) : json_null(),
		"sender_pid", death->has_sender ? chp_json_uint(death->sender_pid) : json_null(),
		"tid", death->tid ? chp_json_uint(death->tid) : json_null(), "signal_unsure",
		(int)death->signal_unsure);
}
