/*
 * Ctrl-C and faults: a thread waits for SIGINT, because a handler could reach the context only
 * through a variable at file scope; SIGBUS says that the core's file was cut while it was read.
 * And libdw calls when it has no memory.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/driver.h"
#include "cmd/memory.h"

struct ch_signals {
	struct ch_context *ctx;
	pthread_t thread;
	/* What was blocked before. */
	sigset_t old;
};

static void on_sigbus(int signal)
{
	static const char message[] =
		"coreheap: a file became shorter while it was being read (the core, or a module "
		"of it): copy it first, then try again\n";
	ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)signal;
	(void)written;
	_exit(CH_EXIT_NOT_A_CORE);
}

void chp_end_without_memory(void)
{
	char buf[CHP_MEMORY_MESSAGE_MAX];

	dprintf(STDERR_FILENO, "coreheap: %s\n", chp_memory_message(buf));
	_exit(CH_EXIT_FAILED);
}

void chp_signals_init(void)
{
	struct sigaction bus = { .sa_handler = on_sigbus };

	/* A reader that has seen enough ends us, also where our parent ignores
	 * the signal: nobody is left to read a complaint. */
	signal(SIGPIPE, SIG_DFL);
	sigaction(SIGBUS, &bus, NULL);
}

/*
 * A thread of its own waits for SIGINT: a handler could reach the context only
 * through a variable at file scope. It ends when it is sent END_SIGNAL: to cancel a thread,
 * the C library loads another one, and aborts where there is no memory for that.
 */
#define END_SIGNAL SIGRTMIN

static void *wait_for_sigint(void *arg)
{
	struct ch_signals *signals = arg;
	sigset_t set;
	int got = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, END_SIGNAL);
	if (sigwait(&set, &got) != 0 || got != SIGINT)
		return NULL;
	ch_context_cancel(signals->ctx);
	/* Delivered to this thread, the next one ends the process. */
	sigdelset(&set, END_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sigemptyset(&set);
	sigaddset(&set, END_SIGNAL);
	sigwait(&set, &got);
	return NULL;
}

struct ch_signals *chp_signals_watch(struct ch_context *ctx)
{
	struct ch_signals *signals;
	struct sigaction action;
	sigset_t set;

	if (sigaction(SIGINT, NULL, &action) != 0 || action.sa_handler == SIG_IGN)
		return NULL;
	signals = calloc(1, sizeof(*signals));
	if (!signals)
		return NULL;
	signals->ctx = ctx;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, END_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, &signals->old);
	if (pthread_create(&signals->thread, NULL, wait_for_sigint, signals) != 0) {
		pthread_sigmask(SIG_SETMASK, &signals->old, NULL);
		free(signals);
		return NULL;
	}
	return signals;
}

void chp_signals_end(struct ch_signals *signals)
{
	if (!signals)
		return;
	pthread_kill(signals->thread, END_SIGNAL);
	pthread_join(signals->thread, NULL);
	pthread_sigmask(SIG_SETMASK, &signals->old, NULL);
	free(signals);
}
