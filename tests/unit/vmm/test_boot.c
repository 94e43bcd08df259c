/* Where kernel, initramfs and device tree go, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "arch/addrmap.h"
#include "base/fd.h"
#include "vmm/boot.h"

#define RAM_SIZE    (16 * MIB)
#define KERNEL_SIZE (11 * MIB)
#define PLAIN_SIZE  (3 * MIB) /* a quarter of RAM would hold it; what the kernel leaves does not */

static int file_of(const void *data, size_t len)
{
    char path[] = "/tmp/ignition-test-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(fd_pwrite_full(fd, data, len, 0), 0);
    return fd;
}

static size_t pack(const void *data, size_t len, void *packed, size_t max)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data,
                   .avail_in = (unsigned)len,
                   .next_out = packed,
                   .avail_out = (unsigned)max };

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return max - z.avail_out;
}

/* The guest unpacks it where the host has no room to. */
static void test_an_initramfs_too_large_unpacked_goes_packed(void **state)
{
    uint8_t *zeros = calloc(1, KERNEL_SIZE), packed[65536];
    size_t len = pack(zeros, PLAIN_SIZE, packed, sizeof(packed));
    struct machine_config config = {
        .mem_bytes = RAM_SIZE,
        .kernel = { .fd = file_of(zeros, KERNEL_SIZE), .name = "kernel" },
        .initramfs = { .fd = file_of(packed, len), .name = "initramfs" },
        .format = IMAGE_RAW,
    };
    struct boot_info info;
    struct gmem *mem;
    struct err err;

    assert_int_equal(gmem_create(&mem, NULL), 0);
    assert_int_equal(gmem_add(mem, MAP_RAM_BASE, RAM_SIZE, true, NULL), 0);
    if (boot_load(&config, mem, &info, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(info.initrd_len, len);
    assert_memory_equal(gmem_ptr(mem, info.initrd, len), packed, len);
    fd_close(config.kernel.fd);
    fd_close(config.initramfs.fd);
    gmem_destroy(mem);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_initramfs_too_large_unpacked_goes_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
