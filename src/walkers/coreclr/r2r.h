/*
 * r2r.h - code that came compiled with its assembly (ReadyToRun).
 */
#ifndef COREHEAP_WALKERS_CORECLR_R2R_H
#define COREHEAP_WALKERS_CORECLR_R2R_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/code.h>

#include "heap/walker.h"

struct clr;

/** Whose a function of an image is. Both 0: a handler's, of the method before it. */
struct clr_r2r_owner {
	/** Row of MethodDef. */
	uint32_t row;
	/** Of an instance of a generic type or method: its signature, from the image on. */
	uint32_t signature;
};

/** The compiled code of an image. */
struct clr_r2r {
	/** Its runtime functions, count of them; its array of entries of methods, 0: none. */
	uint64_t functions, entries;
	uint32_t count;
	/** Its table of instances: target range. */
	uint64_t instances, instances_end;
	/** By function. Owned; NULL: not asked for. */
	struct clr_r2r_owner *owners;
	/** Not all instances could be read: what has no owner may be one. */
	bool unread;
};

/** What method an address in the code of a module lies in: "Type.Method" of generic types as
 * the runtime shares their code. False: not known; ret->kind is set all the same. */
bool clr_r2r_name(struct clr *clr, uint64_t module, uint64_t addr, struct ch_code *ret, char *buf,
		  size_t max);

/** All methods in the code of a module. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *clr_r2r_visit(struct clr *clr, uint64_t module, ch_methods_fn fn,
					     void *arg);

/* signature.c: what tables of such images hold. */

/** A number at *at, which is moved behind it, as signatures write them. */
bool clr_signature_number(const struct clr *clr, uint64_t *at, uint32_t *ret);
/** The same of a type that a compiled image of a module names: buf has its name, "" when it is
 * one of another module; NULL: nobody asks. False: it is damaged. */
bool clr_signature_type(struct clr *clr, uint64_t module, uint64_t *at, char *buf, size_t max);

#endif /* COREHEAP_WALKERS_CORECLR_R2R_H */
