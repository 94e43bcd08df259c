/* Device tree building: libfdt's sequential writer with a buffer that grows and one sticky error.
 */
#include "arch/fdt.h"

#include <assert.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>

/* The boot protocol allows 2 MiB (Linux arm64 booting document, section 2). */
#define FDT_MAX (2 * MIB)

/* Interrupt specifier of the GICv3 binding. */
#define FDT_GIC_SPI        0
#define FDT_GIC_LEVEL_HIGH 4

struct fdt_build {
    void *blob;
    int size; /* bytes reserved; libfdt counts in int */
    int rc;   /* first libfdt failure, 0 = none */
    unsigned depth;
};

/* Make room after FDT_ERR_NOSPACE. Returns true when the call is worth repeating. */
static bool fdt_grow(struct fdt_build *fdt, int rc)
{
    void *blob;

    if (rc != -FDT_ERR_NOSPACE || (uint64_t)fdt->size * 2 > FDT_MAX)
        return false;
    blob = realloc(fdt->blob, (size_t)fdt->size * 2);
    if (!blob)
        return false;
    fdt->blob = blob;
    fdt->size *= 2;
    return fdt_resize(blob, blob, fdt->size) == 0;
}

/* Run a libfdt call, growing the buffer as often as it takes; keep the first failure. */
#define FDT_TRY(build, call)                               \
    do {                                                   \
        int try_rc_ = (build)->rc;                         \
        if (!try_rc_)                                      \
            do                                             \
                try_rc_ = (call);                          \
            while (try_rc_ && fdt_grow((build), try_rc_)); \
        (build)->rc = try_rc_;                             \
    } while (0)

int fdt_build_create(struct fdt_build **ret_fdt, struct err *err)
{
    struct fdt_build *fdt = calloc(1, sizeof(*fdt));

    if (!fdt)
        return err_set(err, ENOMEM, "device tree: out of memory");
    fdt->size = 16384;
    fdt->blob = calloc(1, (size_t)fdt->size);
    if (!fdt->blob) {
        free(fdt);
        return err_set(err, ENOMEM, "device tree: out of memory");
    }
    fdt->rc = fdt_create(fdt->blob, fdt->size);
    FDT_TRY(fdt, fdt_finish_reservemap(fdt->blob));
    *ret_fdt = fdt;
    return 0;
}

void fdt_build_destroy(struct fdt_build *fdt)
{
    if (!fdt)
        return;
    free(fdt->blob);
    free(fdt);
}

struct fdt_node fdt_node_begin(struct fdt_build *fdt, const char *name)
{
    FDT_TRY(fdt, fdt_begin_node(fdt->blob, name));
    fdt->depth++;
    return (struct fdt_node){ .fdt = fdt };
}

void fdt_node_end(struct fdt_node *node)
{
    assert(node->fdt->depth > 0);
    node->fdt->depth--;
    FDT_TRY(node->fdt, fdt_end_node(node->fdt->blob));
}

void fdt_prop_u32(struct fdt_node *node, const char *name, uint32_t val)
{
    FDT_TRY(node->fdt, fdt_property_u32(node->fdt->blob, name, val));
}

void fdt_prop_u64(struct fdt_node *node, const char *name, uint64_t val)
{
    FDT_TRY(node->fdt, fdt_property_u64(node->fdt->blob, name, val));
}

void fdt_prop_cells(struct fdt_node *node, const char *name, const uint32_t *cells, size_t count)
{
    uint8_t *bytes = NULL;
    void *place;

    FDT_TRY(node->fdt, fdt_property_placeholder(node->fdt->blob, name, (int)(count * 4), &place));
    if (node->fdt->rc)
        return;
    bytes = place;
    for (size_t i = 0; i < count; i++)
        store_le32(bytes + 4 * i, __builtin_bswap32(cells[i])); /* cells are big-endian */
}

void fdt_prop_str(struct fdt_node *node, const char *name, const char *str)
{
    FDT_TRY(node->fdt, fdt_property_string(node->fdt->blob, name, str));
}

void fdt_prop_strs(struct fdt_node *node, const char *name, const char *const *strs)
{
    char joined[256];
    size_t len = 0;

    for (unsigned i = 0; strs[i]; i++) {
        size_t n = strlen(strs[i]) + 1;
        assert(n <= sizeof(joined) - len);
        memcpy(joined + len, strs[i], n);
        len += n;
    }
    fdt_prop_bytes(node, name, joined, len);
}

void fdt_prop_empty(struct fdt_node *node, const char *name)
{
    fdt_prop_bytes(node, name, "", 0);
}

void fdt_prop_bytes(struct fdt_node *node, const char *name, const void *bytes, size_t len)
{
    FDT_TRY(node->fdt, fdt_property(node->fdt->blob, name, bytes, (int)len));
}

void fdt_prop_reg(struct fdt_node *node, uint64_t base, uint64_t size)
{
    uint32_t cells[4] = { (uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32),
                          (uint32_t)size };

    fdt_prop_cells(node, "reg", cells, ARRAY_LEN(cells));
}

void fdt_prop_spi(struct fdt_node *node, unsigned spi)
{
    uint32_t cells[3] = { FDT_GIC_SPI, spi, FDT_GIC_LEVEL_HIGH };

    fdt_prop_cells(node, "interrupts", cells, ARRAY_LEN(cells));
}

int fdt_build_finish(struct fdt_build *fdt, const void **ret_blob, size_t *ret_len, struct err *err)
{
    assert(fdt->depth == 0);
    FDT_TRY(fdt, fdt_finish(fdt->blob));
    if (fdt->rc)
        return err_set(err, EINVAL, "device tree: %s", fdt_strerror(fdt->rc));
    *ret_blob = fdt->blob;
    *ret_len = fdt_totalsize(fdt->blob);
    return 0;
}
