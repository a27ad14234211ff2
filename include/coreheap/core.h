/*
 * coreheap/core.h - one ELF core file: segments, notes, threads, bytes.
 *
 * The file is mapped read-only and never copied (a compressed one is unpacked
 * into an unlinked temporary file first). Every byte of it is untrusted.
 *
 * Vocabulary:
 *   segment   one PT_LOAD: a range [start, end) of target addresses, of which
 *             a prefix has bytes in the file;
 *   recorded  bytes the header says are in the file (p_filesz);
 *   present   recorded bytes that the file really holds (less when truncated);
 *   absent    mapped, but without bytes: never to be taken for zero;
 *   overlay   bytes of a module's own file (verified by build-id) that stand
 *             in for absent bytes of its read-only mappings, and of what the
 *             dynamic linker relocated and then protected.
 *
 * Invariants: segments ascend by start and do not overlap; present is a prefix
 * of recorded, recorded a prefix of the segment; no range wraps around 2^64.
 */
#ifndef COREHEAP_CORE_H
#define COREHEAP_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/context.h>
#include <coreheap/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_core;

enum ch_arch {
	CH_ARCH_X86_64,
	CH_ARCH_AARCH64,
};

/** Who wrote the core, as far as its shape tells. */
enum ch_producer {
	CH_PRODUCER_UNKNOWN,
	CH_PRODUCER_KERNEL,
	CH_PRODUCER_GCORE,
	CH_PRODUCER_CREATEDUMP,
	CH_PRODUCER_VALGRIND,
	CH_PRODUCER_QEMU_USER,
};

struct ch_core_options {
	/** Most bytes a compressed core may unpack to; 0 = 1 TiB. */
	uint64_t temp_bytes_max;
	/** Folder for the unpacked copy; NULL = $TMPDIR, else /var/tmp. */
	const char *temp_dir;
};

enum ch_segment_flags {
	CH_SEGMENT_EXEC = 1 << 0,
	CH_SEGMENT_WRITE = 1 << 1,
	CH_SEGMENT_READ = 1 << 2,
};

struct ch_segment {
	/** First target address. */
	uint64_t start;
	/** One past the last target address (start + p_memsz, overlap cut). */
	uint64_t end;
	/** One past the last address whose byte the header says is recorded. */
	uint64_t recorded_end;
	/** One past the last address whose byte the file really holds. */
	uint64_t present_end;
	/** File offset of start's byte. */
	uint64_t off;
	/** One past the last address that one ch_core_span() from here can reach:
	 * beyond end where the next segments follow in the file as in memory. */
	uint64_t run_end;
	/** enum ch_segment_flags, from p_flags. */
	uint32_t flags;
	/** Position in the program header table. */
	uint32_t phdr_index;
};

struct ch_note {
	/** Owner name ("CORE", "LINUX", "GDB"), escaped. */
	const char *name;
	/** n_type. */
	uint32_t type;
	/** Size of the descriptor. */
	uint32_t size_bytes;
	/** File offset of the descriptor. */
	uint64_t off;
	/** Whether coreheap uses it; unknown notes are kept and listed. */
	bool known;
};

/** Upper bound of general registers of any supported architecture. */
#define CH_REGS_MAX 34

struct ch_thread {
	/** Kernel thread id. */
	uint32_t tid;
	/** Signal pending or delivered to this thread (pr_cursig), 0 if none. */
	int32_t signal;
	/** Program counter, stack pointer, frame pointer. */
	uint64_t pc, sp, fp;
	/** fs_base on x86-64, tpidr_el0 on aarch64; 0 when not recorded. */
	uint64_t tls_base;
	/** All general registers, in ch_arch_reg_name() order. */
	uint64_t regs[CH_REGS_MAX];
	/** Number of valid entries in regs. */
	uint32_t regs_count;
	/** Signal details, valid when has_siginfo: si_signo and si_code, then ... */
	int32_t si_signo, si_code;
	/** si_addr; not called so because <signal.h> makes that a macro. */
	uint64_t fault_addr;
	bool has_siginfo;
};

/** One row of NT_FILE: a file-backed mapping at the time of the dump. */
struct ch_file_map {
	/** Target range [start, end). */
	uint64_t start, end;
	/** Offset into the file, in bytes. */
	uint64_t off;
	/** Path as recorded, unescaped; borrowed from the core. */
	const char *path;
	/** Not from NT_FILE, but from ch_core_add_file_maps(). */
	bool derived;
};

struct ch_process {
	/** From NT_PRPSINFO, else pid from the first thread; 0 when unknown. */
	uint32_t pid, ppid, uid, gid;
	/** Whether ppid, uid and gid are known. */
	bool has_ids;
	/** Command name (at most 15 bytes), unescaped, else from the name of its
	 * file (AT_EXECFN); "" when unknown. */
	char comm[17];
	/** First word of pr_psargs (argv[0]), unescaped; "" when unknown. */
	char argv0[81];
	/** Thread that died, as NT_PRSTATUS and NT_SIGINFO say; the first one when the
	 * process was dumped alive. */
	uint32_t crash_tid;
	/** Its place in ch_core_threads(). */
	size_t crash_index;
	/** Signal that ended it; 0 when the process was dumped alive. */
	int32_t signal;
};

struct ch_core_stats {
	/** Size of the (unpacked) file. */
	uint64_t file_bytes;
	/** Size the headers say it should have. */
	uint64_t expected_file_bytes;
	/** Sum of end - start over all segments. */
	uint64_t mapped_bytes;
	/** Sum of recorded, present bytes. */
	uint64_t recorded_bytes, present_bytes;
	/** Program headers of type PT_LOAD in the file, dropped ones included. */
	uint64_t load_count;
	/** Whether the file ends before its headers say so. */
	bool truncated;
	/** "none", "zstd", "gzip", "xz" or "lz4". Static. */
	const char *compression;
};

/**
 * Open a core. Errors: OS (cannot be opened, read or mapped), FORMAT (not an
 * ELF64 little-endian core: the message says what it is), UNSUPPORTED (machine
 * or class not handled), LIMIT (unpacks to more than temp_bytes_max), NOMEM.
 * Truncation and damage are not errors: they become findings of ctx.
 * ctx must outlive the core. options may be NULL. Free with ch_core_close().
 * Cost: independent of the size of a raw core.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_core_open(struct ch_context *ctx, const char *path,
						      const struct ch_core_options *options,
						      struct ch_core **ret);

/** Close; NULL accepted. Everything borrowed from the core becomes invalid. */
CH_PUBLIC void ch_core_close(struct ch_core *core);

CH_PUBLIC enum ch_arch ch_core_arch(const struct ch_core *core);
CH_PUBLIC enum ch_producer ch_core_producer(const struct ch_core *core);
/** Why ch_core_producer() says so, one line. Borrowed from the core. */
CH_PUBLIC const char *ch_core_producer_basis(const struct ch_core *core);
/** The path given to ch_core_open(). Borrowed from the core. */
CH_PUBLIC const char *ch_core_path(const struct ch_core *core);
CH_PUBLIC struct ch_context *ch_core_context(const struct ch_core *core);
CH_PUBLIC const struct ch_core_stats *ch_core_stats(const struct ch_core *core);
CH_PUBLIC const struct ch_process *ch_core_process(const struct ch_core *core);

/** Arrays borrowed from the core, ascending as the file has them. */
CH_PUBLIC const struct ch_segment *ch_core_segments(const struct ch_core *core, size_t *count_ret);
CH_PUBLIC const struct ch_note *ch_core_notes(const struct ch_core *core, size_t *count_ret);
CH_PUBLIC const struct ch_thread *ch_core_threads(const struct ch_core *core, size_t *count_ret);
/**
 * Ascending by start; rows that overlap or wrap are dropped with a finding.
 * What ch_core_add_file_maps() added is among them, marked as derived.
 */
CH_PUBLIC const struct ch_file_map *ch_core_file_maps(const struct ch_core *core,
						      size_t *count_ret);

/**
 * Whether an NT_FILE note names all mapped files that its writer knew of; false
 * when the core has none or a damaged one.
 */
CH_PUBLIC bool ch_core_lists_files(const struct ch_core *core);
/** Whether there is an NT_FILE note at all. */
CH_PUBLIC bool ch_core_has_file_note(const struct ch_core *core);

/**
 * Add count rows that were derived from what memory holds, ascending, without
 * overlap; those that overlap rows of NT_FILE are left out. Their paths are
 * borrowed until ch_core_remove_file_maps() or the core is closed. What
 * ch_core_file_maps() returned before becomes invalid. Errors: NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_core_add_file_maps(struct ch_core *core, const struct ch_file_map *rows, size_t count);

/** Forget all rows that were added. */
CH_PUBLIC void ch_core_remove_file_maps(struct ch_core *core);

/** Value of an auxiliary vector entry (AT_*). False when it is not there. */
CH_PUBLIC bool ch_core_auxv(const struct ch_core *core, uint64_t type, uint64_t *ret);

/** The segment that holds addr, or NULL. O(1) for repeated nearby addresses. */
CH_PUBLIC const struct ch_segment *ch_core_segment_at(const struct ch_core *core, uint64_t addr);

/**
 * Longest run of bytes at addr that is contiguous in our memory: pointer, and
 * its length in *len_ret (> 0). NULL when the byte at addr is absent. Borrowed
 * from the core. A run may end before the target range does (segments that
 * touch): call again at addr + *len_ret. Overlays are consulted.
 */
CH_PUBLIC const uint8_t *ch_core_span(const struct ch_core *core, uint64_t addr, size_t *len_ret);

/** As ch_core_span(), but only bytes of the core file itself. */
CH_PUBLIC const uint8_t *ch_core_span_recorded(const struct ch_core *core, uint64_t addr,
					       size_t *len_ret);

/**
 * The first address at or above addr that ch_core_span() has a byte for, or
 * end if there is none below end. What a core does not hold may be as large as
 * the address space: step over it with this, never page by page. O(log n), and
 * O(1) more for each segment without any bytes in between.
 */
CH_PUBLIC uint64_t ch_core_next_present(const struct ch_core *core, uint64_t addr, uint64_t end);

/**
 * Look at each page that the core file holds for a byte other than zero, once for the
 * core, holes of the file excepted; threads: how many may share the work (0 is 1). From then on
 * the functions below know. Nothing is done for a core whose segments share bytes of the
 * file. Not to be called while others read. Errors: STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_core_look_at_pages(struct ch_core *core,
							       uint32_t threads);
/** Whether ch_core_look_at_pages() has looked: "touched" is exact. */
CH_PUBLIC bool ch_core_knows_touched(const struct ch_core *core);

/**
 * Bytes of [start, end) on pages that the core holds and that have a byte other than zero:
 * the least that was resident. Before ch_core_look_at_pages(): on pages that may have one,
 * not being holes of the file. Cost: a bit for each page.
 */
CH_PUBLIC uint64_t ch_core_touched_bytes(const struct ch_core *core, uint64_t start, uint64_t end);

/** Whether the core holds all pages of [start, end), and nothing but zeros on them; false
 * where segments share bytes of the file. Ends at the first page that has something. */
CH_PUBLIC bool ch_core_is_zero(const struct ch_core *core, uint64_t start, uint64_t end);

/** The first address at or above addr that is not on such a page, or end. */
CH_PUBLIC uint64_t ch_core_next_untouched(const struct ch_core *core, uint64_t addr, uint64_t end);

/**
 * The next bytes at or above *addr, below end, that may be other than zero: what was absent, is a
 * hole of the file or is known to be pages of zeros is stepped over. Moves *addr there and
 * gives their pointer and how many there are; NULL: no more. As ch_core_span() otherwise.
 */
CH_PUBLIC const uint8_t *ch_core_next_data(const struct ch_core *core, uint64_t *addr, uint64_t end,
					   size_t *len_ret);

/**
 * Copy len bytes at addr. Errors: FAULT (addr or a byte after it not mapped),
 * ABSENT (mapped, no bytes). buf is untouched on failure.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_core_read(const struct ch_core *core, uint64_t addr,
						      void *buf, size_t len);

/**
 * Cheap forms for hot paths: false, and *ret untouched, when a byte is absent.
 * Integers are little-endian in the target and native in *ret.
 */
CH_PUBLIC bool ch_core_try_read(const struct ch_core *core, uint64_t addr, void *buf, size_t len);
CH_PUBLIC bool ch_core_read_u64(const struct ch_core *core, uint64_t addr, uint64_t *ret);
CH_PUBLIC bool ch_core_read_u32(const struct ch_core *core, uint64_t addr, uint32_t *ret);

/**
 * Copy the NUL-terminated string at addr, at most max - 1 bytes, into buf,
 * always terminated. Where memory that is not in the core cuts it, it ends in "...". False when
 * the first byte is absent.
 */
CH_PUBLIC bool ch_core_read_string(const struct ch_core *core, uint64_t addr, char *buf,
				   size_t max);

/**
 * Let data[0 .. end-start) serve reads of [start, end) where the core has no
 * bytes. data is borrowed until ch_core_remove_overlays() or the
 * core is closed. Errors: ARG (empty or
 * wrapping range, overlap with another overlay), NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_core_add_overlay(struct ch_core *core, uint64_t start,
							     uint64_t end, const uint8_t *data);

/** Forget all overlays: their bytes are absent again. */
CH_PUBLIC void ch_core_remove_overlays(struct ch_core *core);

/** Stable lower-case names: "x86_64", "aarch64"; "kernel", "gcore", ... */
CH_PUBLIC const char *ch_arch_name(enum ch_arch arch);
CH_PUBLIC const char *ch_producer_name(enum ch_producer producer);
/** Name of general register index, or NULL past the last one. */
CH_PUBLIC const char *ch_arch_reg_name(enum ch_arch arch, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_CORE_H */
