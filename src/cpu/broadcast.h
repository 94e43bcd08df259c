/*
 * TLB and instruction cache maintenance that reaches the other vCPUs (Arm DDI 0487, D8.17 and
 * B2.7).
 *
 * The sender puts what is to be forgotten into each vCPU's ring and asks it to look at its next
 * block edge; the sender's DSB waits until all have. A vCPU that is outside cpu_run() (asleep in
 * WFI, in a device access, paused, off) counts as done: it looks before it executes anything again.
 * Who waits holds no lock, answers its own ring, and leaves when it is kicked, so two that wait for
 * each other, or for one that is being paused, do not stand still.
 *
 * Maintenance by ASID goes only to vCPUs whose TLB has a context for that ASID (tlb_has_asid()), of
 * code only to those that have executed from the page (code_may_have()).
 *
 * Threads: those of the vCPUs.
 */
#pragma once

#include "base/thread.h"
#include "mem/gmem.h"

enum broadcast_what {
    BROADCAST_TLB_ALL,
    BROADCAST_TLB_ASID,  /* arg: the ASID */
    BROADCAST_TLB_VA,    /* arg: a virtual address of any ASID */
    BROADCAST_CODE_PAGE, /* arg: guest-physical page whose instructions are to be read again */
    BROADCAST_CODE_ALL,
};

#define BROADCAST_RING 32

struct broadcast_item {
    enum broadcast_what what;
    uint64_t arg;
};

struct broadcast_ring {
    struct lock lock; /* item, count, all_*; calls nothing */
    struct broadcast_item item[BROADCAST_RING];
    unsigned count;
    bool all_tlb, all_code;  /* what did not fit, and what needs no items */
    _Atomic uint64_t posted; /* advances with each post */
    _Atomic uint64_t done;   /* posted, as of the last time the ring was emptied */
};

struct cpu;

void broadcast_init(struct broadcast_ring *ring);
void broadcast_fini(struct broadcast_ring *ring);

/* Post to every other vCPU; c's own maintenance is the caller's. */
void broadcast_send(struct cpu *c, enum broadcast_what what, uint64_t arg);

/* The same, to those that may hold translations of this ASID. */
void broadcast_send_asid(struct cpu *c, enum broadcast_what what, uint64_t arg, uint16_t asid);

/* BROADCAST_CODE_PAGE, to those that may have instructions of that page. */
void broadcast_send_code(struct cpu *c, gpa_t page);

/* Do what is in c's own ring. Between instructions. */
void broadcast_answer(struct cpu *c);

/* DSB: wait until every other vCPU has done what c has sent. Between instructions. Returns false
 * when c was kicked before that: the caller comes again when it runs next. */
bool broadcast_wait(struct cpu *c);
