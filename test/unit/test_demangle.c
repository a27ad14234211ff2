/*
 * Names of C++: what a demangler writes becomes what people write, and names that stand for
 * gigabytes stand for nothing.
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

Suite *suite_demangle(void);
Suite *suite_demangle(void)
{
	Suite *suite = suite_create("demangle");
	TCase *tcase = tcase_create("names");

	tcase_add_loop_test(tcase, defaults_go, 0, (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_test(tcase, deep_names_stay);
	tcase_add_test(tcase, names_are_demangled);
	tcase_add_test(tcase, names_that_stand_for_gigabytes_are_none);
	suite_add_tcase(suite, tcase);
	return suite;
}
