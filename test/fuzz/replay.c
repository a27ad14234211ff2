/*
 * replay.c - run a fuzz target over files and over fixed mutations of them.
 *
 * usage: replay_<target> [-n MUTATIONS] [-s SECONDS] [-o FILE] SEED...
 *
 * Each seed is run as it is, then MUTATIONS times changed; the changes depend
 * on the seed's bytes and the number alone. A seed's runs share a process;
 * when that dies, takes more than SECONDS of the processors for one input or more than
 * 1 GiB, a line says at which mutation, FILE receives the input, and the exit
 * code is 1.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

#define RSS_KIB_MAX (1L << 20)

struct input {
	uint8_t *data;
	size_t size;
};

struct job {
	unsigned int mutations, seconds;
	const char *save;
	/* Shared with the process at work. */
	volatile unsigned int *current;
};

static struct input read_file(const char *path)
{
	struct input input = { 0 };
	FILE *file = fopen(path, "rb");
	size_t capacity = 0, n;

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	do {
		if (input.size == capacity) {
			capacity = capacity ? 2 * capacity : 65536;
			input.data = realloc(input.data, capacity);
			if (!input.data)
				abort();
		}
		n = fread(input.data + input.size, 1, capacity - input.size, file);
		input.size += n;
	} while (n);
	fclose(file);
	return input;
}

/* splitmix64. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Headers and whatever is not zero are where changes tell. */
static size_t pick(const struct input *input, uint64_t *random, size_t width)
{
	static const uint8_t zeros[8] = { 0 };
	size_t range = input->size - width + 1, at = 0;
	unsigned int tries;

	if (next_random(random) % 4 == 0 && range > 4096)
		range = 4096;
	for (tries = 0; tries < 32; tries++) {
		at = next_random(random) % range;
		if (width == 8)
			at &= ~(size_t)7;
		if (memcmp(input->data + at, zeros, width) != 0)
			break;
	}
	return at;
}

static uint64_t odd_value(uint64_t old, uint64_t *random)
{
	static const uint64_t values[] = {
		0,          1,          8,          16,
		0x7f,       0xff,       0xffff,     0x10000,
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		INT64_MAX,  1ULL << 63, UINT64_MAX, 0xffffffffffffff00,
	};
	uint64_t r = next_random(random);

	switch (r % 4) {
	case 0:
		return old ^ (1ULL << (r >> 8) % 64);
	case 1:
		return old + (r >> 8) % 65 - 32;
	default:
		return values[(r >> 8) % (sizeof(values) / sizeof(values[0]))];
	}
}

static void mutate_once(struct input *input, uint64_t *random)
{
	uint64_t word;
	size_t at, from;

	if (input->size < 16)
		return;
	switch (next_random(random) % 8) {
	case 0:
		input->data[pick(input, random, 1)] ^= (uint8_t)(1U << next_random(random) % 8);
		break;
	case 1:
		input->data[pick(input, random, 1)] = (uint8_t)next_random(random);
		break;
	case 2:
	case 3:
	case 4:
		at = pick(input, random, 8);
		memcpy(&word, input->data + at, 8);
		word = odd_value(word, random);
		memcpy(input->data + at, &word, 8);
		break;
	case 5:
	case 6:
		/* Pointers that point elsewhere: lists with cycles, overlaps. */
		at = pick(input, random, 8);
		from = pick(input, random, 8);
		memmove(input->data + at, input->data + from, 8);
		break;
	default:
		if (next_random(random) % 8 == 0)
			input->size -= next_random(random) % (input->size / 2);
		else {
			at = pick(input, random, 4);
			word = odd_value(at, random);
			memcpy(input->data + at, &word, 4);
		}
	}
}

static struct input mutation(const struct input *seed, unsigned int number)
{
	struct input input = { malloc(seed->size ? seed->size : 1), seed->size };
	uint64_t random = number * 0x100000001b3ULL + seed->size;
	unsigned int changes;

	if (!input.data)
		abort();
	memcpy(input.data, seed->data, seed->size);
	if (number == 0)
		return input;
	for (changes = 1 + (unsigned int)(next_random(&random) % 6); changes; changes--)
		mutate_once(&input, &random);
	return input;
}

/* A busy machine changes nothing: SIGPROF counts time of the processors. SIGALRM ends what sleeps.
 */
static void limit(unsigned int seconds)
{
	struct itimerval timer = { .it_value.tv_sec = (time_t)seconds };

	setitimer(ITIMER_PROF, &timer, NULL);
	alarm(15 * seconds);
}

static void work(const struct job *job, const struct input *seed)
{
	struct rusage usage;
	unsigned int i;

	for (i = 0; i <= job->mutations; i++) {
		struct input input = mutation(seed, i);

		*job->current = i;
		limit(job->seconds);
		LLVMFuzzerTestOneInput(input.data, input.size);
		limit(0);
		free(input.data);
		getrusage(RUSAGE_SELF, &usage);
		if (usage.ru_maxrss > RSS_KIB_MAX) {
			fprintf(stderr, "took %ld KiB of memory\n", usage.ru_maxrss);
			exit(1);
		}
	}
	exit(0);
}

static int report(const struct job *job, const char *path, const struct input *seed, int status)
{
	struct input input;
	FILE *file;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	printf("%s, mutation %u: %s %d\n", path, *job->current,
	       WIFSIGNALED(status) ? "died of signal" : "exit code",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!job->save)
		return 1;
	input = mutation(seed, *job->current);
	file = fopen(job->save, "wb");
	if (file) {
		fwrite(input.data, 1, input.size, file);
		fclose(file);
	}
	free(input.data);
	return 1;
}

static int run_seed(const struct job *job, const char *path)
{
	struct input seed = read_file(path);
	int status = 0, failed;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0)
		work(job, &seed);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	failed = report(job, path, &seed, status);
	free(seed.data);
	return failed;
}

int main(int argc, char **argv)
{
	struct job job = { .seconds = 10 };
	int failed = 0, option;

	while ((option = getopt(argc, argv, "n:s:o:")) != -1) {
		if (option == 'n')
			job.mutations = (unsigned int)strtoul(optarg, NULL, 0);
		else if (option == 's')
			job.seconds = (unsigned int)strtoul(optarg, NULL, 0);
		else if (option == 'o')
			job.save = optarg;
		else
			return 2;
	}
	job.current = mmap(NULL, sizeof(*job.current), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job.current == MAP_FAILED || optind == argc)
		return 2;
	for (; optind < argc; optind++)
		failed |= run_seed(&job, argv[optind]);
	return failed;
}
