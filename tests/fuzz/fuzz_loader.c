/* libFuzzer: any bytes as a kernel file, packed or not, of any format. */
#include <stdlib.h>

#include "arch/image.h"
#include "arch/unpack.h"

#define RAM     UINT64_C(0x40000000)
#define RAM_LEN (16 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every byte that a segment names must be readable, and every address inside RAM. */
static void parse(const void *data, size_t len, enum image_format format)
{
    struct image image;
    volatile uint8_t seen; /* the reads below must happen */

    if (image_parse("f", data, len, format, RAM, RAM_LEN, &image, NULL) < 0)
        return;
    if (image.entry < RAM || image.entry >= RAM + RAM_LEN || image.end > RAM + RAM_LEN)
        abort();
    for (unsigned i = 0; i < image.count; i++) {
        const struct image_segment *seg = &image.segments[i];
        if (seg->gpa < RAM || seg->gpa + seg->mem_len > RAM + RAM_LEN)
            abort();
        if (seg->file_len)
            seen = seg->data[0] ^ seg->data[seg->file_len - 1];
    }
    (void)seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    void *plain;
    size_t plain_len;

    parse(data, len, IMAGE_AUTO);
    parse(data, len, IMAGE_RAW);
    if (unpack_detect(data, len) != UNPACK_NONE &&
        unpack("f", data, len, RAM_LEN, &plain, &plain_len, NULL) == 0) {
        parse(plain, plain_len, IMAGE_AUTO);
        free(plain);
    }
    return 0;
}
