/* Devices on one side, a CPU that must not see them work on the other: gmem.h. */
#include "mem/gmem.h"

void gmem_gate_make(struct gmem *mem)
{
    if (!mem->gated) /* a machine that starts over has devices that look */
        mem->gated = true;
}

void gmem_gate_shut(struct gmem *mem)
{
    if (!mem->gated)
        return;
    lock_take(&mem->gate_lock);
    while (mem->gate_devices)
        cond_wait(&mem->gate_cond, &mem->gate_lock);
    mem->gate_shut = true;
    lock_drop(&mem->gate_lock);
}

void gmem_gate_open(struct gmem *mem)
{
    if (!mem->gated)
        return;
    lock_take(&mem->gate_lock);
    mem->gate_shut = false;
    cond_broadcast(&mem->gate_cond);
    lock_drop(&mem->gate_lock);
}

void gmem_gate_enter(struct gmem *mem)
{
    if (!mem->gated)
        return;
    lock_take(&mem->gate_lock);
    while (mem->gate_shut)
        cond_wait(&mem->gate_cond, &mem->gate_lock);
    mem->gate_devices++;
    lock_drop(&mem->gate_lock);
}

void gmem_gate_leave(struct gmem *mem)
{
    if (!mem->gated)
        return;
    lock_take(&mem->gate_lock);
    if (!--mem->gate_devices)
        cond_broadcast(&mem->gate_cond);
    lock_drop(&mem->gate_lock);
}
