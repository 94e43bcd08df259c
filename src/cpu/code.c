/*
 * Predecoded code pages: a hash table by guest-physical page.
 *
 * A page is 24 KiB, six times the code it stands for. Each vCPU may have 64 MiB of them, which is
 * more than 10 MiB of guest code in use at a time; where vCPUs are many they share 512 MiB. Beyond
 * that all are dropped: simpler than choosing, and decoding what is really used again costs a few
 * milliseconds.
 */
#include "cpu/code.h"

#include <errno.h>
#include <stdlib.h>

#include "cpu/interp.h"
#include "cpu/jit/jit.h"
#include "cpu/mmu.h"

#define CODE_BYTES_VCPU (64 * MIB)
#define CODE_BYTES_ALL  (512 * MIB)
#define CODE_HASH_SIZE  4096
#define CODE_LINE_INSNS 16 /* CTR_EL0.IminLine: 64 bytes */

struct code_cache {
    struct code_page *hash[CODE_HASH_SIZE];
    _Atomic bool announced[CODE_HASH_SIZE]; /* there may be pages in the chain */
    unsigned pages;
};

static unsigned code_hash(gpa_t gpa)
{
    return gpa / CODE_PAGE_SIZE % CODE_HASH_SIZE;
}

static struct code_page **code_chain(struct code_cache *code, gpa_t gpa)
{
    return &code->hash[code_hash(gpa)];
}

bool code_may_have(const struct code_cache *code, gpa_t gpa)
{
    return atomic_load(&code->announced[code_hash(gpa)]);
}

static struct code_page *code_find(struct code_cache *code, gpa_t gpa)
{
    struct code_page *page = *code_chain(code, gpa);

    while (page && page->gpa != gpa)
        page = page->next;
    return page;
}

static void code_clear(struct code_cache *code)
{
    for (unsigned i = 0; i < CODE_HASH_SIZE; i++) {
        while (code->hash[i]) {
            struct code_page *page = code->hash[i];

            code->hash[i] = page->next;
            free(page);
        }
        atomic_store_explicit(&code->announced[i], false, memory_order_relaxed);
    }
    code->pages = 0;
}

int code_create(struct code_cache **ret_code, struct err *err)
{
    struct code_cache *code = calloc(1, sizeof(*code));

    if (!code)
        return err_set(err, ENOMEM, "predecoded code: out of memory");
    *ret_code = code;
    return 0;
}

void code_destroy(struct code_cache *code)
{
    if (!code)
        return;
    code_clear(code);
    free(code);
}

static unsigned pages_max(const struct soc *soc)
{
    uint64_t share = CODE_BYTES_ALL / soc->vcpus;

    return (unsigned)((share < CODE_BYTES_VCPU ? share : CODE_BYTES_VCPU) /
                      sizeof(struct code_page));
}

struct code_page *code_get(struct cpu *c, gpa_t gpa, const uint32_t *words)
{
    struct code_page *page = code_find(c->code, gpa);

    if (page)
        return page;
    if (c->code->pages >= pages_max(c->soc))
        code_drop(c);
    page = malloc(sizeof(*page));
    if (!page)
        return NULL;
    for (unsigned i = 0; i < CODE_PAGE_INSNS; i++)
        page->insn[i] = (struct a64_insn){ .fn = interp_decode };
    page->insn[CODE_PAGE_INSNS] = (struct a64_insn){ .fn = interp_page_end };
    page->gpa = gpa;
    page->words = words;
    page->next = *code_chain(c->code, gpa);
    *code_chain(c->code, gpa) = page;
    c->code->pages++;
    atomic_store(&c->code->announced[code_hash(gpa)], true);
    atomic_thread_fence(memory_order_seq_cst); /* before any word of it is read */
    return page;
}

static void read_again(struct cpu *c, gpa_t gpa, unsigned first, unsigned count)
{
    struct code_page *page = code_find(c->code, align_down(gpa, CODE_PAGE_SIZE));

    if (!page)
        return;
    for (unsigned i = first; i < first + count; i++)
        page->insn[i].fn = interp_decode;
}

void code_invalidate_line(struct cpu *c, gpa_t gpa)
{
    if (c->soc->jit)
        jit_kill(c->soc->jit, align_down(gpa, 4 * CODE_LINE_INSNS), 4 * CODE_LINE_INSNS);
    read_again(c, gpa, (unsigned)(gpa % CODE_PAGE_SIZE / 4 / CODE_LINE_INSNS * CODE_LINE_INSNS),
               CODE_LINE_INSNS);
}

void code_invalidate_page(struct cpu *c, gpa_t gpa)
{
    read_again(c, gpa, 0, CODE_PAGE_INSNS);
}

void code_invalidate_all(struct cpu *c)
{
    if (c->soc->jit)
        jit_kill_all(c->soc->jit);
    cpu_request(c, CPU_REQ_CODE);
}

void code_drop(struct cpu *c)
{
    code_clear(c->code);
    c->page = NULL;
    mmu_flush_all(c);
}
