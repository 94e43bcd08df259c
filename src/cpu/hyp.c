/* Exceptions that go to EL2 (Arm DDI 0487, D1.3.6 and D8.14). */
#include "cpu/hyp.h"

#include "cpu/insn.h"
#include "cpu/soc.h"

#define FAULT_LEVEL 3u /* every fault of stage 2 is reported so: that of a page */

void hyp_take(struct cpu *c, uint64_t esr, gva_t far, gpa_t ipa)
{
    c->trap =
        (struct cpu_trap){ .esr = esr, .far = far, .ipa = ipa, .raw = c->insn ? c->insn->raw : 0 };
    c->pc = cpu_pc(c);
    c->stop = CPU_STOP_TRAP;
    cpu_escape(c, CPU_ESCAPE_STOP);
}

/* An atomic operation on what may not even be read is reported as a read (ISS.WnR). */
static bool is_write(const struct cpu *c, const struct soc_range *range, gpa_t ipa,
                     enum mmu_access access)
{
    if (access != MMU_ATOMIC)
        return access == MMU_WRITE;
    return range && (soc_prot(c->soc, range, ipa) & SOC_READ);
}

void hyp_abort(struct cpu *c, gva_t far, gpa_t ipa, enum mmu_access access, uint32_t iss)
{
    const struct soc_range *range = soc_find(c->soc, ipa);
    enum esr_ec ec = access == MMU_EXEC ? EC_IABT_LOWER : EC_DABT_LOWER;

    iss |= (range ? FSC_PERMISSION : FSC_TRANSLATION) | FAULT_LEVEL;
    if (!(iss & ISS_DABT_S1PTW) && is_write(c, range, ipa, access))
        iss |= ISS_DABT_WNR;
    hyp_take(c, hyp_esr(ec, iss), far, ipa);
}

void hyp_check_walk(struct cpu *c, gva_t far, gpa_t ipa, enum mmu_access access, unsigned fsc)
{
    if ((fsc & ~FSC_LEVEL) == FSC_EXTERNAL_WALK)
        hyp_abort(c, far, ipa, access, ISS_DABT_S1PTW);
}
