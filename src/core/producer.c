/*
 * Who wrote the core: the kernel, gdb, createdump or another dumper, by marks that each leaves.
 * It matters, because dumpers differ in what they leave out.
 */
#include <string.h>

#include "core/core_priv.h"
#include "core/kinds.h"
#include "util/cleanup.h"

/*
 * createdump adds a page that was never mapped; its text names the writer:
 * dotnet/runtime src/coreclr/debug/createdump/specialdiaginfo.h,
 * SpecialDiagInfoAddress and SPECIAL_DIAGINFO_SIGNATURE.
 */
#define DIAGINFO_ADDR 0x7ffffff10000

static bool has_diaginfo_text(const struct ch_core *core)
{
	static const char signature[] = "DIAGINFOHEADER";
	uint8_t bytes[sizeof(signature) - 1];

	return ch_core_try_read(core, DIAGINFO_ADDR, bytes, sizeof(bytes)) &&
	       memcmp(bytes, signature, sizeof(bytes)) == 0;
}

static bool has_diaginfo_page(const struct ch_core *core)
{
	const struct ch_segment *segment = ch_core_segment_at(core, DIAGINFO_ADDR);

	return segment && segment->start == DIAGINFO_ADDR;
}

static bool has_note(const struct ch_core *core, uint32_t type)
{
	size_t i;

	for (i = 0; i < core->notes.count; i++)
		if (CH_VEC_AT(&core->notes, struct ch_note, i)->type == type)
			return true;
	return false;
}

/* Whether the notes begin with these types. */
static bool notes_begin(const struct ch_core *core, const uint32_t *types, size_t count)
{
	size_t i;

	if (core->notes.count < count)
		return false;
	for (i = 0; i < count; i++)
		if (CH_VEC_AT(&core->notes, struct ch_note, i)->type != types[i])
			return false;
	return true;
}

void chp_core_find_producer(struct ch_core *core)
{
	/* fs/binfmt_elf.c, write_note_info() */
	static const uint32_t kernel_order[] = { NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO };
	/* createdump/dumpwriterelf.cpp, DumpWriter::WriteDump() */
	static const uint32_t createdump_order[] = { NT_PRPSINFO, NT_AUXV, NT_FILE };
	/* valgrind coregrind/m_coredump/coredump-elf.c, make_elf_coredump() */
	static const uint32_t valgrind_order[] = { NT_PRPSINFO, NT_PRSTATUS, NT_FPREGSET };
	/* qemu linux-user/elfload.c, fill_note_info(); kernels before 3.7 begin so, too */
	static const uint32_t qemu_order[] = { NT_PRSTATUS, NT_PRPSINFO, NT_AUXV };
	const struct {
		bool found;
		enum ch_producer producer;
		const char *basis;
	} rows[] = {
		{ has_diaginfo_text(core), CH_PRODUCER_CREATEDUMP, "a DIAGINFOHEADER page" },
		{ has_diaginfo_page(core), CH_PRODUCER_CREATEDUMP,
		  "a page at the address of DIAGINFOHEADER" },
		{ core->has_gdb_note, CH_PRODUCER_GCORE, "notes of owner GDB" },
		{ notes_begin(core, kernel_order, CH_COUNT_OF(kernel_order)), CH_PRODUCER_KERNEL,
		  "NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO in the kernel's order" },
		{ notes_begin(core, createdump_order, CH_COUNT_OF(createdump_order)),
		  CH_PRODUCER_CREATEDUMP, "NT_PRPSINFO, NT_AUXV, NT_FILE in createdump's order" },
		{ notes_begin(core, valgrind_order, CH_COUNT_OF(valgrind_order)) &&
			  !has_note(core, NT_AUXV),
		  CH_PRODUCER_VALGRIND,
		  "NT_PRPSINFO, NT_PRSTATUS, NT_FPREGSET in valgrind's order, and no NT_AUXV" },
		{ notes_begin(core, qemu_order, CH_COUNT_OF(qemu_order)) &&
			  !has_note(core, NT_FPREGSET) && !core->has_file_note,
		  CH_PRODUCER_QEMU_USER,
		  "NT_PRSTATUS, NT_PRPSINFO, NT_AUXV in qemu-user's order, and no NT_FPREGSET" },
		{ core->load_align_max == 1, CH_PRODUCER_GCORE, "segments with an alignment of 1" },
		{ true, CH_PRODUCER_UNKNOWN, "no producer's mark was found" },
	};
	size_t i = 0;

	while (!rows[i].found)
		i++;
	core->producer = rows[i].producer;
	core->producer_basis = rows[i].basis;
}

struct ch_error *chp_core_check_owners(const struct ch_core *core)
{
	/* kernel/vmcore_info.c; qemu dump/dump.c; xen/include/public/elfnote.h;
	 * sys/elf_common.h of FreeBSD, sys/exec_elf.h of NetBSD and OpenBSD */
	static const struct {
		const char *owner, *what;
	} rows[] = {
		{ "VMCOREINFO",
		  "a dump of the Linux kernel (vmcore), not of a process: open it with "
		  "crash" },
		{ "QEMU", "the memory of a virtual machine, not of a process: open it with crash" },
		{ "Xen", "the memory of a Xen guest, not of a process: open it with crash" },
		{ "FreeBSD", "the core of a FreeBSD process: open it with gdb or lldb" },
		{ "NetBSD-CORE", "the core of a NetBSD process: open it with gdb" },
		{ "OpenBSD", "the core of an OpenBSD process: open it with gdb" },
	};
	const struct ch_note *note;
	size_t i, k;

	for (i = 0; i < core->notes.count; i++) {
		note = CH_VEC_AT(&core->notes, struct ch_note, i);
		for (k = 0; k < CH_COUNT_OF(rows); k++)
			if (strcmp(note->name, rows[k].owner) == 0)
				return chp_not_a_core(core->path, core->stats.compression,
						      rows[k].what);
	}
	return NULL;
}

const char *ch_producer_name(enum ch_producer producer)
{
	static const char *const names[] = { "unknown",    "kernel",   "gcore",
					     "createdump", "valgrind", "qemu-user" };

	return (size_t)producer < CH_COUNT_OF(names) ? names[producer] : "unknown";
}
