/* Where an object of ZGC went that a pointer of before leads to. */
#include <check.h>
#include <stdlib.h>

#include "support/ck.h"
#include "support/corewriter.h"
#include "support/opencore.h"
#include "walkers/hotspot/hotspot_priv.h"

/* A granule map, and a table of moved objects with one entry: of the object 24 bytes into the
 * page at FROM. */
#define MAP          0x10000ULL
#define FORWARDING   0x10800ULL
#define ENTRIES      0x40
#define GRANULE      21
#define FROM         (3ULL << GRANULE)
#define VIEW         (1ULL << 42)
#define YOUNG_BEFORE 0x1000ULL
#define OLD_NOW      0x2000ULL

static void start_hs(struct hs *hs, struct ch_core *core)
{
	struct hs_colors *colors = &hs->colors;

	hs->core = core;
	hs->members[HS_Z_FORWARDING_VIRTUAL] = (struct hs_member){ .found = true, .offset = 8 };
	hs->members[HS_Z_VIRTUAL_START] = (struct hs_member){ .found = true };
	hs->members[HS_Z_FORWARDING_SHIFT] = (struct hs_member){ .found = true, .offset = 16 };
	hs->members[HS_Z_FORWARDING_ENTRIES] = (struct hs_member){ .found = true, .offset = 24 };
	*colors = (struct hs_colors){ .used = true,
				      .generational = true,
				      .offset_mask = VIEW - 1,
				      .view = VIEW,
				      .good_mask = OLD_NOW,
				      .bad_mask = YOUNG_BEFORE,
				      .moved_count = 1,
				      .granule_shift = GRANULE,
				      .forwarding_bytes = ENTRIES };
	colors->moved[0] = (struct hs_granules){ .map = MAP, .count = 8, .color_bit = 1 };
}

/* A pointer of that color, as the generational kind has them on x86-64. */
static uint64_t colored(uint64_t offset, uint64_t color)
{
	return (VIEW | offset) << (color == OLD_NOW ? 14 : 13) | color;
}

static const struct {
	uint64_t from, color, to;
} rows[] = {
	{ FROM + 24, YOUNG_BEFORE, 0 },
	{ FROM + 24, OLD_NOW, FROM + 24 },
	{ FROM + 32, YOUNG_BEFORE, FROM + 32 },
	{ FROM + (1 << GRANULE), YOUNG_BEFORE, FROM + (1 << GRANULE) },
};

/* Offset 0 is a place like any other: 3 of 60 dumps had an object there. */
START_TEST(objects_move_to_the_start_of_the_heap)
{
	struct corewriter *w = cw_create(EM_X86_64);
	uint64_t words[0x200] = { 0 }, *forwarding = &words[(FORWARDING - MAP) / 8];
	struct hs *hs = calloc(1, sizeof(*hs));
	struct opened opened;

	ck_assert(hs);
	words[FROM >> GRANULE] = FORWARDING;
	forwarding[1] = FROM;
	forwarding[2] = 3;
	forwarding[3] = 1;
	forwarding[ENTRIES / 8] = 3ULL << 46 | 1;
	cw_load(w, MAP, sizeof(words), PF_R | PF_W, words, sizeof(words));
	opened = oc_must_open_take(w);
	start_hs(hs, opened.core);
	ck_assert_uint_eq(hs_zgc_decode(hs, colored(rows[_i].from, rows[_i].color)),
			  VIEW | rows[_i].to);
	if (rows[_i].color == YOUNG_BEFORE)
		ck_assert_uint_eq(hs_zgc_decode_spilled(hs, VIEW | rows[_i].from),
				  VIEW | rows[_i].to);
	free(hs);
	oc_close(&opened);
}
END_TEST

Suite *suite_zgc(void)
{
	Suite *suite = suite_create("zgc");
	TCase *tcase = tcase_create("pointers");

	tcase_add_loop_test(tcase, objects_move_to_the_start_of_the_heap, 0,
			    sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}
