/* Programs made of a fuzzer's input: see exec_program.h. */
#include "exec_program.h"

#include <assert.h>

#include "arch/addrmap.h"
#include "cpu/a64.h"
#include "cpu/mmu.h"
#include "cpu/sysreg_row.h"

#define EL0_CODE    (RIG_USER + 0x10000)
#define EL1_CODE    (RIG_SYSTEM + 0x10000)
#define EXEC_WINDOW (RIG_USER + 0x81000) /* a page boundary */
#define PAGE_END    0xfc0 /* where code may begin: it then continues on a second page */

#define EL1H        UINT64_C(5)
#define PSTATE_DAIF UINT64_C(0x3c0)
#define PSTATE_PAN  BIT(22)
#define SCTLR_M     BIT(0)

static void wake(void *ctx, unsigned vcpu)
{
    (void)ctx;
    (void)vcpu;
}

/* HVC, so that exceptions are counted; then go on after the instruction that caused it. */
static void make_vectors(struct rig *rig)
{
    static const uint32_t handler[] = {
        0xd4000002, /* hvc #0 */
        0xd538403e, /* mrs x30, elr_el1 */
        0x910013de, /* add x30, x30, #4 */
        0xd518403e, /* msr elr_el1, x30 */
        0xd69f03e0, /* eret */
    };

    for (unsigned off = 0; off < 0x800; off += 0x80)
        for (unsigned n = 0; n < ARRAY_LEN(handler); n++)
            rig_poke(rig, RIG_SYSTEM + off + 4 * n, handler[n]);
}

/* Pointers of every kind, and numbers. */
static uint64_t operand(uint8_t kind, uint8_t offset)
{
    static const uint64_t bases[] = {
        0,
        EXEC_WINDOW,
        RIG_DEVICE,
        RIG_USER + RIG_BYTES, /* the system part begins */
        EL1_CODE,
        RIG_SYSTEM + 0x1000, /* tables */
        MAP_GICD_BASE,
        MAP_GICR_BASE,
        BIT(39),
        UINT64_C(0x7fffffffffffffff),
        UINT64_C(0xffff000040000000),
        UINT64_C(0x5a00000040081000), /* tagged */
        UINT64_C(0x3ff0000000000000), /* 1.0 */
        UINT64_C(0x7ff4000080000001), /* a signalling NaN */
        UINT64_C(0x00000001ffff8000),
        UINT64_MAX,
    };

    return bases[kind & 15] + (kind & BIT(4) ? offset : 16 * (uint64_t)(int8_t)offset);
}

/* Words of which most are UDF stand for others: a system register of ours, read or written, or any
 * row of the decode table. Few random words would hit one. */
static uint32_t instruction(uint32_t word)
{
    uint32_t pick = word >> 8 & 0x7fff, fields = word * 0x9e3779b1;
    const struct a64_row *row = &a64_rows[pick % A64_OPS];

    if (word >> 24)
        return word;
    if (word & BIT(23))
        return 0xd5000000 | (uint32_t)sysreg_rows[pick % sysreg_row_count].enc << 5 |
               (word & BIT(7) ? (uint32_t)BIT(21) : 0) | (word & 31);
    return row->value | (fields & ~row->mask);
}

gva_t exec_program_code(const uint8_t *data)
{
    return (data[0] & BIT(0) ? EL1_CODE : EL0_CODE) + (data[0] & BIT(1) ? PAGE_END : 0);
}

size_t exec_program_words(size_t len)
{
    return (len - EXEC_HEADER) / 4 < EXEC_WORDS_MAX ? (len - EXEC_HEADER) / 4 : EXEC_WORDS_MAX;
}

/* Registers are made of the input's bytes, which are also code: any input is enough for all. */
void exec_program_enter(struct rig *rig, const uint8_t *data, size_t len)
{
    size_t words = exec_program_words(len);
    bool el1 = data[0] & BIT(0);
    gva_t code = exec_program_code(data);
    struct cpu *c = rig->c;

    for (size_t n = 0; n < words; n++)
        rig_poke(rig, code + 4 * n, instruction(load_le32(data + EXEC_HEADER + 4 * n)));
    rig_poke(rig, code + 4 * words, 0xd4000001); /* SVC ends it */
    rig_enter(rig, code,
              (data[0] & BIT(2) ? 0 : PSTATE_DAIF) | (data[0] & BIT(3) ? PSTATE_PAN : 0) |
                  (el1 ? EL1H : 0) | (uint64_t)(data[0] >> 4) << 28);
    if (data[1] & BIT(0)) {
        c->sys.sctlr_el1 &= ~SCTLR_M;
        mmu_update(c);
    }
    c->fpcr = (uint64_t)(data[1] >> 1 & 31) << 22 | (uint64_t)(data[1] >> 6 & 1) << 19;
    for (unsigned r = 0; r < 31; r++) {
        uint8_t kind = data[3 * r % len], offset = data[(5 * r + 1) % len];

        c->x[r] = operand(kind, offset);
        c->v[r].d[0] = c->x[r] * 0x0001000300010001;
        c->v[r].d[1] = operand(offset, kind);
    }
    c->x[REG_SP] = EXEC_WINDOW;
    for (unsigned at = 0; at < EXEC_WINDOW_BYTES; at += 8)
        store_le64(rig_ptr(rig, EXEC_WINDOW - EXEC_WINDOW_BYTES / 2 + at),
                   operand(data[at % len], data[at / 8 % len]));
}

void exec_program_init(struct rig *rig, const struct jit_config *jit)
{
    struct err err;
    int rc;

    rig_init_as(rig, 1, jit);
    rc = gic_create(&rig->soc, wake, NULL, &rig->soc.gic, &err);
    assert(rc == 0);
    make_vectors(rig);
}

void exec_program_fini(struct rig *rig)
{
    gic_destroy(rig->soc.gic);
    rig_fini(rig);
    memset(rig, 0, sizeof(*rig));
}
