/*
 * Goroutines, and threads that run them, found without symbols: the runtime's list of goroutines is
 * the longest slice in data whose elements lead to structures (g) that lead back to themselves. A
 * thread of the kernel has the address of its g in front of its thread-local storage, or in a
 * register.
 *
 * Go 1.19.8, 1.24.4, 1.27.3: src/runtime/runtime2.go (types g, m, gobuf, waitReason),
 * src/runtime/proc.go (allgs), src/runtime/tls_amd64.s, src/runtime/asm_arm64.s.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/go/go_priv.h"

enum {
	/* Of a g: its stack, its thread, where it left its stack (sp, pc, g). */
	G_STACK = 0,
	G_MACHINE = 48,
	G_SP = 56,
	G_PC = 64,
	G_SELF = 72,
	/* Bytes of a g that are looked at; the fields looked for lie in them. */
	G_BYTES = 480,
	G_CREATED_MIN = 240,
	G_CREATED_MAX = 340,
	/* From the address of the statement that started it to others (1.17 to 1.27). */
	G_START = 16,
	G_LABELS = 64,
	/* Of an m: its g for the scheduler. */
	M_G0 = 0,
	/* Register of arm64 that has the g. */
	ARM64_G = 28,
};

#define G_SAMPLES 256U
#define G_MAX     (1ULL << 24)
/* Data of all images that is looked through. */
#define DATA_BYTES_MAX (1ULL << 30)
/* _Gscan */
#define STATUS_SCAN 0x1000U
#define REASONS_MAX 64U

static const struct go_g_layout layouts[] = {
	{ "1.17 to 1.22", 17, 22, 112, 104, 144, 152, 168, 176, 72, 80, 192, "Go 1.19.8" },
	{ "1.23 and 1.24", 23, 24, 112, 104, 152, 160, 176, 184, 72, 80, 192, "Go 1.24.4" },
	{ "1.25 to 1.27", 25, 27, 104, 96, 144, 152, 168, 176, 64, 72, 184, "Go 1.27.3" },
};

/* ---- The list -------------------------------------------------------------------------- */

static bool is_g(const struct ch_core *core, uint64_t addr)
{
	uint64_t self;

	return addr && addr % 8 == 0 && addr <= UINT64_MAX - G_BYTES &&
	       ch_core_read_u64(core, addr + G_SELF, &self) && self == addr;
}

/* Whether a slice of count addresses leads to goroutines: its ends, and some between. */
static bool is_list(const struct ch_core *core, const struct go_slice *list)
{
	uint64_t step = list->count / 8 + 1, at, addr;

	for (at = 0; at < list->count; at += step)
		if (!ch_core_read_u64(core, list->addr + 8 * at, &addr) || !is_g(core, addr))
			return false;
	return ch_core_read_u64(core, list->addr + 8 * (list->count - 1), &addr) &&
	       is_g(core, addr);
}

/* looked_bytes: of all ranges together, for images may share them. */
static void find_in_range(struct go_code *code, struct go_range range, uint64_t *looked_bytes)
{
	const struct ch_core *core = code->env.core;
	struct go_slice list;
	const uint8_t *bytes;
	uint64_t at, first;
	size_t len, i;

	for (at = ch_align_up(range.start, 8); at < range.end && *looked_bytes < DATA_BYTES_MAX;
	     at += ch_align_up(len, 8)) {
		bytes = ch_core_span(core, at, &len);
		if (!bytes)
			return;
		len = (size_t)ch_min(len, range.end - at);
		*looked_bytes += len;
		for (i = 0; i + 24 <= len; i += 8) {
			list = (struct go_slice){ ch_get64(bytes + i), ch_get64(bytes + i + 8) };
			if (list.count > code->g_list.count && list.count <= G_MAX &&
			    list.count <= ch_get64(bytes + i + 16) && list.addr % 8 == 0 &&
			    ch_core_read_u64(core, list.addr, &first) && is_g(core, first) &&
			    is_list(core, &list))
				code->g_list = list;
		}
	}
}

static void find_list(struct go_code *code)
{
	const struct go_module *module;
	uint64_t looked_bytes = 0;
	size_t i;

	for (i = 0; i < code->modules.count; i++) {
		module = CH_VEC_AT(&code->modules, struct go_module, i);
		find_in_range(code, module->data, &looked_bytes);
		find_in_range(code, module->bss, &looked_bytes);
	}
}

/* ---- Layout ---------------------------------------------------------------------------- */

/* Some goroutines of the list, spread over it. */
static bool sample(const struct go_code *code, uint64_t i, uint64_t *addr_ret, uint8_t ret[G_BYTES])
{
	uint64_t step = code->g_list.count / G_SAMPLES + 1;

	return i * step < code->g_list.count && i < G_SAMPLES &&
	       ch_core_read_u64(code->env.core, code->g_list.addr + 8 * i * step, addr_ret) &&
	       ch_core_try_read(code->env.core, *addr_ret, ret, G_BYTES);
}

/* Whether a row may be that of a goroutine. */
static bool row_fits(const struct go_g_layout *row, const uint8_t g[G_BYTES])
{
	const uint32_t status = ch_get32(g + row->status) & ~STATUS_SCAN;
	const uint64_t number = ch_get64(g + row->number);
	const uint64_t frame_pointer = ch_get64(g + row->frame_pointer);

	if (!status || status >= GO_STATES || !number || number >> 48)
		return false;
	/* where it waits it has a frame pointer, on its own stack */
	return status != GO_WAITING || (frame_pointer >= ch_get64(g + G_STACK) &&
					frame_pointer < ch_get64(g + G_STACK + 8));
}

static void choose_layout(struct go_code *code)
{
	const uint32_t minor = code->build.minor;
	uint8_t g[G_BYTES];
	uint32_t best = 0, fits;
	uint64_t addr, i;
	size_t row;

	for (row = 0; row < CH_COUNT_OF(layouts); row++) {
		for (i = 0, fits = 0; sample(code, i, &addr, g); i++)
			fits += row_fits(&layouts[row], g);
		fits = 2 * fits + (fits && minor >= layouts[row].first_minor &&
				   minor <= layouts[row].last_minor);
		/* all but those that are about to be made, or dead */
		if (fits <= best || fits < i)
			continue;
		best = fits;
		code->g_layout = &layouts[row];
	}
}

/* Whether a goroutine has at that place the address of the statement that started it, and behind it
 * that of a function. */
static bool is_created_at(const struct go_code *code, const uint8_t g[G_BYTES], uint32_t at)
{
	const uint64_t created = ch_get64(g + at), start = ch_get64(g + at + G_START);
	struct go_function function;

	return created && go_module_at(code, created) && go_function_at(code, start, &function) &&
	       function.entry == start;
}

/* Releases moved it, among fields that nobody needs: the place that most agree with. */
static void find_created(struct go_code *code)
{
	uint8_t g[G_BYTES];
	uint32_t at, best = 0, fits;
	uint64_t addr, i;

	for (at = G_CREATED_MIN; at < G_CREATED_MAX; at += 8) {
		for (i = 0, fits = 0; i < 64 && sample(code, i, &addr, g); i++)
			fits += is_created_at(code, g, at);
		if (fits > best) {
			best = fits;
			code->created_at = at;
		}
	}
}

/* How far in front of that place the thread is that the goroutine is locked to; 0: not known. */
static uint32_t locked_before(uint32_t minor)
{
	if (minor && minor <= 20)
		return 64;
	if (minor >= 21 && minor <= 25)
		return 72;
	return minor == 26 || minor == 27 ? 80 : 0;
}

/* ---- Goroutines ------------------------------------------------------------------------ */

static void fill(const struct go_code *code, uint64_t addr, const uint8_t g[G_BYTES],
		 struct go_goroutine *ret)
{
	const struct go_g_layout *row = code->g_layout;
	const uint32_t locked = locked_before(code->build.minor);

	*ret = (struct go_goroutine){
		.addr = addr,
		.number = ch_get64(g + row->number),
		.stack = { ch_get64(g + G_STACK), ch_get64(g + G_STACK + 8) },
		.saved = { .pc = ch_get64(g + G_PC),
			   .sp = ch_get64(g + G_SP),
			   .fp = ch_get64(g + row->frame_pointer) },
		.machine = ch_get64(g + G_MACHINE),
		.since = ch_get64(g + row->since),
		.state = (uint8_t)(ch_get32(g + row->status) & ~STATUS_SCAN),
		.reason = g[row->reason],
	};
	ret->at = ret->saved;
	if (ret->state == GO_SYSCALL && ch_get64(g + row->syscall_sp)) {
		ret->at.sp = ch_get64(g + row->syscall_sp);
		ret->at.pc = ch_get64(g + row->syscall_sp + 8);
		ret->at.fp = 0;
	}
	if (!code->created_at)
		return;
	ret->created = ch_get64(g + code->created_at);
	ret->start = ch_get64(g + code->created_at + G_START);
	ret->labels = ch_get64(g + code->created_at + G_LABELS);
	ret->locked = locked ? ch_get64(g + code->created_at - locked) : 0;
	/* it has not begun yet: no call leads there */
	ret->at.activation = ret->saved.activation = ret->at.pc == ret->start;
}

static struct ch_error *read_all(struct go_code *code)
{
	struct go_goroutine *slot;
	uint8_t g[G_BYTES];
	struct ch_error *err;
	uint64_t addr, i;

	for (i = 0; i < code->g_list.count; i++) {
		if (!ch_core_read_u64(code->env.core, code->g_list.addr + 8 * i, &addr) ||
		    !is_g(code->env.core, addr) ||
		    !ch_core_try_read(code->env.core, addr, g, G_BYTES))
			continue;
		if (ch_table_find(&code->g_by_addr, addr) != CH_TABLE_NONE)
			continue;
		slot = ch_vec_push(&code->goroutines);
		if (!slot ||
		    !ch_table_put(&code->g_by_addr, addr, (uint32_t)code->goroutines.count - 1))
			return &ch_enomem;
		fill(code, addr, g, slot);
		err = chp_context_check(code->env.ctx);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- Threads --------------------------------------------------------------------------- */

static struct go_range stack_of(const struct ch_core *core, uint64_t g)
{
	struct go_range range;

	if (ch_core_read_u64(core, g + G_STACK, &range.start) &&
	    ch_core_read_u64(core, g + G_STACK + 8, &range.end) && range.start < range.end)
		return range;
	return (struct go_range){ 0, 0 };
}

/* The m of a g that a thread of the kernel has, which has that thread's number. */
static bool read_machine(const struct go_code *code, const struct ch_thread *thread, uint64_t g,
			 struct go_machine *ret)
{
	const struct go_g_layout *row = code->g_layout;
	const struct ch_core *core = code->env.core;
	uint64_t tid, g0, signal_g, current;
	uint32_t index;

	if (!g || g % 8 || g > UINT64_MAX - G_BYTES ||
	    !ch_core_read_u64(core, g + G_MACHINE, &ret->addr) || !ret->addr ||
	    ret->addr > UINT64_MAX - 1024 ||
	    !ch_core_read_u64(core, ret->addr + row->thread, &tid) || tid != thread->tid ||
	    !ch_core_read_u64(core, ret->addr + M_G0, &g0) ||
	    !ch_core_read_u64(core, ret->addr + row->signal_g, &signal_g) ||
	    !ch_core_read_u64(core, ret->addr + row->current_g, &current))
		return false;
	ret->tid = thread->tid;
	ret->system = stack_of(core, g0);
	ret->signal = stack_of(core, signal_g);
	index = ch_table_find(&code->g_by_addr, current);
	ret->current = index == CH_TABLE_NONE ? SIZE_MAX : index;
	return true;
}

/* By its own address, and by that of the goroutine that it runs. False: no memory. */
static bool note_machine(struct go_code *code, const struct go_machine *machine)
{
	const uint32_t index = (uint32_t)code->machines.count - 1;
	const struct go_goroutine *current;

	if (!ch_table_put(&code->machine_by_addr, machine->addr, index))
		return false;
	if (machine->current >= code->goroutines.count)
		return true;
	current = CH_VEC_AT(&code->goroutines, struct go_goroutine, machine->current);
	return ch_table_put(&code->machine_by_addr, current->addr, index);
}

static struct ch_error *find_machines(struct go_code *code)
{
	const bool links = ch_core_arch(code->env.core) == CH_ARCH_AARCH64;
	const struct ch_thread *threads;
	struct go_machine machine, *slot;
	size_t count, i;
	uint64_t g;

	threads = ch_core_threads(code->env.core, &count);
	for (i = 0; i < count; i++) {
		machine = (struct go_machine){ .thread = i };
		if (links)
			g = threads[i].regs[ARM64_G];
		else if (!threads[i].tls_base ||
			 !ch_core_read_u64(code->env.core, threads[i].tls_base - 8, &g))
			continue;
		if (!read_machine(code, &threads[i], g, &machine))
			continue;
		slot = ch_vec_push(&code->machines);
		if (!slot || !note_machine(code, &machine))
			return &ch_enomem;
		*slot = machine;
	}
	return NULL;
}

const struct go_machine *go_machine_at(const struct go_code *code, uint64_t sp)
{
	const struct go_machine *machine;
	size_t i;

	for (i = 0; i < code->machines.count; i++) {
		machine = CH_VEC_AT(&code->machines, struct go_machine, i);
		if (sp >= machine->system.start && sp < machine->system.end)
			return machine;
	}
	return NULL;
}

/* ---- Names of what they wait for --------------------------------------------------------- */

/* The table begins with an empty text and these, whose numbers no release has changed. */
static bool is_reasons(const struct ch_core *core, const uint8_t *p)
{
	static const char first[] = "GC assist marking", second[] = "IO wait";
	char text[sizeof(first) - 1];

	return !ch_get64(p + 8) && ch_get64(p + 24) == sizeof(first) - 1 &&
	       ch_get64(p + 40) == sizeof(second) - 1 &&
	       ch_core_try_read(core, ch_get64(p + 16), text, sizeof(first) - 1) &&
	       memcmp(text, first, sizeof(first) - 1) == 0 &&
	       ch_core_try_read(core, ch_get64(p + 32), text, sizeof(second) - 1) &&
	       memcmp(text, second, sizeof(second) - 1) == 0;
}

static void find_reasons(struct go_code *code, struct go_range range)
{
	uint64_t at = ch_align_up(range.start, 8);
	const uint8_t *bytes;
	size_t len, i, k;

	bytes = at < range.end ? ch_core_span(code->env.core, at, &len) : NULL;
	if (!bytes)
		return;
	len = (size_t)ch_min(len, range.end - at);
	for (i = 0; i + 48 <= len; i += 8) {
		if (!is_reasons(code->env.core, bytes + i))
			continue;
		for (k = 3; k < REASONS_MAX && i + 16 * k + 16 <= len; k++)
			if (!ch_get64(bytes + i + 16 * k) ||
			    ch_get64(bytes + i + 16 * k + 8) - 1 >= 64)
				break;
		code->reasons = (struct go_slice){ at + i, k };
		return;
	}
}

void go_reason(const struct go_code *code, const struct go_goroutine *goroutine, char *buf,
	       size_t max)
{
	uint64_t text, len;

	buf[0] = '\0';
	if ((goroutine->state != GO_WAITING && goroutine->state != GO_LEAKED) ||
	    goroutine->reason >= code->reasons.count ||
	    !ch_core_read_u64(code->env.core, code->reasons.addr + 16ULL * goroutine->reason,
			      &text) ||
	    !ch_core_read_u64(code->env.core, code->reasons.addr + 16ULL * goroutine->reason + 8,
			      &len) ||
	    len >= max || !ch_core_try_read(code->env.core, text, buf, (size_t)len))
		return;
	buf[len] = '\0';
}

struct ch_error *go_goroutines_find(struct go_code *code)
{
	const struct go_module *module;
	struct ch_error *err;
	size_t i;

	find_list(code);
	if (code->g_list.count)
		choose_layout(code);
	if (!code->g_layout)
		return NULL;
	find_created(code);
	err = read_all(code);
	if (!err)
		err = find_machines(code);
	for (i = 0; !err && i < code->modules.count && !code->reasons.count; i++) {
		module = CH_VEC_AT(&code->modules, struct go_module, i);
		find_reasons(code, module->data);
		if (!code->reasons.count)
			find_reasons(code, module->noptrdata);
	}
	return err;
}

/* ---- For others ------------------------------------------------------------------------ */

static const char *const states[GO_STATES] = {
	[GO_IDLE] = "idle",         [GO_RUNNABLE] = "runnable",   [GO_RUNNING] = "running",
	[GO_SYSCALL] = "syscall",   [GO_WAITING] = "waiting",     [GO_DEAD] = "dead",
	[GO_COPYING] = "copystack", [GO_PREEMPTED] = "preempted", [GO_LEAKED] = "leaked",
	[GO_DEAD_EXTRA] = "dead",
};

static bool is_dead(const struct go_goroutine *goroutine)
{
	return goroutine->state >= GO_STATES || !states[goroutine->state] ||
	       goroutine->state == GO_IDLE || goroutine->state == GO_DEAD ||
	       goroutine->state == GO_DEAD_EXTRA;
}

/* Whether a goroutine is the runtime's own, by its first function: src/runtime/traceback.go,
 * isSystemGoroutine(). */
static bool is_system(const struct go_code *code, const struct go_goroutine *goroutine)
{
	static const char *const programs[] = { "runtime.main", "runtime.corostart",
						"runtime.handleAsyncEvent" };
	struct go_function function;
	const char *name;
	size_t i;

	if (!go_function_at(code, goroutine->start, &function))
		return false;
	name = go_name(code, function.module, function.name);
	for (i = 0; name && i < CH_COUNT_OF(programs); i++)
		if (strcmp(name, programs[i]) == 0)
			return false;
	return name && strncmp(name, "runtime.", 8) == 0;
}

/* The thread with that address, or that runs the goroutine with it; NULL: there is none. */
static const struct go_machine *machine_of(const struct go_code *code, uint64_t addr)
{
	const uint32_t index = ch_table_find(&code->machine_by_addr, addr);

	return index == CH_TABLE_NONE ? NULL : CH_VEC_AT(&code->machines, struct go_machine, index);
}

/* The newest time that the runtime noted of any goroutine: the process lived at least so long. */
static uint64_t newest(const struct go_code *code)
{
	uint64_t since, latest = 0;
	size_t i;

	for (i = 0; i < code->goroutines.count; i++) {
		since = CH_VEC_AT(&code->goroutines, struct go_goroutine, i)->since;
		/* 292 years: nothing that it notes is later */
		if (since <= INT64_MAX)
			latest = ch_max(latest, since);
	}
	return latest;
}

static void describe(const struct go_code *code, size_t index, uint64_t now,
		     struct ch_goroutine *ret)
{
	const struct go_goroutine *of = CH_VEC_AT(&code->goroutines, struct go_goroutine, index);
	const struct go_machine *machine = machine_of(code, of->addr);
	const struct go_machine *locked = machine_of(code, of->locked);

	*ret = (struct ch_goroutine){
		.number = of->number,
		.addr = of->addr,
		.stack_start = of->stack.start,
		.stack_end = of->stack.end,
		.pc = of->at.pc,
		.sp = of->at.sp,
		.fp = of->at.fp,
		.at_start = of->at.activation,
		.state = states[of->state],
		.start_pc = of->start,
		/* nobody started the first one */
		.created_pc = of->number == 1 ? 0 : of->created,
		.locked_tid = locked ? locked->tid : 0,
		.system = is_system(code, of),
		.labelled = of->labels != 0,
		.stuck = of->stuck,
	};
	if (of->state == GO_WAITING && of->since && of->since <= now)
		ret->waited_ns = now - of->since;
	go_reason(code, of, ret->waits_for, sizeof(ret->waits_for));
	/* one in the kernel keeps where it went there, from which its stack is whole */
	if (machine && of->state == GO_RUNNING) {
		ret->on_thread = true;
		ret->thread_index = machine->thread;
	}
}

/* Say what of code and goroutines is not known, and what is lost by that. */
static void report_lost(const struct go_code *code)
{
	const struct go_module *module;
	size_t i;

	for (i = 0; i < code->modules.count; i++) {
		module = CH_VEC_AT(&code->modules, struct go_module, i);
		if (module->has_table && go_functions_whole(code, module))
			continue;
		chp_context_finding(
			code->env.ctx, CH_SEVERITY_INCOMPLETE, "go-functions-not-known",
			"the table of functions (pclntab) that Go's image at 0x%" PRIx64
			" has at 0x%" PRIx64 " is %s: names, lines and callers of its code are "
			"not known, nor who started goroutines",
			module->addr, module->header,
			module->has_table || module->bad_table
				? "damaged, or not whole in the core"
				: "not in the core, and no file with the same build-id is at hand");
	}
	if (code->modules.count && !code->g_layout)
		chp_context_finding(
			code->env.ctx, CH_SEVERITY_INCOMPLETE, "go-goroutines-not-known",
			"the list of goroutines (allgs) is not in the data of Go's "
			"images, or they agree with none of the layouts of 1.17 to 1.27: "
			"goroutines, and what only they hold, are not known");
}

struct ch_error *go_goroutines(void *state, ch_goroutines_fn fn, void *arg)
{
	const struct go_code *code = &((const struct go *)state)->code;
	const uint64_t now = newest(code);
	struct ch_goroutine goroutine;
	struct ch_error *err = NULL;
	size_t i;

	report_lost(code);
	for (i = 0; !err && i < code->goroutines.count; i++) {
		if (is_dead(CH_VEC_AT(&code->goroutines, struct go_goroutine, i)))
			continue;
		describe(code, i, now, &goroutine);
		err = fn(arg, &goroutine);
		if (!err)
			err = chp_context_check(code->env.ctx);
	}
	return err;
}
