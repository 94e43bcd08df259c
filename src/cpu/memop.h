/* Addresses of loads and stores: the base register with its SP alignment check (D1.3.10), and the
 * alignment that ordered and atomic accesses demand. */
#pragma once

#include "cpu/exc.h"
#include "cpu/handler.h"
#include "cpu/mmu.h"

/* Take the SP alignment fault if SCTLR_EL1 asks for it at this EL. */
void memop_sp_misaligned(struct cpu *c);

static inline gva_t memop_base(struct cpu *c, const struct a64_insn *i)
{
    gva_t va = X(rn);

    if (UNLIKELY(i->rn == REG_SP && (va & 15)))
        memop_sp_misaligned(c);
    return va;
}

/* The base of an access of size bytes that must be aligned. */
static inline gva_t memop_aligned_base(struct cpu *c, const struct a64_insn *i, unsigned size,
                                       bool write)
{
    gva_t va = memop_base(c, i);

    if (UNLIKELY(va & (size - 1)))
        exc_data_abort(c, va, FSC_ALIGNMENT, write, false);
    return va;
}

/* Several stores of size bytes make one instruction: none may happen when a later one faults.
 * Within a page the first one finds that out; over two pages both are asked, and so is anything
 * where watchpoints are armed (debug.c): the bytes of one page then are not alike. */
static inline void memop_probe_store(struct cpu *c, gva_t va, unsigned len, unsigned size)
{
    if (UNLIKELY((va ^ (va + len - 1)) & c->probe_mask))
        cpu_probe(c, va, len, size, MMU_WRITE);
}
