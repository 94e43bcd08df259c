/*
 * Translations for people and for profilers.
 *
 * A perf map is text, a line for a function: address, size, name (hexadecimal). It is only ever
 * appended to: when the cache has been emptied its addresses have two names, and the later counts.
 */
#include "cpu/jit/jit_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cpu/jit/jit_dis.h"
#include "cpu/jit/jit_int.h"

struct jit_dump {
    bool show;
    gva_t va;
    FILE *map; /* NULL: no perf map */
};

/* The name is a fixed one in a folder that others may write to: never through what lies there. */
static int open_map(struct jit_dump *dump, struct err *err)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_errno(err, "--jit-perf: %s", path);
    dump->map = fdopen(fd, "w");
    if (!dump->map) {
        fd_close(fd);
        return err_set(err, ENOMEM, "--jit-perf: out of memory");
    }
    setvbuf(dump->map, NULL, _IOLBF, BUFSIZ); /* a profiler may look while we run */
    return 0;
}

int jit_dump_create(const struct jit_config *config, struct jit_dump **ret_dump, struct err *err)
{
    struct jit_dump *dump = calloc(1, sizeof(*dump));
    int rc;

    if (!dump)
        return err_set(err, ENOMEM, "translator: out of memory");
    dump->show = config->dump;
    dump->va = config->dump_va;
    rc = config->perf ? open_map(dump, err) : 0;
    if (rc < 0) {
        free(dump);
        return rc;
    }
    *ret_dump = dump;
    return 0;
}

void jit_dump_destroy(struct jit_dump *dump)
{
    if (!dump)
        return;
    if (dump->map)
        fclose(dump->map);
    free(dump);
}

static uintptr_t executed_at(const struct jit *jit, const uint8_t *rw)
{
    return (uintptr_t)(jit->rx + (rw - jit->rw));
}

static void name(const struct jit *jit, const uint8_t *from, const uint8_t *to, const char *text)
{
    fprintf(jit->dump->map, "%" PRIxPTR " %tx %s\n", executed_at(jit, from), to - from, text);
}

void jit_dump_stubs(const struct jit *jit)
{
    if (!jit->dump || !jit->dump->map)
        return;
    name(jit, jit->stubs.enter, jit->stubs.leave, "ignition_enter");
    name(jit, jit->stubs.leave, jit->stubs.handler, "ignition_leave");
    name(jit, jit->stubs.handler, jit->stubs.link, "ignition_call_handler");
    name(jit, jit->stubs.link, jit->stubs.lookup, "ignition_link");
    name(jit, jit->stubs.lookup, jit->first, "ignition_lookup");
}

/* Lines of host code from one place to another; the first has the guest's instruction before it. */
static void show_host(const struct jit *jit, struct jit_dis *dis, const uint8_t *from,
                      const uint8_t *to, const char *guest)
{
    char text[JIT_DIS_TEXT];

    while (from < to) {
        uint64_t at = executed_at(jit, from);

        from += jit_dis_next(dis, from, (size_t)(to - from), at, text);
        log_info("jit", "  %-46s | %#" PRIx64 "  %s", guest, at, text);
        guest = "";
    }
    if (*guest)
        log_info("jit", "  %-46s |", guest);
}

static void show(const struct jit_tran *t)
{
    struct jit_dis *guest = jit_dis_open(JIT_DIS_GUEST), *host = jit_dis_open(JIT_DIS_HOST);
    const struct jit_block *block = t->block;
    const struct jit *jit = t->jit;

    log_info("jit",
             "block at %#" PRIx64 ", physical %#" PRIx64
             ", EL%d, %u instructions in %td bytes; rbp is struct cpu + %d",
             t->c->pc, block->gpa, t->state & JIT_EL1 ? 1 : 0, block->count, jit->at - block->entry,
             JIT_BIAS);
    show_host(jit, host, block->entry, t->code[0], "(entry)");
    for (unsigned n = 0; n < block->count; n++) {
        char text[JIT_DIS_TEXT], line[JIT_DIS_TEXT + 32];

        jit_dis_next(guest, (const uint8_t *)&t->words[t->first + n], 4, t->c->pc + 4 * n, text);
        snprintf(line, sizeof(line), "%#" PRIx64 "  %s", t->c->pc + 4 * n, text);
        show_host(jit, host, t->code[n], t->code[n + 1], line);
    }
    show_host(jit, host, t->code[block->count], jit->at, "(rarely executed)");
    jit_dis_close(guest);
    jit_dis_close(host);
}

void jit_dump_block(const struct jit_tran *t)
{
    const struct jit_dump *dump = t->jit->dump;
    gva_t va = t->c->pc;
    char text[40];

    if (dump->show && dump->va - va < 4 * (uint64_t)t->block->count)
        show(t);
    if (dump->map) {
        snprintf(text, sizeof(text), "guest_%" PRIx64, va);
        name(t->jit, t->block->entry, t->jit->at, text);
    }
}
