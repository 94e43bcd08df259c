/* What a kind of drive fills in, and what kinds share. For src/block only. */
#pragma once

#include "block/disk.h"

struct disk;

/*
 * Ranges are within the drive and lengths not 0; what changes the drive is not called on a
 * read-only one. iov is the callee's to change. `now`: see disk_readv_now(). Return 0 or
 * -errno.
 */
struct disk_ops {
    int (*readv)(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off, bool now);
    int (*writev)(struct disk *disk, struct iovec *iov, unsigned count, uint64_t off);
    int (*discard)(struct disk *disk, uint64_t off, uint64_t len);
    int (*write_zeroes)(struct disk *disk, uint64_t off, uint64_t len, bool unmap);
    int (*flush)(struct disk *disk);
    void (*close)(struct disk *disk);
};

struct disk {
    const struct disk_ops *ops;
    char *name; /* from malloc, freed by close; see disk_name() */
    bool read_only;
    bool stuck; /* atomic; see disk_stuck() */
    uint64_t bytes;
    uint32_t granule; /* see disk_granule() */
};

/* All of iov from or to a file, through short and interrupted calls; -EIO at the end of the file.
 * iov is used up. */
int disk_fd_readv(int fd, struct iovec *iov, unsigned count, uint64_t off);
int disk_fd_writev(int fd, struct iovec *iov, unsigned count, uint64_t off);

/* What is in memory; -EAGAIN for all of iov when any of it is not. */
int disk_fd_readv_now(int fd, const struct iovec *iov, unsigned count, uint64_t off);

/* The same as the first two for one buffer. */
int disk_fd_read(int fd, void *buf, size_t len, uint64_t off);
int disk_fd_write(int fd, const void *buf, size_t len, uint64_t off);

/* Take the advisory lock of an open file: shared, or exclusive. -EBUSY when another has it; a file
 * system without locks is warned about, with `name`, and used. */
int disk_fd_lock(int fd, const char *name, bool exclusive);
void disk_fd_unlock(int fd);

/* The first len bytes of iov, cut out to part, and taken off iov and count. Returns the number of
 * segments in part, none of them empty. iov holds at least len bytes. */
unsigned disk_iov_take(struct iovec **iov, unsigned *count, uint64_t len, struct iovec *part);
