/* Lockstep: what translated code left, against what the interpreter did. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "cpu/jit/jit_dis.h"
#include "cpu/jit/jit_lockstep.h"

/* What is compared of struct cpu. */
struct field {
    const char *name;
    size_t at, size;
};

#define F_(member)                        offsetof(struct cpu, member), sizeof(((struct cpu *)0)->member)
#define X_(name, op0, op1, crn, crm, op2) { #name, F_(sys.name) },
static const struct field fields[] = { { "pc", F_(pc) },
                                       { "instructions retired", F_(retired) },
                                       { "fpcr", F_(fpcr) },
                                       { "fpsr", F_(fpsr) },
                                       { "pstate.el", F_(el) },
                                       { "pstate.sp", F_(sp_sel) },
                                       { "pstate.pan", F_(pan) },
                                       { "pstate.il", F_(il) },
                                       { "pstate.ss", F_(ss) },
                                       { "pstate.daif", F_(daif) },
                                       { "sp_el0", F_(sp_bank[0]) },
                                       { "sp_el1", F_(sp_bank[1]) },
                                       { "elr_el1", F_(sys.elr_el1) },
                                       { "spsr_el1", F_(sys.spsr_el1) },
                                       { "monitor: address", F_(excl_gpa) },
                                       { "monitor: state", F_(excl_seen) },
                                       { "monitor: value", F_(excl_val[0]) },
                                       { "monitor: second value", F_(excl_val[1]) },
                                       { "monitor: size", F_(excl_size) },
                                       VCPU_SYSREGS(X_) };
#undef X_
#undef F_

struct report {
    char *first; /* ERR_MAX */
    gva_t va;    /* of the block */
    bool differs;
};

static void tell(struct report *report, const char *what, uint64_t translated, uint64_t interpreted)
{
    if (!report->differs)
        snprintf(report->first, ERR_MAX,
                 "after the block at %#" PRIx64 " %s is %#" PRIx64 " translated, and %#" PRIx64
                 " in the interpreter",
                 report->va, what, translated, interpreted);
    report->differs = true;
    log_error("lockstep", "%-22s translated %#18" PRIx64 "  interpreted %#18" PRIx64, what,
              translated, interpreted);
}

static uint64_t value(const struct cpu *c, const struct field *field)
{
    const char *at = (const char *)c + field->at;
    uint64_t val = 0;

    memcpy(&val, at, field->size);
    return val;
}

static void compare_registers(struct report *report, const struct cpu *c, const struct cpu *wanted,
                              bool flags)
{
    char name[24];

    for (unsigned r = 0; r <= REG_ZERO; r++) {
        snprintf(name, sizeof(name), r == REG_SP ? "sp" : r == REG_ZERO ? "xzr" : "x%u", r);
        if (c->x[r] != wanted->x[r])
            tell(report, name, c->x[r], wanted->x[r]);
    }
    if (flags && c->nzcv != wanted->nzcv)
        tell(report, "nzcv", c->nzcv, wanted->nzcv);
    for (unsigned r = 0; r < 32; r++)
        for (unsigned half = 0; half < 2; half++) {
            snprintf(name, sizeof(name), "v%u.d[%u]", r, half);
            if (c->v[r].d[half] != wanted->v[r].d[half])
                tell(report, name, c->v[r].d[half], wanted->v[r].d[half]);
        }
    for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
        if (value(c, &fields[n]) != value(wanted, &fields[n]))
            tell(report, fields[n].name, value(c, &fields[n]), value(wanted, &fields[n]));
}

/* The physical address of guest memory. */
static gpa_t gpa_of(const struct soc *soc, const uint8_t *host)
{
    for (unsigned n = 0; n < soc->range_count; n++) {
        const struct soc_range *range = &soc->ranges[n];

        if ((uintptr_t)host - (uintptr_t)range->host < range->size)
            return range->gpa + (gpa_t)(host - range->host);
    }
    return 0;
}

static void compare_page(struct report *report, const struct soc *soc, const uint8_t *host,
                         const uint8_t *wanted)
{
    for (unsigned at = 0; at < CODE_PAGE_SIZE; at += 8) {
        char name[48];

        if (!memcmp(host + at, wanted + at, 8))
            continue;
        snprintf(name, sizeof(name), "memory %#" PRIx64, gpa_of(soc, host) + at);
        tell(report, name, load_le64(host + at), load_le64(wanted + at));
    }
}

/* The block's instructions, and the registers that they began with. */
static void tell_block(const struct cpu *c, const struct jit_block *block)
{
    const struct cpu *before = &c->jit_log->before;
    const struct soc_range *range = soc_find(c->soc, block->gpa);
    const uint8_t *code = range->host + (block->gpa - range->gpa);
    struct jit_dis *dis = jit_dis_open(JIT_DIS_GUEST);

    log_error("lockstep", "the block, at physical address %#" PRIx64 ", state %u:", block->gpa,
              block->state);
    for (unsigned n = 0; n < block->count; n++) {
        char text[JIT_DIS_TEXT];

        jit_dis_next(dis, code + 4 * n, 4, before->pc + 4 * n, text);
        log_error("lockstep", "  %#" PRIx64 "  %08x  %s", before->pc + 4 * n,
                  load_le32(code + 4 * n), text);
    }
    jit_dis_close(dis);
    for (unsigned r = 0; r < 30; r += 2)
        log_error("lockstep", "  before: x%-2u %#18" PRIx64 "  x%-2u %#18" PRIx64, r, before->x[r],
                  r + 1, before->x[r + 1]);
    log_error("lockstep", "  before: x30 %#18" PRIx64 "  sp  %#18" PRIx64, before->x[30],
              before->x[REG_SP]);
    log_error("lockstep", "  before: nzcv %#" PRIx64 " fpcr %#" PRIx64 " fpsr %#" PRIx64,
              before->nzcv, before->fpcr, before->fpsr);
}

/* The quick look, for blocks that are the same: all but one. */
static bool same(const struct cpu *c, const struct cpu *w, bool flags)
{
    return !memcmp(c->x, w->x, (REG_ZERO + 1) * sizeof(c->x[0])) && c->pc == w->pc &&
           c->retired == w->retired && (!flags || c->nzcv == w->nzcv) &&
           !memcmp(c->v, w->v, sizeof(c->v)) && c->fpcr == w->fpcr && c->fpsr == w->fpsr &&
           c->el == w->el && c->sp_sel == w->sp_sel && c->pan == w->pan && c->il == w->il &&
           c->ss == w->ss && c->daif == w->daif && c->sp_bank[0] == w->sp_bank[0] &&
           c->sp_bank[1] == w->sp_bank[1] && c->excl_gpa == w->excl_gpa &&
           c->excl_seen == w->excl_seen && c->excl_val[0] == w->excl_val[0] &&
           c->excl_val[1] == w->excl_val[1] && c->excl_size == w->excl_size &&
           !memcmp(&c->sys, &w->sys, sizeof(c->sys));
}

bool jit_compare(struct cpu *c, const struct jit_block *block, bool flags, char ret_text[ERR_MAX])
{
    const struct jit_log *log = c->jit_log;
    struct report report = { .first = ret_text, .va = log->before.pc };
    bool equal = same(c, &log->wanted, flags);

    for (unsigned n = 0; n < log->pages && equal; n++)
        equal = !memcmp(log->page[n].host, log->page[n].wanted, CODE_PAGE_SIZE);
    if (LIKELY(equal))
        return true;
    compare_registers(&report, c, &log->wanted, flags);
    for (unsigned n = 0; n < log->pages; n++)
        compare_page(&report, c->soc, log->page[n].host, log->page[n].wanted);
    if (!report.differs)
        snprintf(ret_text, ERR_MAX, "after the block at %#" PRIx64 " a debug register differs",
                 report.va);
    tell_block(c, block);
    return false;
}
