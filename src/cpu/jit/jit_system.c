/* Emitters: hints, barriers, and the system registers that programs read all the time. */
#include "arch/sysreg.h"
#include "cpu/jit/jit_int.h"

static void emit_read(struct jit_tran *t, int32_t at)
{
    unsigned rd = jit_insn(t)->rd, dest = jit_dest(rd, RAX);

    x64_rm(&t->e, OP_MOV, 1, dest, RBP, at);
    jit_put(t, rd, dest);
}

/* SP_EL0 can be read at EL1 while it is not the stack pointer: Linux keeps `current` there. */
static void emit_read_sp_el0(struct jit_tran *t)
{
    struct x64 *e = &t->e;
    uint8_t *from;

    jit_settle(t);
    x64_head(e, 0x80, 0, 0, 0, RBP); /* cmp byte [sp_sel], 0 */
    x64_mem(e, G_CMP, RBP, JIT_AT(sp_sel));
    x64_b(e, 0);
    from = x64_jcc(e, CC_E);
    emit_read(t, JIT_AT(sp_bank[0]));
    jit_cold(t, JIT_COLD_HANDLER, from)->back = e->at;
}

static bool emit_mrs(struct jit_tran *t)
{
    switch (jit_insn(t)->imm) {
    case SYSREG(3, 3, 13, 0, 2):
        emit_read(t, JIT_AT(sys.tpidr_el0));
        return true;
    case SYSREG(3, 3, 13, 0, 3):
        emit_read(t, JIT_AT(sys.tpidrro_el0));
        return true;
    case SYSREG(3, 0, 13, 0, 4):
        if (!(t->state & JIT_EL1))
            return false;
        emit_read(t, JIT_AT(sys.tpidr_el1));
        return true;
    case SYSREG(3, 0, 4, 1, 0):
        if (!(t->state & JIT_EL1))
            return false;
        emit_read_sp_el0(t);
        return true;
    case SYSREG(3, 3, 4, 2, 0): /* NZCV */
        jit_settle(t);
        emit_read(t, JIT_AT(nzcv));
        return true;
    default:
        return false;
    }
}

/* Loads and stores of x86 are ordered but for a load after a store. */
static void emit_fence(struct jit_tran *t)
{
    jit_spoil(t);
    x64_b(&t->e, 0xf0); /* lock or dword [rsp], 0 */
    x64_mi(&t->e, G_OR, 0, RSP, 0, 0);
}

bool jit_system(struct jit_tran *t, enum a64_op op)
{
    switch (op) {
    case A64_HINT:
    case A64_YIELD:
        return true;
    case A64_DMB:
        if ((jit_insn(t)->imm & 3) != 1 && (jit_insn(t)->imm & 3) != 2)
            emit_fence(t);
        return true;
    case A64_MRS:
        return emit_mrs(t);
    default:
        return false;
    }
}
