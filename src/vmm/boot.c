/*
 * Loading a kernel and an initramfs into guest memory.
 *
 *   RAM start  [kernel ................]      [initramfs][device tree, 2 MiB]  top
 *
 * top is the end of RAM, at most 1 GiB above its start: the kernel wants its initramfs in one 32
 * GiB window with itself.
 */
#include "vmm/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/addrmap.h"
#include "arch/unpack.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"

#define BOOT_TOP GIB

static int boot_read(const char *what, const struct machine_file *file, uint64_t ram_len,
                     void **ret_data, size_t *ret_len, struct err *err)
{
    struct stat st;
    void *data;
    int rc;

    if (fstat(file->fd, &st) < 0)
        return err_errno(err, "%s %s", what, file->name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EINVAL, "%s %s: not a regular file", what, file->name);
    if (!st.st_size)
        return err_set(err, ENODATA, "%s %s: file is empty", what, file->name);
    if ((uint64_t)st.st_size > ram_len)
        return err_set(err, EFBIG, "%s %s: %llu MiB do not fit into %llu MiB of RAM; raise --mem",
                       what, file->name, (unsigned long long)((uint64_t)st.st_size / MIB),
                       (unsigned long long)(ram_len / MIB));
    data = malloc((size_t)st.st_size);
    if (!data)
        return err_set(err, ENOMEM, "%s %s: out of memory", what, file->name);
    rc = fd_pread_full(file->fd, data, (size_t)st.st_size, 0);
    if (rc < 0) {
        free(data);
        return err_set(err, -rc, "read %s %s: %s", what, file->name, strerror(-rc));
    }
    *ret_data = data;
    *ret_len = (size_t)st.st_size;
    return 0;
}

/* Replace a packed buffer by its content; anything else is left alone. */
static int boot_unpack(const char *what, const char *name, uint64_t max, void **data, size_t *len,
                       struct err *err)
{
    void *plain;
    size_t plain_len;
    int rc;

    if (unpack_detect(*data, *len) == UNPACK_NONE)
        return 0;
    rc = unpack(name, *data, *len, max, &plain, &plain_len, err);
    if (rc == -EFBIG)
        return err_set(err, EFBIG, "%s %s: unpacks to more than %llu MiB of RAM; raise --mem", what,
                       name, (unsigned long long)(max / MIB));
    if (rc < 0)
        return rc == -EBADMSG ? rc : err_wrap(err, rc, "%s", what);
    free(*data);
    *data = plain;
    *len = plain_len;
    return 0;
}

static int boot_kernel(const struct machine_config *config, struct gmem *mem,
                       struct image *ret_image, struct err *err)
{
    CLEANUP(freep) void *data = NULL;
    size_t len;
    int rc = boot_read("kernel", &config->kernel, config->mem_bytes, &data, &len, err);

    if (rc < 0)
        return rc;
    if (config->format == IMAGE_AUTO) {
        rc = boot_unpack("kernel", config->kernel.name, config->mem_bytes, &data, &len, err);
        if (rc < 0)
            return rc;
    }
    rc = image_parse(config->kernel.name, data, len, config->format, MAP_RAM_BASE,
                     config->mem_bytes, ret_image, err);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < ret_image->count; i++) {
        const struct image_segment *seg = &ret_image->segments[i];
        rc = gmem_write(mem, seg->gpa, seg->data, seg->file_len);
        if (rc < 0)
            return err_set(err, -rc, "kernel %s: segment at %#llx is outside RAM",
                           config->kernel.name, (unsigned long long)seg->gpa);
    }
    return 0;
}

/*
 * An initramfs is handed over unpacked where that fits: the host unpacks faster than the guest, and
 * a truncated file is found here. An archive of several streams goes to the kernel as it is.
 */
static int boot_initramfs(const struct machine_config *config, struct gmem *mem, gpa_t floor,
                          struct boot_info *info, struct err *err)
{
    CLEANUP(freep) void *data = NULL;
    const char *name = config->initramfs.name;
    gpa_t start = align_up(floor, GMEM_PAGE_SIZE);
    uint64_t room = start < info->dtb ? info->dtb - start : 0, max = config->mem_bytes / 4;
    size_t len;
    int rc = boot_read("initramfs", &config->initramfs, config->mem_bytes, &data, &len, err);

    if (rc < 0)
        return rc;
    rc = boot_unpack("initramfs", name, room < max ? room : max, &data, &len, err);
    if (rc < 0 && rc != -EBADMSG && rc != -EFBIG)
        return rc;
    if (len > room)
        return err_set(err, EFBIG,
                       "initramfs %s: %llu MiB do not fit beside the kernel; raise --mem", name,
                       (unsigned long long)(len / MIB));
    info->initrd = align_down(info->dtb - len, GMEM_PAGE_SIZE);
    info->initrd_len = len;
    rc = gmem_write(mem, info->initrd, data, len);
    return rc < 0 ? err_set(err, -rc, "initramfs %s: outside RAM", name) : 0;
}

int boot_load(const struct machine_config *config, struct gmem *mem, struct boot_info *ret_info,
              struct err *err)
{
    uint64_t top = config->mem_bytes < BOOT_TOP ? config->mem_bytes : BOOT_TOP;
    struct boot_info info = { .dtb = align_down(MAP_RAM_BASE + top - BOOT_DTB_MAX, BOOT_DTB_MAX) };
    struct image image;
    int rc = boot_kernel(config, mem, &image, err);

    if (rc < 0)
        return rc;
    if (image.end > info.dtb)
        return err_set(err, EFBIG, "kernel %s: leaves no room for the device tree; raise --mem",
                       config->kernel.name);
    info.entry = image.entry;
    if (config->initramfs.fd >= 0) {
        rc = boot_initramfs(config, mem, image.end, &info, err);
        if (rc < 0)
            return rc;
    }
    log_debug("boot", "entry %#llx, device tree %#llx, initramfs %#llx + %#llx",
              (unsigned long long)info.entry, (unsigned long long)info.dtb,
              (unsigned long long)info.initrd, (unsigned long long)info.initrd_len);
    *ret_info = info;
    return 0;
}
