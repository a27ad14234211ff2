/* A whole core file: headers, segments, notes, truncation. */
#include "fuzz/fuzz.h"
#include "fuzz/use_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	use_core_bytes(data, size);
	return 0;
}
