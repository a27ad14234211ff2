/* See debugcase.h. */
#include "support/debugcase.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug/debug_priv.h"
#include "support/corewriter.h"

#define BASE  0x400000ULL
#define STACK 0x7ffd00000000ULL
/* In the order of user_regs_struct. */
#define X86_REGS 27
#define X86_RIP  16
#define X86_RSP  19

/* The headers that make a mapping a module. */
struct headers {
	Elf64_Ehdr ehdr;
	Elf64_Phdr load;
};

static const struct headers headers = {
	.ehdr = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			       EV_CURRENT },
		  .e_type = ET_EXEC,
		  .e_machine = EM_X86_64,
		  .e_version = EV_CURRENT,
		  .e_phoff = sizeof(Elf64_Ehdr),
		  .e_ehsize = sizeof(Elf64_Ehdr),
		  .e_phentsize = sizeof(Elf64_Phdr),
		  .e_phnum = 1 },
	.load = { .p_type = PT_LOAD,
		  .p_flags = PF_R | PF_W,
		  .p_vaddr = BASE,
		  .p_filesz = 0x2000,
		  .p_memsz = 0x2000,
		  .p_align = 0x1000 },
};

static void must(struct ch_error *err)
{
	if (err)
		abort();
}

void debugcase_open(struct debugcase *c, const uint8_t *bytes, size_t len)
{
	const struct cw_file_row row = { BASE, BASE + 0x2000, 0, "/nowhere/program" };
	struct corewriter *w = cw_create(EM_X86_64);
	const char *path = cw_temp_path("debugcase");
	struct ch_debug_file from = { .bias = BASE };
	/* where code of small libraries lies */
	const uint64_t regs[X86_REGS] = { [X86_RIP] = BASE + 0x1010, [X86_RSP] = STACK };
	size_t count;

	memset(c, 0, sizeof(*c));
	cw_prstatus(w, 1, 6, regs, X86_REGS);
	cw_file(w, &row, 1);
	cw_load(w, BASE, 0x2000, PF_R | PF_W, &headers, sizeof(headers));
	cw_load(w, STACK, 0x1000, PF_R | PF_W, NULL, 0x1000);
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	c->ctx = ch_context_create(NULL);
	must(ch_core_open(c->ctx, path, NULL, &c->core));
	unlink(path);
	must(ch_sym_open(c->core, NULL, &c->sym));
	must(chp_ctypes_create(c->core, c->sym, &c->ctypes));
	ch_sym_modules(c->sym, &count);
	c->bytes = malloc(len + 1);
	if (!c->bytes || count != 1)
		abort();
	memcpy(c->bytes, bytes, len);
	c->elf = elf_memory((char *)c->bytes, len);
	from.elf = c->elf;
	c->ctypes->tried[0] = true;
	if (c->elf && elf_kind(c->elf) == ELF_K_ELF)
		chp_debug_attach(c->ctypes, 0, &from);
}

void debugcase_close(struct debugcase *c)
{
	chp_ctypes_destroy(c->ctypes);
	ch_sym_close(c->sym);
	ch_core_close(c->core);
	ch_context_destroy(c->ctx);
	elf_end(c->elf);
	free(c->bytes);
}

static struct ch_error *take(void *arg, const struct ch_variable *variable)
{
	struct debugcase *c = arg;

	chp_ctype(c->ctypes, variable->type);
	return NULL;
}

void debugcase_use(struct debugcase *c)
{
	struct ch_error *err = chp_ctypes_variables(c->ctypes, take, c);
	const struct ch_ctype *type;
	uint32_t id, i;

	ch_error_destroy(err);
	ch_error_destroy(chp_ctypes_locals(c->ctypes, take, c));
	chp_ctype_named(c->ctypes, NULL, "node");
	for (id = 1; id <= chp_ctypes_count(c->ctypes); id++) {
		type = chp_ctype(c->ctypes, id);
		free(chp_ctype_text(c->ctypes, id));
		for (i = 0; i < type->members_count; i++)
			if (type->members[i].type > chp_ctypes_count(c->ctypes))
				abort();
	}
}
