/*
 * known_priv.h - the inside of the provider `known`, shared by its files.
 *
 * known.c keeps the names, known_ldso.c knows what the dynamic linker keeps in malloc, known_libc.c
 * what libc and the C++ runtime keep there, and known_locale.c locales and iconv().
 */
#ifndef COREHEAP_TYPES_KNOWN_PRIV_H
#define COREHEAP_TYPES_KNOWN_PRIV_H

#include "types/provider.h"
#include "util/bytes.h"
#include "util/table.h"

enum ch_known {
	CH_KNOWN_NONE,
	CH_KNOWN_LINK_MAP,
	CH_KNOWN_LIBRARY_PATH,
	CH_KNOWN_LIBRARY_LIST,
	CH_KNOWN_LIBRARY_DATA,
	CH_KNOWN_LIBRARY_TABLE,
	CH_KNOWN_DTV,
	CH_KNOWN_TLS,
	CH_KNOWN_FILE,
	CH_KNOWN_FILE_BUFFER,
	CH_KNOWN_DIR,
	CH_KNOWN_OBSTACK,
	CH_KNOWN_EXIT_FUNCTIONS,
	CH_KNOWN_ENVIRON,
	CH_KNOWN_VARIABLE,
	CH_KNOWN_EMERGENCY_POOL,
	CH_KNOWN_LOCALE,
	CH_KNOWN_LOCALE_DATA,
	CH_KNOWN_LOCALE_NAME,
	CH_KNOWN_LOCALE_FILE,
	CH_KNOWN_LOCALE_PATH,
	CH_KNOWN_CONVERSION,
	CH_KNOWN_CONVERSION_BUFFER,
	CH_KNOWN_STEPS,
};

extern const struct ch_provider ch_provider_known;

/** Below this a key says what it is, above of which module: its place among them, plus one. */
#define CH_KNOWN_BITS 8

struct ch_knowns {
	/** Who says it. */
	const struct ch_provider *provider;
	/** libc itself. */
	const struct ch_module *libc;
	/** Which module the link map at an address is of: its place among them. */
	struct ch_table maps;
	const struct ch_provider_env *env;
};

/** Words of target memory; false: they are not there. */
static inline bool chp_known_read(const struct ch_knowns *knowns, uint64_t addr, uint64_t *words,
				  size_t count)
{
	size_t i;

	if (!ch_core_try_read(knowns->env->core, addr, words, 8 * count))
		return false;
	for (i = 0; i < count; i++)
		words[i] = le64toh(words[i]);
	return true;
}

/** What the dynamic linker has: link maps and what they hold, the threads' storage. Errors: NOMEM,
 * STOP. */
CH_MUST_CHECK struct ch_error *chp_known_ldso(struct ch_knowns *knowns, struct ch_naming *naming);
/** What variables of libc lead to. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_known_libc(struct ch_knowns *knowns, struct ch_naming *naming);
/** What a FILE leads to. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_known_buffers(struct ch_knowns *knowns, struct ch_naming *naming,
						 uint64_t file);
/** What variables of the C++ runtime lead to. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_known_cxx(struct ch_knowns *knowns, struct ch_naming *naming);
/** What a block of libc is by its contents alone. */
enum ch_known chp_known_contents(const struct ch_knowns *knowns, uint64_t addr,
				 const uint8_t *bytes, size_t len);

/** The same of locales and conversions; and what they lead to. Errors: NOMEM. */
enum ch_known chp_known_locale(const struct ch_knowns *knowns, uint64_t addr, const uint8_t *bytes,
			       size_t len);
CH_MUST_CHECK struct ch_error *chp_known_follow_locale(const struct ch_knowns *knowns,
						       struct ch_naming *naming,
						       const struct ch_named_block *block);

#endif /* COREHEAP_TYPES_KNOWN_PRIV_H */
