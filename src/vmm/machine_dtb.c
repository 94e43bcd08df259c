/*
 * The device tree: bindings as the kernel documents them (arm,gic-v3, arm,armv8-timer, arm,psci),
 * one node a device, added by the device itself.
 */
#include "vmm/machine_dtb.h"

#include <errno.h>
#include <stdio.h>

#include "arch/addrmap.h"
#include "arch/dtb.h"

#define COMMAND_LINE_MAX 2048 /* COMMAND_LINE_SIZE of arm64 Linux */
#define APB_CLOCK_HZ     24000000

enum { GIC_PPI = 1, IRQ_LEVEL_HIGH = 4 };

/* "r": the guest's tty uses RTS, so that what is pasted faster than a program reads it waits in the
 * host instead of being dropped by the guest's line discipline. */
#define CONSOLE "console=ttyS0,115200n8r"

/* What an engine cannot hide from the guest, the guest is asked not to use. */
#define NO_EXTENSIONS "arm64.nopauth arm64.nobti arm64.nosve arm64.nosme arm64.nomte"

static int dtb_chosen(struct machine *machine, struct dtb *dtb, struct err *err)
{
    const struct machine_config *config = &machine->config;
    bool hide = !(machine->hv->caps & HV_CAP_EXACT_CPU) && !strcmp(config->cpu, "portable");
    struct dtb_node node = dtb_node_begin(dtb, "chosen");
    char line[COMMAND_LINE_MAX];
    uint8_t seed[64];
    uint64_t kaslr;
    int len;

    len = snprintf(line, sizeof(line), CONSOLE "%s%s%s", hide ? " " NO_EXTENSIONS : "",
                   *config->append ? " " : "", config->append);
    if (len < 0 || (size_t)len >= sizeof(line))
        return err_set(err, E2BIG, "--append: the command line is longer than %d bytes",
                       COMMAND_LINE_MAX - 1);
    dtb_prop_str(&node, "bootargs", line);
    dtb_prop_str(&node, "stdout-path", "/serial@9000000");
    entropy_fill(&machine->entropy, &kaslr, sizeof(kaslr));
    dtb_prop_u64(&node, "kaslr-seed", kaslr);
    entropy_fill(&machine->entropy, seed, sizeof(seed));
    dtb_prop_bytes(&node, "rng-seed", seed, sizeof(seed));
    if (machine->boot.initrd) {
        dtb_prop_u64(&node, "linux,initrd-start", machine->boot.initrd);
        dtb_prop_u64(&node, "linux,initrd-end", machine->boot.initrd + machine->boot.initrd_len);
    }
    dtb_node_end(&node);
    return 0;
}

static void dtb_memory(struct machine *machine, struct dtb *dtb)
{
    for (unsigned i = 0; i < machine->mem->count; i++) {
        const struct gmem_region *region = &machine->mem->regions[i];
        struct dtb_node node;
        char name[32];

        if (!region->is_ram)
            continue;
        snprintf(name, sizeof(name), "memory@%llx", (unsigned long long)region->gpa);
        node = dtb_node_begin(dtb, name);
        dtb_prop_str(&node, "device_type", "memory");
        dtb_prop_reg(&node, region->gpa, region->size);
        dtb_node_end(&node);
    }
}

static void dtb_cpus(struct machine *machine, struct dtb *dtb)
{
    struct dtb_node cpus = dtb_node_begin(dtb, "cpus");

    dtb_prop_u32(&cpus, "#address-cells", 1);
    dtb_prop_u32(&cpus, "#size-cells", 0);
    for (unsigned i = 0; i < machine->config.vcpus; i++) {
        struct dtb_node cpu;
        char name[32];

        snprintf(name, sizeof(name), "cpu@%llx", (unsigned long long)map_mpidr(i));
        cpu = dtb_node_begin(dtb, name);
        dtb_prop_str(&cpu, "device_type", "cpu");
        dtb_prop_str(&cpu, "compatible", "arm,armv8");
        dtb_prop_u32(&cpu, "reg", (uint32_t)map_mpidr(i));
        dtb_prop_str(&cpu, "enable-method", "psci");
        dtb_node_end(&cpu);
    }
    dtb_node_end(&cpus);
}

static void dtb_psci(struct dtb *dtb)
{
    struct dtb_node node = dtb_node_begin(dtb, "psci");

    dtb_prop_strs(&node, "compatible", (const char *const[]){ "arm,psci-1.0", "arm,psci-0.2", 0 });
    dtb_prop_str(&node, "method", "hvc");
    dtb_node_end(&node);
}

static void dtb_timer(struct dtb *dtb)
{
    /* Secure physical, physical, virtual, hypervisor; a PPI is counted from INTID 16. */
    static const uint32_t ppis[] = {
        GIC_PPI,        29 - 16,       IRQ_LEVEL_HIGH,      GIC_PPI,        MAP_PPI_PTIMER - 16,
        IRQ_LEVEL_HIGH, GIC_PPI,       MAP_PPI_VTIMER - 16, IRQ_LEVEL_HIGH, GIC_PPI,
        26 - 16,        IRQ_LEVEL_HIGH
    };
    struct dtb_node node = dtb_node_begin(dtb, "timer");

    dtb_prop_str(&node, "compatible", "arm,armv8-timer");
    dtb_prop_cells(&node, "interrupts", ppis, ARRAY_LEN(ppis));
    dtb_prop_empty(&node, "always-on");
    dtb_node_end(&node);
}

static void dtb_gic(struct machine *machine, struct dtb *dtb)
{
    uint64_t redist = MAP_GICR_STRIDE * machine->config.vcpus;
    uint32_t reg[] = { 0, (uint32_t)MAP_GICD_BASE, 0, (uint32_t)MAP_GICD_SIZE,
                       0, (uint32_t)MAP_GICR_BASE, 0, (uint32_t)redist };
    struct dtb_node node = dtb_node_begin(dtb, "interrupt-controller@8000000");

    dtb_prop_str(&node, "compatible", "arm,gic-v3");
    dtb_prop_empty(&node, "interrupt-controller");
    dtb_prop_u32(&node, "#interrupt-cells", 3);
    dtb_prop_u32(&node, "#address-cells", 2);
    dtb_prop_u32(&node, "#size-cells", 2);
    dtb_prop_cells(&node, "reg", reg, ARRAY_LEN(reg));
    dtb_prop_u32(&node, "phandle", DTB_PHANDLE_GIC);
    dtb_node_end(&node);
}

static void dtb_clock(struct dtb *dtb)
{
    struct dtb_node node = dtb_node_begin(dtb, "apb-pclk");

    dtb_prop_str(&node, "compatible", "fixed-clock");
    dtb_prop_u32(&node, "#clock-cells", 0);
    dtb_prop_u32(&node, "clock-frequency", APB_CLOCK_HZ);
    dtb_prop_str(&node, "clock-output-names", "clk24mhz");
    dtb_prop_u32(&node, "phandle", DTB_PHANDLE_CLOCK);
    dtb_node_end(&node);
}

static int dtb_fill(struct machine *machine, struct dtb *dtb, struct err *err)
{
    struct dtb_node tree = dtb_node_begin(dtb, "");
    int rc;

    dtb_prop_str(&tree, "compatible", "linux,dummy-virt");
    dtb_prop_str(&tree, "model", "ignition");
    dtb_prop_u32(&tree, "#address-cells", 2);
    dtb_prop_u32(&tree, "#size-cells", 2);
    dtb_prop_u32(&tree, "interrupt-parent", DTB_PHANDLE_GIC);
    rc = dtb_chosen(machine, dtb, err);
    if (rc < 0)
        return rc;
    dtb_memory(machine, dtb);
    dtb_cpus(machine, dtb);
    dtb_psci(dtb);
    dtb_timer(dtb);
    dtb_gic(machine, dtb);
    dtb_clock(dtb);
    for (unsigned i = 0; i < machine->bus.count; i++) {
        struct dev *dev = machine->bus.devs[i];
        rc = dev->ops->fdt ? dev->ops->fdt(dev, &tree) : 0;
        if (rc < 0)
            return err_set(err, -rc, "device tree: node of %s: %s", dev->ops->name, strerror(-rc));
    }
    dtb_node_end(&tree);
    return 0;
}

int machine_dtb_write(struct machine *machine, struct err *err)
{
    struct dtb *dtb;
    const void *blob;
    size_t len;
    int rc = dtb_create(&dtb, err);

    if (rc < 0)
        return rc;
    rc = dtb_fill(machine, dtb, err);
    if (rc == 0)
        rc = dtb_finish(dtb, &blob, &len, err);
    if (rc == 0) {
        rc = gmem_write(machine->mem, machine->boot.dtb, blob, len);
        if (rc < 0)
            err_set(err, -rc, "device tree: no room at %#llx",
                    (unsigned long long)machine->boot.dtb);
    }
    dtb_destroy(dtb);
    return rc;
}
