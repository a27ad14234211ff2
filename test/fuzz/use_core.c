#include "fuzz/use_core.h"

#include <stdlib.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

/* Bytes read of one segment: a page at either end is where mistakes are. */
#define EDGE_BYTES 4096U
/* Segments, notes and rows looked at in full. */
#define LOOKED_AT 4096U

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void use_span(const struct ch_core *core, uint64_t addr)
{
	const uint8_t *data;
	size_t len = 0;

	data = ch_core_span(core, addr, &len);
	if (!data)
		return;
	require(len > 0 && addr + len - 1 >= addr);
	fuzz_touch(data, len < EDGE_BYTES ? len : EDGE_BYTES);
	fuzz_touch(data + len - 1, 1);
}

static void use_segments(const struct ch_core *core)
{
	uint8_t buf[64];
	char text[64];
	uint64_t word;
	size_t count, i;
	const struct ch_segment *segments = ch_core_segments(core, &count);

	for (i = 0; i < count; i++) {
		const struct ch_segment *s = &segments[i];

		require(s->start < s->end && s->recorded_end <= s->end);
		require(s->start <= s->present_end && s->present_end <= s->recorded_end);
		require(i == 0 || segments[i - 1].end <= s->start);
		if (i > LOOKED_AT)
			continue;
		require(ch_core_segment_at(core, s->start) == s);
		require(ch_core_segment_at(core, s->end - 1) == s);
		use_span(core, s->start);
		use_span(core, s->present_end - 1);
		use_span(core, s->end - 1);
		(void)ch_core_read_u64(core, s->end - 4, &word);
		(void)ch_core_try_read(core, s->present_end - 32, buf, sizeof(buf));
		if (ch_core_read_string(core, s->start, text, sizeof(text)))
			fuzz_touch_text(text);
		ch_error_destroy(ch_core_read(core, s->start - 8, buf, sizeof(buf)));
	}
}

static void use_lists(const struct ch_core *core)
{
	size_t count, i;
	const struct ch_note *notes = ch_core_notes(core, &count);
	const struct ch_thread *threads;
	const struct ch_file_map *maps;
	uint64_t value;

	for (i = 0; i < count; i++)
		fuzz_touch_text(notes[i].name);
	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++)
		require(threads[i].regs_count <= CH_REGS_MAX);
	fuzz_touch(threads, count * sizeof(*threads));
	maps = ch_core_file_maps(core, &count);
	for (i = 0; i < count; i++) {
		require(maps[i].start < maps[i].end);
		require(i == 0 || maps[i - 1].end <= maps[i].start);
		if (i < LOOKED_AT)
			fuzz_touch_text(maps[i].path);
	}
	for (i = 0; i < 64; i++)
		(void)ch_core_auxv(core, i, &value);
}

void use_core(const struct ch_core *core)
{
	const struct ch_process *process = ch_core_process(core);
	const struct ch_core_stats *stats = ch_core_stats(core);

	require(stats->present_bytes <= stats->recorded_bytes);
	require(stats->recorded_bytes <= stats->mapped_bytes);
	fuzz_touch_text(process->comm);
	fuzz_touch_text(process->argv0);
	fuzz_touch_text(ch_core_producer_basis(core));
	fuzz_touch_text(ch_producer_name(ch_core_producer(core)));
	use_segments(core);
	use_lists(core);
}

void use_findings(const struct ch_context *ctx)
{
	size_t count, i;
	const struct ch_finding *findings = ch_context_findings(ctx, &count);

	for (i = 0; i < count; i++)
		fuzz_touch_text(findings[i].message);
}

void use_core_bytes(const uint8_t *data, size_t size)
{
	const struct ch_core_options options = { .temp_bytes_max = 8U << 20,
						 .temp_dir = "/dev/shm" };
	struct ch_context *ctx = ch_context_create(NULL);
	struct ch_core *core = NULL;
	struct ch_error *err;
	char path[64];
	int fd = fuzz_file(data, size, path);

	require(ctx);
	err = ch_core_open(ctx, path, &options, &core);
	if (err) {
		fuzz_touch_text(err->message);
		ch_error_destroy(err);
	} else {
		use_core(core);
		use_findings(ctx);
	}
	ch_core_close(core);
	ch_context_destroy(ctx);
	close(fd);
}
