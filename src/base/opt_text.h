/* What an option table says in words: for messages, help, the manual page and completion. */
#pragma once

#include "base/opt.h"

#define OPT_TEXT_RANGE_MAX 64  /* bytes: two numbers of 20 digits and words */
#define OPT_TEXT_WORDS_MAX 160 /* bytes: the words of an enumeration, joined */
#define OPT_TEXT_FACTS_MAX 320 /* bytes: range, words, default */

/* The largest value that fits; a row with max 0 sets no limit of its own. */
uint64_t opt_text_max(const struct opt *opt);

/* "1 to 64", "64M to 1T": the range in the option's own unit. */
void opt_text_range(const struct opt *opt, char buf[OPT_TEXT_RANGE_MAX]);

/* "hvf, kvm or soft" for "hvf|kvm|soft". */
void opt_text_words(const char *words, char *buf, size_t len);

/* Walk a list "a|b|c": the word at words, or behind the bar at words, and its length. NULL at the
 * end, and for a list that is NULL. */
const char *opt_text_word(const char *words, size_t *ret_len);

/* "64M to 1T; default 512M": what a value may be, and is by default; "" when there is nothing to
 * tell. */
void opt_text_facts(const struct opt *opt, char buf[OPT_TEXT_FACTS_MAX]);
