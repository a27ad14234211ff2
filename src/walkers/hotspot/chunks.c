/*
 * Stack chunks: while a virtual thread waits, its frames lie in objects of
 * jdk.internal.vm.StackChunk, each with a size of its own. Behind the fields come the words of
 * the stack (it grows down: frames are from `sp` to the end), and behind those a bitmap with a
 * bit for each place of a reference. The bitmap's room is always there; whether it says anything
 * is known from a field that the JVM adds and its tables do not have. So frames are looked at as
 * the stacks of threads are: each word that is the address of an object may hold it.
 *
 * Layout facts: oops/instanceStackChunkKlass.inline.hpp (instance_size, bitmap_size),
 * oops/stackChunkOop.inline.hpp, runtime/frame.hpp (metadata_words) (tags jdk-21+35, jdk-25+36).
 */
#include "walkers/hotspot/chunks.h"

#include "walkers/hotspot/hotspot_priv.h"

/* Below a frame are its return address and a saved register, which may hold a reference. */
#define METADATA_WORDS 2

bool hs_chunks_learn(const struct hs *hs, uint64_t klass, uint32_t layout, struct hs_chunks *ret)
{
	ret->size_at = hs_field_offset(hs, klass, "size", false);
	ret->sp_at = hs_field_offset(hs, klass, "sp", false);
	ret->stack_at = layout & ~7U;
	if (!ret->sp_at || ret->size_at + 4ULL > ret->stack_at || ret->sp_at + 4ULL > ret->stack_at)
		ret->size_at = 0;
	return ret->size_at;
}

uint64_t hs_chunk_bytes(const struct hs *hs, const struct hs_chunks *chunks, uint32_t words)
{
	uint64_t bits = (uint64_t)words << hs->narrow_oop;

	/* an int of Java */
	if (!chunks->size_at || words > INT32_MAX)
		return 0;
	return chunks->stack_at + 8ULL * words + ch_align_up(bits, 64) / 8;
}

bool hs_chunk_frames(const struct hs *hs, const struct hs_chunks *chunks, uint64_t addr,
		     uint64_t size_bytes, struct ch_ref_run *ret)
{
	uint32_t words, sp;
	uint64_t most;

	if (!chunks->size_at || size_bytes < chunks->stack_at ||
	    !hs_read_u32(hs, addr + chunks->size_at, &words) ||
	    !hs_read_u32(hs, addr + chunks->sp_at, &sp))
		return false;
	most = (size_bytes - chunks->stack_at) / 8;
	if (words > most || sp >= words)
		return false;
	sp -= (uint32_t)ch_min(sp, METADATA_WORDS);
	*ret = (struct ch_ref_run){ .offset = chunks->stack_at + 8ULL * sp,
				    .words = words - sp,
				    .stack = true };
	return true;
}
