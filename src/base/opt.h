/*
 * Command-line options as a table: parsing, range checks, --help, the manual page and the shells'
 * completion come from it.
 *
 * Long options, "--name value" or "--name=value", and for some flags a letter, "-v"; "--" ends
 * options. Options and positional arguments may mix. A repeated single option is an error; OPT_LIST
 * collects.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

enum opt_type {
    OPT_END,
    OPT_FLAG, /* bool */
    OPT_U32,  /* uint32_t, min..max */
    OPT_U64,  /* uint64_t, min..max */
    OPT_SIZE, /* uint64_t bytes, K M G T suffixes (1024), min..max */
    OPT_STR,  /* const char * */
    OPT_ENUM, /* const char *, one of the words in `words` */
    OPT_LIST, /* struct opt_list */
};

#define OPT_LIST_MAX 32

struct opt_list {
    const char *items[OPT_LIST_MAX];
    unsigned count;
};

struct opt {
    const char *name; /* without the dashes */
    enum opt_type type;
    size_t where;    /* offsetof() in the target struct */
    const char *def; /* default as text, NULL: zero */
    uint64_t min, max;
    const char *arg;   /* name of the value in --help, NULL for flags */
    const char *help;  /* one line, no full stop */
    const char *words; /* OPT_ENUM: "hvf|kvm|soft" */
    const char *more;  /* further sentences for the manual page, NULL: none */
    bool files;        /* the value begins with the path of a file, and is completed as one */
    char letter;       /* OPT_FLAG: its short form; 0: none */
};

/* A positional argument; a table of them ends with a row that has no name. */
struct opt_arg {
    const char *name;  /* as the usage line has it: "KERNEL" */
    const char *help;  /* one line, no full stop; goes on "give ..." */
    const char *words; /* what it may be, "bash|zsh|fish"; NULL: anything */
    const char *more;  /* as above */
    bool files;        /* as above */
    bool optional;     /* no row behind it is needed */
};

/*
 * Fill target from argv[0..argc) (the words after the command). Positional arguments go to
 * ret_args, at most max_args. Strings point into argv. Returns 0 or -EINVAL with one sentence in
 * err that names the option and what it takes.
 */
MUST_CHECK int opt_parse(const struct opt *opts, void *target, int argc, char **argv,
                         const char **ret_args, unsigned max_args, unsigned *ret_nargs,
                         struct err *err);

/* Are the positional arguments of opt_parse() those of the table? args NULL: there are none.
 * Returns 0 or -EINVAL with one sentence. */
MUST_CHECK int opt_check_args(const struct opt_arg *args, const char *const *given, unsigned count,
                              struct err *err);

/* Rows of a table of positional arguments; NULL has none. */
unsigned opt_count_args(const struct opt_arg *args);

/* "512M", "2G", "4096": bytes. Returns 0 or -EINVAL. */
MUST_CHECK int opt_parse_size(const char *text, uint64_t *ret_bytes);

/* Print the table as help text to a FILE (void * keeps stdio out of this header). */
void opt_help(const struct opt *opts, void *file);

/* The same for positional arguments; NULL prints nothing. */
void opt_help_args(const struct opt_arg *args, void *file);
