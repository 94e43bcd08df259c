/*
 * Atomic memory operations, FEAT_LSE (Arm DDI 0487, C3.2.13), on host atomics. All are sequentially
 * consistent, whatever ordering the instruction asks for. The old value is read as zero-extended.
 * Each tells the exclusive monitor, so that a store-exclusive notices it.
 */
#include "cpu/atomic16.h"
#include "cpu/memop.h"
#include "cpu/soc.h"

/* The host address of the operand; the operation on *ret_word has begun, and cannot fault. */
static inline void *begin(struct cpu *c, const struct a64_insn *i, unsigned size,
                          _Atomic uint64_t **ret_word)
{
    gpa_t gpa;
    void *host = cpu_host(c, memop_base(c, i), size, MMU_RMW, &gpa);

    *ret_word = exmon_word(&c->soc->exmon, gpa);
    exmon_begin(*ret_word);
    return host;
}

#define FETCH(name, type, fetch)                       \
    HANDLER(name)                                      \
    {                                                  \
        _Atomic uint64_t *word;                        \
        type *host = begin(c, i, sizeof(type), &word); \
        type val = (type)X(rm), old = fetch;           \
        exmon_end(word);                               \
        X(rd) = old;                                   \
        return i + 1;                                  \
    }

/* Minimum and maximum have no host instruction: swap until nobody came between. */
#define FETCH_PICK(name, type, as, op)                                                         \
    HANDLER(name)                                                                              \
    {                                                                                          \
        _Atomic uint64_t *word;                                                                \
        type *host = begin(c, i, sizeof(type), &word);                                         \
        type val = (type)X(rm), old = __atomic_load_n(host, __ATOMIC_RELAXED);                 \
        while (!__atomic_compare_exchange_n(host, &old, (as)old op(as) val ? old : val, false, \
                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))               \
            ;                                                                                  \
        exmon_end(word);                                                                       \
        X(rd) = old;                                                                           \
        return i + 1;                                                                          \
    }

/* rm is compared, ra receives the old value of the same register, rd is stored. */
#define COMPARE_SWAP(name, type)                                                       \
    HANDLER(name)                                                                      \
    {                                                                                  \
        _Atomic uint64_t *word;                                                        \
        type *host = begin(c, i, sizeof(type), &word);                                 \
        type seen = (type)X(rm);                                                       \
        __atomic_compare_exchange_n(host, &seen, (type)X(rd), false, __ATOMIC_SEQ_CST, \
                                    __ATOMIC_SEQ_CST);                                 \
        exmon_end(word);                                                               \
        X(ra) = seen;                                                                  \
        return i + 1;                                                                  \
    }

#define LSE(suffix, type, stype)                                                       \
    FETCH(LDADD##suffix, type, __atomic_fetch_add(host, val, __ATOMIC_SEQ_CST))        \
    FETCH(LDCLR##suffix, type, __atomic_fetch_and(host, (type)~val, __ATOMIC_SEQ_CST)) \
    FETCH(LDEOR##suffix, type, __atomic_fetch_xor(host, val, __ATOMIC_SEQ_CST))        \
    FETCH(LDSET##suffix, type, __atomic_fetch_or(host, val, __ATOMIC_SEQ_CST))         \
    FETCH(SWP##suffix, type, __atomic_exchange_n(host, val, __ATOMIC_SEQ_CST))         \
    FETCH_PICK(LDSMAX##suffix, type, stype, >)                                         \
    FETCH_PICK(LDSMIN##suffix, type, stype, <)                                         \
    FETCH_PICK(LDUMAX##suffix, type, type, >)                                          \
    FETCH_PICK(LDUMIN##suffix, type, type, <)                                          \
    COMPARE_SWAP(CAS##suffix, type)

LSE(B, uint8_t, int8_t)
LSE(H, uint16_t, int16_t)
LSE(_w, uint32_t, int32_t)
LSE(_x, uint64_t, int64_t)

/* Pairs: rm and rd are even register numbers; 31, the odd half of a pair, is the zero register. */
static uint64_t odd_get(const struct cpu *c, unsigned even)
{
    return even == 30 ? 0 : c->x[even + 1];
}

static void pair_set(struct cpu *c, unsigned even, uint64_t first, uint64_t second)
{
    c->x[even] = first;
    if (even != 30)
        c->x[even + 1] = second;
}

HANDLER(CASP_w)
{
    _Atomic uint64_t *word;
    uint64_t *host = begin(c, i, 8, &word);
    uint64_t seen = W(rm) | odd_get(c, i->rm) << 32;
    uint64_t desired = W(rd) | odd_get(c, i->rd) << 32;

    __atomic_compare_exchange_n(host, &seen, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    exmon_end(word);
    pair_set(c, i->rm, (uint32_t)seen, seen >> 32);
    return i + 1;
}

HANDLER(CASP_x)
{
    _Atomic uint64_t *word;
    void *host = begin(c, i, 16, &word);
    u128 seen = atomic16_cas(host, atomic16_make(X(rm), odd_get(c, i->rm)),
                             atomic16_make(X(rd), odd_get(c, i->rd)));

    exmon_end(word);
    pair_set(c, i->rm, (uint64_t)seen, (uint64_t)(seen >> 64));
    return i + 1;
}
