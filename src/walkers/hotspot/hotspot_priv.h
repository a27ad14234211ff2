/*
 * hotspot_priv.h - the inside of the HotSpot (JVM) walker.
 *
 * libjvm describes itself: it exports tables of its structures, their fields, its
 * types and constants, for debuggers (gHotSpotVMStructs and others). tables.c reads
 * them from the core, by the names that the releases gave them; heap.c finds the
 * collector's spaces, klass.c says what a class is called and how large its objects
 * are, hotspot.c walks them.
 *
 * Layout facts: openjdk/jdk, src/hotspot/share/runtime/vmStructs.{hpp,cpp} (tags
 * jdk-17+35, jdk-21+35, jdk-25+36), gc/g1/vmStructs_g1.hpp, gc/serial, gc/parallel, oops/klass.hpp
 * (layout helper), oops/markWord.hpp; measured on 17.0.15 and 25.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_PRIV_H
#define COREHEAP_WALKERS_HOTSPOT_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/table.h"
#include "util/vec.h"
#include "walkers/hotspot/chunks.h"
#include "walkers/hotspot/netty.h"
#include "walkers/hotspot/objects.h"
#include "walkers/hotspot/stacks.h"
#include "walkers/hotspot/strings.h"
#include "walkers/hotspot/tables.h"
#include "walkers/hotspot/throwable.h"

#define HS_NAME_MAX 1024
/* Class loaders: a list that is longer is damaged. */
#define HS_LOADERS_MAX (1U << 20)
/* A power of two. */
#define HS_KNOWN_CLASSES 256

/** Type ids below any class. */
enum hs_pseudo_type {
	/** Memory that a thread has taken to allocate from. */
	HS_TYPE_TLAB = 1,
	/** Behind the last object of a space or region. */
	HS_TYPE_UNUSED,
	/** Behind a humongous object: nobody's until that dies. */
	HS_TYPE_WASTE,
};

/** [start, end): taken by a thread, no objects. */
struct hs_gap {
	uint64_t start, end;
};

/** A piece of the heap with objects in [start, top). */
struct hs_space {
	uint64_t start, top, end;
	/** Index in heaps. */
	uint32_t heap;
	/** Objects begin at multiples of it; 0: as everywhere. */
	uint32_t align;
	/** It has one object, and nothing behind that; what is there belongs to whole regions
	 * that the object was given. */
	bool single, humongous;
};

/**
 * ZGC's pointers: zgc.c. Of the single generation an offset with bits that say when it
 * was good, which addresses have, too; of the generational one an address behind 16 bits
 * of such, of which some are its own lowest ones.
 */
struct hs_colors {
	bool used, generational;
	/** Objects lie at an offset plus view. */
	uint64_t offset_mask, view;
	/** A pointer with one of these is from before the last relocation. */
	uint64_t bad_mask, good_mask;
	/** Tables with an entry for each granule of 1 << granule_shift bytes: of pages, and
	 * of what was relocated, by the only generation or by each of both. */
	struct hs_granules {
		uint64_t map, count;
		/** The bit of a color's number that a generation's relocation changes. */
		uint32_t color_bit;
	} pages, moved[2];
	uint32_t moved_count, granule_shift;
	/** What objects of medium pages begin at multiples of. */
	uint32_t medium_align;
	/** Pages that were being moved. */
	uint64_t moving_count;
	uint64_t forwarding_bytes;
	/** Added to members: 0, or what makes those of X of those of Z. */
	uint32_t ids;
};

struct hs {
	const struct ch_heap_env *env;
	struct ch_core *core;
	const struct ch_module *module;
	struct hs_member members[HS_MEMBERS];
	struct hs_number numbers[HS_NUMBERS];

	/** "G1", "Serial", "Parallel", "Shenandoah", "ZGC". Static. */
	const char *collector;
	/** Class pointers of 4 bytes, of as many bits as the mark word has room for; pointers
	 * between objects of 4 bytes. */
	bool narrow_klass, compact, narrow_oop;
	uint64_t klass_base, oop_base;
	uint32_t klass_shift, oop_shift, mark_shift;
	uint32_t align;
	/** Offset of an array's length. */
	uint32_t length_offset;
	/** Where an instance of java.lang.Class keeps its size, in words. */
	uint32_t class_size_offset;
	bool gc_active;
	/** Of G1, if it has humongous objects; 0: it has none, or another collector runs. */
	uint64_t region_bytes;
	/** Humongous objects, their bytes, what is behind them. */
	uint64_t humongous_count, humongous_bytes, humongous_waste_bytes;
	/** The file of classes that several processes share; 0: none. */
	uint64_t archive_addr, archive_bytes;
	struct hs_colors colors;

	/** edges.c: of struct hs_type, what was learned of classes; its index by class */
	struct ch_vec types;
	struct ch_table types_by_klass;
	struct hs_chunks chunks;
	/** Of enum ch_strength: references that are followed. */
	uint32_t strengths;
	/** of struct ch_ref_run: pointers of instances */
	struct ch_vec maps;
	/** java.lang.String and where its instances have what they hold; 0: not met. */
	uint64_t string_klass;
	uint32_t string_value, string_coder;
	/** klass.c: java.lang.Class itself; 0: not met yet. Statics begin there in its
	 * instances. */
	uint64_t class_klass;
	uint32_t statics_offset;
	/** owners.c: a class, and where fields lie; 0: not met. */
	uint64_t deallocator;
	uint32_t deallocator_address, cleaner_referent, cleaner_thunk;
	/** of struct hs_class: every class that a loader has; of struct hs_static */
	struct ch_vec classes, statics;
	/** of struct ch_loader, once classes are listed */
	struct ch_vec loaders;
	bool classes_listed;
	/** loaders.c: where a loader's data have their list of handles; 0: not known yet. */
	uint32_t handles_offset;
	/** tables.c: of struct hs_variable */
	struct ch_vec variables;
	/** storages.c: of struct hs_storage */
	struct ch_vec storages;

	/** of struct ch_heap_desc, struct ch_span, struct hs_space (same order as spans),
	 * struct hs_gap (ascending), struct ch_fact, char * */
	struct ch_vec heaps, spans, spaces, gaps, facts, names;
	/** of struct ch_walker_claim, ascending */
	struct ch_vec claims;
	/** of struct hs_code_heap: pieces of the code cache */
	struct ch_vec code_heaps;
	/** of struct hs_thread: Java's, by stack; valid when threads_listed */
	struct ch_vec threads;
	bool threads_listed;
	/** flags.c: of struct ch_setting, by name; texts in names. */
	struct ch_vec settings;
	bool settings_read;
	/** metaspace.c; NULL before it was looked for. */
	struct hs_metaspace *metaspace;
	/** nmt.c; NULL before it was asked for. */
	struct hs_nmt *nmt;
	/** exceptions.c: a function, 0: not found. */
	bool report_known;
	uint64_t report;
	/** netty.c; NULL before it was asked for. */
	struct hs_netty *netty;
	/** direct.c: of struct ch_quota */
	struct ch_vec quotas;
	/** throwable.c: where fields of Throwable lie, 0: it has none; classes met last. */
	bool throwable_known;
	uint32_t throwable_backtrace, throwable_elements;
	struct {
		uint64_t klass;
		bool throwable;
	} known[HS_KNOWN_CLASSES];
	/** Work that damage could make endless, and which is bounded as a whole: segments
	 * gone back, bytes of line tables, words of stacks, and of those looked at for
	 * exceptions, threads looked at for owners and by their registers. One thread asks for
	 * stacks. */
	struct {
		uint64_t hops, lines, words, thrown, owners;
		uint32_t searches;
	} work;
	char release[64];
	/** Where the archive of shared classes lies. */
	char archive[32];
};

/** How large the objects of a class are. */
struct hs_shape {
	/** Klass::_layout_helper. */
	int32_t layout;
	/** java.lang.Class, a stack chunk: each has a size of its own. */
	bool mirror, chunk;
};

enum hs_shape_kind {
	HS_SHAPE_INSTANCE,
	/** An array of references; of numbers. */
	HS_SHAPE_OBJECTS,
	HS_SHAPE_VALUES,
};

/** What the numbers of an instance say of native memory. */
enum hs_role {
	/** Any may be the address of a block. */
	HS_ROLE_PLAIN,
	/** None owns one. */
	HS_ROLE_ALIAS,
	/** One does, but another object with its address is the owner, if there is one: this is
	 * there to free it, or a number in a box. */
	HS_ROLE_BESIDE,
	/** A direct buffer: it owns its memory, unless it is a view of something. */
	HS_ROLE_BUFFER,
	/** Of a direct buffer: it holds the buffer's memory when that is gone. */
	HS_ROLE_CLEANER,
};

/** What edges.c knows of a class. */
struct hs_type {
	uint64_t klass;
	enum hs_shape_kind kind;
	enum hs_role role;
	bool mirror, chunk;
	/** Links may begin at its instances: classes, and their loaders. */
	bool linked;
	uint32_t header_bytes;
	/** Its own mirror, which its instances keep alive; 0: that always is. */
	uint64_t keeps;
	/** Of a direct buffer: where it has what it is a view of, its address and its bytes; 0:
	 * nowhere. */
	uint32_t views[2], address, capacity;
	/** Runs in maps. */
	uint32_t map_first, map_count;
};

struct hs_class {
	uint64_t klass, mirror;
	/** The data of its loader, if that lives only as long as something reaches it; 0: it is
	 * always alive. */
	uint64_t loader;
};

/** A variable of the JVM that refers to an object: "Universe::_main_thread_group". */
struct hs_variable {
	uint64_t addr;
	char name[80];
};

/** Where the JVM keeps handles of one purpose. */
struct hs_storage {
	uint64_t addr;
	char name[40];
};

/** A static field that holds a reference. */
struct hs_static {
	uint64_t klass, addr;
	uint32_t offset;
};

/** One field of a class. */
struct hs_field {
	/** Borrowed until the next one: "orders", "Ljava/util/Map;". */
	const char *name, *signature;
	uint32_t offset;
	bool is_static;
};
/** False ends the visit. */
typedef bool (*hs_field_fn)(void *arg, const struct hs_field *field);

/** fields.c: fields that a class itself declares, in the order of its class file. */
void hs_fields_visit(const struct hs *hs, uint64_t klass, hs_field_fn fn, void *arg);
/** The text of a constant pool's entry that is a Symbol. */
bool hs_pool_text(const struct hs *hs, uint64_t pool, uint32_t index, char *buf, size_t max);
/** The class that a mirror stands for; 0: it is not known. */
uint64_t hs_class_of_mirror(const struct hs *hs, uint64_t addr);
/** What lies at offset of an object of klass: ".name", "[3]", of a mirror a static
 * field's name. False: not known. */
bool hs_place_text(struct hs *hs, uint64_t addr, uint64_t klass, uint64_t offset, char *buf,
		   size_t max);

/** edges.c: get ready for objects of a class. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_edges_learn(struct hs *hs, uint64_t klass);
void hs_edges_refs(void *state, struct ch_ref_query *query);
void hs_narrow(void *state, struct ch_narrow *ret);
void hs_follow(void *state, uint32_t strengths);
/** Where instances of a class of references have what they refer to, and how strongly they
 * hold it; 0: it is no such class, or holds it as any other field does. */
uint32_t hs_referent(const struct hs *hs, uint64_t klass, enum ch_strength *ret);

/** classes.c: the object that the data of a class loader live as long as; 0: they always do. */
uint64_t hs_loader_holder(const struct hs *hs, uint64_t data);
/** The mirror of a class, if it lives only as long as something reaches its loader; else 0. */
uint64_t hs_class_keeper(const struct hs *hs, uint64_t klass);
/** java.lang.ClassLoader, or one that derives from it. */
bool hs_is_loader_class(const struct hs *hs, uint64_t klass);
/** Resolved constants, if they are a handle of a loader's data. */
bool hs_is_constants(const struct hs *hs, uint64_t object);
/** Non-NULL ends the visit. at: where the handle lies. */
typedef struct ch_error *(*hs_handle_fn)(void *arg, uint64_t at, uint64_t value);
/** The objects that the data of a loader hold. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_loader_handles(struct hs *hs, uint64_t data, hs_handle_fn fn,
						 void *arg);
/** Keep what is known of a loader by its data, whose classes were listed. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_loader_add(struct hs *hs, uint64_t data, uint64_t classes_count);
CH_MUST_CHECK struct ch_error *hs_loaders(void *state, struct ch_loader **ret, size_t *count_ret);
/** Loaders to classes, classes to constants, of those that are not always alive. */
CH_MUST_CHECK struct ch_error *hs_loader_links(void *state, ch_walker_links_fn fn, void *arg);

/** roots.c: classes, threads, JNI handles. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_classes_list(struct hs *hs);
/** declared.c: all of them, with what they declare. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *hs_classes_visit(void *state, ch_classes_fn fn, void *arg);
CH_MUST_CHECK struct ch_error *hs_roots_visit(void *state, ch_walker_roots_fn fn, void *arg);
/** The resolved constants of a class, and where the handle lies. False: it has none. */
bool hs_constants_of(const struct hs *hs, uint64_t klass, uint64_t *at_ret, uint64_t *ret);
void hs_root_text(void *state, const struct ch_walker_root *root, char *buf, size_t max);
/** The reference at addr, of the width that objects have. */
bool hs_read_oop(const struct hs *hs, uint64_t addr, uint64_t *ret);
/** The object that a pointer of 8 bytes at addr leads to: a handle's. */
bool hs_read_word(const struct hs *hs, uint64_t addr, uint64_t *ret);
/** The class of the object at addr; 0: not readable. */
uint64_t hs_klass_at(const struct hs *hs, uint64_t addr);
/** The object that a member of the structure at addr is or is a handle of, and where its
 * pointer lies. */
bool hs_member_object(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint64_t *at_ret,
		      uint64_t *ret);
/** threads.c: all that run Java, appended to ret, of uint64_t. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_threads_find(const struct hs *hs, struct ch_vec *ret);
/** Offset of a field of this name, which the class or one that it derives from declares;
 * 0: there is none. */
uint32_t hs_field_offset(const struct hs *hs, uint64_t klass, const char *name, bool is_static);
extern const struct ch_tracer hs_tracer;
/** claims.c: code cache and metaspace. */
CH_MUST_CHECK struct ch_error *hs_claims_find(struct hs *hs);
/** Keep one, if it has bytes. label: static. False: no memory. */
bool hs_claim_add(struct hs *hs, const struct ch_walker_claim *claim);
/** inspect.c */
extern const struct ch_inspector hs_inspector;

/** tables.c: the module of the JVM, or NULL. */
const struct ch_module *hs_find_module(const struct ch_heap_env *env);
/** Read the tables. Errors: UNSUPPORTED (what is missing), NOMEM. */
CH_MUST_CHECK struct ch_error *hs_tables_read(struct hs *hs);
bool hs_read_ptr(const struct hs *hs, uint64_t addr, uint64_t *ret);
bool hs_read_u32(const struct hs *hs, uint64_t addr, uint32_t *ret);
/** A member of the structure at addr, or a static one (addr unused): 8 bytes, 4 bytes. */
bool hs_member_ptr(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint64_t *ret);
bool hs_member_u32(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint32_t *ret);
/** Of 2 bytes. */
bool hs_member_u16(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint32_t *ret);
/** Address of a member that is a structure itself; 0: not known. */
uint64_t hs_member_addr(const struct hs *hs, enum hs_member_id id, uint64_t addr);
/** A flag of the JVM ("UseG1GC") as its raw 8 bytes. */
bool hs_flag(const struct hs *hs, const char *name, uint64_t *ret);

/** flags.c: all of them. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_settings(void *state, const void **ret, size_t *count_ret);

/** nmt.c: Native Memory Tracking. "off", "summary", "detail"; NULL: not known. Static. */
const char *hs_nmt_level(const struct hs *hs);
CH_MUST_CHECK struct ch_error *hs_nmt_tracking(void *state, struct ch_heaps *heaps,
					       struct ch_tracking **ret);
/** Bytes that it puts before what the JVM hands out of malloc's blocks; 0: it is off. */
uint32_t hs_nmt_header_bytes(const void *state);
/** blocks.c: whether a block has such a header. */
bool hs_nmt_has_header(const void *state, uint64_t addr, uint64_t size_bytes);
void hs_nmt_free(struct hs_nmt *nmt);

/** heap.c: spaces, heaps, spans, gaps. Errors: UNSUPPORTED, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_heap_open(struct hs *hs);
CH_MUST_CHECK struct ch_error *hs_heaps_add(struct hs *hs, const char *const *names, size_t count);
/** Objects in [start, top) of [start, end). Errors: CORRUPT, NOMEM. */
CH_MUST_CHECK struct ch_error *hs_space_add(struct hs *hs, const struct hs_space *space);
bool hs_flag_is_set(const struct hs *hs, const char *name);

/** klass.c: what the word(s) behind the mark say. False: no class. */
bool hs_shape_read(const struct hs *hs, uint64_t klass, struct hs_shape *ret);
/** The class's own bytes: "java/util/HashMap$Node". */
bool hs_klass_symbol(const struct hs *hs, uint64_t klass, char *buf, size_t max);
/** The text of a Symbol. */
bool hs_symbol_text(const struct hs *hs, uint64_t symbol, char *buf, size_t max);
/** storages.c: what handles of the JVM hold, JNI's among them, with cookie | a number for
 * hs_storage_name(). Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_storages_visit(struct hs *hs, uint64_t cookie,
						 ch_walker_roots_fn fn, void *arg);
const char *hs_storage_name(const struct hs *hs, uint64_t number);
/** "[Ljava/lang/String;" as "java.lang.String[]"; with signature also what is no array. */
void hs_java_name(const char *raw, bool signature, char *buf, size_t max);
/** "java.util.HashMap$Node[]"; false when it is not in the core. */
bool hs_klass_name(const struct hs *hs, uint64_t klass, char *buf, size_t max);

#include "walkers/hotspot/zgc.h"

#endif /* COREHEAP_WALKERS_HOTSPOT_PRIV_H */
