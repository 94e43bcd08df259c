/* Host entropy by getentropy(), which both Linux and macOS have. */
#include "vmm/entropy.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"

#define GETENTROPY_MAX 256 /* bytes a call */

void entropy_fill(void *buf, size_t len)
{
    uint8_t *at = buf;

    while (len) {
        size_t part = len < GETENTROPY_MAX ? len : GETENTROPY_MAX;
        if (getentropy(at, part) < 0)
            log_fatal("entropy", "the host gives no random bytes");
        at += part;
        len -= part;
    }
}

uint64_t entropy_u64(void)
{
    uint64_t val;

    entropy_fill(&val, sizeof(val));
    return val;
}
