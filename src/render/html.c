/*
 * The frame of a page, and text in it.
 */
#include "render/html.h"

#include <string.h>

void chp_html_text(FILE *out, const char *text)
{
	size_t plain;

	for (; *text; text++) {
		plain = strcspn(text, "&<>\"'");
		fwrite(text, 1, plain, out);
		text += plain;
		if (!*text)
			return;
		fputs(*text == '&'   ? "&amp;"
		      : *text == '<' ? "&lt;"
		      : *text == '>' ? "&gt;"
		      : *text == '"' ? "&quot;"
				     : "&#39;",
		      out);
	}
}

void chp_html_begin(FILE *out, const char *title, const struct ch_html_place *places)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
	      out);
	fprintf(out,
		"style-src 'sha256-%s'; script-src 'sha256-%s'; base-uri 'none'; "
		"form-action 'none'\"/>\n",
		chp_html_style_hash, chp_html_script_hash);
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
	      "<meta name=\"referrer\" content=\"no-referrer\"/>\n<title>",
	      out);
	chp_html_text(out, title);
	fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", chp_html_style);
	fputs("<a class=\"skip\" href=\"#main\">Skip to what was found</a>\n"
	      "<nav aria-label=\"Sections\">",
	      out);
	for (; places->id; places++) {
		fprintf(out, "<a href=\"#%s\">", places->id);
		chp_html_text(out, places->title);
		fputs("</a> ", out);
	}
	fputs("</nav>\n<main id=\"main\">\n", out);
}

void chp_html_end(FILE *out)
{
	fprintf(out, "</main>\n<script>%s</script>\n</body>\n</html>\n", chp_html_script);
}

void chp_html_fact(FILE *out, const char *kind, const char *label, const char *text)
{
	fprintf(out, "<p class=\"fact%s%s\">", kind ? " " : "", kind ? kind : "");
	if (label && *label) {
		fputs("<b>", out);
		chp_html_text(out, label + strspn(label, " "));
		fputs("</b> ", out);
	}
	fputs("<span>", out);
	chp_html_text(out, text);
	fputs("</span></p>\n", out);
}

static void put_element(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<%s>", name);
	chp_html_text(out, text);
	fprintf(out, "</%s>\n", name);
}

void chp_html_title(FILE *out, const char *title)
{
	put_element(out, "h1", title);
}

void chp_html_heading(FILE *out, const char *title)
{
	put_element(out, "h3", title);
}

void chp_html_section(FILE *out, const struct ch_html_place *place, const char *about)
{
	fprintf(out, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">",
		place->id, place->id, place->id);
	chp_html_text(out, place->title);
	fputs("</h2>\n", out);
	if (!about)
		return;
	fputs("<p class=\"about\">", out);
	chp_html_text(out, about);
	fputs("</p>\n", out);
}

void chp_html_section_end(FILE *out)
{
	fputs("</section>\n", out);
}

void chp_html_fold(FILE *out, const char *title)
{
	fputs("<details><summary>", out);
	chp_html_text(out, title);
	fputs("</summary>\n", out);
}

void chp_html_fold_end(FILE *out)
{
	fputs("</details>\n", out);
}
