/*
 * templates.h - names of C++ templates without what everybody leaves out.
 */
#ifndef COREHEAP_SYM_TEMPLATES_H
#define COREHEAP_SYM_TEMPLATES_H

/**
 * Shorten a demangled name in place: arguments that the standard library's templates have by
 * default go ("std::vector<int, std::allocator<int> >" is "std::vector<int>"), with the inline
 * namespaces of its versions, and std::basic_string<char> is std::string. A name whose brackets
 * do not match stays as it is.
 */
void chp_templates_fold(char *name);

/** Where the template argument that begins at text ends: at its comma or bracket. NULL: nowhere. */
const char *chp_templates_argument_end(const char *text);

#endif /* COREHEAP_SYM_TEMPLATES_H */
