/*
 * report/place.h - words of places in documents.
 */
#ifndef COREHEAP_REPORT_PLACE_H
#define COREHEAP_REPORT_PLACE_H

/** All words of ch_ref_kind_name(). */
#define CH_REF_WORDS "object|free|allocator|register|stack|tls|data|memory|dead stack|constant|code"

#endif /* COREHEAP_REPORT_PLACE_H */
