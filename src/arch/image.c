/* Kernel image formats. ELF structures come from the ELF-64 object file format, version 1.5. */
#include "arch/image.h"

#include <errno.h>

/* arm64 Image header, little-endian, 64 bytes. */
enum {
    HDR_TEXT_OFFSET = 8,
    HDR_IMAGE_SIZE = 16,
    HDR_FLAGS = 24,
    HDR_MAGIC = 56,
    HDR_PE_OFFSET = 60,
    HDR_LEN = 64,
};
#define IMAGE_MAGIC   0x644d5241 /* "ARM\x64" */
#define IMAGE_FLAG_BE BIT(0)
#define IMAGE_OLD_OFFSET                                                     \
    UINT64_C(0x80000) /* when image_size is 0, the header is older than 3.17 \
                       */
#define IMAGE_ALIGN (2 * MIB)
#define ZBOOT_MAGIC 0x676d697a /* "zimg" at 4: an EFI zboot wrapper */

/* PE/COFF, as far as needed to see where the file must end. */
enum { PE_SECTIONS = 6, PE_OPT_SIZE = 20, PE_HDR_LEN = 24, PE_SEC_LEN = 40 };
enum { SEC_RAW_SIZE = 16, SEC_RAW_OFFSET = 20 };
#define PE_MAGIC 0x00004550

enum { ELF_LEN = 64, ELF_PH_LEN = 56 };
#define ELF_MAGIC      0x464c457f
#define ELF_CLASS64_LE 0x0102
#define ELF_EXEC       2
#define ELF_DYN        3
#define ELF_AARCH64    183
#define ELF_PT_LOAD    1

static int image_add(const char *name, struct image *image, const struct image_segment *seg,
                     uint64_t ram_gpa, uint64_t ram_len, struct err *err)
{
    if (seg->gpa < ram_gpa || seg->gpa - ram_gpa > ram_len ||
        seg->mem_len > ram_len - (seg->gpa - ram_gpa))
        return err_set(err, EFBIG,
                       "kernel %s: needs %#llx to %#llx, RAM is %#llx to %#llx; raise --mem", name,
                       (unsigned long long)seg->gpa, (unsigned long long)(seg->gpa + seg->mem_len),
                       (unsigned long long)ram_gpa, (unsigned long long)(ram_gpa + ram_len));
    if (image->count == IMAGE_SEGMENTS_MAX)
        return err_set(err, EINVAL, "kernel %s: more than %d segments", name, IMAGE_SEGMENTS_MAX);
    image->segments[image->count++] = *seg;
    if (seg->gpa + seg->mem_len > image->end)
        image->end = seg->gpa + seg->mem_len;
    return 0;
}

/* An Image with an EFI stub is also a PE file, whose section table tells a truncated copy. */
static bool image_cut_off(const uint8_t *data, size_t len)
{
    uint64_t pe = load_le32(data + HDR_PE_OFFSET), table;
    unsigned sections;

    if (data[0] != 'M' || data[1] != 'Z')
        return false;
    if (pe > len || len - pe < PE_HDR_LEN)
        return true;
    if (load_le32(data + pe) != PE_MAGIC)
        return false;
    sections = load_le16(data + pe + PE_SECTIONS);
    table = pe + PE_HDR_LEN + load_le16(data + pe + PE_OPT_SIZE);
    for (unsigned i = 0; i < sections; i++, table += PE_SEC_LEN) {
        if (table > len || len - table < PE_SEC_LEN)
            return true;
        if ((uint64_t)load_le32(data + table + SEC_RAW_SIZE) +
                load_le32(data + table + SEC_RAW_OFFSET) >
            len)
            return true;
    }
    return false;
}

static int image_linux(const char *name, const uint8_t *data, size_t len, uint64_t ram_gpa,
                       uint64_t ram_len, struct image *image, struct err *err)
{
    uint64_t text_offset = load_le64(data + HDR_TEXT_OFFSET);
    uint64_t image_size = load_le64(data + HDR_IMAGE_SIZE);
    uint64_t base = align_up(ram_gpa, IMAGE_ALIGN);
    struct image_segment seg = { .data = data, .file_len = len };

    if (load_le64(data + HDR_FLAGS) & IMAGE_FLAG_BE)
        return err_set(err, EINVAL, "kernel %s: a big-endian kernel; only little-endian ones run",
                       name);
    if (image_cut_off(data, len))
        return err_set(err, ENODATA, "kernel %s: file is truncated; copy it again", name);
    if (!image_size) {
        text_offset = IMAGE_OLD_OFFSET;
        image_size = len;
    }
    if (image_size < len)
        image_size = len;
    if (text_offset >= ram_len || image_size > ram_len)
        return err_set(err, EFBIG, "kernel %s: needs %llu MiB, RAM has %llu; raise --mem", name,
                       (unsigned long long)(image_size / MIB), (unsigned long long)(ram_len / MIB));
    seg.gpa = base + text_offset;
    seg.mem_len = image_size;
    image->entry = seg.gpa;
    return image_add(name, image, &seg, ram_gpa, ram_len, err);
}

static int image_elf(const char *name, const uint8_t *data, size_t len, uint64_t ram_gpa,
                     uint64_t ram_len, struct image *image, struct err *err)
{
    uint64_t entry, phoff;
    unsigned type, phnum;
    bool entry_found = false;

    if (len < ELF_LEN)
        return err_set(err, ENODATA, "kernel %s: ELF header is truncated", name);
    type = load_le16(data + 16);
    if (load_le16(data + 4) != ELF_CLASS64_LE || load_le16(data + 18) != ELF_AARCH64 ||
        (type != ELF_EXEC && type != ELF_DYN))
        return err_set(err, EINVAL, "kernel %s: ELF, but no little-endian arm64 executable", name);
    entry = load_le64(data + 24);
    phoff = load_le64(data + 32);
    phnum = load_le16(data + 56);
    if (load_le16(data + 54) != ELF_PH_LEN)
        return err_set(err, EINVAL, "kernel %s: ELF program headers of an odd size", name);
    if (phoff > len || phnum > (len - phoff) / ELF_PH_LEN)
        return err_set(err, ENODATA, "kernel %s: ELF program headers are cut off", name);

    for (unsigned i = 0; i < phnum; i++) {
        const uint8_t *ph = data + phoff + (uint64_t)i * ELF_PH_LEN;
        uint64_t off = load_le64(ph + 8), vaddr = load_le64(ph + 16);
        struct image_segment seg = {
            .gpa = load_le64(ph + 24),
            .file_len = load_le64(ph + 32),
            .mem_len = load_le64(ph + 40),
        };
        int rc;

        if (load_le32(ph) != ELF_PT_LOAD || !seg.mem_len)
            continue;
        if (off > len || seg.file_len > len - off)
            return err_set(err, ENODATA, "kernel %s: ELF segment %u is cut off", name, i);
        if (seg.file_len > seg.mem_len)
            return err_set(err, EINVAL, "kernel %s: ELF segment %u is larger than its memory", name,
                           i);
        seg.data = data + off;
        rc = image_add(name, image, &seg, ram_gpa, ram_len, err);
        if (rc < 0)
            return rc;
        if (entry >= vaddr && entry - vaddr < seg.mem_len) {
            image->entry = seg.gpa + (entry - vaddr);
            entry_found = true;
        }
    }
    if (!entry_found)
        return err_set(err, EINVAL, "kernel %s: ELF entry point %#llx lies in no segment", name,
                       (unsigned long long)entry);
    return 0;
}

int image_parse(const char *name, const void *bytes, size_t len, enum image_format format,
                uint64_t ram_gpa, uint64_t ram_len, struct image *ret_image, struct err *err)
{
    const uint8_t *data = bytes;
    struct image image = { .count = 0 };
    int rc;

    if (!len)
        return err_set(err, ENODATA, "kernel %s: file is empty", name);
    if (format == IMAGE_RAW) {
        struct image_segment seg = {
            .gpa = ram_gpa + IMAGE_RAW_OFFSET, .data = data, .file_len = len, .mem_len = len
        };
        image.entry = seg.gpa;
        rc = image_add(name, &image, &seg, ram_gpa, ram_len, err);
    } else if (len >= 4 && load_le32(data) == ELF_MAGIC) {
        rc = image_elf(name, data, len, ram_gpa, ram_len, &image, err);
    } else if (len >= 8 && data[0] == 'M' && data[1] == 'Z' && load_le32(data + 4) == ZBOOT_MAGIC) {
        rc = err_set(err, EINVAL,
                     "kernel %s: an EFI zboot wrapper; give the Image that is packed inside", name);
    } else if (len >= HDR_LEN && load_le32(data + HDR_MAGIC) == IMAGE_MAGIC) {
        rc = image_linux(name, data, len, ram_gpa, ram_len, &image, err);
    } else if (len >= 4 && len < HDR_LEN && data[0] == 'M' && data[1] == 'Z') {
        rc = err_set(err, ENODATA, "kernel %s: file is truncated; copy it again", name);
    } else {
        rc = err_set(err, EINVAL,
                     "kernel %s: not an arm64 Image, nor ELF; for a bare binary use --format raw",
                     name);
    }
    if (rc < 0)
        return rc;
    *ret_image = image;
    return 0;
}
