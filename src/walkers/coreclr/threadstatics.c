/*
 * Where threads have their static fields.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/methodtable.h (ThreadStaticsInfo),
 * threadstatics.h (TLSIndex, ThreadLocalData); release/8.0, threadstatics.h
 * (ThreadLocalBlock, TLMTableEntry, ThreadLocalModule); measured on 3.1.3, 8.0.33,
 * 9.0.7 and 10.0.12.
 */
#include "walkers/coreclr/coreclr_priv.h"

enum {
	/* ThreadStaticsInfo lies before the auxiliary data of a method table: TLSIndex of
	 * fields without objects, then of those with. */
	THREAD_STATICS_INFO = 40,
	INFO_OBJECTS = 4,
	/* ThreadLocalData. */
	DATA_COUNT = 0,
	DATA_ARRAY = 8,
	/* TLSIndex: what of it is the index, and the kind behind it. */
	TLS_INDEX_MASK = 0xffffff,
	TLS_KIND_SHIFT = 24,
	TLS_KIND_DIRECT = 2,
	TLS_UNUSED = 2,
	ARRAY_DATA = 16,
	/* ThreadLocalBlock: a table of ThreadLocalModule, and its length; of one of them:
	 * the handle of the array of objects. */
	BLOCK_TABLE = 0,
	BLOCK_COUNT = 8,
	LOCAL_OBJECTS = 16,
	LOCALS_MAX = 65536,
};

/* The array of a thread's statics that an index of a type leads to; 0: none. */
static uint64_t array_at(const struct clr *clr, uint64_t data, uint32_t index)
{
	uint64_t array, ret;
	uint32_t count;

	/* Only those of types that are never unloaded lie in the array. */
	if (index >> TLS_KIND_SHIFT || (index & TLS_INDEX_MASK) < TLS_UNUSED ||
	    !ch_core_read_u32(clr->core, data + DATA_COUNT, &count) ||
	    (index & TLS_INDEX_MASK) >= count || !clr_read_ptr(clr, data + DATA_ARRAY, &array) ||
	    !clr_read_ptr(clr, array + ARRAY_DATA + 8ULL * ((index & TLS_INDEX_MASK) - TLS_UNUSED),
			  &ret))
		return 0;
	return ret;
}

/* Offsets of a thread's fields count from its array in .NET 10, from the first element
 * in .NET 9, where the first field has none. */
static uint64_t array_base(const struct clr_field *fields, uint32_t count, uint64_t array)
{
	uint32_t i;

	for (i = 0; array && i < count; i++)
		if (fields[i].is_thread_static && clr_holds_object(&fields[i]) &&
		    fields[i].offset < ARRAY_DATA)
			return array + ARRAY_DATA;
	return array;
}

/* Before .NET 9: a thread has a structure for each module that it needs one of. */
static uint64_t old_base(const struct clr *clr, const struct clr_thread *thread, uint64_t mt,
			 bool objects)
{
	uint64_t block = thread->addr + clr->layout.thread_block, module, table, local, handle;
	uint64_t array;
	uint32_t index, count;

	if (!clr->layout.thread_block || !clr_old_statics_module(clr, mt, &module) ||
	    !ch_core_read_u32(clr->core, module + clr->layout.module_index, &index) ||
	    !clr_read_ptr(clr, block + BLOCK_TABLE, &table) ||
	    !ch_core_read_u32(clr->core, block + BLOCK_COUNT, &count) || count > LOCALS_MAX ||
	    index >= count || !clr_read_ptr(clr, table + 8ULL * index, &local) || !local)
		return 0;
	/* Fields without objects count from the start of the structure. */
	if (!objects)
		return local;
	if (!clr_read_ptr(clr, local + LOCAL_OBJECTS, &handle) || !handle ||
	    !clr_read_ptr(clr, handle, &array) || !array)
		return 0;
	return array + ARRAY_DATA;
}

uint64_t clr_thread_base(const struct clr *clr, const struct clr_thread *thread,
			 const struct clr_thread_query *query)
{
	uint32_t index;
	uint64_t aux;

	if (clr->layout.old)
		return old_base(clr, thread, query->mt, query->objects);
	if (!thread->data || !clr_read_ptr(clr, query->mt + clr->layout.mt_aux, &aux) ||
	    !ch_core_read_u32(clr->core,
			      aux - THREAD_STATICS_INFO + (query->objects ? INFO_OBJECTS : 0),
			      &index))
		return 0;
	if (query->objects)
		return array_base(query->fields, query->count, array_at(clr, thread->data, index));
	/* DirectOnThreadLocalData: a distance from there. */
	if (index >> TLS_KIND_SHIFT == TLS_KIND_DIRECT)
		return thread->data + (index & TLS_INDEX_MASK);
	return array_at(clr, thread->data, index);
}
