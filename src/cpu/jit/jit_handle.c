/* Calls of the interpreter's handlers from translated code. */
#include "cpu/exc.h"
#include "cpu/jit/jit_int.h"

#define WHERE_COUNT 7 /* bits of struct where, packed into one number */
#define WHERE_INSN  10

/* What such a call has to know. */
struct where {
    gpa_t page;     /* guest-physical page */
    unsigned block; /* first instruction of the block, in the page */
    unsigned insn;  /* this one */
    unsigned count; /* instructions in the block */
};

uint64_t jit_where_now(const struct jit_tran *t)
{
    return (t->page >> TLB_PAGE_SHIFT) << (WHERE_COUNT + 2 * WHERE_INSN) |
           (uint64_t)t->first << (WHERE_COUNT + WHERE_INSN) |
           (uint64_t)(t->first + t->n) << WHERE_COUNT | t->count;
}

static struct where unpack(uint64_t where)
{
    return (struct where){
        .page = where >> (WHERE_COUNT + 2 * WHERE_INSN) << TLB_PAGE_SHIFT,
        .block = where >> (WHERE_COUNT + WHERE_INSN) & low_mask(WHERE_INSN),
        .insn = where >> WHERE_COUNT & low_mask(WHERE_INSN),
        .count = where & low_mask(WHERE_COUNT),
    };
}

uint64_t jit_where_behind(uint64_t where, unsigned insns)
{
    return where + ((uint64_t)insns << WHERE_COUNT);
}

/* From a call of the stub: make the interpreter's view of where we are. */
static const struct a64_insn *locate(struct cpu *c, const struct where *where)
{
    const struct soc_range *range = soc_find(c->soc, where->page);
    struct code_page *page = code_get(
        c, where->page, (const uint32_t *)(void *)(range->host + (where->page - range->gpa)));

    c->retired -= where->count;
    if (UNLIKELY(!page)) {
        c->retired += where->insn - where->block;
        c->pc = c->jit_va + 4 * (gva_t)where->insn;
        exc_stop(c, "the host has no memory left for predecoded instructions");
    }
    c->page = page;
    c->page_va = c->jit_va;
    c->block = &page->insn[where->block];
    return c->insn = &page->insn[where->insn];
}

/* The handler decodes the word that is there now, which may have become a branch since the block
 * was made: B, BL, BRK, NOP and others may be replaced by each other while they are executed (Arm
 * DDI 0487, B2.2.5). */
bool jit_handle(struct cpu *c, uint64_t packed)
{
    struct where where = unpack(packed);
    const struct a64_insn *i = locate(c, &where), *next;

    if (UNLIKELY(c->soc->jit->counting))
        jit_count_handled(c->soc->jit, c->page->words[i - c->page->insn]);
    next = i->fn(c, i);
    c->insn = NULL;
    if (!next)
        return false;
    if (UNLIKELY(next != i + 1)) {
        c->pc = cpu_insn_va(c, next);
        return false;
    }
    c->retired += where.count;
    return true;
}
