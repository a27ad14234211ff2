/*
 * core_priv.h - the inside of struct ch_core, shared by the files of src/core.
 */
#ifndef COREHEAP_CORE_PRIV_H
#define COREHEAP_CORE_PRIV_H

#include <elf.h>
#include <pthread.h>

#include <coreheap/core.h>

#include "util/vec.h"

/* A core of 100,000 threads has some 600,000 notes; more is an attack. */
#define NOTES_MAX     (1U << 20)
#define THREADS_MAX   (1U << 17)
#define FILE_MAPS_MAX (1U << 20)
/* The kernel's vm.max_map_count is 65,530 unless raised. */
#define PHDRS_MAX (1U << 21)
/* Owner names are "CORE", "LINUX", "GDB"; more of a name is an attack. */
#define NOTE_NAME_MAX  64
#define NOTE_NAMES_MAX 64

struct ch_overlay {
	uint64_t start, end;
	const uint8_t *data;
};

struct ch_auxv_entry {
	uint64_t type, value;
};

struct ch_touched;

struct ch_core {
	struct ch_context *ctx;
	char *path;
	/* The mapped file: data[0 .. stats.file_bytes), and open, to ask for its holes. */
	const uint8_t *data;
	int fd;
	Elf64_Ehdr ehdr;
	enum ch_arch arch;
	enum ch_producer producer;
	const char *producer_basis;
	struct ch_core_stats stats;
	struct ch_process process;
	/* of struct ch_segment */
	struct ch_vec segments;
	/* Index of the segment hit last: a hint, any value is valid. */
	_Atomic(size_t) last_segment;
	/* touched.c: made when it is first asked for, under the lock. */
	_Atomic(struct ch_touched *) touched;
	pthread_mutex_t lock;
	/* of struct ch_overlay, ascending */
	struct ch_vec overlays;
	/* of struct ch_note, ch_thread, ch_file_map, ch_auxv_entry */
	struct ch_vec notes, threads, file_maps, auxv;
	/* of char *: escaped owner names of notes, each once */
	struct ch_vec note_names;
	/* Evidence for the producer, gathered while reading. */
	bool has_gdb_note;
	/* An NT_FILE note was read; nothing of it had to be left out. */
	bool has_file_note, file_note_whole;
	/* Bytes of PT_NOTE segments read so far. */
	uint64_t notes_bytes;
	uint64_t load_align_max;
	/* What the file takes on its disk, holes apart; 0 for an unpacked copy. */
	uint64_t allocated_bytes;
	/* Segments whose p_flags are a mapping's VM_ flags. */
	uint64_t vm_flags_count;
	/* p_flags of the first of them. */
	uint32_t first_flags;
};

/* Bytes [off, off + len) of the file, or NULL when they are not all there. */
const uint8_t *chp_core_file_bytes(const struct ch_core *core, uint64_t off, uint64_t len);

/* headers.c: ELF header, then segments. */
CH_MUST_CHECK struct ch_error *chp_core_read_ehdr(struct ch_core *core);
CH_MUST_CHECK struct ch_error *chp_core_read_phdrs(struct ch_core *core);

/* notes.c: one PT_NOTE segment. */
CH_MUST_CHECK struct ch_error *chp_core_read_notes(struct ch_core *core, uint64_t off, uint64_t len,
						   uint64_t align);
/* notes.c: once all notes are read. */
void chp_core_finish_notes(struct ch_core *core);

/* auxv.c: what the notes lack of the auxiliary vector and the process' name, from the stack. */
CH_MUST_CHECK struct ch_error *chp_core_find_auxv(struct ch_core *core);

/* arch.c: fill a thread from an NT_PRSTATUS descriptor; false when too short. */
bool chp_arch_prstatus(enum ch_arch arch, const uint8_t *desc, uint64_t len, struct ch_thread *ret);

/* producer.c: who wrote it. */
void chp_core_find_producer(struct ch_core *core);
/* producer.c: FORMAT when the owners of notes say that it is no Linux process's. */
CH_MUST_CHECK struct ch_error *chp_core_check_owners(const struct ch_core *core);

/* touched.c: free what it knows. */
void chp_core_forget_touched(struct ch_core *core);

/* limits.c: findings about limits that were reached; once all else is known. */
void chp_core_check_limits(const struct ch_core *core);

/* Whether addr was mapped according to segments or NT_FILE. */
bool chp_core_is_mapped(const struct ch_core *core, uint64_t addr);

#endif /* COREHEAP_CORE_PRIV_H */
