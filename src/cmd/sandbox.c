/*
 * A core is an attacker's file, and this program is run by root: so it gives away what it does not
 * need before it reads one. Landlock (Linux 5.13) bounds the files, seccomp the rest.
 */
#include "cmd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/cores.h"
#include "sym/hostfile.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Sanitizers start a program that names addresses, and look at this one from outside. */
#ifdef CH_NO_SANDBOX
#define IS_POSSIBLE false
#else
#define IS_POSSIBLE true
#endif

/* ---- files -------------------------------------------------------------------- */

/* linux/landlock.h; headers may be older than the kernel. The bits from REFER on came with the
 * versions 2 (REFER), 3 (TRUNCATE) and 5 (IOCTL_DEV). */
#define ACCESS_EXECUTE   (1ULL << 0)
#define ACCESS_WRITE     (1ULL << 1)
#define ACCESS_READ      (1ULL << 2)
#define ACCESS_READ_DIR  (1ULL << 3)
#define ACCESS_REMOVE    (1ULL << 5)
#define ACCESS_MAKE_FILE (1ULL << 8)
#define ACCESS_FIRST     ((1ULL << 13) - 1)
#define ACCESS_REFER     (1ULL << 13)
#define ACCESS_TRUNCATE  (1ULL << 14)

#define MAY_READ         (ACCESS_READ | ACCESS_READ_DIR)
#define MAY_WRITE        (ACCESS_WRITE | ACCESS_TRUNCATE)
#define MAY_MAKE         (MAY_READ | MAY_WRITE | ACCESS_MAKE_FILE | ACCESS_REMOVE)
/* Of these a file has some, a folder all. */
#define OF_FILES (ACCESS_EXECUTE | ACCESS_WRITE | ACCESS_READ | ACCESS_TRUNCATE)

struct rules {
	int fd;
	/* What is forbidden where no rule allows it. */
	uint64_t handled;
};

/* Nothing is said of paths that are not there. */
static void allow(const struct rules *rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access & rules->handled };
	struct stat st;

	if (!path)
		return;
	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return;
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed_access &= OF_FILES;
	if (rule.allowed_access)
		syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent_fd);
}

/* The folder that a path lies in. */
static void allow_folder(const struct rules *rules, const char *path, uint64_t access)
{
	_cleanup_free_ char *folder = chp_hostfile_folder_of(path);

	allow(rules, folder, access);
}

/* A core, wherever a link of that name leads, and the folder where it is named. */
static void allow_core(const struct rules *rules, const char *path)
{
	if (!path)
		return;
	allow(rules, path, MAY_READ);
	allow_folder(rules, path, MAY_READ);
}

/* What -o names, as the option tables of commands have it; NULL: nothing. */
static const char *output_of(const struct ch_line *line)
{
	const struct ch_option *option = line->cmd->options;

	for (; option && option->name; option++)
		if (strcmp(option->name, "o") == 0 && option->kind == CH_OPTION_STRING)
			return *(const char *const *)((const char *)line->options + option->offset);
	return NULL;
}

/* A file is written beside its place, and moved there (output.c); a device in its place. */
static void allow_output(const struct rules *rules, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	allow_folder(rules, real ? real : path, MAY_MAKE);
	allow(rules, path, MAY_WRITE);
}

static void allow_reading(const struct rules *rules, const struct ch_line *line,
			  const struct ch_vec *cores)
{
	const struct ch_global_options *global = &line->global;
	const char *const *debug_dirs = global->debug_dirs.items;
	size_t i;
	int k;

	for (i = 0; chp_system_folders[i]; i++)
		allow(rules, chp_system_folders[i], MAY_READ);
	/* how many processors there are, and nothing to read */
	allow(rules, "/sys/devices/system/cpu", MAY_READ);
	allow(rules, "/dev/null", ACCESS_READ);
	allow(rules, global->sysroot, MAY_READ);
	/* with what lies beside it */
	if (global->exe)
		allow_folder(rules, global->exe, MAY_READ);
	allow(rules, global->exe, MAY_READ);
	for (i = 0; i < global->debug_dirs.count; i++)
		allow(rules, debug_dirs[i], MAY_READ);
	for (i = 0; cores && i < cores->count; i++)
		allow_core(rules, CH_VEC_AT(cores, struct ch_core_path, i)->path);
	if (cores)
		return;
	allow_core(rules, line->core_path);
	for (k = 0; k < line->argc && line->cmd->cores != CH_CORES_ONE; k++)
		allow_core(rules, line->argv[k]);
}

static const char *copies_folder(const struct ch_line *line)
{
	const char *folder =
		line->global.temp_dir ? line->global.temp_dir : secure_getenv("TMPDIR");

	return folder && *folder ? folder : "/var/tmp";
}

/* copies: cores may be unpacked. */
static void bound_files(const struct ch_line *line, const struct ch_vec *cores, bool copies)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr = { 0 };
	const char *output = output_of(line);
	struct rules rules;

	if (version < 1)
		return;
	rules.handled = ACCESS_FIRST | (version >= 2 ? ACCESS_REFER : 0) |
			(version >= 3 ? ACCESS_TRUNCATE : 0);
	attr.handled_access_fs = rules.handled;
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules.fd < 0)
		return;
	allow_reading(&rules, line, cores);
	if (output)
		allow_output(&rules, output);
	if (copies)
		allow(&rules, copies_folder(line), MAY_MAKE);
	syscall(SYS_landlock_restrict_self, rules.fd, 0);
	close(rules.fd);
}

/* ---- everything else ---------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* System calls that nothing here needs, and that what has taken over a process would. Those from
 * socket on are debuginfod's. */
static const uint32_t refused[] = {
	SYS_execve,
	SYS_execveat,
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_mount,
	SYS_unshare,
	SYS_setns,
	SYS_chroot,
	SYS_pivot_root,
	SYS_init_module,
	SYS_finit_module,
	SYS_kexec_load,
	SYS_keyctl,
	SYS_userfaultfd,
	SYS_open_by_handle_at,
	SYS_io_uring_setup,
	SYS_socket,
	SYS_socketpair,
};
#define OF_DEBUGINFOD 2U

static void bound_calls(bool sockets)
{
#ifdef ARCH
	enum { HEAD = 4, TAIL = 2 };
	struct sock_filter code[HEAD + CH_COUNT_OF(refused) + TAIL];
	uint32_t count = (uint32_t)CH_COUNT_OF(refused) - (sockets ? OF_DEBUGINFOD : 0), n = 0, i;
	struct sock_fprog program = { .filter = code };

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, arch));
	/* another architecture's numbers mean other calls; so do those of x32, from 2^30 on */
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0,
						 (uint8_t)(count + 3));
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1U << 30,
						 (uint8_t)(count + 1), 0);
	for (i = 0; i < count; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i],
							 (uint8_t)(count - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = (unsigned short)n;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#else
	(void)sockets;
	(void)refused;
#endif
}

void chp_sandbox_enter(const struct ch_line *line, const struct ch_vec *cores)
{
	if (!IS_POSSIBLE || line->global.no_sandbox || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return;
	/* servers are asked by libraries that read settings and keep files of their own */
	if (!line->global.debuginfod)
		bound_files(line, cores, true);
	bound_calls(line->global.debuginfod);
}

void chp_sandbox_seal(const struct ch_line *line)
{
	if (!IS_POSSIBLE || line->global.no_sandbox || line->global.debuginfod)
		return;
	bound_files(line, NULL, false);
}
