/*
 * malloc_seed.c - a process whose core is a small seed with glibc heaps in it:
 * two arenas, all kinds of bins, an mmapped chunk. It ends in abort().
 */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 200

static void churn(void)
{
	void *blocks[BLOCKS];
	size_t i;

	for (i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(16 + i * 7);
		if (blocks[i])
			memset(blocks[i], 0x5a, 16);
	}
	/* Neighbours (they merge), single ones, ten of one size (past the tcache's seven). */
	for (i = 20; i < 40; i++)
		free(blocks[i]);
	for (i = 60; i < BLOCKS; i += 3)
		free(blocks[i]);
	for (i = 0; i < 10; i++)
		blocks[i] = malloc(40);
	for (i = 0; i < 10; i++)
		free(blocks[i]);
	free(malloc(3000));
}

static void *second_arena(void *arg)
{
	(void)arg;
	churn();
	abort();
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *volatile large;

	/* More than the first heap has: mapped. */
	mallopt(M_MMAP_THRESHOLD, 150000);
	large = malloc(200000);
	churn();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	if (!large || pthread_create(&thread, &attr, second_arena, NULL))
		return 1;
	pthread_join(thread, NULL);
	return 1;
}
