#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

int fuzz_file(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n <= 0)
			abort();
		data += n;
		size -= (size_t)n;
	}
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

void fuzz_touch(const void *data, size_t size)
{
	const volatile uint8_t *p = data;
	uint8_t sum = 0;
	size_t i;

	for (i = 0; i < size; i++)
		sum ^= p[i];
	(void)sum;
}

void fuzz_touch_text(const char *text)
{
	if (text)
		fuzz_touch(text, strlen(text) + 1);
}
