/*
 * The notes of a core: threads with their registers, the process, the auxiliary vector, mapped
 * files, and which signal ended it. Each kind of note has one reader in a table; sizes that
 * contradict the file are told as damage.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"
#include "util/text.h"

/* A note while it is read: desc is borrowed from the file. */
struct raw_note {
	const char *name;
	uint64_t name_len;
	uint32_t type;
	const uint8_t *desc;
	uint64_t len;
};

static struct ch_thread *current_thread(struct ch_core *core)
{
	if (core->threads.count == 0)
		return NULL;
	return CH_VEC_AT(&core->threads, struct ch_thread, core->threads.count - 1);
}

static void damaged(struct ch_core *core, const char *what)
{
	chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "note-damaged", "%s", what);
}

static struct ch_error *take_prstatus(struct ch_core *core, const struct raw_note *note)
{
	struct ch_thread parsed = { 0 }, *thread;

	if (!chp_arch_prstatus(core->arch, note->desc, note->len, &parsed)) {
		damaged(core, "a thread's NT_PRSTATUS note is too short; its registers are lost");
		return NULL;
	}
	if (core->threads.count >= THREADS_MAX) {
		chp_context_finding(core->ctx, CH_SEVERITY_INCOMPLETE, "too-many-threads",
				    "more than %u threads; the rest was left out", THREADS_MAX);
		return NULL;
	}
	thread = ch_vec_push(&core->threads);
	if (!thread)
		return &ch_enomem;
	*thread = parsed;
	return NULL;
}

static void copy_text(char *out, size_t out_size, const uint8_t *field, size_t field_len)
{
	size_t n = strnlen((const char *)field, field_len);

	if (n >= out_size)
		n = out_size - 1;
	memcpy(out, field, n);
	out[n] = '\0';
}

/* struct elf_prpsinfo of 64-bit Linux: include/linux/elfcore.h. */
static struct ch_error *take_prpsinfo(struct ch_core *core, const struct raw_note *note)
{
	struct ch_process *process = &core->process;
	const uint8_t *p = note->desc;
	char *space;

	if (note->len < 136) {
		damaged(core, "the NT_PRPSINFO note is too short; the process is not named");
		return NULL;
	}
	process->has_ids = true;
	process->uid = ch_get32(p + 16);
	process->gid = ch_get32(p + 20);
	process->pid = ch_get32(p + 24);
	process->ppid = ch_get32(p + 28);
	copy_text(process->comm, sizeof(process->comm), p + 40, 16);
	copy_text(process->argv0, sizeof(process->argv0), p + 56, 80);
	space = strchr(process->argv0, ' ');
	if (space)
		*space = '\0';
	return NULL;
}

static struct ch_error *take_auxv(struct ch_core *core, const struct raw_note *note)
{
	struct ch_auxv_entry *entry;
	uint64_t off;

	for (off = 0; ch_inside(off, 16, note->len); off += 16) {
		if (ch_get64(note->desc + off) == AT_NULL || core->auxv.count >= 256)
			break;
		entry = ch_vec_push(&core->auxv);
		if (!entry)
			return &ch_enomem;
		entry->type = ch_get64(note->desc + off);
		entry->value = ch_get64(note->desc + off + 8);
	}
	return NULL;
}

static struct ch_error *take_siginfo(struct ch_core *core, const struct raw_note *note)
{
	struct ch_thread *thread = current_thread(core);

	if (!thread || note->len < 24)
		return NULL;
	thread->si_signo = (int32_t)ch_get32(note->desc);
	thread->si_code = (int32_t)ch_get32(note->desc + 8);
	thread->fault_addr = ch_get64(note->desc + 16);
	thread->has_siginfo = true;
	return NULL;
}

/* NT_ARM_TLS: one or two 64-bit registers, tpidr_el0 first (arch/arm64/kernel/ptrace.c). */
static struct ch_error *take_arm_tls(struct ch_core *core, const struct raw_note *note)
{
	struct ch_thread *thread = current_thread(core);

	if (core->arch == CH_ARCH_AARCH64 && thread && note->len >= 8)
		thread->tls_base = ch_get64(note->desc);
	return NULL;
}

/* Something of NT_FILE is not used: mapped files may be missing. */
static void file_damaged(struct ch_core *core, const char *what)
{
	core->file_note_whole = false;
	damaged(core, what);
}

static struct ch_error *add_file_map(struct ch_core *core, const uint8_t *row, uint64_t unit,
				     const char *path)
{
	struct ch_file_map map = { .start = ch_get64(row), .end = ch_get64(row + 8), .path = path };
	struct ch_file_map *slot;

	if (core->file_maps.count >= FILE_MAPS_MAX) {
		file_damaged(core, "NT_FILE names too many mappings; the rest was left out");
		return NULL;
	}
	if (map.start >= map.end || !ch_mul(ch_get64(row + 16), unit, &map.off)) {
		file_damaged(core, "NT_FILE names an impossible mapping, which was left out");
		return NULL;
	}
	slot = ch_vec_push(&core->file_maps);
	if (!slot)
		return &ch_enomem;
	*slot = map;
	return NULL;
}

/* How many rows go on where the one before ends, in memory and, by this unit, in a file. */
static uint64_t rows_that_go_on(const uint8_t *rows, uint64_t count, uint64_t unit)
{
	uint64_t i, found = 0, from, to;

	for (i = 1; i < count; i++) {
		const uint8_t *a = rows + (i - 1) * 24, *b = rows + i * 24;

		if (ch_get64(a + 8) == ch_get64(b) && ch_get64(b + 16) > ch_get64(a + 16) &&
		    ch_mul(ch_get64(a + 16), unit, &from) && ch_mul(ch_get64(b + 16), unit, &to) &&
		    to - from == ch_get64(a + 8) - ch_get64(a))
			found++;
	}
	return found;
}

/*
 * Bytes that the offsets of NT_FILE count in. The kernel writes its page size
 * and offsets in pages, gdb's gcore 1 and bytes; others write one with the
 * offsets of the other, or 0. The text of a program lies behind its headers in
 * the file as in memory: where no row says so by the unit that is claimed, and
 * some do by another one, that is meant.
 */
static uint64_t file_unit(struct ch_core *core, const uint8_t *rows, uint64_t count,
			  uint64_t claimed)
{
	static const uint64_t units[] = { 1, 4096, 16384, 65536 };
	uint64_t unit = claimed ? claimed : CH_PAGE_BYTES, i;

	if (rows_that_go_on(rows, count, unit))
		i = sizeof(units) / sizeof(units[0]);
	else
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (rows_that_go_on(rows, count, units[i]))
				break;
	if (i < sizeof(units) / sizeof(units[0]))
		unit = units[i];
	if (unit != claimed)
		chp_context_finding(core->ctx, CH_SEVERITY_NOTE, "file-note-unit",
				    "NT_FILE gives a page size of %llu, which its offsets "
				    "contradict: they were taken for multiples of %llu bytes",
				    (unsigned long long)claimed, (unsigned long long)unit);
	return unit;
}

/*
 * NT_FILE (fs/binfmt_elf.c, fill_files_note): count, page size, count rows of
 * {start, end, offset in pages}, then count NUL-terminated paths.
 */
static struct ch_error *take_file(struct ch_core *core, const struct raw_note *note)
{
	uint64_t count, i, unit;
	const char *path, *end, *nul;
	struct ch_error *err;

	core->has_file_note = true;
	if (note->len < 16) {
		file_damaged(core, "the NT_FILE note is too short; mapped files are not named");
		return NULL;
	}
	count = ch_get64(note->desc);
	/* a row takes 24 bytes and its path at least one */
	if (count > (note->len - 16) / 25) {
		file_damaged(core,
			     "the NT_FILE note claims more rows than it holds; mapped files are "
			     "not named");
		return NULL;
	}
	unit = file_unit(core, note->desc + 16, count, ch_get64(note->desc + 8));
	path = (const char *)note->desc + 16 + count * 24;
	end = (const char *)note->desc + note->len;
	for (i = 0; i < count; i++, path = nul + 1) {
		nul = path < end ? memchr(path, '\0', (size_t)(end - path)) : NULL;
		if (!nul) {
			file_damaged(core, "the NT_FILE note ends inside its list of paths");
			return NULL;
		}
		err = add_file_map(core, note->desc + 16 + i * 24, unit, path);
		if (err)
			return err;
	}
	return NULL;
}

/* Notes that coreheap reads, by owner and type. */
static const struct note_reader {
	const char *name;
	uint32_t type;
	/* NULL: known and of no use here */
	struct ch_error *(*take)(struct ch_core *core, const struct raw_note *note);
} note_readers[] = {
	{ "CORE", NT_PRSTATUS, take_prstatus }, { "CORE", NT_PRPSINFO, take_prpsinfo },
	{ "CORE", NT_AUXV, take_auxv },         { "CORE", NT_FILE, take_file },
	{ "CORE", NT_SIGINFO, take_siginfo },   { "CORE", NT_FPREGSET, NULL },
	{ "LINUX", NT_X86_XSTATE, NULL },       { "LINUX", 0x205 /* NT_X86_XSAVE_LAYOUT */, NULL },
	{ "LINUX", NT_ARM_TLS, take_arm_tls },  { "GDB", 0xff000000 /* NT_GDB_TDESC */, NULL },
};

static const struct note_reader *find_reader(const struct raw_note *note)
{
	size_t i;

	for (i = 0; i < sizeof(note_readers) / sizeof(note_readers[0]); i++)
		if (note_readers[i].type == note->type &&
		    strnlen(note->name, note->name_len) == strlen(note_readers[i].name) &&
		    memcmp(note->name, note_readers[i].name, strlen(note_readers[i].name)) == 0)
			return &note_readers[i];
	return NULL;
}

/* Escaped owner name, each stored once. */
static const char *intern_name(struct ch_core *core, const struct raw_note *note)
{
	char *name = chp_text_escape(note->name_len ? note->name : "",
				     ch_min(note->name_len, NOTE_NAME_MAX));
	char **slot;
	size_t i;

	if (!name)
		return NULL;
	for (i = 0; i < core->note_names.count; i++) {
		slot = CH_VEC_AT(&core->note_names, char *, i);
		if (strcmp(*slot, name) == 0) {
			free(name);
			return *slot;
		}
	}
	slot = core->note_names.count < NOTE_NAMES_MAX ? ch_vec_push(&core->note_names) : NULL;
	if (!slot) {
		free(name);
		return "?";
	}
	*slot = name;
	return name;
}

static struct ch_error *take_note(struct ch_core *core, const struct raw_note *raw)
{
	const struct note_reader *reader = find_reader(raw);
	struct ch_note *note = ch_vec_push(&core->notes);

	if (!note)
		return &ch_enomem;
	note->name = intern_name(core, raw);
	if (!note->name)
		return &ch_enomem;
	note->type = raw->type;
	note->size_bytes = (uint32_t)raw->len;
	note->off = (uint64_t)(raw->desc - core->data);
	note->known = reader != NULL;
	if (raw->name_len == 4 && memcmp(raw->name, "GDB", 4) == 0)
		core->has_gdb_note = true;
	return reader && reader->take ? reader->take(core, raw) : NULL;
}

/* Parse the note at *off of p[0 .. len); false when it does not fit. */
static bool next_note(const uint8_t *p, uint64_t len, uint64_t align, uint64_t *off,
		      struct raw_note *ret)
{
	uint64_t pos = *off, name_bytes;

	if (!ch_inside(pos, 12, len))
		return false;
	ret->name_len = ch_get32(p + pos);
	ret->len = ch_get32(p + pos + 4);
	ret->type = ch_get32(p + pos + 8);
	pos += 12;
	name_bytes = ch_align_up(pos + ret->name_len, align) - pos;
	if (!ch_inside(pos, name_bytes, len) || !ch_inside(pos + name_bytes, ret->len, len))
		return false;
	ret->name = (const char *)p + pos;
	ret->desc = p + pos + name_bytes;
	*off = ch_align_up(pos + name_bytes + ret->len, align);
	return true;
}

/* Bytes of p[0 .. len) that are notes one after the other, by this alignment. */
static uint64_t notes_bytes(const uint8_t *p, uint64_t len, uint64_t align)
{
	struct raw_note note;
	uint64_t pos = 0;

	while (next_note(p, len, align, &pos, &note))
		;
	return pos;
}

/*
 * gABI: notes are aligned to 8 bytes when p_align is 8; cores in the wild have
 * 4, 1 and 0 and mean 4, and some have 8 and mean 4, too.
 */
static uint64_t notes_align(const uint8_t *p, uint64_t len, uint64_t align)
{
	return align == 8 && notes_bytes(p, len, 8) >= notes_bytes(p, len, 4) ? 8 : 4;
}

struct ch_error *chp_core_read_notes(struct ch_core *core, uint64_t off, uint64_t len,
				     uint64_t align)
{
	struct raw_note note = { 0 };
	struct ch_error *err;
	const uint8_t *p;
	uint64_t pos = 0;

	if (off >= core->stats.file_bytes)
		return NULL;
	len = ch_min(len, core->stats.file_bytes - off);
	/* Segments that share their bytes would be read again and again. */
	if (core->notes_bytes > core->stats.file_bytes - len) {
		damaged(core, "the segments of notes overlap; the rest of them was left out");
		return NULL;
	}
	core->notes_bytes += len;
	p = core->data + off;
	align = notes_align(p, len, align);
	while (next_note(p, len, align, &pos, &note)) {
		if (core->notes.count >= NOTES_MAX) {
			damaged(core, "too many notes; the rest was left out");
			return NULL;
		}
		err = take_note(core, &note);
		if (err)
			return err;
	}
	if (len >= 12 && pos < len - 12)
		damaged(core, "the notes are damaged or cut off; threads or mapped files may be "
			      "missing");
	return NULL;
}

static int compare_file_maps(const void *a, const void *b)
{
	const struct ch_file_map *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* How well a thread's notes say that it died; 0: they do not. */
static int death_score(const struct ch_core *core, const struct ch_thread *thread)
{
	if (thread->signal)
		return thread->has_siginfo && thread->si_signo == thread->signal ? 3 : 2;
	/* gdb writes what stopped a thread last, also when it only looked at the process. */
	return !core->has_gdb_note && thread->has_siginfo && thread->si_signo > 0 &&
	       thread->si_signo != SIGSTOP && thread->si_signo != SIGTRAP;
}

/*
 * Which thread died, and of what. The kernel and gdb put that thread first and give its
 * signal to all of them; createdump keeps the order of their ids, and only the one that
 * died has a signal. The best score wins, and of equal ones the first.
 */
static void find_death(struct ch_core *core)
{
	const struct ch_thread *threads = core->threads.items, *dead = threads;
	struct ch_process *process = &core->process;
	int best = 0, score;
	size_t i;

	for (i = 0; i < core->threads.count; i++) {
		score = death_score(core, &threads[i]);
		if (score > best) {
			best = score;
			dead = &threads[i];
		}
	}
	process->crash_tid = dead->tid;
	process->crash_index = (size_t)(dead - threads);
	process->signal = dead->signal ? dead->signal : best ? dead->si_signo : 0;
}

void chp_core_finish_notes(struct ch_core *core)
{
	struct ch_file_map *maps = core->file_maps.items;
	struct ch_process *process = &core->process;
	size_t i, kept = 0;

	ch_vec_sort(&core->file_maps, compare_file_maps);
	for (i = 0; i < core->file_maps.count; i++) {
		if (kept && maps[i].start < maps[kept - 1].end) {
			file_damaged(core, "NT_FILE names overlapping mappings; one was left out");
			continue;
		}
		maps[kept++] = maps[i];
	}
	core->file_maps.count = kept;
	if (core->threads.count == 0)
		return;
	find_death(core);
	if (process->pid == 0)
		process->pid = CH_VEC_AT(&core->threads, struct ch_thread, 0)->tid;
}
