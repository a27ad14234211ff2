/* Debug information of a module: all variables and types of an ELF file of these bytes. */
#include "fuzz/fuzz.h"
#include "support/debugcase.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct debugcase c;

	debugcase_open(&c, data, size);
	debugcase_use(&c);
	debugcase_close(&c);
	return 0;
}
