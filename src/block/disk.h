/*
 * A drive's content: sectors of 512 bytes that can be read, written and flushed.
 *
 * That is a raw image behind a descriptor, or a layer over another drive (disk_layer.h). Callers
 * see only these functions.
 *
 * Threads: any; callers that write the same sectors at once get either's bytes.
 */
#pragma once

#include <sys/uio.h>

#include "base/bits.h"
#include "base/err.h"

#define DISK_SECTOR  512
#define DISK_IOV_MAX 1024 /* segments of one read or write: POSIX's IOV_MAX on Linux and macOS */

struct disk;

/*
 * Use an image that somebody has opened. fd stays the caller's, to close after disk_close(); its
 * file offset is not used. name is for messages.
 *
 * Takes an advisory lock that belongs to the open file: a writable image has one user, read-only
 * ones may be shared. Refuses what is no file or block device, is empty, is no multiple of
 * DISK_SECTOR, is in use, or is opened read-only though read_only is false.
 */
MUST_CHECK int disk_open_fd(int fd, const char *name, bool read_only, struct disk **ret_disk,
                            struct err *err);
void disk_close(struct disk *disk); /* NULL is fine; gives the lock back */

/* For messages: the file, and what it lies over. Valid until disk_close(). */
const char *disk_name(const struct disk *disk);

/* Did a flush fail, so that nothing is written to it any more until it is opened again? */
bool disk_stuck(const struct disk *disk);

/* What the owner of the host can do about an error of a drive: the end of a sentence. */
const char *disk_way_out(int code);

uint64_t disk_sectors(const struct disk *disk);
bool disk_read_only(const struct disk *disk);

/* Bytes, a power of two: a discard gives back whole and aligned units of this. */
uint32_t disk_granule(const struct disk *disk);

/*
 * Move the bytes of iov[0..count), in order, from or to byte offset `off`. All or an error: -EINVAL
 * beyond the end, -EROFS, -EIO when the image has become shorter, or what the host reports. After
 * an error part of the bytes may have been moved. iov is not changed; count is up to DISK_IOV_MAX.
 */
MUST_CHECK int disk_readv(struct disk *disk, const struct iovec *iov, unsigned count, uint64_t off);
MUST_CHECK int disk_writev(struct disk *disk, const struct iovec *iov, unsigned count,
                           uint64_t off);

/* disk_readv() if that does not have to wait for a medium: else -EAGAIN, also when the host cannot
 * say. Part of the bytes may have been moved then. */
MUST_CHECK int disk_readv_now(struct disk *disk, const struct iovec *iov, unsigned count,
                              uint64_t off);

/*
 * Say that [off, off + len) is not needed. A raw image gives the storage back, and zeros are read
 * then, where its file system can; a layer always reads zeros. -EINVAL, -EROFS, or the host's
 * error.
 */
MUST_CHECK int disk_discard(struct disk *disk, uint64_t off, uint64_t len);

/* Make [off, off + len) zeros; unmap allows to give the storage back. Errors as for a write. */
MUST_CHECK int disk_write_zeroes(struct disk *disk, uint64_t off, uint64_t len, bool unmap);

/* Writes that have returned are on stable storage when this returns 0. */
MUST_CHECK int disk_flush(struct disk *disk);
