/*
 * Kernel images: arm64 `Image` (Linux booting document, section 4), ELF64 executables, and bare
 * binaries. The file is hostile: every length is checked before use.
 */
#pragma once

#include "base/bits.h"
#include "base/err.h"

enum image_format { IMAGE_AUTO, IMAGE_RAW };

/* A piece of the file that goes to guest memory. Bytes from file_len to mem_len are zero. */
struct image_segment {
    uint64_t gpa;
    const uint8_t *data; /* into the buffer given to image_parse() */
    uint64_t file_len, mem_len;
};

#define IMAGE_SEGMENTS_MAX 16

struct image {
    struct image_segment segments[IMAGE_SEGMENTS_MAX];
    unsigned count;
    uint64_t entry; /* guest-physical */
    uint64_t end;   /* first free byte above everything that the image needs */
};

/* A bare binary starts here, above the start of RAM. */
#define IMAGE_RAW_OFFSET UINT64_C(0x80000)

/*
 * Find out what the unpacked bytes are and where they go.
 *
 * name              for messages
 * ram_gpa, ram_len  the guest's RAM; everything must fit
 *
 * Returns 0, or -EINVAL (not a kernel), -ENODATA (truncated), -EFBIG (larger than RAM) with one
 * sentence in err. The segments point into data.
 */
MUST_CHECK int image_parse(const char *name, const void *data, size_t len, enum image_format format,
                           uint64_t ram_gpa, uint64_t ram_len, struct image *ret_image,
                           struct err *err);
