/*
 * Layouts of PostgreSQL's memory contexts by release, for x86-64, and the choice of one by what
 * the root says of itself: its first block lies where the row has it, belongs to it, and begins
 * with a chunk whose header has the row's form.
 */
#include "walkers/postgres/postgres_priv.h"

#include "util/bytes.h"
#include "util/cleanup.h"

#define ASET(bytes, header)                                                                        \
	{                                                                                          \
		.context_bytes = (bytes), .keeper = true, .block_bytes = 40, .owner = 0,           \
		.link = 16, .lists = POSTGRES_ASET_BLOCKS, .lists_count = 1,                       \
		.chunk_bytes = (header)                                                            \
	}

static const struct postgres_layout postgres_layouts[] = {
	{
		.releases = "17 and 18",
		.source = "PostgreSQL REL_17_STABLE, src/backend/utils/mmgr/{aset,generation,slab,"
			  "bump}.c, src/include/utils/memutils_memorychunk.h",
		.method_bits = 4,
		.forms = {
			[POSTGRES_ASET] = ASET(200, 8),
			[POSTGRES_GENERATION] = { .context_bytes = 128,
						  .keeper = true,
						  .block_bytes = 56,
						  .owner = 16,
						  .lists = 112,
						  .lists_count = 1,
						  .chunk_bytes = 8 },
			[POSTGRES_SLAB] = { .context_bytes = 176,
					    .block_bytes = 48,
					    .owner = 0,
					    .link = 32,
					    .lists = 128,
					    .lists_count = 3,
					    .chunk_bytes = 8 },
			[POSTGRES_BUMP] = { .context_bytes = 112,
					    .keeper = true,
					    .block_bytes = 32,
					    .owner = POSTGRES_NOWHERE,
					    .lists = 96,
					    .lists_count = 1 },
		},
		.slab = { .width = 4,
			  .chunk_size = 80,
			  .full_size = 84,
			  .block_size = 88,
			  .per_block = 92,
			  .empties = 104 },
	},
	{
		.releases = "16",
		.source = "PostgreSQL REL_16_STABLE, src/backend/utils/mmgr/{aset,generation,slab}"
			  ".c, src/include/utils/memutils_memorychunk.h",
		.method_bits = 3,
		.forms = {
			[POSTGRES_ASET] = ASET(224, 8),
			[POSTGRES_GENERATION] = { .context_bytes = 152,
						  .keeper = true,
						  .block_bytes = 56,
						  .owner = 16,
						  .lists = 136,
						  .lists_count = 1,
						  .chunk_bytes = 8 },
			[POSTGRES_SLAB] = { .context_bytes = 192,
					    .block_bytes = 48,
					    .owner = 0,
					    .link = 32,
					    .lists = 144,
					    .lists_count = 3,
					    .chunk_bytes = 8 },
		},
		.slab = { .width = 8,
			  .chunk_size = 80,
			  .full_size = 88,
			  .block_size = 96,
			  .per_block = 104,
			  .empties = 120 },
	},
	{
		.releases = "13 to 15",
		.source = "PostgreSQL REL_13_STABLE to REL_15_STABLE, "
			  "src/backend/utils/mmgr/{aset,generation,slab}.c",
		.forms = {
			[POSTGRES_ASET] = ASET(224, 16),
			[POSTGRES_GENERATION] = { .context_bytes = 152,
						  .keeper = true,
						  .block_bytes = 48,
						  .owner = POSTGRES_NOWHERE,
						  .lists = 136,
						  .lists_count = 1,
						  .chunk_bytes = 24 },
			[POSTGRES_GENERATION_13] = { .context_bytes = 112,
						     .block_bytes = 48,
						     .owner = POSTGRES_NOWHERE,
						     .lists = 96,
						     .lists_count = 1,
						     .chunk_bytes = 24 },
			[POSTGRES_SLAB] = { .context_bytes = 128,
					    .block_bytes = 24,
					    .owner = POSTGRES_NOWHERE,
					    .lists = 128,
					    .chunk_bytes = 16 },
		},
		.slab = { .width = 8,
			  .chunk_size = 80,
			  .full_size = 88,
			  .block_size = 96,
			  .per_block = 112 },
	},
};

uint64_t postgres_number(const struct ch_core *core, uint64_t addr, uint32_t width)
{
	uint64_t number = 0;
	uint32_t half = 0;

	if (width == 4)
		return ch_core_read_u32(core, addr, &half) ? half : 0;
	return ch_core_read_u64(core, addr, &number) ? number : 0;
}

/* Whether the chunk at addr, the first one of an AllocSet's block, has the row's header. */
static bool has_header(const struct ch_core *core, const struct postgres_layout *layout,
		       uint64_t block, uint64_t room_bytes)
{
	const uint64_t head = block + layout->forms[POSTGRES_ASET].block_bytes;
	struct postgres_header header;
	uint64_t word;

	if (!ch_core_read_u64(core, head, &word))
		return false;
	if (!layout->method_bits)
		return word % 8 == 0 && word < room_bytes;
	header = postgres_header(layout, word);
	return header.method == POSTGRES_METHOD_ASET && head - header.block_offset == block;
}

const struct postgres_layout *postgres_layout_of(const struct ch_core *core, uint64_t root)
{
	const struct postgres_layout *layout;
	uint64_t block, owner, end;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(postgres_layouts); i++) {
		layout = &postgres_layouts[i];
		block = root + layout->forms[POSTGRES_ASET].context_bytes;
		if (ch_core_read_u64(core, block, &owner) && owner == root &&
		    ch_core_read_u64(core, block + POSTGRES_ASET_END, &end) && end > block &&
		    has_header(core, layout, block, end - block))
			return layout;
	}
	return NULL;
}
