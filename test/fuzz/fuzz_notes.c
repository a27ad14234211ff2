/*
 * The contents of PT_NOTE alone, in a core that is sound otherwise. The first
 * byte chooses the machine and the alignment.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/use_core.h"

struct head {
	Elf64_Ehdr ehdr;
	Elf64_Phdr notes, load;
};

static struct head make_head(uint8_t choice, size_t notes_bytes)
{
	return (struct head){
		.ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_CORE,
			  .e_machine = choice & 1 ? EM_AARCH64 : EM_X86_64,
			  .e_version = EV_CURRENT,
			  .e_phoff = offsetof(struct head, notes),
			  .e_ehsize = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 2 },
		.notes = { .p_type = PT_NOTE,
			   .p_offset = sizeof(struct head),
			   .p_filesz = notes_bytes,
			   .p_align = choice & 2 ? 8 : 4 },
		.load = { .p_type = PT_LOAD,
			  .p_flags = PF_R,
			  .p_vaddr = 0x400000,
			  .p_memsz = 0x1000,
			  .p_filesz = sizeof(struct head) },
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head head;
	uint8_t *file;

	if (!size)
		return 0;
	head = make_head(data[0], size - 1);
	file = malloc(sizeof(head) + size - 1);
	if (!file)
		return 0;
	memcpy(file, &head, sizeof(head));
	memcpy(file + sizeof(head), data + 1, size - 1);
	use_core_bytes(file, sizeof(head) + size - 1);
	free(file);
	return 0;
}
