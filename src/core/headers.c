/*
 * The ELF header and the program headers, and the segments that follow from them. A file that is
 * none of ours is refused with what it is instead; segments that overlap are cut, as all later
 * look-ups rely on their order.
 */
#include <stdlib.h>
#include <string.h>

#include "core/core_priv.h"
#include "core/kinds.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Bytes that segments may share before those are left to one of them: looking through as many is
 * a matter of seconds. */
#define SHARED_MAX (1ULL << 30)

/* gABI, "ELF Header", e_type. */
static const char *elf_type_name(uint16_t type)
{
	static const char *const names[] = {
		[ET_NONE] = "an ELF file of no type",
		[ET_REL] = "an ELF object file (of a compiler, or a kernel module)",
		[ET_EXEC] = "an ELF executable: name the core, and the program by --exe",
		[ET_DYN] = ("an ELF executable or shared library: name the core, and the program "
			    "by --exe")
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type]
						       : "an ELF file of another type";
}

static struct ch_error *not_a_core(const struct ch_core *core, const char *what)
{
	return chp_not_a_core(core->path, core->stats.compression, what);
}

/* e_ident, read byte by byte: the file may be shorter than the header. */
static struct ch_error *check_ident(const struct ch_core *core)
{
	struct ch_error *err = chp_kind_refuse(core->path, core->stats.compression, core->data,
					       core->stats.file_bytes);
	const uint8_t *p = core->data;

	if (err)
		return err;
	if (p[EI_DATA] == ELFDATA2MSB)
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "%s: a big-endian ELF file: only little-endian cores are "
				       "supported",
				       core->path);
	if (p[EI_CLASS] == ELFCLASS32)
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "%s: a 32-bit ELF file: only 64-bit cores are supported",
				       core->path);
	if (p[EI_CLASS] != ELFCLASS64 || p[EI_DATA] != ELFDATA2LSB)
		return not_a_core(core, "an ELF file of unknown class or byte order");
	return NULL;
}

struct ch_error *chp_core_read_ehdr(struct ch_core *core)
{
	struct ch_error *err = check_ident(core);
	const uint8_t *p;

	if (err)
		return err;
	p = chp_core_file_bytes(core, 0, sizeof(core->ehdr));
	if (!p)
		return not_a_core(core, "cut off inside the ELF header");
	memcpy(&core->ehdr, p, sizeof(core->ehdr));
	if (core->ehdr.e_type != ET_CORE)
		return not_a_core(core, elf_type_name(core->ehdr.e_type));
	switch (core->ehdr.e_machine) {
	case EM_X86_64:
		core->arch = CH_ARCH_X86_64;
		return NULL;
	case EM_AARCH64:
		core->arch = CH_ARCH_AARCH64;
		return NULL;
	default:
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "%s: a core of machine %u: only x86-64 and aarch64 are "
				       "supported",
				       core->path, core->ehdr.e_machine);
	}
}

static bool read_phdr(const struct ch_core *core, uint64_t index, Elf64_Phdr *ret)
{
	uint64_t off;
	const uint8_t *p;

	if (!ch_mul(index, sizeof(*ret), &off) || !ch_add(off, core->ehdr.e_phoff, &off))
		return false;
	p = chp_core_file_bytes(core, off, sizeof(*ret));
	if (!p)
		return false;
	memcpy(ret, p, sizeof(*ret));
	return true;
}

/*
 * gABI, "Extended numbering": from 0xffff program headers on, the number is in
 * sh_info of section header 0. The kernel writes that at the end of the file,
 * so a truncated core has lost it; there the headers end where the contents of
 * the first one, the notes, begin.
 */
static uint64_t count_phdrs(struct ch_core *core)
{
	const uint8_t *p;
	Elf64_Shdr shdr;
	Elf64_Phdr first;
	uint64_t shdr_end, count;

	if (core->ehdr.e_phnum != PN_XNUM)
		return core->ehdr.e_phnum;
	p = core->ehdr.e_shoff ? chp_core_file_bytes(core, core->ehdr.e_shoff, sizeof(shdr)) : NULL;
	if (p) {
		memcpy(&shdr, p, sizeof(shdr));
		return shdr.sh_info;
	}
	if (ch_add(core->ehdr.e_shoff, sizeof(shdr), &shdr_end))
		core->stats.expected_file_bytes = shdr_end;
	if (read_phdr(core, 0, &first) && first.p_offset > core->ehdr.e_phoff)
		count = (first.p_offset - core->ehdr.e_phoff) / sizeof(Elf64_Phdr);
	else
		count = PN_XNUM;
	chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "segment-count-lost",
			    "the section header with the number of segments is missing; it was "
			    "derived from the first segment's offset (%llu)",
			    (unsigned long long)count);
	return count;
}

/* include/linux/mm.h: VM_READ, VM_WRITE, VM_EXEC, and VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC. */
#define VM_READ  0x1U
#define VM_WRITE 0x2U
#define VM_EXEC  0x4U
#define VM_MAY   0x70U

/*
 * Rights of all segments. Some dumpers put the kernel's flags of a mapping into
 * p_flags, where reading and executing have each other's bit; no ELF file has
 * the bits VM_MAY..., and nearly every mapping has.
 */
static void settle_flags(struct ch_core *core)
{
	bool vm = core->vm_flags_count > core->segments.count / 2;
	size_t i;

	for (i = 0; i < core->segments.count; i++) {
		struct ch_segment *segment = CH_VEC_AT(&core->segments, struct ch_segment, i);
		uint32_t flags = segment->flags;

		if (vm)
			flags = (flags & VM_READ ? PF_R : 0U) | (flags & VM_WRITE ? PF_W : 0U) |
				(flags & VM_EXEC ? PF_X : 0U);
		segment->flags = flags & (PF_R | PF_W | PF_X);
	}
	if (vm)
		chp_context_finding(core->ctx, CH_SEVERITY_NOTE, "segment-flags",
				    "the rights of segments are the kernel's flags of a mapping "
				    "(0x%x for the first) instead of an ELF file's: they were read "
				    "as VM_READ, VM_WRITE and VM_EXEC",
				    core->first_flags);
}

static struct ch_error *add_segment(struct ch_core *core, const Elf64_Phdr *phdr, uint32_t index)
{
	uint64_t end, recorded, present = 0;
	struct ch_segment *segment;

	core->stats.load_count++;
	core->load_align_max = ch_max(core->load_align_max, phdr->p_align);
	if (!core->vm_flags_count)
		core->first_flags = phdr->p_flags;
	core->vm_flags_count += (phdr->p_flags & VM_MAY) != 0;
	if (phdr->p_memsz == 0)
		return NULL;
	if (!ch_add(phdr->p_vaddr, phdr->p_memsz, &end)) {
		chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "segment-damaged",
				    "segment %u at 0x%llx wraps around the address space and was "
				    "left out",
				    index, (unsigned long long)phdr->p_vaddr);
		return NULL;
	}
	recorded = ch_min(phdr->p_filesz, phdr->p_memsz);
	if (phdr->p_offset < core->stats.file_bytes)
		present = ch_min(recorded, core->stats.file_bytes - phdr->p_offset);
	segment = ch_vec_push(&core->segments);
	if (!segment)
		return &ch_enomem;
	*segment = (struct ch_segment){ .start = phdr->p_vaddr,
					.end = end,
					.recorded_end = phdr->p_vaddr + recorded,
					.present_end = phdr->p_vaddr + present,
					.off = phdr->p_offset,
					.flags = phdr->p_flags,
					.phdr_index = index };
	return NULL;
}

static int compare_segments(const void *a, const void *b)
{
	const struct ch_segment *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->phdr_index < y->phdr_index ? -1 : x->phdr_index > y->phdr_index;
}

/* Cut the front of a segment off up to start. */
static void cut_front(struct ch_segment *segment, uint64_t start)
{
	segment->off += start - segment->start;
	segment->start = start;
	segment->recorded_end = ch_max(segment->recorded_end, start);
	segment->present_end = ch_max(segment->present_end, start);
}

/* Of overlapping segments the one that starts first keeps the range. */
static void remove_overlaps(struct ch_core *core)
{
	struct ch_segment *segments = core->segments.items;
	size_t i, kept = 0;

	for (i = 0; i < core->segments.count; i++) {
		uint64_t limit = kept ? segments[kept - 1].end : 0;

		if (segments[i].start < limit) {
			chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "segment-overlap",
					    "segment %u at 0x%llx overlaps another one; the "
					    "overlap was taken from the first",
					    segments[i].phdr_index,
					    (unsigned long long)segments[i].start);
			if (segments[i].end <= limit)
				continue;
			cut_front(&segments[i], limit);
		}
		segments[kept++] = segments[i];
	}
	core->segments.count = kept;
}

static int compare_offsets(const void *a, const void *b)
{
	const struct ch_segment *x = *(const struct ch_segment *const *)a;
	const struct ch_segment *y = *(const struct ch_segment *const *)b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static uint64_t contents_end(const struct ch_segment *segment)
{
	return segment->off + (segment->present_end - segment->start);
}

/* Bytes of the file that segments have which others have, too; by_offset in that order. */
static uint64_t count_shared(struct ch_segment *const *by_offset, size_t count)
{
	uint64_t end = 0, shared = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (by_offset[i]->off < end)
			shared += ch_min(end, contents_end(by_offset[i])) - by_offset[i]->off;
		end = ch_max(end, contents_end(by_offset[i]));
	}
	return shared;
}

/* Bytes of the file that a segment before has, too, are left to that. */
static void leave_to_first(struct ch_segment *const *by_offset, size_t count)
{
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		if (by_offset[i]->off < end)
			by_offset[i]->present_end = by_offset[i]->start;
		end = ch_max(end, contents_end(by_offset[i]));
	}
}

/* Whether the contents of segments follow each other in the file, as writers have them. */
static bool is_in_file_order(const struct ch_segment *segments, size_t count)
{
	size_t i;

	for (i = 1; i < count; i++)
		if (segments[i].off < contents_end(&segments[i - 1]))
			return false;
	return true;
}

/* Nobody writes a core whose segments share bytes of the file, and few bytes could stand for
 * any number of them. One damaged header shares what the file has at most. */
static struct ch_error *check_shared(struct ch_core *core)
{
	struct ch_segment *segments = core->segments.items;
	size_t count = core->segments.count, i;
	_cleanup_free_ struct ch_segment **by_offset = NULL;
	uint64_t shared;
	bool left;

	if (is_in_file_order(segments, count))
		return NULL;
	by_offset = malloc((count + 1) * sizeof(*by_offset));
	if (!by_offset)
		return &ch_enomem;
	for (i = 0; i < count; i++)
		by_offset[i] = &segments[i];
	qsort(by_offset, count, sizeof(struct ch_segment *), compare_offsets);
	shared = count_shared(by_offset, count);
	if (!shared)
		return NULL;
	left = shared > SHARED_MAX &&
	       shared > (core->allocated_bytes ? core->allocated_bytes : core->stats.file_bytes);
	chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "segments-share-bytes",
			    "segments share %llu bytes of the file, which no writer of cores does: "
			    "%s",
			    (unsigned long long)shared,
			    left ? "they were left to the first one that has them"
				 : "whose they are is not known");
	if (left)
		leave_to_first(by_offset, count);
	return NULL;
}

static void sum_segments(struct ch_core *core)
{
	struct ch_segment *segments = core->segments.items;
	struct ch_core_stats *stats = &core->stats;
	size_t i = core->segments.count;

	while (i-- > 0) {
		struct ch_segment *s = &segments[i], *next = s + 1;

		stats->mapped_bytes += s->end - s->start;
		stats->recorded_bytes += s->recorded_end - s->start;
		stats->present_bytes += s->present_end - s->start;
		s->run_end = s->present_end;
		if (i + 1 < core->segments.count && s->present_end == s->end &&
		    next->start == s->end && next->present_end > next->start &&
		    next->off == s->off + (s->end - s->start))
			s->run_end = next->run_end;
	}
}

static struct ch_error *read_one_phdr(struct ch_core *core, const Elf64_Phdr *phdr, uint64_t index)
{
	uint64_t end;

	if (phdr->p_type != PT_LOAD && phdr->p_type != PT_NOTE)
		return NULL;
	if (ch_add(phdr->p_offset, phdr->p_filesz, &end)) {
		if (phdr->p_filesz)
			core->stats.expected_file_bytes =
				ch_max(core->stats.expected_file_bytes, end);
	} else {
		chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "segment-damaged",
				    "segment %u has its contents at an impossible offset in the "
				    "file; they are missing",
				    (uint32_t)index);
	}
	if (phdr->p_type == PT_LOAD)
		return add_segment(core, phdr, (uint32_t)index);
	return chp_core_read_notes(core, phdr->p_offset, phdr->p_filesz, phdr->p_align);
}

struct ch_error *chp_core_read_phdrs(struct ch_core *core)
{
	uint64_t i, count = count_phdrs(core), table_end = 0;
	Elf64_Phdr phdr;
	struct ch_error *err;

	if (count && core->ehdr.e_phentsize != sizeof(phdr))
		return ch_error_create(CH_ERROR_FORMAT,
				       "%s: damaged core: program headers of %u bytes instead of "
				       "%zu",
				       core->path, core->ehdr.e_phentsize, sizeof(phdr));
	if (count == 0)
		return not_a_core(core, "an ELF core without any segment");
	if (ch_mul(count, sizeof(phdr), &table_end) &&
	    ch_add(table_end, core->ehdr.e_phoff, &table_end))
		core->stats.expected_file_bytes =
			ch_max(core->stats.expected_file_bytes, table_end);
	for (i = 0; i < count; i++) {
		if (i == PHDRS_MAX) {
			chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "too-many-segments",
					    "more than %u program headers (%llu); the rest was "
					    "left out",
					    PHDRS_MAX, (unsigned long long)count);
			break;
		}
		if (!read_phdr(core, i, &phdr)) {
			if (i == 0)
				return not_a_core(core, "an ELF core cut off before its program "
							"headers: nothing of the process is in it");
			chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "headers-truncated",
					    "the file ends inside the program headers: %llu of "
					    "%llu are there",
					    (unsigned long long)i, (unsigned long long)count);
			break;
		}
		err = read_one_phdr(core, &phdr, i);
		if (err)
			return err;
	}
	settle_flags(core);
	ch_vec_sort(&core->segments, compare_segments);
	remove_overlaps(core);
	err = check_shared(core);
	if (err)
		return err;
	sum_segments(core);
	return NULL;
}
