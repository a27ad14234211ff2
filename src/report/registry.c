/*
 * The table of the documents that reports have as JSON.
 */
#include "render/document.h"

/* The build lists the documents of src/report in documents.inc (see Makefile). */
#define CH_DOCUMENT(name) extern const struct ch_document ch_document_##name;
#include "documents.inc"
#undef CH_DOCUMENT

const struct ch_document *const chp_documents[] = {
#define CH_DOCUMENT(name) &ch_document_##name,
#include "documents.inc"
#undef CH_DOCUMENT
	NULL,
};
