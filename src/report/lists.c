/*
 * Compiled methods, and objects that stacks lead to.
 */
#include "report/lists.h"

#include "util/cleanup.h"

/* ---- Methods ----------------------------------------------------------------- */

#define ROW(member)    CH_AT(struct ch_method_row, member)
#define RESULT(member) CH_AT(struct ch_methods_result, member)

static const struct ch_field_spec method_fields[] = {
	{ "addr", "CODE", CH_CELL_ADDR, "Where its code begins.", ROW(addr) },
	{ "size_bytes", "BYTES", CH_CELL_BYTES, "Null where the end of the code is not known.",
	  ROW(size_bytes), CH_KNOWN(struct ch_method_row, has_size) },
	{ "kind", "KIND", CH_CELL_TEXT,
	  "JIT or ReadyToRun of .NET; C1, C2 or native wrapper of a JVM.", ROW(kind) },
	{ "name", "METHOD", CH_CELL_TEXT, "With its type.", ROW(name) },
	CH_FIELDS_END,
};

const struct ch_list ch_methods_list = { .fields = method_fields };

static const struct ch_field_spec methods_fields[] = {
	{ "known", NULL, CH_CELL_BOOL, "Whether a runtime here lists its methods.", RESULT(known) },
	{ "code_bytes", NULL, CH_CELL_BYTES, "Bytes of code of all methods that match.",
	  RESULT(code_bytes) },
	CH_FIELDS_COUNTED(struct ch_methods_result, methods),
	{ "methods", NULL, CH_CELL_LIST, "Compiled methods, by address.", RESULT(methods),
	  .list = &ch_methods_list },
	CH_FIELDS_END,
};

static void say_methods(const struct ch_report *report, const void *result)
{
	const struct ch_methods_result *methods = result;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	chp_report_say(report, "total: %s methods, code %s\n",
		       chp_count_text(chp_listing_matched(methods->methods), count),
		       chp_bytes_text(methods->code_bytes, bytes));
}

const struct ch_document ch_document_methods = {
	.name = "methods",
	.title = "Compiled methods",
	.fields = methods_fields,
	.unknown = "no runtime here has compiled methods that are listed: .NET's and Java's are",
	.known = offsetof(struct ch_methods_result, known) + 1,
	.tail = say_methods,
};

/* ---- Objects that stacks lead to ---------------------------------------------- */

#undef ROW
#undef RESULT
#define ROW(member)    CH_AT(struct ch_stackobject_row, member)
#define RESULT(member) CH_AT(struct ch_stackobjects_result, member)

static const struct ch_field_spec stackobject_fields[] = {
	{ "tid", "THREAD", CH_CELL_NUMBER, "The thread, by the kernel's number.", ROW(tid) },
	{ "where", "WHERE", CH_CELL_TEXT, "A register, or where the word lies.", ROW(where) },
	{ "addr", "OBJECT", CH_CELL_ADDR, "The object.", ROW(addr) },
	{ "size_bytes", "BYTES", CH_CELL_BYTES, "What the object takes in its heap.",
	  ROW(size_bytes) },
	{ "type", "TYPE", CH_CELL_TEXT, "The object's type.", ROW(type) },
	CH_FIELDS_END,
};

const struct ch_list ch_stackobjects_list = { .fields = stackobject_fields };

/* Any word that looks like an address is taken for one. */
static struct ch_cell basis_of(const void *result)
{
	(void)result;
	return CH_CELL_STR("heuristic");
}

static const struct ch_field_spec stackobjects_fields[] = {
	{ "basis", NULL, CH_CELL_SAFE, "Any word that is the address of an object counts.",
	  .get = basis_of, .ref = "basis" },
	{ "threads_count", NULL, CH_CELL_COUNT, "Threads that lead to any object.",
	  RESULT(threads_count) },
	CH_FIELDS_COUNTED(struct ch_stackobjects_result, objects),
	{ "objects", NULL, CH_CELL_LIST, "Each object once for a thread, where it is first.",
	  RESULT(objects), .list = &ch_stackobjects_list },
	CH_FIELDS_END,
};

const struct ch_document ch_document_stackobjects = {
	.name = "stackobjects",
	.title = "Objects that registers and stacks lead to",
	.fields = stackobjects_fields,
};
