/* A machine whose disk is slow: pause, restart and end wait for what is in flight. */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "../dev/virtio_driver.h"
#include "base/clock.h"
#include "base/fd.h"
#include "vmm/machine_int.h"

#define HEADER VD_DATA
#define STATUS (VD_DATA + 16)
#define BUFFER (VD_DATA + 0x1000)
#define MARKER (VD_DATA + 0x9000) /* gone when RAM is cleared */
#define WRITES 3

/* The host's write, in place of the C library's: stays inside while the gate is shut. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
static bool gate_shut;
static unsigned inside;

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
    ssize_t done;

    pthread_mutex_lock(&gate_lock);
    inside++;
    pthread_cond_broadcast(&gate_cond);
    while (gate_shut)
        pthread_cond_wait(&gate_cond, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
    done = pwrite(fd, iov[0].iov_base, iov[0].iov_len, off);
    pthread_mutex_lock(&gate_lock);
    inside--;
    pthread_mutex_unlock(&gate_lock);
    return done;
}

static void gate_set(bool shut)
{
    pthread_mutex_lock(&gate_lock);
    gate_shut = shut;
    pthread_cond_broadcast(&gate_cond);
    pthread_mutex_unlock(&gate_lock);
}

static unsigned gate_inside(void)
{
    unsigned count;

    pthread_mutex_lock(&gate_lock);
    count = inside;
    pthread_mutex_unlock(&gate_lock);
    return count;
}

static void gate_wait(unsigned count)
{
    pthread_mutex_lock(&gate_lock);
    while (inside < count)
        pthread_cond_wait(&gate_cond, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

struct rig {
    struct machine *machine;
    struct vd vd; /* the driver is this thread: the guest's vCPU sleeps */
    struct thread run, pause;
    int code_fd, disk_fd;
    unsigned inside; /* when the pause was complete */
};

static int temporary(void)
{
    char path[] = "/tmp/ignition-test-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static void run_main(void *arg)
{
    struct rig *rig = arg;

    assert_int_equal(machine_run(rig->machine, NULL), MACHINE_STOPPED);
}

static void rig_init_as(struct rig *rig, bool deterministic)
{
    static const uint32_t sleep_for_ever[] = { 0xd503207f, 0x17ffffff }; /* wfi; b . - 4 */
    struct machine_config config = {
        .cpu = "portable",
        .vcpus = 1,
        .mem_bytes = 16 * MIB,
        .initramfs.fd = -1,
        .format = IMAGE_RAW,
        .append = "",
        .console = { .in = -1, .out = -1 },
        .drive_count = 1,
        .deterministic = deterministic,
        .start_ns = clock_mono_ns(),
    };
    struct err err;

    memset(rig, 0, sizeof(*rig));
    rig->code_fd = temporary();
    rig->disk_fd = temporary();
    assert_int_equal(ftruncate(rig->disk_fd, 64 * KIB), 0);
    assert_int_equal(fd_pwrite_full(rig->code_fd, sleep_for_ever, sizeof(sleep_for_ever), 0), 0);
    config.kernel = (struct machine_file){ rig->code_fd, "code" };
    config.drives[0] =
        (struct machine_drive){ .file = { rig->disk_fd, "disk" }, .layer = { -1, NULL } };
    assert_int_equal(hv_find("soft", &config.engine, NULL), 0);
    if (machine_create(&config, &rig->machine, &err) < 0)
        fail_msg("%s", err.msg);
    rig->vd.bus = rig->machine->bus;
    rig->vd.mem = rig->machine->mem;
    assert_int_equal(thread_start(&rig->run, "machine", run_main, rig), 0);
}

static void rig_init(struct rig *rig)
{
    rig_init_as(rig, false);
}

static void rig_fini(struct rig *rig)
{
    machine_stop(rig->machine);
    thread_join(&rig->run);
    machine_destroy(rig->machine);
    close(rig->code_fd);
    close(rig->disk_fd);
}

/* Writes that stay inside of the host. */
static void begin_writes(struct rig *rig)
{
    uint8_t *header = vd_at(&rig->vd, HEADER);

    gate_set(true);
    vd_start(&rig->vd, 0, 16, 1);
    store_le32(header, 1); /* VIRTIO_BLK_T_OUT */
    store_le64(header + 8, 0);
    *vd_at(&rig->vd, MARKER) = 1;
    for (unsigned i = 0; i < WRITES; i++) {
        unsigned at = 3 * i;

        *vd_at(&rig->vd, STATUS + i) = 0xff;
        vd_desc(&rig->vd, 0, at, HEADER, 16, VD_NEXT, (uint16_t)(at + 1));
        vd_desc(&rig->vd, 0, at + 1, BUFFER, 512, VD_NEXT, (uint16_t)(at + 2));
        vd_desc(&rig->vd, 0, at + 2, STATUS + i, 1, VD_WRITE, 0);
        vd_offer(&rig->vd, 0, (uint16_t)at);
    }
    vd_kick(&rig->vd, 0);
    gate_wait(WRITES);
}

/* Give others the time to do what they must not do. */
static void linger(void)
{
    for (unsigned i = 0; i < 2000; i++)
        sched_yield();
}

static void pause_main(void *arg)
{
    struct rig *rig = arg;

    machine_pause(rig->machine);
    rig->inside = gate_inside();
}

static struct virtio *drive(struct rig *rig)
{
    unsigned i = 0;

    while (rig->vd.bus.devs[i]->gpa != VD_BASE)
        i++;
    return container_of(rig->vd.bus.devs[i], struct virtio, dev);
}

static void test_a_pause_waits_for_requests_in_flight(void **state)
{
    struct state_buf buf = { 0 };
    struct virtio *v;
    struct rig rig;
    struct err err;

    rig_init(&rig);
    begin_writes(&rig);
    assert_int_equal(thread_start(&rig.pause, "pause", pause_main, &rig), 0);
    linger();
    gate_set(false);
    thread_join(&rig.pause);
    assert_int_equal(rig.inside, 0);
    v = drive(&rig);
    assert_int_equal(v->queues[0].next_avail, WRITES);
    assert_int_equal(v->queues[0].next_used, WRITES);
    for (unsigned i = 0; i < WRITES; i++)
        assert_int_equal(*vd_at(&rig.vd, STATUS + i), 0);
    assert_int_equal(machine_save(rig.machine, &buf, &err), 0);
    state_buf_fini(&buf);
    machine_resume(rig.machine);
    rig_fini(&rig);
}

static bool drive_line(struct machine *machine)
{
    const unsigned intid = GIC_FIRST_SPI + MAP_SPI_VIRTIO0;
    struct gic_state *gic = calloc(1, sizeof(*gic));
    bool level;

    assert_int_equal(machine->hv->ops->gic_get(machine->hv, gic, NULL), 0);
    level = gic->line_level[intid / 32] & BIT(intid % 32);
    free(gic);
    return level;
}

/* Saved between a driver's offer and its kick. A deterministic machine serves the request when it
 * is loaded; its interrupt is there when the guest goes on. */
static void test_a_load_keeps_the_interrupt_of_what_it_serves(void **state)
{
    struct state_buf buf = { 0 };
    struct rig from, to;
    struct err err;
    uint8_t *header;

    rig_init_as(&from, true);
    rig_init_as(&to, true);
    machine_pause(from.machine);
    machine_pause(to.machine);
    header = vd_at(&from.vd, HEADER);
    vd_start(&from.vd, 0, 16, 1);
    store_le32(header, 0); /* VIRTIO_BLK_T_IN */
    store_le64(header + 8, 0);
    *vd_at(&from.vd, STATUS) = 0xff;
    vd_desc(&from.vd, 0, 0, HEADER, 16, VD_NEXT, 1);
    vd_desc(&from.vd, 0, 1, BUFFER, 512, VD_NEXT | VD_WRITE, 2);
    vd_desc(&from.vd, 0, 2, STATUS, 1, VD_WRITE, 0);
    vd_offer(&from.vd, 0, 0);
    assert_int_equal(machine_save(from.machine, &buf, &err), 0);
    memcpy(vd_at(&to.vd, VD_RAM), vd_at(&from.vd, VD_RAM), VD_RAM_SIZE);
    if (machine_load(to.machine, buf.data, buf.len, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(*vd_at(&to.vd, STATUS), 0);
    assert_true(drive_line(to.machine));
    state_buf_fini(&buf);
    machine_resume(from.machine);
    machine_resume(to.machine);
    rig_fini(&from);
    rig_fini(&to);
}

static void test_a_restart_waits_for_requests_in_flight(void **state)
{
    const volatile uint8_t *marker;
    struct rig rig;

    rig_init(&rig);
    begin_writes(&rig);
    marker = vd_at(&rig.vd, MARKER);
    machine_reset(rig.machine);
    linger();
    assert_int_equal(*marker, 1);
    assert_int_equal(gate_inside(), WRITES);
    gate_set(false);
    while (*marker)
        sched_yield();
    assert_int_equal(gate_inside(), 0);
    rig_fini(&rig);
}

/* An interrupt of the old machine's must not come when its controller is gone. */
static void test_requests_end_as_a_restart_begins(void **state)
{
    for (unsigned i = 0; i < 20; i++) {
        const volatile uint8_t *marker;
        struct rig rig;

        rig_init(&rig);
        begin_writes(&rig);
        marker = vd_at(&rig.vd, MARKER);
        machine_reset(rig.machine);
        gate_set(false);
        while (*marker)
            sched_yield();
        assert_int_equal(gate_inside(), 0);
        rig_fini(&rig);
    }
}

static void test_the_end_waits_for_requests_in_flight(void **state)
{
    struct rig rig;

    rig_init(&rig);
    begin_writes(&rig);
    machine_stop(rig.machine);
    linger();
    assert_int_equal(gate_inside(), WRITES);
    gate_set(false);
    thread_join(&rig.run);
    assert_int_equal(gate_inside(), 0);
    rig_fini(&rig);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pause_waits_for_requests_in_flight),
        cmocka_unit_test(test_a_load_keeps_the_interrupt_of_what_it_serves),
        cmocka_unit_test(test_a_restart_waits_for_requests_in_flight),
        cmocka_unit_test(test_requests_end_as_a_restart_begins),
        cmocka_unit_test(test_the_end_waits_for_requests_in_flight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
