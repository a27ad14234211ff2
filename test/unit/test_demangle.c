/*
 * Names of C++ and Rust: what a demangler writes becomes what people write, and names that stand
 * for gigabytes stand for nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "support/ck.h"
#include "sym/demangle.h"
#include "sym/templates.h"

#define STRING "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"

static const struct {
	const char *name, *want;
} names[] = {
	{ "Order", "Order" },
	{ STRING, "std::string" },
	{ "std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char> >",
	  "std::string" },
	{ "std::vector<int, std::allocator<int> >", "std::vector<int>" },
	{ "std::vector<std::vector<int, std::allocator<int> >, "
	  "std::allocator<std::vector<int, std::allocator<int> > > >",
	  "std::vector<std::vector<int>>" },
	{ "std::map<" STRING ", Order, std::less<" STRING " >, std::allocator<std::pair<" STRING
	  " const, Order> > >",
	  "std::map<std::string, Order>" },
	{ "std::map<int, Order, std::greater<int>, std::allocator<std::pair<int const, Order> > >",
	  "std::map<int, Order, std::greater<int>>" },
	{ "std::unordered_map<int, int, std::hash<int>, std::equal_to<int>, "
	  "std::allocator<std::pair<int const, int> > >",
	  "std::unordered_map<int, int>" },
	{ "std::unordered_map<int, int, Mine, std::equal_to<int>, "
	  "std::allocator<std::pair<int const, int> > >",
	  "std::unordered_map<int, int, Mine>" },
	{ "std::unique_ptr<Order, std::default_delete<Order> >", "std::unique_ptr<Order>" },
	{ "std::priority_queue<int, std::vector<int, std::allocator<int> >, std::less<int> >",
	  "std::priority_queue<int>" },
	{ "std::_Sp_counted_ptr_inplace<Order, std::allocator<void>, (__gnu_cxx::_Lock_policy)2>",
	  "std::_Sp_counted_ptr_inplace<Order>" },
	{ "std::_Sp_counted_ptr_inplace<Order, Mine<Order>, (__gnu_cxx::_Lock_policy)2>",
	  "std::_Sp_counted_ptr_inplace<Order, Mine<Order>>" },
	{ "std::_Sp_counted_ptr<Order*, (__gnu_cxx::_Lock_policy)2>",
	  "std::_Sp_counted_ptr<Order*>" },
	/* arguments that are not defaults */
	{ "std::array<int, (A)2>", "std::array<int, (A)2>" },
	{ "std::tuple<std::less<int> >", "std::tuple<std::less<int>>" },
	{ "std::pair<int, std::allocator<int> >", "std::pair<int, std::allocator<int>>" },
	{ "my::vector<int, std::allocator<int> >", "my::vector<int, std::allocator<int>>" },
	/* signs that are no brackets of a template */
	{ "A::operator<(A const&)", "A::operator<(A const&)" },
	{ "A::operator->() const", "A::operator->() const" },
	{ "std::vector<A, std::allocator<A> >::operator=(std::vector<A, std::allocator<A> > "
	  "const&)",
	  "std::vector<A>::operator=(std::vector<A> const&)" },
	{ "f(void (*)(int, std::allocator<int>))", "f(void (*)(int, std::allocator<int>))" },
	{ "std::function<void (int, " STRING ")>", "std::function<void (int, std::string)>" },
	{ "run()::{lambda(int, int)#1}", "run()::{lambda(int, int)#1}" },
	/* brackets that do not match */
	{ "std::vector<int, std::allocator<int>", "std::vector<int, std::allocator<int>" },
	{ "a>b", "a>b" },
	{ "std::vector<(int, std::allocator<int> >", "std::vector<(int, std::allocator<int> >" },
	{ "", "" },
};

START_TEST(defaults_go)
{
	char *name = strdup(names[_i].name);

	ck_assert_ptr_nonnull(name);
	chp_templates_fold(name);
	ck_assert_str_eq(name, names[_i].want);
	/* what was folded is folded */
	chp_templates_fold(name);
	ck_assert_str_eq(name, names[_i].want);
	free(name);
}
END_TEST

START_TEST(deep_names_stay)
{
	char name[1024] = "", want[1024];
	size_t i;

	for (i = 0; i < 200; i++)
		memcpy(name + 2 * i, "A<", 3);
	memset(name + 400, '>', 200);
	memcpy(want, name, sizeof(want));
	chp_templates_fold(name);
	ck_assert_str_eq(name, want);
}
END_TEST

START_TEST(names_are_demangled)
{
	char *name =
		chp_demangle("St3mapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE5Order"
			     "St4lessIS5_ESaISt4pairIKS5_S6_EEE");

	ck_assert_ptr_nonnull(name);
	ck_assert_str_eq(name, "std::map<std::string, Order>");
	free(name);
	ck_assert_ptr_null(chp_demangle("no name at all"));
	ck_assert_ptr_null(chp_demangle(""));
}
END_TEST

/* The name of the part with a number among those that a name may refer back to. */
static void put_reference(char *mangled, unsigned int number)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t used = strlen(mangled);

	mangled[used++] = 'S';
	if (number)
		mangled[used++] = digits[(number - 1) % 36];
	mangled[used++] = '_';
	mangled[used] = '\0';
}

/* f(B<A, A>, B<B<A, A>, B<A, A>>, ...): each argument is twice as long as the one before. */
START_TEST(names_that_stand_for_gigabytes_are_none)
{
	char mangled[1024] = "_Z1f1BI1AS0_E";
	unsigned int i;
	char *name;

	for (i = 2; i < 36; i++) {
		put_reference(mangled, 0);
		memcpy(mangled + strlen(mangled), "I", 2);
		put_reference(mangled, i);
		put_reference(mangled, i);
		memcpy(mangled + strlen(mangled), "E", 2);
		name = chp_demangle(mangled);
		ck_assert_msg(!!name == (i < 10), "%u: %s", i, mangled);
		free(name);
	}
}
END_TEST

/* Made by rustc 1.95 (-C symbol-mangling-version=v0) of items that are called as on the right, in a
 * crate "shop"; c++filt of binutils 2.40 says the same of them but for crates' hashes and types of
 * constants. */
static const struct {
	const char *mangled, *name;
} rust[] = {
	{ "_RNvCsbxQjNsTKZZh_4shop4main", "shop::main" },
	{ "_RNvCsbxQjNsTKZZh_4shopu9gre_6ka8i", "shop::größe" },
	{ "_RNvCsbxQjNsTKZZh_4shopu10__x_6m8dm5d", "shop::本棚_x" },
	{ "_RNCNCNvCsbxQjNsTKZZh_4shop4mains_00B5_", "shop::main::{closure#1}::{closure#0}" },
	{ "_RINvCsbxQjNsTKZZh_4shop4showTfEEB2_", "shop::show::<(f32,)>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesPStEB2_", "shop::takes::<*const [u16]>" },
	{ "_RINvCsbxQjNsTKZZh_4shop4showTaReuEEB2_", "shop::show::<(i8, &str, ())>" },
	{ "_RINvCsbxQjNsTKZZh_4shop4showAAyj2_j4_EB2_", "shop::show::<[[u64; 2]; 4]>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesFUKCPhOlEuEB2_",
	  "shop::takes::<unsafe extern \"C\" fn(*const u8, *mut i32)>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesFG_hRL0_eEbEB2_",
	  "shop::takes::<for<'a> fn(u8, &'a str) -> bool>" },
	{ "_RINvCsbxQjNsTKZZh_4shop7flaggedKb0_Kcdf_Ksc_EB2_",
	  "shop::flagged::<false, '\\u{df}', 12>" },
	{ "_RINvCsbxQjNsTKZZh_4shop7flaggedKb1_Kc27_Ksn5_EB2_",
	  "shop::flagged::<true, '\\'', -5>" },
	{ "_RNvMNtCsbxQjNsTKZZh_4shop6ordersINtB2_5OrderhKj3_E5totalB4_",
	  "<shop::orders::Order<u8, 3>>::total" },
	{ "_RNvXs_NtCsbxQjNsTKZZh_4shop6ordersINtB4_5OrderhKj3_ENtB4_6Priced5priceB6_",
	  "<shop::orders::Order<u8, 3> as shop::orders::Priced>::price" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesRDNtNtB2_6orders6Pricedp4UnithEL_EB2_",
	  "shop::takes::<&dyn shop::orders::Priced<Unit = u8>>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesRDG_INtNtNtCsgEmfK2I1SDS_4core3ops8function2FnTRL0_"
	  "hEEp6OutputhEL_EB2_",
	  "shop::takes::<&dyn for<'a> core::ops::function::Fn<(&'a u8,), Output = u8>>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesINtNtCslNYArtu3iFV_5alloc5boxed3BoxDNtNtNtNtCsgEmfK2I1SDS_"
	  "4core4iter6traits8iterator8Iteratorp4ItemhNtNtB19_6marker4SendEL_EEB2_",
	  "shop::takes::<alloc::boxed::Box<dyn core::iter::traits::iterator::Iterator<Item = u8> + "
	  "core::marker::Send>>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesINtNtCsgEmfK2I1SDS_4core6option6OptionINtNtCslNYArtu3iFV_"
	  "5alloc5boxed3BoxDNtNtBw_3fmt5DebugEL_EEEB2_",
	  "shop::takes::<core::option::Option<alloc::boxed::Box<dyn core::fmt::Debug>>>" },
	{ "_RNSNvYNCNvCsbxQjNsTKZZh_4shop4mains2_0INtNtNtCsgEmfK2I1SDS_"
	  "4core3ops8function6FnOnceTRhEE9call_once6vtableB8_",
	  "<shop::main::{closure#4} as "
	  "core::ops::function::FnOnce<(&u8,)>>::call_once::{shim:vtable#0}" },
	{ "_RINvCsbxQjNsTKZZh_4shop4showTINtNtCslNYArtu3iFV_5alloc3vec3VecNtNtBw_"
	  "6string6StringEINtNtNtNtCsjrHSEGnQ3l9_3std11collections4hash3map7HashMapBY_IBs_hEEEEB2_",
	  "shop::show::<(alloc::vec::Vec<alloc::string::String>, "
	  "std::collections::hash::map::HashMap<alloc::string::String, alloc::vec::Vec<u8>>)>" },
	{ "_RINvCsbxQjNsTKZZh_4shop5takesFINtNtCslNYArtu3iFV_"
	  "5alloc5boxed3BoxDNtNtNtNtCsgEmfK2I1SDS_4core4iter6traits8iterator8Iteratorp4ItemhEL_EBs_"
	  "EuEB2_",
	  "shop::takes::<fn(alloc::boxed::Box<dyn core::iter::traits::iterator::Iterator<Item = "
	  "u8>>, alloc::boxed::Box<dyn core::iter::traits::iterator::Iterator<Item = u8>>)>" },
	/* what a compiler adds behind it */
	{ "_RNvC4shop4main.llvm.123", "shop::main" },
	/* a constant above 64 bits, and what is not known */
	{ "_RINvC4shop4showKof123456789abcdef01_KpE", "shop::show::<0xf123456789abcdef01, _>" },
};

START_TEST(names_of_rust)
{
	char *name = chp_demangle(rust[_i].mangled);

	ck_assert_msg(name && strcmp(name, rust[_i].name) == 0, "%s: %s", rust[_i].mangled,
		      name ? name : "none");
	free(name);
}
END_TEST

/* Each name cut anywhere, and with each byte another one, ends; mostly it is none. */
START_TEST(damaged_names_of_rust_end)
{
	size_t len = strlen(rust[_i].mangled), i;
	char mangled[512];

	ck_assert_uint_lt(len, sizeof(mangled));
	for (i = 0; i <= len; i++) {
		memcpy(mangled, rust[_i].mangled, i);
		mangled[i] = '\0';
		free(chp_demangle(mangled));
		memcpy(mangled, rust[_i].mangled, len + 1);
		if (i < len)
			mangled[i] = "CMXNIBETRASFDLKGUp_0"[(i * 7 + (size_t)_i) % 20];
		free(chp_demangle(mangled));
	}
}
END_TEST

/* No name is more than what is bounded: steps back that double, loops, types in types. */
START_TEST(names_of_rust_without_end_are_none)
{
	static const char *const loops[] = { "_RB_", "_RNvB_4main", "_RIC1aB_E",
					     "_RINvC1a1bDB6_EL_E", "_RINvC1a1bDBz_EL_E" };
	char mangled[2048];
	size_t i, used;
	char *name;

	for (i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		ck_assert_ptr_null(chp_demangle(loops[i]));
	/* (T, T) of the tuple before, 30 times */
	used = (size_t)snprintf(mangled, sizeof(mangled), "_RINvC1a1bThhE");
	for (i = 0; i < 30; i++)
		used += (size_t)snprintf(mangled + used, sizeof(mangled) - used, "TB%c_B%c_E",
					 i < 1 ? '7' : "abcdefghijklmnopqrstuvwxyz"[i % 26],
					 i < 1 ? '7' : "abcdefghijklmnopqrstuvwxyz"[i % 26]);
	snprintf(mangled + used, sizeof(mangled) - used, "E");
	name = chp_demangle(mangled);
	ck_assert(!name || strlen(name) < 8192);
	free(name);
	memcpy(mangled, "_RMC1a", 6);
	memset(mangled + 6, 'R', 1900);
	memcpy(mangled + 1906, "h", 2);
	name = chp_demangle(mangled);
	/* "<&&& ... u8>": deep is not long */
	ck_assert_ptr_nonnull(name);
	ck_assert_uint_eq(strlen(name), 1900 + strlen("<u8>"));
	free(name);
	memset(mangled, 'R', sizeof(mangled) - 1);
	mangled[0] = '_';
	mangled[2] = 'N';
	mangled[sizeof(mangled) - 1] = '\0';
	ck_assert_ptr_null(chp_demangle(mangled));
}
END_TEST

Suite *suite_demangle(void);
Suite *suite_demangle(void)
{
	Suite *suite = suite_create("demangle");
	TCase *tcase = tcase_create("names");

	tcase_add_loop_test(tcase, defaults_go, 0, (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_test(tcase, deep_names_stay);
	tcase_add_test(tcase, names_are_demangled);
	tcase_add_test(tcase, names_that_stand_for_gigabytes_are_none);
	tcase_add_loop_test(tcase, names_of_rust, 0, (int)(sizeof(rust) / sizeof(rust[0])));
	tcase_add_loop_test(tcase, damaged_names_of_rust_end, 0,
			    (int)(sizeof(rust) / sizeof(rust[0])));
	tcase_add_test(tcase, names_of_rust_without_end_are_none);
	suite_add_tcase(suite, tcase);
	return suite;
}
