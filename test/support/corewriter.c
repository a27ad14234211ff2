#include "support/corewriter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One file under construction: integers in the byte order asked for. */
struct image {
	uint8_t *bytes;
	uint64_t size;
	bool big;
};

static void stop(const char *what)
{
	perror(what);
	abort();
}

static void *grow(void *p, size_t bytes)
{
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		stop("corewriter: realloc");
	return p;
}

struct corewriter *cw_create(uint16_t machine)
{
	struct corewriter *w = grow(NULL, sizeof(*w));

	*w = (struct corewriter){ .machine = machine,
				  .type = ET_CORE,
				  .class = ELFCLASS64,
				  .encoding = ELFDATA2LSB,
				  .phnum = CW_TRUE,
				  .phentsize = CW_TRUE,
				  .phoff = CW_TRUE,
				  .shoff = CW_TRUE,
				  .sh_info = CW_TRUE,
				  .notes_filesz = CW_TRUE,
				  .notes_offset = CW_TRUE,
				  .notes_align = CW_TRUE,
				  .content_align = 4096 };
	return w;
}

void cw_destroy(struct corewriter *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->segments_count; i++)
		free(w->segments[i].data);
	free(w->segments);
	free(w->notes);
	free(w);
}

struct cw_segment *cw_load(struct corewriter *w, uint64_t vaddr, uint64_t memsz, uint32_t flags,
			   const void *data, uint64_t data_bytes)
{
	struct cw_segment *segment;

	if (w->segments_count == w->segments_capacity) {
		w->segments_capacity = w->segments_capacity ? w->segments_capacity * 2 : 16;
		w->segments = grow(w->segments, w->segments_capacity * sizeof(*w->segments));
	}
	segment = &w->segments[w->segments_count++];
	*segment = (struct cw_segment){ .type = PT_LOAD,
					.flags = flags,
					.vaddr = vaddr,
					.memsz = memsz,
					.align = 4096,
					.data_bytes = data_bytes,
					.filesz = CW_TRUE,
					.offset = CW_TRUE };
	if (data_bytes) {
		segment->data = grow(NULL, data_bytes);
		if (data)
			memcpy(segment->data, data, data_bytes);
		else
			memset(segment->data, 0, data_bytes);
	}
	return segment;
}

static void append(struct corewriter *w, const void *bytes, size_t count, size_t padded)
{
	w->notes = grow(w->notes, w->notes_bytes + padded);
	memset(w->notes + w->notes_bytes, 0, padded);
	if (count)
		memcpy(w->notes + w->notes_bytes, bytes, count);
	w->notes_bytes += padded;
}

static size_t round_up(size_t value, size_t align)
{
	return (value + align - 1) / align * align;
}

void cw_note_lying(struct corewriter *w, uint32_t namesz, uint32_t descsz, uint32_t type,
		   const void *rest, size_t rest_bytes)
{
	uint32_t header[3] = { namesz, descsz, type };

	append(w, header, sizeof(header), sizeof(header));
	append(w, rest, rest_bytes, round_up(rest_bytes, 4));
}

void cw_note(struct corewriter *w, const char *name, uint32_t type, const void *desc, size_t bytes)
{
	size_t align = w->notes_align == 8 ? 8 : 4, name_bytes = strlen(name) + 1;
	uint32_t header[3] = { (uint32_t)name_bytes, (uint32_t)bytes, type };

	append(w, header, sizeof(header), sizeof(header));
	append(w, name, name_bytes, round_up(sizeof(header) + name_bytes, align) - sizeof(header));
	append(w, desc, bytes, round_up(bytes, align));
}

void cw_prstatus(struct corewriter *w, uint32_t tid, uint16_t signal, const uint64_t *regs,
		 size_t regs_count)
{
	/* include/linux/elfcore.h, struct elf_prstatus; pr_reg, then pr_fpvalid */
	uint8_t desc[112 + 34 * 8 + 8] = { 0 };
	uint32_t signo = signal;

	memcpy(desc, &signo, 4);
	memcpy(desc + 12, &signal, 2);
	memcpy(desc + 32, &tid, 4);
	memcpy(desc + 112, regs, regs_count * 8);
	cw_note(w, "CORE", NT_PRSTATUS, desc, 112 + regs_count * 8 + 8);
}

void cw_prpsinfo(struct corewriter *w, uint32_t pid, uint32_t ppid, const char *comm,
		 const char *args)
{
	/* include/linux/elfcore.h, struct elf_prpsinfo */
	uint8_t desc[136] = { 0 };

	memcpy(desc + 24, &pid, 4);
	memcpy(desc + 28, &ppid, 4);
	memcpy(desc + 40, comm, strnlen(comm, 16));
	memcpy(desc + 56, args, strnlen(args, 80));
	cw_note(w, "CORE", NT_PRPSINFO, desc, sizeof(desc));
}

void cw_auxv(struct corewriter *w, const uint64_t (*pairs)[2], size_t count)
{
	uint64_t *desc = grow(NULL, (count + 1) * 16);

	if (count)
		memcpy(desc, pairs, count * 16);
	memset(desc + 2 * count, 0, 16);
	cw_note(w, "CORE", NT_AUXV, desc, (count + 1) * 16);
	free(desc);
}

void cw_file(struct corewriter *w, const struct cw_file_row *rows, size_t count)
{
	size_t bytes = 16 + 24 * count, i, at;
	uint64_t head[2] = { count, 4096 };
	uint8_t *desc;

	for (i = 0; i < count; i++)
		bytes += strlen(rows[i].path) + 1;
	desc = grow(NULL, bytes);
	memcpy(desc, head, sizeof(head));
	for (i = 0, at = 16 + 24 * count; i < count; i++) {
		uint64_t row[3] = { rows[i].start, rows[i].end, rows[i].off / 4096 };

		memcpy(desc + 16 + 24 * i, row, sizeof(row));
		memcpy(desc + at, rows[i].path, strlen(rows[i].path) + 1);
		at += strlen(rows[i].path) + 1;
	}
	cw_note(w, "CORE", NT_FILE, desc, bytes);
	free(desc);
}

void cw_bare_notes(struct corewriter *w)
{
	static const uint64_t pairs[][2] = { { AT_PAGESZ, 4096 } };

	cw_prpsinfo(w, 100, 1, "test", "test");
	cw_auxv(w, pairs, 1);
	cw_file(w, NULL, 0);
}

void cw_siginfo(struct corewriter *w, int32_t signo, int32_t code, uint64_t addr)
{
	/* include/uapi/asm-generic/siginfo.h: si_signo, si_errno, si_code, _addr */
	uint8_t desc[128] = { 0 };

	memcpy(desc, &signo, 4);
	memcpy(desc + 8, &code, 4);
	memcpy(desc + 16, &addr, 8);
	cw_note(w, "CORE", NT_SIGINFO, desc, sizeof(desc));
}

static uint64_t place_contents(const struct corewriter *w, uint64_t off, uint64_t index)
{
	if (!w->segments[index].data_bytes)
		return off;
	return round_up(off, w->content_align ? w->content_align : 1);
}

static size_t phdr_bytes(const struct corewriter *w)
{
	return w->class == ELFCLASS32 ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);
}

struct cw_layout cw_layout(const struct corewriter *w)
{
	struct cw_layout layout = { 0 };
	uint64_t off;
	size_t i;

	layout.phdrs_off = w->class == ELFCLASS32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
	layout.phdrs_count = w->segments_count + !w->no_notes;
	layout.notes_off = layout.phdrs_off + layout.phdrs_count * phdr_bytes(w);
	off = layout.notes_off + w->notes_bytes;
	for (i = 0; i < w->segments_count; i++) {
		off = place_contents(w, off, i);
		if (!layout.contents_off && w->segments[i].data_bytes)
			layout.contents_off = off;
		off += w->segments[i].data_bytes;
	}
	if (layout.phdrs_count >= PN_XNUM || w->phnum == PN_XNUM) {
		layout.shdr_off = round_up(off, 8);
		off = layout.shdr_off + sizeof(Elf64_Shdr);
	}
	layout.file_bytes = off;
	return layout;
}

/* An integer of n bytes at off. */
static void put(struct image *image, uint64_t off, uint64_t value, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		image->bytes[off + (image->big ? n - 1 - i : i)] = (uint8_t)(value >> (8 * i));
}

static uint64_t or_true(uint64_t override, uint64_t truth)
{
	return override == CW_TRUE ? truth : override;
}

static void put_ehdr(const struct corewriter *w, struct image *image,
		     const struct cw_layout *layout)
{
	uint64_t phnum = layout->phdrs_count < PN_XNUM ? layout->phdrs_count : PN_XNUM;
	bool small = w->class == ELFCLASS32;
	size_t word = small ? 4 : 8, at;

	memcpy(image->bytes, ELFMAG, SELFMAG);
	image->bytes[EI_CLASS] = w->class;
	image->bytes[EI_DATA] = w->encoding;
	image->bytes[EI_VERSION] = EV_CURRENT;
	put(image, 16, w->type, 2);
	put(image, 18, w->machine, 2);
	put(image, 20, EV_CURRENT, 4);
	at = 24 + word; /* after e_entry */
	put(image, at, or_true(w->phoff, layout->phdrs_off), word);
	put(image, at + word, or_true(w->shoff, layout->shdr_off), word);
	at += 2 * word + 4; /* after e_flags */
	put(image, at, layout->phdrs_off, 2);
	put(image, at + 2, or_true(w->phentsize, phdr_bytes(w)), 2);
	put(image, at + 4, or_true(w->phnum, phnum), 2);
	put(image, at + 6, layout->shdr_off ? sizeof(Elf64_Shdr) : 0, 2);
	put(image, at + 8, layout->shdr_off ? 1 : 0, 2);
}

static void put_phdr(const struct corewriter *w, struct image *image, uint64_t at,
		     const struct cw_segment *s)
{
	if (w->class == ELFCLASS32) {
		const uint64_t fields[] = { s->type,   s->offset, s->vaddr, 0,
					    s->filesz, s->memsz,  s->flags, s->align };
		size_t i;

		for (i = 0; i < 8; i++)
			put(image, at + 4 * i, fields[i], 4);
		return;
	}
	put(image, at, s->type, 4);
	put(image, at + 4, s->flags, 4);
	put(image, at + 8, s->offset, 8);
	put(image, at + 16, s->vaddr, 8);
	put(image, at + 32, s->filesz, 8);
	put(image, at + 40, s->memsz, 8);
	put(image, at + 48, s->align, 8);
}

static void put_notes(const struct corewriter *w, struct image *image,
		      const struct cw_layout *layout)
{
	struct cw_segment s = { .type = PT_NOTE,
				.align = or_true(w->notes_align, 4),
				.filesz = or_true(w->notes_filesz, w->notes_bytes),
				.offset = or_true(w->notes_offset, layout->notes_off) };

	if (!w->no_notes)
		put_phdr(w, image, layout->phdrs_off, &s);
	if (w->notes_bytes)
		memcpy(image->bytes + layout->notes_off, w->notes, w->notes_bytes);
}

static void put_segments(const struct corewriter *w, struct image *image,
			 const struct cw_layout *layout)
{
	uint64_t off = layout->notes_off + w->notes_bytes;
	uint64_t at = layout->phdrs_off + (w->no_notes ? 0 : phdr_bytes(w));
	size_t i;

	for (i = 0; i < w->segments_count; i++, at += phdr_bytes(w)) {
		struct cw_segment s = w->segments[i];

		off = place_contents(w, off, i);
		s.offset = or_true(s.offset, off);
		s.filesz = or_true(s.filesz, s.data_bytes);
		put_phdr(w, image, at, &s);
		if (s.data_bytes)
			memcpy(image->bytes + off, s.data, s.data_bytes);
		off += s.data_bytes;
	}
}

void cw_write_bytes(const char *path, const void *bytes, size_t count)
{
	FILE *file = fopen(path, "wb");

	if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
		stop(path);
}

void cw_write(const struct corewriter *w, const char *path, uint64_t limit)
{
	struct cw_layout layout = cw_layout(w);
	struct image image = { .size = layout.file_bytes, .big = w->encoding == ELFDATA2MSB };

	image.bytes = calloc(1, image.size);
	if (!image.bytes)
		stop("corewriter: calloc");
	put_ehdr(w, &image, &layout);
	put_notes(w, &image, &layout);
	put_segments(w, &image, &layout);
	if (layout.shdr_off) {
		/* gABI: section header 0 carries the true counts. */
		put(&image, layout.shdr_off + 32, 1, 8);
		put(&image, layout.shdr_off + 44, or_true(w->sh_info, layout.phdrs_count), 4);
	}
	cw_write_bytes(path, image.bytes, limit < image.size ? limit : image.size);
	free(image.bytes);
}

const char *cw_temp_path(const char *name)
{
	static _Thread_local char path[4096];
	const char *folder = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/%s.%d", folder ? folder : "/tmp", name, (int)getpid());
	return path;
}
