/*
 * The terminal that the output goes to, and the pager between the two. Nothing is started where
 * standard output is no terminal: hooks may forbid programs to start others.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/driver.h"
#include "util/cleanup.h"

/* Columns that a screen may have; with fewer, nothing fits. */
#define WIDTH_MIN 40
#define WIDTH_MAX 200
/* With these a shell has to look at a command; without, it can be run in the shell's place, so that
 * Ctrl-C reaches nothing but the pager. */
#define SHELL_CHARS "|&;<>(){}$`*?[#~=%\n"
/* Where the user named none: less, if there is any. */
#define PAGER_DEFAULT "command -v less > /dev/null || exec cat; exec less"

bool chp_terminal_is_dumb(void)
{
	const char *term = getenv("TERM");

	return !term || strcmp(term, "dumb") == 0;
}

void chp_terminal_look(struct ch_terminal *ret)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { .ws_col = 0 };
	long width = 0;

	if (columns)
		width = strtol(columns, NULL, 10);
	else if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	ret->is_terminal = isatty(STDOUT_FILENO);
	ret->width = width < WIDTH_MIN ? 0 : width > WIDTH_MAX ? WIDTH_MAX : (uint32_t)width;
}

/* NULL: none. */
static const char *pager_command(void)
{
	const char *command = getenv("COREHEAP_PAGER");

	command = command ? command : getenv("PAGER");
	command = command ? command : PAGER_DEFAULT;
	return !*command || strcmp(command, "cat") == 0 ? NULL : command;
}

static void become_pager(const char *command)
{
	_cleanup_free_ char *line = NULL;

	/* end if it fits on the screen, pass bold text on, leave the text there */
	setenv("LESS", "FRX", 0);
	setenv("LV", "-c", 0);
	if (asprintf(&line, "%s%s", strpbrk(command, SHELL_CHARS) ? "" : "exec ", command) >= 0)
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

int chp_pager_start(const struct ch_terminal *terminal)
{
	const char *command =
		terminal->is_terminal && !chp_terminal_is_dumb() ? pager_command() : NULL;
	int ends[2];
	pid_t pid;

	if (!command || pipe(ends) != 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		become_pager(command);
	}
	if (pid > 0)
		dup2(ends[1], STDOUT_FILENO);
	close(ends[0]);
	close(ends[1]);
	return pid > 0 ? (int)pid : 0;
}

void chp_pager_end(int pager)
{
	if (!pager)
		return;
	/* Ctrl-C is for the pager from now on */
	signal(SIGINT, SIG_IGN);
	fflush(stdout);
	close(STDOUT_FILENO);
	while (waitpid((pid_t)pager, NULL, 0) < 0 && errno == EINTR)
		;
}
