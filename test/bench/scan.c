/*
 * scan - one pass over a file: the unit that the benchmark measures in.
 * usage: scan FILE
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const uint64_t *words;
	uint64_t sum = 0;
	struct stat st;
	size_t i, count;
	int fd;

	fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	if (fd < 0 || fstat(fd, &st) < 0) {
		fprintf(stderr, "scan: cannot open the file\n");
		return 2;
	}
	words = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (words == MAP_FAILED) {
		perror("scan: mmap");
		return 2;
	}
	count = (size_t)st.st_size / sizeof(*words);
	for (i = 0; i < count; i++)
		sum += words[i];
	printf("%llx\n", (unsigned long long)sum);
	return 0;
}
