/*
 * rtypes.h - types of Go as the runtime has them (abi.Type, src/internal/abi/type.go).
 *
 * Every type whose values are allocated, or put into interfaces, has such a description in the
 * program, stripped or not. A description is known by its address.
 */
#ifndef COREHEAP_WALKERS_GO_RTYPES_H
#define COREHEAP_WALKERS_GO_RTYPES_H

#include "walkers/go/go_priv.h"

#define GO_NAME_MAX 512

/** abi.Kind: those that matter. */
enum go_kind {
	GO_KIND_ARRAY = 17,
	GO_KIND_CHAN,
	GO_KIND_FUNC,
	GO_KIND_INTERFACE,
	GO_KIND_MAP,
	GO_KIND_POINTER,
	GO_KIND_SLICE,
	GO_KIND_STRING,
	GO_KIND_STRUCT,
	GO_KIND_UNSAFE_POINTER,
};

struct go_rtype {
	uint64_t addr, size_bytes;
	/** Bytes from the start that may have pointers. */
	uint64_t ptr_bytes;
	/** Of pointers, slices, arrays and channels: what they are of; of maps: a group or bucket.
	 */
	uint64_t elem;
	/** Elements of an array; fields of a struct, and where they are listed. */
	uint64_t count, fields;
	/** Bits, one a word; what they are is in flags. */
	uint64_t gcdata;
	uint8_t kind, flags;
	/** gcdata is no mask. */
	bool program;
	/** An interface without methods. */
	bool empty;
};

/** A field of a struct. */
struct go_rfield {
	uint64_t name, type, offset;
};

/** What lies at a place of a value. */
enum go_lead_what {
	GO_LEAD_POINTER,
	GO_LEAD_SLICE,
	GO_LEAD_STRING,
	/** Interfaces: without and with methods. */
	GO_LEAD_EFACE,
	GO_LEAD_IFACE,
	GO_LEAD_MAP,
	GO_LEAD_CHAN,
	GO_LEAD_FUNC,
	GO_LEAD_UNSAFE,
};
struct go_lead {
	uint32_t offset;
	enum go_lead_what what;
	/** Type of what it leads to: that of an element; of maps and channels they themselves. */
	uint64_t type;
};

/** What a type leads to; made once. */
struct go_shape {
	uint64_t type, size_bytes, ptr_bytes;
	/** In go_rtypes.leads. */
	size_t first, count;
	/** There are more leads than are kept. */
	bool cut;
	/** Each value ends with a pointer to another one: a bucket of a map. */
	bool chained;
};

/** Read a type; false: there is none at addr. */
bool go_rtype_read(const struct go *go, uint64_t addr, struct go_rtype *ret);
/** Its name, "main.Order", unescaped. False: it has none that can be read. */
bool go_rtype_name(const struct go *go, uint64_t addr, char *buf, size_t max);
/** The field of a struct by its number. */
bool go_rtype_field(const struct go *go, const struct go_rtype *type, uint64_t index,
		    struct go_rfield *ret);
/** A name as types have it, unescaped. */
bool go_rname_text(const struct go *go, uint64_t addr, char *buf, size_t max);
/** What lies at an offset of a value: ".entries", "[3].next". False: nothing with a name. */
bool go_rtype_place(const struct go *go, uint64_t addr, uint64_t offset, char *buf, size_t max);
/** The concrete type of the first word of an interface with methods; 0: it is none. */
uint64_t go_itab_type(const struct go *go, uint64_t addr);
/** Whether an interface has a value of this type in its second word itself. */
bool go_rtype_direct(const struct go *go, const struct go_rtype *type);
/** Whether values of a type are buckets of a map, Go 1.23 and earlier. */
bool go_rtype_is_bucket(const struct go *go, const struct go_rtype *type);
/** Whether a map has groups, as since Go 1.24, or buckets. */
bool go_rtype_has_groups(const struct go *go, const struct go_rtype *map);
/** The shape of a type; NULL: it is none, or no memory. Borrowed until the next call. */
const struct go_shape *go_shape_of(struct go *go, uint64_t type);

#endif /* COREHEAP_WALKERS_GO_RTYPES_H */
