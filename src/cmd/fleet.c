/*
 * Processes for cores. The parent waits for signals and nothing else, so that it has neither
 * handlers nor threads: a child that ended, an interrupt, which it hands on.
 */
#include "cmd/fleet.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/bytes.h"

/* Most that are read at a time. */
#define JOBS_MAX 1024
/* Children that may have ended before it is their turn, by the ones at work: one that takes long
 * does not keep the others from working, and what is kept of them has a bound. */
#define AHEAD 8

struct child {
	/** 0: it has ended, and status says how. */
	pid_t pid;
	int status;
	/* Where it writes: files in memory, as there may be no folder for others. */
	int out, err;
};

struct fleet {
	const struct ch_line *line;
	const struct ch_vec *cores;
	chp_fleet_ask_fn ask;
	chp_fleet_lost_fn lost;
	/* Of window children, core i has number i % window: those from told on that have begun. */
	struct child *children;
	size_t window, begun, told;
	uint32_t jobs, running;
	/* What is waited for, and what was blocked before. */
	sigset_t signals, old;
	struct ch_progress progress;
	int code;
	bool interrupted;
};

static const struct ch_core_path *core_at(const struct fleet *fleet, size_t i)
{
	return CH_VEC_AT(fleet->cores, struct ch_core_path, i);
}

/* ---- The child --------------------------------------------------------------- */

/* Threads of all processes together are as many as of one. */
static uint64_t threads_of(const struct fleet *fleet)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (fleet->line->global.threads || fleet->jobs == 1 || processors < 1)
		return fleet->line->global.threads;
	return ch_max((uint64_t)processors / fleet->jobs, 1);
}

_Noreturn static void be_child(const struct fleet *fleet, const struct child *child, size_t i)
{
	struct ch_line line = *fleet->line;
	int code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, &fleet->old, NULL);
	line.global.threads = threads_of(fleet);
	if (dup2(child->out, STDOUT_FILENO) < 0 || dup2(child->err, STDERR_FILENO) < 0)
		_exit(CH_EXIT_FAILED);
	code = fleet->ask(&line, core_at(fleet, i));
	/* not exit(): what the parent left to write is the parent's */
	fflush(stdout);
	fflush(stderr);
	_exit(code);
}

static void close_files(struct child *child)
{
	if (child->out >= 0)
		close(child->out);
	if (child->err >= 0)
		close(child->err);
	child->out = child->err = -1;
}

/* 0, or the errno of what failed. */
static int begin(struct fleet *fleet)
{
	struct child *child = &fleet->children[fleet->begun % fleet->window];
	int errnum = 0;

	*child = (struct child){ .out = memfd_create("line", MFD_CLOEXEC),
				 .err = memfd_create("messages", MFD_CLOEXEC) };
	fflush(stdout);
	child->pid = child->out < 0 || child->err < 0 ? -1 : fork();
	if (child->pid == 0)
		be_child(fleet, child, fleet->begun);
	if (child->pid < 0) {
		errnum = errno;
		close_files(child);
		child->pid = 0;
		return errnum;
	}
	fleet->begun++;
	fleet->running++;
	return 0;
}

/* ---- What children said ------------------------------------------------------ */

/* False: not all of it could be read. */
static bool copy_out(int fd, FILE *out)
{
	char buffer[16384];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		fwrite(buffer, 1, (size_t)n, out);
		at += n;
	}
	return n == 0;
}

static int tell_lost(const struct fleet *fleet, const struct ch_core_path *core, int status)
{
	struct ch_error *why = ch_error_create(
		CH_ERROR_OS, "%s: the process that read it was ended by signal %d (%s)", core->path,
		WTERMSIG(status), strsignal(WTERMSIG(status)));

	fleet->lost(fleet->line, core, why);
	chp_driver_complain(why);
	ch_error_destroy(why);
	return CH_EXIT_FAILED;
}

/* The line of the core whose turn it is; false: not everything could be written. */
static bool tell(struct fleet *fleet)
{
	const struct ch_core_path *core = core_at(fleet, fleet->told);
	struct child *child = &fleet->children[fleet->told % fleet->window];
	int code;

	fleet->told++;
	chp_progress_clear(&fleet->progress);
	code = copy_out(child->err, stderr) ? CH_EXIT_ANSWERED : CH_EXIT_FAILED;
	if (WIFEXITED(child->status)) {
		if (!copy_out(child->out, stdout))
			code = CH_EXIT_FAILED;
		if (WEXITSTATUS(child->status) > code)
			code = WEXITSTATUS(child->status);
	} else {
		code = tell_lost(fleet, core, child->status);
	}
	close_files(child);
	fleet->code = code > fleet->code ? code : fleet->code;
	fleet->interrupted |= code == CH_EXIT_INTERRUPTED;
	return chp_driver_finish(stdout);
}

/* ---- The parent -------------------------------------------------------------- */

static void reap(struct fleet *fleet)
{
	struct child *child;
	size_t i;

	for (i = fleet->told; i < fleet->begun; i++) {
		child = &fleet->children[i % fleet->window];
		if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
			child->pid = 0;
			fleet->running--;
		}
	}
}

static void send_all(const struct fleet *fleet, int signal)
{
	const struct child *child;
	size_t i;

	for (i = fleet->told; i < fleet->begun; i++) {
		child = &fleet->children[i % fleet->window];
		if (child->pid)
			kill(child->pid, signal);
	}
}

static void wait_for_signal(struct fleet *fleet)
{
	siginfo_t info;
	int got = sigwaitinfo(&fleet->signals, &info);

	if (got == SIGINT) {
		/* from a terminal all of them have it already: a second one ends them at once,
		 * as it does for one core */
		if (info.si_code != SI_KERNEL)
			send_all(fleet, SIGINT);
		fleet->interrupted = true;
	} else if (got == SIGTERM) {
		send_all(fleet, SIGKILL);
		sigprocmask(SIG_SETMASK, &fleet->old, NULL);
		raise(SIGTERM);
	}
}

/* Begin as many as may be at work. What cannot begin now may when others have ended. */
static struct ch_error *begin_some(struct fleet *fleet)
{
	int errnum = 0;

	while (!errnum && !fleet->interrupted && fleet->running < fleet->jobs &&
	       fleet->begun < fleet->cores->count && fleet->begun - fleet->told < fleet->window)
		errnum = begin(fleet);
	return errnum && !fleet->running ? ch_error_os(errnum, core_at(fleet, fleet->begun)->path,
						       "cannot begin a process")
					 : NULL;
}

static struct ch_error *run(struct fleet *fleet)
{
	struct ch_error *err = NULL;

	while (!err && fleet->told < fleet->cores->count) {
		err = begin_some(fleet);
		if (err || fleet->told == fleet->begun)
			break;
		reap(fleet);
		if (fleet->children[fleet->told % fleet->window].pid) {
			wait_for_signal(fleet);
			continue;
		}
		if (!tell(fleet)) {
			/* nobody can be told anything any more */
			fleet->code = CH_EXIT_FAILED;
			break;
		}
		chp_progress_report(&fleet->progress, "reading cores", fleet->told,
				    fleet->cores->count);
	}
	return err;
}

static struct ch_error *prepare(struct fleet *fleet)
{
	uint64_t jobs = fleet->line->global.jobs;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i;

	sigprocmask(SIG_BLOCK, NULL, &fleet->old);
	if (!jobs)
		jobs = processors > 0 ? (uint64_t)processors : 1;
	fleet->jobs = (uint32_t)ch_min(jobs, JOBS_MAX);
	fleet->window = AHEAD * (size_t)fleet->jobs;
	fleet->children = calloc(fleet->window, sizeof(*fleet->children));
	if (!fleet->children)
		return &ch_enomem;
	for (i = 0; i < fleet->window; i++)
		fleet->children[i] = (struct child){ .out = -1, .err = -1 };
	/* ignored, as it may come to us, children would end without a word to us */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&fleet->signals);
	sigaddset(&fleet->signals, SIGCHLD);
	sigaddset(&fleet->signals, SIGINT);
	sigaddset(&fleet->signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &fleet->signals, NULL);
	chp_progress_init(&fleet->progress, fleet->line->global.quiet);
	return NULL;
}

int chp_fleet_run(const struct ch_line *line, const struct ch_vec *cores, chp_fleet_ask_fn ask,
		  chp_fleet_lost_fn lost)
{
	struct fleet fleet = { .line = line, .cores = cores, .ask = ask, .lost = lost };
	struct ch_error *err = prepare(&fleet);
	size_t i;

	if (!err)
		err = run(&fleet);
	chp_progress_clear(&fleet.progress);
	/* those that are still at work */
	send_all(&fleet, SIGKILL);
	for (i = fleet.told; i < fleet.begun; i++)
		close_files(&fleet.children[i % fleet.window]);
	free(fleet.children);
	sigprocmask(SIG_SETMASK, &fleet.old, NULL);
	if (err) {
		chp_driver_complain(err);
		ch_error_destroy(err);
		return CH_EXIT_FAILED;
	}
	return fleet.interrupted ? CH_EXIT_INTERRUPTED : fleet.code;
}
