/*
 * Why the process ended: the thread that died, its signal, who called abort() and for what, what
 * handlers interrupted, and exceptions that were on their way. The parts are files of their own.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "analysis/death_priv.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/* A handler of a signal is looked for in at most so many threads of a living process. */
#define THREADS_MAX 4096
#define FRAMES_MAX  64
/* Functions that a compiler put into one another. */
#define INLINED_MAX 64
/* Frames of abort() and what it calls; bytes that they take on the stack. */
#define SHORT_STACK 4
#define CALLS_BYTES 4096

/* Functions that call abort() for a reason: as symbol tables have them, as people do, and
 * the reason. */
static const struct {
	const char *symbol, *name, *words;
} callers[] = {
	{ "__stack_chk_fail", NULL, "a function's frame was overwritten (stack smashing)" },
	{ "__chk_fail", NULL, "a buffer was too small (buffer overflow detected)" },
	{ "__assert_fail", NULL, "an assertion of the program failed" },
	{ "malloc_printerr", NULL, "malloc found its own data damaged" },
	{ "__cxa_pure_virtual", NULL,
	  "a pure virtual function was called, of an object that is being made or destroyed, or "
	  "is gone" },
	{ "__cxa_deleted_virtual", NULL, "a deleted virtual function was called" },
	{ "_ZSt9terminatev", "std::terminate", "C++ code may not go on" },
	{ "_ZN10__cxxabiv111__terminateEPFvvE", "std::terminate", "C++ code may not go on" },
	{ "__cxa_call_terminate", NULL, "an exception left a function that may throw none" },
	{ "__clang_call_terminate", NULL, "an exception left a function that may throw none" },
	{ "_ZSt21__glibcxx_assert_failPKciS0_S0_", "std::__glibcxx_assert_fail",
	  "an assertion of libstdc++ failed" },
	{ "g_assertion_message", NULL, "an assertion of GLib failed" },
	{ "rust_panic", NULL, "Rust code panicked" },
	{ "runtime.throw", NULL, "Go's runtime found an error that nothing can go on after" },
	{ "runtime.fatal", NULL, "Go's runtime found an error that nothing can go on after" },
	{ "runtime.checkdead", NULL, "no goroutine can go on (a deadlock)" },
	{ "runtime.gopanic", NULL, "a Go panic that nobody recovered" },
	{ "runtime.panicmem", NULL, "Go code used a nil pointer, or another bad address" },
	{ "runtime.panicmemAddr", NULL, "Go code used a nil pointer, or another bad address" },
	{ "runtime.panicdivide", NULL, "Go code divided by zero" },
	{ "runtime.goPanicIndex", NULL, "an index of Go code was out of range" },
	{ "runtime.goPanicIndexU", NULL, "an index of Go code was out of range" },
	{ "runtime.panicdottypeE", NULL,
	  "a value in a Go interface was not of the type asked for" },
	{ "runtime.panicdottypeI", NULL,
	  "a value in a Go interface was not of the type asked for" },
	{ "runtime.panicnildottype", NULL, "a Go interface that was asked for its value had none" },
	{ "_Z25report_java_out_of_memoryPKc", "report_java_out_of_memory",
	  "Java had no memory for an object (java.lang.OutOfMemoryError)" },
};

static void note_caller(const char *symbol, struct ch_death *ret)
{
	size_t i;

	for (i = 0; symbol && i < CH_COUNT_OF(callers); i++)
		if (strcmp(symbol, callers[i].symbol) == 0) {
			ret->caller = callers[i].name ? callers[i].name : callers[i].symbol;
			ret->caller_words = callers[i].words;
		}
}

/* Whether the call before a return address calls a function: x86-64, call rel32. */
static bool returns_from(const struct ch_core *core, uint64_t addr, uint64_t function)
{
	uint32_t distance;
	uint8_t code[5];

	if (addr < sizeof(code) || !ch_core_try_read(core, addr - sizeof(code), code, sizeof(code)))
		return false;
	distance = ch_get32(code + 1);
	return code[0] == 0xe8 && addr + (uint64_t)(int64_t)(int32_t)distance == function;
}

/*
 * musl has no call frame information: who called the last frame's function is a word on
 * the stack behind a call of just that function, and so on. A tail call ends it.
 */
static void follow_calls(const struct ch_death_env *env, const struct ch_frame *last,
			 struct ch_death *ret)
{
	struct ch_symbol function = last->symbol;
	uint64_t at = ch_align_up(last->sp, 8), end = at + CALLS_BYTES, value;

	if (ch_core_arch(env->core) != CH_ARCH_X86_64 || !function.name)
		return;
	for (; at < end && ch_core_read_u64(env->core, at, &value); at += 8) {
		if (!returns_from(env->core, value, function.addr) ||
		    !ch_sym_at(env->sym, value - 1, &function))
			continue;
		note_caller(function.name, ret);
	}
}

static void take_words(const struct ch_last_words *words, struct ch_death *ret)
{
	snprintf(ret->message, sizeof(ret->message), "%s", words->text);
	ret->message_addr = words->addr;
	ret->message_kind = words->known ? words->known : "other";
	ret->message_basis = CH_BASIS_DERIVED;
}

/* Functions of a frame of which a runtime knows the names, those inside of others first. end: where
 * the frame of its caller begins. */
static void note_runtime_frame(const struct ch_death_env *env, const struct ch_frame *frame,
			       bool is_top, uint64_t end, struct ch_death *ret)
{
	struct ch_last_words words;
	struct ch_code code;
	uint32_t depth;

	for (depth = 0;
	     depth < INLINED_MAX && ch_heaps_frame_code(env->heaps, frame, is_top, depth, &code);
	     depth++) {
		note_caller(code.name, ret);
		if (!ret->message_kind &&
		    chp_heaps_said(env->heaps, &(struct ch_said){ code.name, frame->sp, end },
				   &words))
			take_words(&words, ret);
	}
}

static struct ch_error *unwind(const struct ch_death_env *env, size_t index,
			       struct ch_frame frames[FRAMES_MAX], size_t *count_ret)
{
	const char *end;

	if (env->heaps)
		return ch_heaps_unwind(env->heaps, index, frames, FRAMES_MAX, count_ret, &end);
	return ch_sym_unwind(env->sym, index, frames, FRAMES_MAX, count_ret, &end);
}

/* A handler runs once the frames below it are gone. As long as the innermost frame of the program
 * stands where the exception came through it, none was found. What the runtime itself does to
 * throw has frames above it, in .NET 9 and later some that are managed. .NET 9 and later keep
 * return addresses less one. */
static bool is_uncaught(const struct ch_death_env *env, const struct ch_frame *frames, size_t count,
			const struct ch_exception *exception)
{
	static const char own[] = "System.Runtime.EH.";
	struct ch_code code;
	uint32_t k;
	size_t i;

	for (i = 0; i < count; i++)
		if (ch_heaps_frame_code(env->heaps, &frames[i], i == 0, 0, &code) &&
		    strncmp(code.name, own, strlen(own)) != 0)
			break;
	for (k = 0; i < count && k < exception->frames_count; k++)
		if (exception->frame_addrs[k] && frames[i].pc - exception->frame_addrs[k] <= 1)
			return true;
	return false;
}

/* The outermost of them among the frames: the reason behind the others. */
static void find_caller(const struct ch_death_env *env, size_t index, struct ch_death *ret)
{
	struct ch_frame frames[FRAMES_MAX];
	size_t count = 0, i;

	chp_context_drop_take(ch_core_context(env->core), unwind(env, index, frames, &count));
	ret->exception_uncaught =
		ret->exceptions_count && is_uncaught(env, frames, count, &ret->exceptions[0]);
	for (i = 0; i < count; i++) {
		if (env->heaps && chp_heaps_owns_code(env->heaps, frames[i].pc - (i != 0)))
			note_runtime_frame(env, &frames[i], i == 0,
					   i + 1 < count ? frames[i + 1].sp : 0, ret);
		else
			note_caller(frames[i].symbol.name, ret);
	}
	if (count && count <= SHORT_STACK)
		follow_calls(env, &frames[count - 1], ret);
}

static void explain_frame(const struct ch_death_env *env, size_t index,
			  const struct ch_interrupted *frame, struct ch_death *ret)
{
	struct ch_fault *fault = &ret->interrupted;
	const struct ch_region *stack = ch_map_region_at(env->map, frame->addr);
	const struct ch_thread *threads;
	size_t count;

	threads = ch_core_threads(env->core, &count);
	chp_fault_begin(fault, frame->signal);
	chp_fault_add_code(fault, frame->code, frame->fault_addr);
	if (fault->has_addr && frame->has_error && frame->fault_addr != frame->machine.pc)
		fault->access = frame->error & 2 ? CH_ACCESS_WRITE : CH_ACCESS_READ;
	chp_fault_explain(env, index, &frame->machine, fault);
	ret->has_interrupted = true;
	ret->interrupted_tid = threads[index].tid;
	ret->on_other_stack =
		stack && (frame->machine.sp < stack->start || frame->machine.sp >= stack->end);
}

/* Signals by which programs die, but for abort()'s own. */
static bool is_deadly(const struct ch_interrupted *frame)
{
	return frame->signal == SIGSEGV || frame->signal == SIGBUS || frame->signal == SIGFPE ||
	       frame->signal == SIGILL || frame->signal == SIGABRT || frame->signal == SIGSYS;
}

/* The thread that died, else any of a living process. */
static void find_interrupted(const struct ch_death_env *env, size_t index, struct ch_death *ret)
{
	struct ch_interrupted frame;
	size_t count, i;

	ch_core_threads(env->core, &count);
	if (!ret->dumped_alive) {
		if (chp_interrupted_find(env, index, &frame))
			explain_frame(env, index, &frame, ret);
		return;
	}
	for (i = 0; i < count && i < THREADS_MAX; i++)
		if (chp_interrupted_find(env, i, &frame) && is_deadly(&frame)) {
			explain_frame(env, i, &frame, ret);
			return;
		}
}

static void find_signal(const struct ch_death_env *env, const struct ch_thread *thread,
			size_t index, struct ch_death *ret)
{
	struct ch_machine machine = { .pc = thread->pc, .sp = thread->sp };
	struct ch_fault *fault = &ret->fault;
	enum ch_producer producer = ch_core_producer(env->core);
	bool detailed = thread->has_siginfo && thread->si_signo == fault->signal;

	ret->in_debugger = producer == CH_PRODUCER_GCORE;
	/* it writes NT_SIGINFO only of a process that died */
	ret->signal_unsure = producer == CH_PRODUCER_CREATEDUMP && !detailed;
	/* it is told the code and address of a fault, and of all others nothing */
	if (!detailed || (producer == CH_PRODUCER_CREATEDUMP && !thread->si_code))
		return;
	chp_fault_add_code(fault, thread->si_code, thread->fault_addr);
	memcpy(machine.regs, thread->regs, sizeof(machine.regs));
	chp_fault_explain(env, index, &machine, fault);
	/* si_pid lies where si_addr would, for signals that a process sent */
	ret->has_sender =
		fault->code == SI_USER || fault->code == SI_QUEUE || fault->code == SI_TKILL;
	ret->sender_pid = (uint32_t)thread->fault_addr;
}

/* Keep the surest, in the order of threads. */
static void add_other(struct ch_death *ret, const struct ch_death_other *other)
{
	size_t at;

	if (ret->others_total++ < CH_OTHERS_MAX)
		ret->others_count++;
	else if (ret->others[CH_OTHERS_MAX - 1].found <= other->found)
		return;
	for (at = ret->others_count - 1; at > 0 && ret->others[at - 1].found > other->found; at--)
		ret->others[at] = ret->others[at - 1];
	ret->others[at] = *other;
}

/* Threads beside the one that died; what was thrown last says nothing of now. */
static void find_others(const struct ch_death_env *env, size_t index, struct ch_death *ret)
{
	const struct ch_thread *threads;
	struct ch_death_other other;
	struct ch_exception exception;
	struct ch_thread_info info;
	size_t count, i;

	threads = ch_core_threads(env->core, &count);
	ret->others_asked = true;
	for (i = 0; i < count; i++) {
		if ((i == index && !ret->dumped_alive) ||
		    !ch_heaps_thrown(env->heaps, i, 0, &exception) ||
		    exception.found == CH_EXCEPTION_LAST)
			continue;
		other = (struct ch_death_other){ .tid = threads[i].tid,
						 .runtime = exception.runtime,
						 .found = exception.found,
						 .addr = exception.addr };
		snprintf(other.type, sizeof(other.type), "%.255s", exception.type);
		if (ch_heaps_thread(env->heaps, i, &info))
			snprintf(other.name, sizeof(other.name), "%.127s", info.name);
		add_other(ret, &other);
	}
}

static void find_exceptions(const struct ch_death_env *env, size_t index, struct ch_death *ret)
{
	while (env->heaps && ret->exceptions_count < CH_EXCEPTIONS_MAX &&
	       ch_heaps_thrown(env->heaps, index, (uint32_t)ret->exceptions_count,
			       &ret->exceptions[ret->exceptions_count]))
		ret->exceptions_count++;
}

/* What a runtime said, where the C library said nothing. */
static void find_last_words(const struct ch_death_env *env, struct ch_death *ret)
{
	const struct ch_walker *const *walker;
	struct ch_last_words words;

	for (walker = chp_walkers; *walker && !ret->message_kind; walker++) {
		if (!(*walker)->runtime || !(*walker)->runtime->last_words ||
		    !(*walker)->runtime->last_words(env->core, env->sym, &words))
			continue;
		take_words(&words, ret);
	}
}

void chp_death_find(const struct ch_death_env *env, struct ch_death *ret)
{
	const struct ch_process *process = ch_core_process(env->core);
	const struct ch_thread *threads;
	size_t count, index = process->crash_index;

	*ret = (struct ch_death){ .tid = process->crash_tid };
	threads = ch_core_threads(env->core, &count);
	ret->dumped_alive = count && !process->signal;
	chp_fault_begin(&ret->fault, process->signal);
	if (!count)
		return;
	if (process->signal)
		find_signal(env, &threads[index], index, ret);
	find_interrupted(env, index, ret);
	chp_death_find_message(env, ret);
	find_last_words(env, ret);
	if (!ret->dumped_alive) {
		chp_death_find_thrown(env, index, ret);
		find_exceptions(env, index, ret);
	}
	if (env->heaps)
		find_others(env, index, ret);
	if (process->signal != SIGABRT)
		return;
	find_caller(env, index, ret);
	/* linked in, that handler is nobody else's */
	if (ret->caller && strstr(ret->caller, "terminate") && ret->thrown_count)
		ret->thrown[0].uncaught = true;
}
