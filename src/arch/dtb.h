/*
 * Building a device tree (Devicetree Specification 0.4) over libfdt's sequential writer.
 *
 * Errors are sticky: properties may be added without looking, dtb_finish() reports the first
 * failure. A node is closed by dtb_node_end() in reverse order of opening.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

struct dtb;

/* An open node; only the innermost open one may be added to. */
struct dtb_node {
    struct dtb *dtb;
};

MUST_CHECK int dtb_create(struct dtb **ret_dtb, struct err *err);
void dtb_destroy(struct dtb *dtb); /* NULL is fine */

struct dtb_node dtb_node_begin(struct dtb *dtb, const char *name);
void dtb_node_end(struct dtb_node *node);

void dtb_prop_u32(struct dtb_node *node, const char *name, uint32_t val);
void dtb_prop_u64(struct dtb_node *node, const char *name, uint64_t val);
void dtb_prop_cells(struct dtb_node *node, const char *name, const uint32_t *cells, size_t count);
void dtb_prop_str(struct dtb_node *node, const char *name, const char *str);
/* Several strings, ended by NULL. */
void dtb_prop_strs(struct dtb_node *node, const char *name, const char *const *strs);
void dtb_prop_empty(struct dtb_node *node, const char *name);
void dtb_prop_bytes(struct dtb_node *node, const char *name, const void *bytes, size_t len);
/* reg = <base size> in 64-bit cells, as every bus of this machine has them. */
void dtb_prop_reg(struct dtb_node *node, uint64_t base, uint64_t size);
/* interrupts = <SPI n level-high>. */
void dtb_prop_spi(struct dtb_node *node, unsigned spi);

/* Close the tree. *ret_blob is owned by the builder and lives until dtb_destroy(). */
MUST_CHECK int dtb_finish(struct dtb *dtb, const void **ret_blob, size_t *ret_len, struct err *err);

enum { DTB_PHANDLE_GIC = 1, DTB_PHANDLE_CLOCK = 2 };
