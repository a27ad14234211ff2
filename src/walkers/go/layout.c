/*
 * Where releases of Go have the fields of a span (mspan, src/runtime/mheap.go).
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
		.releases = "Go 1.17 to 1.21",
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
