/* Exceptions that need no page tables: every class, with all that it leaves behind. */
#include "space.h"

#define GROUP "exception"

SNIPPET(x_svc, "nop\nsvc #0x1234");
SNIPPET(x_brk, "brk #0xabcd");
SNIPPET(x_udf, "udf #7");
SNIPPET(x_unallocated, ".inst 0x02000000");
SNIPPET(x_hlt, "hlt #0");
SNIPPET(x_hvc, "hvc #0");
SNIPPET(x_smc, "smc #0");
SNIPPET(x_eret, "eret");
SNIPPET(x_drps, ".inst 0xd6bf03e0");
SNIPPET(x_dcps1, ".inst 0xd4a00001");
SNIPPET(x_ret, "nop");
SNIPPET(x_sp_load, "mov x3, sp\nmov sp, x0\nldr x1, [sp]\nmov sp, x3");
SNIPPET(x_sp_store, "mov x3, sp\nmov sp, x0\nstp x1, x2, [sp, #-16]!\nmov sp, x3");
SNIPPET(x_sp_exclusive, "mov x3, sp\nmov sp, x0\nldxr x1, [sp]\nmov sp, x3");
SNIPPET(x_sp_prefetch, "mov x3, sp\nmov sp, x0\nprfm pldl1keep, [sp]\nmov sp, x3");
SNIPPET(x_branch, "br x0");
SNIPPET(x_blr, "mov x9, x30\nblr x0\nmov x30, x9");
SNIPPET(x_fp_add, "fadd d0, d1, d2");
SNIPPET(x_simd_load, "ld1 {v0.16b}, [x0]");
SNIPPET(x_simd_ldr, "ldr q0, [x0]");
SNIPPET(x_fp_move, "fmov x0, d0");
SNIPPET(x_crypto, "aese v0.16b, v1.16b");
SNIPPET(x_read_fpcr, "mrs x0, fpcr");
SNIPPET(x_write_fpsr, "msr fpsr, x0");
SNIPPET(x_wfi, "wfi");
SNIPPET(x_wfe_event, "sevl\nwfe");
SNIPPET(x_spsel, "msr spsel, #0");
SNIPPET(x_daif, "mrs x0, daif");
SNIPPET(x_pan_imm, "msr pan, #1\nmrs x0, s3_0_c4_c2_3\nmsr pan, #0");
SNIPPET(x_sp_el0, "mrs x0, sp_el0");
SNIPPET(x_nzcv, "mrs x0, nzcv");

static void simple(void)
{
    static const struct {
        const char *name;
        const char *pc;
    } rows[] = {
        { "svc", x_svc },     { "brk", x_brk },
        { "udf", x_udf },     { "unallocated", x_unallocated },
        { "hlt", x_hlt },     { "drps", x_drps },
        { "dcps1", x_dcps1 },
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct go one = run_at(EL1 | UINT64_C(0xa) << 28, rows[i].pc, 0, 0, 0, 0);
        struct go zero = run_at(EL0 | UINT64_C(0x5) << 28, rows[i].pc, 0, 0, 0, 0);
        struct go thread = run_at(EL1T & ~BITS(9, 6), rows[i].pc, 0, 0, 0, 0);

        print(GROUP ".%s: ", rows[i].name);
        print_trap(&one);
        print("; ");
        print_trap(&zero);
        print("; ");
        print_trap(&thread);
        print("\n");
    }
}

/* Instructions that EL0 has not. */
static void user_undefined(void)
{
    static const struct {
        const char *name;
        const char *pc;
    } rows[] = {
        { "user-hvc", x_hvc },       { "user-smc", x_smc },     { "user-eret", x_eret },
        { "user-spsel", x_spsel },   { "user-pan", x_pan_imm }, { "user-daif", x_daif },
        { "user-sp_el0", x_sp_el0 },
    };
    struct go g;

    for (unsigned i = 0; i < COUNT(rows); i++) {
        g = run_at(EL0, rows[i].pc, 0, 0, 0, 0);
        report(GROUP, rows[i].name, &g);
    }
    g = run_at(EL1T, x_sp_el0, 0, 0, 0, 0);
    report(GROUP, "sp_el0-while-selected", &g);
}

/* ERET to states that are not there, and PSTATE.IL (D1.4.4). */
static void illegal_state(void)
{
    static const struct {
        const char *name;
        uint64_t spsr;
    } rows[] = {
        { "el0h", EL0 | 1 },         { "bit1", EL1 | 2 },
        { "el2h", 0x3c9 },           { "el2t", 0x3c8 },
        { "el3h", 0x3cd },           { "il", EL1 | SPSR_IL },
        { "il-el0", EL0 | SPSR_IL }, { "flags", 0xf0000000 | 0x3c9 },
        { "unmasked", 0x9 },         { "pan", 0x3c9 | SPSR_PAN },
    };

    for (unsigned i = 0; i < COUNT(rows); i++) {
        struct go g = run_at(rows[i].spsr, x_ret, 0, 0, 0, 0);

        print(GROUP ".illegal-%s: ", rows[i].name);
        print_trap(&g);
        print("\n");
    }
}

static void alignment(void)
{
    uint64_t code = (uint64_t)x_ret;
    struct go g;

    for (unsigned off = 1; off < 4; off++) {
        g = run_at(EL1, x_branch, code + off, 0, 0, 0);
        print(GROUP ".pc-align-%d: %s", off, g.elr == code + off && g.far == g.elr ? "" : "odd ");
        g.pc = code;
        print_trap(&g);
        print("\n");
    }
    g = run_at(EL0, x_blr, code + 2, 0, 0, 0);
    g.pc = code;
    report(GROUP, "pc-align-el0", &g);
    g = run_at(EL1, (const char *)code + 2, 0, 0, 0, 0);
    report(GROUP, "pc-align-eret", &g);
    g = run_at(EL1 | SPSR_IL, (const char *)code + 2, 0, 0, 0, 0);
    report(GROUP, "pc-align-before-illegal", &g);
}

/* SCTLR_EL1.SA and SA0. */
static void stack_alignment(void)
{
    static const struct {
        const char *name;
        const char *pc;
        uint64_t spsr;
        unsigned off;
    } rows[] = {
        { "0", x_sp_load, EL1, 0 },
        { "4", x_sp_load, EL1, 4 },
        { "8", x_sp_load, EL1, 8 },
        { "16", x_sp_load, EL1, 16 },
        { "store", x_sp_store, EL1, 8 },
        { "exclusive", x_sp_exclusive, EL1, 8 },
        { "prefetch", x_sp_prefetch, EL1, 8 },
        { "el1t", x_sp_load, EL1T, 8 },
        { "el0", x_sp_load, EL0, 8 },
    };
    uint64_t sctlr = READ("sctlr_el1");

    for (unsigned on = 0; on < 4; on++) {
        WRITE("sctlr_el1", (sctlr & ~(SCTLR_SA | SCTLR_SA0)) | (on & 1 ? SCTLR_SA : 0) |
                               (on & 2 ? SCTLR_SA0 : 0));
        print(GROUP ".sp-align-sa%d-sa0%d:", on & 1, on >> 1);
        for (unsigned i = 0; i < COUNT(rows); i++) {
            struct go g = run_at(rows[i].spsr, rows[i].pc, ARENA + rows[i].off, 0, 0, 0);

            print(" %s", rows[i].name);
            print_brief("", &g, 0);
        }
        print("\n");
    }
    WRITE("sctlr_el1", sctlr);
}

/* CPACR_EL1.FPEN: 0 and 2 trap both levels, 1 EL0 only. */
static void fp_traps(void)
{
    static const struct {
        const char *name;
        const char *pc;
    } rows[] = {
        { "add", x_fp_add },
        { "load", x_simd_load },
        { "ldr", x_simd_ldr },
        { "move", x_fp_move },
        { "crypto", x_crypto },
        { "read-fpcr", x_read_fpcr },
        { "write-fpsr", x_write_fpsr },
    };
    uint64_t cpacr = READ("cpacr_el1");

    for (uint64_t fpen = 0; fpen < 4; fpen++) {
        WRITE("cpacr_el1", fpen << 20);
        for (unsigned i = 0; i < COUNT(rows); i++) {
            struct go one = run_at(EL1, rows[i].pc, ARENA, 0, 0, 0);
            struct go zero = run_at(EL0, rows[i].pc, ARENA, 0, 0, 0);

            print(GROUP ".fpen%d-%s: ", (unsigned)fpen, rows[i].name);
            print_trap(&one);
            print("; ");
            print_trap(&zero);
            print("\n");
        }
    }
    WRITE("cpacr_el1", cpacr);
}

/* WFI and WFE from EL0; where they do not trap, an event or a pending interrupt lets them pass. */
static void wait_traps(void)
{
    uint64_t sctlr = READ("sctlr_el1");
    struct go g;

    WRITE("sctlr_el1", sctlr & ~(SCTLR_NTWI | SCTLR_NTWE));
    g = run_at(EL0, x_wfi, 0, 0, 0, 0);
    report(GROUP, "wfi-trapped", &g);
    /* The ERETs before have set the event register. */
    g = run_at(EL0, x_wfe_event, 0, 0, 0, 0);
    report(GROUP, "wfe-event", &g);
    WRITE("sctlr_el1", sctlr);
}

/* What an exception leaves of PSTATE, and what ERET restores. */
static void pstate(void)
{
    uint64_t sctlr = READ("sctlr_el1");
    struct go g;

    for (unsigned n = 0; n < 16; n++) {
        g = run_at(EL1 | (uint64_t)n << 28, x_nzcv, 0, 0, 0, 0);
        print("%s%x", n ? " " : GROUP ".nzcv: ", g.x[0]);
    }
    print("\n");
    for (unsigned n = 0; n < 16; n++) {
        g = run_at((EL1 & ~BITS(9, 6)) | (uint64_t)n << 6, x_daif, 0, 0, 0, 0);
        print("%s%x", n ? " " : GROUP ".daif: ", g.x[0]);
    }
    print("\n");
    for (unsigned span = 0; span < 2; span++) {
        for (unsigned pan = 0; pan < 2; pan++) {
            WRITE("sctlr_el1", span ? sctlr | SCTLR_SPAN : sctlr & ~SCTLR_SPAN);
            g = run_at(EL1 | (pan ? SPSR_PAN : 0), x_svc, 0, 0, 0, 0);
            print(GROUP ".span%d-pan%d: spsr %x then %x\n", span, pan, g.spsr_out & SPSR_PAN,
                  READ("s3_0_c4_c2_3"));
            WRITE("s3_0_c4_c2_3", 0);
        }
    }
    WRITE("sctlr_el1", sctlr);
    g = run_at(EL1, x_pan_imm, 0, 0, 0, 0);
    print(GROUP ".pan-immediate: %x\n", g.x[0]);
}

void check_exceptions(void)
{
    simple();
    user_undefined();
    illegal_state();
    alignment();
    stack_alignment();
    fp_traps();
    wait_traps();
    pstate();
}
