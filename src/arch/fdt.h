/*
 * Building a device tree (Devicetree Specification 0.4) over libfdt's sequential writer.
 *
 * Errors are sticky: properties may be added without looking, fdt_build_finish() reports the first
 * failure. A node is closed by fdt_node_end() in reverse order of opening.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

struct fdt_build;

/* An open node; only the innermost open one may be added to. */
struct fdt_node {
    struct fdt_build *fdt;
};

MUST_CHECK int fdt_build_create(struct fdt_build **ret_fdt, struct err *err);
void fdt_build_destroy(struct fdt_build *fdt); /* NULL is fine */

struct fdt_node fdt_node_begin(struct fdt_build *fdt, const char *name);
void fdt_node_end(struct fdt_node *node);

void fdt_prop_u32(struct fdt_node *node, const char *name, uint32_t val);
void fdt_prop_u64(struct fdt_node *node, const char *name, uint64_t val);
void fdt_prop_cells(struct fdt_node *node, const char *name, const uint32_t *cells, size_t count);
void fdt_prop_str(struct fdt_node *node, const char *name, const char *str);
/* Several strings, ended by NULL. */
void fdt_prop_strs(struct fdt_node *node, const char *name, const char *const *strs);
void fdt_prop_empty(struct fdt_node *node, const char *name);
void fdt_prop_bytes(struct fdt_node *node, const char *name, const void *bytes, size_t len);
/* reg = <base size> in 64-bit cells, as every bus of this machine has them. */
void fdt_prop_reg(struct fdt_node *node, uint64_t base, uint64_t size);
/* interrupts = <SPI n level-high>. */
void fdt_prop_spi(struct fdt_node *node, unsigned spi);

/* Close the tree. *ret_blob is owned by the builder and lives until fdt_build_destroy(). */
MUST_CHECK int fdt_build_finish(struct fdt_build *fdt, const void **ret_blob, size_t *ret_len,
                                struct err *err);

enum { FDT_PHANDLE_GIC = 1, FDT_PHANDLE_CLOCK = 2 };
