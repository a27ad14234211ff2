/*
 * The core writer checked by libelf, so that a test of the reader never rests
 * on the writer and the reader sharing a mistake.
 */
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#include "support/ck.h"
#include "support/corewriter.h"

static Elf *open_written(const struct corewriter *w, int *fd_ret)
{
	const char *path = cw_temp_path("written");

	cw_write(w, path, CW_ALL);
	*fd_ret = open(path, O_RDONLY);
	ck_assert_int_ge(*fd_ret, 0);
	unlink(path);
	elf_version(EV_CURRENT);
	return elf_begin(*fd_ret, ELF_C_READ, NULL);
}

static void close_written(Elf *elf, int fd)
{
	elf_end(elf);
	close(fd);
}

START_TEST(headers_and_contents_are_where_libelf_finds_them)
{
	static const struct {
		uint8_t class, encoding;
		uint16_t machine;
	} rows[] = { { ELFCLASS64, ELFDATA2LSB, EM_X86_64 },
		     { ELFCLASS64, ELFDATA2MSB, EM_PPC64 },
		     { ELFCLASS32, ELFDATA2LSB, EM_386 },
		     { ELFCLASS32, ELFDATA2MSB, EM_PPC } };
	struct corewriter *w = cw_create(rows[_i].machine);
	GElf_Ehdr ehdr;
	GElf_Phdr phdr;
	size_t count, file_bytes;
	char *bytes;
	Elf *elf;
	int fd;

	w->class = rows[_i].class;
	w->encoding = rows[_i].encoding;
	cw_load(w, 0x1000, 0x2000, PF_R, "first", 5);
	cw_load(w, 0x5000, 0x1000, PF_R | PF_W, "second", 6);
	elf = open_written(w, &fd);
	ck_assert_ptr_nonnull(gelf_getehdr(elf, &ehdr));
	ck_assert_uint_eq(ehdr.e_machine, rows[_i].machine);
	ck_assert_uint_eq(ehdr.e_type, ET_CORE);
	ck_assert_uint_eq(ehdr.e_ident[EI_CLASS], rows[_i].class);
	ck_assert_int_eq(elf_getphdrnum(elf, &count), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_ptr_nonnull(gelf_getphdr(elf, 0, &phdr));
	ck_assert_uint_eq(phdr.p_type, PT_NOTE);
	ck_assert_ptr_nonnull(gelf_getphdr(elf, 2, &phdr));
	ck_assert_uint_eq(phdr.p_vaddr, 0x5000);
	ck_assert_uint_eq(phdr.p_memsz, 0x1000);
	ck_assert_uint_eq(phdr.p_filesz, 6);
	ck_assert_uint_eq(phdr.p_flags, PF_R | PF_W);
	bytes = elf_rawfile(elf, &file_bytes);
	ck_assert_mem_eq(bytes + phdr.p_offset, "second", 6);
	ck_assert_uint_eq(file_bytes, cw_layout(w).file_bytes);
	close_written(elf, fd);
	cw_destroy(w);
}
END_TEST

START_TEST(extended_numbering_counts_as_libelf_counts)
{
	struct corewriter *w = cw_create(EM_X86_64);
	GElf_Ehdr ehdr;
	GElf_Phdr phdr;
	size_t count, i;
	Elf *elf;
	int fd;

	for (i = 0; i < 70000; i++)
		cw_load(w, 0x10000 + i * 0x2000, 0x1000, PF_R, NULL, 0);
	elf = open_written(w, &fd);
	ck_assert_ptr_nonnull(gelf_getehdr(elf, &ehdr));
	ck_assert_uint_eq(ehdr.e_phnum, PN_XNUM);
	ck_assert_int_eq(elf_getphdrnum(elf, &count), 0);
	ck_assert_uint_eq(count, 70001);
	ck_assert_ptr_nonnull(gelf_getphdr(elf, 70000, &phdr));
	ck_assert_uint_eq(phdr.p_vaddr, 0x10000 + 69999UL * 0x2000);
	close_written(elf, fd);
	cw_destroy(w);
}
END_TEST

START_TEST(notes_parse_with_libelf)
{
	static const uint64_t regs[27] = { 1, 2, 3 };
	static const uint64_t auxv[][2] = { { AT_PAGESZ, 4096 } };
	static const struct cw_file_row row = { 0x1000, 0x2000, 0, "/bin/true" };
	static const uint32_t types[] = { NT_PRSTATUS, NT_PRPSINFO, NT_AUXV,
					  NT_FILE,     NT_SIGINFO,  0x12345 };
	struct corewriter *w = cw_create(EM_X86_64);
	size_t at = 0, name_at, desc_at, i;
	GElf_Phdr phdr;
	GElf_Nhdr nhdr;
	Elf_Data *data;
	Elf *elf;
	int fd;

	cw_prstatus(w, 7, 11, regs, 27);
	cw_prpsinfo(w, 7, 1, "true", "true --yes");
	cw_auxv(w, auxv, 1);
	cw_file(w, &row, 1);
	cw_siginfo(w, 11, 1, 0x10);
	cw_note(w, "ODD", 0x12345, "abc", 3);
	elf = open_written(w, &fd);
	ck_assert_ptr_nonnull(gelf_getphdr(elf, 0, &phdr));
	data = elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, phdr.p_filesz, ELF_T_NHDR);
	ck_assert_ptr_nonnull(data);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		at = gelf_getnote(data, at, &nhdr, &name_at, &desc_at);
		ck_assert_uint_gt(at, 0);
		ck_assert_uint_eq(nhdr.n_type, types[i]);
		ck_assert_str_eq((char *)data->d_buf + name_at, i < 5 ? "CORE" : "ODD");
	}
	ck_assert_uint_eq(nhdr.n_descsz, 3);
	ck_assert_mem_eq((char *)data->d_buf + desc_at, "abc", 3);
	ck_assert_uint_eq(at, phdr.p_filesz);
	close_written(elf, fd);
	cw_destroy(w);
}
END_TEST

Suite *suite_corewriter(void)
{
	Suite *suite = suite_create("corewriter");
	TCase *tcase = tcase_create("libelf");

	tcase_add_loop_test(tcase, headers_and_contents_are_where_libelf_finds_them, 0, 4);
	tcase_add_test(tcase, extended_numbering_counts_as_libelf_counts);
	tcase_add_test(tcase, notes_parse_with_libelf);
	suite_add_tcase(suite, tcase);
	return suite;
}
