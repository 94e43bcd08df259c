/*
 * The stand-in's GIC: the software CPU's, at the addresses that the configuration names, with the
 * sizes and the number of interrupts of a Mac. SPIs that the software CPU's has not got read as
 * zero, ignore writes and are never delivered.
 */
#include "standin.h"

#include <stdlib.h>

#include "arch/esr.h"
#include "cpu/gic_int.h"

#define DIST_BYTES   UINT64_C(0x10000)
#define REDIST_BYTES MAP_GICR_STRIDE
#define REGION_BYTES UINT64_C(0x2000000)
#define ALIGNMENT    UINT64_C(0x10000)
#define SPI_FIRST    32u
#define SPI_COUNT    988u

#define DIST_CTLR    0x0000
#define DIST_TYPER   0x0004
#define DIST_ROUTER  0x6000
#define PIDR2        0xffe8
#define REDIST_TYPER 0x0008
#define REDIST_FRAME 0x10000

/* One has seen the framework abort when other bits were written; RWP does no harm. */
#define DIST_CTLR_MAY UINT64_C(0x8000007f)

#define TYPER_LINES UINT64_C(31) /* 32 * (31 + 1) interrupts */

struct hv_gic_config_s {
    hv_ipa_t dist_base, redist_base;
};

/* ---- creation ---- */

hv_gic_config_t hv_gic_config_create(void)
{
    return calloc(1, sizeof(struct hv_gic_config_s));
}

hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config, hv_ipa_t base)
{
    if (!config || base % ALIGNMENT)
        return HV_BAD_ARGUMENT;
    config->dist_base = base;
    return HV_SUCCESS;
}

hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config, hv_ipa_t base)
{
    if (!config || base % ALIGNMENT)
        return HV_BAD_ARGUMENT;
    config->redist_base = base;
    return HV_SUCCESS;
}

static bool fits(const struct standin *vm, hv_ipa_t base, uint64_t size)
{
    uint64_t end = UINT64_C(1) << vm->ipa_bits;

    return base && base < end && size <= end - base;
}

static bool overlap(const struct hv_gic_config_s *config)
{
    return config->dist_base < config->redist_base + REGION_BYTES &&
           config->redist_base < config->dist_base + DIST_BYTES;
}

/* The codes for a second GIC, and for one that comes after a vCPU, are our choice. */
hv_return_t hv_gic_create(hv_gic_config_t config)
{
    struct standin *vm = &standin_vm;
    hv_return_t rc = HV_SUCCESS;

    if (!vm->exists)
        return HV_NO_DEVICE;
    if (standin_is("no-gic"))
        return HV_UNSUPPORTED;
    if (!config || !fits(vm, config->dist_base, DIST_BYTES) ||
        !fits(vm, config->redist_base, REGION_BYTES) || overlap(config))
        return HV_BAD_ARGUMENT;
    standin_pause();
    if (vm->soc.gic || vm->had_vcpus) {
        rc = HV_BUSY;
    } else {
        vm->soc.vcpus = STANDIN_VCPUS; /* room for all that may come */
        if (gic_create(&vm->soc, standin_wake, NULL, &vm->soc.gic, NULL) < 0)
            rc = HV_NO_RESOURCES;
        vm->soc.vcpus = 0;
        vm->dist_base = config->dist_base;
        vm->redist_base = config->redist_base;
    }
    if (rc == HV_SUCCESS)
        standin_gic_count();
    standin_resume();
    return rc;
}

void standin_gic_count(void)
{
    struct gic *gic = standin_vm.soc.gic;

    lock_take(&gic->lock);
    gic->vcpus = standin_vm.soc.vcpus;
    lock_drop(&gic->lock);
}

/* GICR_WAKER is the guest's alone, and nobody who restores a machine writes it: it is out of reset
 * awake. */
static void wake_redistributors(struct gic_state *state)
{
    for (unsigned i = 0; i < state->vcpus; i++)
        state->redist[i].waker = 0;
}

void standin_gic_vcpu_created(struct standin_vcpu *v)
{
    struct gic *gic = standin_vm.soc.gic;
    struct gic_vcpu *frame = &gic->vcpu[v->index];

    lock_take(&gic->lock);
    frame->bank = (struct gic_bank){ .edge = 0xffff };
    frame->waker = 0;
    gic_update(gic, v->index);
    lock_drop(&gic->lock);
}

/* The registers of the CPU interfaces stay: they are the vCPUs'. So do the lines: a device drives
 * them as before. */
hv_return_t hv_gic_reset(void)
{
    struct standin *vm = &standin_vm;
    struct gic_state state, old;
    int rc;

    if (!vm->exists || !vm->soc.gic)
        return HV_NO_DEVICE;
    standin_pause();
    gic_get_state(vm->soc.gic, &old);
    gic_state_reset(&state, old.vcpus);
    memcpy(state.line_level, old.line_level, sizeof(state.line_level));
    for (unsigned i = 0; i < old.vcpus; i++)
        state.redist[i].line_level = old.redist[i].line_level;
    wake_redistributors(&state);
    rc = gic_set_state(vm->soc.gic, &state, NULL);
    standin_resume();
    return rc < 0 ? HV_ERROR : HV_SUCCESS;
}

/* ---- sizes ---- */

static hv_return_t answer(size_t *ret, size_t value)
{
    if (!ret)
        return HV_BAD_ARGUMENT;
    *ret = value;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_distributor_size(size_t *size)
{
    return answer(size, DIST_BYTES);
}

hv_return_t hv_gic_get_distributor_base_alignment(size_t *alignment)
{
    return answer(alignment, ALIGNMENT);
}

hv_return_t hv_gic_get_redistributor_region_size(size_t *size)
{
    return answer(size, REGION_BYTES);
}

hv_return_t hv_gic_get_redistributor_size(size_t *size)
{
    return answer(size, REDIST_BYTES);
}

hv_return_t hv_gic_get_redistributor_base_alignment(size_t *alignment)
{
    return answer(alignment, ALIGNMENT);
}

hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *base, uint32_t *count)
{
    if (!base || !count)
        return HV_BAD_ARGUMENT;
    *base = SPI_FIRST;
    *count = SPI_COUNT;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid)
{
    if (interrupt != HV_GIC_INT_EL1_VIRTUAL_TIMER && interrupt != HV_GIC_INT_EL1_PHYSICAL_TIMER)
        return HV_BAD_ARGUMENT;
    *intid = interrupt;
    return HV_SUCCESS;
}

hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu, hv_ipa_t *base)
{
    struct standin_vcpu *v;
    hv_return_t rc = standin_own(vcpu, &v);

    if (rc != HV_SUCCESS)
        return rc;
    if (!standin_vm.soc.gic)
        return HV_NO_DEVICE;
    *base = standin_vm.redist_base + v->index * REDIST_BYTES;
    return HV_SUCCESS;
}

/* ---- lines ---- */

static bool is_edge(struct gic *gic, uint32_t intid)
{
    bool edge;

    lock_take(&gic->lock);
    edge = gic->spi[intid / 32].edge >> intid % 32 & 1;
    lock_drop(&gic->lock);
    return edge;
}

/* Edge-triggered: true is a pulse, false nothing. */
hv_return_t hv_gic_set_spi(uint32_t intid, bool level)
{
    struct gic *gic = standin_vm.soc.gic;
    unsigned spi = intid - SPI_FIRST;

    if (!standin_vm.exists || !gic)
        return HV_NO_DEVICE;
    if (spi >= SPI_COUNT)
        return HV_BAD_ARGUMENT;
    if (spi >= GIC_SPIS)
        return HV_SUCCESS;
    if (!is_edge(gic, intid)) {
        gic_set_spi(gic, spi, level);
    } else if (level) {
        gic_set_spi(gic, spi, true);
        gic_set_spi(gic, spi, false);
    }
    return HV_SUCCESS;
}

/* ---- registers ---- */

/* The distributor's that the framework has: no IIDR, TYPER2, IGRPMODR, NSACR, STATUSR, SETSPI. The
 * number of bytes, or 0. */
static unsigned dist_reg_size(uint64_t reg)
{
    if (reg >= DIST_ROUTER + 8 * 32 && reg < DIST_ROUTER + 8 * 1020)
        return reg % 8 ? 0 : 8;
    if (reg % 4)
        return 0;
    if (reg == DIST_CTLR || reg == DIST_TYPER || reg == PIDR2)
        return 4;
    return (reg >= 0x80 && reg < 0x7fc) || (reg >= 0xc00 && reg < 0xd00) ? 4 : 0;
}

static uint64_t dist_read(uint64_t reg, unsigned size)
{
    uint64_t value = gic_dist_read(standin_vm.soc.gic, reg, size);

    return reg == DIST_TYPER ? (value & ~BITS(4, 0)) | TYPER_LINES : value;
}

hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value)
{
    unsigned size = dist_reg_size(reg);

    if (!standin_vm.exists || !standin_vm.soc.gic)
        return HV_NO_DEVICE;
    if (!size || !value)
        return HV_BAD_ARGUMENT;
    *value = dist_read(reg, size);
    return HV_SUCCESS;
}

/* That read-only registers are refused is our choice. */
hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t value)
{
    unsigned size = dist_reg_size(reg);

    if (!standin_vm.exists || !standin_vm.soc.gic)
        return HV_NO_DEVICE;
    if (!size || reg == DIST_TYPER || reg == PIDR2)
        return HV_BAD_ARGUMENT;
    if (reg == DIST_CTLR && (value & ~DIST_CTLR_MAY))
        return HV_BAD_ARGUMENT;
    gic_dist_write(standin_vm.soc.gic, reg, size, value);
    return HV_SUCCESS;
}

/* The same of a redistributor: no CTLR, WAKER, PROPBASER, PENDBASER. */
static unsigned redist_reg_size(uint32_t reg)
{
    uint32_t off = reg - REDIST_FRAME;

    if (reg == REDIST_TYPER)
        return 8;
    if (reg == PIDR2)
        return 4;
    if (reg < REDIST_FRAME || off % 4)
        return 0;
    if (off >= 0x80 && off < 0x400)
        return off % 0x80 ? 0 : 4;
    return (off >= 0x400 && off < 0x420) || off == 0xc00 || off == 0xc04 ? 4 : 0;
}

static hv_return_t own_redist(hv_vcpu_t vcpu, uint32_t reg, struct standin_vcpu **ret_vcpu)
{
    hv_return_t rc = standin_own(vcpu, ret_vcpu);

    if (rc != HV_SUCCESS)
        return rc;
    if (!standin_vm.soc.gic)
        return HV_NO_DEVICE;
    return redist_reg_size(reg) ? HV_SUCCESS : HV_BAD_ARGUMENT;
}

hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t *value)
{
    struct standin_vcpu *v;
    hv_return_t rc = own_redist(vcpu, reg, &v);

    if (rc == HV_SUCCESS)
        *value = gic_redist_read(standin_vm.soc.gic, v->index * REDIST_BYTES + reg,
                                 redist_reg_size(reg));
    return rc;
}

hv_return_t hv_gic_set_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                         uint64_t value)
{
    struct standin_vcpu *v;
    hv_return_t rc = own_redist(vcpu, reg, &v);

    if (rc != HV_SUCCESS)
        return rc;
    if (reg == REDIST_TYPER || reg == PIDR2)
        return HV_BAD_ARGUMENT;
    gic_redist_write(standin_vm.soc.gic, v->index * REDIST_BYTES + reg, redist_reg_size(reg),
                     value);
    return HV_SUCCESS;
}

#define ICC_PMR SYSREG(3, 0, 4, 6, 0)
#define ICC_RPR SYSREG(3, 0, 12, 11, 3)

/* Those that hold state, and the running priority. */
static bool is_icc(hv_gic_icc_reg_t reg)
{
    switch (reg) {
    case ICC_PMR:
    case ICC_RPR:
    case SYSREG(3, 0, 12, 8, 3):  /* BPR0 */
    case SYSREG(3, 0, 12, 8, 4):  /* AP0R0 */
    case SYSREG(3, 0, 12, 9, 0):  /* AP1R0 */
    case SYSREG(3, 0, 12, 12, 3): /* BPR1 */
    case SYSREG(3, 0, 12, 12, 4): /* CTLR */
    case SYSREG(3, 0, 12, 12, 5): /* SRE */
    case SYSREG(3, 0, 12, 12, 6): /* IGRPEN0 */
    case SYSREG(3, 0, 12, 12, 7): /* IGRPEN1 */
        return true;
    default: /* ICC_SRE_EL2, too: there is no EL2 */
        return false;
    }
}

static hv_return_t own_icc(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, struct standin_vcpu **ret_vcpu)
{
    hv_return_t rc = standin_own(vcpu, ret_vcpu);

    if (rc != HV_SUCCESS)
        return rc;
    if (!standin_vm.soc.gic)
        return HV_NO_DEVICE;
    return is_icc(reg) ? HV_SUCCESS : HV_BAD_ARGUMENT;
}

hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t *value)
{
    struct standin_vcpu *v;
    hv_return_t rc = own_icc(vcpu, reg, &v);

    if (rc == HV_SUCCESS && !gic_icc_read(standin_vm.soc.gic, v->index, reg, value))
        return HV_BAD_ARGUMENT;
    return rc;
}

hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t value)
{
    struct standin_vcpu *v;
    hv_return_t rc = own_icc(vcpu, reg, &v);

    if (rc == HV_SUCCESS && !gic_icc_write(standin_vm.soc.gic, v->index, reg, value))
        return HV_BAD_ARGUMENT;
    return rc;
}

/* ---- the guest's accesses ---- */

static uint64_t read_window(const struct standin *vm, hv_ipa_t ipa, unsigned size)
{
    if (ipa - vm->dist_base < DIST_BYTES)
        return dist_read(ipa - vm->dist_base, size);
    return gic_redist_read(vm->soc.gic, ipa - vm->redist_base, size);
}

static void write_window(const struct standin *vm, hv_ipa_t ipa, unsigned size, uint64_t value)
{
    if (ipa - vm->dist_base < DIST_BYTES)
        gic_dist_write(vm->soc.gic, ipa - vm->dist_base, size, value);
    else
        gic_redist_write(vm->soc.gic, ipa - vm->redist_base, size, value);
}

/* By the syndrome alone: what a Mac does with an instruction that has none, nobody has said; here
 * it comes out. */
bool standin_gic_access(struct standin_vcpu *v)
{
    const struct standin *vm = &standin_vm;
    uint64_t esr = v->exit->exception.syndrome, value;
    hv_ipa_t ipa = v->exit->exception.physical_address;
    unsigned size = 1u << FIELD_GET(ISS_DABT_SAS, esr);
    unsigned rt = (unsigned)FIELD_GET(ISS_DABT_SRT, esr);
    struct cpu *c = v->cpu;

    if (!vm->soc.gic || FIELD_GET(ESR_EC, esr) != EC_DABT_LOWER || !(esr & ISS_DABT_ISV))
        return false;
    if (ipa - vm->dist_base >= DIST_BYTES && ipa - vm->redist_base >= vm->soc.vcpus * REDIST_BYTES)
        return false;
    if (esr & ISS_DABT_WNR) {
        write_window(vm, ipa, size, rt == 31 ? 0 : c->x[rt] & low_mask(8 * size));
    } else {
        value = read_window(vm, ipa, size);
        if (esr & ISS_DABT_SSE)
            value = (uint64_t)sign_extend(value, 8 * size);
        if (rt != 31)
            c->x[rt] = esr & ISS_DABT_SF ? value : (uint32_t)value;
    }
    c->pc += 4;
    return true;
}
