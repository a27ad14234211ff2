/*
 * Why a process died: which thread, what the address of a fault was, what may be shown of
 * a message.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/death_priv.h"
#include "report/death.h"
#include "support/ck.h"
#include "support/corewriter.h"
#include "util/cleanup.h"

/* arch/x86/include/asm/user_64.h */
#define RBX   5
#define RAX   10
#define RIP   16
#define RSP   19

#define CODE  0x400000
#define DATA  0x10000000
#define STACK 0x7ffd00000000ULL

struct died {
	struct ch_context *ctx;
	struct ch_session *session;
	struct ch_death death;
};

static void look(struct corewriter *w, struct died *ret)
{
	const char *path = cw_temp_path("core");
	struct ch_death_env env;

	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ret->ctx = ch_context_create(NULL);
	ck_ch_ok(ch_session_open(ret->ctx, path, NULL, &ret->session));
	unlink(path);
	env.core = ch_session_core(ret->session);
	ck_ch_ok(ch_session_sym(ret->session, &env.sym));
	ck_ch_ok(ch_session_map(ret->session, &env.map));
	ck_ch_ok(ch_session_heaps(ret->session, &env.heaps));
	chp_death_find(&env, &ret->death);
}

static void ck_text_and_close(struct died *died, const char *want)
{
	char *text = chp_death_text(&died->death);

	ck_assert_str_eq(text, want);
	free(text);
	ch_session_close(died->session);
	ch_context_destroy(died->ctx);
}

/* A core of one thread that runs code; a page of data and the main stack are mapped. */
static struct corewriter *new_core(const uint8_t *code, size_t code_bytes, uint64_t *regs)
{
	struct corewriter *w = cw_create(EM_X86_64);

	regs[RIP] = CODE;
	if (!regs[RSP])
		regs[RSP] = STACK + 0x1000;
	cw_prstatus(w, 77, SIGSEGV, regs, 27);
	cw_load(w, CODE, 0x1000, PF_R | PF_X, code, code_bytes);
	cw_load(w, DATA, 0x1000, PF_R | PF_W, NULL, 0x1000);
	cw_load(w, STACK, 0x2000, PF_R | PF_W, NULL, 0x2000);
	return w;
}

/* mov %eax,0x18(%rbx); mov 0x18(%rbx),%eax; movdqa (%rbx),%xmm0; call *(%rbx); hlt */
static const uint8_t store[] = { 0x89, 0x43, 0x18 }, load[] = { 0x8b, 0x43, 0x18 },
		     vector[] = { 0x66, 0x0f, 0x6f, 0x03 }, call[] = { 0xff, 0x13 },
		     halt[] = { 0xf4 }, push[] = { 0x55 };

#define PREFIX     "SIGSEGV (11), "
#define NOT_MAPPED PREFIX "address not mapped, "
#define FORBIDDEN  PREFIX "access not permitted, "
#define KERNEL     PREFIX "sent by the kernel, "
#define IN         ", in thread 77"

static const struct {
	const uint8_t *code;
	size_t code_bytes;
	uint64_t rbx, rsp;
	int32_t si_code;
	uint64_t addr;
	const char *want;
} fault_rows[] = {
	{ store, 3, 0, 0, 1, 0x18, NOT_MAPPED "write at 0x18 (a null pointer + 24)" IN },
	{ load, 3, 0, 0, 1, 0x18, NOT_MAPPED "read at 0x18 (a null pointer + 24)" IN },
	/* the instruction does not fit to the address: not said which */
	{ load, 3, 0x5000000, 0, 1, 0x18, NOT_MAPPED "at 0x18 (a null pointer + 24)" IN },
	{ load, 3, 0x20000000, 0, 1, 0x20000018,
	  NOT_MAPPED "read at an address that only --reveal shows" IN },
	{ load, 3, 0, 0, 1, (uint64_t)-16,
	  NOT_MAPPED "at 0xfffffffffffffff0 (a null pointer - 16)" IN },
	{ call, 2, 0, 0, 1, 0, NOT_MAPPED "read at 0x0 (a null pointer)" IN },
	/* rights of the memory say it without the instruction */
	{ halt, 1, 0, 0, 2, CODE + 0x10,
	  FORBIDDEN "write at 0x400010 (read-only memory: anon)" IN },
	{ store, 3, 0x4141414141414141, 0, 0x80, 0,
	  KERNEL "write at an address that no pointer can have (non-canonical: text, a freed or "
		 "overwritten pointer)" IN },
	{ vector, 4, DATA + 8, 0, 0x80, 0,
	  KERNEL "at 0x10000008 that is not a multiple of 16, as this instruction needs it" IN },
	{ halt, 1, 0, 0, 0x80, 0,
	  KERNEL "the instruction hlt, by which programs end themselves" IN },
	{ load, 3, DATA, 0, 0x80, 0,
	  KERNEL "the kernel gives no address: one that no pointer can have, or a forbidden "
		 "instruction" IN },
	{ push, 1, 0, STACK, 1, STACK - 8,
	  NOT_MAPPED "write at 0x7ffcfffffff8 (stack overflow: below the stack of thread 77, of "
		     "8192 bytes)" IN },
	/* far below the stack, and the stack pointer is not there */
	{ store, 3, STACK - 0x100018, 0, 1, STACK - 0x100000,
	  NOT_MAPPED "write at 0x7ffcfff00000" IN },
};

START_TEST(faults)
{
	uint64_t regs[27] = { 0 };
	struct corewriter *w;
	struct died died;

	regs[RBX] = fault_rows[_i].rbx;
	regs[RSP] = fault_rows[_i].rsp;
	w = new_core(fault_rows[_i].code, fault_rows[_i].code_bytes, regs);
	cw_siginfo(w, SIGSEGV, fault_rows[_i].si_code, fault_rows[_i].addr);
	look(w, &died);
	ck_text_and_close(&died, fault_rows[_i].want);
}
END_TEST

/* As createdump writes it: threads by their ids, and a signal only of the one that died. */
START_TEST(not_the_first_thread)
{
	uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct died died;

	cw_prstatus(w, 70, 0, regs, 27);
	cw_prstatus(w, 71, 0, regs, 27);
	cw_prstatus(w, 72, SIGABRT, regs, 27);
	cw_siginfo(w, SIGABRT, SI_USER, 70);
	cw_prstatus(w, 73, 0, regs, 27);
	cw_load(w, DATA, 0x1000, PF_R | PF_W, NULL, 0x1000);
	look(w, &died);
	ck_assert(!died.death.dumped_alive);
	ck_text_and_close(&died, "SIGABRT (6), sent by kill(), from process 70, in thread 72");
}
END_TEST

/* All threads have the signal; its details are those of the one that got it. */
START_TEST(all_threads_have_it)
{
	uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct died died;

	cw_prstatus(w, 70, SIGFPE, regs, 27);
	cw_prstatus(w, 71, SIGFPE, regs, 27);
	cw_siginfo(w, SIGFPE, 1, 0x1234);
	cw_load(w, DATA, 0x1000, PF_R | PF_W, NULL, 0x1000);
	look(w, &died);
	ck_text_and_close(&died, "SIGFPE (8), integer division by zero, at 0x1234, in thread 71");
}
END_TEST

/* A debugger that attached leaves SIGSTOP, and no thread has a signal. */
START_TEST(stopped_is_alive)
{
	uint64_t regs[27] = { 0 };
	struct corewriter *w = cw_create(EM_X86_64);
	struct died died;

	cw_prstatus(w, 70, 0, regs, 27);
	cw_siginfo(w, SIGSTOP, 0, 0);
	cw_load(w, DATA, 0x1000, PF_R | PF_W, NULL, 0x1000);
	look(w, &died);
	ck_assert(died.death.dumped_alive);
	ck_text_and_close(&died, "no signal: dumped while running");
}
END_TEST

static const struct {
	const char *text, *kind;
} message_rows[] = {
	/* malloc/malloc.c of glibc 2.31 to 2.43 */
	{ "free(): double free detected in tcache 2", "malloc" },
	{ "corrupted size vs. prev_size while consolidating", "malloc" },
	{ "malloc(): invalid next->prev_inuse (unsorted)", "malloc" },
	{ "double free or corruption (!prev)", "malloc" },
	{ "*** stack smashing detected ***: terminated", "stack-smashing" },
	/* 2.25 and before */
	{ "*** stack smashing detected ***: ./server terminated", "stack-smashing" },
	{ "*** buffer overflow detected ***: terminated", "fortify" },
	{ "server: order.c:12: price: Assertion `n < 4' failed.", "assert" },
	{ "Fatal glibc error: tpp.c:83 (__pthread_tpp_change_priority): assertion failed: x",
	  "glibc" },
	{ "FATAL: exception not rethrown", "glibc" },
	/* not of glibc: a program may have put anything there */
	{ "password is hunter2", "other" },
	{ "free(): SECRET", "other" },
	{ "*** buffer overflow detected ***: secret", "other" },
	{ "Assertion `x' failed", "other" },
};

START_TEST(kinds_of_messages)
{
	ck_assert_str_eq(chp_abort_message_kind(message_rows[_i].text), message_rows[_i].kind);
}
END_TEST

Suite *suite_death(void)
{
	Suite *s = suite_create("death");
	TCase *tc = tcase_create("death");

	tcase_add_loop_test(tc, faults, 0, (int)CH_COUNT_OF(fault_rows));
	tcase_add_test(tc, not_the_first_thread);
	tcase_add_test(tc, all_threads_have_it);
	tcase_add_test(tc, stopped_is_alive);
	tcase_add_loop_test(tc, kinds_of_messages, 0, (int)CH_COUNT_OF(message_rows));
	suite_add_tcase(s, tc);
	return s;
}
