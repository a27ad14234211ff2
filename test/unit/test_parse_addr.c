/*
 * Addresses as people type them.
 */
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "support/ck.h"
#include "support/opencore.h"
#include "util/cleanup.h"

static struct ch_context *ctx;
static struct ch_session *session;

/* Two libraries whose first pages are in the core: bare ELF headers. */
static void setup(void)
{
	static const struct cw_file_row rows[] = {
		{ 0x7f0000000000, 0x7f0000002000, 0, "/lib/libstdc++.so.6" },
		{ 0x7f0000010000, 0x7f0000012000, 0, "/lib/libc.so.6" },
	};
	struct corewriter *w = cw_create(EM_X86_64);
	const char *path = cw_temp_path("core");
	Elf64_Ehdr ehdr = { .e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT };
	uint64_t regs[27] = { 0 };
	size_t i;

	memcpy(ehdr.e_ident, ELFMAG, SELFMAG);
	ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	cw_prstatus(w, 1, 0, regs, 27);
	cw_file(w, rows, CH_COUNT_OF(rows));
	for (i = 0; i < CH_COUNT_OF(rows); i++)
		cw_load(w, rows[i].start, 0x2000, PF_R | PF_X, &ehdr, sizeof(ehdr))->filesz =
			0x1000;
	cw_write(w, path, CW_ALL);
	cw_destroy(w);
	ctx = ch_context_create(NULL);
	ck_ch_ok(ch_session_open(ctx, path, NULL, &session));
	unlink(path);
}

static void teardown(void)
{
	ch_session_close(session);
	ch_context_destroy(ctx);
}

static const struct {
	const char *text;
	uint64_t addr;
} good_rows[] = {
	{ "0x7f44044fb96a", 0x7f44044fb96a },
	{ "0X7F44044FB96A", 0x7f44044fb96a },
	{ "7f44044fb96a", 0x7f44044fb96a },
	{ "00007f44`044fb96a", 0x7f44044fb96a },
	{ "7f44`044fb96a", 0x7f44044fb96a },
	{ "0`d179b000", 0xd179b000 },
	{ "0", 0 },
	{ "0x0", 0 },
	{ "10", 0x10 },
	{ "ffffffffffffffff", UINT64_MAX },
	{ "0000000000000000000000ff", 0xff },
	{ "libc.so.6", 0x7f0000010000 },
	{ "libc", 0x7f0000010000 },
	{ "libc.so.6+0x10", 0x7f0000010010 },
	{ "libc+10", 0x7f0000010010 },
	{ "libstdc++", 0x7f0000000000 },
	{ "libstdc+++8", 0x7f0000000008 },
	{ "libstdc++.so.6+0x8", 0x7f0000000008 },
};

START_TEST(understood)
{
	uint64_t addr = ~good_rows[_i].addr;

	ck_ch_ok(chp_parse_addr(session, good_rows[_i].text, &addr));
	ck_assert_uint_eq(addr, good_rows[_i].addr);
}
END_TEST

static const char *const bad_rows[] = {
	"",
	"0x",
	"0xg",
	"10000000000000000",
	"7f44`044fb96",
	"`044fb96a",
	"7f44`044fb96a0",
	"12`3",
	"no_such_symbol",
	"libc.so.6+",
	"libc.so.6+xyz",
	"nolib+0x10",
	"nolib!main",
	"libc!no_such_symbol",
	"libc.so.7",
	"lib",
	"-1",
	"0x10 ",
	"libc+ffffffffffffffff",
};

START_TEST(refused)
{
	uint64_t addr = 42;

	ck_ch_err(chp_parse_addr(session, bad_rows[_i], &addr), ARG);
	ck_assert_uint_eq(addr, 42);
}
END_TEST

Suite *suite_parse_addr(void)
{
	Suite *s = suite_create("parse_addr");
	TCase *tc = tcase_create("parse_addr");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, understood, 0, (int)CH_COUNT_OF(good_rows));
	tcase_add_loop_test(tc, refused, 0, (int)CH_COUNT_OF(bad_rows));
	suite_add_tcase(s, tc);
	return s;
}
