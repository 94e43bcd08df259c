/*
 * Translates a block: decode up to a branch, find out where flags are wanted, emit instruction by
 * instruction, then what is rarely executed behind it.
 *
 *   entry:  cmp dword [request], 0      one instruction of 7 bytes, 8-byte aligned: to kill the
 *           jne start_over              block a jump to start_over is written over it
 *           add qword [retired], count
 *           ...
 */
#include "base/clock.h"
#include "cpu/jit/jit_dump.h"
#include "cpu/jit/jit_int.h"
#include "cpu/jit/jit_lockstep.h"

/* More than any instruction makes of hot or cold code, and than a block has around them. */
#define INSN_BYTES  512
#define BLOCK_BYTES 512

static bool is_branch(unsigned op)
{
    return op != A64_OPS && a64_rows[op].cls == A64_CLASS_BRANCH;
}

/* After these the run loop looks: they change what fetching means, or unmask interrupts. Or, ISB,
 * the block ends at least. */
static bool leaves(const struct jit_tran *t, unsigned op, const struct a64_insn *i)
{
    switch (op) {
    case A64_OPS:
    case A64_ERET:
    case A64_SVC:
    case A64_HVC:
    case A64_SMC:
    case A64_BRK:
    case A64_HLT:
    case A64_WFI:
    case A64_WFE:
    case A64_ISB:
    case A64_SYSL:
        return true;
    case A64_MSR_imm:
    case A64_MSR:
        return !jit_stays(t, op, i);
    case A64_SYS: /* CRn 8: TLB maintenance */
        return (i->raw >> 12 & 15) == 8;
    default:
        return false;
    }
}

static void decode(struct jit_tran *t)
{
    unsigned features = t->c->soc->model->features;

    t->count = 0;
    while (t->count < JIT_BLOCK_INSNS && t->first + t->count < CODE_PAGE_INSNS) {
        unsigned at = t->first + t->count;
        uint32_t word = __atomic_load_n(&t->words[at], __ATOMIC_RELAXED);
        struct a64_insn *i = &t->insn[t->count];
        unsigned op = a64_decode_for(i, word, 4 * at, features);

        t->op[t->count++] = (uint16_t)op;
        if (UNLIKELY(t->jit->log) && jit_lockstep_ends(t))
            break;
        if (is_branch(op) || leaves(t, op, i))
            break;
    }
}

struct jit_cold *jit_cold(struct jit_tran *t, enum jit_cold_kind kind, uint8_t *from)
{
    struct jit_cold *cold = &t->cold[t->colds++];

    assert(t->colds <= JIT_COLD_MAX);
    *cold = (struct jit_cold){ .kind = kind, .from = from };
    if (kind == JIT_COLD_HANDLER)
        cold->where = jit_where_now(t);
    return cold;
}

void jit_leave_from(struct jit_tran *t, uint8_t *from, int64_t offset, unsigned left)
{
    struct jit_cold *cold = jit_cold(t, JIT_COLD_LEAVE, from);

    cold->target = offset;
    cold->left = left;
}

void jit_goto_from(struct jit_tran *t, uint8_t *from, int64_t offset, enum jit_flags save)
{
    bool near = offset >= 0 && offset < CODE_PAGE_SIZE;
    struct jit_cold *cold = jit_cold(t, near ? JIT_COLD_JUMP : JIT_COLD_FAR, from);

    cold->target = offset;
    cold->save = save;
}

/* The displacement `skip` bytes on will be written over while other vCPUs execute it: it must not
 * lie across two aligned groups of eight bytes, beyond which AMD promises nothing. */
void jit_align(struct jit_tran *t, unsigned skip)
{
    unsigned at = ((uintptr_t)t->e.at + skip) % 8;

    x64_nop(&t->e, at > 4 ? 8 - at : 0);
}

/* RCX = address at an offset from this page. */
static void emit_far(struct jit_tran *t, int64_t offset)
{
    struct x64 *e = &t->e;

    x64_rm(e, OP_MOV, 1, RCX, RBP, JIT_AT(jit_va));
    x64_ri(e, G_ADD, 1, RCX, (int32_t)offset);
    x64_jmp_to(e, t->jit->stubs.lookup);
}

void jit_goto(struct jit_tran *t, int64_t offset)
{
    if (offset >= 0 && offset < CODE_PAGE_SIZE) {
        jit_align(t, 1);
        jit_goto_from(t, x64_jmp(&t->e), offset, JIT_FLAGS_MEM);
    } else {
        emit_far(t, offset);
    }
    t->ended = true;
}

void jit_call_handler(struct jit_tran *t)
{
    jit_settle(t);
    x64_mov_imm(&t->e, RDX, jit_where_now(t));
    x64_call_to(&t->e, t->jit->stubs.handler);
}

/* To the run loop, which goes on at an instruction of the page. */
static void emit_leave(struct jit_tran *t, int64_t offset)
{
    struct x64 *e = &t->e;

    x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(jit_va));
    if (offset)
        x64_ri(e, G_ADD, 1, RAX, (int32_t)offset);
    x64_rm(e, OP_MOV_ST, 1, RAX, RBP, JIT_AT(pc));
    x64_jmp_to(e, t->jit->stubs.leave);
}

/* Data of a block, from the top of the cache downward. */
static void *take(struct jit *jit, size_t bytes)
{
    jit->data -= (bytes + 15) & ~(size_t)15;
    return memset(jit->data, 0, bytes);
}

static struct jit_link *add_link(struct jit_tran *t, uint8_t *rel32, int64_t target)
{
    struct jit_link *link = take(t->jit, sizeof(*link));

    link->rel32 = rel32;
    link->stub = t->e.at;
    link->page = t->page;
    link->state = (uint8_t)t->state;
    link->target = (uint16_t)(target / 4);
    return link;
}

static void emit_cold(struct jit_tran *t, const struct jit_cold *cold)
{
    struct x64 *e = &t->e;
    uint8_t *rel32 = cold->from;
    struct jit_link *link;

    x64_bind(cold->from, e->at);
    if (cold->zero.ok)
        jit_fp_emit_zero(t, &cold->zero);
    for (unsigned n = 0; n < ARRAY_LEN(cold->also) && cold->also[n]; n++)
        x64_bind(cold->also[n], e->at);
    jit_save_flags(t, cold->save);
    switch (cold->kind) {
    case JIT_COLD_HANDLER:
        for (unsigned n = 0; n <= cold->more; n++) {
            x64_mov_imm(e, RDX, jit_where_behind(cold->where, n));
            x64_call_to(e, t->jit->stubs.handler);
        }
        jit_xmm_reload(t, cold);
        if (cold->unordered)
            jit_flags_const(t, (NZCV_C | NZCV_V) >> 28, JIT_FLAGS_SUB);
        x64_jmp_to(e, cold->back);
        break;
    case JIT_COLD_JUMP:
        if (cold->save != JIT_FLAGS_MEM || cold->own_jump) {
            jit_align(t, 1);
            rel32 = x64_jmp(e);
            x64_bind(rel32, e->at);
        }
        link = add_link(t, rel32, cold->target);
        x64_bind(x64_lea_rip(e, RAX), (uint8_t *)link);
        x64_jmp_to(e, t->jit->stubs.link);
        break;
    case JIT_COLD_FAR:
        /* A return has set jit_va to the page that it goes to: behind a call at a page's end. */
        emit_far(t, cold->own_jump ? cold->target - CODE_PAGE_SIZE : cold->target);
        break;
    case JIT_COLD_LEAVE:
        if (cold->left)
            x64_mi(e, G_SUB, 1, RBP, JIT_AT(retired), (int32_t)cold->left);
        emit_leave(t, cold->target);
        break;
    }
}

static void emit_entry(struct jit_tran *t)
{
    struct x64 *e = &t->e;
    struct jit_cold *cold;

    while ((uintptr_t)e->at & 15)
        x64_b(e, 0x90);
    t->block->entry = e->at;
    /* cmp dword [rbp + disp32], 0: the long form on purpose */
    x64_b(e, 0x83);
    x64_b(e, 2 << 6 | G_CMP << 3 | RBP);
    x64_d(e, (uint32_t)JIT_AT(request));
    x64_b(e, 0);
    cold = jit_cold(t, JIT_COLD_LEAVE, x64_jcc(e, CC_NE));
    cold->target = 4 * (int64_t)t->first;
    if (t->jit->soc->deterministic) {
        x64_rm(e, OP_MOV, 1, RAX, RBP, JIT_AT(retired));
        x64_rm(e, OP_CMP, 1, RAX, RBP, JIT_AT(edge));
        jit_cold(t, JIT_COLD_LEAVE, x64_jcc(e, CC_AE))->target = cold->target;
    }
    x64_mi(e, G_ADD, 1, RBP, JIT_AT(retired), (int32_t)t->count);
}

static bool emit_insn(struct jit_tran *t)
{
    unsigned op = t->op[t->n];

    if (op == A64_OPS)
        return false;
    switch ((enum a64_class)a64_rows[op].cls) {
    case A64_CLASS_INT:
        return jit_arith(t, (enum a64_op)op) || jit_bits(t, (enum a64_op)op) ||
               jit_crc(t, (enum a64_op)op);
    case A64_CLASS_BRANCH:
        return jit_branch(t, (enum a64_op)op);
    case A64_CLASS_MEM:
        return jit_memory(t, (enum a64_op)op);
    case A64_CLASS_SYSTEM:
        return jit_system(t, (enum a64_op)op);
    case A64_CLASS_FP:
        return jit_scalar(t, (enum a64_op)op);
    case A64_CLASS_VMEM:
        return jit_vmem(t, (enum a64_op)op);
    case A64_CLASS_SIMD:
        return jit_vector(t, (enum a64_op)op) || jit_crypto(t, (enum a64_op)op);
    case A64_CLASS_ATOMIC:
        return jit_atomic(t, (enum a64_op)op);
    }
    return false;
}

/* May an emitter have written to a vector register in struct cpu, past jit_xmm_def()? */
static bool is_stale(const struct jit_tran *t, unsigned r)
{
    return r < ARRAY_LEN(t->xmm_of) && t->xmm_of[r] != JIT_NONE &&
           t->xmm[t->xmm_of[r]].stamp != t->n + 1;
}

/* Which copies of vector registers are right after the instruction: all but those of registers that
 * have been changed without them. */
static void settle_vectors(struct jit_tran *t, bool handled, unsigned first_cold)
{
    const struct a64_row *row = &a64_rows[t->op[t->n]]; /* if not handled */

    if (handled || row->cls == A64_CLASS_SYSTEM || row->cls == A64_CLASS_ATOMIC)
        jit_xmm_forget_all(t); /* they may have called C */
    else if (row->cls == A64_CLASS_SIMD && is_stale(t, jit_insn(t)->rd))
        jit_xmm_forget(t, jit_insn(t)->rd);
    for (unsigned n = first_cold; n < t->colds; n++)
        if (t->cold[n].kind == JIT_COLD_HANDLER)
            jit_xmm_keep(t, &t->cold[n]);
}

/* Before a branch, let the run loop find out under which state it is executed. */
static void emit_look_again(struct jit_tran *t)
{
    jit_settle(t);
    x64_mi(&t->e, G_SUB, 1, RBP, JIT_AT(retired), 1);
    emit_leave(t, 4 * (int64_t)(t->first + t->n));
    t->block->count = (uint16_t)t->n; /* the branch is another block's, and wants its flags */
    t->block->flags_lost = !t->want[t->n];
    t->ended = true;
}

/* Constants added to SP that are multiples of 16 leave it as aligned as it was. */
static bool moves_sp(const struct jit_tran *t)
{
    const struct a64_insn *i = jit_insn(t);
    unsigned op = t->op[t->n];

    if (op == A64_OPS || a64_rows[op].cls != A64_CLASS_INT || i->rd != REG_SP)
        return false;
    return (op != A64_ADD_imm_x && op != A64_SUB_imm_x) || i->rn != REG_SP || (i->imm & 15);
}

static void emit_block(struct jit_tran *t)
{
    int64_t end = 4 * (int64_t)(t->first + t->count);
    unsigned last = t->count - 1;

    emit_entry(t);
    for (t->n = 0; t->n < t->count; t->n++) {
        bool moves = moves_sp(t), handled;
        unsigned first_cold = t->colds;

        t->code[t->n] = t->e.at;
        if (t->may_set_ixc && is_branch(t->op[t->n])) {
            emit_look_again(t);
            break;
        }
        handled = !emit_insn(t);
        if (handled)
            jit_call_handler(t);
        settle_vectors(t, handled, first_cold);
        if (moves || handled) /* the latter for all we know */
            t->sp_checked = false;
    }
    if (!t->ended) {
        t->n = last;
        if (t->want[t->count])
            jit_settle(t);
        if (t->may_set_ixc || leaves(t, t->op[last], &t->insn[last]))
            emit_leave(t, end);
        else
            jit_goto(t, end);
    }
    t->code[t->count] = t->e.at;
    for (unsigned i = 0; i < t->colds; i++) {
        if (i == 0)
            t->block->start_over = t->e.at;
        emit_cold(t, &t->cold[i]);
    }
    assert(t->e.at - t->block->entry <= BLOCK_BYTES + (ptrdiff_t)t->count * INSN_BYTES);
}

struct jit_block *jit_translate(struct jit *jit, struct cpu *c, gpa_t gpa, unsigned state)
{
    uint64_t start_ns = clock_mono_ns();
    struct jit_tran *t = &jit->tran;
    const struct soc_range *range;

    if (jit->data - jit->at < BLOCK_BYTES + JIT_BLOCK_INSNS * INSN_BYTES + CODE_PAGE_SIZE)
        return NULL;
    t->e.at = jit->at;
    t->jit = jit;
    t->c = c;
    t->block = take(jit, sizeof(*t->block));
    t->block->gpa = gpa;
    t->block->state = (uint8_t)state;
    t->block->peek[0] = t->block->peek[1] = JIT_NO_PEEK;
    t->state = state;
    t->page = align_down(gpa, CODE_PAGE_SIZE);
    range = soc_find(jit->soc, gpa);
    t->words = (const uint32_t *)(void *)(range->host + (t->page - range->gpa));
    t->first = (unsigned)(gpa - t->page) / 4;
    t->ended = t->sp_checked = t->may_set_ixc = false;
    t->flags = JIT_FLAGS_MEM;
    t->colds = 0;
    jit_xmm_forget_all(t);
    /* Whoever changes the words from here on finds the page announced, and kills the block. */
    atomic_store(&jit->page_has[jit_page_slot(gpa)], true);
    atomic_thread_fence(memory_order_seq_cst);
    decode(t);
    t->block->count = (uint16_t)t->count;
    jit_find_wants(t);
    t->block->flags_lost = !t->want[t->count];
    emit_block(t);
    jit_publish(jit, t->block);
    jit->stats.blocks++;
    jit->stats.insns += t->count;
    jit->stats.code_bytes += (uint64_t)(t->e.at - jit->at);
    jit->stats.translate_ns += clock_mono_ns() - start_ns;
    jit->at = t->e.at;
    if (UNLIKELY(jit->dump))
        jit_dump_block(t);
    return t->block;
}
