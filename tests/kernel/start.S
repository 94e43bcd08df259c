/*
 * Entry, vectors, and the one way to run code that may trap: go() (kernel.h).
 *
 * The raw binary is entered at RAM + 512 KiB, at EL1 with the MMU off. TPIDR_EL1 points to the
 * struct go of the call that is under way; the vectors need no stack, which may be unusable.
 * TPIDRRO_EL0 is their scratch register.
 */
#include "offsets.h"

    .section .text.start, "ax"
    .globl _start
_start:
    adr     x1, vectors
    msr     vbar_el1, x1
    msr     tpidr_el1, xzr
    mov     x1, #3 << 20            /* CPACR_EL1.FPEN: no traps */
    msr     cpacr_el1, x1
    msr     spsel, #1
    isb
    ldr     x1, =boot_stack
    mov     sp, x1
    bl      kmain
    b       .

    /* PSCI CPU_ON comes here; x0 is the context. */
    .globl  second_start
second_start:
    adr     x1, vectors
    msr     vbar_el1, x1
    msr     tpidr_el1, xzr
    mov     x1, #3 << 20
    msr     cpacr_el1, x1
    msr     spsel, #1
    isb
    ldr     x1, =second_stack
    mov     sp, x1
    bl      second_main
    b       .

    .ltorg
    .section .text, "ax"

/*
 * void go(struct go *g): run g->pc with g->spsr and g->x, under g->tcr and g->ttbr0. Every
 * exception comes back here and is recorded in g; code that just returns does so by SVC #0xfff.
 * g->alias is OR'ed to all addresses in use meanwhile, so that the lower half may become unusable.
 */
    .globl  go
go:
    ldr     x9, [x0, #GO_ALIAS]
    orr     x0, x0, x9
    stp     x19, x20, [x0, #GO_SAVED]
    stp     x21, x22, [x0, #GO_SAVED + 16]
    stp     x23, x24, [x0, #GO_SAVED + 32]
    stp     x25, x26, [x0, #GO_SAVED + 48]
    stp     x27, x28, [x0, #GO_SAVED + 64]
    stp     x29, x30, [x0, #GO_SAVED + 80]
    mov     x1, sp
    str     x1, [x0, #GO_SP]
    mrs     x1, daif
    str     x1, [x0, #GO_DAIF]
    msr     daifset, #15
    msr     tpidr_el1, x0
    adr     x1, vectors
    orr     x1, x1, x9
    msr     vbar_el1, x1
    adr     x1, 1f
    orr     x1, x1, x9
    br      x1
1:  ldr     x1, [x0, #GO_TCR]
    cbz     x1, 2f
    mrs     x2, tcr_el1
    str     x2, [x0, #GO_TCR_SAVED]
    msr     tcr_el1, x1
    mrs     x2, ttbr0_el1
    str     x2, [x0, #GO_TTBR0_SAVED]
    ldr     x1, [x0, #GO_TTBR0]
    cmp     x1, #0
    csel    x1, x1, x2, ne
    msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
2:  ldp     x1, x2, [x0, #GO_PC]
    msr     elr_el1, x1
    msr     spsr_el1, x2
    ldr     x1, [x0, #GO_SP_EL0]
    msr     sp_el0, x1
    adr     x30, go_return
    bic     x30, x30, x9            /* EL0 has the page of snippets in the lower half only */
    ldr     x1, [x0, #GO_RETURN_ALIAS]
    orr     x30, x30, x1
    ldp     x6, x7, [x0, #GO_X + 48]
    ldp     x4, x5, [x0, #GO_X + 32]
    ldp     x2, x3, [x0, #GO_X + 16]
    ldp     x0, x1, [x0, #GO_X]
    eret

/* x0 and x1 are free here: x0 waits in TPIDRRO_EL0, x1 is stored. */
trapped:
    str     x1, [x0, #GO_VECTOR]
    mrs     x1, esr_el1
    str     x1, [x0, #GO_ESR]
    mrs     x1, elr_el1
    str     x1, [x0, #GO_ELR]
    mrs     x1, far_el1
    str     x1, [x0, #GO_FAR]
    mrs     x1, spsr_el1
    str     x1, [x0, #GO_SPSR_OUT]
    mrs     x1, tpidrro_el0
    str     x1, [x0, #GO_X]
    stp     x2, x3, [x0, #GO_X + 16]
    stp     x4, x5, [x0, #GO_X + 32]
    stp     x6, x7, [x0, #GO_X + 48]
    ldr     x1, [x0, #GO_TCR]
    cbz     x1, 1f
    ldr     x1, [x0, #GO_TCR_SAVED]
    msr     tcr_el1, x1
    ldr     x1, [x0, #GO_TTBR0_SAVED]
    msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
1:  ldr     x1, [x0, #GO_SP]
    mov     sp, x1
    ldp     x19, x20, [x0, #GO_SAVED]
    ldp     x21, x22, [x0, #GO_SAVED + 16]
    ldp     x23, x24, [x0, #GO_SAVED + 32]
    ldp     x25, x26, [x0, #GO_SAVED + 48]
    ldp     x27, x28, [x0, #GO_SAVED + 64]
    ldp     x29, x30, [x0, #GO_SAVED + 80]
    ldr     x1, [x0, #GO_DAIF]
    msr     daif, x1
    msr     tpidr_el1, xzr
    ret

/* An exception in the kernel itself. */
unexpected:
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    ldr     x3, =boot_stack
    mov     sp, x3
    ldr     x3, =kernel_failed
    br      x3
    .ltorg

    .macro  vector offset
    .balign 0x80
    msr     tpidrro_el0, x0
    mrs     x0, tpidr_el1
    cbz     x0, unexpected
    str     x1, [x0, #GO_X + 8]
    mov     x1, #\offset
    b       trapped
    .endm

    .balign 0x800
vectors:
    .irp    base, 0x000, 0x200, 0x400, 0x600
    vector  \base
    vector  \base + 0x080
    vector  \base + 0x100
    vector  \base + 0x180
    .endr

/*
 * void set_sctlr(uint64_t value): the caches hold nothing of the data that another memory type
 * would miss, before and after. No stack in between.
 */
    .globl  set_sctlr
set_sctlr:
    ldr     x1, =data_start
    ldr     x2, =data_end
1:  dc      civac, x1
    add     x1, x1, #64
    cmp     x1, x2
    b.lo    1b
    dsb     sy
    msr     sctlr_el1, x0
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ret
    .ltorg

/* What EL0 may execute, too. */
    .section .text.snippets, "ax"
    .globl  go_return
go_return:
    svc     #0xfff

    .section .bss, "aw", %nobits
    .balign 16
    .space  16384
boot_stack:
    .space  16384
second_stack:
