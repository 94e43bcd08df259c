/*
 * The guest's flags while a block is translated: in c->nzcv at its edges, in EFLAGS in between
 * where the next instruction uses or replaces them.
 */
#include "cpu/handler.h"
#include "cpu/jit/jit_int.h"

enum { FLAGS_READ = 1, FLAGS_WRITE = 2, FLAGS_EXIT = 4 };

/* What an instruction does with flags. Anything that may take an exception or calls C may show
 * them. */
static unsigned flags_use(unsigned op)
{
    switch (op) {
    case A64_ADDS_imm_w:
    case A64_ADDS_imm_x:
    case A64_SUBS_imm_w:
    case A64_SUBS_imm_x:
    case A64_ANDS_imm_w:
    case A64_ANDS_imm_x:
    case A64_ANDS_shift_w:
    case A64_ANDS_shift_x:
    case A64_BICS_shift_w:
    case A64_BICS_shift_x:
    case A64_ANDS_reg_w:
    case A64_ANDS_reg_x:
    case A64_ADDS_shift_w:
    case A64_ADDS_shift_x:
    case A64_SUBS_shift_w:
    case A64_SUBS_shift_x:
    case A64_ADDS_reg_w:
    case A64_ADDS_reg_x:
    case A64_SUBS_reg_w:
    case A64_SUBS_reg_x:
    case A64_ADDS_ext_w:
    case A64_ADDS_ext_x:
    case A64_SUBS_ext_w:
    case A64_SUBS_ext_x:
        return FLAGS_WRITE;
    case A64_ADCS_w:
    case A64_ADCS_x:
    case A64_SBCS_w:
    case A64_SBCS_x:
    case A64_CCMN_reg_w:
    case A64_CCMN_reg_x:
    case A64_CCMP_reg_w:
    case A64_CCMP_reg_x:
    case A64_CCMN_imm_w:
    case A64_CCMN_imm_x:
    case A64_CCMP_imm_w:
    case A64_CCMP_imm_x:
        return FLAGS_READ | FLAGS_WRITE;
    case A64_ADC_w:
    case A64_ADC_x:
    case A64_SBC_w:
    case A64_SBC_x:
    case A64_CSEL_w:
    case A64_CSEL_x:
    case A64_CSINC_w:
    case A64_CSINC_x:
    case A64_CSINV_w:
    case A64_CSINV_x:
    case A64_CSNEG_w:
    case A64_CSNEG_x:
    case A64_B_cond:
        return FLAGS_READ;
    case A64_RMIF:
    case A64_SETF8:
    case A64_SETF16:
    case A64_HINT:
        return FLAGS_READ | FLAGS_EXIT;
    case A64_OPS:
        return FLAGS_EXIT;
    default:
        return a64_rows[op].cls == A64_CLASS_INT ? 0 : FLAGS_EXIT;
    }
}

/* Are flags of no use to the code at this instruction of the page? */
static bool dead_at(struct jit_tran *t, unsigned way, int64_t offset)
{
    if (offset < 0 || offset >= CODE_PAGE_SIZE)
        return false;
    t->block->peek[way] = (uint16_t)(offset / 4);
    for (unsigned n = 0; n < JIT_PEEK && offset < CODE_PAGE_SIZE; n++, offset += 4) {
        uint32_t word = __atomic_load_n(&t->words[offset / 4], __ATOMIC_RELAXED);
        struct a64_insn insn;
        unsigned use =
            flags_use(a64_decode_for(&insn, word, (unsigned)offset, t->c->soc->model->features));

        if (use & (FLAGS_READ | FLAGS_EXIT))
            return false;
        if (use & FLAGS_WRITE)
            return true;
    }
    return false;
}

/* Where the block's last instruction goes, both have no use for flags. */
static bool dead_at_end(struct jit_tran *t)
{
    unsigned last = t->count - 1;
    int64_t at = 4 * (int64_t)(t->first + last);

    switch (t->op[last]) {
    case A64_B:
        return dead_at(t, 0, at + t->insn[last].imm);
    case A64_B_cond:
    case A64_CBZ_w:
    case A64_CBZ_x:
    case A64_CBNZ_w:
    case A64_CBNZ_x:
    case A64_TBZ:
    case A64_TBNZ:
        return dead_at(t, 0, at + t->insn[last].imm) && dead_at(t, 1, at + 4);
    default:
        return false;
    }
}

/* Within the block. FP and vector instructions take no exception once they may execute, so that
 * they do not show the flags to anybody. */
static unsigned flags_use_at(const struct jit_tran *t, unsigned n)
{
    unsigned op = t->op[n];
    bool fp =
        op != A64_OPS && (a64_rows[op].cls == A64_CLASS_FP || a64_rows[op].cls == A64_CLASS_SIMD);

    if (!fp || !(t->state & JIT_FP))
        return flags_use(op);
    switch (op) {
    case A64_FCMP_f:
    case A64_FCMPE_f:
    case A64_FCMP_f_zero:
    case A64_FCMPE_f_zero:
        return FLAGS_WRITE;
    case A64_FCCMP_f:
    case A64_FCCMPE_f:
        return FLAGS_READ | FLAGS_WRITE;
    case A64_FCSEL_f:
        return FLAGS_READ;
    default:
        return 0;
    }
}

void jit_find_wants(struct jit_tran *t)
{
    bool want = !dead_at_end(t);

    t->want[t->count] = want;
    for (unsigned n = t->count; n-- > 0;) {
        unsigned use = flags_use_at(t, n);
        bool branch = t->op[n] != A64_OPS && a64_rows[t->op[n]].cls == A64_CLASS_BRANCH;

        if (use & FLAGS_WRITE)
            want = false;
        if ((use & FLAGS_READ) || ((use & FLAGS_EXIT) && !branch))
            want = true;
        t->want[n] = want;
    }
}

/* EFLAGS to NZCV without a table: LAHF and SETO gather S Z C O in bits 15, 14, 8 and 0 of EAX, and
 * a multiplication moves each to its place. Uses RAX. */
void jit_save_flags(struct jit_tran *t, enum jit_flags flags)
{
    struct x64 *e = &t->e;

    if (flags == JIT_FLAGS_MEM)
        return;
    if (flags == JIT_FLAGS_SUB)
        x64_b(e, 0xf5); /* cmc */
    x64_b(e, 0x9f);     /* lahf */
    x64_setcc(e, CC_O, RAX);
    x64_ri(e, G_AND, 0, RAX, 0xc101);
    x64_head(e, 0x69, 0, RAX, 0, RAX); /* imul eax, eax, imm32 */
    x64_b(e, 0xc0);
    x64_d(e, 1u << 16 | 1u << 21 | 1u << 28);
    x64_ri(e, G_AND, 0, RAX, (int32_t)0xf0000000);
    x64_rm(e, OP_MOV_ST, 0, RAX, RBP, JIT_AT(nzcv));
}

void jit_settle(struct jit_tran *t)
{
    jit_save_flags(t, t->flags);
    t->flags = JIT_FLAGS_MEM;
}

void jit_spoil(struct jit_tran *t)
{
    if (t->want[t->n])
        jit_settle(t);
    t->flags = JIT_FLAGS_MEM;
}

void jit_hold(struct jit_tran *t, enum jit_flags flags)
{
    t->flags = flags;
}

void jit_carry(struct jit_tran *t, bool inverse)
{
    bool is_inverse = t->flags == JIT_FLAGS_SUB;

    if (t->flags == JIT_FLAGS_MEM)
        x64_bt_mi(&t->e, 0, RBP, JIT_AT(nzcv), 29);
    if (is_inverse != inverse)
        x64_b(&t->e, 0xf5); /* cmc */
}

void jit_flags_const(struct jit_tran *t, unsigned nzcv, enum jit_flags kind)
{
    struct x64 *e = &t->e;
    bool carry = (nzcv & 2) ? kind == JIT_FLAGS_ADD : kind == JIT_FLAGS_SUB;
    unsigned ah = (nzcv & 8 ? 0x80 : 0) | (nzcv & 4 ? 0x40 : 0) | carry | 2;

    x64_mov_imm(e, RAX, ah << 8 | (nzcv & 1 ? 0x7f : 0));
    x64_b(e, 0x04); /* add al, 1: OF of 0x7f */
    x64_b(e, 1);
    x64_b(e, 0x9e); /* sahf */
}

static enum x64_cc cond_in_memory(struct jit_tran *t, unsigned cond)
{
    static const uint8_t bits[] = { 30, 29, 31, 28 }; /* Z C N V: conditions 0 to 7 */
    struct x64 *e = &t->e;

    if (cond < 8) {
        x64_bt_mi(e, 0, RBP, JIT_AT(nzcv), bits[cond >> 1]);
        return cond & 1 ? CC_AE : CC_B;
    }
    x64_rm(e, OP_MOV, 0, RCX, RBP, JIT_AT(nzcv));
    x64_shift_i(e, SH_SHR, 0, RCX, 28);
    x64_mov_imm(e, RAX, cond_set(cond));
    x64_rr(e, OP_BT, 0, RCX, RAX);
    return CC_B;
}

enum x64_cc jit_cond(struct jit_tran *t, unsigned cond)
{
    /* After a subtraction; carry is the inverse there. */
    static const uint8_t codes[] = {
        CC_E, CC_NE, CC_AE, CC_B, CC_S, CC_NS, CC_O, CC_NO, CC_A, CC_BE, CC_GE, CC_L, CC_G, CC_LE,
    };

    assert(cond < ARRAY_LEN(codes));
    if (t->flags == JIT_FLAGS_MEM)
        return cond_in_memory(t, cond);
    if (t->flags == JIT_FLAGS_ADD && (cond >> 1 == 1 || cond >> 1 == 4)) {
        x64_b(&t->e, 0xf5); /* cmc */
        t->flags = JIT_FLAGS_SUB;
    }
    return (enum x64_cc)codes[cond];
}
