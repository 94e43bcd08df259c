/* Host entropy by getentropy(), which both Linux and macOS have; or splitmix64 from a fixed state.
 */
#include "vmm/entropy.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"

#define GETENTROPY_MAX 256 /* bytes a call */

void entropy_init(struct entropy *entropy, bool fixed)
{
    *entropy = (struct entropy){ .fixed = fixed };
}

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014). */
static uint64_t fixed_next(struct entropy *entropy)
{
    uint64_t z = entropy->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void fixed_fill(struct entropy *entropy, uint8_t *at, size_t len)
{
    while (len) {
        uint64_t val = fixed_next(entropy);

        for (unsigned i = 0; i < 8 && len; i++, len--)
            *at++ = (uint8_t)(val >> 8 * i);
    }
}

void entropy_fill(struct entropy *entropy, void *buf, size_t len)
{
    uint8_t *at = buf;

    if (entropy->fixed) {
        fixed_fill(entropy, at, len);
        return;
    }
    while (len) {
        size_t part = len < GETENTROPY_MAX ? len : GETENTROPY_MAX;
        if (getentropy(at, part) < 0)
            log_fatal("entropy", "the host gives no random bytes");
        at += part;
        len -= part;
    }
}
