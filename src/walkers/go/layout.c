/*
 * Where releases of Go have the fields of a span (mspan, src/runtime/mheap.go), and size classes.
 */
#include "walkers/go/go_priv.h"

const struct go_span_layout go_span_layouts[] = {
	{
		.releases = "Go 1.22 to 1.27",
		.freeindex = 48,
		.nelems = 50,
		.alloc_bits = 64,
		.mark_bits = 72,
		.sweepgen = 88,
		.alloc_count = 96,
		.spanclass = 98,
		.state = 99,
		.elemsize = 104,
		.limit = 112,
		.specials = 128,
		.large_type = 152,
		.index_bytes = 2,
		.bytes = 160,
		.source = "Go 1.24.4 and 1.27.3, src/runtime/mheap.go, mspan",
	},
	{
		.releases = "Go 1.21",
		.freeindex = 48,
		.nelems = 56,
		.alloc_bits = 72,
		.mark_bits = 80,
		.sweepgen = 96,
		.alloc_count = 104,
		.spanclass = 106,
		.state = 107,
		.elemsize = 112,
		.limit = 120,
		.specials = 136,
		.index_bytes = 8,
		.bytes = 144,
		.source = "Go 1.21.13, src/runtime/mheap.go, mspan",
	},
	{
		.releases = "Go 1.17 to 1.20",
		.freeindex = 48,
		.nelems = 56,
		.alloc_bits = 72,
		.mark_bits = 80,
		.sweepgen = 88,
		.alloc_count = 96,
		.spanclass = 98,
		.state = 99,
		.elemsize = 104,
		.limit = 112,
		.specials = 128,
		.index_bytes = 8,
		.bytes = 136,
		.source = "Go 1.19.8, src/runtime/mheap.go, mspan",
	},
};
const size_t go_span_layouts_count = sizeof(go_span_layouts) / sizeof(go_span_layouts[0]);

/* sizeclasses.go, class_to_size: Go 1.19 to 1.27. */
static const uint16_t class_bytes[] = {
	0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,
	160,   176,   192,   208,   224,   240,   256,   288,   320,   352,   384,   416,
	448,   480,   512,   576,   640,   704,   768,   896,   1024,  1152,  1280,  1408,
	1536,  1792,  2048,  2304,  2688,  3072,  3200,  3456,  4096,  4864,  5376,  6144,
	6528,  6784,  6912,  8192,  9472,  9728,  10240, 10880, 12288, 13568, 14336, 16384,
	18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
};

uint64_t go_class_bytes(uint32_t class)
{
	return class < sizeof(class_bytes) / sizeof(class_bytes[0]) ? class_bytes[class] : 0;
}
