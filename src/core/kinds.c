/*
 * What a file is that is no core: a table of beginnings of files, so that the message can name a
 * heap dump, a minidump or an archive and say what to do with it.
 */
#include "core/kinds.h"

#include <elf.h>
#include <string.h>

#include "core/codec.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* How much of a file its kind is looked for in. */
#define HEAD_BYTES 4096U

/* What a row may ask beside its bytes. */
enum also {
	ALSO_NOTHING,
	/* Mach-O: filetype at 12 is MH_CORE (mach-o/loader.h). */
	ALSO_MACHO_CORE,
	/* "PE\0\0" where e_lfanew at 0x3c says. */
	ALSO_PE,
	/* 0xcafebabe: a class file has its version, 45 or more, at 4; a universal
	 * Mach-O file the number of its machines. */
	ALSO_CLASS,
	/* Only 0 up to HEAD_BYTES. */
	ALSO_ZEROS,
};

#define MAGIC(text)         .magic = (text), .magic_bytes = sizeof(text) - 1
#define MAGIC_AT(off, text) .at = (off), MAGIC(text)

/*
 * The first row that fits wins. Sources: file(1)'s magic, the formats' own
 * descriptions; kernel dumps: makedumpfile (diskdump_mod.h, makedumpfile.h),
 * include of the crash utility; Windows: minidumpapiset.h.
 */
static const struct kind {
	size_t at;
	const char *magic;
	size_t magic_bytes;
	/* With what to do about it behind a colon. */
	const char *what;
	enum also also;
} kinds[] = {
	/* archives and packing that is not undone here */
	{ MAGIC_AT(257, "ustar"), "a tar archive: unpack it (tar -xf) and name the core in it" },
	{ MAGIC("PK\003\004"), "a zip archive: unpack it (unzip) and name the core in it" },
	{ MAGIC("PK\005\006"), "an empty zip archive" },
	{ MAGIC("7z\xbc\xaf\x27\x1c"), "a 7z archive: unpack it (7z x) and name the core in it" },
	{ MAGIC("Rar!\x1a\x07"), "a rar archive: unpack it (unrar x) and name the core in it" },
	{ MAGIC("070701"), "a cpio archive: unpack it (cpio -id) and name the core in it" },
	{ MAGIC("070707"), "a cpio archive: unpack it (cpio -id) and name the core in it" },
	{ MAGIC("!<arch>\n"), "an ar archive (a static library or a Debian package)" },
	{ MAGIC("\xed\xab\xee\xdb"), "an RPM package" },
	{ MAGIC("BZh"), "bzip2 data: unpack it first (bzip2 -dc FILE > core)" },
	{ MAGIC("\x02\x21\x4c\x18"),
	  "lz4 data in the legacy format: unpack it first (lz4 -dc FILE > core)" },
	{ MAGIC("\x5d\0\0"), "lzma data: unpack it first (xz -dc FILE > core)" },
	{ MAGIC("LZIP"), "lzip data: unpack it first (lzip -dc FILE > core)" },
	{ MAGIC("\x89LZO\0\r\n\x1a\n"), "lzop data: unpack it first (lzop -dc FILE > core)" },
	{ MAGIC("\x1f\x9d"), "compress data: unpack it first (gzip -dc FILE > core)" },
	{ MAGIC("\xff\x06\0\0sNaPpY"), "snappy data: unpack it first (snzip -dc FILE > core)" },
	{ MAGIC("f0VMRg"), "base64 text of an ELF file: decode it first (base64 -d FILE > core)" },
	{ MAGIC("-----BEGIN PGP"), "data that PGP encrypted or signed: decrypt it first" },
	{ MAGIC("age-encryption.org/"), "data that age encrypted: decrypt it first" },
	{ MAGIC("version https://git-lfs"),
	  "a pointer of Git LFS and not the file itself: fetch that (git lfs pull)" },

	/* dumps of other kinds */
	{ MAGIC("MDMP"),
	  "a minidump (Breakpad, Crashpad, Windows): it holds stacks and hardly any heap; "
	  "minidump_stackwalk or lldb read it, minidump-2-core makes an ELF core of it" },
	{ MAGIC("PAGEDU64"), "a crash dump of a 64-bit Windows kernel: open it with WinDbg" },
	{ MAGIC("PAGEDUMP"), "a crash dump of a 32-bit Windows kernel: open it with WinDbg" },
	{ MAGIC("KDUMP   "),
	  "a compressed dump of the Linux kernel (kdump), not of a process: open it with crash" },
	{ MAGIC("DISKDUMP"), "a dump of the Linux kernel, not of a process: open it with crash" },
	{ MAGIC("makedumpfile\0"),
	  "a flattened dump of the Linux kernel, not of a process: rearrange it (makedumpfile -R) "
	  "and open it with crash" },
	{ MAGIC("EMiL"), "an image of a whole system's memory (LiME), not of a process" },
	{ MAGIC("QEVM"), "the saved state of a virtual machine, not the core of a process" },
	{ MAGIC("JAVA PROFILE "),
	  "a Java heap dump (hprof): Eclipse Memory Analyzer or VisualVM open it; coreheap reads "
	  "the core of the Java process (gcore PID)" },
	{ MAGIC("FLR\0"), "a recording of Java Flight Recorder: JDK Mission Control opens it" },
	{ MAGIC("#\n# A fatal error has been detected by the Java"),
	  "a fatal error log of the JVM (hs_err): it says where the core was written" },
	{ MAGIC("{\"snapshot\":"),
	  "a heap snapshot of V8 (Node.js, Chrome): open it in Chrome's developer tools, under "
	  "Memory; coreheap reads the core of the process (gcore PID)" },
	{ MAGIC("Nettrace"), "a trace of .NET: dotnet-trace or PerfView open it" },
	{ MAGIC_AT(4, "!FastSerialization.1"),
	  "a GC dump of .NET: PerfView, Visual Studio or dotnet-gcdump open it; coreheap reads "
	  "the core of the process (dotnet-dump collect, gcore PID)" },
	{ MAGIC("go1.7 heap dump"),
	  "a heap dump of Go: coreheap reads the core of the process (gcore PID)" },
	{ MAGIC("=erl_crash_dump:"), "a crash dump of Erlang: crashdump_viewer opens it" },
	{ MAGIC("PERFILE2"), "a recording of perf: perf report opens it" },
	{ MAGIC("LPKSHHRH"),
	  "a journal of systemd: coredumpctl list shows its crashes, coredumpctl dump -o core PID "
	  "writes the core of one" },
	{ MAGIC("ProblemType:"),
	  "a crash report of apport, with the core packed in it: unpack it (apport-unpack FILE "
	  "FOLDER) and name FOLDER/CoreDump" },

	/* programs and the like */
	{ MAGIC("\xcf\xfa\xed\xfe"), "a Mach-O core of macOS: open it with lldb", ALSO_MACHO_CORE },
	{ MAGIC("\xce\xfa\xed\xfe"), "a 32-bit Mach-O core of macOS: open it with lldb",
	  ALSO_MACHO_CORE },
	{ MAGIC("\xcf\xfa\xed\xfe"), "a Mach-O program or library of macOS" },
	{ MAGIC("\xce\xfa\xed\xfe"), "a 32-bit Mach-O program or library of macOS" },
	{ MAGIC("\xca\xfe\xba\xbe"), "a Java class file", ALSO_CLASS },
	{ MAGIC("\xca\xfe\xba\xbe"), "a Mach-O program or library of macOS for several machines" },
	{ MAGIC("MZ"), "a Windows program or library (PE)", ALSO_PE },
	{ MAGIC("\0asm"), "a WebAssembly module" },
	{ MAGIC("SQLite format 3\0"), "an SQLite database" },
	{ MAGIC("QFI\xfb"), "a disk image of QEMU (qcow2)" },
	{ MAGIC("hsqs"), "a squashfs file system" },
	{ MAGIC("<!DOCTYPE html"),
	  "an HTML page: was it downloaded in place of the core, from behind a login?" },
	{ MAGIC("<html"),
	  "an HTML page: was it downloaded in place of the core, from behind a login?" },
	{ MAGIC("<?xml"), "an XML document" },
	{ MAGIC("#!"), "a script" },
	{ MAGIC("\0\0\0\0"),
	  "a file that begins with zero bytes: its contents were lost, on a full disk or by a "
	  "copy that was interrupted",
	  ALSO_ZEROS },
};

static bool is_zero(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

static bool is_also(enum also also, const uint8_t *data, size_t len)
{
	switch (also) {
	case ALSO_NOTHING:
		return true;
	case ALSO_MACHO_CORE:
		return len >= 16 && ch_get32(data + 12) == 4;
	case ALSO_PE:
		return len >= 0x40 && ch_inside(ch_get32(data + 0x3c), 4, len) &&
		       memcmp(data + ch_get32(data + 0x3c), "PE\0", 4) == 0;
	case ALSO_CLASS:
		return len >= 8 && (data[6] || data[7] >= 45);
	case ALSO_ZEROS:
		return is_zero(data, len);
	}
	return false;
}

static bool is_text(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] == 0 || (data[i] < 0x20 && !strchr("\t\n\r\f\b\033", data[i])))
			return false;
	return true;
}

static const char *kind_of(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(kinds); i++)
		if (ch_inside(kinds[i].at, kinds[i].magic_bytes, len) &&
		    memcmp(data + kinds[i].at, kinds[i].magic, kinds[i].magic_bytes) == 0 &&
		    is_also(kinds[i].also, data, len))
			return kinds[i].what;
	return is_text(data, len) ? "a text file" : "not an ELF file, nor of another known kind";
}

struct ch_error *chp_not_a_core(const char *path, const char *format, const char *what)
{
	if (strcmp(format, "none") == 0)
		return ch_error_create(CH_ERROR_FORMAT, "%s: not a core: it is %s", path, what);
	return ch_error_create(CH_ERROR_FORMAT, "%s: not a core: it is %s data, and in that is %s",
			       path, format, what);
}

/* Whether it is one of the formats that are undone here. */
static bool is_packed(const uint8_t *data, size_t len)
{
	const struct chp_codec *codecs;
	size_t count, i;

	codecs = chp_codecs(&count);
	for (i = 0; i < count; i++)
		if (len >= codecs[i].magic_bytes &&
		    memcmp(data, codecs[i].magic, codecs[i].magic_bytes) == 0)
			return true;
	return false;
}

struct ch_error *chp_kind_refuse(const char *path, const char *format, const uint8_t *data,
				 size_t len)
{
	len = ch_min(len, HEAD_BYTES);
	if (len >= EI_NIDENT && memcmp(data, ELFMAG, SELFMAG) == 0)
		return NULL;
	if (len < EI_NIDENT && memcmp(data, ELFMAG, ch_min(len, SELFMAG)) == 0)
		return chp_not_a_core(path, format, "an ELF file cut off inside its header");
	if (is_packed(data, len))
		return chp_not_a_core(path, format,
				      "data packed once more: undo the outer packing first (zstd, "
				      "gzip, xz or lz4 with -dc FILE > FILE2)");
	return chp_not_a_core(path, format, kind_of(data, len));
}
