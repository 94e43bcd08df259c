/* A machine on a real KVM for tests of the engine: some RAM, one vCPU, small bare programs. */
#pragma once

#include "hv/hv.h"
#include "unit/test.h"

#define RAM_SIZE (2 * MIB)
/* Where the programs of a test go. Each has addresses that no other uses: the emulator that the lab
 * runs on now and then goes on with what it translated there before. */
#define CODE       MAP_RAM_BASE
#define CODE_DIRTY (MAP_RAM_BASE + 16 * KIB)
#define CODE_CALLS (MAP_RAM_BASE + 32 * KIB)
#define DATA       (MAP_RAM_BASE + 64 * KIB)
#define DEVICE     MAP_UART_BASE

/* Ends a program: PSCI SYSTEM_OFF. */
__asm__(".macro off\n mov w0, #0x0008\n movk w0, #0x8400, lsl #16\n hvc #0\n b .\n .endm\n");

struct rig {
    struct gmem *mem;
    struct hv *hv;
    struct hv_vcpu *vcpu; /* number 0, or NULL */
    struct err err;
};

static inline void ok(struct rig *f, int rc)
{
    if (rc < 0)
        fail_msg("%s", f->err.msg);
}

/* Guest memory and the machine; the error of a failure is in f->err. */
static inline int rig_machine(struct rig *f, const struct hv_config *config)
{
    struct hv_config own = *config;
    const struct hv_ops *ops;
    int rc;

    memset(f, 0, sizeof(*f));
    if (gmem_create(&f->mem, &f->err) < 0 ||
        gmem_add(f->mem, MAP_RAM_BASE, RAM_SIZE, true, &f->err) < 0)
        return -1;
    own.mem = f->mem;
    rc = hv_find("kvm", &ops, &f->err);
    if (rc == 0)
        rc = ops->create(&own, &f->hv, &f->err);
    return rc < 0 ? rc
                  : ops->map(f->hv, MAP_RAM_BASE, f->mem->regions[0].host, RAM_SIZE,
                             HV_READ | HV_WRITE | HV_EXEC, &f->err);
}

static inline int rig_open(struct rig *f, const struct hv_config *config)
{
    int rc = rig_machine(f, config);

    return rc < 0 ? rc : f->hv->ops->vcpu_create(f->hv, 0, &f->vcpu, &f->err);
}

static inline void rig_close(struct rig *f)
{
    if (f->vcpu)
        f->hv->ops->vcpu_destroy(f->vcpu);
    if (f->hv)
        f->hv->ops->destroy(f->hv);
    gmem_destroy(f->mem);
    memset(f, 0, sizeof(*f));
}

static inline int setup(void **state)
{
    static struct rig rig;
    int rc = rig_open(&rig, &(struct hv_config){ .vcpus = 1, .cpu = "portable" });

    if (rc < 0)
        print_error("%s\n", rig.err.msg);
    *state = &rig;
    return rc;
}

static inline int teardown(void **state)
{
    rig_close(*state);
    return 0;
}

static inline struct vcpu_state get(struct rig *f)
{
    struct vcpu_state state;

    ok(f, f->hv->ops->vcpu_get(f->vcpu, &state, &f->err));
    return state;
}

/* Registers of a program at pc. */
static inline struct vcpu_state entry(gpa_t pc)
{
    struct vcpu_state state;

    vcpu_state_reset(&state);
    state.pc = pc;
    state.x[0] = DATA;
    state.x[1] = DEVICE;
    return state;
}

static inline struct hv_exit *run(struct rig *f)
{
    static struct hv_exit exit;

    f->hv->ops->run(f->vcpu, &exit);
    if (exit.kind == HV_EXIT_ERROR)
        fail_msg("%s", exit.reason);
    return &exit;
}
