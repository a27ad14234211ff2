/*
 * What tells one dump from another, kept beyond the session.
 */
#include "analysis/dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 4096

static uint64_t hash_dump(const struct ch_core *core)
{
	const struct ch_process *process = ch_core_process(core);
	uint64_t hash = CH_HASH_START;
	const struct ch_file_map *maps;
	const struct ch_thread *threads;
	size_t i, k, count;

	hash = ch_hash_number(hash, process->pid);
	hash = ch_hash_bytes(hash, process->comm, strlen(process->comm));
	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++) {
		hash = ch_hash_number(hash, threads[i].tid);
		for (k = 0; k < threads[i].regs_count; k++)
			hash = ch_hash_number(hash, threads[i].regs[k]);
	}
	maps = ch_core_file_maps(core, &count);
	for (i = 0; i < count; i++) {
		if (maps[i].derived)
			continue;
		hash = ch_hash_number(hash, maps[i].start);
		hash = ch_hash_number(hash, maps[i].end);
		hash = ch_hash_bytes(hash, maps[i].path, strlen(maps[i].path));
	}
	return hash;
}

const char *chp_dump_id(const struct ch_core *core, char ret[CH_DUMP_ID_MAX])
{
	snprintf(ret, CH_DUMP_ID_MAX, "%016" PRIx64, hash_dump(core));
	return ret;
}

struct ch_error *chp_dump_make(const struct ch_core *core, struct ch_dump *ret)
{
	const struct ch_process *process = ch_core_process(core);

	*ret = (struct ch_dump){ .file = chp_text_escape(chp_base_name(ch_core_path(core)),
							 TEXT_BYTES_MAX),
				 .comm = chp_text_escape(process->comm, TEXT_BYTES_MAX),
				 .producer = ch_producer_name(ch_core_producer(core)),
				 .arch = ch_arch_name(ch_core_arch(core)),
				 .pid = process->pid };
	chp_dump_id(core, ret->id);
	return ret->file && ret->comm ? NULL : &ch_enomem;
}

void chp_dump_deinit(struct ch_dump *dump)
{
	free(dump->file);
	free(dump->comm);
}

struct ch_error *chp_dump_findings_copy(const struct ch_context *ctx, struct ch_vec *ret)
{
	const struct ch_finding *findings;
	struct ch_dump_finding *slot;
	size_t count, i;

	findings = ch_context_findings(ctx, &count);
	for (i = 0; i < count; i++) {
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_dump_finding){ .finding = findings[i],
						  .message = strdup(findings[i].message) };
		slot->finding.message = slot->message;
		if (!slot->message)
			return &ch_enomem;
	}
	return NULL;
}

void chp_dump_findings_free(struct ch_vec *findings)
{
	struct ch_dump_finding *list = findings->items;
	size_t i;

	for (i = 0; i < findings->count; i++)
		free(list[i].message);
	ch_vec_deinit(findings);
}
