/*
 * Exclusives and ordered accesses (Arm DDI 0487, B2.9 and B2.3).
 *
 * A load-exclusive remembers where it read, what it saw, and the state of the monitor (exmon.h);
 * the store-exclusive claims the monitor and is a host compare-and-swap against the value. Every
 * access here is sequentially consistent on the host, more than acquire and release ask for.
 */
#include "cpu/atomic16.h"
#include "cpu/memop.h"
#include "cpu/soc.h"

/* Before the load: what happens from here on is noticed. */
static void monitor_open(struct cpu *c, gpa_t gpa, unsigned size)
{
    c->excl_gpa = gpa;
    c->excl_size = (uint8_t)size;
    c->excl_seen = atomic_load(exmon_word(&c->soc->exmon, gpa));
}

#define LOAD_EXCL(name, type)                                             \
    HANDLER(name)                                                         \
    {                                                                     \
        gva_t va = memop_base(c, i);                                      \
        gpa_t gpa;                                                        \
        const type *host = cpu_host(c, va, sizeof(type), MMU_READ, &gpa); \
        type val;                                                         \
        monitor_open(c, gpa, sizeof(type));                               \
        val = __atomic_load_n(host, __ATOMIC_SEQ_CST);                    \
        c->excl_val[0] = val;                                             \
        X(rd) = val;                                                      \
        return i + 1;                                                     \
    }

LOAD_EXCL(LDXRB, uint8_t)
LOAD_EXCL(LDXRH, uint16_t)
LOAD_EXCL(LDXR_w, uint32_t)
LOAD_EXCL(LDXR_x, uint64_t)

HANDLER(LDXP_w)
{
    gpa_t gpa;
    const uint64_t *host = cpu_host(c, memop_base(c, i), 8, MMU_READ, &gpa);
    uint64_t val;

    monitor_open(c, gpa, 8);
    val = __atomic_load_n(host, __ATOMIC_SEQ_CST);
    c->excl_val[0] = val;
    X(rd) = (uint32_t)val;
    X(ra) = val >> 32;
    return i + 1;
}

/* Two 8-byte loads: only a successful STXP proves that the halves belong together. */
HANDLER(LDXP_x)
{
    gpa_t gpa;
    const uint64_t *host = cpu_host(c, memop_base(c, i), 16, MMU_READ, &gpa);

    monitor_open(c, gpa, 16);
    c->excl_val[0] = __atomic_load_n(&host[0], __ATOMIC_SEQ_CST);
    c->excl_val[1] = __atomic_load_n(&host[1], __ATOMIC_SEQ_CST);
    X(rd) = c->excl_val[0];
    X(ra) = c->excl_val[1];
    return i + 1;
}

/* Does the monitor cover this store, with nobody in between? Either way it is open afterwards. True
 * is to be ended by exmon_release(*ret_word). */
static bool monitor_claim(struct cpu *c, gpa_t gpa, unsigned size, _Atomic uint64_t **ret_word)
{
    bool covered = c->excl_size == size && c->excl_gpa == gpa;

    c->excl_size = 0;
    *ret_word = exmon_word(&c->soc->exmon, gpa);
    return covered && exmon_claim(*ret_word, c->excl_seen);
}

static bool cas64(uint64_t *host, uint64_t expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(host, &expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

#define STORE_EXCL(name, type)                                                     \
    HANDLER(name)                                                                  \
    {                                                                              \
        gpa_t gpa;                                                                 \
        type *host = cpu_host(c, memop_base(c, i), sizeof(type), MMU_WRITE, &gpa); \
        type expected = (type)c->excl_val[0];                                      \
        _Atomic uint64_t *word;                                                    \
        bool ok = monitor_claim(c, gpa, sizeof(type), &word);                      \
        if (ok) {                                                                  \
            ok = __atomic_compare_exchange_n(host, &expected, (type)X(rd), false,  \
                                             __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
            exmon_release(word);                                                   \
        }                                                                          \
        X(rm) = !ok;                                                               \
        return i + 1;                                                              \
    }

STORE_EXCL(STXRB, uint8_t)
STORE_EXCL(STXRH, uint16_t)
STORE_EXCL(STXR_w, uint32_t)
STORE_EXCL(STXR_x, uint64_t)

HANDLER(STXP_w)
{
    gpa_t gpa;
    uint64_t *host = cpu_host(c, memop_base(c, i), 8, MMU_WRITE, &gpa);
    uint64_t desired = (uint64_t)W(ra) << 32 | W(rd);
    _Atomic uint64_t *word;
    bool ok = monitor_claim(c, gpa, 8, &word);

    if (ok) {
        ok = cas64(host, c->excl_val[0], desired);
        exmon_release(word);
    }
    X(rm) = !ok;
    return i + 1;
}

HANDLER(STXP_x)
{
    gpa_t gpa;
    void *host = cpu_host(c, memop_base(c, i), 16, MMU_WRITE, &gpa);
    u128 seen = atomic16_make(c->excl_val[0], c->excl_val[1]);
    u128 desired = atomic16_make(X(rd), X(ra));
    _Atomic uint64_t *word;
    bool ok = monitor_claim(c, gpa, 16, &word);

    if (ok) {
        ok = atomic16_cas(host, seen, desired) == seen;
        exmon_release(word);
    }
    X(rm) = !ok;
    return i + 1;
}

/* Ordered accesses also reach devices, so they are plain accesses between fences. */
#define ORDERED(suffix, bits)                                 \
    HANDLER(LDAR##suffix)                                     \
    {                                                         \
        gva_t va = memop_aligned_base(c, i, bits / 8, false); \
        X(rd) = cpu_ld##bits(c, va);                          \
        atomic_thread_fence(memory_order_acquire);            \
        return i + 1;                                         \
    }                                                         \
    HANDLER(STLR##suffix)                                     \
    {                                                         \
        gva_t va = memop_aligned_base(c, i, bits / 8, true);  \
        atomic_thread_fence(memory_order_release);            \
        cpu_st##bits(c, va, X(rd));                           \
        atomic_thread_fence(memory_order_seq_cst);            \
        return i + 1;                                         \
    }

ORDERED(B, 8)
ORDERED(H, 16)
ORDERED(_w, 32)
ORDERED(_x, 64)
