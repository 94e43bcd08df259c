/* CPU model portable on Hypervisor.framework, which takes many a field and keeps what it had, and
 * does not say which. */
#include "hv/hv_hvf_int.h"
#include "hv/hv_idregs.h"

struct ids {
    struct hv_idregs_vcpu idregs;
    hv_vcpu_t id;
};

static const struct ids *ids_of(const struct hv_idregs_vcpu *idregs)
{
    return container_of(idregs, struct ids, idregs);
}

static bool get(const struct hv_idregs_vcpu *idregs, uint32_t reg, uint64_t *ret_val)
{
    return hv_vcpu_get_sys_reg(ids_of(idregs)->id, (hv_sys_reg_t)reg, ret_val) == HV_SUCCESS;
}

static void set(const struct hv_idregs_vcpu *idregs, uint32_t reg, uint64_t val)
{
    (void)hv_vcpu_set_sys_reg(ids_of(idregs)->id, (hv_sys_reg_t)reg, val);
}

/* Addresses beyond what stage 2 maps are not to be announced. */
static unsigned pa_range(unsigned bits)
{
    static const uint8_t ranges[] = { 32, 36, 40, 42, 44, 48, 52 };
    unsigned range = 0;

    while (range + 1 < ARRAY_LEN(ranges) && ranges[range] < bits)
        range++;
    return range;
}

void hv_hvf_idregs_hide(struct hv_hvf_vcpu *v)
{
    struct ids ids = { .idregs = { .engine = "hvf",
                                   .is_logged = v->vcpu.index == 0,
                                   .pa_range = pa_range(hv_hvf_of(v->vcpu.hv)->ipa_bits),
                                   .get = get,
                                   .set = set },
                       .id = v->id };

    hv_idregs_lower(&ids.idregs);
}
