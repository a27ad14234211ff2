#include "support/opencore.h"

#include <string.h>
#include <unistd.h>

#include "support/ck.h"

struct ch_error *oc_open_path(const char *path, struct opened *ret)
{
	struct opened opened = { .ctx = ch_context_create(NULL) };
	struct ch_error *err;

	ck_assert_ptr_nonnull(opened.ctx);
	err = ch_core_open(opened.ctx, path, NULL, &opened.core);
	if (err)
		ch_context_destroy(opened.ctx);
	else
		*ret = opened;
	return err;
}

struct ch_error *oc_open(const struct corewriter *w, uint64_t limit, struct opened *ret)
{
	const char *path = cw_temp_path("core");
	struct ch_error *err;

	cw_write(w, path, limit);
	err = oc_open_path(path, ret);
	unlink(path);
	return err;
}

struct opened oc_must_open_take(struct corewriter *w)
{
	struct opened opened = { 0 };

	ck_ch_ok(oc_open(w, CW_ALL, &opened));
	cw_destroy(w);
	return opened;
}

void oc_close(struct opened *opened)
{
	ch_core_close(opened->core);
	ch_context_destroy(opened->ctx);
	*opened = (struct opened){ 0 };
}

const struct ch_finding *oc_finding(const struct opened *opened, const char *code)
{
	size_t count, i;
	const struct ch_finding *findings = ch_context_findings(opened->ctx, &count);

	for (i = 0; i < count; i++)
		if (strcmp(findings[i].code, code) == 0)
			return &findings[i];
	return NULL;
}
