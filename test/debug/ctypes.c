/*
 * Shows what debug information says of a core: variables, and the layout of types.
 *
 *	ctypes CORE			variables, a line each
 *	ctypes CORE --locals		variables of frames
 *	ctypes CORE TYPE...		types by name: size, then members
 *
 * COREHEAP_DEBUG_DIR names a folder with debug files. Findings go to standard error.
 */
#include <coreheap/coreheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/types.h"
#include "heap/session.h"

static void print_text(struct ch_ctypes *ctypes, uint32_t id)
{
	char *text = chp_ctype_text(ctypes, id);

	printf("%s", text ? text : "?");
	free(text);
}

static struct ch_error *print_variable(void *arg, const struct ch_variable *variable)
{
	struct ch_ctypes *ctypes = arg;

	printf("0x%llx\t%s\t%s\t%d\t", (unsigned long long)variable->addr, variable->module->name,
	       variable->name ? variable->name : "?", variable->tid != 0);
	print_text(ctypes, variable->type);
	printf("\t%llu\n", (unsigned long long)chp_ctype(ctypes, variable->type)->size_bytes);
	return NULL;
}

static struct ch_error *print_local(void *arg, const struct ch_variable *variable)
{
	struct ch_ctypes *ctypes = arg;

	printf("%u\t%u\t%s\t%s\t0x%llx\t", variable->tid, variable->frame,
	       variable->name ? variable->name : "?", variable->is_value ? "value" : "addr",
	       (unsigned long long)(variable->is_value ? variable->value : variable->addr));
	print_text(ctypes, variable->type);
	putchar('\n');
	return NULL;
}

static void print_type(struct ch_ctypes *ctypes, const char *name)
{
	uint32_t id = chp_ctype_named(ctypes, NULL, name), i;
	const struct ch_ctype *type = chp_ctype(ctypes, id);
	const struct ch_ctype_member *member;

	if (!id) {
		printf("none\t%s\n", name);
		return;
	}
	printf("type\t%s\t%d\t%llu%s\n", type->name, (int)type->kind,
	       (unsigned long long)type->size_bytes, type->has_vtable ? "\tvtable" : "");
	for (i = 0; i < type->members_count; i++) {
		member = &type->members[i];
		printf("member\t%s\t%llu\t%u:%u\t", member->name ? member->name : "-",
		       (unsigned long long)member->offset, member->bit_offset, member->bit_size);
		print_text(ctypes, member->type);
		printf("\t%llu%s%s\n",
		       (unsigned long long)chp_ctype(ctypes, member->type)->size_bytes,
		       member->is_base ? "\tbase" : "", member->is_variant ? "\tvariant" : "");
	}
	for (i = 0; i < type->arguments_count; i++) {
		printf("argument\t%s\t", type->arguments[i].name ? type->arguments[i].name : "-");
		print_text(ctypes, type->arguments[i].type);
		printf("\t%llu\n", (unsigned long long)type->arguments[i].value);
	}
}

static void print_findings(const struct ch_context *ctx)
{
	const struct ch_finding *findings;
	size_t count, i;

	findings = ch_context_findings(ctx, &count);
	for (i = 0; i < count; i++)
		fprintf(stderr, "%s: %s\n", findings[i].code, findings[i].message);
}

int main(int argc, char **argv)
{
	const char *dir = getenv("COREHEAP_DEBUG_DIR");
	struct ch_session_options options = { .sym = { .debug_dirs = &dir,
						       .debug_dirs_count = dir ? 1 : 0 } };
	struct ch_session *session = NULL;
	struct ch_ctypes *ctypes;
	struct ch_context *ctx;
	struct ch_error *err;
	int i;

	if (argc < 2)
		return 2;
	ctx = ch_context_create(NULL);
	if (!ctx)
		return 1;
	err = ch_session_open(ctx, argv[1], &options, &session);
	if (!err)
		err = chp_session_ctypes(session, &ctypes);
	if (!err && argc == 2)
		err = chp_ctypes_variables(ctypes, print_variable, ctypes);
	if (!err && argc == 3 && strcmp(argv[2], "--locals") == 0)
		err = chp_ctypes_locals(ctypes, print_local, ctypes);
	for (i = 2; !err && i < argc; i++)
		print_type(ctypes, argv[i]);
	if (!err && getenv("CTYPES_COUNT"))
		printf("count\t%u\n", chp_ctypes_count(ctypes));
	if (err)
		fprintf(stderr, "%s\n", err->message);
	print_findings(ctx);
	i = err != NULL;
	ch_error_destroy(err);
	ch_session_close(session);
	ch_context_destroy(ctx);
	return i;
}
