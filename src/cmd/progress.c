/*
 * Progress on a terminal: one line that is written over, and only for work that takes long.
 */
#include <time.h>
#include <unistd.h>

#include "cmd/driver.h"

/* Work shorter than this is not reported; lines come no faster than that. */
#define QUIET_MS    1000
#define INTERVAL_MS 100

static uint64_t now_ms(void)
{
	struct timespec now = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void chp_progress_init(struct ch_progress *progress, bool quiet)
{
	*progress = (struct ch_progress){ .terminal = !quiet && isatty(STDERR_FILENO) &&
						      !chp_terminal_is_dumb() };
	progress->start_ms = progress->terminal ? now_ms() : 0;
}

void chp_progress_report(struct ch_progress *progress, const char *phase, uint64_t done,
			 uint64_t total)
{
	uint64_t now;

	if (!progress->terminal)
		return;
	now = now_ms();
	if (now - progress->start_ms < QUIET_MS || now - progress->last_ms < INTERVAL_MS)
		return;
	progress->last_ms = now;
	progress->shown = true;
	if (total)
		fprintf(stderr, "\r%s: %u%%\033[K", phase,
			(unsigned int)(chp_percent(done < total ? done : total, total) / 100));
	else
		fprintf(stderr, "\r%s ...\033[K", phase);
	fflush(stderr);
}

void chp_progress_clear(struct ch_progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
