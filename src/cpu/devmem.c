/*
 * Device accesses. One that the VMM has to answer ends the instruction; when it runs again the
 * answers so far are handed out in the order they were asked for (struct mmio_replay).
 */
#include "cpu/devmem.h"

#include "cpu/exc.h"
#include "cpu/gic.h"
#include "cpu/insn.h"

static bool in_dist(const struct cpu *c, gpa_t gpa)
{
    return c->soc->gic && gpa - MAP_GICD_BASE < MAP_GICD_SIZE;
}

static bool in_redist(const struct cpu *c, gpa_t gpa)
{
    return c->soc->gic && gpa - MAP_GICR_BASE < c->soc->vcpus * MAP_GICR_STRIDE;
}

/* The answer if there is one, or the question to the VMM. */
static uint64_t ask(struct cpu *c, struct mmio_access access)
{
    struct mmio_replay *replay = &c->replay;

    if (replay->next < replay->count) {
        const struct mmio_access *done = &replay->access[replay->next++];

        if (done->gpa == access.gpa && done->size == access.size && done->write == access.write)
            return done->data;
        /* Somebody changed the translation tables meanwhile: what was answered is void. */
        replay->count = replay->next - 1;
    }
    if (replay->count == MMIO_REPLAY_MAX)
        exc_stop(c, "one instruction makes more than %d device accesses, pc %#llx", MMIO_REPLAY_MAX,
                 (unsigned long long)cpu_pc(c));
    c->mmio_pending = access;
    c->stop = CPU_STOP_MMIO;
    c->pc = cpu_pc(c);
    cpu_escape(c, CPU_ESCAPE_STOP);
}

uint64_t devmem_read(struct cpu *c, gpa_t gpa, unsigned size)
{
    if (in_dist(c, gpa))
        return gic_dist_read(c->soc->gic, gpa - MAP_GICD_BASE, size);
    if (in_redist(c, gpa))
        return gic_redist_read(c->soc->gic, gpa - MAP_GICR_BASE, size);
    return ask(c, (struct mmio_access){ .gpa = gpa, .size = (uint8_t)size });
}

void devmem_write(struct cpu *c, gpa_t gpa, unsigned size, uint64_t val)
{
    val &= low_mask(8 * size);
    if (in_dist(c, gpa))
        gic_dist_write(c->soc->gic, gpa - MAP_GICD_BASE, size, val);
    else if (in_redist(c, gpa))
        gic_redist_write(c->soc->gic, gpa - MAP_GICR_BASE, size, val);
    else
        ask(c,
            (struct mmio_access){ .gpa = gpa, .data = val, .size = (uint8_t)size, .write = true });
}
