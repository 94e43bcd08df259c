/*
 * Completion for bash, 3.2 (that of macOS) and newer; it needs nothing of the bash-completion
 * package. The script has the walk over the words; the tables become its case lists.
 */
#include "cli/completion.h"

#include <stdio.h>

#include "base/opt_text.h"

/* readline breaks words at = and : also, so "--accel=soft" arrives as three of them. */
static const char bash_head[] =
    "# Completion of ignition for bash: source it, or install it as\n"
    "# bash-completion/completions/ignition. Made by: ignition completion bash\n"
    "\n"
    "_ignition_add()\n"
    "{\n"
    "    local word\n"
    "    while IFS= read -r word; do\n"
    "        COMPREPLY+=(\"$word\")\n"
    "    done < <(compgen \"$@\" -- \"$cur\")\n"
    "}\n"
    "\n"
    "_ignition_files()\n"
    "{\n"
    "    _ignition_add -f\n"
    "    compopt -o filenames 2>/dev/null\n"
    "}\n"
    "\n"
    "_ignition()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} command= option= args=0 named=1 ended= glued= word i\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ $word == [=:] ]]; then\n"
    "            [[ $option ]] || glued=1\n"
    "            continue\n"
    "        elif [[ $glued ]]; then\n"
    "            glued=\n"
    "            continue\n"
    "        elif [[ $option ]]; then\n"
    "            option=\n"
    "            continue\n"
    "        elif [[ ! $ended && $word == -- ]]; then\n"
    "            ended=1 named=\n"
    "            continue\n"
    "        elif [[ ! $ended && $word == -* ]]; then\n"
    "            named=\n"
    "            case \"$command $word\" in\n";

static const char bash_commands[] = "            esac\n"
                                    "            continue\n"
                                    "        fi\n"
                                    "        case \"$named$command $word\" in\n";

static const char bash_values[] = "        *) named= args=$((args + 1)) ;;\n"
                                  "        esac\n"
                                  "    done\n"
                                  "    if [[ $cur == [=:] ]]; then\n"
                                  "        [[ $option ]] || glued=1\n"
                                  "        cur=\n"
                                  "    fi\n"
                                  "    if [[ $glued ]]; then\n"
                                  "        _ignition_files\n"
                                  "    elif [[ $option ]]; then\n"
                                  "        case \"$command $option\" in\n";

static const char bash_options[] = "        esac\n"
                                   "    elif [[ ! $ended && $cur == -* ]]; then\n"
                                   "        case \"$command\" in\n";

static const char bash_args[] = "        esac\n"
                                "    else\n"
                                "        case \"$command $args\" in\n";

static const char bash_tail[] = "        esac\n"
                                "    fi\n"
                                "}\n"
                                "\n"
                                "complete -F _ignition ignition\n";

static void bash_words(FILE *out, const char *words)
{
    size_t n;

    fputs("_ignition_add -W '", out);
    for (const char *p = opt_text_word(words, &n); p; p = opt_text_word(p + n, &n))
        fprintf(out, "%s%.*s", p == words ? "" : " ", (int)n, p);
    fputs("' ;;\n", out);
}

/* Options whose value is a word of its own. */
static void bash_valued(const struct command *command, void *out)
{
    for (const struct opt *opt = command->opts; opt->type; opt++)
        if (opt->type != OPT_FLAG)
            fprintf(out, "            '%s --%s') option=$word ;;\n", command->name, opt->name);
}

/* A command is found word by word, and before any option or argument. */
static void bash_command(const struct command *command, void *out)
{
    int parent = (int)(command_verb(command) - command->name);

    if (*command->name)
        fprintf(out, "        '1%.*s %s') command='%s' ;;\n", parent ? parent - 1 : 0,
                command->name, command_verb(command), command->name);
}

static void bash_value(const struct command *command, void *out)
{
    for (const struct opt *opt = command->opts; opt->type; opt++) {
        if (!opt->words && !opt->files)
            continue;
        fprintf(out, "        '%s --%s') ", command->name, opt->name);
        if (opt->words)
            bash_words(out, opt->words);
        else
            fputs("_ignition_files ;;\n", out);
    }
}

static void bash_option(const struct command *command, void *out)
{
    fprintf(out, "        '%s') _ignition_add -W '", command->name);
    for (const struct opt *opt = command->opts; opt->type; opt++)
        fprintf(out, "--%s ", opt->name);
    fputs("--help' ;;\n", out);
}

static void bash_arg(const struct command *command, void *out)
{
    if (command->subs) {
        fprintf(out, "        '%s 0') _ignition_add -W '", command->name);
        for (const struct command *const *sub = command->subs; *sub; sub++)
            fprintf(out, "%s%s", sub == command->subs ? "" : " ", command_verb(*sub));
        fputs("' ;;\n", out);
    }
    for (unsigned i = 0; i < opt_count_args(command->args); i++) {
        const struct opt_arg *arg = &command->args[i];
        if (!arg->words && !arg->files)
            continue;
        fprintf(out, "        '%s %u') ", command->name, i);
        if (arg->words)
            bash_words(out, arg->words);
        else
            fputs("_ignition_files ;;\n", out);
    }
}

void completion_bash(const struct command *root, void *file)
{
    fputs(bash_head, file);
    command_each(root, bash_valued, file);
    fputs(bash_commands, file);
    command_each(root, bash_command, file);
    fputs(bash_values, file);
    command_each(root, bash_value, file);
    fputs(bash_options, file);
    command_each(root, bash_option, file);
    fputs(bash_args, file);
    command_each(root, bash_arg, file);
    fputs(bash_tail, file);
}
