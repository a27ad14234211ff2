/*
 * inspect.h - what is inside of an object, as its runtime knows it.
 *
 * A walker that knows the fields of its types has an inspector. It says what
 * an object is (its shape) and where its fields lie; it never reads their
 * values: who shows them decides that.
 *
 * Vocabulary:
 *   field   a named place in an object, in a value, or (static) of a type;
 *   value   bytes of a structure that lies inside of something else, without
 *           an object's header; the key of a type says what it is made of;
 *   key     what the walker calls a type: see heap/type_table.h;
 *   shape   plain object, boxed value, array or string.
 */
#ifndef COREHEAP_HEAP_INSPECT_H
#define COREHEAP_HEAP_INSPECT_H

#include <coreheap/heap.h>

/** How the bytes of a field are to be read. */
enum ch_value_kind {
	/** Nothing is known but where they are. */
	CH_VALUE_BYTES,
	/** The address of an object, or null. */
	CH_VALUE_REFERENCE,
	/** A structure in place. */
	CH_VALUE_STRUCT,
	CH_VALUE_BOOL,
	/** A character of UTF-16. */
	CH_VALUE_CHAR16,
	CH_VALUE_SIGNED,
	CH_VALUE_UNSIGNED,
	CH_VALUE_FLOAT,
	/** An address of anything, or a number that may be one. */
	CH_VALUE_POINTER,
};

/** Texts are unescaped and borrowed until the callback returns. */
struct ch_field {
	const char *name;
	/** The type that declares it; NULL: not known. */
	const char *declared_by;
	/** Its own type as declared; NULL: not known. */
	const char *type;
	enum ch_value_kind kind;
	/** From the address that was asked for; of a static from where statics of
	 * its kind begin. */
	uint64_t offset;
	/** Where it lies; 0: not known, or nowhere yet. */
	uint64_t addr;
	/** 0: not known. */
	uint64_t size_bytes;
	/** Key of the type of a structure in place, or of an enumeration; 0: not known. */
	uint64_t inner;
	bool is_static;
	/** It lies in an image: a constant blob, not a variable. */
	bool in_image;
	/** Of a thread's static: kernel id of the thread; 0: an ordinary field. */
	uint32_t tid;
};

/** Which fields are asked for. */
struct ch_fields_query {
	/** The type, as its walker calls it. */
	uint64_t key;
	/** The object, or the value. */
	uint64_t addr;
	/** addr is that of a value in place. */
	bool is_value;
	/** Statics of the type and of those it derives from, not what is in it. */
	bool statics;
};

/** Non-NULL ends the list: return it unchanged. */
typedef struct ch_error *(*ch_fields_fn)(void *arg, const struct ch_field *field);

enum ch_shape_kind {
	CH_SHAPE_OBJECT,
	/** A value with a header of its own. */
	CH_SHAPE_BOXED,
	CH_SHAPE_ARRAY,
	CH_SHAPE_STRING,
	/** Free memory. */
	CH_SHAPE_FREE,
};

#define CH_SHAPE_RANK_MAX  8
#define CH_SHAPE_FACTS_MAX 12

struct ch_object_shape {
	enum ch_shape_kind kind;
	/** Arrays: dimensions; of each its length and first index. */
	uint32_t rank;
	uint32_t lengths[CH_SHAPE_RANK_MAX];
	int32_t lower[CH_SHAPE_RANK_MAX];
	/** Elements of an array, characters of a string; where the first one lies
	 * and how many bytes each has. */
	uint64_t count, data_addr;
	uint32_t element_bytes;
	/** Of the elements of an array; element_inner as inner of a field. */
	enum ch_value_kind element_kind;
	uint64_t element_inner;
	/** Unescaped. */
	char element_type[512];
	/** More for people: keys in snake_case; those of addresses end in _addr,
	 * where number is one; texts are unescaped and owned by the walker. */
	struct ch_fact facts[CH_SHAPE_FACTS_MAX];
	size_t facts_count;
	/** Room for texts of facts. */
	char storage[1024];
};

/** Characters of a string. */
struct ch_string {
	uint64_t addr, count;
	uint32_t bytes;
	/** Bytes of the other object that holds them; 0: they lie in the string. */
	uint64_t apart_bytes;
};

/** A place that a stack trace names. Texts are unescaped; "" and 0: not known. */
struct ch_trace_frame {
	/** "shop.Cart.add", "Cart.java". */
	char function[512];
	char source[256];
	uint32_t line;
	/** The texts are strings of the program that no method bears out: contents. */
	bool is_text;
};

/** The stack trace that an object carries. */
struct ch_trace {
	/** Equal for equal frames, in this core. */
	uint64_t hash;
	/** Frames; there are more, which are not read. */
	uint32_t count;
	bool cut;
	/** Bytes of other objects that hold it. */
	uint64_t bytes;
};

/** Objects that say where they were made: exceptions, and what derives from those. */
struct ch_tracing {
	/** Whether objects of a type do. Cheap. */
	bool (*carries)(void *state, uint64_t key);
	/** The trace of such an object; no frames: it has none. */
	void (*read)(void *state, uint64_t addr, uint64_t key, struct ch_trace *ret);
	/** One of its frames, innermost first. False: there are no more, or it is not known. */
	bool (*frame)(void *state, uint64_t addr, uint64_t key, uint32_t index,
		      struct ch_trace_frame *ret);
};

struct ch_inspector {
	/** What the object at addr is. Required. */
	void (*shape)(void *state, uint64_t addr, uint64_t key, struct ch_object_shape *ret);
	/** Its fields, in the order of their offsets, those of the base first.
	 * Required. Errors: NOMEM, STOP, those of fn. */
	struct ch_error *(*fields)(void *state, const struct ch_fields_query *query,
				   ch_fields_fn fn, void *arg);
	/** Whether it knows what is inside of objects of a type. NULL: of all. */
	bool (*knows)(void *state, uint64_t key);
	/** The bytes of UTF-8 of a structure in place that is a text, by the key of its type.
	 * False: it is none. May be NULL. */
	bool (*text)(void *state, uint64_t key, uint64_t addr, struct ch_string *ret);
	/** The name of a value of an enumeration: "Green", unescaped. False when it
	 * has none. May be NULL. */
	bool (*value_text)(void *state, uint64_t key, uint64_t value, char *buf, size_t max);
	/** The key of the type of a name, as it is shown, or of a key in hexadecimal ("0x7f.."), be
	 * there objects of it or not; 0 when there is none. May be NULL. Errors: NOMEM,
	 * STOP. */
	struct ch_error *(*find_type)(void *state, const char *name, uint64_t *ret);
	/** What a reference of 4 or 8 bytes stands for. NULL: they are addresses. */
	uint64_t (*reference)(void *state, uint64_t word, uint32_t bytes);
	/** Where the characters of a string lie; at 0 if it has none yet, or none that
	 * can be read. False: it is no string. Cheap, and thread-safe; may be NULL: there
	 * are no strings. */
	bool (*string)(void *state, uint64_t addr, uint64_t key, struct ch_string *ret);
	/** What lies at an offset of the object at addr: ".name", "[3].next". False: nothing that
	 * has a name. Unescaped; may be NULL, then a tracer of the walker may know. */
	bool (*place_text)(void *state, uint64_t addr, uint64_t key, uint64_t offset, char *buf,
			   size_t max);
	/** NULL: no objects carry stack traces. Its functions are called by one thread at a
	 * time. */
	const struct ch_tracing *tracing;
};

/** Who has an inspector, and its state. */
struct ch_inspected {
	const struct ch_inspector *inspector;
	void *state;
	/** Index of the walker in ch_heaps_runtimes(). */
	uint32_t walker;
};
/** Who knows what is inside of an object, and what it calls its type: the walker, or of a block of
 * malloc what gave it its type. False: nobody. */
bool chp_heaps_inspector(const struct ch_heaps *heaps, const struct ch_object *object,
			 struct ch_inspected *ret, uint64_t *key_ret);
/** That of a span, by its index in ch_heaps_spans(). False: it has none. */
bool chp_heaps_span_inspector(const struct ch_heaps *heaps, uint32_t span,
			      struct ch_inspected *ret);

/** All of them; max is enough. Returns how many. */
size_t chp_heaps_inspectors(const struct ch_heaps *heaps, struct ch_inspected *ret, size_t max);
#define CH_INSPECTORS_MAX 8

/** Where a field of a type lies, as struct ch_field has it. */
struct ch_field_place {
	/** From the object's address. */
	uint64_t offset, size_bytes;
	enum ch_value_kind kind;
	/** Key of the type of a structure in place. */
	uint64_t inner;
};
/** The field of a name that is in objects (or values) of a type, the last one declared. *found_ret
 * is false when there is none. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_field_find(const struct ch_inspected *of, uint64_t key,
					      bool is_value, const char *name,
					      struct ch_field_place *ret, bool *found_ret);

#endif /* COREHEAP_HEAP_INSPECT_H */
