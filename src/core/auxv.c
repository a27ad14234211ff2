/*
 * The auxiliary vector and the name of the process, where the notes lack them: they are looked
 * for at the end of a stack, where the kernel put them for the program.
 */
#include <stdio.h>
#include <string.h>

#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/text.h"

/* The vector lies below the environment's and the arguments' strings, which
 * take 128 KiB on a rule and a quarter of the stack's limit at most. */
#define SEARCH_BYTES_MAX (8ULL << 20)
/* Stacks of threads that are looked at. */
#define STACKS_MAX 16
/* The kernel writes some twenty entries; its largest AT_ type is 51. */
#define ENTRIES_MIN 8
#define ENTRIES_MAX 64
#define TYPE_MAX    63

/* Entries of the vector in words[0 .. count), AT_NULL included; 0 when it is none. */
static size_t vector_at(const uint8_t *words, size_t count)
{
	bool phdr = false, phent = false, page = false;
	size_t i;

	for (i = 0; i < count / 2 && i < ENTRIES_MAX; i++) {
		uint64_t type = ch_get64(words + 16 * i), value = ch_get64(words + 16 * i + 8);

		if (type == AT_NULL)
			return phdr && phent && page && i >= ENTRIES_MIN ? i + 1 : 0;
		if (type > TYPE_MAX)
			return 0;
		phdr |= type == AT_PHDR && value;
		phent |= type == AT_PHENT && value == sizeof(Elf64_Phdr);
		page |= type == AT_PAGESZ && value >= CH_PAGE_BYTES && value <= 65536;
	}
	return 0;
}

static struct ch_error *take_entries(struct ch_core *core, const uint8_t *words, size_t count)
{
	struct ch_auxv_entry *entry;
	size_t i;

	for (i = 0; i + 1 < count; i++) {
		entry = ch_vec_push(&core->auxv);
		if (!entry)
			return &ch_enomem;
		entry->type = ch_get64(words + 16 * i);
		entry->value = ch_get64(words + 16 * i + 8);
	}
	return NULL;
}

/*
 * Look for the vector at the end of a stack: behind the zero that ends the
 * environment's pointers (System V ABI, "Initial Process Stack"). Where one
 * matches, so would its own tail: the first match has all of it.
 */
static struct ch_error *search_stack(struct ch_core *core, const struct ch_segment *segment)
{
	uint64_t start = segment->start, size = 0;
	const uint8_t *p;
	size_t len = 0, i, count;

	if (segment->present_end < segment->end)
		return NULL;
	if (segment->end - start > SEARCH_BYTES_MAX)
		start = segment->end - SEARCH_BYTES_MAX;
	start = ch_align_up(start, 8);
	p = start < segment->end ? ch_core_span_recorded(core, start, &len) : NULL;
	if (!p)
		return NULL;
	size = ch_min(len, segment->end - start) / 8;
	for (i = 1; i < size; i++) {
		if (ch_get64(p + 8 * (i - 1)) != 0 || ch_get64(p + 8 * i) > TYPE_MAX ||
		    ch_get64(p + 8 * i) == AT_NULL)
			continue;
		count = vector_at(p + 8 * i, size - i);
		if (count)
			return take_entries(core, p + 8 * i, count);
	}
	return NULL;
}

/* The stacks that threads stand on; the main thread's is among them, or its signal
 * stack, and then it is the topmost memory that may be written. */
static struct ch_error *search_stacks(struct ch_core *core)
{
	const struct ch_segment *segments = core->segments.items, *segment;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && !core->auxv.count && i < core->threads.count && i < STACKS_MAX; i++) {
		segment = ch_core_segment_at(core,
					     CH_VEC_AT(&core->threads, struct ch_thread, i)->sp);
		if (segment && (segment->flags & CH_SEGMENT_WRITE))
			err = search_stack(core, segment);
	}
	for (i = core->segments.count; i-- > 0;)
		if (segments[i].flags & CH_SEGMENT_WRITE)
			break;
	if (!err && !core->auxv.count && i < core->segments.count)
		err = search_stack(core, &segments[i]);
	return err;
}

/* The name of the process is that of its file, at most as long as the kernel's. */
static void name_process(struct ch_core *core)
{
	char name[4096];
	uint64_t addr;
	const char *slash;

	if (core->process.has_ids)
		return;
	if (ch_core_auxv(core, AT_EXECFN, &addr) &&
	    ch_core_read_string(core, addr, name, sizeof(name)) && chp_text_is_name(name)) {
		slash = strrchr(name, '/');
		snprintf(core->process.comm, 16, "%.15s", slash ? slash + 1 : name);
	}
	chp_context_finding(core->ctx, CH_SEVERITY_NOTE, "psinfo-missing",
			    "the core has no NT_PRPSINFO note: parent, user and arguments of the "
			    "process are not known%s",
			    core->process.comm[0] ? ", and its name is that of the program's file"
						  : "");
}

struct ch_error *chp_core_find_auxv(struct ch_core *core)
{
	struct ch_error *err = NULL;

	if (!core->segments.count)
		return NULL;
	if (!core->auxv.count) {
		err = search_stacks(core);
		chp_context_finding(
			core->ctx, CH_SEVERITY_NOTE, "auxv-missing",
			core->auxv.count
				? "the core has no NT_AUXV note; the auxiliary vector was read "
				  "from the stack, where the kernel leaves it"
				: "the core has no NT_AUXV note, and no auxiliary vector was "
				  "found on a stack: the program is told from its libraries "
				  "by its ELF headers alone");
	}
	if (!err)
		name_process(core);
	return err;
}
