/*
 * The numbers behind the pictures of a dump, by their fields: tables of the page, plain text and
 * JSON are made from these.
 */
#include "report/picture_priv.h"

#define TILE(member)    CH_AT(struct ch_tile, member)
#define BRANCH(member)  CH_AT(struct ch_branch, member)
#define STRETCH(member) CH_AT(struct ch_stretch, member)
#define SIZE(member)    CH_AT(struct ch_size_class, member)
#define THREADS(member) CH_AT(struct ch_picture_threads, member)
#define RESULT(member)  CH_AT(struct ch_picture_result, member)

static const struct ch_field_spec tile_fields[] = {
	{ "level", NULL, CH_CELL_NUMBER, "0: a use of memory; 1: a heap or part of it; 2: a type.",
	  TILE(level) },
	{ "usage", "USAGE", CH_CELL_SAFE, "What the memory is for.", TILE(usage) },
	{ "heap", "HEAP", CH_CELL_TEXT, "The heap, or heaps of one name.", TILE(heap),
	  .flags = CH_FIELD_OPTIONAL },
	{ "type", "TYPE OR PART", CH_CELL_NAME, "The type of used blocks, or what else it is.",
	  TILE(type), .flags = CH_FIELD_OPTIONAL },
	{ "others_count", "STANDS FOR", CH_CELL_COUNT,
	  "Where it stands for what is too small to be seen: for how many.", TILE(others_count),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "blocks_count", "BLOCKS", CH_CELL_COUNT, "Blocks, where it consists of them.",
	  TILE(blocks_count), .flags = CH_FIELD_NOT_ZERO },
	{ "touched_bytes", "TOUCHED", CH_CELL_BYTES,
	  "Bytes on touched pages: those of a level are the sum of what is inside of it.",
	  TILE(touched_bytes) },
	{ "percent_of_touched", "OF TOUCHED", CH_CELL_PERCENT, "Share in all of them.",
	  TILE(share) },
	CH_FIELDS_END,
};

static const struct ch_field_spec branch_fields[] = {
	{ "level", "LEVEL", CH_CELL_NUMBER, "How far below places of roots.", BRANCH(level) },
	{ "name", "PLACE OR TYPE", CH_CELL_SAFE,
	  "A place of roots at level 0, below it types; null where it stands for smaller ones.",
	  BRANCH(name), .flags = CH_FIELD_OPTIONAL },
	{ "field", "THROUGH", CH_CELL_SAFE, "The field that leads there, where it is known.",
	  BRANCH(field), .flags = CH_FIELD_OPTIONAL },
	{ "others_count", "STANDS FOR", CH_CELL_COUNT, "For how many smaller ones it stands.",
	  BRANCH(others_count), .flags = CH_FIELD_NOT_ZERO },
	{ "self_count", "BLOCKS", CH_CELL_COUNT, "Its blocks.", BRANCH(self_count) },
	{ "self_bytes", "SELF", CH_CELL_BYTES, "What they take themselves.", BRANCH(self_bytes) },
	{ "retained_count", NULL, CH_CELL_COUNT, "Blocks, with all that they hold.",
	  BRANCH(retained_count) },
	{ "retained_bytes", "RETAINED", CH_CELL_BYTES, "What would go away with them.",
	  BRANCH(retained_bytes) },
	{ "percent_of_retained", "SHARE", CH_CELL_PERCENT, "Share in all of them.", BRANCH(share) },
	CH_FIELDS_END,
};

static const struct ch_field_spec stretch_fields[] = {
	{ "addr", "FROM", CH_CELL_ADDR, "Where it begins.", STRETCH(start) },
	{ "end", "TO", CH_CELL_ADDR, "Behind its last byte.", STRETCH(end) },
	{ "usage", "USAGE", CH_CELL_SAFE, "What most of it is for.", STRETCH(usage) },
	{ "regions_count", "REGIONS", CH_CELL_COUNT, "Regions; gaps may be between them.",
	  STRETCH(regions_count) },
	{ "touched_bytes", "TOUCHED", CH_CELL_BYTES, "Bytes of them on touched pages.",
	  STRETCH(touched_bytes) },
	{ "mapped_bytes", "MAPPED", CH_CELL_BYTES, "Their bytes.", STRETCH(mapped_bytes) },
	{ "percent_of_mapped", "OF MAPPED", CH_CELL_PERCENT,
	  "Share in all that is mapped and not reserved.", STRETCH(share) },
	CH_FIELDS_END,
};

static const struct ch_field_spec size_fields[] = {
	{ "smallest_bytes", "FROM", CH_CELL_COUNT, "Bytes of the smallest blocks of this row.",
	  SIZE(smallest_bytes) },
	{ "largest_bytes", "TO", CH_CELL_COUNT, "Bytes of the largest.", SIZE(largest_bytes) },
	{ "used_count", "USED BLOCKS", CH_CELL_COUNT, "Used blocks.", SIZE(used_count) },
	{ "used_bytes", "USED", CH_CELL_BYTES, "What they take in their heaps.", SIZE(used_bytes) },
	{ "free_count", "FREE BLOCKS", CH_CELL_COUNT, "Free blocks; unused ends of heaps aside.",
	  SIZE(free_count) },
	{ "free_bytes", "FREE", CH_CELL_BYTES, "What they take.", SIZE(free_bytes) },
	CH_FIELDS_END,
};

static const struct ch_field_spec threads_fields[] = {
	{ "fingerprint", NULL, CH_CELL_ID, "A hash of modules, functions and offsets.",
	  THREADS(fingerprint) },
	{ "count", "THREADS", CH_CELL_COUNT, "Threads with this stack.", THREADS(count) },
	{ "percent_of_threads", "SHARE", CH_CELL_PERCENT, "Share in all threads.", THREADS(share) },
	{ "stack_bytes", "STACKS", CH_CELL_BYTES, "Size of their stacks.", THREADS(stack_bytes) },
	{ "stack_used_bytes", "IN USE", CH_CELL_BYTES, "From their stack pointers on.",
	  THREADS(used_bytes) },
	{ "names", "NAMES", CH_CELL_SAFE, "What they are called, with # for digits.",
	  THREADS(names), .flags = CH_FIELD_NOT_ZERO },
	{ "stack", "WHERE THEY ARE", CH_CELL_SAFE, "The functions of it, innermost first.",
	  THREADS(stack), .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

const struct ch_list chp_picture_tiles_list = { .fields = tile_fields };
const struct ch_list chp_picture_branches_list = { .fields = branch_fields };
const struct ch_list chp_picture_stretches_list = { .fields = stretch_fields };
const struct ch_list chp_picture_sizes_list = { .fields = size_fields };
const struct ch_list chp_picture_threads_list = { .fields = threads_fields };

const struct ch_field_spec chp_picture_fields[] = {
	{ "touched_bytes", "touched", CH_CELL_BYTES,
	  "All touched memory, files that are only read aside.", RESULT(touched_bytes) },
	{ "mapped_bytes", "mapped", CH_CELL_BYTES, "All mapped memory.", RESULT(mapped_bytes) },
	{ "reserved_bytes", "reserved", CH_CELL_BYTES,
	  "Of it what is reserved, without access: it is in no row of the address space.",
	  RESULT(reserved_bytes) },
	{ "held_bytes", "in blocks", CH_CELL_BYTES, "Blocks that are in a row of dominators.",
	  RESULT(held_bytes), CH_KNOWN(struct ch_picture_result, has_branches) },
	{ "treemap", NULL, CH_CELL_ROWS, "Touched memory by use, heap and type.", RESULT(tiles),
	  .fields = tile_fields },
	{ "dominators", NULL, CH_CELL_ROWS,
	  "What blocks of a type hold alone, by places of roots, fields and types.",
	  RESULT(branches), .fields = branch_fields },
	{ "address_space", NULL, CH_CELL_ROWS, "What is mapped, by address.", RESULT(stretches),
	  .fields = stretch_fields },
	{ "size_classes", NULL, CH_CELL_ROWS, "Blocks by what they take.", RESULT(sizes),
	  .fields = size_fields },
	{ "threads", NULL, CH_CELL_ROWS, "Threads by stack, most threads first.", RESULT(threads),
	  .fields = threads_fields, .flags = CH_FIELD_VEC },
	CH_FIELDS_END,
};
