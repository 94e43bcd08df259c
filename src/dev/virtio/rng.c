/* virtio-rng (virtio 1.2, section 5.4): one queue of buffers to fill; no configuration. */
#include "dev/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "dev/virtio/mmio.h"

#define RNG_QUEUE_SIZE 64
/* The device may fill less than the buffer (5.4.6.1); Linux asks for 64 bytes or less. */
#define RNG_BYTES_MAX 4096

struct rng {
    struct virtio virtio;
    struct rng_config config;
};

static bool rng_request(struct virtio *v, struct virtio_req *req)
{
    const struct queue_chain *chain = &req->chain;
    struct rng *rng = container_of(v, struct rng, virtio);
    uint32_t done = 0;

    if (!chain->in)
        log_guest("virtio-rng", "request without a buffer to fill");
    for (unsigned i = 0; i < chain->in && done < RNG_BYTES_MAX; i++) {
        const struct iovec *iov = &chain->iov[chain->out + i];
        size_t part = RNG_BYTES_MAX - done;

        if (part > iov->iov_len)
            part = iov->iov_len;
        rng->config.fill(rng->config.ctx, iov->iov_base, part);
        done += (uint32_t)part;
    }
    req->len = done;
    return true;
}

static const struct virtio_ops rng_virtio_ops = {
    .id = 4,
    .queues = 1,
    .queue_max = RNG_QUEUE_SIZE,
    .notify = virtio_serve,
    .request = rng_request,
};

static void rng_destroy(struct dev *dev)
{
    struct rng *rng = container_of(dev, struct rng, virtio.dev);

    virtio_fini(&rng->virtio);
    free(rng);
}

/* v1: the transport. */
static const struct state_field rng_fields[] = {
    VIRTIO_STATE(struct rng, 1),
    STATE_END,
};

static int rng_post_load(void *obj, uint32_t version, struct err *err)
{
    return virtio_post_load(&((struct rng *)obj)->virtio, err);
}

static const struct state_desc rng_state = {
    .name = "virtio-rng",
    .version = 1,
    .oldest = 1,
    .fields = rng_fields,
    .post_load = rng_post_load,
};

static const struct dev_ops rng_ops = {
    .name = "virtio-rng",
    .mmio_size = MMIO_SIZE,
    .read = mmio_read,
    .write = mmio_write,
    .reset = virtio_reset,
    .fdt = mmio_fdt,
    .destroy = rng_destroy,
    .state = &rng_state,
};

int rng_create(const struct rng_config *config, struct dev **ret_dev, struct err *err)
{
    struct rng *rng = calloc(1, sizeof(*rng));
    int rc;

    if (!rng)
        return err_set(err, ENOMEM, "virtio-rng: out of memory");
    rng->config = *config;
    rc = virtio_init(&rng->virtio, &rng_ops, &rng_virtio_ops, 0, &config->host, err);
    if (rc < 0) {
        rng_destroy(&rng->virtio.dev);
        return rc;
    }
    *ret_dev = &rng->virtio.dev;
    return 0;
}
