/*
 * fuzz.h - fuzz targets.
 *
 * A target is test/fuzz/fuzz_<name>.c with one LLVMFuzzerTestOneInput(). It is
 * linked twice: with libFuzzer as build/fuzz/test/fuzz/fuzz_<name> (`make
 * fuzz`), and with replay.c as build/test/fuzz/replay_<name>, which any
 * compiler can build and which runs files and fixed mutations of them.
 */
#ifndef COREHEAP_TEST_FUZZ_H
#define COREHEAP_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Put data into a file in memory; its descriptor, and a path that opens it. */
int fuzz_file(const uint8_t *data, size_t size, char path[64]);

/** Use every byte, so that a sanitizer sees reads out of bounds. */
void fuzz_touch(const void *data, size_t size);
/** As fuzz_touch() with the NUL; text may be NULL. */
void fuzz_touch_text(const char *text);

#endif /* COREHEAP_TEST_FUZZ_H */
