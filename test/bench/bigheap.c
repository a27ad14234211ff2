/*
 * bigheap - a heap of about 1 GB for the benchmark.
 *
 * usage: bigheap FOLDER wait|abort [PARTS]
 *
 * Five threads (the main one among them), each in its own arena, make together
 * 13.7 million small blocks and free one in seventeen again, so that none of
 * the freed ones can merge; 500,000 of the rest are forgotten, the others form
 * one binary tree for each thread. With PARTS all of this is so much smaller. Then FOLDER/ready is
 * created, and the program waits to be dumped, or aborts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	THREADS = 5,
	FREE_EACH = 17,
};

/* Of each thread. */
static size_t blocks = 13700000 / THREADS, leaks = 500000 / THREADS;

struct node {
	struct node *left, *right;
	uint64_t fill;
};

static pthread_barrier_t built, never;
/* The roots of what is reachable. */
struct node *trees[THREADS];

static uint64_t next_random(uint64_t *state)
{
	/* xorshift64 */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct node *make_node(uint64_t *seed)
{
	/* 24 to 104 bytes, mostly small: about 80 a chunk */
	size_t bytes = 24 + next_random(seed) % 81;
	struct node *node = malloc(bytes);

	if (!node)
		abort();
	node->left = node->right = NULL;
	node->fill = *seed;
	return node;
}

static void link_tree(size_t index, struct node **nodes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		nodes[i]->left = 2 * i + 1 < count ? nodes[2 * i + 1] : NULL;
		nodes[i]->right = 2 * i + 2 < count ? nodes[2 * i + 2] : NULL;
	}
	trees[index] = count ? nodes[0] : NULL;
}

static void build(size_t index)
{
	size_t bytes = sizeof(struct node *) * blocks, i, kept = 0, leaked = 0;
	struct node **nodes =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t seed = 0x9e3779b97f4a7c15ULL * (index + 1);

	if (nodes == MAP_FAILED)
		abort();
	for (i = 0; i < blocks; i++)
		nodes[i] = make_node(&seed);
	for (i = 0; i < blocks; i++) {
		if (i % FREE_EACH == 0)
			free(nodes[i]);
		else if (i % 24 == 1 && leaked < leaks)
			leaked++;
		else
			nodes[kept++] = nodes[i];
	}
	link_tree(index, nodes, kept);
	munmap(nodes, bytes);
}

static void *worker(void *arg)
{
	build((size_t)(uintptr_t)arg);
	pthread_barrier_wait(&built);
	pthread_barrier_wait(&never);
	return NULL;
}

int main(int argc, char **argv)
{
	char path[4096];
	pthread_t thread;
	size_t i;

	if (argc < 3)
		return 2;
	if (argc > 3 && strtoul(argv[3], NULL, 10) > 0) {
		blocks /= strtoul(argv[3], NULL, 10);
		leaks /= strtoul(argv[3], NULL, 10);
	}
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pthread_barrier_init(&built, NULL, THREADS);
	pthread_barrier_init(&never, NULL, THREADS);
	for (i = 1; i < THREADS; i++)
		if (pthread_create(&thread, NULL, worker, (void *)(uintptr_t)i))
			abort();
	build(0);
	pthread_barrier_wait(&built);
	snprintf(path, sizeof(path), "%s/ready", argv[1]);
	close(open(path, O_WRONLY | O_CREAT, 0644));
	if (strcmp(argv[2], "abort") == 0)
		abort();
	for (;;)
		pause();
}
