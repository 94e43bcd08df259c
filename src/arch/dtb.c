/* Device tree building: libfdt's sequential writer with a buffer that grows and one sticky error.
 */
#include "arch/dtb.h"

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>

/* The boot protocol allows 2 MiB (Linux arm64 booting document, section 2). */
#define DTB_MAX (2 * MIB)

/* Interrupt specifier of the GICv3 binding. */
#define DTB_GIC_SPI        0
#define DTB_GIC_LEVEL_HIGH 4

struct dtb {
    void *blob;
    int size; /* bytes reserved; libfdt counts in int */
    int rc;   /* first libfdt failure, 0 = none */
    unsigned depth;
};

/* Make room after FDT_ERR_NOSPACE. Returns true when the call is worth repeating. */
static bool dtb_grow(struct dtb *dtb, int rc)
{
    void *blob;

    if (rc != -FDT_ERR_NOSPACE || (uint64_t)dtb->size * 2 > DTB_MAX)
        return false;
    blob = realloc(dtb->blob, (size_t)dtb->size * 2);
    if (!blob)
        return false;
    dtb->blob = blob;
    dtb->size *= 2;
    return fdt_resize(blob, blob, dtb->size) == 0;
}

/* Run a libfdt call, growing the buffer as often as it takes; keep the first failure. */
#define DTB_TRY(build, call)                               \
    do {                                                   \
        int try_rc_ = (build)->rc;                         \
        if (!try_rc_)                                      \
            do                                             \
                try_rc_ = (call);                          \
            while (try_rc_ && dtb_grow((build), try_rc_)); \
        (build)->rc = try_rc_;                             \
    } while (0)

int dtb_create(struct dtb **ret_dtb, struct err *err)
{
    struct dtb *dtb = calloc(1, sizeof(*dtb));

    if (!dtb)
        return err_set(err, ENOMEM, "device tree: out of memory");
    dtb->size = 16384;
    dtb->blob = calloc(1, (size_t)dtb->size);
    if (!dtb->blob) {
        free(dtb);
        return err_set(err, ENOMEM, "device tree: out of memory");
    }
    dtb->rc = fdt_create(dtb->blob, dtb->size);
    DTB_TRY(dtb, fdt_finish_reservemap(dtb->blob));
    *ret_dtb = dtb;
    return 0;
}

void dtb_destroy(struct dtb *dtb)
{
    if (!dtb)
        return;
    free(dtb->blob);
    free(dtb);
}

struct dtb_node dtb_node_begin(struct dtb *dtb, const char *name)
{
    DTB_TRY(dtb, fdt_begin_node(dtb->blob, name));
    dtb->depth++;
    return (struct dtb_node){ .dtb = dtb };
}

void dtb_node_end(struct dtb_node *node)
{
    assert(node->dtb->depth > 0);
    node->dtb->depth--;
    DTB_TRY(node->dtb, fdt_end_node(node->dtb->blob));
}

void dtb_prop_u32(struct dtb_node *node, const char *name, uint32_t val)
{
    DTB_TRY(node->dtb, fdt_property_u32(node->dtb->blob, name, val));
}

void dtb_prop_u64(struct dtb_node *node, const char *name, uint64_t val)
{
    DTB_TRY(node->dtb, fdt_property_u64(node->dtb->blob, name, val));
}

void dtb_prop_cells(struct dtb_node *node, const char *name, const uint32_t *cells, size_t count)
{
    uint8_t *bytes = NULL;
    void *place;

    DTB_TRY(node->dtb, fdt_property_placeholder(node->dtb->blob, name, (int)(count * 4), &place));
    if (node->dtb->rc)
        return;
    bytes = place;
    for (size_t i = 0; i < count; i++)
        store_le32(bytes + 4 * i, __builtin_bswap32(cells[i])); /* cells are big-endian */
}

void dtb_prop_str(struct dtb_node *node, const char *name, const char *str)
{
    DTB_TRY(node->dtb, fdt_property_string(node->dtb->blob, name, str));
}

void dtb_prop_strs(struct dtb_node *node, const char *name, const char *const *strs)
{
    char joined[256];
    size_t len = 0;

    for (unsigned i = 0; strs[i]; i++) {
        size_t n = strlen(strs[i]) + 1;
        assert(n <= sizeof(joined) - len);
        memcpy(joined + len, strs[i], n);
        len += n;
    }
    dtb_prop_bytes(node, name, joined, len);
}

void dtb_prop_empty(struct dtb_node *node, const char *name)
{
    dtb_prop_bytes(node, name, "", 0);
}

void dtb_prop_bytes(struct dtb_node *node, const char *name, const void *bytes, size_t len)
{
    DTB_TRY(node->dtb, fdt_property(node->dtb->blob, name, bytes, (int)len));
}

void dtb_prop_reg(struct dtb_node *node, uint64_t base, uint64_t size)
{
    uint32_t cells[4] = { (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32),
                          (uint32_t)size };

    dtb_prop_cells(node, "reg", cells, ARRAY_LEN(cells));
}

void dtb_prop_spi(struct dtb_node *node, unsigned spi)
{
    uint32_t cells[3] = { DTB_GIC_SPI, spi, DTB_GIC_LEVEL_HIGH };

    dtb_prop_cells(node, "interrupts", cells, ARRAY_LEN(cells));
}

int dtb_finish(struct dtb *dtb, const void **ret_blob, size_t *ret_len, struct err *err)
{
    assert(dtb->depth == 0);
    DTB_TRY(dtb, fdt_finish(dtb->blob));
    if (dtb->rc)
        return err_set(err, EINVAL, "device tree: %s", fdt_strerror(dtb->rc));
    *ret_blob = dtb->blob;
    *ret_len = fdt_totalsize(dtb->blob);
    return 0;
}
