/*
 * What the result of `show` owns.
 */
#include "analysis/show.h"

#include <stdlib.h>

void ch_show_result_deinit(struct ch_show_result *result)
{
	struct ch_show_row *row;
	size_t i;

	for (i = 0; i < result->rows.count; i++) {
		row = CH_VEC_AT(&result->rows, struct ch_show_row, i);
		free(row->name);
		free(row->type);
		free(row->declared_by);
		free(row->target.name);
		free(row->value);
	}
	ch_vec_deinit(&result->rows);
	ch_vec_deinit(&result->frames);
	free(result->type);
	free(result->value_type);
	free(result->detail);
	free(result->text);
}
