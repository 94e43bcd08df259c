/* What the files of the translator share. */
#pragma once

#include "cpu/a64.h"
#include "cpu/code.h"
#include "cpu/jit/jit.h"
#include "cpu/jit/x64.h"
#include "cpu/jit/x64_jump.h"
#include "cpu/soc.h"
#include "cpu/tlb.h"

/* The register file of translated code (docs/translator.md): RBP is the vCPU, eleven guest
 * registers live in host registers, the others in struct cpu. RAX, RCX and RDX are free within one
 * instruction. */
#define JIT_BIAS   128 /* RBP = struct cpu + 128, so that the hot fields take one byte of offset */
#define JIT_PINNED 11
#define JIT_NONE   0xff

/* What a block's code depends on besides its words. */
enum jit_state {
    JIT_EL1 = 1,
    JIT_FP = 2,       /* FP instructions do not trap */
    JIT_FP_PLAIN = 4, /* FPCR asks for nothing but the default */
    JIT_SA = 8,       /* SP alignment is checked */
    JIT_IXC = 16,     /* FPSR.IXC is set, at EL0: only MSR clears it again */
};

#define JIT_BLOCK_INSNS 64
#define JIT_PEEK        6
#define JIT_NO_PEEK     0xffff

struct jit_block;
struct jit_dump;
struct jit_log;

/* A jump in a block that goes to its own stub until the target is there. */
struct jit_link {
    uint8_t *rel32;        /* where (writable view) */
    uint8_t *stub;         /* where it goes while there is no target */
    struct jit_link *next; /* of those that go to one block */
    gpa_t page;
    uint16_t target; /* instruction in the page */
    uint8_t state;
    bool linked;
};

struct jit_block {
    gpa_t gpa; /* of the first instruction */
    uint8_t state;
    bool dead;
    bool alone;      /* lockstep: an instruction that cannot be executed twice */
    bool atomic;     /* lockstep: it uses the exclusive monitor */
    bool flags_lost; /* the way out does not leave NZCV in memory: its successors do not want it */
    uint16_t count;  /* instructions */
    /* Code that it depends on elsewhere in the page: the first of JIT_PEEK instructions whose use
     * of flags was looked at, or JIT_NO_PEEK. */
    uint16_t peek[2];
    uint8_t *entry;                 /* writable view */
    uint8_t *start_over;            /* code that leaves to the run loop at the block's start */
    struct jit_block *_Atomic next; /* in its hash chain */
    struct jit_block *page_next;    /* in the chain of its page */
    struct jit_link *incoming;
};

#define JIT_HASH  65536
#define JIT_PAGES 4096

/* Code that every block calls; made once (jit_stubs.c). Addresses in the writable view. */
struct jit_stubs {
    uint8_t *enter;   /* void enter(struct cpu *, const uint8_t *code) */
    uint8_t *leave;   /* c->pc is set: back to the caller of enter */
    uint8_t *handler; /* run the interpreter's handler of the instruction that RDX tells */
    uint8_t *link;    /* jumps to the target of the link at RAX */
    uint8_t *lookup;  /* jumps to the block at virtual address RCX */
    uint8_t *vectors; /* constants for vector code: jit_xmm.h */
    uint8_t *counter; /* RAX = the counter */
    uint8_t *crc32;   /* two constants, 16-byte aligned */
};

/* C code that stubs call. */
bool jit_handle(struct cpu *c, uint64_t where);
const uint8_t *jit_follow(struct cpu *c, const struct jit_link *link);
const uint8_t *jit_lookup(struct cpu *c, gva_t va);
uint64_t jit_counter(struct cpu *c);

void jit_stubs_make(struct jit *jit, struct x64 *e);

/* Where flags are while a block is translated. */
enum jit_flags {
    JIT_FLAGS_MEM, /* c->nzcv */
    JIT_FLAGS_SUB, /* EFLAGS of a SUB or CMP: carry is the inverse */
    JIT_FLAGS_ADD, /* EFLAGS of an ADD, or of a TEST or AND */
};

enum jit_cold_kind {
    JIT_COLD_HANDLER, /* run the handler instead, and go on at `back` */
    JIT_COLD_JUMP,    /* go to an instruction of the page */
    JIT_COLD_FAR,     /* go to another page */
    JIT_COLD_LEAVE,   /* back to the run loop */
};

#define JIT_WAYS     4  /* jumps of one instruction to code behind the block, at most */
#define JIT_XMM_KEPT 10 /* host registers with copies of guest vector registers: jit_xmm.h */

/* A floating point result that is zero since an operand is: no reason to call the handler. */
struct jit_zero {
    uint8_t *ok;        /* where the instruction goes on then, or NULL: is not asked for */
    uint8_t xmm, a, b;  /* host registers of the result and of two operands */
    uint8_t size, from; /* enum simd_size of the result and of the operands */
    uint8_t bytes;      /* of a vector, whose bad lanes are in XMM0; 0: a scalar */
};

/* Code behind the block. */
struct jit_cold {
    enum jit_cold_kind kind;
    uint8_t *from;               /* rel32 of the jump that comes here */
    uint8_t *also[JIT_WAYS - 1]; /* HANDLER: more of them, or NULL */
    uint8_t *back;               /* HANDLER: where it goes on */
    uint64_t where;              /* HANDLER */
    int64_t target;              /* others: byte offset from the start of the page */
    enum jit_flags save;         /* flags to be moved to c->nzcv first */
    bool own_jump;               /* JUMP: `from` is no jump */
    bool unordered;              /* HANDLER: comes back with EFLAGS of an unordered comparison */
    uint8_t xmm[JIT_XMM_KEPT];   /* HANDLER: guest registers to load again */
    struct jit_zero zero;        /* HANDLER: concerns `from`, not `also` */
    unsigned left;               /* LEAVE: instructions of the block that are not executed */
    unsigned more;               /* HANDLER: and those of so many instructions behind it */
};

#define JIT_COLD_MAX (JIT_WAYS * JIT_BLOCK_INSNS + 4)

/* What a host register holds of a guest vector register. */
struct jit_xmm {
    uint8_t guest; /* or JIT_NONE */
    uint8_t valid; /* bytes that are the guest's, from the lowest */
    uint8_t used;  /* bytes beyond which the host register is zero */
    uint8_t stamp; /* 1 + the last instruction of the block that used it */
};

struct jit_tran {
    struct x64 e;
    struct jit *jit;
    struct cpu *c;
    struct jit_block *block;
    unsigned state;
    gpa_t page;
    const uint32_t *words;
    unsigned first; /* of the block, in the page */
    unsigned count; /* instructions */
    unsigned n;     /* the one being translated, from 0 */
    bool ended;     /* the last one has left the block */
    enum jit_flags flags;
    struct a64_insn insn[JIT_BLOCK_INSNS];
    uint16_t op[JIT_BLOCK_INSNS];   /* enum a64_op, A64_OPS: UNDEFINED */
    bool want[JIT_BLOCK_INSNS + 1]; /* flags as they are before it are wanted by it or later */
    bool sp_checked;                /* the stack pointer is known to be aligned */
    const uint8_t *code[JIT_BLOCK_INSNS + 1]; /* of each instruction; the last: behind the block */
    bool may_set_ixc; /* then the block's end looks whether JIT_IXC is due */
    struct jit_cold cold[JIT_COLD_MAX];
    unsigned colds;
    struct jit_xmm xmm[16];
    uint8_t xmm_of[32]; /* by guest register, JIT_NONE: in struct cpu only */
};

/* Calls of C by translated code, and ways in and out; see jit_stats.c. */
enum jit_counted {
    JIT_COUNT_ENTER,        /* by the run loop */
    JIT_COUNT_LEFT_REQUEST, /* back to it, since somebody wants something */
    JIT_COUNT_LEFT_END,     /* or at an instruction after which it looks */
    JIT_COUNT_FOLLOW,       /* a jump was linked, or its target translated */
    JIT_COUNT_LOOKUP,       /* an address was not in the jump cache */
    JIT_COUNTS
};

struct jit {
    struct soc *soc;
    struct jit_stubs stubs;
    unsigned features; /* enum jit_feature: what translated code may use */
    uint8_t *rw, *rx;  /* two views of the same pages */
    uint64_t size;
    uint8_t *first;              /* behind the stubs; writable view, as all addresses here */
    uint8_t *at;                 /* code grows upward from first */
    uint8_t *data;               /* blocks and links grow downward from the end */
    _Atomic bool full;           /* to be flushed when no vCPU is inside */
    _Atomic uint64_t generation; /* counts flushes */
    struct jit_tran tran;        /* lock */
    struct lock lock;            /* translation, links, kills */
    struct jit_block *_Atomic hash[JIT_HASH];
    struct jit_block *page[JIT_PAGES];
    _Atomic bool page_has[JIT_PAGES];
    struct jit_stats stats;
    int32_t tlb_at, jumps_at; /* from RBP */
    struct jit_log *log;      /* lockstep, or NULL */
    struct jit_dump *dump;    /* who wants to see translations, or NULL */
    bool counting;            /* the rest */
    _Atomic uint64_t counts[JIT_COUNTS];
    _Atomic uint64_t handled[A64_OPS + 1]; /* calls of handlers, by row; the last: no row */
};

static inline void jit_count(struct jit *jit, enum jit_counted what)
{
    if (UNLIKELY(jit->counting))
        atomic_fetch_add_explicit(&jit->counts[what], 1, memory_order_relaxed);
}

/* Host register of a guest register, or JIT_NONE. */
extern const uint8_t jit_pin[REG_COUNT];
extern const uint8_t jit_pinned[JIT_PINNED]; /* guest registers that have one */

/* Offset of a member of struct cpu from RBP. */
#define JIT_AT(member) ((int32_t)offsetof(struct cpu, member) - JIT_BIAS)

static inline int32_t jit_x_at(unsigned r)
{
    return (int32_t)(offsetof(struct cpu, x) + 8 * r) - JIT_BIAS;
}

/* op host, guest register */
static inline void jit_op(struct jit_tran *t, unsigned op, unsigned w, unsigned host, unsigned r)
{
    if (jit_pin[r] != JIT_NONE)
        x64_rr(&t->e, op, w, host, jit_pin[r]);
    else
        x64_rm(&t->e, op, w, host, RBP, jit_x_at(r));
}

/* host = guest register; w = 0 clears the upper half. */
static inline void jit_get(struct jit_tran *t, unsigned w, unsigned host, unsigned r)
{
    if (w && jit_pin[r] == host)
        return;
    jit_op(t, OP_MOV, w, host, r);
}

/* The same before an instruction of width w on host, which clears the upper half itself. */
static inline void jit_get_for(struct jit_tran *t, unsigned w, unsigned host, unsigned r)
{
    if (jit_pin[r] != host)
        jit_op(t, OP_MOV, w, host, r);
}

/* The host register that holds a guest register: its own, or `spare` after a load. */
static inline unsigned jit_use(struct jit_tran *t, unsigned w, unsigned spare, unsigned r)
{
    if (jit_pin[r] != JIT_NONE)
        return jit_pin[r];
    jit_get(t, w, spare, r);
    return spare;
}

/* Where a result is computed: the register's own home, or `spare`, and jit_put() then. */
static inline unsigned jit_dest(unsigned r, unsigned spare)
{
    return jit_pin[r] != JIT_NONE ? jit_pin[r] : spare;
}

/* guest register = host register, 64 bits. */
static inline void jit_put(struct jit_tran *t, unsigned r, unsigned host)
{
    if (r == REG_SINK || jit_pin[r] == host)
        return;
    if (jit_pin[r] != JIT_NONE)
        x64_rr(&t->e, OP_MOV, 1, jit_pin[r], host);
    else
        x64_rm(&t->e, OP_MOV_ST, 1, host, RBP, jit_x_at(r));
}

static inline const struct a64_insn *jit_insn(const struct jit_tran *t)
{
    return &t->insn[t->n];
}

/* jit_flags.c. An emitter first says what its code does to EFLAGS, before it uses RAX: jit_spoil()
 * when they are lost, jit_settle() when the instruction may leave the block or call C. Both move
 * what is held there to c->nzcv, the former only if somebody wants it. */
void jit_spoil(struct jit_tran *t);
void jit_settle(struct jit_tran *t);
/* The instruction has left the guest's flags in EFLAGS. */
void jit_hold(struct jit_tran *t, enum jit_flags flags);
/* Make EFLAGS such that the condition code returned is the guest's condition (not AL, NV). Uses RAX
 * and RCX. */
enum x64_cc jit_cond(struct jit_tran *t, unsigned cond);
/* Make EFLAGS.CF the guest's C, or its inverse. */
void jit_carry(struct jit_tran *t, bool inverse);
void jit_save_flags(struct jit_tran *t, enum jit_flags flags);
void jit_find_wants(struct jit_tran *t);
/* EFLAGS that stand for constant NZCV, in the representation of `kind`. Uses RAX. */
void jit_flags_const(struct jit_tran *t, unsigned nzcv, enum jit_flags kind);

/* jit_xmm.c, for what happens at the end of an instruction */
void jit_xmm_forget(struct jit_tran *t, unsigned r);
void jit_xmm_forget_all(struct jit_tran *t);
void jit_xmm_keep(struct jit_tran *t, struct jit_cold *cold);
void jit_xmm_reload(struct jit_tran *t, const struct jit_cold *cold);
void jit_xmm_constants(struct jit_stubs *stubs, struct x64 *e);
/* Go to zero->ok where the result is right after all. */
void jit_fp_emit_zero(struct jit_tran *t, const struct jit_zero *zero);

/* jit.c */
/* Announce that this vCPU is inside. False: the cache is being emptied. */
bool jit_come_in(struct cpu *c, struct jit *jit);
/* The block at c->pc, ready to be entered. May take an exception. NULL: the cache is full. */
struct jit_block *jit_block_here(struct cpu *c);
/* Execute it, and what it is linked to. */
void jit_enter(struct cpu *c, const struct jit_block *block);

/* jit_stats.c */
void jit_count_handled(struct jit *jit, uint32_t word);

/* jit_handle.c: the present instruction, packed, as jit_handle() wants it; and one further on. */
uint64_t jit_where_now(const struct jit_tran *t);
uint64_t jit_where_behind(uint64_t where, unsigned insns);

/* jit_tran.c */
struct jit_cold *jit_cold(struct jit_tran *t, enum jit_cold_kind kind, uint8_t *from);
/* End the block: go to a byte offset from the start of the page. */
void jit_goto(struct jit_tran *t, int64_t offset);
/* The same where `from` (rel32 of a jump, or of a LEA) leads. */
void jit_goto_from(struct jit_tran *t, uint8_t *from, int64_t offset, enum jit_flags save);
/* `from` leads back to the run loop, which goes on at a byte offset from the start of the page;
 * `left` instructions of the block are not executed. */
void jit_leave_from(struct jit_tran *t, uint8_t *from, int64_t offset, unsigned left);
void jit_align(struct jit_tran *t, unsigned skip);
void jit_call_handler(struct jit_tran *t);
/* Translate and enter into the table, or NULL when the cache is full. */
struct jit_block *jit_translate(struct jit *jit, struct cpu *c, gpa_t gpa, unsigned state);

/* jit_find.c */
struct jit_block *jit_find(struct jit *jit, gpa_t gpa, unsigned state);
void jit_publish(struct jit *jit, struct jit_block *block);
void jit_unpublish(struct jit *jit, struct jit_block *block);
unsigned jit_page_slot(gpa_t gpa);

/* The emitters, by class of the decode table: true when they have translated the instruction. */
bool jit_arith(struct jit_tran *t, enum a64_op op);
bool jit_logic(struct jit_tran *t, enum a64_op op); /* tried by jit_arith() */
bool jit_bits(struct jit_tran *t, enum a64_op op);
bool jit_branch(struct jit_tran *t, enum a64_op op);
bool jit_memory(struct jit_tran *t, enum a64_op op);
bool jit_system(struct jit_tran *t, enum a64_op op);
bool jit_scalar(struct jit_tran *t, enum a64_op op);
bool jit_vector(struct jit_tran *t, enum a64_op op);
bool jit_sysreg(struct jit_tran *t, enum a64_op op);
/* Does the block go on after this MSR? */
bool jit_stays(const struct jit_tran *t, unsigned op, const struct a64_insn *i);
bool jit_atomic(struct jit_tran *t, enum a64_op op);
bool jit_vmem(struct jit_tran *t, enum a64_op op);
bool jit_crypto(struct jit_tran *t, enum a64_op op);
bool jit_crc(struct jit_tran *t, enum a64_op op);

/* jit_arith.c: rd = rn op host (RCX, or the home of a register), with EFLAGS as op leaves them; the
 * same with rm; RCX = rm, shifted. */
void jit_op_host(struct jit_tran *t, unsigned op, unsigned w, unsigned host);
void jit_op_reg(struct jit_tran *t, unsigned op, unsigned w);
void jit_op_shifted(struct jit_tran *t, unsigned w);
