/*
 * Pages for man(1), made from the tables of commands and options, so that a new option or command
 * has its place in them. What no table says is the text of the overview, below.
 *
 * Only what every formatter knows is used: .TH .SH .PP .TP .B .BR .nf .fi. Lines are filled here,
 * since mandoc complains of lines that are longer than 80 bytes.
 */
#include <ctype.h>
#include <string.h>

#include "cmd/driver.h"
#include "util/bytes.h"

/* Of the version, as docs/CHANGELOG.md has it: a page is the same on whatever day it is made. */
#define VERSION_DATE "2026-12-01"
#define LINE_BYTES   78
#define WORD_BYTES   256

static const char synopsis[] = "[GLOBAL OPTIONS] [COMMAND] [OPTIONS] CORE [ARGUMENTS]";

static const char description[] =
	"`coreheap` opens a Linux ELF core file offline and says where the memory of the process "
	"went: the address space by usage, the heaps, count and bytes by type, who holds what, "
	"threads, modules. It needs neither the host, nor the program, nor debug symbols; it reads "
	"cores written by the kernel, gdb's gcore, .NET's createdump and systemd-coredump, raw or "
	"compressed with zstd, gzip, xz or lz4. x86-64 and aarch64 cores are read. Without COMMAND "
	"it is `summary`. Where CORE is -, it comes through standard input; compressed cores and "
	"those "
	"that come through pipes are kept in a temporary file without a name.\n"
	"\n"
	"Numbers are exact, or marked with their basis: recorded in the core, derived from "
	"recorded "
	"facts, or heuristic. Memory that the core does not hold is never taken for zero; what was "
	"missing is said. Contents of memory, the environment and arguments are not printed "
	"without "
	"--reveal.\n"
	"\n"
	"A core is an attacker's file: once the command line is read, the program starts no other "
	"one, "
	"makes no socket (unless --debuginfod is given), reads only folders of programs and "
	"libraries, those of the cores and those that options name, and writes only what -o names "
	"and, until the last core is open, copies in the folder for them (seccomp and Landlock, "
	"where the kernel has them; --no-sandbox does without).\n"
	"\n"
	"Each command has a page of its own; `coreheap COMMAND --help` prints its options. Names "
	"that "
	"SOS, WinDbg, gdb and the JDK's tools have for these commands work, too, in any case and "
	"with a leading !, as docs/NAMES.md lists them; of a name without a command here the "
	"program says what to type.\n";

static const char words[] = "A used block was given to the program; a lost one is used, and "
			    "nothing in the core holds it; "
			    "what a runtime would collect is dead, or garbage, and not lost. "
			    "docs/GLOSSARY.md has these "
			    "and all other words, each with one meaning.\n";

static const char environment[] =
	"  NO_COLOR  Set and not empty: nothing is bold, unless --color=always is given.\n"
	"  TERM  Where it is dumb, nothing is bold, unless --color=always is given.\n"
	"  COLUMNS  How wide the first screen of `summary` may be, and where other lines are "
	"broken; "
	"the width of the terminal, else 80.\n"
	"  COREHEAP_PAGER, PAGER  What shows the output on a terminal; less by default, none if "
	"empty.\n"
	"  TMPDIR  Where compressed and piped cores are kept; /var/tmp by default.\n";

struct page {
	FILE *out;
	/* Bytes of the line that is being filled. */
	size_t column;
	/* Between two backticks. */
	bool bold;
};

static void end_line(struct page *page)
{
	if (page->column)
		fputc('\n', page->out);
	page->column = 0;
}

static void put_request(struct page *page, const char *request)
{
	end_line(page);
	fprintf(page->out, "%s\n", request);
}

/* One character as roff has it. */
static void put_char(FILE *out, char c)
{
	if (c == '\\')
		fputs("\\e", out);
	else if (c == '-')
		fputs("\\-", out);
	else if (c == '~')
		fputs("\\(ti", out);
	else if (c == '^')
		fputs("\\(ha", out);
	else if (c == '\'')
		fputs("\\(aq", out);
	else
		fputc(c, out);
}

/* A line in which nothing is bold and blanks count. */
static void put_verbatim(FILE *out, const char *line, size_t len)
{
	size_t i;

	if (len && line[0] == '.')
		fputs("\\&", out);
	for (i = 0; i < len; i++)
		put_char(out, line[i]);
	fputc('\n', out);
}

/* "-f" or "--list" begins at i. */
static bool is_option_at(const char *word, size_t len, size_t i)
{
	if (word[i] != '-' || (i && (isalnum((unsigned char)word[i - 1]) || word[i - 1] == '-')))
		return false;
	while (i < len && word[i] == '-')
		i++;
	return i < len && isalpha((unsigned char)word[i]);
}

/* A word with its marks turned into fonts; returns whether a sentence may end with it. */
static bool put_marked(struct page *page, const char *word, size_t len)
{
	bool option = false;
	size_t i;

	fputs(page->bold ? "\\fB" : word[0] == '.' ? "\\&" : "", page->out);
	for (i = 0; i < len; i++) {
		if (option && !isalnum((unsigned char)word[i]) && word[i] != '-') {
			fputs("\\fR", page->out);
			option = false;
		}
		if (word[i] == '`') {
			page->bold = !page->bold;
			fputs(page->bold ? "\\fB" : "\\fR", page->out);
			continue;
		}
		if (!page->bold && !option && is_option_at(word, len, i)) {
			fputs("\\fB", page->out);
			option = true;
		}
		put_char(page->out, word[i]);
	}
	fputs(option || page->bold ? "\\fR" : "", page->out);
	return len && word[len - 1] == '.';
}

/* A word of running text. What is longer than a line has one of its own. */
static void put_word(struct page *page, const char *word, size_t len)
{
	/* Signs and fonts take more bytes than they have here. */
	size_t bytes = len + (page->bold ? 6 : 0), i;

	for (i = 0; i < len; i++)
		bytes += strchr("-\\'^~`", word[i]) ? 6 : 0;
	if (page->column && page->column + 1 + bytes > LINE_BYTES)
		end_line(page);
	if (page->column)
		fputc(' ', page->out);
	page->column += bytes + 1;
	if (put_marked(page, word, len))
		end_line(page);
}

static void put_text(struct page *page, const char *text, size_t len)
{
	size_t i = 0, start;

	while (i < len) {
		i += strspn(text + i, " \n");
		start = i;
		while (i < len && !strchr(" \n", text[i]))
			i++;
		if (i > start && start < len)
			put_word(page, text + start, i - start);
	}
}

/* The end of a line's term in "  TERM  what it means", or 0. */
static size_t term_end(const char *line, size_t len)
{
	size_t i;

	if (len < 3 || strncmp(line, "  ", 2) != 0 || line[2] == ' ')
		return 0;
	for (i = 2; i + 1 < len; i++)
		if (line[i] == ' ' && line[i + 1] == ' ')
			return i;
	return 0;
}

/* A text in the form that chp_man() describes. */
static void put_paragraphs(struct page *page, const char *text)
{
	bool listed = false;
	size_t len, term;

	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		term = term_end(text, len);
		if (len == 0) {
			put_request(page, ".PP");
			listed = false;
		} else if (term) {
			put_request(page, ".TP");
			fputs(".B ", page->out);
			put_verbatim(page->out, text + 2, term - 2);
			put_text(page, text + term, len - term);
			listed = true;
		} else {
			if (listed && text[0] != ' ')
				put_request(page, ".PP");
			listed = listed && text[0] == ' ';
			put_text(page, text, len);
		}
	}
	end_line(page);
}

/* Lines as they are: commands, with what they do behind them. */
static void put_examples(struct page *page, const char *lines)
{
	size_t len, indent;

	put_request(page, ".nf");
	for (; *lines; lines += len + (lines[len] == '\n')) {
		len = strcspn(lines, "\n");
		indent = ch_min(strspn(lines, " "), len);
		put_verbatim(page->out, lines + indent, len - indent);
	}
	put_request(page, ".fi");
}

static void put_section(struct page *page, const char *title)
{
	end_line(page);
	fprintf(page->out, ".SH %s\n", title);
}

static void put_options(struct page *page, const struct ch_option *options)
{
	const struct ch_option *option;
	char spelled[WORD_BYTES];

	for (option = options; option && option->name; option++) {
		if (!option->help)
			continue;
		chp_option_spell(options, option, spelled, sizeof(spelled));
		put_request(page, ".TP");
		fputs(".B ", page->out);
		put_verbatim(page->out, spelled, strlen(spelled));
		put_paragraphs(page, option->help);
	}
}

static void put_exits(struct page *page)
{
	size_t i;

	put_section(page, "EXIT STATUS");
	for (i = 0; chp_exit_meanings[i].meaning; i++) {
		fprintf(page->out, ".TP\n.B %d\n", chp_exit_meanings[i].code);
		put_paragraphs(page, chp_exit_meanings[i].meaning);
	}
}

static void put_page(struct page *page, const char *name)
{
	fprintf(page->out, ".BR coreheap\\-%s (1),\n", name);
}

static void put_cmd_names(struct page *page, const struct ch_cmd *cmd)
{
	size_t a;

	for (a = 0; cmd->aliases && cmd->aliases[a]; a++)
		fprintf(page->out, "%s%s%s", a ? ", " : "Also called ", cmd->aliases[a],
			cmd->aliases[a + 1] ? "" : ".\n");
}

static void put_cmd(struct page *page, const struct ch_cmd *cmd)
{
	size_t i;

	fprintf(page->out, ".SH NAME\ncoreheap\\-%s \\-\n", cmd->name);
	put_text(page, cmd->summary, strlen(cmd->summary));
	put_section(page, "SYNOPSIS");
	fprintf(page->out, ".B coreheap %s\n", cmd->name);
	put_text(page, cmd->synopsis, strlen(cmd->synopsis));
	put_section(page, "DESCRIPTION");
	if (cmd->notes)
		put_paragraphs(page, cmd->notes);
	else
		put_text(page, cmd->summary, strlen(cmd->summary));
	if (cmd->aliases)
		put_request(page, ".PP");
	put_cmd_names(page, cmd);
	if (cmd->options && cmd->options->name)
		put_section(page, "OPTIONS");
	put_options(page, cmd->options);
	put_section(page, "GLOBAL OPTIONS");
	put_options(page, chp_global_options);
	put_exits(page);
	put_section(page, "EXAMPLES");
	put_examples(page, cmd->examples);
	put_section(page, "SEE ALSO");
	for (i = 0; cmd->see_also && cmd->see_also[i]; i++)
		put_page(page, cmd->see_also[i]);
	fputs(".BR coreheap (1)\n", page->out);
}

/* Each command by its summary and other names. */
static void put_cmds(struct page *page)
{
	size_t c;

	for (c = 0; chp_cmds[c]; c++) {
		fprintf(page->out, ".TP\n.BR coreheap\\-%s (1)\n", chp_cmds[c]->name);
		put_text(page, chp_cmds[c]->summary, strlen(chp_cmds[c]->summary));
		end_line(page);
		if (chp_cmds[c]->aliases)
			fputs(".br\n", page->out);
		put_cmd_names(page, chp_cmds[c]);
	}
}

static void put_overview(struct page *page)
{
	size_t c;

	fputs(".SH NAME\ncoreheap \\- say where the memory of a dead process went, from its core\n"
	      ".SH SYNOPSIS\n.B coreheap\n",
	      page->out);
	put_text(page, synopsis, strlen(synopsis));
	put_section(page, "DESCRIPTION");
	put_paragraphs(page, description);
	put_section(page, "COMMANDS");
	put_cmds(page);
	put_section(page, "GLOBAL OPTIONS");
	put_options(page, chp_global_options);
	put_exits(page);
	put_section(page, "EXAMPLES");
	put_examples(page, chp_help_examples);
	put_section(page, "WORDS");
	put_paragraphs(page, words);
	put_section(page, "ENVIRONMENT");
	put_paragraphs(page, environment);
	put_section(page, "SEE ALSO");
	for (c = 0; chp_cmds[c]; c++)
		put_page(page, chp_cmds[c]->name);
	fputs(".BR core (5),\n.BR gcore (1),\n.BR coredumpctl (1)\n", page->out);
}

void chp_man(FILE *out, const struct ch_cmd *cmd)
{
	struct page page = { .out = out };
	const char *c;

	fputs(".\\\" Made from the tables of the program by `coreheap --man`.\n.TH COREHEAP", out);
	for (c = cmd ? cmd->name : ""; *c; c++)
		fprintf(out, "%s%c", c == cmd->name ? "\\-" : "", toupper((unsigned char)*c));
	fputs(" 1 " VERSION_DATE " \"coreheap " CH_VERSION "\" \"User Commands\"\n", out);
	if (cmd)
		put_cmd(&page, cmd);
	else
		put_overview(&page);
}
