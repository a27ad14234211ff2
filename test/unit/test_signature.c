/*
 * Plain names of functions, and which frames of a stack make its signature.
 */
#include <string.h>

#include "analysis/plain_name.h"
#include "analysis/signature.h"
#include "support/ck.h"

struct pair {
	const char *name, *plain;
};

static const struct pair functions[] = {
	{ "main", "main" },
	{ "parse_price.constprop.0", "parse_price" },
	{ "handle.part.3.cold", "handle" },
	{ "free@@GLIBC_2.2.5", "free" },
	{ "__GI_raise", "raise" },
	{ "__memmove_avx_unaligned_erms", "memmove" },
	{ "__memmove_evex_unaligned_erms", "memmove" },
	{ "__strlen_sse2", "strlen" },
	{ "__libc_start_main", "__libc_start_main" },
	{ "memory_pool_avx", "memory_pool_avx" },
	{ "ns::Shop<int>::add(int) const", "ns::Shop::add" },
	{ "ns::Shop<std::map<int, char> >::add(std::vector<int> const&)", "ns::Shop::add" },
	{ "void ns::each<ns::Order>(ns::Order*)", "ns::each" },
	{ "std::vector<int> ns::list<int, 5>()", "ns::list" },
	{ "main::{lambda(int)#2}::operator()(int) const", "main::{lambda}::operator()" },
	{ "run(int)::{lambda()#1}::operator()() const", "run::{lambda}::operator()" },
	{ "void (anonymous namespace)::hide<int>(int)", "{anonymous}::hide" },
	{ "(anonymous namespace)::Hidden::go()", "{anonymous}::Hidden::go" },
	{ "std::ostream& operator<< <char>(std::ostream&, char)", "operator<<" },
	{ "Order::operator<(Order const&) const", "Order::operator<" },
	{ "Order::operator->() const", "Order::operator->" },
	{ "Order::operator int() const", "Order::operator int" },
	{ "operator new(unsigned long)", "operator new" },
	{ "Text::view[abi:cxx11]() const &", "Text::view" },
	{ "jni_invoke_static(JNIEnv_*) [clone .constprop.1]", "jni_invoke_static" },
	{ "non-virtual thunk to Shop::close()", "Shop::close" },
	{ "cooperator::run(int)", "cooperator::run" },
	{ "shop::order::add::h0123456789abcdef", "shop::order::add" },
	{ "<shop::Order<T> as core::ops::Drop>::drop", "<shop::Order as core::ops::Drop>::drop" },
	{ "shop::main::{{closure}}", "shop::main::{{closure}}" },
	{ "shop::main::{closure#0}", "shop::main::{closure}" },
	{ "main.(*Shop).Add", "main.(*Shop).Add" },
	/* no brackets that end */
	{ "broken<int", "broken" },
	{ "broken(", "broken" },
	{ "", "" },
};

static const struct pair methods[] = {
	{ "Shop.handle", "Shop.handle" },
	{ "Shop.lambda$main$12", "Shop.lambda$main$" },
	{ "Shop$1.run", "Shop$.run" },
	{ "Shop$Entry2.run", "Shop$Entry2.run" },
	{ "Shop$$Lambda+0x00007fc341001880.run", "Shop$$Lambda.run" },
	{ "Shop$$Lambda$14/0x0000000800c03000.run", "Shop$$Lambda$.run" },
	{ "jdk.internal.reflect.GeneratedMethodAccessor17.invoke",
	  "jdk.internal.reflect.GeneratedMethodAccessor.invoke" },
	{ "Program+<>c__DisplayClass21_0.<StartThreads>b__0",
	  "Program+<>c__DisplayClass.<StartThreads>b__" },
	{ "Program+<Run>d__12.MoveNext", "Program+<Run>d__.MoveNext" },
	{ "Program.<Main>g__Add|0_1", "Program.<Main>g__Add|" },
	{ "System.Int32.Parse", "System.Int32.Parse" },
};

START_TEST(names_lose_what_builds_differ_in)
{
	char plain[CH_PLAIN_NAME_MAX], again[CH_PLAIN_NAME_MAX];
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		chp_plain_name(functions[i].name, plain);
		ck_assert_str_eq(plain, functions[i].plain);
	}
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		chp_plain_method(methods[i].name, plain);
		ck_assert_str_eq(plain, methods[i].plain);
		chp_plain_method(plain, again);
		ck_assert_str_eq(again, plain);
	}
}
END_TEST

START_TEST(long_names_are_cut)
{
	char name[4 * CH_PLAIN_NAME_MAX], plain[CH_PLAIN_NAME_MAX];

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	chp_plain_name(name, plain);
	ck_assert_uint_eq(strlen(plain), CH_PLAIN_NAME_MAX - 1);
	memset(name, '<', sizeof(name) - 1);
	chp_plain_name(name, plain);
	ck_assert_str_eq(plain, "<");
	memset(name, '}', sizeof(name) - 1);
	chp_plain_method(name, plain);
	ck_assert_uint_eq(strlen(plain), CH_PLAIN_NAME_MAX - 1);
}
END_TEST

static const struct ch_module program = { .start = 0x1000, .name = "shop" };
static const struct ch_module jvm = { .start = 0x9000, .name = "libjvm.so" };

/* A stack of so many functions; ended by an empty frame. */
static struct ch_signature sign(const struct ch_frame *frames, const char *signal)
{
	struct ch_frame copy[64];
	struct ch_thread_row row = { .frames = copy };
	struct ch_signature ret;

	for (; frames[row.frames_count].pc; row.frames_count++)
		copy[row.frames_count] = frames[row.frames_count];
	ck_ch_ok(chp_signature_make(&row, signal, &ret));
	return ret;
}

static void check(const struct ch_frame *frames, const char *wanted, enum ch_signature_basis basis)
{
	struct ch_signature signature = sign(frames, NULL);
	char text[1024] = "";
	size_t i, len = 0;

	for (i = 0; i < signature.frames_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					signature.frames[i]);
	ck_assert_str_eq(text, wanted);
	ck_assert_int_eq(signature.basis, basis);
	chp_signature_deinit(&signature);
}

#define FUNCTION(text)                                                                             \
	{                                                                                          \
		.pc = 0x1100, .symbol = {.name = (text), .module = &program }                      \
	}
#define METHOD(text)                                                                               \
	{                                                                                          \
		.pc = 0x1100, .symbol = { .name = (text) }, .code = "JIT"                          \
	}
#define END                                                                                        \
	{                                                                                          \
		.pc = 0                                                                            \
	}

START_TEST(frames_that_every_stack_has_are_left_out)
{
	static const struct ch_frame aborted[] = {
		FUNCTION("raise"),
		FUNCTION("abort"),
		FUNCTION("malloc_printerr"),
		FUNCTION("_int_free_merge_chunk"),
		FUNCTION("__libc_free"),
		FUNCTION("add"),
		FUNCTION("main"),
		FUNCTION("__libc_start_call_main"),
		FUNCTION("_start"),
		END,
	};
	static const struct ch_frame deep[] = {
		FUNCTION("fold"), FUNCTION("fold"), FUNCTION("unfold"),
		FUNCTION("fold"), FUNCTION("main"), END,
	};
	static const struct ch_frame only[] = { FUNCTION("raise"), FUNCTION("abort"), END };
	static const struct ch_frame none[] = { END };

	check(aborted, "free add main", CH_SIGNATURE_NAMES);
	check(deep, "fold unfold main", CH_SIGNATURE_NAMES);
	check(only, "raise abort", CH_SIGNATURE_NAMES);
	check(none, "", CH_SIGNATURE_NONE);
}
END_TEST

START_TEST(handlers_that_send_a_signal_on_do_not_count)
{
	static const struct ch_frame sent_on[] = {
		FUNCTION("raise"),
		FUNCTION("on_fault"),
		{ .pc = 0x1200,
		  .symbol = { .name = "parse", .module = &program },
		  .basis = CH_FRAME_SIGNAL },
		FUNCTION("main"),
		END,
	};
	static const struct ch_frame failed[] = {
		FUNCTION("on_fault"),
		{ .pc = 0x1200,
		  .symbol = { .name = "parse", .module = &program },
		  .basis = CH_FRAME_SIGNAL },
		FUNCTION("main"),
		END,
	};

	check(sent_on, "parse main", CH_SIGNATURE_NAMES);
	check(failed, "on_fault parse main", CH_SIGNATURE_NAMES);
}
END_TEST

START_TEST(frames_of_runtimes_do_not_count_beside_methods)
{
	static const struct ch_frame method[] = {
		FUNCTION("read"),
		{ .pc = 0x9100, .symbol = { .module = &jvm } },
		METHOD("Shop.next"),
		{ .pc = 0x9200, .symbol = { .module = &jvm } },
		METHOD("Shop.next"),
		METHOD("Shop.lambda$main$3"),
		END,
	};
	static const struct ch_frame own[] = {
		{ .pc = 0x9100, .symbol = { .module = &jvm } },
		FUNCTION("main"),
		END,
	};

	check(method, "read Shop.next Shop.lambda$main$", CH_SIGNATURE_NAMES);
	check(own, "libjvm.so+0x100 main", CH_SIGNATURE_OFFSETS);
}
END_TEST

START_TEST(signals_tell_signatures_apart)
{
	static const struct ch_frame frames[] = { FUNCTION("add(int)"), FUNCTION("main"), END };
	static const struct ch_frame same[] = { FUNCTION("add(long)"), FUNCTION("main"), END };
	static const struct ch_frame other[] = { FUNCTION("addmain"), END };
	struct ch_signature a = sign(frames, "SIGSEGV"), b = sign(same, "SIGSEGV");
	struct ch_signature c = sign(frames, "SIGABRT"), d = sign(other, "SIGSEGV");

	/* FNV-1a of "SIGSEGV\0add\0main\0", as docs/JSON.md says */
	ck_assert_uint_eq(a.id, 0x53b056f3c1d95c9fULL);
	ck_assert_uint_eq(a.id, b.id);
	ck_assert_uint_ne(a.id, c.id);
	ck_assert_uint_ne(a.id, d.id);
	chp_signature_deinit(&a);
	chp_signature_deinit(&b);
	chp_signature_deinit(&c);
	chp_signature_deinit(&d);
}
END_TEST

Suite *suite_signature(void);
Suite *suite_signature(void)
{
	Suite *suite = suite_create("signature");
	TCase *tcase = tcase_create("signature");

	tcase_add_test(tcase, names_lose_what_builds_differ_in);
	tcase_add_test(tcase, long_names_are_cut);
	tcase_add_test(tcase, frames_that_every_stack_has_are_left_out);
	tcase_add_test(tcase, handlers_that_send_a_signal_on_do_not_count);
	tcase_add_test(tcase, frames_of_runtimes_do_not_count_beside_methods);
	tcase_add_test(tcase, signals_tell_signatures_apart);
	suite_add_tcase(suite, tcase);
	return suite;
}
