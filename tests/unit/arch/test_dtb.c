/* The device tree builder, read back with libfdt. */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "arch/dtb.h"

static void test_tree_reads_back(void **state)
{
    struct dtb *dtb;
    struct dtb_node top, node;
    const void *blob;
    const fdt32_t *cells;
    size_t len;
    int at, size;

    assert_int_equal(dtb_create(&dtb, NULL), 0);
    top = dtb_node_begin(dtb, "");
    dtb_prop_u32(&top, "#address-cells", 2);
    node = dtb_node_begin(dtb, "serial@9000000");
    dtb_prop_reg(&node, UINT64_C(0x109000000), 0x1000);
    dtb_prop_spi(&node, 3);
    dtb_prop_strs(&node, "compatible", (const char *const[]){ "a,b", "c", NULL });
    dtb_prop_u64(&node, "seed", UINT64_C(0x1122334455667788));
    dtb_prop_empty(&node, "dma-coherent");
    dtb_node_end(&node);
    dtb_node_end(&top);
    assert_int_equal(dtb_finish(dtb, &blob, &len, NULL), 0);
    assert_int_equal(fdt_check_full(blob, len), 0);

    at = fdt_path_offset(blob, "/serial@9000000");
    assert_true(at > 0);
    cells = fdt_getprop(blob, at, "reg", &size);
    assert_int_equal(size, 16);
    assert_int_equal(fdt32_to_cpu(cells[0]), 1);
    assert_int_equal(fdt32_to_cpu(cells[1]), 0x09000000);
    assert_int_equal(fdt32_to_cpu(cells[3]), 0x1000);
    cells = fdt_getprop(blob, at, "interrupts", &size);
    assert_int_equal(size, 12);
    assert_int_equal(fdt32_to_cpu(cells[0]), 0);
    assert_int_equal(fdt32_to_cpu(cells[1]), 3);
    assert_int_equal(fdt32_to_cpu(cells[2]), 4);
    assert_int_equal(fdt_node_check_compatible(blob, at, "c"), 0);
    assert_non_null(fdt_getprop(blob, at, "dma-coherent", &size));
    assert_int_equal(size, 0);
    dtb_destroy(dtb);
}

static void test_tree_grows_and_stops_at_2_mib(void **state)
{
    struct dtb *dtb;
    struct dtb_node top;
    struct err err;
    const void *blob;
    static uint8_t big[100000];
    size_t len;

    assert_int_equal(dtb_create(&dtb, NULL), 0);
    top = dtb_node_begin(dtb, "");
    for (int i = 0; i < 10; i++)
        dtb_prop_bytes(&top, "big", big, sizeof(big));
    dtb_node_end(&top);
    assert_int_equal(dtb_finish(dtb, &blob, &len, NULL), 0);
    assert_true(len > 1000000 && len <= 2 * MIB);
    dtb_destroy(dtb);

    assert_int_equal(dtb_create(&dtb, NULL), 0);
    top = dtb_node_begin(dtb, "");
    for (int i = 0; i < 30; i++)
        dtb_prop_bytes(&top, "big", big, sizeof(big));
    dtb_node_end(&top);
    assert_int_equal(dtb_finish(dtb, &blob, &len, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "device tree"));
    dtb_destroy(dtb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_reads_back),
        cmocka_unit_test(test_tree_grows_and_stops_at_2_mib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
