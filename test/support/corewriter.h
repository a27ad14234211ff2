/*
 * corewriter.h - writes ELF cores for tests: sound ones, odd ones, lying ones.
 *
 *	struct corewriter *w = cw_create(EM_X86_64);
 *	cw_prstatus(w, 100, SIGSEGV, regs, 27);
 *	cw_load(w, 0x1000, 0x2000, PF_R | PF_W, bytes, 0x1000);
 *	cw_write(w, path, CW_ALL);
 *	cw_destroy(w);
 *
 * It lays the file out as the kernel does: ELF header, program headers (the
 * notes first), notes, contents, and, from 65,535 program headers on, section
 * header 0. Every field can be overridden with a lie before cw_write(). The
 * writer has no idea of what is right: it depends on nothing of the library.
 * All functions end the test when memory or the disk is short.
 */
#ifndef COREHEAP_TEST_COREWRITER_H
#define COREHEAP_TEST_COREWRITER_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** As a limit of cw_write(): the whole file. */
#define CW_ALL UINT64_MAX
/** As an override: the true value. */
#define CW_TRUE UINT64_MAX

struct cw_segment {
	uint32_t type, flags;
	uint64_t vaddr, memsz, align;
	/** Bytes put into the file; data NULL means bytes 0. Copied. */
	uint8_t *data;
	uint64_t data_bytes;
	/** p_filesz and p_offset, or CW_TRUE for data_bytes and its place. */
	uint64_t filesz, offset;
};

struct corewriter {
	/** e_machine, e_type, e_ident[EI_CLASS], e_ident[EI_DATA]. */
	uint16_t machine, type;
	uint8_t class, encoding;
	/** Overrides of e_phnum, e_phentsize, e_phoff and e_shoff, or CW_TRUE. */
	uint64_t phnum, phentsize, phoff, shoff;
	/** sh_info of section header 0, or CW_TRUE. */
	uint64_t sh_info;
	/** p_filesz, p_offset and p_align of the notes; CW_TRUE: true, 4. */
	uint64_t notes_filesz, notes_offset, notes_align;
	/** Leave the PT_NOTE header out. */
	bool no_notes;
	/** Contents of segments begin at multiples of this (default 4096). */
	uint64_t content_align;
	/** Grown by cw_load(), in file order; fields may be changed. */
	struct cw_segment *segments;
	size_t segments_count, segments_capacity;
	/** Note bytes so far. */
	uint8_t *notes;
	size_t notes_bytes;
};

/** Where things lie in the file. */
struct cw_layout {
	uint64_t phdrs_off, phdrs_count, notes_off, contents_off, shdr_off, file_bytes;
};

/** Row of NT_FILE; off in bytes. */
struct cw_file_row {
	uint64_t start, end, off;
	const char *path;
};

/** An empty 64-bit little-endian core of this machine. */
struct corewriter *cw_create(uint16_t machine);
void cw_destroy(struct corewriter *w);

/**
 * Add a PT_LOAD with data_bytes of data (NULL: zeros). The result is valid
 * until the next call and may be changed.
 */
struct cw_segment *cw_load(struct corewriter *w, uint64_t vaddr, uint64_t memsz, uint32_t flags,
			   const void *data, uint64_t data_bytes);

/** Add a note. */
void cw_note(struct corewriter *w, const char *name, uint32_t type, const void *desc, size_t bytes);
/** Add a note whose header says namesz and descsz, followed by these bytes. */
void cw_note_lying(struct corewriter *w, uint32_t namesz, uint32_t descsz, uint32_t type,
		   const void *rest, size_t rest_bytes);
/** NT_PRSTATUS with general registers as the machine orders them. */
void cw_prstatus(struct corewriter *w, uint32_t tid, uint16_t signal, const uint64_t *regs,
		 size_t regs_count);
void cw_prpsinfo(struct corewriter *w, uint32_t pid, uint32_t ppid, const char *comm,
		 const char *args);
/** NT_AUXV of count pairs {type, value}, and the final AT_NULL. */
void cw_auxv(struct corewriter *w, const uint64_t (*pairs)[2], size_t count);
/** NT_FILE in pages of 4096 bytes. */
void cw_file(struct corewriter *w, const struct cw_file_row *rows, size_t count);
/** NT_PRPSINFO, NT_AUXV and NT_FILE without anything of use: nothing is missing. */
void cw_bare_notes(struct corewriter *w);
void cw_siginfo(struct corewriter *w, int32_t signo, int32_t code, uint64_t addr);

/** Where cw_write() would put things. */
struct cw_layout cw_layout(const struct corewriter *w);
/** Write the first limit bytes of the core to path. */
void cw_write(const struct corewriter *w, const char *path, uint64_t limit);
/** Write bytes to path. */
void cw_write_bytes(const char *path, const void *bytes, size_t count);

/** A path in the test's temporary folder ($TMPDIR), unique to this process. */
const char *cw_temp_path(const char *name);

#endif /* COREHEAP_TEST_COREWRITER_H */
