/*
 * render/html.h - one page that needs nothing but itself: no network, no file beside it, no script
 * to be read.
 *
 * What is written is well-formed as XML, too. Texts are safe for a terminal (util/text.h) when they
 * come here; here they become safe for markup.
 */
#ifndef COREHEAP_RENDER_HTML_H
#define COREHEAP_RENDER_HTML_H

#include "render/render.h"

/** A place of the page that its beginning leads to. */
struct ch_html_place {
	/** Of the section; what it is called. */
	const char *id, *title;
};

/** Begin a page: title, and links to its sections, ended by one without an id. */
void chp_html_begin(FILE *out, const char *title, const struct ch_html_place *places);
void chp_html_end(FILE *out);

/** Text, its markup escaped. */
void chp_html_text(FILE *out, const char *text);
/** A paragraph with a label ("" or NULL: without); kind: a class of the style, or NULL. */
void chp_html_fact(FILE *out, const char *kind, const char *label, const char *text);
/** The title of the page, on it; of a part of a section. */
void chp_html_title(FILE *out, const char *title);
void chp_html_heading(FILE *out, const char *title);
/** Begin and end a section; about: a sentence of what is seen in it, or NULL. */
void chp_html_section(FILE *out, const struct ch_html_place *place, const char *about);
void chp_html_section_end(FILE *out);
/** A part that is shown when it is asked for; what is printed. */
void chp_html_fold(FILE *out, const char *title);
void chp_html_fold_end(FILE *out);

/** What the page is styled with and acts by: html_text.c. Static. */
extern const char chp_html_style[], chp_html_script[];
/** Their SHA-256 in base64, by which the page's policy knows them. Static. */
extern const char chp_html_style_hash[], chp_html_script_hash[];

#endif /* COREHEAP_RENDER_HTML_H */
