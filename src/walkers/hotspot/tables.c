/*
 * The tables in which libjvm describes itself. A field that another release calls
 * otherwise is another row here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Entries of a table; 17 has 788 fields, 768 types and 484 constants. */
#define ENTRIES_MAX 16384
#define WORD_MAX    160
/* 8 has some 40. */
#define VARIABLES_MAX 256

/* What 21 calls X is ZGC of a single generation: see zgc.c. */
#define X(id) (id) + (HS_X_GLOBALS - HS_Z_GLOBALS)

static const struct member_row {
	enum hs_member_id id;
	const char *type, *field;
} member_rows[] = {
	{ HS_FLAGS, "JVMFlag", "flags" },
	{ HS_FLAGS, "Flag", "flags" },
	{ HS_FLAGS_COUNT, "JVMFlag", "numFlags" },
	{ HS_FLAGS_COUNT, "Flag", "numFlags" },
	{ HS_FLAG_NAME, "JVMFlag", "_name" },
	{ HS_FLAG_NAME, "Flag", "_name" },
	{ HS_FLAG_ADDR, "JVMFlag", "_addr" },
	{ HS_FLAG_ADDR, "Flag", "_addr" },
	{ HS_FLAG_TYPE, "JVMFlag", "_type" },
	{ HS_FLAG_TYPE, "Flag", "_type" },
	{ HS_FLAG_BITS, "JVMFlag", "_flags" },
	{ HS_FLAG_BITS, "Flag", "_flags" },
	{ HS_COLLECTED_HEAP, "Universe", "_collectedHeap" },
	/* 8 and 11; 17 and 21; 25 */
	{ HS_NARROW_KLASS_BASE, "Universe", "_narrow_klass._base" },
	{ HS_NARROW_KLASS_BASE, "CompressedKlassPointers", "_narrow_klass._base" },
	{ HS_NARROW_KLASS_BASE, "CompressedKlassPointers", "_base" },
	{ HS_NARROW_KLASS_SHIFT, "Universe", "_narrow_klass._shift" },
	{ HS_NARROW_KLASS_SHIFT, "CompressedKlassPointers", "_narrow_klass._shift" },
	{ HS_NARROW_KLASS_SHIFT, "CompressedKlassPointers", "_shift" },
	{ HS_NARROW_OOP_BASE, "Universe", "_narrow_oop._base" },
	{ HS_NARROW_OOP_BASE, "CompressedOops", "_narrow_oop._base" },
	{ HS_NARROW_OOP_BASE, "CompressedOops", "_base" },
	{ HS_NARROW_OOP_SHIFT, "Universe", "_narrow_oop._shift" },
	{ HS_NARROW_OOP_SHIFT, "CompressedOops", "_narrow_oop._shift" },
	{ HS_NARROW_OOP_SHIFT, "CompressedOops", "_shift" },
	{ HS_KLASS_LAYOUT_HELPER, "Klass", "_layout_helper" },
	{ HS_KLASS_NAME, "Klass", "_name" },
	{ HS_SYMBOL_LENGTH, "Symbol", "_length" },
	{ HS_SYMBOL_BODY, "Symbol", "_body" },
	{ HS_SYMBOL_BODY, "Symbol", "_body[0]" },
	{ HS_CLASS_OOP_SIZE, "java_lang_Class", "_oop_size_offset" },
	{ HS_G1_REGIONS_HOLDER, "G1CollectedHeap", "_hrm" },
	{ HS_G1_REGIONS, "HeapRegionManager", "_regions" },
	{ HS_G1_REGIONS, "G1HeapRegionManager", "_regions" },
	{ HS_G1_TABLE_BASE, "G1HeapRegionTable", "_base" },
	{ HS_G1_TABLE_LENGTH, "G1HeapRegionTable", "_length" },
	{ HS_G1_BOTTOM, "G1HeapRegion", "_bottom" },
	{ HS_G1_BOTTOM, "HeapRegion", "_bottom" },
	{ HS_G1_BOTTOM, "Space", "_bottom" },
	{ HS_G1_TOP, "G1HeapRegion", "_top" },
	{ HS_G1_TOP, "HeapRegion", "_top" },
	{ HS_G1_TOP, "G1ContiguousSpace", "_top" },
	{ HS_G1_TOP, "G1OffsetTableContigSpace", "_top" },
	{ HS_G1_END, "G1HeapRegion", "_end" },
	{ HS_G1_END, "HeapRegion", "_end" },
	{ HS_G1_END, "Space", "_end" },
	{ HS_G1_TYPE, "G1HeapRegion", "_type" },
	{ HS_G1_TYPE, "HeapRegion", "_type" },
	{ HS_G1_TAG, "G1HeapRegionType", "_tag" },
	{ HS_G1_TAG, "HeapRegionType", "_tag" },
	{ HS_SHENANDOAH_REGIONS, "ShenandoahHeap", "_regions" },
	{ HS_SHENANDOAH_COUNT, "ShenandoahHeap", "_num_regions" },
	{ HS_SHENANDOAH_BOTTOM, "ShenandoahHeapRegion", "_bottom" },
	{ HS_SHENANDOAH_TOP, "ShenandoahHeapRegion", "_top" },
	{ HS_SHENANDOAH_END, "ShenandoahHeapRegion", "_end" },
	{ HS_SHENANDOAH_STATE, "ShenandoahHeapRegion", "_state" },
	{ HS_SHENANDOAH_BYTES, "ShenandoahHeapRegion", "RegionSizeBytes" },
	{ HS_SERIAL_YOUNG, "SerialHeap", "_young_gen" },
	{ HS_SERIAL_YOUNG, "GenCollectedHeap", "_young_gen" },
	{ HS_SERIAL_YOUNG, "GenCollectedHeap", "_gens" },
	{ HS_SERIAL_OLD, "SerialHeap", "_old_gen" },
	{ HS_SERIAL_OLD, "GenCollectedHeap", "_old_gen" },
	{ HS_SERIAL_EDEN, "DefNewGeneration", "_eden_space" },
	{ HS_SERIAL_FROM, "DefNewGeneration", "_from_space" },
	{ HS_SERIAL_TO, "DefNewGeneration", "_to_space" },
	{ HS_SERIAL_SPACE, "TenuredGeneration", "_the_space" },
	{ HS_SERIAL_SPACE, "OneContigSpaceCardGeneration", "_the_space" },
	{ HS_SPACE_BOTTOM, "Space", "_bottom" },
	{ HS_SPACE_BOTTOM, "ContiguousSpace", "_bottom" },
	{ HS_SPACE_TOP, "ContiguousSpace", "_top" },
	{ HS_SPACE_END, "Space", "_end" },
	{ HS_SPACE_END, "ContiguousSpace", "_end" },
	{ HS_PARALLEL_YOUNG, "ParallelScavengeHeap", "_young_gen" },
	{ HS_PARALLEL_OLD, "ParallelScavengeHeap", "_old_gen" },
	{ HS_PARALLEL_EDEN, "PSYoungGen", "_eden_space" },
	{ HS_PARALLEL_FROM, "PSYoungGen", "_from_space" },
	{ HS_PARALLEL_TO, "PSYoungGen", "_to_space" },
	{ HS_PARALLEL_SPACE, "PSOldGen", "_object_space" },
	{ HS_MUTABLE_BOTTOM, "MutableSpace", "_bottom" },
	{ HS_MUTABLE_BOTTOM, "ImmutableSpace", "_bottom" },
	{ HS_MUTABLE_TOP, "MutableSpace", "_top" },
	{ HS_MUTABLE_END, "MutableSpace", "_end" },
	{ HS_MUTABLE_END, "ImmutableSpace", "_end" },
	{ HS_THREADS_LIST, "ThreadsSMRSupport", "_java_thread_list" },
	{ HS_THREADS_LENGTH, "ThreadsList", "_length" },
	{ HS_THREADS_ARRAY, "ThreadsList", "_threads" },
	{ HS_THREAD_FIRST, "Threads", "_thread_list" },
	{ HS_THREAD_NEXT, "JavaThread", "_next" },
	{ HS_THREAD_TLAB, "Thread", "_tlab" },
	{ HS_TLAB_TOP, "ThreadLocalAllocBuffer", "_top" },
	{ HS_TLAB_END, "ThreadLocalAllocBuffer", "_allocation_end" },
	{ HS_TLAB_END, "ThreadLocalAllocBuffer", "_end" },
	{ HS_TLAB_RESERVE, "ThreadLocalAllocBuffer", "_reserve_for_allocation_prefetch" },
	{ HS_LAB_RESERVE, "CollectedHeap", "_lab_alignment_reserve" },
	{ HS_GC_ACTIVE, "CollectedHeap", "_is_stw_gc_active" },
	{ HS_GC_ACTIVE, "CollectedHeap", "_is_gc_active" },
	{ HS_VM_RELEASE, "Abstract_VM_Version", "_s_vm_release" },
	{ HS_KLASS_SUPER, "Klass", "_super" },
	{ HS_KLASS_MIRROR, "Klass", "_java_mirror" },
	{ HS_KLASS_NEXT, "Klass", "_next_link" },
	{ HS_KLASS_VTABLE, "Klass", "_vtable_len" },
	{ HS_KLASS_VTABLE, "InstanceKlass", "_vtable_len" },
	{ HS_KLASS_ITABLE, "InstanceKlass", "_itable_len" },
	{ HS_KLASS_MAPS, "InstanceKlass", "_nonstatic_oop_map_size" },
	{ HS_KLASS_CONSTANTS, "InstanceKlass", "_constants" },
	{ HS_KLASS_FIELDS, "InstanceKlass", "_fields" },
	{ HS_KLASS_FIELD_STREAM, "InstanceKlass", "_fieldinfo_stream" },
	{ HS_KLASS_FIELDS_COUNT, "InstanceKlass", "_java_fields_count" },
	{ HS_CLASS_STATICS_COUNT, "java_lang_Class", "_static_oop_field_count_offset" },
	{ HS_CLASS_KLASS, "java_lang_Class", "_klass_offset" },
	{ HS_POOL_CACHE, "ConstantPool", "_cache" },
	{ HS_POOL_RESOLVED, "ConstantPoolCache", "_resolved_references" },
	{ HS_POOL_OWN_RESOLVED, "ConstantPool", "_resolved_references" },
	{ HS_KLASS_LOADER, "Klass", "_class_loader_data" },
	{ HS_KLASS_LOADER, "InstanceKlass", "_class_loader_data" },
	{ HS_KLASS_METHODS, "InstanceKlass", "_methods" },
	{ HS_KLASS_SIBLING, "Klass", "_next_sibling" },
	{ HS_LOADERS, "ClassLoaderDataGraph", "_head" },
	{ HS_LOADER_NEXT, "ClassLoaderData", "_next" },
	{ HS_LOADER_KLASSES, "ClassLoaderData", "_klasses" },
	{ HS_LOADER_OOP, "ClassLoaderData", "_class_loader" },
	{ HS_LOADER_IS_HIDDEN, "ClassLoaderData", "_has_class_mirror_holder" },
	{ HS_LOADER_IS_HIDDEN, "ClassLoaderData", "_is_unsafe_anonymous" },
	{ HS_LOADER_IS_HIDDEN, "ClassLoaderData", "_is_anonymous" },
	{ HS_THREAD_OOP, "JavaThread", "_threadObj" },
	{ HS_THREAD_HANDLES, "JavaThread", "_active_handles" },
	{ HS_THREAD_HANDLES, "Thread", "_active_handles" },
	{ HS_HANDLES, "JNIHandleBlock", "_handles" },
	{ HS_HANDLES_TOP, "JNIHandleBlock", "_top" },
	{ HS_HANDLES_NEXT, "JNIHandleBlock", "_next" },
	{ HS_JNI_GLOBAL, "JNIHandles", "_global_handles" },
	{ HS_JNI_WEAK, "JNIHandles", "_weak_global_handles" },
	{ HS_CODE_HEAPS, "CodeCache", "_heaps" },
	{ HS_CODE_HEAP, "CodeCache", "_heap" },
	{ HS_ARRAY_LENGTH, "GrowableArrayBase", "_len" },
	{ HS_ARRAY_LENGTH, "GenericGrowableArray", "_len" },
	{ HS_ARRAY_DATA, "GrowableArray<int>", "_data" },
	{ HS_CODE_MEMORY, "CodeHeap", "_memory" },
	{ HS_CODE_SEGMAP, "CodeHeap", "_segmap" },
	{ HS_CODE_SEGMENT_LOG2, "CodeHeap", "_log2_segment_size" },
	{ HS_BLOCK_USED, "HeapBlock::Header", "_used" },
	{ HS_BLOB_NAME, "CodeBlob", "_name" },
	{ HS_BLOB_SIZE, "CodeBlob", "_size" },
	{ HS_BLOB_FRAME_SIZE, "CodeBlob", "_frame_size" },
	{ HS_BLOB_FRAME_COMPLETE, "CodeBlob", "_frame_complete_offset" },
	{ HS_BLOB_CODE_BEGIN, "CodeBlob", "_code_begin" },
	{ HS_BLOB_CODE_OFFSET, "CodeBlob", "_code_offset" },
	{ HS_BLOB_DATA_OFFSET, "CodeBlob", "_data_offset" },
	{ HS_NMETHOD_METHOD, "nmethod", "_method" },
	{ HS_NMETHOD_METHOD, "CompiledMethod", "_method" },
	{ HS_NMETHOD_LEVEL, "nmethod", "_comp_level" },
	{ HS_METHOD_CONST, "Method", "_constMethod" },
	{ HS_CONST_POOL, "ConstMethod", "_constants" },
	{ HS_CONST_NAME, "ConstMethod", "_name_index" },
	{ HS_CONST_CODE_SIZE, "ConstMethod", "_code_size" },
	{ HS_CONST_NUMBER, "ConstMethod", "_method_idnum" },
	{ HS_CONST_LOCALS, "ConstMethod", "_max_locals" },
	{ HS_CONST_PARAMETERS, "ConstMethod", "_size_of_parameters" },
	{ HS_CONST_SIGNATURE, "ConstMethod", "_signature_index" },
	{ HS_METHOD_ACCESS, "Method", "_access_flags" },
	{ HS_THREAD_ANCHOR, "JavaThread", "_anchor" },
	{ HS_WRAPPER_ANCHOR, "JavaCallWrapper", "_anchor" },
	{ HS_ANCHOR_SP, "JavaFrameAnchor", "_last_Java_sp" },
	{ HS_ANCHOR_FP, "JavaFrameAnchor", "_last_Java_fp" },
	{ HS_ANCHOR_PC, "JavaFrameAnchor", "_last_Java_pc" },
	{ HS_POOL_HOLDER, "ConstantPool", "_pool_holder" },
	{ HS_INTERPRETER, "AbstractInterpreter", "_code" },
	{ HS_QUEUE_BUFFER, "StubQueue", "_stub_buffer" },
	{ HS_QUEUE_LIMIT, "StubQueue", "_buffer_limit" },
	{ HS_CODELET_SIZE, "InterpreterCodelet", "_size" },
	{ HS_CODELET_TEXT, "InterpreterCodelet", "_description" },
	{ HS_CALL_STUB_RETURN, "StubRoutines", "_call_stub_return_address" },
	{ HS_THREAD_STACK_BASE, "JavaThread", "_stack_base" },
	{ HS_THREAD_STACK_SIZE, "JavaThread", "_stack_size" },
	{ HS_THREAD_STATE, "JavaThread", "_thread_state" },
	{ HS_THREAD_PENDING, "ThreadShadow", "_pending_exception" },
	{ HS_THREAD_EXCEPTION, "JavaThread", "_exception_oop" },
	{ HS_THREAD_OS, "Thread", "_osthread" },
	{ HS_THREAD_OS, "JavaThread", "_osthread" },
	{ HS_OS_TID, "OSThread", "_thread_id" },
	{ HS_OS_PTHREAD, "OSThread", "_pthread_id" },
	{ HS_NAMED_NAME, "NamedThread", "_name" },
	{ HS_CONTINUATION, "JavaThread", "_cont_entry" },
	{ HS_CONTINUATION_RETURN, "ContinuationEntry", "_return_pc" },
	{ HS_THREAD_VIRTUAL, "JavaThread", "_vthread" },
	{ HS_THREAD_ENTERING, "JavaThread", "_current_pending_monitor" },
	{ HS_THREAD_WAITING, "JavaThread", "_current_waiting_monitor" },
	{ HS_THREAD_ENTERING, "Thread", "_current_pending_monitor" },
	{ HS_THREAD_WAITING, "Thread", "_current_waiting_monitor" },
	{ HS_THREAD_OWNER_ID, "JavaThread", "_monitor_owner_id" },
	{ HS_MONITOR_OBJECT, "ObjectMonitor", "_object" },
	{ HS_MONITOR_OWNER, "ObjectMonitor", "_owner" },
	{ HS_MONITOR_RECURSIONS, "ObjectMonitor", "_recursions" },
	{ HS_MONITOR_CONTENTIONS, "ObjectMonitor", "_contentions" },
	{ HS_MONITOR_NEXT, "ObjectMonitor", "_next_om" },
	{ HS_MONITORS, "ObjectSynchronizer", "_in_use_list" },
	{ HS_MONITORS_HEAD, "MonitorList", "_head" },
	{ HS_LOCK_STACK, "JavaThread", "_lock_stack" },
	{ HS_LOCK_STACK_TOP, "LockStack", "_top" },
	{ HS_LOCK_STACK_BASE, "LockStack", "_base[0]" },
	{ HS_CONST_FLAGS, "ConstMethod", "_flags" },
	{ HS_CONST_FLAGS, "ConstMethod", "_flags._flags" },
	{ HS_CONST_WORDS, "ConstMethod", "_constMethod_size" },
	{ HS_SOURCE_OF_POOL, "ConstantPool", "_source_file_name_index" },
	{ HS_SOURCE_OF_KLASS, "InstanceKlass", "_source_file_name_index" },
	{ HS_NMETHOD_IMMUTABLE, "nmethod", "_immutable_data" },
	{ HS_NMETHOD_PCS, "nmethod", "_scopes_pcs_offset" },
	{ HS_NMETHOD_DEPENDENCIES, "nmethod", "_dependencies_offset" },
	{ HS_NMETHOD_SCOPES, "CompiledMethod", "_scopes_data_begin" },
	{ HS_NMETHOD_SCOPES_OFFSET, "nmethod", "_scopes_data_offset" },
	{ HS_NMETHOD_METADATA, "nmethod", "_metadata_offset" },
	{ HS_BLOB_MUTABLE, "CodeBlob", "_mutable_data" },
	{ HS_BLOB_RELOCATION_SIZE, "CodeBlob", "_relocation_size" },
	{ HS_PC_OFFSET, "PcDesc", "_pc_offset" },
	{ HS_PC_SCOPE, "PcDesc", "_scope_decode_offset" },
	{ HS_VIRTUAL_LOW, "VirtualSpace", "_low" },
	{ HS_VIRTUAL_HIGH, "VirtualSpace", "_high" },
	{ HS_ARCHIVE_START, "MetaspaceObj", "_shared_metaspace_base" },
	{ HS_ARCHIVE_START, "MetaspaceObj", "_aot_metaspace_base" },
	{ HS_ARCHIVE_END, "MetaspaceObj", "_shared_metaspace_top" },
	{ HS_ARCHIVE_END, "MetaspaceObj", "_aot_metaspace_top" },
	{ HS_Z_GLOBALS, "ZGlobalsForVMStructs", "_instance_p" },
	{ HS_Z_OFFSET_MASK, "ZGlobalsForVMStructs", "_ZAddressOffsetMask" },
	{ HS_Z_GOOD_MASK, "ZGlobalsForVMStructs", "_ZPointerLoadGoodMask" },
	{ HS_Z_BAD_MASK, "ZGlobalsForVMStructs", "_ZPointerLoadBadMask" },
	{ HS_Z_LOAD_SHIFT, "ZGlobalsForVMStructs", "_ZPointerLoadShift" },
	{ HS_Z_GOOD_MASK, "ZGlobalsForVMStructs", "_ZAddressGoodMask" },
	{ HS_Z_BAD_MASK, "ZGlobalsForVMStructs", "_ZAddressBadMask" },
	{ HS_Z_HEAP, "ZCollectedHeap", "_heap" },
	{ HS_Z_PAGE_ALLOCATOR, "ZHeap", "_page_allocator" },
	{ HS_Z_PAGE_TABLE, "ZHeap", "_page_table" },
	{ HS_Z_FORWARDING_TABLE, "ZHeap", "_forwarding_table" },
	{ HS_Z_PAGE_MAP, "ZPageTable", "_map" },
	{ HS_Z_MAP, "ZGranuleMapForPageTable", "_map" },
	{ HS_Z_PAGE_TYPE, "ZPage", "_type" },
	{ HS_Z_PAGE_VIRTUAL, "ZPage", "_virtual" },
	{ HS_Z_PAGE_TOP, "ZPage", "_top" },
	{ HS_Z_VIRTUAL_START, "ZVirtualMemory", "_start" },
	{ HS_Z_VIRTUAL_END, "ZVirtualMemory", "_end" },
	{ HS_Z_VIRTUAL_SIZE, "ZVirtualMemory", "_size" },
	{ HS_Z_FORWARDING_VIRTUAL, "ZForwarding", "_virtual" },
	{ HS_Z_FORWARDING_SHIFT, "ZForwarding", "_object_alignment_shift" },
	{ HS_Z_FORWARDING_USERS, "ZForwarding", "_ref_count" },
	{ HS_Z_FORWARDING_ENTRIES, "ZForwarding", "_entries" },
	{ X(HS_Z_GLOBALS), "XGlobalsForVMStructs", "_instance_p" },
	{ X(HS_Z_OFFSET_MASK), "XGlobalsForVMStructs", "_XAddressOffsetMask" },
	{ X(HS_Z_GOOD_MASK), "XGlobalsForVMStructs", "_XAddressGoodMask" },
	{ X(HS_Z_BAD_MASK), "XGlobalsForVMStructs", "_XAddressBadMask" },
	{ X(HS_Z_HEAP), "XCollectedHeap", "_heap" },
	{ X(HS_Z_PAGE_TABLE), "XHeap", "_page_table" },
	{ X(HS_Z_FORWARDING_TABLE), "XHeap", "_forwarding_table" },
	{ X(HS_Z_PAGE_MAP), "XPageTable", "_map" },
	{ X(HS_Z_MAP), "XGranuleMapForPageTable", "_map" },
	{ X(HS_Z_PAGE_TYPE), "XPage", "_type" },
	{ X(HS_Z_PAGE_VIRTUAL), "XPage", "_virtual" },
	{ X(HS_Z_PAGE_TOP), "XPage", "_top" },
	{ X(HS_Z_VIRTUAL_START), "XVirtualMemory", "_start" },
	{ X(HS_Z_VIRTUAL_END), "XVirtualMemory", "_end" },
	{ X(HS_Z_FORWARDING_VIRTUAL), "XForwarding", "_virtual" },
	{ X(HS_Z_FORWARDING_SHIFT), "XForwarding", "_object_alignment_shift" },
	{ X(HS_Z_FORWARDING_USERS), "XForwarding", "_ref_count" },
	{ X(HS_Z_FORWARDING_ENTRIES), "XForwarding", "_entries" },
};

static const struct number_row {
	enum hs_number_id id;
	const char *name;
} size_rows[] = {
	{ HS_SIZE_FLAG, "JVMFlag" },
	{ HS_SIZE_FLAG, "Flag" },
	{ HS_SIZE_KLASS, "InstanceKlass" },
	{ HS_SIZE_POOL, "ConstantPool" },
	{ HS_SIZE_BLOCK, "HeapBlock" },
	{ HS_SIZE_CODE_HEAP, "CodeHeap" },
	{ HS_SIZE_POINTERS, "Array<Method*>" },
	{ HS_SIZE_METHOD, "Method" },
	{ HS_SIZE_CONST, "ConstMethod" },
	{ HS_SIZE_PC, "PcDesc" },
	{ HS_SIZE_CONTINUATION, "ContinuationEntry" },
	{ HS_Z_SIZE_HEAP, "ZHeap" },
	{ HS_Z_SIZE_FORWARDING, "ZForwarding" },
	{ HS_X_SIZE_FORWARDING, "XForwarding" },
}, constant_rows[] = {
	{ HS_TAG_FREE, "G1HeapRegionType::FreeTag" },
	{ HS_TAG_FREE, "HeapRegionType::FreeTag" },
	{ HS_TAG_EDEN, "G1HeapRegionType::EdenTag" },
	{ HS_TAG_EDEN, "HeapRegionType::EdenTag" },
	{ HS_TAG_SURVIVOR, "G1HeapRegionType::SurvTag" },
	{ HS_TAG_SURVIVOR, "HeapRegionType::SurvTag" },
	{ HS_TAG_STARTS, "G1HeapRegionType::StartsHumongousTag" },
	{ HS_TAG_STARTS, "HeapRegionType::StartsHumongousTag" },
	{ HS_TAG_CONTINUES, "G1HeapRegionType::ContinuesHumongousTag" },
	{ HS_TAG_CONTINUES, "HeapRegionType::ContinuesHumongousTag" },
	{ HS_TAG_OLD, "G1HeapRegionType::OldTag" },
	{ HS_TAG_OLD, "HeapRegionType::OldTag" },
	{ HS_HAS_LINES, "ConstMethod::_has_linenumber_table" },
	{ HS_HAS_LINES, "ConstMethodFlags::_misc_has_linenumber_table" },
	{ HS_Z_GRANULE_SHIFT, "ZGranuleSizeShift" },
	{ HS_ORIGIN_MASK, "JVMFlag::VALUE_ORIGIN_MASK" },
}, long_rows[] = {
	{ HS_KLASS_SHIFT, "markWord::klass_shift" },
	{ HS_Z_GRANULE_SHIFT, "ZGranuleSizeShift" },
};

const struct ch_module *hs_find_module(const struct ch_heap_env *env)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (strcmp(modules[i].name, "libjvm.so") == 0)
			return &modules[i];
	return NULL;
}

bool hs_read_ptr(const struct hs *hs, uint64_t addr, uint64_t *ret)
{
	return ch_core_read_u64(hs->core, addr, ret);
}

bool hs_read_u32(const struct hs *hs, uint64_t addr, uint32_t *ret)
{
	return ch_core_read_u32(hs->core, addr, ret);
}

uint64_t hs_member_addr(const struct hs *hs, enum hs_member_id id, uint64_t addr)
{
	const struct hs_member *member = &hs->members[id];

	if (!member->found || (!member->is_static && !addr))
		return 0;
	return member->is_static ? member->addr : addr + member->offset;
}

bool hs_member_ptr(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint64_t *ret)
{
	uint64_t at = hs_member_addr(hs, id, addr);

	return at && hs_read_ptr(hs, at, ret);
}

bool hs_member_u32(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint32_t *ret)
{
	uint64_t at = hs_member_addr(hs, id, addr);

	return at && hs_read_u32(hs, at, ret);
}

bool hs_member_u16(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint32_t *ret)
{
	uint64_t at = hs_member_addr(hs, id, addr);
	uint8_t bytes[2];

	if (!at || !ch_core_try_read(hs->core, at, bytes, sizeof(bytes)))
		return false;
	*ret = ch_get16(bytes);
	return true;
}

/* ---- Reading ------------------------------------------------------------------- */

/* A table and where in an entry what stands; libjvm exports these numbers, too. */
struct table {
	uint64_t at, stride;
	uint64_t name, field, type, is_static, offset, address;
};

/* An exported variable of libjvm; 0: there is none. */
static uint64_t exported(const struct hs *hs, const char *name)
{
	struct ch_symbol symbol;
	uint64_t value;

	if (!ch_sym_exported(hs->env->sym, hs->module, name, &symbol) ||
	    !hs_read_ptr(hs, symbol.addr, &value))
		return 0;
	return value;
}

/* The word that the pointer at addr leads to; "" when it is not in the core. */
static bool read_word(const struct hs *hs, uint64_t addr, char buf[WORD_MAX])
{
	uint64_t at;

	buf[0] = '\0';
	if (!hs_read_ptr(hs, addr, &at) || !at)
		return false;
	return ch_core_read_string(hs->core, at, buf, WORD_MAX);
}

static void take_field(struct hs *hs, const struct table *table, uint64_t entry, const char *type,
		       const char *field)
{
	struct hs_member *member;
	char declared[WORD_MAX];
	uint32_t is_static;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(member_rows); i++) {
		if (strcmp(member_rows[i].type, type) != 0 ||
		    strcmp(member_rows[i].field, field) != 0)
			continue;
		member = &hs->members[member_rows[i].id];
		if (member->found || !hs_read_u32(hs, entry + table->is_static, &is_static) ||
		    !hs_read_ptr(hs, entry + table->offset, &member->offset) ||
		    !hs_read_ptr(hs, entry + table->address, &member->addr))
			continue;
		read_word(hs, entry + table->type, declared);
		member->is_oop = strcmp(declared, "oop") == 0;
		member->is_block = strcmp(declared, "JNIHandleBlock*") == 0;
		member->is_static = is_static != 0;
		/* no structure is that large */
		member->found = member->is_static ? member->addr != 0 : member->offset < (1U << 20);
	}
}

/* Variables of the JVM that refer to objects. */
static struct ch_error *take_variable(struct hs *hs, const struct table *table, uint64_t entry,
				      const char *type, const char *field)
{
	struct hs_variable *variable;
	char declared[WORD_MAX];
	uint32_t is_static;
	uint64_t addr;

	if (!hs_read_u32(hs, entry + table->is_static, &is_static) || !is_static ||
	    hs->variables.count >= VARIABLES_MAX || !read_word(hs, entry + table->type, declared) ||
	    strcmp(declared, "oop") != 0 || !hs_read_ptr(hs, entry + table->address, &addr) ||
	    !addr)
		return NULL;
	variable = ch_vec_push(&hs->variables);
	if (!variable)
		return &ch_enomem;
	variable->addr = addr;
	snprintf(variable->name, sizeof(variable->name), "%s::%s", type, field);
	return NULL;
}

/* What the tables of 8 leave out lies beside what they have: jdk8u, classLoaderData.hpp, the
 * classes four words before the next loader's data; klass.hpp, the next class of a loader
 * behind the next sibling. */
static void guess_members(struct hs *hs)
{
	static const struct {
		enum hs_member_id id, beside;
		int32_t distance;
	} rows[] = { { HS_LOADER_KLASSES, HS_LOADER_NEXT, -32 },
		     { HS_KLASS_NEXT, HS_KLASS_SIBLING, 8 } };
	const struct hs_member *beside;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++) {
		beside = &hs->members[rows[i].beside];
		if (hs->members[rows[i].id].found || !hs->members[HS_LOADER_OOP].is_oop ||
		    !beside->found || (int64_t)beside->offset + rows[i].distance < 0)
			continue;
		hs->members[rows[i].id] =
			(struct hs_member){ .found = true,
					    .is_guess = true,
					    .offset = beside->offset +
						      (uint64_t)(int64_t)rows[i].distance };
	}
}

static struct ch_error *read_fields(struct hs *hs, uint64_t *count_ret)
{
	const struct table table = {
		.at = exported(hs, "gHotSpotVMStructs"),
		.stride = exported(hs, "gHotSpotVMStructEntryArrayStride"),
		.name = exported(hs, "gHotSpotVMStructEntryTypeNameOffset"),
		.field = exported(hs, "gHotSpotVMStructEntryFieldNameOffset"),
		.type = exported(hs, "gHotSpotVMStructEntryTypeStringOffset"),
		.is_static = exported(hs, "gHotSpotVMStructEntryIsStaticOffset"),
		.offset = exported(hs, "gHotSpotVMStructEntryOffsetOffset"),
		.address = exported(hs, "gHotSpotVMStructEntryAddressOffset"),
	};
	char type[WORD_MAX], field[WORD_MAX];
	struct ch_error *err = NULL;
	uint64_t entry, count;

	*count_ret = 0;
	if (!table.at || table.stride < 16 || table.stride > 4096)
		return NULL;
	for (count = 0; !err && count < ENTRIES_MAX; count++) {
		entry = table.at + count * table.stride;
		if (!read_word(hs, entry + table.name, type) ||
		    !read_word(hs, entry + table.field, field))
			break;
		take_field(hs, &table, entry, type, field);
		err = take_variable(hs, &table, entry, type, field);
	}
	guess_members(hs);
	*count_ret = count;
	return err;
}

/* Types and constants: a name, and a number of size bytes. */
static void read_numbers(struct hs *hs, const char *prefix, const char *value_name,
			 const struct number_row *rows, size_t rows_count, uint32_t size)
{
	char symbol[96], name[WORD_MAX];
	struct table table = { .at = 0 };
	uint64_t entry, count, value;
	uint32_t small;
	size_t i;

	snprintf(symbol, sizeof(symbol), "%ss", prefix);
	table.at = exported(hs, symbol);
	snprintf(symbol, sizeof(symbol), "%sEntryArrayStride", prefix);
	table.stride = exported(hs, symbol);
	snprintf(symbol, sizeof(symbol), "%sEntry%s", prefix,
		 size == 0 ? "TypeNameOffset" : "NameOffset");
	table.name = exported(hs, symbol);
	snprintf(symbol, sizeof(symbol), "%sEntry%s", prefix, value_name);
	table.offset = exported(hs, symbol);
	if (!table.at || table.stride < 16 || table.stride > 4096)
		return;
	for (count = 0; count < ENTRIES_MAX; count++) {
		entry = table.at + count * table.stride;
		if (!read_word(hs, entry + table.name, name))
			return;
		for (i = 0; i < rows_count; i++) {
			if (strcmp(rows[i].name, name) != 0 || hs->numbers[rows[i].id].found)
				continue;
			if (size == 4 ? !hs_read_u32(hs, entry + table.offset, &small)
				      : !hs_read_ptr(hs, entry + table.offset, &value))
				continue;
			hs->numbers[rows[i].id] =
				(struct hs_number){ true, size == 4 ? small : value };
		}
	}
}

static const char *name_of(enum hs_member_id id, char buf[2 * WORD_MAX])
{
	size_t i = 0;

	while (member_rows[i].id != id)
		i++;
	snprintf(buf, 2 * WORD_MAX, "%s::%s", member_rows[i].type, member_rows[i].field);
	return buf;
}

/* What a name that the tables lack costs; other releases have another one for it. */
static void tell_missing(const struct hs *hs)
{
	static const struct {
		enum hs_member_id id, other;
		const char *costs;
	} rows[] = {
		{ HS_THREADS_LIST, HS_THREAD_FIRST, "Java threads and what they hold" },
		{ HS_THREAD_TLAB, HS_THREAD_TLAB, "memory that threads allocate from" },
		{ HS_THREAD_OOP, HS_THREAD_OOP, "names of Java threads" },
		{ HS_KLASS_MAPS, HS_KLASS_MAPS, "references between objects" },
		{ HS_KLASS_MIRROR, HS_KLASS_MIRROR, "static fields" },
		{ HS_KLASS_FIELDS, HS_KLASS_FIELD_STREAM, "fields by name" },
		{ HS_LOADERS, HS_LOADERS, "classes, and what their static fields hold" },
		{ HS_JNI_GLOBAL, HS_JNI_GLOBAL, "handles of JNI and of the JVM" },
		{ HS_CODE_HEAPS, HS_CODE_HEAP, "what the code cache has" },
	};
	char name[2 * WORD_MAX];
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (!hs->members[rows[i].id].found && !hs->members[rows[i].other].found)
			chp_context_finding(
				hs->env->ctx, CH_SEVERITY_INCOMPLETE, "jvm-name-missing",
				"libjvm.so's tables do not name %s: not known, then: %s",
				name_of(rows[i].id, name), rows[i].costs);
}

struct ch_error *hs_tables_read(struct hs *hs)
{
	static const enum hs_member_id needed[] = {
		HS_FLAGS,          HS_FLAGS_COUNT,         HS_FLAG_NAME,  HS_FLAG_ADDR,
		HS_COLLECTED_HEAP, HS_KLASS_LAYOUT_HELPER, HS_KLASS_NAME, HS_SYMBOL_LENGTH,
		HS_SYMBOL_BODY,    HS_CLASS_OOP_SIZE,
	};
	char name[2 * WORD_MAX];
	struct ch_error *err;
	uint64_t count;
	size_t i;

	err = read_fields(hs, &count);
	if (err)
		return err;
	if (!count)
		return ch_error_create(CH_ERROR_ABSENT,
				       "the tables of libjvm.so are not in the core, and the file "
				       "with its build-id is not at hand (see --sysroot)");
	read_numbers(hs, "gHotSpotVMType", "SizeOffset", size_rows, CH_COUNT_OF(size_rows), 0);
	read_numbers(hs, "gHotSpotVMIntConstant", "ValueOffset", constant_rows,
		     CH_COUNT_OF(constant_rows), 4);
	read_numbers(hs, "gHotSpotVMLongConstant", "ValueOffset", long_rows, CH_COUNT_OF(long_rows),
		     8);
	for (i = 0; i < CH_COUNT_OF(needed); i++)
		if (!hs->members[needed[i]].found)
			return ch_error_create(CH_ERROR_UNSUPPORTED,
					       "libjvm.so's tables do not name %s",
					       name_of(needed[i], name));
	tell_missing(hs);
	return NULL;
}

bool hs_flag(const struct hs *hs, const char *name, uint64_t *ret)
{
	uint64_t flags, count, stride = hs->numbers[HS_SIZE_FLAG].value, i, at, addr;
	char word[WORD_MAX];

	if (!hs->numbers[HS_SIZE_FLAG].found || stride < 16 || stride > 4096 ||
	    !hs_member_ptr(hs, HS_FLAGS, 0, &flags) ||
	    !hs_member_ptr(hs, HS_FLAGS_COUNT, 0, &count))
		return false;
	for (i = 0; i < ch_min(count, ENTRIES_MAX); i++) {
		at = flags + i * stride;
		if (!read_word(hs, hs_member_addr(hs, HS_FLAG_NAME, at), word) ||
		    strcmp(word, name) != 0)
			continue;
		return hs_member_ptr(hs, HS_FLAG_ADDR, at, &addr) && hs_read_ptr(hs, addr, ret);
	}
	return false;
}

bool hs_flag_is_set(const struct hs *hs, const char *name)
{
	uint64_t value;

	return hs_flag(hs, name, &value) && (value & 0xff) == 1;
}
