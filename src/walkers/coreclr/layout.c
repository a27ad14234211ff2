/*
 * What differs between releases: .NET Core 3.1 and .NET 8, and programs of one file
 * of .NET 9, do not say where their fields are. Their places are known, and all of them are checked
 * by what they lead to before anything is believed.
 *
 * dotnet/coreclr, release/3.1, and dotnet/runtime, release/8.0: src/inc/dacvars.h
 * (the order of the table), src/vm/methodtable.h (MethodTable, its multipurpose
 * slots), class.h (EEClass), packedfields.inl, ceeload.h (Module), appdomain.hpp
 * (DomainLocalModule), threads.h; measured on 3.1.3, 8.0.0 and 8.0.33.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include "util/cleanup.h"
#include "util/error.h"

/* Of the table of variables, counted from g_gcDacGlobals. */
enum {
	ENTRY_APP_DOMAIN = 1,
	/* The same in .NET 8 to 11. */
	STORE_ENTRY = -4,
	/* ExecutionManager's table of code, the first entry since .NET 5. */
	CODE_ENTRY_3 = -34,
	CODE_ENTRY_8 = -20,
	CODE_ENTRY_10 = -19,
	/* g_pFinalizerThread, in all of them. */
	ENTRY_FINALIZER = -3,
	STORE_FROM = 32,
};

/* One release: its layout, and where the table has ThreadStore and the table of code. */
struct release {
	struct clr_layout layout;
	int store_entry, code_entry;
	const char *source;
};

#define OLD_METHOD_TABLE                                                                           \
	.mt_flags = 0, .mt_base_size = 4, .mt_flags2 = CLR_MT_OLD_FLAGS2, .mt_module = 24,         \
	.mt_parent = 16, .mt_class = 40, .mt_dictionaries = CLR_MT_OLD_SLOTS, .mt_aux = 32,        \
	.class_fields = 24, .flag_collectible = CLR_MT_OLD_COLLECTIBLE, .layout_base = 8,          \
	.file_image = 8, .statics_objects = 32, .old = true, .context = 88

static const struct release net8 = {
	.layout = { OLD_METHOD_TABLE, .class_kind = 48, .class_numbers = 50, .module_file = 272,
		    .image_layout = 120, .module_types = 752, .module_allocator = 248,
		    .module_dynamic = 1688, .module_statics = 1224, .module_index = 1232,
		    .thread_block = 1080, .store_first = 160, .store_count = 184,
		    .thread_link = 232, .thread_os_id = 424, .thread_thrown = 464,
		    .token_bits = CLR_TOKEN_BITS },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_8,
	.source = "those of .NET 8, measured on 8.0.0 and 8.0.33",
};

#define NEW_METHOD_TABLE                                                                           \
	.mt_flags = 0, .mt_base_size = 4, .mt_flags2 = CLR_MT_OLD_FLAGS2, .mt_module = 24,         \
	.mt_parent = 16, .mt_class = 40, .mt_dictionaries = CLR_MT_OLD_SLOTS, .mt_aux = 32,        \
	.module_foreign_types = 8, .class_fields = 24, .class_kind = 48,                           \
	.class_instance_count = 50, .class_static_count = 54, .class_thread_count = 58,            \
	.flag_collectible = CLR_FLAG_COLLECTIBLE, .thread_link = 112, .thread_locals = 32,         \
	.thread_number = 16, .token_bits = CLR_TOKEN_BITS

/* From .NET 9 on a runtime describes itself, but for programs of one file of .NET 9, and but in
 * cores without the pages of its library that nobody wrote to. */
static const struct release net9 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 288, .module_dynamic = 1120,
		    .module_assembly = 312, .module_allocator = 248, .module_types = 624,
		    .store_first = 160, .store_count = 184, .thread_os_id = 296,
		    .thread_thrown = 336, .thread_data = 928 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_8,
	.source = "those of .NET 9, from the descriptor of 9.0.22",
};

static const struct release net10 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 224, .module_dynamic = 840,
		    .module_assembly = 248, .module_allocator = 176, .module_types = 416,
		    .module_methods = 448, .module_field_map = 512, .domain_assemblies = 576,
		    .assembly_module = 16, .store_first = 88, .store_count = 112,
		    .thread_os_id = 296, .thread_thrown = 336, .thread_data = 568, .context = 8 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_10,
	.source = "those of .NET 10, from the descriptor of 10.0.12",
};

static const struct release net11 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 224, .module_dynamic = 840,
		    .module_assembly = 248, .module_allocator = 176, .module_types = 416,
		    .module_methods = 448, .module_field_map = 480, .domain_assemblies = 576,
		    .assembly_module = 16, .store_first = 88, .store_count = 96,
		    .links_threads = true, .thread_os_id = 224, .thread_thrown = 264,
		    .thread_data = 496, .context = 8 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_10,
	.source = "those of .NET 11, from the descriptor of 11.0.0",
};

static const struct release core3 = {
	.layout = { OLD_METHOD_TABLE,
		    .class_kind = 52,
		    .class_numbers = 54,
		    .module_file = 16,
		    .image_layout = 88,
		    .module_assembly = 48,
		    .assembly_allocator = 64,
		    .module_types = 696,
		    .module_foreign_types = 728,
		    .module_dynamic = 1656,
		    .module_statics = 1304,
		    .module_index = 1312,
		    .thread_block = 1072,
		    .store_first = 168,
		    .store_count = 192,
		    .thread_link = 256,
		    .thread_os_id = 456,
		    .thread_thrown = 504,
		    .gc_shift = 8,
		    .token_bits = 14 },
	.store_entry = -18,
	.code_entry = CODE_ENTRY_3,
	.source = "those of .NET Core 3.1, measured on 3.1.3",
};

/* ---- Which release it is --------------------------------------------------------- */

/* Take a release's layout; false when its threads are not where it has them. */
static bool take_release(struct clr *clr, const struct clr_dac_table *table,
			 const struct release *release, enum clr_fit wanted)
{
	clr->layout = release->layout;
	clr->tables_source = release->source;
	return clr_table_value(table, release->store_entry, &clr->thread_store) &&
	       clr_layout_fits(clr) >= wanted;
}

static bool choose_release(struct clr *clr, const struct clr_dac_table *table)
{
	static const struct release *const releases[] = { &core3, &net8, &net9, &net10, &net11 };
	/* The first one has a table of its own kind. */
	size_t first = table->relative ? 0 : 1;
	size_t end = table->relative ? 1 : CH_COUNT_OF(releases), i;
	uint64_t code;
	int wanted;

	for (wanted = CLR_FIT_CORE; wanted > CLR_FIT_NOT; wanted--)
		for (i = first; i < end; i++) {
			if (!take_release(clr, table, releases[i], (enum clr_fit)wanted))
				continue;
			code = clr_table_variable(table, releases[i]->code_entry);
			if (code)
				clr_code_tables(clr, code);
			return true;
		}
	return false;
}

struct clr_layout clr_layout_common(void)
{
	return (struct clr_layout){ OLD_METHOD_TABLE };
}

/* .NET 5 to 7, of which no core was at hand, and whatever a servicing release moved. */
static bool measure_release(struct clr *clr, const struct clr_dac_table *table)
{
	uint64_t finalizer;
	int64_t entry;

	if (!clr_table_value(table, ENTRY_FINALIZER, &finalizer))
		return false;
	for (entry = -1; entry > -STORE_FROM; entry--) {
		clr->layout = clr_layout_common();
		if (clr_table_value(table, entry, &clr->thread_store) &&
		    clr_layout_measure(clr, finalizer)) {
			clr->tables_source =
				"measured in this core; .NET 5 to 7 were not tried yet";
			return true;
		}
	}
	return false;
}

struct ch_error *clr_old_tables(struct clr *clr)
{
	struct clr_dac_table table;

	if (!clr_table_find(clr, &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its tables are not where .NET Core 3.1 to .NET 9 have "
				       "them, and it does not describe itself as later ones do");
	clr->app_domain = clr_table_variable(&table, ENTRY_APP_DOMAIN);
	clr->variables = table.addr;
	clr->variables_relative = table.relative;
	if (!clr_table_value(&table, 0, &clr->gc_vars) || !clr_table_types(clr, &table))
		return ch_error_create(CH_ERROR_CORRUPT, "the runtime's table of variables does "
							 "not lead to its types");
	if (!choose_release(clr, &table) && !measure_release(clr, &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its threads are not where .NET Core 3.1, .NET 8 or .NET 9 "
				       "have them, and measuring where they are failed: it is of "
				       "another release, or damaged, or its assemblies are not at "
				       "hand (see --sysroot)");
	return NULL;
}
