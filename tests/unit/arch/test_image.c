/* Kernel images: what is accepted, where it goes, and every way to be wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/image.h"

#define RAM     UINT64_C(0x40000000)
#define RAM_LEN (64 * MIB)

static uint8_t file[4096];

static void put16(unsigned off, uint16_t val)
{
    memcpy(file + off, &val, sizeof(val));
}

static int parse(size_t len, enum image_format format, struct image *ret, struct err *err)
{
    return image_parse("k", file, len, format, RAM, RAM_LEN, ret, err);
}

/* A header as Linux writes it: text_offset 0, image_size 1 MiB, flags little-endian 4K. */
static void linux_header(void)
{
    memset(file, 0, sizeof(file));
    store_le64(file + 16, MIB);
    store_le64(file + 24, 0xa);
    store_le32(file + 56, 0x644d5241);
}

static void test_linux_image_goes_to_its_text_offset(void **state)
{
    struct image image;

    linux_header();
    store_le64(file + 8, 0x10000);
    assert_int_equal(parse(sizeof(file), IMAGE_AUTO, &image, NULL), 0);
    assert_int_equal(image.entry, RAM + 0x10000);
    assert_int_equal(image.count, 1);
    assert_int_equal(image.segments[0].gpa, RAM + 0x10000);
    assert_int_equal(image.segments[0].file_len, sizeof(file));
    assert_int_equal(image.end, RAM + 0x10000 + MIB);
}

static void test_old_linux_image_without_size(void **state)
{
    struct image image;

    linux_header();
    store_le64(file + 16, 0);
    assert_int_equal(parse(sizeof(file), IMAGE_AUTO, &image, NULL), 0);
    assert_int_equal(image.entry, RAM + 0x80000);
}

static void test_pe_sections_tell_a_truncated_image(void **state)
{
    struct image image;
    struct err err;

    linux_header();
    file[0] = 'M';
    file[1] = 'Z';
    store_le32(file + 60, 64);         /* PE header */
    store_le32(file + 64, 0x00004550); /* "PE\0\0" */
    put16(64 + 6, 1);                  /* sections */
    put16(64 + 20, 16);                /* optional header */
    store_le32(file + 104 + 16, 1024); /* raw size */
    store_le32(file + 104 + 20, 3072); /* raw offset: ends at 4096 */
    assert_int_equal(parse(4096, IMAGE_AUTO, &image, NULL), 0);
    assert_int_equal(parse(4095, IMAGE_AUTO, &image, &err), -ENODATA);
    assert_string_equal(err.msg, "kernel k: file is truncated; copy it again");
    store_le32(file + 60, 0xfffffff0); /* a PE header beyond the file */
    assert_int_equal(parse(4096, IMAGE_AUTO, &image, NULL), -ENODATA);
}

static void elf_header(void)
{
    memset(file, 0, sizeof(file));
    store_le32(file, 0x464c457f);
    put16(4, 0x0102);
    put16(16, 2);
    put16(18, 183);
    store_le64(file + 24, 0x1010); /* entry, virtual */
    store_le64(file + 32, 64);     /* program headers */
    put16(54, 56);
    put16(56, 1);
    store_le32(file + 64, 1);             /* PT_LOAD */
    store_le64(file + 64 + 8, 1024);      /* offset */
    store_le64(file + 64 + 16, 0x1000);   /* vaddr */
    store_le64(file + 64 + 24, RAM + 64); /* paddr */
    store_le64(file + 64 + 32, 512);      /* file size */
    store_le64(file + 64 + 40, 8192);     /* memory size */
}

static void test_elf_segments_and_entry_are_physical(void **state)
{
    struct image image;

    elf_header();
    assert_int_equal(parse(sizeof(file), IMAGE_AUTO, &image, NULL), 0);
    assert_int_equal(image.entry, RAM + 64 + 0x10);
    assert_int_equal(image.segments[0].gpa, RAM + 64);
    assert_ptr_equal(image.segments[0].data, file + 1024);
    assert_int_equal(image.segments[0].file_len, 512);
    assert_int_equal(image.end, RAM + 64 + 8192);
}

static void test_raw_binary_starts_above_ram(void **state)
{
    struct image image;

    memset(file, 0xff, sizeof(file));
    assert_int_equal(parse(100, IMAGE_RAW, &image, NULL), 0);
    assert_int_equal(image.entry, RAM + 0x80000);
    assert_int_equal(image.end, RAM + 0x80000 + 100);
}

struct wrong {
    const char *what;
    unsigned off, width; /* the field, width in bytes */
    uint64_t val;
    int rc;
};

static void try_wrong(void (*header)(void), const struct wrong *w)
{
    struct image image = { .entry = 77 };
    struct err err = { 0 };

    header();
    memcpy(file + w->off, &w->val, w->width);
    if (parse(sizeof(file), IMAGE_AUTO, &image, &err) != w->rc)
        fail_msg("%s: not refused as expected: %s", w->what, err.msg);
    assert_int_equal(image.entry, 77); /* out-parameters are written on success only */
    assert_non_null(strstr(err.msg, "kernel k"));
}

static void test_wrong_linux_headers(void **state)
{
    static const struct wrong wrong[] = {
        { "big-endian", 24, 8, 1, -EINVAL },
        { "larger than RAM", 16, 8, RAM_LEN + 1, -EFBIG },
        { "size wraps", 16, 8, UINT64_MAX, -EFBIG },
        { "offset beyond RAM", 8, 8, RAM_LEN, -EFBIG },
        { "offset wraps", 8, 8, UINT64_MAX - 100, -EFBIG },
        { "offset and size together", 8, 8, RAM_LEN - MIB + 1, -EFBIG },
        { "no magic", 56, 4, 0, -EINVAL },
        { "zboot", 0, 8, UINT64_C(0x676d697a00005a4d), -EINVAL },
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        try_wrong(linux_header, &wrong[i]);
}

static void test_wrong_elf_headers(void **state)
{
    static const struct wrong wrong[] = {
        { "32-bit", 4, 1, 1, -EINVAL },
        { "big-endian", 5, 1, 2, -EINVAL },
        { "relocatable object", 16, 2, 1, -EINVAL },
        { "x86", 18, 2, 62, -EINVAL },
        { "entry in no segment", 24, 8, 0x5000, -EINVAL },
        { "headers beyond the file", 32, 8, 4096, -ENODATA },
        { "header offset wraps", 32, 8, UINT64_MAX - 8, -ENODATA },
        { "header size", 54, 2, 32, -EINVAL },
        { "too many headers", 56, 2, 0xffff, -ENODATA },
        { "segment beyond the file", 64 + 8, 8, 4000, -ENODATA },
        { "segment offset wraps", 64 + 8, 8, UINT64_MAX, -ENODATA },
        { "below RAM", 64 + 24, 8, RAM - 1, -EFBIG },
        { "above RAM", 64 + 24, 8, RAM + RAM_LEN, -EFBIG },
        { "address wraps", 64 + 24, 8, UINT64_MAX - 4, -EFBIG },
        { "file larger than memory", 64 + 40, 8, 511, -EINVAL },
        { "memory larger than RAM", 64 + 40, 8, UINT64_MAX, -EFBIG },
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        try_wrong(elf_header, &wrong[i]);
}

static void test_every_truncation_is_refused(void **state)
{
    struct image image;

    elf_header();
    for (size_t len = 0; len < 1024 + 512; len++)
        assert_int_not_equal(parse(len, IMAGE_AUTO, &image, NULL), 0);
    linux_header();
    for (size_t len = 0; len < 64; len++)
        assert_int_not_equal(parse(len, IMAGE_AUTO, &image, NULL), 0);
    assert_int_equal(parse(0, IMAGE_RAW, &image, NULL), -ENODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linux_image_goes_to_its_text_offset),
        cmocka_unit_test(test_old_linux_image_without_size),
        cmocka_unit_test(test_pe_sections_tell_a_truncated_image),
        cmocka_unit_test(test_elf_segments_and_entry_are_physical),
        cmocka_unit_test(test_raw_binary_starts_above_ram),
        cmocka_unit_test(test_wrong_linux_headers),
        cmocka_unit_test(test_wrong_elf_headers),
        cmocka_unit_test(test_every_truncation_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
