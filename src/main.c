#include <stdio.h>

int main(void)
{
	fputs("coreheap: no commands yet\n", stderr);
	return 2;
}
