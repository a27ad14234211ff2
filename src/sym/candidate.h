/*
 * candidate.h - a file on disk that may be the one a module was mapped from.
 */
#ifndef COREHEAP_SYM_CANDIDATE_H
#define COREHEAP_SYM_CANDIDATE_H

#include "sym/sym_priv.h"

struct ch_candidate {
	/** The file, mapped. */
	const uint8_t *data;
	uint64_t bytes;
	/** ELF headers; of a PE image only pe is set. */
	struct ch_image image;
	struct ch_pe pe;
	uint8_t build_id[CH_BUILD_ID_MAX];
	uint32_t build_id_len;
};

/** What comparing a file with memory says. */
enum ch_verdict {
	/** Nothing of the module in the core tells builds apart. */
	CH_VERDICT_UNKNOWN,
	/** Same build-id, or same PE time stamp, size and checksum. */
	CH_VERDICT_SAME,
	/** No build-id in the core, but headers and dynamic section are the same. */
	CH_VERDICT_ALIKE,
	CH_VERDICT_OTHER,
};

/** Map a file if it is an image of this kind; false leaves nothing behind. */
bool chp_candidate_open(const struct ch_sym *sym, const char *path, bool pe,
			struct ch_candidate *ret);
/** Unmap; zeroed ones accepted. */
void chp_candidate_close(struct ch_candidate *file);
/** Compare a file with what the core holds of a module. */
enum ch_verdict chp_candidate_judge(const struct ch_sym *sym, const struct ch_module *module,
				    const struct ch_candidate *file);
/** Target address minus ELF address, if the file is the module's. */
uint64_t chp_candidate_bias(const struct ch_sym *sym, const struct ch_module *module,
			    const struct ch_candidate *file);

#endif /* COREHEAP_SYM_CANDIDATE_H */
