/*
 * declared - a unit of C++ with much debug information: what the standard library's templates are
 * made of. The benchmark links many of them, each under a name of its own, and MAIN calls all.
 */
#ifdef MAIN
#include <cstdlib>
#define CALL(number) extern "C" int unit_##number(const char *text);
#include "units.inc"
#undef CALL

int main()
{
	int sum = 0;

#define CALL(number) sum += unit_##number("order");
#include "units.inc"
#undef CALL
	if (sum != -1)
		abort();
	return 0;
}
#else
#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>
namespace {
struct Order { std::string id; std::map<std::string, std::vector<double>> prices; std::shared_ptr<Order> next; };
std::unordered_map<std::string, std::shared_ptr<Order>> orders;
std::deque<std::function<int(const Order &)>> work;
}
extern "C" int unit_0(const char *s)
{
	std::regex r("a(b|c)*d"); std::smatch m; std::string t(s);
	std::map<int, std::set<std::string>> x; x[1].insert(t);
	orders[t] = std::make_shared<Order>();
	work.push_back([&](const Order &o) { return (int)o.prices.size(); });
	std::ostringstream o; o << t; std::list<std::pair<std::string,int>> l; l.emplace_back(t, 1);
	std::future<int> f = std::async(std::launch::deferred, [] { return 1; });
	std::mt19937 g; std::sort(t.begin(), t.end());
	return std::regex_match(t, m, r) + (int)l.size() + f.get() + (int)g();
}
#endif
